"""Random histories of the SQLite store against a small model."""

import sqlite3
from pathlib import Path

from hypothesis import settings
from typing_extensions import override

from fzalert.messages import Lane
from fzalert.store import PartState, SqliteStore, Store
from fzalert.testing import FakeClock
from fzalert.testing.parcels import make_vault
from fzalert.testing.stores.keeping_machine import KeepingMachine
from fzalert.testing.stores.machine import Counted

RECOUNT = """
    SELECT c.name, p.lane, p.state, count(*) FROM (
        SELECT channel, lane, state FROM flight
        UNION ALL
        SELECT q.channel, q.lane, 0 FROM queue q
            LEFT JOIN flight f ON f.id = q.id AND f.part = q.part WHERE f.id IS NULL
    ) p JOIN channel c ON c.id = p.channel GROUP BY 1, 2, 3
"""


class SqliteMachine(KeepingMachine):
    @override
    def make(self, folder: Path, clock: FakeClock) -> Store:
        return SqliteStore(folder / "fz.db", clock, make_vault)

    @override
    def recount(self, folder: Path) -> Counted:
        connection = sqlite3.connect(folder / "fz.db")
        found = connection.execute(RECOUNT).fetchall()
        connection.close()
        lanes = [Lane.URGENT, Lane.BULK]
        return {(name, lanes[lane], PartState(state)): n for name, lane, state, n in found}


TestSqliteMachine = SqliteMachine.TestCase
TestSqliteMachine.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
