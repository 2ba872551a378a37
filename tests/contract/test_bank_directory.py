"""The desks of `bank.https` come from the directory: an address that waits is not used."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fzalert import bank_desk
from fzalert.messages import ReceiptKind
from fzalert.ports import AdapterContext, DeskRow, HealthState
from fzalert.testing import RecordingWire, make_context, submission
from fzalert.testing.pki import Authority
from fzalert.testing.processes import ask_until
from fzalert_bank import BankConfig, BankDesks
from tests.contract.test_bank import DESK, KEY, FakeDesk, package, until_up

pytestmark = pytest.mark.anyio


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def pair(authority: Authority) -> AsyncIterator[tuple[FakeDesk, FakeDesk]]:
    """The desk where it was, and where it is to be."""
    desks = FakeDesk(authority), FakeDesk(authority)
    for desk in desks:
        await desk.start(authority.certificate)
    yield desks
    for desk in desks:
        await desk.close()


def config(authority: Authority, **more: Any) -> BankConfig:
    ours = authority.issue("county", uris=["fz:county"])
    said = {
        "name": "banks",
        "adapter": "bank.https",
        "certificate": str(ours.certificate),
        "key": str(ours.key),
        "answer_timeout": 5.0,
    }
    return BankConfig.model_validate(said | more)


def row(desk: FakeDesk, authority: Authority, **more: Any) -> DeskRow:
    made = DeskRow(
        DESK,
        package().institution,
        f"https://127.0.0.1:{desk.port}",
        authority.certificate.read_text(encoding="ascii"),
        public_keys=(KEY.public_key.hex(),),
    )
    return replace(made, **more)


async def know(context: AdapterContext, one: DeskRow) -> None:
    await context.state.put(one.key, one.dump())


async def sent(adapter: BankDesks, context: AdapterContext, id: int) -> tuple[ReceiptKind, str]:
    """Hand a package over until its fate is more than that the desk was not asked yet."""
    later = context.clock.millis() + 600_000
    one = submission(bank_desk(DESK), package(), id=id, not_after=later)

    async def told() -> tuple[ReceiptKind, str] | None:
        wire = RecordingWire()
        await adapter.submit([one], wire)
        receipt = wire.receipts[id, 0]
        return None if receipt.code == "line-opening" else (receipt.kind, receipt.code)

    return await ask_until(told, "the desk was asked")


async def test_a_desk_is_where_the_directory_has_it_and_a_new_address_waits(
    authority: Authority, pair: tuple[FakeDesk, FakeDesk]
) -> None:
    old, new = pair
    async with make_context() as context:
        await know(context, row(old, authority))
        tomorrow = context.clock.millis() + 86_400_000
        await know(context, row(new, authority, use_from=tomorrow))
        async with BankDesks(config(authority), context) as adapter:
            assert adapter.capabilities.addresses is None
            await until_up(adapter)
            assert await sent(adapter, context, 7) == (ReceiptKind.SENT, "acknowledged")
            assert (len(await old.received(1, 30)), new._seen) == (1, [])
            # The day is over: from the next sending on it is the new one, and it alone.
            await context.state.put_many({row(new, authority, use_from=tomorrow).key: None})
            await know(context, row(new, authority, use_from=context.clock.millis()))
            assert await sent(adapter, context, 8) == (ReceiptKind.SENT, "acknowledged")
            assert len(await new.received(1, 30)) == 1
            assert len(old._seen) == 1


async def test_a_desk_that_is_in_no_entry_gets_nothing(
    authority: Authority, pair: tuple[FakeDesk, FakeDesk]
) -> None:
    desk, _ = pair
    async with make_context() as context, BankDesks(config(authority), context) as adapter:
        assert (await adapter.health()).state is HealthState.UNKNOWN
        assert await sent(adapter, context, 7) == (ReceiptKind.PERMANENT, "not-for-desk")
        await know(context, row(desk, authority, public_keys=()))
        assert await sent(adapter, context, 8) == (ReceiptKind.PERMANENT, "not-for-desk")
        assert "no key" in (await adapter.health()).detail
        await know(context, row(desk, authority))
        assert await sent(adapter, context, 9) == (ReceiptKind.SENT, "acknowledged")
        assert (await adapter.health()).state is HealthState.UP


async def test_no_other_certificate_than_that_of_the_entry_is_trusted(
    tmp_path: Path, authority: Authority, pair: tuple[FakeDesk, FakeDesk]
) -> None:
    desk, _ = pair
    stranger = Authority(tmp_path, "stranger")
    pem = stranger.certificate.read_text(encoding="ascii")
    async with make_context() as context:
        await know(context, row(desk, authority, certificate=pem))
        # That our own file would trust it counts for nothing.
        found = config(authority, ca=str(authority.certificate))
        async with BankDesks(found, context) as adapter:
            assert await sent(adapter, context, 7) == (ReceiptKind.CHANNEL_DOWN, "no-line")
            assert desk._seen == []


async def test_what_the_directory_says_counts_more_than_the_settings(
    authority: Authority, pair: tuple[FakeDesk, FakeDesk]
) -> None:
    told, approved = pair
    ours = authority.issue("county", uris=["fz:county"])
    table = {
        "name": DESK,
        "url": f"https://127.0.0.1:{told.port}",
        "ca": str(authority.certificate),
        "certificate": str(ours.certificate),
        "key": str(ours.key),
        "public_keys": [KEY.public_key.hex()],
    }
    before = config(authority, certificate=None, key=None, desks=[table])
    async with make_context() as context:
        await know(context, row(approved, authority))
        async with BankDesks(before, context) as adapter:
            await until_up(adapter)
            assert await sent(adapter, context, 7) == (ReceiptKind.SENT, "acknowledged")
            assert (len(approved._seen), told._seen) == (1, [])
