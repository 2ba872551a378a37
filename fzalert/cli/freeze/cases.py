"""`fzalert freeze new | check | paste | add | attach | file | status`."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from pydantic import BaseModel

from fzalert.cli.exits import Exit
from fzalert.cli.freeze.asking import (
    desk,
    local,
    read_document,
    show_case,
    told_where_refused,
)
from fzalert.cli.freeze.files import document_type, read_accounts, read_case, read_text
from fzalert.cli.session import current
from fzalert.clock import SystemClock
from fzalert.errors import InputError
from fzalert.service import freeze_models as asks

__all__ = ["add", "attach", "check", "file_case", "new", "paste", "status"]


class Found(BaseModel):
    """One thing that the check found."""

    severity: str
    code: str
    field: str
    zh: str
    en: str


async def new(file: Path, *, key: str = "", token_file: Path | None = None) -> None:
    """Open a case from a file: report, victim, officers, documents, accounts.

    With a key the same file opens one case, however often it is asked; one that was cut short goes
    on where it was.

    Args:
        file: The case in TOML or JSON, - for standard input.
        key: A word of your own for this file, such as the report's number.
        token_file: Who acts: a file with a token, - for standard input.
    """
    async with told_where_refused("open", token_file):
        case = read_case(file)
        beside = file.parent
        bodies = [(one.type, read_document(beside / one.file)) for one in case.documents]
    async with desk(token_file) as at:
        opening = asks.OpenAsk(report=case.report, victim=case.victim, duty=case.duty)
        view = await at.keyed(opening, key)
        current().output.note(f"案件已建立 opened {view.id}")
        if case.officers:
            view = await at.keyed(asks.OfficersAsk(case=view.id, officers=case.officers), key)
        for kind, body in bodies:
            upload = await at.put(body, key=key)
            view = await at.keyed(asks.AttachAsk(case=view.id, type=kind, upload=upload), key)
        for one in case.accounts:
            added = asks.AddAccountAsk(case=view.id, account=one.account, inflow=one.inflow)
            view = await at.keyed(added, key)
    show_case(view)


async def check(file: Path) -> int:
    """Check a case's file and send nothing: 0 where it is sound, 4 where an error is in it.

    Args:
        file: The case in TOML or JSON, - for standard input.
    """
    from fzalert.freeze import checks

    case = read_case(file)
    now = SystemClock().now().astimezone(UTC)
    findings = [*checks.check_victim(case.victim)]
    for number, one in enumerate(case.accounts, 1):
        findings += checks.check_account(one.account, f"accounts.{number}")
        for transfer in one.inflow:
            findings += checks.check_transfer(transfer, now, f"accounts.{number}.inflow")
    output = current().output
    for found in findings:
        output.data(
            Found(
                severity=found.severity,
                code=found.code,
                field=found.field,
                zh=found.zh,
                en=found.en,
            )
        )
        mark = "✗" if found.severity is checks.Severity.ERROR else "▲"
        output.line(f"{mark} {found.code} {found.field}: {found.zh} {found.en}")
    bad = any(found.severity is checks.Severity.ERROR for found in findings)
    if not findings:
        output.line("● 没有发现问题 nothing found")
    return Exit.GUARD if bad else Exit.OK


async def paste(file: Path = Path("-")) -> None:
    """Read a pasted bank message into a draft, and say what is unsure; nothing is entered.

    Args:
        file: The message, - for standard input.
    """
    from fzalert.freeze.paste import parse_paste

    draft = parse_paste(read_text(file), SystemClock().now())
    doubts = [{"field": one.field, "zh": one.zh, "en": one.en} for one in draft.doubts]
    at = None if draft.at is None else draft.at.isoformat()
    amount = None if draft.amount is None else str(draft.amount)
    output = current().output
    output.data(
        {
            "payee_number": draft.payee_number,
            "payee_tail": draft.payee_tail,
            "payee_name": draft.payee_name,
            "payee_bank": draft.payee_bank,
            "institution": draft.institution,
            "payer_number": draft.payer_number,
            "payer_tail": draft.payer_tail,
            "payer_name": draft.payer_name,
            "amount": amount,
            "at": at,
            "serials": list(draft.serials),
            "doubts": doubts,
        }
    )
    kind = "payment" if draft.institution else "card"
    output.line("[[accounts]]")
    output.line(f'kind = "{kind}"')
    tail = f"  # 尾号 ends in {draft.payee_tail}" if draft.payee_tail else ""
    output.line(f'number = "{draft.payee_number}"{tail}')
    output.line(f'name = "{draft.payee_name}"')
    output.line(f'bank_name = "{draft.payee_bank}"')
    output.line('bank_code = ""')
    output.line(f'institution = "{draft.institution}"')
    output.line("[[accounts.inflow]]")
    output.line(f'from_account = "{draft.payer_number or draft.payer_tail}"')
    output.line(f'from_name = "{draft.payer_name}"')
    output.line(f'amount = "{amount or ""}"')
    output.line(f"at = {at or ''}")
    output.line(f"serials = {[*draft.serials]!r}".replace("'", '"'))
    for one in draft.doubts:
        output.note(f"▲ {one.field}: {one.zh} {one.en}")


async def add(case: str, file: Path, *, parent: str = "", token_file: Path | None = None) -> None:
    """Add accounts to a case, such as the next level that the money went to.

    Args:
        case: The case's id.
        file: TOML or JSON with [[accounts]], - for standard input.
        parent: The measure whose money went on to these accounts.
        token_file: Who acts: a file with a token.
    """
    async with told_where_refused("add-account", token_file):
        accounts = read_accounts(file)
    wanted = [
        asks.AddAccountAsk(case=case, account=one.account, inflow=one.inflow, parent=parent)
        for one in accounts
    ]
    async with desk(token_file) as at:
        view = await at.changes(wanted)
    show_case(view)


async def attach(case: str, file: Path, *, type: str, token_file: Path | None = None) -> None:
    """Attach a document: PDF, PNG or JPEG, at most 20 MiB; it is kept encrypted.

    Args:
        case: The case's id.
        file: The document.
        type: identity, stop-form, police-card, freeze-document, filing-decision, necessity,
            prefecture-notice, …
        token_file: Who acts: a file with a token, - for standard input.
    """
    body = read_document(file)
    kind = document_type(type)
    async with desk(token_file) as at:
        view = await at.change(asks.AttachAsk(case=case, type=kind, upload=await at.put(body)))
    show_case(view)


async def file_case(
    case: str,
    number: str,
    *,
    decision: Path,
    basis: list[str],
    at: datetime | None = None,
    money: Decimal | None = None,
    token_file: Path | None = None,
) -> None:
    """File the case (立案); before it nothing may be frozen.

    Args:
        case: The case's id.
        number: Number of the filed case.
        decision: 立案决定书: PDF, PNG or JPEG.
        basis: Legal basis; give the option once for each.
        at: When it was filed, with a zone; now unless given.
        money: Money of the case in yuan, where it is known.
        token_file: Who acts: a file with a token, - for standard input.
    """
    body = read_document(decision)
    moment = at or SystemClock().now()
    if moment.tzinfo is None:
        raise InputError(
            "The time of the filing has no zone.", hint="End it in +08:00.", field="at"
        )
    async with desk(token_file) as here:
        view = await here.change(
            asks.FileAsk(
                case=case,
                case_number=number,
                at=moment,
                legal_basis=tuple(basis),
                case_money=money,
                upload=await here.put(body),
            )
        )
    show_case(view)


async def status(
    case: str, *, history: bool = False, reveal: bool = False, token_file: Path | None = None
) -> None:
    """Show a case, masked.

    Args:
        case: The case's id.
        history: Show what happened in it, event by event.
        reveal: Show names and numbers in full; it goes on record who did.
        token_file: Who looks: a file with a token, - for standard input.
    """
    async with desk(token_file) as at:
        if history:
            answer = await at.ask(asks.HistoryAsk(case=case))
        else:
            answer = await at.ask(asks.ShowAsk(case=case, reveal=reveal))
    output = current().output
    if answer.case is not None:
        show_case(answer.case)
    output.rows(answer.events)
    if answer.events:
        output.table(
            ["序号", "时间", "何人", "何事", "措施", "内容"],
            [
                [
                    str(one.version),
                    local(one.at),
                    one.by,
                    one.event,
                    one.measure,
                    " ".join(f"{name}={value}" for name, value in one.facts.items()),
                ]
                for one in answer.events
            ],
        )
