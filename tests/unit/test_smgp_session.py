"""An SMGP connection from both ends, without a socket: login, window, keep-alive, good-bye."""

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
from fzalert_sms.smgp.codec import (
    HEADER,
    NO_ID,
    Deliver,
    FrameBuffer,
    Login,
    LoginResp,
    Submit,
    SubmitResp,
    decode,
    encode,
)
from fzalert_sms.smgp.codec import layout as c
from fzalert_sms.smgp.session import ClientSession, Credentials, ServerSession

LIMITS = Limits(window=4, late_after=3, request_timeout=60, keep_alive=30, keep_alive_timeout=10)
ID = bytes.fromhex("01006101161700012345")
WHEN = 1021080510
SECRET = "shared"


def _pair(secret: str = SECRET, mode: int = 2) -> tuple[ClientSession[str], ServerSession[str]]:
    client: ClientSession[str] = ClientSession(
        Credentials("35100001", secret, mode, is_strict=True), limits=LIMITS
    )
    server: ServerSession[str] = ServerSession({"35100001": "shared"}, limits=LIMITS)
    client.login(WHEN, 0.0)
    server.start(0.0)
    return client, server


def _open(mode: int = 2) -> tuple[ClientSession[str], ServerSession[str]]:
    client, server = _pair(mode=mode)
    (event,) = server.receive_data(client.data_to_send(), 0.0)
    assert isinstance(event, LoggedIn)
    assert client.receive_data(server.data_to_send(), 0.0) == [Opened(0x30)]
    assert client.words == "SMGP 3.0"
    return client, server


def _submit(sequence: int, **more: Any) -> Submit:
    plain = Submit(
        sequence, 6, 1, 1, "FZ", "00", "", "", 8, "", "", "118351000", "", ("18900189000",), b"\0A"
    )
    return plain._replace(**more)


def test_a_login_with_a_wrong_secret_is_refused_and_the_line_closed() -> None:
    client, server = _pair("wrong")
    (closed,) = server.receive_data(client.data_to_send(), 0.0)
    assert isinstance(closed, Closed)
    refused, closed = client.receive_data(server.data_to_send(), 0.0)
    assert refused == Refused(21)
    assert isinstance(closed, Closed)
    assert client.is_closed


def test_a_gateway_with_a_wrong_digest_is_left_where_strictness_is_asked_for() -> None:
    client, _ = _pair()
    client.data_to_send()
    (closed,) = client.receive_data(encode(LoginResp(1, 0, bytes(16), 0x30)), 0.0)
    assert isinstance(closed, Closed)
    assert "digest" in closed.reason


def test_a_text_is_answered_by_its_sequence_and_the_window_is_kept() -> None:
    client, server = _open()
    assert client.room == 4
    sequences = [client.next_sequence() for _ in range(4)]
    client.send_many([(s, encode(_submit(s)), f"t{s}") for s in sequences], 0.0)
    assert client.room == 0
    with pytest.raises(RuntimeError):
        client.send_many([(99, b"", "x")], 0.0)
    events = server.receive_data(client.data_to_send(), 0.0)
    assert [type(event) for event in events] == [Submitted] * 4
    server.answer(sequences[2], ID, 0)
    server.answer(sequences[0], NO_ID, 1)
    assert client.receive_data(server.data_to_send(), 1.0) == [
        Answered(f"t{sequences[2]}", sequences[2], ID, 0, 0.0, False),
        Answered(f"t{sequences[0]}", sequences[0], NO_ID, 1, 0.0, False),
    ]
    assert client.room == 2
    overdue = client.tick(3.0)
    assert overdue == [Overdue(f"t{s}", s) for s in (sequences[1], sequences[3])]
    server.answer(sequences[1], ID, 0)
    (late,) = client.receive_data(server.data_to_send(), 4.0)
    assert isinstance(late, Answered)
    assert late.is_late


def test_a_line_that_only_receives_may_not_submit() -> None:
    client, server = _open(mode=1)
    sequence = client.next_sequence()
    client.send_many([(sequence, encode(_submit(sequence)), "t")], 0.0)
    assert server.receive_data(client.data_to_send(), 0.0) == []
    (answer,) = client.receive_data(server.data_to_send(), 0.0)
    assert isinstance(answer, Answered)
    assert answer.result == 11
    assert server.receives
    assert not _open(mode=0)[1].receives


def test_a_delivery_is_answered_with_its_own_id_once_the_owner_says_so() -> None:
    client, server = _open()
    frame = Deliver(5, ID, 0, 8, "20261125030000", "18900189000", "118351000", b"\0A")
    server.send_many([(5, encode(frame), "parcel")], 0.0)
    assert client.receive_data(server.data_to_send(), 0.0) == [Delivered(frame)]
    assert client.unacknowledged == 1
    assert client.data_to_send() == b""
    client.acknowledge(5, ID)
    (answer,) = server.receive_data(client.data_to_send(), 0.0)
    assert answer == Answered("parcel", 5, ID, 0, 0.0, False)


def test_silence_is_asked_about_and_then_given_up() -> None:
    client, server = _open()
    assert client.tick(29.9) == []
    client.tick(30.0)
    (test,) = FrameBuffer().feed(client.data_to_send())
    assert test[:8] == HEADER.pack(12, c.ACTIVE_TEST, 0)[:8]
    server.receive_data(test, 30.0)
    client.receive_data(server.data_to_send(), 30.1)
    for at in (60.1, 70.1, 80.1):
        assert client.tick(at) == []
    (closed,) = client.tick(90.1)
    assert isinstance(closed, Closed)


def test_a_peer_that_says_good_bye_still_answers_what_it_owes() -> None:
    client, server = _open()
    sequence = client.next_sequence()
    client.send_many([(sequence, encode(_submit(sequence)), "t")], 0.0)
    server.receive_data(client.data_to_send(), 0.0)
    server.leave(0.0)
    assert client.receive_data(server.data_to_send(), 0.0) == []
    assert client.state is State.LEAVING
    server.answer(sequence, ID, 0)
    answered, closed = client.receive_data(server.data_to_send(), 0.1)
    assert isinstance(answered, Answered)
    assert closed == Closed("the peer said good-bye", by_peer=True)
    assert server.receive_data(client.data_to_send(), 0.2) == [Closed("the good-bye was answered")]


def test_a_frame_that_cannot_be_read_is_refused_and_the_line_lives_on() -> None:
    client, server = _open()
    bad = encode(_submit(7))[:-9]
    bad = len(bad).to_bytes(4, "big") + bad[4:]
    (told,) = server.receive_data(bad, 0.0)
    assert isinstance(told, Malformed)
    (frame,) = FrameBuffer().feed(server.data_to_send())
    assert decode(frame) == SubmitResp(7, NO_ID, 10)
    assert server.receive_data(HEADER.pack(12, 0x99, 8), 0.0) == [Ignored(0x99, 8)]
    assert client.is_open


def test_what_comes_before_the_login_closes_the_line() -> None:
    server: ServerSession[str] = ServerSession({}, limits=LIMITS)
    (closed,) = server.receive_data(encode(_submit(1)), 0.0)
    assert isinstance(closed, Closed)
    assert isinstance(decode(encode(Login(1, "1", bytes(16), 2, WHEN, 0x30))), Login)


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_any_octets_close_the_line_or_are_told_but_never_raise(portions: list[bytes]) -> None:
    client, server = _open()
    for session in (client, server):
        for portion in portions:
            for event in session.receive_data(portion, 1.0):
                assert isinstance(event, tuple)


def test_no_repr_shows_a_secret() -> None:
    assert "shared" not in repr(Credentials("35100001", "shared"))
