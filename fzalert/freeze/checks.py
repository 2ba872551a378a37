"""The check of an account and its transfer: findings, each an error or a warning to waive.

An error never leaves the house. A warning may be right (area codes are abolished, prefixes shared):
a person waives it with a reason, which stands in the case for ever.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from fzalert.freeze import codes
from fzalert.freeze.values import Account, AccountKind, IdType, Transfer, Victim

__all__ = [
    "Finding",
    "Severity",
    "check_account",
    "check_traced",
    "check_transfer",
    "check_victim",
]

_OLD = timedelta(days=30)


class Severity(enum.StrEnum):
    """Whether a finding stops the request."""

    ERROR = "error"
    WARNING = "warning"


class Finding(NamedTuple):
    """One thing that looks wrong.

    Attributes:
        code: Stable word, by which it is waived.
        severity: Error, or a warning that may be waived.
        field: Which field, dotted.
        zh: What is wrong and what to do, in Chinese.
        en: The same in English.
    """

    code: str
    severity: Severity
    field: str
    zh: str
    en: str


def check_victim(victim: Victim) -> tuple[Finding, ...]:
    """Look at a victim's identity number."""
    if victim.id_type is IdType.RESIDENT:
        return tuple(_id_number(victim.id_number.upper(), "victim.id_number"))
    if victim.id_type is IdType.CREDIT_CODE and codes.credit_code_flaw(victim.id_number.upper()):
        return (_credit_code("victim.id_number"),)
    return ()


def check_account(account: Account, place: str = "account") -> tuple[Finding, ...]:
    """Look at an account: its number, its institution, and whether the two fit."""
    return tuple(_account(account, place))


def check_transfer(
    transfer: Transfer, now: datetime, place: str = "transfer"
) -> tuple[Finding, ...]:
    """Look at a transfer; one in the future is an error, an old one a warning."""
    found: list[Finding] = []
    if transfer.at > now:
        found.append(
            Finding(
                "transfer-future",
                Severity.ERROR,
                f"{place}.at",
                "转账时间晚于现在，请核对日期和时区。",
                "The transfer lies in the future; check its date and zone.",
            )
        )
    elif now - transfer.at > _OLD:
        found.append(
            Finding(
                "transfer-old",
                Severity.WARNING,
                f"{place}.at",
                "转账已超过三十天，请核对日期。",
                "The transfer is more than thirty days old; check its date.",
            )
        )
    if not transfer.serials:
        found.append(
            Finding(
                "transfer-serial",
                Severity.WARNING,
                f"{place}.serials",
                "没有交易流水号，银行查找会较慢。",
                "Without a serial number the bank finds it more slowly.",
            )
        )
    return tuple(found)


def check_traced(outflow: Decimal | None, traced: Decimal) -> tuple[Finding, ...]:
    """Look at what the accounts of the next level say that they got from one account.

    Args:
        outflow: What the institution told of money that had gone on; None where it told nothing.
        traced: What flowed from there into the accounts below it, by their transfers.
    """
    if outflow is None or traced <= outflow:
        return ()
    return (
        Finding(
            "traced-above-outflow",
            Severity.WARNING,
            "inflow",
            f"下级账户合计{traced:,.2f}元，超过银行反馈的转出金额{outflow:,.2f}元，请核对流水。",
            f"{traced:,.2f} yuan is traced below the account, and the bank told of"
            f" {outflow:,.2f}; compare the transfers.",
        ),
    )


