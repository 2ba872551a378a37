"""One page an act: what it is about, what stands against it, what it asks for, and its button.

A refusal shows every unmet guard and keeps what was typed. Where nothing but a fresh proof of the
identity is missing, the form is kept while the person proves it, and stands there again afterwards.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from fzalert.access import Actor
from fzalert.errors import GuardsUnmet, InputError
from fzalert.freeze.next_steps import NEXT_STEPS
from fzalert.service import freeze_models as asks
from fzalert.service.freeze_models import CaseView, CheckView, FindingView, MeasureView
from fzalert.web import freeze_words as words
from fzalert.web.freeze_acts import ACTS, Act, acts_of, case_acts, primary_act
from fzalert.web.freeze_asks import KIND_OF, About, build, first_values, open_tasks, read_lines
from fzalert.web.freeze_desk import BOARD, Desk, case_path, no_such_case
from fzalert.web.freeze_fields import Field
from fzalert.web.freeze_forms import Fault, File, Form, Values, read_form
from fzalert.web.problems import ProblemError

__all__ = ["ActPages", "Unmet", "put_file"]

_ACT = f"{BOARD}/case/{{id}}/{{measure}}/{{act}}"
_KEY = re.compile(r"[0-9a-f]{32}")
_CALLS = {
    "phone": ("电话催办", "telephone the desk"),
    "supervisor": ("报告负责人", "the supervisor"),
    "centre": ("联系反诈中心", "the anti-fraud centre"),
}
ALL = "all"
"""Stands for every measure that waits for the same act."""


class Unmet(NamedTuple):
    """One guard that refused."""

    measure: str
    guard: str
    zh: str
    en: str
    source: str
    detail: str = ""

    @property
    def next(self) -> tuple[str, str]:
        """What to do about it, in Chinese and English."""
        return NEXT_STEPS.get(self.guard, ("", ""))


@dataclass(slots=True)
class Refused:
    """What came of a form.

    Attributes:
        faults: What is wrong with fields.
        unmet: Guards that refused.
        done: Measures for which it was done all the same.
    """

    faults: list[Fault] = field(default_factory=list)
    unmet: list[Unmet] = field(default_factory=list)
    done: list[str] = field(default_factory=list)

    @property
    def only_proof(self) -> bool:
        """Whether nothing is missing but a fresh proof of the identity."""
        return bool(self.unmet) and not self.faults and {u.guard for u in self.unmet} == {"step-up"}


class ActPages:
    """The pages of acts.

    Args:
        desk: The door.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> Sequence[Route]:
        """The routes of the pages."""
        return [
            Route(_ACT, self._page, methods=["GET"]),
            Route(f"{_ACT}/{{kept}}", self._page, methods=["GET"]),
            Route(_ACT, self._act, methods=["POST"]),
            Route(f"{_ACT}/{{kept}}", self._act, methods=["POST"]),
        ]

    async def _page(self, request: Request) -> Response:
        actor = await self._desk.reader(request)
        if isinstance(actor, Response):
            return actor
        act, abouts = await self._about(request, actor)
        kept = self._desk.kept.get(actor.id, request.path_params.get("kept", ""))
        form = kept or first_values(act.name, abouts[0], self._desk.clock.now())
        return self._drawn(request, actor, act, abouts, form, Refused())

    async def _act(self, request: Request) -> Response:
        actor = await self._desk.writer(request)
        form = await read_form(request)
        act, abouts = await self._about(request, actor)
        key = form.first("kept") or request.path_params.get("kept", "")
        kept = self._desk.kept.get(actor.id, key)
        if kept is not None:
            form.files = {**kept.files, **form.files}
        if act.name == "return" and form.first("do") == "share":
            return await self._shared(request, actor, act, abouts[0], form)
        refused = Refused()
        note = ""
        for about in abouts:
            note = await self._done(act, about, form, actor, refused) or note
        if not refused.faults and not refused.unmet:
            self._desk.kept.drop(actor.id, key)
            path = case_path(abouts[0].case.id)
            mark = f"#{abouts[0].measure_id}" if len(abouts) == 1 and abouts[0].measure_id else ""
            return RedirectResponse(f"{path}?done={act.name}{mark}", status_code=303)
        if refused.only_proof:
            key = self._desk.kept.put(actor.id, form, key)
            back = f"{case_path(abouts[0].case.id, request.path_params['measure'], act.name)}/{key}"
            return RedirectResponse(f"/prove?next={back}", status_code=303)
        if form.files:
            form.fields["kept"] = [self._desk.kept.put(actor.id, form, key)]
        if refused.done:  # those stand there as they are now
            act, abouts = await self._about(request, actor, also=refused.done)
        return self._drawn(request, actor, act, abouts, form, refused)

    async def _about(
        self, request: Request, actor: Actor, also: Sequence[str] = ()
    ) -> tuple[Act, list[About]]:
        """The act of an address, and what it is about; several where it stands for all.

        Raises:
            ProblemError: 404.
        """
        params = request.path_params
        act = ACTS.get(params["act"])
        kept = params.get("kept", "")
        if act is None or (kept and not _KEY.fullmatch(kept)):
            raise ProblemError(404, "no-such-path", "没有这个页面。There is no such page.")
        case = await self._desk.case(params["id"], actor)
        wanted = params["measure"]
        if wanted == "case":
            if act not in case_acts():
                raise no_such_case()
            return act, [About(case, None)]
        if wanted == ALL and act.several:
            chosen = [one for one in case.measures if primary_act(one) is act]
        else:
            chosen = [one for one in case.measures if one.id == wanted and act not in case_acts()]
        chosen = chosen or [one for one in case.measures if one.id in also]
        if not chosen:
            raise ProblemError(404, "no-such-measure", "没有这个措施。There is no such measure.")
        return act, [
            About(case, one, check=await self._check(act, case, one, actor)) for one in chosen
        ]

    async def _check(
        self, act: Act, case: CaseView, measure: MeasureView, actor: Actor
    ) -> CheckView:
        kind = KIND_OF.get(act.name)
        if kind is None and act.name not in {"approve", "send"}:
            return CheckView()
        if act not in acts_of(measure):  # the service says why not
            return CheckView()
        ask = asks.CheckAsk(case=case.id, measure=measure.id, kind=kind)
        return (await self._desk.ask(ask, actor)).check or CheckView()

    async def _done(
        self, act: Act, about: About, form: Form, actor: Actor, refused: Refused
    ) -> str:
        """Do it for one measure, or note why not; gives what the service told."""
        values = Values(form)
        file = form.files.get("document")
        if act.has_files and file is None:
            values.fault("document", "请选择文件", "Choose a file.")
        ask = build(act.name, values, replace(about, upload="00000000"))
        if ask is None:
            known = {fault.field for fault in refused.faults}
            refused.faults += [one for one in values.faults if one.field not in known]
            return ""
        try:
            if file is not None and isinstance(ask, asks.AttachAsk | asks.FileAsk):
                upload = await put_file(self._desk, file, actor)
                ask = ask.model_copy(update={"upload": upload})
            answer = await self._desk.ask(ask, actor)
        except GuardsUnmet as error:
            refused.unmet += [
                Unmet(about.measure_id, guard, *reason, detail)
                for guard, reason, detail in zip(
                    error.guards, error.reasons, error.details, strict=True
                )
            ]
            return ""
        except InputError as error:
            refused.faults.append(Fault(error.field or "", f"{error.args[0]}", error.hint))
            return ""
        refused.done.append(about.measure_id)
        return answer.note

    async def _shared(
        self, request: Request, actor: Actor, act: Act, about: About, form: Form
    ) -> Response:
        """Divide what is frozen in proportion, into the field of the allocation."""
        values, refused = Values(form), Refused()
        losses = read_lines(values, "losses")
        if not values.faults:
            try:
                ask = asks.ShareAsk(case=about.case.id, measure=about.measure_id, losses=losses)
                shares = (await self._desk.ask(ask, actor)).shares
                lines = [f"{who} {shares[who]:.2f}" for who in losses if who in shares]
                form.fields["allocation"] = ["\n".join(lines)]
                form.fields["method"] = ["proportional"]
            except InputError as error:
                values.fault("losses", str(error.args[0]), error.hint)
        refused.faults = values.faults
        return self._drawn(request, actor, act, [about], form, refused)

    def _drawn(
        self,
        request: Request,
        actor: Actor,
        act: Act,
        abouts: Sequence[About],
        form: Form,
        refused: Refused,
    ) -> Response:
        first = abouts[0].measure
        zh, en = act.label("" if first is None else first.kind)
        measures = [about.measure for about in abouts if about.measure is not None]
        checks = [about.check for about in abouts if about.check is not None]
        fields = (*_calls(act, abouts[0]), *act.fields, *_waivers(checks))
        return self._desk.draw(
            request,
            "act",
            actor,
            status=422 if refused.faults else 403 if refused.unmet else 200,
            act=act,
            title=(zh, en),
            case=abouts[0].case,
            rows=[
                (one, words.STATES[one.state], words.account_groups(one.account))
                for one in measures
            ],
            where=request.path_params["measure"],
            fields=fields,
            values={one.name: form.first(one.name, one.value) for one in fields},
            kept=form.first("kept"),
            files={name: file.name for name, file in form.files.items()},
            faults=refused.faults,
            beside={fault.field: fault for fault in refused.faults},
            unmet=refused.unmet,
            done=[one for one in refused.done if one],
            against=_together(check.unmet for check in checks),
            later=_together(check.later for check in checks),
            findings=_findings(checks),
            checked=any(check.act for check in checks),
        )


