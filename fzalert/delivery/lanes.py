"""The two lanes of a slot: what is claimed and ready, what is out, and how much may go now."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from fzalert.clock import Clock
from fzalert.delivery.pace import Pace
from fzalert.delivery.wire import Key
from fzalert.messages import Lane
from fzalert.ports import Capabilities
from fzalert.store import Claimed

LANES = (Lane.URGENT, Lane.BULK)
RESERVED = 5  # bulk leaves a fifth of the window to the urgent lane


class Lanes:
    """Window, reserve, per-target limit and pace of one slot.

    Args:
        capabilities: The adapter's limits.
        clock: Reader of time.
        too_late: Takes a part whose window ended before it could go.

    Attributes:
        pace: How fast the slot may be used.
        wake: Set for a lane when something may go.
    """

    def __init__(
        self, capabilities: Capabilities, clock: Clock, too_late: Callable[[Claimed], None]
    ) -> None:
        self.pace = Pace(capabilities.rate, clock.monotonic())
        self.wake = {lane: asyncio.Event() for lane in LANES}
        self._window = capabilities.window
        self._per_target = capabilities.per_target
        self._clock = clock
        self._too_late = too_late
        self._ready: dict[Lane, deque[Claimed]] = {lane: deque() for lane in LANES}
        self._both = [(self._ready[lane], self.wake[lane]) for lane in LANES]
        self._out: set[Key] = set()
        self._busy: dict[str, int] = {}

    @property
    def out(self) -> int:
        """Parts handed over and not settled."""
        return len(self._out)

    def ready(self, lane: Lane) -> int:
        """Parts claimed and not handed over."""
        return len(self._ready[lane])

    def keys(self) -> set[Key]:
        """Every part that is ready or out."""
        ready = {
            (one.submission.id, one.submission.part) for lane in LANES for one in self._ready[lane]
        }
        return ready | self._out

    def ahead(self) -> int:
        """How many parts to hold claimed: four windows, and never more than a second's worth."""
        ahead = min(1000, max(32, 4 * self._window))
        if self.pace.rate is not None:
            ahead = min(ahead, max(4, int(self.pace.rate)))
        return ahead

    def add(self, one: Claimed) -> None:
        """Take a claimed part."""
        self._ready[one.submission.lane].append(one)

    def remove(self, unwanted: set[Key]) -> list[Claimed]:
        """Take out parts that are ready and not wanted any more."""
        removed: list[Claimed] = []
        for ready in self._ready.values():
            kept: list[Claimed] = []
            for one in ready:
                hit = (one.submission.id, one.submission.part) in unwanted
                (removed if hit else kept).append(one)
            ready.clear()
            ready.extend(kept)
        return removed

    def empty(self) -> Iterable[Claimed]:
        """Take out everything that is ready."""
        for ready in self._ready.values():
            while ready:
                yield ready.popleft()

    def wake_up(self) -> None:
        """Wake the lanes that have something."""
        for ready, wake in self._both:
            if ready:
                wake.set()

    def next_batch(self, lane: Lane, recorder_room: int) -> list[Claimed] | None:
        """What may go now, counted as out from here on; None where only the pace forbids it."""
        ready = self._ready[lane]
        room = min(self._window, recorder_room) - len(self._out)
        if lane is Lane.BULK:
            reserve = 0 if self._window < 2 else -(-self._window // RESERVED)
            room -= max(reserve, len(self._ready[Lane.URGENT]))
        if room <= 0 or not ready:
            return []
        number = self.pace.take(min(room, len(ready)), lane, self._clock.monotonic())
        if number <= 0:
            return None
        now = self._clock.millis()
        batch: list[Claimed] = []
        passed_over: list[Claimed] = []
        while ready and len(batch) < number:
            one = ready.popleft()
            if one.submission.not_after <= now:
                self._too_late(one)
            elif self._per_target is not None and self._is_busy(one, self._per_target):
                passed_over.append(one)
            else:
                batch.append(one)
        ready.extendleft(reversed(passed_over))
        self.pace.give_back(number - len(batch))
        self._out.update((one.submission.id, one.submission.part) for one in batch)
        return batch

    def left(self, one: Claimed) -> None:
        """A part is not out any more."""
        self._out.discard((one.submission.id, one.submission.part))
        if self._per_target is not None:
            address = one.submission.target.address
            self._busy[address] -= 1
            if not self._busy[address]:
                del self._busy[address]
        self.wake_up()

    def _is_busy(self, one: Claimed, most: int) -> bool:
        """Whether a target has all it may have at once; counts the part in where it has not."""
        address = one.submission.target.address
        busy = self._busy.get(address, 0)
        if busy >= most:
            return True
        self._busy[address] = busy + 1
        return False
