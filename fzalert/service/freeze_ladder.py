"""What a fired deadline leads to in an open service: the next way, a task, a notice.

A step of the ladder, the message to the desk or the notice that goes with it, and the end of the
deadline that asked are one commit: a process that is killed has climbed the step or has not, and
none is climbed twice. To whom it goes is asked of the directory in that very moment, so that a
change inside its cool-down is not used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from fzalert.config import FreezeSettings
from fzalert.delivery import Caps, Prepared, prepare
from fzalert.errors import FzalertError, InputError, UnknownTarget
from fzalert.freeze.book import Around, CaseBook, Change
from fzalert.freeze.commands import Authority, Escalate, Facts
from fzalert.freeze.contacts import ContactBook
from fzalert.freeze.deadlines import Due, DueKind, command_for
from fzalert.freeze.events import CallData, Escalated
from fzalert.freeze.ladder import HUMAN_RUNGS, next_rung, next_step
from fzalert.freeze.model import FreezeCase, Instruction, Measure
from fzalert.log import get_logger
from fzalert.messages import (
    ActorId,
    Lane,
    Mail,
    Post,
    Rendition,
    RenditionKind,
    ScriptRef,
    Target,
    Warning,
    WarningId,
    group,
    mailbox,
)
from fzalert.ports import Capabilities
from fzalert.service.building import Building
from fzalert.service.freeze_sending import Sending
from fzalert.service.freeze_tasks import words_of
from fzalert.store import Deadline, StateRow

__all__ = ["NOTICE", "Ladder", "target_of"]

NOTICE = "freeze-notice"
"""What stands in the outbox where a warning names its script."""
_NOTICE_HOURS = 24
_DUTY: dict[DueKind, tuple[str, str, str]] = {
    DueKind.ENTRY: ("supervisor", "案件未按时录入", "the case is not entered in time"),
    DueKind.FIRST_DISPATCH: ("duty", "已审批，未发出", "approved, and not sent"),
    DueKind.STOP_EXPIRY: (
        "duty",
        "止付即将到期，须决定冻结、延期或解除",
        "a stop ends soon: freeze, extend, or let go",
    ),
    DueKind.FREEZE_EXPIRY: (
        "duty",
        "冻结即将到期，须决定续冻、返还或解除",
        "a freeze ends soon: renew, return, or release",
    ),
    DueKind.RENEWAL: (
        "duty",
        "续冻最迟办理日，须经法制审核",
        "the last day to renew a freeze, with its legal review",
    ),
    DueKind.UNVERIFIED: (
        "supervisor",
        "冻结满三个月，未查明与案件有关的须解除",
        "frozen for three months: what is not linked to the case has to be released",
    ),
    DueKind.SORT_WHOLE_LAST: (
        "supervisor",
        "全额冻结账户资金甄别的最后期限",
        "the last day to sort the money of a wholly frozen account",
    ),
    DueKind.SORT_WHOLE: (
        "supervisor",
        "全额冻结账户的资金甄别期限",
        "the money of a wholly frozen account has to be sorted",
    ),
    DueKind.IRRELEVANT: (
        "supervisor",
        "与案件无关，须依法解除",
        "not of the case: it has to be released",
    ),
    DueKind.OTHER_PREFECTURE: (
        "supervisor",
        "须书面通报异地公安机关",
        "the police of the other prefecture has to be told in writing",
    ),
    DueKind.RETURN: ("duty", "银行返还期限", "the bank has to have paid back"),
}
"""Who is told of a reminder or breach, and what of; the ladders tell of their own steps."""
_log = get_logger("fzalert.service")


class Ladder:
    """Climbs the ladder, and tells those who have to decide.

    Args:
        building: Store and engine.
        book: The cases.
        contacts: The directory of desks.
        sending: Builds what goes to desks.
        settings: Whom to tell.
        drill: Whether everything is a rehearsal.
    """

    def __init__(
        self,
        building: Building,
        book: CaseBook,
        contacts: ContactBook,
        sending: Sending,
        settings: FreezeSettings,
        *,
        drill: bool,
    ) -> None:
        self._building = building
        self._book = book
        self._contacts = contacts
        self._sending = sending
        self._settings = settings
        self._drill = drill

    async def fire(self, case_id: str, one: Due, row: Deadline, by: Authority) -> None:
        """Do what a standing deadline asks for. Raises as `CaseBook.do`."""
        command = command_for(one, by)
        if isinstance(command, Escalate):
            await self._climb(case_id, command, fired=row)
            return
        async with self._building.engine.routing.shared():
            notice: list[Prepared] = []

            async def look(case: FreezeCase, now: datetime) -> Around:
                notice[:] = await self._reminder(case, one, now, by)
                return Around(accepts=[each.acceptance for each in notice])

            change = await self._book.do(case_id, command, look=look, fired=row)
            self._handed_over(change, notice)

    async def refused(
        self, application: str, channel: str, by: Authority, state: Sequence[StateRow]
    ) -> bool:
        """Pass a desk over at once that a channel could not reach.

        Only what the channel says that was tried last counts, and only before a person was asked.

        Args:
            application: About which instruction.
            channel: Which channel said so.
            by: Who acts.
            state: Rows that are written in the same commit.

        Returns:
            Whether a step was climbed; then the rows are written.
        """
        case_id = application.rsplit("-", 2)[0]
        case = await self._book.case(case_id)
        measure = case.of_application(application)
        current = None if measure is None else measure.current
        if measure is None or current is None or current.id != application:
            return False
        human = any(rung.to in HUMAN_RUNGS for rung in current.rungs)
        step = next_step(current, "acknowledge")
        if human or not step or current.sent_over[-1:] != (channel,):
            return False
        now = self._book.now()
        command = Escalate(by, measure.id, application, step, now, "acknowledge", "refused")
        change = await self._climb(case_id, command, state=state)
        return bool(change.events)

    async def is_climbing(self) -> bool:
        """Whether an instruction of an open case waits for its desk's acknowledgement."""
        for case_id in await self._book.cases():
            case = await self._book.case(case_id)
            for measure in case.measures.values():
                current = measure.current
                if current is not None and next_step(current, "acknowledge"):
                    return True
        return False

    # -- steps -----------------------------------------------------------------------------

    async def _climb(
        self,
        case_id: str,
        command: Escalate,
        *,
        fired: Deadline | None = None,
        state: Sequence[StateRow] = (),
    ) -> Change:
        async with self._building.engine.routing.shared():
            out: list[Prepared] = []

            async def look(case: FreezeCase, now: datetime) -> Around:
                facts, out[:] = await self._step(case, command, now)
                return Around(facts, [each.acceptance for each in out], state)

            change = await self._book.do(case_id, command, look=look, fired=fired)
            self._handed_over(change, out)
        for event in change.events:
            if isinstance(event, Escalated):
                _log.warning(
                    "freeze.escalated",
                    application=command.application_id,
                    step=event.step,
                    to=event.to,
                    why=event.why,
                )
        return change

    async def _step(
        self, case: FreezeCase, command: Escalate, now: datetime
    ) -> tuple[Facts, list[Prepared]]:
        """What the next step rests on, and what goes out with it."""
        measure = case.measures.get(command.measure)
        current = None if measure is None else measure.current
        if measure is None or current is None or current.id != command.application_id:
            return Facts(), []
        way = "" if command.ladder == "result" else await self._next_way(measure, current)
        facts = Facts(way=way, calls=await self._calls(measure))
        to = next_rung(current, command.ladder, way)
        if to is None or command.step != next_step(current, command.ladder):
            return facts, []
        if to == "next-channel":
            try:
                sent = await self._sending.again(case.id, measure, current, way, now, command.by)
            except FzalertError as error:
                # A way that cannot even be prepared is no way; a person is asked at once.
                _log.warning("freeze.way_unusable", channel=way, code=error.code)
                return Facts(calls=facts.calls), []
            return facts, [sent]
        if to == "phone":
            return facts, []
        name = f"{current.id}/{command.ladder}/{command.step}"
        zh, en = words_of(case, measure, current.id, command.ladder, to, drill=False)
        found = await self._notice(to, name, f"催办 {current.id}", f"{zh}\n{en}", now, command.by)
        return facts, found

    async def _next_way(self, measure: Measure, current: Instruction) -> str:
        """The next channel of the desk's entry that is configured and was not tried; or empty."""
        for name in await self._sending.ways_of(measure):
            if name not in current.sent_over:
                return name
        return ""

    async def _calls(self, measure: Measure) -> dict[str, tuple[CallData, ...]]:
        """Whom each step calls, by our own book and never by a paper or a mail."""
        directory = await self._contacts.directory()
        desk = directory.desks(self._contacts.now()).get(measure.account.desk)
        own = self._settings
        calls: dict[str, tuple[CallData, ...]] = {
            "supervisor": (CallData(role="supervisor", phone=own.supervisor_phone),),
            "centre": (CallData(role="centre", phone=own.centre_phone),),
        }
        if desk is not None:
            calls["phone"] = (
                CallData(role="desk", name=desk.name, phone=desk.phone),
                CallData(role="person-a", name=desk.person_a.name, phone=desk.person_a.phone),
                CallData(role="person-b", name=desk.person_b.name, phone=desk.person_b.phone),
            )
        return {to: tuple(one for one in some if one.phone) for to, some in calls.items()}

    # -- notices ---------------------------------------------------------------------------

    async def _reminder(
        self, case: FreezeCase, one: Due, now: datetime, by: Authority
    ) -> list[Prepared]:
        """The notice that goes with a reminder or a breach."""
        measure = case.measures.get(one.measure)
        told = _DUTY.get(one.kind)
        if measure is None or measure.is_final or told is None:
            return []
        if one.kind is DueKind.ENTRY and one.reminder:
            return []  # whoever enters the case sees it on the board
        to, zh, en = told
        left = int((one.base_at - now).total_seconds()) // 60
        when_zh, when_en = (
            (f"还有 {left} 分钟", f"{left} minutes left")
            if left >= 0
            else (f"已超时 {-left} 分钟", f"{-left} minutes late")
        )
        text = f"{zh}：案件 {case.id} 措施 {measure.id}，{when_zh}。\n{en}: {when_en}."
        name = f"{case.id}/{one.measure}/{one.application_id}/{one.name}/{one.due_at.timestamp()}"
        return await self._notice(to, name, f"{zh} {case.id}", text, now, by)

    async def _notice(
        self, to: str, name: str, subject: str, text: str, now: datetime, by: Authority
    ) -> list[Prepared]:
        """A notice by the channel that the configuration names; none where it names none."""
        named = {
            "duty": self._settings.notify_duty,
            "supervisor": self._settings.notify_supervisor,
            "centre": self._settings.notify_centre,
        }[to]
        if not named:
            return []
        if self._drill:
            subject, text = f"【演练】{subject}", f"【演练】DRILL\n{text}"
        digest = hashlib.sha256(text.encode()).hexdigest()
        script = ScriptRef(NOTICE, "general", "zh", 1, digest)
        drill = self._drill

        def render(target: Target, capabilities: Capabilities) -> Rendition:
            del target
            if capabilities.rendition is RenditionKind.MAIL:
                return Mail(subject, text, script, drill)
            return Post(subject, text, script, drill=drill)

        key = f"{NOTICE}/{name}"
        engine = self._building.engine
        began = int(now.timestamp() * 1000)
        try:
            target = target_of(named)
            warning = Warning(
                WarningId(self._building.ids.one()),
                NOTICE,
                "zh",
                (target,),
                {},
                Lane.URGENT,
                began,
                began + int(timedelta(hours=_NOTICE_HOURS).total_seconds() * 1000),
                key,
                ActorId(by.actor),
                drill,
            )
            channels = {
                channel: one
                for channel, one in engine.channels.items()
                if one.capabilities.rendition in {RenditionKind.MAIL, RenditionKind.POST}
            }
            ready = await prepare(
                warning,
                hashlib.sha256(key.encode()).digest(),
                channels,
                render,
                self._building.store,
                self._building.ids,
                Caps(),
                engine.lease_for,
            )
        except (UnknownTarget, InputError) as error:
            # The step counts all the same: its task tells a person what this would have told.
            _log.error("freeze.notice_unsent", to=to, code=error.code)
            return []
        return [ready]

    def _handed_over(self, change: Change, out: Sequence[Prepared]) -> None:
        if change.committed is None:
            return
        engine = self._building.engine
        for accepted in change.committed.accepted:
            engine.hand_over(accepted.claimed)
        for each in out:
            engine.poke(each.channels)
        engine.note_change()


def target_of(named: str) -> Target:
    """The addressee that a setting names, such as `mailbox:duty@example.org`.

    Raises:
        InputError: It is none.
    """
    kind, _, address = named.partition(":")
    return mailbox(address) if kind == "mailbox" else group(address)
