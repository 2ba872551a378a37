"""A script: one fraud type and one audience, with all its languages and renditions together."""

from __future__ import annotations

import enum
import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace

from fzalert.messages import RenditionKind

AUDIENCES = ("general", "elderly", "students", "parents", "finance-staff", "merchants")
PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]{0,31})\}")
"""The only thing in a text that is not literal; everything else that looks like it stays text."""


class ScriptKind(enum.StrEnum):
    """What a script is for."""

    WARNING = "warning"
    OPS = "ops"
    CASE_STORY = "case-story"


class ActionClass(enum.StrEnum):
    """The one class of action that a script asks of its reader."""

    STOP = "stop"
    CALL = "call"
    ASK_FAMILY = "ask-family"
    REFUSE = "refuse"
    CHECK = "check"


@dataclass(frozen=True, slots=True)
class Texts:
    """Every rendition of a script in one language; an empty one does not exist.

    Attributes:
        sms: One segment, body only.
        sms_long: Up to two segments, body only.
        led: One line for an LED sign.
        display_headline: The title of a screen's card.
        display_bullets: Three lines; the third is the action.
        voice: Exactly what a loudspeaker says.
        voice_elder: The same, slower and shorter.
        group: Forwardable text for a group chat.
        email_subject: One line.
        email_body: Plain text.
    """

    sms: str = ""
    sms_long: str = ""
    led: str = ""
    display_headline: str = ""
    display_bullets: tuple[str, ...] = ()
    voice: str = ""
    voice_elder: str = ""
    group: str = ""
    email_subject: str = ""
    email_body: str = ""

    def items(self) -> Iterator[tuple[str, str]]:
        """Every text with its name; bullets as `display_bullets.1` and so on."""
        for each in fields(self):
            if each.name == "display_bullets":
                for number, bullet in enumerate(self.display_bullets, 1):
                    yield f"display_bullets.{number}", bullet
            elif text := getattr(self, each.name):
                yield each.name, text

    def over(self, base: Texts) -> Texts:
        """These texts, and those of `base` where there are none."""
        own = {each.name: getattr(self, each.name) for each in fields(self)}
        return replace(base, **{name: text for name, text in own.items() if text})

    def kinds(self) -> frozenset[RenditionKind]:
        """The kinds of rendition that these texts can make."""
        found = {
            RenditionKind.SMS: self.sms or self.sms_long,
            RenditionKind.DISPLAY: self.display_headline or self.led,
            RenditionKind.SPEECH: self.voice,
            RenditionKind.MAIL: self.email_subject and self.email_body,
            RenditionKind.POST: self.group,
        }
        return frozenset(kind for kind, text in found.items() if text)


@dataclass(frozen=True, slots=True)
class Title:
    """What pages and reports call a script or a fraud type."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Script:
    """One version of a script.

    Attributes:
        id: Fraud type or operational template, kebab-case; a county's own begins with `x-`.
        kind: A warning, an operational template, or an anonymous case story.
        audience: One of `AUDIENCES`.
        version: From 1; a changed text is a new version.
        action: The class of action asked for.
        languages: Texts by BCP 47 tag.
        elder: Chinese variants for old people; what is empty falls back to `languages["zh"]`.
        counter: Ids of the questions that a teller asks.
        status: As the file says; an approval, not this word, lets a script be sent.
        risk: How dangerous the fraud is, free word.
        title: Its own title, where no fraud type gives one.
        langs: Languages that the author promises to keep complete.
        source: Where the facts come from.
        author: Who wrote it.
        digest: SHA-256, hex, of the canonical form: whatever changes what a person may read.
    """

    id: str
    kind: ScriptKind
    audience: str
    version: int
    action: ActionClass
    languages: Mapping[str, Texts] = field(hash=False)
    elder: Texts = Texts()
    counter: tuple[str, ...] = ()
    status: str = "draft"
    risk: str = ""
    title: Title | None = None
    langs: tuple[str, ...] = ()
    source: str = ""
    author: str = ""
    digest: str = field(init=False, default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", hashlib.sha256(canonical(self)).hexdigest())

    @property
    def key(self) -> str:
        """`<id>/<audience>/<version>`: names this version for good."""
        return f"{self.id}/{self.audience}/{self.version}"

    def texts(self, language: str = "zh", audience: str = "general") -> Texts | None:
        """The texts for a language and an audience, or None where the language is missing.

        `zh-CN` finds `zh`. For the audience `elderly` the elder variants stand in front of the
        general texts of the same language.
        """
        tag = self.language(language)
        if tag is None:
            return None
        texts = self.languages[tag]
        if audience != "elderly":
            return texts
        texts = replace(texts, voice=texts.voice_elder or texts.voice)
        return self.elder.over(texts) if tag == "zh" else texts

    def language(self, tag: str) -> str | None:
        """The script's own tag for a language, or None."""
        if tag in self.languages:
            return tag
        primary = tag.partition("-")[0].lower()
        return primary if primary in self.languages else None

    def renditions(self) -> Iterator[tuple[str, str]]:
        """Every text of every language with its name, such as `zh.sms` or `elder.voice`."""
        for tag, texts in self.languages.items():
            for name, text in texts.items():
                yield f"{tag}.{name}", text
        for name, text in self.elder.items():
            yield f"elder.{name}", text


def canonical(script: Script) -> bytes:
    """The bytes that an approval stands for: JSON, keys sorted, NFC, no spaces.

    Status, author and source are left out: they do not change what a person reads. An empty
    rendition is left out too, so that a later version of the library gives the same digest.
    """
    content = {
        "id": script.id,
        "kind": str(script.kind),
        "audience": script.audience,
        "version": script.version,
        "action": str(script.action),
        "counter": list(script.counter),
        "texts": dict(script.renditions()),
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return unicodedata.normalize("NFC", text).encode()
