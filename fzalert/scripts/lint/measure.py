"""L01, L03, L09, L10, L11, L17: lengths, numbers, characters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from fzalert.messages import Coding
from fzalert.scripts.files import PUBLIC, UNPRINTABLE
from fzalert.scripts.lint.findings import Finding, Passage, Request
from fzalert.scripts.model import PLACEHOLDER
from fzalert.scripts.parts import units
from fzalert.scripts.rules import Limits, foreign_digits, personal_data

SENTENCE = re.compile(r"[^。！？!?；;\n]+")
CLAUSE = re.compile(r"[^。！？!?；;，,：:、\n]+")
_SMS = {"sms", "sms_long"}


def half_cells(text: str) -> int:
    """Width on an LED sign: two for a full-width character, else one.

    >>> half_cells("ATM转账要当心")
    13
    """
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def spoken_length(text: str) -> int:
    """Characters that are spoken; punctuation and spaces are not.

    >>> spoken_length("请挂断，问柜台。")
    6
    """
    return sum(1 for c in text if unicodedata.category(c)[0] not in "PZ")


def check(request: Request) -> Iterator[Finding]:
    """Run the rules of this module."""
    for passage in request.passages():
        yield from _length(request, passage)
        yield from _numbers(request, passage)
        yield from _characters(request, passage)
        if passage.language == "elder":
            yield from _elder_sentences(request, passage)
        elif passage.language == "zh":
            yield from _sentences(request, passage)
    yield from _languages(request)


def _length(request: Request, passage: Passage) -> Iterator[Finding]:
    limits = request.rules.limits.get(passage.language, Limits())
    text, field = passage.widest, passage.field
    unit, length, limit = "characters", len(text), getattr(limits, field, None)
    if field in _SMS:
        unit, length = "UTF-16 units", units(text, Coding.UCS2)
    elif field == "led":
        unit, length = "half-width cells", half_cells(text)
    elif field == "voice" and limits.voice_words is not None:
        unit, length, limit = "words", len(text.split()), limits.voice_words
    elif field in {"voice", "voice_elder"}:
        unit, length = "spoken characters", spoken_length(text)
    if limit is not None and length > limit:
        yield passage.error("L01", passage.whole, f"{length} {unit}; {limit} are allowed.")
    elif field in _SMS:
        around = request.signature_max + 2 + len(request.opt_out)
        segments = request.rules.segments
        room = segments.single if field == "sms" else 2 * segments.multi
        if length + around > room:
            yield passage.error(
                "L01",
                passage.whole,
                f"{length} UTF-16 units and {around} of signature and opt-out; {room} fit.",
            )
    if field == "led" and "\n" in text:
        yield passage.error("L01", passage.whole, "An LED text is one line.")


def _numbers(request: Request, passage: Passage) -> Iterator[Finding]:
    # A variable is as wide as itself, so that spans stay right.
    bare = PLACEHOLDER.sub(lambda m: " " * len(m[0]), passage.text)
    if span := foreign_digits(bare, request.hotlines):
        yield passage.error("L03", span, f"{bare[slice(*span)]} is no hotline.")
    if passage.field in PUBLIC and (hits := personal_data(bare)):
        yield passage.error(
            "L09", passage.whole, f"Strangers would read personal data ({', '.join(hits)})."
        )


def _characters(request: Request, passage: Passage) -> Iterator[Finding]:
    text = passage.text
    start = 0
    if passage.field == "group" and (topic := re.match("【[^【】]{2,12}】", text)):
        start = topic.end()  # the bracketed topic of a group text is no signature
    for index, character in enumerate(text):
        span = (index, index + 1)
        if character in "【】" and index >= start:
            yield passage.error("L10", span, "【】 is for the signature, which the channel adds.")
        elif ord(character) > 0xFFFF and passage.field in {*_SMS, "led"}:
            yield passage.error("L10", span, f"U+{ord(character):X} is outside the basic plane.")
        elif unicodedata.category(character) in UNPRINTABLE and not (
            character == "\n" and passage.field == "email_body"
        ):
            yield passage.error("L10", span, f"U+{ord(character):04X} cannot be seen.")
        elif passage.language in {"zh", "elder"} and (
            character in request.rules.traditional.characters
        ):
            yield passage.error("L17", span, f"{character} is of the traditional script.")


def _sentences(request: Request, passage: Passage) -> Iterator[Finding]:
    if passage.field in {"group", "email_subject", "email_body"}:
        return
    limit = request.rules.sentences.zh
    for clause in CLAUSE.finditer(passage.text):
        if spoken_length(clause[0]) > limit:
            yield passage.warning(
                "L11", clause.span(), f"{spoken_length(clause[0])} characters without a pause."
            )


def _elder_sentences(request: Request, passage: Passage) -> Iterator[Finding]:
    limits = request.rules.sentences
    for clause in CLAUSE.finditer(passage.text):
        if spoken_length(clause[0]) > limits.elder:
            yield passage.error(
                "L11",
                clause.span(),
                f"{spoken_length(clause[0])} characters without a pause; {limits.elder} are"
                " allowed for old people.",
            )
    for sentence in SENTENCE.finditer(passage.text):
        clauses = len(CLAUSE.findall(sentence[0]))
        if clauses > limits.elder_clauses:
            yield passage.warning(
                "L11", sentence.span(), f"{clauses} clauses in a sentence for old people."
            )


def _languages(request: Request) -> Iterator[Finding]:
    script = request.script
    zh = script.languages.get("zh")
    for language in script.langs:
        texts = script.languages.get(language)
        if texts is None:
            yield Passage(language, language, "", "").error(
                "L17", (0, 0), f"{language} is promised in `langs` and is not there."
            )
        elif zh is not None and (missing := zh.kinds() - texts.kinds()):
            yield Passage(language, language, "", "").error(
                "L17", (0, 0), f"{language} has no text for {', '.join(sorted(missing))}."
            )
