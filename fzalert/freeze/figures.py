"""Key figures of freeze requests: how fast and how much money, by bank and month, from events only.

Nothing in a figure is about a person: a row has a month, an institution, counts, lengths of time
and sums. Months are those of China's calendar. Each figure's definition stands at its field.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from fzalert.freeze import events as e
from fzalert.freeze.codes import issuer_of
from fzalert.freeze.model import InstructionKind
from fzalert.freeze.results import Outcome, Receipt, result_of
from fzalert.freeze.values import Account, AccountKind, legal_day

__all__ = ["ALL", "UNKNOWN", "Counting", "FigureRow", "Lengths", "month_of"]

ALL = ""
"""Stands for every institution of a month."""
UNKNOWN = "?"
"""Stands for an account whose institution nobody named."""
_GOOD = frozenset({Outcome.DONE, Outcome.PARTIAL})
_ASKS = frozenset({InstructionKind.STOP, InstructionKind.FREEZE})
_NOTHING = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long a step took, in seconds.

    Attributes:
        number: How many of them there are.
        p50: Half of them took no longer; None where there is none.
        p90: Nine of ten took no longer.
    """

    number: int = 0
    p50: float | None = None
    p90: float | None = None

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Lengths:
        """Sum up by the nearest rank: the value at place ⌈p·n⌉ of the sorted, so a real one."""
        if not seconds:
            return cls()
        known = sorted(seconds)
        return cls(len(known), _at(known, 5), _at(known, 9))


@dataclass(frozen=True, slots=True)
class FigureRow:
    """The figures of one institution in one month, or of all of them.

    Attributes:
        month: As 2026-11.
        desk: The institution by its code; `ALL` for all together.
        name: Its name, where a table of ours has it.
        sent: Stops that were sent for the first time in the month.
        acked: Those of them that the desk acknowledged or answered.
        stopped: Those of them that the institution carried out.
        mismatched: Those of them that it answered with other data of the account.
        refused: Those of them that it refused for another reason.
        report_to_send: From the victim's report to the first sending of the account's first stop.
        send_to_ack: From the first sending of a stop to the desk's acknowledgement.
        ack_to_stop: From the acknowledgement to the beginning of the stop at the institution.
        report_to_stop: From the victim's report to the beginning of the account's first stop.
        asked: What flowed into the accounts whose first stop or freeze was sent in the month.
        money_stopped: Of the accounts whose first stop began in the month: what was asked for, or
            the balance that the institution told, where that was less.
        frozen: What institutions have frozen in the month; a freeze that only waits in turn (轮候)
            is none, a renewal is no new one.
        returned: What institutions have paid back in the month.
    """

    month: str
    desk: str
    name: str = ""
    sent: int = 0
    acked: int = 0
    stopped: int = 0
    mismatched: int = 0
    refused: int = 0
    report_to_send: Lengths = field(default_factory=Lengths)
    send_to_ack: Lengths = field(default_factory=Lengths)
    ack_to_stop: Lengths = field(default_factory=Lengths)
    report_to_stop: Lengths = field(default_factory=Lengths)
    asked: Decimal = _NOTHING
    money_stopped: Decimal = _NOTHING
    frozen: Decimal = _NOTHING
    returned: Decimal = _NOTHING


def month_of(moment: datetime) -> str:
    """The month of China's calendar at a moment, as 2026-11."""
    return f"{legal_day(moment):%Y-%m}"


