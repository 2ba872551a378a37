"""The demo's case as a part of the demo, and alone: raises the banks, and says what lies where."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from fzalert.access.keys import FileSigner
from fzalert.cli.demo.daemon import Daemon
from fzalert.cli.demo.freeze_banks import fake_banks
from fzalert.cli.demo.freeze_board import write_board
from fzalert.cli.demo.freeze_story import CaseStory, CaseTold
from fzalert.cli.demo.peers import free_port
from fzalert.cli.demo.plan import Place, write_case_config
from fzalert.cli.exits import Exit
from fzalert.cli.output import Output
from fzalert.client import Client, connect
from fzalert.clock import SystemClock
from fzalert.config import read_settings
from fzalert.service.building import SIGNING_KEY

__all__ = ["banks", "figures", "last_line", "run_case", "tell_case"]


@asynccontextmanager
async def banks(place: Place, seed: int) -> AsyncIterator[Path]:
    """Raise three fake banks that take packages from the demo's daemon; yields their raw log.

    Args:
        place: The demo's folder, with its configuration written.
        seed: Of everything left to chance.
    """
    data = read_settings(place.config).data_directory
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    sender = FileSigner.load_or_create(data / SIGNING_KEY).public_key.hex()
    async with fake_banks(
        place.root / "banks",
        place.log("banks"),
        place.root / "conf.d",
        sender=sender,
        now=SystemClock().now(),
        seed=seed,
    ) as raw:
        yield raw


async def tell_case(
    client: Client, place: Place, raw_log: Path, say: Callable[[str], None]
) -> CaseTold:
    """Run the case, write its board, and say where everything lies. Raises `StoryBroken`."""
    now = SystemClock().now()
    story = CaseStory(client, place.case, raw_log, place.config, say)
    await story.run(now)
    told = story.told
    write_board(place.case / "board.html", told, SystemClock().now())
    say(f"✔ 自批准到最后一笔止付 {told.approved_to_stop:.1f} 秒（含一次更正与一级追踪）")
    for line in told.text_board.splitlines():
        say(f"    {line}")
    for paper in told.papers:
        say(f"✔ 文书 {paper}")
    say(f"✔ 看板 {told.board}")
    say(f"✔ 证据包 {told.bundle}")
    say(f"✔ 核对证据包 {told.verified}")
    for line in told.chains:
        say(f"✔ 核对存证链 {line}")
    return told


def figures(told: CaseTold) -> dict[str, object]:
    """The case in figures, for programs."""
    return {
        "case": told.case,
        "stopped": told.stopped,
        "stopped_by_banks": told.by_banks,
        "packages": told.packages,
        "papers": [str(paper) for paper in told.papers],
        "board": str(told.board),
        "bundle": str(told.bundle),
        "verified": told.verified,
    }


def last_line(told: CaseTold) -> str:
    """The case's line of counts; what the banks did is counted from their own raw log."""
    return (
        f"packages {told.packages} · stopped {told.by_banks} (银行原始日志 by the banks' own log)"
        f" · 案件记录 in the case {told.stopped}"
    )


async def run_case(place: Place, output: Output, seed: int) -> int:
    """Run the case alone; returns the exit code."""
    began = time.monotonic()

    def say(text: str) -> None:
        output.line(f"{time.monotonic() - began:6.1f} s  {text}")

    write_case_config(place, web_port=free_port())
    async with AsyncExitStack() as stack:
        raw = await stack.enter_async_context(banks(place, seed))
        daemon = Daemon(place.config, place.log("daemon"))
        await daemon.start()
        stack.push_async_callback(daemon.stop)
        say(f"✔ 守护进程 {daemon.pid}，三家模拟银行已开门")
        client = await stack.enter_async_context(connect(read_settings(place.config)))
        told = await tell_case(client, place, raw, say)
    output.data(figures(told))
    output.line(last_line(told))
    return Exit.OK if told.is_right else Exit.INTEGRITY
