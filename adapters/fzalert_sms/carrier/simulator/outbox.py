"""What the simulated gateway has to deliver, and on which connection it goes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Protocol

from fzalert_sms.carrier.simulator.knobs import Knobs
from fzalert_sms.carrier.simulator.side import Fate, Incoming, Parcel, ServerSide, Side
from fzalert_sms.wire import BEIJING

_EPOCH = datetime(1970, 1, 1, tzinfo=BEIJING) + timedelta(hours=8)


class Carrier(Protocol):
    """A connection that can carry parcels."""

    session: ServerSide

    @property
    def receives(self) -> bool:
        """Whether deliveries may come on it."""
        ...

    def flush(self) -> None:
        """Hand what waits to the socket."""
        ...


class Outbox:
    """Parcels of one account. They go out on any of its connections, as its window allows.

    Args:
        side: The protocol.

    Attributes:
        waiting: Parcels that are not on their way.
        carriers: Connections of the account.
    """

    def __init__(self, side: Side[Any]) -> None:
        self._side = side
        self.waiting: deque[Parcel] = deque()
        self.carriers: list[Carrier] = []

    def pump(self, now: float) -> int:
        """Send what the windows take; return how many went."""
        sent = 0
        for carrier in self.carriers:
            session = carrier.session
            room = min(session.room, len(self.waiting)) if carrier.receives else 0
            if room:
                requests = []
                for _ in range(room):
                    parcel = self.waiting.popleft()
                    sequence = session.next_sequence()
                    requests.append((sequence, self._side.frame(parcel, sequence, session), parcel))
                session.send_many(requests, now)
                sent += room
        return sent


class Postmark:
    """Makes ids and the times of reports from the wall clock, given in milliseconds."""

    def __init__(self, side: Side[Any], wall: Callable[[], int]) -> None:
        self._side = side
        self._wall = wall
        self._second = -1
        self._moment = _EPOCH
        self._count = 0

    def carrier_id(self) -> bytes:
        """A new id; no two are alike."""
        self._look()
        self._count += 1
        return self._side.new_id(self._moment, self._count)

    def minute(self) -> str:
        """YYMMDDHHMM now."""
        self._look()
        return self._moment.strftime("%y%m%d%H%M")

    def report(
        self, text: Incoming, carrier_id: bytes, stat: str, submitted: str, knobs: Knobs
    ) -> Parcel:
        """The report about a text."""
        fate = Fate(carrier_id, stat, submitted, self.minute(), self._count & 0xFFFF_FFFF)
        return Parcel(
            self.carrier_id(), text.access_number, text.service, text.numbers[0], fate,
            form=knobs.report_form, has_tail=not knobs.short_tails,
        )  # fmt: skip

    def skew(self, timestamp: int, knobs: Knobs) -> float:
        """Seconds that the MMDDHHMMSS of a login is off; a day that does not exist is far off."""
        now = _EPOCH + timedelta(milliseconds=self._wall()) + timedelta(seconds=knobs.clock_offset)
        digits = f"{now.year}{timestamp:010d}+0800"
        try:
            moment = datetime.strptime(digits, "%Y%m%d%H%M%S%z")
        except ValueError:
            return float("inf")
        return abs((moment - now).total_seconds())

    def _look(self) -> None:
        second = self._wall() // 1000
        if second != self._second:
            self._second = second
            self._moment = _EPOCH + timedelta(seconds=second)
