"""`fzalert freeze trace | paper | bundle | verify`: what is read out of a case."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fzalert.cli.freeze.asking import desk, local, write_files
from fzalert.cli.session import current
from fzalert.errors import InputError
from fzalert.service import freeze_models as asks

__all__ = ["bundle", "paper", "trace", "verify"]


async def paper(
    case: str,
    measure: str = "",
    *,
    kind: Literal["instruction", "pre_alert", "owner_notice"] = "instruction",
    out: Path | None = None,
    token_file: Path | None = None,
) -> None:
    """Write a paper of a measure as PDF/A; it goes on record who did.

    Args:
        case: The case's id.
        measure: One account of it.
        kind: The instruction, the pre-alert that binds nobody, or the owner's notice.
        out: File or folder.
        token_file: Who acts: a file with a token, - for standard input.
    """
    async with desk(token_file) as at:
        (one,) = await at.measures(case, measure)
        answer = await at.ask(asks.PaperAsk(case=case, measure=one, paper=kind))
    write_files(answer.files, out)


async def bundle(case: str, *, out: Path | None = None, token_file: Path | None = None) -> None:
    """Write the evidence bundle of a case; whoever has it can read the case.

    Args:
        case: The case's id.
        out: File or folder.
        token_file: Who acts: a file with a token, - for standard input.
    """
    async with desk(token_file) as at:
        answer = await at.ask(asks.BundleAsk(case=case))
    write_files(answer.files, out)


async def verify(file: Path) -> None:
    """Check an evidence bundle; needs nothing but the file.

    Args:
        file: The bundle.
    """
    from fzalert.freeze.bundle import verify_bundle

    report = verify_bundle(_bytes(file))
    output = current().output
    output.data(report)
    output.line(
        f"● 完整 whole: 案件 {report.case}, {report.events} 项 events, "
        f"{len(report.papers)} 份 papers, {len(report.days)} 日首 daily heads, key {report.key_id}"
    )


async def trace(
    case: str,
    *,
    order: Literal["fifo", "lifo", "proportional"] = "fifo",
    token_file: Path | None = None,
) -> None:
    """Estimate how the money went on, over the accounts that the case knows.

    Args:
        case: The case's id.
        order: Which money leaves an account first.
        token_file: Who looks: a file with a token, - for standard input.
    """
    async with desk(token_file) as at:
        answer = await at.ask(asks.TraceAsk(case=case, order=order))
    output = current().output
    output.rows(answer.trace)
    output.table(
        ["时间", "从", "到", "金额", "其中涉案（估算）"],
        [
            [local(one.at), one.source, one.target, f"{one.amount:,.2f}", f"{one.estimate:,.2f}"]
            for one in answer.trace
        ],
    )


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}).", field="file") from None
