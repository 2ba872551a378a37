"""The interface for programs to freeze requests: every act of `fzalert.service.freeze_models`.

A row of the table is one act. Case and measure stand in its path, the rest in its body, which is
made of the fields that the act asks for; each change brings its key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, create_model

from fzalert.freeze.model import InstructionKind
from fzalert.service import freeze_models as asks
from fzalert.service.freeze_models import CaseView, CheckView, EventView
from fzalert.service.freeze_uploads import MOST
from fzalert.web.endpoints import Answer, Call, Endpoint, NoBody, NoQuery, RawBody
from fzalert.web.freeze_calls import (
    BASE,
    AfterQuery,
    Board,
    BoardQuery,
    CheckQuery,
    Figures,
    FiguresQuery,
    FreezeCalls,
    History,
    HistoryQuery,
    RequestBody,
    Sent,
    Shares,
    Tasks,
    TasksQuery,
    Trace,
    TraceQuery,
    Upload,
    refused_input,
)
from fzalert.web.streams import Stopping

__all__ = ["endpoints"]

DOCUMENTS = ("application/pdf", "image/png", "image/jpeg")
_LONGEST = 1_048_576
_CASE = BASE + "/cases/{case}"
_MEASURE = _CASE + "/measures/{measure}"


class _Act(NamedTuple):
    """One act that changes a case.

    Attributes:
        path: Where it is asked for.
        ask: What it is in the service.
        operation: Its name for programs.
        summary: One line.
        fixed: Fields of the ask that the path decides.
        whole: The one field that is the body.
    """

    path: str
    ask: type[BaseModel]
    operation: str
    summary: str
    fixed: Mapping[str, object] = {}
    whole: str = ""


def _prepare(kind: InstructionKind, path: str, operation: str, summary: str) -> _Act:
    fixed: dict[str, object] = {"kind": kind}
    return _Act(f"{_MEASURE}/{path}", asks.PrepareAsk, operation, summary, fixed)


_ACTS = (
    _Act(f"{_CASE}/officers", asks.OfficersAsk, "nameFreezeOfficers", "Name the two officers"),
    _Act(
        f"{_CASE}/duty", asks.DutyAsk, "setFreezeDuty", "Name unit and duty telephone", {}, "duty"
    ),
    _Act(f"{_CASE}/documents", asks.AttachAsk, "attachFreezeDocument", "Attach an upload"),
    _Act(f"{_CASE}/filing", asks.FileAsk, "fileFreezeCase", "File the case (立案)"),
    _Act(f"{_CASE}/measures", asks.AddAccountAsk, "addFreezeAccount", "Add an account"),
    _prepare(InstructionKind.STOP, "submit", "submitFreezeStop", "Submit the stop of an account"),
    _prepare(InstructionKind.EXTEND, "extend", "extendFreezeStop", "Prepare the extension"),
    _prepare(InstructionKind.FREEZE, "convert", "convertToFreeze", "Prepare the freeze"),
    _prepare(InstructionKind.RENEW, "renew", "renewFreeze", "Prepare the renewal of a freeze"),
    _prepare(InstructionKind.RELEASE, "release", "releaseFreeze", "Prepare the release"),
    _prepare(InstructionKind.RETURN, "return", "returnFrozenMoney", "Prepare the return of money"),
    _Act(f"{_MEASURE}/approve", asks.ApproveAsk, "approveFreeze", "Approve, as a second person"),
    _Act(f"{_MEASURE}/reject", asks.RejectAsk, "rejectFreeze", "Send it back, as a second person"),
    _Act(
        f"{_CASE}/acknowledgements",
        asks.AcknowledgeAsk,
        "acknowledgeFreeze",
        "Note that the desk has an instruction",
    ),
    _Act(
        f"{_CASE}/receipts",
        asks.ReceiptAsk,
        "recordFreezeReceipt",
        "Enter an institution's answer by hand: grade B or C",
        {},
        "receipt",
    ),
    _Act(f"{_MEASURE}/correct", asks.CorrectAsk, "correctFreezeAccount", "Correct an account"),
    _Act(
        f"{_MEASURE}/irrelevant",
        asks.ReasonAsk,
        "findFreezeIrrelevant",
        "Record that the money is not of the case: three days to lift",
        {"action": "irrelevant"},
    ),
    _Act(
        f"{_MEASURE}/cancel",
        asks.ReasonAsk,
        "cancelFreezeMeasure",
        "Give up, as a second person, what was never sent",
        {"action": "cancel"},
    ),
    _Act(
        f"{_MEASURE}/complaints",
        asks.ComplaintAsk,
        "recordFreezeComplaint",
        "Record a holder's complaint or appeal by its number",
    ),
    _Act(
        f"{_MEASURE}/iso20022-answers",
        asks.Iso20022AnswerAsk,
        "readFreezeMessage",
        "Read a bank's camt.029.001.09 as its receipt or acknowledgement",
    ),
    _Act(
        f"{_CASE}/tasks/{{task}}/done",
        asks.TaskDoneAsk,
        "finishFreezeTask",
        "Say what came of a task; `taken` is the desk's acknowledgement",
    ),
)


def endpoints(stopping: Stopping) -> list[Endpoint[BaseModel, BaseModel]]:
    """List the endpoints of freeze requests.

    Args:
        stopping: Ends streams, and refuses changes while the process stops.
    """
    calls = FreezeCalls(stopping)
    return [*_changes(calls), *(_row(act, calls) for act in _ACTS), *_reads(calls), *_taken(calls)]


def _changes(calls: FreezeCalls) -> list[Endpoint[BaseModel, BaseModel]]:
    return [
        _change(
            f"{BASE}/cases",
            "openFreezeCase",
            "Enter a victim's report",
            calls.open,
            CaseView,
            _body(asks.OpenAsk, "openFreezeCase", set()),
            act="open",
            status=201,
        ),
        _change(
            f"{_CASE}/send",
            "sendFreeze",
            "Send what is approved, to each institution its own package",
            calls.send,
            Sent,
            _body(asks.SendAsk, "sendFreeze", {"case"}),
            act="send",
        ),
    ]


def _reads(calls: FreezeCalls) -> list[Endpoint[BaseModel, BaseModel]]:
    """What is read, masked."""
    at = f"{BASE}/board"
    rows: list[tuple[str, str, str, Any, type[BaseModel], type[BaseModel]]] = [
        (at, "getFreezeBoard", "Every measure with its clock", calls.board, Board, BoardQuery),
        (_CASE, "getFreezeCase", "A case as it stands, masked", calls.show, CaseView, NoQuery),
        (
            f"{BASE}/tasks",
            "listFreezeTasks",
            "What persons have to do because a desk is silent, masked",
            calls.tasks,
            Tasks,
            TasksQuery,
        ),
        (
            f"{BASE}/figures",
            "getFreezeFigures",
            "Key figures by institution and month; no personal data",
            calls.figures,
            Figures,
            FiguresQuery,
        ),
        (
            f"{_CASE}/history",
            "getFreezeHistory",
            "What happened in a case; `after` and `wait` follow it",
            calls.history,
            History,
            HistoryQuery,
        ),
        (
            f"{_CASE}/trace",
            "traceFreezeMoney",
            "Estimate how the money went on",
            calls.trace,
            Trace,
            TraceQuery,
        ),
        (
            f"{_MEASURE}/check",
            "checkFreezeMeasure",
            "What stands against the next act; nothing is done or recorded",
            calls.check,
            CheckView,
            CheckQuery,
        ),
    ]
    return [
        *(_read("GET", *row[:5], NoBody, query=row[5]) for row in rows),
        _read(
            "GET",
            f"{_CASE}/events",
            "followFreezeCase",
            "What happens in a case, as server-sent events",
            calls.events,
            EventView,
            NoBody,
            query=AfterQuery,
            media="text/event-stream",
        ),
        _read(
            "POST",
            f"{_MEASURE}/shares",
            "shareFrozenMoney",
            "Calculate how frozen money is divided",
            calls.shares,
            Shares,
            _body(asks.ShareAsk, "shareFrozenMoney", {"case", "measure"}),
        ),
    ]


def _taken(calls: FreezeCalls) -> list[Endpoint[BaseModel, BaseModel]]:
    """What goes on record, or brings a document; it changes no case, so it needs no key."""
    return [
        _read(
            "POST",
            f"{BASE}/uploads",
            "uploadFreezeDocument",
            "Put a document that is attached next: PDF, PNG or JPEG",
            calls.upload,
            Upload,
            RawBody,
            status=201,
            takes=DOCUMENTS,
            max_body=MOST,
        ),
        _read(
            "POST",
            f"{_CASE}/reveal",
            "revealFreezeCase",
            "A case with names and numbers; it goes on record who saw it",
            calls.reveal,
            CaseView,
            NoBody,
        ),
        _read(
            "POST",
            f"{BASE}/tasks/reveal",
            "revealFreezeTasks",
            "The same with whom to call; it goes on record who saw it",
            calls.tasks_in_plain,
            Tasks,
            NoBody,
            query=TasksQuery,
        ),
        _read(
            "POST",
            f"{_MEASURE}/paper",
            "getFreezePaper",
            "A paper of a measure as PDF; it goes on record who took it",
            calls.paper,
            CaseView,
            _body(asks.PaperAsk, "getFreezePaper", {"case", "measure"}),
            media="application/pdf",
        ),
        _read(
            "POST",
            f"{_MEASURE}/iso20022",
            "getFreezeMessage",
            "The approved instruction as camt.056.001.08; it goes on record who took it",
            calls.message,
            CaseView,
            NoBody,
            media="application/xml",
        ),
        _read(
            "POST",
            f"{_CASE}/bundle",
            "getFreezeBundle",
            "The evidence bundle; it goes on record who took it",
            calls.bundle,
            CaseView,
            NoBody,
            media="application/zip",
        ),
    ]


def _row(act: _Act, calls: FreezeCalls) -> Endpoint[BaseModel, BaseModel]:
    async def handle(call: Call[Any, NoQuery]) -> Answer:
        fixed = {**act.fixed, act.whole: call.body} if act.whole else act.fixed
        return await calls.change(call, act.ask, fixed)

    if act.whole:
        body: Any = act.ask.model_fields[act.whole].annotation
    else:
        inside = {name for name in ("case", "measure", "task") if f"{{{name}}}" in act.path}
        body = _body(act.ask, act.operation, inside | set(act.fixed))
    default = act.ask.model_fields["action"].default
    name = str(act.fixed.get("action", default))
    return _change(act.path, act.operation, act.summary, handle, CaseView, body, act=name)


def _change(
    path: str,
    operation: str,
    summary: str,
    handler: Any,
    answer: type[BaseModel],
    body: type[BaseModel],
    *,
    act: str,
    status: int = 200,
) -> Endpoint[BaseModel, BaseModel]:
    return Endpoint(
        "POST",
        path,
        operation,
        summary,
        handler,
        answer,
        body,
        NoQuery,
        status=status,
        keyed=True,
        sessions=True,
        problems=(404, 409, 422, 501),
        max_body=_LONGEST,
        refused=refused_input(act),
    )


def _read(
    method: str,
    path: str,
    operation: str,
    summary: str,
    handler: Any,
    answer: type[BaseModel],
    body: type[BaseModel],
    *,
    query: type[BaseModel] = NoQuery,
    **more: Any,
) -> Endpoint[BaseModel, BaseModel]:
    told = (404, 422, 501) if "{case}" in path else (422, 501)
    return Endpoint(
        method,
        path,
        operation,
        summary,
        handler,
        answer,
        body,
        query,
        problems=told,
        sessions=True,
        **more,
    )


def _body(ask: type[BaseModel], operation: str, leave: set[str]) -> type[BaseModel]:
    """The body of an act: what it asks for, but for what its path says; none where nothing is."""
    fields: dict[str, Any] = {
        name: (field.annotation, field)
        for name, field in ask.model_fields.items()
        if name not in leave | {"action"}
    }
    if not fields:
        return NoBody
    name = operation[0].upper() + operation[1:] + "Request"
    return create_model(name, __base__=RequestBody, __doc__=ask.__doc__, **fields)
