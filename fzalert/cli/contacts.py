"""`fzalert contacts`: the directory of banks' 24-hour desks, changed by two persons, tested."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from fzalert.cli.session import current
from fzalert.errors import InputError
from fzalert.service import contact_models as asks
from fzalert.service.contact_models import (
    ChangeView,
    ContactAnswer,
    ContactAsk,
    DeskView,
    DrillView,
)

__all__ = ["add", "answered", "approve", "drill", "drop", "list_contacts", "remove", "show"]

_WHAT = {"add": "登记 add", "change": "变更 change", "remove": "删除 remove"}


async def list_contacts(*, token_file: Path | None = None) -> None:
    """List the desks in use, the changes that are open or wait, and what has to be mended.

    Args:
        token_file: Who acts: a file with a token, - for standard input.
    """
    answer = await _ask(asks.ListAsk(), token_file)
    current().output.data(answer)
    _desks(answer)
    _changes(answer.changes)
    for one in answer.alarms:
        current().output.line(f"▲ {one.code} {one.zh} {one.en}")


async def show(code: str, *, token_file: Path | None = None) -> None:
    """Show one entry with names and telephones; that is put on record.

    Args:
        code: The bank's code of twelve digits, or a payment institution's short name.
        token_file: Who acts: a file with a token, - for standard input.
    """
    answer = await _ask(asks.ShowAsk(code=code), token_file)
    current().output.data(answer)
    _desks(answer)


async def add(file: Path, *, reason: str, token_file: Path | None = None) -> None:
    """Propose an entry, new or changed; a second person approves it.

    Args:
        file: The entry in TOML; a certificate may be named as certificate_file beside it.
        reason: Why, for the record; no names or numbers.
        token_file: Who acts: a file with a token, - for standard input.
    """
    desk = _read(file)
    code = str(desk.get("code", ""))
    if not code:
        raise InputError(f"{file.name} names no code.", field="code")
    await _change(asks.ProposeAsk(code=code, desk=desk, reason=reason), token_file)


async def remove(code: str, *, reason: str, token_file: Path | None = None) -> None:
    """Propose that an entry is removed; a second person approves it.

    Args:
        code: Which entry.
        reason: Why, for the record; no names or numbers.
        token_file: Who acts: a file with a token, - for standard input.
    """
    await _change(asks.ProposeAsk(code=code, reason=reason), token_file)


async def approve(change: str, *, token_file: Path | None = None) -> None:
    """Agree to a change, as another person than the one who proposed it.

    A new address, telephone or key is used 24 hours later. The old contact has to be told by
    telephone before then.

    Args:
        change: Its id.
        token_file: Who approves: a file with a token, - for standard input.
    """
    await _change(asks.ApproveAsk(change=change), token_file)


async def drop(change: str, *, token_file: Path | None = None) -> None:
    """Take a change back that is open, or approved and not used yet.

    Args:
        change: Its id.
        token_file: Who acts: a file with a token, - for standard input.
    """
    answer = await _ask(asks.DropAsk(change=change), token_file)
    current().output.data(answer)
    current().output.line(f"{change} 已撤回 taken back")


async def drill(code: str = "", *, report: bool = False, token_file: Path | None = None) -> None:
    """Send a test to one desk, or to all; best once a month, while `fzalert run` serves.

    A desk that is on paper only is telephoned. What a desk signs for is measured by itself; where
    one acknowledges otherwise, enter it with `fzalert contacts answered`.

    Args:
        code: Which desk; all of them where it is left out.
        report: Send nothing; show how each desk answered its tests so far.
        token_file: Who acts: a file with a token, - for standard input.
    """
    if report:
        found = await _ask(asks.ListAsk(), token_file)
        desks = [one for one in found.desks if code in {"", one.code}]
        current().output.data(found.model_copy(update={"desks": desks}))
        _results(desks)
        return
    answer = await _ask(asks.DrillAsk(code=code), token_file, delivers=True)
    current().output.data(answer)
    _drills(answer.drills)
    if any(one.problem for one in answer.drills):
        raise InputError("Not every desk could be tested.", field="code")


async def answered(application: str, *, token_file: Path | None = None) -> None:
    """Note that a desk acknowledged a test; the time that it took is measured.

    Args:
        application: The test's application id, as the desk reads it out.
        token_file: Who acts: a file with a token, - for standard input.
    """
    answer = await _ask(asks.AnsweredAsk(application_id=application), token_file)
    current().output.data(answer)
    _drills(answer.drills)


async def _ask(
    ask: ContactAsk, token_file: Path | None, *, delivers: bool = False
) -> ContactAnswer:
    session = current()
    async with session.service(delivers=delivers) as api:
        return await api.contacts(ask, await session.actor(api, token_file))


async def _change(ask: ContactAsk, token_file: Path | None) -> None:
    answer = await _ask(ask, token_file)
    current().output.data(answer)
    _changes(answer.changes)


def _read(file: Path) -> dict[str, Any]:
    """Read an entry; times become text, and certificate files their PEM."""
    try:
        entry = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}).", field="file") from None
    except ValueError as error:
        raise InputError(f"{file.name} is no TOML: {error}", field="file") from None
    for name in ("valid_from", "valid_to"):
        if name in entry and hasattr(entry[name], "isoformat"):
            entry[name] = entry[name].isoformat()
    ways = entry.get("ways")
    for way in ways if isinstance(ways, list) else []:
        named = way.pop("certificate_file", None) if isinstance(way, dict) else None
        if named is not None:
            path = file.parent / str(named)
            try:
                way["certificate"] = path.read_text(encoding="ascii")
            except (OSError, UnicodeDecodeError):
                raise InputError(f"{path.name} cannot be read as PEM.", field="ways") from None
    return entry


def _desks(answer: ContactAnswer) -> None:
    current().output.table(
        ["机构", "名称", "24小时电话", "A 角", "B 角", "通道", "上次演练", "用时"],
        [
            [
                one.code,
                one.name,
                one.phone,
                one.person_a,
                one.person_b,
                "; ".join(one.ways),
                one.last_tested_at or "– 从未 never",
                "–" if one.last_seconds is None else f"{one.last_seconds:.0f} s",
            ]
            for one in answer.desks
        ],
    )


def _results(desks: list[DeskView]) -> None:
    def seconds(value: float | None) -> str:
        return "–" if value is None else f"{value:.0f} s"

    current().output.table(
        ["机构", "名称", "演练次数", "未回执", "中位用时 p50", "上次用时 last", "上次回执"],
        [
            [
                one.code,
                one.name,
                str(one.drills),
                str(one.missed),
                seconds(one.half_seconds),
                seconds(one.last_seconds),
                one.last_tested_at or "▲ 从未 never",
            ]
            for one in desks
        ],
    )


def _changes(changes: list[ChangeView]) -> None:
    for one in changes:
        stage = (
            f"● {one.use_from} 起使用 in use from" if one.use_from else "○ 待批准 to be approved"
        )
        current().output.line(f"{one.id}  {_WHAT[one.what]} {one.code}  {stage}  {one.reason}")
        if one.tell:
            current().output.line(
                f"  请电话告知原联系人 Tell the old contact: {', '.join(one.tell)}"
            )
            current().output.line(f"  {one.notice}")


def _drills(drills: list[DrillView]) -> None:
    for one in drills:
        if one.problem:
            text = f"✗ {one.problem}"
        elif one.seconds is not None:
            text = f"● 用时 took {one.seconds:.0f} s"
        elif one.channel == "paper":
            text = f"○ 请致电 telephone {one.phone}"
        else:
            text = f"○ 已交 {one.channel}，待回执 waits for its acknowledgement"
        current().output.line(f"{one.code}  {one.application_id}  {text}")
