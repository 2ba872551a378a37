"""From octets to PDUs. Every read is bounded; what cannot be read is a `DecodeError` value.

Texts are read whatever their length: message centres exceed the limits of the specification.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from fzalert_sms.smpp.codec import layout as c
from fzalert_sms.smpp.codec.frames import (
    Bind,
    BindResp,
    DataSm,
    Frame,
    MessageResp,
    Outbind,
    Plain,
    QuerySm,
    QuerySmResp,
    Receipt,
    ShortMessage,
    Unknown,
)
from fzalert_sms.wire import DecodeError, Tlv, Unreadable, read_tlvs

_KIND = 0x3C
"""The bits of esm_class that say what kind of message it is (v3.4, 5.2.12)."""
_RECEIPT, _INTERMEDIATE = 0x04, 0x20
_FIELDS = re.compile(
    r"\b(id|sub|dlvrd|submit[ _]date|done[ _]date|stat|err):\s*([^\s:]*)", re.IGNORECASE
)
_UNDER_WAY = frozenset({"ENROUTE", "ACCEPTD", "SCHEDULED"})


def decode(frame: bytes) -> Frame | DecodeError[int]:
    """Read one complete PDU, header included, as `FrameBuffer` cuts it."""
    if len(frame) < c.HEADER.size:
        return DecodeError(0, 0, "shorter than a header")
    length, command, status, sequence = c.HEADER.unpack_from(frame)
    if length != len(frame):
        return DecodeError(sequence, command, "command_length is not the length of the PDU")
    reader = _READERS.get(command)
    if reader is None:
        return Unknown(sequence, command, status)
    try:
        return reader(_Body(frame, sequence, command, status))
    except Unreadable as error:
        return DecodeError(sequence, command, str(error))


def decode_receipt(message: ShortMessage) -> Receipt | None:
    """Read a delivery receipt; None where the PDU is a person's message.

    The optional fields say it best; where they are missing the text is read, whatever the order
    and the case of its labels.

    Source: SMPP v3.4, 5.2.12 (esm_class), 5.3.2.12 and 5.3.2.35, Appendix B (text).
    """
    if not message.esm_class & (_RECEIPT | _INTERMEDIATE):
        return None
    fields = dict(message.tlvs)
    payload = message.short_message or fields.get(c.MESSAGE_PAYLOAD, b"")
    found: dict[str, str] = {}
    for label, value in _FIELDS.findall(payload.decode("latin-1")):
        found.setdefault(label.lower().replace("_", " "), value)
    message_id = _text(fields.get(c.RECEIPTED_MESSAGE_ID, b"")) or found.get("id", "")
    stat = found.get("stat", "").upper()
    state = fields.get(c.MESSAGE_STATE, b"")
    if len(state) == 1:
        stat = c.STATES.get(state[0], stat or "UNKNOWN")
    if not message_id or not stat:
        return None
    err = found.get("err", "")
    network = fields.get(c.NETWORK_ERROR_CODE, b"")
    if not err and len(network) == 3:
        err = str(int.from_bytes(network[1:], "big"))
    return Receipt(
        message_id,
        stat,
        found.get("submit date", ""),
        found.get("done date", ""),
        err,
        stat in _UNDER_WAY or message.esm_class & _KIND == _INTERMEDIATE,
    )


class _Body:
    """What follows a header, read from left to right."""

    __slots__ = ("_at", "_frame", "command", "sequence", "status")

    def __init__(self, frame: bytes, sequence: int, command: int, status: int) -> None:
        self._frame = frame
        self._at = c.HEADER.size
        self.sequence = sequence
        self.command = command
        self.status = status

    @property
    def is_over(self) -> bool:
        return self._at >= len(self._frame)

    def text(self) -> str:
        """Read a text up to and including its zero octet."""
        end = self._frame.find(b"\0", self._at)
        if end < 0:
            raise Unreadable("a text has no end")
        found = self._frame[self._at : end].decode("latin-1")
        self._at = end + 1
        return found

    def number(self) -> int:
        """Read one octet."""
        if self.is_over:
            raise Unreadable("ends before a field")
        self._at += 1
        return self._frame[self._at - 1]

    def octets(self, size: int) -> bytes:
        """Read so many octets."""
        if len(self._frame) - self._at < size:
            raise Unreadable("sm_length and the length of the PDU do not agree")
        self._at += size
        return self._frame[self._at - size : self._at]

    def address(self) -> tuple[int, int, str]:
        """Read type, plan and number."""
        return self.number(), self.number(), self.text()

    def tlvs(self) -> tuple[tuple[Tlv, ...], bool]:
        """Read the optional fields."""
        return read_tlvs(self._frame, self._at)

    def ends(self) -> None:
        """Check that nothing follows."""
        if not self.is_over:
            raise Unreadable(f"{len(self._frame) - self._at} octets too many")


def _text(octets: bytes) -> str:
    return octets.rstrip(b"\0").decode("latin-1")


def _bind(body: _Body) -> Frame:
    found = Bind(
        body.sequence, body.command, body.text(), body.text(), body.text(), body.number(),
        body.number(), body.number(), body.text(),
    )  # fmt: skip
    body.ends()
    return found


def _bind_resp(body: _Body) -> Frame:
    if body.is_over:
        return BindResp(body.sequence, body.command, body.status)
    name = body.text()
    tlvs, _ = body.tlvs()
    return BindResp(body.sequence, body.command, body.status, name, tlvs)


def _outbind(body: _Body) -> Frame:
    found = Outbind(body.sequence, body.text(), body.text())
    body.ends()
    return found


def _short_message(body: _Body) -> Frame:
    service = body.text()
    source, dest = body.address(), body.address()
    esm_class, protocol, priority = body.number(), body.number(), body.number()
    scheduled, validity = body.text(), body.text()
    registered, replaces, coding, default = (body.number() for _ in range(4))
    content = body.octets(body.number())
    tlvs, is_cut = body.tlvs()
    return ShortMessage(
        body.sequence, body.command, service, *source, *dest, esm_class, protocol, priority,
        scheduled, validity, registered, replaces, coding, default, content, tlvs, is_cut,
    )  # fmt: skip


def _message_resp(body: _Body) -> Frame:
    if body.is_over:
        return MessageResp(body.sequence, body.command, body.status)
    message_id = body.text()
    tlvs, _ = body.tlvs()
    return MessageResp(body.sequence, body.command, body.status, message_id, tlvs)


def _data_sm(body: _Body) -> Frame:
    service = body.text()
    source, dest = body.address(), body.address()
    flags = body.number(), body.number(), body.number()
    tlvs, is_cut = body.tlvs()
    return DataSm(body.sequence, service, *source, *dest, *flags, tlvs, is_cut)


def _query_sm(body: _Body) -> Frame:
    found = QuerySm(body.sequence, body.text(), *body.address())
    body.ends()
    return found


def _query_sm_resp(body: _Body) -> Frame:
    if body.is_over:
        return QuerySmResp(body.sequence, body.status)
    found = QuerySmResp(
        body.sequence, body.status, body.text(), body.text(), body.number(), body.number()
    )
    body.ends()
    return found


def _plain(body: _Body) -> Frame:
    body.ends()
    return Plain(body.sequence, body.command, body.status)


_READERS: dict[int, Callable[[_Body], Frame]] = {
    c.BIND_RECEIVER: _bind,
    c.BIND_TRANSMITTER: _bind,
    c.BIND_TRANSCEIVER: _bind,
    c.BIND_RECEIVER_RESP: _bind_resp,
    c.BIND_TRANSMITTER_RESP: _bind_resp,
    c.BIND_TRANSCEIVER_RESP: _bind_resp,
    c.OUTBIND: _outbind,
    c.SUBMIT_SM: _short_message,
    c.DELIVER_SM: _short_message,
    c.SUBMIT_SM_RESP: _message_resp,
    c.DELIVER_SM_RESP: _message_resp,
    c.DATA_SM: _data_sm,
    c.DATA_SM_RESP: _message_resp,
    c.QUERY_SM: _query_sm,
    c.QUERY_SM_RESP: _query_sm_resp,
    c.UNBIND: _plain,
    c.UNBIND_RESP: _plain,
    c.ENQUIRE_LINK: _plain,
    c.ENQUIRE_LINK_RESP: _plain,
    c.GENERIC_NACK: _plain,
}
