"""Random histories of what a store keeps beside the parts: deadlines, feeders' cursors, leases.

They run among the histories of the parts, so that each kind of change meets every other one, and
crashes in between.
"""

# Tests: S101 they assert.
# ruff: noqa: S101
from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from fzalert.errors import LeaseLost
from fzalert.messages import Lane
from fzalert.store import AudienceRow, CampaignRow, ChangeSet, Deadline, PartState, TickInput
from fzalert.testing.parcels import number
from fzalert.testing.stores.machine import CHANNELS, MINUTE, Known, StoreMachine

__all__ = ["KeepingMachine"]

CAMPAIGN = 77
NAMES = ("answer", "renew")


class KeepingMachine(StoreMachine):
    """Deadlines, one campaign that is fed, and leases that change hands."""

    def __init__(self) -> None:
        super().__init__()
        self.deadlines: dict[tuple[str, str], int] = {}
        self.audience: list[str] = []
        self.fed_to: list[str] = []
        self.campaign: CampaignRow | None = None

    # -- deadlines ---------------------------------------------------------------------------

    @rule(
        owner=st.sampled_from(["case/1", "case/2"]),
        name=st.sampled_from(NAMES),
        wait=st.one_of(st.none(), st.integers(-5, 120)),
    )
    def set_a_deadline(self, owner: str, name: str, wait: int | None) -> None:
        """Set, move or remove one."""
        due = None if wait is None else self.clock.millis() + wait * 1000
        self.run(self.store.commit(ChangeSet(deadlines=(Deadline(owner, name, due, b"x"),))))
        if due is None:
            self.deadlines.pop((owner, name), None)
        else:
            self.deadlines[owner, name] = due

    @invariant()
    def what_is_due_is_told_soonest_first(self) -> None:
        """As many as are due, none else."""
        if not self.leases:
            return
        now = self.clock.millis()
        told = self.run(self.store.deadlines(now, 10))
        due = {key: at for key, at in self.deadlines.items() if at <= now}
        assert {(row.owner, row.name): row.due_at for row in told} == due
        assert [row.due_at for row in told] == sorted(due.values())

    # -- a campaign --------------------------------------------------------------------------

    @rule(people=st.lists(st.integers(0, 40), min_size=1, max_size=6))
    def import_people(self, people: list[int]) -> None:
        """Add to the audience; whoever is there already is left out."""
        if self.campaign is None:
            change = self.parcels.change()
            self.run(self.store.commit(change))
            warning, message = change.accepts[0].warning, change.accepts[0].messages[0]
            self.model[message.id, 0] = Known(
                Lane.BULK, "sms", PartState.QUEUED, warning.not_before, warning.not_after
            )
            self.campaign = CampaignRow(CAMPAIGN, "county", warning.id, "running", 0, 0, 0, b"{}")
        first = len(self.audience) + 1
        rows: list[AudienceRow] = []
        for n in people:
            address = number(n).address
            if address not in self.audience and all(row.target != number(n) for row in rows):
                rows.append(AudienceRow(first + len(rows), number(n), ""))
        again = [AudienceRow(900 + n, number(n), "") for n in people]
        change_set = ChangeSet(audience=((CAMPAIGN, (*rows, *again)),), campaigns=(self.campaign,))
        assert self.run(self.store.commit(change_set)).added == len(rows)
        self.audience += [row.target.address for row in rows]

    @precondition(lambda self: self.campaign is not None)
    @rule(limit=st.integers(1, 4), window=st.sampled_from([MINUTE // 2, 30 * MINUTE]))
    def feed(self, limit: int, window: int) -> None:
        """Accept the next of them; the cursor moves in the same commit."""
        assert self.campaign is not None
        people = self.run(self.store.audience(CAMPAIGN, self.campaign.cursor, limit))
        if not people:
            assert self.fed_to == self.audience
            return
        now = self.clock.millis()
        acceptance = self.parcels.accept(
            targets=[row.target for row in people],
            warning=self.campaign.warning,
            not_after=now + window,
        )
        moved = self.campaign._replace(cursor=people[-1].row)
        self.run(self.store.commit(ChangeSet(accepts=(acceptance,), campaigns=(moved,))))
        self.campaign = moved
        self.fed_to += [row.target.address for row in people]
        for message in acceptance.messages:
            self.model[message.id, 0] = Known(Lane.BULK, "sms", PartState.QUEUED, now, now + window)

    @invariant()
    def the_feeder_is_where_it_was(self) -> None:
        """Nobody is fed twice or left out, whatever crashed."""
        if not self.leases:
            return
        assert len(set(self.fed_to)) == len(self.fed_to)
        assert self.fed_to == self.audience[: len(self.fed_to)]
        stored = self.run(self.store.campaigns())
        assert stored == ([self.campaign] if self.campaign is not None else [])

    # -- leases ------------------------------------------------------------------------------

    @rule(channel=st.sampled_from(CHANNELS), gives_back=st.booleans())
    def a_lease_changes_hands(self, channel: str, gives_back: bool) -> None:
        """The next owner has a higher epoch, and the former one may not tick any more."""
        former = self.leases[channel]
        if gives_back:
            self.run(self.store.release(former))
        lease = self.run(self.store.acquire(channel, 0, "the next", 10))
        assert lease is not None
        assert lease.epoch > former.epoch
        self.leases[channel] = lease
        self.stale.append(former)
        self.run(self.store.release(former))  # too late: it changes nothing for its heir
        try:
            self.run(self.store.tick(former, TickInput(want={Lane.BULK: 1})))
        except LeaseLost:
            return
        raise AssertionError("a former owner ticked")
