"""One spelling for every event."""

import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fzalert.errors import InputError
from fzalert.evidence import Json, canonical, loads, parse

CASES = json.loads((Path(__file__).parent.parent / "cases/evidence/canonical.json").read_text())


def nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            TEXT.map(lambda text: unicodedata.normalize("NFC", text)), inner, max_size=4
        )
    ),
    max_leaves=20,
)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_published_spellings(case: dict[str, Json]) -> None:
    assert canonical(case["value"]).decode() == case["text"]


@given(VALUES)
@example("\u1e9b\u0323")
def test_reading_and_writing_again_changes_nothing(value: Json) -> None:
    text = canonical(value)
    assert canonical(loads(text)) == text
    assert parse(text) == loads(text)


@given(st.binary(max_size=40) | TEXT.map(str.encode))
def test_garbage_raises_our_error_alone(text: bytes) -> None:
    try:
        parse(text)
    except InputError:
        return
    assert canonical(loads(text)) == text


@given(VALUES)
def test_another_spelling_is_no_canonical_one(value: Json) -> None:
    spaced = b" " + canonical(value)
    assert loads(spaced) == loads(canonical(value))
    with pytest.raises(InputError, match="canonical spelling"):
        parse(spaced)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (1.0, "float"),
        ({"a": [{"b": float("nan")}]}, r"\$\.a\[0\]\.b is a float"),
        (b"bytes", "bytes"),
        (2**53, r"beyond 2\*\*53"),
        (-(2**53), r"beyond 2\*\*53"),
        ("\ud83d", "half a character"),
        ({"e\u0301": 1, "\u00e9": 2}, "same text"),
        ({1: 2}, "not a text"),
        ({"set": {1}}, "no single spelling"),
    ],
)
def test_what_has_no_single_spelling_is_refused(value: Json, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        canonical(value)


@pytest.mark.parametrize(
    "text",
    [
        b"1.0",
        b"1e3",
        b"NaN",
        b"-Infinity",
        b'{"a":1,"a":1}',
        b"\xff",
        b'"\\ud83d"',
        b"9007199254740992",
        b"[" * 100_000,
        b"9" * 5000,
        b"",
        b"{}x",
    ],
)
def test_what_must_not_be_read_is_refused(text: bytes) -> None:
    with pytest.raises(InputError):
        loads(text)


def test_depth_has_an_end() -> None:
    value: Json = 1
    for _ in range(32):
        value = [value]
    assert canonical(value) == b"[" * 32 + b"1" + b"]" * 32
    with pytest.raises(InputError, match="32 levels"):
        canonical([value])
