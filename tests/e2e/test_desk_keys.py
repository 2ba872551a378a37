"""The keys of a desk's own store: changed while it serves, and nothing of before is needed."""

from __future__ import annotations

import json
from pathlib import Path

from fzalert.access import Directory, Role
from fzalert.desk.service import DeskService
from fzalert.desk.settings import load_desk
from fzalert.freeze.package import write_package
from fzalert.testing.processes import ask_until
from tests.e2e.test_desk import Bank
from tests.unit.freezing import CARD
from tests.unit.test_freeze_package import approved, built


async def test_a_supervisor_changes_the_keys_while_the_desk_serves(tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    settings = load_desk(bank.config)
    async with DeskService(settings) as desk:
        await desk.inbox.take(write_package(built(approved())), "青山县公安局")
        chen = Directory().machine_actor("chen", roles=frozenset({Role.BANK_DESK}))
        await desk.duty.hand_over("陈甲", "陈乙", "夜班无事", 1, chen)
        assert await desk.refusals.note("unsigned")
    secret = tmp_path / "password"
    secret.write_text("correct horse battery", encoding="utf-8")

    async def add(name: str, role: str) -> Path:
        words = ("add-user", name, "--role", role, "--password-file", str(secret), "--json")
        token = tmp_path / f"{name}.token"
        token.write_text(json.loads((await bank.desk(*words)).out)["token"], encoding="utf-8")
        return token

    wang, zhao = await add("wang", "supervisor"), await add("zhao", "operator")
    first = settings.master_key.read_bytes()

    async def states() -> dict[int, str]:
        told = await bank.desk("keys", "--token-file", str(wang), "--json")
        assert told.code == 0, told.err
        keys = json.loads(told.out)
        assert not keys["problem"]
        return {one["id"]: one["state"] for one in keys["keys"]}

    async with bank.running() as (program, _):
        refused = await bank.desk("rotate-keys", "--token-file", str(zhao))
        assert refused.code == 4
        assert settings.master_key.read_bytes() == first
        changed = await bank.desk("rotate-keys", "--token-file", str(wang))
        assert changed.code == 0, changed.err
        assert settings.master_key.read_bytes() != first
        (item,) = await bank.items(zhao)
        assert item["application_id"] == "app-1"
        assert (await program.stop()).code == 0
    (former,) = settings.master_key.parent.glob("desk.master.key.old-*")
    former.unlink()
    async with bank.running() as (program, _):

        async def is_over() -> bool:
            return "destroyed" in (await states()).values()

        await ask_until(is_over, "the old data key is not destroyed")
        assert (await program.stop()).code == 0
    async with DeskService(settings) as desk:
        (one,) = await desk.inbox.items()
        assert one.package.account.number == CARD
        assert [refusal.reason for refusal in await desk.refusals.all()] == ["unsigned"]
        duty = await desk.duty.now()
        assert duty is not None
        assert (duty.a, duty.note) == ("陈甲", "夜班无事")
    store = str(settings.store)
    assert (await bank.fzalert("evidence", "verify", "--store", store)).code == 0
