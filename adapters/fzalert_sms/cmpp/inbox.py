"""What the gateway delivers, as rows for the engine; answered only once they are on disk."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from functools import lru_cache, partial
from typing import NamedTuple

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
from fzalert.ports import InboundBatch
from fzalert_sms.cmpp.codec import BEIJING, Deliver, decode_report
from fzalert_sms.cmpp.config import CmppConfig
from fzalert_sms.cmpp.results import report_kind_of
from fzalert_sms.cmpp.texts import incoming_text
from fzalert_sms.cmpp.transport import CmppLink

BATCH = 5000
"""Most rows of one batch."""
FULL = 20_000
"""Rows that wait until reading from the socket pauses."""
_WORDS = re.compile(r"[\s,.;:!?，。；：！？、]+")


class _Ticket(NamedTuple):
    link: CmppLink
    sequence: int
    msg_id: bytes


class Inbox:
    """Collects rows from any link of the account and gives them out in batches.

    Attributes:
        unreadable: Reports that could not be read.
    """

    def __init__(self, config: CmppConfig, millis: Callable[[], int]) -> None:
        self._millis = millis
        self._opts_out = _opt_out_test(config.opt_out_keywords)
        self._rows: list[Appended] = []
        self._tickets: list[_Ticket] = []
        self._arrived = asyncio.Event()
        self._paused: set[CmppLink] = set()
        self._is_closed = False
        self.unreadable = 0

    def deliver(self, link: CmppLink, frame: Deliver) -> None:
        """Take one delivery."""
        if frame.registered_delivery:
            report = decode_report(frame.content)
            if report is None:
                self.unreadable += 1
                link.session.acknowledge(frame.sequence, frame.msg_id, 1)
                return
            kind = report_kind_of(report.stat)
            if kind is None:
                link.session.acknowledge(frame.sequence, frame.msg_id)
                return
            self._rows.append(
                DeliveryReport(
                    kind,
                    report.msg_id,
                    target_of(report.dest_terminal_id or frame.src_terminal_id),
                    report.stat,
                    moment_of(report.done_time),
                    Proof.DEVICE if kind is ReportKind.DELIVERED else Proof.NONE,
                )
            )
        else:
            text = incoming_text(frame.content, frame.msg_fmt, has_header=bool(frame.tp_udhi & 1))
            source = target_of(frame.src_terminal_id)
            source = source or Target(TargetKind.PHONE, frame.src_terminal_id)
            self._rows.append(
                Uplink(source, text, self._millis(), frame.dest_id, self._opts_out(text))
            )
        self._tickets.append(_Ticket(link, frame.sequence, frame.msg_id))
        self._arrived.set()
        if len(self._rows) >= FULL and link not in self._paused:
            self._paused.add(link)
            link.pause_reading()

    def add_late(self, row: LateReceipt) -> None:
        """Take the answer to a part that was given up as unknown."""
        self._rows.append(row)
        self._arrived.set()

    def close(self) -> None:
        """End `batches` once what is here has been given out."""
        self._is_closed = True
        self._arrived.set()

    async def batches(self) -> AsyncIterator[InboundBatch]:
        """Give out what arrived, as much as is here, until the close."""
        while True:
            await self._arrived.wait()
            rows, self._rows = tuple(self._rows[:BATCH]), self._rows[BATCH:]
            # Not every row has a ticket; handing out more tickets than rows would acknowledge a
            # delivery whose row is still here, so both are cut where the whole list was taken.
            tickets, self._tickets = self._cut_tickets(rows)
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

    def _cut_tickets(self, rows: tuple[Appended, ...]) -> tuple[list[_Ticket], list[_Ticket]]:
        count = sum(not isinstance(row, LateReceipt) for row in rows)
        return self._tickets[:count], self._tickets[count:]


def _acknowledge(tickets: list[_Ticket]) -> None:
    links: dict[CmppLink, None] = {}
    for link, sequence, msg_id in tickets:
        link.session.acknowledge(sequence, msg_id)
        links[link] = None
    for link in links:
        link.flush()


def target_of(number: str) -> Target | None:
    """The phone that a gateway's number means; None where it is no mainland mobile number."""
    digits = number.lstrip("+")
    if len(digits) == 13 and digits.startswith("86"):
        digits = digits[2:]
    if len(digits) == 11 and digits[0] == "1" and digits.isascii() and digits.isdigit():
        return Target(TargetKind.PHONE, "+86" + digits)
    return None


@lru_cache(maxsize=4096)
def moment_of(text: str) -> int:
    """Milliseconds since the epoch of a gateway's YYMMDDHHMM, or 0 where it is none."""
    if len(text) not in (10, 12) or not (text.isascii() and text.isdigit()):
        return 0
    year, month, day, hour, minute = (int(text[at : at + 2]) for at in range(0, 10, 2))
    try:
        moment = datetime(2000 + year, month, day, hour, minute, tzinfo=BEIJING)
    except ValueError:
        return 0
    return int(moment.timestamp()) * 1000


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
