"""`fzalert campaign`: many messages from one list, planned, started and stopped."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from fzalert.cli.asking import confirm as ask
from fzalert.cli.campaign_preview import group_lines, lines_of
from fzalert.cli.session import current
from fzalert.cli.values import parse_duration, parse_values
from fzalert.errors import FzalertError
from fzalert.service.models import CampaignRequest, CampaignView

if TYPE_CHECKING:
    from fzalert.access import Actor
    from fzalert.service.api import ServiceApi

__all__ = ["cancel", "list_campaigns", "pause", "plan", "resume", "start"]


_TELL_EVERY = 2.0


async def list_campaigns() -> None:
    """List the campaigns."""
    session = current()
    async with session.service() as api:
        views = await api.campaigns()
    session.output.rows(views)
    session.output.table(
        ["编号", "名称", "状态", "已进队列", "总数", "拒收"],
        [
            [view.id, view.name, view.state, str(view.fed), str(view.total), str(view.refused)]
            for view in views
        ],
    )


async def plan(
    file: Path,
    *,
    name: str,
    script: str,
    audience: str = "general",
    language: str = "zh",
    value: Annotated[list[str] | None, Parameter(negative=())] = None,
    signature: str = "",
    only: Annotated[list[str] | None, Parameter(negative=())] = None,
    excluded: Annotated[list[str] | None, Parameter(name="--except", negative=())] = None,
    expires_in: str = "",
    token_file: Path | None = None,
) -> None:
    """Import a list and store a campaign for it; nothing is sent yet.

    Args:
        file: The list, .xlsx or .csv.
        name: What people call it.
        script: Id of the script.
        audience: Audience of the script.
        language: zh or en.
        value: A variable as name=value; give the option once for each.
        signature: A registered signature other than the channel's own, such as a school's.
        only: A group that it is for, such as village=东沟村, class=一班, elderly=yes or tag=商户;
            give the option once for each.
        excluded: A group that is left out, written likewise.
        expires_in: Such as 24h; after it nothing more is sent.
        token_file: Who acts: a file with a token, - for standard input.
    """
    session = current()
    request = CampaignRequest(
        name=name,
        file=_absolute(file),
        script=script,
        audience=audience,
        language=language,
        values=parse_values(value or []),
        signature=signature.strip("【】"),
        only=only or [],
        excluded=excluded or [],
        expires_in=parse_duration(expires_in),
    )
    async with session.service() as api:
        view = await _imported(api, request, await session.actor(api, token_file))
    _tell(view)
    for line in _facts(view, refusals=len(view.refusals)):
        session.output.line(line)
    session.output.line(
        f"还没有发送。核对 Nothing is sent yet, look at it: fzalert campaign preview {view.id}"
    )
    session.output.line(f"开始 Then start it: fzalert campaign start {view.id}")


async def start(
    id: str, *, yes: bool = False, confirm: str = "", token_file: Path | None = None
) -> None:
    """Show what a planned campaign would send, ask, and start it.

    Args:
        id: Its id.
        yes: Do not show and ask; the last preview is what is confirmed.
        confirm: Digest of the preview that you have seen; nothing is asked then.
        token_file: Who acts: a file with a token, - for standard input.
    """
    await _run(id, "start", "开始发送 Start sending", yes, confirm, token_file)


async def pause(id: str, *, token_file: Path | None = None) -> None:
    """Pause a campaign within a second or so.

    Args:
        id: Its id.
        token_file: Who acts: a file with a token, - for standard input.
    """
    await _steer(id, "pause", "", yes=True, token_file=token_file)


async def resume(
    id: str, *, yes: bool = False, confirm: str = "", token_file: Path | None = None
) -> None:
    """Let a paused campaign go on.

    Args:
        id: Its id.
        yes: Do not ask; what was confirmed before goes on.
        confirm: Digest of a newer preview, where what would go out was changed meanwhile.
        token_file: Who acts: a file with a token, - for standard input.
    """
    await _run(id, "resume", "继续发送 Go on sending", yes, confirm, token_file)


async def cancel(id: str, *, yes: bool = False, token_file: Path | None = None) -> None:
    """Cancel a campaign for good.

    Args:
        id: Its id.
        yes: Do not ask.
        token_file: Who acts: a file with a token, - for standard input.
    """
    await _steer(id, "cancel", "取消，不能恢复 Cancel for good", yes=yes, token_file=token_file)


def _absolute(file: Path) -> str:
    return os.path.abspath(file)


async def _run(
    id: str, action: str, question: str, yes: bool, digest: str, token_file: Path | None
) -> None:
    """Start or resume: a person confirms the very preview that is shown."""
    session = current()
    async with session.service() as api:
        actor = await session.actor(api, token_file)
        if not yes and not digest:
            found = await api.preview_campaign(id, actor)
            session.output.note(f"{found.name}: {found.state}")
            for line in lines_of(found):
                session.output.note(line)
            ask(session.output, f"{question}：{found.recipients:,} 人？", found.recipients)
            digest = found.digest
        _tell(await api.steer_campaign(id, action, actor, digest))


async def _steer(
    id: str, action: str, question: str, *, yes: bool, token_file: Path | None
) -> None:
    session = current()
    async with session.service() as api:
        actor = await session.actor(api, token_file)
        found = [view for view in await api.campaigns() if view.id == id]
        if found and not yes:
            view = found[0]
            session.output.note(f"{view.name}: {view.fed:,}/{view.total:,}, {view.state}")
            ask(session.output, f"{question}？")
        _tell(await api.steer_campaign(id, action, actor))


async def _imported(api: ServiceApi, request: CampaignRequest, actor: Actor) -> CampaignView:
    """Plan a campaign, and tell meanwhile how far its list is read."""
    if current().output.as_json:
        return await api.plan_campaign(request, actor)
    failure: FzalertError | None = None
    view: CampaignView | None = None
    # An error that left the group would come out wrapped.
    async with asyncio.TaskGroup() as group:
        telling = group.create_task(_tell_progress(api, request.name))
        try:
            view = await api.plan_campaign(request, actor)
        except FzalertError as error:
            failure = error
        finally:
            telling.cancel()
    if failure is not None:
        raise failure
    assert view is not None  # noqa: S101  it came, or an error did
    return view


async def _tell_progress(api: ServiceApi, name: str) -> None:
    told = 0
    while True:
        await asyncio.sleep(_TELL_EVERY)
        try:
            views = await api.campaigns()
        except FzalertError:
            return  # the planning itself tells what is wrong
        for view in views:
            if view.name == name and view.state == "importing" and view.rows != told:
                told = view.rows
                current().output.note(
                    f"导入名单：已读 {view.rows:,} 行，收 {view.total:,} 人 rows read, people taken"
                )


def _tell(view: CampaignView) -> None:
    output = current().output
    output.data(view)
    output.line(f"{view.id}  {view.name}  {view.state}  {view.fed:,}/{view.total:,}")


def _facts(view: CampaignView, *, refusals: int) -> Iterator[str]:
    """What a person looks at before anything goes out."""
    texts = view.total * view.parts
    each = f"每人 {view.parts} 条，共 {texts:,} 条"
    yield f"对象 {view.total:,} 人，{each} recipients, texts each, in all"
    if not view.rows:
        return
    why = "，".join(f"{code} {count:,}" for code, count in sorted(view.by_code.items()))
    yield (
        f"名单 {view.rows:,} 行：重复 {view.duplicates:,}，拒收 {view.refused:,}"
        f"{f'（{why}）' if why else ''} rows, duplicates, refused"
    )
    if view.left_out:
        yield f"未选中 {view.left_out:,} 行 rows of groups that were not chosen"
    yield from group_lines(view.groups or {"village": view.villages})
    for refusal in view.refusals[:refusals]:
        where = f"{refusal.sheet} 第 {refusal.row} 行".strip()
        yield f"  ✗ {where} {refusal.column} {refusal.code}: {refusal.reason}"
