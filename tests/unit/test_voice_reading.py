"""Digits and letters that slipped into a spoken text are said one by one."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fzalert_voice.reading import read_digits, read_phone, spoken

CASES = json.loads((Path(__file__).parents[1] / "cases/voice/reading.json").read_bytes())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["input"])
def test_the_published_readings(case: dict[str, str]) -> None:
    read = spoken if case["type"] == "latin" else read_phone
    assert read(case["input"]) == case["expected"]


def test_numbers_are_found_inside_a_sentence() -> None:
    assert spoken("请拨打96110，或110。") == "请拨打九六幺幺零，或幺幺零。"
    assert spoken("找13800138000问") == "找幺三八，零零幺三，八零零零问"
    assert spoken("９５５８８") == "九五五八八"


def test_a_card_number_is_never_read_in_full() -> None:
    said = spoken("卡号6222021234567890123。")
    assert said == "卡号尾号零幺二三。"


@given(st.text(alphabet="0123456789-*+ 转账请拨打ATMapp，。", max_size=60))
def test_nothing_is_left_that_an_engine_would_guess_at(text: str) -> None:
    said = spoken(text)
    assert not re.search(r"\d", said)
    assert not re.search(r"[A-Za-z]{2}", said)


@given(st.from_regex(r"[0-9]{1,11}", fullmatch=True))
def test_every_digit_is_said(digits: str) -> None:
    assert len(read_digits(digits)) == len(digits)
