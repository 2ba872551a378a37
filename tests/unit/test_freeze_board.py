"""`fzalert freeze board`: printed once for a pipe, and the living screen with its keys."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from textual.geometry import Region
from textual.pilot import Pilot
from textual.widgets import DataTable, Static
from typing_extensions import override

from fzalert.access import Actor
from fzalert.cli import main
from fzalert.cli.exits import Exit
from fzalert.cli.freeze.board_cells import clock_of
from fzalert.cli.freeze.board_screen import BoardScreen
from fzalert.clock import SystemClock
from fzalert.config import Settings
from fzalert.errors import NotConnected
from fzalert.service.freeze_models import (
    BoardAsk,
    BoardRow,
    CaseView,
    FreezeAnswer,
    FreezeAsk,
    MeasureView,
    NextView,
    ShowAsk,
)
from fzalert.testing.service import FakeService

SIZE = (80, 24)


def measure(name: str, state: str, seconds: int | None, zh: str = "等待银行受理") -> MeasureView:
    now = SystemClock().now()
    due = None if seconds is None else now + timedelta(seconds=seconds)
    return MeasureView(
        id=name,
        state=state,
        institution="中国农业银行股份有限公司河东支行",
        account="622202*********0128",
        holder="李*",
        amount=Decimal("1234567.89"),
        level=1,
        parent="",
        next=NextView(zh=zh, en="wait", deadline="acknowledge", due_at=due, seconds=seconds),
    )


class Freezing(FakeService):
    """A service with a board of its own."""

    def __init__(self) -> None:
        super().__init__({"zhao": ["detective"]})
        self.rows = [
            self.row(measure("m1", "sent", -47)),
            self.row(measure("m2", "acked", 250)),
            self.row(measure("m3", "stopped", 47 * 3600 + 59, "决定：冻结、延期或解除")),
            self.row(measure("m4", "released", None, "")),
        ]
        self.gone = False

    @staticmethod
    def row(one: MeasureView) -> BoardRow:
        return BoardRow(case="case-1", report="110-20261124-0007", measure=one)

    @override
    async def freeze(self, ask: FreezeAsk, by: Actor, *, key: str = "") -> FreezeAnswer:
        if self.gone:
            raise NotConnected("The daemon is gone.")
        if isinstance(ask, BoardAsk):
            return FreezeAnswer(board=self.rows)
        assert isinstance(ask, ShowAsk)
        assert not ask.reveal
        moment = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
        return FreezeAnswer(
            case=CaseView(
                id=ask.case,
                version=3,
                report="110-20261124-0007",
                reported_at=moment,
                kind="fraud",
                victim="张*",
                victim_id="1101**",
                victim_phone="138****",
                opened_by="user:zhao",
                opened_at=moment,
                measures=[one.measure for one in self.rows],
            )
        )


@pytest.fixture
def service() -> Freezing:
    return Freezing()


@pytest.fixture
def screen(service: Freezing) -> BoardScreen:
    return BoardScreen(service, service.directory.local_actor())


def words(screen: BoardScreen) -> str:
    said = [str(widget.render()) for widget in screen.screen.query(Static)]
    for table in screen.screen.query(DataTable):
        said += [" ".join(map(str, table.get_row(row.key))) for row in table.ordered_rows]
    return "\n".join(said)


async def until(pilot: Pilot[int], screen: BoardScreen, *texts: str) -> None:
    for _ in range(1500):
        await pilot.pause(0.02)
        if all(text in words(screen) for text in texts):
            return
    raise AssertionError(f"{texts!r} is not in\n{words(screen)}")


async def test_it_fits_80_columns_and_says_each_state_in_words(screen: BoardScreen) -> None:
    async with screen.run_test(size=SIZE) as pilot:
        await until(pilot, screen, "1 项逾时", "▲逾", "已止付", "决定：冻结")
        for widget in screen.screen.query("#head, #detail, DataTable, Footer"):
            assert Region(0, 0, *SIZE).contains_region(widget.region), widget
            assert widget.virtual_size.width <= SIZE[0], widget


async def test_clocks_run_while_nothing_is_asked(screen: BoardScreen) -> None:
    async with screen.run_test(size=SIZE) as pilot:
        await until(pilot, screen, "已止付")
        table = screen.query_one("#board", DataTable)
        before = str(table.get_row_at(1)[0])
        for _ in range(1500):
            await pilot.pause(0.02)
            if str(table.get_row_at(1)[0]) != before:
                break
        assert str(table.get_row_at(1)[0]) != before
        assert str(table.get_row_at(3)[0]).strip() == "–"  # what is final has no clock


async def test_keys_move_and_enter_shows_the_case(screen: BoardScreen, service: Freezing) -> None:
    async with screen.run_test(size=SIZE) as pilot:
        await until(pilot, screen, "已止付")
        await pilot.press("j", "j", "k")
        table = screen.query_one("#board", DataTable)
        assert table.cursor_row == 1
        service.rows.insert(0, service.row(measure("m0", "sent", -600)))
        await service.touch()
        await until(pilot, screen, "2 项逾时")
        assert table.cursor_row == 2  # the cursor stays on its measure
        await pilot.press("enter")
        await until(pilot, screen, "受害人 张*", "未立案")
        await pilot.press("escape")
        await until(pilot, screen, "2 项逾时")


async def test_a_lost_daemon_is_said_and_comes_back(screen: BoardScreen, service: Freezing) -> None:
    async with screen.run_test(size=SIZE) as pilot:
        await until(pilot, screen, "已止付")
        service.gone = True
        await service.touch()
        await until(pilot, screen, "连接断开", "已止付")
        service.gone = False
        await until(pilot, screen, "1 项逾时")


def test_a_clock_never_runs_for_what_has_ended() -> None:
    now = SystemClock().now()
    assert clock_of(measure("m", "cancelled", -5), now).text == "–"
    assert clock_of(measure("m", "sent", -3700), now).tone == "bad"
    assert clock_of(measure("m", "frozen", 40 * 86400), now).text.endswith("天")


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_pipe_gets_it_once(
    more: list[str],
    service: Freezing,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "fzalert.toml").write_text("[web]\nport = 0\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())

    @asynccontextmanager
    async def opener(settings: Settings) -> AsyncIterator[FakeService]:
        yield service

    assert main(["freeze", "board", "--watch", *more], opener=opener) == Exit.OK
    out = capsys.readouterr().out
    assert "622202*********0128" in out
    if more:
        assert json.loads(out.splitlines()[0])["measure"]["id"] == "m1"
