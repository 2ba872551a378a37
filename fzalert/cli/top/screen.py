"""The living screen, in Textual."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.coordinate import Coordinate
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Static
from typing_extensions import override

from fzalert.access import Actor
from fzalert.cli.top.cells import CAMPAIGNS, CHANNELS, WARNINGS, Cell, Column, Row, cut, shown
from fzalert.cli.top.snapshot import Reader, Snapshot
from fzalert.clock import Clock, SystemClock
from fzalert.errors import FzalertError
from fzalert.service.api import ServiceApi
from fzalert.service.models import CampaignView
from fzalert.web.watch import Watch
from fzalert.web.wording import summarise
from fzalert.web.words import CAMPAIGNS as WORDS

__all__ = ["TopScreen"]

PACE = 0.5
"""Seconds between two frames at least."""
NEWS_WITHIN = 1.0
"""Seconds after which a frame is drawn without news: rates move by themselves."""
AGAIN = 1.0
TONES = {"ok": "green", "warn": "yellow", "bad": "bold red", "quiet": "dim", "": ""}
_STEERS = {"running": ("pause", "暂停"), "paused": ("resume", "继续")}
_KEYS = """\
p      暂停或继续所选活动，先问一声   pause or resume a campaign
Tab    在通道、活动、预警之间换       go to the next table
↑ ↓    选一行；下方说明所选通道       choose a row
?      这些说明                       these words
q      退出                           end

● 正常 up   ▲ 变慢 slow   ■ 断开 down   ○ 未完 open
号码都已打码。 Numbers are masked."""


def _text(cell: Cell, room: int = 0) -> Text:
    words = cell.text.replace("\n", " ")
    return Text(cut(words, room) if room else words, style=TONES.get(cell.tone, ""), no_wrap=True)


class _Table(DataTable[Text]):
    """Rows that are kept while their figures change, and with them the cursor."""

    def __init__(self, columns: Sequence[Column], id: str) -> None:
        super().__init__(id=id, cursor_type="row", zebra_stripes=False, cell_padding=0)
        self._columns = columns

    @override
    def on_mount(self) -> None:
        """Make the columns."""
        for column in self._columns:
            self.add_column(self._aligned(Cell(column.title), column), width=column.room + 1)

    def _aligned(self, cell: Cell, column: Column) -> Text:
        text = _text(cell, column.room)
        text.align("right" if column.right else "left", column.room)
        return text

    def fill(self, rows: Sequence[Row]) -> None:
        """Show rows."""
        wanted = [
            [
                self._aligned(cell, column)
                for cell, column in zip(row.cells, self._columns, strict=True)
            ]
            for row in rows
        ]
        if [str(key.value) for key in self.rows] == [row.key for row in rows]:
            for place, cells in enumerate(wanted):
                for column, text in enumerate(cells):
                    at = Coordinate(place, column)
                    if self.get_cell_at(at) != text:
                        self.update_cell_at(at, text)
            return
        chosen = self.chosen
        self.clear()
        for row, cells in zip(rows, wanted, strict=True):
            self.add_row(*cells, key=row.key)
        self.choose([chosen])

    def choose(self, keys: Iterable[str]) -> None:
        """Put the cursor on the first of these rows that is there."""
        places = [str(key.value) for key in self.rows]
        for key in keys:
            if key in places:
                self.move_cursor(row=places.index(key))
                return

    @property
    def chosen(self) -> str:
        """Key of the row under the cursor, or empty."""
        if not self.row_count:
            return ""
        return str(self.coordinate_to_cell_key(self.cursor_coordinate).row_key.value)


class _Words(ModalScreen[None]):
    """The keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter", "dismiss", "关闭 Close")
    ]

    @override
    def compose(self) -> ComposeResult:
        yield Vertical(Static(_KEYS, markup=False), Footer(), classes="box")


