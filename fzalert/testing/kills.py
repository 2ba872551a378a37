"""An engine that is killed again and again: `python -m fzalert.testing.kills FOLDER SEED ROUNDS`.

A warm process forks a life a round, lets it accept and send for a random time, and kills it with
SIGKILL. The last life runs until everything has settled. What reached the far side and what was
accepted stands in two files that are appended a line at a time; `reckon` compares them with the
store. A planted bug as fourth argument shows that the comparison finds it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import structlog
from typing_extensions import override

from fzalert.clock import SystemClock
from fzalert.delivery import Limits, policy, wire
from fzalert.delivery.policy import UnknownPolicy
from fzalert.delivery.recorder import Recorder
from fzalert.messages import Lane
from fzalert.ports import Submission
from fzalert.store import SqliteStore
from fzalert.testing.engine import EngineRig, FarSide, sms
from fzalert.testing.parcels import make_vault

__all__ = ["BUGS", "WINDOW", "Reckoning", "reckon"]

WINDOW = 16
BULK_A_LIFE = 300
URGENT_EVERY = 0.01
LIMITS = Limits(unknown_wait_ms=1, retry_base_ms=5, retry_cap_ms=20, down_pause_ms=5)


class _Journal:
    """A file that outlives its writer: one `write` a line."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def add(self, *words: object) -> None:
        os.write(self._handle, (" ".join(map(str, words)) + "\n").encode())


class _Line(FarSide):
    """A far side that answers a little later, and whose memory is a file."""

    def __init__(self, folder: Path, chance: Random) -> None:
        super().__init__(capabilities=sms(WINDOW))
        self._journal = _Journal(folder / "received")
        self._chance = chance

    @override
    def receive(self, part: Submission, key: bytes) -> None:
        self._journal.add(part.id, part.part, part.attempt)
        super().receive(part, key)

    @override
    async def pause(self) -> None:
        await asyncio.sleep(self._chance.uniform(0, 0.004))


async def _live(folder: Path, chance: Random, first_id: int, ready: Callable[[], None]) -> None:
    """Accept and send until killed."""
    accepted = _Journal(folder / "accepted")
    far = _Line(folder, chance)
    async with EngineRig(folder, far, limits=LIMITS, first_id=first_id) as rig:
        ready()
        for id_ in await rig.accept(BULK_A_LIFE):
            accepted.add(id_)
        while True:
            (id_,) = await rig.accept(lane=Lane.URGENT, at_once=chance.random() < 0.8)
            accepted.add(id_)
            await asyncio.sleep(URGENT_EVERY)


async def _settle(folder: Path, chance: Random) -> None:
    """Send what is left, and end in order."""
    far = _Line(folder, chance)
    async with EngineRig(folder, far, limits=LIMITS, first_id=1) as rig:
        for id_ in _lanes(folder / "fz.db"):
            await rig.fate(id_, "sent", "unknown", timeout=20)


def _one_life(folder: Path, seed: int, number: int, *, last: bool) -> None:
    chance = Random(f"{seed}/{number}")  # noqa: S311  seeded chance is wanted
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            if last:
                asyncio.run(_settle(folder, chance))
            else:
                work = _live(
                    folder, chance, number * 1_000_000, lambda: _done(os.write(writing, b"r"))
                )
                asyncio.run(work)
        except BaseException as error:  # noqa: BLE001  a fork must never return into its parent
            os.write(2, f"{error!r}\n".encode())
            os._exit(1)
        os._exit(0)
    os.close(writing)
    if not last:
        if chance.random() < 0.75:
            os.read(reading, 1)  # otherwise it may be killed while it recovers
        time.sleep(chance.uniform(0.0, 0.12))
        os.kill(child, signal.SIGKILL)
    os.close(reading)
    _, status = os.waitpid(child, 0)
    ended = os.waitstatus_to_exitcode(status)
    if ended != (0 if last else -signal.SIGKILL):
        raise SystemExit(f"life {number} ended with {ended}")


