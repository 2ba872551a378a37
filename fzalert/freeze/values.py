"""What a case is made of: victim, accounts, transfers, officers, papers; strict and frozen.

Shapes and lengths are those that a public bank-side gateway of the national platform uses. Shapes
are enforced here; what may be right although it looks wrong (an unknown area code, a bank that does
not fit the card's prefix) is a finding of `checks`, which a person may waive with a reason.

`repr` never shows a name, an identity number, an account or a telephone in full, and validation
errors never repeat the input.
"""

from __future__ import annotations

import enum
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from typing_extensions import override

from fzalert.access.ranks import Rank

__all__ = [
    "Account",
    "AccountKind",
    "Attachment",
    "AttachmentType",
    "CaseReport",
    "Duty",
    "Filing",
    "HolderType",
    "IdType",
    "Money",
    "Officer",
    "Personal",
    "Rank",
    "Transfer",
    "TransferChannel",
    "Victim",
    "mask_name",
    "mask_number",
]


def mask_number(number: str) -> str:
    """Show the first six and the last four characters of a long number, fewer of a short one.

    >>> mask_number("6222021234567890128")
    '622202*********0128'
    """
    if len(number) >= 15:
        return number[:6] + "*" * (len(number) - 10) + number[-4:]
    if len(number) >= 8:
        return number[:3] + "*" * (len(number) - 5) + number[-2:]
    return "*" * len(number)


def mask_name(name: str) -> str:
    """Show the family name alone: 张*."""
    return name[:1] + "*" * max(1, min(len(name) - 1, 4)) if name else ""


def _cents(amount: Decimal) -> Decimal:
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or amount <= 0:
        raise ValueError("the amount has to be more than zero")
    if -exponent > 2:
        raise ValueError("the amount has more than two decimals")
    return amount.quantize(Decimal("0.01"))


Money = Annotated[Decimal, Field(max_digits=15, allow_inf_nan=False), AfterValidator(_cents)]
"""An amount: more than zero, at most two decimals, never a float's noise."""
_Line = StringConstraints(strip_whitespace=True, pattern=r"^[^\x00-\x1f\x7f\u2028\u2029]*$")
Personal = Annotated[str, _Line, Field(repr=False)]
"""A text about a person: kept out of `repr`."""
_Name40 = Annotated[str, _Line, Field(min_length=1, max_length=40)]


