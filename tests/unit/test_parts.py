"""Cutting short messages: known lengths, and what holds for every text."""

import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fzalert.errors import InputError
from fzalert.messages import Coding
from fzalert.scripts import LIMITS, Limits, count, cut, units
from fzalert.scripts.graphemes import boundaries
from fzalert.scripts.parts import GSM7_BASIC, GSM7_EXTENDED

CASES = json.loads(
    (Path(__file__).parent.parent / "cases" / "scripts" / "parts.json").read_text(encoding="utf-8")
)
ALPHABET = CASES["gsm7_alphabet"]
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


def wire(part: str, coding: Coding) -> bytes:
    """Encode a part as it travels, from the alphabet of the case file, not of the code."""
    match coding:
        case Coding.UCS2:
            return part.encode("utf-16-be")
        case Coding.GB18030:
            return part.encode("gb18030")
        case Coding.ASCII:
            return part.encode("ascii")
        case Coding.GSM7:
            septets = b""
            for character in part:
                escaped = ALPHABET["extension"].get(character)
                if escaped is None:
                    septets += bytes([ALPHABET["basic"].index(character)])
                else:
                    septets += bytes.fromhex(escaped)
            return septets


@pytest.mark.parametrize("case", CASES["text"], ids=lambda case: case["id"])
def test_parts_are_cut_to_the_octets_that_travel(case: dict[str, object]) -> None:
    text, coding = str(case["text"]), Coding(str(case["coding"]))
    used, parts = cut(text, coding)
    assert used is coding
    assert [wire(part, used).hex() for part in parts] == case["parts_hex"]
    assert [len(wire(part, used)) for part in parts] == case["part_octets"]


@pytest.mark.parametrize("case", CASES["sms_length"], ids=lambda case: f"{case['utf16']} units")
def test_a_message_is_counted_in_utf16_units(case: dict[str, object]) -> None:
    counted = count(str(case["text"]))
    assert (counted.units, counted.parts) == (case["utf16"], case["segments"])


def test_the_gsm7_alphabet_is_that_of_the_standard() -> None:
    assert set(ALPHABET["basic"]) - {"\x1b"} == GSM7_BASIC
    assert set(ALPHABET["extension"]) == GSM7_EXTENDED


@pytest.mark.parametrize(
    ("text", "asked", "used"),
    [
        ("Hang up and call 110.", Coding.ASCII, Coding.ASCII),
        ("Hang up and call 110.", Coding.GSM7, Coding.GSM7),
        ("【County】Hang up.", Coding.ASCII, Coding.UCS2),
        ("【County】Hang up.", Coding.GSM7, Coding.UCS2),
        ("fiancé", Coding.ASCII, Coding.UCS2),
        ("fiancé", Coding.GSM7, Coding.GSM7),
        ("字" * 70, Coding.GB18030, Coding.GB18030),
        ("字" * 71, Coding.GB18030, Coding.UCS2),
        ("a" * 140, Coding.GB18030, Coding.GB18030),
        ("a" * 141, Coding.GB18030, Coding.UCS2),
    ],
)
def test_a_coding_that_cannot_carry_the_text_gives_way_to_ucs2_as_a_whole(
    text: str, asked: Coding, used: Coding
) -> None:
    assert cut(text, asked).coding is used


@pytest.mark.parametrize(("length", "parts"), [(159, 1), (160, 2), (306, 2), (307, 3)])
def test_ascii_stays_under_160_octets(length: int, parts: int) -> None:
    assert count("a" * length, Coding.ASCII).parts == parts


def test_a_gateway_may_take_shorter_parts() -> None:
    cut_short = cut("a" * 141, Coding.ASCII, limits=Limits(140, 134))
    assert [len(part) for part in cut_short.parts] == [134, 7]


def test_what_the_gateway_adds_is_kept_free_in_the_first_part() -> None:
    assert cut("字" * 62, Coding.UCS2, reserve_first=8).parts == ("字" * 62,)
    parts = cut("字" * 63, Coding.UCS2, reserve_first=8).parts
    assert [len(part) for part in parts] == [59, 4]
    counted = count("字" * 63, Coding.UCS2, reserve_first=8)
    assert (counted.units, counted.per_part, counted.limit) == (71, (67, 4), 67)
    assert count("字" * 62, Coding.GB18030, reserve_first=8).units == 140


