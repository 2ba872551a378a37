"""The demo's report: one page that stands alone, every figure with where it comes from."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

from fzalert.cli.demo.freeze_story import CaseTold
from fzalert.cli.demo.story import RESULTS, Sample, Told, number, results, stats_of

WIDTH, HEIGHT, LEFT, BOTTOM = 860, 260, 60, 34

STYLE = """
:root { color-scheme: light }
body { font: 16px/1.6 "Noto Sans CJK SC","Microsoft YaHei","PingFang SC",sans-serif; color: #111;
  background: #fff; margin: 0 auto; max-width: 920px; padding: 24px }
h1 { font-size: 28px; margin: 0 } h2 { font-size: 20px; margin: 32px 0 8px }
.mark { background: #b00000; color: #fff; padding: 2px 10px; border-radius: 6px; font-size: 18px }
table { border-collapse: collapse; width: 100% } caption { text-align: left; color: #444c55 }
th, td { border-bottom: 1px solid #c3ccd5; padding: 4px 10px 4px 0; text-align: left;
  overflow-wrap: anywhere;
  vertical-align: top; font-variant-numeric: tabular-nums }
td.n, th.n { text-align: right }
.big { font-size: 22px; background: #f4f6f8; padding: 12px 16px; border-radius: 6px }
img { max-width: 100%; border: 1px solid #c3ccd5 } small { color: #444c55 }
svg text { font-size: 13px; fill: #444c55 }
"""


def write_report(
    path: Path,
    told: Told,
    last_line: str,
    pictures: Sequence[tuple[str, str]],
    case: CaseTold,
) -> None:
    """Write the page.

    Args:
        path: Where.
        told: What happened.
        last_line: The line of counts.
        pictures: File name and caption of each picture that lies beside the page.
        case: The case that followed.
    """
    parts = [
        "<!doctype html><html lang=zh-CN><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width'>",
        f"<title>fzalert 演练报告</title><style>{STYLE}</style>",
        "<main><h1>fzalert 演练报告 <span class=mark>演练</span></h1>",
        "<p>全部在本机：名单是编造的，运营商是模拟器，没有一条短信发给真人。"
        "<br><small>Everything ran on this machine; the carrier is a simulator.</small></p>",
        f"<p class=big>{_text(last_line)}</p>",
        "<p><small>发送、重复与丢失由独立读数程序从模拟运营商的原始报文日志数出，"
        "不由 fzalert 自己数。 Counted from the carrier's raw frames"
        " by a reader that shares no code with fzalert.</small></p>",
        "<h2>进度 Progress</h2>",
        chart(told.samples, told.killed_at, told.down_for),
        _counts(told),
        "<h2>崩溃与恢复 Crash and recovery</h2>",
        _crash(told),
        "<h2>紧急预警 The urgent warning</h2>",
        _urgent(told),
        *(_picture(name, caption) for name, caption in pictures),
        _sound(told),
        _case(case, path.parent),
        "<h2>名单与退回的行 The lists, and every row that was refused</h2>",
        _refusals(told),
        "<h2>各村 By village</h2>",
        _villages(told),
        "</main></html>",
    ]
    path.write_text("\n".join(parts), encoding="utf-8")


def chart(samples: Sequence[Sample], killed_at: float, down_for: float) -> str:
    """Lines of answered and delivered over time, the crash shaded, as inline SVG."""
    if len(samples) < 2:
        return ""
    first, last = samples[0].at, samples[-1].at
    most = max(1, *(sample.sent for sample in samples))

    def x(at: float) -> float:
        return LEFT + (at - first) / max(0.001, last - first) * (WIDTH - LEFT - 10)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - value / most * (HEIGHT - BOTTOM - 16)

    def line(values: Iterable[tuple[float, int]], colour: str, dash: str) -> str:
        points = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in values)
        return (
            f"<polyline fill=none stroke='{colour}' stroke-width=2.5 stroke-dasharray='{dash}'"
            f" points='{points}'/>"
        )

    shade = ""
    if killed_at:
        left, right = x(killed_at), x(killed_at + down_for)
        shade = (
            f"<rect x={left:.1f} y=10 width={max(2.0, right - left):.1f}"
            f" height={HEIGHT - BOTTOM - 10} fill='#fde7e9'/>"
            f"<text x={left + 4:.1f} y=24 style='fill:#b00020'>SIGKILL</text>"
        )
    ticks = "".join(
        f"<text x=4 y={y(most * share) + 4:.1f}>{int(most * share)}</text>"
        f"<line x1={LEFT} x2={WIDTH - 10} y1={y(most * share):.1f} y2={y(most * share):.1f}"
        " stroke='#e3e8ed'/>"
        for share in (0, 0.5, 1)
    )
    seconds = "".join(
        f"<text x={x(at):.1f} y={HEIGHT - 12}>{at:.0f} s</text>"
        for at in (first, (first + last) / 2, last - (last - first) * 0.04)
    )
    every = samples[:: max(1, len(samples) // 300)]
    return (
        f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role=img"
        " aria-label='已答复与已送达的短信数随时间变化；粉色区间为守护进程被杀死到恢复'>"
        f"{ticks}{shade}{seconds}"
        + line(((s.at, s.sent) for s in every), "#0b5cad", "")
        + line(((s.at, s.delivered) for s in every), "#0a6b3d", "6 4")
        + f"<text x={LEFT + 8} y=40 style='fill:#0b5cad'>━ 运营商已答复 answered</text>"
        f"<text x={LEFT + 8} y=58 style='fill:#0a6b3d'>┅ 已送达 delivered</text></svg>"
    )


def _counts(told: Told) -> str:
    log, mine = told.recount, told.mobile
    rows = [
        ("受理 accepted（已落盘）", mine.accepted, "fzalert"),
        ("运营商收到的不同短信 distinct texts received", number(log, "distinct"), "运营商日志"),
        ("其中收到两次 received twice", number(log, "duplicates"), "运营商日志"),
        ("限速后重交 throttled and sent again", number(log, "throttled"), "运营商日志"),
        *(
            (f"拒绝 refused: {RESULTS.get(code, code)} (result {code})", n, "运营商日志")
            for code, n in results(log)
            if code not in {"0", "8"}
        ),
        ("送达 delivered", mine.delivered, "fzalert"),
        *(
            (f"状态报告 reports with {stat}", n, "运营商日志")
            for stat, n in sorted(stats_of(log).items())
        ),
        ("失败 failed", mine.failed, "答复与状态报告"),
        ("未知 unknown（已发出，未见答复，不重发）", mine.unknown, "fzalert"),
        ("丢失 lost", told.lost, "名单与运营商日志相比"),
        ("状态报告 reports sent", number(log, "reports_sent"), "运营商日志"),
        ("重复的状态报告 reports repeated", number(log, "reports_repeated"), "运营商日志"),
        ("未答复的最大数 most unanswered at once", number(log, "max_unanswered"), "运营商日志"),
    ]
    return _table(
        ("计数", "数", "来源"),
        [(label, str(value), source) for label, value, source in rows],
        numeric={1},
    )


def _crash(told: Told) -> str:
    found = told.recovered
    return _table(
        ("发现", "条", "处置"),
        [
            ("杀死时未答复 unanswered at the kill", str(told.in_flight), "窗口 window 64"),
            ("已答复、答复在记录器里", str(found.get("sent", 0)), "写入结果"),
            ("从未写出", str(found.get("requeued", 0)), "回到队列"),
            ("已写出、未见答复", str(found.get("unknown", 0)), "记为未知，不重发；等状态报告"),
            ("从杀死到运营商收到新短信", f"{told.down_for:.1f} 秒", "自动"),
        ],
        numeric={1},
    )


def _urgent(told: Told) -> str:
    view = told.urgent
    if view is None:
        return "<p>没有发出。</p>"
    rows = [
        (
            target.target,
            target.state,
            target.word,
            target.proof,
            f"{told.urgent_ms.get(target.target, 0)}",
            target.detail,
        )
        for target in view.targets
    ]
    return (
        f"<p>发出时还有 {told.waiting} 条群发短信没有发完；紧急车道先行。"
        f"话术 {_text(view.script)}，由 {_text(view.by)} 决定。</p>"
        + _table(("对象", "结局", "最后一词", "证明", "毫秒", "说明"), rows, numeric={4})
        + f"<p>邮件服务器收到 {told.mails} 封；签名校验通过的群通知 {told.posts} 条。</p>"
    )


def _sound(told: Told) -> str:
    found = told.sound
    if not found:
        return "<p>没有录音。</p>"
    verdict = "通过" if found.get("passed") else "未通过"
    return (
        "<h2>喇叭里放出的声音 What the speaker played</h2>"
        "<audio controls src=atm-voice.wav></audio>"
        f"<p>与录音库逐秒比对：{verdict}；{found.get('windows_passed')}/{found.get('windows')}"
        f" 个一秒窗口吻合，最低 {found.get('worst')}；{found.get('controls')} 段其他录音中"
        f" {found.get('controls_passed')} 段吻合。</p>"
    )


def _case(case: CaseTold, folder: Path) -> str:
    files = [case.board, *case.papers, case.bundle]
    links = "".join(
        f"<li><a href='{_text(quote(str(file.relative_to(folder))))}'>{_text(file.name)}</a></li>"
        for file in files
    )
    return (
        "<h2>紧急止付 The case, at simulated banks</h2>"
        f"<p>案件 {_text(case.case)}：三家模拟银行收到 {case.packages} 件指令，原始日志中止付"
        f" {case.by_banks} 笔；一笔因户名不符被拒，更正后办结；资金追到第二级账户。证据包核对："
        f"{_text(case.verified)}</p><ul>{links}</ul>"
    )


def _refusals(told: Told) -> str:
    rows = [
        (view.name, str(refusal.row), refusal.column, refusal.code, refusal.reason)
        for view in told.campaigns
        for refusal in view.refusals
    ]
    lists = "；".join(f"{view.name} {view.rows} 行，可发 {view.total}" for view in told.campaigns)
    return f"<p>{_text(lists)}</p>" + _table(
        ("名单", "行", "列", "代码", "原因"), rows, numeric={1}
    )


def _villages(told: Told) -> str:
    sums: dict[str, int] = {}
    for view in told.campaigns:
        for village, n in view.villages.items():
            sums[village or "（未写）"] = sums.get(village or "（未写）", 0) + n
    rows = [(village, str(n)) for village, n in sorted(sums.items(), key=lambda item: -item[1])]
    return _table(("村", "可发人数"), rows, numeric={1})


def _picture(name: str, caption: str) -> str:
    words = _text(caption)
    return (
        f"<figure><img src='{_text(name)}' alt='{words}'><figcaption>{words}</figcaption></figure>"
    )


def _table(
    head: Sequence[str], rows: Iterable[Sequence[str]], numeric: set[int] | None = None
) -> str:
    right = numeric or set()

    def cells(tag: str, values: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{' class=n' if place in right else ''}>{_text(value)}</{tag}>"
            for place, value in enumerate(values)
        )

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{cells('th', head)}</tr></thead><tbody>{body}</tbody></table>"


def _text(value: str) -> str:
    return html.escape(value, quote=True)
