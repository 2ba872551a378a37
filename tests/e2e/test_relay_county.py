"""The county's side: what a branch hands over is proved, taken once, limited, and answered for."""

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import fzalert
from fzalert.access import Actor
from fzalert.errors import (
    AccessDenied,
    BranchLimit,
    CertificateUnknown,
    ClockDiffers,
    CredentialExpired,
    CredentialRevoked,
    DrillDiffers,
    DuplicateKey,
    FzalertError,
    InputError,
    NotForBranch,
    ScriptDiffers,
    ScriptNotApproved,
    UnknownScript,
    UnknownTarget,
    WindowOver,
)
from fzalert.scripts import Library
from fzalert.service import Service
from fzalert.service.models import FatePage, RelayRequest, UserChange
from fzalert.testing.engine import FarSide, sms
from fzalert.testing.house import House

TOML = """
[[relay.branch]]
name = "chengguan"
targets = ["phone:*"]
branch = "城关支行"
urgent_hour = 5
[[relay.branch]]
name = "xinqiao"
[limits.quiet_hours]
enabled = false
[limits.per_number.urgent]
hour = 100
day = 100
"""
POLICE = Library.load().get("impersonating-police")


@pytest.fixture
def far() -> FarSide:
    return FarSide(capabilities=sms(reports=False))


@pytest.fixture
def house(tmp_path: Path, far: FarSide) -> House:
    return House(tmp_path, {"sms": far.make}, TOML)


async def machine(service: Service, name: str = "chengguan", **more: Any) -> Actor:
    wanted = UserChange(action="add", name=name, roles=["relay"], machine=True, **more)
    return await service.authenticate(await service.change_user(wanted))


@pytest.fixture
async def county(house: House) -> AsyncIterator[Service]:
    async with house.service() as service:
        await house.approve(service)
        yield service


def handed_over(house: House, **change: Any) -> RelayRequest:
    now = house.clock.millis()
    return RelayRequest.model_validate(
        {
            "script": POLICE.id,
            "audience": "general",
            "language": "zh",
            "version": 1,
            "digest": POLICE.digest,
            "values": {"branch": "城关支行"},
            "target": "phone:+8613800138000",
            "lane": "urgent",
            "not_after": now + 600_000,
            "sent_at": now,
            **change,
        }
    )


async def page(county: Service, by: Actor, after: int = 0, wait: float = 20) -> FatePage:
    store = (await county.relay_fates(by, after=0, store="", limit=1, wait=0)).store
    return await county.relay_fates(by, after=after, store=store, limit=100, wait=wait)


async def test_a_warning_is_taken_sent_and_its_fate_waits_until_it_is_acknowledged(
    county: Service, house: House, far: FarSide
) -> None:
    by = await machine(county)
    answer = await county.relay(handed_over(house), "7.0", by)
    first = await page(county, by)
    assert [(one.message, one.word) for one in first.items] == [(answer.message, "delivered")]
    assert (await page(county, by)).items == first.items, "given again until it is acknowledged"
    last = first.items[-1].seq
    assert (await page(county, by, after=last, wait=0)).items == []
    assert (await page(county, by, wait=0)).items == []
    view = await county.warning(answer.warning)
    assert view is not None
    assert (view.by, view.script) == ("peer:chengguan", POLICE.key)


async def test_a_position_of_another_store_or_from_the_future_acknowledges_nothing(
    county: Service, house: House
) -> None:
    by = await machine(county)
    await county.relay(handed_over(house), "7.0", by)
    assert (await page(county, by)).items
    other = await county.relay_fates(by, after=10**6, store="another", limit=9, wait=0)
    assert len(other.items) == 1
    assert len((await page(county, by, after=10**12, wait=0)).items) == 1


