"""`fzalert desk`: the bank's side, with a file and a store of its own."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from pydantic import BaseModel

from fzalert.cli.logs import start_logging
from fzalert.cli.output import Output
from fzalert.cli.session import TOKEN_VARIABLE, current, read_token
from fzalert.config import LogSettings
from fzalert.desk.inbox import DeskAnswer
from fzalert.desk.settings import DeskSettings, load_desk
from fzalert.errors import AccessDenied, InputError, NotConnected, StoreInUse

if TYPE_CHECKING:
    from fzalert.access import Actor
    from fzalert.desk.service import DeskService
    from fzalert.http import HttpAnswer
    from fzalert.service.desk_staff import DeskPerson, DeskStaff

__all__ = [
    "add_user",
    "answer",
    "disable_user",
    "key",
    "keys",
    "list_items",
    "list_users",
    "password",
    "rotate_keys",
    "run",
    "show",
    "token",
]

_WITHIN = timedelta(seconds=20)


async def run(*, ready_json: Annotated[bool, Parameter(negative=())] = False) -> None:
    """Serve until a signal asks to stop; a second signal ends at once.

    Args:
        ready_json: Write one line of JSON to standard output once both doors serve.
    """
    from fzalert.daemon import notify
    from fzalert.desk.service import DeskService
    from fzalert.service.heads import HeadKeeper
    from fzalert.web.desk import desk_doors

    session = current()
    settings = load_desk(session.config)
    start_logging(LogSettings(), service=True)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)

    def asked() -> None:
        stop.set()
        for number in numbers:
            loop.remove_signal_handler(number)  # the next one ends the process at once

    if sys.platform != "win32":
        for number in numbers:
            loop.add_signal_handler(number, asked)
    heads = settings.store.with_name(settings.store.name + ".heads")
    async with DeskService(settings) as desk, desk_doors(desk) as doors:
        desk.keep("heads", HeadKeeper(desk.store, desk.signer, heads, desk.clock).run)
        told = {
            "ready": True,
            "police": doors.police,
            "staff": doors.staff,
            "public_key": desk.signer.public_key.hex(),
        }
        _staff_file(settings).write_text(doors.staff, encoding="ascii")
        output = session.output
        if ready_json or output.as_json:
            Output(as_json=True).data(told)
        else:
            output.line(f"接收 Packages: {doors.police}")
            output.line(f"待办页面 Inbox page: {doors.staff}")
            output.line(f"公钥 Public key: {told['public_key']}")
        notify(f"READY=1\nSTATUS={doors.police}")
        ended = [loop.create_task(one.failed.wait()) for one in doors.servers]
        ended.append(loop.create_task(stop.wait()))
        await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.cancel()
        notify("STOPPING=1")
        _staff_file(settings).unlink(missing_ok=True)
    if not stop.is_set():
        raise NotConnected("The desk's server died; the log has the details.")


async def list_items(
    *,
    all: Annotated[bool, Parameter(negative=())] = False,
    token_file: Path | None = None,
) -> None:
    """List what waits for an answer, oldest first; no account is shown whole.

    Args:
        all: What was answered too, and pre-alerts.
        token_file: File with your token, `-` for standard input; else $FZALERT_TOKEN.
    """
    from fzalert.desk.views import view_of

    def here(desk: DeskService, by: Actor) -> Any:
        del by

        async def found() -> dict[str, Any]:
            now = desk.now_ms()
            items = await desk.inbox.items(waiting=not all)
            return {"items": [view_of(item, now).model_dump() for item in items]}

        return found()

    found = await _ask("GET", f"items?all={str(all).lower()}", None, token_file, here)
    output = current().output
    output.rows(found["items"])
    output.table(
        ["申请编号", "种类", "账户", "户名", "金额", "时限", "来自", "已等", "结果"],
        [
            [
                one["application_id"],
                ("演练 " if one["drill"] else "")
                + ("预警 " if one["document"] == "pre_alert" else "")
                + one["asked"],
                one["account"],
                one["holder"],
                one["amount"],
                f"{one['hours']} h" if one["hours"] else "",
                one["sender"],
                f"{one['waits'] // 60} min" if one["waits"] else "",
                f"{one['code']} {one['result']}".strip(),
            ]
            for one in found["items"]
        ],
    )


async def show(application: str, *, token_file: Path | None = None) -> None:
    """Show one item with its account in plain; that you saw it goes on record.

    Args:
        application: Its application id.
        token_file: File with your token, `-` for standard input; else $FZALERT_TOKEN.
    """
    from fzalert.desk.views import detail_of

    def here(desk: DeskService, by: Actor) -> Any:
        async def found() -> dict[str, Any]:
            item = await desk.reveal(application, by)
            return detail_of(item, desk.now_ms()).model_dump()

        return found()

    found = await _ask("GET", f"items/{_named(application)}", None, token_file, here)
    output = current().output
    output.data(found)
    for name, value in found.items():
        output.line(f"{name}: {value}")


async def answer(
    application: str,
    code: str,
    *,
    frozen: str = "",
    balance: str = "",
    cause: str = "",
    authority: str = "",
    phone: str = "",
    token_file: Path | None = None,
) -> None:
    """Answer one instruction, once; the police side gets it signed.

    Args:
        application: Its application id.
        code: Result code of the platform, four digits; 0000 is done.
        frozen: What is frozen, in yuan.
        balance: Balance before, in yuan.
        cause: Why not; a refusal needs it.
        authority: Who has frozen the account before.
        phone: Where the police may ask.
        token_file: File with your token, `-` for standard input; else $FZALERT_TOKEN.
    """
    from pydantic import ValidationError

    from fzalert.desk.views import view_of

    given = {
        "code": code,
        "frozen": frozen or None,
        "balance": balance or None,
        "cause": cause,
        "earlier_authority": authority,
        "phone": phone,
    }
    try:
        said = DeskAnswer.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise InputError(f"{field}: {first['msg']}.", field=field) from None

    def here(desk: DeskService, by: Actor) -> Any:
        async def found() -> dict[str, Any]:
            receipt = await desk.answer(application, said, by)
            item = await desk.inbox.item(receipt.application_id)
            return {} if item is None else view_of(item, desk.now_ms()).model_dump()

        return found()

    path = f"items/{_named(application)}/answer"
    found = await _ask("POST", path, said, token_file, here)
    output = current().output
    output.data(found)
    output.line(f"已答复 Answered: {found['application_id']} {found['code']} {found['result']}")


def key() -> None:
    """Show the desk's public key, made at the first call: what the police side checks against."""
    from fzalert.desk.service import desk_signer

    session = current()
    signer = desk_signer(load_desk(session.config))
    session.output.data({"key_id": signer.key_id, "public_key": signer.public_key.hex()})
    session.output.line(signer.public_key.hex())


