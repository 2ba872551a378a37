"""The county's side of `post.relay`: what a branch hands over is proved, taken once, and limited.

A branch sends no words: it names a script, its version and digest, and gives values. All of it is
held against the county's own library, approvals, names and limits before anything is rendered. The
first answer to a key stands on disk beside the warning, in the same commit, so that the same key
gets the same answer for a week, a refusal too.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import defaultdict
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from fzalert.access.actors import Actor, Role
from fzalert.clock import Clock
from fzalert.config import Settings
from fzalert.config.settings import BranchSettings
from fzalert.delivery import Prepared
from fzalert.errors import (
    ClockDiffers,
    DrillDiffers,
    DuplicateKey,
    InputError,
    NotForBranch,
    ScriptDiffers,
    ScriptNotApproved,
    TextTooLong,
    UnknownScript,
    UnknownTarget,
    WindowOver,
)
from fzalert.messages import Lane, Target, TargetKind, Warning, WarningId
from fzalert.service.allowance import Allowance
from fzalert.service.building import Building
from fzalert.service.fates import Fates, branch_of
from fzalert.service.models import FatePage, RelayAnswer, RelayRequest
from fzalert.service.people import require
from fzalert.service.texts import Texts
from fzalert.service.views import parse_target
from fzalert.service.windows import window_of
from fzalert.store import ChangeSet, EvidenceEntry, StateRow

if TYPE_CHECKING:
    from fzalert.scripts import Script
    from fzalert.service.warnings import Warnings

__all__ = ["LONGEST_KEY", "Relay"]

LONGEST_KEY = 64
CLOCKS_APART_MS = 300_000
KEPT_MS = 7 * 86_400_000
"""How long after its window the answer to a key is kept."""
SWEEP_EVERY_MS = 3_600_000
_NAMES = ("bank", "branch", "town", "village", "sign")
_OWN_KINDS = frozenset(
    {TargetKind.DISPLAY, TargetKind.SPEAKER, TargetKind.COUNTER, TargetKind.GROUP}
)
_REFUSALS: dict[str, type[InputError]] = {
    kind.code: kind
    for kind in (
        InputError,
        UnknownScript,
        ScriptNotApproved,
        TextTooLong,
        UnknownTarget,
        ScriptDiffers,
        WindowOver,
        NotForBranch,
        DrillDiffers,
    )
}


class Relay:
    """Takes warnings from branches.

    Args:
        building: Store, engine and the rest.
        settings: The branches and their limits; whether this is a drill.
        texts: Scripts and approvals.
        warnings: Puts warnings on disk.
        clock: Reader of time.

    Attributes:
        fates: The way back.
    """

    def __init__(
        self,
        building: Building,
        settings: Settings,
        texts: Texts,
        warnings: Warnings,
        clock: Clock,
    ) -> None:
        self._store = building.store
        self._ids = building.ids
        self._drill = settings.drill.enabled
        self._texts = texts
        self._warnings = warnings
        self._clock = clock
        self._allowance = Allowance(building.store, clock)
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._swept: dict[str, int] = {}
        self.fates = Fates(building.store, building.engine, clock, lambda: bool(self._branches))
        self.adopt(settings)

    def adopt(self, settings: Settings) -> None:
        """Keep to the branches and limits of other settings from now on."""
        self._limits = settings.limits
        self._branches = {one.name: one for one in settings.relay.branch}

    async def page(self, by: Actor, *, after: int, store: str, limit: int, wait: float) -> FatePage:
        """Give a branch the fates that it has not acknowledged; see `Fates.page`.

        Raises:
            AccessDenied: The actor is no branch.
        """
        require(by, Role.RELAY, drill=self._drill)
        return await self.fates.page(branch_of(by), after, store, limit, wait)

    async def take(self, request: RelayRequest, key: str, by: Actor) -> RelayAnswer:
        """Take one warning; on disk when this returns. The same key gets the same answer.

        Raises:
            RelayRefused: One of its kinds: the script's words differ, the window is over, the
                target is not for this branch, one side is in a drill.
            InputError: Another thing that will not become right: see its subclasses.
            ClockDiffers: The clocks are too far apart; nothing was taken.
            BranchLimit: The branch's limit is reached; nothing was taken.
            AccessDenied: The actor is no branch.
            StoreError: It could not be put on disk, so it was not taken.
        """
        require(by, Role.RELAY, drill=self._drill)
        if len(key) > LONGEST_KEY:
            raise InputError(f"A key here has up to {LONGEST_KEY} characters.", field="key")
        name = branch_of(by)
        async with self._turns[name]:
            await self._sweep(name)
            meant = _digest(request)
            known = await self._known(name, key)
            if known is not None:
                return _first_answer(known, meant)
            try:
                return await self._take(request, key, by, name, meant)
            except DuplicateKey:
                raise
            except InputError as error:
                await self._keep_refusal(error, request, key, by, name, meant)
                raise

    # -- the same key ----------------------------------------------------------------------

    async def _known(self, name: str, key: str) -> dict[str, Any] | None:
        for found, value in await self._store.state(_namespace(name), key):
            if found == key:
                row: dict[str, Any] = json.loads(value)
                return row
        return None

    async def _keep_refusal(
        self, error: InputError, request: RelayRequest, key: str, by: Actor, name: str, meant: str
    ) -> None:
        row = {
            "meant": meant,
            "until": max(request.not_after, self._clock.millis()) + KEPT_MS,
            "code": error.code,
            "what": str(error.args[0]),
            "hint": error.hint,
            "field": error.field,
        }
        facts = {"key": key, "script": request.script, "why": error.code}
        entry = EvidenceEntry("store", by.id, "relay.refuse", facts)
        state = (StateRow(_namespace(name), key, _json(row)),)
        await self._store.commit(ChangeSet(state=state, evidence=(entry,)))

    async def _sweep(self, name: str) -> None:
        """Forget answers that nobody asks for again, once an hour."""
        now = self._clock.millis()
        if now - self._swept.get(name, 0) < SWEEP_EVERY_MS:
            return
        self._swept[name] = now
        namespace = _namespace(name)
        rows = [(key, json.loads(row)) for key, row in await self._store.state(namespace)]
        old = [key for key, row in rows if row["until"] < now]
        if old:
            gone = tuple(StateRow(namespace, key, None) for key in old)
            await self._store.commit(ChangeSet(state=gone))

    # -- proving and taking ----------------------------------------------------------------

    async def _take(
        self, request: RelayRequest, key: str, by: Actor, name: str, meant: str
    ) -> RelayAnswer:
        now = self._clock.millis()
        if abs(request.sent_at - now) > CLOCKS_APART_MS:
            apart = (request.sent_at - now) // 1000
            raise ClockDiffers(
                f"The branch's clock is {apart} s from this one.",
                hint="Set both clocks, best by NTP.",
            )
        branch = self._branch(name)
        if request.drill != self._drill:
            here, there = ("a", "no") if self._drill else ("no", "a")
            raise DrillDiffers(f"Here is {here} drill, and at the branch {there} one.")
        if request.not_after <= now:
            raise WindowOver("The warning's window is over.")
        script = await self._proved(request)
        target = parse_target(request.target)
        _require_allowed(target, branch)
        lane = Lane(request.lane)
        counted = await self._allowance.one_more(branch, lane)
        warning = self._decide(request, script, target, lane, key, by, name, now)
        filling = self._texts.filling_for({one: getattr(branch, one) for one in _NAMES})
        render = self._texts.renderer(
            script, request.language, request.audience, request.values, lane, filling
        )

        def rows(ready: Prepared) -> tuple[StateRow, ...]:
            row = {
                "meant": meant,
                "until": request.not_after + KEPT_MS,
                "message": str(ready.acceptance.messages[0].id),
                "warning": str(warning.id),
            }
            return StateRow(_namespace(name), key, _json(row)), counted.row

        accepted, ready = await self._warnings.accept(
            warning,
            script,
            bytes.fromhex(meant),
            render,
            channels=branch.channels,
            facts={"branch": name, "key": key},
            state=rows,
        )
        if accepted.existing:
            return await self._from_before(accepted.warning, name, key, meant, request)
        self._allowance.count(branch, counted)
        return RelayAnswer(
            message=str(ready.acceptance.messages[0].id), warning=str(accepted.warning)
        )

    def _branch(self, name: str) -> BranchSettings:
        branch = self._branches.get(name)
        if branch is None:
            raise NotForBranch(
                "The county's configuration has no such branch.",
                hint="The county adds it as a [[relay.branch]].",
            )
        return branch

    async def _proved(self, request: RelayRequest) -> Script:
        """The county's own script, once it is the very one that the branch means, and approved."""
        script = self._texts.exactly(
            request.script, request.audience, request.version, request.language
        )
        if script.digest != request.digest:
            raise ScriptDiffers(
                f"The words of {script.key} are others at the county.",
                hint="Give both the same script library.",
                field="digest",
            )
        await self._texts.may_send(script)
        return script

    def _decide(
        self,
        request: RelayRequest,
        script: Script,
        target: Target,
        lane: Lane,
        key: str,
        by: Actor,
        name: str,
        now: int,
    ) -> Warning:
        longest = (
            self._limits.urgent_window * 60_000
            if lane is Lane.URGENT
            else self._limits.bulk_window * 3_600_000
        )
        left = min(request.not_after - now, longest) / 1000
        not_before, not_after = window_of(
            self._limits, lane, left, now, personal=target.is_personal
        )
        return Warning(
            WarningId(self._ids.one()),
            script.key,
            request.language,
            (target,),
            request.values,
            lane,
            not_before,
            not_after,
            f"relay:{name}:{key}",
            by.id,
            self._drill,
        )

    async def _from_before(
        self, warning: int, name: str, key: str, meant: str, request: RelayRequest
    ) -> RelayAnswer:
        """The answer to a key whose row was forgotten, though the warning is still stored."""
        (outcome,) = await self._store.outcomes(warning, most=1)
        row = {
            "meant": meant,
            "until": request.not_after + KEPT_MS,
            "message": str(outcome.message),
            "warning": str(warning),
        }
        state = (StateRow(_namespace(name), key, _json(row)),)
        await self._store.commit(ChangeSet(state=state))
        return RelayAnswer(message=str(outcome.message), warning=str(warning), again=True)


