"""`fzalert top`: one frame for pipes, and the living screen with its keys."""

import html
import io
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.geometry import Region
from textual.pilot import Pilot
from textual.widgets import DataTable, Static

from fzalert.access import Actor
from fzalert.cli import main
from fzalert.cli.exits import Exit
from fzalert.cli.output import width
from fzalert.cli.top.screen import TopScreen
from fzalert.config import Settings
from fzalert.errors import AccessDenied, NotConnected
from fzalert.service.models import CampaignView, ChannelView, CountersView, WarnRequest
from fzalert.testing.service import FakeService

SIZE = (80, 24)


def campaign(id: str, name: str, state: str, fed: int) -> CampaignView:
    return CampaignView(
        id=id, name=name, warning="", script="generic/general/1", state=state, total=8000, fed=fed
    )


@pytest.fixture
def service() -> FakeService:
    service = FakeService({"zhao": ["duty_officer"]}, drill=True)
    service.channels = [
        ChannelView(
            name="mobile",
            adapter="sms.cmpp",
            kinds=["phone"],
            state="up",
            window=16,
            in_flight=14,
            ready_bulk=1204,
            rate=400,
            per_second=312,
            latency_ms=84,
            counters=CountersView(accepted=13700, delivered=12480, failed=96),
        ),
        ChannelView(
            name="unicom-with-a-long-name-of-32-ch",
            adapter="sms.sgip",
            kinds=["phone"],
            state="slow",
            detail="对方返回 8（流量超限），发送速度减半，每 30 秒再试提速" * 3,
            window=16,
            in_flight=16,
            ready_urgent=2,
            per_second=6.4,
            latency_ms=4100,
            last_error="8 流量超限",
            counters=CountersView(delivered=930, failed=4, unknown=3),
        ),
        ChannelView(
            name="telecom",
            adapter="sms.smgp",
            kinds=["phone"],
            state="down",
            detail="自 14:11 起登录失败，第 6 次",
            last_error="认证失败",
            window=16,
        ),
    ]
    service.planned = [
        campaign("9000000000000", "冒充客服 十一月第二批 东片和西片", "running", 3200),
        campaign("9000000000001", "刷单返利", "done", 8000),
    ]
    return service


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "fzalert.toml").write_text("[web]\nport = 0\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name in ("FZALERT_CONFIG", "FZALERT_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


async def some_warnings(service: FakeService) -> None:
    by = service.directory.local_actor()
    for number, lane in enumerate(("urgent", "bulk", "urgent")):
        request = WarnRequest.model_validate(
            {
                "script": "impersonating-police",
                "to": [f"phone:1380013800{number}", "display:lobby"],
                "lane": lane,
                "key": str(number),
            }
        )
        await service.warn_request(request, by)


# -- one frame -------------------------------------------------------------------------------------


def once(service: FakeService, *words: str) -> int:
    @asynccontextmanager
    async def opener(settings: Settings) -> AsyncIterator[FakeService]:
        await some_warnings(service)
        yield service

    return main(["top", *words], opener=opener)


@pytest.mark.parametrize("words", [["--once"], []])
def test_a_pipe_gets_one_frame_of_80_columns(
    words: list[str],
    service: FakeService,
    config: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert once(service, *words) == Exit.UNREACHABLE  # a channel is down, as with status
    out = capsys.readouterr().out
    for text in (
        *("■ 1 个通道断开", "【演练】", "受理 13,700", "▲未知 3", "● 正常", "▲ 变慢", "■ 断开"),
        *("312/400", "▲16/16", "2/0", "12,480", "4/3", "4.1 s", "自动重连", "最近错误 认证失败"),
        *("3,200/8,000", "▮▮▮▮▯▯▯▯▯▯▯▯ 40%", "手机 138****8001 等 2 个", "●已送达2"),
    ):
        assert text in out
    assert max(width(line) for line in out.splitlines()) <= 80
    assert "1380013" not in out
    assert "\x1b" not in out


def test_json_is_one_object(
    service: FakeService, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    once(service, "--json")
    out, err = capsys.readouterr()
    (line,) = out.splitlines()
    made = json.loads(line)
    assert made["status"]["channels"][2]["state"] == "down"
    assert made["campaigns"][0]["fed"] == 3200
    assert made["recent"][0]["targets"][0]["target"] == "phone:138****8002"
    assert err == ""


def test_nobody_who_looks_becomes_the_daemon(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["top", "--once"]) == Exit.UNREACHABLE
    assert "fzalert run" in capsys.readouterr().err
    assert [path.name for path in config.iterdir()] == ["fzalert.toml"]


def test_without_its_extra_it_says_what_to_install(
    service: FakeService,
    config: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fzalert.cli.top.command.is_terminal", lambda: True)
    monkeypatch.setitem(sys.modules, "textual.app", None)
    monkeypatch.delitem(sys.modules, "fzalert.cli.top.screen", raising=False)
    assert once(service) == Exit.CONFIG
    assert "fzalert[tui]" in capsys.readouterr().err
    assert once(service, "--once") == Exit.UNREACHABLE


# -- the living screen -----------------------------------------------------------------------------


@pytest.fixture
def local(service: FakeService) -> Actor:
    return service.directory.local_actor()


@pytest.fixture
def screen(service: FakeService, local: Actor) -> TopScreen:
    async def actor() -> Actor:
        return local

    return TopScreen(service, actor)


async def until(pilot: Pilot[int], screen: TopScreen, text: str) -> None:
    """Wait until a text is on the screen."""
    for _ in range(200):
        await pilot.pause(0.02)
        if text in words(screen) or text in drawn(screen):
            return
    raise AssertionError(f"{text!r} is not in\n{words(screen)}")


def words(screen: TopScreen) -> str:
    """Everything that the widgets of the screen hold."""
    said = [str(widget.render()) for widget in screen.screen.query(Static)]
    for table in screen.screen.query(DataTable):
        said += [" ".join(map(str, table.get_row(row.key))) for row in table.ordered_rows]
    return "\n".join(said)


def drawn(screen: TopScreen) -> str:
    """What is drawn on the terminal."""
    picture = html.unescape(re.sub(r"<[^>]+>", "\n", screen.export_screenshot()))
    return re.sub(r"\n+", "\n", picture.replace("\xa0", " "))


async def test_it_shows_all_at_80_by_24(screen: TopScreen, service: FakeService) -> None:
    await some_warnings(service)
    async with screen.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, screen, "12,480")
        await pilot.pause(0.1)
        picture = drawn(screen)
        for text in (
            *("■ 1 个通道断开", "受理 13,700", "● 正常", "▲ 变慢", "■ 断开", "312/400", "▲16/16"),
            *("3,200/8,000", "▮▮▮▮▯▯▯▯▯▯▯▯ 40%", "138****8001", "有消息就发", "退出", "帮助"),
        ):
            assert text in picture
        assert "1380013" not in picture
        for widget in screen.screen.query("#head, #totals, #detail, DataTable, Footer"):
            assert Region(0, 0, *SIZE).contains_region(widget.region), widget
            assert widget.virtual_size.width <= SIZE[0], widget


async def test_figures_move_and_the_cursor_stays(screen: TopScreen, service: FakeService) -> None:
    async with screen.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, screen, "12,480")
        await pilot.press("down", "down")
        await until(pilot, screen, "自 14:11 起登录失败")
        down = service.channels[2]
        service.channels[2] = down.model_copy(update={"state": "up", "detail": "", "rate": 50})
        service.channels.insert(0, down.model_copy(update={"name": "new"}))
        await service.touch()
        await until(pilot, screen, "0/50")
        table = screen.query_one("#channels", DataTable)
        assert table.cursor_row == 3
        assert "● telecom 正常" in words(screen)


async def test_p_asks_and_pauses_and_resumes(screen: TopScreen, service: FakeService) -> None:
    async with screen.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, screen, "刷单返利")
        await pilot.press("p")  # the cursor stands on the one that runs
        await until(pilot, screen, "暂停「冒充客服")
        await pilot.press("n")
        await pilot.pause()
        assert service.planned[0].state == "running"
        await pilot.press("p")
        await until(pilot, screen, "暂停「冒充客服")
        await pilot.press("y")
        await until(pilot, screen, "▲ 已暂停")
        assert service.planned[0].state == "paused"
        await pilot.press("p")
        await until(pilot, screen, "继续「冒充客服")
        await pilot.press("enter")
        await until(pilot, screen, "● 进行中")
        assert service.planned[0].state == "running"


async def test_what_is_over_cannot_be_paused(screen: TopScreen, service: FakeService) -> None:
    async with screen.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, screen, "刷单返利")
        await pilot.press("tab", "up", "p")
        await until(pilot, screen, "现在不能暂停")


