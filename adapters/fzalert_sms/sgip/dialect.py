"""SGIP in the words of every channel."""

from __future__ import annotations

from datetime import datetime
from random import Random
from typing import Any, ClassVar

from typing_extensions import override

from fzalert.messages import Coding
from fzalert_sms.carrier.account import Clock
from fzalert_sms.carrier.dialect import Arrival, Dialect, Message, Report
from fzalert_sms.carrier.results import Results, Table
from fzalert_sms.carrier.session import ClientSession as AnySession
from fzalert_sms.carrier.texts import text_of
from fzalert_sms.carrier.transport import Token
from fzalert_sms.sgip import codec
from fzalert_sms.sgip.codec import Deliver, Sequence
from fzalert_sms.sgip.codec import layout as c
from fzalert_sms.sgip.config import SgipConfig
from fzalert_sms.sgip.results import DELIVERED, TABLE, WAITING, reader_of
from fzalert_sms.sgip.session import ClientSession, Credentials, Sequences
from fzalert_sms.sgip.texts import Templates, template_maker
from fzalert_sms.wire import valid_time

_ABOUT_A_SUBMIT = 0


class SgipDialect(Dialect):
    """How an SGIP channel speaks.

    Args:
        config: Of the channel.
        clock: The time of day stands in every sequence.

    Attributes:
        sequences: Where the channel's requests take theirs.
    """

    protocol: ClassVar[str] = "SGIP"
    table: ClassVar[Table] = TABLE

    def __init__(self, config: SgipConfig, clock: Clock) -> None:
        self.results = Results(TABLE, config.result_table)
        self.read_stat = reader_of(config.report_table)
        self.sequences = Sequences(config.node_id, config.slot, clock.millis)
        self._config = config
        self._make = template_maker(config)
        self._credentials = Credentials(config.account, config.secret.get_secret_value())

    @override
    def login(self, rng: Random, wall: datetime, now: float) -> ClientSession[Token]:
        session: ClientSession[Token] = ClientSession(
            self._credentials, self.sequences, limits=self._config.limits
        )
        session.login(now)
        return session

    @override
    def templates(
        self,
        session: AnySession[Any, Any, Any],
        parts: tuple[str, ...],
        coding: Coding,
        until: str,
    ) -> Templates:
        return self._make(parts, coding, until)

    @override
    def until(self, not_after: int, now: int) -> str:
        return valid_time(not_after, now)

    @override
    def number(self, digits: str) -> bytes:
        return b"86" + digits.encode()

    @override
    def read(self, frame: Deliver | codec.Report) -> Arrival[Sequence]:
        if isinstance(frame, Deliver):
            message = Message(
                frame.user_number,
                frame.sp_number,
                frame.content,
                frame.message_coding,
                frame.tp_udhi == 1,
            )
            return Arrival(frame.sequence, _note(c.DELIVER), message)
        report = Report(frame.submit_sequence.pack(), _stat(frame), frame.user_number)
        return Arrival(frame.sequence, _note(c.REPORT), report)

    @override
    def text_of(self, octets: bytes, coding: int) -> str:
        return text_of(octets, coding)


def _note(command: int) -> bytes:
    """An answer is written from the command of its request."""
    return command.to_bytes(4, "big")


def _stat(report: codec.Report) -> str:
    if report.state == 1 or report.report_type != _ABOUT_A_SUBMIT:
        return WAITING
    if report.state == 0:
        return DELIVERED
    return str(report.error_code) if report.error_code else "failed"
