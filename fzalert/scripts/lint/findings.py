"""What the linter says, and what it is told."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field

from fzalert.scripts.approval import Approval
from fzalert.scripts.model import PLACEHOLDER, Script
from fzalert.scripts.rules import Rules, rules
from fzalert.scripts.variables import VARIABLES


class Level(enum.StrEnum):
    """An error keeps a script from approval, a warning asks its author to look again."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault.

    Attributes:
        rule: L01 to L20.
        level: Error or warning.
        rendition: Such as `zh.sms`; empty where it is about the whole script.
        span: Where in the text, as start and end in characters.
        text: What is wrong, in one sentence.
    """

    rule: str
    level: Level
    rendition: str
    span: tuple[int, int]
    text: str


@dataclass(frozen=True, slots=True)
class Request:
    """What a run of the linter knows beside the script.

    Attributes:
        script: The script.
        profile: The vendor profile of the channel.
        enforced: Whether a word on the vendor's list is an error.
        signature_max: Characters of the longest configured signature.
        opt_out: The tail that a promotional port adds.
        service_numbers: The bank's own numbers.
        bank_signed: Whether it goes out under a bank's signature.
        production: Whether it is to be sent for real.
        approval: The approval that stands, if any.
        recent: Digests of scripts sent to the same audience within 28 days.
        rules: The rule data.
    """

    script: Script
    profile: str = "carrier-direct"
    enforced: bool = False
    signature_max: int = 12
    opt_out: str = ""
    service_numbers: frozenset[str] = frozenset()
    bank_signed: bool = False
    production: bool = False
    approval: Approval | None = None
    recent: frozenset[str] = frozenset()
    rules: Rules = field(default_factory=rules)

    @property
    def hotlines(self) -> frozenset[str]:
        """Every number that a text may name."""
        return self.rules.hotlines | self.service_numbers

    def passages(self) -> Iterator[Passage]:
        """Every text of the script."""
        for name, text in self.script.renditions():
            language, field_name = name.split(".")[:2]
            yield Passage(name, language, field_name, text)


@dataclass(frozen=True, slots=True)
class Passage:
    """One text with its place in the script.

    Attributes:
        name: Such as `zh.sms` or `en.display_bullets.3`.
        language: `zh`, `en`, `elder` or another tag.
        field: Such as `sms` or `display_bullets`.
        text: The text, variables unfilled.
    """

    name: str
    language: str
    field: str
    text: str

    @property
    def is_chinese(self) -> bool:
        """Whether the Chinese word lists hold for it."""
        return self.language in {"zh", "elder"}

    @property
    def widest(self) -> str:
        """The text with every variable at its widest, for measuring."""
        return PLACEHOLDER.sub(
            lambda m: "字" * VARIABLES[m[1]].widest if m[1] in VARIABLES else m[0], self.text
        )

    def error(self, rule: str, span: tuple[int, int], text: str) -> Finding:
        """A finding at this place that keeps the script from approval."""
        return Finding(rule, Level.ERROR, self.name, span, text)

    def warning(self, rule: str, span: tuple[int, int], text: str) -> Finding:
        """A finding at this place that asks to look again."""
        return Finding(rule, Level.WARNING, self.name, span, text)

    @property
    def whole(self) -> tuple[int, int]:
        """The span of the whole text."""
        return (0, len(self.text))
