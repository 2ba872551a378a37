"""A carrier's gateway with faults on demand, on the same codec and session as the client.

Everything runs in callbacks: no task belongs to it. `simulator` gives it a process and knobs.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from typing import Any

from fzalert_sms.carrier.simulator.connection import GatewayConnection
from fzalert_sms.carrier.simulator.framelog import FrameLog
from fzalert_sms.carrier.simulator.judge import Judge, Verdict
from fzalert_sms.carrier.simulator.knobs import Chance, Knobs
from fzalert_sms.carrier.simulator.outbox import Outbox, Postmark
from fzalert_sms.carrier.simulator.side import Incoming, Parcel, Side

_TICK = 0.05


class SimulatedGateway:
    """A simulated gateway.

    Attributes:
        side: Its protocol.
        knobs: Its behaviour; may be replaced at any time.
        counts: What it has seen and done.
        attempts: Connections that were made.
        next_answers: Results that the next texts get, whatever else holds; -1 is taken, but
            answered without an id.
        on_change: Called after each portion that changed something.
        on_submit: Called with each text as it was decoded, with id and result; None while
            nobody looks.
    """

    def __init__(
        self,
        side: Side[Any],
        knobs: Knobs,
        *,
        log: FrameLog | None,
        seed: int,
        wall: Callable[[], int],
    ) -> None:
        self.side = side
        self.knobs = knobs
        self.next_answers: deque[int] = deque()
        self.on_change: Callable[[], None] = lambda: None
        self.on_submit: Callable[[Any, bytes, int], None] | None = None
        self.counts = dict.fromkeys(
            ("logins", "submits", "accepted", "throttled", "rejected", "delivered", "acknowledged"),
            0,
        )
        self.attempts = 0
        self.connections: list[GatewayConnection] = []
        self.chance = Chance(seed)
        self.log = log
        self.postmark = Postmark(side, wall)
        self.outboxes: dict[str, Outbox] = {}
        self._loop = asyncio.get_running_loop()
        self._due: list[tuple[float, int, str, Parcel]] = []
        self._alarm: asyncio.TimerHandle | None = None
        self._serial = 0
        self._kills = 0
        self._judge = Judge(side, self.chance, self._loop.time())
        self._timer = self._loop.call_later(_TICK, self._tick)

    def connection(self) -> GatewayConnection:
        """Make the protocol of the next connection."""
        self.attempts += 1
        return GatewayConnection(self, self.attempts)

    def stop(self) -> None:
        """Cut what is open and stop the clock."""
        self._timer.cancel()
        if self._alarm is not None:
            self._alarm.cancel()
        for connection in list(self.connections):
            connection.cut("the simulator stops")

    @property
    def planned(self) -> int:
        """Deliveries whose time has not come."""
        return len(self._due)

    def outbox(self, account: str) -> Outbox:
        """The parcels of an account, kept while it is away."""
        if account not in self.outboxes:
            self.outboxes[account] = Outbox(self.side)
        return self.outboxes[account]

    def judge(self, text: Incoming) -> Verdict:
        """Decide on one text."""
        self.counts["submits"] += 1
        if self.next_answers:
            result = self.next_answers.popleft()
            self.counts["accepted" if result <= 0 else "rejected"] += 1
            return Verdict(text.sequence, self.side.no_id, max(0, result))
        result, stat = self._judge.result_and_stat(text, self.knobs, self._loop.time())
        if result:
            self.counts["throttled" if result == self.side.throttled else "rejected"] += 1
            return Verdict(text.sequence, self.side.no_id, result)
        self.counts["accepted"] += 1
        carrier_id = self.postmark.carrier_id() if self.knobs.gives_ids else self.side.no_id
        return Verdict(text.sequence, carrier_id, 0, stat)

    def plan_report(self, account: str, text: Incoming, verdict: Verdict, answer_at: float) -> None:
        """Queue the report about an accepted text; an early one goes out at once."""
        knobs = self.knobs
        plan = self.chance.report(knobs)
        if plan == "missing" or not _is_reported(text, knobs):
            return
        parcel = self.postmark.report(
            text, verdict.carrier_id, verdict.stat, self.postmark.minute(), knobs
        )
        if plan == "early":
            self.outbox(account).waiting.append(parcel)
            return
        delay = knobs.report_delay_ms + self.chance.jitter(knobs.report_jitter_ms)
        delay += knobs.late_ms if plan == "late" else 0.0
        for _ in range(2 if plan == "twice" else 1):
            self.post(account, parcel, answer_at + delay / 1000.0)

    def check_login(self, account: str, timestamp: int) -> int:
        """The status of a login whose digest is right."""
        knobs = self.knobs
        there = len(self.outbox(account).carriers)
        if knobs.max_connections and there >= knobs.max_connections:
            return self.side.crowded
        if knobs.max_skew and self.postmark.skew(timestamp, knobs) > knobs.max_skew:
            return self.side.skewed
        return 0

    def post(self, account: str, parcel: Parcel, due: float) -> None:
        """Deliver a parcel at a time of the loop's clock."""
        self._serial += 1
        heapq.heappush(self._due, (due, self._serial, account, parcel))
        self._arm()

    def pump(self, account: str) -> None:
        """Send what the account's windows take."""
        outbox = self.outbox(account)
        if outbox.waiting:
            self.counts["delivered"] += outbox.pump(self._loop.time())
            for carrier in outbox.carriers:
                carrier.flush()

    def may_kill(self) -> bool:
        """Take one of the cuts that are left."""
        self._kills += 1
        return self._kills <= self.knobs.kills

    def _release(self) -> None:
        now = self._loop.time()
        accounts: dict[str, None] = {}
        while self._due and self._due[0][0] <= now:
            _, _, account, parcel = heapq.heappop(self._due)
            self.outbox(account).waiting.append(parcel)
            accounts[account] = None
        for account in accounts:
            self.pump(account)
        self._alarm = None
        self._arm()
        self.on_change()

    def _arm(self) -> None:
        """Keep one timer, for the parcel that is due first."""
        if not self._due:
            return
        due = self._due[0][0]
        if self._alarm is not None:
            if self._alarm.when() <= due:
                return
            self._alarm.cancel()
        self._alarm = self._loop.call_at(due, self._release)

    def _tick(self) -> None:
        for connection in list(self.connections):
            connection.tick()
        for account in self.outboxes:
            self.pump(account)
        self.on_change()
        self._timer = self._loop.call_later(_TICK, self._tick)


def _is_reported(text: Incoming, knobs: Knobs) -> bool:
    match knobs.report_parts:
        case "all":
            return True
        case "first":
            return text.part <= 1
        case "last":
            return text.part == text.parts
