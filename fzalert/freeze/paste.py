"""A pasted bank message or transfer slip becomes a draft, with what was unsure said beside it.

Nothing is guessed silently: every field that was found says how sure it is and from which words it
came; what was found twice, or does not fit its check digit, is doubted; what was not found is named
as missing. A person looks at the draft before anything is entered.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from fzalert.freeze import codes

__all__ = ["Doubt", "Draft", "parse_paste"]

_LONGEST = 20_000
_CHINA = ZoneInfo("Asia/Shanghai")
_NUMBER = re.compile(
    r"(?<![\d*.])(?:\d{13,32}|\d{4}(?:[ \-]\d{4}){2,6}(?:[ \-]?\d{1,3})?)(?![\d*])"
)
_TAIL = re.compile(
    r"(?:(?:尾号|末四位|尾数)[为是:： ]{0,2}[*＊xX]{0,4}"
    r"|(?:账户|账号|卡号|卡)[为是:： ]{0,2}[*＊xX]{0,4}"
    r"|(?:银行|储蓄卡|信用卡|借记卡)[\u4e00-\u9fff]{0,4}\()"
    r"(?P<tail>\d{4})(?![\d:])"
)
_PAYEE_TAIL = re.compile(r"(?:收款|对方|到账|转入|至|到|给)[^\d付。,;]{0,14}$")
_AMOUNT = re.compile(
    r"(?:(?P<before>人民币|RMB|CNY|金额|[¥￥])[为是:： ]{0,3})?(?P<minus>(?<![\d\-])[\-−])?"
    r"(?P<figure>\d{1,3}(?:,\d{3})+(?:\.\d{1,2})?|\d+(?:\.\d{1,2})?)"
    r" ?(?P<unit>万元|万|元)?",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[零壹贰叁肆伍陆柒捌玖拾佰仟万亿]+[元圆][零壹贰叁肆伍陆柒捌玖角分]*")
_BALANCE = re.compile(r"(?:余额|可用额度|可用余额|手续费|账户余额)[^\d]{0,8}$")
_FULL_DATE = re.compile(
    r"(?P<year>20\d\d)[年\-/.](?P<month>\d{1,2})[月\-/.](?P<day>\d{1,2})日?[ T]{0,2}"
    r"(?:(?P<hour>\d{1,2})[:：时点](?P<minute>\d{1,2})分?(?:[:：]?(?P<second>\d{2})秒?)?)?"
)
_TWO_DIGITS = re.compile(
    r"(?<!\d)(?P<year>2\d)年(?P<month>\d{1,2})月(?P<day>\d{1,2})日[ ]{0,2}"
    r"(?:(?P<hour>\d{1,2})[:：时点](?P<minute>\d{1,2})分?(?:[:：]?(?P<second>\d{2})秒?)?)?"
)
_TIME_BESIDE = re.compile(
    r"时间[为是:： ]{0,3}(?P<hour>\d{1,2})[:：](?P<minute>\d{2})(?:[:：](?P<second>\d{2}))?(?!\d)"
)
_SHORT_DATE = re.compile(
    r"(?<![\d年\-/])(?P<month>\d{1,2})月(?P<day>\d{1,2})日[ ]{0,2}"
    r"(?:(?P<hour>\d{1,2})[:：时点](?P<minute>\d{1,2})分?(?:[:：]?(?P<second>\d{2})秒?)?)?"
)
_PAYEE = re.compile(
    r"(?:收款人|收款方|对方户名|收款户名|收款人姓名|收款人户名|对方姓名|(?<!付款)(?<!付款人)(?<!汇款人)户名)"
    r"(?:名称|姓名|户名)?[为是:： ]{0,3}([\u4e00-\u9fff·]{2,20}|[A-Za-z .]{3,60})"
)
_TO = re.compile(r"(?:向|给)([\u4e00-\u9fff·]{2,4}?)(?:完成|转账|转支|汇款|支付)")
_PAYER = re.compile(
    r"(?:付款人|付款方|汇款人|付款户名)(?:名称|姓名|户名)?[为是:： ]{0,3}([\u4e00-\u9fff·]{2,20})"
)
_PAYEE_ACCOUNT = re.compile(r"(?:收款|对方|入账|转入)[^\d付]{0,12}$")
_PAYER_ACCOUNT = re.compile(r"(?:付款|汇款|转出|本人|您的?)[^\d收]{0,12}$")
_SERIAL = re.compile(
    r"(?:流水号|交易号|交易单号|订单号|凭证号|电子回单号|参考号|商户单号|转账单号|UETR)"
    r"[为是:： ]{0,3}([0-9A-Za-z\-]{6,64})",
    re.IGNORECASE,
)
_BANK_WORD = re.compile(r"[\u4e00-\u9fff]{2,14}(?:银行|信用社|农信|支付宝|财付通|微信支付)")
_SIGNATURE = re.compile(r"【[^】]{0,30}】|\[[^\]]{0,30}\]|(?:网上|手机|网络|电子|掌上)银行")
"""Who sent the message, and the way the money went: neither is the payee's bank."""
_NAMED_BANK = re.compile(
    r"(?:收款行|收款银行|到账银行|开户行)[为是:： ]{0,3}([\u4e00-\u9fff()]{4,30})"
)
_TAILED_BANK = re.compile(
    r"(?:收款账户|收款账号|收款卡|到账账户)[为是:： ]{0,3}"
    r"([\u4e00-\u9fff]{2,12}银行)[\u4e00-\u9fff]{0,4}\("
)
_INSTITUTIONS = {"支付宝": "alipay", "微信支付": "tenpay", "财付通": "tenpay"}


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a field should be looked at.

    Attributes:
        field: Which one.
        zh: Why, in Chinese.
        en: The same in English.
    """

    field: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True, repr=False)
class Draft:
    """What was found. An empty field was not found, and stands among the doubts.

    Attributes:
        payee_number: Account that the money went to.
        payee_tail: Last four digits of it, where only those are told.
        payee_name: Its holder.
        payee_bank: Its bank's name, as written or by the card's prefix.
        institution: A payment institution's short name, where one is named.
        payer_number: Account that paid.
        payer_tail: Last four digits of it, where only those are told.
        payer_name: Who paid.
        amount: In yuan.
        at: When, with the zone of China.
        serials: Serial numbers.
        doubts: What a person has to look at.
    """

    payee_number: str = ""
    payee_name: str = ""
    payee_bank: str = ""
    institution: str = ""
    payer_number: str = ""
    payer_tail: str = ""
    payer_name: str = ""
    amount: Decimal | None = None
    at: datetime | None = None
    serials: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    payee_tail: str = ""


def parse_paste(text: str, now: datetime, zone: tzinfo = _CHINA) -> Draft:
    """Read a pasted message.

    Args:
        text: As it was pasted; at most 20,000 characters are looked at.
        now: The present, with a zone; a date without a year is the last such day before it.
        zone: Zone of the times in the message.
    """
    clean = unicodedata.normalize("NFKC", text[:_LONGEST])
    doubts: list[Doubt] = []
    serials = tuple(dict.fromkeys(_SERIAL.findall(clean)))
    payee, payer = _numbers(clean, serials, doubts)
    bank, institution = _bank(clean, payee, doubts)
    amount = _amount(clean, doubts)
    at = _moment(clean, now, zone, doubts)
    pattern = _PAYEE if _PAYEE.search(clean) else _TO
    payee_name = _name(pattern, clean, "payee_name", "收款人", "payee's name", doubts)
    payer_name = _name(_PAYER, clean, "payer_name", "", "", doubts)
    payee_tail, tail = _tails(clean, payee, payer)
    return Draft(
        payee_number=payee,
        payee_name=payee_name,
        payee_bank=bank,
        institution=institution,
        payer_number=payer,
        payer_tail=tail,
        payer_name=payer_name,
        amount=amount,
        at=at,
        serials=serials,
        doubts=tuple(doubts),
        payee_tail=payee_tail,
    )


def _tails(text: str, payee: str, payer: str) -> tuple[str, str]:
    """The last four digits of the payee's and the payer's account, where only those are told."""
    found = {"payee": "", "payer": ""}
    for match in _TAIL.finditer(text):
        before = text[max(0, match.start() - 16) : match.start()]
        # What is written right in front belongs to it too: 收款账户 工商银行(0128).
        before += match.group()[: match.start("tail") - match.start()]
        side = "payee" if _PAYEE_TAIL.search(before) else "payer"
        found[side] = found[side] or match["tail"]
    payee_tail = "" if payee else found["payee"]
    payer_tail = (
        "" if payer or (found["payer"] and payee.endswith(found["payer"])) else found["payer"]
    )
    return payee_tail, payer_tail


def _numbers(text: str, serials: tuple[str, ...], doubts: list[Doubt]) -> tuple[str, str]:
    payee, payer, others = "", "", []
    for match in _NUMBER.finditer(text):
        number = re.sub(r"[ \-]", "", match.group())
        if number in serials or any(number in serial for serial in serials):
            continue
        before = text[max(0, match.start() - 14) : match.start()]
        if _PAYER_ACCOUNT.search(before) and not payer:
            payer = number
        elif _PAYEE_ACCOUNT.search(before) and not payee:
            payee = number
        else:
            others.append(number)
    if not payee and others:
        payee = others.pop(0)
        if payer or others:
            doubts.append(
                Doubt(
                    "payee_number",
                    "有多个账号，收款账号请核对",
                    "There are several accounts; check which one was paid.",
                )
            )
    if not payee:
        doubts.append(Doubt("payee_number", "没有找到收款账号", "No payee account was found."))
    elif 13 <= len(payee) <= 19 and codes.card_flaw(payee) is not None:
        doubts.append(
            Doubt(
                "payee_number",
                "收款账号校验位不符：不是银行卡号，或有误",
                "The account's check digit is wrong: it is no card, or mistyped.",
            )
        )
    return payee, payer


def _bank(text: str, payee: str, doubts: list[Doubt]) -> tuple[str, str]:
    guess = Doubt("payee_bank", "银行名称取自全文，请核对", "The bank's name is a guess.")
    tailed = _TAILED_BANK.search(text)
    if tailed is not None and not payee:
        doubts.append(guess)
        return tailed.group(1), ""
    for word, institution in _INSTITUTIONS.items():
        if word in text and not payee:
            return "", institution
    issuer = codes.issuer_of(payee) if payee else None
    if issuer is not None:
        if issuer.weak:
            doubts.append(
                Doubt("payee_bank", "发卡行由短前缀推断", "The bank follows from a short prefix.")
            )
        return issuer.name, ""
    named = _NAMED_BANK.search(text)
    if named is not None:
        return named.group(1), ""
    words = _BANK_WORD.findall(_SIGNATURE.sub(" ", text))
    if words:
        doubts.append(guess)
        return words[-1], ""
    doubts.append(Doubt("payee_bank", "没有找到收款银行", "No bank was found."))
    return "", ""


def _amount(text: str, doubts: list[Doubt]) -> Decimal | None:
    found: list[Decimal] = []
    for match in _AMOUNT.finditer(text):
        cents = "." in match["figure"] and match["figure"][-3] == "."
        marked = match["before"] or match["unit"] or (match["minus"] and cents)
        if not marked or _BALANCE.search(text[: match.start()][-12:]):
            continue
        try:
            amount = Decimal(match["figure"].replace(",", ""))
        except InvalidOperation:
            continue
        if (match["unit"] or "").startswith("万"):
            amount *= 10_000
        if Decimal(0) < amount < Decimal(10) ** 13:
            found.append(amount.quantize(Decimal("0.01")))
    distinct = list(dict.fromkeys(found))
    if not distinct:
        doubts.append(Doubt("amount", "没有找到金额", "No amount was found."))
        return None
    if len(distinct) > 1:
        doubts.append(
            Doubt("amount", "有多个金额，请核对", "There are several amounts; check which one.")
        )
    words = [_in_figures(one) for one in _WORDS.findall(text)]
    if words and distinct[0] not in words:
        doubts.append(Doubt("amount", "大写金额与小写不符", "The amount in words is another one."))
    return distinct[0]


def _in_figures(words: str) -> Decimal:
    """An amount in words as a figure; only ever to compare it."""
    whole, cents = re.split("[元圆]", words, maxsplit=1)
    total = section = digit = 0
    for each in whole:
        if each in _DIGITS:
            digit = _DIGITS.index(each)
        elif each in _UNITS:
            section, digit = section + max(digit, 1) * _UNITS[each], 0
        else:
            grown = (section + digit) * (10_000 if each == "万" else 100_000_000)
            total, section, digit = total + grown, 0, 0
    figure = Decimal(total + section + digit)
    for each, part in re.findall(rf"([{_DIGITS}])([角分])", cents):
        figure += Decimal(_DIGITS.index(each)) / (10 if part == "角" else 100)
    return figure.quantize(Decimal("0.01"))


_DIGITS = "零壹贰叁肆伍陆柒捌玖"
_UNITS = {"拾": 10, "佰": 100, "仟": 1000}


def _moment(text: str, now: datetime, zone: tzinfo, doubts: list[Doubt]) -> datetime | None:
    today = now.astimezone(zone)
    match = _FULL_DATE.search(text) or _TWO_DIGITS.search(text) or _SHORT_DATE.search(text)
    if match is None:
        doubts.append(Doubt("at", "没有找到转账时间", "No time was found."))
        return None
    parts = match.groupdict()
    year = int(parts.get("year") or today.year)
    if year < 100:
        year += 2000
    if parts["hour"] is None:
        beside = _TIME_BESIDE.search(text)
        if beside is not None:
            parts |= beside.groupdict()
    at = _made(year, parts, zone)
    if at is not None and "year" not in parts and at > today + timedelta(days=1):
        at = _made(year - 1, parts, zone)
    if at is None:
        doubts.append(Doubt("at", "转账时间有误", "The time does not exist."))
        return None
    if parts["hour"] is None:
        doubts.append(Doubt("at", "只有日期，没有时分", "There is a day without a time."))
    if at > today:
        doubts.append(Doubt("at", "转账时间晚于现在", "The time lies in the future."))
    return at


def _made(year: int, parts: dict[str, str | None], zone: tzinfo) -> datetime | None:
    try:
        return datetime(
            year,
            int(parts["month"] or 0),
            int(parts["day"] or 0),
            int(parts["hour"] or 0),
            int(parts["minute"] or 0),
            int(parts["second"] or 0),
            tzinfo=zone,
        )
    except ValueError:
        return None


def _name(
    pattern: re.Pattern[str], text: str, field: str, zh: str, en: str, doubts: list[Doubt]
) -> str:
    names = list(dict.fromkeys(name.strip() for name in pattern.findall(text)))
    names = [name for name in names if not name.endswith(("银行", "账号", "账户"))]
    if not names:
        if zh:
            doubts.append(Doubt(field, f"没有找到{zh}", f"No {en} was found."))
        return ""
    if len(names) > 1:
        doubts.append(Doubt(field, "有多个姓名，请核对", "There are several names."))
    return str(names[0])
