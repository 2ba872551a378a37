"""How programs ask for freeze requests: calls become asks, and answers what a program reads.

The service decides; here a refusal gets what a caller of this interface has to know beside it.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response, StreamingResponse

from fzalert.access import Actor
from fzalert.access.actors import ActorKind
from fzalert.errors import AccessDenied, ConfigError, FzalertError, GuardsUnmet, InputError
from fzalert.freeze.model import InstructionKind
from fzalert.service import freeze_models as asks
from fzalert.service.freeze_models import (
    MAY_READ,
    BoardRow,
    CaseView,
    CheckView,
    EventView,
    FigureView,
    FileView,
    FreezeAnswer,
    TaskRow,
    TraceView,
)
from fzalert.service.freeze_uploads import format_of
from fzalert.web.endpoints import Answer, Call, NoBody, NoQuery, RawBody
from fzalert.web.problems import ProblemError, from_error, from_validation
from fzalert.web.streams import SSE_HEADERS, Stopping, StreamAnswer, server_event

__all__ = [
    "BASE",
    "REPEATED",
    "AfterQuery",
    "Board",
    "BoardQuery",
    "CheckQuery",
    "Figures",
    "FiguresQuery",
    "FreezeCalls",
    "History",
    "HistoryQuery",
    "RequestBody",
    "Sent",
    "Shares",
    "Tasks",
    "TasksQuery",
    "Trace",
    "TraceQuery",
    "Upload",
    "refused_input",
]

BASE = "/api/v1/freeze"
"""Where everything about freeze requests is."""
REPEATED = "Idempotency-Replayed"
"""Header of an answer to a change that was made before, under the same key."""
_PIECE = 48 * 1024
"""Bytes of a file in one piece; a multiple of three, so that base64 is cut between its groups."""
_MEDIA = {"pdf": "application/pdf", "xml": "application/xml", "zip": "application/zip"}
_BEAT = 15.0
"""Seconds after which a stream without news says that it lives."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class BoardQuery(_Model):
    """Which measures the board has."""

    ended: bool = Field(default=False, description="Those that have ended too.")


class HistoryQuery(_Model):
    """From where on the history is read."""

    after: int = Field(default=0, ge=0, le=2**31, description="The version that is known already.")
    wait: float = Field(default=0, ge=0, le=60, description="Seconds to wait where nothing is new.")


class AfterQuery(_Model):
    """From where on events are told."""

    after: int = Field(default=0, ge=0, le=2**31, description="The version that is known already.")


class FiguresQuery(_Model):
    """Which month is counted."""

    month: str = Field(
        default="",
        pattern=r"^([0-9]{4}-(0[1-9]|1[0-2]))?$",
        description="As 2026-11; every month unless given.",
    )


class TasksQuery(_Model):
    """Whose tasks are listed."""

    case: str = Field(default="", max_length=80, description="One case; every one unless given.")


class TraceQuery(_Model):
    """How the money is followed."""

    order: Literal["fifo", "lifo", "proportional"] = Field(
        default="fifo", description="Which money leaves an account first."
    )


class CheckQuery(_Model):
    """What is asked about a measure."""

    kind: InstructionKind | None = Field(
        default=None, description="The instruction that is thought of; the next one unless given."
    )


class Board(_Model):
    """Every measure with its clock, the most urgent first."""

    items: list[BoardRow]


class History(_Model):
    """What happened in a case after a version, without personal data."""

    items: list[EventView]
    version: int = Field(description="Give it as `after` for what comes next.")


class Figures(_Model):
    """The key figures: months in order, in each the institutions, then all together."""

    items: list[FigureView]


class Tasks(_Model):
    """Open tasks of persons, the oldest first."""

    items: list[TaskRow]


class Trace(_Model):
    """How the money went on, estimated."""

    items: list[TraceView]
    note: str


class Shares(_Model):
    """What each of those who lost money gets back."""

    shares: dict[str, str]


class Upload(_Model):
    """A document that waits to be attached, for ten minutes."""

    upload: str = Field(description="Its name in what follows: the SHA-256 of its bytes.")
    format: str
    size: int


