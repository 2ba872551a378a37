"""The state behind all screens: every change is on disk before a page hears of it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import NamedTuple

from fzalert.messages import DeliveryReport, display
from fzalert.ports import AdapterContext
from fzalert_display.kiosk.desired import Desired, read_row, write_row
from fzalert_display.kiosk.devices import Device, device_hash, new_device_token
from fzalert_display.kiosk.document import canonical, envelope, state_document
from fzalert_display.kiosk.inbox import Inbox, Pending
from fzalert_display.kiosk.playlist import Playlist, playlist_of
from fzalert_display.kiosk.reports import PageReport, Parsed, SeenIds, delivery_report
from fzalert_display.kiosk.screen import OwedReports, Screen
from fzalert_display.kiosk.settings import KioskConfig
from fzalert_display.kiosk.shelf import Shelf
from fzalert_display.kiosk.stream import frame

__all__ = ["Hub", "Waiting"]

_GRACE_MS = 60_000
"""A page that lives says itself that a card expired; after this the hub says it."""
_AT_A_TIME = 25
"""Screens that are signed and told before others get the loop; a signature takes some 0.1 ms."""


class Waiting(NamedTuple):
    """What one report request waits for.

    Attributes:
        pending: Commits to wait for; the rows of an earlier try of the same batch among them.
        ids: Ids to remember once all are on disk.
        keys: Cards of which the screen has spoken.
        room: False where the engine is behind: the page keeps its reports.
    """

    pending: tuple[Pending, ...] = ()
    ids: tuple[str, ...] = ()
    keys: frozenset[tuple[int, int]] = frozenset()
    room: bool = True


class Hub:
    """All screens of one channel.

    Args:
        config: The channel's settings.
        context: The world.
        page: Version of the page that is served; what its policy allows is added to it.

    Attributes:
        shelf: Pictures and videos of the idle cards.
        playlist: The idle cards, one text for all screens.
    """

    def __init__(self, config: KioskConfig, context: AdapterContext, page: str) -> None:
        self.config = config
        self.context = context
        self.page = page
        self.shelf = Shelf()
        self.playlist = Playlist()
        self.inbox = Inbox()
        self.changing = asyncio.Lock()
        self.screens = {screen.name: Screen(screen) for screen in config.displays}
        self.stale_after = 6 * config.heartbeat_seconds

    async def open(self) -> None:
        """Read what stands in the store, drop what is stale, and issue everything anew."""
        config = self.config
        await self.shelf.fill(config.media, (card.media for card in config.idle if card.media))
        self.playlist = playlist_of(config, self.shelf)
        self.page = "-".join((self.page, *sorted(self.shelf.kinds)))
        rows = dict(await self.context.state.items())
        now = self.context.clock.millis()
        async with self.changing:
            fresh: dict[str, Desired] = {}
            for screen in self.screens.values():
                screen.device = Device.read(rows.get(f"device/{screen.name}"))
                screen.seen = SeenIds.read(rows.get(f"seen/{screen.name}"))
                before = read_row(rows.get(f"screen/{screen.name}"))
                fresh[screen.name] = before.expired(now).reissued(now)
            await self.save(fresh)
        for screen in self.screens.values():
            self.offer_owed(screen)

    def close(self) -> None:
        """End every stream and every wait."""
        for screen in self.screens.values():
            if screen.stream is not None:
                screen.stream.end("bye")
        self.inbox.close()

    def live(self, screen: Screen) -> bool:
        """Tell whether a page shows what this screen should show."""
        return screen.is_live(self.context.clock.monotonic(), self.stale_after)

    async def save(self, changed: Mapping[str, Desired]) -> None:
        """Put states on disk, then make them true and push them; call within `changing`.

        Raises:
            StoreError: Nothing has changed.
        """
        await self.context.state.put_many(
            {f"screen/{name}": write_row(desired) for name, desired in changed.items()}
        )
        issued = deque[Screen]()
        for name, desired in changed.items():
            screen = self.screens[name]
            if desired.sequence != screen.desired.sequence:
                issued.append(screen)
            screen.desired = desired
        try:
            while issued:
                self._publish(issued.popleft())
                if len(issued) % _AT_A_TIME == 0:
                    await asyncio.sleep(0)
        finally:
            for screen in issued:  # who is cancelled here must leave no screen behind
                self._publish(screen)

    def _publish(self, screen: Screen) -> None:
        desired = screen.desired
        document = state_document(
            desired, screen.config, self.config, self.page, self.playlist.sha256
        )
        screen.envelope = envelope(document, self.context.signer)
        screen.frame = frame("state", screen.envelope, id=desired.sequence)
        now = self.context.clock.monotonic()
        screen.published = {
            card.key: screen.published.get(card.key, now)
            for card in desired.cards
            if not card.shown
        }
        if screen.stream is not None:
            screen.stream.offer(screen.frame)

    def beat_frame(self, screen: Screen) -> bytes:
        """Return a heartbeat: an event, since a comment is invisible to a page."""
        beat = {"now": self.context.clock.millis(), "v": screen.desired.sequence}
        return frame("hb", canonical(beat))

    def beat(self) -> None:
        """Send every page a heartbeat; most screens stand at the same few sequences."""
        frames: dict[int, bytes] = {}
        for screen in self.screens.values():
            if screen.stream is not None:
                v = screen.desired.sequence
                if v not in frames:
                    frames[v] = self.beat_frame(screen)
                screen.stream.beat(frames[v])

    async def enrol(self, screen: Screen) -> str:
        """Let one browser be this screen, and no other; returns the token for its cookie."""
        token = new_device_token()
        await self._keep(screen, Device(device_hash(token), self.context.clock.millis()))
        if screen.stream is not None:
            screen.stream.end("gone")
        return token

    async def revoke(self, screen: Screen) -> None:
        """Shut every browser out of a screen."""
        await self._keep(screen, None)
        if screen.stream is not None:
            screen.stream.end("gone")

    async def renew(self, screen: Screen, token: str) -> str:
        """Return the token that a screen's browser should go on with: mostly the one it has."""
        device, hashed = screen.device, device_hash(token)
        now = self.context.clock.millis()
        if device is None or not device.admits(hashed):
            return token
        if device.is_due(hashed, now):
            fresh = new_device_token()
            await self._keep(screen, Device(device_hash(fresh), now, before=hashed))
            return fresh
        if device.before and hashed == device.current:
            await self._keep(screen, replace(device, before=b""))
        return token

    async def _keep(self, screen: Screen, device: Device | None) -> None:
        row = None if device is None else device.write()
        await self.context.state.put_many({f"device/{screen.name}": row})
        screen.device = device

    async def tidy(self) -> None:
        """Drop what has expired, pay what was owed, and issue old documents anew."""
        now = self.context.clock.millis()
        renew = self.config.idle_keep_hours * 3_600_000 // 4
        async with self.changing:
            changed: dict[str, Desired] = {}
            for screen in self.screens.values():
                before = screen.desired
                if screen.owed is not None and screen.owed.pending.committed:
                    before = before.paid(screen.owed.owed)
                    screen.owed = None
                after = before.expired(now).given_up(now - _GRACE_MS)
                if len(after.cards) != len(before.cards) or now - after.issued_at > renew:
                    after = after.reissued(now)
                if after != screen.desired:
                    changed[screen.name] = after
            if changed:
                await self.save(changed)
        for screen in self.screens.values():
            self.offer_owed(screen)

    def offer_owed(self, screen: Screen) -> None:
        """Hand the hub's own reports to the engine, unless some are on their way."""
        if screen.owed is not None or not screen.desired.owed:
            return
        owed = screen.desired.owed
        target = display(screen.name)
        rows = [
            DeliveryReport(one.kind, target=target, at=one.at, id=one.id, part=one.part)
            for one in owed
        ]
        pending = self.inbox.offer(rows)
        if pending is not None:
            screen.owed = OwedReports(owed, pending)

    def take_reports(self, screen: Screen, parsed: Parsed) -> Waiting:
        """Queue the rows of a page's batch that are new, and tell what to wait for."""
        now = self.context.clock.monotonic()
        screen.heard_at = now
        screen.dropped += parsed.dropped
        again: list[Pending] = []
        fresh: list[tuple[PageReport, DeliveryReport]] = []
        taken: set[str] = set()
        for report in parsed.reports:
            if report.report_id in screen.seen or report.report_id in taken:
                continue
            if report.report_id in screen.pending:
                again.append(screen.pending[report.report_id])
                continue
            taken.add(report.report_id)
            row = self._row(screen, report, now)
            if row is not None:
                fresh.append((report, row))
        pending = self.inbox.offer([row for _, row in fresh]) if fresh else None
        if fresh and pending is None:
            return Waiting(room=False)
        if pending is not None:
            again.append(pending)
            screen.pending.update({report.report_id: pending for report, _ in fresh})
        wanted = tuple(dict.fromkeys(again))
        ids = tuple(one for one, waits in screen.pending.items() if waits in wanted)
        keys = frozenset((row.id, row.part) for waits in wanted for row in waits.rows)
        return Waiting(wanted, ids, keys)

    def _row(self, screen: Screen, report: PageReport, now: float) -> DeliveryReport | None:
        screen.note(report, now)
        row = delivery_report(report, screen.name, self.context.clock.millis())
        if row is not None and not screen.desired.knows((row.id, row.part)):
            screen.dropped += 1
            return None
        return row

    async def remember(self, screen: Screen, waiting: Waiting) -> None:
        """Keep the ids of reports that are on disk, so that a repeat counts once."""
        ids: Collection[str] = [one for one in waiting.ids if one in screen.pending]
        if not ids:
            return
        async with self.changing:
            screen.seen.add(ids)
            settled = screen.desired.settled(waiting.keys)
            await self.context.state.put_many(
                {
                    f"seen/{screen.name}": screen.seen.write(),
                    f"screen/{screen.name}": write_row(settled),
                }
            )
            screen.desired = settled
            for one in ids:
                screen.pending.pop(one, None)
