"""What must hold at every moment of every world, whatever was done to it.

A law that is broken is noted, not raised: the code under test would catch it. The world stops at
the next look.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from fzalert.evidence import Link, verify
from fzalert.messages import DeliveryReport, Lane, ReceiptKind, ReportKind, Uplink
from fzalert.ports import Submission
from fzalert.store import PartState
from fzalert.testing.sim.carrier import Carrier, Key, Pdu
from fzalert.testing.sim.chance import Fault

if TYPE_CHECKING:
    from fzalert.testing.sim.channel import Line, SimAdapter
    from fzalert.testing.sim.process import Process
    from fzalert.testing.sim.world import World

__all__ = ["RECOUNT", "Broken", "Laws"]

RESERVED = 5
URGENT_WAITS = 10
"""Seconds that an urgent message may wait for its first PDU while its line is calm and has room."""

RECOUNT = """
    SELECT p.channel, p.lane, p.state, count(*) FROM (
        SELECT channel, lane, state FROM flight
        UNION ALL
        SELECT q.channel, q.lane, 0 FROM queue q
            LEFT JOIN flight f ON f.id = q.id AND f.part = q.part WHERE f.id IS NULL
    ) p GROUP BY 1, 2, 3
"""
CLAIMED, SENT, UNKNOWN = map(int, (PartState.CLAIMED, PartState.SENT, PartState.UNKNOWN))
_REFUSALS = frozenset(ReceiptKind) - {ReceiptKind.SENT, ReceiptKind.UNKNOWN}
_BAD = {ReportKind.UNDELIVERED, ReportKind.EXPIRED}


class Broken(NamedTuple):
    """A law that was broken."""

    law: str
    how: str


class Laws:
    """Holds a world to them.

    Args:
        world: The world.

    Attributes:
        broken: What was broken, the first first.
        forgotten: Parts whose answer was lost with the machine's memory or with the lease.
        intended: How often a part was put into a flight recorder.
        opted_out: Addresses whose opt-out was acknowledged, and when.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.broken: list[Broken] = []
        self.forgotten: set[Key] = set()
        self.intended: Counter[Key] = Counter()
        self.opted_out: dict[str, float] = {}
        self._waits: dict[int, float] = {}

    def complain(self, law: str, how: str) -> None:
        """A law was broken."""
        self.broken.append(Broken(law, how))
        self.world.trace.note("BROKEN", law, how)

    # -- before the line -------------------------------------------------------------------------

    def handed_over(self, adapter: SimAdapter, batch: Sequence[Submission]) -> None:
        """Nothing is handed over too late, and never more than the window."""
        process = adapter.process
        if not process.is_alive:
            return
        now = self.world.clock.millis()
        for part in batch:
            if part.not_after <= now:
                late = now - part.not_after
                self.complain("expiry", f"{part.id}.{part.part} was handed over {late} ms too late")
        slots = process.engine.channels[adapter.traits.name].slots
        window = adapter.capabilities.window
        if len(slots) > adapter.slot and slots[adapter.slot].in_flight > window:
            out = slots[adapter.slot].in_flight
            self.complain("window", f"{adapter.traits.name}: {out} are out, the window is {window}")

    # -- at the gateway --------------------------------------------------------------------------

    def pdu(self, carrier: Carrier, line: Line, pdu: Pdu) -> None:
        """Hold a PDU that arrives against all that left before, and against the disk."""
        part, name = pdu.part, carrier.traits.name
        self._window(carrier, part, len(line.open))
        self._twice(carrier, pdu)
        row = self.world.look(
            "SELECT f.state, f.flags, w.not_before FROM flight f JOIN message m ON m.id = f.id"
            " JOIN warning w ON w.id = m.warning WHERE f.id = ? AND f.part = ?",
            (part.id, part.part),
        ).fetchone()
        if self.world.taken_over:
            if line.process is not self.world.process:
                self.forgotten.add((part.id, part.part))
            return  # a former owner may still write what it holds: the documented gap
        if row is None:
            self.complain("intent", f"{name}: {part.id}.{part.part} left without being claimed")
        elif row[0] != CLAIMED and not row[1]:
            state = PartState(row[0]).name
            self.complain("intent", f"{name}: {part.id}.{part.part} left although it is {state}")
        elif self.world.clock.millis() < row[2] and not self.world.clock_stepped:
            self.complain("quiet", f"{name}: {part.id}.{part.part} left before it was due")

    def _window(self, carrier: Carrier, part: Submission, line_open: int) -> None:
        window = carrier.traits.capabilities.window
        most = window
        if part.lane is Lane.BULK and window > 1:
            most -= -(-window // RESERVED)
        if line_open >= most:
            self.complain("window", f"{carrier.traits.name}: {line_open + 1} of {most} {part.lane}")

    def _twice(self, carrier: Carrier, pdu: Pdu) -> None:
        key = (pdu.part.id, pdu.part.part)
        open_ones = [
            (other, old)
            for other in self.world.carriers.values()
            for old in other.pdus.get(key, ())
            if old.answer not in _REFUSALS
        ]
        if not open_ones or carrier.traits.keeps_state:
            return
        caps = carrier.traits.capabilities
        what = f"{carrier.traits.name}: {key[0]}.{key[1]} ({pdu.part.lane})"
        if any(other is not carrier for other, _ in open_ones):
            self.complain("duplicate", f"{what} moved here while its fate elsewhere is unknown")
        elif caps.idempotent_key:
            if any(old.wire_key != pdu.wire_key for _, old in open_ones):
                self.complain("duplicate", f"{what} was sent again under another key")
        elif any(old.answer is ReceiptKind.SENT for _, old in open_ones):
            if key not in self.forgotten:
                self.complain("duplicate", f"{what} was sent again though it was taken")
        elif pdu.part.lane is Lane.BULK:
            self.complain("duplicate", f"{what} was sent again though its fate is unknown")
        if not caps.idempotent_key and len(open_ones) > 1:
            self.complain("duplicate", f"{what} was sent for the {len(open_ones) + 1}th time")

    def acknowledged(self, row: DeliveryReport | Uplink) -> None:
        """The gateway forgets what it brought."""
        if isinstance(row, Uplink):
            self.opted_out.setdefault(row.source.address, self.world.loop.time())

    # -- on disk ---------------------------------------------------------------------------------

    def conserved(self) -> None:
        """What was accepted is open or final: the counters count every part once."""
        parts, counted = self.world.look(
            "SELECT (SELECT coalesce(sum(parts), 0) FROM message),"
            " (SELECT coalesce(sum(n), 0) FROM counter)"
        ).fetchone()
        if parts != counted:
            self.complain("conservation", f"{parts} parts were accepted, {counted} are counted")

    def recounted(self) -> None:
        """The counters are what the tables say, and nothing that was acknowledged is lost."""
        look = self.world.look
        counted = {row[:3]: row[3] for row in look("SELECT * FROM counter WHERE n <> 0")}
        found = {row[:3]: row[3] for row in look(RECOUNT)}
        if counted != found:
            self.complain("counters", f"counted {counted}, found {found}")
        stored = {row[0] for row in look("SELECT id FROM message")}
        for id_ in self.world.callers.acknowledged:
            if id_ not in stored:
                self.complain("accepted", f"{id_} was acknowledged and is not on disk")

    def proved(self) -> None:
        """Every chain of evidence verifies."""
        look = self.world.look
        for (chain,) in look("SELECT DISTINCT chain FROM evidence").fetchall():
            rows = look("SELECT seq, body, h FROM evidence WHERE chain = ? ORDER BY seq", (chain,))
            if not verify([Link(*row) for row in rows]).is_intact:
                self.complain("evidence", f"the chain {chain} does not verify")

    # -- time ------------------------------------------------------------------------------------

    def tick(self, seconds: float) -> None:
        """So much time passed: nobody urgent waits while its line is calm."""
        world = self.world
        process = world.process
        ready = process is not None and process.is_ready
        if not ready or world.disk_trouble:
            self._waits.clear()
            return
        assert process is not None  # noqa: S101  asked above
        rows = world.look(
            "SELECT m.id, c.name FROM message m JOIN channel c ON c.id = m.channel"
            " LEFT JOIN queue q ON q.id = m.id LEFT JOIN flight f ON f.id = m.id"
            " JOIN warning w ON w.id = m.warning"
            " WHERE m.lane = 0 AND (q.due_at <= ?1 OR f.state = 1) AND w.not_before <= ?1",
            (world.clock.millis(),),
        ).fetchall()
        waiting: dict[int, float] = {}
        for id_, name in rows:
            carrier = world.carriers[name]
            if any((id_, 0) in other.pdus for other in world.carriers.values()):
                continue
            calm = carrier.is_calm(2) and world.loop.time() - process.ready_since > 1
            waiting[id_] = self._waits.get(id_, 0.0) + seconds if calm else 0.0
            if waiting[id_] > URGENT_WAITS:
                self.complain("urgent", f"{id_} waits for {name} since {waiting[id_]:.0f} calm s")
        self._waits = waiting

    # -- the end ---------------------------------------------------------------------------------

    def ended(self, process: Process) -> None:
        """A process that stopped in order leaves no task."""
        own = [
            task.get_name()
            for task in process.tasks
            if not task.done() and not task.get_name().startswith(("main", "caller"))
        ]
        if own:
            self.leaked(process, own)

    def leaked(self, process: Process, names: list[str]) -> None:
        """Tasks that do not end."""
        self.complain("leak", f"process {process.number} left {', '.join(sorted(names))}")

    def open_rows(self) -> list[tuple[int, int, int, str]]:
        """Parts that are not final: (id, part, state, word), a pending resend among them."""
        return self.world.look(
            "SELECT id, part, state, word FROM flight"
            " WHERE state IN (1, 2) OR resend_due IS NOT NULL"
            " UNION ALL SELECT q.id, q.part, 0, 'queued' FROM queue q"
        ).fetchall()

    def final(self) -> None:
        """Hold the fates against what really happened at the gateways."""
        memory_lost = self.world.memory_lost
        for id_, part, state, name in self.world.look(
            "SELECT f.id, f.part, f.state, c.name FROM flight f JOIN channel c ON c.id = f.channel"
        ).fetchall():
            pdus = [
                pdu
                for carrier in self.world.carriers.values()
                for pdu in carrier.pdus.get((id_, part), ())
            ]
            traits = self.world.carriers[name].traits
            if not traits.keeps_state:  # a state is never unknown
                keyed = traits.capabilities.idempotent_key
                lost = memory_lost or self.intended[id_, part] > len(pdus)
                self._true(f"{name}: {id_}.{part}", state, pdus, lost, keyed)
        self._caps()

    def _true(self, what: str, state: int, pdus: list[Pdu], was_lost: bool, keyed: bool) -> None:
        open_ones = [pdu for pdu in pdus if pdu.answer not in _REFUSALS]
        match PartState(state):
            case PartState.DELIVERED if not any(pdu.is_taken for pdu in pdus):
                self.complain("truth", f"{what} is delivered, and no gateway took it")
            case PartState.UNKNOWN if not (was_lost or open_ones or any(p.is_late for p in pdus)):
                self.complain("truth", f"{what} is unknown without a reason")
            case PartState.EXPIRED | PartState.WITHDRAWN | PartState.SUPPRESSED:
                if PartState(state) is PartState.EXPIRED:
                    self.world.chance.fire(Fault.EXPIRED)
                if open_ones:
                    self.complain("truth", f"{what} was {PartState(state).name}, and was sent")
            case PartState.FAILED:
                self._truly_failed(what, pdus, open_ones, keyed)
            case _:
                pass

    def _truly_failed(self, what: str, pdus: list[Pdu], open_ones: list[Pdu], keyed: bool) -> None:
        if keyed:  # a refusal under a key speaks of every attempt under it
            open_ones = [pdu for pdu in open_ones if pdu.is_taken]
        if not pdus:
            self.complain("truth", f"{what} failed, and was never tried")
        elif open_ones and not any(_BAD & pdu.reported for pdu in open_ones):
            self.complain("truth", f"{what} failed, though nobody knows that it did")

    def _caps(self) -> None:
        if self.world.clock_stepped:
            return  # the hour of a contact is an hour of the wall clock
        caps = self.world.caps
        for lane, most in ((Lane.URGENT, caps.urgent_hour), (Lane.BULK, caps.bulk_day)):
            written: dict[str, set[int]] = {}
            for carrier in self.world.carriers.values():
                for (id_, _), pdus in carrier.pdus.items():
                    target = pdus[0].part.target
                    if target.is_personal and pdus[0].part.lane is lane:
                        written.setdefault(target.address, set()).add(id_)
            for ids in written.values():
                if len(ids) > most:
                    self.complain(
                        "cap", f"{len(ids)} {lane} messages to one number, {most} allowed"
                    )


def open_database(path: object) -> sqlite3.Connection:
    """Open the database to look at what is committed, as nobody in the world can."""
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
