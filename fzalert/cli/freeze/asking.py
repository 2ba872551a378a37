"""What the commands of `fzalert freeze` share: asking the service, showing cases, writing files."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from fzalert.access import Actor
from fzalert.cli.session import current
from fzalert.errors import FzalertError, InputError
from fzalert.service import freeze_models as asks
from fzalert.service.api import ServiceApi
from fzalert.service.freeze_models import CaseView, FreezeAnswer, FreezeAsk, MeasureView
from fzalert.service.freeze_uploads import MOST, format_of

__all__ = [
    "Desk",
    "desk",
    "local",
    "read_document",
    "show_case",
    "told_where_refused",
    "write_files",
]

_CHINA = ZoneInfo("Asia/Shanghai")
HOUR = 3600


@dataclass(frozen=True, slots=True)
class Desk:
    """The service, and who acts."""

    api: ServiceApi
    by: Actor

    async def ask(self, ask: FreezeAsk) -> FreezeAnswer:
        """Ask the service. Raises as `ServiceApi.freeze`."""
        return await self.api.freeze(ask, self.by)

    async def case(self, case: str) -> CaseView:
        """A case as it stands, masked."""
        return _case(await self.ask(asks.ShowAsk(case=case)))

    async def change(self, ask: FreezeAsk) -> CaseView:
        """Ask for a change, and give the case afterwards."""
        return _case(await self.ask(ask))

    async def changes(self, wanted: Sequence[FreezeAsk]) -> CaseView:
        """Ask for changes one after the other, at least one; gives the case afterwards."""
        for ask in wanted[:-1]:
            await self.ask(ask)
        return await self.change(wanted[-1])

    async def keyed(self, ask: FreezeAsk, key: str) -> CaseView:
        """Ask for a change once: the same change under the same key is not made again.

        Args:
            ask: The change.
            key: As it was given; empty asks without one.
        """
        name = key and f"{key}/{hashlib.sha256(ask.model_dump_json().encode()).hexdigest()[:16]}"
        return _case(await self.api.freeze(ask, self.by, key=name))

    async def put(self, body: bytes, *, key: str = "") -> str:
        """Hand a document over in pieces; returns the name of the upload, the same under a key."""
        upload = hashlib.sha256(body).hexdigest() if key else secrets.token_hex(16)
        for offset in range(0, len(body), asks.PIECE):
            piece = base64.b64encode(body[offset : offset + asks.PIECE]).decode()
            await self.ask(asks.PutAsk(upload=upload, offset=offset, data=piece))
        return upload

    async def measures(self, case: str, measure: str, stage: str = "") -> list[str]:
        """The measure that was named, else those whose instruction is at a stage, else the only.

        Raises:
            InputError: None was named, and it is not clear which one is meant.
        """
        if measure:
            return [measure]
        known = (await self.case(case)).measures
        if stage:
            found = [one.id for one in known if one.stage == stage]
            if not found:
                raise InputError(
                    f"No measure of the case is at the stage {stage}.",
                    hint="`fzalert freeze status` shows them.",
                    field="measure",
                )
            return found
        if len(known) != 1:
            names = ", ".join(one.id for one in known) or "none"
            raise InputError(
                "Which measure?", hint=f"Name it after the case; there is {names}.", field="measure"
            )
        return [known[0].id]


@asynccontextmanager
async def desk(token_file: Path | None, *, delivers: bool = False) -> AsyncIterator[Desk]:
    """Open the service for one command, as whoever holds the token."""
    session = current()
    async with session.service(delivers=delivers) as api:
        yield Desk(api, await session.actor(api, token_file))


@asynccontextmanager
async def told_where_refused(act: str, token_file: Path | None) -> AsyncIterator[None]:
    """Read what was typed; where it does not hold, that goes on record too, without a value.

    Args:
        act: The act, as asks call it.
        token_file: Who acts.

    Raises:
        InputError: As it was raised within.
    """
    try:
        yield
    except InputError as error:
        fields = tuple(field[:80] for field in _fields(error))[:20]
        with contextlib.suppress(FzalertError):  # what is wrong is told in any case
            async with desk(token_file) as at:
                _ = await at.ask(asks.RefusedAsk(act=act, fields=fields))
        raise


def _fields(error: InputError) -> list[str]:
    """Which fields an error names; a file's faults stand one after the other."""
    said = str(error.args[0]).partition(": ")[2] if error.field == "file" else ""
    found = [part.partition(": ")[0] for part in said.split("; ")]
    return [one for one in found if one] or [error.field or ""]


