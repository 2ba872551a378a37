"""Random histories of a store against a small model: nothing lost, nothing claimed twice.

An author subclasses `StoreMachine`, gives `make` and `recount`, and lets pytest collect its
`TestCase`.
"""

# Tests: S101 they assert.
# ruff: noqa: S101
from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from typing_extensions import override

from fzalert.errors import DuplicateKey, LeaseLost
from fzalert.evidence import Link, verify
from fzalert.messages import DeliveryReport, Lane, LateReceipt, Receipt, ReceiptKind, ReportKind
from fzalert.store import (
    ChangeSet,
    Claimed,
    Flag,
    Lease,
    PartState,
    Requeue,
    ResultRow,
    Store,
    TickInput,
)
from fzalert.testing.clock import FakeClock
from fzalert.testing.parcels import Parcels

__all__ = ["Counted", "StoreMachine"]

T = TypeVar("T")
Counted = dict[tuple[str, Lane, PartState], int]
"""Parts by channel, lane and state."""

CHANNELS = ("sms", "sms-2")
MINUTE = 60_000
FINAL = {PartState.FAILED, PartState.EXPIRED, PartState.WITHDRAWN, PartState.SUPPRESSED}
DELIVERS = {ReportKind.DELIVERED, ReportKind.SHOWN, ReportKind.PLAYED}


@dataclass
class Known:
    """What the model knows of a part."""

    lane: Lane
    channel: str
    state: PartState
    due: int
    end: int
    resend_due: int | None = None
    resent: bool = False
    attempt: int = 1
    delivered: bool = False
    carrier: bytes = b""
    words: set[str] = field(default_factory=set)


