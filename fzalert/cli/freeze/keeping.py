"""`fzalert freeze expiring | hold | unhold`: how long cases are kept."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from fzalert.cli.freeze.asking import desk, local
from fzalert.cli.session import current
from fzalert.service import custody_models as asks

__all__ = ["expiring", "hold", "unhold"]


async def expiring(*, days: int = 30, token_file: Path | None = None) -> None:
    """List the closed cases whose time is over, or soon will be; nothing is destroyed by it.

    Args:
        days: How far to look ahead.
        token_file: Who acts: a file with a token, - for standard input.
    """
    async with desk(token_file) as at:
        answer = await at.api.custody(asks.ExpiringAsk(days=days), at.by)
    output = current().output
    output.rows(answer.cases)
    output.table(
        ["案件", "结于", "保存至", ""],
        [
            [
                one.case,
                local(datetime.fromisoformat(one.closed_at)),
                local(datetime.fromisoformat(one.keep_until)),
                "■ 依法保留 held" if one.held else "▲ 到期 due" if one.due else "",
            ]
            for one in answer.cases
        ],
    )


async def hold(case: str, *, reason: str, token_file: Path | None = None) -> None:
    """Keep a case beyond its time: a legal hold, on record.

    Args:
        case: The case's id.
        reason: Why; it is kept with the case.
        token_file: Who acts: a file with a token, - for standard input.
    """
    await _change(asks.HoldAsk(case=case, reason=reason), token_file)
    current().output.line(f"■ 依法保留 held: {case}")


async def unhold(case: str, *, reason: str, token_file: Path | None = None) -> None:
    """End the legal hold of a case; its time counts again.

    Args:
        case: The case's id.
        reason: Why; it is kept with the case.
        token_file: Who acts: a file with a token, - for standard input.
    """
    await _change(asks.HoldAsk(case=case, reason=reason, lift=True), token_file)
    current().output.line(f"○ 解除保留 no longer held: {case}")


async def _change(ask: asks.HoldAsk, token_file: Path | None) -> None:
    async with desk(token_file) as at:
        answer = await at.api.custody(ask, at.by)
    current().output.data(answer)
