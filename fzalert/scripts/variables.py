"""The closed list of variables: what type each has, and on which surface it may be read.

A public surface (screen, loudspeaker, group) takes no free text at all: only enumerations from the
configuration, dates and small integers. Values are checked before anything is rendered.
"""

from __future__ import annotations

import enum
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from types import MappingProxyType

from fzalert.errors import ConfigError, InputError
from fzalert.messages import Lane, RenditionKind, is_mobile, mask_digits
from fzalert.scripts.model import PLACEHOLDER, Script
from fzalert.scripts.rules import foreign_digits, joined_digits, rules

Values = Mapping[str, str | int]


class Place(enum.StrEnum):
    """Where a text is read, as far as privacy is concerned."""

    SMS_ONE_TO_ONE = "sms-one-to-one"
    SMS_CAMPAIGN = "sms-campaign"
    MAIL = "mail"
    BANK_DESK = "bank-desk"
    COUNTER = "counter"
    DISPLAY = "display"
    VOICE = "voice"
    GROUP = "group"

    @property
    def is_public(self) -> bool:
        """Whether strangers can read or hear it; a counter's screen stands in a hall."""
        return self in _PUBLIC


_PUBLIC = frozenset({Place.COUNTER, Place.DISPLAY, Place.VOICE, Place.GROUP})
_NOT_PUBLIC_TIME = frozenset(Place) - {Place.DISPLAY, Place.VOICE}
_ONE_PERSON = frozenset({Place.SMS_ONE_TO_ONE, Place.BANK_DESK})


def place_of(kind: RenditionKind, lane: Lane) -> Place:
    """The surface that a kind of rendition is read on; a bulk SMS is a campaign's."""
    match kind:
        case RenditionKind.SMS:
            return Place.SMS_ONE_TO_ONE if lane is Lane.URGENT else Place.SMS_CAMPAIGN
        case RenditionKind.DISPLAY:
            return Place.DISPLAY
        case RenditionKind.SPEECH:
            return Place.VOICE
        case RenditionKind.MAIL:
            return Place.MAIL
        case RenditionKind.POST:
            return Place.GROUP
        case RenditionKind.BANK:
            return Place.BANK_DESK
        case RenditionKind.RELAY:  # no text is made here; where it is made decides
            return place_of(RenditionKind.SMS, lane)


