"""The service over a real store: warnings, keys, people, approvals, evidence, leaks."""

import asyncio
import functools
import gc
import json
import os
import resource
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import fzalert
from fzalert.background import Background
from fzalert.errors import AccessDenied, DuplicateKey, InputError, StoreError
from fzalert.evidence import verify
from fzalert.evidence.chain import Link
from fzalert.messages import Receipt, ReceiptKind, phone
from fzalert.scripts import Library, approve, encode_event
from fzalert.service.models import CampaignRequest
from fzalert.testing.engine import FarSide, sms
from fzalert.testing.house import House

GENERIC = "generic/general/1"


def taking() -> FarSide:
    """A line that takes everything at once, and says nothing more of it."""
    return FarSide(capabilities=sms(reports=False))


async def test_a_warning_is_taken_delivered_and_read(tmp_path: Path) -> None:
    line = taking()
    house = House(tmp_path, {"sms": line.make})
    async with house.service() as service:
        await house.approve(service)
        fz = house.door(service)
        warning = await fz.warn("generic", to=phone("13800138000"), key="T-1")
        outcome = await warning.outcome(timeout=5)
        assert warning.accepted
        assert (outcome.state, outcome["phone"].channel) == ("delivered", "sms")
        assert "13800138000" not in repr(outcome) + repr(warning)
        assert [view.id for view in await service.recent(5)] == [warning.id]
        assert await service.warning("12345") is None
        assert await service.warning("no id") is None
        assert await service.recent(-1) == []
    assert len(line.written) == 1


async def test_the_same_key_is_the_same_warning_and_never_a_second(tmp_path: Path) -> None:
    line = taking()
    house = House(tmp_path, {"sms": line.make})
    to = phone("13800138000")
    async with house.service() as service:
        await house.approve(service)
        fz = house.door(service)
        many = await asyncio.gather(*(fz.warn("generic", to=to, key="K") for _ in range(20)))
        assert len({warning.id for warning in many}) == 1
        assert (await many[0].outcome(timeout=5)).state == "delivered"
        with pytest.raises(DuplicateKey) as refused:
            await fz.warn("generic", to=phone("13900139000"), key="K")
        assert refused.value.field == "key"
    async with house.service() as service:
        again = await house.door(service).warn("generic", to=to, key="K")
        assert again.id == many[0].id
    assert len(line.written) == 1


async def test_a_cancelled_warn_leaves_nothing_and_its_key_asks_again(tmp_path: Path) -> None:
    line = taking()
    house = House(tmp_path, {"sms": line.make})
    turns = range(0, 60, 3)
    async with house.service() as service, Background() as tasks:
        await house.approve(service)
        fz = house.door(service)
        for turn in turns:
            to, key = phone(f"138{turn:08d}"), f"K{turn}"

            async def warn(to: fzalert.Target = to, key: str = key) -> None:
                await fz.warn("generic", to=to, key=key)

            task = tasks.once("teller", warn)
            for _ in range(turn):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            again = await fz.warn("generic", to=to, key=key)
            assert (await again.outcome(timeout=8)).state == "delivered"
    numbers = [one.part.target.address for one in line.written]
    assert len(numbers) == len(set(numbers)) == len(turns)


async def test_a_warning_that_waits_is_taken_back(tmp_path: Path) -> None:
    line = FarSide(lambda part: Receipt(ReceiptKind.CHANNEL_DOWN, retry_after=60), sms())
    house = House(tmp_path, {"sms": line.make})
    async with house.service() as service:
        await house.approve(service)
        warning = await house.door(service).warn("generic", to=phone("13800138000"))
        await line.until(lambda: bool(line.submitted))
        async with asyncio.timeout(5):
            while (await service.status()).totals.queued == 0:
                await service.changed(0, 0.01)
        await service.withdraw(warning.id, house.local)
        assert (await warning.outcome(timeout=5)).state == "withdrawn"
        with pytest.raises(InputError, match="no such warning"):
            await service.withdraw("12345", house.local)


async def test_who_may_not_is_told_which_role_it_needs(tmp_path: Path) -> None:
    house = House(tmp_path, {"sms": taking().make})
    async with house.service() as service:
        author, approver = await house.approve(service)
        fz = house.door(service)
        with pytest.raises(AccessDenied, match="needs the role teller"):
            await fz.warn("generic", to=phone("13800138000"), by=author)
        with pytest.raises(AccessDenied):
            await service.withdraw("1", author)
        with pytest.raises(AccessDenied):
            await service.approve(GENERIC, author=author, approver=author)
        with pytest.raises(AccessDenied):
            await service.approve(GENERIC, author=approver, approver=author)


