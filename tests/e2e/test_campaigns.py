"""Campaigns over a real store: fed at the channel's pace, steered, killed, stopped by rules."""

import asyncio
import hashlib
import sqlite3
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fzalert.errors import AccessDenied, InputError, ScriptNotApproved, UnknownTarget
from fzalert.messages import Receipt, ReceiptKind, Scope, phone
from fzalert.service import Service
from fzalert.service.models import CampaignRequest, CampaignView, WarnRequest
from fzalert.testing.engine import FarSide, sms
from fzalert.testing.house import House, ShiftedClock

KEY = "generic/general/1"
QUIET = '[limits.quiet_hours]\nstart = "21:00"\nend = "08:00"\n'
NOON = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)  # 12:00 in China
NIGHT = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)  # 22:00
MORNING = datetime(2026, 11, 25, 0, 0, 1, tzinfo=UTC)  # 08:00


def taking(rate: float | None = None, window: int = 16) -> FarSide:
    return FarSide(capabilities=sms(window, rate=rate, reports=False))


def numbers(count: int, first: int = 0) -> list[str]:
    return [f"138{n:08d}" for n in range(first, first + count)]


def received(*fars: FarSide) -> list[str]:
    return [one.part.target.address[3:] for far in fars for one in far.written]


async def plan(house: House, service: Service, people: list[str], **kinds: object) -> CampaignView:
    fields = {"name": "宣传", "script": "generic", "file": house.list_of(people), **kinds}
    return await service.plan_campaign(CampaignRequest.model_validate(fields), house.local)


async def started(
    house: House, service: Service, people: list[str], **kinds: object
) -> CampaignView:
    view = await plan(house, service, people, **kinds)
    return await service.steer_campaign(view.id, "start", house.local)


async def test_everybody_of_a_list_is_written_to_once(tmp_path: Path) -> None:
    far = taking()
    house = House(tmp_path, {"sms": far.make})
    people = numbers(1500)
    async with house.service() as service:
        await house.approve(service)
        planned = await plan(house, service, [*people, people[0], "12345"])
        assert (planned.state, planned.total, planned.rows) == ("ready", 1500, 1502)
        assert (planned.duplicates, planned.refused) == (1, 1)
        await service.steer_campaign(planned.id, "start", house.local)
        done = await house.campaign(service, planned.id, "done")
        assert (done.fed, done.reason) == (1500, "")
        await far.until_written(1500)
    assert received(far) == people


async def test_no_more_than_ten_seconds_of_the_rate_ever_wait(tmp_path: Path) -> None:
    far = taking(rate=40, window=4)
    house = House(tmp_path, {"sms": far.make})
    most = 0
    async with house.service() as service:
        await house.approve(service)
        view = await started(house, service, numbers(2000))
        for _ in range(40):
            status = (await service.status()).channels[0]
            most = max(most, status.counters.queued + status.ready_bulk)
            await service.changed(0, 0.02)
            await house.clock.sleep(0.02)
        await service.steer_campaign(view.id, "cancel", house.local)
    assert 1 <= most <= 40 * 10
    assert most <= 2 * 40, "about a second's worth is enough"


async def test_a_pause_holds_within_a_second_and_resumes_at_the_exact_row(tmp_path: Path) -> None:
    far = taking(rate=200)
    house = House(tmp_path, {"sms": far.make})
    people = numbers(900)
    loop = asyncio.get_running_loop()
    async with house.service() as service:
        await house.approve(service)
        view = await started(house, service, people)
        await far.until_written(150)
        paused = await service.steer_campaign(view.id, "pause", house.local)
        at = loop.time()
        assert paused.state == "paused"
        await far.until(lambda: len(far.written) == paused.fed)
        assert loop.time() - at < 1.5
        assert len(far.written) < 900
        await house.clock.sleep(0.5)
        still = {one.id: one for one in await service.campaigns()}[view.id]
        assert (still.state, still.fed) == ("paused", paused.fed)
        assert len(far.written) == paused.fed
        await service.steer_campaign(view.id, "resume", house.local)
        await house.campaign(service, view.id, "done")
        await far.until_written(900)
    assert received(far) == people


