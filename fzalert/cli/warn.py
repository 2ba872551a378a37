"""`fzalert warn`: one warning, shown before it goes out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from pydantic import ValidationError

from fzalert.cli.asking import confirm
from fzalert.cli.exits import Exit
from fzalert.cli.output import Output
from fzalert.cli.preview import plan_of, show_plan
from fzalert.cli.session import Session, current
from fzalert.cli.throwaway import capabilities
from fzalert.cli.values import parse_duration, parse_values, read_targets
from fzalert.config import Settings
from fzalert.errors import InputError, UnknownTarget
from fzalert.service.models import WarningView, WarnRequest

__all__ = ["warn"]

_LONGEST_WAIT = 20.0
_SIGNS = {
    "delivered": "● 已送达",
    "open": "○ 进行中",
    "partly": "▲ 部分送达",
    "unknown": "▲ 结果未知",
    "failed": "■ 失败",
    "expired": "■ 过期未发",
    "suppressed": "○ 按规则未发",
    "withdrawn": "○ 已撤回",
}
_FAILED = {"failed", "expired", "suppressed", "withdrawn"}


async def warn(
    script: str,
    *to: str,
    to_file: Path | None = None,
    audience: str = "general",
    language: str = "zh",
    value: Annotated[list[str] | None, Parameter(negative=())] = None,
    lane: Literal["urgent", "bulk"] = "urgent",
    expires_in: str = "",
    key: str = "",
    wait: str = "5s",
    yes: Annotated[bool, Parameter(negative=())] = False,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
    token_file: Path | None = None,
) -> int:
    """Send one warning. Shows what will go out, and asks.

    Args:
        script: Id of the script, such as impersonating-police.
        to: Targets, such as phone:13800138000, display:lobby, speaker:atm-1.
        to_file: More targets, one a line, - for standard input; keeps numbers out of the process
            list.
        audience: general, elderly, students, parents, finance-staff or merchants.
        language: zh or en.
        value: A variable as name=value; give the option once for each.
        lane: urgent overtakes everything and expires soon; bulk keeps quiet hours.
        expires_in: Such as 10m or 24h; after it nothing is sent.
        key: Idempotency key; the same key never sends twice.
        wait: How long to wait for the fate, such as 5s; 0 returns once it is on disk.
        yes: Do not ask.
        dry_run: Show what would go out, and send nothing.
        token_file: Who acts: a file with a token, - for standard input. Otherwise FZALERT_TOKEN,
            otherwise the account that runs this.
    """
    session = current()
    settings = session.settings()
    request = _request(
        script=script,
        to=read_targets(to, to_file),
        audience=audience,
        language=language,
        values=parse_values(value or []),
        lane=lane,
        expires_in=parse_duration(expires_in),
        key=key,
    )
    if dry_run or not yes:
        await _show(session, settings, request)
    if dry_run:
        return Exit.OK
    if not yes:
        confirm(session.output, "发出去吗？ Send it?")
    async with session.service(settings) as api:
        view = await api.warn_request(request, await session.actor(api, token_file))
        patience = min(parse_duration(wait) or 0.0, _LONGEST_WAIT)
        if patience:
            view = await api.warning(view.id, patience) or view
    _tell(session.output, view)
    return _exit(view)


def _request(**given: object) -> WarnRequest:
    try:
        return WarnRequest.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        raise InputError(f"{place}: {first['msg']}.", field=place) from None


async def _show(session: Session, settings: Settings, request: WarnRequest) -> None:
    plan = plan_of(request, settings, await capabilities(settings))
    session.output.rows(plan)
    show_plan(session.output, plan, lane=request.lane, drill=settings.drill.enabled)
    if not any(each.lines for each in plan):
        raise UnknownTarget(
            "Nothing would go out to anybody.", hint=plan[0].problem if plan else ""
        )


def _tell(output: Output, view: WarningView) -> None:
    output.data(view)
    drill = "  演练 drill" if view.drill else ""
    output.line(f"预警 {view.id}  {_SIGNS.get(view.state, view.state)}{drill}")
    output.table(
        ["对象", "通道", "结果", "最后消息", "证明", "说明"],
        [
            [
                each.target,
                each.channel,
                _SIGNS.get(each.state, each.state),
                each.word,
                each.proof,
                " ".join(part for part in (each.code, each.detail) if part),
            ]
            for each in view.targets
        ],
    )


def _exit(view: WarningView) -> Exit:
    states = {each.state for each in view.targets}
    if not states & (_FAILED | {"unknown"}):
        return Exit.OK
    return Exit.REMOTE_REFUSED if states <= _FAILED else Exit.PARTLY
