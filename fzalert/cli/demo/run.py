"""The demo as a command: starts the far sides, tells the story, leaves a report."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from fzalert.cli.demo.case_run import banks, figures, last_line, run_case, tell_case
from fzalert.cli.demo.daemon import Daemon
from fzalert.cli.demo.peers import (
    SINK,
    carrier,
    free_port,
    mail_server,
    sound,
    webhook_server,
)
from fzalert.cli.demo.plan import Place, write_config
from fzalert.cli.demo.report import write_report
from fzalert.cli.demo.residents import make_lists
from fzalert.cli.demo.screen import screen
from fzalert.cli.demo.story import KILL_AFTER, WINDOW, Story, number
from fzalert.cli.exits import Exit
from fzalert.cli.session import current
from fzalert.config import read_settings

__all__ = ["run_demo"]


async def run_demo(
    *,
    out: Path = Path("build/demo"),
    people: int = 10_000,
    seed: int = 20261124,
    keep: Annotated[bool, Parameter(negative=())] = False,
    only: Literal["all", "case"] = "all",
) -> int:
    """Run the whole job on this machine, under the mark 演练; ends in under two minutes.

    Args:
        out: Folder for the report, pictures, sound and logs; an earlier demo's is emptied.
        people: How many residents are written to.
        seed: Of the lists and of the simulated carrier's faults.
        keep: Leave the daemon and its pages up at the end, until Ctrl-C.
        only: The case alone: a report that ends with stops at simulated banks.
    """
    output = current().output
    place = Place(out.resolve())
    place.prepare()
    if only == "case":
        return await run_case(place, output, seed)
    lists = make_lists(place.root, people, seed)
    secrets = {name: place.secret(name) for name in ("cmpp", "screen", "webhook")}
    async with contextlib.AsyncExitStack() as stack:
        heard = await stack.enter_async_context(sound(place.log("sound"), place.root / "sound"))
        mails = place.root / "mail"
        hook = await stack.enter_async_context(webhook_server(secrets["webhook"]))
        write_config(
            place,
            carrier_port=await stack.enter_async_context(
                carrier(place.log("carrier"), place.frames, secrets["cmpp"], seed)
            ),
            mail_port=await stack.enter_async_context(mail_server(place.log("mail"), mails)),
            webhook_port=hook.port,
            web_port=free_port(),
            sound_server=heard.server if heard else "",
            sink=SINK,
        )
        raw = await stack.enter_async_context(banks(place, seed))
        daemon = Daemon(place.config, place.log("daemon"))
        story = Story(place, read_settings(place.config), daemon, output)
        output.line("fzalert 演示 · 演练 · 全部在本机 / everything on this machine")
        await daemon.start()
        stack.push_async_callback(daemon.stop)
        story.say(f"✔ 守护进程 {daemon.pid}，状态页 {daemon.web}/")
        link = f"{daemon.web}/channels/screens/enroll/lobby?t={secrets['screen']}"
        story.say(f"✔ 大堂屏幕 {link}")
        client = await story.connect()
        await story.approve(client)
        await story.plan(client, lists)
        page = await stack.enter_async_context(screen(link))
        pictures: list[tuple[str, str]] = []
        if page is None:
            story.say("▲ 没有 Chromium：不截屏，屏幕按“未连接”计。apt-get install chromium")
        elif await page.wait_for_text("转账之前停一停", 10):
            await page.save(place.root / "screen-idle.png")
        await story.start(client)
        await story.watch(client, KILL_AFTER, WINDOW // 2 + 4)
        await client.__aexit__(None, None, None)
        client = await story.crash()
        stack.push_async_callback(client.__aexit__, None, None, None)
        await story.warn(client, page, heard)
        await story.finish(client)
        await story.recount(lists, hook, mails)
        case = await tell_case(client, place, raw, story.say)
        for name, caption in (
            ("screen-urgent.png", "紧急预警上屏 The override on the branch's screen"),
            ("screen-idle.png", "平时的滚动内容 The rolling content"),
        ):
            if (place.root / name).exists():
                pictures.append((name, caption))
        write_report(place.report, story.told, story.last_line(), pictures, case)
        story.say(f"✔ 报告 {place.report}（预警部分 {story.told.seconds:.0f} 秒）")
        if keep:
            output.note(f"页面还开着 still up: {daemon.web}/ · {link} · Ctrl-C 结束 ends")
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        output.data({"counts": story.last_line(), "report": str(place.report), **figures(case)})
        output.line(last_line(case))
        output.line(story.last_line())
    ok = story.told.lost == 0 and number(story.told.recount, "duplicates") == 0 and case.is_right
    return Exit.OK if ok else Exit.INTEGRITY