class _Ask(ModalScreen[bool]):
    """A question with yes or no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y,enter", "answer(True)", "是 Yes"),
        Binding("n,escape,q", "answer(False)", "否 No"),
    ]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    @override
    def compose(self) -> ComposeResult:
        yield Vertical(Static(self._question, markup=False), Footer(), classes="box")

    def action_answer(self, yes: bool) -> None:
        """Answer."""
        _ = self.dismiss(yes)


class TopScreen(App[int]):
    """Channels, campaigns and the newest warnings.

    Args:
        api: The daemon.
        actor: Tells who pauses campaigns; asked when somebody does.
        clock: Time of day.
    """

    ENABLE_COMMAND_PALETTE = False
    TITLE = "fzalert top"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "steer", "暂停/继续 Pause"),
        Binding("question_mark", "words", "帮助 Help", key_display="?"),
        Binding("q,ctrl+c", "quit", "退出 Quit"),
    ]
    CSS = """
    #head, #totals { height: 1; }
    #channels { height: auto; max-height: 8; min-height: 2; }
    #detail { height: 2; color: $text-muted; }
    #campaigns { height: auto; max-height: 5; margin-top: 1; }
    #warnings { height: 1fr; min-height: 2; margin-top: 1; }
    #campaigns.empty { display: none; }
    DataTable { scrollbar-size-vertical: 1; overflow-x: hidden; background: $background; }
    ModalScreen { align: center middle; }
    .box { width: 74; height: auto; border: round $accent; padding: 1 2; background: $surface; }
    """

    def __init__(
        self,
        api: ServiceApi,
        actor: Callable[[], Awaitable[Actor]],
        clock: Clock | None = None,
    ) -> None:
        super().__init__()
        self._api = api
        self._actor = actor
        self._clock = clock or SystemClock()
        self._watch = Watch(self._clock)
        self._reader = Reader(api)
        self._campaigns: dict[str, CampaignView] = {}
        self._details: dict[str, tuple[Cell, ...]] = {}
        self._at = "–"

    @override
    def compose(self) -> ComposeResult:
        yield Static(id="head")
        yield Static(id="totals")
        yield _Table(CHANNELS, "channels")
        yield Static(id="detail")
        yield _Table(CAMPAIGNS, "campaigns")
        yield _Table(WARNINGS, "warnings")
        yield Footer()

    def on_mount(self) -> None:
        """Begin to follow the daemon."""
        self._say(Cell("○ 正在连接 connecting", "quiet"))
        self.query_one("#channels").focus()
        self.run_worker(self._follow(), exclusive=True)

    async def _follow(self) -> None:
        seq = 0
        while True:
            try:
                self._draw(await self._reader.read())
                await self._clock.sleep(PACE)
                seq = await self._api.changed(seq, NEWS_WITHIN)
            except FzalertError as error:
                self._say(Cell(f"■ 连接断开，数据停在 {self._at}，正在重连 ({error.code})", "bad"))
                await self._clock.sleep(AGAIN)

    def _say(self, *cells: Cell) -> None:
        line = Text("  ").join(_text(cell) for cell in cells)
        self.query_one("#head", Static).update(line)

    def _draw(self, snapshot: Snapshot) -> None:
        self._watch.see(snapshot.status)
        page = summarise(
            snapshot.status,
            snapshot.recent,
            snapshot.campaigns,
            self._reader.titles,
            self._watch,
            self._clock.now(),
        )
        cells = shown(page)
        self._at = page.at
        self._campaigns = {view.id: view for view in snapshot.campaigns}
        self._details = cells.details
        self._say(cells.head, Cell(cells.process))
        totals = Text("  ").join(_text(cell) for cell in cells.totals)
        self.query_one("#totals", Static).update(totals)
        self.query_one("#channels", _Table).fill(cells.channels)
        campaigns = self.query_one("#campaigns", _Table)
        campaigns.set_class(not cells.campaigns, "empty")
        first = not campaigns.row_count
        campaigns.fill(cells.campaigns)
        if first:
            campaigns.choose(key for key, view in self._campaigns.items() if view.state in _STEERS)
        self.query_one("#warnings", _Table).fill(cells.warnings)
        self._explain()

    def _explain(self) -> None:
        """Say all of the chosen channel."""
        none = (Cell("▲ 没有通道，发不出任何预警。 No channel: nothing can go out.", "warn"),)
        found = self._details.get(self.query_one("#channels", _Table).chosen, none)
        room = self.size.width
        lines = Text("\n").join(_text(cell, room) for cell in found)
        self.query_one("#detail", Static).update(lines)

    def on_data_table_row_highlighted(self) -> None:
        """Another row is chosen; one last time while the screen is taken down."""
        if self.query("#channels") and self.query("#detail"):
            self._explain()

    def action_words(self) -> None:
        """Show the keys."""
        _ = self.push_screen(_Words())

    def action_steer(self) -> None:
        """Ask, then pause or resume the chosen campaign."""
        view = self._campaigns.get(self.query_one("#campaigns", _Table).chosen)
        if view is None:
            self.notify("没有活动。 There is no campaign.")
            return
        if view.state not in _STEERS:
            self.notify(f"「{view.name}」现在不能暂停或继续。 It is {view.state}.", markup=False)
            return
        action, word = _STEERS[view.state]

        def answered(yes: bool | None) -> None:
            if yes:
                self.run_worker(self._steer(view.id, action))

        question = f"{word}「{view.name}」？ {action.capitalize()} it? {view.fed:,}/{view.total:,}"
        _ = self.push_screen(_Ask(question), answered)

    async def _steer(self, id: str, action: str) -> None:
        try:
            view = await self._api.steer_campaign(id, action, await self._actor())
        except FzalertError as error:
            self.notify(f"{error.args[0]} {error.hint}".strip(), severity="error", markup=False)
            return
        self._draw(await self._reader.read())
        badge = WORDS.get(view.state)
        self.notify(f"「{view.name}」{badge.zh if badge else view.state}", markup=False)
