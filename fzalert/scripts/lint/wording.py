"""L02, L04 to L07, L12 to L16: words, and what they ask of the reader."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from fzalert.scripts.lint.findings import Finding, Level, Passage, Request
from fzalert.scripts.lint.measure import CLAUSE, SENTENCE
from fzalert.scripts.rules import Rules, Words

_DOMAIN = re.compile(
    r"https?:|www\.|(?<![A-Za-z0-9@.])[A-Za-z0-9][A-Za-z0-9-]*(?:\.[A-Za-z0-9-]+)*"
    r"\.(?:com|cn|net|org|gov|edu|top|xyz|vip|info|cc|io|app|shop|site|club|link|me|tv|ltd)"
    r"(?![A-Za-z])",
    re.IGNORECASE,
)
_ENDS_WITH_ACTION = {"sms", "voice", "voice_elder"}
_GLOSS = re.compile(r"\s*(?:（|\(|就是|也就是|即)")


def check(request: Request) -> Iterator[Finding]:
    """Run the rules of this module."""
    for passage in request.passages():
        yield from _instructions(request.rules, passage)
        yield from _banned(request.rules, passage)
        if passage.is_chinese:
            yield from _action(request, passage)
            yield from _jargon(request, passage)
            yield from _stigma(request.rules, passage)
            if request.bank_signed:
                yield from _marketing(request.rules, passage)
        yield from _vendor(request, passage)


def _hits(words: Iterable[str], text: str) -> Iterator[tuple[str, tuple[int, int]]]:
    low = text.lower()
    for word in words:
        for match in re.finditer(re.escape(word.lower()), low):
            yield word, match.span()


def _spots(words: Words, passage: Passage) -> Iterator[tuple[str, tuple[int, int]]]:
    return _hits(words.words if passage.is_chinese else words.en_words, passage.text)


def _negated(rules: Rules, passage: Passage, start: int) -> bool:
    data = rules.instruction
    reach, negations = (
        (data.reach, data.negations) if passage.is_chinese else (data.en_reach, data.en_negations)
    )
    before = passage.text[max(0, start - reach) : start].lower()
    return any(negation in before for negation in negations)


def _instructions(rules: Rules, passage: Passage) -> Iterator[Finding]:
    for match in _DOMAIN.finditer(passage.text):
        yield passage.error("L02", match.span(), f"{match[0]} reads as a link.")
    for word, span in _spots(rules.instruction, passage):
        if not _negated(rules, passage, span[0]):
            yield passage.error("L02", span, f"{word} leads the reader to what fraudsters use.")
    for word, span in _spots(rules.money_request, passage):
        if not _negated(rules, passage, span[0]):
            yield passage.error("L04", span, f"{word} asks for money, a code or a call.")


def _banned(rules: Rules, passage: Passage) -> Iterator[Finding]:
    for word, span in _spots(rules.accuse, passage):
        yield passage.error("L05", span, f"{word} accuses or frightens the reader.")
    for word, span in _spots(rules.promise, passage):
        yield passage.error("L15", span, f"{word} promises what nobody can.")


def _action(request: Request, passage: Passage) -> Iterator[Finding]:
    markers = request.rules.imperative.markers
    text = passage.text
    if not _holds(text, markers):
        for word, span in _hits(request.rules.fear.words, text):
            yield passage.error("L06", span, f"{word} frightens, and no action is given.")
    is_third_bullet = passage.name.endswith("display_bullets.3")
    if not is_third_bullet and passage.field not in _ENDS_WITH_ACTION | _elder(passage):
        return
    sentences = list(SENTENCE.finditer(text))
    if not sentences or not _holds(sentences[-1][0], markers):
        yield passage.error("L07", passage.whole, "The end does not say what to do.")
        return
    if sum(_holds(each[0], markers) for each in sentences) > 2:
        yield passage.warning("L07", passage.whole, "More than two sentences ask for something.")
    wanted = request.script.action
    classes = {name for name, verbs in request.rules.action.items() if _holds(text, verbs)}
    if passage.field == "sms" and classes - {"call"} and not classes & {wanted, "call"}:
        yield passage.warning(
            "L07", passage.whole, f"Asks for {', '.join(sorted(classes))}; declared is {wanted}."
        )


def _elder(passage: Passage) -> frozenset[str]:
    return frozenset({"sms", "voice"} if passage.language == "elder" else ())


def _holds(text: str, words: Iterable[str]) -> bool:
    return any(word in text for word in words)


def _jargon(request: Request, passage: Passage) -> Iterator[Finding]:
    for_elders = passage.language == "elder" or passage.field == "voice_elder"
    if not for_elders and request.script.audience != "elderly":
        return
    for word, span in _hits(request.rules.elder_jargon.words, passage.text):
        if not _GLOSS.match(passage.text, span[1]):
            yield passage.warning("L12", span, f"Old people may not know {word}: explain it.")


def _vendor(request: Request, passage: Passage) -> Iterator[Finding]:
    if passage.field not in {"sms", "sms_long"}:
        return
    level = Level.ERROR if request.enforced else Level.WARNING
    for word, span in _hits(request.rules.vendor[request.profile].words, passage.text):
        text = f"{word} is on the ban list of {request.profile}."
        yield Finding("L13", level, passage.name, span, text)


def _marketing(rules: Rules, passage: Passage) -> Iterator[Finding]:
    for clause in CLAUSE.finditer(passage.text):
        warned = _holds(clause[0], rules.bank_marketing.warned)
        for word, (start, end) in _hits(rules.bank_marketing.words, clause[0]):
            span = (clause.start() + start, clause.start() + end)
            text = f"{word} makes a bank's notice a commercial message."
            level = Level.WARNING if warned else Level.ERROR
            yield Finding("L14", level, passage.name, span, text)


def _stigma(rules: Rules, passage: Passage) -> Iterator[Finding]:
    for word, span in _hits(rules.stigma.words, passage.text):
        yield passage.warning("L16", span, f"{word} blames people.")
    for place in rules.stigma.places:
        for match in re.finditer(place + rules.stigma.after_place, passage.text):
            yield passage.warning("L16", match.span(), f"{match[0]} blames a place.")
