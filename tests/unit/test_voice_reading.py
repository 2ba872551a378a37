"""What is written is said by its type; digits and letters that slipped in are said one by one."""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fzalert_voice import readers
from fzalert_voice.numerals import LARGEST, counted, number
from fzalert_voice.reading import read_digits, spoken

CASES = json.loads((Path(__file__).parents[1] / "cases/voice/reading.json").read_bytes())
READERS: dict[str, Callable[[str], str]] = {
    "hotline": readers.read_phone,
    "phone": readers.read_phone,
    "amount": readers.read_amount,
    "date": readers.read_date,
    "time": readers.read_time,
    "count": readers.read_count,
    "case_no": readers.read_case_number,
    "tail": readers.read_tail,
    "number": readers.read_number,
    "latin": spoken,
}
DIGITS = "零一二三四五六七八九"


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['type']} {case['input']}")
def test_the_published_readings(case: dict[str, str]) -> None:
    assert READERS[case["type"]](case["input"]) == case["expected"]


TOLD_BY_SHAPE = [
    case
    for case in CASES
    if case["type"] in {"hotline", "phone", "time", "count", "number", "latin"}
    or re.search(r"[¥元年月-]", case["input"])
]


@pytest.mark.parametrize("case", TOLD_BY_SHAPE, ids=lambda case: case["input"])
def test_what_its_shape_tells_is_read_the_same_inside_a_sentence(case: dict[str, str]) -> None:
    said = spoken(f"请看“{case['input']}”。")
    assert said.replace(" ", "") == f"请看“{case['expected']}”。".replace(" ", "")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("请拨打96110，或110。", "请拨打九六幺幺零，或幺幺零。"),
        ("找13800138000问", "找幺三八，零零幺三，八零零零问"),
        ("９５５８８", "九五五八八"),
        ("卡号6222021234567890123。", "卡号尾号零幺二三。"),
        ("2026年11月24日15:30转了2万元", "二零二六年十一月二十四日十五点三十分转了两万元"),
        ("共2,345.60元，占3.5%", "共两千三百四十五元六角，占百分之三点五"),
        ("2个人2次1-2天第2楼", "两个人两次一到两天第二楼"),
        ("31月45日", "三幺月四五日"),
        ("见 https://example.com/a?b=1 处📞", "见 处"),
        ("版本1.2.3", "版本幺.二.三"),
        ("京公(刑)字[2026]0123号", "京公(刑)字，二零二六，零幺二三号"),
    ],
)
def test_each_type_is_found_inside_a_sentence(written: str, said: str) -> None:
    assert spoken(written) == said


@given(st.text(alphabet="0123456789-*+./:%,¥年月日元万个第 转账请拨打ATMapp，。", max_size=60))
def test_nothing_is_left_that_an_engine_would_guess_at(text: str) -> None:
    said = spoken(text)
    assert not re.search(r"\d", said)
    assert not re.search(r"[A-Za-z]{2}", said)


@given(st.from_regex(r"[0-9]{1,11}", fullmatch=True))
def test_every_digit_is_said(digits: str) -> None:
    assert len(read_digits(digits)) == len(digits)


def value_of(said: str) -> int:
    """Read a Chinese number back, by the rules of the language and none of ours."""
    total = section = digit = 0
    for char in said.replace("两", "二"):
        if char in DIGITS:
            digit = DIGITS.index(char)
        elif char in "十百千":
            unit = {"十": 10, "百": 100, "千": 1000}[char]
            section += (digit or 1) * unit
            digit = 0
        else:
            section, digit = section + digit, 0
            if char == "万":
                total, section = total + section * 10**4, 0
            else:
                total, section = (total + section) * 10**8, 0
    return total + section + digit


@given(st.one_of(st.integers(0, 10**12 - 1), st.integers(0, 12).map(lambda n: 10**n)))
def test_a_number_that_was_said_means_what_was_written(value: int) -> None:
    assert value_of(number(value)) == value
    assert value_of(counted(value)) == value
    assert "零零" not in number(value)


@given(st.decimals(0, 10**9, places=2))
def test_an_amount_that_was_said_is_the_amount(amount: Decimal) -> None:
    said = readers.read_amount(f"{amount}")
    yuan, _, rest = said.rpartition("元") if "元" in said else ("零", "", said)
    tenths = DIGITS.index(rest[0].replace("两", "二")) if "角" in rest else 0
    hundredths = DIGITS.index(rest[-2].replace("两", "二")) if "分" in rest else 0
    assert value_of(yuan) * 100 + tenths * 10 + hundredths == amount * 100


@pytest.mark.parametrize("value", [-1, LARGEST + 1])
def test_what_is_too_large_for_words_is_said_so(value: int) -> None:
    with pytest.raises(ValueError, match="digits"):
        number(value)
    assert not re.search(r"\d", spoken(f"{abs(value)}元"))


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        (readers.read_amount, "五万"),
        (readers.read_date, "2026-13-01"),
        (readers.read_date, "明天"),
        (readers.read_time, "24:61"),
        (readers.read_count, "许多"),
        (readers.read_number, "1,5"),
    ],
)
def test_what_is_not_of_the_type_is_refused(reader: Callable[[str], str], text: str) -> None:
    with pytest.raises(ValueError, match=r"^no"):
        reader(text)