@dataclass(slots=True)
class _Cell:
    """What one institution has in one month, before it is summed up."""

    counts: Counter[str] = field(default_factory=Counter)
    seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    money: defaultdict[str, Decimal] = field(default_factory=lambda: defaultdict(lambda: _NOTHING))

    def row(self, month: str, desk: str, name: str) -> FigureRow:
        """Sum it up."""
        counts, seconds, money = self.counts, self.seconds, self.money
        return FigureRow(
            month,
            desk,
            name,
            sent=counts["sent"],
            acked=counts["acked"],
            stopped=counts["stopped"],
            mismatched=counts["mismatched"],
            refused=counts["refused"],
            report_to_send=Lengths.of(seconds["report_to_send"]),
            send_to_ack=Lengths.of(seconds["send_to_ack"]),
            ack_to_stop=Lengths.of(seconds["ack_to_stop"]),
            report_to_stop=Lengths.of(seconds["report_to_stop"]),
            asked=money["asked"],
            money_stopped=money["stopped"],
            frozen=money["frozen"],
            returned=money["returned"],
        )

    def take(self, other: _Cell) -> None:
        """Add what another cell has."""
        self.counts.update(other.counts)
        for name, known in other.seconds.items():
            self.seconds[name].extend(known)
        for name, amount in other.money.items():
            self.money[name] += amount


@dataclass(slots=True)
class _Asked:
    """What is known of one instruction that was sent.

    Attributes:
        kind: What was asked.
        terms: On which terms.
        measure: Of which account of the case.
        account: That account as it was when it was sent.
        amount: What had flowed into it.
        sent_at: When it left first.
        acked_at: When the desk had it, or None.
        outcome: What the first answer led to, or None.
        done: The first answer that it was carried out, and when that began.
    """

    kind: InstructionKind
    terms: e.TermsData
    measure: str
    account: Account
    amount: Decimal
    sent_at: datetime
    acked_at: datetime | None = None
    outcome: Outcome | None = None
    done: tuple[Receipt, datetime] | None = None


class Counting:
    """Takes the events of one case after the other, and gives the figures.

    Args:
        month: Count this month alone, as 2026-11; every month unless given.
    """

    def __init__(self, month: str = "") -> None:
        self._month = month
        self._cells: dict[tuple[str, str], _Cell] = {}
        self._names: dict[str, str] = {}

    def add(self, history: Iterable[e.Event]) -> None:
        """Take the events of one case, in their order."""
        reported: datetime | None = None
        stopped: set[str] = set()
        asked: set[str] = set()
        sent: set[str] = set()
        known = _Reading()
        for event in history:
            if isinstance(event, e.CaseOpened):
                reported = event.report.at
            known.take(event)
        for one in sorted(known.sent.values(), key=lambda each: each.sent_at):
            if one.kind in _ASKS and one.measure not in asked:
                asked.add(one.measure)
                self._sum(one.sent_at, one.account, "asked", one.amount)
            if one.kind is InstructionKind.STOP:
                self._stop(one, reported if one.measure not in sent else None)
                sent.add(one.measure)
            elif one.done is not None:
                self._money(one, *one.done)
        good = [one for one in known.sent.values() if one.kind is InstructionKind.STOP and one.done]
        for one in sorted(good, key=_began):
            if one.measure not in stopped:
                stopped.add(one.measure)
                self._first_stop(one, reported)

    def rows(self, names: Mapping[str, str] | None = None) -> list[FigureRow]:
        """The figures: months in order, in each the institutions by code, then all together.

        Args:
            names: Names of institutions by code, which go before those of the card prefixes.
        """
        known = {**self._names, **(names or {})}
        found: list[FigureRow] = []
        for month in sorted({month for month, _ in self._cells}):
            whole = _Cell()
            for (when, desk), cell in sorted(self._cells.items()):
                if when == month:
                    found.append(cell.row(month, desk, known.get(desk, "")))
                    whole.take(cell)
            found.append(whole.row(month, ALL, ""))
        return found

    # -- noting --------------------------------------------------------------------------------

    def _stop(self, one: _Asked, reported: datetime | None) -> None:
        """One stop; `reported` where it is the first of its account."""
        cell = self._cell(one.sent_at, one.account)
        if cell is None:
            return
        cell.counts["sent"] += 1
        cell.counts["acked"] += one.acked_at is not None or one.outcome is not None
        if reported is not None:
            cell.seconds["report_to_send"].append(_between(reported, one.sent_at))
        if one.acked_at is not None:
            cell.seconds["send_to_ack"].append(_between(one.sent_at, one.acked_at))
        if one.done is not None:
            cell.counts["stopped"] += 1
            if one.acked_at is not None:
                cell.seconds["ack_to_stop"].append(_between(one.acked_at, _began(one)))
        elif one.outcome is not None:
            cell.counts["mismatched" if one.outcome is Outcome.MISMATCH else "refused"] += 1

    def _first_stop(self, one: _Asked, reported: datetime | None) -> None:
        """The first stop of an account that was carried out."""
        assert one.done is not None  # noqa: S101  the caller chose those
        receipt, began = one.done
        told = receipt.balance
        held = one.amount if told is None else min(one.amount, told)
        self._sum(began, one.account, "stopped", held)
        cell = self._cell(began, one.account)
        if cell is not None and reported is not None:
            cell.seconds["report_to_stop"].append(_between(reported, began))

    def _money(self, one: _Asked, receipt: Receipt, began: datetime) -> None:
        """What a good answer to another instruction than a stop says of money."""
        if one.kind is InstructionKind.FREEZE and not receipt.earlier_authority:
            told = receipt.frozen if receipt.frozen is not None else one.terms.amount
            self._sum(began, one.account, "frozen", told or _NOTHING)
        elif one.kind is InstructionKind.RETURN:
            paid = sum((share.amount for share in one.terms.allocation), _NOTHING)
            self._sum(began, one.account, "returned", paid)

    def _sum(self, moment: datetime, account: Account, name: str, amount: Decimal) -> None:
        cell = self._cell(moment, account)
        if cell is not None:
            cell.money[name] += amount

    def _cell(self, moment: datetime, account: Account) -> _Cell | None:
        month = month_of(moment)
        if self._month and month != self._month:
            return None
        desk = account.desk or UNKNOWN
        if account.kind is AccountKind.CARD and desk not in self._names:
            issuer = issuer_of(account.number)
            if issuer is not None:
                self._names[desk] = issuer.name
        return self._cells.setdefault((month, desk), _Cell())


