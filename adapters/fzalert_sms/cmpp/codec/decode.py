"""From octets to frames. Every read is bounded; what cannot be read is a `DecodeError` value.

Responses are read by their length, since peers answer in the layout of the other version.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from struct import Struct

from fzalert_sms.cmpp.codec import layout as c
from fzalert_sms.cmpp.codec.frames import (
    ActiveTest,
    ActiveTestResp,
    Cancel,
    CancelResp,
    Connect,
    ConnectResp,
    Deliver,
    DeliverResp,
    Frame,
    Query,
    QueryResp,
    Report,
    Submit,
    SubmitResp,
    Terminate,
    TerminateResp,
    Unknown,
)
from fzalert_sms.cmpp.codec.layout import HEADER, Layout
from fzalert_sms.wire import DecodeError, Unreadable, exactly, text

_CONNECT = Struct(">6s16sBI")
_QUERY = Struct(">8sB10s8s")
_QUERY_RESP = Struct(">8sB10s8I")
_ANSWER_V20 = Struct(">8sB")
_ANSWER_V30 = Struct(">8sI")
_SHORTEST_REPORT = 35
"""Octets of Msg_Id, Stat and both times of a report: less cannot be one."""


_REPORT_V20 = Struct(">8s7s10s10s21sI")
_REPORT_V30 = Struct(">8s7s10s10s32sI")
_REPORTS = {
    60: _REPORT_V20,
    71: _REPORT_V30,
    # Times with seconds, as some gateways write them; then without SMSC_sequence.
    64: Struct(">8s7s12s12s21sI"),
    75: Struct(">8s7s12s12s32sI"),
    56: _REPORT_V20,
    67: _REPORT_V30,
}
"""The fields of a report by its octets."""


def decode(frame: bytes, layout: Layout) -> Frame | DecodeError[int]:
    """Read one complete frame.

    Args:
        frame: As `FrameBuffer` cuts it, header included.
        layout: The version agreed at login; responses are read by their length instead.
    """
    if len(frame) < HEADER.size:
        return DecodeError(0, 0, "shorter than a header")
    length, command, sequence = HEADER.unpack_from(frame)
    if length != len(frame):
        return DecodeError(sequence, command, "Total_Length is not the length of the frame")
    reader = _READERS.get(command)
    if reader is None:
        return Unknown(sequence, command)
    body = frame[HEADER.size :]
    try:
        return reader(sequence, body, layout)
    except Unreadable as error:
        return DecodeError(sequence, command, str(error), body[:8].ljust(8, b"\0"))


def decode_report(content: bytes) -> Report | None:
    """Read the content of a status report, by its own length; None where it is too short.

    A length that is of neither version is marked as odd; of one that nobody is known to write the
    head alone is read.
    """
    size = len(content)
    shape = _REPORTS.get(size)
    if shape is None:
        if size < _SHORTEST_REPORT:
            return None
        return Report(content[:8], text(content[8:15]).strip(), "", "", "", 0, is_odd=True)
    msg_id, stat, submitted, done, number, sequence = shape.unpack(content.ljust(shape.size, b"\0"))
    return Report(
        msg_id,
        _word(stat),
        _word(submitted),
        _word(done),
        text(number).strip(),
        sequence,
        size not in (60, 71),
    )


# What a busy link says again and again (access number, service, status, minute) is read once.
# Numbers of persons are not kept.
@lru_cache(maxsize=256)
def _word(octets: bytes) -> str:
    return text(octets).strip()


_known = lru_cache(maxsize=256)(text)


def _connect(sequence: int, body: bytes, layout: Layout) -> Frame:
    del layout
    exactly(body, _CONNECT.size)
    source, authenticator, version, timestamp = _CONNECT.unpack(body)
    return Connect(sequence, text(source), authenticator, version, timestamp)


def _connect_resp(sequence: int, body: bytes, layout: Layout) -> Frame:
    del layout
    width = len(body) - 17
    if width not in (1, 4):
        raise Unreadable(f"the body has {len(body)} octets, neither 18 nor 21")
    status = int.from_bytes(body[:width], "big")
    return ConnectResp(sequence, status, body[width : width + 16], body[-1], width)


def _submit(sequence: int, body: bytes, layout: Layout) -> Frame:
    head = layout.submit
    if len(body) < head.size:
        raise Unreadable("ends before DestUsr_tl")
    fields = head.unpack_from(body)
    if layout.typed:
        (id_, total, number, wants, level, service, fee_user, fee_number, fee_number_type, pid,
         udhi, fmt, source, fee_type, fee_code, valid, at, src_id, count) = fields  # fmt: skip
    else:
        (id_, total, number, wants, level, service, fee_user, fee_number, pid,
         udhi, fmt, source, fee_type, fee_code, valid, at, src_id, count) = fields  # fmt: skip
        fee_number_type = 0
    if not 0 < count < 100:
        raise Unreadable(f"DestUsr_tl is {count}")
    width = layout.terminal
    end = head.size + width * count
    if len(body) < end + layout.typed + 1:
        raise Unreadable("ends before Msg_Length")
    if count == 1:
        destinations: tuple[str, ...] = (text(body[head.size : end]),)
    else:
        destinations = tuple(text(body[at_ : at_ + width]) for at_ in range(head.size, end, width))
    dest_type = body[end] if layout.typed else 0
    end += layout.typed
    size = body[end]
    end += 1
    if len(body) != end + size + layout.tail:
        raise Unreadable("Msg_Length and the length of the frame do not agree")
    return Submit(
        sequence, id_, total, number, wants, level, text(service), fee_user, text(fee_number),
        fee_number_type, pid, udhi, fmt, text(source), text(fee_type), text(fee_code),
        text(valid), text(at), text(src_id), destinations, dest_type,
        body[end : end + size], body[end + size :],
    )  # fmt: skip


def _deliver(sequence: int, body: bytes, layout: Layout) -> Frame:
    head = layout.deliver
    if len(body) < head.size:
        raise Unreadable("ends before Msg_Content")
    fields = head.unpack_from(body)
    if layout.typed:
        id_, dest, service, pid, udhi, fmt, source, source_type, registered, size = fields
    else:
        id_, dest, service, pid, udhi, fmt, source, registered, size = fields
        source_type = 0
    # The tail may be short or missing; a longer one would be another layout.
    if not head.size + size <= len(body) <= head.size + size + layout.tail:
        raise Unreadable("Msg_Length and the length of the frame do not agree")
    end = head.size + size
    return Deliver(
        sequence, id_, _known(dest), _known(service), pid, udhi, fmt, text(source), source_type,
        registered, body[head.size : end], body[end:],
    )  # fmt: skip


def _answer(body: bytes) -> tuple[bytes, int]:
    """Msg_Id and result of SUBMIT_RESP and DELIVER_RESP."""
    msg_id: bytes
    result: int
    if len(body) == _ANSWER_V30.size:
        msg_id, result = _ANSWER_V30.unpack(body)
    elif len(body) == _ANSWER_V20.size:
        msg_id, result = _ANSWER_V20.unpack(body)
    else:
        raise Unreadable(f"the body has {len(body)} octets, neither 9 nor 12")
    return msg_id, result


def _submit_resp(sequence: int, body: bytes, layout: Layout) -> Frame:
    del layout
    return SubmitResp(sequence, *_answer(body))


def _deliver_resp(sequence: int, body: bytes, layout: Layout) -> Frame:
    del layout
    return DeliverResp(sequence, *_answer(body))


def _query(sequence: int, body: bytes, layout: Layout) -> Frame:
    del layout
    exactly(body, _QUERY.size)
    day, kind, code, _ = _QUERY.unpack(body)
    return Query(sequence, text(day), kind, text(code))


def _query_resp(sequence: int, body: bytes, layout: Layout) -> Frame:
    del layout
    exactly(body, _QUERY_RESP.size)
    day, kind, code, *counters = _QUERY_RESP.unpack(body)
    return QueryResp(sequence, text(day), kind, text(code), tuple(counters))


def _cancel(sequence: int, body: bytes, layout: Layout) -> Frame:
    del layout
    exactly(body, 8)
    return Cancel(sequence, body)


def _cancel_resp(sequence: int, body: bytes, layout: Layout) -> Frame:
    del layout
    if len(body) not in (1, 4):
        raise Unreadable(f"the body has {len(body)} octets, neither 1 nor 4")
    return CancelResp(sequence, int.from_bytes(body, "big"))


def _active_test_resp(sequence: int, body: bytes, layout: Layout) -> Frame:
    # The reserved octet is left out by some peers.
    del layout
    if len(body) > 1:
        raise Unreadable(f"the body has {len(body)} octets, more than one")
    return ActiveTestResp(sequence)


def _empty(make: Callable[[int], Frame]) -> Callable[[int, bytes, Layout], Frame]:
    def read(sequence: int, body: bytes, layout: Layout) -> Frame:
        del layout
        exactly(body, 0)
        return make(sequence)

    return read


_READERS: dict[int, Callable[[int, bytes, Layout], Frame]] = {
    c.CONNECT: _connect,
    c.CONNECT_RESP: _connect_resp,
    c.SUBMIT: _submit,
    c.SUBMIT_RESP: _submit_resp,
    c.DELIVER: _deliver,
    c.DELIVER_RESP: _deliver_resp,
    c.QUERY: _query,
    c.QUERY_RESP: _query_resp,
    c.CANCEL: _cancel,
    c.CANCEL_RESP: _cancel_resp,
    c.ACTIVE_TEST: _empty(ActiveTest),
    c.ACTIVE_TEST_RESP: _active_test_resp,
    c.TERMINATE: _empty(Terminate),
    c.TERMINATE_RESP: _empty(TerminateResp),
}
