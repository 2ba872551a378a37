"""The scripts of an open service: found, approved by two persons, rendered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

from fzalert.access.actors import Actor, Role
from fzalert.clock import Clock
from fzalert.config import Settings
from fzalert.errors import InputError, UnknownScript
from fzalert.messages import Lane, Rendition, RenditionKind, Target, TargetKind
from fzalert.ports import Capabilities, TextProfile
from fzalert.scripts import (
    ApprovalState,
    Library,
    Place,
    Script,
    ScriptSettings,
    approve,
    decode_event,
    encode_event,
    may_send,
    render,
)
from fzalert.scripts.approval import ApprovalEvent, Withdrawal
from fzalert.service.building import script_settings
from fzalert.service.models import ScriptView
from fzalert.service.people import require
from fzalert.store import ChangeSet, Event, EvidenceEntry, Store

APPROVALS = "approvals"
# What the other side will make of a relayed warning, by the kind of target.
AT_HOME = {
    TargetKind.PHONE: RenditionKind.SMS,
    TargetKind.DISPLAY: RenditionKind.DISPLAY,
    TargetKind.COUNTER: RenditionKind.DISPLAY,
    TargetKind.SPEAKER: RenditionKind.SPEECH,
    TargetKind.MAILBOX: RenditionKind.MAIL,
    TargetKind.BANK_DESK: RenditionKind.MAIL,
    TargetKind.GROUP: RenditionKind.POST,
}
PLACES = {TargetKind.COUNTER: Place.COUNTER, TargetKind.BANK_DESK: Place.BANK_DESK}

Render = Callable[[Target, Capabilities], Rendition]


def _signed(profile: TextProfile | None, signature: str) -> TextProfile | None:
    """A text profile with another of its registered signatures. Raises `InputError`."""
    if profile is None or not signature or signature == profile.signature:
        return profile
    if signature not in profile.signatures:
        known = dict.fromkeys(one for one in (profile.signature, *profile.signatures) if one)
        raise InputError(
            f"The signature 【{signature[:20]}】 is not registered for the channel.",
            hint="Register it with the carrier and add it to the channel's signatures; "
            + (f"it has {'、'.join(f'【{one}】' for one in known)}." if known else "it has none."),
            field="signature",
        )
    return replace(profile, signature=signature)


class Texts:
    """Knows the library and what of it may be sent.

    Args:
        settings: Names and numbers that texts use; whether this is a drill.
        library: The scripts.
        clock: Reader of time.
        store: Keeps the approvals.
    """

    def __init__(self, settings: Settings, library: Library, clock: Clock, store: Store) -> None:
        self._library = library
        self._clock = clock
        self._store = store
        self._drill = settings.drill.enabled
        self._filling = script_settings(settings)
        self._approvals = ApprovalState()
        self._version = 0
        self._stale = True
        self._changing = asyncio.Lock()

    def adopt(self, settings: Settings) -> None:
        """Write other names and numbers into texts from now on."""
        self._filling = script_settings(settings)

    async def load(self) -> None:
        """Read the approvals; needed once, and again after a write whose end is not known."""
        if self._stale:
            async with self._changing:
                await self._reload()

    async def _reload(self) -> None:
        if not self._stale:
            return
        approvals, version = ApprovalState(), 0
        for number, _, event in await self._store.events(APPROVALS):
            approvals.apply(decode_event(event.body))
            version = number
        self._approvals, self._version, self._stale = approvals, version, False

    def find(self, id: str, audience: str, language: str) -> Script:
        """Find what a caller named.

        Raises:
            UnknownScript: No such script, audience or language.
        """
        if audience == "elderly" and "elderly" not in self._library.audiences(id):
            # The elder variants live inside the general script; `render` takes them by audience.
            audience = "general"
        script = self._library.get(id, audience)
        if script.language(language) is None:
            raise UnknownScript(
                f"{script.key} has no texts in {language[:20]!r}.",
                hint=f"It has {', '.join(sorted(script.languages))}.",
                field="language",
            )
        return script

    def exactly(self, id: str, audience: str, version: int, language: str) -> Script:
        """Find one version of a script, as another library names it. Raises `UnknownScript`."""
        script = self._library.get(id, audience, version)
        if script.language(language) is None:
            raise UnknownScript(f"{script.key} has no texts in that language.", field="language")
        return script

    def filling_for(self, names: Mapping[str, str]) -> ScriptSettings:
        """Names and defaults of this configuration, with a branch's own names over them."""
        own = self._filling
        over = {name: value for name, value in names.items() if value}
        return replace(
            own,
            names={**own.names, **{name: frozenset({value}) for name, value in over.items()}},
            defaults={**own.defaults, **over},
        )

    def by_key(self, key: str) -> Script:
        """Find what a stored key names. Raises `UnknownScript`."""
        return self._library.by_key(key)

    async def may_send(self, script: Script) -> None:
        """Let an approved script pass.

        Raises:
            ScriptNotApproved: Nobody approved it, or not as it stands now.
        """
        await self.load()
        may_send(script, self._approvals, self._clock.millis(), drill=self._drill)

    def renderer(
        self,
        script: Script,
        language: str,
        audience: str,
        values: Mapping[str, str | int],
        lane: Lane,
        filling: ScriptSettings | None = None,
        signature: str = "",
    ) -> Render:
        """The function that renders a script for a target on a channel.

        Args:
            script: What to say.
            language: BCP 47 tag.
            audience: `elderly` takes the elder variants.
            values: Values of variables.
            lane: Urgent or bulk.
            filling: Names and defaults other than those of this configuration: a branch's.
            signature: Goes in front of short messages in place of the channel's own; one that the
                channel has not registered is refused.
        """

        def rendered(target: Target, capabilities: Capabilities) -> Rendition:
            if capabilities.rendition is RenditionKind.RELAY:
                # A value that is missing there is this caller's to hear of, now.
                _ = made(target, AT_HOME[target.kind], capabilities)
            return made(target, capabilities.rendition, capabilities)

        def made(target: Target, kind: RenditionKind, capabilities: Capabilities) -> Rendition:
            return render(
                script,
                kind=kind,
                language=language,
                audience=audience,
                values=values,
                text_profile=_signed(capabilities.text, signature),
                lane=lane,
                drill=self._drill,
                settings=filling or self._filling,
                place=PLACES.get(target.kind),
            )

        return rendered

    async def views(self) -> list[ScriptView]:
        """The library, with each script's approval."""
        await self.load()
        return [self._view(script) for script in self._library]

    def _view(self, script: Script) -> ScriptView:
        now = self._clock.millis()
        standing = self._approvals.find(script, now, drill=self._drill)
        title = self._library.titles.get(script.id)
        kinds = sorted({str(kind) for texts in script.languages.values() for kind in texts.kinds()})
        return ScriptView(
            key=script.key,
            id=script.id,
            audience=script.audience,
            version=script.version,
            title=title.zh if title else script.id,
            languages=sorted(script.languages),
            channels=kinds,
            status=str(self._approvals.status(script, now, drill=self._drill)),
            approved_by=standing.approver if standing else "",
            digest=script.digest,
        )

    async def approve(self, script_key: str, *, author: Actor, approver: Actor) -> ScriptView:
        """Put an approval on disk; it holds from then on.

        Raises:
            UnknownScript: No such script.
            AccessDenied: One of the two may not, or they are one person.
            StoreError: Somebody else changed the approvals meanwhile, or the disk refuses; the
                same call may be made again.
        """
        require(author, Role.SCRIPT_EDITOR, Role.ADMIN, drill=self._drill)
        require(approver, Role.APPROVER, drill=self._drill)
        script = self._library.by_key(script_key)
        event = approve(
            script,
            author=author.id,
            approver=approver.id,
            at=self._clock.millis(),
            drill=self._drill,
        )
        facts: dict[str, str | bool] = {
            "author": author.id,
            "digest": script.digest,
            "drill": event.drill,
        }
        await self._append("script.approved", "script.approve", event, approver, facts)
        return self._view(script)

    async def unapprove(self, script_key: str, *, by: Actor) -> ScriptView:
        """Let a script be sent no more, whatever was approved before.

        Raises:
            UnknownScript: No such script.
            AccessDenied: The actor may not.
            StoreError: As `approve`.
        """
        require(by, Role.SCRIPT_EDITOR, Role.APPROVER, Role.ADMIN, drill=self._drill)
        script = self._library.by_key(script_key)
        event = Withdrawal(script.key, by.id, self._clock.millis())
        await self._append(
            "script.withdrawn", "script.withdraw", event, by, {"digest": script.digest}
        )
        return self._view(script)

    async def _append(
        self,
        name: str,
        what: str,
        event: ApprovalEvent,
        by: Actor,
        facts: Mapping[str, str | bool],
    ) -> None:
        async with self._changing:
            await self._reload()
            changes = ChangeSet(
                events=(Event(name, encode_event(event), by.id),),
                stream=APPROVALS,
                expected_version=self._version,
                evidence=(EvidenceEntry("store", by.id, what, {"script": event.script, **facts}),),
            )
            try:
                await self._store.commit(changes)
            except BaseException:
                self._stale = True  # it may be on disk: what is there is read before the next use
                raise
            self._approvals.apply(event)
            self._version += 1