def token(name: str, *, machine: Annotated[bool, Parameter(negative=())] = False) -> None:
    """Make a token for a person or program; the file keeps its hash alone.

    Args:
        name: Lower-case letters, digits, `_` and `-`.
        machine: A program, not a person.
    """
    from fzalert.access import Directory, Role

    row, made = Directory().add_user(name, [Role.BANK_DESK], machine=machine)
    output = current().output
    output.data({"name": name, "token": made, "token_sha256": row.token_hash.hex()})
    output.line(f"令牌，只显示一次 Token, shown once: {made}")
    output.line("写入 desk.toml: Write into desk.toml:")
    output.line(f'[[user]]\nname = "{name}"\ntoken_sha256 = "{row.token_hash.hex()}"')
    if machine:
        output.line("machine = true")


async def list_users(*, token_file: Path | None = None) -> None:
    """List the people of the desk's own store.

    Args:
        token_file: While the desk runs: file with your token, `-` for standard input.
    """

    async def here(staff: DeskStaff) -> dict[str, Any]:
        return {"people": [view.model_dump() for view in await staff.views()]}

    found = await _people("GET", None, token_file, here)
    output = current().output
    output.rows(found["people"])
    output.table(
        ["用户名", "姓名", "角色", "口令", "状态"],
        [
            [
                one["name"],
                one["display"],
                "supervisor 主管" if "admin" in one["roles"] else "operator 操作员",
                "● 有" if one["has_password"] else "–",
                "■ 停用" if one["disabled"] else "● 有效",
            ]
            for one in found["people"]
        ],
    )


