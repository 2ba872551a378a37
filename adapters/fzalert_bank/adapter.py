"""Carries freeze packages to the desks of banks, and their signed answers back.

One POST for each package, its canonical bytes, signed for this one sending; the desk is idempotent
on application id and bytes, so that a package whose acknowledgement was lost is posted again
without a second effect. `sent` means: on the desk's disk, and the desk has signed so. What the bank
then does comes back through `inbound()` as its signed receipt, after a cursor that is kept for each
desk and moves once the receipt is on our disk.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import deque
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import ClassVar, Self

from typing_extensions import override

from fzalert import ChannelUnavailable, ConfigError, FateUnknown
from fzalert.messages import (
    Answer,
    BankPackage,
    Receipt,
    ReceiptKind,
    RenditionKind,
    Scope,
    TargetKind,
)
from fzalert.ports import (
    AdapterContext,
    Capabilities,
    ChannelConfig,
    Health,
    HealthState,
    InboundBatch,
    Submission,
    Wire,
    get_logger,
)
from fzalert_bank.answers import AnswerPage, application_of, read_taken
from fzalert_bank.config import BankConfig, Desk
from fzalert_bank.line import DeskLine

__all__ = ["BankDesks"]

OPEN_WITHIN = 3.0
"""Seconds that opening waits for the desks' first answers; they are asked on afterwards."""
KEPT_MS = 400 * 86_400_000
"""How long it is kept which message an application was sent as; a freeze lasts a year at most."""
_log = get_logger("fzalert.bank")