async def test_a_cancelled_campaign_ends_for_good(tmp_path: Path) -> None:
    far = taking(rate=100)
    house = House(tmp_path, {"sms": far.make})
    async with house.service() as service:
        await house.approve(service)
        view = await started(house, service, numbers(500))
        await far.until_written(20)
        cancelled = await service.steer_campaign(view.id, "cancel", house.local)
        assert cancelled.state == "cancelled"
        assert cancelled.fed < 500
        for action in ("start", "resume", "pause"):
            with pytest.raises(InputError, match="cancelled cannot") as refused:
                await service.steer_campaign(view.id, action, house.local)
            assert refused.value.field == "action"
        assert (await service.steer_campaign(view.id, "cancel", house.local)).state == "cancelled"
    assert len(far.written) <= cancelled.fed


async def test_one_that_is_closed_again_and_again_goes_on_without_a_duplicate(
    tmp_path: Path,
) -> None:
    people = numbers(700)
    fars: list[FarSide] = []
    for _ in range(30):
        far = taking(rate=300)
        fars.append(far)
        house = House(tmp_path, {"sms": far.make})
        async with house.service() as service:
            if len(fars) == 1:
                await house.approve(service)
                await started(house, service, people)
            await far.until_written(min(60, len(people) - len(received(*fars[:-1]))))
        if len(received(*fars)) == len(people):
            break
    assert len(fars) > 3
    assert Counter(received(*fars)) == Counter(people)


async def test_opt_outs_and_caps_are_respected(tmp_path: Path) -> None:
    far = taking()
    far.answer = lambda part: (
        Receipt(ReceiptKind.PERMANENT, Scope.RECIPIENT, suppress=True)
        if part.target == phone("13800000003")
        else Receipt(ReceiptKind.SENT)
    )
    house = House(tmp_path, {"sms": far.make}, "[limits.per_number.bulk]\nday = 2\n" + QUIET)
    house.clock.set(NOON)
    async with house.service() as service:
        await house.approve(service)
        for sent in (10, 19, 19):
            view = await started(house, service, numbers(10))
            await house.campaign(service, view.id, "done")
            await far.until_written(sent)
            async with asyncio.timeout(5):
                while (await service.status()).totals.queued + (await service.status()).totals.open:
                    await house.clock.sleep(0.01)
        totals = (await service.status()).totals
    # Two a day each; who refused is not written to again; the third campaign reaches nobody.
    assert Counter(Counter(received(far)).values()) == {2: 9, 1: 1}
    assert totals.suppressed == 1 + 10


async def test_at_night_nobody_is_written_to_and_in_the_morning_everybody(tmp_path: Path) -> None:
    far = taking()
    clock = ShiftedClock()
    house = House(tmp_path, {"sms": far.make}, QUIET, clock=clock)
    clock.set(NOON)
    async with house.service() as service:
        await house.approve(service)
        view = await plan(house, service, numbers(30))
        clock.set(NIGHT)
        await service.steer_campaign(view.id, "start", house.local)
        await clock.sleep(0.5)
        waiting = (await service.campaigns())[0]
        assert (waiting.state, waiting.fed, far.written) == ("running", 0, [])
        clock.set(MORNING)
        await house.campaign(service, view.id, "done")
        await far.until_written(30)


async def test_a_campaign_planned_at_night_waits_for_the_morning_too(tmp_path: Path) -> None:
    far = taking()
    house = House(tmp_path, {"sms": far.make}, QUIET)
    house.clock.set(NIGHT)
    async with house.service() as service:
        await house.approve(service)
        view = await started(house, service, numbers(5))
        await house.clock.sleep(0.3)
        assert far.written == []
        house.clock.set(MORNING)
        await house.campaign(service, view.id, "done")
        await far.until_written(5)
        with pytest.raises(InputError, match="never be sent") as refused:
            house.clock.set(NIGHT + timedelta(days=1))
            await plan(house, service, numbers(5), expires_in=3600)
        assert refused.value.field == "expires_in"


