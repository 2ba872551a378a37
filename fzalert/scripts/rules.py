"""The rule data of `library/lint-rules.toml`, read once, and the detector for public surfaces."""

from __future__ import annotations

import functools
import re
import tomllib
import unicodedata
from collections.abc import Iterable
from importlib import resources

from pydantic import BaseModel, ConfigDict, Field


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(_Table):
    """Longest text of each rendition; None sets no limit."""

    sms: int | None = None
    sms_long: int | None = None
    led: int | None = None
    display_headline: int | None = None
    display_bullets: int | None = None
    voice: int | None = None
    voice_words: int | None = None
    voice_elder: int | None = None
    group: int | None = None
    email_subject: int | None = None
    email_body: int | None = None


class Segments(_Table):
    """UTF-16 code units of a message that travels alone, and of each of many."""

    single: int
    multi: int


class Sentences(_Table):
    """Longest clause, and most clauses in an elder sentence."""

    zh: int
    elder: int
    elder_clauses: int


class Words(_Table):
    """A list of words, in Chinese and, where it matters, in English."""

    words: tuple[str, ...]
    en_words: tuple[str, ...] = ()


class Instruction(Words):
    """Words that lead a reader somewhere, allowed after a negation."""

    negations: tuple[str, ...]
    reach: int
    en_negations: tuple[str, ...]
    en_reach: int


class Imperative(_Table):
    """Marks of a sentence that tells the reader what to do."""

    markers: tuple[str, ...]


class Stigma(Words):
    """Words that blame, and places not to be named with fraudsters."""

    places: tuple[str, ...]
    after_place: str


class Marketing(Words):
    """Words that make a bank's notice a commercial message."""

    warned: tuple[str, ...]


class Traditional(_Table):
    """Characters that only the traditional script has."""

    characters: str


class Vendor(_Table):
    """A vendor's published ban list."""

    words: tuple[str, ...]


class Rules(_Table):
    """All of `lint-rules.toml`."""

    schema_: int = Field(alias="schema")
    hotlines: frozenset[str]
    limits: dict[str, Limits]
    segments: Segments
    sentences: Sentences
    instruction: Instruction
    money_request: Words
    accuse: Words
    fear: Words
    imperative: Imperative
    action: dict[str, tuple[str, ...]]
    promise: Words
    stigma: Stigma
    bank_marketing: Marketing
    elder_jargon: Words
    traditional: Traditional
    public_patterns: dict[str, str]
    vendor: dict[str, Vendor]


@functools.cache
def rules() -> Rules:
    """The rules that ship with the package."""
    return Rules.model_validate(tomllib.loads(library_text("lint-rules.toml")))


def library_text(name: str) -> str:
    """One file of the packaged library."""
    return (resources.files("fzalert.scripts") / "library" / name).read_text(encoding="utf-8")


_BETWEEN_DIGITS = re.compile(r"(?<=\d)[\s\-‐-―·.]+(?=\d)")


@functools.cache
def _public_patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((name, re.compile(text)) for name, text in rules().public_patterns.items())


def joined_digits(text: str) -> str:
    """NFKC, without the spaces, hyphens and dots that people put between digits."""
    return _BETWEEN_DIGITS.sub("", unicodedata.normalize("NFKC", text))


def personal_data(text: str) -> tuple[str, ...]:
    """What in a text looks like a person's data: names of the patterns that hit.

    >>> personal_data("联系138 0013 8000")
    ('mobile',)
    >>> personal_data("请打96110")
    ()
    """
    shown = joined_digits(text)
    return tuple(name for name, pattern in _public_patterns() if pattern.search(shown))


def foreign_digits(text: str, hotlines: Iterable[str]) -> tuple[int, int] | None:
    """The span of the first run of three or more digits that is no hotline, or None."""
    known = frozenset(hotlines)
    for match in re.finditer(r"\d{3,}", text):
        if match.group() not in known:
            return match.span()
    return None
