"""Urgent texts while prompts are played for the first time: `python bench/voice_first_play.py`.

Acceptance is measured from the call of `warn` at another process to its return: the warning is on
disk. One daemon, otherwise idle, with the simulated gateway and one loudspeaker that is a file.
Rounds alternate: without voice, and with a prompt that the daemon has not said before, begun just
before. Its programme has to be read, levelled and put together, which is half a second of
numbers; none of it may hold up an urgent message. A third row is a prompt that was said before.
The last line is the processor time that the daemon itself takes for a first play, which no
neighbour of the machine changes.

Writes `build/bench/voice_first_play.json`; the ratios to "no voice" are the figures to look at.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

import fzalert
from fzalert.access import Directory
from fzalert.config import read_settings
from fzalert.service import Fzalert, open_or_connect
from fzalert.testing.processes import Site
from fzalert.testing.textsite import SECRET, TextSite

PROMPTS = (
    *("generic", "brushing-rebate", "fake-investment", "fake-shopping", "fake-loan", "romance"),
    *("impersonating-customer-service", "fake-credit-record", "impersonating-leader"),
    *("overseas-recruiting", "gold-courier", "cash-handover"),
)
"""Scripts that the library has a recording of; each is a first play once."""
ALONE = ("screen-sharing", "nfc-tap", "ai-face-voice", "virtual-currency", "course-refund")
"""Played once more, with nothing beside them."""
TEXT = "impersonating-police"
SPEAKER = """
[[channel]]
name = "hall"
adapter = "voice.local"
min_interval = 0.0
max_plays_per_hour = 720
[[channel.speakers]]
name = "lobby"
wav = "lobby.wav"
"""


async def measured(
    folder: Path, samples: int, prompts: Sequence[str]
) -> tuple[dict[str, list[float]], float]:
    """Acceptance of urgent texts in milliseconds, by what the loudspeaker does meanwhile.

    Returns:
        Them, and the milliseconds of the processor that the daemon takes for a first play.
    """
    site = TextSite(folder, lambda _: iter(()), 1)
    found: dict[str, list[float]] = {"no voice": [], "first play": [], "known play": []}
    words = ["--port", "0", "--account", f"{site.ACCOUNT}:{SECRET}", "--window", str(site.WINDOW)]
    async with site.program("fzalert_sms.cmpp.simulator", words) as gateway:
        site.configure((await gateway.ready())["port"])
        with site.config.open("a", encoding="utf-8") as file:
            file.write(SPEAKER)
        await _approved(site)
        async with (
            site.daemon() as daemon,
            open_or_connect(read_settings(site.config)) as talking,
            open_or_connect(read_settings(site.config)) as texting,
        ):
            voice = Fzalert(talking, Directory().local_actor(), owns_store=False)
            texts = Fzalert(texting, Directory().local_actor(), owns_store=False)
            await _texts(texts, samples, 0)  # the first ones of a daemon load what it needs
            before = daemon.worked
            for script in ALONE:
                handle = await voice.warn(script, to=fzalert.speaker("lobby"), lane="urgent")
                await handle.outcome(timeout=120)
            work = (daemon.worked - before) / len(ALONE) * 1000
            for number, script in enumerate(prompts):
                found["no voice"] += await _texts(texts, samples, 3 * number)
                for place, name in enumerate(("first play", "known play"), start=1):
                    handle = await voice.warn(script, to=fzalert.speaker("lobby"), lane="urgent")
                    found[name] += await _texts(texts, samples, 3 * number + place)
                    await handle.outcome(timeout=120)
    return found, work


async def _texts(fz: Fzalert, samples: int, batch: int) -> list[float]:
    """Warn so many people one after the other; milliseconds each."""
    loop = asyncio.get_running_loop()
    times = []
    for one in range(samples):
        person = fzalert.phone(f"138{batch * 1000 + one:08d}")
        began = loop.time()
        await fz.warn(TEXT, to=person, lane="urgent")
        times.append((loop.time() - began) * 1000)
    return times


async def _approved(site: Site) -> None:
    async with open_or_connect(read_settings(site.config), delivers=False) as api:
        author = await api.authenticate(await api.add_user("author", ["script_editor"]))
        other = await api.authenticate(await api.add_user("approver", ["approver"]))
        for name in (TEXT, *PROMPTS, *ALONE):
            await api.approve(f"{name}/general/1", author=author, approver=other)


def p99(values: Sequence[float]) -> float:
    """The value that one in a hundred is above."""
    return sorted(values)[min(len(values) - 1, round(len(values) * 0.99))]


def main() -> None:
    """Measure, print a table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=40, help="texts of each round")
    parser.add_argument("--quick", action="store_true", help="show that it works, nothing else")
    chosen = parser.parse_args()
    samples, prompts = (3, PROMPTS[:2]) if chosen.quick else (chosen.samples, PROMPTS)
    with tempfile.TemporaryDirectory() as folder:
        found, work = asyncio.run(measured(Path(folder), samples, prompts))
    plain = found["no voice"]
    rows = {}
    print(f"{'while':>12} {'texts':>6} {'p50':>9} {'p99':>9} {'worst':>9}   over no voice")  # noqa: T201
    for name, times in found.items():
        ratio = [
            statistics.median(times) / statistics.median(plain),
            p99(times) / p99(plain),
            max(times) / max(plain),
        ]
        rows[name] = {
            "p50_ms": statistics.median(times),
            "p99_ms": p99(times),
            "worst_ms": max(times),
            "ratio_p50": ratio[0],
            "ratio_p99": ratio[1],
            "ratio_worst": ratio[2],
        }
        print(  # noqa: T201
            f"{name:>12} {len(times):6} {statistics.median(times):6.1f} ms {p99(times):6.1f} ms"
            f" {max(times):6.1f} ms   p50 {ratio[0]:.2f}  p99 {ratio[1]:.2f}  worst {ratio[2]:.2f}"
        )
    print(f"a first play takes the daemon {work:.0f} ms of its processor time")  # noqa: T201
    if chosen.quick:
        print("  a quick run: it shows that the bench works, nothing else")  # noqa: T201
        return
    rows["first play"]["daemon_cpu_ms"] = work
    out = Path("build/bench")
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(rows, indent=1)
    (out / "voice_first_play.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
