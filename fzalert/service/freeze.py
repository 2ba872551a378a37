"""Freeze requests of an open service: every change decided, sealed, on record, and then sent.

Everything takes an Actor. A refusal names every unmet guard and is on record itself. What only
reads is masked; to reveal, to print a paper and to export a bundle are acts on record.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from pydantic import ValidationError

from fzalert.access.actors import Actor, Role
from fzalert.clock import Clock
from fzalert.config import FreezeSettings, Settings
from fzalert.errors import AccessDenied, FateUnknown, InputError, NotConnected
from fzalert.evidence import Json
from fzalert.freeze import commands as c
from fzalert.freeze.authority import authority_of
from fzalert.freeze.book import CASES, Around, CaseBook, Change, Look, stream_of
from fzalert.freeze.bundle import make_bundle
from fzalert.freeze.contacts import ContactBook
from fzalert.freeze.model import FreezeCase, Measure, Stage
from fzalert.freeze.money import Edge, TraceOrder, trace
from fzalert.freeze.papers import PaperKind
from fzalert.freeze.policy import load_policy
from fzalert.freeze.results import Grade, Receipt
from fzalert.freeze.values import Attachment, AttachmentType, Duty, Filing, mask_number
from fzalert.messages import mask_digits
from fzalert.ports import Signer
from fzalert.service import freeze_models as asks
from fzalert.service.building import Building
from fzalert.service.freeze_board import Board
from fzalert.service.freeze_checking import check_next
from fzalert.service.freeze_figures import figures_of
from fzalert.service.freeze_iso import Messages
from fzalert.service.freeze_ladder import Ladder
from fzalert.service.freeze_models import MAY_READ, FreezeAnswer, FreezeAsk
from fzalert.service.freeze_once import KeyedChanges, MadeBefore
from fzalert.service.freeze_refused import told_fields
from fzalert.service.freeze_sending import Sending
from fzalert.service.freeze_shares import shares_of
from fzalert.service.freeze_tasks import task_rows
from fzalert.service.freeze_uploads import Uploads
from fzalert.service.freeze_views import board_rows, case_view, event_view
from fzalert.service.people import require
from fzalert.service.wrong import wrong_call
from fzalert.store import ChangeSet, EvidenceEntry

__all__ = ["MAY_READ", "Freezing"]

T = TypeVar("T")


class Freezing:
    """The cases of an open service.

    Args:
        building: Store, engine and the rest.
        settings: Policy, signer, the unit; whether this is a drill.
        clock: Reader of time.
        signer: Signs evidence bundles.
        changed: Called after every change: deadlines may be nearer.

    Raises:
        ConfigError: The policy or the signer cannot be read.
    """

    def __init__(
        self,
        building: Building,
        settings: Settings,
        clock: Clock,
        signer: Signer,
        changed: Callable[[], None],
    ) -> None:
        chosen = settings.freeze
        policy = load_policy() if chosen.policy is None else load_policy(path=chosen.policy)
        self.book = CaseBook(building.store, building.store.vault, policy, clock)
        self.book.on_change = building.engine.note_change
        self._drill = settings.drill.enabled
        self._building = building
        self._clock = clock
        self._signer = signer
        self._changed = changed
        contacts = self._contacts = ContactBook(building.store, building.store.vault, clock)
        self._sending = Sending(building, self.book, contacts, chosen, drill=self._drill)
        self.ladder = Ladder(
            building, self.book, contacts, self._sending, chosen, drill=self._drill
        )
        self._messages = Messages(self.book, self._sending)
        self._uploads = Uploads(clock)
        self._keyed_changes = KeyedChanges(building.store, building.store.vault, clock)
        self._duty = _duty_of(chosen)
        self._board = Board()

    async def answer(self, ask: FreezeAsk, by: Actor, *, key: str = "") -> FreezeAnswer:
        """Do what is asked.

        Args:
            ask: The question.
            by: Who asks.
            key: Under which a change is asked for: the same key does it once.

        Raises:
            DuplicateKey: The key stands for another change.
            GuardsUnmet: Against the rules; every unmet guard is named, and it is on record.
            InputError: No such case, measure or document, or a value is wrong.
            AccessDenied: The actor may not.
            StoreError: It could not be put on disk, so nothing was done.
        """
        match ask:
            case asks.ShowAsk() | asks.HistoryAsk() | asks.BoardAsk():
                return await self._read(ask, by)
            case asks.TasksAsk():
                return await self._tasks(ask, by)
            case asks.CheckAsk():
                return await self._check(ask, by)
            case asks.FiguresAsk():
                require(by, *MAY_READ, drill=self._drill)
                return FreezeAnswer(figures=await figures_of(self.book, self._contacts, ask.month))
            case asks.RefusedAsk():
                require(by, *MAY_READ, Role.TELLER, Role.BRANCH_MANAGER, drill=self._drill)
                await self._refused_input(by, ask.act, ask.fields, ask.case)
                return FreezeAnswer()
            case asks.PaperAsk() | asks.BundleAsk() | asks.Iso20022Ask():
                return await self._export(ask, by)
            case asks.TraceAsk() | asks.ShareAsk():
                return await self._money(ask, by)
            case asks.PutAsk():
                require(by, *MAY_READ, Role.TELLER, Role.BRANCH_MANAGER, drill=self._drill)
                self._uploads.put(by.id, ask.upload, ask.offset, ask.data)
                return FreezeAnswer()
            case _:
                return await self._seen_through(lambda: self._changed_or_told(ask, by, key))

    # -- changing --------------------------------------------------------------------------

    async def _changed_or_told(self, ask: FreezeAsk, by: Actor, key: str) -> FreezeAnswer:
        """Change a case; an input that is refused goes on record, as an unmet guard does."""
        try:
            return await self._keyed(ask, by, key)
        except InputError as error:
            case = str(getattr(ask, "case", ""))
            await self._refused_input(by, ask.action, (error.field or "",), case)
            raise

    async def _refused_input(
        self, by: Actor, act: str, fields: Sequence[str], case: str = ""
    ) -> None:
        """Put on the store's chain which fields were refused; a value is never told."""
        told: list[Json] = [*told_fields(fields)]
        facts: dict[str, Json] = {"act": act, "fields": told}
        if await self._chain_of(case) != "store":
            facts["case"] = case  # what is no case of ours may be anything that was typed
        entry = EvidenceEntry("store", by.id, "case.input-refused", facts)
        await self._building.store.commit(ChangeSet(evidence=(entry,)))

    async def _keyed(self, ask: FreezeAsk, by: Actor, key: str) -> FreezeAnswer:
        if not key:
            return await self._change(ask, by)
        async with self._keyed_changes.asking(by.id, key, ask) as (once, before):
            if before is None:
                return await self._change(ask, by, once)
            return await self._made_before(ask, by, once, before)

    async def _made_before(
        self, ask: FreezeAsk, by: Actor, once: c.Once, before: MadeBefore
    ) -> FreezeAnswer:
        """The case as it is now; what a power cut left of a sending is sent."""
        self._real(by)
        case = await self.book.case(before.case)
        if isinstance(ask, asks.AttachAsk | asks.FileAsk):
            self._uploads.done(by.id, ask.upload)
        told = list(before.told)
        left = [one for one in before.left if _is_ready(case.measures[one])]
        if isinstance(ask, asks.SendAsk) and left:
            who = replace(await authority_of(by, self.book), once=once)
            return await self._send_these(ask, who, case, left, told)
        answer = (await self._with_papers(case, told)) if told else self._told(case)
        return answer.model_copy(update={"repeated": True})

    async def _change(self, ask: FreezeAsk, by: Actor, once: c.Once | None = None) -> FreezeAnswer:
        self._real(by)
        who = replace(await authority_of(by, self.book), once=once)
        match ask:
            case asks.OpenAsk():
                case_id = f"{self.book.now():%Y%m%d}-{secrets.token_hex(4)}"
                at = _not_ahead(ask.report.at, self.book.now())
                report = ask.report.model_copy(update={"at": at})
                command = c.OpenCase(who, report, ask.victim, ask.duty or self._duty)
                return await self._done(case_id, command)
            case asks.AttachAsk() | asks.FileAsk():
                return await self._attach(ask, by, who)
            case asks.AddAccountAsk():
                number = len((await self.book.case(ask.case)).measures) + 1
                add = c.AddAccount(who, f"m{number}", ask.account, ask.inflow, ask.parent)
                return await self._done(ask.case, add)
            case asks.PrepareAsk():
                return await self._prepare(ask, who)
            case asks.ApproveAsk():
                look = self._sending.approving(ask.measure, who.rank)
                return await self._done(ask.case, c.Approve(who, ask.measure), look)
            case asks.SendAsk():
                return await self._send(ask, who)
            case asks.Iso20022AnswerAsk():
                case = await self.book.case(ask.case)
                answered = await self._messages.answer(case, _measure(case, ask.measure), ask, who)
                return await self._done(ask.case, answered)
            case asks.ReceiptAsk():
                receipt = _by_hand(ask.receipt, by)
                return await self._done(ask.case, c.RecordReceipt(who, receipt))
            case _:
                return await self._simple(ask, who)

    async def _simple(self, ask: FreezeAsk, who: c.Authority) -> FreezeAnswer:
        match ask:
            case asks.OfficersAsk():
                return await self._done(ask.case, c.NameOfficers(who, ask.officers))
            case asks.DutyAsk():
                return await self._done(ask.case, c.SetDuty(who, ask.duty))
            case asks.RejectAsk():
                return await self._done(ask.case, c.Reject(who, ask.measure, ask.reason))
            case asks.AcknowledgeAsk():
                told = c.Acknowledge(who, ask.application_id, ask.desk)
                return await self._done(ask.case, told)
            case asks.ComplaintAsk():
                return await self._done(ask.case, c.RecordComplaint(who, ask.measure, ask.number))
            case asks.TaskDoneAsk():
                measure = ask.task.partition("-")[0]
                note = mask_digits(ask.note)
                done = c.FinishTask(who, measure, ask.task, ask.result, note)
                return await self._done(ask.case, done)
            case asks.CorrectAsk():
                right = c.Correct(who, ask.measure, ask.account, ask.inflow, ask.reason)
                return await self._done(ask.case, right)
            case asks.ReasonAsk(action="irrelevant"):
                return await self._done(ask.case, c.FindIrrelevant(who, ask.measure, ask.reason))
            case asks.ReasonAsk():
                author = _author(await self.book.case(ask.case), ask.measure)
                cancel = c.Cancel(who, ask.measure, author, ask.reason)
                return await self._done(ask.case, cancel)
        raise TypeError(f"no way to do {ask.action}")

    async def _done(
        self, case_id: str, command: c.Command, look: Look | None = None
    ) -> FreezeAnswer:
        done = await self.book.do(case_id, command, look=look)
        self._changed()
        return self._told(done.case)

    async def _prepare(self, ask: asks.PrepareAsk, who: c.Authority) -> FreezeAnswer:
        measure = _measure(await self.book.case(ask.case), ask.measure)
        number = len(measure.past) + (measure.current is not None) + 1
        command = c.Prepare(
            who,
            ask.measure,
            f"{ask.case}-{ask.measure}-{number}",
            ask.kind,
            ask.reason,
            ask.terms,
            ask.waived,
        )
        return await self._done(ask.case, command)

    async def _attach(
        self, ask: asks.AttachAsk | asks.FileAsk, by: Actor, who: c.Authority
    ) -> FreezeAnswer:
        kind = AttachmentType.FILING_DECISION
        if isinstance(ask, asks.AttachAsk):
            kind = ask.type
        attachment, body = self._uploads.take(by.id, ask.upload, kind)
        command: c.Command
        if isinstance(ask, asks.AttachAsk):
            command = c.AttachDocument(who, attachment)
        else:
            command = c.FileCase(who, _filing(ask, attachment, self.book.now()))
        row = await self.book.sealed_document(ask.case, attachment.sha256, body)

        async def look(case: FreezeCase, now: datetime) -> Around:
            del case, now
            return Around(state=(row,))

        answer = await self._done(ask.case, command, look)
        self._uploads.done(by.id, ask.upload)
        return answer

    async def _send(self, ask: asks.SendAsk, who: c.Authority) -> FreezeAnswer:
        case = await self.book.case(ask.case)
        if ask.measure:
            chosen = [_measure(case, ask.measure).id]
        else:
            chosen = [m.id for m in case.measures.values() if _is_ready(m)]
        if not chosen:
            raise InputError(
                "Nothing of the case waits to be sent.",
                hint="A second officer approves first: `fzalert freeze approve`.",
                field="measure",
            )
        return await self._send_these(ask, who, case, chosen, [])

    async def _send_these(
        self,
        ask: asks.SendAsk,
        who: c.Authority,
        case: FreezeCase,
        chosen: Sequence[str],
        told: list[str],
    ) -> FreezeAnswer:
        """Send measures one after the other; a key that it is asked under knows how far it is."""
        for place, measure in enumerate(chosen, 1):
            by = who
            if who.once is not None:
                by = replace(who, once=replace(who.once, left=tuple(chosen[place:])))
            change, channel = await self._send_one(ask.case, measure, by, told, paper=ask.paper)
            case = change.case
            told = [*told, f"{measure}: {channel}"]
        return await self._with_papers(case, told)

    async def _with_papers(self, case: FreezeCase, told: Sequence[str]) -> FreezeAnswer:
        """The case after a sending, with what was printed."""
        answer = self._told(case)
        files = []
        for one in told:
            measure, _, channel = one.partition(": ")
            if channel != "paper":
                continue
            found = _measure(case, measure)
            body = await self._sending.paper(case, found, PaperKind.INSTRUCTION)
            application = found.id if found.current is None else found.current.id
            files.append(_file(f"{application}.pdf", body))
        return answer.model_copy(update={"note": "; ".join(told), "files": files})

    async def _send_one(
        self, case_id: str, measure: str, who: c.Authority, told: Sequence[str], *, paper: bool
    ) -> tuple[Change, str]:
        """Send one instruction: the event and the message to the desk are one commit."""
        engine = self._building.engine
        async with engine.routing.shared():
            found = _measure(await self.book.case(case_id), measure)
            way = "" if paper else await self._sending.first_way(found)
            step = 1 if found.current is None else len(found.current.sent_over) + 1
            poked: frozenset[str] = frozenset()

            async def look(case: FreezeCase, now: datetime) -> Around:
                nonlocal poked
                around, poked = await self._sending.leaving(
                    case, _measure(case, measure), now, who.actor, way=way, step=step
                )
                return around

            channel = "desk" if way else "paper"
            if who.once is not None:
                known = (*told, f"{measure}: {channel}")
                who = replace(who, once=replace(who.once, told=known))
            sent = c.MarkSent(who, measure, way or "paper", step)
            change = await self.book.do(case_id, sent, look=look)
            if change.committed is not None:
                for accepted in change.committed.accepted:
                    engine.hand_over(accepted.claimed)
                engine.poke(poked)
                engine.note_change()
        self._changed()
        return change, channel

    # -- reading ---------------------------------------------------------------------------

    async def _read(
        self, ask: asks.ShowAsk | asks.HistoryAsk | asks.BoardAsk, by: Actor
    ) -> FreezeAnswer:
        require(by, *MAY_READ, drill=self._drill)
        policy, now = self.book.policy, self.book.now()
        if isinstance(ask, asks.BoardAsk):
            rows = await self._rows(ended=ask.ended)
            rows.sort(key=lambda row: (row.measure.next.due_at or _NEVER, row.case, row.measure.id))
            return FreezeAnswer(board=rows)
        if isinstance(ask, asks.HistoryAsk):
            entries = await self.book.history(ask.case)
            views = [event_view(one.version, one.event) for one in entries]
            return FreezeAnswer(events=[view for view in views if view.version > ask.after])
        if ask.reveal:
            await self._on_record(by, "case.reveal", {"case": ask.case})
        case = await self.book.case(ask.case)
        return FreezeAnswer(case=case_view(case, policy, now, reveal=ask.reveal, drill=self._drill))

    async def test_taken(self, application_id: str) -> None:
        """Note that a desk signed for a test. Raises as `ContactBook.answered`."""
        await self._contacts.answered(application_id, None)

    async def _tasks(self, ask: asks.TasksAsk, by: Actor) -> FreezeAnswer:
        require(by, *MAY_READ, drill=self._drill)
        if ask.reveal:
            facts: dict[str, Json] = {"case": ask.case or "all", "shown": "task"}
            await self._on_record(by, "contact.reveal", facts)
        rows: list[asks.TaskRow] = []
        for case_id in [ask.case] if ask.case else await self.book.cases():
            case = await self.book.case(case_id)
            rows += task_rows(case, reveal=ask.reveal, drill=self._drill)
        rows.sort(key=lambda row: row.task.opened_at)
        return FreezeAnswer(tasks=rows)

    async def _check(self, ask: asks.CheckAsk, by: Actor) -> FreezeAnswer:
        require(by, *MAY_READ, drill=self._drill)
        case = await self.book.case(ask.case)
        measure = _measure(case, ask.measure)
        who = await authority_of(by, self.book)
        facts = c.Facts(
            desks=await self._sending.desks(measure), prefectures=await self._sending.prefectures()
        )
        found = await check_next(self.book, case, measure, who, ask.kind, facts)
        return FreezeAnswer(check=found)

    async def _rows(self, *, ended: bool) -> list[asks.BoardRow]:
        """Every open measure; with the ended ones nothing is kept at hand."""
        policy, now, drill = self.book.policy, self.book.now(), self._drill
        cases = await self.book.cases(ended=ended)
        found = [await self.book.case(case_id) for case_id in cases]
        if ended:
            every = [board_rows(case, policy, now, ended=True, drill=drill) for case in found]
        else:
            every = [self._board.rows(case, policy, now, drill=drill) for case in found]
            self._board.only(cases)
        return [row for rows in every for row in rows]

    async def _export(
        self, ask: asks.PaperAsk | asks.BundleAsk | asks.Iso20022Ask, by: Actor
    ) -> FreezeAnswer:
        require(by, *MAY_READ, drill=self._drill)
        case = await self.book.case(ask.case)
        if isinstance(ask, asks.BundleAsk):
            await self._on_record(by, "case.export", {"case": ask.case, "exported": "bundle"})
            papers = await self._sending.papers(ask.case)
            body = await make_bundle(self.book, ask.case, self._signer, papers)
            return FreezeAnswer(files=[_file(f"{ask.case}.zip", body)])
        measure = _measure(case, ask.measure)
        what = "camt.056" if isinstance(ask, asks.Iso20022Ask) else ask.paper
        facts: dict[str, Json] = {"case": ask.case, "measure": measure.id, "exported": what}
        if isinstance(ask, asks.Iso20022Ask):
            body = await self._messages.request(case, measure)
            await self._on_record(by, "case.export", facts)
            return FreezeAnswer(files=[_file(f"{ask.case}-{measure.id}-camt.056.xml", body)])
        await self._on_record(by, "case.export", facts)
        body = await self._sending.paper(case, measure, PaperKind(ask.paper))
        return FreezeAnswer(files=[_file(f"{ask.case}-{measure.id}-{ask.paper}.pdf", body)])

    async def _money(self, ask: asks.TraceAsk | asks.ShareAsk, by: Actor) -> FreezeAnswer:
        require(by, *MAY_READ, drill=self._drill)
        case = await self.book.case(ask.case)
        if isinstance(ask, asks.ShareAsk):
            frozen = _measure(case, ask.measure).frozen
            if frozen is None:
                raise InputError("Nothing is frozen on this account.", field="measure")
            shares = shares_of(ask, frozen)
            return FreezeAnswer(shares={one.claimant: one.amount for one in shares})
        roots = [
            Edge(t.from_account, m.account.number, t.amount, t.at)
            for m in case.measures.values()
            if m.level == 1
            for t in m.inflow
        ]
        onward = [
            Edge(t.from_account, m.account.number, t.amount, t.at)
            for m in case.measures.values()
            if m.level > 1
            for t in m.inflow
        ]
        found = trace(roots, onward, TraceOrder(ask.order))
        views = [
            asks.TraceView(
                source=mask_number(edge.source),
                target=mask_number(edge.target),
                at=edge.at,
                amount=edge.amount,
                estimate=estimate,
            )
            for edge, estimate in [*((edge, edge.amount) for edge in roots), *found]
        ]
        return FreezeAnswer(trace=views, note=f"估算 estimate, {ask.order}")

    # -- parts -----------------------------------------------------------------------------

    def _told(self, case: FreezeCase) -> FreezeAnswer:
        return FreezeAnswer(
            case=case_view(case, self.book.policy, self.book.now(), drill=self._drill)
        )

    def _real(self, by: Actor) -> None:
        if by.drill and not self._drill:
            raise AccessDenied(
                "A person of a drill cannot act on a real case.",
                hint="Sign in as yourself, or enable [drill].",
            )

    async def put_refusal(self, ask: FreezeAsk, by: Actor, why: str) -> None:
        """Put on record that somebody asked for what he may not, in the case's chain if it is one.

        What the rules of a case refuse is there already, with every unmet guard.
        """
        chain = await self._chain_of(str(getattr(ask, "case", "")))
        facts: dict[str, Json] = {"of": by.id, "why": why, "act": ask.action}
        entry = EvidenceEntry(chain, by.id, "access.refused", facts)
        await self._building.store.commit(ChangeSet(evidence=(entry,)))

    async def _chain_of(self, case: str) -> str:
        """The chain of a case, or the store's where there is no such case."""
        rows = await self._building.store.state(CASES, case) if case else []
        return stream_of(case) if any(id_ == case for id_, _ in rows) else "store"

    async def _on_record(self, by: Actor, act: str, facts: dict[str, Json]) -> None:
        """Put on record what shows personal data; nothing is shown unless it stands there.

        It stands in the chain of its case, so that a bundle tells who saw it.
        """
        fresh = timedelta(minutes=self.book.policy.limit("step_up_minutes"))
        if by.proved_at is None or self.book.now() - by.proved_at > fresh:
            raise AccessDenied(
                "Personal data is shown to a person alone, who has just proved who he is.",
                hint="Act with your own token: --token-file, or FZALERT_TOKEN.",
            )
        chain = await self._chain_of(str(facts.get("case", "")))
        async with self.book.look_at_plain(by.id) as (rows, alarms):
            entry = EvidenceEntry(chain, by.id, act, facts)
            await self._building.store.commit(
                ChangeSet(evidence=(entry, *alarms), state=tuple(rows))
            )

    async def _seen_through(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do a change to its end, also where its caller gives up meanwhile."""
        ended: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        async def run() -> None:
            try:
                found = await work()
            except Exception as error:  # noqa: BLE001  the caller's own task raises it
                if not ended.done():
                    ended.set_exception(error)
            else:
                if not ended.done():
                    ended.set_result(found)
            finally:
                if not ended.done():
                    ended.set_exception(
                        FateUnknown("fzalert was closed meanwhile.", hint="Look at the case.")
                    )

        try:
            _ = self._building.background.once("freeze-change", run)
        except RuntimeError:
            raise NotConnected("The service is being closed.") from None
        return await ended


_NEVER = datetime.max.replace(tzinfo=UTC)


def _not_ahead(at: datetime, now: datetime) -> datetime:
    """A moment that was read from the clock just now is not ahead of it.

    The book counts whole milliseconds, so a finer reading may lie a little after its present.
    """
    return now if timedelta(0) < at - now < timedelta(seconds=1) else at


def _filing(ask: asks.FileAsk, decision: Attachment, now: datetime) -> Filing:
    """The filing that is asked for. Raises `InputError` for a value that no filing has."""
    try:
        return Filing(
            case_number=ask.case_number,
            at=_not_ahead(ask.at, now),
            decision=decision,
            legal_basis=ask.legal_basis,
            case_money=ask.case_money,
        )
    except ValidationError as error:
        raise wrong_call(error) from None


def _duty_of(chosen: FreezeSettings) -> Duty | None:
    """The unit that the configuration names, or None."""
    if not chosen.unit_code:
        return None
    given = {
        "phone": chosen.duty_phone,
        "unit_name": chosen.unit_name,
        "unit_code": chosen.unit_code,
        **({"prefecture": chosen.prefecture} if chosen.prefecture else {}),
    }
    return Duty.model_validate(given)


def _measure(case: FreezeCase, measure: str) -> Measure:
    found = case.measures.get(measure)
    if found is None:
        known = ", ".join(case.measures) or "none"
        raise InputError(
            f"The case has no measure {measure[:36]!r}.", hint=f"It has {known}.", field="measure"
        )
    return found


def _is_ready(measure: Measure) -> bool:
    return measure.current is not None and measure.current.stage is Stage.APPROVED


def _author(case: FreezeCase, measure: str) -> str:
    """Who proposed what is to be cancelled: the last instruction's author, else the opener."""
    found = _measure(case, measure)
    return found.author if found.current is None else found.current.prepared_by


def _by_hand(receipt: Receipt, by: Actor) -> Receipt:
    """A receipt that a person enters proves no more than a person can."""
    if receipt.grade is Grade.SIGNED:
        raise InputError(
            "A receipt of grade A carries a verified signature of the desk.",
            hint="Enter it as B (seen on paper or in the bank's system) or C (by telephone).",
            field="grade",
        )
    if receipt.grade is Grade.AUTHENTICATED and not receipt.proof:
        return receipt.model_copy(update={"proof": by.id})
    return receipt


def _file(name: str, body: bytes) -> asks.FileView:
    return asks.FileView(
        name=name,
        sha256=hashlib.sha256(body).hexdigest(),
        size=len(body),
        data=base64.b64encode(body).decode(),
    )
