"""Campaigns of an open service: planned from a list, steered, and what the feeder asks of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from typing_extensions import override

from fzalert.access.actors import Actor
from fzalert.campaigns import Document, Feeder, ListReading, Render, Source, State, Step
from fzalert.clock import Clock
from fzalert.config import Settings
from fzalert.delivery import ChannelState
from fzalert.delivery.prepare import channel_for
from fzalert.errors import InputError, ScriptNotApproved, TextTooLong
from fzalert.messages import ActorId, Lane, SmsText, Target, TargetKind, Warning, WarningId
from fzalert.scripts import Script
from fzalert.service.building import Building, caps_of
from fzalert.service.models import CampaignRequest, CampaignView
from fzalert.service.people import MAY_CAMPAIGN, require
from fzalert.service.preview_models import CampaignPreview
from fzalert.service.previews import ANYONE, Previews, parts_of
from fzalert.service.texts import Texts
from fzalert.service.views import campaign_view
from fzalert.service.warnings import id_of
from fzalert.service.windows import quiet_end, window_of
from fzalert.store import CampaignRow


class Campaigns(Source):
    """Plans and steers campaigns; the feeder does the rest.

    Args:
        building: Store, engine and the rest.
        settings: Limits; whether this is a drill.
        texts: Scripts and approvals.
        clock: Reader of time.
    """

    def __init__(self, building: Building, settings: Settings, texts: Texts, clock: Clock) -> None:
        self._engine = building.engine
        self._ids = building.ids
        self._limits = settings.limits
        self._drill = settings.drill.enabled
        self._texts = texts
        self._clock = clock
        self._feeder = Feeder(
            building.store, building.engine, building.ids, caps_of(settings), clock, self
        )
        self._previews = Previews(
            building, self._feeder, self, clock, settings.limits, caps_of(settings)
        )

    def adopt(self, settings: Settings) -> None:
        """Keep the limits of other settings from now on."""
        self._limits = settings.limits
        self._feeder.adopt(caps_of(settings))
        self._previews.adopt(settings.limits, caps_of(settings))

    async def feed(self) -> None:
        """Feed running campaigns for ever."""
        await self._feeder.run()

    async def plan(self, request: CampaignRequest, by: Actor) -> CampaignView:
        """Import a list and store a campaign for it. Raises as `ServiceApi.plan_campaign`."""
        require(by, *MAY_CAMPAIGN, drill=self._drill)
        script = self._texts.find(request.script, request.audience, request.language)
        await self._texts.may_send(script)
        parts = self._try_text(script, request)
        now = self._clock.millis()
        start, end = window_of(self._limits, Lane.BULK, request.expires_in, now, personal=True)
        path = Path(request.file)
        if not path.is_absolute():
            raise InputError(
                "The list is not named by an absolute path.",
                hint="The process that reads it may run in another folder.",
                field="file",
            )
        warning = Warning(
            WarningId(self._ids.one()),
            script.key,
            request.language,
            (),
            request.values,
            Lane.BULK,
            start,
            end,
            "",
            by.id,
            self._drill,
        )
        document = {**_document(request, script, warning), "parts": parts}
        today = self._clock.now().astimezone(self._limits.quiet_hours.tzinfo).date()
        async with ListReading(
            path, only=request.only, excluded=request.excluded, today=today
        ) as people:
            return campaign_view(await self._feeder.create(request.name, warning, document, people))

    def _try_text(self, script: Script, request: CampaignRequest) -> int:
        """Write the text once, so that what is wrong with it is known now and not at night.

        Returns:
            How many short messages each person gets.
        """
        first = channel_for(ANYONE, self._engine.channels)
        seconds = {one.policy.fallback for one in self._engine.channels.values()}
        states = [
            one
            for one in self._engine.channels.values()
            if TargetKind.PHONE in one.capabilities.kinds
            and (one is first or one.spec.name not in seconds)
        ]
        return max(self._try_on(state, script, request) for state in states)

    def _try_on(self, state: ChannelState, script: Script, request: CampaignRequest) -> int:
        render = self._texts.renderer(
            script,
            request.language,
            request.audience,
            request.values,
            Lane.BULK,
            signature=request.signature,
        )
        text = render(ANYONE, state.capabilities)
        parts = parts_of(text, state) if isinstance(text, SmsText) else 1
        if parts > self._limits.most_parts:
            raise TextTooLong(
                f"Each person would cost {parts} short messages on {state.spec.name};"
                f" limits.most_parts allows {self._limits.most_parts}.",
                hint="Shorten the text, the signature or a value, or raise [limits] most_parts if"
                " the price is accepted.",
                field="script",
            )
        return parts

    async def preview(self, id: str, by: Actor) -> CampaignPreview:
        """Count what a campaign would send. Raises as `ServiceApi.preview_campaign`."""
        require(by, *MAY_CAMPAIGN, drill=self._drill)
        return await self._previews.make(await self._feeder.find(id_of(id)))

    async def steer(self, id: str, action: str, by: Actor, confirm: str = "") -> CampaignView:
        """Let a campaign start, pause, resume or cancel. Raises as `ServiceApi.steer_campaign`."""
        require(by, *MAY_CAMPAIGN, drill=self._drill)
        if action not in set(Step):
            raise InputError(
                f"{action[:20]!r} is nothing that a campaign can do.",
                hint=f"Use one of {', '.join(Step)}.",
                field="action",
            )
        found = await self._feeder.find(id_of(id))
        begins = action == Step.START and found.state is State.READY
        if begins and not confirm and "preview" not in found.document:
            # Nobody looked: it is counted now, so that the record says what was started.
            await self._previews.make(found)
        moved = await self._feeder.steer(
            found.id,
            Step(action),
            by.id,
            lambda campaign: self._previews.confirmed(campaign, confirm),
        )
        return campaign_view(moved)

    async def views(self) -> list[CampaignView]:
        """Every campaign, the oldest first."""
        return [campaign_view(found) for found in await self._feeder.all()]

    async def owns(self, warning: int) -> bool:
        """Whether a warning is a campaign's."""
        return any(found.row.warning == warning for found in await self._feeder.all())

    # -- what the feeder asks --------------------------------------------------------------

    @override
    async def check(self, document: Document) -> None:
        script = self._texts.by_key(str(document["script"]))
        if script.digest != document.get("digest", script.digest):
            raise ScriptNotApproved(
                f"{script.key} has another text than when the campaign was planned.",
                hint="Plan the campaign anew.",
                field="script",
            )
        if bool(document["drill"]) is not self._drill:
            raise InputError(
                "It was planned in a drill." if document["drill"] else "This is a drill.",
                hint="Plan the campaign anew.",
                field="drill",
            )
        await self._texts.may_send(script)

    @override
    def waits(self, now: int) -> bool:
        return quiet_end(self._limits, now) is not None

    @override
    def render_for(self, document: Document) -> Render:
        script = self._texts.by_key(str(document["script"]))
        return self._texts.renderer(
            script,
            str(document["language"]),
            str(document["audience"]),
            _values(document),
            Lane.BULK,
            signature=str(document.get("signature") or ""),
        )

    @override
    def warning_for(
        self, row: CampaignRow, document: Document, targets: tuple[Target, ...]
    ) -> Warning:
        return Warning(
            WarningId(row.warning),
            str(document["script"]),
            str(document["language"]),
            targets,
            _values(document),
            Lane.BULK,
            self._clock.millis(),
            int(str(document["not_after"])),
            "",
            ActorId(str(document["by"])),
            bool(document["drill"]),
        )


def _values(document: Document) -> Mapping[str, str | int]:
    values = document["values"]
    assert isinstance(values, dict)  # noqa: S101  as it was stored
    return values


def _document(request: CampaignRequest, script: Script, warning: Warning) -> Document:
    return {
        "script": script.key,
        "digest": script.digest,
        "audience": request.audience,
        "language": request.language,
        "values": dict(request.values),
        "signature": request.signature,
        "only": list(request.only),
        "excluded": list(request.excluded),
        "not_before": warning.not_before,
        "not_after": warning.not_after,
        "by": warning.by,
        "drill": warning.drill,
    }