async def test_a_withdrawn_approval_pauses_it_with_the_reason(tmp_path: Path) -> None:
    far = taking(rate=100)
    house = House(tmp_path, {"sms": far.make})
    async with house.service() as service:
        author, approver = await house.approve(service)
        view = await started(house, service, numbers(400))
        await far.until_written(10)
        await service.unapprove(KEY, by=approver)
        paused = await house.campaign(service, view.id, "paused")
        assert "nobody has approved" in paused.reason
        assert paused.fed < 400
        with pytest.raises(ScriptNotApproved):
            await service.steer_campaign(view.id, "resume", house.local)
        await service.approve(KEY, author=author, approver=approver)
        resumed = await service.steer_campaign(view.id, "resume", house.local)
        assert (resumed.state, resumed.reason) == ("running", "")
        await house.campaign(service, view.id, "done")
        await far.until_written(400)
    assert Counter(received(far)) == Counter(numbers(400))


async def test_a_changed_script_pauses_it_with_the_reason(tmp_path: Path) -> None:
    house = House(tmp_path, {"sms": taking().make})
    async with house.service() as service:
        await house.approve(service)
        view = await plan(house, service, numbers(5))
    _rewrite(house, '"digest": "', '"digest": "0')
    async with house.service() as service:
        with pytest.raises(ScriptNotApproved, match="another text") as refused:
            await service.steer_campaign(view.id, "start", house.local)
        assert "anew" in refused.value.hint
    _rewrite(house, '"script": "generic/general/1"', '"script": "generic/general/99"', "running")
    async with house.service() as service:
        paused = await house.campaign(service, view.id, "paused")
        assert "generic/general/99" in paused.reason


def _rewrite(house: House, old: str, new: str, state: str = "ready") -> None:
    """What an upgrade does to a stored campaign: its script is another one now."""
    db = sqlite3.connect(house.settings.store.path)
    (document,) = db.execute("SELECT document FROM campaign").fetchone()
    assert old.encode() in document
    db.execute(
        "UPDATE campaign SET document = ?, state = ?",
        (document.replace(old.encode(), new.encode()), state),
    )
    db.commit()
    db.close()


async def test_a_campaign_of_a_drill_is_never_sent_for_real(tmp_path: Path) -> None:
    far = taking()
    drill = House(tmp_path, {"sms": far.make}, "[drill]\nenabled = true\n")
    async with drill.service() as service:
        await drill.approve(service)
        view = await plan(drill, service, numbers(3))
    house = House(tmp_path, {"sms": far.make})
    async with house.service() as service:
        with pytest.raises(InputError, match="planned in a drill"):
            await service.steer_campaign(view.id, "start", house.local)
    assert far.written == []


async def test_a_window_that_ended_is_told_with_the_number_of_those_left(tmp_path: Path) -> None:
    far = taking(rate=20)
    house = House(tmp_path, {"sms": far.make})
    async with house.service() as service:
        await house.approve(service)
        view = await started(house, service, numbers(300), expires_in=3600)
        ready = await plan(house, service, numbers(5, 1000), expires_in=3600)
        await far.until_written(5)
        house.clock.shift += timedelta(hours=2)
        expired = await house.campaign(service, view.id, "expired")
        assert 5 <= expired.fed < 300
        assert f"{300 - expired.fed} were not written to" in expired.reason
        await house.campaign(service, ready.id, "expired")
        with pytest.raises(InputError, match="expired cannot start"):
            await service.steer_campaign(ready.id, "start", house.local)


async def test_two_campaigns_share_the_pace_and_a_stuck_channel_stops_no_other(
    tmp_path: Path,
) -> None:
    first, second = taking(rate=300), taking(rate=10)
    second.answer = lambda part: Receipt(ReceiptKind.CHANNEL_DOWN, retry_after=60)
    house = House(tmp_path, {"first": first.make, "second": second.make})
    async with house.service() as service:
        await house.approve(service)
        views = [await started(house, service, numbers(200, first=place)) for place in (0, 1000)]
        for view in views:
            await house.campaign(service, view.id, "done")
        await first.until_written(400)
    assert len(set(received(first))) == 400


async def test_rows_that_nobody_answers_leave_the_urgent_lane_its_way(tmp_path: Path) -> None:
    """All of the window that bulk may have is out and stays out; the reserve is not bulk's."""
    far = taking(window=16)
    house = House(tmp_path, {"sms": far.make})
    async with house.service() as service:
        await house.approve(service)
        far.gate.clear()
        await started(house, service, numbers(600))
        await far.until(lambda: far.most_bulk_out > 0 and len(far.written) == far.most_bulk_out)
        held = len(far.written)
        assert 0 < held < 16
        urgent = WarnRequest(script="generic", to=["phone:13900139000"], lane="urgent")
        await service.warn_request(urgent, house.local)
        await far.until_written(held + 1)
        assert received(far)[held] == "13900139000"
        far.gate.set()
        await far.until_written(601)


