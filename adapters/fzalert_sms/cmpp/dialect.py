"""CMPP in the words of every channel."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any, ClassVar

from typing_extensions import override

from fzalert.messages import Coding
from fzalert_sms.carrier.dialect import Arrival, Dialect, Message, Report
from fzalert_sms.carrier.reports import reader_of
from fzalert_sms.carrier.results import Results, Table
from fzalert_sms.carrier.session import ClientSession as AnySession
from fzalert_sms.carrier.texts import text_of
from fzalert_sms.carrier.transport import Token
from fzalert_sms.cmpp.codec import V20, V30, Deliver, decode_report
from fzalert_sms.cmpp.config import CmppConfig
from fzalert_sms.cmpp.results import TABLE
from fzalert_sms.cmpp.session import VERSION_TOO_HIGH, ClientSession, Credentials
from fzalert_sms.cmpp.texts import Templates, template_maker
from fzalert_sms.wire import login_timestamp, moment_of, valid_time


class CmppDialect(Dialect):
    """How one CMPP channel speaks.

    Args:
        config: Of the channel.
    """

    protocol: ClassVar[str] = "CMPP"
    table: ClassVar[Table] = TABLE

    def __init__(self, config: CmppConfig) -> None:
        self.results = Results(TABLE, config.result_table)
        self.read_stat = reader_of(config.report_table)
        self._config = config
        self._layout = config.layout
        self._make = template_maker(config)
        self._prefix = "86" if config.number_format == "86" else ""
        self._credentials = Credentials(
            config.account,
            config.secret.get_secret_value(),
            config.layout.version,
            config.auth_pad_source_addr,
            config.strict_server_auth,
            config.allow_lower_version,
        )

    @override
    def login(self, rng: Random, wall: datetime, now: float) -> ClientSession[Token]:
        session: ClientSession[Token] = ClientSession(
            self._credentials._replace(version=self._layout.version),
            limits=self._config.limits,
            layout=self._layout,
            # Not always from 1: some gateways take a number of the last connection for a repeat.
            first_sequence=rng.randrange(1, 1 << 30),
        )
        skewed = wall + timedelta(seconds=self._config.clock_skew)
        session.login(login_timestamp(skewed), now)
        return session

    @override
    def steps_down(self, status: int) -> bool:
        """Ask for 2.0 where 3.0 is too high; for 3.0 again where that was no help."""
        if status != VERSION_TOO_HIGH:
            return False
        if self._layout is V30 and self._config.allow_lower_version:
            self._layout = V20
            return True
        self._layout = self._config.layout
        return False

    @override
    def templates(
        self,
        session: AnySession[Any, Any, Any],
        parts: tuple[str, ...],
        coding: Coding,
        until: str,
    ) -> Templates:
        assert isinstance(session, ClientSession)  # noqa: S101  what `login` makes
        return self._make(session.layout, parts, coding, until)

    @override
    def until(self, not_after: int, now: int) -> str:
        return valid_time(not_after, now)

    @override
    def number(self, digits: str) -> bytes:
        return (self._prefix + digits).encode()

    @override
    def read(self, frame: Deliver) -> Arrival[int]:
        sequence, msg_id = frame.sequence, frame.msg_id
        if not frame.registered_delivery:
            person, service = frame.src_terminal_id, frame.dest_id
            has_header = bool(frame.tp_udhi & 1)
            message = Message(person, service, frame.content, frame.msg_fmt, has_header)
            return Arrival(sequence, msg_id, message)
        found = decode_report(frame.content)
        if found is None:
            return Arrival(sequence, msg_id, None)
        report = Report(
            found.msg_id,
            found.stat,
            found.dest_terminal_id or frame.src_terminal_id,
            moment_of(found.done_time),
            found.is_odd,
            len(frame.content),
            frame.dest_id,
        )
        return Arrival(sequence, msg_id, report)

    @override
    def text_of(self, octets: bytes, coding: int) -> str:
        return text_of(octets, coding)
