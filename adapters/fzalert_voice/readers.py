"""One reader for each type of value: how it is said, so that no engine has to guess.

Synthesisers and number libraries read 96110 as ninety-six thousand, and 50,000.00 as fifty. Each of
these is a pure function that takes what is written and gives what is said, or a `ValueError`.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Final

from fzalert_voice.numerals import counted, decimal, digits, number

__all__ = [
    "MEASURES",
    "read_amount",
    "read_case_number",
    "read_count",
    "read_date",
    "read_digits",
    "read_letters",
    "read_number",
    "read_phone",
    "read_tail",
    "read_time",
]

_SERVICE_DIGITS: Final = str.maketrans("0123456789", "零幺二三四五六七八九")
_MASKED: Final = re.compile(r"(?:\+?86)?(1[3-9]\d)\*+(\d{4})")
_MOBILE: Final = re.compile(r"(?:\+?86)?(1[3-9]\d)-?(\d{4})-?(\d{4})")
_SERVICE: Final = re.compile(r"([48]00)-?(\d{3})-?(\d{4})")
_LANDLINE: Final = re.compile(r"(0\d{2,3})-(\d{3,4})(\d{4})")
_CARD: Final = re.compile(r"\d{12,19}")
_AMOUNT: Final = re.compile(r"[¥￥]?\s*(\d[\d,]*(?:\.\d{1,2})?)\s*([万亿]?)元?")
_TIMES: Final = {"": 1, "万": 10**4, "亿": 10**8}
_DATE: Final = re.compile(r"(?:(\d{4})[-/.年])?(\d{1,2})[-/.月](\d{1,2})[日号]?")
_SOLID_DATE: Final = re.compile(r"(\d{4})(\d\d)(\d\d)")
_TIME: Final = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?")
_BRACKETS: Final = re.compile(r"[()（）]")
_YEAR: Final = re.compile(r"[\[〔【](\d{4})[\]〕】]")
_FRACTION: Final = re.compile(r"(\d+)/(\d+)")
_SIGNED: Final = re.compile(r"(-?)(\d+(?:\.\d+)?)(%|℃|°C)?")
_WORDS: Final = {"wifi": "wai fai"}

MEASURES: Final = (
    *(
        "小时",
        "分钟",
        "秒钟",
        "万",
        "千",
        "个",
        "位",
        "次",
        "天",
        "笔",
        "张",
        "名",
        "年",
        "人",
        "岁",
    ),
    *("件", "起", "家", "部", "台", "户", "条", "种", "周", "倍", "遍", "成", "元", "秒", "块"),
)
_COUNT: Final = re.compile(r"(第?)(\d+)(?:[-~到至](\d+))?(.*)", re.DOTALL)


def read_digits(text: str) -> str:
    """Say digit by digit, with 幺 for 1.

    >>> read_digits("96110")
    '九六幺幺零'
    """
    return text.translate(_SERVICE_DIGITS)


def read_phone(text: str) -> str:
    """Say a hotline or a phone number in the groups people use.

    A number of 12 to 19 digits is a card or an account, of which only the tail is ever spoken in
    a public hall.
    """
    if match := _MASKED.fullmatch(text):
        return f"{read_digits(match[1])}，{read_tail(match[2])}"
    for pattern in (_MOBILE, _SERVICE, _LANDLINE):
        if match := pattern.fullmatch(text):
            return "，".join(read_digits(group) for group in match.groups())
    if _CARD.fullmatch(text):
        return read_tail(text)
    return "，".join(read_digits(run) for run in re.findall(r"\d+", text))


def read_tail(text: str) -> str:
    """Say the last four digits of a card or an account, and no more.

    >>> read_tail("6222021234567890123")
    '尾号零幺二三'
    """
    return f"尾号{read_digits(text[-4:])}"


def read_amount(text: str) -> str:
    """Say an amount of money in 元, 角 and 分.

    >>> read_amount("¥50,000.00")
    '五万元'
    >>> read_amount("100.05")
    '一百元零五分'
    """
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        raise ValueError("no amount of money")
    try:
        amount = Decimal(match[1].replace(",", "")) * _TIMES[match[2]]
    except InvalidOperation as error:
        raise ValueError("no amount of money") from error
    cents = int(amount * 100)
    yuan, rest = divmod(cents, 100)
    tenths, hundredths = divmod(rest, 10)
    said = f"{counted(yuan)}元" if yuan or not rest else ""
    if tenths:
        said += f"{counted(tenths)}角"
    if hundredths:
        gap = "零" if yuan and not tenths else ""
        said += f"{gap}{number(hundredths) if said else counted(hundredths)}分"
    return said


def read_date(text: str) -> str:
    """Say a date; the year digit by digit where there is one.

    >>> read_date("2026-11-02")
    '二零二六年十一月二日'
    """
    match = _DATE.fullmatch(text) or _SOLID_DATE.fullmatch(text)
    if match is None:
        raise ValueError("no date")
    month, day = int(match[2]), int(match[3])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        raise ValueError("no date")
    year = f"{digits(match[1])}年" if match[1] else ""
    return f"{year}{number(month)}月{number(day)}日"


def read_time(text: str) -> str:
    """Say a time of day by the clock of twenty-four hours.

    >>> [read_time(text) for text in ("15:00", "9:05", "02:30")]
    ['十五点整', '九点零五分', '两点三十分']
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError("no time of day")
    said = f"{counted(int(match[1]))}点"
    minute, second = int(match[2]), int(match[3] or 0)
    if not minute and not second:
        return f"{said}整"
    said += f"{_after(minute)}分"
    return f"{said}{_after(second)}秒" if second else said


