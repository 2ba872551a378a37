"""What a person confirms of a campaign is counted exactly, and nothing else ever goes out."""

import dataclasses
import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fzalert.campaigns import PreviewStale
from fzalert.errors import AccessDenied, InputError, ScriptNotApproved, TextTooLong
from fzalert.messages import SmsText
from fzalert.ports import Capabilities, TextProfile
from fzalert.service import Service
from fzalert.service.models import CampaignRequest, CampaignView, OptOutRequest
from fzalert.testing.engine import FarSide, sms
from fzalert.testing.house import House

QUIET = '[limits.quiet_hours]\nstart = "21:00"\nend = "08:00"\n'
EVENING = datetime(2026, 11, 24, 12, 59, tzinfo=UTC)  # 20:59 in China


def signing(signature: str = "", rate: float | None = None, opt_out: str = "") -> Capabilities:
    profile = TextProfile(signature=signature, opt_out=opt_out)
    return dataclasses.replace(sms(16, rate=rate, reports=False), text=profile)


def taking(signature: str = "", rate: float | None = None, opt_out: str = "") -> FarSide:
    return FarSide(capabilities=signing(signature, rate, opt_out))


def numbers(count: int, first: int = 0) -> list[str]:
    return [f"138{n:08d}" for n in range(first, first + count)]


def received(far: FarSide) -> list[str]:
    return [one.part.target.address[3:] for one in far.written]


def texts(far: FarSide) -> set[str]:
    found = {one.part.rendition for one in far.written}
    return {text.text for text in found if isinstance(text, SmsText)}


async def plan(house: House, service: Service, people: list[str], **kinds: object) -> CampaignView:
    fields = {"name": "宣传", "script": "generic", "file": house.list_of(people), **kinds}
    return await service.plan_campaign(CampaignRequest.model_validate(fields), house.local)


def on_record(house: House, what: str) -> list[dict[str, object]]:
    """The facts of every act of a name, from the closed store."""
    db = sqlite3.connect(house.settings.store.path)
    rows = [
        json.loads(body) for (body,) in db.execute("SELECT body FROM evidence ORDER BY chain, seq")
    ]
    db.close()
    return [row for row in rows if row["what"] == what]


async def test_a_preview_counts_exactly_what_then_goes_out(tmp_path: Path) -> None:
    far = taking("青山反诈", rate=500, opt_out="拒收请回复R")
    house = House(tmp_path, {"sms": far.make})
    async with house.service() as service:
        await house.approve(service)
        view = await plan(house, service, [*numbers(1200), "13800000001", "12345"])
        gone = OptOutRequest(to=[f"phone:{one}" for one in numbers(3)], reason="by telephone")
        await service.opt_out(gone, house.local)
        preview = await service.preview_campaign(view.id, house.local)
        assert (preview.recipients, preview.opted_out, preview.capped) == (1200, 3, 0)
        assert (preview.rows, preview.duplicates, preview.refused) == (1202, 1, 1)
        (channel,) = preview.channels
        assert channel.text.startswith("【青山反诈】")
        assert channel.text.endswith("拒收请回复R")
        assert preview.parts == channel.parts == 1200 * channel.parts_each
        assert preview.seconds == channel.seconds == channel.parts / 500
        assert far.written == []
        started = await service.steer_campaign(view.id, "start", house.local, preview.digest)
        assert started.state == "running"
        await house.campaign(service, view.id, "done")
        await far.until_written((1200 - 3) * channel.parts_each)
    assert texts(far) == {channel.text}
    assert sorted(set(received(far))) == numbers(1200)[3:]
    (facts,) = on_record(house, "campaign.running")
    assert (facts["digest"], facts["seen"]) == (preview.digest, True)
    assert (facts["recipients"], facts["parts"]) == (1200, preview.parts)


async def test_who_was_written_to_enough_is_told_before(tmp_path: Path) -> None:
    far = taking()
    house = House(tmp_path, {"sms": far.make}, "[limits.per_number.bulk]\nday = 1\n" + QUIET)
    house.clock.set(datetime(2026, 11, 24, 4, 0, tzinfo=UTC))
    async with house.service() as service:
        await house.approve(service)
        first = await plan(house, service, numbers(10))
        await service.steer_campaign(first.id, "start", house.local)
        await house.campaign(service, first.id, "done")
        again = await plan(house, service, numbers(15))
        assert (await service.preview_campaign(again.id, house.local)).capped == 10


