"""The hot path of a channel: from submissions to the socket, from answers to receipts.

It moves tuples in batches: one recorder entry, one template and one dictionary entry a part, one
write a portion; an answer settles inside the read that brought it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from fzalert.messages import (
    Lane,
    LateReceipt,
    Receipt,
    ReceiptKind,
    Scope,
    extension_of,
)
from fzalert.ports import AdapterContext, Submission, Wire, get_logger
from fzalert_sms.carrier.account import Account
from fzalert_sms.carrier.config import CarrierConfig
from fzalert_sms.carrier.dialect import Dialect, Unsendable
from fzalert_sms.carrier.door import Door, Row
from fzalert_sms.carrier.inbox import Inbox
from fzalert_sms.carrier.line import Line
from fzalert_sms.carrier.pulse import Pulse
from fzalert_sms.carrier.results import THROTTLE_PAUSE, URGENT_PAUSE
from fzalert_sms.carrier.session import (
    Answered,
    Congested,
    Delivered,
    Event,
    GivenUp,
    Overdue,
    Stray,
    Unreadable,
)
from fzalert_sms.carrier.transport import Flight, Link, Token
from fzalert_sms.wire import reference_of

_log = get_logger("fzalert.sms")

# Read once: in Python 3.11 a member costs as much as a call each time it is named.
_THROTTLED, _UNKNOWN = ReceiptKind.THROTTLED, ReceiptKind.UNKNOWN
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
_CONGESTED = 2.0
"""Longest pause of bulk, in seconds, where a gateway that still takes everything says it is near
its limit."""
_FULL = "窗口满，网关无应答 · the window is full and the gateway does not answer"
_OVERFLOW = (
    "网关拥塞，或报告称超过流量，先放慢 · the gateway is congested, or reports say over the flow"
    " limit: slower first"
)


class _Stalled(NamedTuple):
    """A `submit` that waits, until a time at the latest."""

    lane: Lane
    until: float
    woken: asyncio.Future[bool]


class Sender:
    """Writes what the engine hands over, and settles it.

    Attributes:
        line: The link that is there, or why there is none.
        counts: Parts by what became of them.
        pulse: Whether the gateway answers in time.
    """

    def __init__(
        self,
        config: CarrierConfig,
        context: AdapterContext,
        dialect: Dialect,
        inbox: Inbox,
        account: Account,
    ) -> None:
        self.line = Line(config, context, dialect, self, account, config.endpoints)
        self.counts = dict.fromkeys(("sent", "refused", "throttled", "unknown", "late", "stray"), 0)
        self.pulse = Pulse()
        self._config = config
        self._account = account
        self._brake = account.brake
        self._told = account.brake.presses
        self._has_rate = config.rate is not None
        self._wholes = account.wholes
        self._dialect = dialect
        self._results = dialect.results
        self._clock = context.clock
        self._inbox = inbox
        self._templates = dialect.templates
        self._has_validity = config.validity
        self._door = Door(dialect.number, account, context.clock, self.counts)
        self._reserve = min(max(2, config.window // 8), config.window // 2)
        self._stalled: list[_Stalled] = []
        self._alarmed: set[int] = set()
        self._congested = 0

    async def submit(self, batch: Sequence[Submission], wire: Wire) -> None:
        """See `CarrierChannel.submit`."""
        if not batch:
            return
        flight = Flight(wire, is_urgent=batch[0].lane is Lane.URGENT)
        try:
            await self._write_all(self._door.admit(batch, wire), batch[0].lane, flight, wire)
            if flight.open:
                flight.landed = asyncio.get_running_loop().create_future()
                await flight.landed
        finally:
            flight.is_over = True

    async def _write_all(self, rows: list[Row], lane: Lane, flight: Flight, wire: Wire) -> None:
        written = 0
        give_up: float | None = None
        while written < len(rows):
            link = self.line.link or await self.line.wake()
            if link is None:
                words = self.line.words(self._clock.monotonic())
                self._down(rows[written:], words, self.line.pause, wire)
                return
            if lane is Lane.BULK and self._brake.presses:
                now = self._clock.monotonic()
                if self._told != self._brake.presses:
                    written += self._tell_brake(rows[written], now, wire)
                    continue
                if not self._has_rate and now < self._brake.until:
                    await self._woken(lane, self._brake.until)
                    continue
            room = self._room(link, lane)
            if room > 0:
                if not wire.may_write():
                    return
                self._write(link, rows[written : written + room], flight, wire)
                written += room
                give_up = None
            else:
                if give_up is None:
                    give_up = self._clock.monotonic() + self._config.late_after
                if not await self._woken(lane, give_up):
                    self._down(rows[written:], _FULL, THROTTLE_PAUSE, wire)
                    return

    def _tell_brake(self, row: Row, now: float, wire: Wire) -> int:
        """Tell the engine, by one part a burst, to slow down; returns how many parts it took.

        The engine lowers the rate of this slot, as after an answer that says so. Without a rate
        there is nothing to lower: bulk pauses here instead.
        """
        self._told = self._brake.presses
        left = self._brake.until - now
        if left <= 0:
            return 0
        self._note_throttled()
        receipt = Receipt(
            ReceiptKind.THROTTLED, Scope.CHANNEL, detail=_OVERFLOW, retry_after=max(0.001, left)
        )
        wire.settle(row.id, row.part, receipt)
        return 1

    def _room(self, link: Link, lane: Lane) -> int:
        room = link.room
        if lane is Lane.URGENT:
            return room
        if any(stalled.lane is Lane.URGENT for stalled in self._stalled):
            return 0
        return room - self._reserve

    def _write(self, link: Link, rows: list[Row], flight: Flight, wire: Wire) -> None:
        """Record, pack and write one portion: one write for all of it."""
        session = link.session
        requests: list[tuple[Any, bytes, Token]] = []
        today = self._clock.millis()
        wholes = self._wholes
        names_texts = session.names_texts
        extension = self._config.extension_digits
        for id_, part, number, rendition, not_after, previous in rows:
            if today >= not_after:
                continue  # worthless by now: the engine lets it expire
            until = self._dialect.until(not_after, today) if self._has_validity else ""
            try:
                template = self._templates(session, rendition.parts, rendition.coding, until)[part]
            except Unsendable as error:
                self._door.refuse(id_, part, str(error), wire)
                continue
            sequence = None
            if names_texts and previous and previous not in self._account.spent:
                sequence = session.again(previous)
            if sequence is None:
                sequence = session.next_sequence()
            if wholes is not None and len(rendition.parts) > 1:
                wholes.begin(id_, len(rendition.parts))
            key = link.key(sequence)
            wire.writing(id_, part, key)
            frame = template.frame(sequence, number, reference_of(id_))
            if template.extends:
                frame = template.extended(frame, extension_of(id_, extension).encode())
            requests.append(
                (sequence, frame, Token(flight, id_, part, key if names_texts else b""))
            )
        flight.open += len(requests)
        session.send_many(requests, self._clock.monotonic())
        link.flush()

    def _down(self, rows: list[Row], words: str, pause: float, wire: Wire) -> None:
        receipt = Receipt(ReceiptKind.CHANNEL_DOWN, Scope.CHANNEL, detail=words, retry_after=pause)
        for row in rows:
            wire.settle(row.id, row.part, receipt)

    async def _woken(self, lane: Lane, until: float) -> bool:
        """Wait until something changed; False where nothing did by then."""
        stalled = _Stalled(lane, until, asyncio.get_running_loop().create_future())
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

    def on_events(self, link: Link, events: Sequence[Event]) -> None:
        """Take what happened on the link."""
        now = self._clock.monotonic()
        answered = False
        for event in events:
            if type(event) is Answered:
                answered = True
                self._on_answer(cast("Answered[Token]", event), now)
            elif type(event) is Delivered:
                self._inbox.deliver(link, event.frame)
            else:
                self._on_rare(link, event)
        if answered:
            self.line.works()
        if self._stalled:
            self._wake()

    def _on_rare(self, link: Link, event: Event) -> None:
        match event:
            case Overdue(token, _) | GivenUp(token, _, False):
                self._settle(token, _NO_ANSWER)
            case Unreadable(token, _, _, False):
                self._settle(token, _UNREADABLE)
            case GivenUp() | Unreadable():
                pass  # settled as unknown before
            case Stray():
                self.counts["stray"] += 1
            case Congested(percent):
                self._on_congested(percent)
            case _:
                self.line.on_event(link, event)

    def _on_congested(self, percent: int) -> None:
        """Slow bulk down before the gateway has to refuse.

        Half a window goes out between two pauses, however small the batches are.
        """
        self._congested += 1
        if self._congested < self._config.window // 2:
            return
        self._congested = 0
        if self._brake.press(self._clock.monotonic(), _CONGESTED):
            _log.warning(
                "sms.congested",
                channel=self._config.name,
                percent=percent,
                pause=self._brake.pause,
            )

    def on_lost(self, link: Link, reason: str) -> None:
        """Settle what the lost link left unanswered: nobody knows whether it was taken."""
        self._inbox.lost(link)
        tokens = link.session.abandon()
        self.line.on_lost(link, reason, unanswered=len(tokens))
        for token in tokens:
            self._settle(token, _LINK_LOST)
        self._wake()

    def on_tick(self) -> None:
        """Send away those who have waited too long, and look whether the gateway keeps up."""
        now = self._clock.monotonic()
        link = self.line.link
        for stalled in self._stalled:
            if (now >= stalled.until or link is None) and not stalled.woken.done():
                stalled.woken.set_result(link is None)
        self.pulse.look(link is not None and link.session.room <= self._reserve, now)
        self._inbox.look()

    def _on_answer(self, event: Answered[Token], now: float) -> None:
        token, _, carrier_id, result, sent_at, is_late = event
        receipt = self._results.receipt(result, carrier_id)
        self.pulse.answered(sent_at, now)
        if result:
            if token.key:
                self._account.spent.add(token.key)
            self._note_refusal(result, receipt)
            if receipt.kind is _THROTTLED and token.flight.is_urgent:
                receipt = receipt._replace(retry_after=URGENT_PAUSE)
        else:
            self.counts["sent"] += 1
            if self._wholes is not None:
                self._inbox.add_reports(self._wholes.accepted(token.id, token.part, carrier_id))
        if not is_late:
            self._settle(token, receipt)
        elif receipt.kind is not _UNKNOWN:
            self._late(token, receipt)

    def _settle(self, token: Token, receipt: Receipt) -> None:
        flight, id_, part, key = token
        if receipt.kind is _UNKNOWN:
            self.counts["unknown"] += 1
            if key:
                receipt = receipt._replace(carrier_id=key)
        if flight.is_over:
            if receipt.kind is not _UNKNOWN:
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
            self._note_throttled()
            return
        self.counts["refused"] += 1
        if self._results.meaning(result).alarms and result not in self._alarmed:
            self._alarmed.add(result)
            code = int(receipt.code) if receipt.code.isdigit() else receipt.code
            _log.error("sms.refused", channel=self._config.name, code=code, meaning=receipt.detail)

    def _note_throttled(self) -> None:
        self.counts["throttled"] += 1
        self.pulse.throttled_at = self._clock.monotonic()
