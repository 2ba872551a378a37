"""A mail as it travels: readable, marked, and with nothing smuggled in."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fzalert.errors import InputError
from fzalert.messages import Mail, mailbox
from fzalert.testing import SCRIPT
from fzalert_mail.compose import compose

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HEADERS = {
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "auto-submitted",
    "content-type",
    "content-transfer-encoding",
    "mime-version",
}


def written(
    subject: str, body: str, *, drill: bool = False, to: str = "li.wei@bank.example"
) -> bytes:
    return compose(
        Mail(subject, body, SCRIPT, drill),
        id=7,
        part=0,
        sender="warn@police.example",
        sender_name="反诈中心",
        address=to,
        at=NOON,
    )


def read(text: bytes) -> EmailMessage:
    message = message_from_bytes(text, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def test_a_mail_reads_as_it_was_written() -> None:
    message = read(written("反诈预警", "请立即停止转账。\n.\n拨打96110\n"))
    assert message["Subject"] == "反诈预警"
    assert message["From"] == "反诈中心 <warn@police.example>"
    assert message["To"] == "li.wei@bank.example"
    assert message["Message-ID"] == "<7.0@police.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"] == "Tue, 24 Nov 2026 12:00:00 +0000"
    assert message.get_content().replace("\r\n", "\n") == "请立即停止转账。\n.\n拨打96110\n"


def test_a_drill_is_marked_once() -> None:
    assert read(written("预警", "x", drill=True))["Subject"] == "【演练】预警"
    assert read(written("【演练】预警", "x", drill=True))["Subject"] == "【演练】预警"


@pytest.mark.parametrize(
    "subject",
    ["a\r\nBcc: x@y.example", "a\nb", "a\rb", "a\u2028b", "a\x85b", "a\x00", "a\x0bb", "\ud800"],
)
def test_a_subject_of_two_lines_is_refused(subject: str) -> None:
    with pytest.raises(ValueError, match="subject"):
        written(subject, "x")


@pytest.mark.parametrize("address", ["李@bank.example", "a..b@bank.example", "a(b@bank.example"])
def test_an_address_that_no_mail_carries_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(ValueError, match="address") as caught:
        written("x", "x", to=mailbox(address).address)
    assert address not in str(caught.value)


@given(st.text(max_size=60), st.text(max_size=200), st.text(min_size=1, max_size=20))
def test_whatever_is_written_has_our_headers_alone(subject: str, body: str, local: str) -> None:
    try:
        address = mailbox(f"{local}@bank.example").address
    except InputError:
        assume(False)
        return
    try:
        text = written(subject, body, to=address)
    except ValueError:
        return
    assert text.isascii()
    assert all(len(line) <= 998 for line in text.split(b"\r\n"))
    assert b"\n" not in text.replace(b"\r\n", b"")
    message = read(text)
    assert {name.lower() for name in message} == HEADERS
    assert message["To"].addresses[0].addr_spec == address