class _Reading:
    """Reads the events of one case into what was sent and what came of it."""

    def __init__(self) -> None:
        self.sent: dict[str, _Asked] = {}
        self._accounts: dict[str, tuple[Account, Decimal]] = {}
        self._prepared: dict[str, e.InstructionPrepared] = {}

    def take(self, event: e.Event) -> None:
        """Take the next event."""
        match event:
            case e.MeasureOpened() | e.AccountCorrected():
                amount = sum((one.amount for one in event.inflow), _NOTHING)
                self._accounts[event.measure] = (event.account, amount)
            case e.InstructionPrepared():
                self._prepared[event.id] = event
            case e.InstructionSent() if event.id not in self.sent:
                made = self._prepared[event.id]
                account, amount = self._accounts[event.measure]
                self.sent[event.id] = _Asked(
                    made.kind, made.terms, event.measure, account, amount, event.at
                )
            case e.InstructionAcked():
                one = self.sent[event.id]
                one.acked_at = one.acked_at or event.at
            case e.Answered():
                self._answered(event)
            case _:
                pass

    def _answered(self, event: e.Answered) -> None:
        one = self.sent.get(event.receipt.application_id)
        if one is None:
            return
        outcome = result_of(event.receipt.code).outcome
        one.outcome = one.outcome or outcome
        if one.done is None and outcome in _GOOD:
            one.done = (event.receipt, event.receipt.started_at or event.at)


def _began(one: _Asked) -> datetime:
    return one.sent_at if one.done is None else one.done[1]


def _between(begun: datetime, ended: datetime) -> float:
    """Seconds; what another clock puts before its beginning took none."""
    return max(0.0, (ended - begun).total_seconds())


def _at(known: Sequence[float], tenths: int) -> float:
    return known[-(-tenths * len(known) // 10) - 1]
