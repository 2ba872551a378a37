"""Processes that own a SQLite store and come to an end.

`python -m fzalert.testing.dying MODE PATH`:

`hold` opens the store and waits for its standard input to end. `exit` accepts many warnings at
once and dies the moment the n-th acceptance returns. `fill` runs into a limit of the file size,
and goes on once it is lifted. Each prints what was accepted, a line at a time, unbuffered.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from pathlib import Path

from fzalert.clock import SystemClock
from fzalert.errors import StoreFull
from fzalert.store import SqliteStore
from fzalert.testing.parcels import Parcels, make_vault

__all__ = ["main"]


def say(*words: object) -> None:
    """Print a line past every buffer."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def accept(store: SqliteStore, parcels: Parcels, count: int = 1) -> None:
    """Accept one warning, and say so once it is on disk."""
    change = parcels.change(count)
    await store.commit(change)
    for message in change.accepts[0].messages:
        say("accepted", message.id)


async def hold(store: SqliteStore) -> None:
    """Open, and wait to be ended."""
    await store.open()
    say("open")
    await asyncio.to_thread(sys.stdin.read)
    await store.close()


async def leave(store: SqliteStore, parcels: Parcels, after: int) -> None:
    """Die without a word more, right after the n-th acceptance returned."""
    await store.open()
    waiting = [asyncio.ensure_future(accept(store, parcels)) for _ in range(4 * after)]
    for number, done in enumerate(asyncio.as_completed(waiting), start=1):
        await done
        if number == after:
            os._exit(0)


async def fill(store: SqliteStore, parcels: Parcels, path: str, room: int) -> None:
    """Accept until a file may grow no more, then lift the limit and accept again."""
    await store.open()
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (os.stat(path).st_size + room, hard))
    refused = 0
    for _ in range(200):
        works = [accept(store, parcels, 20) for _ in range(4)]
        answers = await asyncio.gather(*works, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, StoreFull):
                refused += 1
            elif isinstance(answer, BaseException):
                raise answer
        if refused > 12:
            break
    say("refused", refused)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await accept(store, parcels)
    say("lifted")
    await store.close()


def main() -> None:
    """Run one of them."""
    mode, path, *rest = sys.argv[1:]
    clock = SystemClock()
    store = SqliteStore(Path(path), clock, make_vault)
    parcels = Parcels(clock)
    match mode:
        case "hold":
            asyncio.run(hold(store))
        case "exit":
            asyncio.run(leave(store, parcels, int(rest[0])))
        case "fill":
            asyncio.run(fill(store, parcels, path, int(rest[0])))
        case _:
            raise SystemExit(f"no mode {mode!r}")


if __name__ == "__main__":
    main()
