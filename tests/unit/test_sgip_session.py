"""SGIP connections from both ends, without a socket: both directions, sequences, good-bye."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fzalert_sms.carrier.session import (
    Answered,
    Closed,
    Delivered,
    Ignored,
    Limits,
    LoggedIn,
    Malformed,
    Opened,
    Overdue,
    Refused,
    State,
    Submitted,
)
from fzalert_sms.sgip.codec import (
    HEADER,
    Bind,
    BindResp,
    FrameBuffer,
    Report,
    ReportResp,
    Sequence,
    Submit,
    SubmitResp,
    Trace,
    Unbind,
    UnbindResp,
    UserRpt,
    decode,
    encode,
)
from fzalert_sms.sgip.codec import layout as c
from fzalert_sms.sgip.session import (
    ClientSession,
    Credentials,
    Door,
    InboundSession,
    PushSession,
    Sequences,
    ServerSession,
)

LIMITS = Limits(window=4, late_after=3, request_timeout=30, keep_alive=300, grace=1)
NODE = 3053100123
NOW = 1_795_575_600_000  # 2026-11-25 11:00 in Beijing
SECRET = "shared"


def _sequences(node: int = NODE, slot: int = 0, at: int = NOW) -> Sequences:
    return Sequences(node, slot, lambda: at)


def _open() -> tuple[ClientSession[str], ServerSession[str]]:
    client: ClientSession[str] = ClientSession(
        Credentials("fzalert", SECRET), _sequences(), limits=LIMITS
    )
    server: ServerSession[str] = ServerSession(
        {"fzalert": SECRET}, _sequences(105310), limits=LIMITS
    )
    client.login(0.0)
    server.start(0.0)
    (event,) = server.receive_data(client.data_to_send(), 0.0)
    assert isinstance(event, LoggedIn)
    assert client.receive_data(server.data_to_send(), 0.0) == [Opened(0x12)]
    return client, server


def _inbound(
    *, secret: str = SECRET, kind: int = 2
) -> tuple[InboundSession[str], PushSession[str], list[Any]]:
    """Our listener's session, the gateway's, and what the login said."""
    ours: InboundSession[str] = InboundSession(Door("gateway", SECRET), _sequences(), limits=LIMITS)
    theirs: PushSession[str] = PushSession("fzalert", _sequences(105310), limits=LIMITS)
    ours.start(0.0)
    theirs.login("gateway", secret, 0.0, kind)
    events = ours.receive_data(theirs.data_to_send(), 0.0)
    return ours, theirs, events


def _submit(sequence: Sequence) -> Submit:
    return Submit(
        sequence, "10655000", "0" * 21, ("8618600186000",), "00123", "FZ", 1, "0", "0", 0, 2, 0,
        "", "", 1, 0, 0, 8, 0, b"\0A",
    )  # fmt: skip


def test_a_text_is_answered_by_its_sequence_which_is_its_key() -> None:
    client, server = _open()
    sequences = [client.next_sequence() for _ in range(2)]
    client.send_many([(s, encode(_submit(s)), f"t{s.counter}") for s in sequences], 0.0)
    events = server.receive_data(client.data_to_send(), 0.0)
    assert events == [Submitted(_submit(s)) for s in sequences]
    server.answer(sequences[1], b"", 0)
    (answer,) = client.receive_data(server.data_to_send(), 1.0)
    key = sequences[1].pack()
    token = f"t{sequences[1].counter}"
    assert answer == Answered(token, sequences[1], key, 0, 0.0, False)
    assert client.key(NOW, 0, sequences[1]) == key
    assert client.again(key) == sequences[1]


def test_a_repeated_sequence_is_taken_only_where_we_sent_it_again() -> None:
    client, _ = _open()
    first, second = client.next_sequence(), client.next_sequence()
    client.send_many([(s, encode(_submit(s)), "t") for s in (first, second)], 0.0)
    assert client.tick(3.0) == [Overdue("t", first), Overdue("t", second)]
    assert client.again(first.pack()) == first
    client.send_many([(first, encode(_submit(first)), "again")], 4.0)
    assert client.unanswered == 2, "the one that went out again takes the place of the first"
    answers = encode(SubmitResp(first, 9)) + encode(SubmitResp(second, 9))
    assert client.receive_data(answers, 5.0) == [
        Answered("again", first, first.pack(), 0, 4.0, False),
        Answered("t", second, second.pack(), 9, 0.0, True),
    ]


@pytest.mark.parametrize("key", [b"", b"13 octets, no", Sequence(1, 2, 3).pack()])
def test_a_key_that_is_not_ours_is_not_used_again(key: bytes) -> None:
    client, _ = _open()
    assert client.again(key) is None


def test_a_refused_login_closes_the_line() -> None:
    client: ClientSession[str] = ClientSession(
        Credentials("fzalert", "wrong"), _sequences(), limits=LIMITS
    )
    server: ServerSession[str] = ServerSession(
        {"fzalert": SECRET}, _sequences(105310), limits=LIMITS
    )
    client.login(0.0)
    server.receive_data(client.data_to_send(), 0.0)
    refused, closed = client.receive_data(server.data_to_send(), 0.0)
    assert refused == Refused(1)
    assert isinstance(closed, Closed)


def test_no_keep_alive_is_ever_sent() -> None:
    client, _ = _open()
    for at in range(1, 7200, 60):
        assert client.tick(float(at)) == []
    assert client.data_to_send() == b""


def test_a_good_bye_is_answered_however_the_peer_writes_the_answer() -> None:
    client, _ = _open()
    client.leave(1.0)
    (frame,) = FrameBuffer().feed(client.data_to_send())
    said = decode(frame)
    assert isinstance(said, Unbind)
    answer = HEADER.pack(29, c.UNBIND_RESP, *said.sequence) + bytes(9)
    (closed,) = client.receive_data(answer, 1.1)
    assert isinstance(closed, Closed)


def test_deliveries_are_answered_once_the_owner_says_so_and_before_the_good_bye() -> None:
    ours, theirs, events = _inbound()
    assert isinstance(events[0], LoggedIn)
    assert theirs.receive_data(ours.data_to_send(), 0.0) == [Opened(0x12)]
    about, sequence = Sequence(NODE, 1125110000, 5), theirs.next_sequence()
    report = Report(sequence, about, 0, "8618600186000", 0, 0)
    theirs.send_many([(sequence, encode(report), "parcel")], 0.0)
    theirs.leave(0.0)
    assert ours.receive_data(theirs.data_to_send(), 0.0) == [Delivered(report)]
    assert ours.data_to_send() == b""
    assert ours.tick(0.5) == []
    ours.acknowledge(sequence, c.REPORT.to_bytes(4, "big"))
    (closed,) = ours.tick(0.6)
    assert isinstance(closed, Closed)
    first, second = (decode(f) for f in FrameBuffer().feed(ours.data_to_send()))
    assert first == ReportResp(sequence, 0)
    assert isinstance(second, UnbindResp)


def test_a_good_bye_does_not_wait_for_ever() -> None:
    ours, theirs, _ = _inbound()
    theirs.receive_data(ours.data_to_send(), 0.0)
    sequence = theirs.next_sequence()
    report = Report(sequence, Sequence(NODE, 1, 5), 0, "8618600186000", 0, 0)
    theirs.send_many([(sequence, encode(report), "parcel")], 0.0)
    theirs.leave(0.0)
    ours.receive_data(theirs.data_to_send(), 0.0)
    (closed,) = ours.tick(1.1)
    assert isinstance(closed, Closed)
    assert theirs.abandon() == ["parcel"]


@pytest.mark.parametrize(("more", "result"), [({"secret": "wrong"}, 1), ({"kind": 3}, 4)])
def test_a_gateway_with_a_wrong_login_is_told_and_closed(more: Any, result: int) -> None:
    ours, theirs, events = _inbound(**more)
    assert events[0] == Refused(result)
    assert ours.is_closed
    refused, _ = theirs.receive_data(ours.data_to_send(), 0.0)
    assert refused == Refused(result)


def test_a_gateway_that_does_not_bind_in_time_is_closed() -> None:
    ours: InboundSession[str] = InboundSession(Door("gateway", SECRET), _sequences(), limits=LIMITS)
    ours.start(0.0)
    assert ours.tick(29.9) == []
    (closed,) = ours.tick(30.0)
    assert isinstance(closed, Closed)


def test_what_nobody_expects_is_refused_with_its_result() -> None:
    ours, theirs, _ = _inbound()
    theirs.receive_data(ours.data_to_send(), 0.0)
    sequence = Sequence(105310, 1, 9)
    assert ours.receive_data(encode(_submit(sequence)), 0.0) == [Ignored(c.SUBMIT, sequence)]
    assert ours.receive_data(encode(SubmitResp(sequence, 0)), 0.0) != []  # dropped
    ours.receive_data(encode(Bind(sequence, 2, "gateway", SECRET)), 0.0)
    bad = encode(UserRpt(sequence, "1", "2", 0))[:-1]
    (told,) = ours.receive_data(len(bad).to_bytes(4, "big") + bad[4:], 0.0)
    assert isinstance(told, Malformed)
    refused, bound, unread = (decode(f) for f in FrameBuffer().feed(ours.data_to_send()))
    assert refused == SubmitResp(sequence, 7)
    assert bound == BindResp(sequence, 2)
    assert unread is not None
    assert ours.is_open


def test_a_silent_gateway_is_closed_in_the_end() -> None:
    ours, theirs, _ = _inbound()
    theirs.receive_data(ours.data_to_send(), 0.0)
    assert ours.tick(299.0) == []
    (closed,) = ours.tick(300.0)
    assert isinstance(closed, Closed)


def test_a_question_for_a_text_is_answered_by_the_simulated_gateway() -> None:
    client, server = _open()
    sequence = client.next_sequence()
    server.receive_data(encode(Trace(sequence, sequence, "8618600186000")), 0.0)
    assert server.data_to_send() != b""
    assert server.state is State.OPEN


# Sequences.


def test_a_sequence_names_node_second_and_count() -> None:
    one = _sequences().next()
    assert (one.node, one.moment) == (NODE, 1125110000)


def test_no_sequence_comes_twice_of_any_line_or_after_a_restart_in_the_same_second() -> None:
    seen: set[Sequence] = set()
    for restart in range(20):  # a process that lives three milliseconds, at 1,000 texts each
        for slot in (0, 1, 15):
            sequences = _sequences(slot=slot, at=NOW + 3 * restart)
            for _ in range(1000):
                sequence = sequences.next()
                assert sequence not in seen
                assert 0 <= sequence.counter < 1 << 32
                seen.add(sequence)


def test_a_clock_that_is_set_back_repeats_nothing() -> None:
    at = NOW
    sequences = Sequences(NODE, 0, lambda: at)
    seen = {sequences.next() for _ in range(100)}
    at = NOW - 5000
    seen |= {sequences.next() for _ in range(100)}
    at = NOW
    seen |= {sequences.next() for _ in range(100)}
    assert len(seen) == 300


# Hostile octets.


@given(st.lists(st.binary(max_size=80), max_size=10))
def test_any_octets_close_the_line_or_are_told_but_never_raise(portions: list[bytes]) -> None:
    client, server = _open()
    ours, theirs, _ = _inbound()
    theirs.receive_data(ours.data_to_send(), 0.0)
    fresh: InboundSession[str] = InboundSession(
        Door("gateway", SECRET), _sequences(), limits=LIMITS
    )
    for session in (client, server, ours, theirs, fresh):
        for portion in portions:
            for event in session.receive_data(portion, 1.0):
                assert isinstance(event, tuple)


def test_no_repr_shows_a_secret() -> None:
    assert SECRET not in repr(Credentials("fzalert", SECRET))
    assert SECRET not in repr(Door("gateway", SECRET))
    assert SECRET not in repr(Bind(Sequence(1, 2, 3), 1, "fzalert", SECRET))
    assert SECRET not in repr(LoggedIn(Bind(Sequence(1, 2, 3), 1, "fzalert", SECRET)))
