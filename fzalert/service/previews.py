"""Previews of campaigns: the stored list walked through once, as the feeder would walk it.

A preview is kept with its campaign. Its terms (script, list, texts, prices, routes) are read again
when the campaign starts: where they differ, nothing goes out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import ceil

from fzalert.campaigns import (
    Campaign,
    Confirmation,
    Feeder,
    Groups,
    PreviewStale,
    Source,
    State,
    digest_of,
    text_hash,
)
from fzalert.clock import Clock
from fzalert.config import LimitSettings
from fzalert.delivery import Caps, ChannelState
from fzalert.delivery.prepare import channel_for
from fzalert.errors import InputError
from fzalert.messages import Lane, SmsText, Target, TargetKind, phone
from fzalert.scripts import count
from fzalert.service.building import Building
from fzalert.service.preview_models import (
    CampaignPreview,
    CarrierPreview,
    ChannelPreview,
    PausePreview,
)
from fzalert.service.schedule import lay_out
from fzalert.service.views import time_text
from fzalert.store import AudienceRow

__all__ = ["ANYONE", "Previews", "parts_of"]

ANYONE = phone("13800138000")
"""Which channel and which length a text has depends on no number of its own."""
PAGE = 1000


def parts_of(text: SmsText, state: ChannelState) -> int:
    """How many short messages a text costs, also where the gateway itself cuts it."""
    profile = state.capabilities.text
    if profile is None or not profile.whole:
        return len(text.parts)
    return count(text.text, text.coding, reserve_first=profile.gateway_adds).parts


@dataclass(frozen=True, slots=True)
class _Line:
    """One channel as it stands now."""

    shown: ChannelPreview
    hash: str


@dataclass(slots=True)
class _Walk:
    """What the walk through a list has counted."""

    people: Counter[str] = field(default_factory=Counter)
    carriers: dict[str, Counter[str]] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)
    groups: Groups = field(default_factory=Groups)
    opted_out: int = 0
    capped: int = 0


class Previews:
    """Counts what campaigns would send, and says whether that still holds.

    Args:
        building: Store and engine.
        feeder: Keeps the campaigns.
        source: Renders their texts.
        clock: Reader of time.
        limits: Quiet hours.
        caps: Limits per person.
    """

    def __init__(
        self,
        building: Building,
        feeder: Feeder,
        source: Source,
        clock: Clock,
        limits: LimitSettings,
        caps: Caps,
    ) -> None:
        self._store = building.store
        self._engine = building.engine
        self._feeder = feeder
        self._source = source
        self._clock = clock
        self._limits = limits
        self._caps = caps

    def adopt(self, limits: LimitSettings, caps: Caps) -> None:
        """Keep other limits from now on."""
        self._limits = limits
        self._caps = caps

    async def make(self, campaign: Campaign) -> CampaignPreview:
        """Count what a campaign would send, and keep it with the campaign.

        Raises:
            InputError: Its script may not be sent, a text does not fit, or the configuration was
                changed while it was counted.
        """
        await self._source.check(campaign.document)
        lines = self._lines(campaign)
        terms = self._terms(campaign, lines)
        walk = _Walk()
        async for page in self._pages(campaign):
            await self._count(page, walk)
        if sum(walk.people.values()) != max(0, campaign.row.total - campaign.row.cursor):
            raise PreviewStale("The stored list is not whole.", hint="Plan the campaign anew.")
        if self._terms(campaign, self._lines(campaign)) != terms:
            raise PreviewStale(
                "The configuration was changed while the list was counted.",
                hint="Ask for the preview again.",
                field="confirm",
            )
        preview = self._preview(campaign, lines, walk, terms)
        texts = [lines[one].hash for one in lines if lines[one].hash]
        kept: dict[str, object] = {
            "digest": preview.digest,
            "terms": terms,
            "texts": texts,
            "recipients": preview.recipients,
            "parts": preview.parts,
            "cost": preview.cost,
        }
        await self._feeder.keep(campaign.id, "preview", kept)
        return preview

    def confirmed(self, campaign: Campaign, digest: str) -> Confirmation | None:
        """What a person confirms who lets a campaign run.

        Args:
            campaign: As it is now.
            digest: Of the preview that the person has seen; empty confirms the last one, and for
                one that goes on what was confirmed at its start.

        Returns:
            None where what was confirmed before goes on.

        Raises:
            PreviewStale: Nobody has seen a preview with it, or what would go out is another thing.
        """
        again = f"Look at fzalert campaign preview {campaign.id}, and confirm what that shows."
        before = campaign.document.get("confirmed")
        if not digest and campaign.state is State.PAUSED and isinstance(before, Mapping):
            other = [
                line.shown.name
                for line in self._lines(campaign).values()
                if line.hash and line.hash not in before["texts"]
            ]
            if other:
                raise PreviewStale(
                    f"{', '.join(other)} would send another text than the one that was confirmed.",
                    hint=again,
                    field="confirm",
                )
            return None
        kept = campaign.document.get("preview")
        if not isinstance(kept, Mapping) or (digest and kept["digest"] != digest):
            raise PreviewStale(
                f"{digest[:20]!r} is not the digest of the campaign's last preview.",
                hint=again,
                field="confirm",
            )
        changed = self._changed(campaign, kept["terms"])
        if changed:
            raise PreviewStale(
                f"What would go out was changed after the preview: {changed}.",
                hint=again,
                field="confirm",
            )
        facts: dict[str, str | int | bool] = {
            "digest": str(kept["digest"]),
            "seen": bool(digest),
            "recipients": int(kept["recipients"]),
            "parts": int(kept["parts"]),
            "cost": str(kept["cost"]),
        }
        return Confirmation(str(kept["digest"]), tuple(kept["texts"]), facts)

    def _changed(self, campaign: Campaign, terms: Mapping[str, object]) -> str:
        """What differs between the terms of a preview and those of now, in words; or empty."""
        now = self._terms(campaign, self._lines(campaign))
        told = [
            _WORDS[name]
            for name in _WORDS
            if name != "channels" and now.get(name) != terms.get(name)
        ]
        before, after = _by_name(terms), _by_name(now)
        for name in sorted(before.keys() | after.keys()):
            if name not in after:
                told.append(f"通道 {name} 已撤 / channel {name} is gone")
            elif name not in before:
                told.append(f"新增通道 {name} / channel {name} is new")
            else:
                told.extend(
                    f"通道 {name} {word}"
                    for key, word in _OF_A_CHANNEL.items()
                    if before[name].get(key) != after[name].get(key)
                )
        return "; ".join(told)

    # -- the terms -------------------------------------------------------------------------

    def _lines(self, campaign: Campaign) -> dict[str, _Line]:
        """Every channel that serves phones, with the text as it would send it now."""
        return {
            name: self._line(campaign, state)
            for name, state in self._engine.channels.items()
            if TargetKind.PHONE in state.capabilities.kinds
        }

    def _line(self, campaign: Campaign, state: ChannelState) -> _Line:
        name, adapter = state.spec.name, state.spec.adapter
        render = self._source.render_for(campaign.document)
        try:
            text = render(ANYONE, state.capabilities)
        except InputError as error:
            return _Line(ChannelPreview(name=name, adapter=adapter, problem=str(error)), "")
        rates = [slot.capabilities.rate for slot in state.slots] or [state.capabilities.rate]
        rate = None if None in rates else sum(one for one in rates if one is not None)
        shown = ChannelPreview(name=name, adapter=adapter, rate=rate, parts_each=1)
        if not isinstance(text, SmsText):
            told = f"由对方成文 / written by the far side ({text.kind})"
            return _Line(shown.model_copy(update={"text": told}), "")
        known = {
            "text": text.text,
            "coding": str(text.coding),
            "parts_each": parts_of(text, state),
            "signature": _signature_of(text.text),
        }
        return _Line(shown.model_copy(update=known), text_hash(text))

    def _terms(self, campaign: Campaign, lines: Mapping[str, _Line]) -> dict[str, object]:
        document = campaign.document
        return {
            **{name: document.get(name) for name in _OF_THE_CAMPAIGN},
            "total": campaign.row.total,
            "channels": [
                {
                    "name": one.shown.name,
                    "text": one.hash,
                    "problem": one.shown.problem,
                    "parts": one.shown.parts_each,
                    "price": one.shown.price,
                }
                for one in lines.values()
            ],
        }

    # -- the walk --------------------------------------------------------------------------

    async def _pages(self, campaign: Campaign) -> AsyncIterator[list[AudienceRow]]:
        after = campaign.row.cursor
        while page := await self._store.audience(campaign.id, after, PAGE):
            yield page
            after = page[-1].row

    async def _count(self, page: Sequence[AudienceRow], walk: _Walk) -> None:
        for one in page:
            walk.people[channel_for(one.target, self._engine.channels).spec.name] += 1
            walk.groups.take_text(one.tags)
        targets = [one.target for one in page]
        suppressed = await self._store.suppressed(targets)
        walk.opted_out += len(suppressed)
        capped: set[Target] = set()
        for cap in self._caps.of(Lane.BULK, self._clock.millis()):
            found = await self._store.contacts(targets, Lane.BULK, cap.since)
            capped.update(
                target
                for target in targets
                if found.get(target, 0) >= cap.most and target not in suppressed
            )
        walk.capped += len(capped)

    # -- what is shown ---------------------------------------------------------------------

    def _preview(
        self,
        campaign: Campaign,
        lines: Mapping[str, _Line],
        walk: _Walk,
        terms: Mapping[str, object],
    ) -> CampaignPreview:
        channels = [self._channel(one.shown, walk.people[name]) for name, one in lines.items()]
        for one in channels:
            if one.recipients and one.problem:
                raise InputError(f"{one.name}: {one.problem}", field="script")
        parts = sum(one.parts for one in channels)
        costs = [Decimal(one.cost) for one in channels if one.cost]
        seconds = _longest(channels)
        now = self._clock.millis()
        start = max(now, campaign.not_before)
        laid = lay_out(self._limits, start, campaign.not_after, seconds or 0.0)
        counts = {
            "people": dict(walk.people),
            "carriers": {name: dict(by) for name, by in walk.carriers.items()},
        }
        document = campaign.document
        kept = {name: document[name] for name in _OF_THE_LIST if name in document}
        return CampaignPreview.model_validate(
            {
                "campaign": str(campaign.id),
                "name": campaign.row.name,
                "state": campaign.row.state,
                "script": document["script"],
                "language": document["language"],
                "audience": document["audience"],
                "digest": digest_of([terms, counts]),
                "at": time_text(now),
                "recipients": sum(walk.people.values()),
                "fed": min(campaign.row.cursor, campaign.row.total),
                "parts": parts,
                "cost": str(sum(costs, Decimal(0))) if costs else "",
                "unpriced": sum(one.parts for one in channels if not one.price),
                "channels": channels,
                "carriers": self._carriers(channels, walk),
                "kinds": dict(walk.kinds),
                "groups": walk.groups.document(),
                "opted_out": walk.opted_out,
                "capped": walk.capped,
                "not_before": time_text(campaign.not_before),
                "not_after": time_text(campaign.not_after),
                "seconds": seconds,
                "done_at": time_text(laid.done_at or 0) if seconds is not None else "",
                "pauses": [
                    PausePreview(begins=time_text(begins), ends=time_text(ends))
                    for begins, ends in laid.pauses
                ],
                "late": ceil(laid.left * sum(walk.people.values())),
                **kept,
            }
        )

    @staticmethod
    def _channel(shown: ChannelPreview, people: int) -> ChannelPreview:
        parts = people * shown.parts_each
        known: dict[str, object] = {"recipients": people, "parts": parts}
        if shown.price:
            known["cost"] = str(Decimal(shown.price) * parts)
        if shown.rate is not None:
            known["seconds"] = round(parts / shown.rate, 1)
        return shown.model_copy(update=known)

    @staticmethod
    def _carriers(channels: Sequence[ChannelPreview], walk: _Walk) -> list[CarrierPreview]:
        known = {one.name: one for one in channels}
        found = []
        for carrier, by in sorted(walk.carriers.items()):
            costs = [
                Decimal(known[name].price) * known[name].parts_each * people
                for name, people in by.items()
                if known[name].price
            ]
            found.append(
                CarrierPreview(
                    carrier=carrier,
                    recipients=sum(by.values()),
                    parts=sum(known[name].parts_each * people for name, people in by.items()),
                    cost=str(sum(costs, Decimal(0))) if costs else "",
                    channels=dict(by),
                )
            )
        return found


_OF_THE_LIST = (
    *("rows", "duplicates", "refused", "by_code", "refusals", "left_out", "only", "excluded"),
)
_OF_THE_CAMPAIGN = (
    *("script", "digest", "audience", "language", "values", "drill", "not_after", "sha256"),
    *("only", "excluded", "signature"),
)
_WORDS = {
    "script": "话术 / the script",
    "digest": "话术的文本 / the script's text",
    "audience": "受众 / the audience",
    "language": "语言 / the language",
    "values": "变量 / the values",
    "drill": "演练 / the drill",
    "not_after": "时限 / the window",
    "signature": "签名 / the signature",
    "sha256": "名单 / the list",
    "only": "所选分组 / the chosen groups",
    "excluded": "排除分组 / the groups left out",
    "total": "人数 / the number of people",
    "channels": "通道 / the channels",
}
_OF_A_CHANNEL = {
    "text": "的文本或签名 / another text or signature",
    "problem": "能否承载 / whether it can carry the text",
    "parts": "的条数 / another number of parts",
    "price": "的单价 / another price",
}


def _signature_of(text: str) -> str:
    return text[1:].partition("】")[0] if text.startswith("【") else ""


def _by_name(terms: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    channels = terms["channels"]
    assert isinstance(channels, list)  # noqa: S101  as it was made
    return {str(one["name"]): one for one in channels}


def _longest(channels: Sequence[ChannelPreview]) -> float | None:
    """Channels send side by side: the longest decides; None where one has no limit to tell by."""
    busy = [one.seconds for one in channels if one.recipients]
    known = [one for one in busy if one is not None]
    return max(known) if known and len(known) == len(busy) else None