def _first_answer(known: dict[str, Any], meant: str) -> RelayAnswer:
    if known["meant"] != meant:
        raise DuplicateKey(
            "The key was used for another warning.",
            hint="Use a new key for a new warning.",
            field="key",
        )
    if "code" in known:
        kind = _REFUSALS.get(known["code"], InputError)
        raise kind(known["what"], hint=known["hint"], field=known["field"])
    return RelayAnswer(message=known["message"], warning=known["warning"], again=True)


def _require_allowed(target: Target, branch: BranchSettings) -> None:
    """Let a target pass that the branch may address: those listed, or by default its own."""
    if branch.targets:
        address = target.address
        plain = address.removeprefix("+86") if target.kind is TargetKind.PHONE else address
        offered = {f"{target.kind}:{address}", f"{target.kind}:{plain}"}
        allowed = any(fnmatchcase(one, wanted) for one in offered for wanted in branch.targets)
    else:
        allowed = target.kind in _OWN_KINDS and target.address.startswith(f"{branch.name}-")
    if not allowed:
        raise NotForBranch(
            f"{branch.name} may not address {target}.",
            hint="The county lists what it may address under targets.",
            field="target",
        )


def _digest(request: RelayRequest) -> str:
    """What a key stands for: all of the request but the moment it was sent at."""
    body = request.model_dump(mode="json", exclude={"sent_at"})
    text = json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _namespace(name: str) -> str:
    return f"relay-in:{name}"


def _json(row: dict[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode()
