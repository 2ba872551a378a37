"""Cases that go their way while the daemon and the desk die at one step after the other.

Officers do what people do: they look where a case stands and do the next thing, again where the
machine was gone meanwhile. Once a case is sent nobody touches it: it has to arrive by itself.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from fzalert.client import Client
from fzalert.clock import SystemClock
from fzalert.errors import FateUnknown, NotConnected
from fzalert.freeze.model import InstructionKind
from fzalert.freeze.values import (
    Account,
    AccountKind,
    AttachmentType,
    CaseReport,
    Officer,
    Transfer,
    Victim,
)
from fzalert.service import freeze_models as asks
from fzalert.testing.desks import Bank, Precinct, card
from fzalert.testing.freeze_steps import environment
from fzalert.testing.glass import Glass, Side
from fzalert.testing.processes import Program, ask_until
from fzalert.testing.warm import Warm

__all__ = ["DAEMON_MODULES", "DESK_MODULES", "WIRE", "Death", "Keeper", "Officers"]

_COMMON = ("fzalert.cli.app", "uvicorn.lifespan.on", "uvicorn.loops.auto", "fzalert.testing")
DAEMON_MODULES = (
    *_COMMON,
    "fzalert.cli.run",
    "fzalert.daemon",
    "fzalert.service.freeze",
    "fzalert.service.freeze_answers",
    "fzalert.service.freeze_clock",
    "fzalert_bank",
    "uvicorn.protocols.http.auto",
)
"""What a daemon with a line to desks needs."""
DESK_MODULES = (
    *_COMMON,
    "fzalert.cli.desk",
    "fzalert.daemon",
    "fzalert.desk.service",
    "fzalert.web.desk",
    "uvicorn.protocols.http.auto",
)
"""What a desk needs."""
PATIENCE = 300.0
FOR_EVER = 3600.0
WIRE = {
    "package on the wire": (Side.ASKED, b'"application_id"'),
    "acknowledgement on the wire": (Side.ANSWERED, b'\\"acknowledges\\"'),
    "answers on the wire": (Side.ANSWERED, b'"items": ["'),
}
"""Steps at which either side dies while the other has said something: who spoke, and the words."""
_GONE = (NotConnected, FateUnknown, ConnectionError)
_PDF = base64.b64encode(b"%PDF-1.7 made up").decode()
T = TypeVar("T")


class Death(NamedTuple):
    """How a process ended: at which step it was to die, where it did, and its exit code."""

    step: str
    died_at: str
    code: int


class Keeper:
    """Keeps one process alive: it dies at one step after the other, and at last lives on.

    Args:
        warm: Starts it.
        glass: In the line to the other side.
        words: Its command.
        plan: The steps.
        folder: Where it says at which step it died.
        ready: Called with what it says when it serves.
        bug: What is planted in it; see `freeze_steps.BUGS`.

    Attributes:
        deaths: So far.
        is_done: Set when it has died everywhere, and serves.
    """

    def __init__(
        self,
        warm: Warm,
        glass: Glass,
        words: Sequence[str],
        plan: Sequence[str],
        folder: Path,
        ready: Callable[[Mapping[str, Any]], None] = lambda _: None,
        bug: str = "",
    ) -> None:
        self.deaths: list[Death] = []
        self.is_done = asyncio.Event()
        self._warm = warm
        self._glass = glass
        self._words = words
        self._plan = plan
        self._file = folder / "died"
        self._ready = ready
        self._bug = bug

    async def run(self) -> None:
        """Let it live and die, until cancelled."""
        for step in [*self._plan, ""]:
            while not await self._live(step):
                pass

    async def _live(self, step: str) -> bool:
        """One life; whether it ended as planned."""
        inner = "" if step in WIRE else step
        env = environment(self._file, inner, bug=self._bug)
        async with self._warm.program(self._words, env) as program:
            try:
                self._ready(await program.ready())
            except AssertionError:
                if program.is_running:
                    raise
            if step in WIRE:
                self._glass.when(*WIRE[step], partial(self._kill, program, step))
            elif not step:
                self.is_done.set()
            try:
                ended = await program.ended(PATIENCE if step else FOR_EVER)
            except AssertionError as error:
                raise AssertionError(f"it never came to {step!r}") from error
        died_at = self._file.read_text("utf-8") if self._file.exists() else ""
        self._file.unlink(missing_ok=True)
        self.deaths.append(Death(step, died_at, ended.code))
        if ended.code != -signal.SIGKILL:
            raise AssertionError(f"it ended by itself: {ended.code} {program.errors[-2000:]}")
        return died_at == step and bool(step)

    def _kill(self, program: Program, step: str) -> None:
        self._file.write_text(step, encoding="utf-8")
        program.signal(signal.SIGKILL)


class Officers:
    """Opens cases at one bank, each about another account, and sends them.

    Args:
        precinct: Where they work.
        bank: The bank.
    """

    def __init__(self, precinct: Precinct, bank: Bank) -> None:
        self._precinct = precinct
        self._bank = bank
        self._numbers = itertools.count(1)

    async def sent(self) -> str:
        """Bring one more case to its sending, whatever dies meanwhile; its id."""
        number = card(next(self._numbers))
        case = ""
        while True:

            async def step(client: Client, case: str = case) -> tuple[str, bool]:
                return await self._next(client, case, number)

            case, done = await self._seen_through(step)
            if done:
                return case

    async def stopped(self, case: str) -> asks.CaseView:
        """Wait until an account is stopped by the desk's signed answer."""

        async def look(client: Client) -> asks.CaseView | None:
            view = await self._view(client, case)
            return view if view.measures[0].state == "stopped" else None

        async def ask() -> asks.CaseView | None:
            return await self._seen_through(look)

        return await ask_until(ask, f"{case} is stopped", within=PATIENCE, every=0.1)

    async def history(self, case: str) -> list[str]:
        """What happened in a case."""

        async def read(client: Client) -> list[str]:
            by = await self._precinct.by(client, "ma")
            return [e.event for e in (await client.freeze(asks.HistoryAsk(case=case), by)).events]

        return await self._seen_through(read)

    async def _seen_through(self, work: Callable[[Client], Awaitable[T]]) -> T:
        """Do it, again where the daemon was gone."""

        async def attempt() -> tuple[T] | None:
            try:
                async with self._precinct.client() as client:
                    return (await work(client),)
            except _GONE:
                return None

        (found,) = await ask_until(attempt, "the daemon answers", within=PATIENCE)
        return found

    async def _view(self, client: Client, case: str) -> asks.CaseView:
        by = await self._precinct.by(client, "ma")
        answer = await client.freeze(asks.ShowAsk(case=case), by)
        if answer.case is None:
            raise AssertionError("no case was shown")
        return answer.case

    async def _next(self, client: Client, case: str, number: str) -> tuple[str, bool]:
        """Do the next thing about a case; its id, and whether it is on its way."""
        now = SystemClock().now()
        ma = await self._precinct.by(client, "ma")
        if not case:
            report = CaseReport(number="110-20261124-0007", at=now - timedelta(minutes=5))
            victim = Victim(name="张三", id_number="11010519491231002X", phone="13800138000")
            opened = await client.freeze(asks.OpenAsk(report=report, victim=victim), ma)
            return ("" if opened.case is None else opened.case.id), False
        view = await self._view(client, case)
        if not view.officers:
            await client.freeze(asks.OfficersAsk(case=case, officers=_OFFICERS), ma)
        papers = {one.type for one in view.documents}
        for kind in (AttachmentType.IDENTITY, AttachmentType.STOP_FORM):
            if kind not in papers:
                await client.freeze(asks.PutAsk(upload="ab" * 8, offset=0, data=_PDF), ma)
                await client.freeze(asks.AttachAsk(case=case, type=kind, upload="ab" * 8), ma)
        if not view.measures:
            await client.freeze(self._account(case, number), ma)
            view = await self._view(client, case)
        (measure,) = view.measures
        if measure.state == "draft":
            stop = asks.PrepareAsk(case=case, measure="m1", kind=InstructionKind.STOP)
            await client.freeze(stop, ma)
        if measure.state in {"draft", "review"}:
            li = await self._precinct.by(client, "li")
            await client.freeze(asks.ApproveAsk(case=case, measure="m1"), li)
        if measure.state in {"draft", "review", "approved"}:
            await client.freeze(asks.SendAsk(case=case), ma)
        return case, True

    def _account(self, case: str, number: str) -> asks.AddAccountAsk:
        account = Account(
            kind=AccountKind.CARD,
            number=number,
            name="李四",
            bank_code=self._bank.institution,
            bank_name="中国工商银行",
        )
        inflow = Transfer.model_validate(
            {
                "from_account": "6228480402564890018",
                "from_name": "张三",
                "amount": "50000.00",
                "at": SystemClock().now() - timedelta(minutes=20),
                "serials": ("20261124SERIAL01",),
            }
        )
        return asks.AddAccountAsk(case=case, account=account, inflow=(inflow,))


_OFFICERS = (
    Officer(name="王一", certificate="P0001", phone="13800138001"),
    Officer(name="赵二", certificate="P0002", phone="13800138002", role="assisting"),
)
