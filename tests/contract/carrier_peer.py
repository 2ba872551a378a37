"""A simulated gateway of any carrier, as the contract of channels uses it."""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

from fzalert.messages import ReceiptKind, ReportKind
from fzalert_sms.carrier.simulator import CarrierSimulator

S = TypeVar("S", bound=CarrierSimulator[Any])


class CarrierPeer(ABC, Generic[S]):
    """The other side of the line.

    Attributes:
        results: The result that makes each receipt.
        stats: The word that makes each report.
    """

    can_refuse = True
    can_go_silent = True
    can_drop = True
    results: ClassVar[Mapping[ReceiptKind, int]]
    stats: ClassVar[Mapping[ReportKind, str]]

    def __init__(self, simulator: S) -> None:
        self.simulator = simulator

    @staticmethod
    @abstractmethod
    def read(submit: Any) -> tuple[str, bytes]:
        """Number and raw text of a submission."""

    async def received(self, n: int, timeout: float) -> list[tuple[str, str]]:  # noqa: ASYNC109
        submits = self.simulator.submits
        with contextlib.suppress(TimeoutError):
            await self.simulator.until(lambda: len(submits) >= n, timeout)
        seen = [self.read(submit) for submit, _, _ in submits]
        return [(number, octets.decode("utf-16-be")) for number, octets in seen]

    def refuse_next(self, kind: ReceiptKind) -> None:
        self.simulator.gateway.next_answers.append(self.results[kind])

    def silent(self) -> None:
        self.simulator.change(is_silent=True)

    def drop(self) -> None:
        self.simulator.change(is_silent=False)
        self.simulator.cut()

    def report(self, kind: ReportKind) -> None:
        submit, carrier_id, _ = self.simulator.submits[-1]
        self.simulator.report(submit, carrier_id, self.stats[kind])

    async def acknowledged(self, n: int, timeout: float) -> int:  # noqa: ASYNC109
        counts = self.simulator.counts
        with contextlib.suppress(TimeoutError):
            await self.simulator.until(lambda: counts["acknowledged"] >= n, timeout)
        return counts["acknowledged"]
