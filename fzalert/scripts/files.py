"""Read script files: TOML in, scripts out, or one error that names every fault found.

What is refused here can never be sent: an unknown key, a text of the wrong shape, a variable that
its surface may not show, a public text of a fraud type that no screen may name.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator
from types import MappingProxyType
from typing import Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fzalert.errors import ConfigError
from fzalert.scripts.model import AUDIENCES, ActionClass, Script, ScriptKind, Texts, Title
from fzalert.scripts.variables import VARIABLES, Place, placeholders

Toml: TypeAlias = "str | int | float | bool | list[Toml] | dict[str, Toml]"

PUBLIC = {
    "led": Place.DISPLAY,
    "display_headline": Place.DISPLAY,
    "display_bullets": Place.DISPLAY,
    "voice": Place.VOICE,
    "voice_elder": Place.VOICE,
    "group": Place.GROUP,
}
"""Renditions that strangers read or hear."""

UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+){0,7}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")


class _Meta(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    id: str = Field(max_length=48)
    kind: Literal["warning", "ops", "case-story"] = "warning"
    audience: str
    version: int = Field(ge=1, le=9999)
    status: Literal["draft", "published", "retired"] = "draft"
    action: Literal["stop", "call", "ask-family", "refuse", "check"]
    risk: str = ""
    counter: list[str] = Field(default_factory=list)
    langs: list[str] = Field(default_factory=list)
    source: str = ""
    author: str = ""


class _Title(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    zh: str
    en: str


class _Texts(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    sms: str = ""
    sms_long: str = ""
    led: str = ""
    display_headline: str = ""
    display_bullets: list[str] = Field(default_factory=list)
    voice: str = ""
    voice_elder: str = ""
    group: str = ""
    email_subject: str = ""
    email_body: str = ""


_Model = TypeVar("_Model", bound=BaseModel)


def read_scripts(
    text: str, file: str, *, private: frozenset[str] = frozenset()
) -> tuple[Script, ...]:
    """Read a script file.

    Args:
        text: The TOML.
        file: What to call it in errors.
        private: Fraud types that no public surface may name.

    Raises:
        ConfigError: Everything that is wrong, a line each: file, script, rendition, rule.
    """
    try:
        content: dict[str, Toml] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: {error}.", hint="Mend the TOML.") from error
    rows = content.get("script", [])
    faults: list[str] = []
    if content.get("schema", 1) != 1:
        faults.append("schema: this version of fzalert reads schema 1")
    faults += [f"{key}: unknown" for key in content if key not in {"schema", "script"}]
    scripts: list[Script] = []
    if not isinstance(rows, list):
        faults.append("script: write each one as [[script]]")
        rows = []
    for number, row in enumerate(rows, 1):
        script = _read_one(row, f"script {number}", faults)
        if script is None:
            continue
        scripts.append(script)
        faults += [f"{script.key}: {fault}" for fault in refusals(script, private)]
    keys = [script.key for script in scripts]
    faults += [
        f"{key}: twice in the file" for key in sorted({k for k in keys if keys.count(k) > 1})
    ]
    if faults:
        raise ConfigError(
            "\n".join(f"{file}: {fault}." for fault in faults),
            hint="fzalert scripts lint shows each rule.",
        )
    return tuple(scripts)


def _read_one(row: Toml, name: str, faults: list[str]) -> Script | None:
    if not isinstance(row, dict):
        faults.append(f"{name}: write each one as [[script]]")
        return None
    if isinstance(row.get("id"), str):
        name = f"{row['id']}/{row.get('audience', '?')}/{row.get('version', '?')}"
    tables = {key: value for key, value in row.items() if isinstance(value, dict)}
    before = len(faults)
    meta = _validated(_Meta, {k: v for k, v in row.items() if k not in tables}, name, faults)
    named = tables.pop("title", None)
    title = None if named is None else _validated(_Title, named, f"{name} title", faults)
    texts = {
        language: _validated(_Texts, table, f"{name} {language}", faults)
        for language, table in tables.items()
    }
    faults += [
        f"{name}: {language!r} is no language tag"
        for language in tables
        if language != "elder" and not _LANGUAGE.fullmatch(language)
    ]
    if meta is None or len(faults) > before:
        return None
    languages = {tag: _texts(table) for tag, table in texts.items() if table is not None}
    elder = languages.pop("elder", Texts())
    return Script(
        id=meta.id,
        kind=ScriptKind(meta.kind),
        audience=meta.audience,
        version=meta.version,
        action=ActionClass(meta.action),
        languages=MappingProxyType(languages),
        elder=elder,
        counter=tuple(meta.counter),
        status=meta.status,
        risk=meta.risk,
        title=Title(title.zh, title.en) if title is not None else None,
        langs=tuple(meta.langs),
        source=meta.source,
        author=meta.author,
    )


def _validated(model: type[_Model], table: Toml, name: str, faults: list[str]) -> _Model | None:
    try:
        return model.model_validate(table)
    except ValidationError as error:
        for each in error.errors(include_url=False, include_input=False, include_context=False):
            where = ".".join(str(step) for step in each["loc"])
            faults.append(f"{name} {where}: {each['msg']}")
        return None


def _texts(table: _Texts) -> Texts:
    given = table.model_dump()
    bullets = tuple(given.pop("display_bullets"))
    return Texts(**given, display_bullets=bullets)


def refusals(script: Script, private: frozenset[str] = frozenset()) -> Iterator[str]:
    """What makes a script unfit to load, a line each: rendition and rule.

    Args:
        script: Any script.
        private: Fraud types that no public surface may name.
    """
    if not _ID.fullmatch(script.id):
        yield "id: use small letters, digits and single hyphens"
    if script.audience not in AUDIENCES and not script.audience.startswith("x-"):
        yield f"audience: one of {', '.join(AUDIENCES)}, or your own with x-"
    if not script.languages:
        yield "no language table such as [script.zh]"
    for language, texts in (*script.languages.items(), ("elder", script.elder)):
        if len(texts.display_bullets) not in {0, 3}:
            yield f"{language}.display_bullets: there are exactly three (L01)"
        if bool(texts.email_subject) is not bool(texts.email_body):
            yield f"{language}.email: subject and body come together"
    for name, text in script.renditions():
        field = name.split(".")[1]
        for reason in _unfit(text, field):
            yield f"{name}: {reason}"
        if script.id in private and field in PUBLIC:
            yield f"{name}: {script.id} has no public rendition (L08)"


def _unfit(text: str, field: str) -> Iterator[str]:
    if not text.strip():
        yield "is empty"
    if not unicodedata.is_normalized("NFC", text):
        yield "is not in NFC (L10)"
    allowed = "\n" if field == "email_body" else ""
    if any(unicodedata.category(c) in UNPRINTABLE and c not in allowed for c in text):
        yield "holds a control or invisible character (L10)"
    for variable in placeholders(text):
        if variable not in VARIABLES:
            yield f"{{{variable}}} is no variable (L08)"
        elif field in PUBLIC and PUBLIC[field] not in VARIABLES[variable].places:
            yield f"needs {{{variable}}}, which no public surface may show (L08)"
