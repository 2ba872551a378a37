"""How the desk's pages write an item: words, clocks, groups of digits. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from fzalert.desk.inbox import InboxItem, ItemState
from fzalert.desk.settings import SenderSettings
from fzalert.freeze.package import (
    DocumentKind,
    InstructionKind,
    Outcome,
    mask_name,
    mask_number,
    result_of,
)
from fzalert.web.words import Badge
from fzalert.web.writing import BEIJING, when

__all__ = [
    "KINDS",
    "Clock",
    "DeskRow",
    "Detail",
    "Proved",
    "clock_text",
    "detail",
    "grouped",
    "row",
]

LOOK_WITHIN = timedelta(minutes=5)
"""Within which somebody looks at what came in. Source: freeze.md D3, a goal of this product."""
ANSWER_WITHIN = timedelta(minutes=15)
"""Within which it is answered. Source: freeze.md D4, likewise."""
KINDS: Mapping[str, tuple[str, str]] = {
    InstructionKind.STOP: ("紧急止付", "stop"),
    InstructionKind.EXTEND: ("止付延期", "extend"),
    InstructionKind.FREEZE: ("冻结", "freeze"),
    InstructionKind.RENEW: ("继续冻结", "renew"),
    InstructionKind.RELEASE: ("解除", "release"),
    InstructionKind.RETURN: ("返还", "return"),
}
DOCUMENTS: Mapping[str, Badge] = {
    DocumentKind.PRE_ALERT: Badge("quiet", "○", "预警 · 不具止付效力", "pre-alert: stops nothing"),
    DocumentKind.INSTRUCTION: Badge("warn", "■", "指令 · 须执行或退回", "binding instruction"),
}
CORE: Mapping[str, Badge] = {
    "asking": Badge("warn", "▲", "正在询问，或上次询问中断", "asking, or cut off"),
    "done": Badge("ok", "●", "核心系统已答复", "core banking has answered"),
    "left": Badge("quiet", "○", "核心系统交由人工处理", "left to a person"),
    "failed": Badge("bad", "■", "核心系统没有办成", "core banking failed"),
}
_NOBODY = "–"


@dataclass(frozen=True, slots=True)
class Clock:
    """A clock of one item.

    Attributes:
        label: What it counts to.
        text: As it stands now; complete without a script.
        due_ms: When it is over; 0 where it does not run.
        tone: ok, warn, bad or quiet.
    """

    label: str
    text: str
    due_ms: int = 0
    tone: str = "quiet"


@dataclass(frozen=True, slots=True)
class Proved:
    """How it is known who sent an item.

    Attributes:
        badge: In one word.
        signer: Name of the key's owner, from our own file.
        unit: As the document says.
        key_id: Of the key.
        signed_at: When.
        certificate: Of the line.
        names: In the certificate.
        until: When the certificate ends.
    """

    badge: Badge
    signer: str
    unit: str
    key_id: str
    signed_at: str
    certificate: str
    names: str
    until: str


@dataclass(frozen=True, slots=True)
class DeskRow:
    """One item as the list shows it: masked."""

    id: str
    application: str
    document: str
    kind: str
    badge: Badge
    proved: Proved
    drill: bool
    account: str
    holder: str
    amount: str
    received: str
    clock: Clock
    opened: str
    taken: str
    result: Badge | None
    answered_by: str
    answered_at: str
    is_paper: bool


@dataclass(frozen=True, slots=True)
class Detail:
    """One item in plain."""

    row: DeskRow
    name: str
    number: str
    amount: str
    times: tuple[str, ...]
    inflow: tuple[tuple[str, str, str, str], ...]
    reason: str
    hours: int
    end: str
    mode: str
    report: str
    approval: str
    officers: tuple[tuple[str, str], ...]
    sha256: str
    freezing: bool
    asked: str
    phone: str
    contact: str
    other_phone: bool
    calls: tuple[tuple[str, str, bool, str], ...]
    core: Badge | None
    core_at: str
    core_why: str
    core_failed: bool
    paper: tuple[str, str, str] | None
    differs: tuple[str, ...]
    frozen: str
    balance: str
    cause: str
    started: str
    expires: str


def clock_text(seconds: float) -> str:
    """Write what is left, or what is over: minutes and seconds, hours in front where there are."""
    size = int(abs(seconds))
    hours, rest = divmod(size, 3600)
    text = f"{rest // 60:02}:{rest % 60:02}"
    if hours:
        text = f"{hours}:{text}"
    return f"超时 {text}" if seconds < 0 else text


def grouped(number: str) -> str:
    """Write a number in groups of four, as people compare it."""
    if not number.isdecimal():
        return number
    return " ".join(number[at : at + 4] for at in range(0, len(number), 4))


def row(item: InboxItem, now: datetime, names: Mapping[str, str]) -> DeskRow:
    """An item as the list shows it."""
    package, receipt = item.package, item.receipt
    result = None
    if receipt is not None:
        found = result_of(receipt.code)
        tone = {Outcome.DONE: ("ok", "●"), Outcome.PARTIAL: ("warn", "▲")}.get(
            found.outcome, ("bad", "■")
        )
        result = Badge(*tone, f"{receipt.code} {found.zh}", found.en)
    document = str(package.document)
    return DeskRow(
        id=f"{package.application_id}-{document}".replace(" ", "-"),
        application=package.application_id,
        document=document,
        kind=KINDS[package.measure.kind][0],
        badge=DOCUMENTS[package.document],
        proved=_proved(item),
        drill=package.drill,
        account=mask_number(package.account.number),
        holder=mask_name(package.account.name),
        amount=_money(_amount(item)),
        received=when(item.received_at),
        clock=_clock(item, now),
        opened=names.get(item.opened_by, item.opened_by),
        taken=names.get(item.taken_by, item.taken_by),
        result=result,
        answered_by=names.get(item.answered_by, item.answered_by),
        answered_at=_full(item.answered_at) if item.answered_at else _NOBODY,
        is_paper=not item.sender,
    )


def detail(
    item: InboxItem, now: datetime, names: Mapping[str, str], sender: SenderSettings | None
) -> Detail:
    """An item in plain.

    Args:
        item: Which.
        now: The present.
        names: How actors' ids are written.
        sender: The unit in our own book, or None where it is not in it.
    """
    package, receipt = item.package, item.receipt
    measure = package.measure
    core = item.core
    paper = item.origin.paper
    phone = "" if sender is None else sender.phone
    left = package.sender.duty_phone
    approval = package.approval
    return Detail(
        row=row(item, now, names),
        name=package.account.name,
        number=grouped(package.account.number),
        amount=_money(_amount(item)),
        times=tuple(_full(one.at) for one in package.inflow),
        inflow=tuple(
            (when(one.at), _money(one.amount), one.from_name, grouped(one.from_account))
            for one in package.inflow
        ),
        reason=measure.reason,
        hours=measure.duration_hours or 0,
        end=when(measure.end_at, seconds=False) if measure.end_at else "",
        mode={"01": "限额冻结", "02": "整体冻结（只收不付）"}.get(measure.mode, ""),
        report=package.case.report_number,
        approval=""
        if approval is None
        else f"{_RANKS.get(approval.rank.name.lower(), approval.rank.name)}"
        f" {_full(approval.approved_at)}",
        officers=tuple((one.name, one.certificate) for one in package.officers),
        sha256=item.sha256,
        freezing=measure.kind in {InstructionKind.FREEZE, InstructionKind.RENEW},
        asked="" if measure.amount is None else str(measure.amount),
        phone=phone,
        contact="" if sender is None else sender.contact,
        other_phone=bool(phone) and _digits(left) not in {"", _digits(phone)},
        calls=tuple(
            (when(one.at), names.get(one.by, one.by), one.confirmed, one.note) for one in item.calls
        ),
        core=None if core is None else CORE.get(core.state, CORE["failed"]),
        core_at="" if core is None else when(core.at),
        core_why="" if core is None else core.why,
        core_failed=core is not None and core.state in {"failed", "asking"},
        paper=None
        if paper is None
        else (names.get(paper.by, paper.by), when(paper.at), paper.hash16),
        differs=() if paper is None else paper.differs,
        frozen="" if receipt is None or receipt.frozen is None else _money(receipt.frozen),
        balance="" if receipt is None or receipt.balance is None else _money(receipt.balance),
        cause="" if receipt is None else receipt.cause,
        started=_full(receipt.started_at) if receipt and receipt.started_at else "",
        expires=_full(receipt.expires_at) if receipt and receipt.expires_at else "",
    )


_RANKS = {
    "station": "派出所",
    "county": "县级公安机关负责人",
    "prefecture": "市级公安机关负责人",
    "province": "省级公安机关负责人",
}


def _proved(item: InboxItem) -> Proved:
    origin, unit = item.origin, item.package.sender.unit_name
    if not item.sender:
        badge = Badge("warn", "▲", "纸质件 · 无电子签名", "paper: no signature")
    else:
        badge = Badge("ok", "✔", "签名有效", "signature valid")
    line = origin.line
    return Proved(
        badge=badge,
        signer=item.sender or "–",
        unit=f"{unit} {item.package.sender.unit_code}" if item.sender else unit,
        key_id=origin.key_id or _NOBODY,
        signed_at=_full(origin.signed_at) if origin.signed_at else _NOBODY,
        certificate="" if line is None else line.fingerprint.removeprefix("sha256:"),
        names="" if line is None else ", ".join(line.names),
        until=when(line.until, seconds=False) if line is not None and line.until else _NOBODY,
    )


def _full(moment: datetime) -> str:
    """A moment with its year: what is compared, printed and kept."""
    return moment.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def _amount(item: InboxItem) -> Decimal:
    asked = item.package.measure.amount
    paid = sum((one.amount for one in item.package.inflow), Decimal(0))
    return paid if asked is None else asked


def _money(amount: Decimal) -> str:
    return f"{amount:,.2f}"


def _digits(text: str) -> str:
    return "".join(each for each in text if each.isdigit())


def _clock(item: InboxItem, now: datetime) -> Clock:
    """One clock that runs; of what is final it stops and says how long it took."""
    receipt = item.receipt
    if item.state is ItemState.ANSWERED and receipt is not None:
        good = result_of(receipt.code).outcome in {Outcome.DONE, Outcome.PARTIAL}
        if good and receipt.expires_at is not None and receipt.expires_at > now:
            return _running(
                "止付到期" if item.package.measure.duration_hours else "到期",
                receipt.expires_at,
                now,
                timedelta(hours=6),
            )
        return _took(item.received_at, item.answered_at)
    if item.package.document is DocumentKind.PRE_ALERT and item.opened_at is not None:
        return _took(item.received_at, item.opened_at)
    if item.opened_at is None:
        return _running("查看", item.received_at + LOOK_WITHIN, now, timedelta(minutes=2))
    return _running("答复", item.received_at + ANSWER_WITHIN, now, timedelta(minutes=5))


def _running(label: str, due: datetime, now: datetime, soon: timedelta) -> Clock:
    left = (due - now).total_seconds()
    tone = "bad" if left < 0 else "warn" if left < soon.total_seconds() else "ok"
    return Clock(label, clock_text(left), int(due.timestamp() * 1000), tone)


def _took(start: datetime, end: datetime | None) -> Clock:
    if end is None:
        return Clock("用时", _NOBODY)
    return Clock("用时", clock_text(max(0.0, (end - start).total_seconds())))
