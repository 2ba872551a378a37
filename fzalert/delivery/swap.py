"""From one set of channels to another, while the engine runs: all of it, or nothing.

What can fail comes first: new channels are opened beside the old ones, changed ones one after the
other (a carrier counts logins, so the old line is drained and closed before the new one logs in,
and comes back where the new one fails). Then the routes change in one step, and what is no longer
configured drains. A channel that stays the same is not touched: its connection stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

from fzalert.delivery.engine import ChannelSpec, ChannelState, Engine
from fzalert.delivery.policy import Limits
from fzalert.errors import FzalertError, ReloadRefused
from fzalert.log import get_logger

__all__ = ["Plan", "swap"]

log = get_logger("fzalert.delivery")

DRAIN_WITHIN = 30.0
OPEN_WITHIN = 10.0
ROUTES_WITHIN = 10.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Where to go.

    Attributes:
        specs: Every channel that is to run, in order of preference.
        changed: Names of those that run already, by other settings.
        limits: Figures from then on.
        check: Asked about each channel that was opened; raises where it does not serve.
        record: Put on disk what is about to hold; the last step that may fail.
        adopt: Called in the step in which the routes change; must not fail or wait.
    """

    specs: Sequence[ChannelSpec]
    changed: Collection[str]
    limits: Limits
    check: Callable[[ChannelState], Awaitable[None]]
    record: Callable[[], Awaitable[None]]
    adopt: Callable[[], None]


async def swap(engine: Engine, plan: Plan) -> None:
    """Run other channels.

    Raises:
        ReloadRefused: The routes could not be changed in time, or a check said no.
        FzalertError: Whatever a check or the record raised. The old channels run on.
    """
    new: dict[str, ChannelState] = {}
    replaced: list[ChannelState] = []
    try:
        for spec in plan.specs:
            if spec.name not in engine.channels:
                await _open(engine, spec, new, plan)
        for spec in plan.specs:
            if spec.name in plan.changed:
                before = engine.channels[spec.name]
                replaced.append(before)
                await _leave(engine, before)
                await _open(engine, spec, new, plan)
        await plan.record()
        leaving = await _route(engine, plan, new)
    except asyncio.CancelledError:
        raise  # the engine is about to close, and closes what was opened here too
    except Exception:
        await _go_back(engine, new, replaced)
        raise
    for state in leaving:
        await _end(engine, state)


async def _open(
    engine: Engine, spec: ChannelSpec, new: dict[str, ChannelState], plan: Plan
) -> None:
    state = engine.state_of(spec)
    new[spec.name] = state
    engine.staged.append(state)
    if spec.name in engine.channels:
        engine.channels[spec.name] = state
        engine.adopt(engine.limits)
    _ = await engine.start(state, OPEN_WITHIN)
    await plan.check(state)


async def _leave(engine: Engine, state: ChannelState) -> None:
    """Hand nothing more to a channel, and let it end."""
    async with _alone(engine):
        state.is_leaving = True
    await _end(engine, state)


async def _end(engine: Engine, state: ChannelState) -> None:
    try:
        await engine.retire(state, DRAIN_WITHIN)
    except TimeoutError as error:
        log.warning("channel.close_late", channel=state.spec.name, why=str(error))


async def _route(
    engine: Engine, plan: Plan, new: dict[str, ChannelState]
) -> Sequence[ChannelState]:
    """Change the routes; returns the channels that nothing is handed to any more."""
    async with _alone(engine):
        former = engine.channels
        engine.channels = {
            spec.name: new.get(spec.name) or former[spec.name] for spec in plan.specs
        }
        leaving = [state for name, state in former.items() if name not in engine.channels]
        for state in leaving:
            state.is_leaving = True
        engine.staged = leaving  # the others are closed with the engine's channels
        plan.adopt()
        engine.adopt(plan.limits)
    engine.poke(new)
    return leaving


class _alone:  # noqa: N801  used as a function
    """Change the routes alone; a disk that hangs is a refusal."""

    def __init__(self, engine: Engine) -> None:
        self._turn = engine.routing.alone(ROUTES_WITHIN)

    async def __aenter__(self) -> None:
        try:
            await self._turn.__aenter__()
        except TimeoutError:
            raise ReloadRefused(
                f"Warnings that were just being accepted did not end within {ROUTES_WITHIN:g} s.",
                hint="The disk does not answer; look at it, then reload again.",
            ) from None

    async def __aexit__(self, *error: object) -> None:
        await self._turn.__aexit__(None, None, None)


async def _go_back(
    engine: Engine, new: dict[str, ChannelState], replaced: Sequence[ChannelState]
) -> None:
    """Close what was opened, and run the former channels again."""
    for state in new.values():
        await _end(engine, state)
        engine.staged.remove(state)
    for before in replaced:
        if not before.is_leaving:
            continue
        try:
            again = engine.state_of(before.spec)
            engine.channels[before.spec.name] = again
            engine.adopt(engine.limits)
            _ = await engine.start(again, OPEN_WITHIN)
        except FzalertError as error:
            log.warning("channel.not_restored", channel=before.spec.name, code=error.code)