async def test_a_person_of_a_drill_does_nothing_real(tmp_path: Path) -> None:
    drill = House(tmp_path, {"sms": taking().make}, "[drill]\nenabled = true\n")
    async with drill.service() as service:
        token = await service.add_user("wang", ["teller"])
    house = House(tmp_path, {"sms": taking().make})
    async with house.service() as service:
        await house.approve(service)
        wang = await service.authenticate(token)
        with pytest.raises(AccessDenied, match="person of a drill"):
            await house.door(service).warn("generic", to=phone("13800138000"), by=wang)
        assert {user.name: user.drill for user in await service.users()}["wang"]


async def test_concurrent_approvals_and_users_all_stand(tmp_path: Path) -> None:
    house = House(tmp_path, {"sms": taking().make})
    async with house.service() as service:
        author, approver = await house.people(service)
        keys = [script.key for script in await service.scripts()][:12]
        await asyncio.gather(
            *(service.approve(key, author=author, approver=approver) for key in keys)
        )
        tokens = await asyncio.gather(
            *(service.add_user(f"teller-{n}", ["teller"]) for n in range(12))
        )
        same = await asyncio.gather(
            *(service.add_user("same", ["teller"]) for _ in range(5)), return_exceptions=True
        )
        assert sum(isinstance(found, str) for found in same) == 1
        assert sum(isinstance(found, InputError) for found in same) == 4
    async with house.service() as service:
        approved = {one.key for one in await service.scripts() if one.status == "approved"}
        assert approved == set(keys)
        for n, token in enumerate(tokens):
            assert (await service.authenticate(token)).id == f"user:teller-{n}"


async def test_a_conflicting_approval_is_a_clear_error_and_may_be_repeated(
    tmp_path: Path,
) -> None:
    house = House(tmp_path, {"sms": taking().make})
    other = Library.load().by_key("impersonating-police/general/1")
    async with house.service() as service:
        author, approver = await house.people(service)
        event = approve(other, author=author.id, approver=approver.id, at=house.clock.millis())
        with sqlite3.connect(house.settings.store.path) as another:  # a machine on the same store
            another.execute(
                "INSERT INTO event VALUES ('approvals', 1, 0, 'user:li', 'script.approved', ?)",
                (encode_event(event),),
            )
        another.close()
        with pytest.raises(StoreError, match="Somebody changed it meanwhile") as refused:
            await service.approve(GENERIC, author=author, approver=approver)
        assert refused.value.retry is fzalert.Retry.NOW
        assert (await service.approve(GENERIC, author=author, approver=approver)).status
        approved = {one.key for one in await service.scripts() if one.status == "approved"}
        assert approved == {GENERIC, other.key}


async def test_a_withdrawn_approval_stops_the_script(tmp_path: Path) -> None:
    house = House(tmp_path, {"sms": taking().make})
    async with house.service() as service:
        _, approver = await house.approve(service)
        await service.unapprove(GENERIC, by=approver)
        with pytest.raises(fzalert.ScriptNotApproved):
            await house.door(service).warn("generic", to=phone("13800138000"))
    async with house.service() as service:
        status = {one.key: one.status for one in await service.scripts()}
        assert status[GENERIC] == "draft"


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file of this process grow beyond 32 kB."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (32_768, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_is_an_outcome_and_what_failed_is_forgotten(tmp_path: Path) -> None:
    line = taking()
    house = House(tmp_path, {"sms": line.make})
    async with house.service() as service:
        author, approver = await house.approve(service)
        fz = house.door(service)
        with full_disk():
            refused = await fz.warn("generic", to=phone("13800138000"), key="K")
            with pytest.raises(StoreError):
                await service.add_user("wang", ["teller"])
            with pytest.raises(StoreError):
                await service.approve("romance/general/1", author=author, approver=approver)
        assert not refused.accepted
        outcome = await refused.outcome(timeout=1)
        assert outcome.state == "failed"
        assert outcome.failed[0].code == "store-full"
        assert "Free space" in outcome.failed[0].detail
        # Nothing of it stands, so all of it may be done again.
        assert await service.add_user("wang", ["teller"])
        view = await service.approve("romance/general/1", author=author, approver=approver)
        assert view.status == "approved"
        warning = await fz.warn("generic", to=phone("13800138000"), key="K")
        assert (await warning.outcome(timeout=5)).state == "delivered"
    assert len(line.written) == 1


