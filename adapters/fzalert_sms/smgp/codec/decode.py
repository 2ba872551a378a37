"""From octets to frames. Every read is bounded; what cannot be read is a `DecodeError` value."""

from __future__ import annotations

import re
from collections.abc import Callable

from fzalert_sms.smgp.codec import layout as c
from fzalert_sms.smgp.codec.frames import (
    ActiveTest,
    ActiveTestResp,
    Deliver,
    DeliverResp,
    Exit,
    ExitResp,
    Frame,
    Login,
    LoginResp,
    Query,
    QueryResp,
    Report,
    Submit,
    SubmitResp,
    Unknown,
)
from fzalert_sms.wire import DecodeError, Unreadable, exactly, read_tlvs, text

_REPORT = re.compile(
    rb"id:(.{10}) sub:(.{3}) dlvrd:(.{3}) Submit date:(.{10}) done date:(.{10})"
    rb" stat:(.{7}) err:(.{3}) Text:(.{20})",
    re.DOTALL | re.IGNORECASE,
)
"""A report as the protocol text writes it (122 octets); the id may contain any octet."""
_RAW_ID, _HEX_ID = 13, 23
"""Where the id ends: as ten octets, or written as twenty hexadecimal digits."""
_HEX = re.compile(rb"[0-9A-Fa-f]{20}")
_LABELS = re.compile(
    rb"(sub|dlvrd|submit[ _]date|done[ _]date|stat|err|text):([^:]*?)"
    rb"(?=\s*(?:sub|dlvrd|submit[ _]date|done[ _]date|stat|err|text):|\Z)",
    re.IGNORECASE | re.DOTALL,
)


def decode(frame: bytes) -> Frame | DecodeError[int]:
    """Read one complete frame, header included, as `FrameBuffer` cuts it."""
    if len(frame) < c.HEADER.size:
        return DecodeError(0, 0, "shorter than a header")
    length, command, sequence = c.HEADER.unpack_from(frame)
    if length != len(frame):
        return DecodeError(sequence, command, "PacketLength is not the length of the frame")
    reader = _READERS.get(command)
    if reader is None:
        return Unknown(sequence, command)
    body = frame[c.HEADER.size :]
    try:
        return reader(sequence, body)
    except Unreadable as error:
        return DecodeError(sequence, command, str(error), body[:10].ljust(10, b"\0"))


def decode_report(content: bytes) -> Report | None:
    """Read the content of a status report; None where it has neither an id nor a state.

    The id is ten raw octets and may contain anything, so that nothing before its end is searched.
    Gateways also write it as twenty digits, change the labels' case and leave fields out: those
    reports are marked as odd.

    Source: SMGP V3.0.3, 7.2.5 (MsgContent of a report).
    """
    plain = _REPORT.fullmatch(content)
    if plain is not None:
        msg_id, sub, dlvrd, submitted, done, stat, err, rest = plain.groups()
        return Report(
            msg_id, text(sub), text(dlvrd), _word(submitted), _word(done), _word(stat),
            _word(err), rest,
        )  # fmt: skip
    if content[:3].lower() != b"id:" or len(content) < _RAW_ID:
        return None
    msg_id, rest = content[3:_RAW_ID], content[_RAW_ID:]
    if _HEX.fullmatch(content[3:_HEX_ID]) and content[_HEX_ID : _HEX_ID + 1] in (b" ", b""):
        msg_id, rest = bytes.fromhex(content[3:_HEX_ID].decode()), content[_HEX_ID:]
    found: dict[bytes, bytes] = {}
    for label, value in _LABELS.findall(rest):
        found.setdefault(label.lower().replace(b"_", b" "), value)
    if b"stat" not in found:
        return None
    return Report(
        msg_id,
        _word(found.get(b"sub", b"")),
        _word(found.get(b"dlvrd", b"")),
        _word(found.get(b"submit date", b"")),
        _word(found.get(b"done date", b"")),
        _word(found[b"stat"]),
        _word(found.get(b"err", b"")),
        found.get(b"text", b""),
        is_odd=True,
    )


def _word(field: bytes) -> str:
    return text(field).strip()


