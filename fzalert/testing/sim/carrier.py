"""The far side: a gateway that answers, refuses, throttles, loses, repeats and reorders.

It outlives every process. It remembers every PDU, so that the laws can be held against what really
reached it. A report that is not acknowledged comes again; one that is acknowledged is forgotten, as
real carriers do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fzalert.messages import (
    DeliveryReport,
    Receipt,
    ReceiptKind,
    ReportKind,
    Scope,
    Uplink,
)
from fzalert.ports import Capabilities, InboundBatch, Submission
from fzalert.testing.sim.chance import Fault

if TYPE_CHECKING:
    from fzalert.testing.sim.channel import Line
    from fzalert.testing.sim.world import World

__all__ = ["Carrier", "Pdu", "Traits"]

Key = tuple[int, int]
ANSWERS_WITHIN = 0.06
REPORTS_WITHIN = 2.0
REPEATS_AFTER = 2.5


@dataclass(frozen=True, slots=True)
class Traits:
    """What kind of channel it is.

    Attributes:
        name: The channel's name.
        capabilities: Of every adapter.
        keeps_state: Whether it keeps a state.
        has_long_ids: Whether its ids are longer than a recorder's slot.
    """

    name: str
    capabilities: Capabilities
    keeps_state: bool = False
    has_long_ids: bool = False


@dataclass(eq=False, slots=True)
class Pdu:
    """One part that left for the gateway.

    Attributes:
        number: Of all PDUs of this carrier.
        part: What was submitted.
        wire_key: What names it on the wire.
        at: Virtual seconds.
        is_taken: Whether the gateway took it.
        answer: What the process that sent it knows, once its wire took the answer.
        is_late: Whether that came after it was given up: then it may be forgotten again.
        reported: What was reported of it.
    """

    number: int
    part: Submission
    wire_key: bytes
    at: float
    is_taken: bool = False
    answer: ReceiptKind | None = None
    is_late: bool = False
    reported: set[ReportKind] = field(default_factory=set)


@dataclass(eq=False, slots=True)
class _Report:
    pdu: Pdu
    row: DeliveryReport | Uplink
    is_acknowledged: bool = False
    twice: bool = False


class Carrier:
    """One gateway.

    Args:
        world: Where it is.
        traits: What kind of channel leads to it.

    Attributes:
        traits: As given.
        pdus: Everything that left for it, by part.
        lines: The connections that stand.
        takes_lines: Whether it lets anybody connect.
        roughness: How likely a fault is, for each PDU.
        unacknowledged: How many reports were not acknowledged yet.
        calm_since: When the last fault of its own was over.
    """

    def __init__(self, world: World, traits: Traits) -> None:
        self.world = world
        self.traits = traits
        self.pdus: dict[Key, list[Pdu]] = {}
        self.lines: list[Line] = []
        self.takes_lines = True
        self.roughness = 0.0
        self.unacknowledged = 0
        self.calm_since = 0.0
        self._count = 0
        self._by_key: dict[bytes, Pdu] = {}

    # -- lines -----------------------------------------------------------------------------------

    def cut(self, line: Line) -> None:
        """A connection ends; what is unanswered stays so."""
        if line in self.lines:
            self.lines.remove(line)
        line.lost()

    def _later(self, seconds: float, what: Callable[..., None], *values: object) -> None:
        self.world.loop.call_later(seconds, what, *values)

    # -- what arrives ----------------------------------------------------------------------------

    def receive(self, line: Line, part: Submission, wire_key: bytes) -> Pdu:
        """Take a PDU from a line, and decide what becomes of it."""
        self._count += 1
        world = self.world
        pdu = Pdu(self._count, part, wire_key, world.loop.time())
        world.trace.note("pdu", self.traits.name, part.id, part.part, part.attempt, part.lane)
        world.laws.pdu(self, line, pdu)
        self.pdus.setdefault((part.id, part.part), []).append(pdu)
        chance = world.chance
        answer = chance.seconds(0.001, ANSWERS_WITHIN)
        if self._had(pdu) or not chance.happens(self.roughness):
            self._take(line, pdu, answer, answer + chance.seconds(0.01, REPORTS_WITHIN))
        else:
            self.calm_since = world.loop.time()
            self._unkind(line, pdu, answer)
        return pdu

    def _had(self, pdu: Pdu) -> bool:
        """Whether it was taken before under the same key: then that counts, as promised."""
        return self.traits.capabilities.idempotent_key and pdu.wire_key in self._by_key

    def _unkind(self, line: Line, pdu: Pdu, answer: float) -> None:
        chance, timeout = self.world.chance, self.traits.capabilities.submit_timeout
        fault = chance.rng.choice(_OF_PDUS)
        chance.fire(fault)
        too_late = timeout * chance.seconds(1.05, 2.0)
        if fault in _REFUSALS:
            self._answer_later(line, pdu, answer, chance.rng.choice(_REFUSALS[fault]))
        elif fault is Fault.LATE_REFUSAL:
            kind = chance.rng.choice((ReceiptKind.THROTTLED, ReceiptKind.PERMANENT))
            self._answer_later(line, pdu, too_late, Receipt(kind))
        elif fault is Fault.CUT:
            if chance.happens(0.5):
                self._take(line, pdu, None, answer)
            self.cut(line)
        elif fault is not Fault.NEVER_ARRIVED:
            self._take_badly(line, pdu, fault, answer, too_late)

    def _take_badly(
        self, line: Line, pdu: Pdu, fault: Fault, answer: float, too_late: float
    ) -> None:
        chance, timeout = self.world.chance, self.traits.capabilities.submit_timeout
        report = answer + chance.seconds(0.01, REPORTS_WITHIN)
        match fault:
            case Fault.SLOW:
                self._take(line, pdu, chance.seconds(0.5, 0.9 * timeout), report)
            case Fault.LOST_ANSWER:
                self._take(line, pdu, None, report)
            case Fault.LATE_ANSWER:
                self._take(line, pdu, too_late, report + timeout)
            case Fault.REPORT_FIRST:
                self._take(line, pdu, answer + 0.3, answer)
            case Fault.REPORT_TWICE:
                self._take(line, pdu, answer, report, twice=True)
            case Fault.REPORT_LATE:
                self._take(line, pdu, answer, report + chance.seconds(3, 12))
            case _:
                self._take(line, pdu, answer, report)
                self._report_later(report + chance.seconds(0, 2), pdu, ReportKind.UNDELIVERED)

    def _take(
        self, line: Line, pdu: Pdu, answer: float | None, report: float, *, twice: bool = False
    ) -> None:
        traits = self.traits
        again = self._by_key.get(pdu.wire_key) if traits.capabilities.idempotent_key else None
        pdu.is_taken = True
        self._by_key[pdu.wire_key] = pdu
        carrier_id = self._id_of(again or pdu)
        if answer is not None:
            receipt = Receipt(ReceiptKind.SENT, carrier_id=carrier_id)
            self._answer_later(line, pdu, answer, receipt)
        if traits.capabilities.reports and again is None:
            kind = ReportKind.DELIVERED
            if self.world.chance.happens(0.05):
                kind = ReportKind.UNDELIVERED
            self._report_later(report, pdu, kind, twice=twice)

    def _id_of(self, pdu: Pdu) -> bytes:
        text = f"{self.traits.name}-{pdu.number}"
        return text.ljust(60, "x").encode() if self.traits.has_long_ids else text.encode()

    # -- answers ---------------------------------------------------------------------------------

    def _answer_later(self, line: Line, pdu: Pdu, seconds: float, receipt: Receipt) -> None:
        self._later(seconds, self._answer, line, pdu, receipt)

    def _answer(self, line: Line, pdu: Pdu, receipt: Receipt) -> None:
        if line in self.lines:
            self.world.trace.note("answer", pdu.number, receipt.kind)
            line.answer(pdu, receipt)

    # -- reports ---------------------------------------------------------------------------------

    def _report_later(
        self, seconds: float, pdu: Pdu, kind: ReportKind, *, twice: bool = False
    ) -> None:
        pdu.reported.add(kind)
        row = DeliveryReport(kind, self._id_of(pdu), pdu.part.target, at=0)
        self._bring_later(seconds, _Report(pdu, row, twice=twice))

    def opt_out(self, pdu: Pdu) -> None:
        """Somebody answers a message with 退订."""
        row = Uplink(pdu.part.target, "退订", self.world.clock.millis(), is_opt_out=True)
        self._bring_later(0.1, _Report(pdu, row))

    def _bring_later(self, seconds: float, report: _Report) -> None:
        self.unacknowledged += 1
        self._later(seconds, self._bring, report)

    def _bring(self, report: _Report) -> None:
        """Bring a report over any line, again and again until it is acknowledged."""
        if report.is_acknowledged:
            return
        if self.lines:
            line = self.world.chance.rng.choice(self.lines)
            self.world.trace.note("report", report.pdu.number, type(report.row).__name__)
            rows = (report.row, report.row) if report.twice else (report.row,)
            line.bring(InboundBatch(rows, lambda: self._acknowledged(line, report)))
        self._later(REPEATS_AFTER, self._bring, report)

    def _acknowledged(self, line: Line, report: _Report) -> None:
        line.process.step("report.acknowledged")
        if line not in self.lines or report.is_acknowledged:
            return
        report.is_acknowledged = True
        self.unacknowledged -= 1
        self.world.trace.note("acknowledged", report.pdu.number)
        self.world.laws.acknowledged(report.row)

    # -- figures ---------------------------------------------------------------------------------

    def is_calm(self, for_seconds: float) -> bool:
        """Whether it has been kind for so long, and has a line with room."""
        if not self.takes_lines or self.world.loop.time() - self.calm_since < for_seconds:
            return False
        window = self.traits.capabilities.window
        return any(line.stands_for() > 1 and len(line.open) < window for line in self.lines)


_REFUSALS = {
    Fault.REJECTED: (Receipt(ReceiptKind.PERMANENT, code="4"),),
    Fault.TEMPORARY: (Receipt(ReceiptKind.TEMPORARY, code="8"),),
    Fault.CHANNEL_REFUSED: (Receipt(ReceiptKind.PERMANENT, Scope.CHANNEL, code="no balance"),),
    Fault.THROTTLED: (
        Receipt(ReceiptKind.THROTTLED, Scope.CHANNEL),
        Receipt(ReceiptKind.THROTTLED, Scope.CHANNEL, retry_after=0.5),
    ),
}
_OF_PDUS = (
    Fault.REJECTED,
    Fault.TEMPORARY,
    Fault.CHANNEL_REFUSED,
    Fault.THROTTLED,
    Fault.THROTTLED,
    Fault.SLOW,
    Fault.LOST_ANSWER,
    Fault.LOST_ANSWER,
    Fault.NEVER_ARRIVED,
    Fault.LATE_ANSWER,
    Fault.LATE_REFUSAL,
    Fault.REPORT_FIRST,
    Fault.REPORT_TWICE,
    Fault.REPORT_LATE,
    Fault.REPORTS_SWAPPED,
    Fault.CUT,
)
