"""`fzalert status`: how the process, its channels and its counters are."""

from __future__ import annotations

from fzalert.cli.exits import Exit
from fzalert.cli.session import current
from fzalert.service.models import ChannelView

__all__ = ["status"]

SIGNS = {
    "up": "● 正常 up",
    "slow": "▲ 变慢 slow",
    "down": "■ 断开 down",
    "unknown": "▲ 未知 unknown",
}
_HEAD = [
    *("通道", "适配器", "状态", "条/秒", "窗口", "紧急", "普通"),
    *("已送达", "失败", "未知", "说明"),
]


async def status() -> int:
    """Show channels and counters; exit code 6 where a channel is down."""
    session = current()
    output = session.output
    async with session.service() as api:
        view = await api.status()
    output.data(view)
    drill = "  演练 drill" if view.drill else ""
    output.line(f"fzalert {view.version}  pid {view.pid}  {view.started_at}{drill}")
    if view.web:
        output.line(f"页面 Pages: {view.web}")
    if view.channels:
        output.table(_HEAD, [_row(channel) for channel in view.channels])
    else:
        output.line("▲ 没有通道，发不出任何预警。 No channel: nothing can go out.")
    totals = view.totals
    output.line(
        f"受理 {totals.accepted}  送达 {totals.delivered}  失败 {totals.failed}"
        f"  过期 {totals.expired}  未知 {totals.unknown}  按规则未发 {totals.suppressed}"
    )
    if view.orphans:
        output.line(f"▲ 无主回执 {view.orphans} 条，保留 7 天  reports that match nothing of ours")
    deadlines = view.deadlines
    if deadlines.running:
        line = f"期限 deadlines: 已触发 fired {deadlines.fired}  迟 late {deadlines.late}"
        output.line(f"{line}  下一个 next {deadlines.next_due or '–'}")
    for one in view.limits:
        sign, word = ("■", "已到 reached") if one.count >= one.limit else ("▲", "接近 near")
        output.line(
            f"{sign} 每日上限 daily limit {word}: {one.of} {one.kind} {one.count}/{one.limit}"
        )
    if deadlines.problem:
        output.line(f"■ 期限任务异常 deadlines are not kept: {deadlines.problem}")
    down = any(channel.state == "down" for channel in view.channels)
    return Exit.UNREACHABLE if down else Exit.OK


def _row(channel: ChannelView) -> list[str]:
    counters = channel.counters
    return [
        channel.name,
        channel.adapter,
        SIGNS.get(channel.state, channel.state),
        f"{channel.per_second:.1f}",
        f"{channel.in_flight}/{channel.window}",
        str(channel.ready_urgent),
        str(channel.ready_bulk),
        str(counters.delivered),
        str(counters.failed),
        str(counters.unknown),
        channel.last_error or channel.detail,
    ]
