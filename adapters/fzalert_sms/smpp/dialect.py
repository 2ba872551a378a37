"""SMPP in the words of every channel."""

from __future__ import annotations

from datetime import datetime
from random import Random
from typing import Any, ClassVar, Final

from typing_extensions import override

from fzalert.messages import Coding
from fzalert_sms.carrier.dialect import Arrival, Dialect, Message, Report
from fzalert_sms.carrier.inbox import target_of
from fzalert_sms.carrier.reports import ReportWord, reader_of
from fzalert_sms.carrier.results import Results, Table
from fzalert_sms.carrier.session import ClientSession as AnySession
from fzalert_sms.carrier.transport import Token
from fzalert_sms.smpp.codec import DataSm, Receipt, ShortMessage, decode_receipt
from fzalert_sms.smpp.codec import layout as c
from fzalert_sms.smpp.config import SmppConfig
from fzalert_sms.smpp.ids import reported_id
from fzalert_sms.smpp.results import TABLE
from fzalert_sms.smpp.session import ClientSession, Credentials
from fzalert_sms.smpp.session.client import note_of
from fzalert_sms.smpp.texts import GSM7, UDHI, Templates, number_of, template_maker, text_of
from fzalert_sms.smpp.texts import unpacked as without_packing
from fzalert_sms.wire import moment_of, valid_time

UNDER_WAY: Final = "ENROUTE"
_WORDS: Final[dict[str, ReportWord]] = {UNDER_WAY: "ignored", "SCHEDULE": "ignored"}
"""Words that only SMPP has, beside those of every carrier."""
_RECEIPT: Final = 0x04
_KIND: Final = 0x3C
"""The bits of esm_class that say what kind of message it is (v3.4, 5.2.12)."""
_RECEIPTS: Final = frozenset({0x04, 0x20})


class SmppDialect(Dialect):
    """How one SMPP connection speaks.

    Args:
        config: Of the channel.
        command: What the connection is for: bind_transceiver, bind_transmitter or bind_receiver.
    """

    protocol: ClassVar[str] = "SMPP"
    table: ClassVar[Table] = TABLE

    def __init__(self, config: SmppConfig, command: int) -> None:
        self.results = Results(TABLE, config.result_table, "#04x")
        self.read_stat = reader_of(_WORDS | config.report_table)
        self._config = config
        self._make = template_maker(config)
        self._read_id = reported_id(config.message_id)
        self._credentials = Credentials(
            config.account,
            config.secret.get_secret_value(),
            command,
            config.system_type,
            0x50 if config.interface_version == "5.0" else 0x34,
            config.address_range,
        )

    @override
    def login(self, rng: Random, wall: datetime, now: float) -> ClientSession[Token]:
        session: ClientSession[Token] = ClientSession(
            self._credentials,
            limits=self._config.limits,
            message_id=self._config.message_id,
            congested_at=self._config.congestion_limit,
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
        return number_of(self._config, digits).encode()

    @override
    def read(self, frame: ShortMessage | DataSm) -> Arrival[int]:
        note = note_of(frame)
        message = _as_delivery(frame) if isinstance(frame, DataSm) else frame
        fields = dict(message.tlvs)
        kind = message.esm_class & _KIND
        is_receipt = kind in _RECEIPTS
        if not kind and c.RECEIPTED_MESSAGE_ID in fields and c.MESSAGE_STATE in fields:
            # Some centres forget the mark; no person's message has these two fields.
            message = message._replace(esm_class=message.esm_class | _RECEIPT)
            is_receipt = True
        if not is_receipt:
            return Arrival(message.sequence, note, self._message(message, fields))
        found = decode_receipt(message)
        report = None if found is None else self._report(message, found)
        return Arrival(message.sequence, note, report)

    @override
    def text_of(self, octets: bytes, coding: int) -> str:
        return text_of(octets, coding)

    def _report(self, message: ShortMessage, found: Receipt) -> Report:
        stat = found.stat
        if found.is_intermediate and self.read_stat(stat).kind is not None:
            stat = UNDER_WAY
        elif found.err.strip("0"):
            stat = f"{stat}/{found.err}"
        # A receipt comes from the phone; some centres leave the direction of the text.
        number, service = message.source_addr, message.destination_addr
        if target_of(number) is None and target_of(service) is not None:
            number, service = service, number
        return Report(
            self._read_id(found.message_id.encode("latin-1")),
            stat,
            number,
            moment_of(found.done_date),
            octets=len(message.short_message),
            service=service,
        )

    def _message(self, message: ShortMessage, fields: dict[int, bytes]) -> Message:
        content = message.short_message or fields.get(c.MESSAGE_PAYLOAD, b"")
        has_header = bool(message.esm_class & UDHI)
        if self._config.gsm7_packed and message.data_coding == GSM7:
            content = without_packing(content, has_header=has_header)
        reference, total, number = (
            fields.get(tag, b"")
            for tag in (c.SAR_MSG_REF_NUM, c.SAR_TOTAL_SEGMENTS, c.SAR_SEGMENT_SEQNUM)
        )
        if not has_header and (len(reference), len(total), len(number)) == (2, 1, 1):
            # Said in the way of the header, the two ways become one: 16-bit reference, IEI 08.
            content = b"\x06\x08\x04" + reference + total + number + content
            has_header = True
        return Message(
            message.source_addr,
            message.destination_addr,
            content,
            message.data_coding,
            has_header,
        )


def _as_delivery(frame: DataSm) -> ShortMessage:
    """A data_sm in the fields of a deliver_sm; its text is in message_payload."""
    return ShortMessage(
        frame.sequence, c.DELIVER_SM, frame.service_type, frame.source_addr_ton,
        frame.source_addr_npi, frame.source_addr, frame.dest_addr_ton, frame.dest_addr_npi,
        frame.destination_addr, frame.esm_class, 0, 0, "", "", frame.registered_delivery, 0,
        frame.data_coding, 0, b"", frame.tlvs, frame.is_cut,
    )  # fmt: skip