def read_count(text: str) -> str:
    """Say a number before what is counted: 2 alone is 两 before a measure word, 二 elsewhere.

    >>> [read_count(text) for text in ("2次", "第2次", "2楼", "1-2天")]
    ['两次', '第二次', '二楼', '一到两天']
    """
    match = _COUNT.fullmatch(text)
    if match is None:
        raise ValueError("nothing is counted")
    ordinal, first, last, what = match.groups()
    say = counted if not ordinal and what.startswith(MEASURES) else number
    said = ordinal + say(int(first))
    return f"{said}到{say(int(last))}{what}" if last else said + what


def read_number(text: str) -> str:
    """Say a plain number, a percentage, a fraction or a temperature.

    >>> [read_number(text) for text in ("3.5%", "1/3", "-5℃")]
    ['百分之三点五', '三分之一', '零下五摄氏度']
    """
    if match := _FRACTION.fullmatch(text):
        return f"{number(int(match[2]))}分之{number(int(match[1]))}"
    match = _SIGNED.fullmatch(text)
    if match is None:
        raise ValueError("no number")
    sign, value, unit = match[1], Decimal(match[2]), match[3]
    said = decimal(value)
    if unit == "%":
        said = f"百分之{'百' if value == 100 else said}"
    elif unit:
        return f"{'零下' if sign else ''}{said}摄氏度"
    return f"{'负' if sign else ''}{said}"


def read_case_number(text: str) -> str:
    """Say the number of a case: the year by itself, the rest digit by digit, letters one by one.

    >>> read_case_number("京公(刑)字[2026]0123号")
    '京公刑字，二零二六，零幺二三号'
    """
    plain = _BRACKETS.sub("", text)
    plain = _YEAR.sub(lambda match: f"，{digits(match[1])}，", plain)
    plain = re.sub(r"[A-Za-z]+", lambda match: f"{' '.join(match[0].upper())}，", plain)
    return read_digits(plain)


def read_letters(text: str) -> str:
    """Say Latin letters one by one; a few words are said as words.

    >>> [read_letters(text) for text in ("ATM", "WiFi")]
    ['A T M', 'wai fai']
    """
    return _WORDS.get(text.lower()) or " ".join(text.upper())


def _after(minute: int) -> str:
    """Minutes behind the hour; below ten with 零 before them."""
    return f"零{number(minute)}" if 0 < minute < 10 else number(minute)
