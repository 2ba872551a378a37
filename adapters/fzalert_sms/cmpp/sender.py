"""The hot path of a CMPP channel: from submissions to the socket, from answers to receipts.

It moves tuples in batches: one recorder entry, one template and one dictionary entry a part, one
write a portion; an answer settles inside the read that brought it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple, cast

import structlog

from fzalert.messages import (
    Lane,
    LateReceipt,
    Receipt,
    ReceiptKind,
    Scope,
    SmsText,
    TargetKind,
)
from fzalert.ports import AdapterContext, Submission, Wire
from fzalert_sms.cmpp.config import CmppConfig
from fzalert_sms.cmpp.inbox import Inbox
from fzalert_sms.cmpp.line import Line
from fzalert_sms.cmpp.results import THROTTLE_PAUSE, meaning_of, receipt_of
from fzalert_sms.cmpp.session import (
    Answered,
    Delivered,
    Event,
    GivenUp,
    Overdue,
    Stray,
    Unreadable,
)
from fzalert_sms.cmpp.texts import Unsendable, reference_of, template_maker
from fzalert_sms.cmpp.transport import CmppLink, Flight, Token

_log = structlog.get_logger()

_NO_ANSWER = Receipt(
    ReceiptKind.UNKNOWN,
    detail="网关未及时应答，是否已收不明 · no answer in time: it may have been taken",
)
_LINK_LOST = Receipt(
    ReceiptKind.UNKNOWN,
    detail="应答前链路中断，是否已收不明 · link lost before the answer: it may have been taken",
)
_UNREADABLE = Receipt(
    ReceiptKind.UNKNOWN,
    detail="网关应答无法解析 · the gateway's answer cannot be read: it may have been taken",
)


_FULL = "窗口满，网关无应答 · the window is full and the gateway does not answer"


class _Row(NamedTuple):
    id: int
    part: int
    number: bytes
    rendition: SmsText
    not_after: int


class _Stalled(NamedTuple):
    """A `submit` that waits for room in the window."""

    lane: Lane
    since: float
    woken: asyncio.Future[bool]


class Sender:
    """Writes what the engine hands over, and settles it.

    Attributes:
        line: The link that is there, or why there is none.
        counts: Parts by what became of them.
        latency: Milliseconds of a recent round trip, or None.
        throttled_at: Monotonic time of the last throttled answer.
    """

    def __init__(self, config: CmppConfig, context: AdapterContext, inbox: Inbox) -> None:
        self.line = Line(config, context, self)
        self.counts = dict.fromkeys(("sent", "refused", "throttled", "unknown", "late", "stray"), 0)
        self.latency: float | None = None
        self.throttled_at = float("-inf")
        self._config = config
        self._clock = context.clock
        self._inbox = inbox
        self._templates = template_maker(config)
        self._prefix = b"86" if config.number_format == "86" else b""
        self._reserve = min(max(2, config.window // 8), config.window // 2)
        self._stalled: list[_Stalled] = []
        self._alarmed: set[int] = set()

    async def submit(self, batch: Sequence[Submission], wire: Wire) -> None:
        """See `CmppGateway.submit`."""
        if not batch:
            return
        flight = Flight(wire)
        try:
            await self._write_all(self._admit(batch, wire), batch[0].lane, flight, wire)
            if flight.open:
                flight.landed = asyncio.get_running_loop().create_future()
                await flight.landed
        finally:
            flight.is_over = True

    def _admit(self, batch: Sequence[Submission], wire: Wire) -> list[_Row]:
        """Refuse what can never go out; return the rest as rows."""
        rows: list[_Row] = []
        for submission in batch:
            target, rendition = submission.target, submission.rendition
            refusal = ""
            number = target.address
            if target.kind is not TargetKind.PHONE:
                refusal = f"此通道不送 {target.kind} · this channel serves no {target.kind}"
            elif not isinstance(rendition, SmsText):
                refusal = f"此通道不送 {rendition.kind} · this channel takes no {rendition.kind}"
            elif not 0 <= submission.part < len(rendition.parts):
                refusal = "没有这一条 · there is no such part"
            elif not (len(number) == 14 and number.startswith("+86") and number[1:].isdigit()):
                refusal = "不是境内手机号 · no mainland mobile number"
            else:
                digits = self._prefix + number[3:].encode()
                rows.append(
                    _Row(submission.id, submission.part, digits, rendition, submission.not_after)
                )
            if refusal:
                self._refuse(submission.id, submission.part, refusal, wire)
        return rows

    def _refuse(self, id: int, part: int, words: str, wire: Wire) -> None:
        self.counts["refused"] += 1
        wire.settle(id, part, Receipt(ReceiptKind.PERMANENT, code="not-sendable", detail=words))

    async def _write_all(self, rows: list[_Row], lane: Lane, flight: Flight, wire: Wire) -> None:
        written = 0
        since: float | None = None
        while written < len(rows):
            link = self.line.link
            if link is None:
                words = self.line.words(self._clock.monotonic())
                self._down(rows[written:], words, self.line.pause, wire)
                return
            room = self._room(link, lane)
            if room > 0:
                if not wire.may_write():
                    return
                self._write(link, rows[written : written + room], flight, wire)
                written += room
                since = None
            else:
                since = since if since is not None else self._clock.monotonic()
                if not await self._woken(lane, since):
                    words = (
                        "窗口满，网关无应答 · the window is full and the gateway does not answer"
                    )
                    self._down(rows[written:], words, THROTTLE_PAUSE, wire)
                    return

    def _room(self, link: CmppLink, lane: Lane) -> int:
        room = link.room
        if lane is Lane.URGENT:
            return room
        if any(stalled.lane is Lane.URGENT for stalled in self._stalled):
            return 0
        return room - self._reserve

    def _write(self, link: CmppLink, rows: list[_Row], flight: Flight, wire: Wire) -> None:
        """Record, pack and write one portion: one write for all of it."""
        session = link.session
        requests: list[tuple[int, bytes, Token]] = []
        today = self._clock.millis()
        for id_, part, number, rendition, not_after in rows:
            if today >= not_after:
                continue  # worthless by now: the engine lets it expire
            try:
                template = self._templates(session.layout, rendition.parts, rendition.coding)[part]
            except Unsendable as error:
                self._refuse(id_, part, str(error), wire)
                continue
            sequence = session.next_sequence()
            wire.writing(id_, part, link.key(sequence))
            frame = template.frame(sequence, number, reference_of(id_))
            requests.append((sequence, frame, Token(flight, id_, part)))
        flight.open += len(requests)
        session.send_many(requests, self._clock.monotonic())
        link.flush()

    def _down(self, rows: list[_Row], words: str, pause: float, wire: Wire) -> None:
        receipt = Receipt(ReceiptKind.CHANNEL_DOWN, Scope.CHANNEL, detail=words, retry_after=pause)
        for row in rows:
            wire.settle(row.id, row.part, receipt)

    async def _woken(self, lane: Lane, since: float) -> bool:
        """Wait for room; False where there was none for `late_after` seconds."""
        stalled = _Stalled(lane, since, asyncio.get_running_loop().create_future())
        self._stalled.append(stalled)
        try:
            return await stalled.woken
        finally:
            self._stalled.remove(stalled)

    def _wake(self) -> None:
        for stalled in self._stalled:
            if not stalled.woken.done():
                stalled.woken.set_result(True)

    # What the link tells.

    def on_events(self, link: CmppLink, events: Sequence[Event]) -> None:
        """Take what happened on the link."""
        for event in events:
            if type(event) is Answered:
                self._on_answer(cast("Answered[Token]", event))
            elif type(event) is Delivered:
                self._inbox.deliver(link, event.frame)
            else:
                self._on_rare(link, event)
        if self._stalled:
            self._wake()

    def _on_rare(self, link: CmppLink, event: Event) -> None:
        match event:
            case Overdue(token, _) | GivenUp(token, _, False):
                self._settle(token, _NO_ANSWER)
            case Unreadable(token, _, _, False):
                self._settle(token, _UNREADABLE)
            case GivenUp() | Unreadable():
                pass  # settled as unknown before
            case Stray():
                self.counts["stray"] += 1
            case _:
                self.line.on_event(link, event)

    def on_lost(self, link: CmppLink, reason: str) -> None:
        """Settle what the lost link left unanswered: nobody knows whether it was taken."""
        tokens = link.session.abandon()
        self.line.on_lost(link, reason, unanswered=len(tokens))
        for token in tokens:
            self._settle(token, _LINK_LOST)
        self._wake()

    def on_tick(self) -> None:
        """Send away those who have waited too long for room."""
        now = self._clock.monotonic()
        for stalled in self._stalled:
            if now - stalled.since >= self._config.late_after and not stalled.woken.done():
                stalled.woken.set_result(False)

    def _on_answer(self, event: Answered[Token]) -> None:
        token, _, msg_id, result, sent_at, is_late = event
        receipt = receipt_of(result, msg_id)
        self.line.works()
        if result:
            self._note_refusal(result, receipt)
        else:
            self.counts["sent"] += 1
        if not is_late:
            self.latency = (self._clock.monotonic() - sent_at) * 1000.0
            self._settle(token, receipt)
        elif receipt.kind is not ReceiptKind.UNKNOWN:
            self._late(token, receipt)

    def _settle(self, token: Token, receipt: Receipt) -> None:
        flight, id_, part = token
        if receipt.kind is ReceiptKind.UNKNOWN:
            self.counts["unknown"] += 1
        if flight.is_over:
            if receipt.kind is not ReceiptKind.UNKNOWN:
                self._late(token, receipt)
            return
        flight.open -= 1
        if flight.open == 0 and flight.landed is not None and not flight.landed.done():
            flight.landed.set_result(None)
        flight.wire.settle(id_, part, receipt)

    def _late(self, token: Token, receipt: Receipt) -> None:
        self.counts["late"] += 1
        self._inbox.add_late(LateReceipt(token.id, token.part, receipt))

    def _note_refusal(self, result: int, receipt: Receipt) -> None:
        if receipt.kind is ReceiptKind.THROTTLED:
            self.counts["throttled"] += 1
            self.throttled_at = self._clock.monotonic()
            return
        self.counts["refused"] += 1
        if meaning_of(result).alarms and result not in self._alarmed:
            self._alarmed.add(result)
            _log.error(
                "cmpp.refused", channel=self._config.name, code=result, meaning=receipt.detail
            )
