"""The ladder in a service: the next way, the call, the supervisor; once each, and no further."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog

from fzalert import messages
from fzalert.messages import BankPackage, Mail, Receipt, ReceiptKind, RenditionKind, TargetKind
from fzalert.service import Service
from fzalert.service import contact_models as contacts
from fzalert.service import freeze_models as asks
from fzalert.service.contacts import drill_time
from fzalert.service.freeze_models import CaseView, EventView
from fzalert.testing.engine import FarSide, sms
from fzalert.testing.house import House
from fzalert.testing.processes import ask_until, poll
from tests.e2e.test_freeze_service import ACKNOWLEDGED, UNIT, Station
from tests.unit.freezing import BANK, OFFICERS

TOLD = """
notify_duty = "mailbox:duty@police.example"
notify_supervisor = "mailbox:head@police.example"
supervisor_phone = "010-22223333"
notify_centre = "mailbox:centre@police.example"
centre_phone = "010-44445555"
"""
DAY = timedelta(days=1)
TAKEN = Receipt(ReceiptKind.SENT, code="250", proof=messages.Proof.TAKEN)
DOWN = Receipt(ReceiptKind.CHANNEL_DOWN, messages.Scope.RECIPIENT, code="no-line")


def far(kind: TargetKind, rendition: RenditionKind, answer: Callable[..., Any]) -> FarSide:
    some = replace(
        sms(reports=False, submit_timeout=600), kinds=frozenset({kind}), rendition=rendition
    )
    return FarSide(answer, some)


@dataclass
class Scene:
    """A station, a desk with two ways, and the mail to our own people."""

    house: House
    line: FarSide
    post: FarSide
    own: FarSide
    station: Station = field(init=False)
    case: str = ""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Service]:
        async with self.house.service() as service:
            known = getattr(self, "station", None)
            self.station = Station(self.house, service, known.tokens if known else None)
            if known is None:
                await self.station.hire()
                await self._listed(service)
            yield service

    async def _listed(self, service: Service) -> None:
        """The desk in the directory, by two persons and a day."""
        ways = [("https", "line", "https://desk.example:8853/"), ("mail", "post", "a@bank.example")]
        entry: dict[str, Any] = {
            "code": BANK,
            "name": "中国工商银行",
            "phone": "010-66660000",
            "person_a": {"name": "陈一", "phone": "13900139001"},
            "person_b": {"name": "刘二", "phone": "13900139002"},
            "valid_from": "2026-01-01T00:00:00+08:00",
            "ways": [
                {
                    "kind": kind,
                    "channel": channel,
                    "address": address,
                    "certificate": "PEM",
                    "public_keys": ["ab" * 32] if kind == "https" else [],
                }
                for kind, channel, address in ways
            ],
        }
        asked = contacts.ProposeAsk(code=BANK, desk=entry, reason="首次登记")
        (change,) = (await service.contacts(asked, await self.station.by("ma"))).changes
        approve = contacts.ApproveAsk(change=change.id)
        await service.contacts(approve, await self.station.by("zhao"))
        self.house.clock.set(self.house.clock.now() + DAY)

    async def sent(self) -> None:
        self.case = await self.station.opened()
        answer = await self.station.sent(self.case)
        assert answer.note == "m1: desk"

    async def later(self, **span: float) -> None:
        self.house.clock.set(self.house.clock.now() + timedelta(**span))

    async def view(self) -> CaseView:
        shown = await self.station.ask("ma", asks.ShowAsk(case=self.case))
        assert shown.case is not None
        return shown.case

    async def events(self, name: str = "deadline.escalated") -> list[EventView]:
        told = await self.station.ask("ma", asks.HistoryAsk(case=self.case))
        return [one for one in told.events if one.event == name]

    async def climbed(self, count: int) -> list[EventView]:
        async def enough() -> bool:
            return len(await self.events()) >= count

        # Any act wakes the runner of deadlines, which looks at the clock at least twice a minute.
        await self.station.change("ma", asks.OfficersAsk(case=self.case, officers=OFFICERS))
        await ask_until(enough, f"{count} steps were climbed")
        return await self.events()

    def mailed(self) -> list[tuple[str, Mail]]:
        found = []
        for one in self.own.written:
            assert isinstance(one.part.rendition, Mail)
            found.append((one.part.target.address, one.part.rendition))
        return found


def scene(
    folder: Path, line: Callable[..., Any], post: Callable[..., Any], more: str = ""
) -> Scene:
    bank, own = TargetKind.BANK_DESK, TargetKind.MAILBOX
    fars = {
        "line": far(bank, RenditionKind.BANK, line),
        "post": far(bank, RenditionKind.BANK, post),
        "own": far(own, RenditionKind.MAIL, lambda _: TAKEN),
    }
    makers = {name: one.make for name, one in fars.items()}
    return Scene(House(folder, makers, UNIT + TOLD + more), fars["line"], fars["post"], fars["own"])


def steps(events: list[EventView]) -> list[tuple[str, str]]:
    assert [one.facts["step"] for one in events] == [str(n + 1) for n in range(len(events))]
    return [(one.facts["to"], one.facts.get("channel", "")) for one in events]


async def test_a_silent_desk_is_asked_by_its_next_way_and_then_by_people(tmp_path: Path) -> None:
    at = scene(tmp_path, lambda _: TAKEN, lambda _: TAKEN)
    at.line.gate.clear()  # it takes the connection, and never says a word
    async with at.open() as service:
        await at.sent()
        await at.line.until_written(1)
        await at.later(minutes=4)
        assert await at.events() == []
        await at.later(minutes=1, seconds=1)
        assert steps(await at.climbed(1)) == [("next-channel", "post")]
        await at.post.until(lambda: bool(at.post.written), timeout=90)
        first, again = at.line.written[0].part.rendition, at.post.written[0].part.rendition
        assert isinstance(first, BankPackage)
        # The desk finds the same application with the same bytes, and acts once.
        assert again == first
        # A mail server's word is not the desk's: the ladder goes on.
        await at.later(minutes=10)
        events = await at.climbed(2)
        assert steps(events)[1] == ("phone", "")
        view = (await at.view()).measures[0]
        assert view.sent_over == ["line", "post"]
        assert view.escalation is not None
        assert (view.escalation.step, view.escalation.to) == (2, "phone")
        assert "escalated" in view.flags
        (row,) = (await at.station.ask("ma", asks.TasksAsk())).tasks
        assert (row.task.calls[0].role, row.task.calls[0].phone) == ("desk", "010-66660000")
        assert "13900139001" not in row.model_dump_json()
        assert view.application_id in row.task.zh
        shown = (await at.station.ask("ma", asks.TasksAsk(case=at.case, reveal=True))).tasks
        assert [one.phone for one in shown[0].task.calls][1:] == ["13900139001", "13900139002"]
        assert at.mailed() == []
        await at.later(minutes=20)
        assert steps(await at.climbed(3))[2] == ("supervisor", "")
        await at.own.until(lambda: bool(at.own.written), timeout=90)
        ((address, mail),) = at.mailed()
        assert address == "head@police.example"
        assert view.application_id in mail.subject
        assert "6222" not in mail.body
        await at.later(minutes=20)
        assert steps(await at.climbed(4))[3] == ("centre", "")
        await at.own.until(lambda: len(at.own.written) == 2, timeout=90)
        # Everybody was asked: nothing else is to be climbed, and an acknowledgement ends it all.
        told = asks.AcknowledgeAsk(case=at.case, application_id=view.application_id)
        await at.station.change("ma", told)
        view = (await at.view()).measures[0]
        assert {one.result for one in view.tasks} == {"acknowledged"}
        assert (await at.station.ask("ma", asks.TasksAsk())).tasks == []
        assert (len(at.line.written), len(at.post.written)) == (1, 1)
        assert service is at.station.api
        at.line.gate.set()


async def test_a_desk_out_of_reach_is_passed_over_at_once(tmp_path: Path) -> None:
    at = scene(tmp_path, lambda _: DOWN, lambda _: ACKNOWLEDGED)
    async with at.open():
        await at.sent()

        async def acked() -> bool:
            return (await at.view()).measures[0].state == "acked"

        await ask_until(acked, "the desk acknowledged by its second way")
        (step,) = await at.events()
        assert (step.facts["to"], step.facts["channel"]) == ("next-channel", "post")
        assert (step.facts["why"], step.by) == ("refused", "machine:answers")
        # The line is tried on, and says so again and again: that climbs nothing.
        tries = len(at.line.submitted)
        await at.line.until(lambda: len(at.line.submitted) > tries + 1, timeout=90)
        await at.later(hours=2)
        await at.station.change("ma", asks.OfficersAsk(case=at.case, officers=OFFICERS))
        assert len(await at.events()) == 1
        assert len(at.post.written) == 1


async def test_what_was_missed_is_climbed_in_order_and_once(tmp_path: Path) -> None:
    at = scene(tmp_path, lambda _: TAKEN, lambda _: TAKEN)
    async with at.open():
        await at.sent()
        await at.line.until_written(1)
    await at.later(hours=2)
    async with at.open():
        events = await at.climbed(4)
        assert [to for to, _ in steps(events)] == ["next-channel", "phone", "supervisor", "centre"]
        late = [int(one.facts["late_seconds"]) // 60 for one in events]
        assert late == [115, 105, 85, 65]
    async with at.open():
        assert len(await at.climbed(4)) == 4
        assert len(await at.events("instruction.sent")) == 2
        await at.post.until_written(1)
        assert len(at.post.written) == 1
        assert len({mail.subject + address for address, mail in at.mailed()}) == 2


async def test_a_call_by_which_the_desk_took_it_ends_the_ladder(tmp_path: Path) -> None:
    at = scene(tmp_path, lambda _: DOWN, lambda _: DOWN)
    async with at.open():
        await at.sent()

        async def waits() -> bool:
            return bool((await at.station.ask("ma", asks.TasksAsk())).tasks)

        await ask_until(waits, "neither way reached the desk, so a person has to call")
        assert [to for to, _ in steps(await at.events())] == ["next-channel", "phone"]
        done = asks.TaskDoneAsk(case=at.case, task="m1-t1", result="taken", note="13900139001 接")
        assert "role" in await at.station.refused("he", done)
        view = await at.station.change("li", done)
        assert (view.measures[0].state, view.measures[0].tasks[0].result) == ("acked", "taken")
        assert len(await at.events("task.done")) == 1
        await at.later(hours=3)
        assert len(await at.climbed(2)) == 2


async def test_the_duty_officer_is_told_long_before_a_stop_ends(tmp_path: Path) -> None:
    at = scene(tmp_path, lambda _: ACKNOWLEDGED, lambda _: TAKEN)
    async with at.open():
        await at.sent()
        await at.station.change("ma", at.station.receipt(at.case))
        await at.later(hours=24, seconds=1)
        await at.station.change("ma", asks.OfficersAsk(case=at.case, officers=OFFICERS))
        await at.own.until(lambda: bool(at.own.written), timeout=90)
        ((address, mail),) = at.mailed()
        assert address == "duty@police.example"
        assert at.case in mail.subject


async def desk_of(at: Scene) -> contacts.DeskView:
    answer = await at.station.api.contacts(contacts.ListAsk(), await at.station.by("li"))
    (desk,) = answer.desks
    return desk


async def test_the_monthly_test_goes_out_once_and_is_measured_by_the_signature(
    tmp_path: Path,
) -> None:
    at = scene(tmp_path, lambda _: ACKNOWLEDGED, lambda _: TAKEN, "drill_day = 5\n")
    async with at.open():
        assert (await desk_of(at)).drills == 0
    due = drill_time(at.house.clock.now() + timedelta(days=31), 5, 10)
    at.house.clock.set(due - timedelta(hours=1))
    async with at.open():
        assert (await desk_of(at)).drills == 0, "it is not time yet"
    at.house.clock.set(due + timedelta(minutes=1))
    async with at.open():

        async def measured() -> bool:
            return (await desk_of(at)).last_seconds is not None

        await ask_until(measured, "the desk's signature was taken for its answer")
        (written,) = at.line.written
        package = written.part.rendition
        assert isinstance(package, BankPackage)
        assert (package.drill, package.binding) == (True, False)
        assert "演练" in package.body
        desk = await desk_of(at)
        assert (desk.drills, desk.missed) == (1, 0)
        assert desk.half_seconds == desk.last_seconds
    async with at.open():
        assert (await desk_of(at)).drills == 1
        assert len(at.line.written) == 1


async def test_no_rehearsal_goes_out_while_a_real_desk_is_waited_for(tmp_path: Path) -> None:
    at = scene(tmp_path, lambda _: TAKEN, lambda _: TAKEN, "drill_day = 5\n")
    async with at.open():
        await at.sent()
        await at.line.until_written(1)
    due = drill_time(at.house.clock.now() + timedelta(days=31), 5, 10)
    at.house.clock.set(due + timedelta(minutes=1))
    with structlog.testing.capture_logs() as logs:
        async with at.open():
            # Only a mail server took it, so the desk is still asked.
            await poll(
                lambda: any(one["event"] == "desk.drill_waits" for one in logs), "the test waits"
            )
            assert (await desk_of(at)).drills == 0


async def test_a_changed_desk_is_told_at_its_old_address_and_keeps_it_for_a_day(
    tmp_path: Path,
) -> None:
    at = scene(tmp_path, lambda _: ACKNOWLEDGED, lambda _: ACKNOWLEDGED)
    async with at.open() as service:
        entry: dict[str, Any] = {
            "code": BANK,
            "name": "中国工商银行",
            "phone": "010-66660000",
            "person_a": {"name": "陈一", "phone": "13900139001"},
            "person_b": {"name": "刘二", "phone": "13900139002"},
            "valid_from": "2026-01-01T00:00:00+08:00",
            "ways": [
                {
                    "kind": "mail",
                    "channel": "post",
                    "address": "b@other.example",
                    "certificate": "P",
                }
            ],
        }
        asked = contacts.ProposeAsk(code=BANK, desk=entry, reason="来电要求更换")
        (change,) = (await service.contacts(asked, await at.station.by("ma"))).changes
        approve = contacts.ApproveAsk(change=change.id)
        await service.contacts(approve, await at.station.by("zhao"))
        await at.line.until(lambda: bool(at.line.written), timeout=90)
        notice = at.line.written[0].part.rendition
        assert isinstance(notice, BankPackage)
        assert (notice.application_id, notice.binding) == (f"notice-{change.id}", False)
        assert "通讯录变更告知" in notice.body
        # What was approved waits: an instruction goes where the desk was.
        await at.sent()
        await at.line.until(lambda: len(at.line.written) == 2, timeout=90)
        assert at.post.written == []