def _account(account: Account, place: str) -> Iterator[Finding]:
    number = f"{place}.number"
    if account.kind is AccountKind.CARD:
        flaw = codes.card_flaw(account.number)
        if flaw is codes.Flaw.SHAPE:
            yield Finding(
                "card-shape",
                Severity.ERROR,
                number,
                "银行卡号应为13至19位数字。",
                "A card number has 13 to 19 digits.",
            )
        elif flaw is not None:
            yield Finding(
                "card-check-digit",
                Severity.ERROR,
                number,
                "银行卡号校验位不符，请重新核对每一位。",
                "The card's check digit is wrong; compare every digit again.",
            )
        else:
            yield from _issuer(account, place)
    elif account.kind is not AccountKind.PAYMENT and not _plain_account(account.number):
        yield Finding(
            "account-shape",
            Severity.ERROR,
            number,
            "账号应为8至32位数字，子账号以下划线连接。",
            "An account has 8 to 32 digits; a sub-account follows an underscore.",
        )
    yield from _institution(account, place)
    if account.protected == "livelihood":
        yield Finding(
            "account-livelihood",
            Severity.WARNING,
            f"{place}.protected",
            "该账户为工资、养老金、低保等生活来源账户：只限涉案金额，保留生活必需费用。",
            "Wages, pension or benefits come in: ask for the case's money alone, leave a living.",
        )


def _plain_account(number: str) -> bool:
    main, _, sub = number.partition("_")
    return main.isdigit() and 8 <= len(main) <= 32 and (sub == "" or sub.isalnum())


def _issuer(account: Account, place: str) -> Iterator[Finding]:
    issuer = codes.issuer_of(account.number)
    if issuer is None:
        yield Finding(
            "card-prefix-unknown",
            Severity.WARNING,
            f"{place}.number",
            "卡号前缀不在发卡行表中，请向付款银行核实收款行。",
            "No bank is known for this prefix; ask the paying bank which bank it is.",
        )
    elif account.bank_name and not _same_bank(issuer.name, account.bank_name):
        yield Finding(
            "card-bank-differs",
            Severity.WARNING,
            f"{place}.bank_name",
            f"卡号前缀属于{issuer.name}，与所填银行不符。",
            f"The prefix belongs to {issuer.name}, not to the bank that is given.",
        )


def _same_bank(one: str, other: str) -> bool:
    """Whether two names are of one bank; either may go on with the name of a branch."""

    def core(name: str) -> str:
        for word in ("股份有限公司", "有限责任公司", "有限公司", "总行"):
            name = name.replace(word, "")
        # 中国工商银行 is 工商银行, but 中国银行 is a name of its own.
        short = name.removeprefix("中国")
        return name if short.startswith("银行") else short

    return core(other).startswith(core(one)) or core(one).startswith(core(other))


def _institution(account: Account, place: str) -> Iterator[Finding]:
    if account.kind is AccountKind.PAYMENT:
        if not account.institution:
            yield Finding(
                "institution-missing",
                Severity.ERROR,
                f"{place}.institution",
                "须填写支付机构。",
                "Name the payment institution.",
            )
    elif not account.bank_code:
        yield Finding(
            "bank-missing",
            Severity.ERROR,
            f"{place}.bank_code",
            "须填写收款银行的12位行号。",
            "Give the bank's code of 12 digits.",
        )
    elif codes.bank_code_flaw(account.bank_code) is not None:
        yield Finding(
            "bank-code-check-digit",
            Severity.ERROR,
            f"{place}.bank_code",
            "银行行号校验位不符。",
            "The bank code's check digit is wrong.",
        )


def _id_number(number: str, place: str) -> Iterator[Finding]:
    flaw = codes.id_card_flaw(number)
    if flaw is codes.Flaw.AREA:
        yield Finding(
            "id-area-unknown",
            Severity.WARNING,
            place,
            "身份证号前六位地区代码未收录（可能已撤并），请核对。",
            "The area code of the identity number is unknown; it may be an abolished one.",
        )
    elif flaw is not None:
        yield Finding(
            f"id-{flaw}",
            Severity.ERROR,
            place,
            "身份证号有误（格式、校验位或出生日期），请核对。",
            "The identity number is wrong: its shape, check digit or date of birth.",
        )


def _credit_code(place: str) -> Finding:
    return Finding(
        "credit-code",
        Severity.ERROR,
        place,
        "统一社会信用代码有误，请核对。",
        "The unified social credit code is wrong.",
    )
