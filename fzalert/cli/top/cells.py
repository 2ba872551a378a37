"""A snapshot as rows of short texts that fit into 80 columns. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fzalert.cli.output import width
from fzalert.web.wording import CampaignRow, ChannelRow, Summary, WarningRow

__all__ = ["CAMPAIGNS", "CHANNELS", "WARNINGS", "Cell", "Column", "Row", "Shown", "cut", "shown"]

_BAR = 12


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its title, the columns of the terminal that it takes, and its side."""

    title: str
    room: int
    right: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """A short text; its tone is ok, warn, bad, quiet or empty, and never says more than it."""

    text: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One row; the key stays the same while its figures change."""

    key: str
    cells: tuple[Cell, ...]


CHANNELS = (
    Column("通道", 11),
    Column("状态", 8),
    Column("条/秒", 9, right=True),
    Column("窗口", 7, right=True),
    Column("急/普+待发", 11, right=True),
    Column("送达", 8, right=True),
    Column("失败/未知", 9, right=True),
    Column("时延", 6, right=True),
)
CAMPAIGNS = (
    Column("活动", 20),
    Column("状态", 10),
    Column("已进/总数", 15, right=True),
    Column("进度", 17),
    Column("预计发完", 11),
)
WARNINGS = (
    Column("时间", 8),
    Column("预警", 18),
    Column("级别", 4),
    Column("对象", 24),
    Column("结果", 19),
)


@dataclass(frozen=True, slots=True)
class Shown:
    """Everything of a frame but its layout."""

    head: Cell
    process: str
    totals: tuple[Cell, ...]
    channels: tuple[Row, ...]
    campaigns: tuple[Row, ...]
    warnings: tuple[Row, ...]
    details: dict[str, tuple[Cell, ...]]


def cut(text: str, room: int) -> str:
    """The text within so many columns; a cut one ends with an ellipsis."""
    if width(text) <= room:
        return text
    while text and width(text) > room - 1:
        text = text[:-1]
    return text + "…"


def shown(page: Summary) -> Shown:
    """Turn the words of the status page into cells."""
    status = page.status
    drill = "【演练】 " if status.drill else ""
    return Shown(
        head=Cell(f"{page.overall.sign} {page.overall.zh}", page.overall.tone),
        process=f"{page.at}  {drill}fzalert {status.version} pid {status.pid} {page.since} 启动",
        totals=_totals(page),
        channels=tuple(_channel(row) for row in page.channels),
        campaigns=tuple(_campaign(row) for row in page.campaigns),
        warnings=tuple(_warning(row) for row in page.warnings),
        details={row.view.name: _detail(row) for row in page.channels},
    )


def _totals(page: Summary) -> tuple[Cell, ...]:
    totals = page.status.totals
    expired = (Cell(f"过期 {totals.expired:,}", "bad"),) if totals.expired else ()
    return (
        Cell(f"送达 {totals.delivered:,} {page.share}", "ok" if totals.delivered else ""),
        Cell(f"▲未知 {totals.unknown:,}" if totals.unknown else "未知 0", _warn(totals.unknown)),
        Cell(f"失败 {totals.failed:,}", "bad" if totals.failed else ""),
        *expired,
        Cell(
            f"排队 {_queue(page.ready_urgent, page.ready_bulk, totals.queued)} {page.wait}".rstrip()
        ),
        Cell(f"受理 {totals.accepted:,}"),
    )


def _queue(urgent: int, bulk: int, later: int) -> str:
    """What is ready by lane, and what waits for its time or its line."""
    return f"{urgent:,}/{bulk:,}" + (f"+{later:,}" if later else "")


def _warn(figure: int) -> str:
    return "warn" if figure else ""


def _channel(row: ChannelRow) -> Row:
    view, counters = row.view, row.view.counters
    limit = f"/{row.limit}" if row.limit else ""
    full = "▲" if row.window_full else ""
    urgent = _warn(view.ready_urgent)
    lost = "bad" if counters.failed else _warn(counters.unknown)
    return Row(
        view.name,
        (
            Cell(view.name),
            Cell(f"{row.badge.sign} {row.badge.zh}", row.badge.tone),
            Cell(f"{row.per_second}{limit}"),
            Cell(f"{full}{row.window}", "warn" if full else ""),
            Cell(_queue(view.ready_urgent, view.ready_bulk, counters.queued), urgent),
            Cell(f"{counters.delivered:,}"),
            Cell(f"{counters.failed:,}/{counters.unknown:,}", lost),
            Cell(row.latency),
        ),
    )


def _detail(row: ChannelRow) -> tuple[Cell, ...]:
    """Two lines: what the channel does and since when; and why."""
    since = f"，{row.since} 起" if row.since else ""
    first = f"{row.badge.sign} {row.view.name} {row.badge.zh}{since}：{row.action}"
    error = f"最近错误 {row.view.last_error} {row.error_at}" if row.view.last_error else ""
    second = " · ".join(part for part in (row.view.detail, error.strip()) if part)
    return Cell(first, row.badge.tone), Cell(second.replace("\n", " "))


def _campaign(row: CampaignRow) -> Row:
    view = row.view
    done = view.fed * _BAR // view.total if view.total else 0
    bar = f"{'▮' * done}{'▯' * (_BAR - done)} {row.share}"
    if view.state == "importing":
        bar = f"已读 {view.rows:,} 行"
    return Row(
        view.id,
        (
            Cell(view.name),
            Cell(f"{row.badge.sign} {row.badge.zh}", row.badge.tone),
            Cell(f"{view.fed:,}/{view.total:,}"),
            Cell(bar),
            Cell(row.done_at or view.reason or "–"),
        ),
    )


def _warning(row: WarningRow) -> Row:
    targets = [f"{fate.kind} {fate.view.target.partition(':')[2]}" for fate in row.fates]
    fates = [f"{mark.sign}{mark.zh}{number}" for mark, number in row.counts]
    return Row(
        row.view.id,
        (
            Cell(row.at[6:]),
            Cell(row.title or row.view.script),
            Cell(row.lane, "warn" if row.view.lane == "urgent" else ""),
            Cell(_several(targets)),
            Cell(" ".join(fates) or f"{row.badge.sign} {row.badge.zh}", row.badge.tone),
        ),
    )


def _several(targets: Sequence[str]) -> str:
    if len(targets) <= 1:
        return "".join(targets)
    return f"{targets[0]} 等 {len(targets)} 个"
