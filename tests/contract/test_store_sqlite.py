"""The SQLite store under the contract of every store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typing_extensions import override

from fzalert.store import SqliteStore, Store
from fzalert.testing import FakeClock
from fzalert.testing.parcels import make_vault
from fzalert.testing.stores import StoreContract


class TestSqlite(StoreContract):
    single_owner = True

    @pytest.fixture
    async def store(self, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Store]:
        self.stores = [SqliteStore(tmp_path / "fz.db", clock, make_vault) for _ in range(2)]
        await self.stores[0].open()
        yield self.stores[0]
        for store in self.stores:
            await store.close()

    @override
    async def restart(self, store: Store) -> Store:
        first, second = self.stores
        await first.close()
        await second.open()
        return second
