"""Fields of the freeze desk's forms, and the groups of them that several forms share."""

from __future__ import annotations

from dataclasses import dataclass

from fzalert.freeze.results import result_of

__all__ = ["ACCOUNT", "OFFICERS", "RESULTS", "TRANSFER", "Field"]

Choices = tuple[tuple[str, str], ...]

_CODES = (
    *("0000", "1200", "0900", "0100", "0200", "0300", "0301", "0302", "0303", "0400", "0600"),
    *("0800", "1100", "1300", "1301", "1302", "1303", "1304", "1800", "1900"),
)
RESULTS: Choices = tuple(
    (code, f"{code} {result_of(code).zh} {result_of(code).en}") for code in _CODES
)
ACCOUNT_KINDS: Choices = (
    ("card", "银行卡 card"),
    ("passbook", "存折 passbook"),
    ("corporate", "对公账户 corporate"),
    ("payment", "支付账户 payment account"),
)
PROTECTED: Choices = (
    ("", "没有 none known"),
    ("livelihood", "工资、养老金、低保等 wages, pension, benefits"),
    ("not_whole", "不得整体冻结（53号第22条）never as a whole"),
    ("never", "不得冻结（53号第21条）never"),
)
CHANNELS: Choices = (
    ("mobile", "手机银行 mobile"),
    ("online", "网上银行 online"),
    ("counter", "柜台 counter"),
    ("atm", "ATM"),
    ("third_party", "第三方支付 third party"),
    ("pos", "POS"),
    ("cash", "现金 cash"),
    ("other", "其他 other"),
)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a form.

    Attributes:
        name: Its name and id.
        zh: Its label.
        en: The label in English.
        kind: text, number, area, money, moment, date, choice, check, file.
        required: Whether the form needs it.
        help: What to write, Chinese and English.
        choices: Values and words of a choice.
        value: What stands there at first.
    """

    name: str
    zh: str
    en: str
    kind: str = "text"
    required: bool = False
    help: str = ""
    choices: Choices = ()
    value: str = ""


TRANSFER = (
    Field("from_account", "付款账号", "Payer's account", "number", required=True),
    Field("from_name", "付款人", "Payer"),
    Field("amount", "转账金额（元）", "Amount in yuan", "money", required=True),
    Field("at", "转账时间", "Time of the transfer", "moment", required=True),
    Field("channel", "转账方式", "How", "choice", choices=CHANNELS),
    Field("serial", "交易流水号", "Serial number", help="没有也可以，银行查找会较慢 optional"),
)
ACCOUNT = (
    Field("kind", "账户类别", "Kind of account", "choice", choices=ACCOUNT_KINDS),
    Field("number", "收款账号", "Payee's account", "number", required=True),
    Field("name", "户名", "Holder", required=True),
    Field("bank_name", "收款银行", "Bank"),
    Field(
        "bank_code",
        "银行行号（12 位）",
        "Bank code, 12 digits",
        "number",
        help="支付账户不填 not for a payment account",
    ),
    Field("institution", "支付机构", "Payment institution", help="如 alipay、tenpay"),
    Field("protected", "账户限制", "What protects it", "choice", choices=PROTECTED),
)
OFFICERS = tuple(
    Field(f"o{place}-{name}", f"{who}{zh}", f"{who_en}: {en}", kind, required=True)
    for place, who, who_en in ((1, "经办民警", "Officer 1"), (2, "协查民警", "Officer 2"))
    for name, zh, en, kind in (
        ("name", "姓名", "name", "text"),
        ("certificate", "证件号", "certificate", "text"),
        ("phone", "电话", "telephone", "text"),
    )
)
