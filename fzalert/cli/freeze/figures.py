"""`fzalert freeze figures`: how fast and how much money, by bank and month."""

from __future__ import annotations

import csv as tables
import io
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from fzalert.cli.freeze.asking import desk
from fzalert.cli.session import current
from fzalert.errors import InputError
from fzalert.registry import AdapterMissing
from fzalert.service import freeze_models as asks
from fzalert.service.freeze_models import FigureView, LengthsView
from fzalert.service.wrong import wrong_call

__all__ = ["figures"]

_STEPS = (
    ("报警→发出", "report_to_send"),
    ("发出→签收", "send_to_ack"),
    ("签收→止付", "ack_to_stop"),
    ("报警→止付", "report_to_stop"),
)
_HEAD = (
    *("月份 month", "机构 desk", "名称 name"),
    *("发出 sent", "签收 acked", "止付 stopped", "不符 mismatched", "拒绝 refused"),
    *(f"{zh} {name} {what}" for zh, name in _STEPS for what in ("n", "p50 s", "p90 s")),
    *("请求金额 asked", "止付金额 stopped", "冻结金额 frozen", "返还金额 returned"),
)
_FORMULA = tuple("=+-@\t\r＝＋－＠")
Cell = str | int | float | Decimal | None


async def figures(
    *,
    month: str = "",
    csv: Path | None = None,
    xlsx: Path | None = None,
    token_file: Path | None = None,
) -> None:
    """Show the key figures by bank and month; nothing in them is about a person.

    Args:
        month: One month, as 2026-11; every one unless given.
        csv: Write a table of comma-separated values, in UTF-8.
        xlsx: Write a workbook.
        token_file: Who looks: a file with a token, - for standard input.
    """
    from pydantic import ValidationError

    try:
        ask = asks.FiguresAsk(month=month)
    except ValidationError as error:
        raise wrong_call(error) from None
    async with desk(token_file) as at:
        rows = (await at.ask(ask)).figures
    cells = [_cells(row) for row in rows]
    output = current().output
    if csv is not None:
        _write(csv, _as_csv(cells))
    if xlsx is not None:
        _write(xlsx, _as_workbook(cells))
    output.rows(rows)
    output.table(
        ["月份", "机构", "发出", "签收", "止付", *(zh for zh, _ in _STEPS), *_MONEY],
        [_shown(row) for row in rows],
    )


_MONEY = ("请求", "止付", "冻结", "返还")


def _shown(row: FigureView) -> list[str]:
    """One row for people: each step as half of them and nine of ten."""
    name = row.name or row.desk or "合计 all"
    counts = [str(row.sent), str(row.acked), str(row.stopped)]
    steps = [_span(getattr(row, step)) for _, step in _STEPS]
    money = [row.asked, row.money_stopped, row.frozen, row.returned]
    return [row.month, name, *counts, *steps, *(f"{amount:,.2f}" for amount in money)]


def _span(step: LengthsView) -> str:
    if step.p50 is None or step.p90 is None:
        return "–"
    return f"{_clock(step.p50)} / {_clock(step.p90)}"


def _clock(seconds: float) -> str:
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def _cells(row: FigureView) -> list[Cell]:
    steps: list[Cell] = []
    for _, name in _STEPS:
        step: LengthsView = getattr(row, name)
        steps += [step.number, step.p50, step.p90]
    return [
        *(row.month, row.desk or "全部 all", row.name),
        *(row.sent, row.acked, row.stopped, row.mismatched, row.refused),
        *steps,
        *(row.asked, row.money_stopped, row.frozen, row.returned),
    ]


def _as_csv(rows: Sequence[Sequence[Cell]]) -> bytes:
    """With a mark that spreadsheets know UTF-8 by; a name that looks like a formula is text."""
    text = io.StringIO(newline="")
    writer = tables.writer(text)
    writer.writerow(_HEAD)
    for row in rows:
        writer.writerow("" if cell is None else _plain(cell) for cell in row)
    return text.getvalue().encode("utf-8-sig")


def _plain(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell.lstrip().startswith(_FORMULA) else cell


def _as_workbook(rows: Sequence[Sequence[Cell]]) -> bytes:
    try:
        from xlsxwriter import Workbook
    except ImportError:
        raise AdapterMissing(
            "A workbook needs xlsxwriter.",
            hint="pip install 'fzalert[audience]', or take --csv.",
        ) from None
    body = io.BytesIO()
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    with Workbook(body, options) as book:
        sheet = book.add_worksheet("figures")
        sheet.freeze_panes(1, 0)
        sheet.write_row(0, 0, _HEAD, book.add_format({"bold": True, "text_wrap": True}))
        money = book.add_format({"num_format": "#,##0.00"})
        for number, row in enumerate(rows, 1):
            for column, cell in enumerate(row):
                if isinstance(cell, str):
                    sheet.write_string(number, column, cell)
                elif cell is not None:
                    is_money = isinstance(cell, Decimal)
                    sheet.write_number(number, column, float(cell), money if is_money else None)
    return body.getvalue()


def _write(path: Path, body: bytes) -> None:
    try:
        path.write_bytes(body)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}).", field="out") from None
    current().output.note(f"已写入 written: {path}")