class VariableType(enum.StrEnum):
    """How a value is checked and written."""

    NAME = "name"
    HOTLINE = "hotline"
    DATE = "date"
    MONTH = "month"
    COUNT = "count"
    MONEY = "money"
    LAST4 = "last4"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of the whitelist.

    Attributes:
        name: As in `{name}`.
        type: How it is checked and written.
        widest: Longest written form, in characters.
        places: Surfaces that may show it.
    """

    name: str
    type: VariableType
    widest: int
    places: frozenset[Place] = frozenset(Place)


_T = VariableType
VARIABLES: Mapping[str, Variable] = {
    each.name: each
    for each in (
        Variable("county", _T.NAME, 10),
        Variable("town", _T.NAME, 10),
        Variable("village", _T.NAME, 10),
        Variable("bank", _T.NAME, 16),
        Variable("branch", _T.NAME, 16),
        Variable("sign", _T.NAME, 16),
        Variable("unit", _T.NAME, 16),
        Variable("type_name", _T.NAME, 12),
        Variable("hotline", _T.HOTLINE, 5),
        Variable("date", _T.DATE, 6),
        Variable("market_day", _T.DATE, 6),
        Variable("month", _T.MONTH, 3),
        Variable("case_count", _T.COUNT, 4),
        Variable("loss_wan", _T.COUNT, 4),
        Variable("filled", _T.COUNT, 4),
        Variable("amount", _T.MONEY, 14, _ONE_PERSON),
        Variable("last4", _T.LAST4, 4, _ONE_PERSON),
        Variable("time", _T.TIME, 5, _NOT_PUBLIC_TIME),
    )
}
"""Anything else is refused everywhere: names, phones, accounts, addresses have no variable."""

SMALLEST_PUBLIC_COUNT = 5
"""Below this many cases a number in public points at a household."""


@dataclass(frozen=True, slots=True)
class ScriptSettings:
    """What the configuration gives to texts.

    Attributes:
        names: The allowed values of each name variable, such as `{"branch": {"城关支行"}}`.
        service_numbers: The bank's own service numbers, allowed beside the public hotlines.
        defaults: Values used where a warning gives none, such as `{"branch": "城关支行"}`.
        hotline: The number in a screen's footer and in a mail's signature.
        mail_signature: Lines under a mail; empty puts sign and hotline there.
    """

    names: Mapping[str, frozenset[str]] = field(default_factory=dict, hash=False)
    service_numbers: frozenset[str] = frozenset()
    defaults: Values = field(default_factory=dict, hash=False)
    hotline: str = "96110"
    mail_signature: str = ""

    def __post_init__(self) -> None:
        nfc = {
            name: frozenset(unicodedata.normalize("NFC", each) for each in allowed)
            for name, allowed in self.names.items()
        }
        object.__setattr__(self, "names", MappingProxyType(nfc))
        for number in self.service_numbers:
            if not re.fullmatch(r"[1-9]\d{2,9}", number, re.ASCII) or is_mobile(number):
                raise ConfigError(f"{mask_digits(number)[:20]!r} is no service number.")
        if self.hotline not in self.hotlines:
            raise ConfigError(
                f"{mask_digits(self.hotline)[:20]!r} is no hotline that a warning may name.",
                hint="Use 96110, or add the bank's number to its service numbers.",
            )

    @property
    def hotlines(self) -> frozenset[str]:
        """Every number that a text may name."""
        return rules().hotlines | self.service_numbers


def placeholders(text: str) -> tuple[str, ...]:
    """The variables that a text names, in order of appearance, each once."""
    return tuple(dict.fromkeys(PLACEHOLDER.findall(text)))


def check_values(script: Script, values: Values, settings: ScriptSettings) -> dict[str, str | int]:
    """Check every value of a warning against the whitelist; return them in canonical form.

    One map serves many targets, so a value that no text of the script uses is no error.

    Args:
        script: The script that they are for; named in errors.
        values: As the caller gave them.
        settings: Allowed names and numbers.

    Returns:
        The same values: text in NFC, money as yuan with two decimals, dates as ISO 8601.

    Raises:
        InputError: An unknown or forbidden variable, a wrong type, too long, a character that may
            not be there, or not one of the configured names; `field` is the variable.
    """
    return {name: _checked(script.key, name, value, settings) for name, value in values.items()}


def _checked(key: str, name: str, value: str | int, settings: ScriptSettings) -> str | int:
    variable = VARIABLES.get(name)
    if variable is None:
        shown = name if re.fullmatch(r"[a-z0-9_]{1,32}", name) else "that"
        raise InputError(
            f"{key}: {shown!r} is no variable of any script.",
            hint=f"The variables are {', '.join(VARIABLES)}.",
            field=shown,
        )
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _wrong(name, "must be a text or a whole number")
    if isinstance(value, str):
        value = _plain(name, value)
    return _CHECKS[variable.type](variable, value, settings)


def _wrong(name: str, why: str, hint: str = "") -> InputError:
    # The value itself is not repeated: it may be a person's data typed into the wrong field.
    return InputError(f"The value of {name} {why}.", hint=hint, field=name)


_FORMAT_CHARACTERS = frozenset("\u200b\u200c\u200d\u2060\ufeff\u061c\u200e\u200f\u2028\u2029") | {
    chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
}


def _plain(name: str, value: str) -> str:
    value = unicodedata.normalize("NFC", value)
    for character in value:
        if unicodedata.category(character) in {"Cc", "Cs", "Co", "Cn"}:
            raise _wrong(name, f"has a control or unassigned character, U+{ord(character):04X}")
        if character in _FORMAT_CHARACTERS:
            raise _wrong(name, f"has an invisible character, U+{ord(character):04X}")
    return value


def _name(variable: Variable, value: str | int, settings: ScriptSettings) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _wrong(variable.name, "must be a text")
    if len(value) > variable.widest:
        raise _wrong(variable.name, f"has {len(value)} characters; {variable.widest} are allowed")
    if re.search(r"[【】{}<>]", value):
        raise _wrong(variable.name, "may not hold brackets 【】 { } < >")
    if foreign_digits(joined_digits(value), settings.hotlines):
        raise _wrong(variable.name, "holds a number that is no hotline")
    known = settings.names.get(variable.name, frozenset())
    if value not in known and settings.defaults.get(variable.name) != value:
        raise _wrong(
            variable.name,
            "is not among the configured names",
            f"List it in the configuration under the names of {variable.name}.",
        )
    return value


def _hotline(variable: Variable, value: str | int, settings: ScriptSettings) -> str:
    if str(value) not in settings.hotlines:
        raise _wrong(
            variable.name,
            "is no number that a warning may name",
            f"Use {', '.join(sorted(settings.hotlines))}.",
        )
    return str(value)


def _date(variable: Variable, value: str | int, _settings: ScriptSettings) -> str:
    no_date = _wrong(variable.name, "is no date", "Write it as 2026-11-24.")
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        raise no_date
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError as error:
        raise no_date from error


def _month(variable: Variable, value: str | int, _settings: ScriptSettings) -> int:
    if isinstance(value, int) and 1 <= value <= 12:
        return value
    raise _wrong(variable.name, "is no month", "Give a whole number from 1 to 12.")


def _count(variable: Variable, value: str | int, _settings: ScriptSettings) -> int:
    if isinstance(value, int) and 0 <= value <= 9999:
        return value
    raise _wrong(variable.name, "must be a whole number from 0 to 9999")


def _money(variable: Variable, value: str | int, _settings: ScriptSettings) -> str:
    if re.fullmatch(r"\d{1,10}(\.\d{1,2})?", str(value), re.ASCII):
        return f"{Decimal(value):.2f}"
    raise _wrong(variable.name, "is no amount of money", "Write yuan as 50000 or 50000.00.")


def _last4(variable: Variable, value: str | int, _settings: ScriptSettings) -> str:
    if isinstance(value, str) and re.fullmatch(r"\d{4}", value, re.ASCII):
        return value
    raise _wrong(variable.name, "must be exactly four digits, as a text")


def _time(variable: Variable, value: str | int, _settings: ScriptSettings) -> str:
    if isinstance(value, str) and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value, re.ASCII):
        return value
    raise _wrong(variable.name, "is no time of day", "Write it as 15:30.")


_CHECKS: Mapping[VariableType, Callable[[Variable, str | int, ScriptSettings], str | int]] = {
    VariableType.NAME: _name,
    VariableType.HOTLINE: _hotline,
    VariableType.DATE: _date,
    VariableType.MONTH: _month,
    VariableType.COUNT: _count,
    VariableType.MONEY: _money,
    VariableType.LAST4: _last4,
    VariableType.TIME: _time,
}
