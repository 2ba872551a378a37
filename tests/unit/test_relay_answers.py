"""What a county answers, as a table; its documents may be anything."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fzalert.http import HttpAnswer
from fzalert.messages import Proof, ReceiptKind, ReportKind, Scope
from fzalert_post.relay.answers import FINAL, WAITS, read_answer, read_page, report_of

KIND = ReceiptKind


def answer(status: int, code: str = "", **headers: str) -> HttpAnswer:
    body = json.dumps({"code": code, "detail": "because"}).encode() if code else b"<html>"
    return HttpAnswer(status, {name.replace("_", "-"): v for name, v in headers.items()}, body)


@pytest.mark.parametrize(
    ("status", "code", "kind", "scope", "known"),
    [
        *((422, code, KIND.PERMANENT, Scope.MESSAGE, True) for code in sorted(FINAL)),
        *((403, code, KIND.CHANNEL_DOWN, Scope.CHANNEL, True) for code in sorted(WAITS)),
        (503, "store-full", KIND.CHANNEL_DOWN, Scope.CHANNEL, True),
        (503, "stopping", KIND.CHANNEL_DOWN, Scope.CHANNEL, True),
        (503, "fate-unknown", KIND.UNKNOWN, Scope.MESSAGE, True),
        (503, "", KIND.UNKNOWN, Scope.MESSAGE, True),
        (502, "", KIND.UNKNOWN, Scope.MESSAGE, True),
        (500, "unexpected", KIND.UNKNOWN, Scope.MESSAGE, True),
        (429, "branch-limit", KIND.THROTTLED, Scope.CHANNEL, True),
        (408, "slow-body", KIND.TEMPORARY, Scope.MESSAGE, True),
        (404, "", KIND.PERMANENT, Scope.CHANNEL, False),
        (302, "", KIND.PERMANENT, Scope.CHANNEL, False),
        (200, "", KIND.UNKNOWN, Scope.MESSAGE, False),
        (202, "", KIND.UNKNOWN, Scope.MESSAGE, False),
    ],
)
def test_every_answer_has_its_reading(
    status: int, code: str, kind: ReceiptKind, scope: Scope, *, known: bool
) -> None:
    receipt, is_known = read_answer(answer(status, code))
    assert (receipt.kind, receipt.scope, is_known) == (kind, scope, known)
    assert receipt.code
    assert receipt.detail


def test_a_limit_says_how_long_to_wait() -> None:
    receipt, _ = read_answer(answer(429, "branch-limit", retry_after="90"))
    assert receipt.retry_after == 90


def test_taken_names_the_countys_id() -> None:
    body = json.dumps({"message": "95943200076726272", "warning": "1"}).encode()
    receipt, is_known = read_answer(HttpAnswer(202, {}, body))
    assert (receipt.kind, receipt.carrier_id) == (KIND.SENT, b"95943200076726272")
    assert (receipt.proof, is_known) == (Proof.TAKEN, True)


@given(status=st.integers(200, 599), body=st.binary(max_size=60))
def test_no_answer_breaks_the_reading_and_none_is_taken_for_sent(status: int, body: bytes) -> None:
    receipt, _ = read_answer(HttpAnswer(status, {}, body))
    assert receipt.kind is not KIND.SENT


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=6,
)


@given(page=JSON | st.fixed_dictionaries({"store": st.text(), "items": st.lists(JSON)}))
def test_a_page_of_anything_is_a_page_or_a_value_error(page: object) -> None:
    try:
        found = read_page(json.dumps(page).encode())
    except ValueError:
        return
    for item in found.items:
        report_of(item)
    assert found.last >= 0 or found.items


def test_a_fate_is_a_report() -> None:
    fate = {"seq": 7, "message": "9", "word": "shown", "proof": "observed", "at": 5, "code": "x"}
    report = report_of(fate)
    assert report is not None
    assert (report.kind, report.carrier_id) == (ReportKind.SHOWN, b"9")
    assert (report.proof, report.at, report.code) == (Proof.OBSERVED, 5, "x")
    assert report_of({**fate, "word": "teleported"}) is None
    assert report_of({**fate, "proof": "believed"}) is None
