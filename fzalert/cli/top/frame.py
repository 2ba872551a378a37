"""One frame as plain text, for pipes and for those who have no terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fzalert.cli.output import width
from fzalert.cli.top.cells import CAMPAIGNS, CHANNELS, WARNINGS, Column, Row, Shown, cut

__all__ = ["frame"]

ROOM = 80


def frame(page: Shown) -> Iterator[str]:
    """Write every line of a frame; none is wider than 80 columns."""
    yield cut(f"{page.head.text}  {page.process}", ROOM)
    yield cut("  ".join(cell.text for cell in page.totals), ROOM)
    yield ""
    yield from _table(CHANNELS, page.channels)
    for detail in page.details.values():
        if detail[0].tone != "ok":
            yield from (cut(f"  {line.text}", ROOM) for line in detail if line.text)
    if not page.channels:
        yield "▲ 没有通道，发不出任何预警。 No channel: nothing can go out."
    if page.campaigns:
        yield ""
        yield from _table(CAMPAIGNS, page.campaigns)
    if page.warnings:
        yield ""
        yield from _table(WARNINGS, page.warnings)


def _table(columns: Sequence[Column], rows: Sequence[Row]) -> Iterator[str]:
    yield _line(columns, [column.title for column in columns])
    for row in rows:
        yield _line(columns, [cell.text for cell in row.cells])


def _line(columns: Sequence[Column], texts: Sequence[str]) -> str:
    cells = []
    for column, text in zip(columns, texts, strict=True):
        short = cut(text.replace("\n", " "), column.room)
        gap = " " * (column.room - width(short))
        cells.append(gap + short if column.right else short + gap)
    return " ".join(cells).rstrip()