def _case(answer: FreezeAnswer) -> CaseView:
    if answer.case is None:
        raise TypeError("the service gave no case")
    return answer.case


def read_document(file: Path) -> bytes:
    """The bytes of a document.

    Raises:
        InputError: It cannot be read, is too long, or is no PDF, PNG or JPEG.
    """
    try:
        body = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}).", field="file") from None
    if len(body) > MOST:
        raise InputError(f"{file} is longer than {MOST // 1024 // 1024} MiB.", field="file")
    format_of(body)
    return body


def write_files(files: list[asks.FileView], out: Path | None) -> None:
    """Write files, readable by this account alone, into a folder or under one name."""
    output = current().output
    for file in files:
        path = Path(file.name)
        if out is not None:
            path = out / file.name if out.is_dir() else out
        try:
            path.touch(mode=0o600)
            path.write_bytes(base64.b64decode(file.data))
        except OSError as error:
            raise InputError(f"{path} cannot be written ({error.strerror}).", field="out") from None
        output.data({"file": str(path), "sha256": file.sha256, "size": file.size})
        output.line(f"{path}  {file.size} 字节 bytes  sha256 {file.sha256[:16]}…")


def show_case(case: CaseView) -> None:
    """Show a case with its measures."""
    output = current().output
    output.data(case)
    output.line(f"案件 {case.id}  警情 report {case.report}  受害人 victim {case.victim}")
    if case.case_number:
        output.line(f"立案 filed {case.case_number}")
    show_measures([("", one) for one in case.measures])


def show_measures(rows: list[tuple[str, MeasureView]]) -> None:
    """Show measures as a table; the case's id leads where it is told."""
    head = ["措施", "状态", "机构", "账号", "户名", "金额", "倒计时", "下一步"]
    cells = [
        [
            one.id,
            f"{_MARKS.get(one.state, '○')} {one.state}" + (f" {one.stage}" if one.stage else ""),
            one.institution,
            one.account,
            one.holder,
            f"{one.amount:,.2f}",
            _clock(one),
            one.next.zh,
        ]
        for _, one in rows
    ]
    if any(case for case, _ in rows):
        head = ["案件", *head]
        cells = [[case, *row] for (case, _), row in zip(rows, cells, strict=True)]
    current().output.table(head, cells)


_MARKS = {
    "stopped": "■",
    "frozen": "■",
    "queued": "▣",
    "mismatch": "✗",
    "refused": "✗",
    "expired": "✗",
    "released": "□",
    "returned": "□",
    "cancelled": "□",
}
"""A mark beside each state, so that no colour is needed to tell them apart."""


def _clock(measure: MeasureView) -> str:
    seconds = measure.next.seconds
    if seconds is None:
        return "–"
    size = abs(seconds)
    days, rest = divmod(size, 24 * HOUR)
    text = f"{days} 天 d" if days > 3 else f"{size // HOUR}:{rest % HOUR // 60:02}"
    return (
        f"▲ 逾 {text} {measure.next.deadline}" if seconds < 0 else f"{text} {measure.next.deadline}"
    )


def local(moment: datetime | None) -> str:
    """A moment as people in China read it."""
    return "–" if moment is None else f"{moment.astimezone(_CHINA):%Y-%m-%d %H:%M:%S}"
