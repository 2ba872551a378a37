"""The anchor: how far the database was, kept outside of it."""

import itertools
import shutil
from pathlib import Path

import pytest

from fzalert.clock import SystemClock
from fzalert.errors import StoreRolledBack
from fzalert.messages import Lane
from fzalert.store import PartState, SqliteStore, TickInput, UnknownQuery
from fzalert.testing.parcels import Parcels, make_vault

FIRST = itertools.count(1000, 1000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fz.db"


def made(path: Path, *, anchor: Path | None = None, resume_by: str = "") -> SqliteStore:
    return SqliteStore(path, SystemClock(), make_vault, anchor=anchor, resume_by=resume_by)


async def filled(path: Path, *, anchor: Path | None = None) -> None:
    """A store of which three parts wait, one is out, one is unknown and due again."""
    store = made(path, anchor=anchor)
    await store.open()
    parcels = Parcels(SystemClock(), first=next(FIRST))
    lease = await store.acquire("sms", 0, "me", 10)
    assert lease is not None
    await store.commit(parcels.change(4))
    await store.tick(lease, TickInput(want={Lane.BULK: 1}))
    await store.close()


async def counted(store: SqliteStore) -> dict[PartState, int]:
    return {row.state: row.n for row in await store.counters() if row.n}


async def test_the_newest_database_opens_again_and_again(path: Path) -> None:
    for _ in range(3):
        await filled(path)


async def test_an_older_copy_is_refused_until_somebody_goes_on_with_it_unknown(
    path: Path,
) -> None:
    await filled(path)
    old = path.with_suffix(".old")
    shutil.copy(path, old)
    await filled(path)
    shutil.copy(old, path)
    for _ in range(2):
        with pytest.raises(StoreRolledBack, match="transactions older") as refused:
            await made(path).open()
        assert "--resume-as-unknown" in refused.value.hint
    store = made(path, resume_by="local:wang")
    await store.open()
    assert await counted(store) == {PartState.UNKNOWN: 4}
    rows, total = await store.unknowns(UnknownQuery())
    assert total == 4
    assert {row.detail for row in rows} == {
        "the database was put back from an older copy; it may have been sent since"
    }
    lease = await store.acquire("sms", 0, "me", 10)
    assert lease is not None
    assert await store.recover(lease) == []
    assert (await store.tick(lease, TickInput(want={Lane.BULK: 9}))).claimed == ()
    heads = [await store.evidence(chain) for chain, *_ in await store.chains()]
    assert any(b'"store.resume"' in row.body and b"local:wang" in row.body for row in heads[0])
    await store.close()
    await filled(path)  # and from then on as ever


async def test_a_lost_or_foreign_anchor_counts_as_an_older_copy(path: Path, tmp_path: Path) -> None:
    anchor = tmp_path / "elsewhere" / "fz.anchor"
    await filled(path, anchor=anchor)
    assert not path.with_name("fz.db.anchor").exists()
    await filled(path, anchor=anchor)
    with pytest.raises(StoreRolledBack, match="its anchor is gone"):
        await made(path).open()
    other = tmp_path / "other.db"
    await filled(other)
    with pytest.raises(StoreRolledBack, match="another store"):
        await made(path, anchor=other.with_name("other.db.anchor")).open()
    anchor.write_bytes(b"junk" * 1024)
    with pytest.raises(StoreRolledBack):
        await made(path, anchor=anchor).open()
    store = made(path, anchor=anchor, resume_by="me")
    await store.open()
    await store.close()
    await filled(path, anchor=anchor)


async def test_resuming_where_nothing_was_put_back_changes_nothing(path: Path) -> None:
    await filled(path)
    store = made(path, resume_by="me")
    await store.open()
    assert await counted(store) == {PartState.QUEUED: 3, PartState.CLAIMED: 1}
    await store.close()
