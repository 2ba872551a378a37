"""The gateway's side (ISMG) with faults on demand, on the same codec and session as the client.

Everything runs in callbacks: no task belongs to it. `simulator` gives it a process and knobs.
"""

from __future__ import annotations

import asyncio
import heapq
import socket
import struct
from collections import deque
from collections.abc import Callable
from functools import partial

from typing_extensions import override

from fzalert_sms.cmpp import framelog
from fzalert_sms.cmpp.codec import NO_ID, Submit
from fzalert_sms.cmpp.framelog import FrameLog
from fzalert_sms.cmpp.knobs import Chance, Knobs
from fzalert_sms.cmpp.outbox import Outbox, Parcel, Postmark
from fzalert_sms.cmpp.session import (
    Answered,
    Closed,
    Event,
    GivenUp,
    Limits,
    LoggedIn,
    ServerSession,
    Submitted,
)

_TICK = 0.05
_ABORTIVE = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends RST, as a firewall that forgets a flow does."""
_Answer = tuple[int, bytes, int]


class Ismg:
    """A simulated gateway.

    Attributes:
        knobs: Its behaviour; may be replaced at any time.
        counts: What it has seen and done.
        attempts: Connections that were made.
        next_answers: Results that the next SUBMITs get, whatever else holds; -1 is taken, but
            answered without an id.
        on_change: Called after each portion that changed something.
        on_submit: Called with each SUBMIT as it is read, with its result; None while nobody looks.
    """

    def __init__(
        self, knobs: Knobs, *, log: FrameLog | None, seed: int, wall: Callable[[], int]
    ) -> None:
        self.knobs = knobs
        self.next_answers: deque[int] = deque()
        self.on_change: Callable[[], None] = lambda: None
        self.on_submit: Callable[[Submit, bytes, int], None] | None = None
        self.counts = dict.fromkeys(
            ("logins", "submits", "accepted", "throttled", "rejected", "delivered", "acknowledged"),
            0,
        )
        self.attempts = 0
        self.connections: list[IsmgConnection] = []
        self.chance = Chance(seed)
        self.log = log
        self.postmark = Postmark(wall)
        self.outboxes: dict[str, Outbox] = {}
        self._loop = asyncio.get_running_loop()
        self._due: list[tuple[float, int, str, Parcel]] = []
        self._alarm: asyncio.TimerHandle | None = None
        self._serial = 0
        self._kills = 0
        self._tokens = 0.0
        self._tokens_at = self._loop.time()
        self._timer = self._loop.call_later(_TICK, self._tick)

    def connection(self) -> IsmgConnection:
        """Make the protocol of the next connection."""
        self.attempts += 1
        return IsmgConnection(self, self.attempts)

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
        return self.outboxes.setdefault(account, Outbox())

    def judge(self, submit: Submit) -> _Answer:
        """Decide on one SUBMIT and plan its report."""
        knobs, counts = self.knobs, self.counts
        counts["submits"] += 1
        if self.next_answers:
            result = self.next_answers.popleft()
            counts["accepted" if result <= 0 else "rejected"] += 1
            return submit.sequence, NO_ID, max(0, result)
        if knobs.tps and not self._may_pass(len(submit.destinations)):
            counts["throttled"] += 1
            return submit.sequence, NO_ID, 8
        for number in submit.destinations:
            result = self.chance.refusal(knobs, number)
            if result:
                counts["rejected"] += 1
                return submit.sequence, NO_ID, result
        counts["accepted"] += 1
        return submit.sequence, self.postmark.msg_id(), 0

    def plan_report(self, account: str, submit: Submit, msg_id: bytes, answer_at: float) -> None:
        """Queue the report about an accepted text; an early one goes out at once."""
        knobs = self.knobs
        plan = self.chance.report(knobs)
        if plan == "missing":
            return
        stat = "UNDELIV" if self.chance.fails(knobs, submit.destinations[0]) else "DELIVRD"
        parcel = self.postmark.report(submit, msg_id, stat, self.postmark.minute())
        if plan == "early":
            self.outbox(account).waiting.append(parcel)
            return
        delay = knobs.report_delay_ms + self.chance.jitter(knobs.report_jitter_ms)
        delay += knobs.late_ms if plan == "late" else 0.0
        for _ in range(2 if plan == "twice" else 1):
            self.post(account, parcel, answer_at + delay / 1000.0)

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

    def _may_pass(self, cost: int) -> bool:
        now = self._loop.time()
        limit = max(1.0, self.knobs.tps / 10)
        self._tokens = min(limit, self._tokens + (now - self._tokens_at) * self.knobs.tps)
        self._tokens_at = now
        if self._tokens < cost:
            return False
        self._tokens -= cost
        return True

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


class IsmgConnection(asyncio.Protocol):
    """One connection of an account."""

    def __init__(self, ismg: Ismg, number: int) -> None:
        self.number = number
        self._ismg = ismg
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._submits = 0
        self._reason = ""
        knobs = ismg.knobs
        self.session: ServerSession[Parcel] = ServerSession(
            knobs.accounts,
            limits=Limits(
                window=knobs.window,
                # A DELIVER is never merely late: it is sent again, and the link is kept.
                late_after=knobs.redeliver_after,
                request_timeout=knobs.redeliver_after,
                timeouts_in_row=1_000_000_000,
                keep_alive=knobs.keep_alive,
            ),
            layout=knobs.forced_layout,
            refuse_with=knobs.login_status,
        )
        self.session.answers_tests = knobs.answers_tests
        if ismg.log is not None:
            self.session.tap = partial(ismg.log.add, framelog.RECEIVED, number)

    def cut(self, reason: str, *, reset: bool = True) -> None:
        """Close at once, by default so that the peer sees a reset."""
        self._reason = reason
        transport = self._transport
        if transport is None:
            return
        handle = transport.get_extra_info("socket")
        if reset and handle is not None and handle.fileno() >= 0:
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORTIVE)
        transport.abort()

    def leave(self) -> None:
        """Send TERMINATE."""
        self._reason = "the simulator sent TERMINATE"
        self.session.leave(self._loop.time())
        self.flush()

    def answer(self, answers: list[_Answer]) -> None:
        """Send answers to SUBMITs."""
        for sequence, msg_id, result in answers:
            self.session.answer(sequence, msg_id, result)
        self.flush()
        self._ismg.on_change()

    def tick(self) -> None:
        """Look at the time."""
        self._take(self.session.tick(self._loop.time()))

    def flush(self) -> None:
        """Log what waits, then hand it to the socket, in one write."""
        frames = self.session.frames_to_send()
        transport = self._transport
        if not frames or transport is None or transport.is_closing() or self._ismg.knobs.is_silent:
            return
        log = self._ismg.log
        if log is not None:
            for frame in frames:
                log.add(framelog.SENT, self.number, frame)
            log.flush()
        transport.write(b"".join(frames))

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  what create_server makes
        self._transport = transport
        self._ismg.connections.append(self)
        self.session.start(self._loop.time())
        self._note(framelog.OPENED)

    @override
    def data_received(self, data: bytes) -> None:
        events = self.session.receive_data(data, self._loop.time())
        if self._ismg.log is not None:
            self._ismg.log.flush()
        self._take(events)
        self._ismg.on_change()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._ismg.connections.remove(self)
        account = self.session.account
        if account:
            outbox = self._ismg.outbox(account)
            outbox.carriers = [carrier for carrier in outbox.carriers if carrier is not self]
            outbox.waiting.extendleft(reversed(self.session.abandon()))
        reason = self._reason or (str(exc) if exc is not None else "the peer closed")
        self._note(framelog.CLOSED, reason.encode())
        self._ismg.on_change()

    def _note(self, kind: int, payload: bytes = b"") -> None:
        if self._ismg.log is not None:
            self._ismg.log.add(kind, self.number, payload)
            self._ismg.log.flush()

    def _take(self, events: list[Event]) -> None:
        submits: list[Submit] = []
        for event in events:
            match event:
                case Submitted(frame):
                    submits.append(frame)
                case Answered():
                    self._ismg.counts["acknowledged"] += 1
                case GivenUp(parcel, _, _):
                    self._ismg.outbox(self.session.account).waiting.appendleft(parcel)
                case LoggedIn():
                    self._ismg.counts["logins"] += 1
                    self._ismg.outbox(self.session.account).carriers.append(self)
                case Closed(reason):
                    self._reason = self._reason or reason
                case _:
                    pass  # malformed and unexpected frames are in the log
        if submits:
            self._on_submits(submits)
        self.flush()
        if self.session.account and not self.session.is_closed:
            self._ismg.pump(self.session.account)
        if self.session.is_closed and self._transport is not None:
            self._transport.close()

    def _on_submits(self, submits: list[Submit]) -> None:
        ismg = self._ismg
        knobs, account = ismg.knobs, self.session.account
        delay = knobs.response_delay_ms / 1000.0
        answers: list[_Answer] = []
        answer_at = self._loop.time() + delay
        for submit in submits:
            self._submits += 1
            if knobs.kill_after and self._submits >= knobs.kill_after and ismg.may_kill():
                self.cut("the simulator cuts the connection")
                return
            answer = ismg.judge(submit)
            _, msg_id, result = answer
            if ismg.on_submit is not None:
                ismg.on_submit(submit, msg_id, result)
            if any(msg_id) and submit.registered_delivery:
                ismg.plan_report(account, submit, msg_id, answer_at)
            if not ismg.chance.drops(knobs):
                answers.append(answer)
        ismg.pump(account)
        if delay:
            self._loop.call_later(delay, self.answer, answers)
        else:
            for sequence, msg_id, result in answers:
                self.session.answer(sequence, msg_id, result)
        if knobs.leave_after and self._submits >= knobs.leave_after:
            self.leave()
