"""The pure parts of the service: targets, windows, keys, words for wrong calls."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fzalert.client import AnswerLost, decode_error
from fzalert.config import LimitSettings
from fzalert.errors import DuplicateKey, FzalertError, InputError, NotConnected, Retry, StoreFull
from fzalert.messages import Lane, TargetKind
from fzalert.service.calls import encode_error
from fzalert.service.models import WarnRequest
from fzalert.service.views import key_hash_of, parse_target
from fzalert.service.warnings import id_of
from fzalert.service.windows import window_of
from fzalert.service.wrong import where, wrong_call

HOUR = 3_600_000
MINUTE = 60_000
LIMITS = LimitSettings()


def at(hour: int, minute: int = 0) -> int:
    """A time of one day in China, milliseconds."""
    return (
        int(datetime(2026, 11, 24, tzinfo=UTC).timestamp() * 1000)
        + (hour - 8) * HOUR
        + (minute * MINUTE)
    )


@pytest.mark.parametrize(
    ("lane", "now", "expires_in", "window"),
    [
        (Lane.URGENT, at(12), None, (at(12), at(12, 10))),
        (Lane.URGENT, at(23), None, (at(23), at(23, 10))),
        (Lane.URGENT, at(23), 60.0, (at(23), at(23, 1))),
        (Lane.BULK, at(12), None, (at(12), at(36))),
        (Lane.BULK, at(22), None, (at(32), at(56))),
        (Lane.BULK, at(22), 11 * 3600.0, (at(32), at(33))),
        (Lane.BULK, at(20, 59), 60.0, (at(20, 59), at(21))),
    ],
)
def test_a_window(lane: Lane, now: int, expires_in: float | None, window: tuple[int, int]) -> None:
    assert window_of(LIMITS, lane, expires_in, now, personal=True) == window


def test_bulk_to_screens_knows_no_night() -> None:
    assert window_of(LIMITS, Lane.BULK, None, at(22), personal=False)[0] == at(22)


@pytest.mark.parametrize(("now", "expires_in"), [(at(22), 10 * 3600.0), (at(22), 60.0)])
def test_a_window_that_ends_in_the_night_is_refused(now: int, expires_in: float) -> None:
    with pytest.raises(InputError) as refused:
        window_of(LIMITS, Lane.BULK, expires_in, now, personal=True)
    assert refused.value.field == "expires_in"


@pytest.mark.parametrize("text", ["", "phone", "fax:1", ":", "PHONE:13800138000"])
def test_what_is_no_target_names_the_kinds(text: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_target(text)
    assert refused.value.field == "to"
    assert "phone" in refused.value.hint


def test_every_kind_of_target_is_read() -> None:
    for kind in TargetKind:
        address = {"phone": "13800138000", "mailbox": "a@b.example"}.get(str(kind), "lobby")
        assert parse_target(f"{kind}:{address}").kind is kind


@given(st.text())
def test_any_text_is_an_id_or_none(text: str) -> None:
    assert 0 <= id_of(text) < 2**63


@pytest.mark.parametrize("text", ["", "-1", "1.0", "٣", "1" * 20, "9" * 19])
def test_what_is_no_id_is_nobodys(text: str) -> None:
    assert id_of(text) in {0, 2**63 - 1}


def test_a_key_stands_for_all_of_the_request_but_itself() -> None:
    request = WarnRequest(script="generic", to=["display:lobby"], key="a")
    assert key_hash_of(request) == key_hash_of(request.model_copy(update={"key": "b"}))
    for change in (
        {"script": "x"},
        {"to": ["display:hall"]},
        {"lane": "bulk"},
        {"values": {"a": 1}},
    ):
        assert key_hash_of(request.model_copy(update=change)) != key_hash_of(request)


def test_a_wrong_call_names_the_field_and_never_the_value() -> None:
    with pytest.raises(ValidationError) as found:
        WarnRequest.model_validate(
            {"script": 7, "to": ["phone:13800138000", 13800138000], "lane": "fast", "x": "secret"}
        )
    error = wrong_call(found.value)
    assert error.field == "script"
    assert "lane" in str(error)
    assert "13800138000" not in str(error)
    assert "secret" not in str(error)


def test_where_an_error_was_raised_is_told_without_its_text() -> None:
    with pytest.raises(ZeroDivisionError) as found:
        _ = 1 // 0
    assert where(found.value).startswith("test_service_parts.py:")
    assert where(ValueError("secret")) == ""


@pytest.mark.parametrize(
    "error",
    [
        InputError("Wrong.", hint="Mend it.", field="to", row=7),
        DuplicateKey("Used.", field="key"),
        StoreFull("Full."),
        NotConnected("Gone.", hint="Start it."),
        FzalertError("Odd."),
    ],
)
def test_an_error_crosses_the_socket_whole(error: FzalertError) -> None:
    found = decode_error(encode_error(error))
    assert type(found) is type(error)
    assert str(found) == str(error)
    assert (found.retry, found.hint) == (error.retry, error.hint)
    for name in ("field", "row"):
        assert getattr(found, name, None) == getattr(error, name, None)


def test_an_unknown_error_is_still_one_of_ours() -> None:
    assert type(decode_error({"code": "from-the-future", "what": "x"})) is FzalertError
    assert AnswerLost("x").retry is Retry.ASK