async def test_who_may_not_is_told(service: FakeService) -> None:
    async def nobody() -> Actor:
        raise AccessDenied("The token is wrong [x].", hint="Ask for another.")

    screen = TopScreen(service, nobody)
    service.planned = service.planned[:1]
    async with screen.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, screen, "3,200")
        await pilot.press("p")
        await until(pilot, screen, "暂停「冒充客服")
        await pilot.press("y")
        await until(pilot, screen, "The token is wrong [x].")
    assert service.planned[0].state == "running"


async def test_a_daemon_that_goes_is_told_and_its_return_is_seen(
    screen: TopScreen, service: FakeService
) -> None:
    async with screen.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, screen, "12,480")
        service.broken = NotConnected("gone")
        await service.touch()
        await until(pilot, screen, "■ 连接断开，数据停在")
        service.broken = None
        await until(pilot, screen, "■ 1 个通道断开")


async def test_the_keys_are_explained_and_q_ends(screen: TopScreen, service: FakeService) -> None:
    service.channels, service.planned = [], []
    async with screen.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, screen, "没有通道")
        await pilot.press("question_mark")
        await until(pilot, screen, "号码都已打码")
        await pilot.press("escape")
        await pilot.press("p")
        await until(pilot, screen, "没有活动")
        await pilot.press("q")
    assert screen.return_code == 0
