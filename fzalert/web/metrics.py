"""`/metrics` for Prometheus: a status in figures, and those of the process.

Labels come from closed sets alone: the configured channels, the kinds of target that one serves,
the two lanes, the states. No person, number, warning or campaign is ever a label.

Source: Prometheus text exposition format 0.0.4; OpenMetrics 1.0.0.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from fzalert.ports import HealthState
from fzalert.service.models import ChannelView, CountersView, StatusView
from fzalert.web.watch import Watch
from fzalert.web.wording import pace_of

__all__ = ["Metrics"]

STATES = tuple(str(state) for state in HealthState)
FATES = ("queued", "open", "sent", "delivered", "failed", "expired", "unknown", "suppressed")
# These grow, over restarts too: the store keeps them. The others may be mended by a late report,
# and a counter that goes down reads as a restart: they are in fz_parts alone.
COUNTED = ("accepted", "delivered")
_CHANNEL = ("channel", "kind")
_DISPLAYS = {
    "screens": ("fz_display_configured", "Screens in the configuration."),
    "screens_live": ("fz_display_connected", "Screens that are connected and answer."),
    "screens_stale": ("fz_display_stale", "Screens that were connected and do not answer."),
}


class Metrics(Collector):
    """Writes what Prometheus reads.

    Args:
        watch: Knows since when channels are in their state.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._status: StatusView | None = None
        self._most: dict[tuple[str, str], int] = {}
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def text(self, status: StatusView, accept: str = "") -> tuple[bytes, str]:
        """Write a status in figures.

        Args:
            status: As it is now.
            accept: What the reader takes, from the header of that name.

        Returns:
            The text and its media type.
        """
        self._watch.see(status)
        encode, media_type = choose_encoder(accept)
        self._status = status
        try:
            return encode(self._registry), media_type
        finally:
            self._status = None

    @override
    def collect(self) -> Iterator[Metric]:
        """Every family, for one status."""
        if self._status is None:
            return
        yield from self._process(self._status)
        yield from self._channels(self._status.channels)
        yield from self._queues(self._status.channels)
        yield from self._fates(self._status.channels)
        yield from _displays(self._status.channels)

    def _process(self, status: StatusView) -> Iterator[Metric]:
        yield GaugeMetricFamily("fz_drill", "1 while everything is a drill.", int(status.drill))
        refused = "1 while the newest configuration is refused and the one before it runs on."
        yield GaugeMetricFamily("fz_config_refused", refused, int(bool(status.config.refused)))
        stranded = "Parts that wait on a channel which is not configured."
        waiting = sum(status.config.waiting.values())
        yield GaugeMetricFamily("fz_config_waiting", stranded, waiting)
        ticks = "Transactions of the store since the start."
        yield CounterMetricFamily("fz_store_ticks", ticks, status.ticks)
        orphans = "Reports that match no message of ours; they are kept for 7 days."
        yield GaugeMetricFamily("fz_orphan_reports", orphans, status.orphans)
        deadlines = status.deadlines
        if deadlines.running:
            fired = "Deadlines of freeze requests that fired since the start."
            yield CounterMetricFamily("fz_freeze_deadlines", fired, deadlines.fired)
            late = "Of them more than five seconds late."
            yield CounterMetricFamily("fz_freeze_deadlines_late", late, deadlines.late)
            kept = "1 while the deadlines of freeze requests are kept, 0 where they stand still."
            yield GaugeMetricFamily("fz_freeze_deadlines_kept", kept, int(not deadlines.problem))
            limits = GaugeMetricFamily(
                "fz_freeze_limits",
                "People and units that are near a daily limit of freeze requests, or have reached"
                " it.",
                labels=["state"],
            )
            reached = sum(one.count >= one.limit for one in status.limits)
            limits.add_metric(["near"], len(status.limits) - reached)
            limits.add_metric(["reached"], reached)
            yield limits
        dropped = "Lines of the log that were lost, for want of room or of a disk."
        yield CounterMetricFamily("fz_log_dropped", dropped, _dropped())

    def _channels(self, channels: Iterable[ChannelView]) -> Iterator[Metric]:
        state = GaugeMetricFamily(
            "fz_channel_state",
            "1 for the state that a channel is in, 0 for the others.",
            labels=(*_CHANNEL, "state"),
        )
        up = _gauge("channel_up", "1 while a channel can send, also slowly.")
        since = _gauge("channel_state_seconds", "Seconds in this state, as far as was seen.")
        rate = _gauge("channel_rate", "Parts that got through a second, over the last five.")
        limit = _gauge("channel_rate_limit", "Parts a second that the far side allows.")
        latency = _gauge("channel_latency_seconds", "A recent round trip to the far side.")
        window = _gauge("channel_window", "Parts that may be out and unanswered at once.")
        used = _gauge("channel_window_used", "Share of the window that is in use, 0 to 1.")
        flight = _gauge("channel_in_flight", "Parts that are out and unanswered.")
        for view in channels:
            labels = _labels(view)
            for one in STATES:
                state.add_metric((*labels, one), view.state == one)
            up.add_metric(labels, view.state in {HealthState.UP, HealthState.SLOW})
            since.add_metric(labels, self._watch.seconds(view.name))
            rate.add_metric(labels, pace_of(view))
            window.add_metric(labels, view.window)
            flight.add_metric(labels, view.in_flight)
            used.add_metric(labels, view.in_flight / view.window if view.window else 0)
            if view.rate is not None:
                limit.add_metric(labels, view.rate)
            if view.latency_ms is not None:
                latency.add_metric(labels, view.latency_ms / 1000)
        yield from (state, up, since, rate, limit, latency, window, used, flight)

    def _queues(self, channels: Iterable[ChannelView]) -> Iterator[Metric]:
        depth = GaugeMetricFamily(
            "fz_queue_depth",
            "Parts that are ready for a channel and not handed over, by lane.",
            labels=(*_CHANNEL, "lane"),
        )
        for view in channels:
            depth.add_metric((*_labels(view), "urgent"), view.ready_urgent)
            depth.add_metric((*_labels(view), "bulk"), view.ready_bulk)
        yield depth

    def _fates(self, channels: Iterable[ChannelView]) -> Iterator[Metric]:
        parts = GaugeMetricFamily(
            "fz_parts", "Parts by what is known of them now.", labels=(*_CHANNEL, "state")
        )
        messages = CounterMetricFamily(
            "fz_messages",
            "Parts accepted, and parts delivered, since the store was made.",
            labels=(*_CHANNEL, "state"),
        )
        for view in channels:
            labels = _labels(view)
            for one in FATES:
                parts.add_metric((*labels, one), _figure(view.counters, one))
            for one in COUNTED:
                figure = _figure(view.counters, one)
                most = self._most[view.name, one] = max(figure, self._most.get((view.name, one), 0))
                messages.add_metric((*labels, one), most)
        yield from (parts, messages)


def _gauge(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"fz_{name}", text, labels=_CHANNEL)


def _labels(view: ChannelView) -> tuple[str, str]:
    """The channel, and the kinds of target that it serves, a closed set by its settings."""
    return view.name, "+".join(sorted(view.kinds))


def _figure(counters: CountersView, name: str) -> int:
    return int(getattr(counters, name))


def _displays(channels: Iterable[ChannelView]) -> Iterator[Metric]:
    """Figures of channels that have screens."""
    families = {key: _display(*words) for key, words in _DISPLAYS.items()}
    for view in channels:
        for key, family in families.items():
            figure = view.figures.get(key)
            if isinstance(figure, int | float):
                family.add_metric(_labels(view), figure)
    yield from families.values()


def _display(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, labels=_CHANNEL)


def _dropped() -> int:
    """Lines that the handlers of the log lost; this room does not know whose they are."""
    handlers = logging.getLogger().handlers
    return sum(int(getattr(handler, "dropped", 0)) for handler in handlers)
