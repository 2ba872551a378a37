"""What a seed decides, what was drawn, and what happened: faults, their count, the trace."""

from __future__ import annotations

import enum
import hashlib
from collections import Counter, deque
from collections.abc import Callable
from random import Random

__all__ = ["Chance", "Fault", "Trace"]


class Fault(enum.StrEnum):
    """Everything unkind that a simulated world does. A run of many seeds fires each of them."""

    REJECTED = "the gateway refuses a message for good"
    TEMPORARY = "the gateway refuses a message for now"
    CHANNEL_REFUSED = "the gateway refuses everything of a channel"
    THROTTLED = "the gateway asks for a slower pace"
    SLOW = "an answer takes seconds"
    LOST_ANSWER = "a message is taken and never answered"
    NEVER_ARRIVED = "a message is lost on its way, unanswered"
    LATE_ANSWER = "a message is taken, and answered after it was given up"
    LATE_REFUSAL = "a message is refused after it was given up"
    REPORT_FIRST = "a report overtakes its response"
    REPORT_TWICE = "a report comes twice"
    REPORT_LATE = "a report comes long after"
    REPORTS_SWAPPED = "a bad report comes after the good one"
    CUT = "a connection is cut"
    REFUSES = "the gateway takes no connection"
    RAISES = "an adapter raises in the middle of a batch"
    HANGS = "an adapter never returns"
    READER_DIES = "an adapter's reader raises"
    OPENS_BADLY = "an adapter raises as it opens"
    CRASH = "the process dies at some moment"
    CRASH_AT_STEP = "the process dies between two steps of the engine"
    POWER_CUT = "the machine loses its memory"
    CLOCK_FORWARD = "the wall clock steps forward"
    CLOCK_BACK = "the wall clock steps back"
    SECOND_OWNER = "a second process wants the store"
    TAKEOVER = "another machine takes the leases"
    DISK_FULL = "the disk is full for a while"
    DISK_SLOW = "the disk takes long"
    STOPPED = "the process is asked to stop, and starts again"
    RECONFIGURED = "the process starts again with other limits"
    GAVE_UP = "a caller gives up between the acceptance and the hand-over"
    KEY_AGAIN = "a caller asks again with the same key"
    WITHDRAWN = "a warning is taken back"
    OPTED_OUT = "somebody opts out"
    QUIET = "bulk is accepted in the quiet hours"
    CAPPED = "somebody was written to often enough"
    EXPIRED = "a window ends before the message could go"


class Trace:
    """What happened, as a running hash, and the last lines of it for people.

    Args:
        now: Virtual seconds.
        kept: How many lines are kept.
    """

    def __init__(self, now: Callable[[], float], kept: int = 60) -> None:
        self._now = now
        self._hash = hashlib.sha256()
        self._lines: deque[str] = deque(maxlen=kept)
        self.count = 0

    def note(self, *words: object) -> None:
        """Something happened."""
        line = f"{self._now():.6f} {' '.join(map(str, words))}"
        self._hash.update(line.encode())
        self._lines.append(line)
        self.count += 1

    @property
    def digest(self) -> str:
        """Equal for equal histories."""
        return self._hash.hexdigest()

    def tail(self) -> str:
        """The last lines."""
        return "\n".join(self._lines)


class Chance:
    """One world's source of chance.

    Args:
        seed: Gives everything.

    Attributes:
        rng: For plain draws.
        fired: How often each fault fired.
    """

    def __init__(self, seed: int) -> None:
        self.rng = Random(f"fzalert {seed}")  # noqa: S311  a world that repeats
        self.fired: Counter[Fault] = Counter()

    def fire(self, fault: Fault) -> None:
        """A fault happened."""
        self.fired[fault] += 1

    def happens(self, probability: float) -> bool:
        """Whether something of this probability happens now."""
        return self.rng.random() < probability

    def seconds(self, least: float, most: float) -> float:
        """So many seconds."""
        return self.rng.uniform(least, most)