def _login(sequence: int, body: bytes) -> Frame:
    exactly(body, c.LOGIN_BODY.size)
    client, authenticator, mode, timestamp, version = c.LOGIN_BODY.unpack(body)
    return Login(sequence, text(client), authenticator, mode, timestamp, version)


def _login_resp(sequence: int, body: bytes) -> Frame:
    exactly(body, c.LOGIN_ANSWER.size)
    return LoginResp(sequence, *c.LOGIN_ANSWER.unpack(body))


def _submit(sequence: int, body: bytes) -> Frame:
    head = c.SUBMIT_HEAD
    if len(body) < head.size:
        raise Unreadable("ends before DestTermIDCount")
    (kind, wants, priority, service, fee_type, fee_code, fixed, msg_format, valid, at, source,
     charge, count) = head.unpack_from(body)  # fmt: skip
    if not 0 < count <= 100:
        raise Unreadable(f"DestTermIDCount is {count}")
    end = head.size + c.NUMBER * count
    numbers = tuple(text(body[at_ : at_ + c.NUMBER]) for at_ in range(head.size, end, c.NUMBER))
    content, start = _content(body, end)
    tlvs, is_cut = read_tlvs(body, start + c.RESERVE)
    return Submit(
        sequence, kind, wants, priority, text(service), text(fee_type), text(fee_code),
        text(fixed), msg_format, text(valid), text(at), text(source), text(charge), numbers,
        content, body[start : start + c.RESERVE], tlvs, is_cut,
    )  # fmt: skip


def _deliver(sequence: int, body: bytes) -> Frame:
    head = c.DELIVER_HEAD
    if len(body) < head.size:
        raise Unreadable("ends before MsgLength")
    msg_id, is_report, msg_format, received, source, dest, _ = head.unpack_from(body)
    content, start = _content(body, head.size - 1)
    tlvs, is_cut = read_tlvs(body, start + c.RESERVE)
    return Deliver(
        sequence, msg_id, is_report, msg_format, text(received), text(source), text(dest),
        content, body[start : start + c.RESERVE], tlvs, is_cut,
    )  # fmt: skip


def _content(body: bytes, at: int) -> tuple[bytes, int]:
    """MsgLength and MsgContent from here; returns the content and where it ends."""
    if len(body) <= at:
        raise Unreadable("ends before MsgLength")
    end = at + 1 + body[at]
    if len(body) < end + c.RESERVE:
        raise Unreadable("MsgLength and the length of the frame do not agree")
    return body[at + 1 : end], end


def _submit_resp(sequence: int, body: bytes) -> Frame:
    exactly(body, c.ANSWER.size)
    return SubmitResp(sequence, *c.ANSWER.unpack(body))


def _deliver_resp(sequence: int, body: bytes) -> Frame:
    exactly(body, c.ANSWER.size)
    return DeliverResp(sequence, *c.ANSWER.unpack(body))


def _query(sequence: int, body: bytes) -> Frame:
    exactly(body, c.QUERY_BODY.size)
    day, kind, code = c.QUERY_BODY.unpack(body)
    return Query(sequence, text(day), kind, text(code))


def _query_resp(sequence: int, body: bytes) -> Frame:
    exactly(body, c.QUERY_ANSWER.size)
    day, kind, code, *counters, _ = c.QUERY_ANSWER.unpack(body)
    return QueryResp(sequence, text(day), kind, text(code), tuple(counters))


def _empty(make: Callable[[int], Frame]) -> Callable[[int, bytes], Frame]:
    def read(sequence: int, body: bytes) -> Frame:
        exactly(body, 0)
        return make(sequence)

    return read


_READERS: dict[int, Callable[[int, bytes], Frame]] = {
    c.LOGIN: _login,
    c.LOGIN_RESP: _login_resp,
    c.SUBMIT: _submit,
    c.SUBMIT_RESP: _submit_resp,
    c.DELIVER: _deliver,
    c.DELIVER_RESP: _deliver_resp,
    c.QUERY: _query,
    c.QUERY_RESP: _query_resp,
    c.ACTIVE_TEST: _empty(ActiveTest),
    c.ACTIVE_TEST_RESP: _empty(ActiveTestResp),
    c.EXIT: _empty(Exit),
    c.EXIT_RESP: _empty(ExitResp),
}
