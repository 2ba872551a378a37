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

from fzalert import ChannelUnavailable, ConfigError, FateUnknown, IntegrityError
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
    DESK_ROWS,
    AdapterContext,
    Capabilities,
    ChannelConfig,
    DeskRow,
    Health,
    HealthState,
    InboundBatch,
    Submission,
    Wire,
    get_logger,
)
from fzalert_bank.answers import AnswerPage, application_of, read_taken
from fzalert_bank.config import BankConfig
from fzalert_bank.line import DeskLine
from fzalert_bank.reach import Reach, check_desk_url

__all__ = ["BankDesks"]

OPEN_WITHIN = 3.0
"""Seconds that opening waits for the desks' first answers; they are asked on afterwards."""
LOOK_EVERY = 15.0
"""Seconds between looks at the directory; it is looked at before each sending as well."""
KEPT_MS = 400 * 86_400_000
"""How long it is kept which message an application was sent as; a freeze lasts a year at most."""
_log = get_logger("fzalert.bank")


class BankDesks:
    """The channel to the desks of banks."""

    Config: ClassVar[type[ChannelConfig]] = BankConfig

    def __init__(self, config: BankConfig, context: AdapterContext) -> None:
        self._config = config
        self._context = context
        self._reaches = {desk.name: desk.reach() for desk in config.desks}
        self._lines = {
            name: DeskLine(reach, config, context, self._arrived)
            for name, reach in self._reaches.items()
        }
        if config.certificate is not None and config.key is not None:
            # Ours is looked at before a night on which it is needed.
            _ = Reach("", "", (), (), config.certificate, config.key, config.ca).tls()
        self._following: dict[str, asyncio.Task[None]] = {}
        self._faults: dict[str, str] = {}
        self._changing = asyncio.Lock()
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
        desks = len(self._config.desks) or self._config.most_desks
        return Capabilities(
            kinds=frozenset({TargetKind.BANK_DESK}),
            rendition=RenditionKind.BANK,
            addresses=frozenset(self._reaches) if self._reaches else None,
            window=desks,
            per_target=1,
            idempotent_key=True,
            submit_timeout=self._config.answer_timeout,
            submits=desks,
        )

    async def __aenter__(self) -> Self:
        for name in self._lines:
            self._follow(name)
        await self._look()
        if self._reaches:
            _log.warning("bank.desks_in_settings", channel=self._config.name)
        self._work = [
            self._context.background.keep(f"bank-{self._config.name}-desks", self._watch),
            self._context.background.once("bank-forget", self._forget),
        ]
        try:
            async with asyncio.timeout(min(OPEN_WITHIN, self._config.answer_timeout)):
                for line in list(self._lines.values()):
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
        work = [*self._work, *self._following.values()]
        for task in work:
            task.cancel()
        if work:
            await asyncio.wait(work, timeout=self._config.answer_timeout)

    async def submit(self, batch: Sequence[Submission], wire: Wire) -> None:
        """Post the batch, every desk beside the others."""
        turns: dict[str, list[Submission]] = {}
        for one in batch:
            turns.setdefault(one.target.address, []).append(one)
        for name in turns:
            # An entry may have come into use, or gone, in this very minute.
            await self._look(name)
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
        faults = [f"{name}: {why}" for name, why in sorted(self._faults.items())]
        figures = (
            ("desks_up", len(lines) - len(down)),
            ("acknowledged", self._acknowledged),
            ("answers", self._answers),
            ("refused_answers", self._refused_answers),
        )
        told = [line.latency_ms for line in lines if line.latency_ms is not None]
        latency = max(told, default=None)
        told_down = faults + [f"{line.desk.name}: {line.why_down}" for line in down]
        if not lines and not faults:
            detail = "the directory of desks has no desk on this channel: fzalert contacts add"
            return Health(HealthState.UNKNOWN, detail, latency, figures)
        if not told_down:
            return Health(HealthState.UP, "", latency, figures)
        words = "; ".join(told_down[:3])
        more = f"; and {len(told_down) - 3} more" if len(told_down) > 3 else ""
        state = HealthState.DOWN if len(down) == len(lines) else HealthState.SLOW
        if lines and not any(line.asked.is_set() for line in lines):
            state = HealthState.UNKNOWN
        return Health(state, words + more, latency, figures)

    @override
    def __repr__(self) -> str:
        return f"BankDesks({self._config.name!r}, desks={len(self._lines)})"

    # -- desks -----------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Follow the directory: what two persons approved comes into use when its day is over."""
        while not self._closed:
            await self._context.clock.sleep(LOOK_EVERY)
            await self._look()

    async def _look(self, name: str = "") -> None:
        """Take the directory's desks as they are now, or one of them."""
        async with self._changing:
            found: dict[str, list[tuple[str, bytes]]] = {name: []} if name else {}
            prefix = f"{DESK_ROWS}{name}/" if name else DESK_ROWS
            for key, value in await self._context.state.items(prefix):
                found.setdefault(key.split("/")[1], []).append((key, value))
            known = {name} if name else {*found, *self._lines, *self._faults}
            for desk in sorted(known):
                await self._use(desk, found.get(desk, []))

    async def _use(self, name: str, rows: list[tuple[str, bytes]]) -> None:
        """Give a desk the line that it is to have now, or none."""
        try:
            row = DeskRow.current(rows, self._context.clock.millis())
            reach = self._reaches.get(name) if row is None else self._reach_of(row)
            line = self._lines.get(name)
            if reach == (None if line is None else line.desk):
                self._faults.pop(name, None)
                return
            made = (
                None
                if reach is None
                else DeskLine(reach, self._config, self._context, self._arrived)
            )
        except (ConfigError, IntegrityError) as error:
            why = str(error.args[0])
            if self._faults.get(name) != why:
                _log.error("bank.bad_entry", channel=self._config.name, desk=name, why=why)
            self._faults[name] = why
            made = None
        else:
            self._faults.pop(name, None)
        old = self._following.pop(name, None)
        self._lines.pop(name, None)
        if old is not None:
            old.cancel()
            await asyncio.wait([old], timeout=self._config.answer_timeout)
        if made is not None:
            self._lines[name] = made
            self._follow(name)

    def _reach_of(self, row: DeskRow) -> Reach:
        """What the directory says, with the certificate that we show to that desk.

        Raises:
            ConfigError: The entry cannot be used.
        """
        check_desk_url(row.address, private=self._config.private)
        if not row.public_keys:
            raise ConfigError("its entry names no key that the desk signs with")
        told = self._reaches.get(row.desk)
        if told is not None:
            certificate, key, ca = told.certificate, told.key, told.ca
        elif self._config.certificate is not None and self._config.key is not None:
            certificate, key, ca = self._config.certificate, self._config.key, self._config.ca
        else:
            raise ConfigError(
                "the channel names desks in its settings, and not this one: give it certificate"
                " and key instead of desks"
            )
        return Reach(
            row.desk,
            row.address,
            row.public_keys,
            (row.institution,),
            certificate,
            key,
            ca,
            row.certificate,
            self._config.private,
        )

    def _follow(self, name: str) -> None:
        line = self._lines[name]
        self._following[name] = self._context.background.keep(f"bank-{name}", line.follow)

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
            return _never("The directory has no such desk on this channel that may be used now.")
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

    async def _arrived(self, desk: Reach, page: AnswerPage) -> None:
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

    async def _row(self, desk: Reach, wire: bytes) -> Answer | None:
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
    kind, scope = ReceiptKind.CHANNEL_DOWN, Scope.RECIPIENT
    if line.asked.is_set():
        return Receipt(kind, scope, code="no-line", detail=detail)
    # A desk that was not asked yet may answer in a moment; nobody is to go round it for that.
    return Receipt(kind, scope, code="line-opening", detail=detail)