async def test_a_store_that_does_not_answer_is_an_outcome_in_time(tmp_path: Path) -> None:
    line = taking()
    house = House(tmp_path, {"sms": line.make})
    loop = asyncio.get_running_loop()
    async with house.service() as service:
        await house.approve(service)
        fz = house.door(service)
        blocker = sqlite3.connect(house.settings.store.path, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        begun = loop.time()
        late = await fz.warn("generic", to=phone("13800138000"), key="K")
        assert loop.time() - begun < 7
        assert (await late.outcome()).state in {"unknown", "failed"}
        blocker.execute("ROLLBACK")
        blocker.close()
        warning = await fz.warn("generic", to=phone("13800138000"), key="K")
        assert (await warning.outcome(timeout=10)).state == "delivered"
    assert len(line.written) == 1


async def test_a_closed_service_is_an_outcome_too(tmp_path: Path) -> None:
    house = House(tmp_path, {"sms": taking().make})
    async with house.service() as service:
        await house.approve(service)
        fz = house.door(service)
        warning = await fz.warn("generic", to=phone("13800138000"))
        await warning.outcome(timeout=5)
    late = await fz.warn("generic", to=phone("13900139000"))
    assert (await late.outcome()).state == "failed"
    assert (await late.outcome()).failed[0].code == "not-connected"
    assert (await warning.outcome(timeout=1)).state == "delivered"


async def test_warnings_while_it_closes_are_taken_or_refused_and_never_raise(
    tmp_path: Path,
) -> None:
    line = taking()
    house = House(tmp_path, {"sms": line.make})
    async with Background() as tasks:
        async with house.service() as service:
            await house.approve(service)
            fz = house.door(service)
            found: list[fzalert.WarningHandle] = []

            async def warn(n: int) -> None:
                found.append(await fz.warn("generic", to=phone(f"138{n:08d}"), key=f"K{n}"))

            running = [tasks.once("teller", functools.partial(warn, n)) for n in range(40)]
            await asyncio.sleep(0)
        await asyncio.wait(running, timeout=10)
    assert len(found) == 40
    taken = {warning.id for warning in found if warning.accepted}
    async with house.service() as service:
        for id_ in taken:
            view = await service.warning(id_, wait=10)
            assert view is not None
            assert view.state == "delivered"
    numbers = [one.part.target.address for one in line.written]
    assert len(numbers) == len(set(numbers)) >= len(taken)


async def test_what_was_decided_stands_in_a_chain_that_verifies(tmp_path: Path) -> None:
    house = House(tmp_path, {"sms": taking().make})
    async with house.service() as service:
        _, approver = await house.approve(service)
        warning = await house.door(service).warn("generic", to=phone("13800138000"))
        await warning.outcome(timeout=5)
        file = house.list_of(f"139{n:08d}" for n in range(5))
        request = CampaignRequest(name="宣传", file=file, script="generic")
        campaign = await service.plan_campaign(request, house.local)
        await service.steer_campaign(campaign.id, "start", house.local)
        await house.campaign(service, campaign.id, "done")
        await service.disable_user("author")
        await service.unapprove(GENERIC, by=approver)
    whats = _verified(house.settings.store.path)
    for what in (
        "user.add",
        "script.approve",
        "warning.accept",
        "campaign.create",
        "campaign.running",
        "campaign.done",
        "user.disable",
        "script.withdraw",
    ):
        assert what in whats, what


def _verified(store: Path) -> set[str]:
    """Check every chain of a store; returns what was recorded."""
    db = sqlite3.connect(store)
    rows = db.execute("SELECT chain, seq, body, h FROM evidence ORDER BY chain, seq").fetchall()
    db.close()
    for chain in {row[0] for row in rows}:
        verdict = verify(Link(*row[1:]) for row in rows if row[0] == chain)
        assert verdict.is_intact, verdict.fault
    assert not any(b"13800138000" in row[2] for row in rows)
    return {json.loads(row[2])["what"] for row in rows}


def _descriptors() -> set[str]:
    found: set[str] = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            found.add(os.readlink(f"/proc/self/fd/{name}"))
        except FileNotFoundError:
            continue
    return found


async def test_opened_and_closed_twenty_times_it_leaves_nothing(tmp_path: Path) -> None:
    house = House(tmp_path, {"sms": taking().make})
    async with house.service() as service:
        await house.approve(service)
    gc.collect()
    tasks, files = asyncio.all_tasks(), _descriptors()
    for n in range(20):
        async with house.service() as service:
            warning = await house.door(service).warn("generic", to=phone(f"138{n:08d}"))
            assert (await warning.outcome(timeout=5)).state == "delivered"
            await service.status()
    assert asyncio.all_tasks() == tasks
    assert [one.name for one in threading.enumerate() if one.name.startswith("fzalert")] == []
    gc.collect()
    left = {name for name in _descriptors() - files if str(tmp_path) in name or "socket" in name}
    assert left == set()
    assert [
        name for name in os.listdir(house.settings.data_directory) if name.endswith(".sock")
    ] == []
