"""From a decision to messages: route, opt-outs, caps. Pure but for the questions to the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fzalert.delivery.engine import ChannelState
from fzalert.delivery.ids import IdMaker
from fzalert.errors import InputError, UnknownTarget
from fzalert.messages import Lane, Rendition, SmsText, Target, TargetKind, Warning
from fzalert.ports import Capabilities
from fzalert.store import Acceptance, Cap, Fallback, Lease, NewMessage, Store

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Caps:
    """How often one person may be written to.

    Attributes:
        urgent_hour: Urgent messages an hour.
        urgent_day: Urgent messages a day.
        bulk_day: Bulk messages a day.
    """

    urgent_hour: int = 3
    urgent_day: int = 6
    bulk_day: int = 1

    def of(self, lane: Lane, now: int) -> tuple[Cap, ...]:
        """What holds for a lane at a time, milliseconds since the epoch."""
        if lane is Lane.URGENT:
            hour = Cap(now - HOUR_MS, self.urgent_hour, "hour")
            return hour, Cap(now - 24 * HOUR_MS, self.urgent_day, "day")
        return (Cap(now - 24 * HOUR_MS, self.bulk_day, "day"),)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Ready to commit.

    Attributes:
        acceptance: What the store takes.
        channels: Channels with something in their queue afterwards.
    """

    acceptance: Acceptance
    channels: frozenset[str]


def channel_for(target: Target, channels: Mapping[str, ChannelState]) -> ChannelState:
    """The first configured channel that serves a target.

    Raises:
        UnknownTarget: None does; the text names what there is.
    """
    for state in channels.values():
        if state.serves(target.kind, target.address):
            return state
    known = sorted(
        {
            address
            for state in channels.values()
            if target.kind in state.capabilities.kinds
            for address in state.capabilities.addresses or ()
        }
    )
    if known:
        hint = f"Known for {target.kind}: {', '.join(known)}."
    else:
        kinds = sorted({str(k) for s in channels.values() for k in s.capabilities.kinds})
        hint = (
            f"No channel serves {target.kind}; the configured ones serve "
            f"{', '.join(kinds) or 'nothing'}. Add a [[channel]] to fzalert.toml."
        )
    raise UnknownTarget(f"Nothing delivers to {target}.", hint=hint, field="to")


async def prepare(
    warning: Warning,
    key_hash: bytes,
    channels: Mapping[str, ChannelState],
    render: Callable[[Target, Capabilities], Rendition],
    store: Store,
    ids: IdMaker,
    caps: Caps,
    lease_for: Callable[[str], Lease | None],
    *,
    new: bool = True,
) -> Prepared:
    """Route every target, render each text once, and leave out whom it may not reach.

    Args:
        warning: The decision.
        key_hash: What its idempotency key stands for.
        channels: The engine's channels.
        render: Renders for one target on one channel; called once for each channel and kind.
        store: Asked for opt-outs and past contacts.
        ids: Gives message ids.
        caps: Limits per person.
        lease_for: Which lease may claim at once; used for the urgent lane only.
        new: False for a further batch of a stored warning.

    Raises:
        UnknownTarget: No channel serves a target.
        InputError: A text does not fit or a value is wrong; nothing is accepted.
    """
    routed = [(target, channel_for(target, channels)) for target in dict.fromkeys(warning.targets)]
    bodies: list[Rendition] = []
    body_of: dict[tuple[str, TargetKind], int] = {}
    for target, state in routed:
        where = (state.spec.name, target.kind)
        if where not in body_of:
            rendition = render(target, state.capabilities)
            if rendition not in bodies:
                bodies.append(rendition)
            body_of[where] = bodies.index(rendition)
    fallbacks = _fallbacks(routed, channels, render, bodies, body_of)
    limits = caps.of(warning.lane, warning.not_before)
    refused = await _refused([target for target, _ in routed], warning.lane, store, limits)
    messages: list[NewMessage] = []
    poked: set[str] = set()
    for id_, (target, state) in zip(ids.take(len(routed)), routed, strict=True):
        name = state.spec.name
        number = body_of[name, target.kind]
        body = bodies[number]
        lease = None
        if warning.lane is Lane.URGENT and target not in refused:
            lease = lease_for(name)
        if lease is None:
            poked.add(name)
        messages.append(
            NewMessage(
                id_,
                name,
                target,
                number,
                len(body.parts) if isinstance(body, SmsText) else 1,
                warning.not_before,
                lease,
                refused.get(target, ""),
            )
        )
    accepted = Acceptance(warning, key_hash, tuple(bodies), messages, new, fallbacks, limits)
    return Prepared(accepted, frozenset(poked))


def _fallbacks(
    routed: Sequence[tuple[Target, ChannelState]],
    channels: Mapping[str, ChannelState],
    render: Callable[[Target, Capabilities], Rendition],
    bodies: list[Rendition],
    body_of: Mapping[tuple[str, TargetKind], int],
) -> tuple[Fallback, ...]:
    """What each text becomes on the next channels of its route, where that is another one.

    It is written now, while script and values are at hand: a failover renders nothing.
    """
    found: dict[tuple[int, str, str], Fallback] = {}
    samples = {(state.spec.name, target.kind): target for target, state in routed}
    for (name, kind), target in samples.items():
        body: int | None = body_of[name, kind]
        here = channels[name]
        while body is not None and (there := channels.get(here.policy.fallback)) is not None:
            if here.policy.fallback_as_is:
                here = there
                continue
            to_body, parts = _rendered(target, there, render, bodies)
            one = Fallback(body, here.spec.name, there.spec.name, to_body, parts)
            found[one.body, one.channel, one.to] = one
            here, body = there, to_body
    return tuple(found.values())


def _rendered(
    target: Target,
    channel: ChannelState,
    render: Callable[[Target, Capabilities], Rendition],
    bodies: list[Rendition],
) -> tuple[int | None, int]:
    """The number of a text on a channel, and its parts; None where it does not fit there."""
    try:
        rendition = render(target, channel.capabilities)
    except InputError:
        return None, 0
    if rendition not in bodies:
        bodies.append(rendition)
    parts = len(rendition.parts) if isinstance(rendition, SmsText) else 1
    return bodies.index(rendition), parts


async def _refused(
    targets: Sequence[Target], lane: Lane, store: Store, caps: Sequence[Cap]
) -> dict[Target, str]:
    people = [target for target in targets if target.is_personal]
    if not people:
        return {}
    refused: dict[Target, str] = {}
    if lane is Lane.BULK:
        # An opt-out never silences an urgent warning to a person who is being defrauded now.
        refused.update(await store.suppressed(people))
    for cap in caps:
        found = await store.contacts(people, lane, cap.since)
        for target, number in found.items():
            if number >= cap.most:
                refused.setdefault(target, cap.reason(number, lane))
    return refused