class _Value(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class IdType(enum.StrEnum):
    """What kind of identity document."""

    RESIDENT = "resident"
    PASSPORT = "passport"
    HK_MACAO = "hk_macao"
    TAIWAN = "taiwan"
    FOREIGN_RESIDENT = "foreign_resident"
    CREDIT_CODE = "credit_code"
    OTHER = "other"


class AccountKind(enum.StrEnum):
    """What kind of account; only cards carry a Luhn digit."""

    CARD = "card"
    PASSBOOK = "passbook"
    CORPORATE = "corporate"
    PAYMENT = "payment"
    """An account at a payment institution (Alipay, Tenpay and so on)."""


class HolderType(enum.StrEnum):
    """Who holds an account; the values are the platform's."""

    PERSON = "01"
    CORPORATE = "02"


class TransferChannel(enum.StrEnum):
    """How the money was sent."""

    COUNTER = "counter"
    ATM = "atm"
    MOBILE = "mobile"
    ONLINE = "online"
    THIRD_PARTY = "third_party"
    POS = "pos"
    CASH = "cash"
    OTHER = "other"


class Victim(_Value):
    """Who was defrauded. A bank's package never carries more of it than the transfer shows."""

    name: Annotated[Personal, Field(min_length=1, max_length=120)]
    id_type: IdType = IdType.RESIDENT
    id_number: Annotated[Personal, Field(min_length=1, max_length=30)]
    phone: Annotated[Personal, Field(pattern=r"^\+?[0-9][0-9\-]{5,28}$")]
    elderly: bool = False
    minor: bool = False

    @override
    def __repr__(self) -> str:
        return f"Victim({mask_name(self.name)}, {mask_number(self.id_number)})"

    __str__ = __repr__


class Account(_Value):
    """One account at one institution.

    Attributes:
        kind: What kind.
        number: 8 to 50 characters; a sub-account is written `main_sub`.
        name: The holder's name.
        holder: Person or company.
        bank_code: The institution's CNAPS code of 12 digits; empty for a payment institution.
        bank_name: Its name.
        institution: A payment institution's short name, such as alipay; empty for a bank.
        login_hint: What a payment institution finds the account by, where there is no number.
        protected: What stands against freezing it, where known: never (article 21), not_whole
            (article 22), or livelihood (wages, pension, benefits), which is a warning.
    """

    kind: AccountKind
    number: Annotated[Personal, Field(min_length=4, max_length=50, pattern=r"^[0-9A-Za-z_@.\-]+$")]
    name: Annotated[Personal, Field(min_length=1, max_length=120)]
    holder: HolderType = HolderType.PERSON
    bank_code: Annotated[str, Field(pattern=r"^(?:[0-9]{12})?$")] = ""
    bank_name: Annotated[str, _Line, Field(max_length=150)] = ""
    institution: Annotated[str, Field(pattern=r"^[a-z0-9_\-]{0,40}$")] = ""
    login_hint: Annotated[Personal, Field(max_length=60)] = ""
    protected: Literal["", "never", "not_whole", "livelihood"] = ""

    @property
    def desk(self) -> str:
        """Under which name the directory of desks has the institution."""
        return self.bank_code or self.institution

    @property
    def key(self) -> str:
        """By which equal accounts are found: institution and number."""
        return f"{self.desk}/{self.number.upper()}"

    @override
    def __repr__(self) -> str:
        at = self.bank_name or self.institution or self.bank_code
        return f"Account({mask_number(self.number)} {mask_name(self.name)} at {at})"

    __str__ = __repr__


class Transfer(_Value):
    """One movement of money into an account.

    Attributes:
        from_account: Account number of the payer.
        from_bank: CNAPS code of the payer's bank, or a payment institution's name.
        from_name: The payer's name.
        amount: In `currency`.
        currency: ISO 4217.
        at: When, with a zone.
        channel: How.
        serials: Serial numbers by which a bank finds it: bank, UnionPay, order number, UETR.
    """

    from_account: Annotated[Personal, Field(min_length=1, max_length=50)]
    from_bank: Annotated[str, _Line, Field(max_length=150)] = ""
    from_name: Annotated[Personal, Field(max_length=120)] = ""
    amount: Money
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "CNY"
    at: AwareDatetime
    channel: TransferChannel = TransferChannel.OTHER
    serials: tuple[Annotated[str, Field(pattern=r"^[0-9A-Za-z_\-]{4,64}$")], ...] = ()

    @override
    def __repr__(self) -> str:
        return f"Transfer({self.amount} {self.currency} at {self.at.isoformat()})"

    __str__ = __repr__


class Officer(_Value):
    """One officer as papers name him.

    Attributes:
        actor: Id of the actor, where the person has an account here.
        name: Up to 40 characters.
        certificate: Number of the police certificate, up to 30.
        phone: For questions.
        role: 经办人 handles the case, 协查人 assists.
    """

    actor: str = ""
    name: Annotated[_Name40, Field(repr=False)]
    certificate: Annotated[str, _Line, Field(min_length=1, max_length=30, repr=False)]
    phone: Annotated[str, Field(pattern=r"^\+?[0-9][0-9\-]{5,28}$", repr=False)]
    role: Literal["handling", "assisting"] = "handling"


class AttachmentType(enum.StrEnum):
    """The platform's types of attachments."""

    POLICE_CARD = "01"
    FREEZE_DOCUMENT = "02"
    STOP_FORM = "03"
    IDENTITY = "04"
    QUERY_DOCUMENT = "05"
    FILING_DECISION = "06"
    """Not of the platform's list: 立案决定书, which the 2024 rules ask for."""
    NECESSITY = "07"
    """Not of the platform's list: 必要性说明 of a whole-account freeze."""
    PREFECTURE_NOTICE = "08"
    """Not of the platform's list: 书面通报 to the police of another prefecture."""


class Attachment(_Value):
    """One document of a case. The bytes lie beside the store, encrypted; this names them."""

    type: AttachmentType
    format: Literal["jpg", "pdf", "png"]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: Annotated[int, Field(gt=0, le=20 * 1024 * 1024)]


class CaseReport(_Value):
    """The report of a crime: what the station was told, and when."""

    number: Annotated[str, _Line, Field(min_length=1, max_length=30)]
    """Number of the 110 or station report."""
    at: AwareDatetime
    kind: Annotated[str, _Line, Field(max_length=50)] = "电信网络诈骗"
    telecom_fraud: bool = True
    summary: Annotated[Personal, Field(max_length=300)] = ""
    suspect_phone: Annotated[Personal, Field(max_length=30)] = ""


class Filing(_Value):
    """立案: the decision to file a case; before it nothing may be frozen."""

    case_number: Annotated[str, _Line, Field(min_length=1, max_length=30)]
    at: AwareDatetime
    decision: Attachment
    legal_basis: Annotated[
        tuple[Annotated[str, _Line, Field(min_length=1, max_length=150)], ...], Field(min_length=1)
    ]
    case_money: Money | None = None
    """Money of the case as far as it is known; the freezes of a case do not exceed it."""


class Duty(_Value):
    """Who answers day and night."""

    phone: Annotated[str, Field(pattern=r"^\+?[0-9][0-9\-]{5,28}$")]
    unit_name: Annotated[str, _Line, Field(min_length=1, max_length=150)]
    unit_code: Annotated[str, Field(pattern=r"^[0-9]{12}$")]
    prefecture: Annotated[str, Field(pattern=r"^(?:[0-9]{4})?$")] = ""
    """First four digits of the area code (GB/T 2260): which prefecture the unit belongs to."""


def legal_day(moment: datetime) -> date:
    """The calendar day in China at a moment."""
    from zoneinfo import ZoneInfo

    return moment.astimezone(ZoneInfo("Asia/Shanghai")).date()
