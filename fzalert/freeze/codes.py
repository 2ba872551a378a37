"""Check digits and tables behind the values of a freeze request: cards, ids, bank codes, amounts.

Each function tells what is wrong as a word of `Flaw`, or nothing. A flaw is an error, or a warning
that a person may waive with a reason; `values` says which.
"""

from __future__ import annotations

import enum
import functools
import importlib.resources
import re
from decimal import Decimal
from typing import NamedTuple

__all__ = [
    "Flaw",
    "Issuer",
    "amount_in_words",
    "bank_code_flaw",
    "bank_name_of",
    "card_flaw",
    "credit_code_flaw",
    "head_offices",
    "id_card_flaw",
    "issuer_of",
]

_ID_CARD = re.compile(r"[1-9]\d{5}(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dX]")
_SHORTEST_PREFIX = 6


class Flaw(enum.StrEnum):
    """What can be wrong with a number."""

    SHAPE = "shape"
    """Length or characters."""
    CHECK_DIGIT = "check-digit"
    """One digit is wrong, or two neighbours are swapped (Luhn does not see 09 for 90)."""
    DATE = "date"
    """The date of birth in it does not exist."""
    AREA = "area"
    """The area code in it is unknown; areas are abolished and made anew, so it may be right."""


class Issuer(NamedTuple):
    """Who issued a card, by its prefix.

    Attributes:
        bank: The bank's code in the table, such as ICBC.
        name: Its name.
        card_type: DC debit, CC credit, SCC semi-credit, PC prepaid.
        weak: Whether the prefix is shorter than six digits and may be another bank's as well.
    """

    bank: str
    name: str
    card_type: str
    weak: bool


def card_flaw(number: str) -> Flaw | None:
    """Check a bank card number: 13 to 19 digits, the last one by Luhn (ISO/IEC 7812-1, annex B).

    Passbooks and company accounts have no Luhn digit: never use it on them.
    """
    from stdnum import luhn

    if not (number.isascii() and number.isdigit() and 13 <= len(number) <= 19):
        return Flaw.SHAPE
    return None if luhn.is_valid(number) else Flaw.CHECK_DIGIT


def id_card_flaw(number: str) -> Flaw | None:
    """Check a resident identity number (GB 11643-1999), X in upper case.

    The library's own check fails with a KeyError for areas that its table does not have.
    """
    from stdnum.cn import ric
    from stdnum.exceptions import InvalidChecksum, InvalidComponent, InvalidFormat, InvalidLength

    if not _ID_CARD.fullmatch(number):
        return Flaw.SHAPE
    if ric.calc_check_digit(number) != number[-1]:
        return Flaw.CHECK_DIGIT
    try:
        ric.get_birth_date(number)
    except InvalidComponent:
        return Flaw.DATE
    try:
        ric.validate(number)
    except (KeyError, InvalidComponent):
        return Flaw.AREA
    except (InvalidChecksum, InvalidFormat, InvalidLength):
        return Flaw.SHAPE
    return None


def credit_code_flaw(code: str) -> Flaw | None:
    """Check a unified social credit code (GB 32100-2015): 18 characters, modulus 31."""
    from stdnum.cn import uscc
    from stdnum.exceptions import InvalidChecksum, ValidationError

    try:
        uscc.validate(code)
    except InvalidChecksum:
        return Flaw.CHECK_DIGIT
    except ValidationError:
        return Flaw.SHAPE
    return None


def bank_code_flaw(code: str) -> Flaw | None:
    """Check a CNAPS bank code: 12 digits, the last one by ISO 7064 mod 11,10."""
    from stdnum.iso7064 import mod_11_10

    if not (code.isascii() and code.isdigit() and len(code) == 12):
        return Flaw.SHAPE
    return None if mod_11_10.is_valid(code) else Flaw.CHECK_DIGIT


def issuer_of(card: str) -> Issuer | None:
    """Who issued a card, by the longest prefix of the right length; None where none is known."""
    table = _prefixes()
    for length in range(min(10, len(card)), 2, -1):
        found = table.get((card[:length], len(card)))
        if found is not None:
            bank, card_type = found
            return Issuer(bank, _names()[bank], card_type, length < _SHORTEST_PREFIX)
    return None


def head_offices() -> dict[str, str]:
    """CNAPS codes of head offices by the bank's code in the table, such as ICBC.

    They are offered to whoever types an account; they are not all that there are.
    """
    return dict(_heads())


def amount_in_words(amount: Decimal) -> str:
    """An amount in yuan as it is written on a paper, 伍万元整.

    Args:
        amount: More than zero, at most two decimals.
    """
    import cn2an

    words: str = cn2an.an2cn(format(amount, "f"), "rmb")
    return words


@functools.cache
def _prefixes() -> dict[tuple[str, int], tuple[str, str]]:
    return {
        (prefix, int(length)): (bank, card_type)
        for prefix, length, card_type, bank in _rows("bins.tsv")
    }


@functools.cache
def _names() -> dict[str, str]:
    return dict(_rows("banks.tsv"))


@functools.cache
def _heads() -> dict[str, str]:
    return dict(_rows("heads.tsv"))


def bank_name_of(bank: str) -> str:
    """The name of a bank of the table, such as ICBC; empty where it has none."""
    return _names().get(bank, "")


def _rows(name: str) -> list[list[str]]:
    text = importlib.resources.files(__package__).joinpath("data", name).read_text("utf-8")
    return [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
