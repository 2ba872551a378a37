"""The world as an adapter sees it, made for a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from random import Random

from fzalert.access.keys import KeySigner
from fzalert.background import Background
from fzalert.clock import Clock, SystemClock
from fzalert.errors import FzalertError
from fzalert.http import HttpPool
from fzalert.ports import AdapterContext, AdapterState
from fzalert.testing.state import MemoryState

__all__ = ["SIGNER_SEED", "make_context"]

SIGNER_SEED = bytes(range(32))
"""Seed of the signing key in every test context; public, so it protects nothing."""


@asynccontextmanager
async def make_context(
    *,
    seed: int = 0,
    clock: Clock | None = None,
    state: AdapterState | None = None,
    crashes: list[Exception] | None = None,
) -> AsyncIterator[AdapterContext]:
    """Give an adapter everything it may use, and find what it left behind.

    Work under `background` that crashes starts again after 10 ms. A lost line (`OSError`,
    `FzalertError`) may crash it; anything else is a mistake in the adapter.

    Args:
        seed: Of the random numbers.
        clock: The machine's, unless a test hands in a `FakeClock`.
        state: Rows of the adapter; new and empty unless given.
        crashes: Collects what crashed; the test then judges it, and this does not.

    Raises:
        AssertionError: At the end, for work that crashed by mistake or still runs.
    """
    seen: list[Exception] = [] if crashes is None else crashes

    def on_crash(name: str, error: Exception) -> timedelta:
        error.add_note(f"in the background work {name}")
        seen.append(error)
        return timedelta(milliseconds=10)

    left: tuple[str, ...] = ()
    http = HttpPool()
    try:
        async with Background(on_crash) as background:
            yield AdapterContext(
                clock=clock or SystemClock(),
                rng=Random(seed),  # noqa: S311  chance that repeats is the point
                background=background,
                state=state or MemoryState(),
                signer=KeySigner.from_seed(SIGNER_SEED),
                http=http,
            )
            left = background.running
    finally:
        await http.aclose()
    mistakes = [error for error in seen if not isinstance(error, OSError | FzalertError)]
    if mistakes and crashes is None:
        raise AssertionError("work in the background crashed by mistake") from mistakes[0]
    if left:
        raise AssertionError("still running after the adapter closed: " + ", ".join(left))