class Paper(_Model):
    """A paper that was made where no channel reaches the desk."""

    name: str
    sha256: str
    size: int


class Sent(_Model):
    """What left, over which channel, and the papers that are to be printed."""

    case: CaseView
    note: str = Field(description="Each measure with its channel; paper where none reaches it.")
    papers: list[Paper]


class RequestBody(_Model):
    """What the body of every act has in common: nothing that is not asked for."""


class FreezeCalls:
    """Asks the service on behalf of programs.

    Args:
        stopping: Ends streams, and refuses changes while the process stops.
    """

    def __init__(self, stopping: Stopping) -> None:
        self._stopping = stopping

    # -- changes ---------------------------------------------------------------------------

    async def open(self, call: Call[Any, NoQuery]) -> Answer:
        """Open a case."""
        answer = await self._asked(call, asks.OpenAsk(**_fields(call.body)))
        case = _case(answer)
        return _changed(answer, case, {"location": f"{BASE}/cases/{case.id}"})

    async def change(
        self, call: Call[Any, NoQuery], ask: type[BaseModel], fixed: Mapping[str, object]
    ) -> Answer:
        """Do an act of the table."""
        answer = await self._asked(call, _made(ask, call, fixed))
        return _changed(answer, _case(answer))

    async def send(self, call: Call[Any, NoQuery]) -> Answer:
        """Send what is approved."""
        answer = await self._asked(call, _made(asks.SendAsk, call, {}))
        papers = [Paper(name=f.name, sha256=f.sha256, size=f.size) for f in answer.files]
        return _changed(answer, Sent(case=_case(answer), note=answer.note, papers=papers))

    async def upload(self, call: Call[RawBody, NoQuery]) -> Upload:
        """Put a document that is attached next."""
        kind = format_of(call.raw)
        name = hashlib.sha256(call.raw).hexdigest()
        for offset in range(0, len(call.raw), asks.PIECE):
            piece = base64.b64encode(call.raw[offset : offset + asks.PIECE]).decode()
            _ = await self._asked(call, asks.PutAsk(upload=name, offset=offset, data=piece))
        return Upload(upload=name, format=kind, size=len(call.raw))

    # -- reading ---------------------------------------------------------------------------

    async def show(self, call: Call[NoBody, NoQuery]) -> CaseView:
        """A case, masked."""
        return _case(await self._asked(call, _made(asks.ShowAsk, call, {})))

    async def reveal(self, call: Call[NoBody, NoQuery]) -> CaseView:
        """A case with names and numbers, on record."""
        return _case(await self._asked(call, _made(asks.ShowAsk, call, {"reveal": True})))

    async def board(self, call: Call[NoBody, BoardQuery]) -> Board:
        """Every measure with its clock."""
        return Board(items=(await self._asked(call, asks.BoardAsk(ended=call.query.ended))).board)

    async def check(self, call: Call[NoBody, CheckQuery]) -> CheckView:
        """What stands against the next act."""
        wanted = _made(asks.CheckAsk, call, {"kind": call.query.kind})
        return (await self._asked(call, wanted)).check or CheckView()

    async def tasks(self, call: Call[NoBody, TasksQuery]) -> Tasks:
        """What persons have to do."""
        return Tasks(items=(await self._asked(call, asks.TasksAsk(case=call.query.case))).tasks)

    async def tasks_in_plain(self, call: Call[NoBody, TasksQuery]) -> Tasks:
        """The same with whom to call, on record."""
        wanted = asks.TasksAsk(case=call.query.case, reveal=True)
        return Tasks(items=(await self._asked(call, wanted)).tasks)

    async def figures(self, call: Call[NoBody, FiguresQuery]) -> Figures:
        """The key figures."""
        wanted = asks.FiguresAsk(month=call.query.month)
        return Figures(items=(await self._asked(call, wanted)).figures)

    async def trace(self, call: Call[NoBody, TraceQuery]) -> Trace:
        """How the money went on."""
        answer = await self._asked(call, _made(asks.TraceAsk, call, {"order": call.query.order}))
        return Trace(items=answer.trace, note=answer.note)

    async def shares(self, call: Call[Any, NoQuery]) -> Shares:
        """How frozen money is divided."""
        answer = await self._asked(call, _made(asks.ShareAsk, call, {}))
        return Shares(shares={name: str(amount) for name, amount in answer.shares.items()})

    async def paper(self, call: Call[Any, NoQuery]) -> Response:
        """A paper as PDF, on record."""
        return _download((await self._asked(call, _made(asks.PaperAsk, call, {}))).files[0])

    async def message(self, call: Call[NoBody, NoQuery]) -> Response:
        """An instruction as ISO 20022 has it, on record."""
        return _download((await self._asked(call, _made(asks.Iso20022Ask, call, {}))).files[0])

    async def bundle(self, call: Call[NoBody, NoQuery]) -> Response:
        """The evidence bundle, on record."""
        return _download((await self._asked(call, _made(asks.BundleAsk, call, {}))).files[0])

    # -- following -------------------------------------------------------------------------

    async def history(self, call: Call[NoBody, HistoryQuery]) -> History:
        """What happened after a version."""
        found = await self._after(call, call.query.after, call.query.wait)
        return History(items=found, version=found[-1].version if found else call.query.after)

    async def events(self, call: Call[NoBody, AfterQuery]) -> Response:
        """What happens, as it happens."""
        after = _last_seen(call)
        _ = await self._asked(call, _made(asks.HistoryAsk, call, {"after": after}))  # or a problem
        return StreamAnswer(
            self._told(call, after),
            self._stopping,
            farewell=server_event("-", event="bye"),
            headers=SSE_HEADERS,
        )

    async def _after(self, call: Call[Any, Any], after: int, wait: float) -> list[EventView]:
        """Events after a version; where there are none, what comes within the wait."""
        loop = asyncio.get_running_loop()
        until = loop.time() + wait
        seen = await call.service.changed(0, 0)
        while True:
            if _case(await self._asked(call, _made(asks.ShowAsk, call, {}))).version > after:
                wanted = _made(asks.HistoryAsk, call, {"after": after})
                return (await self._asked(call, wanted)).events
            left = until - loop.time()
            if left <= 0 or self._stopping.is_set:
                return []
            seen = await call.service.changed(seen, min(left, 1.0))

    async def _told(self, call: Call[NoBody, AfterQuery], after: int) -> AsyncIterator[bytes]:
        yield b"retry: 3000\n\n"
        while True:
            for event in await self._after(call, after, _BEAT):
                after = event.version
                yield server_event(event.model_dump_json(), event=event.event, id=str(after))
            try:
                if call.again is not None:
                    _ = await call.again()
            except (FzalertError, ProblemError):
                yield server_event("-", event="bye")  # access was closed meanwhile
                return
            yield b": -\n\n"

    # -- asking ----------------------------------------------------------------------------

    async def _asked(self, call: Call[Any, Any], wanted: asks.FreezeAsk) -> FreezeAnswer:
        """Ask the service.

        Raises:
            ProblemError: A refusal, with what a caller of this interface has to know beside it.
        """
        if self._stopping.is_set and call.key:
            detail = "程序正在停止。The process stops."
            raise ProblemError(503, "stopping", detail, headers={"retry-after": "10"})
        try:
            return await call.service.freeze(wanted, call.actor, key=call.key)
        except InputError as error:
            if error.field == "case":
                raise _no_case() from None
            if error.field == "measure" and "measure" in call.path:
                detail = f"案件中没有这项措施。 {error.args[0]} {error.hint}"
                raise ProblemError(404, "no-such-measure", detail) from None
            raise
        except (GuardsUnmet, AccessDenied) as error:
            raise _explained(error, call.actor) from None
        except ConfigError as error:
            if "not installed" not in str(error.args[0]):
                raise
            raise ProblemError(501, "not-installed", f"{error.args[0]} {error.hint}") from None