async def test_the_same_key_gets_the_same_answer_also_after_a_restart(
    house: House, far: FarSide
) -> None:
    async with house.service() as service:
        await house.approve(service)
        by = await machine(service)
        request = handed_over(house)
        first = await service.relay(request, "7.0", by)
        again = await service.relay(
            request.model_copy(update={"sent_at": request.sent_at + 5000}), "7.0", by
        )
        assert (again.message, again.again) == (first.message, True)
        with pytest.raises(DuplicateKey):
            await service.relay(
                request.model_copy(update={"target": "phone:13900139000"}), "7.0", by
            )
        await page(service, by)
        await service.unapprove(POLICE.key, by=service.local_actor())
    house.clock.shift = timedelta(minutes=20)
    async with house.service() as service:
        late = await service.relay(request, "7.0", by)
        assert late.message == first.message, "whatever holds by now"
        assert (await service.status()).totals.accepted == 1


async def test_the_same_key_of_another_branch_is_another_warning(
    county: Service, house: House
) -> None:
    one, other = await machine(county), await machine(county, "xinqiao")
    await county.relay(handed_over(house), "7.0", one)
    with pytest.raises(NotForBranch):
        await county.relay(handed_over(house), "7.0", other)


REFUSED: list[tuple[dict[str, Any], type[FzalertError], str]] = [
    ({"script": "no-such-script"}, UnknownScript, "unknown-script"),
    ({"version": 2}, UnknownScript, "unknown-script"),
    ({"language": "bo"}, UnknownScript, "unknown-script"),
    ({"digest": "0" * 64}, ScriptDiffers, "script-differs"),
    ({"not_after": 1}, WindowOver, "window-over"),
    ({"drill": True}, DrillDiffers, "drill-differs"),
    ({"target": "display:lobby"}, NotForBranch, "not-for-branch"),
    ({"target": "phone:12"}, InputError, "input"),
    ({"target": "nobody"}, InputError, "input"),
    ({"values": {"branch": "点此链接领奖"}}, InputError, "input"),
    ({"values": {"note": "free text"}}, InputError, "input"),
    ({"values": {"branch": "城关支行13800138000"}}, InputError, "input"),
]


@pytest.mark.parametrize(("change", "kind", "code"), REFUSED)
async def test_a_refusal_has_its_name_sends_nothing_and_is_the_answer_to_its_key(
    change: dict[str, Any],
    kind: type[FzalertError],
    code: str,
    county: Service,
    house: House,
    far: FarSide,
) -> None:
    by = await machine(county)
    request = handed_over(house, **change)
    texts = []
    for _ in range(2):
        with pytest.raises(kind) as refused:
            await county.relay(request, "7.0", by)
        assert refused.value.code == code
        texts.append(str(refused.value))
    assert texts[0] == texts[1]
    assert (await county.status()).totals.accepted == 0
    for given in ("点此链接领奖", "free text", "13800138000"):
        assert given not in texts[0], "what a branch gave is not repeated"


async def test_a_draft_is_refused(house: House) -> None:
    async with house.service() as service:
        by = await machine(service)
        with pytest.raises(ScriptNotApproved):
            await service.relay(handed_over(house), "7.0", by)


@pytest.mark.parametrize("apart", [-301_000, 301_000])
async def test_a_wrong_clock_takes_nothing_and_may_come_again(
    apart: int, county: Service, house: House
) -> None:
    by = await machine(county)
    with pytest.raises(ClockDiffers):
        await county.relay(handed_over(house, sent_at=house.clock.millis() + apart), "7.0", by)
    assert not (await county.relay(handed_over(house), "7.0", by)).again


async def test_a_window_is_never_longer_than_the_countys_own(county: Service, house: House) -> None:
    by = await machine(county)
    day = handed_over(house, not_after=house.clock.millis() + 86_400_000)
    view = await county.warning((await county.relay(day, "7.0", by)).warning)
    assert view is not None
    now = house.clock.now()
    assert datetime.fromisoformat(view.not_after) - now <= timedelta(minutes=10)