def test_a_reserve_that_leaves_no_room_is_refused() -> None:
    with pytest.raises(InputError, match="no room"):
        cut("字" * 80, Coding.UCS2, reserve_first=67)


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(InputError, match="surrogate"):
        cut("a\ud83d", Coding.UCS2)


@pytest.mark.parametrize(
    "cluster",
    [
        "😀",
        "e\u0301",
        "\U0001f1e8\U0001f1f3",
        FAMILY,
        "👍\U0001f3fd",
        "각",
        "\u1100\u1161\u11a8",
        "\r\n",
        "☎\ufe0f",
    ],
    ids=ascii,
)
def test_a_cluster_is_never_divided(cluster: str) -> None:
    for before in range(60, 70):
        text = "字" * before + cluster + "字" * 80
        assert before in boundaries(text)
        parts = cut(text, Coding.UCS2).parts
        assert "".join(parts) == text
        assert sum(cluster in part for part in parts) == 1


def test_flags_are_kept_in_pairs() -> None:
    flag = "\U0001f1e8\U0001f1f3"
    parts = cut("字" + flag * 40, Coding.UCS2).parts
    assert all(
        part.removeprefix("字") == flag * (len(part.removeprefix("字")) // 2) for part in parts
    )


def test_a_cluster_longer_than_a_part_is_divided_between_code_points() -> None:
    parts = cut("字" + "a" + "\u0301" * 200, Coding.UCS2).parts
    assert all(units(part, Coding.UCS2) <= 67 for part in parts)
    assert parts[0] == "字"


@pytest.mark.parametrize("token", ["96110", "13800138000"[:10], "50,000.00元", "3万元", "a.cn"])
def test_a_number_or_an_amount_is_moved_whole_where_it_costs_little(token: str) -> None:
    text = "字" * 66 + token + "字" * 20
    first = cut(text, Coding.UCS2).parts[0]
    assert first == ("字" * 66 if token[0].isdigit() else text[:67])


def test_a_long_link_is_cut_where_the_part_ends() -> None:
    text = "字" * 40 + "https://example.invalid/" + "x" * 60
    assert cut(text, Coding.UCS2).parts[0] == text[:67]


def test_a_link_is_moved_whole_where_it_costs_little() -> None:
    text = "字" * 60 + "https://example.invalid/x"
    assert cut(text, Coding.UCS2).parts == ("字" * 60, "https://example.invalid/x")


EMOJI = st.sampled_from(
    ["😀", FAMILY, "e\u0301", "\U0001f1e8\U0001f1f3", "👍\U0001f3fd", "€{", "96110"]
)
TEXT = st.lists(st.one_of(st.text(max_size=40), EMOJI), max_size=40).map("".join)


@given(text=TEXT, coding=st.sampled_from(Coding), reserve=st.integers(0, 30))
def test_joined_parts_are_the_text_and_each_fits(text: str, coding: Coding, reserve: int) -> None:
    used, parts = cut(text, coding, reserve_first=reserve)
    assert "".join(parts) == text
    limit = LIMITS[used].single if len(parts) == 1 else LIMITS[used].multi
    lengths = [units(part, used) for part in parts]
    factor = 2 if used is Coding.GB18030 else 1
    assert lengths[0] + reserve * factor <= limit
    assert all(length <= limit for length in lengths)
    width = 2 if used is Coding.UCS2 else 1
    assert [len(wire(part, used)) for part in parts] == [length * width for length in lengths]


@given(text=TEXT)
def test_no_part_but_the_first_begins_with_a_mark_or_joiner(text: str) -> None:
    edges = boundaries(text)
    assert edges[0] == 0
    assert edges[-1] == len(text)
    assert edges == sorted(set(edges))
    for edge in edges[1:-1]:
        if text[edge - 1] >= " ":
            assert unicodedata.category(text[edge]) not in {"Mn", "Mc", "Me"}
            assert text[edge] != "\u200d"
