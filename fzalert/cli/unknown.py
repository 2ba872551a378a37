"""`fzalert unknown`: messages whose fate stays unknown, and a person's word on them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fzalert.cli.asking import confirm
from fzalert.cli.exits import Exit
from fzalert.cli.session import current
from fzalert.errors import InputError
from fzalert.service.models import SettleRequest, UnknownRequest

if TYPE_CHECKING:
    from fzalert.service.api import ServiceApi

__all__ = ["list_unknown", "settle"]

Decision = Literal["delivered", "not-delivered", "send-again"]
_SAID = {
    "delivered": "认定已送达 say that they arrived",
    "not-delivered": "认定没有送到 say that they did not arrive",
    "send-again": "再发一次，对方可能收到两条 send once more; they may come twice",
}
MOST = 500
PAGE = 200


async def list_unknown(
    *, channel: str = "", campaign: str = "", after: str = "", limit: int = 50
) -> None:
    """List messages whose fate is unknown, the longest unknown first.

    Args:
        channel: Only of this channel.
        campaign: Only of the campaign with this id.
        after: The last message of the page before.
        limit: Messages on a page, up to 200.
    """
    session = current()
    asked = UnknownRequest(
        channel=channel, campaign=campaign, after=after, limit=min(max(1, limit), PAGE)
    )
    async with session.service(delivers=False) as api:
        page = await api.unknown(asked)
    output = session.output
    output.rows(page.items)
    output.table(
        ["消息", "对象", "通道", "级别", "未知自", "有效至", "能否再发", "原因"],
        [
            [
                view.message,
                view.target,
                view.channel,
                view.lane,
                view.since,
                view.not_after,
                "可以" if view.can_resend else view.resend_at or "不可以",
                view.detail or view.word,
            ]
            for view in page.items
        ],
    )
    output.note(f"共 {page.total} 条结果未知 unknown in all")
    if page.next:
        output.note(f"下一页 Next: --after {page.next}")


async def settle(
    *message: str,
    decision: Decision,
    reason: str,
    all_of: bool = False,
    channel: str = "",
    campaign: str = "",
    yes: bool = False,
    token_file: Path | None = None,
) -> int:
    """Say what became of messages, or have them sent once more, knowingly.

    Exit code 7 where some could not be settled.

    Args:
        message: Their ids, from `fzalert unknown list`.
        decision: What is decided.
        reason: Why, for the record; no names or numbers.
        all_of: Every unknown message that --channel and --campaign leave, instead of ids.
        channel: With --all-of: only of this channel.
        campaign: With --all-of: only of the campaign with this id.
        yes: Do not ask.
        token_file: Who acts: a file with a token, - for standard input.
    """
    if bool(message) is all_of:
        raise InputError("Name messages, or give --all-of.", field="message")
    if (channel or campaign) and not all_of:
        raise InputError("--channel and --campaign go with --all-of.", field="channel")
    session = current()
    output = session.output
    async with session.service(delivers=False) as api:
        actor = await session.actor(api, token_file)
        ids = list(dict.fromkeys(message)) or await _all(api, channel, campaign)
        if not yes and ids:
            confirm(output, f"{len(ids)} 条 messages: {_SAID[decision]}？")
        settled = 0
        for start in range(0, len(ids), MOST):
            some = ids[start : start + MOST]
            done = await api.settle_unknown(_request(some, decision, reason), actor)
            settled += done.settled
            output.rows(done.items)
            for one in done.items:
                output.line(f"{one.message}  {one.text}")
    output.note(f"{len(ids)} 条中 {settled} 条已处理 of {len(ids)} settled {settled}")
    return Exit.OK if settled == len(ids) else Exit.PARTLY


async def _all(api: ServiceApi, channel: str, campaign: str) -> list[str]:
    ids: list[str] = []
    after = ""
    while True:
        page = await api.unknown(
            UnknownRequest(channel=channel, campaign=campaign, after=after, limit=PAGE)
        )
        ids += [view.message for view in page.items]
        after = page.next
        if not after:
            return ids


def _request(messages: list[str], decision: Decision, reason: str) -> SettleRequest:
    return SettleRequest.model_validate(
        {
            "messages": messages,
            "decision": decision.replace("-", "_"),
            "reason": reason,
            "count": len(messages),
        }
    )
