"""The board of the demo's case as one page that stands alone: clocks, money tree, history."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from fzalert.cli.demo.freeze_story import CaseTold
from fzalert.service.freeze_models import BoardRow, MeasureView

__all__ = ["write_board"]

_CHINA = ZoneInfo("Asia/Shanghai")
STYLE = """
:root { color-scheme: light }
body { font: 16px/1.6 "Noto Sans CJK SC","Microsoft YaHei","PingFang SC",sans-serif; color: #111;
  background: #fff; margin: 0 auto; max-width: 1100px; padding: 24px }
h1 { font-size: 28px; margin: 0 } h2 { font-size: 20px; margin: 32px 0 8px }
.mark { background: #b00000; color: #fff; padding: 2px 10px; border-radius: 6px; font-size: 18px }
.board { display: grid; gap: 12px; grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)) }
.one { border: 1px solid #c3ccd5; border-left: 8px solid #0a6b3d; border-radius: 6px;
  padding: 8px 14px }
.one.other { border-left-color: #b00000 }
.clock { font-size: 28px; font-variant-numeric: tabular-nums }
table { border-collapse: collapse; width: 100% }
th, td { border-bottom: 1px solid #c3ccd5; padding: 4px 10px 4px 0; text-align: left;
  overflow-wrap: anywhere; vertical-align: top; font-variant-numeric: tabular-nums }
.wide { overflow-x: auto } .wide td:not(:last-child) { white-space: nowrap }
pre { background: #f4f6f8; padding: 12px 16px; border-radius: 6px; overflow-x: auto }
small { color: #444c55 }
"""
STATES = {
    "stopped": "■ 已止付 stopped",
    "mismatch": "✗ 信息不符 mismatch",
    "refused": "✗ 银行未办理 refused",
    "sent": "○ 已发出 sent",
    "acked": "○ 已签收 acknowledged",
}


def write_board(path: Path, told: CaseTold, now: datetime) -> None:
    """Write the page.

    Args:
        path: Where.
        told: The case.
        now: The present, by which the clocks stand.
    """
    rows = sorted(told.rows, key=lambda row: row.measure.id)
    parts = [
        "<!doctype html><html lang=zh-CN><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width'>",
        f"<title>fzalert 止付看板 演练</title><style>{STYLE}</style>",
        f"<main><h1>止付看板 {_text(told.case)} <span class=mark>演练</span></h1>",
        "<p>银行是模拟的，账户、姓名与证件号都不存在；倒计时停在写出本页的时刻。<br><small>"
        "Simulated banks, made-up people; the clocks stand as this page was written.</small></p>",
        f"<p>银行原始日志：止付 {told.by_banks} 笔，收到指令 {told.packages} 件；案件记录：止付"
        f" {told.stopped} 笔。</p>",
        "<div class=board>",
        *(_card(row, now) for row in rows),
        "</div><h2>资金去向（估算） The money, estimated</h2>",
        f"<pre>{_text(_tree(rows))}</pre>",
        _table(
            ("时间", "从", "到", "金额", "其中涉案（估算）"),
            [
                (
                    _moment(one.at),
                    one.source,
                    one.target,
                    f"{one.amount:,.2f}",
                    f"{one.estimate:,.2f}",
                )
                for one in told.trace
            ],
        ),
        "<h2>全程 Everything that happened</h2>",
        _table(
            ("序号", "时间", "何人", "何事", "措施", "内容"),
            [
                (
                    str(one.version),
                    _moment(one.at),
                    one.by,
                    one.event,
                    one.measure,
                    " ".join(f"{name}={value}" for name, value in one.facts.items()),
                )
                for one in told.events
            ],
        ),
        "<h2>终端看板 The same in the terminal</h2>",
        f"<pre>{_text(told.text_board)}</pre>",
        "</main></html>",
    ]
    path.write_text("\n".join(parts), encoding="utf-8")
    told.board = path


def _card(row: BoardRow, now: datetime) -> str:
    one = row.measure
    good = "" if one.state == "stopped" else " other"
    clock = "–"
    if one.expires_at is not None:
        left = max(0, int((one.expires_at - now).total_seconds()))
        clock = f"{left // 3600}:{left % 3600 // 60:02}:{left % 60:02}"
    return (
        f"<section class='one{good}'><b>{_text(one.id)} {_text(one.institution)}</b>"
        f" 第 {one.level} 级<br>{_text(one.account)} {_text(one.holder)}<br>"
        f"{one.amount:,.2f} 元<br>{_text(STATES.get(one.state, one.state))}"
        f"<div class=clock>{clock}</div><small>下一步：{_text(one.next.zh)}</small></section>"
    )


def _tree(rows: Sequence[BoardRow]) -> str:
    """The accounts under each other, as the money went."""
    lines = ["受害人"]

    def below(parent: str, depth: int) -> None:
        for one in (row.measure for row in rows if row.measure.parent == parent):
            lines.append("    " * depth + _branch(one))
            below(one.id, depth + 1)

    below("", 0)
    return "\n".join(lines)


def _branch(one: MeasureView) -> str:
    state = STATES.get(one.state, one.state)
    return f"└─ {one.amount:,.2f} → {one.id} {one.institution} {one.account}  {state}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def cells(tag: str, values: Sequence[str]) -> str:
        return "".join(f"<{tag}>{_text(value)}</{tag}>" for value in values)

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    head_row = f"<thead><tr>{cells('th', head)}</tr></thead>"
    return f"<div class=wide><table>{head_row}<tbody>{body}</tbody></table></div>"


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(_CHINA):%m-%d %H:%M:%S}"


def _text(value: str) -> str:
    return html.escape(value, quote=True)
