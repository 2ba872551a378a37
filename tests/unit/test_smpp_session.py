"""An SMPP connection from both ends, without a socket: bind, window, keep-alive, refusals."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fzalert_sms.carrier.session import (
    Answered,
    Closed,
    Congested,
    Delivered,
    Event,
    Ignored,
    Limits,
    LoggedIn,
    Malformed,
    Opened,
    Overdue,
    Refused,
    State,
    Submitted,
    Unreadable,
)
from fzalert_sms.smpp.codec import (
    HEADER,
    BindResp,
    FrameBuffer,
    MessageResp,
    Plain,
    ShortMessage,
    decode,
    encode,
)
from fzalert_sms.smpp.codec import layout as c
from fzalert_sms.smpp.ids import IdRule, answered_id, reported_id
from fzalert_sms.smpp.session import ClientSession, Credentials, ServerSession
from fzalert_sms.smpp.texts import text_of, unpacked
from fzalert_sms.wire import Tlv
from fzalert_sms.wire.gsm7 import pack, to_septets

LIMITS = Limits(window=4, late_after=3, request_timeout=60, keep_alive=30, keep_alive_timeout=10)
SECRET = "secret08"


def _pair(
    secret: str = SECRET, command: int = c.BIND_TRANSCEIVER, version: int = 0x34, **more: Any
) -> tuple[ClientSession[str], ServerSession[str]]:
    credentials = Credentials("fzalert", secret, command, "CP", version)
    client: ClientSession[str] = ClientSession(credentials, limits=LIMITS, **more)
    server: ServerSession[str] = ServerSession({"fzalert": SECRET}, limits=LIMITS)
    client.login(0.0)
    server.start(0.0)
    return client, server


def _open(
    command: int = c.BIND_TRANSCEIVER, **more: Any
) -> tuple[ClientSession[str], ServerSession[str]]:
    client, server = _pair(command=command, **more)
    (event,) = server.receive_data(client.data_to_send(), 0.0)
    assert isinstance(event, LoggedIn)
    (opened,) = client.receive_data(server.data_to_send(), 0.0)
    assert isinstance(opened, Opened)
    return client, server


def _submit(sequence: int, command: int = c.SUBMIT_SM) -> ShortMessage:
    return ShortMessage(
        sequence, command, "", 0, 1, "1069", 1, 1, "8618900189000", 0, 0, 0, "", "", 1, 0, 8, 0,
        b"\0A",
    )  # fmt: skip


def _sent(client: ClientSession[str], name: str = "t") -> int:
    sequence = client.next_sequence()
    client.send_many([(sequence, encode(_submit(sequence)), name)], 0.0)
    return sequence


def _frames(octets: bytes) -> list[Any]:
    return [decode(frame) for frame in FrameBuffer().feed(octets)]


@pytest.mark.parametrize(
    ("account", "secret", "status"), [("fzalert", "guess", 0x0E), ("other", SECRET, 0x0F)]
)
def test_a_wrong_bind_is_refused_without_a_body_and_the_line_closed(
    account: str, secret: str, status: int
) -> None:
    client: ClientSession[str] = ClientSession(Credentials(account, secret), limits=LIMITS)
    server: ServerSession[str] = ServerSession({"fzalert": SECRET}, limits=LIMITS)
    client.login(0.0)
    (closed,) = server.receive_data(client.data_to_send(), 0.0)
    assert isinstance(closed, Closed)
    answer = server.data_to_send()
    assert len(answer) == HEADER.size
    refused, closed = client.receive_data(answer, 0.0)
    assert refused == Refused(status)
    assert isinstance(closed, Closed)
    assert client.is_closed


def test_a_bind_that_is_refused_by_generic_nack_is_refused() -> None:
    client, _ = _pair()
    client.data_to_send()
    refused, closed = client.receive_data(encode(Plain(1, c.GENERIC_NACK, 3)), 0.0)
    assert refused == Refused(3)
    assert isinstance(closed, Closed)


@pytest.mark.parametrize(
    ("asked", "told", "words"),
    [
        (0x34, b"\x50", "SMPP 3.4"),
        (0x50, b"\x34", "SMPP 3.4"),
        (0x50, b"\x50", "SMPP 5.0"),
        (0x34, b"", "SMPP 3.4"),
    ],
)
def test_the_lower_version_of_the_two_is_in_force(asked: int, told: bytes, words: str) -> None:
    client, _ = _pair(version=asked)
    client.data_to_send()
    fields = (Tlv(c.SC_INTERFACE_VERSION, told),) if told else ()
    answer = BindResp(1, c.BIND_TRANSCEIVER_RESP, 0, "SMSC", fields)
    (opened,) = client.receive_data(encode(answer), 0.0)
    assert isinstance(opened, Opened)
    assert client.words == words


def test_a_bind_answer_without_a_body_opens_the_line() -> None:
    client, _ = _pair()
    answer = HEADER.pack(HEADER.size, c.BIND_TRANSCEIVER_RESP, 0, 1)
    assert client.receive_data(answer, 0.0) == [Opened(0x34)]


def test_a_text_is_answered_by_its_sequence_and_the_window_is_kept() -> None:
    client, server = _open()
    sequences = [_sent(client, f"t{n}") for n in range(4)]
    assert client.room == 0
    with pytest.raises(RuntimeError):
        client.send_many([(99, b"", "x")], 0.0)
    events = server.receive_data(client.data_to_send(), 0.0)
    assert [type(event) for event in events] == [Submitted] * 4
    server.answer(sequences[2], b"77", 0)
    server.answer(sequences[0], b"", 0x58)
    assert client.receive_data(server.data_to_send(), 1.0) == [
        Answered("t2", sequences[2], b"77", 0, 0.0, False),
        Answered("t0", sequences[0], b"", 0x58, 0.0, False),
    ]
    assert client.room == 2
    assert client.tick(3.0) == [Overdue(f"t{n}", sequences[n]) for n in (1, 3)]
    server.answer(sequences[1], b"78", 0)
    (late,) = client.receive_data(server.data_to_send(), 4.0)
    assert isinstance(late, Answered)
    assert late.is_late


def test_the_sequence_begins_again_at_1_behind_the_highest() -> None:
    client, _ = _open(first_sequence=c.MAX_SEQUENCE - 1)
    assert [client.next_sequence() for _ in range(3)] == [c.MAX_SEQUENCE, 1, 2]


@pytest.mark.parametrize(
    ("answer", "carrier_id", "status"),
    [
        (HEADER.pack(16, c.SUBMIT_SM_RESP, 0x58, 2), b"", 0x58),
        (HEADER.pack(17, c.SUBMIT_SM_RESP, 0x58, 2) + b"\0", b"", 0x58),
        (HEADER.pack(20, c.SUBMIT_SM_RESP, 0x58, 2) + b"123\0", b"", 0x58),
        (HEADER.pack(16, c.SUBMIT_SM_RESP, 0, 2), b"", 0),
        (HEADER.pack(17, c.SUBMIT_SM_RESP, 0, 2) + b"\0", b"", 0),
        (HEADER.pack(20, c.SUBMIT_SM_RESP, 0, 2) + b"123\0", b"123", 0),
        (HEADER.pack(25, c.SUBMIT_SM_RESP, 0, 2) + b"123\0\x04\x28\0\1\5", b"123", 0),
    ],
)
def test_an_answer_is_read_with_and_without_a_body(
    answer: bytes, carrier_id: bytes, status: int
) -> None:
    client, _ = _open()
    assert _sent(client) == 2
    assert client.receive_data(answer, 1.0) == [Answered("t", 2, carrier_id, status, 0.0, False)]


def test_an_answer_that_cannot_be_read_leaves_the_text_unknown() -> None:
    client, _ = _open()
    _sent(client)
    (told,) = client.receive_data(HEADER.pack(19, c.SUBMIT_SM_RESP, 0, 2) + b"123", 1.0)
    assert isinstance(told, Unreadable)
    assert client.is_open


def test_how_full_the_centre_is_is_told_from_the_limit_on() -> None:
    client, server = _open(congested_at=60)
    seen: list[Event] = []
    for congestion in (59, 60):
        sequence = _sent(client)
        server.congestion = congestion
        server.answer(sequence, b"1", 0x58 if congestion == 60 else 0)
        seen += client.receive_data(server.data_to_send(), 1.0)
    assert [type(event) for event in seen] == [Answered, Answered, Congested]
    assert seen[-1] == Congested(60)


def test_generic_nack_of_a_text_refuses_that_text_alone() -> None:
    client, _ = _open()
    first, second = _sent(client, "a"), _sent(client, "b")
    (answer,) = client.receive_data(encode(Plain(first, c.GENERIC_NACK, 0x02)), 1.0)
    assert answer == Answered("a", first, b"", 0x02, 0.0, False)
    assert client.is_open
    assert client.unanswered == 1
    (answer,) = client.receive_data(encode(Plain(second, c.GENERIC_NACK, 0)), 1.0)
    assert isinstance(answer, Answered)
    assert answer.result == c.INVALID_COMMAND


@pytest.mark.parametrize("sequence", [0, 4711])
def test_generic_nack_of_nothing_of_ours_means_that_framing_is_lost(sequence: int) -> None:
    client, _ = _open()
    _sent(client)
    (closed,) = client.receive_data(encode(Plain(sequence, c.GENERIC_NACK, 0x02)), 1.0)
    assert isinstance(closed, Closed)
    assert "framing" in closed.reason
    assert client.abandon() == ["t"]


def test_generic_nack_of_a_question_or_of_an_acknowledgement_changes_nothing() -> None:
    client, server = _open()
    assert client.tick(30.0) == []
    (test,) = _frames(client.data_to_send())
    assert test.command == c.ENQUIRE_LINK
    refusal = encode(Plain(test.sequence, c.GENERIC_NACK, 3))
    assert client.receive_data(refusal, 30.0) == [Ignored(c.GENERIC_NACK, test.sequence)]
    server.send_many([(900, encode(_submit(900, c.DELIVER_SM)), "parcel")], 30.0)
    client.receive_data(server.data_to_send(), 30.0)
    client.acknowledge(900, b"")
    client.data_to_send()
    client.receive_data(encode(Plain(900, c.GENERIC_NACK, 3)), 30.0)
    assert client.is_open


def test_a_line_that_only_receives_may_not_submit_and_one_that_sends_gets_nothing() -> None:
    client, server = _open(c.BIND_RECEIVER)
    sequence = _sent(client)
    assert server.receive_data(client.data_to_send(), 0.0) == []
    answer, closed = client.receive_data(server.data_to_send(), 0.0)
    assert answer == Answered("t", sequence, b"", 0x04, 0.0, False)
    assert isinstance(closed, Closed)
    assert server.receives
    assert _open(c.BIND_TRANSCEIVER)[1].receives
    assert not _open(c.BIND_TRANSMITTER)[1].receives


def test_a_delivery_is_answered_once_the_owner_says_so() -> None:
    client, server = _open()
    frame = _submit(5, c.DELIVER_SM)
    server.send_many([(5, encode(frame), "parcel")], 0.0)
    assert client.receive_data(server.data_to_send(), 0.0) == [Delivered(frame)]
    assert client.unacknowledged == 1
    assert client.data_to_send() == b""
    client.acknowledge(5, b"")
    assert server.receive_data(client.data_to_send(), 0.0) == [
        Answered("parcel", 5, b"", 0, 0.0, False)
    ]


def test_silence_is_asked_about_both_ways_and_then_given_up() -> None:
    client, server = _open()
    for at, asking, answering in ((30.0, client, server), (60.0, server, client)):
        assert asking.tick(at - 0.1) == []
        assert asking.data_to_send() == b""
        assert asking.tick(at) == []
        answering.receive_data(asking.data_to_send(), at)
        (answer,) = _frames(answering.data_to_send())
        assert answer.command == c.ENQUIRE_LINK_RESP
        asking.receive_data(encode(answer), at)
    for at in (90.0, 100.0, 110.0):
        assert client.tick(at) == []
    (closed,) = client.tick(120.0)
    assert isinstance(closed, Closed)


def test_a_centre_that_unbinds_still_answers_what_it_owes() -> None:
    client, server = _open()
    sequence = _sent(client)
    server.receive_data(client.data_to_send(), 0.0)
    server.leave(0.0)
    assert client.receive_data(server.data_to_send(), 0.0) == []
    assert client.state is State.LEAVING
    server.answer(sequence, b"77", 0)
    answered, closed = client.receive_data(server.data_to_send(), 0.1)
    assert isinstance(answered, Answered)
    assert closed == Closed("the peer said good-bye", by_peer=True)
    assert server.receive_data(client.data_to_send(), 0.2) == [Closed("the good-bye was answered")]


def test_an_unknown_request_is_refused_and_an_unknown_answer_is_not() -> None:
    for session in _open():
        told = session.receive_data(HEADER.pack(16, 0x21, 0, 8), 0.0)
        assert told == [Ignored(0x21, 8)]
        assert _frames(session.data_to_send()) == [Plain(8, c.GENERIC_NACK, c.INVALID_COMMAND)]
        session.receive_data(HEADER.pack(16, 0x8000_0021, 0, 8), 0.0)
        assert session.data_to_send() == b""
        assert session.is_open


def test_a_request_that_cannot_be_read_is_refused_and_the_line_lives_on() -> None:
    _, server = _open()
    bad = encode(_submit(7))[:-9]
    bad = len(bad).to_bytes(4, "big") + bad[4:]
    (told,) = server.receive_data(bad, 0.0)
    assert isinstance(told, Malformed)
    assert _frames(server.data_to_send()) == [Plain(7, c.GENERIC_NACK, c.INVALID_LENGTH)]
    assert server.is_open


@pytest.mark.parametrize("length", [0, 15, 70_001, 0xFFFF_FFFF, 0x4745_5420])
def test_a_senseless_length_is_told_and_ends_the_line(length: int) -> None:
    client, _ = _open()
    (closed,) = client.receive_data(length.to_bytes(4, "big"), 0.0)
    assert isinstance(closed, Closed)
    assert _frames(client.data_to_send()) == [Plain(0, c.GENERIC_NACK, c.INVALID_LENGTH)]


def test_what_comes_before_the_bind_closes_the_line() -> None:
    server: ServerSession[str] = ServerSession({}, limits=LIMITS)
    (closed,) = server.receive_data(encode(_submit(1)), 0.0)
    assert isinstance(closed, Closed)


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_any_octets_close_the_line_or_are_told_but_never_raise(portions: list[bytes]) -> None:
    for session in _open():
        for portion in portions:
            for event in session.receive_data(portion, 1.0):
                assert isinstance(event, tuple)


@given(st.sampled_from(sorted(c.TLV_NAMES)), st.integers(0, 0x1FF), st.binary(max_size=40))
def test_any_body_of_any_command_never_raises(tag: int, command: int, body: bytes) -> None:
    body += tag.to_bytes(2, "big") + b"\0\1\x64"
    for session in _open(message_id="hex_to_dec"):
        sequence = session.next_sequence()
        session.send_many([(sequence, encode(_submit(sequence)), "t")], 0.0)
        for known in (command, command | c.RESPONSE):
            frame = HEADER.pack(HEADER.size + len(body), known, 0, sequence) + body
            session.receive_data(frame, 1.0)


def test_no_repr_shows_a_secret() -> None:
    assert SECRET not in repr(Credentials("fzalert", SECRET))


@pytest.mark.parametrize(
    ("rule", "answer", "receipt", "kept"),
    [
        ("as_is", b"0A1f", b"0A1f", b"0A1f"),
        ("lower", b"0A1F", b"0a1f", b"0a1f"),
        ("strip_zeros", b"000A1F", b"a1f", b"a1f"),
        ("strip_zeros", b"000", b"0", b"0"),
        ("hex_to_dec", b"1F", b"0031", b"31"),
        ("hex_to_dec", b"xyz", b"XYZ", b"xyz"),
        ("dec_to_hex", b"0031", b"001F", b"1f"),
        ("dec_to_hex", b"a-7", b"A-7", b"a-7"),
    ],
)
def test_an_id_has_one_form(rule: IdRule, answer: bytes, receipt: bytes, kept: bytes) -> None:
    assert answered_id(rule)(answer) == reported_id(rule)(receipt) == kept


@given(st.binary(max_size=200))
def test_any_id_is_read_and_an_id_stays_an_id(octets: bytes) -> None:
    for rule in ("as_is", "lower", "strip_zeros", "hex_to_dec", "dec_to_hex"):
        for read in (answered_id(rule), reported_id(rule)):
            assert bool(read(octets)) == bool(octets)


def test_an_id_of_thousands_of_digits_is_read_all_the_same() -> None:
    assert answered_id("dec_to_hex")(b"9" * 60_000)
    assert answered_id("hex_to_dec")(b"9" * 60_000)


@given(st.text(alphabet="ab @Ω5", min_size=1, max_size=160), st.booleans())
def test_packed_septets_are_read_as_they_were_written(text: str, has_header: bool) -> None:
    header = b"\5\0\3\7\2\1" if has_header else b""
    content = header + pack(to_septets(text), 1 if has_header else 0)
    read = unpacked(content, has_header=has_header)
    assert read[: len(header)] == header
    # An @ that ends on the last bit of an octet cannot be told from filling.
    assert text_of(read[len(header) :], 0) in (text, text.removesuffix("@"))


def test_a_foreign_message_resp_keeps_its_fields() -> None:
    resp = MessageResp(1, c.SUBMIT_SM_RESP, 0, "7", (Tlv(c.CONGESTION_STATE, b"\5"),))
    assert _frames(encode(resp)) == [resp]
