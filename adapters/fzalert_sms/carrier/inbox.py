"""What the gateway delivers, as rows for the engine; answered only once they are on disk."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from functools import partial

from fzalert.messages import (
    Appended,
    DeliveryReport,
    LateReceipt,
    Proof,
    ReportKind,
    Target,
    TargetKind,
    Uplink,
)
from fzalert.ports import InboundBatch, get_logger
from fzalert_sms.carrier.account import Account, Clock
from fzalert_sms.carrier.config import CarrierConfig
from fzalert_sms.carrier.dialect import Dialect, Message, Report
from fzalert_sms.carrier.replies import Piece, Reply
from fzalert_sms.carrier.reports import Effect
from fzalert_sms.carrier.transport import Link, Ticket
from fzalert_sms.wire import divide

_log = get_logger("fzalert.sms")

BATCH = 5000
"""Most rows of one batch."""
FULL = 20_000
"""Rows that wait until reading from the socket pauses."""


# Read once: in Python 3.11 a member costs as much as a call each time it is named.
_PHONE, _DELIVERED, _NO_EFFECT = TargetKind.PHONE, ReportKind.DELIVERED, Effect.NONE
_DEVICE, _NONE = Proof.DEVICE, Proof.NONE
_WORDS = re.compile(r"[\s,.;:!?，。；：！？、]+")


class Inbox:
    """Collects rows from any link of the account and gives them out in batches.

    Attributes:
        unreadable: Reports that could not be read.
        odd: Reports of a length that no version has, read as far as they could be.
        torn: Long replies of which a part did not come.
    """

    def __init__(
        self, config: CarrierConfig, clock: Clock, dialect: Dialect, account: Account
    ) -> None:
        self.unreadable = 0
        self.odd = 0
        self.torn = 0
        self._name = config.name
        self._clock = clock
        self._account = account
        self._dialect = dialect
        self._read = dialect.read_stat
        self._extension_in = config.extension_in if config.extension_digits else None
        self._opts_out = _opt_out_test(config.opt_out_keywords)
        self._rows: list[Appended] = []
        self._tickets: list[tuple[Ticket, ...]] = []
        self._arrived = asyncio.Event()
        self._paused: set[Link] = set()
        self._is_closed = False

    def deliver(self, link: Link, frame: object) -> None:
        """Take one delivery, as the session decoded it."""
        sequence, note, what = self._dialect.read(frame)
        ticket = Ticket(link, sequence, note)
        if type(what) is Report:
            self._report(ticket, what)
        elif type(what) is Message:
            self._reply(ticket, what)
        else:
            self.unreadable += 1
            link.session.acknowledge(sequence, note, 1)
        if len(self._rows) >= FULL and link not in self._paused:
            self._paused.add(link)
            link.pause_reading()

    def add_late(self, row: LateReceipt) -> None:
        """Take the answer to a part that was given up as unknown."""
        self._add(row)

    def add_reports(self, reports: list[DeliveryReport]) -> None:
        """Take reports that follow from others; the gateway knows nothing of them."""
        for report in reports:
            self._add(report)

    def look(self) -> None:
        """Give out replies that have waited long enough for their other parts."""
        if self._account.replies.waiting:
            for reply in self._account.replies.expired(self._clock.monotonic()):
                self._take(reply)

    def lost(self, link: Link) -> None:
        """A link is gone: what it brought and was not answered comes again on another."""
        self._paused.discard(link)
        self._account.replies.forget(link)

    def close(self) -> None:
        """End `batches` once what is here has been given out."""
        self._is_closed = True
        self._arrived.set()

    async def batches(self) -> AsyncIterator[InboundBatch]:
        """Give out what arrived, as much as is here, until the close."""
        while True:
            await self._arrived.wait()
            rows, self._rows = tuple(self._rows[:BATCH]), self._rows[BATCH:]
            tickets, self._tickets = self._tickets[:BATCH], self._tickets[BATCH:]
            if not self._rows and not self._is_closed:
                self._arrived.clear()
            if rows:
                yield InboundBatch(rows, partial(_acknowledge, tickets))
            elif self._is_closed:
                return
            if len(self._rows) < FULL // 2:
                for link in self._paused:
                    link.resume_reading()
                self._paused.clear()

    def _add(self, row: Appended, *tickets: Ticket) -> None:
        self._rows.append(row)
        self._tickets.append(tickets)
        self._arrived.set()

    def _report(self, ticket: Ticket, report: Report) -> None:
        if report.is_odd:
            self._note_odd(report.octets)
        kind, effect, words = self._read(report.stat)
        if kind is None:
            ticket.link.session.acknowledge(ticket.sequence, ticket.note)
            return
        row = DeliveryReport(
            kind,
            report.carrier_id,
            target_of(report.number),
            report.stat,
            report.done,
            _DEVICE if kind is _DELIVERED else _NONE,
            0,
            words,
        )
        if self._extension_in is not None:
            row = row._replace(extension=self._extension_in(report.service))
        if effect is not _NO_EFFECT:
            self._feel(effect, row)
        if self._account.wholes is not None:
            self.add_reports(self._account.wholes.reported(row))
        self._add(row, ticket)

    def _note_odd(self, octets: int) -> None:
        if self.odd == 0:
            _log.warning("sms.odd_report", channel=self._name, octets=octets)
        self.odd += 1

    def _feel(self, effect: Effect, row: DeliveryReport) -> None:
        account = self._account
        if effect is Effect.OVERFLOW:
            if account.brake.press(self._clock.monotonic()):
                _log.warning(
                    "sms.overflow", channel=self._name, code=row.code, pause=account.brake.pause
                )
        elif row.target is not None:
            account.frequent.note(row.target.address, row.code, self._clock.millis())

    def _reply(self, ticket: Ticket, message: Message) -> None:
        source, destination, content, coding, has_header = message
        place, octets = divide(content) if has_header else (None, content)
        if place is None or place.total == 1:
            text = self._dialect.text_of(octets, coding)
            self._uplink(source, destination, text, text, ticket)
            return
        piece = Piece(source, destination, place, octets, coding)
        now = self._clock.monotonic()
        for reply in self._account.replies.add(piece, ticket.link, ticket, now):
            self._take(reply)

    def _take(self, reply: Reply[Ticket]) -> None:
        self.torn += not reply.is_whole
        if reply.text:
            self._uplink(reply.source, reply.destination, reply.text, reply.words, *reply.tickets)
        elif self._tickets:
            self._tickets[-1] += reply.tickets  # known already: answered with what is on its way
        else:
            _acknowledge([reply.tickets])

    def _uplink(
        self, number: str, destination: str, text: str, words: str, *tickets: Ticket
    ) -> None:
        source = target_of(number) or Target(TargetKind.PHONE, number)
        opts_out = self._opts_out(words)
        self._add(Uplink(source, text, self._clock.millis(), destination, opts_out), *tickets)


def _acknowledge(tickets: list[tuple[Ticket, ...]]) -> None:
    links: dict[Link, None] = {}
    for several in tickets:
        for link, sequence, note in several:
            link.session.acknowledge(sequence, note)
            links[link] = None
    for link in links:
        link.flush()


def target_of(number: str) -> Target | None:
    """The phone that a gateway's number means; None where it is no mainland mobile number."""
    digits = number.lstrip("+")
    if len(digits) == 13 and digits.startswith("86"):
        digits = digits[2:]
    if len(digits) == 11 and digits[0] == "1" and digits.isascii() and digits.isdigit():
        return Target(_PHONE, "+86" + digits)
    return None


def _opt_out_test(keywords: tuple[str, ...]) -> Callable[[str], bool]:
    """Return a test: every word of a reply is a keyword; longer ones may stand without a gap."""
    words = {word.upper() for word in keywords}
    longer = "|".join(re.escape(word) for word in words if len(word) > 1)
    joined = re.compile(f"(?:{longer})+") if longer else None

    def opts_out(text: str) -> bool:
        found = [word for word in _WORDS.split(text.upper()) if word]
        return bool(found) and all(
            word in words or (joined is not None and joined.fullmatch(word) is not None)
            for word in found
        )

    return opts_out
