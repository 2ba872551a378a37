"""One screen as the hub knows it now: its desired state, its stream, what it said last."""

from __future__ import annotations

from dataclasses import dataclass, field

from fzalert_display.kiosk.desired import Desired, Owed
from fzalert_display.kiosk.devices import Device
from fzalert_display.kiosk.inbox import Pending
from fzalert_display.kiosk.reports import PageReport, SeenIds
from fzalert_display.kiosk.settings import ScreenConfig
from fzalert_display.kiosk.stream import Stream

__all__ = ["OwedReports", "Screen"]


@dataclass(frozen=True, slots=True)
class OwedReports:
    """Reports of the hub itself that were handed to the engine."""

    owed: tuple[Owed, ...]
    pending: Pending


@dataclass(slots=True)
class Screen:
    """One screen.

    Attributes:
        config: Its settings.
        desired: What it should show; replaced as a whole, after the commit.
        envelope: The signed document of `desired`, one line.
        frame: The event that carries it, serialised once for every stream that opens.
        device: The browser that is this screen; None until one is enrolled.
        seen: Report ids that are on disk.
        pending: Report ids whose rows wait for their commit.
        stream: The one live stream.
        heard_at: Monotonic time of the last sign of life.
        published: Monotonic time at which a card went out that is not painted yet.
        owed: Reports of the hub on their way.
        displaced_at: Monotonic time at which another browser took the stream over.
        paint_ms: From sending the last warning to its painted frame.
        viewport: The page's size in CSS pixels, as it last said.
        visible: The page's visibility, as it last said.
        blocked: Why the last card could not be painted; empty once one was.
        clock_off_ms: How far the screen's own clock is off, as it last said.
        played: The last idle card that was proved to be on.
        refused: Documents that the page refused.
        dropped: Reports that made no sense or named a card that was never here.
    """

    config: ScreenConfig
    desired: Desired = field(default_factory=Desired)
    envelope: str = ""
    frame: bytes = b""
    device: Device | None = None
    seen: SeenIds = field(default_factory=SeenIds)
    pending: dict[str, Pending] = field(default_factory=dict)
    stream: Stream | None = None
    heard_at: float = float("-inf")
    published: dict[tuple[int, int], float] = field(default_factory=dict)
    owed: OwedReports | None = None
    displaced_at: float = float("-inf")
    paint_ms: float | None = None
    viewport: tuple[int, int] = (0, 0)
    visible: str = ""
    blocked: str = ""
    clock_off_ms: int = 0
    played: str = ""
    refused: int = 0
    dropped: int = 0

    @property
    def name(self) -> str:
        """Its name."""
        return self.config.name

    def is_live(self, now: float, stale_after: float) -> bool:
        """Tell whether a page holds the stream and was heard of lately."""
        return self.stream is not None and now - self.heard_at <= stale_after

    def is_stale(self, now: float, stale_after: float) -> bool:
        """Tell whether a stream is open whose page has gone quiet."""
        return self.stream is not None and now - self.heard_at > stale_after

    def take_stream(self, stream: Stream, now: float) -> None:
        """Make this the one live stream; another browser's ends and shows in the health."""
        before = self.stream
        self.stream = stream
        self.heard_at = now
        if before is None:
            return
        if before.page == stream.page:
            before.end("bye")
        else:
            before.end("displaced")
            self.displaced_at = now

    def leave_stream(self, stream: Stream) -> None:
        """Forget a stream that has ended."""
        if self.stream is stream:
            self.stream = None

    def note(self, report: PageReport, now: float) -> None:
        """Learn from a report what the health page shows."""
        self.heard_at = now
        if report.viewport != (0, 0):
            self.viewport = report.viewport
        self.visible = report.visible or self.visible
        match report.event:
            case "alive":
                self.clock_off_ms = report.offset_ms
            case "shown":
                self.blocked = ""
                self.played = report.card if report.key is None else self.played
                sent = self.published.pop(report.key, None) if report.key else None
                if sent is not None:
                    self.paint_ms = (now - sent) * 1000
            case "blocked":
                self.blocked = report.reason or "unknown"
            case "refused":
                self.refused += 1
            case _:
                pass
