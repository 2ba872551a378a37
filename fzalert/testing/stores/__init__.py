"""What every store must do: the tests an author inherits.

An author writes one class with two fixtures and a method:

```python
class TestSqlite(StoreContract):
    single_owner = True

    @pytest.fixture
    async def store(self, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Store]: ...

    async def restart(self, store: Store) -> Store: ...     # closed and open again
```

The random histories of `fzalert.testing.store_machine` belong to the contract too.
"""

from fzalert.testing.stores.accepting import AcceptingContract
from fzalert.testing.stores.base import StoreTests
from fzalert.testing.stores.fates import FatesContract
from fzalert.testing.stores.keeping import KeepingContract
from fzalert.testing.stores.moving import MovingContract
from fzalert.testing.stores.reporting import ReportingContract
from fzalert.testing.stores.settling import SettlingContract

__all__ = ["StoreContract", "StoreTests"]


class StoreContract(
    AcceptingContract,
    FatesContract,
    ReportingContract,
    KeepingContract,
    MovingContract,
    SettlingContract,
):
    """All of it."""
