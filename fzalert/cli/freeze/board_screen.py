"""The living board, in Textual: clocks that run, the case behind Enter."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Static
from typing_extensions import override

from fzalert.access import Actor
from fzalert.cli.freeze.board_cells import COLUMNS, case_lines, detail_of, head_of, rows_of
from fzalert.cli.top.cells import Cell
from fzalert.cli.top.screen import _Table, _text
from fzalert.clock import Clock, SystemClock
from fzalert.errors import FzalertError
from fzalert.service import freeze_models as asks
from fzalert.service.api import ServiceApi
from fzalert.service.freeze_models import BoardRow, CaseView
from fzalert.web.writing import BEIJING

__all__ = ["BoardScreen"]

PACE = 0.5
"""Seconds between two questions at least."""
NEWS_WITHIN = 5.0
AGAIN = 1.0


class _Case(ModalScreen[None]):
    """One case, masked."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "dismiss", "返回 Back"),
    ]

    def __init__(self, case: CaseView, clock: Clock) -> None:
        super().__init__()
        self._case = case
        self._clock = clock

    @override
    def compose(self) -> ComposeResult:
        lines = [_text(cell) for cell in case_lines(self._case, self._clock.now())]
        yield VerticalScroll(Static(Text("\n").join(lines), id="case"), classes="box")
        yield Footer()


class BoardScreen(App[int]):
    """Every open measure, the most urgent first.

    Args:
        api: The daemon.
        by: Who looks.
        ended: Whether those that have ended are shown too.
        clock: Time of day.
    """

    ENABLE_COMMAND_PALETTE = False
    TITLE = "fzalert freeze board"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "move(1)", "下 Down"),
        Binding("k", "move(-1)", "上 Up"),
        Binding("enter", "case", "看案件 Case", priority=False),
        Binding("q,ctrl+c", "quit", "退出 Quit"),
    ]
    CSS = """
    #head { height: 1; }
    #detail { height: 2; color: $text-muted; }
    #board { height: 1fr; min-height: 2; }
    DataTable { scrollbar-size-vertical: 1; overflow-x: hidden; background: $background; }
    ModalScreen { align: center middle; }
    .box { width: 78; height: 80%; border: round $accent; padding: 1 2; background: $surface; }
    """

    def __init__(
        self, api: ServiceApi, by: Actor, *, ended: bool = False, clock: Clock | None = None
    ) -> None:
        super().__init__()
        self._api = api
        self._by = by
        self._ended = ended
        self._clock = clock or SystemClock()
        self._board: list[BoardRow] = []
        self._at = "–"
        self._fault = ""

    @override
    def compose(self) -> ComposeResult:
        yield Static(id="head")
        yield _Table(COLUMNS, "board")
        yield Static(id="detail")
        yield Footer()

    def on_mount(self) -> None:
        """Begin to follow the daemon, and let the clocks run."""
        self.query_one("#head", Static).update(_text(Cell("○ 正在连接 connecting", "quiet")))
        self.query_one("#board").focus()
        self.set_interval(1.0, self._draw)
        self.run_worker(self._follow(), exclusive=True)

    async def _follow(self) -> None:
        seq = 0
        while True:
            try:
                answer = await self._api.freeze(asks.BoardAsk(ended=self._ended), self._by)
                self._board, self._fault = answer.board, ""
                self._at = self._clock.now().astimezone(BEIJING).strftime("%H:%M:%S")
                self._draw()
                await self._clock.sleep(PACE)
                seq = await self._api.changed(seq, NEWS_WITHIN)
            except FzalertError as error:
                self._fault = error.code
                self._draw()
                await self._clock.sleep(AGAIN)

    def _draw(self) -> None:
        """Write every clock anew; one last time while the screen is taken down."""
        if not self.screen_stack or not self.screen_stack[0].query("#board"):
            return
        base = self.screen_stack[0]
        now = self._clock.now()
        head = head_of(self._board, now, self._at)
        if self._fault:
            head = Cell(f"■ 连接断开，数据停在 {self._at}，正在重连 ({self._fault})", "bad")
        base.query_one("#head", Static).update(_text(head, self.size.width))
        base.query_one("#board", _Table).fill(rows_of(self._board, now))
        self._explain()

    def _chosen(self) -> BoardRow | None:
        key = self.screen_stack[0].query_one("#board", _Table).chosen
        found = [one for one in self._board if f"{one.case}/{one.measure.id}" == key]
        return found[0] if found else None

    def _explain(self) -> None:
        one = self._chosen()
        cells = (Cell(""),) if one is None else detail_of(one)
        lines = Text("\n").join(_text(cell, self.size.width) for cell in cells)
        self.screen_stack[0].query_one("#detail", Static).update(lines)

    def on_data_table_row_highlighted(self) -> None:
        """Another row is chosen."""
        if self.screen_stack and self.screen_stack[0].query("#board, #detail"):
            self._explain()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Enter on a row."""
        event.stop()
        self.action_case()

    def action_move(self, by: int) -> None:
        """Go a row down or up."""
        table = self.query_one("#board", _Table)
        if by > 0:
            table.action_cursor_down()
        else:
            table.action_cursor_up()

    def action_case(self) -> None:
        """Show the case of the chosen measure."""
        one = self._chosen()
        if one is not None:
            self.run_worker(self._show(one.case))

    async def _show(self, case: str) -> None:
        try:
            answer = await self._api.freeze(asks.ShowAsk(case=case), self._by)
        except FzalertError as error:
            self.notify(f"{error.args[0]} {error.hint}".strip(), severity="error", markup=False)
            return
        if answer.case is not None:
            await self.push_screen(_Case(answer.case, self._clock))