def refused_input(
    act: str,
) -> Callable[[Call[BaseModel, Any], ProblemError], Awaitable[None]]:
    """Make what puts on record that the body of an act did not hold: its fields, never a value.

    Args:
        act: The act, as asks call it.
    """

    async def note(call: Call[BaseModel, Any], problem: ProblemError) -> None:
        fields = tuple(fault.pointer[:80] for fault in problem.faults)[:20]
        wanted = asks.RefusedAsk(act=act, fields=fields, case=call.path.get("case", "")[:80])
        # Nobody of the station, or no freeze requests here: it would have changed nothing.
        with contextlib.suppress(AccessDenied, ConfigError, InputError):
            _ = await call.service.freeze(wanted, call.actor)

    return note


def _fields(body: BaseModel) -> dict[str, Any]:
    return {name: getattr(body, name) for name in type(body).model_fields}


def _made(ask: Any, call: Call[Any, Any], fixed: Mapping[str, object]) -> Any:
    """The ask of a call: what its path, its body and the row of the table say.

    Raises:
        ProblemError: 404 for an id in the path that is none; 422 for a value.
    """
    body = _fields(call.body) if isinstance(call.body, RequestBody) else {}
    try:
        return ask(**body, **call.path, **fixed)
    except ValidationError as error:
        if any(item["loc"][:1] in {("case",), ("measure",)} for item in error.errors()):
            raise _no_case() from None
        raise from_validation(error) from None


