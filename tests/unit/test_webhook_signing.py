"""The webhook's signature: published bytes, and every way to play a request again."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fzalert_post.signing import signature, verify

CASES = Path(__file__).parent.parent / "cases" / "webhook"
SENT = json.loads((CASES / "signature.json").read_text(encoding="utf-8"))
REPLAYS = json.loads((CASES / "replay.json").read_text(encoding="utf-8"))


def test_the_published_signature() -> None:
    made = signature(
        SENT["secret"].encode(), SENT["timestamp"], SENT["nonce"], SENT["body"].encode()
    )
    assert made == SENT["signature"]


@pytest.mark.parametrize("case", REPLAYS, ids=[case["name"] for case in REPLAYS])
def test_a_request_is_accepted_once_and_only_as_it_was_sent(case: dict[str, Any]) -> None:
    sent = {**SENT, **case.get("change", {})}
    headers = {
        "fz-timestamp": sent["timestamp"],
        "fz-nonce": sent["nonce"],
        "fz-signature": sent["signature"],
    }
    seen = {nonce: float(case["now"]) for nonce in case.get("seen", [])}
    before = dict(seen)
    accepted = verify(
        sent["secret"].encode(), headers, sent["body"].encode(), now=case["now"], seen=seen
    )
    assert accepted == case["accepted"]
    assert accepted or seen == before, "what is refused leaves nothing behind"


def test_old_nonces_are_forgotten() -> None:
    seen = {"old": 0.0}
    headers = {"fz-timestamp": "1000", "fz-nonce": "n"}
    headers["fz-signature"] = signature(b"s", "1000", "n", b"")
    assert verify(b"s", headers, b"", now=1000, seen=seen)
    assert list(seen) == ["n"]


@given(st.dictionaries(st.sampled_from(["fz-timestamp", "fz-nonce", "fz-signature"]), st.text()))
def test_nonsense_is_refused(headers: dict[str, str]) -> None:
    assert not verify(b"secret", headers, b"{}", now=1000, seen={})


@given(st.text(max_size=12))
def test_a_signed_time_that_is_none_is_refused(timestamp: str) -> None:
    try:
        headers = {"fz-timestamp": timestamp, "fz-nonce": "n"}
        headers["fz-signature"] = signature(b"s", timestamp, "n", b"")
    except UnicodeEncodeError:
        return
    accepted = verify(b"s", headers, b"", now=1000, seen={})
    assert not accepted or abs(int(timestamp) - 1000) <= 300
