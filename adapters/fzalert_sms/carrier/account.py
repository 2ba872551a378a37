"""What the connections of one account know together: limits that hold for all, halves of replies.

The connections of a channel live in one process and share an `Account`; it lives as long as they.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol
from weakref import WeakKeyDictionary

from fzalert_sms.carrier.config import CarrierConfig
from fzalert_sms.carrier.replies import Replies
from fzalert_sms.carrier.transport import Ticket
from fzalert_sms.carrier.wholes import Wholes

_LONGEST: Final = 16.0
"""Longest pause of the brake, seconds."""
_QUIET: Final = 30.0
"""Seconds without a report of over-flow until the brake begins with its shortest pause again."""
_MOST_NUMBERS: Final = 200_000
_BEIJING: Final = 8 * 3_600_000
_DAY: Final = 86_400_000


class Clock(Protocol):
    """What of the context's clock is needed here."""

    def millis(self) -> int:
        """Milliseconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...


class Brake:
    """Notes reports that the gateway throws texts away for their number.

    Such reports come in bursts, about texts of some seconds ago: those that come before `until`
    speak of the same moment. Each further burst doubles that time.

    Attributes:
        until: Monotonic time until which more reports say nothing new.
        pause: Seconds from the newest burst until then.
        presses: Bursts so far.
    """

    def __init__(self) -> None:
        self.until = float("-inf")
        self.pause = 0.0
        self.presses = 0

    def press(self, now: float, longest: float = _LONGEST) -> bool:
        """Note one report of over-flow; returns whether it begins a burst.

        Args:
            now: Monotonic seconds.
            longest: Seconds of the longest pause.
        """
        if now < self.until:
            return False
        is_new = now - self.until >= _QUIET
        self.pause = 1.0 if is_new else min(longest, 2 * self.pause)
        self.until = now + self.pause
        self.presses += 1
        return True


class Frequent:
    """Numbers that the carrier takes no more for today; a day ends at midnight in Beijing."""

    def __init__(self) -> None:
        self._day = 0
        self._stats: dict[str, str] = {}

    def note(self, address: str, stat: str, millis: int) -> None:
        """Note that a report said so of a number."""
        day = _day_of(millis)
        if day != self._day or len(self._stats) >= _MOST_NUMBERS:
            self._stats.clear()
            self._day = day
        self._stats[address] = stat

    def stats_of_today(self, millis: int) -> dict[str, str]:
        """The numbers of today and the Stat that told; asked once a batch."""
        return self._stats if self._stats and _day_of(millis) == self._day else {}


class Spent:
    """Wire keys that the gateway has refused: what comes again after that needs a new one."""

    def __init__(self) -> None:
        self._keys: dict[bytes, None] = {}

    def add(self, key: bytes) -> None:
        """Note a refusal."""
        self._keys[key] = None
        if len(self._keys) > _MOST_NUMBERS:
            del self._keys[next(iter(self._keys))]

    def __contains__(self, key: bytes) -> bool:
        return key in self._keys


class Account:
    """See the module.

    Attributes:
        brake: Whether reports say that we are too fast.
        frequent: Numbers that have had their limit for today.
        replies: Long replies that are not complete.
        wholes: Long texts of which one part's report speaks for all; None where each has its own.
        spent: Wire keys of parts that were refused.
        open: Connections that are logged in.
    """

    def __init__(self, config: CarrierConfig, text_of: Callable[[bytes, int], str]) -> None:
        self.brake = Brake()
        self.frequent = Frequent()
        self.replies: Replies[Ticket] = Replies(config.reply_wait, text_of)
        self.wholes = None if config.report_parts == "all" else Wholes(config.report_parts)
        self.spent = Spent()
        self.open = 0


_ACCOUNTS: WeakKeyDictionary[object, dict[str, Account]] = WeakKeyDictionary()
"""By the owner of their tasks: two engines in one process share nothing."""


def account_of(
    owner: object, config: CarrierConfig, text_of: Callable[[bytes, int], str]
) -> Account:
    """The account of a channel, the same for all its connections.

    Args:
        owner: The `background` of the adapters' context.
        config: The settings of any of them.
        text_of: Reads what people write.
    """
    accounts = _ACCOUNTS.setdefault(owner, {})
    if config.name not in accounts:
        accounts[config.name] = Account(config, text_of)
    return accounts[config.name]


def _day_of(millis: int) -> int:
    return (millis + _BEIJING) // _DAY
