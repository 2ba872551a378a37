"""The entry of a report: one page, one paste, one press; it ends in a case ready to submit.

Everything is looked at before anything is entered: a wrong check digit, a transfer in the future or
a missing paper stands beside its field, and the chosen files are kept while it is corrected.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from fzalert.access import Actor
from fzalert.errors import AccessDenied, DuplicateKey, GuardsUnmet, InputError
from fzalert.freeze import checks, codes
from fzalert.freeze.paste import Draft, parse_paste
from fzalert.freeze.values import Account, AttachmentType, CaseReport, Officer, Transfer, Victim
from fzalert.service import freeze_models as asks
from fzalert.service.contact_models import ListAsk
from fzalert.service.freeze_uploads import format_of
from fzalert.web.freeze_act_pages import Unmet, put_file
from fzalert.web.freeze_asks import read_account, read_officers, read_transfer
from fzalert.web.freeze_desk import BOARD, Desk, case_path
from fzalert.web.freeze_fields import ACCOUNT, OFFICERS, TRANSFER, Field
from fzalert.web.freeze_forms import Fault, Form, Values, local_moment, read_form

__all__ = ["EntryPages"]

PATH = f"{BOARD}/new"
MOST_ACCOUNTS = 20
REPORT = (
    Field("report-number", "接警编号", "Number of the report", required=True),
    Field("report-at", "接警时间", "Time of the report", "moment", required=True),
    Field("suspect_phone", "嫌疑人电话", "Suspect's telephone"),
    Field("summary", "简要案情", "What happened", "area"),
)
ID_TYPES = (
    ("resident", "居民身份证 resident identity card"),
    ("passport", "护照 passport"),
    ("hk_macao", "港澳通行证 Hong Kong, Macao"),
    ("taiwan", "台湾通行证 Taiwan"),
    ("foreign_resident", "外国人永久居留证 foreign resident"),
    ("credit_code", "统一社会信用代码 credit code"),
    ("other", "其他 other"),
)
VICTIM = (
    Field("victim-name", "受害人姓名", "Victim", required=True),
    Field("victim-id_type", "证件种类", "Kind of document", "choice", choices=ID_TYPES),
    Field("victim-id_number", "证件号码", "Its number", "number", required=True),
    Field("victim-phone", "受害人电话", "Telephone", required=True),
)
PAYER = (
    Field("from_account", "付款账号", "Payer's account", "number", required=True),
    Field("from_name", "付款人", "Payer", help="不填即受害人 empty: the victim"),
    Field("from_bank", "付款银行", "Payer's bank"),
)
PAYEE = (*ACCOUNT, *(one for one in TRANSFER if not one.name.startswith("from_")))
FILES = (
    Field(
        "identity",
        "受害人身份证件",
        "Victim's identity document",
        "file",
        required=True,
        help="PDF、PNG 或 JPEG，不超过 20 MiB",
    ),
    Field(
        "stop_form",
        "签名的紧急止付申请表",
        "Signed application form",
        "file",
        required=True,
        help="PDF、PNG 或 JPEG，不超过 20 MiB",
    ),
)
_TYPES = {"identity": AttachmentType.IDENTITY, "stop_form": AttachmentType.STOP_FORM}
_DRAFT_FIELDS = {
    "payee_number": "number",
    "payee_name": "name",
    "payee_bank": "bank_name",
    "amount": "amount",
    "at": "at",
}


_BANKS = {code: bank for bank, code in codes.head_offices().items()}


class Told(NamedTuple):
    """What the paste was unsure of, beside its field."""

    zh: str
    en: str


@dataclass(slots=True)
class Entered:
    """Everything of a form that was read without a fault."""

    report: CaseReport
    victim: Victim
    officers: tuple[Officer, ...]
    accounts: list[tuple[Account, Transfer]]


@dataclass(slots=True)
class Shown:
    """What stands on the page beside the form.

    Attributes:
        faults: What is wrong.
        doubts: What the paste was unsure of, by field.
        unmet: Guards that refused.
        focus: Field to begin with.
        note: What was just done.
    """

    faults: Sequence[Fault] = ()
    doubts: Mapping[str, Told] = field(default_factory=dict)
    unmet: Sequence[Unmet] = ()
    focus: str = ""
    note: tuple[str, str] = ("", "")


class EntryPages:
    """The page on which a report is entered.

    Args:
        desk: The door.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._officers: dict[str, Mapping[str, str]] = {}
        self._entered: dict[str, str] = {}

    def routes(self) -> Sequence[Route]:
        """The routes of the page."""
        return [
            Route(PATH, self._page, methods=["GET"]),
            Route(PATH, self._send, methods=["POST"]),
            Route(f"{PATH}/look", self._faults, methods=["POST"]),
        ]

    async def _page(self, request: Request) -> Response:
        actor = await self._desk.reader(request)
        if isinstance(actor, Response):
            return actor
        first = {
            "report-at": local_moment(self._desk.clock.now()),
            "accounts": "1",
            "once": secrets.token_hex(16),
            **self._officers.get(actor.id, {}),
        }
        form = Form({name: [value] for name, value in first.items()})
        return await self._drawn(request, actor, form, Shown(focus="paste"))

    async def _faults(self, request: Request) -> Response:
        """Tell a page what is wrong so far, by field; nothing is entered."""
        _ = await self._desk.writer(request)
        form = await read_form(request)
        values = Values(form)
        _ = self._look(values, form)
        told = {fault.field: {"zh": fault.zh, "en": fault.en} for fault in values.faults}
        return JSONResponse(told)

    async def _send(self, request: Request) -> Response:
        actor = await self._desk.writer(request)
        form = await read_form(request)
        kept = self._desk.kept.get(actor.id, form.first("kept"))
        if kept is not None:
            form.files = {**kept.files, **form.files}
        if form.files:
            form.fields["kept"] = [self._desk.kept.put(actor.id, form, form.first("kept"))]
        match form.first("do"):
            case "read":
                shown = self._read(form, await self._desks(actor))
                return await self._drawn(request, actor, form, shown)
            case "add":
                number = min(_count(form) + 1, MOST_ACCOUNTS)
                form.fields["accounts"] = [str(number)]
                return await self._drawn(request, actor, form, Shown(focus=f"p{number}-number"))
            case "drop":
                form.fields["accounts"] = [str(max(1, _count(form) - 1))]
                return await self._drawn(request, actor, form, Shown())
        return await self._enter(request, actor, form)

    def _read(self, form: Form, desks: Sequence[tuple[str, str]]) -> Shown:
        """Fill empty fields from the pasted message, and say what was unsure."""
        draft = parse_paste(form.first("paste"), self._desk.clock.now())
        place = _place_of(form, draft)
        form.fields["accounts"] = [str(max(place, _count(form)))]
        found = {
            f"p{place}-number": draft.payee_number,
            f"p{place}-name": draft.payee_name,
            f"p{place}-bank_name": draft.payee_bank,
            f"p{place}-bank_code": _bank_code(draft.payee_number, desks),
            f"p{place}-institution": draft.institution,
            f"p{place}-kind": "payment" if draft.institution else "",
            f"p{place}-amount": "" if draft.amount is None else f"{draft.amount:.2f}",
            f"p{place}-at": "" if draft.at is None else local_moment(draft.at),
            f"p{place}-serial": " ".join(draft.serials),
            "from_account": draft.payer_number,
            "from_name": draft.payer_name,
        }
        filled = 0
        for name, value in found.items():
            if value and not form.first(name).strip():
                form.fields[name] = [value]
                filled += 1
        doubts = {
            f"p{place}-{_DRAFT_FIELDS[one.field]}": Told(one.zh, one.en)
            for one in draft.doubts
            if one.field in _DRAFT_FIELDS
        }
        if draft.payer_tail and not form.first("from_account"):
            doubts["from_account"] = Told(
                f"短信只写了尾号 {draft.payer_tail}", f"Only the last digits: {draft.payer_tail}"
            )
        wanted = ("report-number", "victim-name", "from_account")
        empty = next((name for name in wanted if not form.first(name)), "")
        # In the order of the page, so that Tab alone leads through all that is left.
        focus = empty or next(iter(doubts), "")
        note = (
            f"已填入 {filled} 项，存疑 {len(doubts)} 项",
            f"{filled} filled, {len(doubts)} unsure",
        )
        return Shown(doubts=doubts, focus=focus, note=note)

    async def _enter(self, request: Request, actor: Actor, form: Form) -> Response:
        once = form.first("once")
        if once in self._entered:  # pressed once more after the case was entered
            return RedirectResponse(case_path(self._entered[once]), status_code=303)
        values = Values(form)
        entered = self._look(values, form)
        if entered is None:
            shown = Shown(faults=values.faults)
            return await self._drawn(request, actor, form, shown, status=422)
        try:
            case = await self._write(entered, form, actor, once)
        except GuardsUnmet as error:
            unmet = [
                Unmet("", guard, *reason, detail)
                for guard, reason, detail in zip(
                    error.guards, error.reasons, error.details, strict=True
                )
            ]
            return await self._drawn(request, actor, form, Shown(unmet=unmet), status=403)
        except DuplicateKey:
            faults = [
                Fault(
                    "report-number",
                    "案件已按先前的填写建立，接警和受害人信息不能再改：改回原样后再录入，或到案件页补录",
                    "The case stands with the report and victim as they were: put them back and"
                    " enter it again, or add what is missing on the page of the case.",
                )
            ]
            return await self._drawn(request, actor, form, Shown(faults=faults), status=409)
        except InputError as error:
            faults = [Fault("", str(error.args[0]), error.hint)]
            return await self._drawn(request, actor, form, Shown(faults=faults), status=422)
        self._entered[once] = case
        while len(self._entered) > 1000:
            del self._entered[next(iter(self._entered))]
        self._desk.kept.drop(actor.id, form.first("kept"))
        self._officers[actor.id] = {one.name: form.first(one.name) for one in OFFICERS}
        return RedirectResponse(f"{case_path(case)}?done=new", status_code=303)

    def _look(self, values: Values, form: Form) -> Entered | None:
        """Read the whole form; None where something is wrong, which `values` then holds."""
        now = self._desk.clock.now()
        report = values.made(
            CaseReport,
            {
                "number": values.text("report-number", required=True),
                "at": values.moment("report-at", required=True),
                "suspect_phone": values.text("suspect_phone"),
                "summary": values.prose("summary", most=300),
            },
            {"number": "report-number", "at": "report-at", "suspect_phone": "suspect_phone"},
        )
        if report is not None and report.at > now + timedelta(minutes=1):
            values.fault("report-at", "接警时间晚于现在", "The report lies in the future.")
        names = ("name", "id_type", "id_number", "phone")
        victim = values.made(
            Victim,
            {
                "name": values.prose("victim-name", required=True, most=120),
                "id_type": values.text("victim-id_type") or "resident",
                "id_number": values.number("victim-id_number", required=True),
                "phone": values.number("victim-phone", required=True),
            },
            {name: f"victim-{name}" for name in names},
        )
        if victim is not None:
            for finding in checks.check_victim(victim):
                if finding.severity is checks.Severity.ERROR:
                    values.fault("victim-id_number", finding.zh, finding.en)
        accounts = [self._account(values, form, place) for place in range(1, _count(form) + 1)]
        officers = read_officers(values)
        _files(values, form)
        good = [one for one in accounts if one is not None]
        if values.faults or report is None or victim is None:
            return None
        return Entered(report, victim, officers, good)

    def _account(self, values: Values, form: Form, place: int) -> tuple[Account, Transfer] | None:
        prefix = f"p{place}-"
        if not form.first(f"{prefix}bank_name").strip():
            bank = _BANKS.get(form.first(f"{prefix}bank_code").strip(), "")
            form.fields[f"{prefix}bank_name"] = [codes.bank_name_of(bank)]
        account = read_account(values, prefix)
        if not form.first("from_name").strip():
            form.fields["from_name"] = [form.first("victim-name")]
        transfer = read_transfer(values, prefix)
        if account is not None:
            for finding in checks.check_account(account):
                if finding.severity is checks.Severity.ERROR:
                    name = finding.field.rpartition(".")[2]
                    values.fault(f"{prefix}{name}", finding.zh, finding.en)
        if transfer is not None:
            for finding in checks.check_transfer(transfer, self._desk.clock.now()):
                if finding.severity is checks.Severity.ERROR:
                    values.fault(f"{prefix}at", finding.zh, finding.en)
        return None if account is None or transfer is None else (account, transfer)

    async def _write(self, entered: Entered, form: Form, actor: Actor, once: str) -> str:
        """Enter it: the case, its officers, its documents, its accounts.

        Each step is made once under the form's key. Where one was refused or the process died in
        between, the form that is pressed again goes on in the same case with what is missing.

        Raises:
            DuplicateKey: The case stands, and its report or victim was changed in the form since.
        """

        async def step(ask: asks.FreezeAsk, what: str = "") -> asks.FreezeAnswer:
            made = what or sha256(ask.model_dump_json().encode()).hexdigest()[:16]
            return await self._desk.ask(ask, actor, key=once and f"entry/{once}/{made}")

        opening = asks.OpenAsk(report=entered.report, victim=entered.victim)
        opened = (await step(opening, "open")).case
        if opened is None:
            raise TypeError("the service gave no case")
        case = opened.id
        _ = await step(asks.OfficersAsk(case=case, officers=entered.officers))
        for name, kind in _TYPES.items():
            file = form.files[name]
            upload = await put_file(self._desk, file, actor, sha256(file.body).hexdigest())
            _ = await step(asks.AttachAsk(case=case, type=kind, upload=upload))
        for account, transfer in entered.accounts:
            _ = await step(asks.AddAccountAsk(case=case, account=account, inflow=(transfer,)))
        return case

    async def _drawn(
        self, request: Request, actor: Actor, form: Form, shown: Shown, *, status: int = 200
    ) -> Response:
        places = range(1, _count(form) + 1)
        return self._desk.draw(
            request,
            "new",
            actor,
            status=status,
            form=form,
            groups={"report": REPORT, "victim": VICTIM, "payer": PAYER, "officers": OFFICERS},
            payees=[(place, [_placed(one, place) for one in PAYEE]) for place in places],
            file_fields=FILES,
            files={name: file.name for name, file in form.files.items()},
            beside={fault.field: fault for fault in shown.faults},
            faults=shown.faults,
            doubts=shown.doubts,
            unmet=shown.unmet,
            focus=shown.focus,
            note=shown.note,
            desks=await self._desks(actor),
        )

    async def _desks(self, actor: Actor) -> list[tuple[str, str]]:
        """Codes and names of head offices and of the directory's desks, for the fields to offer."""
        try:
            found = await self._desk.service.contacts(ListAsk(), actor)
        except AccessDenied:
            return []
        listed = {one.code: one.name for one in found.desks}
        heads = {code: codes.bank_name_of(bank) for bank, code in codes.head_offices().items()}
        return list((heads | listed).items())


