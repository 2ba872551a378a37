"""The demo's story, told live: lists, campaign, crash, an urgent warning, and the recount."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from fzalert.access.directory import Directory
from fzalert.cli.demo.daemon import Daemon, recovery
from fzalert.cli.demo.peers import Sound, WebhookServer, output_of
from fzalert.cli.demo.plan import Place
from fzalert.cli.demo.residents import Lists
from fzalert.cli.demo.screen import Screen
from fzalert.cli.output import Output
from fzalert.client import Client, connect
from fzalert.config import Settings
from fzalert.errors import FzalertError
from fzalert.messages import display, group, mailbox, phone, speaker
from fzalert.service.facade import Fzalert
from fzalert.service.models import CampaignRequest, CampaignView, CountersView, WarningView

SCRIPT = "generic"
URGENT = "impersonating-police"
VICTIM = "13900138096"
KILL_AFTER = 0.4
SETTLE_WITHIN = 60.0
WINDOW = 64


class StoryBroken(FzalertError):
    """The demo did not go as it must; the text says where."""

    code = "demo-broken"


@dataclass(slots=True)
class Sample:
    """How far things were at one moment, for the chart."""

    at: float
    sent: int
    delivered: int


@dataclass(slots=True)
class Told:
    """Everything that the report needs.

    Attributes:
        people: Different numbers on the lists.
        campaigns: The imports.
        samples: Progress over time.
        killed_at: Seconds into the run, or 0.
        down_for: Seconds from the kill to the first new answer of the carrier.
        recovered: What the restarted daemon found, by word.
        in_flight: Unanswered parts at the kill, by the daemon's last word.
        urgent: The urgent warning with its fates.
        urgent_ms: Milliseconds from the call to each first fate, by kind of target.
        waiting: Bulk parts that waited when the urgent warning was fired.
        totals: Our own counters at the end.
        recount: The recount of the carrier's log.
        lost: Numbers of the lists that never reached the carrier, as its own log says.
        sound: Verdict over the recorded sound, or empty.
        posts: Signed posts that the webhook took.
        mails: Mails that the server took.
        seconds: How long it took.
    """

    people: int = 0
    campaigns: list[CampaignView] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    killed_at: float = 0.0
    down_for: float = 0.0
    recovered: dict[str, int] = field(default_factory=dict)
    in_flight: int = 0
    urgent: WarningView | None = None
    urgent_ms: dict[str, int] = field(default_factory=dict)
    waiting: int = 0
    totals: CountersView = field(default_factory=CountersView)
    mobile: CountersView = field(default_factory=CountersView)
    recount: dict[str, object] = field(default_factory=dict)
    lost: int = 0
    sound: dict[str, object] = field(default_factory=dict)
    posts: int = 0
    mails: int = 0
    seconds: float = 0.0


class Story:
    """Runs the steps in order.

    Args:
        place: The demo's folder.
        settings: The daemon's configuration.
        daemon: The daemon, not started yet.
        output: Where it is told.
    """

    def __init__(self, place: Place, settings: Settings, daemon: Daemon, output: Output) -> None:
        self._place = place
        self._settings = settings
        self._daemon = daemon
        self._out = output
        self._began = time.monotonic()
        self._by = Directory().local_actor()
        self.told = Told()

    def say(self, text: str = "") -> None:
        """Tell one step, with the seconds passed."""
        self._out.line(f"{time.monotonic() - self._began:6.1f} s  {text}" if text else "")

    async def connect(self) -> Client:
        """A client of the daemon's socket, open."""
        client = connect(self._settings)
        await client.__aenter__()
        return client

    # -- the steps -------------------------------------------------------------------------

    async def approve(self, client: Client) -> None:
        """Two demo persons approve the two scripts; under a drill only, as everything here."""
        editor = await client.authenticate(await client.add_user("demo-editor", ["script_editor"]))
        second = await client.authenticate(await client.add_user("demo-approver", ["approver"]))
        for script in await client.scripts():
            if script.id in {SCRIPT, URGENT} and script.audience == "general":
                await client.approve(script.key, author=editor, approver=second)
                self.say(f"✔ 话术 {script.title}（{script.key}）由两人批准，仅限演练")

    async def plan(self, client: Client, lists: Lists) -> None:
        """Import both lists, show what was refused and why."""
        for name, path in (("东片", lists.workbook), ("西片", lists.text)):
            request = CampaignRequest(
                name=f"{name}反诈宣传", file=str(path.resolve()), script=SCRIPT
            )
            view = await client.plan_campaign(request, self._by)
            self.told.campaigns.append(view)
            self.say(
                f"✔ 名单 {path.name}: {view.rows} 行，可发 {view.total}，"
                f"重复 {view.duplicates}，退回 {view.refused}"
            )
            for refusal in view.refusals:
                self.say(f"    第 {refusal.row} 行 [{refusal.code}] {refusal.reason}")
        self.told.people = sum(view.total for view in self.told.campaigns)

    async def start(self, client: Client) -> None:
        """Start both campaigns."""
        for view in self.told.campaigns:
            await client.steer_campaign(view.id, "start", self._by)
        self.say(
            f"▶ 开始发送 {self.told.people} 条短信（模拟运营商会限速、拒绝、迟报、早报、重报）"
        )

    async def watch(self, client: Client, share: float, busy: int) -> None:
        """Follow the progress until a share is answered and the window is full."""
        goal = int(self.told.people * share)
        shown = 0.0
        while True:
            done = await self._sample(client)
            status = await client.status()
            mobile = next(channel for channel in status.channels if channel.name == "mobile")
            if time.monotonic() - shown > 1.0:
                shown = time.monotonic()
                self._progress(mobile.counters, mobile.per_second, mobile.state)
            if done >= goal and mobile.in_flight >= busy:
                self.told.in_flight = mobile.in_flight
                return
            if self.told.people and done >= self.told.people:
                raise StoryBroken("The campaign ended before the daemon could be killed.")
            await asyncio.sleep(0.02)

    def _progress(self, counters: CountersView, rate: float, state: str) -> None:
        done = counters.sent + counters.delivered + counters.failed
        share = done / max(1, self.told.people)
        bar = "▮" * int(share * 30) + "▯" * (30 - int(share * 30))
        self.say(
            f"{bar} {done:>6} 已答复  {counters.delivered:>6} 送达  {rate:7.0f} 条/秒  {state}"
        )

    async def _sample(self, client: Client) -> int:
        counters = next(c.counters for c in (await client.status()).channels if c.name == "mobile")
        answered = counters.sent + counters.delivered + counters.failed + counters.unknown
        self.told.samples.append(
            Sample(time.monotonic() - self._began, answered, counters.delivered)
        )
        return answered

    async def crash(self) -> Client:
        """Kill the daemon with a full window, start it again, and see the work go on."""
        self.told.killed_at = time.monotonic() - self._began
        await self._daemon.kill()
        self.say(f"✖ 守护进程被 SIGKILL（窗口中 {self.told.in_flight} 条未答复）")
        killed = time.monotonic()
        started = await self._daemon.start()
        client = await self.connect()
        self.told.recovered = recovery(self._place.log("daemon").with_suffix(".jsonl"))
        words = "，".join(f"{WORDS.get(w, w)} {n}" for w, n in self.told.recovered.items() if n)
        self.say(f"✔ {started:.1f} 秒后恢复：{words or '没有未决的短信'}")
        before = await self._sample(client)
        while await self._sample(client) <= before:
            if time.monotonic() - killed > 30:
                raise StoryBroken("Nothing was answered within 30 s of the restart.")
            await asyncio.sleep(0.02)
        self.told.down_for = time.monotonic() - killed
        self.say(f"✔ {self.told.down_for:.1f} 秒后运营商又收到新的短信，无须人工")
        return client

    async def warn(self, client: Client, screen: Screen | None, sound: Sound | None) -> None:
        """Fire an urgent warning from the counter, over everything that waits."""
        fz = Fzalert(client, self._by, owns_store=False)
        if screen is not None:
            await self._screen_back(client)
        status = await client.status()
        mobile = next(channel for channel in status.channels if channel.name == "mobile")
        done = mobile.counters.sent + mobile.counters.delivered + mobile.counters.failed
        self.told.waiting = max(0, self.told.people - done)
        self.say(f"☎ 柜员发出紧急预警：冒充公检法（此时 {self.told.waiting} 条群发还没发完）")
        targets = [
            phone(VICTIM),
            display("lobby"),
            speaker("atm-1"),
            mailbox("manager@bank.example"),
            group("village-heads"),
        ]
        began = time.monotonic()
        warning = await fz.warn(
            URGENT,
            to=targets,
            lane="urgent",
            expires_in=timedelta(minutes=10),
            key=f"demo-{int(began * 1000)}",
        )
        accepted = int((time.monotonic() - began) * 1000)
        self.say(f"    受理并落盘 {accepted} 毫秒")
        seen = 0
        shown = began
        while time.monotonic() - began < 40 and warning.accepted:
            view = await client.warning(warning.id)
            assert view is not None  # noqa: S101  it was accepted
            self.told.urgent = view
            for target in view.targets:
                if target.word not in {"queued", ""} and target.target not in self.told.urgent_ms:
                    passed = int((time.monotonic() - began) * 1000)
                    self.told.urgent_ms[target.target] = passed
                    word = FATES.get(target.word, target.word)
                    self.say(f"    {passed:>5} 毫秒  {target.target}  {word}")
                    if target.target.startswith("display:") and screen is not None:
                        await screen.save(self._place.root / "screen-urgent.png")
            if all(target.state != "open" for target in view.targets):
                break
            if time.monotonic() - shown > 1.0:
                shown = time.monotonic()
                await self._sample(client)
            seen = await client.changed(seen, 0.05)
        if screen is not None and await screen.wait_for_text("96110", 5):
            await screen.save(self._place.root / "screen-urgent.png")
            self.say("✔ 屏幕截图 screen-urgent.png")
        await self._listen(sound)

    async def _screen_back(self, client: Client) -> None:
        """Give the branch's screen two seconds to find the restarted daemon."""
        ends = time.monotonic() + 2
        while time.monotonic() < ends:
            screens = next(c for c in (await client.status()).channels if c.name == "screens")
            if screens.state == "up":
                return
            await asyncio.sleep(0.05)

    async def _listen(self, sound: Sound | None) -> None:
        capture = sound.raw if sound is not None else self._place.root / "atm-area.wav"
        if not capture.exists():
            return
        if sound is not None:
            await asyncio.sleep(0.5)  # the last samples travel through the recorder
        kept = self._place.root / "atm-voice.wav"
        command = [
            sys.executable,
            "-m",
            "fzalert_voice.prove",
            str(capture),
            "--script",
            URGENT,
            "--save",
            str(kept),
        ]
        child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        out, _ = await child.communicate()
        self.told.sound = json.loads(out) if out else {}
        verdict = "就是该段录音" if self.told.sound.get("passed") else "与录音不符"
        self.say(
            f"✔ 喇叭录音 {kept.name}：{verdict}（{self.told.sound.get('windows_passed')}/"
            f"{self.told.sound.get('windows')} 个一秒窗口吻合，"
            f"{self.told.sound.get('controls')} 段其他录音均不吻合）"
        )

    async def finish(self, client: Client) -> None:
        """Wait until every fate is known, or as known as it will be."""
        ends = time.monotonic() + SETTLE_WITHIN
        shown = 0.0
        while time.monotonic() < ends:
            await self._sample(client)
            status = await client.status()
            mobile = next(channel for channel in status.channels if channel.name == "mobile")
            fed = all(view.state == "done" for view in await client.campaigns())
            counters = mobile.counters
            if time.monotonic() - shown > 1.0:
                shown = time.monotonic()
                self._progress(counters, mobile.per_second, mobile.state)
            if fed and not (counters.queued or counters.open):
                break
            await asyncio.sleep(0.1)
        status = await client.status()
        self.told.totals = status.totals
        self.told.mobile = next(c.counters for c in status.channels if c.name == "mobile")
        urgent = self.told.urgent
        if urgent is not None:
            self.told.urgent = await client.warning(urgent.id)

    async def recount(self, lists: Lists, webhook: WebhookServer, mails: Path) -> None:
        """Let the reader that shares no code with us count what the carrier received."""
        command = [
            sys.executable,
            "-m",
            "fzalert_sms.recount",
            str(self._place.frames),
            "--json",
            "--expect",
            str(lists.numbers),
        ]
        self.told.recount = json.loads(await output_of(command))
        received = number(self.told.recount, "distinct") + refused_for_good(self.told.recount)
        short = self.told.mobile.accepted - received - self.told.mobile.expired
        self.told.lost = max(number(self.told.recount, "missing"), short)
        self.told.posts = len(webhook.posts)
        self.told.mails = len(list((mails / "box" / "new").glob("*"))) if mails.exists() else 0
        self.told.seconds = time.monotonic() - self._began

    def last_line(self) -> str:
        """The line of counts, by the carrier's own log."""
        log, mine = self.told.recount, self.told.mobile
        why = "，".join(
            f"{RESULTS.get(code, code)} {n}" for code, n in results(log) if code not in {"0", "8"}
        )
        stats = stats_of(log)
        delivered = stats.get("DELIVRD", 0)
        undelivered = sum(n for stat, n in stats.items() if stat != "DELIVRD")
        return (
            f"accepted {mine.accepted} · sent {number(log, 'distinct')} ·"
            f" delivered {delivered} · failed {refused_for_good(log) + undelivered}"
            f" ({why or '无'}；状态报告失败 {undelivered}) · unknown {mine.unknown} ·"
            f" lost {self.told.lost} · twice {number(log, 'duplicates')}"
        )


