"""HTTP statuses of a receiver against the six receipts."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fzalert.http import HttpAnswer
from fzalert.messages import Receipt, ReceiptKind, Scope
from fzalert_post.statuses import classify, is_mapped, retry_after

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


def read(status: int, *, deduplicates: bool = False, **headers: str) -> Receipt:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return classify(HttpAnswer(status, named, b""), deduplicates=deduplicates, now=NOW)


@pytest.mark.parametrize(
    ("status", "kind", "scope"),
    [
        (200, ReceiptKind.SENT, Scope.MESSAGE),
        (204, ReceiptKind.SENT, Scope.MESSAGE),
        (302, ReceiptKind.PERMANENT, Scope.BINDING),
        (400, ReceiptKind.PERMANENT, Scope.MESSAGE),
        (401, ReceiptKind.PERMANENT, Scope.BINDING),
        (403, ReceiptKind.PERMANENT, Scope.BINDING),
        (404, ReceiptKind.PERMANENT, Scope.RECIPIENT),
        (408, ReceiptKind.TEMPORARY, Scope.MESSAGE),
        (409, ReceiptKind.PERMANENT, Scope.MESSAGE),
        (422, ReceiptKind.PERMANENT, Scope.MESSAGE),
        (429, ReceiptKind.THROTTLED, Scope.CHANNEL),
        (500, ReceiptKind.TEMPORARY, Scope.MESSAGE),
        (502, ReceiptKind.UNKNOWN, Scope.MESSAGE),
        (503, ReceiptKind.TEMPORARY, Scope.RECIPIENT),
        (504, ReceiptKind.UNKNOWN, Scope.MESSAGE),
        (418, ReceiptKind.PERMANENT, Scope.MESSAGE),
        (599, ReceiptKind.PERMANENT, Scope.MESSAGE),
        (101, ReceiptKind.UNKNOWN, Scope.MESSAGE),
        (999, ReceiptKind.UNKNOWN, Scope.MESSAGE),
    ],
)
def test_the_table(status: int, kind: ReceiptKind, scope: Scope) -> None:
    receipt = read(status)
    assert (receipt.kind, receipt.scope, receipt.code) == (kind, scope, str(status))
    assert receipt.detail or kind is ReceiptKind.SENT


def test_a_receiver_that_promised_to_act_once_says_so_with_409() -> None:
    assert read(409, deduplicates=True).kind is ReceiptKind.SENT


def test_the_pause_that_was_asked_for_is_passed_on() -> None:
    assert read(429, retry_after="7").retry_after == 7
    assert read(503, retry_after="Tue, 24 Nov 2026 10:01:00 GMT").retry_after == 60
    assert read(429).retry_after == 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("99999999999999", 86_400),
        ("-1", 0),
        ("soon", 0),
        ("Tue, 24 Nov 2026 09:00:00 GMT", 0),
        ("Tue, 24 Nov 2099 09:00:00 GMT", 86_400),
        ("Tue, 24 Nov 2026 10:01:00", 0),
        ("٣", 0),
    ],
)
def test_a_pause_is_sane(text: str, seconds: float) -> None:
    assert retry_after(text, NOW) == seconds


@given(st.text(max_size=40))
def test_garbage_for_a_pause_is_none(text: str) -> None:
    assert 0 <= retry_after(text, NOW) <= 86_400


@given(st.integers(100, 999))
def test_only_the_2xx_are_sent_and_the_unmapped_are_known_as_such(status: int) -> None:
    assert (read(status).kind is ReceiptKind.SENT) == (200 <= status < 300)
    if not is_mapped(status) and status < 600:
        assert read(status).kind in {ReceiptKind.PERMANENT, ReceiptKind.UNKNOWN}