async def test_a_list_that_turns_bad_half_way_is_cancelled_with_the_reason(tmp_path: Path) -> None:
    house = House(tmp_path, {"sms": taking().make})
    async with house.service() as service:
        await house.approve(service)
        with pytest.raises(InputError, match="row 3002"):
            await plan(house, service, [*numbers(3000), '"13900139000'])
        (found,) = await service.campaigns()
        assert (found.state, found.fed) == ("cancelled", 0)
        assert "row 3002" in found.reason
        with pytest.raises(InputError, match="cancelled cannot start"):
            await service.steer_campaign(found.id, "start", house.local)


async def test_what_a_person_confirms_is_told_with_the_plan(tmp_path: Path) -> None:
    house = House(tmp_path, {"sms": taking().make})
    async with house.service() as service:
        await house.approve(service)
        people = [*numbers(5), "13800000001", "1.38E+10", "0571-88886666"]
        view = await plan(house, service, people)
        assert (view.total, view.rows, view.duplicates, view.refused) == (5, 8, 1, 2)
        assert view.by_code == {"W01": 1, "E03": 1, "W02": 1}
        assert [(one.row, one.column, one.code) for one in view.refusals] == [
            (7, "手机号", "W01"),
            (8, "手机号", "E03"),
            (9, "手机号", "W02"),
        ]
        assert view.parts >= 1
        text = "手机号\n" + "".join(f"{one}\n" for one in people)
        assert view.sha256 == hashlib.sha256(text.encode()).hexdigest()


async def test_an_import_that_was_interrupted_is_told(tmp_path: Path) -> None:
    house = House(tmp_path, {"sms": taking().make})
    async with house.service() as service:
        await house.approve(service)
        view = await plan(house, service, numbers(5))
    _rewrite(house, '"script"', '"script"', "importing")
    async with house.service() as service:
        found = await house.campaign(service, view.id, "cancelled")
        assert "import the list again" in found.reason


async def test_what_cannot_be_sent_is_refused_when_it_is_planned(tmp_path: Path) -> None:
    house = House(tmp_path, {"sms": taking().make})
    async with house.service() as service:
        with pytest.raises(ScriptNotApproved):
            await plan(house, service, numbers(3))
        author, _ = await house.approve(service)
        for fields, field in (
            ({"file": "list.csv"}, "file"),
            ({"file": str(tmp_path / "none.csv")}, "file"),
            ({"file": house.list_of([], "empty.csv")}, "file"),
            ({"file": house.list_of(["12345"], "bad.csv")}, "file"),
            ({"language": "fr"}, "language"),
            ({"script": "genric"}, "script"),
            ({"values": {"hotline": "110-110-110"}}, "hotline"),
        ):
            with pytest.raises(InputError) as refused:
                await plan(house, service, numbers(3), **fields)
            assert refused.value.field == field, fields
        request = CampaignRequest(name="x", file="/x", script="generic")
        with pytest.raises(AccessDenied):
            await service.plan_campaign(request, author)
        with pytest.raises(InputError, match="no such campaign"):
            await service.steer_campaign("7", "start", house.local)
        with pytest.raises(InputError, match="nothing that a campaign can do"):
            await service.steer_campaign("7", "explode", house.local)
        assert await service.campaigns() == []
    async with House(tmp_path, {}).service() as service:
        with pytest.raises(UnknownTarget, match="Nothing delivers"):
            await plan(house, service, numbers(3))


async def test_a_campaigns_warning_is_taken_back_by_cancelling_it(tmp_path: Path) -> None:
    house = House(tmp_path, {"sms": taking().make})
    async with house.service() as service:
        await house.approve(service)
        view = await plan(house, service, numbers(3))
        with pytest.raises(InputError, match="warning of a campaign") as refused:
            await service.withdraw(view.warning, house.local)
        assert refused.value.hint == "Cancel the campaign."
