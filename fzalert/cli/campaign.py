"""`fzalert campaign`: many messages from one list, planned, started and stopped."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from fzalert.cli.asking import confirm
from fzalert.cli.session import current
from fzalert.cli.values import parse_duration, parse_values
from fzalert.service.models import CampaignRequest, CampaignView

__all__ = ["cancel", "list_campaigns", "pause", "plan", "resume", "start"]


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
        expires_in=parse_duration(expires_in),
    )
    async with session.service() as api:
        view = await api.plan_campaign(request, await session.actor(api, token_file))
    _tell(view)
    for refusal in view.refusals:
        session.output.line(f"  {refusal.model_dump_json()}")


async def start(id: str, *, yes: bool = False, token_file: Path | None = None) -> None:
    """Start a planned campaign.

    Args:
        id: Its id.
        yes: Do not ask.
        token_file: Who acts: a file with a token, - for standard input.
    """
    await _steer(id, "start", "开始发送 Start sending", yes=yes, token_file=token_file)


async def pause(id: str, *, token_file: Path | None = None) -> None:
    """Pause a campaign within a second or so.

    Args:
        id: Its id.
        token_file: Who acts: a file with a token, - for standard input.
    """
    await _steer(id, "pause", "", yes=True, token_file=token_file)


async def resume(id: str, *, yes: bool = False, token_file: Path | None = None) -> None:
    """Let a paused campaign go on.

    Args:
        id: Its id.
        yes: Do not ask.
        token_file: Who acts: a file with a token, - for standard input.
    """
    await _steer(id, "resume", "继续发送 Go on sending", yes=yes, token_file=token_file)


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


async def _steer(
    id: str, action: str, question: str, *, yes: bool, token_file: Path | None
) -> None:
    session = current()
    async with session.service() as api:
        actor = await session.actor(api, token_file)
        found = [view for view in await api.campaigns() if view.id == id]
        if found and not yes:
            view = found[0]
            session.output.note(f"{view.name}: {view.fed}/{view.total}, {view.state}")
            confirm(session.output, f"{question}？")
        _tell(await api.steer_campaign(id, action, actor))


def _tell(view: CampaignView) -> None:
    output = current().output
    output.data(view)
    output.line(f"{view.id}  {view.name}  {view.state}  {view.fed}/{view.total}")
    if view.rows:
        output.line(
            f"名单 {view.rows} 行，收 {view.total}，重复 {view.duplicates}，拒 {view.refused}"
        )
