"""The pages of a bank's desk: the inbox, one item, what was refused, papers, the shift.

Every act is a plain form and works without a script; the script adds keys and running clocks. What
"carried out" needs beyond the form, a credential shown a short time ago, is asked on a page of its
own that carries the form along.
"""

from __future__ import annotations

import hashlib
import json
import mimetypes
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, quote, urlencode

import jinja2
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from fzalert.access import Actor, Role
from fzalert.access.sessions import SESSION_LIFE_S
from fzalert.clock import Clock
from fzalert.config import WebSettings
from fzalert.desk.handling import (
    REFUSALS,
    TICKS,
    AnsweredBefore,
    CoreRefused,
    ProofNeeded,
)
from fzalert.desk.inbox import InboxItem, ItemState
from fzalert.desk.paper import read_code, typed_package
from fzalert.desk.refusals import REASONS
from fzalert.desk.service import DeskService
from fzalert.desk.settings import SenderSettings
from fzalert.errors import AccessDenied, InputError
from fzalert.freeze.package import DocumentKind, result_of
from fzalert.service.desk_staff import DeskStaff
from fzalert.web.bodies import read_body, require_media_type
from fzalert.web.desk_rows import KINDS, detail, row
from fzalert.web.guard import Guard, require_same_origin
from fzalert.web.headers import NONCE, page_policy
from fzalert.web.problems import ProblemError, from_error
from fzalert.web.streams import SSE_HEADERS, Stopping, StreamAnswer, server_event
from fzalert.web.writing import BEIJING, when

__all__ = ["DeskPages"]

HTML = "text/html; charset=utf-8"
HEARTBEAT = 10.0
PACE = 0.3
TABS = ("waiting", "mine", "done", "refused")
_DONE = 200
_FORM = "application/x-www-form-urlencoded"
_LONGEST_FORM = 16_384
_ASSETS = (".css", ".js")