def _done(written: int) -> None:
    del written


@dataclass(frozen=True, slots=True)
class Reckoning:
    """What became of everything that was accepted.

    Attributes:
        accepted: How many messages are stored.
        lost: Stored or accepted, and neither received nor called unknown.
        invented: Called sent, and never received.
        twice: Received more than once without the mark of a knowing second attempt.
        resent: Received a second time, marked.
        stranded: Without a fate at the end.
        unknown: Called unknown at the end, or before a second attempt.
    """

    accepted: int
    lost: frozenset[int]
    invented: frozenset[int]
    twice: frozenset[int]
    resent: frozenset[int]
    stranded: frozenset[int]
    unknown: frozenset[int]


async def reckon(folder: Path) -> Reckoning:
    """Compare the two files with the store."""
    accepted = {int(line.split()[0]) for line in (folder / "accepted").read_text().splitlines()}
    received: dict[int, list[int]] = {}
    for line in (folder / "received").read_text().splitlines():
        id_, _, attempt = map(int, line.split())
        received.setdefault(id_, []).append(attempt)
    fates: dict[int, str] = {}
    store = SqliteStore(folder / "fz.db", SystemClock(), make_vault)
    await store.open()
    try:
        stored = _lanes(folder / "fz.db")
        for id_ in stored:
            outcome = await store.outcome(id_)
            if outcome is not None:
                fates[id_] = outcome.word
        feed = await store.feed(0, 1_000_000)
    finally:
        await store.close()
    unknown = {row.id for row in feed if row.word == "unknown"}
    gone = {id_ for id_ in stored if id_ not in received and id_ not in unknown}
    return Reckoning(
        len(stored),
        frozenset(gone | (accepted - stored.keys())),
        frozenset(id_ for id_, word in fates.items() if word == "sent" and id_ not in received),
        frozenset(
            id_
            for id_, attempts in received.items()
            if attempts != [1]
            and not (attempts in ([1, 2], [2]) and stored.get(id_) == 0 and id_ in unknown)
        ),
        frozenset(id_ for id_, attempts in received.items() if attempts == [1, 2]),
        frozenset(id_ for id_ in stored if fates.get(id_) not in {"sent", "unknown"}),
        frozenset(unknown),
    )


def _lanes(path: Path) -> dict[int, int]:
    """Every stored message with the number of its lane, 0 for urgent."""
    connection = sqlite3.connect(path)
    try:
        return dict(connection.execute("SELECT id, lane FROM message"))
    finally:
        connection.close()


# -- planted bugs --------------------------------------------------------------------------


def _plant(where: object, name: str, bug: object) -> None:
    setattr(where, name, bug)


def _record_after_the_write() -> None:
    """The intent reaches the recorder a moment after the bytes have left."""

    def late(self: wire.SlotWire, id: int, part: int, key: bytes) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(0.002, Recorder.writing, self._slot.recorder, id, part, key)
        self._written[id, part] = key

    _plant(wire.SlotWire, "writing", late)


def _send_unknowns_again() -> None:
    """Whatever is unknown goes back to the queue."""
    _plant(policy, "unknown_policy", lambda *_: UnknownPolicy.SAME_KEY)


def _distrust_the_recorder() -> None:
    """Whatever a dead owner had claimed counts as never written."""
    _plant(Recorder, "read", lambda *_: {})


BUGS: dict[str, Callable[[], None]] = {
    "record-after-the-write": _record_after_the_write,
    "send-unknowns-again": _send_unknowns_again,
    "distrust-the-recorder": _distrust_the_recorder,
}


def main() -> None:
    """Live and die."""
    folder, seed, rounds, *bug = sys.argv[1:]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    for name in bug:
        BUGS[name]()
    for number in range(1, int(rounds) + 1):
        _one_life(Path(folder), int(seed), number, last=False)
    _one_life(Path(folder), int(seed), 0, last=True)


if __name__ == "__main__":
    main()
