"""Pasted messages: what is found is right, what is unsure is said, no text breaks it."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fzalert.freeze.paste import Draft, parse_paste

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
CHINA = ZoneInfo("Asia/Shanghai")


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=CHINA)  # type: ignore[misc,arg-type]


def doubted(draft: Draft) -> set[str]:
    return {doubt.field for doubt in draft.doubts}


def test_a_debit_message() -> None:
    draft = parse_paste(
        "【工商银行】您尾号0018卡11月24日16:40手机银行支出(转账)50,000.00元，余额120.55元。"
        "收款人：李四，收款账号：6222021234567890128，流水号：2026112400012345。",
        NOW,
    )
    assert draft.payee_number == "6222021234567890128"
    assert (draft.payee_name, draft.payee_bank) == ("李四", "中国工商银行")
    assert draft.amount == Decimal("50000.00")
    assert draft.at == at(2026, 11, 24, 16, 40)
    assert draft.payer_tail == "0018"
    assert draft.serials == ("2026112400012345",)
    assert doubted(draft) == set()


def test_a_slip_over_several_lines() -> None:
    draft = parse_paste(
        """电子回单
        付款人户名：张三      付款账号：6228 4804 0256 4890 018
        收款人户名：王小五    收款账号：6217-0000-1000-1234-560
        收款行：中国建设银行青山县支行
        金额：人民币 壹拾贰万叁仟肆佰伍拾陆元柒角捌分  ￥123,456.78
        交易时间：2026-11-23 08:05:09
        交易号：E2026112308050900001
        """,
        NOW,
    )
    assert draft.payer_number == "6228480402564890018"
    assert draft.payer_name == "张三"
    assert draft.payee_number == "6217000010001234560"
    assert draft.payee_name == "王小五"
    assert draft.amount == Decimal("123456.78")
    assert draft.at == at(2026, 11, 23, 8, 5, 9)
    assert draft.serials == ("E2026112308050900001",)


def test_what_is_missing_is_named() -> None:
    draft = parse_paste("我被骗了，转了5万", NOW)
    assert draft.amount == Decimal("50000.00")
    assert doubted(draft) == {"payee_number", "payee_bank", "payee_name", "at"}
    assert all(doubt.zh and doubt.en for doubt in draft.doubts)


def test_what_is_unsure_is_said() -> None:
    draft = parse_paste("11月24日转账3000元到6222021234567890129，又转5000元，收款人李四", NOW)
    assert draft.amount == Decimal("3000.00")
    assert {"amount", "at", "payee_number"} <= doubted(draft)


def test_a_wallet() -> None:
    draft = parse_paste(
        "支付宝 转账成功 ￥999.00 收款方 李四 订单号20261124221001 2026年11月24日10时", NOW
    )
    assert draft.institution == "alipay"
    assert draft.amount == Decimal("999.00")
    assert draft.serials == ("20261124221001",)


def test_full_width_digits_and_a_day_of_last_year() -> None:
    draft = parse_paste(
        "１２月３１日２３：５９向６２２２０２１２３４５６７８９０１２８转账１００元", NOW
    )
    assert draft.payee_number == "6222021234567890128"
    assert draft.at == at(2025, 12, 31, 23, 59)


@pytest.mark.parametrize("text", ["13月45日99:99转账1元", "2026-02-30 10:00 ￥1", "", "￥" * 100])
def test_nonsense_has_doubts(text: str) -> None:
    assert "at" in doubted(parse_paste(text, NOW))


@given(st.text(max_size=400))
def test_no_text_breaks_it(text: str) -> None:
    draft = parse_paste(text, NOW)
    if not draft.payee_number:
        assert "payee_number" in doubted(draft)
    assert draft.amount is None or draft.amount > 0


@given(st.text("0123456789收付款账号尾:：¥元万年月日. ,-*", max_size=3000))
def test_no_text_is_slow(text: str) -> None:
    parse_paste(text * 20, NOW)


def test_a_draft_shows_nothing_by_accident() -> None:
    draft = parse_paste("收款账号6222021234567890128 收款人李四 1元", NOW)
    assert "6222021234567890128" not in repr(draft)
    assert "李四" not in repr(draft)


CASES = Path(__file__).parents[1] / "cases" / "paste"
SAMPLES = {
    name: sample
    for file in sorted(CASES.glob("*.toml"))
    for name, sample in tomllib.loads(file.read_text("utf-8")).items()
}
FIELDS = (
    *("payee_number", "payee_tail", "payee_name", "payee_bank", "institution"),
    *("payer_number", "payer_tail", "payer_name", "amount", "at", "serials"),
)


def told(draft: Draft) -> dict[str, Any]:
    """What a draft says, as the samples write it; empty fields left out."""
    found = {name: getattr(draft, name) for name in FIELDS}
    found["amount"] = "" if draft.amount is None else str(draft.amount)
    found["at"] = "" if draft.at is None else draft.at.isoformat()
    found["serials"] = list(draft.serials)
    return {name: value for name, value in found.items() if value}


@pytest.mark.parametrize("name", list(SAMPLES))
def test_a_sample_is_read_as_it_says(name: str) -> None:
    sample = SAMPLES[name]
    draft = parse_paste(sample["text"], NOW)
    assert told(draft) == {field: value for field, value in sample["want"].items() if value}
    assert doubted(draft) == set(sample["doubts"])


def test_there_are_samples_enough() -> None:
    assert len(SAMPLES) >= 25


def invented(text: str, draft: Draft) -> list[str]:
    """Every digit of a draft that its text does not have."""
    clean = unicodedata.normalize("NFKC", text)
    close = re.sub(r"[ \-]", "", clean)
    numbers = [draft.payee_number, draft.payer_number, draft.payee_tail, draft.payer_tail]
    found = [one for one in numbers if one not in close]
    found += [one for one in draft.serials if one not in clean]
    figures = {
        Decimal(one) * unit
        for one in re.findall(r"\d+(?:\.\d{1,2})?", clean.replace(",", ""))
        for unit in (1, 10_000)
        if len(one) < 30
    }
    if draft.amount is not None and draft.amount not in figures:
        found.append(str(draft.amount))
    if draft.at is not None:
        written = {int(one) for one in re.findall(r"\d{1,4}", clean)}
        written |= {int(one) for one in re.findall(r"\d{2}", clean)}
        parts = (draft.at.month, draft.at.day, draft.at.hour, draft.at.minute, draft.at.second)
        found += [str(part) for part in parts if part and part not in written]
    return found


@pytest.mark.parametrize("name", list(SAMPLES))
def test_no_digit_of_a_sample_is_invented(name: str) -> None:
    text = SAMPLES[name]["text"]
    assert invented(text, parse_paste(text, NOW)) == []


@given(
    st.lists(
        st.sampled_from(
            [
                *("收款账号", "付款账号", "尾号", "账户", "银行(", "向李四转账", "￥", "人民币-"),
                *(
                    "万元",
                    "元",
                    "年",
                    "月",
                    "日",
                    ":",
                    ",",
                    ".",
                    " ",
                    "-",
                    "流水号",
                    "时间",
                    "伍万元整",
                ),
                *("6222021234567890128", "0018", "16:40", "2026-11-24", "26", "11", "50,000.00"),
            ]
        ),
        max_size=30,
    )
)
def test_no_digit_is_ever_invented(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert invented(text, parse_paste(text, NOW)) == []
