"""A script rendered for one channel kind: what an adapter gets to deliver."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Discriminator, TypeAdapter
from typing_extensions import override


class RenditionKind(enum.StrEnum):
    """The kinds of text a channel can take."""

    SMS = "sms"
    DISPLAY = "display"
    SPEECH = "speech"
    MAIL = "mail"
    POST = "post"
    RELAY = "relay"
    """No text at all: what another fzalert needs to render it there."""
    BANK = "bank"
    """No text of a script either: a freeze request's package for one bank."""


class Coding(enum.StrEnum):
    """How the characters of a short message travel; the channel declares it."""

    UCS2 = "ucs2"
    GSM7 = "gsm7"
    ASCII = "ascii"
    GB18030 = "gb18030"


class Severity(enum.StrEnum):
    """How loud a screen shows it; colour is never the only sign."""

    INFO = "info"
    WARN = "warn"
    DANGER = "danger"


@dataclass(frozen=True, slots=True)
class ScriptRef:
    """Which text this is: enough to prove later what was said.

    Attributes:
        id: Fraud type or operational template, kebab-case.
        audience: general, elderly, students, parents, finance-staff or merchants.
        language: BCP 47 tag.
        version: The script's version.
        digest: SHA-256, hex, of the script's canonical form.
    """

    id: str
    audience: str
    language: str
    version: int
    digest: str


@dataclass(frozen=True, slots=True)
class TemplateBinding:
    """A vendor's approved template that stands for this text on a template-bound gateway.

    Attributes:
        template: The vendor's template code.
        values: Template variables in the vendor's order.
    """

    template: str
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SmsText:
    """A short message, its parts already cut on whole characters.

    Attributes:
        parts: Text of each part in order; one part travels without a concatenation header.
        coding: How every part is encoded.
        script: Which text this is.
        template: Set where a vendor's template binds.
        drill: Whether it carries the mark 演练.
    """

    parts: tuple[str, ...]
    coding: Coding
    script: ScriptRef
    template: TemplateBinding | None = None
    drill: bool = False
    kind: Literal["sms"] = "sms"

    @property
    def text(self) -> str:
        """What the person reads once the handset has joined the parts."""
        return "".join(self.parts)


@dataclass(frozen=True, slots=True)
class DisplayContent:
    """One card for a screen. Text is data, never markup.

    Attributes:
        title: The headline.
        lines: Up to three lines; the last carries the action.
        footer: Who says so, and the hotline.
        severity: How it is drawn.
        priority: 0–1000; from 700 on it cuts what is running (bands in `docs/design.md`).
        min_show_ms: Shortest time on screen before an equal priority may take its place.
        script: Which text this is.
        drill: Whether every page carries the mark 演练.
        locale: BCP 47 tag of the text.
    """

    title: str
    lines: tuple[str, ...]
    footer: str
    severity: Severity
    priority: int
    script: ScriptRef
    min_show_ms: int = 8000
    drill: bool = False
    locale: str = "zh-CN"
    kind: Literal["display"] = "display"


@dataclass(frozen=True, slots=True)
class Speech:
    """One spoken prompt.

    Attributes:
        text: Exactly what is spoken: no digits, no Latin letters left to an engine.
        script: Which text this is; the recorded prompt is looked up by it.
        repeats: How often it is said in one programme.
        gap_ms: Silence between two repeats.
        chime: Whether a chime opens the programme.
        drill: Whether 演练 is said before it.
        locale: BCP 47 tag of the voice.
    """

    text: str
    script: ScriptRef
    repeats: int = 1
    gap_ms: int = 1500
    chime: bool = True
    drill: bool = False
    locale: str = "zh-CN"
    kind: Literal["speech"] = "speech"


@dataclass(frozen=True, slots=True)
class Mail:
    """A plain-text mail.

    Attributes:
        subject: One line.
        body: Plain text, lines ended by LF.
        script: Which text this is.
        drill: Whether it carries the mark 演练.
    """

    subject: str
    body: str
    script: ScriptRef
    drill: bool = False
    kind: Literal["mail"] = "mail"


@dataclass(frozen=True, slots=True)
class Post:
    """A text for a group chat or a webhook.

    Attributes:
        title: One line.
        text: Plain text, forwardable as it is.
        script: Which text this is.
        values: The warning's public values, for a machine that reads the webhook.
        drill: Whether it carries the mark 演练.
    """

    title: str
    text: str
    script: ScriptRef
    values: tuple[tuple[str, str], ...] = field(default=())
    drill: bool = False
    kind: Literal["post"] = "post"


@dataclass(frozen=True, slots=True)
class RelayedWarning:
    """What a branch hands to its county: which text, and the values; never the words themselves.

    The county renders its own copy of the script, after it has found that version and digest
    are the same.

    Attributes:
        script: Which text this is.
        values: Values of the variables that its texts name, checked, sorted by name.
        drill: Whether it carries the mark 演练.
    """

    script: ScriptRef
    values: tuple[tuple[str, str | int], ...] = field(default=())
    drill: bool = False
    kind: Literal["relay"] = "relay"


@dataclass(frozen=True, slots=True, repr=False)
class BankPackage:
    """A freeze request's package for the one institution that has the account.

    It names people and accounts: `repr` shows its id and hash, and the store keeps it encrypted.

    Attributes:
        application_id: Under which the institution answers.
        institution: Its code in the directory of desks.
        binding: False for a pre-alert, which binds nobody.
        body: The package in its one spelling (canonical JSON).
        sha256: Hash of it, hex.
        paper: The same as a signed PDF in base64, or empty.
        drill: Whether it is a rehearsal.
    """

    application_id: str
    institution: str
    binding: bool
    body: str
    sha256: str
    paper: str = ""
    drill: bool = False
    kind: Literal["bank"] = "bank"

    @override
    def __repr__(self) -> str:
        return f"BankPackage({self.application_id} to {self.institution}, {self.sha256[:16]})"


Rendition = SmsText | DisplayContent | Speech | Mail | Post | RelayedWarning | BankPackage

_ADAPTER: TypeAdapter[Rendition] = TypeAdapter(Annotated[Rendition, Discriminator("kind")])


def encode_rendition(rendition: Rendition) -> bytes:
    """Serialise for the store: JSON, UTF-8, fields in their declared order."""
    return _ADAPTER.dump_json(rendition)


def decode_rendition(data: bytes) -> Rendition:
    """Read back what `encode_rendition` wrote.

    Raises:
        ValueError: Not a rendition.
    """
    return _ADAPTER.validate_json(data)