async def test_quiet_hours_and_the_window_are_laid_out(tmp_path: Path) -> None:
    house = House(tmp_path, {"sms": taking(rate=1).make}, QUIET)
    house.clock.set(EVENING)
    async with house.service() as service:
        await house.approve(service)
        view = await plan(house, service, numbers(600))
        preview = await service.preview_campaign(view.id, house.local)
        # A minute is left of the evening; nine of the ten minutes fall on the next morning.
        (pause,) = preview.pauses
        assert (pause.begins[:16], pause.ends[:16]) == ("2026-11-24T13:00", "2026-11-25T00:00")
        assert preview.done_at[:15] == "2026-11-25T00:0"
        assert preview.late == 0
        short = await plan(house, service, numbers(600, 1000), expires_in=300)
        preview = await service.preview_campaign(short.id, house.local)
        assert preview.done_at == ""
        assert 500 < preview.late < 600


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (signing("青山公安"), "another text or signature"),
        (signing("青山反诈", opt_out="拒收请回复R"), "another text or signature"),
    ],
)
async def test_another_signature_after_the_preview_starts_nothing(
    tmp_path: Path, other: Capabilities, told: str
) -> None:
    far = taking("青山反诈")
    house = House(tmp_path, {"sms": far.make})
    async with house.service() as service:
        await house.approve(service)
        view = await plan(house, service, numbers(20))
        preview = await service.preview_campaign(view.id, house.local)
    changed = FarSide(capabilities=other)
    house = House(tmp_path, {"sms": changed.make})
    async with house.service() as service:
        for confirm in (preview.digest, ""):
            with pytest.raises(PreviewStale, match=told) as refused:
                await service.steer_campaign(view.id, "start", house.local, confirm)
            assert f"campaign preview {view.id}" in refused.value.hint
        assert (await service.campaigns())[0].state == "ready"
        newer = await service.preview_campaign(view.id, house.local)
        assert newer.digest != preview.digest
        await service.steer_campaign(view.id, "start", house.local, newer.digest)
        await house.campaign(service, view.id, "done")
        await changed.until_written(20)
    assert far.written == []
    assert texts(changed) == {newer.channels[0].text}


async def test_another_route_after_the_preview_starts_nothing(tmp_path: Path) -> None:
    far = taking("青山反诈")
    house = House(tmp_path, {"sms": far.make})
    async with house.service() as service:
        await house.approve(service)
        view = await plan(house, service, numbers(5))
        preview = await service.preview_campaign(view.id, house.local)
    house = House(tmp_path, {"first": taking("青山反诈").make, "sms": far.make})
    async with house.service() as service:
        with pytest.raises(PreviewStale, match="channel first is new"):
            await service.steer_campaign(view.id, "start", house.local, preview.digest)
    house = House(tmp_path, {"first": taking("青山反诈").make})
    async with house.service() as service:
        with pytest.raises(PreviewStale, match="channel sms is gone"):
            await service.steer_campaign(view.id, "start", house.local, preview.digest)


async def test_what_nobody_looked_at_is_on_record_as_such(tmp_path: Path) -> None:
    far = taking()
    house = House(tmp_path, {"sms": far.make})
    async with house.service() as service:
        await house.approve(service)
        view = await plan(house, service, numbers(3))
        with pytest.raises(PreviewStale, match="'0000' is not the digest"):
            await service.steer_campaign(view.id, "start", house.local, "0000")
        await service.steer_campaign(view.id, "start", house.local)
        await house.campaign(service, view.id, "done")
    (facts,) = on_record(house, "campaign.running")
    assert (facts["seen"], facts["recipients"], len(str(facts["digest"]))) == (False, 3, 16)


async def test_a_signature_changed_on_the_way_pauses_it_until_somebody_has_looked(
    tmp_path: Path,
) -> None:
    far, other = taking("青山反诈", rate=50), taking("青山公安")
    people = numbers(400)
    house = House(tmp_path, {"sms": far.make})
    async with house.service() as service:
        await house.approve(service)
        view = await plan(house, service, people)
        await service.steer_campaign(view.id, "start", house.local)
        await far.until_written(10)
    house = House(tmp_path, {"sms": other.make})
    async with house.service() as service:
        paused = await house.campaign(service, view.id, "paused")
        assert "not the one that was confirmed" in paused.reason
        with pytest.raises(PreviewStale, match="sms would send another text"):
            await service.steer_campaign(view.id, "resume", house.local)
        preview = await service.preview_campaign(view.id, house.local)
        assert (preview.fed, preview.recipients) == (paused.fed, 400 - paused.fed)
        await service.steer_campaign(view.id, "resume", house.local, preview.digest)
        await house.campaign(service, view.id, "done")
        await other.until(lambda: set(received(far) + received(other)) == set(people))
    assert len(received(far) + received(other)) == len(people)
    started, resumed = on_record(house, "campaign.running")
    assert started["digest"] != resumed["digest"]


async def test_a_list_that_is_edited_afterwards_changes_nothing(tmp_path: Path) -> None:
    far = taking()
    house = House(tmp_path, {"sms": far.make})
    async with house.service() as service:
        await house.approve(service)
        view = await plan(house, service, numbers(8))
        preview = await service.preview_campaign(view.id, house.local)
        house.list_of(numbers(9, 5000))
        await service.steer_campaign(view.id, "start", house.local, preview.digest)
        await house.campaign(service, view.id, "done")
        await far.until_written(8)
    assert received(far) == numbers(8)