def _case(answer: FreezeAnswer) -> CaseView:
    if answer.case is None:
        raise TypeError("the service gave no case")
    return answer.case


def _changed(
    answer: FreezeAnswer, model: BaseModel, headers: Mapping[str, str] | None = None
) -> Answer:
    told = {REPEATED: "true"} if answer.repeated else {}
    return Answer(model, headers={**(headers or {}), **told})


def _no_case() -> ProblemError:
    return ProblemError(404, "no-such-case", "没有这个案件。There is no such case.")


def _explained(error: FzalertError, actor: Actor) -> ProblemError:
    """A refusal; where a fresh proof is missing, how it is given, and who cannot give one."""
    problem = from_error(error)
    unproved = isinstance(error, AccessDenied) and not actor.roles.isdisjoint(MAY_READ)
    if "step-up" not in {one.id for one in problem.guards} and not unproved:
        return problem
    if actor.kind is ActorKind.MACHINE:
        how = (
            f"{actor.id} 是机器，不能证明本人；须由人员以自己的令牌或登录办理。"
            f" {actor.id} is a machine and proves no person: a person does this, with a token of"
            " his own or signed in."
        )
    else:
        how = (
            "请重新验证身份：以本人令牌调用本接口，或在页面上重新验证后再试。"
            " Prove who you are again: call with your own token, or prove it at the pages, then"
            " repeat this."
        )
    return ProblemError(
        problem.status,
        problem.code,
        f"{problem.detail} {how}",
        faults=problem.faults,
        headers=problem.headers,
        guards=problem.guards,
    )


def _last_seen(call: Call[NoBody, AfterQuery]) -> int:
    """Where a stream goes on: a browser that comes back says so in a header."""
    last = call.headers.get("last-event-id", "")
    return int(last) if last.isdecimal() and len(last) < 10 else call.query.after


def _download(file: FileView) -> Response:
    """A file in pieces, so that no second copy of it lies in memory."""
    kind = _MEDIA[file.name.rpartition(".")[2]]
    digest = base64.b64encode(bytes.fromhex(file.sha256)).decode()

    async def pieces() -> AsyncIterator[bytes]:
        step = _PIECE // 3 * 4
        for start in range(0, len(file.data), step):
            yield base64.b64decode(file.data[start : start + step])

    return StreamingResponse(
        pieces(),
        media_type=kind,
        headers={
            "content-disposition": f'attachment; filename="{file.name}"',
            "content-length": str(file.size),
            "repr-digest": f"sha-256=:{digest}:",
        },
    )
