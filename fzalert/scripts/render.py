"""Render a script for one kind of channel."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from fzalert.errors import InputError, TextTooLong, UnknownScript
from fzalert.messages import (
    Coding,
    DisplayContent,
    Lane,
    Mail,
    Post,
    RelayedWarning,
    Rendition,
    RenditionKind,
    ScriptRef,
    Severity,
    SmsText,
    Speech,
    TemplateBinding,
)
from fzalert.scripts.bindings import VendorTable, bind
from fzalert.scripts.filling import Job, clean
from fzalert.scripts.model import Script
from fzalert.scripts.parts import count, cut
from fzalert.scripts.readers import spoken, written
from fzalert.scripts.rules import personal_data
from fzalert.scripts.variables import (
    SMALLEST_PUBLIC_COUNT,
    VARIABLES,
    Place,
    ScriptSettings,
    Values,
    check_values,
    place_of,
    placeholders,
)

PRIORITY = {Lane.URGENT: 700, Lane.BULK: 200}
"""Urgent cuts what is running; a campaign waits for it (bands in `docs/design.md`)."""


class SmsProfile(Protocol):
    """What a short-message channel says of its texts; `fzalert.ports.TextProfile` is one."""

    @property
    def coding(self) -> Coding:
        """The coding asked for."""
        ...

    @property
    def signature(self) -> str:
        """Put in front within 【】, by us."""
        ...

    @property
    def gateway_adds(self) -> int:
        """Characters that the gateway adds itself."""
        ...

    @property
    def opt_out(self) -> str:
        """Put at the end, by us."""
        ...

    @property
    def max_parts(self) -> int:
        """A text of more parts is refused."""
        ...

    @property
    def whole(self) -> bool:
        """Whether the gateway cuts long texts itself."""
        ...


@dataclass(frozen=True, slots=True)
class _PlainProfile:
    coding: Coding = Coding.UCS2
    signature: str = ""
    gateway_adds: int = 0
    opt_out: str = ""
    max_parts: int = 4
    whole: bool = False


def render(
    script: Script,
    *,
    kind: RenditionKind,
    language: str = "zh",
    audience: str = "general",
    values: Values | None = None,
    text_profile: SmsProfile | None = None,
    lane: Lane = Lane.URGENT,
    drill: bool = False,
    settings: ScriptSettings | None = None,
    long: bool = False,
    place: Place | None = None,
    templates: VendorTable | None = None,
) -> Rendition:
    """Render a script for one kind of channel.

    Args:
        script: What to say.
        kind: The kind of rendition that the channel takes.
        language: BCP 47 tag.
        audience: `elderly` takes the elder variants.
        values: Values of variables; those that the text does not use do no harm.
        text_profile: The channel's text profile; for short messages only.
        lane: Decides severity, priority, repeats, and what an SMS may carry.
        drill: Whether the text carries the mark 演练.
        settings: Names, numbers and defaults of the configuration.
        long: Take the long SMS where there is one.
        place: The surface, where kind and lane do not tell (a bank's desk, a counter's screen).
        templates: The channel's approved templates; a short message that has one carries it. A
            drill never does, since no template has the mark in it.

    Raises:
        UnknownScript: The script has no such language, or no text for this kind.
        InputError: A value is missing or may not stand here; `field` names it.
        TextTooLong: The message has more parts than the channel takes.
    """
    settings = settings or ScriptSettings()
    texts, tag = script.texts(language, audience), script.language(language)
    if texts is None or tag is None:
        raise UnknownScript(
            f"{script.key} is not written in {language[:20]!r}.",
            hint=f"It has {', '.join(script.languages)}.",
            field="language",
        )
    if kind is not RenditionKind.RELAY and kind not in texts.kinds():
        raise UnknownScript(
            f"{script.key} has no text in {tag} for {kind}.",
            hint=f"It has {', '.join(sorted(texts.kinds()))}.",
            field="script",
        )
    elder = audience == "elderly"
    ref = ScriptRef(
        script.id, "elderly" if elder else script.audience, tag, script.version, script.digest
    )
    job = Job(
        script=script,
        ref=ref,
        texts=texts,
        values=check_values(script, {**settings.defaults, **(values or {})}, settings),
        place=place_of(kind, lane) if place is None else place,
        lane=lane,
        drill=drill,
        settings=settings,
    )
    match kind:
        case RenditionKind.SMS:
            return _sms(job, text_profile or _PlainProfile(), templates, long=long)
        case RenditionKind.DISPLAY:
            return _display(job)
        case RenditionKind.SPEECH:
            return _speech(job, elder=elder)
        case RenditionKind.MAIL:
            return _mail(job)
        case RenditionKind.POST:
            return _post(job)
        case RenditionKind.RELAY:
            return _relay(job)
        case RenditionKind.BANK:
            raise UnknownScript(
                "A bank package is made of a case, not of a script.",
                hint="Use the freeze commands.",
                field="script",
            )


def _sms(job: Job, profile: SmsProfile, templates: VendorTable | None, *, long: bool) -> SmsText:
    texts = job.texts
    field = "sms_long" if (long and texts.sms_long) or not texts.sms else "sms"
    body = job.mark + job.fill(field, getattr(texts, field)) + clean(profile.opt_out)
    signature = clean(profile.signature)
    if re.search("[【】]", signature + body):
        raise InputError(
            f"{job.script.key} {job.ref.language}.{field} holds 【】, which is put around the"
            " signature alone, and by us.",
            hint="Take it out of the text; a campaign names its signature beside the script, and"
            " the channel's list of registered signatures decides.",
            field=field,
        )
    text = f"【{signature}】{body}" if signature else body
    coding, parts = cut(text, profile.coding, reserve_first=profile.gateway_adds)
    if len(parts) > profile.max_parts:
        measured = count(text, profile.coding, reserve_first=profile.gateway_adds)
        raise TextTooLong(
            f"{job.script.key} {job.ref.language}.{field} has {measured.units} units in"
            f" {measured.coding}: {measured.parts} parts; the channel takes {profile.max_parts}.",
            hint="Shorten the text or the signature.",
            field=field,
        )
    return SmsText(
        parts=("".join(parts),) if profile.whole else parts,
        coding=coding,
        script=job.ref,
        template=None if job.drill or templates is None else _bound(job, templates, field),
        drill=job.drill,
    )


def _bound(job: Job, templates: VendorTable, field: str) -> TemplateBinding | None:
    script, language = job.script, job.ref.language
    is_elder = job.ref.audience == "elderly" and language == "zh" and field == "sms"
    rendition = "elder.sms" if is_elder and script.elder.sms else field
    return bind(
        script,
        templates,
        job.values,
        language=language,
        rendition=rendition,
        settings=job.settings,
    )


def _display(job: Job) -> DisplayContent:
    texts, urgent = job.texts, job.lane is Lane.URGENT
    if texts.display_headline:
        title = job.fill("display_headline", texts.display_headline)
        lines = tuple(job.fill("display_bullets", each) for each in texts.display_bullets)
    else:
        title, lines = job.fill("led", texts.led), ()
    footer = " · ".join(part for part in (_who(job), job.settings.hotline) if part)
    job.search("footer", footer, [])
    return DisplayContent(
        title=title,
        lines=lines,
        footer=footer,
        severity=Severity.DANGER if urgent else Severity.WARN,
        priority=PRIORITY[job.lane],
        script=job.ref,
        drill=job.drill,
        locale=_locale(job),
    )


def _speech(job: Job, *, elder: bool) -> Speech:
    text = job.fill("voice", job.texts.voice, spoken)
    unspoken = re.search(r"[0-9A-Za-z]" if job.is_chinese else r"[0-9]", text)
    if unspoken:
        raise InputError(
            f"{job.script.key} {job.ref.language}.voice holds {unspoken.group()!r}, which an"
            " engine would guess at.",
            hint="Write it out in words.",
            field="voice",
        )
    return Speech(
        text=text,
        script=job.ref,
        repeats=2 if job.lane is Lane.URGENT else 1,
        gap_ms=2000 if elder else 1500,
        drill=job.drill,
        locale=_locale(job),
    )


def _mail(job: Job) -> Mail:
    subject = job.mark + job.fill("email_subject", job.texts.email_subject)
    if "\n" in subject:
        raise InputError(
            f"{job.script.key} {job.ref.language}.email_subject holds a line break.",
            field="email_subject",
        )
    paragraphs = (job.mark, job.fill("email_body", job.texts.email_body), _mail_signature(job))
    body = "\n\n".join(each for each in paragraphs if each) + "\n"
    return Mail(subject=subject, body=body, script=job.ref, drill=job.drill)


def _post(job: Job) -> Post:
    texts = job.texts
    title = job.fill("display_headline", texts.display_headline or texts.email_subject)
    return Post(
        title=job.mark + title,
        text=job.mark + job.fill("group", texts.group),
        script=job.ref,
        values=tuple(_public_values(job)),
        drill=job.drill,
    )


def _relay(job: Job) -> RelayedWarning:
    named = {name for _, text in job.texts.items() for name in placeholders(text)}
    values = tuple((name, job.values[name]) for name in sorted(named & job.values.keys()))
    return RelayedWarning(script=job.ref, values=values, drill=job.drill)


def _public_values(job: Job) -> Iterator[tuple[str, str]]:
    cases = job.values.get("case_count")
    few = not isinstance(cases, int) or cases < SMALLEST_PUBLIC_COUNT
    for name, value in sorted(job.values.items()):
        if few and name in {"case_count", "loss_wan"}:
            continue
        if Place.DISPLAY in VARIABLES[name].places and not personal_data(str(value)):
            yield name, str(value)


def _who(job: Job) -> str:
    for name in ("branch", "sign", "bank", "county"):
        if name in job.values:
            return clean(written(name, job.values[name], job.ref.language))
    return ""


def _mail_signature(job: Job) -> str:
    own = clean(job.settings.mail_signature.replace("\r\n", "\n")).strip()
    if own:
        return f"-- \n{own}"
    hotline = "反诈专线" if job.is_chinese else "Anti-fraud line"
    lines = (_who(job), f"{hotline} {job.settings.hotline}")
    return "-- \n" + "\n".join(line for line in lines if line)


def _locale(job: Job) -> str:
    return "zh-CN" if job.ref.language == "zh" else job.ref.language
