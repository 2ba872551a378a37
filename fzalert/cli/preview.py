"""What would go out: each target, its channel, and the text in full, from the same renderer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from fzalert.cli.output import Output
from fzalert.config import Settings
from fzalert.errors import FzalertError
from fzalert.messages import (
    BankPackage,
    DisplayContent,
    Lane,
    Mail,
    Post,
    RelayedWarning,
    Rendition,
    SmsText,
    Speech,
    Target,
)
from fzalert.ports import Capabilities
from fzalert.scripts import Library, Script, render
from fzalert.service.building import script_settings
from fzalert.service.core import PLACES
from fzalert.service.models import WarnRequest
from fzalert.service.views import parse_target

__all__ = ["Planned", "find_script", "lines_of", "plan_of", "show_plan"]


@dataclass(frozen=True, slots=True)
class Planned:
    """One target and what it would get.

    Attributes:
        target: Masked.
        channel: The first channel that serves it; empty where none does.
        kind: The kind of rendition.
        lines: The text as a person gets it.
        problem: Why nothing would go to it.
    """

    target: str
    channel: str
    kind: str
    lines: tuple[str, ...] = ()
    problem: str = ""


def find_script(library: Library, id: str, audience: str) -> Script:
    """Find a script by its id or whole key; the elder variants live in the general script.

    Raises:
        UnknownScript: There is none.
    """
    if "/" in id:
        return library.by_key(id)
    if audience == "elderly" and "elderly" not in library.audiences(id):
        audience = "general"
    return library.get(id, audience)


def plan_of(
    request: WarnRequest, settings: Settings, channels: Mapping[str, Capabilities]
) -> list[Planned]:
    """Work out what a request would send.

    Raises:
        InputError: A target is malformed, or there is no such script.
    """
    script = find_script(Library.load(), request.script, request.audience)
    targets = dict.fromkeys(parse_target(text) for text in request.to)
    return [_planned(request, settings, script, target, channels) for target in targets]


def _planned(
    request: WarnRequest,
    settings: Settings,
    script: Script,
    target: Target,
    channels: Mapping[str, Capabilities],
) -> Planned:
    served = [name for name, able in channels.items() if _serves(able, target)]
    if not served:
        return Planned(str(target), "", "", problem="没有通道 no channel serves it")
    name = served[0]
    able = channels[name]
    try:
        rendition = render(
            script,
            kind=able.rendition,
            language=request.language,
            audience=request.audience,
            values=request.values,
            text_profile=able.text,
            lane=Lane(request.lane),
            drill=settings.drill.enabled,
            settings=script_settings(settings),
            place=PLACES.get(target.kind),
        )
    except FzalertError as error:
        return Planned(str(target), name, str(able.rendition), problem=str(error))
    return Planned(str(target), name, str(able.rendition), lines=lines_of(rendition))


def _serves(able: Capabilities, target: Target) -> bool:
    return target.kind in able.kinds and (
        able.addresses is None or target.address in able.addresses
    )


def lines_of(rendition: Rendition) -> tuple[str, ...]:
    """Write a rendition as lines for people."""
    match rendition:
        case SmsText():
            count = len(rendition.parts)
            mark = f" ({count} 条 parts)" if count > 1 else ""
            return (rendition.text + mark,)
        case DisplayContent():
            return (rendition.title, *rendition.lines, rendition.footer)
        case Speech():
            return (f"“{rendition.text}” ×{rendition.repeats}",)
        case Mail():
            return (rendition.subject, *rendition.body.splitlines())
        case Post():
            return (rendition.title, *rendition.text.splitlines())
        case RelayedWarning():
            ref = rendition.script
            values = (f"{name}={value}" for name, value in rendition.values)
            told = f"{ref.id}/{ref.audience}/{ref.version} {ref.language} {ref.digest[:12]}…"
            return (f"转交上级 handed over: {told}", *values)
        case BankPackage():
            kind = "指令 instruction" if rendition.binding else "预警 pre-alert"
            return (f"{kind} {rendition.application_id}, SHA-256 {rendition.sha256[:16]}…",)
        case _:
            assert_never(rendition)


def show_plan(output: Output, plan: Sequence[Planned], *, lane: str, drill: bool) -> None:
    """Tell people what would go out: each text once, with everybody who gets it."""
    mark = "  演练 drill" if drill else ""
    output.line(f"将发给 {len(plan)} 个对象 targets, {lane}{mark}")
    groups: dict[tuple[str, str, tuple[str, ...], str], list[str]] = {}
    for each in plan:
        key = (each.channel, each.kind, each.lines, each.problem)
        groups.setdefault(key, []).append(each.target)
    for (channel, kind, lines, problem), targets in groups.items():
        shown = "  ".join(targets[:8]) + (f"  …共 {len(targets)}" if len(targets) > 8 else "")
        output.line("")
        output.line(output.paint("title", f"{channel or '–'} ({kind or '–'})") + f"  {shown}")
        if problem:
            output.line(output.paint("bad", f"  ■ {problem}"))
        for line in lines:
            output.line(f"  {line}")
    output.line("")
