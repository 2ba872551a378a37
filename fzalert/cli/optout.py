"""`fzalert optout`: people who are not to be written to in bulk."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from fzalert.cli.session import current
from fzalert.cli.values import read_targets
from fzalert.service.models import OptOutQuery, OptOutRequest

__all__ = ["add", "import_list", "list_optouts", "remove"]

BATCH = 1000


class Done(BaseModel):
    """What a change of the list did."""

    named: int
    changed: int


async def list_optouts(*, after: str = "", limit: int = 50, token_file: Path | None = None) -> None:
    """List who opted out, the newest first, addresses masked.

    Args:
        after: Where the page before ended.
        limit: People on a page, up to 1000.
        token_file: Who acts: a file with a token, - for standard input.
    """
    session = current()
    async with session.service(delivers=False) as api:
        actor = await session.actor(api, token_file)
        query = OptOutQuery(after=after, limit=min(max(1, limit), BATCH))
        page = await api.opt_outs(query, actor)
    session.output.rows(page.items)
    session.output.table(
        ["对象", "自", "原因"],
        [[view.target or "（旧记录）", view.since, view.reason] for view in page.items],
    )
    if page.next:
        session.output.note(f"下一页 Next: --after {page.next}")


async def add(*to: str, reason: str, token_file: Path | None = None) -> None:
    """Note that people are not to be written to in bulk.

    Args:
        to: Numbers, or mailbox:address; use import to keep them out of the process list.
        reason: Why, for the record; no names or numbers.
        token_file: Who acts: a file with a token, - for standard input.
    """
    await _change(read_targets(to, None), reason, token_file, back=False)


async def remove(*to: str, reason: str, token_file: Path | None = None) -> None:
    """Take opt-outs back: the person asked to be written to again.

    Args:
        to: Numbers, or mailbox:address.
        reason: Why, for the record; no names or numbers.
        token_file: Who acts: a file with a token, - for standard input.
    """
    await _change(read_targets(to, None), reason, token_file, back=True)


async def import_list(file: Path, *, reason: str, token_file: Path | None = None) -> None:
    """Note the opt-outs of a file, one number or mailbox:address a line.

    Args:
        file: The file, - for standard input.
        reason: Why, for the record; no names or numbers.
        token_file: Who acts: a file with a token.
    """
    await _change(read_targets((), file), reason, token_file, back=False)


async def _change(typed: list[str], reason: str, token_file: Path | None, *, back: bool) -> None:
    session = current()
    to = [text if ":" in text else f"phone:{text}" for text in typed]
    # Everything is looked at before anything is written.
    requests = [
        OptOutRequest(to=to[start : start + BATCH], reason=reason)
        for start in range(0, len(to), BATCH)
    ]
    done = Done(named=0, changed=0)
    async with session.service(delivers=False) as api:
        actor = await session.actor(api, token_file)
        for request in requests:
            one = await (api.opt_in if back else api.opt_out)(request, actor)
            done = Done(named=done.named + one.named, changed=done.changed + one.changed)
    session.output.data(done)
    what = "恢复 taken back" if back else "新登记 new"
    session.output.line(f"{done.named} 人 people: {done.changed} {what}")