class DeskPages:
    """The pages and what they need.

    Args:
        desk: The open desk.
        staff: Its people.
        web: Where its people ask.
        clock: Time of day, and the pace of streams.
        stopping: Ends the streams.
    """

    def __init__(
        self,
        desk: DeskService,
        staff: DeskStaff,
        web: WebSettings,
        clock: Clock,
        stopping: Stopping,
    ) -> None:
        self._desk = desk
        self._staff = staff
        self._web = web
        self._clock = clock
        self._stopping = stopping
        self._guard = Guard(staff, web, clock)
        self._assets = _read_assets()
        self._read: tuple[int, list[InboxItem]] = (-1, [])
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("fzalert.web"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(
            asset=self._asset, desk_name=desk.settings.name, secure=web.is_secure
        )

    def routes(self) -> Sequence[Route]:
        """The routes of the pages."""
        return [
            Route("/", self._inbox, methods=["GET"]),
            Route("/events", self._events, methods=["GET"]),
            Route("/item", self._item, methods=["GET"]),
            Route("/item/execute", self._execute, methods=["POST"]),
            Route("/item/refuse", self._refuse, methods=["POST"]),
            Route("/item/call", self._call, methods=["POST"]),
            Route("/item/take", self._take, methods=["POST"]),
            Route("/item/print", self._print, methods=["GET"]),
            Route("/item/receipt", self._receipt, methods=["GET"]),
            Route("/item/receipt.json", self._signed, methods=["GET"]),
            Route("/paper", self._paper, methods=["GET", "POST"]),
            Route("/duty", self._duty, methods=["GET", "POST"]),
            Route("/login", self._login, methods=["GET", "POST"]),
            Route("/logout", self._logout, methods=["POST"]),
            Route("/static/{version}/{name}", self._static, methods=["GET"]),
        ]

    def error(self, request: Request, problem: ProblemError) -> Response:
        """A problem as a page, for a browser."""
        if problem.status == 401 and request.method == "GET":
            return RedirectResponse("/login", status_code=303)
        page = self._page(request, "error.html", status=problem.status, problem=problem)
        page.headers.update(problem.headers)
        return page

    # -- looking ---------------------------------------------------------------------------

    async def _inbox(self, request: Request) -> Response:
        actor = await self._person(request)
        tab = _tab(request)
        return self._page(
            request,
            "inbox.html",
            actor=actor,
            told=await self._told(request),
            **await self._listed(tab, actor),
        )

    async def _told(self, request: Request) -> str:
        """What was just done, for a screen reader too."""
        done = request.query_params.get("done", "")
        item = await self._desk.inbox.item(done) if done else None
        if item is None or item.receipt is None:
            return ""
        return f"{done[:36]} 已答复 {item.receipt.code} {result_of(item.receipt.code).zh}"

    async def _listed(self, tab: str, actor: Actor) -> dict[str, Any]:
        now, names = self._clock.now(), await self._staff.names()
        items = await self._items()
        open_ = [one for one in items if one.waiting or one.unseen]
        mine = [one for one in items if one.waiting and one.taken_by == actor.id]
        done = [one for one in items if not (one.waiting or one.unseen)]
        done.sort(key=lambda one: one.answered_at or one.received_at, reverse=True)
        refused = await self._desk.refusals.all()
        chosen = {"waiting": open_, "mine": mine, "done": done[:_DONE]}.get(tab, [])
        oldest = min((one.received_at for one in open_), default=None)
        return {
            "tab": tab,
            "rows": [row(one, now, names) for one in chosen],
            "counts": {
                "waiting": len(open_),
                "mine": len(mine),
                "done": len(done),
                "refused": len(refused),
            },
            "oldest_ms": int(oldest.timestamp() * 1000) if oldest else 0,
            "oldest": _age(now, oldest),
            "duty": await self._desk.duty.now(),
            "refused": refused if tab == "refused" else [],
            "reasons": REASONS,
            "when": when,
            "now": now.astimezone(BEIJING).strftime("%H:%M:%S"),
            "now_ms": self._clock.millis(),
        }

    async def _items(self) -> list[InboxItem]:
        """Every item, read once for all pages that ask between two changes."""
        seen = self._desk.changes
        if self._read[0] != seen:
            self._read = (seen, await self._desk.inbox.items())
        return self._read[1]

    async def _item(self, request: Request) -> Response:
        actor = await self._person(request)
        return await self._shown(request, actor)

    async def _shown(
        self,
        request: Request,
        actor: Actor,
        *,
        status: int = 200,
        problem: str = "",
        form: Mapping[str, Sequence[str]] | None = None,
        cookie: str = "",
    ) -> Response:
        """Draw one item; reading it goes on record."""
        given = form or {}
        application, document = _named(request, given)
        item = await self._desk.reveal(application, actor, document)
        answer = self._page(
            request,
            "item.html",
            status=status,
            actor=actor,
            problem=problem,
            ticked=given.get("tick", ()),
            balance=_first(given, "balance"),
            frozen=_first(given, "frozen"),
            cause=_first(given, "cause"),
            code=_first(given, "code"),
            refusals=[(code, result_of(code)) for code in REFUSALS],
            ticks=TICKS,
            **await self._of_item(item),
        )
        if cookie:
            self._set_cookie(answer, cookie)
        return answer

    async def _of_item(self, item: InboxItem) -> dict[str, Any]:
        now, names = self._clock.now(), await self._staff.names()
        return {
            "item": detail(item, now, names, self._sender(item)),
            "open": item.state is ItemState.OPEN,
            "instruction": item.package.document is DocumentKind.INSTRUCTION,
            "asks_core": self._desk.asks_core and not item.package.drill,
            "now": now.astimezone(BEIJING).strftime("%H:%M:%S"),
            "now_ms": self._clock.millis(),
            "query": urlencode(
                {"id": item.package.application_id, "document": str(item.package.document)}
            ),
        }

    def _sender(self, item: InboxItem) -> SenderSettings | None:
        """The unit in our own book: by the key that signed, or for a paper by the name chosen."""
        name = item.sender or item.package.sender.unit_name
        return next((one for one in self._desk.settings.sender if one.name == name), None)

    async def _events(self, request: Request) -> Response:
        actor = await self._person(request)
        return StreamAnswer(
            self._updates(request, actor),
            self._stopping,
            farewell=server_event("-", event="bye"),
            headers=SSE_HEADERS,
        )

    async def _updates(self, request: Request, actor: Actor) -> AsyncIterator[bytes]:
        yield b"retry: 3000\n\n"
        seen, shown = -1, ""
        cookie = request.cookies.get(self._guard.cookie, "")
        while True:
            html = await self._live(request, actor)
            if html != shown:
                shown = html
                yield server_event(html)
            else:
                yield server_event("-", event="hb")
            await self._clock.sleep(PACE)
            seen = await self._desk.next_change(seen, HEARTBEAT)
            if await self._staff.session(cookie) is None:
                return  # signed out meanwhile: the browser asks again and is sent to the login

    async def _live(self, request: Request, actor: Actor) -> str:
        if request.query_params.get("id"):
            application, document = _named(request, {})
            item = await self._desk.inbox.item(application, document)
            if item is None:
                raise ProblemError(404, "no-such-item")
            template = self._templates.get_template("desk/item_live.html")
            return template.render(**await self._of_item(item))
        template = self._templates.get_template("desk/inbox_live.html")
        return template.render(**await self._listed(_tab(request), actor))

    # -- acting ----------------------------------------------------------------------------

    async def _execute(self, request: Request) -> Response:
        actor, form = await self._posted(request)
        cookie = ""
        secret = _first(form, "secret")
        try:
            if secret:
                cookie = await self._guard.prove(request, secret)
                actor = await self._staff.session(cookie) or actor
            _ = await self._desk.handling.execute(
                _first(form, "id"),
                form.get("tick", ()),
                actor,
                balance=_first(form, "balance"),
                frozen=_first(form, "frozen"),
                by_hand=_first(form, "by_hand") == "yes",
            )
        except ProblemError as problem:
            if problem.status not in {401, 429}:
                raise
            return self._ask_proof(request, actor, form, problem.detail, problem.status)
        except ProofNeeded:
            return self._ask_proof(request, actor, form, "", 200)
        except (InputError, AnsweredBefore, CoreRefused) as error:
            return await self._again(request, actor, form, error, cookie)
        answer = RedirectResponse(f"/?{urlencode({'done': _first(form, 'id')})}", status_code=303)
        if cookie:
            self._set_cookie(answer, cookie)
        return answer

    def _ask_proof(
        self,
        request: Request,
        actor: Actor,
        form: Mapping[str, Sequence[str]],
        problem: str,
        status: int,
    ) -> Response:
        kept = [(name, value) for name, values in form.items() for value in values]
        return self._page(
            request,
            "prove.html",
            status=status,
            actor=actor,
            problem=problem,
            kept=[(name, value) for name, value in kept if name != "secret"],
            back=f"/item?{urlencode({'id': _first(form, 'id'), 'document': 'instruction'})}",
        )

    async def _again(
        self,
        request: Request,
        actor: Actor,
        form: Mapping[str, Sequence[str]],
        error: InputError | AnsweredBefore | CoreRefused,
        cookie: str,
    ) -> Response:
        """The item once more, with what was wrong on top, and what was entered kept."""
        status = 422
        text = hint = ""
        if isinstance(error, InputError):
            text, hint = _CHINESE.get(error.field or "", ""), error.hint
        elif isinstance(error, AnsweredBefore):
            status = 409
            names = await self._staff.names()
            text = f"已由 {names.get(error.by, error.by)} 先行答复，您的答复没有送出。"
        else:
            status = 503
            text = "核心系统没有办成，没有按“已执行”答复。"
        problem = f"{text} {error.args[0]} {hint}".strip()
        return await self._shown(
            request, actor, status=status, problem=problem, form=form, cookie=cookie
        )

    async def _refuse(self, request: Request) -> Response:
        actor, form = await self._posted(request)
        try:
            _ = await self._desk.handling.refuse(
                _first(form, "id"), _first(form, "code"), _first(form, "cause"), actor
            )
        except (InputError, AnsweredBefore, CoreRefused) as error:
            return await self._again(request, actor, form, error, "")
        return RedirectResponse(f"/?{urlencode({'done': _first(form, 'id')})}", status_code=303)

    async def _call(self, request: Request) -> Response:
        actor, form = await self._posted(request)
        confirmed = _first(form, "confirmed") == "yes"
        try:
            _ = await self._desk.handling.call(
                _first(form, "id"), confirmed, _first(form, "note"), actor
            )
        except (InputError, AnsweredBefore, CoreRefused) as error:
            return await self._again(request, actor, form, error, "")
        return RedirectResponse(_item_path(form), status_code=303)

    async def _take(self, request: Request) -> Response:
        actor, form = await self._posted(request)
        application, document = _named(request, form)
        wanted = document or DocumentKind.INSTRUCTION
        _ = await self._desk.handling.take_over(application, wanted, actor)
        return RedirectResponse(_item_path(form), status_code=303)

    # -- paper -----------------------------------------------------------------------------

    async def _print(self, request: Request) -> Response:
        actor = await self._person(request)
        application, document = _named(request, {})
        item = await self._desk.reveal(application, actor, document)
        return self._page(request, "print.html", actor=actor, **await self._of_item(item))

    async def _receipt(self, request: Request) -> Response:
        actor = await self._person(request)
        application, _ = _named(request, {})
        item = await self._desk.reveal(application, actor, DocumentKind.INSTRUCTION)
        if item.receipt is None:
            raise ProblemError(404, "no-receipt", "还没有答复。It has not been answered.")
        signed = json.loads(item.signed_receipt)
        return self._page(
            request,
            "receipt.html",
            actor=actor,
            operator=item.receipt.operator,
            signature=signed["signature"],
            key_id=signed["key_id"],
            receipt_sha256=hashlib.sha256(signed["document"].encode()).hexdigest(),
            **await self._of_item(item),
        )

    async def _signed(self, request: Request) -> Response:
        actor = await self._person(request)
        application, _ = _named(request, {})
        item = await self._desk.reveal(application, actor, DocumentKind.INSTRUCTION)
        if item.receipt is None:
            raise ProblemError(404, "no-receipt", "还没有答复。It has not been answered.")
        name = quote(f"receipt-{item.package.application_id}.json", safe="")
        headers = {"content-disposition": f"attachment; filename*=UTF-8''{name}"}
        return Response(item.signed_receipt, media_type="application/json", headers=headers)

    async def _paper(self, request: Request) -> Response:
        if request.method != "POST":
            actor = await self._person(request)
            return self._typed(request, actor, {}, "")
        actor, form = await self._posted(request)
        values = {name: found[0] for name, found in form.items()}
        try:
            application, hash16 = read_code(values.get("code", ""))
            package = typed_package(
                application,
                values,
                sender=self._known_sender(values.get("sender", "")),
                institution=self._desk.settings.institutions[0],
                now=datetime.fromtimestamp(self._clock.millis() / 1000, UTC),
                at=_moment(values.get("at", "")),
                end=_moment(values.get("end", "")),
            )
            item = await self._desk.handling.enter(package, hash16, actor)
        except InputError as error:
            text = f"{_CHINESE.get(error.field or '', '')} {error.args[0]} {error.hint}".strip()
            return self._typed(request, actor, values, text)
        query = urlencode({"id": item.package.application_id, "document": "instruction"})
        return RedirectResponse(f"/item?{query}", status_code=303)

    def _known_sender(self, name: str) -> str:
        if name not in {one.name for one in self._desk.settings.sender}:
            raise InputError("Choose the unit from our own book.", field="sender")
        return name

    def _typed(
        self, request: Request, actor: Actor, values: Mapping[str, str], problem: str
    ) -> Response:
        fields = ("code", "sender", "kind", "number", "name", "amount", "at", "from_account", "end")
        return self._page(
            request,
            "paper.html",
            status=422 if problem else 200,
            actor=actor,
            problem=problem,
            senders=[one.name for one in self._desk.settings.sender],
            kinds=KINDS,
            values={name: values.get(name, "") for name in fields},
        )

    # -- the shift, people -----------------------------------------------------------------

    async def _duty(self, request: Request) -> Response:
        problem = ""
        form: Mapping[str, Sequence[str]] = {}
        if request.method == "POST":
            actor, form = await self._posted(request)
            waiting = sum(one.waiting for one in await self._items())
            try:
                _ = await self._desk.duty.hand_over(
                    _first(form, "a"), _first(form, "b"), _first(form, "note"), waiting, actor
                )
            except InputError as error:
                problem = f"{_CHINESE.get(error.field or '', '')} {error.args[0]}".strip()
            else:
                await self._desk.changed()
                return RedirectResponse("/duty", status_code=303)
        else:
            actor = await self._person(request)
        people = [
            view.display
            for view in await self._staff.views()
            if not view.machine and not view.disabled
        ]
        return self._page(
            request,
            "duty.html",
            status=422 if problem else 200,
            actor=actor,
            problem=problem,
            people=people,
            shifts=(await self._desk.duty.all())[:20],
            when=when,
            a=_first(form, "a"),
            b=_first(form, "b"),
            note=_first(form, "note"),
        )

    async def _login(self, request: Request) -> Response:
        if request.method != "POST":
            return self._page(request, "login.html", problem="", name="")
        form = await _form(request)
        name = _first(form, "name").strip()
        try:
            cookie = await self._guard.login(request, _first(form, "password"), name)
        except ProblemError as problem:
            if problem.status not in {401, 429}:
                raise
            page = self._page(
                request, "login.html", status=problem.status, problem=problem.detail, name=name
            )
            page.headers.update(problem.headers)
            return page
        answer = RedirectResponse("/", status_code=303)
        self._set_cookie(answer, cookie)
        return answer

    async def _logout(self, request: Request) -> Response:
        await self._guard.logout(request)
        answer = RedirectResponse("/login", status_code=303)
        answer.delete_cookie(
            self._guard.cookie, secure=self._web.is_secure, httponly=True, samesite="lax"
        )
        return answer

    # -- parts -----------------------------------------------------------------------------

    async def _person(self, request: Request) -> Actor:
        """Who is signed in. Raises `ProblemError`: 401, or 403 without the role of a desk."""
        actor = await self._guard.session(request)
        if actor is None:
            raise ProblemError(401, "unauthorised", "请先登录。Please sign in first.")
        try:
            actor.require(Role.BANK_DESK)
        except AccessDenied as error:
            raise from_error(error) from None
        return actor

    async def _posted(self, request: Request) -> tuple[Actor, Mapping[str, Sequence[str]]]:
        require_same_origin(request)
        return await self._person(request), await _form(request)

    def _set_cookie(self, answer: Response, cookie: str) -> None:
        answer.set_cookie(
            self._guard.cookie,
            cookie,
            max_age=SESSION_LIFE_S,
            secure=self._web.is_secure,
            httponly=True,
            samesite="lax",
        )

    def _page(
        self, request: Request, template: str, /, *, status: int = 200, **values: Any
    ) -> Response:
        nonce = request.scope[NONCE]
        values.setdefault("actor", None)
        values.setdefault("now_ms", self._clock.millis())
        body = self._templates.get_template(f"desk/{template}").render(nonce=nonce, **values)
        headers = {
            "content-security-policy": page_policy(nonce),
            "referrer-policy": "same-origin",  # or its forms would come with Origin: null
        }
        return Response(body, status, headers=headers, media_type=HTML)

    async def _static(self, request: Request) -> Response:
        name = request.path_params["name"]
        found = self._assets.get(name)
        if found is None or found[0] != request.path_params["version"]:
            raise ProblemError(404, "no-such-file", "There is no such file.")
        media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        headers = {"cache-control": "public, max-age=31536000, immutable"}
        return Response(found[1], media_type=media_type, headers=headers)

    def _asset(self, name: str) -> str:
        return f"/static/{self._assets[name][0]}/{name}"


_CHINESE = {
    "ticks": "四项要素没有全部核对一致，不能执行。",
    "call": "纸质件须先按本行通讯录回拨核实。",
    "frozen": "请填写冻结金额，且不超过请求金额。",
    "balance": "金额格式不对。",
    "code": "请填写或选择正确的代码。",
    "sender": "请从本行通讯录选择单位。",
    "kind": "请选择请求的种类。",
    "number": "账号有误。",
    "name": "户名有误。",
    "amount": "金额有误。",
    "at": "请填写转账时间。",
    "a": "请填写值班的 A 角，B 角须为另一人。",
    "note": "内容太长。",
    "application_id": "与已有的不一致。",
}
"""What each field's fault is in Chinese."""


def _tab(request: Request) -> str:
    tab = request.query_params.get("tab", "waiting")
    return tab if tab in TABS else "waiting"


def _named(request: Request, form: Mapping[str, Sequence[str]]) -> tuple[str, DocumentKind | None]:
    application = _first(form, "id") or request.query_params.get("id", "")
    document = _first(form, "document") or request.query_params.get("document", "")
    if document not in {"", *DocumentKind}:
        raise ProblemError(404, "no-such-item", "There is no such document.")
    return application[:36], DocumentKind(document) if document else None


def _item_path(form: Mapping[str, Sequence[str]]) -> str:
    query = {"id": _first(form, "id")[:36], "document": _first(form, "document") or "instruction"}
    return f"/item?{urlencode(query)}"


def _first(form: Mapping[str, Sequence[str]], name: str) -> str:
    return form.get(name, ("",))[0]


def _moment(text: str) -> datetime | None:
    """A time of a form, in Beijing; None where it is none."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=BEIJING) if text else None
    except ValueError:
        return None


def _age(now: datetime, then: datetime | None) -> str:
    if then is None:
        return "–"
    minutes, seconds = divmod(int(max(0.0, (now - then).total_seconds())), 60)
    return f"{minutes:02}:{seconds:02}"


async def _form(request: Request) -> Mapping[str, Sequence[str]]:
    require_media_type(request, _FORM)
    raw = await read_body(request, _LONGEST_FORM)
    try:
        return parse_qs(raw.decode("utf-8"), max_num_fields=60)
    except ValueError:
        raise ProblemError(422, "invalid", "The form cannot be read.") from None


def _read_assets() -> dict[str, tuple[str, bytes]]:
    folder = files("fzalert.web") / "static"
    contents = {item.name: item.read_bytes() for item in folder.iterdir() if item.is_file()}
    return {
        name: (hashlib.sha256(content).hexdigest()[:12], content)
        for name, content in contents.items()
        if name.endswith(_ASSETS)
    }
