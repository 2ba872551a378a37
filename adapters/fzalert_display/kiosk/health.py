"""How the screens are, in one word, one sentence and a few numbers."""

from __future__ import annotations

from fzalert.ports import Health, HealthState
from fzalert_display.kiosk.hub import Hub
from fzalert_display.kiosk.screen import Screen

__all__ = ["health_of"]

_DISPLACED_FOR = 600.0
_NAMES = 8
_CLOCK_MS = 60_000


def health_of(hub: Hub) -> Health:
    """Judge all screens of a channel: up if all are live, slow if some are, down if none is."""
    now = hub.context.clock.monotonic()
    screens = tuple(hub.screens.values())
    missing = [one.name for one in screens if not one.is_live(now, hub.stale_after)]
    stale = sum(one.is_stale(now, hub.stale_after) for one in screens)
    paints = [one.paint_ms for one in screens if one.paint_ms is not None]
    live = len(screens) - len(missing)
    partly = HealthState.SLOW if live else HealthState.DOWN
    state = partly if missing else HealthState.UP
    notes = [note for one in screens for note in _notes(one, now)]
    notes += [
        f"{name}: 素材缺失 / media missing ({why})" for name, why in hub.shelf.missing.items()
    ]
    if missing:
        notes.insert(0, f"未连接 / not connected: {_some(missing)}")
    figures: list[tuple[str, int | float | str]] = [
        ("screens_live", live),
        ("screens", len(screens)),
        ("screens_stale", stale),
        ("warnings_held", sum(one.desired.count(rolling=False) for one in screens)),
        ("blocked", sum(bool(one.blocked) for one in screens)),
        ("refused", sum(one.refused for one in screens)),
        ("reports_dropped", sum(one.dropped for one in screens)),
    ]
    if paints:
        figures.append(("last_paint_ms", round(max(paints), 1)))
    return Health(
        state,
        "; ".join(notes[:_NAMES]),
        latency_ms=round(max(paints), 1) if paints else None,
        figures=tuple(figures),
    )


def _notes(screen: Screen, now: float) -> list[str]:
    """Say what a person should look at."""
    name = screen.name
    found: list[str] = []
    if screen.device is None:
        found.append(f"{name}: 未登记 / not enrolled")
    if now - screen.displaced_at < _DISPLACED_FOR:
        found.append(f"{name}: 有两台设备在用 / two browsers claim it")
    if screen.blocked:
        found.append(f"{name}: 未能上屏 / could not paint ({screen.blocked})")
    if screen.refused:
        found.append(f"{name}: 签名被拒 / refused {screen.refused} signed states")
    if abs(screen.clock_off_ms) > _CLOCK_MS:
        off = round(screen.clock_off_ms / 1000)
        found.append(f"{name}: 时钟误差 / its clock is off by {off} s")
    wanted = (screen.config.width, screen.config.height)
    if None not in wanted and screen.viewport not in {(0, 0), wanted}:
        across, down = screen.viewport
        found.append(f"{name}: 分辨率 / shows {across}x{down}, configured {wanted[0]}x{wanted[1]}")
    return found


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_NAMES])
    return shown if len(names) <= _NAMES else f"{shown} +{len(names) - _NAMES}"