def number(found: dict[str, object], name: str) -> int:
    """One number of the recount."""
    value = found.get(name, 0)
    return value if isinstance(value, int) else 0


def results(found: dict[str, object]) -> Sequence[tuple[str, int]]:
    """Answers by their result."""
    value = found.get("results", {})
    return sorted(value.items()) if isinstance(value, dict) else ()


def stats_of(found: dict[str, object]) -> dict[str, int]:
    """How many texts were reported with each Stat, and the report acknowledged."""
    value = found.get("stats", {})
    return dict(value) if isinstance(value, dict) else {}


def refused_for_good(found: dict[str, object]) -> int:
    """How many numbers the carrier refused, throttled ones left out."""
    return sum(n for code, n in results(found) if code not in {"0", "8"})


WORDS = {
    "sent": "已答复、从记录器找回",
    "unknown": "已发出、未见答复（不重发）",
    "requeued": "未曾发出、回到队列",
    "throttled": "被限速、回到队列",
    "failed": "被拒绝",
}
FATES = {
    "sent": "运营商/服务器已受理",
    "delivered": "已送达",
    "shown": "已上屏",
    "played": "已播放",
    "hidden": "已显示完",
    "throttled": "被限速，稍候再发",
}
RESULTS = {"13": "号码被拒", "9": "非本网号码", "10": "源号码错误"}