async def test_a_branch_has_a_limit_of_its_own_that_survives_a_restart(house: House) -> None:
    half_past = house.clock.now().replace(minute=30)  # no hour ends while this runs
    house.clock.set(half_past)
    async with house.service() as service:
        await house.approve(service)
        by = await machine(service)
        first = handed_over(house)
        for number in range(4):
            await service.relay(first, f"{number}.0", by)
        assert (await service.relay(first, "0.0", by)).again, "no new one, no count"
    async with house.service() as service:
        await service.relay(handed_over(house), "4.0", by)
        with pytest.raises(BranchLimit) as full:
            await service.relay(handed_over(house), "5.0", by)
        assert full.value.retry_after is not None
        assert timedelta(0) < full.value.retry_after <= timedelta(hours=1)
        house.clock.set(half_past + timedelta(hours=1))
        assert not (await service.relay(handed_over(house), "5.0", by)).again


async def test_without_a_list_a_branch_addresses_what_bears_its_name(
    county: Service, house: House
) -> None:
    by = await machine(county, "xinqiao")
    for target in ("display:lobby", "display:xinqiao", "display:xinqiaodong-1", "speaker:atm-1"):
        with pytest.raises(NotForBranch):
            await county.relay(handed_over(house, target=target, values={}), target, by)
    with pytest.raises(UnknownTarget):  # it may, and this county has no screens
        await county.relay(handed_over(house, target="display:xinqiao-1", values={}), "9.0", by)


async def test_whoever_is_no_branch_may_not(county: Service, house: House) -> None:
    teller = await county.authenticate(await county.add_user("wang", ["teller"]))
    for by in (teller, county.local_actor()):
        with pytest.raises(AccessDenied):
            await county.relay(handed_over(house), "7.0", by)
        with pytest.raises(AccessDenied):
            await county.relay_fates(by, after=0, store="", limit=1, wait=0)
    stranger = await machine(county, "elsewhere")
    with pytest.raises(NotForBranch):
        await county.relay(handed_over(house), "7.0", stranger)


async def test_a_branch_may_do_nothing_else(county: Service, house: House) -> None:
    by = await machine(county)
    with pytest.raises(AccessDenied):
        await county.withdraw("1", by)
    with pytest.raises(AccessDenied):
        await house.door(county).warn("generic", to=fzalert.phone("13800138000"), by=by)


async def test_changes_and_refusals_of_credentials_are_on_record(house: House) -> None:
    print_of = "sha256:" + "a" * 64
    async with house.service() as service:
        wanted = UserChange(action="add", name="chengguan", roles=["relay"], machine=True, days=1)
        token = await service.change_user(wanted)
        for _ in range(3):
            with pytest.raises(CertificateUnknown):
                await service.by_certificate(print_of, [])
        for action in ("bind", "unbind"):
            change = {"action": action, "name": "chengguan", "certificates": [print_of]}
            await service.change_user(UserChange.model_validate(change))
        with pytest.raises(CredentialRevoked):
            await service.by_certificate(print_of, [])
        house.clock.shift = timedelta(days=1, minutes=1)
        with pytest.raises(CredentialExpired):
            await service.authenticate(token)
        await service.change_user(UserChange(action="revoke", name="chengguan"))
        (view,) = [user for user in await service.users() if user.name == "chengguan"]
        assert view.machine
    async with house.service() as service:
        (again,) = [user for user in await service.users() if user.name == "chengguan"]
        assert again == view, "as it was, after a restart"
        with pytest.raises(CredentialRevoked):
            await service.by_certificate(print_of, [])
        store = service._open.building.store
        rows = [row for name, *_ in await store.chains() for row in await store.evidence(name)]
    said = [json.loads(row.body) for row in rows]
    what = [one["what"] for one in said if one["what"].startswith(("user.", "access."))]
    refused = [one["why"] for one in said if one["what"] == "access.refused"]
    assert what.count("user.bind") == what.count("user.unbind") == what.count("user.revoke") == 1
    assert refused[:3] == ["certificate-unknown", "credential-revoked", "credential-expired"]
    assert token.partition(".")[2] not in repr(rows)
