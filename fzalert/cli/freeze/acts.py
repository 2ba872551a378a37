"""`fzalert freeze submit | approve | reject | send | receipt | …`: what changes a measure."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from fzalert.cli.freeze.asking import Desk, desk, show_case, told_where_refused, write_files
from fzalert.cli.freeze.files import read_accounts
from fzalert.cli.freeze.shares import method_for, read_loss, share_values, show_shares
from fzalert.cli.session import current
from fzalert.errors import InputError
from fzalert.freeze.model import InstructionKind
from fzalert.service import freeze_models as asks
from fzalert.service.wrong import wrong_call

__all__ = [
    "acknowledge",
    "approve",
    "cancel",
    "convert",
    "correct",
    "extend",
    "irrelevant",
    "receipt",
    "reject",
    "release",
    "renew",
    "return_money",
    "send",
    "submit",
]


async def submit(
    case: str,
    measure: str = "",
    *,
    reason: str = "",
    waive: list[str] | None = None,
    token_file: Path | None = None,
) -> None:
    """Submit the stop of an account for approval; without a measure, of every new account.

    Args:
        case: The case's id.
        measure: One account of it, such as m1.
        reason: Why, for the papers.
        waive: A warning of the check that is waived, as CODE=REASON.
        token_file: Who acts: a file with a token, - for standard input.
    """
    waived = tuple(_pair(one, "waive") for one in waive or [])
    async with desk(token_file) as at:
        named = [measure] if measure else await _drafts(at, case)
        view = await at.changes(
            [
                asks.PrepareAsk(
                    case=case, measure=one, kind=InstructionKind.STOP, reason=reason, waived=waived
                )
                for one in named
            ]
        )
    show_case(view)


async def approve(case: str, measure: str = "", *, token_file: Path | None = None) -> None:
    """Approve what another person prepared; without a measure, all that waits in the case.

    Args:
        case: The case's id.
        measure: One account of it.
        token_file: The second person: a file with a token, - for standard input.
    """
    async with desk(token_file) as at:
        waiting = await at.measures(case, measure, "review")
        view = await at.changes([asks.ApproveAsk(case=case, measure=one) for one in waiting])
    show_case(view)


async def reject(
    case: str, measure: str = "", *, reason: str, token_file: Path | None = None
) -> None:
    """Send a prepared instruction back to its author.

    Args:
        case: The case's id.
        measure: One account of it.
        reason: What is wrong with it.
        token_file: The second person: a file with a token, - for standard input.
    """
    async with desk(token_file) as at:
        (one,) = await at.measures(case, measure)
        view = await at.change(asks.RejectAsk(case=case, measure=one, reason=reason))
    show_case(view)


async def send(
    case: str,
    measure: str = "",
    *,
    paper: bool = False,
    out: Path | None = None,
    token_file: Path | None = None,
) -> None:
    """Send what is approved; where no channel reaches a bank's desk, print it.

    Args:
        case: The case's id.
        measure: One account of it; every approved one unless given.
        paper: Print it, also where a channel would serve.
        out: Folder for the papers; the present one unless given.
        token_file: Who acts: a file with a token, - for standard input.
    """
    async with desk(token_file, delivers=not paper) as at:
        answer = await at.ask(asks.SendAsk(case=case, measure=measure, paper=paper))
    current().output.line(f"已发出 sent: {answer.note}")
    write_files(answer.files, out)
    if answer.case is not None:
        show_case(answer.case)


async def acknowledge(
    case: str, application: str, *, desk_name: str = "", token_file: Path | None = None
) -> None:
    """Note that the bank's desk has an instruction.

    Args:
        case: The case's id.
        application: The application id.
        desk_name: Who said so there.
        token_file: Who acts: a file with a token, - for standard input.
    """
    async with desk(token_file) as at:
        told = asks.AcknowledgeAsk(case=case, application_id=application, desk=desk_name)
        view = await at.change(told)
    show_case(view)


async def receipt(
    case: str,
    application: str,
    *,
    code: str,
    account: str,
    grade: Literal["B", "C"] = "C",
    proof: str = "",
    started: datetime | None = None,
    expires: datetime | None = None,
    balance: Decimal | None = None,
    frozen: Decimal | None = None,
    cause: str = "",
    operator: str = "",
    phone: str = "",
    earlier_authority: str = "",
    earlier_expires: datetime | None = None,
    token_file: Path | None = None,
) -> None:
    """Enter a bank's answer by hand: from its paper, or from a recorded call.

    Args:
        case: The case's id.
        application: The application id on the paper.
        code: Result code of four digits, such as 0000.
        account: The account that the answer is about.
        grade: B seen on paper or in the bank's system, C told by telephone.
        proof: Number of the recorded call, or of the paper.
        started: When the measure took effect at the bank, with a zone.
        expires: Until when, as the bank says.
        balance: Balance before it.
        frozen: What is frozen.
        cause: Why not, in the bank's words.
        operator: Who did it there.
        phone: Where to ask.
        earlier_authority: Who froze the account before.
        earlier_expires: Until when that one holds.
        token_file: Who enters it: a file with a token, - for standard input.
    """
    values: dict[str, Any] = {
        "application_id": application,
        "code": code,
        "account_number": account,
        "grade": grade,
        "proof": proof,
        "started_at": started,
        "expires_at": expires,
        "balance": balance,
        "frozen": frozen,
        "cause": cause,
        "operator": operator,
        "phone": phone,
        "earlier_authority": earlier_authority,
        "earlier_expires_at": earlier_expires,
    }
    async with told_where_refused("receipt", token_file):
        ask = _made(asks.ReceiptAsk, case=case, receipt=values)
    async with desk(token_file) as at:
        view = await at.change(ask)
    show_case(view)


async def extend(
    case: str, measure: str = "", *, reason: str, token_file: Path | None = None
) -> None:
    """Prepare the one extension of a stop (止付延期).

    Args:
        case: The case's id.
        measure: One account of it.
        reason: Why.
        token_file: Who acts: a file with a token, - for standard input.
    """
    await _prepare(case, measure, InstructionKind.EXTEND, reason, {}, token_file)


async def convert(
    case: str,
    measure: str = "",
    *,
    reason: str,
    end: datetime,
    amount: Decimal | None = None,
    whole: str = "",
    start: datetime | None = None,
    major: bool = False,
    offline: str = "",
    local_police: str = "",
    waive: list[str] | None = None,
    token_file: Path | None = None,
) -> None:
    """Prepare the freeze that a stop is turned into; the case has to be filed.

    Args:
        case: The case's id.
        measure: One account of it.
        reason: Why.
        end: Last moment of the freeze, with a zone.
        amount: How much; all that flowed in unless given.
        whole: Freeze the whole account, for this necessity.
        start: First moment; now unless given.
        major: A major or complex case, which a prefecture may freeze for a year.
        offline: Why not over the platform.
        local_police: Which police helps at another place.
        waive: A warning of the check that was not waived at the stop, as CODE=REASON.
        token_file: Who acts: a file with a token, - for standard input.
    """
    terms: dict[str, Any] = {
        "mode": "02" if whole else "01",
        "amount": amount,
        "start": start,
        "end": end,
        "necessity": whole,
        "major": major,
        "offline": offline,
        "local_police": local_police,
    }
    waived = tuple(_pair(one, "waive") for one in waive or [])
    async with desk(token_file) as at:
        (one,) = await at.measures(case, measure)
        if amount is None and not whole:
            known = (await at.case(case)).measures
            terms["amount"] = next(m.amount for m in known if m.id == one)
        ask = _instruction(case, one, InstructionKind.FREEZE, reason, terms)
        view = await at.change(ask.model_copy(update={"waived": waived}))
    show_case(view)


async def renew(
    case: str,
    measure: str = "",
    *,
    reason: str,
    end: datetime,
    review: str,
    major: bool = False,
    token_file: Path | None = None,
) -> None:
    """Prepare the renewal of a freeze (继续冻结).

    Args:
        case: The case's id.
        measure: One account of it.
        reason: Why.
        end: New last moment, with a zone.
        review: Number of the legal review.
        major: A major or complex case.
        token_file: Who acts: a file with a token, - for standard input.
    """
    terms = {"end": end, "legal_review": review, "major": major}
    await _prepare(case, measure, InstructionKind.RENEW, reason, terms, token_file)


async def release(
    case: str, measure: str = "", *, reason: str, token_file: Path | None = None
) -> None:
    """Prepare the release of a stop or freeze (解除).

    Args:
        case: The case's id.
        measure: One account of it.
        reason: Why.
        token_file: Who acts: a file with a token, - for standard input.
    """
    await _prepare(case, measure, InstructionKind.RELEASE, reason, {}, token_file)


async def return_money(
    case: str,
    measure: str = "",
    *,
    loss: list[str],
    method: Literal["auto", "direct", "timestamp", "proportional"] = "auto",
    reason: str = "",
    notice_from: datetime | None = None,
    token_file: Path | None = None,
) -> None:
    """Calculate how frozen money is given back; with a reason, prepare the return (返还).

    Directly where there is one deposit record, by time stamp where each has its time, else in
    proportion to each loss: that needs a public notice of thirty days before it is approved.

    Args:
        case: The case's id.
        measure: One account of it.
        loss: What one victim lost there, as NAME=YUAN, or NAME=YUAN@TIME; once for each transfer.
        method: How; auto takes the first of the three that the losses allow.
        reason: Why; without it, it is only calculated.
        notice_from: First day of the public notice, with a zone; for a proportional return.
        token_file: Who acts: a file with a token, - for standard input.
    """
    deposits = [read_loss(one) for one in loss]
    chosen = method_for(deposits) if method == "auto" else method
    async with desk(token_file) as at:
        (one,) = await at.measures(case, measure)
        share = _made(asks.ShareAsk, case=case, measure=one, **share_values(deposits, chosen))
        shares = (await at.ask(share)).shares
        frozen = next(m.frozen for m in (await at.case(case)).measures if m.id == one)
        show_shares(shares, chosen, frozen, notice_from)
        if reason:
            terms = {
                "method": chosen,
                "allocation": [{"claimant": name, "amount": a} for name, a in shares.items()],
                "notice_from": notice_from,
            }
            ask = _instruction(case, one, InstructionKind.RETURN, reason, terms)
            show_case(await at.change(ask))


async def irrelevant(
    case: str, measure: str = "", *, reason: str, token_file: Path | None = None
) -> None:
    """Record that the money is not of the case; it has to be released within three days.

    Args:
        case: The case's id.
        measure: One account of it.
        reason: Why.
        token_file: Who acts: a file with a token, - for standard input.
    """
    async with desk(token_file) as at:
        (one,) = await at.measures(case, measure)
        ask = asks.ReasonAsk(action="irrelevant", case=case, measure=one, reason=reason)
        view = await at.change(ask)
    show_case(view)


async def cancel(
    case: str, measure: str = "", *, reason: str, token_file: Path | None = None
) -> None:
    """Give a measure up that nothing was sent of; a second person does it.

    Args:
        case: The case's id.
        measure: One account of it.
        reason: Why.
        token_file: The second person: a file with a token, - for standard input.
    """
    async with desk(token_file) as at:
        (one,) = await at.measures(case, measure)
        ask = asks.ReasonAsk(action="cancel", case=case, measure=one, reason=reason)
        view = await at.change(ask)
    show_case(view)


async def correct(
    case: str, measure: str, file: Path, *, reason: str, token_file: Path | None = None
) -> None:
    """Correct an account after a mismatch or a refusal; submit it again afterwards.

    Args:
        case: The case's id.
        measure: The account to correct.
        file: TOML or JSON with one [[accounts]], - for standard input.
        reason: What was wrong.
        token_file: Who acts: a file with a token.
    """
    async with told_where_refused("correct", token_file):
        accounts = read_accounts(file)
    if len(accounts) != 1:
        raise InputError("The file has more than one account.", field="file")
    async with desk(token_file) as at:
        view = await at.change(
            asks.CorrectAsk(
                case=case,
                measure=measure,
                account=accounts[0].account,
                inflow=accounts[0].inflow,
                reason=reason,
            )
        )
    show_case(view)


async def _drafts(at: Desk, case: str) -> list[str]:
    found = [one.id for one in (await at.case(case)).measures if one.state == "draft"]
    if not found:
        raise InputError("No account of the case waits to be submitted.", field="measure")
    return found


async def _prepare(
    case: str,
    measure: str,
    kind: InstructionKind,
    reason: str,
    terms: dict[str, Any],
    token_file: Path | None,
) -> None:
    async with desk(token_file) as at:
        (one,) = await at.measures(case, measure)
        view = await at.change(_instruction(case, one, kind, reason, terms))
    show_case(view)


def _instruction(
    case: str, measure: str, kind: InstructionKind, reason: str, terms: dict[str, Any]
) -> asks.PrepareAsk:
    ask = _made(asks.PrepareAsk, case=case, measure=measure, kind=kind, reason=reason, terms=terms)
    assert isinstance(ask, asks.PrepareAsk)  # noqa: S101  it was made of that class
    return ask


def _made(model: Any, **values: object) -> Any:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise wrong_call(error) from None


def _pair(text: str, option: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not name or not value:
        raise InputError(f"--{option} is written NAME=VALUE.", field=option)
    return name, value