async def add_user(
    name: str,
    *,
    role: str = "operator",
    display: str = "",
    password_file: Path | None = None,
    token_file: Path | None = None,
) -> None:
    """Add a person for the pages, with a password; a token for the terminal is shown once.

    Where the desk does not run, the account that owns its store adds; else a supervisor does.

    Args:
        name: Lower-case letters, digits, `_` and `-`.
        role: operator or supervisor.
        display: As receipts name the person.
        password_file: File with the password, `-` for standard input; without it you are asked.
        token_file: While the desk runs: file with a supervisor's token.
    """
    from fzalert.cli.user import _new_password

    secret = _new_password() if password_file is None else read_token(password_file, "")
    wanted = _person(action="add", name=name, role=role, display=display, password=secret)
    made = (await _changed(wanted, token_file))["token"]
    output = current().output
    output.data({"name": name, "role": role, "token": made})
    output.line(f"已添加 added: {name} {role}")
    output.line(f"终端用令牌，只显示一次 Token for the terminal, shown once: {made}")


async def password(name: str, *, file: Path | None = None, token_file: Path | None = None) -> None:
    """Give a person of the desk another password; the sessions of before end.

    Args:
        name: Whose.
        file: File that holds it, `-` for standard input; without it you are asked.
        token_file: While the desk runs: file with a supervisor's token, or the person's own.
    """
    from fzalert.cli.user import _new_password

    secret = _new_password() if file is None else read_token(file, "")
    await _changed(_person(action="password", name=name, password=secret), token_file)
    current().output.line(f"{name} 口令已设定 password set")


async def disable_user(name: str, *, token_file: Path | None = None) -> None:
    """Close a person's access to the desk at once, sessions too.

    Args:
        name: Whose.
        token_file: While the desk runs: file with a supervisor's token.
    """
    await _changed(_person(action="disable", name=name), token_file)
    current().output.line(f"{name} 已停用 disabled")


async def keys(*, token_file: Path | None = None) -> None:
    """Show the master key and the data keys of the desk's store.

    Args:
        token_file: File with a supervisor's token, `-` for standard input; else $FZALERT_TOKEN.
    """
    await _keys("GET", token_file)


async def rotate_keys(*, token_file: Path | None = None) -> None:
    """Take another master key and another data key; the desk goes on meanwhile.

    What is stored is sealed anew beside everything else, at the next start of the desk where it
    does not run now. The former master key stays in a file beside the new one, for backups from
    before.

    Args:
        token_file: File with a supervisor's token, `-` for standard input; else $FZALERT_TOKEN.
    """
    await _keys("POST", token_file)


async def _keys(method: str, token_file: Path | None) -> None:
    from fzalert.cli.keys import show_keys
    from fzalert.service.custody import DESK_PLACES, Custody
    from fzalert.service.custody_models import KeysAsk, KeysView, RotateAsk

    async def here(desk: DeskService, by: Actor) -> dict[str, Any]:
        custody = Custody(desk.store, desk.settings.master_key, DESK_PLACES, desk.clock)
        answer = await custody.answer(KeysAsk() if method == "GET" else RotateAsk(), by)
        return {"keys": None if answer.keys is None else answer.keys.model_dump()}

    found = await _ask(method, "keys", None, token_file, here)
    show_keys(KeysView.model_validate(found["keys"]))


def _person(**said: str) -> DeskPerson:
    from pydantic import ValidationError

    from fzalert.service.desk_staff import DeskPerson

    try:
        return DeskPerson.model_validate(said)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise InputError(f"{field}: {first['msg']}.", field=field) from None


async def _changed(wanted: DeskPerson, token_file: Path | None) -> dict[str, Any]:
    async def here(staff: DeskStaff) -> dict[str, Any]:
        return {"token": await wanted.change(staff, None)}

    # A secret is written out for the wire alone.
    secret = wanted.password.get_secret_value()
    body = json.dumps({**wanted.model_dump(mode="json"), "password": secret}).encode()
    return await _people("POST", body, token_file, here)