async def test_a_person_who_may_run_no_campaign_sees_none_either(tmp_path: Path) -> None:
    house = House(tmp_path, {"sms": taking().make})
    async with house.service() as service:
        author, approver = await house.approve(service)
        view = await plan(house, service, numbers(3))
        with pytest.raises(AccessDenied):
            await service.preview_campaign(view.id, author)
        with pytest.raises(InputError, match="no such campaign"):
            await service.preview_campaign("7", house.local)
        await service.unapprove("generic/general/1", by=approver)
        with pytest.raises(ScriptNotApproved):
            await service.preview_campaign(view.id, house.local)


def school(*registered: str) -> FarSide:
    profile = TextProfile(signature="青山反诈", signatures=registered)
    return FarSide(capabilities=dataclasses.replace(sms(16, reports=False), text=profile))


async def test_a_campaign_goes_out_under_a_registered_signature_and_no_other(
    tmp_path: Path,
) -> None:
    far = school("青山反诈", "青山小学")
    house = House(tmp_path, {"sms": far.make})
    async with house.service() as service:
        await house.approve(service)
        with pytest.raises(InputError, match="【青山中学】 is not registered") as refused:
            await plan(house, service, numbers(3), signature="青山中学")
        assert refused.value.field == "signature"
        assert "【青山反诈】、【青山小学】" in refused.value.hint
        assert await service.campaigns() == []
        view = await plan(house, service, numbers(3), signature="青山小学")
        preview = await service.preview_campaign(view.id, house.local)
        assert preview.channels[0].signature == "青山小学"
        await service.steer_campaign(view.id, "start", house.local, preview.digest)
        await house.campaign(service, view.id, "done")
        await far.until_written(3)
    assert texts(far) == {preview.channels[0].text}
    assert preview.channels[0].text.startswith("【青山小学】")


async def test_a_signature_that_is_registered_no_more_starts_nothing(tmp_path: Path) -> None:
    house = House(tmp_path, {"sms": school("青山反诈", "青山小学").make})
    async with house.service() as service:
        await house.approve(service)
        view = await plan(house, service, numbers(3), signature="青山小学")
        await service.preview_campaign(view.id, house.local)
    house = House(tmp_path, {"sms": school("青山反诈").make})
    async with house.service() as service:
        with pytest.raises(PreviewStale, match="whether it can carry the text"):
            await service.steer_campaign(view.id, "start", house.local)
        with pytest.raises(InputError, match="not registered"):
            await service.preview_campaign(view.id, house.local)


async def test_a_text_that_costs_too_many_parts_is_refused_when_it_is_planned(
    tmp_path: Path,
) -> None:
    profile = TextProfile(signature="青山县公安局反诈中心", opt_out="拒收请回复" * 45, max_parts=20)
    far = FarSide(capabilities=dataclasses.replace(sms(16), text=profile))
    house = House(tmp_path, {"sms": far.make})
    async with house.service() as service:
        await house.approve(service)
        with pytest.raises(TextTooLong, match="would cost 5 short messages on sms") as refused:
            await plan(house, service, numbers(3))
        assert "most_parts" in refused.value.hint
        assert await service.campaigns() == []
    house = House(tmp_path, {"sms": far.make}, "[limits]\nmost_parts = 5\n")
    async with house.service() as service:
        view = await plan(house, service, numbers(3))
        assert view.parts == 5


async def test_one_list_serves_several_campaigns_by_its_groups(tmp_path: Path) -> None:
    far = taking()
    house = House(tmp_path, {"sms": far.make})
    path = tmp_path / "residents.csv"
    rows = [
        f"{one},{village},{tag}"
        for one, village, tag in zip(
            numbers(6),
            ("东沟村", "东沟村", "西坪村", "西坪村", "北岭村", "北岭村"),
            ("商户", "", "商户、低保", "", "低保", ""),
            strict=True,
        )
    ]
    path.write_text("手机号,村,标签\n" + "\n".join(rows) + "\n", encoding="utf-8")
    async with house.service() as service:
        await house.approve(service)
        kinds: dict[str, object] = {"file": str(path)}
        with pytest.raises(InputError, match="village=东沟 stands in no row") as refused:
            await plan(house, service, [], **kinds, only=["village=东沟"])
        assert "东沟村" in refused.value.hint
        shops = await plan(house, service, [], **kinds, only=["tag=商户"])
        assert (shops.total, shops.left_out) == (2, 4)
        assert shops.groups == {
            "village": {"东沟村": 1, "西坪村": 1},
            "tag": {"商户": 2, "低保": 1},
        }
        others = await plan(house, service, [], **kinds, excluded=["tag=商户", "village=北岭村"])
        preview = await service.preview_campaign(others.id, house.local)
        assert (preview.recipients, preview.groups) == (2, {"village": {"东沟村": 1, "西坪村": 1}})
        assert preview.excluded == ["tag=商户", "village=北岭村"]
        for view in (shops, others):
            await service.steer_campaign(view.id, "start", house.local)
            await house.campaign(service, view.id, "done")
        await far.until_written(4)
    assert received(far) == [numbers(6)[n] for n in (0, 2, 1, 3)]
    created = on_record(house, "campaign.create")
    assert [one["only"] for one in created] == ["tag=商户", ""]