def _calls(act: Act, about: About) -> list[Field]:
    """Which call it is about, where several wait."""
    tasks = open_tasks(about) if act.name == "task" else []
    if len(tasks) < 2:
        return []
    choices = tuple(
        (one.id, f"{one.id} {_CALLS[one.kind][0]} {_CALLS[one.kind][1]}") for one in tasks
    )
    return [Field("task", "哪一项催办", "Which call", "choice", choices=choices)]


def _waivers(checks: Sequence[CheckView]) -> list[Field]:
    """A field for each warning that has to be waived with a reason."""
    found = {one.code: one for one in _findings(checks) if one.severity == "warning"}
    fields = [
        Field(
            f"waive-{code}",
            f"仍要提交的理由：{one.zh}",
            f"Why all the same: {one.en}",
            required=True,
        )
        for code, one in found.items()
    ]
    if any(one.id == "duplicate" for check in checks for one in check.unmet):
        fields.append(
            Field(
                "waive-duplicate",
                "同一账户在他案已有措施，仍要提交的理由",
                "Why all the same: the account has a measure in another case",
                required=True,
            )
        )
    return fields


def _findings(checks: Sequence[CheckView]) -> list[FindingView]:
    found = {one.code: one for check in checks for one in check.findings}
    return list(found.values())


def _together(several: Iterable[Sequence[asks.GuardView]]) -> list[asks.GuardView]:
    found: dict[str, asks.GuardView] = {}
    for guards in several:
        for one in guards:
            found.setdefault(one.id, one)
    return list(found.values())


async def put_file(desk: Desk, file: File, actor: Actor, name: str = "") -> str:
    """Put a document in pieces; returns the name under which it is attached, random unless given.

    Raises:
        InputError: It is too long, or too many are on their way.
    """
    upload = name or secrets.token_hex(16)
    for offset in range(0, len(file.body), asks.PIECE):
        piece = base64.b64encode(file.body[offset : offset + asks.PIECE]).decode()
        await desk.ask(asks.PutAsk(upload=upload, offset=offset, data=piece), actor)
    return upload