async def _people(
    method: str,
    body: bytes | None,
    token_file: Path | None,
    here: Callable[[DeskStaff], Awaitable[dict[str, Any]]],
) -> dict[str, Any]:
    """Do it on the store as the account that owns it where it is free; else ask the desk.

    Raises:
        AccessDenied: The desk runs, and no supervisor's token was given.
    """
    from fzalert.desk.service import DeskService
    from fzalert.service.desk_staff import DeskStaff

    settings = load_desk(current().config)
    start_logging(LogSettings(level="warning", format="text"))
    try:
        async with DeskService(settings, hooked=False) as desk:
            return await here(DeskStaff(desk))
    except StoreInUse:
        secret = read_token(token_file, TOKEN_VARIABLE)
        if not secret:
            raise AccessDenied(
                "While the desk runs, a supervisor changes its people.",
                hint="Give --token-file with a supervisor's token, or stop the desk first.",
            ) from None
        return await _remote(settings, method, "people", body, secret)


def _named(application: str) -> str:
    from urllib.parse import quote

    return quote(application, safe="")


async def _ask(
    method: str, path: str, body: BaseModel | None, token_file: Path | None, here: Any
) -> dict[str, Any]:
    """Do it on the store where it is free; else ask the desk that runs.

    Raises:
        AccessDenied: No token, or not one of this desk.
        NotConnected: Another process owns the store and does not answer.
    """
    from fzalert.desk.service import DeskService
    from fzalert.service.desk_staff import DeskStaff

    settings = load_desk(current().config)
    start_logging(LogSettings(level="warning", format="text"))
    secret = read_token(token_file, TOKEN_VARIABLE)
    if not secret:
        raise AccessDenied(
            "The desk's people act with a token.",
            hint="Give --token-file or $FZALERT_TOKEN; `fzalert desk token` makes one.",
        )
    try:
        async with DeskService(settings, hooked=False) as desk:
            found: dict[str, Any] = await here(desk, await DeskStaff(desk).authenticate(secret))
            return found
    except StoreInUse:
        sent = None if body is None else body.model_dump_json().encode()
        return await _remote(settings, method, path, sent, secret)


async def _remote(
    settings: DeskSettings, method: str, path: str, body: bytes | None, secret: str
) -> dict[str, Any]:
    from urllib.parse import urlsplit

    from fzalert.http import HttpPool

    url = _staff_address(settings)
    headers = {"Authorization": f"Bearer {secret}", "Accept": "application/json"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    tls = None
    if url.startswith("https:"):
        tls = ssl.create_default_context(cafile=str(settings.certificate))
        tls.check_hostname = False  # it is the certificate of our own file, by whatever name
    http = HttpPool(tls=tls, max_body=16_777_216)
    try:
        answer = await http.request(
            method,
            f"{url}desk/v1/{path}",
            content=body or b"",
            headers=headers,
            deadline=_WITHIN,
            private_hosts=frozenset({urlsplit(url).hostname or ""}),
        )
    finally:
        await http.aclose()
    if answer.status == 200:
        found: dict[str, Any] = json.loads(answer.body)
        return found
    raise _error(answer)


def _staff_file(settings: DeskSettings) -> Path:
    """Where the running desk says how its own people reach it."""
    return settings.store.with_suffix(".staff")


def _staff_address(settings: DeskSettings) -> str:
    try:
        return _staff_file(settings).read_text(encoding="ascii").strip()
    except OSError as error:
        raise NotConnected(
            "Another process owns the desk's store, and does not serve yet.",
            hint="Wait until `fzalert desk run` has started, or restart it.",
        ) from error


def _error(answer: HttpAnswer) -> Exception:
    try:
        problem = json.loads(answer.body)
        code, detail = str(problem["code"]), str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        return NotConnected(f"The desk answers HTTP {answer.status}.")
    if answer.status in {401, 403}:
        return AccessDenied(detail)
    if answer.status in {404, 409, 422}:
        return InputError(detail or code)
    return NotConnected(detail or code)
