"""Questions to adapters, with an end: whatever an adapter does, the answer is a value in time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from fzalert.background import Background
from fzalert.errors import ChannelUnavailable

T = TypeVar("T")


class Asker(Generic[T]):
    """Asks one kind of question of every channel.

    An adapter that does not answer is not asked again until its former answer has come: what
    hangs does not pile up.

    Args:
        what: What is asked, for error texts.
        background: Runs the questions, so that none runs in a caller's task.
        within: Seconds that an answer may take.
    """

    def __init__(self, what: str, background: Background, within: float) -> None:
        self._what = what
        self._background = background
        self._within = within
        self._late: dict[str, asyncio.Task[None]] = {}

    async def ask(self, channel: str, question: Callable[[], Awaitable[T]]) -> T:
        """Ask.

        Raises:
            ChannelUnavailable: The adapter raised, or did not answer in time.
        """
        late = self._late.get(channel)
        if late is not None and not late.done():
            raise self._failed(channel, "still gives no answer")
        answers: list[T] = []
        failures: list[Exception] = []

        async def work() -> None:
            try:
                answers.append(await question())
            except Exception as error:  # noqa: BLE001  a broken adapter is its channel's state
                failures.append(error)

        task = self._background.once(f"{self._what}.{channel}", work)
        try:
            await asyncio.wait([task], timeout=self._within)
        finally:
            if not task.done():
                task.cancel()
                self._late[channel] = task
        if answers:
            return answers[0]
        if failures:
            raise self._failed(channel, f"failed: {type(failures[0]).__name__}")
        raise self._failed(channel, f"gave no answer within {self._within:g} s")

    def _failed(self, channel: str, why: str) -> ChannelUnavailable:
        return ChannelUnavailable(f"The {self._what} of {channel} {why}.", channel=channel)
