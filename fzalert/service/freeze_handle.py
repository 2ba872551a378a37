"""`fz.freeze`: freeze requests as a detective's program would write them.

```python
case = await fz.freeze.open_case(report=report, victim=victim, by=officer)
measure = await case.add_account(account, inflow=[transfer], by=officer)
await measure.submit(by=officer)
await measure.approve(by=second_officer)
await case.send(by=officer)
```

Each change may bring a `key`: the same change again under the same key, also after a power cut, is
made once (`Freezing.ask`). A key is of the one who used it and is kept for thirty days.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal

from fzalert.access.actors import Actor
from fzalert.freeze.events import TaskResult, TermsData
from fzalert.freeze.model import InstructionKind
from fzalert.freeze.results import Receipt
from fzalert.freeze.values import (
    Account,
    AttachmentType,
    CaseReport,
    Duty,
    Officer,
    Transfer,
    Victim,
)
from fzalert.service import freeze_models as asks
from fzalert.service.api import ServiceApi
from fzalert.service.freeze_models import BoardRow, CaseView, EventView, FigureView, MeasureView

__all__ = ["CaseHandle", "Freeze", "MeasureHandle"]


class Freeze:
    """Opens cases and finds them again; the same beside a daemon and without one.

    Every method raises as `ServiceApi.freeze`: `GuardsUnmet` names every rule that is not met.

    Args:
        api: The service in this process, or the client of another's.
    """

    def __init__(self, api: ServiceApi) -> None:
        self._api = api

    async def open_case(
        self,
        *,
        report: CaseReport,
        victim: Victim,
        by: Actor,
        duty: Duty | None = None,
        key: str = "",
    ) -> CaseHandle:
        """Enter a report.

        Args:
            report: What the station was told, and when.
            victim: Who was defrauded.
            by: Who enters it.
            duty: The unit and its telephone; that of `[freeze]` unless given.
            key: Opens one case, however often it is asked; without one each call opens another.
        """
        ask = asks.OpenAsk(report=report, victim=victim, duty=duty)
        return CaseHandle(self._api, _view(await self._api.freeze(ask, by, key=key)))

    async def case(self, case: str, *, by: Actor) -> CaseHandle:
        """Find a case by its id."""
        return CaseHandle(self._api, _view(await self._api.freeze(asks.ShowAsk(case=case), by)))

    async def board(self, *, by: Actor, ended: bool = False) -> list[BoardRow]:
        """Every open measure with its clock, the most urgent first; with `ended` the others too."""
        return (await self._api.freeze(asks.BoardAsk(ended=ended), by)).board

    async def deadlines(self, within: timedelta, *, by: Actor) -> list[BoardRow]:
        """Measures for which something has to be decided within a time, the most urgent first."""
        most = within.total_seconds()
        rows = await self.board(by=by)
        return [
            row
            for row in rows
            if row.measure.next.seconds is not None and row.measure.next.seconds <= most
        ]

    async def tasks(self, *, by: Actor, case: str = "", reveal: bool = False) -> list[asks.TaskRow]:
        """Whom to telephone because a desk is silent; to reveal is put on record."""
        ask = asks.TasksAsk(case=case, reveal=reveal)
        return (await self._api.freeze(ask, by)).tasks

    async def figures(self, month: str = "", *, by: Actor) -> list[FigureView]:
        """The key figures by institution and month; `month` as 2026-11, every one unless given."""
        return (await self._api.freeze(asks.FiguresAsk(month=month), by)).figures


class CaseHandle:
    """One case.

    Attributes:
        id: Its name in the store.
        view: As it was after the last act through this handle, masked.
    """

    def __init__(self, api: ServiceApi, view: CaseView) -> None:
        self._api = api
        self.id = view.id
        self.view = view

    async def change(self, ask: asks.FreezeAsk, by: Actor, *, key: str = "") -> asks.FreezeAnswer:
        """Ask for anything of `fzalert.service.freeze_models`; the view follows.

        Raises:
            DuplicateKey: The key was used for another change.
        """
        answer = await self._api.freeze(ask, by, key=key)
        if answer.case is not None:
            self.view = answer.case
        return answer

    def measure(self, measure: str) -> MeasureHandle:
        """One account of the case, such as `m1`."""
        return MeasureHandle(self, measure)

    async def add_account(
        self, account: Account, *, inflow: Sequence[Transfer], by: Actor, parent: str = ""
    ) -> MeasureHandle:
        """Add an account with the transfers into it; `parent` is the measure it came from.

        It takes no key: the case refuses an account a second time when it is submitted.
        """
        ask = asks.AddAccountAsk(case=self.id, account=account, inflow=tuple(inflow), parent=parent)
        await self.change(ask, by)
        return MeasureHandle(self, self.view.measures[-1].id)

    async def set_duty(self, duty: Duty, *, by: Actor) -> None:
        """Name the unit and who answers there day and night."""
        await self.change(asks.DutyAsk(case=self.id, duty=duty), by)

    async def acknowledge(self, application_id: str, *, by: Actor, desk: str = "") -> None:
        """Note that the institution's desk has an instruction; `desk` says who said so."""
        ask = asks.AcknowledgeAsk(case=self.id, application_id=application_id, desk=desk)
        await self.change(ask, by)

    async def finish_task(
        self, task: str, result: TaskResult, *, by: Actor, note: str = ""
    ) -> None:
        """Say what came of a telephone call, such as `m1-t1`; `taken` acknowledges."""
        ask = asks.TaskDoneAsk(case=self.id, task=task, result=result, note=note)
        await self.change(ask, by)

    async def trace(
        self, *, by: Actor, order: Literal["fifo", "lifo", "proportional"] = "fifo"
    ) -> list[asks.TraceView]:
        """Estimate how the money went on, from account to account."""
        return (await self._api.freeze(asks.TraceAsk(case=self.id, order=order), by)).trace

    async def name_officers(self, officers: Sequence[Officer], *, by: Actor) -> None:
        """Name the two officers."""
        await self.change(asks.OfficersAsk(case=self.id, officers=tuple(officers)), by)

    async def attach(self, document: bytes, *, type: AttachmentType, by: Actor) -> None:
        """Attach a document: PDF, PNG or JPEG, at most 20 MiB."""
        upload = await self._put(document, by)
        await self.change(asks.AttachAsk(case=self.id, type=type, upload=upload), by)

    async def file(
        self,
        number: str,
        *,
        at: datetime,
        decision: bytes,
        legal_basis: Sequence[str],
        by: Actor,
        case_money: Decimal | None = None,
    ) -> None:
        """File the case (立案) with its decision."""
        ask = asks.FileAsk(
            case=self.id,
            case_number=number,
            at=at,
            legal_basis=tuple(legal_basis),
            case_money=case_money,
            upload=await self._put(decision, by),
        )
        await self.change(ask, by)

    async def send(self, *, by: Actor, paper: bool = False, key: str = "") -> list[asks.FileView]:
        """Send all that is approved, to every bank its own package; gives what was printed."""
        ask = asks.SendAsk(case=self.id, paper=paper)
        return (await self.change(ask, by, key=key)).files

    async def history(self, *, by: Actor, after: int = 0) -> list[EventView]:
        """What happened, without personal data; `after` is the version that is known."""
        return (await self._api.freeze(asks.HistoryAsk(case=self.id, after=after), by)).events

    async def events(self, *, by: Actor, after: int = 0) -> AsyncIterator[EventView]:
        """What happens, one by one, without end; every two seconds at the latest."""
        seen = 0
        while True:
            for event in await self.history(by=by, after=after):
                after = event.version
                yield event
            seen = await self._api.changed(seen, 2.0)

    async def bundle(self, path: Path, *, by: Actor) -> None:
        """Write the evidence bundle; whoever has it can read the case."""
        (file,) = (await self._api.freeze(asks.BundleAsk(case=self.id), by)).files
        await asyncio.to_thread(_write, path, file)

    async def _put(self, document: bytes, by: Actor) -> str:
        upload = secrets.token_hex(16)
        for offset in range(0, len(document), asks.PIECE):
            piece = base64.b64encode(document[offset : offset + asks.PIECE]).decode()
            await self._api.freeze(asks.PutAsk(upload=upload, offset=offset, data=piece), by)
        return upload


