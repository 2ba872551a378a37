"""SMGP in the words of every channel."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any, ClassVar, Final

from typing_extensions import override

from fzalert.messages import Coding
from fzalert_sms.carrier.dialect import Arrival, Dialect, Message, Report
from fzalert_sms.carrier.reports import reader_of
from fzalert_sms.carrier.results import Results, Table
from fzalert_sms.carrier.session import ClientSession as AnySession
from fzalert_sms.carrier.texts import text_of
from fzalert_sms.carrier.transport import Token
from fzalert_sms.smgp.codec import Deliver, decode_report
from fzalert_sms.smgp.codec.layout import TP_UDHI
from fzalert_sms.smgp.config import SmgpConfig
from fzalert_sms.smgp.results import TABLE
from fzalert_sms.smgp.session import ClientSession, Credentials
from fzalert_sms.smgp.texts import Templates, template_maker
from fzalert_sms.wire import login_timestamp, moment_of, valid_time

SENDS: Final = 0
RECEIVES: Final = 1
BOTH: Final = 2


class SmgpDialect(Dialect):
    """How one SMGP connection speaks.

    Args:
        config: Of the channel.
        login_mode: What the connection is for.
    """

    protocol: ClassVar[str] = "SMGP"
    table: ClassVar[Table] = TABLE

    def __init__(self, config: SmgpConfig, login_mode: int) -> None:
        self.results = Results(TABLE, config.result_table)
        self.read_stat = reader_of(config.report_table)
        self._config = config
        self._make = template_maker(config)
        self._prefix = "86" if config.number_format == "86" else ""
        self._credentials = Credentials(
            config.account,
            config.secret.get_secret_value(),
            login_mode,
            config.strict_server_auth,
        )

    @override
    def login(self, rng: Random, wall: datetime, now: float) -> ClientSession[Token]:
        session: ClientSession[Token] = ClientSession(
            self._credentials,
            limits=self._config.limits,
            # Not always from 1: some gateways take a number of the last connection for a repeat.
            first_sequence=rng.randrange(1, 1 << 30),
        )
        skewed = wall + timedelta(seconds=self._config.clock_skew)
        session.login(login_timestamp(skewed), now)
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
        return (self._prefix + digits).encode()

    @override
    def read(self, frame: Deliver) -> Arrival[int]:
        sequence, msg_id = frame.sequence, frame.msg_id
        if not frame.is_report:
            has_header = any(tag == TP_UDHI and value == b"\1" for tag, value in frame.tlvs)
            person, service = frame.src_term_id, frame.dest_term_id
            message = Message(person, service, frame.content, frame.msg_format, has_header)
            return Arrival(sequence, msg_id, message)
        found = decode_report(frame.content)
        if found is None:
            return Arrival(sequence, msg_id, None)
        report = Report(
            found.msg_id,
            found.stat,
            frame.src_term_id,
            moment_of(found.done_date),
            found.is_odd,
            len(frame.content),
            frame.dest_term_id,
        )
        return Arrival(sequence, msg_id, report)

    @override
    def text_of(self, octets: bytes, coding: int) -> str:
        return text_of(octets, coding)
