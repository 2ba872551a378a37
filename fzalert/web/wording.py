"""What staff pages say: a sign, a Chinese and an English word for each state, never colour alone.

Pure: views go in, rows for the templates come out, and every row is complete without a script.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fzalert.service.models import (
    CampaignView,
    ChannelView,
    CountersView,
    OutcomeView,
    StatusView,
    WarningView,
)
from fzalert.web.watch import Seen, Watch
from fzalert.web.words import (
    CAMPAIGNS,
    CHANNELS,
    FATES,
    FIGURES,
    KINDS,
    LANES,
    LAST_WORDS,
    PROOFS,
    Badge,
)
from fzalert.web.writing import BEIJING, clock_of, how_long, latency, number, pace, when

__all__ = [
    "CampaignRow",
    "ChannelRow",
    "FateRow",
    "Summary",
    "WarningRow",
    "campaign_pace",
    "pace_of",
    "summarise",
]

_CAMPAIGNS = 5


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """One channel as a row of the status page."""

    view: ChannelView
    kinds: str
    badge: Badge
    action: str
    action_en: str
    per_second: str
    limit: str
    window: str
    window_full: bool
    latency: str
    since: str
    for_how_long: str
    error_at: str
    share: str
    figures: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class FateRow:
    """One message of a warning."""

    view: OutcomeView
    kind: str
    badge: Badge
    word: str
    proof: str
    at: str


@dataclass(frozen=True, slots=True)
class WarningRow:
    """One warning with what became of it."""

    view: WarningView
    title: str
    lane: str
    badge: Badge
    at: str
    until: str
    fates: tuple[FateRow, ...]
    counts: tuple[tuple[Badge, int], ...]


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """One campaign on the status page."""

    view: CampaignView
    badge: Badge
    share: str
    done_at: str


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything that the live part of the status page shows."""

    status: StatusView
    channels: tuple[ChannelRow, ...]
    warnings: tuple[WarningRow, ...]
    campaigns: tuple[CampaignRow, ...]
    share: str
    ready_urgent: int
    ready_bulk: int
    wait: str
    overall: Badge
    at: str
    since: str


def summarise(
    status: StatusView,
    recent: Iterable[WarningView],
    campaigns: Sequence[CampaignView],
    titles: Mapping[str, str],
    watch: Watch,
    now: datetime,
) -> Summary:
    """Put the status page's live part together.

    Args:
        status: As it is now.
        recent: The newest warnings.
        campaigns: All of them, the oldest first.
        titles: Titles of the scripts, by key.
        watch: Knows since when channels are in their state.
        now: Time of day.
    """
    channels = tuple(_channel(view, watch.of(view.name), now) for view in status.channels)
    pace = campaign_pace(status, campaigns)
    urgent = sum(view.ready_urgent for view in status.channels)
    bulk = sum(view.ready_bulk for view in status.channels)
    return Summary(
        status=status,
        channels=channels,
        warnings=tuple(warning_row(view, titles) for view in recent),
        campaigns=tuple(_campaign(view, pace, now) for view in reversed(campaigns[-_CAMPAIGNS:])),
        share=_share(status.totals),
        ready_urgent=urgent,
        ready_bulk=bulk,
        wait=_wait(status),
        overall=_overall(status),
        at=now.astimezone(BEIJING).strftime("%H:%M:%S"),
        since=when(status.started_at, seconds=False),
    )


def warning_row(view: WarningView, titles: Mapping[str, str]) -> WarningRow:
    """Put one warning into words; `titles` are those of the scripts, by key."""
    fates = tuple(_fate(target) for target in view.targets)
    counts: dict[str, int] = {}
    for target in view.targets:
        counts[target.state] = counts.get(target.state, 0) + 1
    order = {state: place for place, state in enumerate(FATES)}
    return WarningRow(
        view=view,
        title=titles.get(view.script, ""),
        lane=LANES.get(view.lane, view.lane),
        badge=_badge(view.state),
        at=when(view.accepted_at),
        until=when(view.not_after),
        fates=fates,
        counts=tuple(
            (_badge(state), counts[state])
            for state in sorted(counts, key=lambda s: order.get(s, 9))
        ),
    )