class StoreMachine(RuleBasedStateMachine):
    """Acceptance, ticks, crashes, reports, late answers, taking back, in any order."""

    def make(self, folder: Path, clock: FakeClock) -> Store:
        """Make the store, not yet open; the same folder is the same store."""
        raise NotImplementedError

    def recount(self, folder: Path) -> Counted:
        """Count the parts from the tables themselves, without the counters."""
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        memory = Path("/dev/shm")  # noqa: S108  a random history needs no real disk
        self.place = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        self.folder = Path(self.place.name)
        self.clock = FakeClock()
        self.parcels = Parcels(self.clock)
        self.model: dict[tuple[int, int], Known] = {}
        self.out: dict[tuple[int, int], Claimed] = {}
        self.keys: dict[str, tuple[int, str]] = {}
        self.leases: dict[str, Lease] = {}
        self.stale: list[Lease] = []
        self.fed = 0
        self.store = self.make(self.folder, self.clock)

    def run(self, work: Coroutine[None, None, T]) -> T:
        """Run to the end on the machine's own loop."""
        return self.loop.run_until_complete(work)

    @initialize()
    def opened(self) -> None:
        """Open, and take one slot of each channel."""
        self.run(self.store.open())
        self._acquire()

    @override
    def teardown(self) -> None:
        """Close, and leave nothing."""
        self.run(self.store.close())
        self.loop.close()
        self.place.cleanup()

    def _acquire(self) -> None:
        self.stale += self.leases.values()
        for channel in CHANNELS:
            lease = self.run(self.store.acquire(channel, 0, "machine", 10))
            assert lease is not None
            self.leases[channel] = lease

    def _tick(self, channel: str, work: TickInput) -> None:
        output = self.run(self.store.tick(self.leases[channel], work))
        now = self.clock.millis()
        for key, part in self.model.items():
            waits = part.state is PartState.QUEUED or part.resend_due is not None
            due = part.due if part.resend_due is None else part.resend_due
            if waits and part.channel == channel and work.want and due <= now >= part.end:
                self._maybe_expired(key, part)
        lanes = [one.submission.lane for one in output.claimed]
        assert lanes == sorted(lanes, key=[Lane.URGENT, Lane.BULK].index)
        for one in output.claimed:
            key = (one.submission.id, one.submission.part)
            part = self.model[key]
            assert key not in self.out, "claimed twice"
            resend = part.resend_due is not None
            assert part.state is (PartState.UNKNOWN if resend else PartState.QUEUED)
            assert (part.channel, part.lane) == (channel, one.submission.lane)
            assert (part.due if part.resend_due is None else part.resend_due) <= now < part.end
            assert bool(one.flags & Flag.RESENT) == resend
            assert not (resend and part.resent), "resent twice"
            assert one.submission.attempt == part.attempt + resend
            part.attempt = one.submission.attempt
            part.resent = part.resent or resend
            part.resend_due = None
            part.state = PartState.CLAIMED
            self.out[key] = one

    def _maybe_expired(self, key: tuple[int, int], part: Known) -> None:
        """Ask, since a tick looks at so many parts only."""
        if part.resend_due is not None:
            return  # its fate does not change either way; the resend can never be claimed
        outcome = self.run(self.store.outcome(key[0]))
        assert outcome is not None
        if outcome.word == "expired":
            part.state = PartState.EXPIRED

    # -- rules -----------------------------------------------------------------------------

    @rule(
        count=st.integers(1, 3),
        lane=st.sampled_from(Lane),
        channel=st.sampled_from(CHANNELS),
        at_once=st.booleans(),
        wait=st.sampled_from([0, 0, 0, MINUTE]),
        window=st.sampled_from([MINUTE // 2, 30 * MINUTE]),
        refused=st.sampled_from(["", "", "", "opted out"]),
    )
    def accept(
        self,
        count: int,
        lane: Lane,
        channel: str,
        at_once: bool,
        wait: int,
        window: int,
        refused: str,
    ) -> None:
        """Accept messages of one part each."""
        due = self.clock.millis() + wait
        claim = self.leases[channel] if at_once and not refused and not wait else None
        change = self.parcels.change(
            count,
            lane=lane,
            channel=channel,
            claim=claim,
            due_at=due,
            not_after=due + window,
            refused=refused,
        )
        (accepted,) = self.run(self.store.commit(change)).accepted
        state = PartState.QUEUED if claim is None else PartState.CLAIMED
        for message in change.accepts[0].messages:
            known = Known(lane, channel, state, due, due + window)
            if refused:
                known.state = PartState.SUPPRESSED
            self.model[message.id, 0] = known
        for one in accepted.claimed:
            self.out[one.submission.id, 0] = one
        assert len(accepted.claimed) == (count if claim else 0)

    @rule(key=st.sampled_from(["k1", "k2"]), body=st.sampled_from(["a", "b"]))
    def accept_with_a_key(self, key: str, body: str) -> None:
        """The same key gives the same warning or a refusal, never a second one."""
        change = self.parcels.change(key=key, body=body)
        known = self.keys.get(key)
        if known is not None and known[1] != body:
            try:
                self.run(self.store.commit(change))
            except DuplicateKey:
                return
            raise AssertionError("another body was taken under the same key")
        (accepted,) = self.run(self.store.commit(change)).accepted
        assert accepted.existing == (known is not None)
        if known is not None:
            assert accepted.warning == known[0]
            return
        self.keys[key] = (accepted.warning, body)
        warning, message = change.accepts[0].warning, change.accepts[0].messages[0]
        self.model[message.id, 0] = Known(
            Lane.BULK, "sms", PartState.QUEUED, warning.not_before, warning.not_after
        )

    @rule(channel=st.sampled_from(CHANNELS), urgent=st.integers(0, 3), bulk=st.integers(0, 3))
    def claim(self, channel: str, urgent: int, bulk: int) -> None:
        """Claim some."""
        self._tick(channel, TickInput(want={Lane.URGENT: urgent, Lane.BULK: bulk}))

    @precondition(lambda self: bool(self.out))
    @rule(
        data=st.data(),
        kind=st.sampled_from(["sent", "failed", "hold", "resend", "again", "over"]),
        twice=st.booleans(),
    )
    def settle(self, data: st.DataObject, kind: str, twice: bool) -> None:
        """Settle something that is out, perhaps twice, perhaps with its report."""
        key = data.draw(st.sampled_from(sorted(self.out)))
        one = self.out.pop(key)
        part = self.model[key]
        now = self.clock.millis()
        part.attempt = one.submission.attempt
        row = ResultRow(*key, PartState.SENT, kind)
        if part.resent and kind in {"resend", "over"}:
            kind = "hold"  # the engine's policy never does this
        channel = one.channel
        match kind:
            case "sent":
                part.carrier = f"c{key[0]}.{part.attempt}".encode()
                row = row._replace(carrier_id=part.carrier)
                after = PartState.SENT
            case "failed":
                after = PartState.FAILED
            case "hold":
                row = row._replace(word="unknown")
                after = PartState.UNKNOWN
            case "resend":
                part.resend_due = now + MINUTE
                again = Requeue(channel, part.resend_due, part.attempt + 1, Flag.RESENT)
                row = row._replace(word="unknown", requeue=again)
                after = PartState.UNKNOWN
            case _:
                to = channel if kind == "again" else CHANNELS[channel == CHANNELS[0]]
                again = Requeue(to, now, part.attempt + 1, one.flags)
                row = row._replace(requeue=again, word="temporary")
                after = PartState.QUEUED
        row = row._replace(state=after)
        if part.state is PartState.CLAIMED:
            part.state = after
            if row.requeue is not None:
                part.due, part.channel = row.requeue.due_at, row.requeue.channel
            if after is PartState.QUEUED and part.resent:
                # What is known of the first attempt comes back with its second one.
                part.state, part.resend_due, part.resent = PartState.UNKNOWN, now, False
            elif after is PartState.QUEUED:
                part.attempt += 1
        else:  # a report was faster: the answer changes nothing
            part.resend_due, part.carrier = None, b""
        self._tick(channel, TickInput([row, row] if twice else [row]))

    @precondition(lambda self: any(k.carrier for k in self.model.values()))
    @rule(data=st.data(), kind=st.sampled_from(ReportKind), by_id=st.booleans())
    def report(self, data: st.DataObject, kind: ReportKind, by_id: bool) -> None:
        """A report about something that was sent at some time."""
        known = sorted(key for key, part in self.model.items() if part.carrier)
        key = data.draw(st.sampled_from(known))
        part = self.model[key]
        report = DeliveryReport(kind, b"" if by_id else part.carrier, id=key[0] if by_id else 0)
        self._tick(part.channel, TickInput(reports=[report]))
        self._read(key, part)
        if kind is ReportKind.DELIVERED:
            assert part.state is PartState.DELIVERED

    @precondition(lambda self: any(k.state is PartState.UNKNOWN for k in self.model.values()))
    @rule(
        data=st.data(),
        kind=st.sampled_from(["sent", "failed", "throttled", "unknown", "delivered"]),
    )
    def resolve(self, data: st.DataObject, kind: str) -> None:
        """A late answer or a report for an unknown."""
        unknown = [key for key, p in self.model.items() if p.state is PartState.UNKNOWN]
        key = data.draw(st.sampled_from(sorted(unknown)))
        part = self.model[key]
        now = self.clock.millis()
        states = {
            "sent": PartState.SENT,
            "failed": PartState.FAILED,
            "throttled": PartState.QUEUED,
            "unknown": PartState.UNKNOWN,
        }
        if kind == "delivered":
            report = DeliveryReport(ReportKind.DELIVERED, id=key[0])
            self._tick(part.channel, TickInput(reports=[report]))
            part.state, part.resend_due, part.delivered = PartState.DELIVERED, None, True
            return
        again = Requeue(part.channel, now, 0) if kind == "throttled" else None
        row = ResultRow(*key, states[kind], kind, requeue=again)
        late = LateReceipt(*key, Receipt(ReceiptKind.SENT))
        resent = part.resent
        self._tick(part.channel, TickInput(late=[(late, row), (late, row)]))
        self._read(key, part)
        if kind == "unknown" or (resent and kind != "sent"):
            assert part.state is PartState.UNKNOWN
            return
        assert part.state in {states[kind], PartState.UNKNOWN}
        if part.state is not PartState.UNKNOWN:
            if kind == "throttled":
                part.attempt += 1
                part.due = now
            part.resend_due = None

    def _read(self, key: tuple[int, int], part: Known) -> None:
        outcome = self.run(self.store.outcome(key[0]))
        assert outcome is not None
        part.words.add(outcome.word)
        state = {
            "delivered": PartState.DELIVERED,
            "failed": PartState.FAILED,
            "unknown": PartState.UNKNOWN,
            "expired": PartState.EXPIRED,
            "withdrawn": PartState.WITHDRAWN,
        }.get(str(outcome.state))
        if state is None:
            state = PartState.SENT if outcome.word == "sent" else part.state
            if outcome.word in {"queued", "throttled"}:
                state = PartState.CLAIMED if key in self.out else PartState.QUEUED
        if part.delivered:
            assert state is PartState.DELIVERED, "delivered was left"
        part.state = state
        part.delivered = state is PartState.DELIVERED
        if state is not PartState.UNKNOWN:
            part.resend_due = None

    @precondition(lambda self: bool(self.model))
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        """Take a message back."""
        key = data.draw(st.sampled_from(sorted(self.model)))
        part = self.model[key]
        self.run(self.store.commit(ChangeSet(withdraw=(key[0],))))
        if part.state is PartState.QUEUED:
            part.state = PartState.WITHDRAWN
        part.resend_due = None

    @rule(seconds=st.sampled_from([1, 29, 60, 600]))
    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.clock.advance(seconds)

    @rule()
    def crash(self) -> None:
        """The owner dies, and another one recovers the open parts."""
        self.run(self.store.close())
        self.store = self.make(self.folder, self.clock)
        self.run(self.store.open())
        self._acquire()
        for channel, lease in self.leases.items():
            found = {(p.submission.id, 0): p for p in self.run(self.store.recover(lease))}
            mine = {
                key: one
                for key, one in self.out.items()
                if one.channel == channel and self.model[key].state is PartState.CLAIMED
            }
            assert found.keys() == mine.keys()
            for key, open_part in found.items():
                assert open_part.submission == mine[key].submission
                assert open_part.flags == mine[key].flags

    @precondition(lambda self: bool(self.stale) and bool(self.out))
    @rule(data=st.data())
    def a_former_owner_comes_back(self, data: st.DataObject) -> None:
        """It may not write."""
        key = data.draw(st.sampled_from(sorted(self.out)))
        row = ResultRow(*key, PartState.FAILED, "failed")
        work = TickInput([row], [], (), (), {Lane.BULK: 9, Lane.URGENT: 9})
        for lease in self.stale[-2:]:
            try:
                self.run(self.store.tick(lease, work))
            except LeaseLost:
                continue
            raise AssertionError("a former owner wrote")

    # -- what always holds -----------------------------------------------------------------

    @invariant()
    def the_counters_are_a_recount_and_nothing_is_lost(self) -> None:
        """Counters, tables and model agree."""
        if not self.leases:
            return
        counted = {
            (row.channel, row.lane, row.state): row.n
            for row in self.run(self.store.counters())
            if row.n
        }
        assert counted == self.recount(self.folder)
        assert sum(counted.values()) == len(self.model)
        model = Counter((part.channel, part.lane, part.state) for part in self.model.values())
        assert counted == model

    @invariant()
    def the_evidence_is_whole_and_the_feed_grows(self) -> None:
        """Every chain verifies, and no row of the feed changes."""
        if not self.leases:
            return
        for chain, length, head in self.run(self.store.chains()):
            rows = [Link(r.seq, r.body, r.hash) for r in self.run(self.store.evidence(chain))]
            verdict = verify(rows)
            assert verdict.is_intact
            assert (verdict.head.seq + 1, verdict.head.hash) == (length, head)
        feed = self.run(self.store.feed(0, 10_000))
        assert [row.seq for row in feed] == sorted({row.seq for row in feed})
        assert len(feed) >= self.fed
        self.fed = len(feed)