class MeasureHandle:
    """One account of a case.

    Attributes:
        id: Its name in the case.
    """

    def __init__(self, case: CaseHandle, id: str) -> None:
        self._case = case
        self.id = id

    @property
    def view(self) -> MeasureView:
        """As it was after the last act through the case's handle, masked."""
        return next(one for one in self._case.view.measures if one.id == self.id)

    async def submit(
        self,
        *,
        by: Actor,
        reason: str = "",
        waived: Mapping[str, str] | None = None,
        key: str = "",
    ) -> None:
        """Submit the stop; `waived` has a reason for each warning of the check."""
        pairs = tuple((waived or {}).items())
        await self._prepare(InstructionKind.STOP, by, reason, TermsData(), key, pairs)

    async def check(self, *, by: Actor, kind: InstructionKind | None = None) -> asks.CheckView:
        """What stands against the next act, or an instruction; nothing is done or recorded."""
        ask = asks.CheckAsk(case=self._case.id, measure=self.id, kind=kind)
        return (await self._case.change(ask, by)).check or asks.CheckView()

    async def approve(self, *, by: Actor, key: str = "") -> None:
        """Approve what another person prepared."""
        ask = asks.ApproveAsk(case=self._case.id, measure=self.id)
        await self._case.change(ask, by, key=key)

    async def reject(self, *, by: Actor, reason: str) -> None:
        """Send it back."""
        ask = asks.RejectAsk(case=self._case.id, measure=self.id, reason=reason)
        await self._case.change(ask, by)

    async def record_receipt(self, receipt: Receipt, *, by: Actor) -> None:
        """Enter the bank's answer by hand: grade B or C; the same answer twice changes nothing."""
        await self._case.change(asks.ReceiptAsk(case=self._case.id, receipt=receipt), by)

    async def correct(
        self, account: Account, *, inflow: Sequence[Transfer], by: Actor, reason: str
    ) -> None:
        """Correct the account after a mismatch or a refusal; submit it again afterwards."""
        ask = asks.CorrectAsk(
            case=self._case.id,
            measure=self.id,
            account=account,
            inflow=tuple(inflow),
            reason=reason,
        )
        await self._case.change(ask, by)

    async def find_irrelevant(self, *, by: Actor, reason: str) -> None:
        """Record that the money is not of the case; from then on it is to be lifted in days."""
        ask = asks.ReasonAsk(
            action="irrelevant", case=self._case.id, measure=self.id, reason=reason
        )
        await self._case.change(ask, by)

    async def complain(self, number: str, *, by: Actor) -> None:
        """Record the holder's complaint or appeal by its number."""
        ask = asks.ComplaintAsk(case=self._case.id, measure=self.id, number=number)
        await self._case.change(ask, by)

    async def extend(self, *, by: Actor, reason: str, key: str = "") -> None:
        """Prepare the one extension of the stop."""
        await self._prepare(InstructionKind.EXTEND, by, reason, TermsData(), key)

    async def convert(
        self,
        terms: TermsData,
        *,
        by: Actor,
        reason: str,
        waived: Mapping[str, str] | None = None,
        key: str = "",
    ) -> None:
        """Prepare the freeze that the stop is turned into; `waived` as for `submit`."""
        pairs = tuple((waived or {}).items())
        await self._prepare(InstructionKind.FREEZE, by, reason, terms, key, pairs)

    async def renew(self, terms: TermsData, *, by: Actor, reason: str, key: str = "") -> None:
        """Prepare the renewal of the freeze."""
        await self._prepare(InstructionKind.RENEW, by, reason, terms, key)

    async def release(self, *, by: Actor, reason: str, key: str = "") -> None:
        """Prepare the release."""
        await self._prepare(InstructionKind.RELEASE, by, reason, TermsData(), key)

    async def give_back(self, terms: TermsData, *, by: Actor, reason: str, key: str = "") -> None:
        """Prepare the return of what is frozen."""
        await self._prepare(InstructionKind.RETURN, by, reason, terms, key)

    async def divide(
        self,
        *,
        by: Actor,
        method: Literal["direct", "timestamp", "proportional"] = "proportional",
        losses: Mapping[str, Decimal] | None = None,
        deposits: Sequence[asks.DepositData] = (),
    ) -> dict[str, Decimal]:
        """Calculate how what is frozen is given back, to the cent; nothing is prepared by it.

        Args:
            by: Who asks.
            method: How; see `fzalert.freeze.money`.
            losses: What each lost there, for `direct` and `proportional`.
            deposits: Each transfer with its time, for `timestamp`.
        """
        ask = asks.ShareAsk(
            case=self._case.id,
            measure=self.id,
            method=method,
            losses=dict(losses or {}),
            deposits=tuple(deposits),
        )
        return (await self._case.change(ask, by)).shares

    async def cancel(self, *, by: Actor, reason: str) -> None:
        """Give it up, as a second person, where nothing was sent of it."""
        ask = asks.ReasonAsk(action="cancel", case=self._case.id, measure=self.id, reason=reason)
        await self._case.change(ask, by)

    async def paper(
        self,
        *,
        by: Actor,
        kind: Literal["instruction", "pre_alert", "owner_notice"] = "instruction",
    ) -> bytes:
        """A paper as PDF/A; it goes on record who took it."""
        ask = asks.PaperAsk(case=self._case.id, measure=self.id, paper=kind)
        (file,) = (await self._case.change(ask, by)).files
        return base64.b64decode(file.data)

    async def iso20022(self, *, by: Actor) -> bytes:
        """The approved instruction as camt.056.001.08; it goes on record who took it."""
        ask = asks.Iso20022Ask(case=self._case.id, measure=self.id)
        (file,) = (await self._case.change(ask, by)).files
        return base64.b64decode(file.data)

    async def read_iso20022(self, xml: str, *, by: Actor) -> None:
        """Take a bank's camt.029.001.09 as its receipt, or as its acknowledgement."""
        ask = asks.Iso20022AnswerAsk(case=self._case.id, measure=self.id, xml=xml)
        await self._case.change(ask, by)

    async def _prepare(
        self,
        kind: InstructionKind,
        by: Actor,
        reason: str,
        terms: TermsData,
        key: str,
        waived: tuple[tuple[str, str], ...] = (),
    ) -> None:
        ask = asks.PrepareAsk(
            case=self._case.id,
            measure=self.id,
            kind=kind,
            reason=reason,
            terms=terms,
            waived=waived,
        )
        await self._case.change(ask, by, key=key)


def _view(answer: asks.FreezeAnswer) -> CaseView:
    if answer.case is None:
        raise TypeError("the service gave no case")
    return answer.case


def _write(path: Path, file: asks.FileView) -> None:
    path.touch(mode=0o600)
    path.write_bytes(base64.b64decode(file.data))
