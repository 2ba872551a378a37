"""What real gateways write differently, as octets that were put together without our encoder."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fzalert_sms.carrier.inbox import target_of
from fzalert_sms.carrier.replies import MISSING, Piece, Replies
from fzalert_sms.carrier.reports import report_kind_of
from fzalert_sms.carrier.session import (
    Answered,
    Closed,
    Limits,
    Opened,
    Refused,
    State,
)
from fzalert_sms.carrier.texts import text_of
from fzalert_sms.cmpp.codec import V20, V30, Deliver, Layout, decode, decode_report
from fzalert_sms.cmpp.session import ClientSession, Credentials
from fzalert_sms.wire import Place, divide, moment_of

CASES = Path(__file__).parents[1] / "cases" / "cmpp"
LAYOUTS = {"cmpp20": V20, "cmpp30": V30}
TIMESTAMP = 1021080510


def _cases(name: str) -> list[Any]:
    rows: list[Any] = json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))
    return [pytest.param(row, id=row["id"]) for row in rows]


def _client(layout: Layout, **more: Any) -> ClientSession[str]:
    credentials = Credentials("901234", "1234", layout.version, **more)
    return ClientSession(credentials, limits=Limits(keep_alive=30), layout=layout)


def _opened(layout: Layout) -> ClientSession[str]:
    client = _client(layout)
    client.login(TIMESTAMP, 0.0)
    width = 4 if layout is V30 else 1
    body = bytes(width) + bytes(16) + bytes([layout.version])
    client.receive_data(_frame(0x80000001, 1, body), 0.0)
    assert client.state is State.OPEN
    client.data_to_send()
    return client


def _frame(command: int, sequence: int, body: bytes) -> bytes:
    words = (12 + len(body), command, sequence)
    return b"".join(word.to_bytes(4, "big") for word in words) + body


@pytest.mark.parametrize("case", _cases("deviant_reports"))
def test_a_report_is_read_as_far_as_it_goes(case: dict[str, Any]) -> None:
    frame = decode(bytes.fromhex(case["hex"]), LAYOUTS[case["protocol"]])
    assert isinstance(frame, Deliver)
    report = decode_report(frame.content)
    assert report is not None
    target = target_of(report.dest_terminal_id or frame.src_terminal_id)
    assert report.msg_id.hex() == "aaa052c1e2400315"
    assert {
        "stat": report.stat,
        "kind": report_kind_of(report.stat),
        "address": target.address if target is not None else "",
        "at": moment_of(report.done_time),
        "odd": report.is_odd,
    } == case["expect"]


@given(st.binary(min_size=0, max_size=140))
def test_any_content_is_a_report_from_35_octets_on(content: bytes) -> None:
    report = decode_report(content)
    assert (report is None) == (len(content) < 35)
    if report is not None:
        assert report.msg_id == content[:8]
        assert report.is_odd == (len(content) not in (60, 71))


@pytest.mark.parametrize("case", _cases("deviant_answers"))
def test_an_answer_is_read_by_its_length(case: dict[str, Any]) -> None:
    client = _opened(LAYOUTS[case["protocol"]])
    assert client.next_sequence() == 2
    client.send_many([(2, b"", "token")], 1.0)
    (event,) = client.receive_data(bytes.fromhex(case["hex"]), 2.0)
    msg_id = bytes.fromhex(case["expect"]["msg_id"])
    assert event == Answered("token", 2, msg_id, case["expect"]["result"], 1.0, False)


@pytest.mark.parametrize("case", _cases("deviant_tests"))
def test_an_answer_to_active_test_proves_life_in_either_length(case: dict[str, Any]) -> None:
    client = _opened(LAYOUTS[case["protocol"]])
    for now in (30.0, 40.0, 50.0):
        assert client.tick(now) == []
        assert len(client.data_to_send()) == 12
    assert client.receive_data(bytes.fromhex(case["hex"]), 59.0) == []
    assert client.tick(60.0) == []


@pytest.mark.parametrize("case", _cases("deviant_logins"))
def test_the_layout_is_that_of_the_answer(case: dict[str, Any]) -> None:
    client = _client(LAYOUTS[case["protocol"]])
    client.login(TIMESTAMP, 0.0)
    (event,) = client.receive_data(bytes.fromhex(case["hex"]), 0.0)
    assert isinstance(event, Opened)
    assert event.warning == case["expect"]["warning"]
    assert client.layout is {2: V20, 3: V30}[case["expect"]["layout"]]


def test_a_lower_version_is_refused_where_the_settings_say_so() -> None:
    (row,) = [
        case.values[0] for case in _cases("deviant_logins") if case.id == "connect_resp.20_asked_30"
    ]
    client = _client(V30, steps_down=False)
    client.login(TIMESTAMP, 0.0)
    refused, closed = client.receive_data(bytes.fromhex(row["hex"]), 0.0)
    assert refused == Refused(4)
    assert isinstance(closed, Closed)


@pytest.mark.parametrize("case", _cases("deviant_replies"))
def test_the_parts_of_a_reply_are_joined(case: dict[str, Any]) -> None:
    replies: Replies[int] = Replies(30.0, text_of)
    texts: list[str] = []
    tickets: list[int] = []
    for octets in case["hex"]:
        frame = decode(bytes.fromhex(octets), LAYOUTS[case["protocol"]])
        assert isinstance(frame, Deliver)
        place, content = divide(frame.content)
        if place is None or place.total == 1:
            texts.append(text_of(divide(frame.content)[1], frame.msg_fmt))
            tickets.append(frame.sequence)
            continue
        piece = Piece(frame.src_terminal_id, frame.dest_id, place, content, frame.msg_fmt)
        for reply in replies.add(piece, "link", frame.sequence, 0.0):
            assert reply.is_whole
            texts.append(reply.text)
            tickets.extend(reply.tickets)
    assert texts == [case["expect"]["text"]]
    assert len(tickets) == len(case["hex"])
    assert replies.waiting == 0


def _piece(number: int, text: str, *, total: int = 3, reference: int = 1) -> Piece:
    place = Place(reference, total, number)
    return Piece("13800138000", "1069", place, text.encode("utf-16-be"), 8)


def test_a_reply_that_stays_incomplete_is_given_out_after_a_time_and_says_so() -> None:
    replies: Replies[int] = Replies(30.0, text_of)
    assert replies.add(_piece(1, "甲"), "a", 1, 0.0) == []
    assert replies.add(_piece(3, "丙"), "b", 2, 10.0) == []
    assert replies.expired(29.9) == []
    (reply,) = replies.expired(30.0)
    assert (reply.text, reply.words, reply.is_whole) == (f"甲{MISSING}丙", "甲丙", False)
    assert reply.tickets == (1, 2)
    assert replies.waiting == 0


def test_a_part_that_comes_again_after_its_reply_brings_no_second_one() -> None:
    replies: Replies[int] = Replies(30.0, text_of)
    for number in (1, 2):
        replies.add(_piece(number, "甲"), "a", number, 0.0)
    (whole,) = replies.add(_piece(3, "丙"), "a", 3, 0.0)
    assert whole.text == "甲甲丙"
    (again,) = replies.add(_piece(1, "甲"), "a", 4, 70.0)
    assert (again.text, again.tickets) == ("", (4,))
    assert replies.add(_piece(1, "新"), "a", 5, 70.0) == [], "other words are another reply"
    assert replies.add(_piece(2, "甲"), "a", 6, 700.0) == [], "ten minutes later it is a new one"


def test_parts_of_a_lost_link_wait_for_their_new_tickets() -> None:
    replies: Replies[int] = Replies(30.0, text_of)
    replies.add(_piece(1, "甲", total=2), "lost", 1, 0.0)
    replies.add(_piece(1, "乙", total=2, reference=2), "lost", 2, 0.0)
    replies.add(_piece(2, "丙", total=3, reference=3), "kept", 3, 0.0)
    replies.forget("lost")
    assert replies.waiting == 1
    replies.add(_piece(1, "甲", total=2), "new", 4, 1.0)
    (reply,) = replies.add(_piece(2, "丁", total=2), "new", 5, 1.0)
    assert (reply.text, reply.tickets) == ("甲丁", (4, 5))


def test_replies_never_hold_more_than_half_of_the_gateways_window() -> None:
    replies: Replies[int] = Replies(30.0, text_of)
    given = []
    for reference in range(30):
        given += replies.add(_piece(1, "甲", reference=reference), "a", reference, 0.0)
    assert replies.waiting == 8
    assert [reply.tickets for reply in given] == [(n,) for n in range(22)]


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(1, 4), st.integers(1, 5), st.binary(max_size=8)),
        max_size=60,
    )
)
def test_every_ticket_is_given_back_once(parts: list[tuple[int, int, int, bytes]]) -> None:
    replies: Replies[int] = Replies(30.0, text_of)
    back: list[int] = []
    for ticket, (reference, total, number, octets) in enumerate(parts):
        piece = Piece("1", "2", Place(reference, total, min(number, total)), octets, 8)
        for reply in replies.add(piece, "link", ticket, float(ticket)):
            back.extend(reply.tickets)
    for reply in replies.expired(1e9):
        back.extend(reply.tickets)
    assert sorted(back) == list(range(len(parts)))


@given(st.binary(max_size=140))
def test_any_header_is_taken_off_without_a_fault(content: bytes) -> None:
    place, text = divide(content)
    assert content.endswith(text)
    if place is not None:
        assert 1 <= place.number <= place.total <= 255