def campaign_pace(status: StatusView, campaigns: Sequence[CampaignView]) -> float:
    """Parts a second that the one running campaign may count on; 0 where that cannot be told."""
    if sum(view.state == "running" for view in campaigns) != 1:
        return 0.0
    return sum(pace_of(view) for view in status.channels if "phone" in view.kinds)


def pace_of(view: ChannelView) -> float:
    """Parts a second that get through; what a line that is down gives back is no pace."""
    return 0.0 if view.state == "down" else view.per_second


def _campaign(view: CampaignView, pace: float, now: datetime) -> CampaignRow:
    share = f"{view.fed * 100 // view.total}%" if view.total else "–"
    badge = CAMPAIGNS.get(view.state) or Badge("warn", "▲", view.state, "")
    done_at = ""
    if view.state == "running" and pace > 0:
        done = now + timedelta(seconds=(view.total - view.fed) / pace)
        done_at = clock_of(done, now)
    return CampaignRow(view=view, badge=badge, share=share, done_at=done_at)


def _badge(state: str) -> Badge:
    return FATES.get(state) or Badge("warn", "▲", state, "")


def _fate(view: OutcomeView) -> FateRow:
    kind = view.target.partition(":")[0]
    return FateRow(
        view=view,
        kind=KINDS.get(kind, kind),
        badge=_badge(view.state),
        word=LAST_WORDS.get(view.word, view.word),
        proof=PROOFS.get(view.proof, view.proof),
        at=when(view.at),
    )


def _channel(view: ChannelView, seen: Seen | None, now: datetime) -> ChannelRow:
    badge, action, action_en = CHANNELS.get(view.state, CHANNELS["unknown"])
    return ChannelRow(
        view=view,
        kinds="、".join(KINDS.get(kind, kind) for kind in view.kinds),
        badge=badge,
        action=action,
        action_en=action_en,
        per_second=pace(pace_of(view)),
        limit="" if view.rate is None else f"{view.rate:g}",
        window=f"{view.in_flight}/{view.window}",
        window_full=view.window > 0 and view.in_flight >= view.window,
        latency=latency(view.latency_ms),
        since="" if seen is None else clock_of(seen.since, now),
        for_how_long="" if seen is None else how_long((now - seen.since).total_seconds()),
        error_at=clock_of(seen.error_at, now) if seen is not None and seen.error_at else "",
        share=_share(view.counters),
        figures=tuple(
            (FIGURES.get(name, name), number(value))
            for name, value in view.figures.items()
            if value not in (0, "")  # what has not happened is no news
        ),
    )


def _share(totals: CountersView) -> str:
    """The share of delivered among those whose fate is known; 100 % only where none failed."""
    known = totals.delivered + totals.failed + totals.expired
    return "–" if not known else f"{totals.delivered * 1000 // known / 10:.1f}%"


def _wait(status: StatusView) -> str:
    """How long the queue takes at today's pace, by the slowest channel that moves."""
    seconds = [
        (view.ready_urgent + view.ready_bulk + view.counters.queued) / pace_of(view)
        for view in status.channels
        if pace_of(view) > 0
    ]
    longest = max(seconds, default=0.0)
    if not longest:
        return ""
    return f"约 {longest:.0f} 秒" if longest < 90 else f"约 {longest / 60:.0f} 分钟"


def _overall(status: StatusView) -> Badge:
    down = sum(view.state == "down" for view in status.channels)
    if not status.channels:
        return Badge("warn", "▲", "没有配置通道", "no channel is configured")
    if down == len(status.channels):
        return Badge("bad", "■", "全部通道断开", "every channel is down")
    if down:
        return Badge("bad", "■", f"{down} 个通道断开", f"{down} down")
    if any(view.state != "up" for view in status.channels):
        return Badge("warn", "▲", "部分通道变慢", "some are slow")
    return Badge("ok", "●", "全部通道正常", "every channel is up")
