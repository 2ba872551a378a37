"""An engine and a store over each carrier's channel and its simulated gateway, the same for all."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from pydantic import SecretStr
from typing_extensions import override

from fzalert.background import Background
from fzalert.clock import Clock, SystemClock
from fzalert.delivery import Limits
from fzalert.ports import Adapter, AdapterContext
from fzalert.testing import make_context
from fzalert.testing.engine import EngineRig, FarSide
from fzalert_sms.carrier.config import CarrierConfig
from fzalert_sms.carrier.simulator.connection import GatewayConnection
from fzalert_sms.cmpp import CmppConfig, CmppGateway
from fzalert_sms.cmpp.knobs import Knobs as CmppKnobs
from fzalert_sms.cmpp.simulator import CmppSimulator
from fzalert_sms.sgip import SgipConfig, SgipGateway
from fzalert_sms.sgip.knobs import Knobs as SgipKnobs
from fzalert_sms.sgip.push import PushConnection
from fzalert_sms.sgip.simulator import SgipSimulator
from fzalert_sms.smgp import SmgpConfig, SmgpGateway
from fzalert_sms.smgp.knobs import Knobs as SmgpKnobs
from fzalert_sms.smgp.simulator import SmgpSimulator
from fzalert_sms.smpp import SmppConfig, SmppGateway
from fzalert_sms.smpp.knobs import Knobs as SmppKnobs
from fzalert_sms.smpp.simulator import SmppSimulator

DAY_MS = 86_400_000


class Later(SystemClock):
    """The machine's clock, some days ahead."""

    def __init__(self, days: float) -> None:
        super().__init__()
        self._ahead = int(days * DAY_MS)

    @override
    def millis(self) -> int:
        return super().millis() + self._ahead


@dataclass(frozen=True)
class Carrier:
    """One protocol, with what its channel and its gateway need to talk.

    Attributes:
        name: As typed, such as cmpp.
        config: Its settings' class.
        gateway: Its channel's class.
        simulator: Its simulator's class.
        knobs: Its knobs' class.
        settings: What its channel is set to.
        always: Knobs that make its ids hard to match.
    """

    name: str
    config: Any
    gateway: Any
    simulator: Any
    knobs: Any
    settings: dict[str, Any]
    always: dict[str, Any] = field(default_factory=dict)

    def simulate(self, log: Path | None = None, **knobs: Any) -> Any:
        """Make its simulator; reports come only when the test sends them, unless told otherwise."""
        given = {"response_delay_ms": 0, "missing_share": 1.0} | self.always | knobs
        return self.simulator(self.knobs(**given), log=log)

    @asynccontextmanager
    async def engine(
        self,
        folder: Path,
        simulator: Any,
        *,
        clock: Clock | None = None,
        limits: Limits | None = None,
        first_id: int = 1001,
        **more: Any,
    ) -> AsyncIterator[EngineRig]:
        """Run an engine over the channel, on the store in a folder."""
        patient = {"name": "sms", "host": "127.0.0.1", "port": simulator.port}
        times = {"open_wait": 20, "late_after": 30, "submit_timeout": 30, "close_within": 0}
        config = self.config(**patient | times | self.settings | more)
        async with make_context() as context:
            rig = EngineRig(
                folder,
                _Far(self, config, context, simulator),
                limits=limits or Limits(),
                clock=clock,
                connections=config.connections,
                first_id=first_id,
            )
            async with rig:
                yield rig

    @staticmethod
    def lines(simulator: Any) -> list[GatewayConnection]:
        """Connections on which the channel sends."""
        connections = simulator.gateway.connections
        return [one for one in connections if not isinstance(one, PushConnection)]

    def answer(self, simulator: Any, nth: int, carrier_id: bytes | None = None) -> None:
        """Take the nth submission now, under an id of ours or of the gateway's own."""
        submit, own_id, _ = simulator.submits[nth]
        (line,) = self.lines(simulator)
        line.session.answer(submit.sequence, carrier_id or own_id, 0)
        line.flush()


class _Listening(SgipGateway):
    """Tells the simulator where it listens: it delivers to the newest listener."""

    simulator: SgipSimulator

    @override
    async def __aenter__(self) -> Self:
        await super().__aenter__()
        if self.listener is not None:
            self.simulator.change(deliver_port=self.listener.port)
        return self


class _Far(FarSide):
    """Makes real channels for the rig, all in the engine's own background."""

    def __init__(
        self, carrier: Carrier, config: CarrierConfig, context: AdapterContext, simulator: Any
    ) -> None:
        super().__init__()
        self.carrier = carrier
        self.config = config
        self.context = context
        self.simulator = simulator

    @override
    def make(self, slot: int, background: Background) -> Adapter:
        context = replace(self.context, background=background)
        channel: Adapter = self.carrier.gateway(
            self.config.model_copy(update={"slot": slot}), context
        )
        if isinstance(channel, _Listening):
            channel.simulator = self.simulator
        return channel


_SHARED = SecretStr("shared")
CMPP = Carrier(
    "cmpp",
    CmppConfig,
    CmppGateway,
    CmppSimulator,
    CmppKnobs,
    {
        "account": "901234",
        "secret": SecretStr("1234"),
        "service_id": "FZALERT",
        "src_id": "106980001234",
    },
)
SGIP = Carrier(
    "sgip",
    SgipConfig,
    _Listening,
    SgipSimulator,
    SgipKnobs,
    {
        "account": "fzalert",
        "secret": _SHARED,
        "node_id": 3053100123,
        "corp_id": "00123",
        "service_type": "FZALERT",
        "sp_number": "10655000",
        "listener": {"host": "127.0.0.1", "port": 0, "account": "gateway", "secret": _SHARED},
    },
)
SMGP = Carrier(
    "smgp",
    SmgpConfig,
    SmgpGateway,
    SmgpSimulator,
    SmgpKnobs,
    {
        "account": "35100001",
        "secret": _SHARED,
        "service_id": "FZALERT",
        "src_term_id": "118351000",
    },
)
SMPP = Carrier(
    "smpp",
    SmppConfig,
    SmppGateway,
    SmppSimulator,
    SmppKnobs,
    {
        "account": "fzalert",
        "secret": SecretStr("secret08"),
        "source_addr": "10690001",
        "message_id": "hex_to_dec",
    },
    {"message_ids": "hex", "receipt_ids": "decimal"},
)
CARRIERS = (CMPP, SGIP, SMGP, SMPP)
"""SMPP answers in hexadecimal with leading zeros and reports in decimal; a third of SMGP's ids are
no digits."""
