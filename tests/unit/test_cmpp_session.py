"""The CMPP state machine, both roles against each other, with time as an argument."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fzalert_sms.carrier.session import (
    Answered,
    Closed,
    Delivered,
    GivenUp,
    Ignored,
    Limits,
    LoggedIn,
    Malformed,
    Opened,
    Overdue,
    Refused,
    State,
    Stray,
    Submitted,
    Unreadable,
)
from fzalert_sms.cmpp.codec import (
    NO_ID,
    V20,
    V30,
    ActiveTest,
    ActiveTestResp,
    ConnectResp,
    DecodeError,
    Deliver,
    DeliverResp,
    Frame,
    FrameBuffer,
    Layout,
    Submit,
    SubmitResp,
    Terminate,
    TerminateResp,
    decode,
    encode,
)
from fzalert_sms.cmpp.session import ClientSession, Credentials, ServerSession

LIMITS = Limits(window=4, late_after=3, request_timeout=60, keep_alive=30, keep_alive_timeout=10)
ID = b"\xaa\xa0\x52\xc1\xe2\x40\x03\x15"


def _client(key: str = "1234", **more: Any) -> ClientSession[str]:
    return ClientSession(Credentials("901234", key, **more), limits=LIMITS)


def _server(**more: Any) -> ServerSession[str]:
    return ServerSession({"901234": "1234"}, limits=LIMITS, **more)


def _opened(layout: Layout | None = None) -> tuple[ClientSession[str], ServerSession[str]]:
    client, server = _client(), _server(layout=layout)
    client.login(301000000, 0.0)
    server.receive_data(client.data_to_send(), 0.0)
    client.receive_data(server.data_to_send(), 0.0)
    assert client.state is server.state is State.OPEN
    return client, server


def _submit(sequence: int, layout: Layout = V30) -> bytes:
    return encode(
        Submit(
            sequence, NO_ID, 1, 1, 1, 1, "FZALERT", 2, "", 0, 0, 0, 8, "901234", "01", "", "", "",
            "1069", ("13800138000",), 0, b"\x53\xcd", b"",
        ),
        layout,
    )  # fmt: skip


def _send(client: ClientSession[str], *tokens: str, now: float = 0.0) -> list[int]:
    sequences = [client.next_sequence() for _ in tokens]
    rows = [(s, _submit(s, client.layout), t) for s, t in zip(sequences, tokens, strict=True)]
    client.send_many(rows, now)
    return sequences


def _frames(octets: bytes) -> list[Frame | DecodeError[int]]:
    return [decode(frame, V30) for frame in FrameBuffer().feed(octets)]


def test_a_login_with_the_right_secret_opens_both_sides() -> None:
    client, server = _client(), _server()
    client.login(301000000, 0.0)
    (logged_in,) = server.receive_data(client.data_to_send(), 0.0)
    assert isinstance(logged_in, LoggedIn)
    assert client.receive_data(server.data_to_send(), 0.0) == [Opened(0x30, "")]
    assert client.room == 4


def test_a_wrong_secret_is_refused_with_status_3_and_closes() -> None:
    client, server = _client("guess"), _server()
    client.login(1124200000, 0.0)
    (closed,) = server.receive_data(client.data_to_send(), 0.0)
    assert isinstance(closed, Closed)
    refused, closed = client.receive_data(server.data_to_send(), 0.0)
    assert refused == Refused(3)
    assert isinstance(closed, Closed)
    assert client.room == 0


def test_an_unknown_account_is_refused_with_status_2() -> None:
    client = ClientSession[str](Credentials("555555", "1234"), limits=LIMITS)
    server = _server()
    client.login(1124200000, 0.0)
    server.receive_data(client.data_to_send(), 0.0)
    assert client.receive_data(server.data_to_send(), 0.0)[0] == Refused(2)


def test_an_answer_in_the_layout_of_2_0_is_followed() -> None:
    client, server = _client(), _server(layout=V20)
    client.login(1124200000, 0.0)
    server.receive_data(client.data_to_send(), 0.0)
    (opened,) = client.receive_data(server.data_to_send(), 0.0)
    assert isinstance(opened, Opened)
    assert "2.0" in opened.warning
    assert client.layout is V20
    (sequence,) = _send(client, "a")
    (submitted,) = server.receive_data(client.data_to_send(), 0.0)
    assert isinstance(submitted, Submitted)
    server.answer(sequence, ID, 0)
    assert client.receive_data(server.data_to_send(), 1.0) == [
        Answered("a", sequence, ID, 0, 0.0, False)
    ]


def test_a_client_that_asks_for_2_0_and_speaks_3_0_is_served_where_the_layout_is_forced() -> None:
    client, server = _client(version=0x20), _server(layout=V30)
    client.login(1124200000, 0.0)
    server.receive_data(client.data_to_send(), 0.0)
    octets = server.data_to_send()
    assert len(octets) == 33
    assert client.receive_data(octets, 0.0) == [Opened(0x30, "")]
    server.receive_data(_submit(9, V30), 0.0)
    assert server.is_open


@pytest.mark.parametrize("is_strict", [False, True])
def test_a_gateway_with_a_wrong_digest_is_a_warning_or_the_end(is_strict: bool) -> None:
    client = _client(is_strict=is_strict)
    client.login(1124200000, 0.0)
    client.data_to_send()
    (event,) = client.receive_data(encode(ConnectResp(1, 0, bytes(16), 0x30), V30), 0.0)
    assert isinstance(event, Closed if is_strict else Opened)


def test_anything_before_the_login_closes() -> None:
    server = _server()
    (event,) = server.receive_data(_submit(1), 0.0)
    assert isinstance(event, Closed)
    client = _client()
    client.login(1124200000, 0.0)
    (event,) = client.receive_data(encode(ActiveTest(1), V30), 0.0)
    assert isinstance(event, Closed)


def test_a_login_that_is_not_answered_closes_in_time() -> None:
    client = _client()
    client.login(1124200000, 5.0)
    assert client.tick(34.9) == []
    (event,) = client.tick(35.0)
    assert isinstance(event, Closed)


def test_the_window_is_a_limit_and_answers_free_it() -> None:
    client, server = _opened()
    sequences = _send(client, "a", "b", "c", "d")
    assert client.room == 0
    with pytest.raises(RuntimeError, match="room for 0"):
        client.send_many([(99, _submit(99), "e")], 0.0)
    server.receive_data(client.data_to_send(), 0.0)
    server.answer(sequences[2], ID, 0)
    server.answer(sequences[0], NO_ID, 8)
    assert client.receive_data(server.data_to_send(), 0.5) == [
        Answered("c", sequences[2], ID, 0, 0.0, False),
        Answered("a", sequences[0], NO_ID, 8, 0.0, False),
    ]
    assert client.room == 2


def test_sequence_numbers_wrap_past_zero_and_skip_open_ones() -> None:
    client = ClientSession[str](
        Credentials("901234", "1234"), limits=LIMITS, first_sequence=0xFFFF_FFFF
    )
    server = _server()
    client.login(1124200000, 0.0)
    server.receive_data(client.data_to_send(), 0.0)
    client.receive_data(server.data_to_send(), 0.0)
    assert _send(client, "a", "b") == [1, 2]


def test_a_late_answer_still_finds_its_request() -> None:
    client, server = _opened()
    (sequence,) = _send(client, "a", now=0.0)
    assert client.tick(2.9) == []
    assert client.tick(3.0) == [Overdue("a", sequence)]
    assert client.tick(3.1) == []
    assert client.room == 3
    server.receive_data(client.data_to_send(), 0.0)
    server.answer(sequence, ID, 0)
    assert client.receive_data(server.data_to_send(), 10.0) == [
        Answered("a", sequence, ID, 0, 0.0, True)
    ]
    assert client.room == 4


def test_an_answer_after_the_request_was_given_up_still_finds_it() -> None:
    client, server = _opened()
    (sequence,) = _send(client, "a")
    client.tick(3.0)
    assert GivenUp("a", sequence, was_told=True) in client.tick(60.0)
    assert client.room == 4
    server.receive_data(client.data_to_send(), 60.0)
    server.answer(sequence, ID, 0)
    assert client.receive_data(server.data_to_send(), 61.0) == [
        Answered("a", sequence, ID, 0, 0.0, True)
    ]
    server.answer(sequence, ID, 0)
    assert client.receive_data(server.data_to_send(), 61.0) == [Stray(sequence, ID, 0)]


def test_three_requests_given_up_in_a_row_end_the_link() -> None:
    client, _ = _opened()
    _send(client, "a", "b", "c")
    client.tick(3.0)
    events = client.tick(60.0)
    assert isinstance(events[-1], Closed)
    assert client.abandon() == []


def test_an_answer_between_them_keeps_the_link() -> None:
    client, server = _opened()
    _send(client, "a", "b", now=0.0)
    client.tick(3.0)
    client.tick(60.0)
    (sequence,) = _send(client, "c", now=60.0)
    server.receive_data(client.data_to_send(), 60.0)
    server.answer(sequence, ID, 0)
    client.receive_data(server.data_to_send(), 61.0)
    _send(client, "d", now=61.0)
    client.tick(64.0)
    assert not any(isinstance(event, Closed) for event in client.tick(121.0))


def test_an_answer_to_nothing_is_told_and_harmless() -> None:
    client, _ = _opened()
    assert client.receive_data(encode(SubmitResp(77, ID, 0), V30), 0.0) == [Stray(77, ID, 0)]


def test_an_unreadable_answer_is_told_with_its_request() -> None:
    client, _ = _opened()
    (sequence,) = _send(client, "a")
    bad = (22).to_bytes(4, "big") + encode(SubmitResp(sequence, ID, 0), V30)[4:22]
    (event,) = client.receive_data(bad, 0.0)
    assert isinstance(event, Unreadable)
    assert event.token == "a"
    assert client.room == 4


def test_a_lost_link_names_what_was_not_answered() -> None:
    client, server = _opened()
    sequences = _send(client, "a", "b", "c")
    server.receive_data(client.data_to_send(), 0.0)
    server.answer(sequences[1], ID, 0)
    client.receive_data(server.data_to_send(), 0.0)
    assert client.abandon() == ["a", "c"]
    assert client.receive_data(encode(SubmitResp(sequences[0], ID, 0), V30), 0.0) == []


def test_a_delivery_is_answered_only_when_asked() -> None:
    client, server = _opened()
    sequence = server.next_sequence()
    deliver = Deliver(sequence, ID, "1069", "", 0, 0, 8, "13800138000", 0, 0, b"\0T", bytes(20))
    server.send_many([(sequence, encode(deliver, V30), "parcel")], 0.0)
    assert client.receive_data(server.data_to_send(), 0.0) == [Delivered(deliver)]
    assert client.data_to_send() == b""
    assert client.unacknowledged == 1
    client.acknowledge(sequence, ID)
    assert client.unacknowledged == 0
    assert server.receive_data(client.data_to_send(), 1.0) == [
        Answered("parcel", sequence, ID, 0, 0.0, False)
    ]


def test_a_report_may_come_before_the_answer() -> None:
    client, server = _opened()
    (sequence,) = _send(client, "a")
    server.receive_data(client.data_to_send(), 0.0)
    deliver = Deliver(5, ID, "1069", "", 0, 0, 0, "13800138000", 0, 1, bytes(71), bytes(20))
    octets = encode(deliver, V30) + encode(SubmitResp(sequence, ID, 0), V30)
    assert client.receive_data(octets, 0.0) == [
        Delivered(deliver),
        Answered("a", sequence, ID, 0, 0.0, False),
    ]


def test_a_delivery_that_cannot_be_read_is_refused_with_1_and_the_link_lives() -> None:
    client, _ = _opened()
    good = encode(Deliver(5, ID, "1069", "", 0, 0, 8, "", 0, 0, b"\0T", b""), V30)
    bad = good[:88] + b"\xff" + good[89:]
    (event,) = client.receive_data(bad, 0.0)
    assert isinstance(event, Malformed)
    assert decode(client.data_to_send(), V30) == DeliverResp(5, ID, 1)
    assert client.is_open


def test_a_submit_that_cannot_be_read_is_refused_with_1() -> None:
    client, server = _opened()
    frame = bytearray(_submit(9))
    frame[140] = 99
    (event,) = server.receive_data(bytes(frame), 0.0)
    assert isinstance(event, Malformed)
    assert decode(server.data_to_send(), V30) == SubmitResp(9, NO_ID, 1)
    assert client.is_open


def test_the_peers_test_is_answered_before_our_requests() -> None:
    client, _ = _opened()
    (sequence,) = _send(client, "a")
    client.receive_data(encode(ActiveTest(42), V30), 0.0)
    assert client.frames_to_send() == [encode(ActiveTestResp(42), V30), _submit(sequence)]


def test_silence_is_tested_and_then_ends_the_link_within_two_keep_alives() -> None:
    client, _ = _opened()
    assert client.tick(29.9) == []
    for moment in (30.0, 40.0, 50.0):
        assert client.tick(moment) == []
        (frame,) = _frames(client.data_to_send())
        assert isinstance(frame, ActiveTest)
        assert client.tick(moment + 0.1) == []
        assert client.data_to_send() == b""
    (event,) = client.tick(60.0)
    assert isinstance(event, Closed)


def test_an_answered_test_begins_the_silence_anew() -> None:
    client, server = _opened()
    client.tick(30.0)
    server.receive_data(client.data_to_send(), 30.0)
    client.receive_data(server.data_to_send(), 31.0)
    assert client.tick(60.9) == []
    assert client.data_to_send() == b""
    client.tick(61.0)
    assert client.data_to_send() != b""


def test_an_answer_to_a_test_without_its_octet_counts() -> None:
    client, _ = _opened()
    client.tick(30.0)
    (frame,) = _frames(client.data_to_send())
    short = (12).to_bytes(4, "big") + encode(ActiveTestResp(frame.sequence), V30)[4:12]
    assert client.receive_data(short, 30.5) == []
    assert client.tick(40.0) == []


def test_terminate_of_the_peer_is_answered_and_closes() -> None:
    client, _ = _opened()
    (event,) = client.receive_data(encode(Terminate(6), V30), 0.0)
    assert event == Closed("the peer said good-bye", by_peer=True)
    assert client.data_to_send() == encode(TerminateResp(6), V30)


def test_a_peer_that_sent_terminate_may_answer_what_is_out_first() -> None:
    client, _ = _opened()
    (first, _) = _send(client, "a", "b")
    client.data_to_send()
    assert client.receive_data(encode(Terminate(6), V30), 0.0) == []
    assert (client.room, client.data_to_send()) == (0, b"")
    (event,) = client.receive_data(encode(SubmitResp(first, ID, 0), V30), 0.2)
    assert event == Answered("a", first, ID, 0, 0.0, False)
    assert client.tick(0.9) == []
    (closed,) = client.tick(1.0)
    assert closed == Closed("the peer said good-bye", by_peer=True)
    assert client.data_to_send() == encode(TerminateResp(6), V30)
    assert client.abandon() == ["b"]


def test_the_last_answer_ends_the_wait_after_terminate() -> None:
    client, _ = _opened()
    (only,) = _send(client, "a")
    client.receive_data(encode(Terminate(6), V30), 0.0)
    events = client.receive_data(encode(SubmitResp(only, ID, 0), V30), 0.2)
    assert [type(event) for event in events] == [Answered, Closed]


def test_leaving_still_reads_answers_until_the_peer_has_answered() -> None:
    client, server = _opened()
    (sequence,) = _send(client, "a")
    server.receive_data(client.data_to_send(), 0.0)
    client.leave(1.0)
    assert client.room == 0
    assert client.receive_data(encode(SubmitResp(sequence, ID, 0), V30), 1.0) == [
        Answered("a", sequence, ID, 0, 0.0, False)
    ]
    server.receive_data(client.data_to_send(), 1.0)
    (event,) = client.receive_data(server.data_to_send(), 1.0)
    assert isinstance(event, Closed)


def test_leaving_ends_even_without_an_answer() -> None:
    client, _ = _opened()
    client.leave(1.0)
    assert client.tick(2.9) == []
    (event,) = client.tick(3.0)
    assert isinstance(event, Closed)


def test_an_unknown_command_is_told_and_not_answered() -> None:
    client, _ = _opened()
    octets = bytes.fromhex("0000000c0000009900000009")
    assert client.receive_data(octets, 0.0) == [Ignored(0x99, 9)]
    assert client.data_to_send() == b""
    assert client.is_open


def test_a_lost_framing_closes() -> None:
    client, _ = _opened()
    (event,) = client.receive_data(b"\xff\xff\xff\xff", 0.0)
    assert isinstance(event, Closed)
    assert client.receive_data(encode(ActiveTest(1), V30), 0.0) == []


@given(st.binary(max_size=400), st.booleans())
def test_garbage_never_raises_in_any_state(garbage: bytes, is_open: bool) -> None:
    client, server = _opened() if is_open else (_client(), _server())
    client.receive_data(garbage, 0.0)
    server.receive_data(garbage, 0.0)
    client.tick(1000.0)
    server.tick(1000.0)


@given(st.lists(st.integers(1, 7), min_size=1, max_size=60))
def test_a_session_understands_any_portions(sizes: list[int]) -> None:
    client, server = _opened()
    sequences = _send(client, "a", "b", "c")
    server.receive_data(client.data_to_send(), 0.0)
    for sequence in sequences:
        server.answer(sequence, ID, 0)
    octets, events = server.data_to_send(), []
    for size in [*sizes, len(octets)]:
        events += client.receive_data(octets[:size], 0.0)
        octets = octets[size:]
    assert [event[0] for event in events] == ["a", "b", "c"]