class BankDesks:
    """The channel to the desks of banks."""

    Config: ClassVar[type[ChannelConfig]] = BankConfig

    def __init__(self, config: BankConfig, context: AdapterContext) -> None:
        self._config = config
        self._context = context
        self._lines = {
            desk.name: DeskLine(desk, config, context, self._arrived) for desk in config.desks
        }
        self._work: list[asyncio.Task[None]] = []
        self._pages: deque[_Page] = deque()
        self._has_page = asyncio.Event()
        self._closed = False
        self._acknowledged = 0
        self._answers = 0
        self._refused_answers = 0

    @property
    def capabilities(self) -> Capabilities:
        """One package at a time for each desk; the desks beside each other."""
        desks = len(self._config.desks)
        return Capabilities(
            kinds=frozenset({TargetKind.BANK_DESK}),
            rendition=RenditionKind.BANK,
            addresses=frozenset(self._lines),
            window=desks,
            per_target=1,
            idempotent_key=True,
            submit_timeout=self._config.answer_timeout,
            submits=desks,
        )

    async def __aenter__(self) -> Self:
        keep = self._context.background.keep
        self._work = [
            *(keep(f"bank-{name}", line.follow) for name, line in self._lines.items()),
            self._context.background.once("bank-forget", self._forget),
        ]
        try:
            async with asyncio.timeout(min(OPEN_WITHIN, self._config.answer_timeout)):
                for line in self._lines.values():
                    await line.asked.wait()
        except TimeoutError:
            return self  # health says which is down; it is asked on
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closed = True
        self._has_page.set()
        for task in self._work:
            task.cancel()
        if self._work:
            await asyncio.wait(self._work, timeout=self._config.answer_timeout)

    async def submit(self, batch: Sequence[Submission], wire: Wire) -> None:
        """Post the batch, every desk beside the others."""
        turns: dict[str, list[Submission]] = {}
        for one in batch:
            turns.setdefault(one.target.address, []).append(one)
        async with asyncio.TaskGroup() as desks:
            for some in turns.values():
                desks.create_task(self._take_turns(some, wire))

    async def inbound(self) -> AsyncIterator[InboundBatch]:
        """The receipts that the banks signed, until the channel closes."""
        while not self._closed:
            if not self._pages:
                self._has_page.clear()
                await self._has_page.wait()
                continue
            page = self._pages[0]
            yield InboundBatch(page.rows, page.written.set)
            await page.written.wait()  # whoever reads anew before that gets the same page
            if self._pages and self._pages[0] is page:
                self._pages.popleft()

    async def health(self) -> Health:
        """How many desks answer, and why the others do not."""
        lines = list(self._lines.values())
        down = [line for line in lines if not line.is_up]
        figures = (
            ("desks_up", len(lines) - len(down)),
            ("acknowledged", self._acknowledged),
            ("answers", self._answers),
            ("refused_answers", self._refused_answers),
        )
        told = [line.latency_ms for line in lines if line.latency_ms is not None]
        latency = max(told, default=None)
        if not down:
            return Health(HealthState.UP, "", latency, figures)
        words = "; ".join(f"{line.desk.name}: {line.why_down}" for line in down[:3])
        more = f"; and {len(down) - 3} more" if len(down) > 3 else ""
        state = HealthState.DOWN if len(down) == len(lines) else HealthState.SLOW
        if not any(line.asked.is_set() for line in lines):
            state = HealthState.UNKNOWN
        return Health(state, words + more, latency, figures)

    @override
    def __repr__(self) -> str:
        return f"BankDesks({self._config.name!r}, desks={len(self._lines)})"

    # -- packages --------------------------------------------------------------------------

    async def _take_turns(self, some: Sequence[Submission], wire: Wire) -> None:
        for one in some:
            refused = self._refusal(one)
            if refused is not None:
                wire.settle(one.id, one.part, refused)
                continue
            package, line = one.rendition, self._lines[one.target.address]
            if not isinstance(package, BankPackage):
                raise TypeError("only a package comes here")
            if not line.is_up:
                wire.settle(one.id, one.part, _waits(line))
                continue
            await self._note(one, package)
            if not wire.may_write():
                return
            key = package.sha256[:32]
            wire.writing(one.id, one.part, key.encode())
            wire.settle(one.id, one.part, await self._hand_over(line, package, key))

    def _refusal(self, one: Submission) -> Receipt | None:
        package = one.rendition
        if not isinstance(package, BankPackage):
            return _never("A desk takes packages, and nothing else.")
        if one.target.kind is not TargetKind.BANK_DESK or one.target.address not in self._lines:
            return _never("There is no such desk in `desks` of this channel.")
        institutions = self._lines[one.target.address].desk.institutions
        if institutions and package.institution not in institutions:
            return Receipt(
                ReceiptKind.PERMANENT,
                code="other-institution",
                detail="The package is for another institution than the desk's; nothing was sent.",
            )
        if hashlib.sha256(package.body.encode()).hexdigest() != package.sha256:
            return Receipt(
                ReceiptKind.PERMANENT,
                code="package-differs",
                detail="The package's bytes are not those of its hash; nothing was sent.",
            )
        return None

    async def _note(self, one: Submission, package: BankPackage) -> None:
        """Keep, before the bytes leave, which message an answer will belong to."""
        if not package.binding:
            return  # a pre-alert takes no answer
        said = {"id": one.id, "part": one.part, "at": self._context.clock.millis()}
        await self._context.state.put(
            _sent_key(one.target.address, package.application_id), json.dumps(said).encode()
        )

    async def _hand_over(self, line: DeskLine, package: BankPackage, key: str) -> Receipt:
        try:
            answer = await line.hand_over(package.body.encode(), key)
        except ChannelUnavailable:
            return _waits(line)
        except FateUnknown as error:
            detail = str(error.args[0])
            return Receipt(ReceiptKind.UNKNOWN, Scope.RECIPIENT, code="no-answer", detail=detail)
        except ConfigError as error:
            detail = str(error.args[0])
            return Receipt(ReceiptKind.PERMANENT, Scope.RECIPIENT, code="config", detail=detail)
        receipt = read_taken(answer, package, line.desk.public_keys)
        if receipt.kind is ReceiptKind.SENT:
            self._acknowledged += 1
            return receipt
        names = {"channel": self._config.name, "desk": line.desk.name}
        _log.warning("bank.refused", **names, code=receipt.code, why=receipt.detail)
        return receipt

    # -- answers ---------------------------------------------------------------------------

    async def _arrived(self, desk: Desk, page: AnswerPage) -> None:
        """Give a page to the engine; once it is on disk, move the desk's cursor."""
        rows = []
        for wire in page.items:
            row = await self._row(desk, wire)
            if row is not None:
                rows.append(row)
        if rows:
            waiting = _Page(tuple(rows))
            self._pages.append(waiting)
            self._has_page.set()
            await waiting.written.wait()
            self._answers += len(rows)
        cursor = f"{page.store} {page.last}".encode()
        if await self._context.state.get(f"cursor/{desk.name}") != cursor:
            await self._context.state.put(f"cursor/{desk.name}", cursor)

    async def _row(self, desk: Desk, wire: bytes) -> Answer | None:
        """An answer that this desk signed, to what was sent to this desk; anything else is none."""
        names = {"channel": self._config.name, "desk": desk.name}
        try:
            application = application_of(wire, desk.public_keys)
        except ValueError as error:
            self._refused_answers += 1
            _log.error("bank.bad_answer", **names, why=str(error))
            return None
        sent = await self._context.state.get(_sent_key(desk.name, application))
        if sent is None:
            self._refused_answers += 1
            _log.error("bank.foreign_answer", **names, application=application[:36])
            return None
        message = json.loads(sent)
        return Answer(message["id"], message["part"], wire)

    async def _forget(self) -> None:
        """Drop what was sent so long ago that no answer can matter."""
        oldest = self._context.clock.millis() - KEPT_MS
        rows = await self._context.state.items("sent/")
        old = {key: None for key, value in rows if json.loads(value)["at"] < oldest}
        if old:
            await self._context.state.put_many({**old})


class _Page:
    """Answers on their way to the store."""

    __slots__ = ("rows", "written")

    def __init__(self, rows: tuple[Answer, ...]) -> None:
        self.rows = rows
        self.written = asyncio.Event()


def _sent_key(desk: str, application: str) -> str:
    return f"sent/{desk}/{application}"


def _never(detail: str) -> Receipt:
    return Receipt(ReceiptKind.PERMANENT, code="not-for-desk", detail=detail)


def _waits(line: DeskLine) -> Receipt:
    detail = f"The desk {line.desk.name} does not answer: {line.why_down}"
    # A desk that was not asked yet may answer in a moment; nobody is to go round it for that.
    code = "no-line" if line.asked.is_set() else "line-opening"
    return Receipt(ReceiptKind.CHANNEL_DOWN, Scope.RECIPIENT, code=code, detail=detail)
