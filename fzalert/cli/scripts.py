"""`fzalert scripts`: the library, its texts, its lint, its approval."""

from __future__ import annotations

import getpass
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from pydantic import BaseModel

from fzalert.cli.exits import Exit
from fzalert.cli.preview import find_script, lines_of
from fzalert.cli.session import Session, current, read_token
from fzalert.errors import FzalertError, InputError
from fzalert.messages import Lane, RenditionKind
from fzalert.scripts import Level, Library, Script, lint, render
from fzalert.service.building import script_settings

__all__ = ["approve", "lint_scripts", "list_scripts", "preview", "show"]

_STATUS = {"draft": "○ 草稿", "approved": "● 已批准", "expired": "■ 过期", "changed": "▲ 已改动"}
_APPROVER = "FZALERT_APPROVER_TOKEN"


class TextView(BaseModel):
    """One text of a script, or what one kind of channel gets."""

    name: str
    text: str = ""
    problem: str = ""


class FindingView(BaseModel):
    """One finding of the linter."""

    script: str
    rule: str
    level: str
    rendition: str
    span: tuple[int, int]
    text: str


async def list_scripts() -> None:
    """List the scripts with their approval."""
    session = current()
    async with session.service(delivers=False) as api:
        views = await api.scripts()
    session.output.rows(views)
    session.output.table(
        ["话术", "标题", "语言", "渠道", "状态", "批准人"],
        [
            [
                view.key,
                view.title,
                " ".join(view.languages),
                " ".join(view.channels),
                _STATUS.get(view.status, view.status),
                view.approved_by,
            ]
            for view in views
        ],
    )


def show(script: str, *, audience: str = "general") -> None:
    """Show every text of a script, as it is written, variables unfilled.

    Args:
        script: Its id, or its whole key id/audience/version.
        audience: Audience, where only the id is given.
    """
    output = current().output
    found = find_script(Library.load(), script, audience)
    output.line(f"{found.key}  {found.digest[:16]}")
    for language, texts in found.languages.items():
        for name, text in texts.items():
            _tell(TextView(name=f"{language}.{name}", text=text))
    for name, text in found.elder.items():
        _tell(TextView(name=f"elder.{name}", text=text))


def preview(
    script: str,
    *,
    audience: str = "general",
    language: str = "zh",
    value: Annotated[list[str] | None, Parameter(negative=())] = None,
) -> None:
    """Show what each kind of channel gets, from the renderer that sends.

    Args:
        script: Its id, or its whole key id/audience/version.
        audience: general, elderly, …
        language: zh or en.
        value: A variable as name=value; give the option once for each.
    """
    from fzalert.cli.values import parse_values

    settings = current().settings()
    found = find_script(Library.load(), script, audience)
    for kind in RenditionKind:
        if kind in {RenditionKind.RELAY, RenditionKind.BANK}:
            continue  # no text: what is handed to another fzalert, or made of a case
        try:
            rendition = render(
                found,
                kind=kind,
                language=language,
                audience=audience,
                values=parse_values(value or []),
                lane=Lane.URGENT,
                drill=settings.drill.enabled,
                settings=script_settings(settings),
            )
        except FzalertError as error:
            _tell(TextView(name=str(kind), problem=str(error)))
        else:
            _tell(TextView(name=str(kind), text="\n".join(lines_of(rendition))))


def lint_scripts(script: str = "", *, profile: str = "carrier-direct") -> int:
    """Check scripts against every rule; exit code 4 where a rule is broken.

    Args:
        script: An id or a key; all scripts where none is given.
        profile: The vendor whose word list counts.
    """
    output = current().output
    library = Library.load()
    chosen: list[Script] = [find_script(library, script, "general")] if script else list(library)
    errors = 0
    for each in chosen:
        for finding in lint(each, profile):
            errors += finding.level is Level.ERROR
            view = FindingView(script=each.key, **asdict(finding))
            output.data(view)
            sign = "■" if finding.level is Level.ERROR else "▲"
            output.line(f"{sign} {each.key}  {view.rendition}  {view.rule}  {view.text}")
    output.note(f"{len(chosen)} 条话术 scripts, {errors} 处错误 errors")
    return Exit.GUARD if errors else Exit.OK


async def approve(
    key: str,
    *,
    author_token_file: Path | None = None,
    approver_token_file: Path | None = None,
) -> None:
    """Approve a script for real channels. Two persons: one wrote or checked it, one approves.

    Args:
        key: Its whole key id/audience/version.
        author_token_file: The author's token, - for standard input; otherwise FZALERT_TOKEN,
            otherwise the account that runs this.
        approver_token_file: The approver's token; otherwise FZALERT_APPROVER_TOKEN, otherwise it
            is asked for.
    """
    session = current()
    async with session.service(delivers=False) as api:
        author = await session.actor(api, author_token_file)
        approver = await api.authenticate(_approver_token(session, approver_token_file))
        view = await api.approve(key, author=author, approver=approver)
    session.output.data(view)
    session.output.line(f"{view.key}  {_STATUS.get(view.status, view.status)}  {view.approved_by}")


def _approver_token(session: Session, file: Path | None) -> str:
    token = read_token(file, _APPROVER)
    if token:
        return token
    if session.output.as_json or not sys.stdin.isatty():
        raise InputError(
            "The second person's token is missing.",
            hint=f"Give --approver-token-file, or {_APPROVER} in the environment.",
            field="approver-token-file",
        )
    return getpass.getpass("批准人的令牌 Approver's token: ").strip()


def _tell(view: TextView) -> None:
    output = current().output
    output.data(view)
    output.line("")
    output.line(output.paint("title", view.name))
    for line in view.text.splitlines():
        output.line(f"  {line}")
    if view.problem:
        output.line(f"  ▲ {view.problem}")
