"""The CMPP channel against the contract that every channel keeps."""

from collections.abc import AsyncIterator
from typing import Any, ClassVar, Literal

import pytest
from pydantic import SecretStr
from typing_extensions import override

from fzalert.messages import ReceiptKind, ReportKind, Target
from fzalert.ports import AdapterContext
from fzalert.testing import (
    AdapterContract,
    LifecycleContract,
    LinkContract,
    RefusalContract,
    ReportsContract,
    SilenceContract,
)
from fzalert_sms.cmpp import CmppConfig, CmppGateway
from fzalert_sms.cmpp.knobs import Knobs
from fzalert_sms.cmpp.simulator import CmppSimulator
from tests.contract.carrier_peer import CarrierPeer

RESULTS = {
    ReceiptKind.PERMANENT: 13,
    ReceiptKind.THROTTLED: 8,
    ReceiptKind.TEMPORARY: 150,
    ReceiptKind.UNKNOWN: 3,
}
STATS = {
    ReportKind.DELIVERED: "DELIVRD",
    ReportKind.UNDELIVERED: "MB:0044",
    ReportKind.EXPIRED: "EXPIRED",
    ReportKind.NO_REPORT: "MA:0001",
}


def settings(port: int, **more: Any) -> CmppConfig:
    given: dict[str, Any] = {
        "name": "cmpp-1",
        "host": "127.0.0.1",
        "port": port,
        "account": "901234",
        "secret": SecretStr("hongqi"),
        "service_id": "FZALERT",
        "src_id": "106980001234",
        "late_after": 0.3,
        "submit_timeout": 0.6,
    }
    return CmppConfig(**given | more)


class CmppPeer(CarrierPeer[CmppSimulator]):
    """The simulated gateway as the contract uses it."""

    results = RESULTS
    stats = STATS

    @staticmethod
    @override
    def read(submit: Any) -> tuple[str, bytes]:
        return submit.destinations[0], submit.content


class TestCmppGateway(
    RefusalContract,
    SilenceContract,
    LinkContract,
    ReportsContract,
    LifecycleContract,
    AdapterContract,
):
    factory = CmppGateway
    refusals = frozenset(RESULTS)
    layout: ClassVar[Literal["auto", "2.0"]] = "auto"
    more: ClassVar[dict[str, Any]] = {}

    @pytest.fixture
    async def peer(self) -> AsyncIterator[CmppPeer]:
        knobs = Knobs(
            accounts={"901234": "hongqi"},
            response_delay_ms=5,
            missing_share=1.0,
            layout=self.layout,
        )
        async with CmppSimulator(knobs) as simulator:
            yield CmppPeer(simulator)

    @pytest.fixture
    def config(self, peer: CmppPeer) -> CmppConfig:
        return settings(peer.simulator.port, **self.more)

    @pytest.fixture
    @override
    async def adapter(
        self, config: CmppConfig, context: AdapterContext
    ) -> AsyncIterator[CmppGateway]:
        async with CmppGateway(config, context) as gateway:
            yield gateway

    @override
    def address_of(self, target: Target) -> str:
        return target.address.removeprefix("+86")


class TestCmpp20(TestCmppGateway):
    """The same over 2.0, with a gateway that speaks nothing else."""

    layout = "2.0"
    more: ClassVar[dict[str, Any]] = {"version": "2.0"}


class TestCmppStepsDown(TestCmppGateway):
    """3.0 is asked for, and the gateway answers in 2.0."""

    layout = "2.0"


class TestCmppReceiveConnection(TestCmppGateway):
    """One more connection is there for reports; either may bring them."""

    more: ClassVar[dict[str, Any]] = {"receive_connection": True}