def _bank_code(card: str, desks: Sequence[tuple[str, str]]) -> str:
    """The code of the bank that issued a card, where its prefix is sure; its desk's comes first."""
    issuer = codes.issuer_of(card)
    if issuer is None or issuer.weak:
        return ""
    head = codes.head_offices().get(issuer.bank, "")
    listed = [code for code, name in desks if name == issuer.name and code != head]
    return listed[0] if len(listed) == 1 else head


def _placed(one: Field, place: int) -> Field:
    """A payee's field for one of several accounts."""
    return Field(
        f"p{place}-{one.name}",
        one.zh,
        one.en,
        one.kind,
        required=one.required,
        help=one.help,
        choices=one.choices,
        value=one.value,
    )


def _count(form: Form) -> int:
    text = form.first("accounts", "1")
    number = int(text) if text.isdecimal() and len(text) < 3 else 1
    return max(1, min(number, MOST_ACCOUNTS))


def _place_of(form: Form, draft: Draft) -> int:
    """Which account a message is about: the one of that number, an empty one, or a new one."""
    count = _count(form)
    numbers = [form.first(f"p{place}-number").replace(" ", "") for place in range(1, count + 1)]
    for place, number in enumerate(numbers, 1):
        if number in {draft.payee_number, ""}:
            return place
    return min(count + 1, MOST_ACCOUNTS)


def _files(values: Values, form: Form) -> None:
    for name in _TYPES:
        file = form.files.get(name)
        if file is None:
            values.fault(name, "请选择文件", "Choose a file.")
            continue
        try:
            format_of(file.body)
        except InputError:
            values.fault(name, "须为 PDF、PNG 或 JPEG", "It has to be a PDF, PNG or JPEG.")
