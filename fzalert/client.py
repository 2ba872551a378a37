"""The service's methods, spoken to the process that owns the store, over its local socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from typing_extensions import override

from fzalert.access.actors import Actor, ActorKind
from fzalert.access.directory import Directory
from fzalert.clock import SystemClock
from fzalert.config import Settings
from fzalert.errors import (
    AccessDenied,
    FzalertError,
    GuardsUnmet,
    NotConnected,
    ProtocolMismatch,
    Retry,
)
from fzalert.service.api import ServiceApi
from fzalert.service.contact_models import ContactAnswer, ContactAsk
from fzalert.service.custody_models import CustodyAnswer, CustodyAsk
from fzalert.service.models import (
    CampaignRequest,
    CampaignView,
    OptOutChange,
    OptOutPage,
    OptOutQuery,
    OptOutRequest,
    ReloadView,
    ScriptView,
    SessionView,
    SettleRequest,
    SettleView,
    StatusView,
    UnknownPage,
    UnknownRequest,
    UserChange,
    UserView,
    WarningView,
    WarnRequest,
)
from fzalert.service.preview_models import CampaignPreview
from fzalert.service.sockets import LONGEST_ANSWER, PROTOCOL, is_ours, socket_path

if TYPE_CHECKING:
    from fzalert.service.freeze_models import FreezeAnswer, FreezeAsk

__all__ = ["AnswerLost", "Client", "connect"]

CONNECT_WITHIN = 2.0
ANSWER_WITHIN = 30.0
IMPORT_WITHIN = 600.0
RELOAD_WITHIN = 180.0
FREEZE_WITHIN = 120.0
"""A bundle of a large case, or papers for many banks, takes its time."""


class AnswerLost(NotConnected):
    """The question went out, and the process was gone before its answer came: it may have acted."""

    code = "answer-lost"
    retry: ClassVar[Retry] = Retry.ASK


def connect(settings: Settings) -> Client:
    """A client of the process that owns the store of these settings; use `async with`."""
    return Client(socket_path(settings.store.path))


class Client(ServiceApi):
    """Speaks to one socket. Requests of several tasks travel side by side.

    After the process ended and another one started, the next question goes to the new one: a
    teller's program need not be restarted with the daemon.

    Args:
        path: The socket file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._number = 0
        self._tokens: dict[str, str] = {}
        self._proved: dict[object, int] = {}
        self._reading: asyncio.Future[None] | None = None
        self._is_open = False
        self._connecting = asyncio.Lock()

    # -- life ------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if not self._is_open:
            await self._connect()
            self._is_open = True
        return self

    async def _connect(self) -> None:
        try:
            greeting = await self._greeted()
        except (OSError, TimeoutError, ValueError) as error:
            self._hang_up()
            raise NotConnected(
                f"No fzalert process answers on {self._path.name}.",
                hint="Start it with `fzalert run`, or look at `fzalert status`.",
            ) from error
        except BaseException:
            self._hang_up()
            raise
        spoken = greeting.get("fzalert")
        if spoken != PROTOCOL:
            self._hang_up()
            raise ProtocolMismatch(
                f"The running process speaks protocol {str(spoken)[:20]}, this one {PROTOCOL}.",
                hint="Restart the older of the two.",
            )

    async def _greeted(self) -> dict[str, Any]:
        """Connect; returns what the other side says first."""
        if not is_ours(self._path):
            raise ConnectionRefusedError("there is no socket of this user")
        async with asyncio.timeout(CONNECT_WITHIN):
            self._reader, self._writer = await asyncio.open_unix_connection(
                str(self._path), limit=LONGEST_ANSWER
            )
            greeting = json.loads(await self._reader.readline())
        if not isinstance(greeting, dict):
            raise ValueError("no greeting")  # noqa: TRY004  of the other side, not of a caller
        return greeting

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_open = False
        self._hang_up()

    def _hang_up(self, why: str = "the connection was closed") -> None:
        writer, self._writer, self._reader = self._writer, None, None
        if writer is not None:
            writer.close()
        self._lost(why)

    def _lost(self, why: str) -> None:
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(
                    AnswerLost(
                        f"The fzalert process is gone: {why}.",
                        hint="It may have acted before; with the same key it acts once.",
                    )
                )

    async def _line(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The connection; a new one where the process at its other end is gone."""
        if not self._is_open:
            raise NotConnected("The client is not connected; use `async with`.")
        async with self._connecting:
            reader, writer = self._reader, self._writer
            if reader is None or writer is None or _is_over(reader, writer):
                self._hang_up()
                await self._connect()
                reader, writer = self._reader, self._writer
            assert reader is not None  # noqa: S101  a connection was just made
            assert writer is not None  # noqa: S101
            return reader, writer

    # -- asking ----------------------------------------------------------------------------

    async def _ask(self, call: str, within: float = ANSWER_WITHIN, **args: object) -> Any:
        reader, writer = await self._line()
        self._number += 1
        number = self._number
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        if args.get("token") in self._proved:
            args["proved"] = self._proved[args["token"]]
        line = json.dumps({"id": number, "call": call, "args": args}, ensure_ascii=False)
        writer.write(line.encode() + b"\n")
        try:
            async with asyncio.timeout(within):
                await self._pump(reader, future)
        except TimeoutError:
            raise AnswerLost(f"The fzalert process did not answer {call} in time.") from None
        finally:
            self._waiting.pop(number, None)
        return future.result()

    async def _pump(self, reader: asyncio.StreamReader, mine: asyncio.Future[Any]) -> None:
        """Read answers until mine is there. Whoever waits first reads for everybody.

        So no task of ours runs beside the caller's program while nothing is asked.
        """
        while not mine.done():
            if self._reading is not None:
                await asyncio.wait({mine, self._reading}, return_when=asyncio.FIRST_COMPLETED)
                continue
            self._reading = asyncio.get_running_loop().create_future()
            try:
                line = await reader.readline()
                if line:
                    self._take(json.loads(line))
                else:
                    self._broken(reader, "it closed the connection")
            except (OSError, ValueError) as error:
                self._broken(reader, f"its answer cannot be read ({type(error).__name__})")
            finally:
                reading, self._reading = self._reading, None
                if not reading.done():
                    reading.set_result(None)

    def _broken(self, reader: asyncio.StreamReader, why: str) -> None:
        """Give a connection up; the next question makes a new one."""
        if reader is self._reader:
            self._hang_up(why)

    def _take(self, answer: object) -> None:
        if not isinstance(answer, dict) or not isinstance(answer.get("id"), int):
            raise ValueError("no answer")  # noqa: TRY004  of the other side, not of a caller
        future = self._waiting.get(answer["id"])
        if future is None or future.done():
            return
        error = answer.get("error")
        if isinstance(error, dict):
            future.set_exception(decode_error(error))
        else:
            future.set_result(answer.get("ok"))

    def _token(self, by: Actor) -> str:
        """What proves the actor to the other process; its own user needs no proof.

        Raises:
            AccessDenied: The actor was issued elsewhere, so its token is not known here.
        """
        token = self._tokens.get(by.id, "")
        if not token and by.kind is not ActorKind.LOCAL:
            raise AccessDenied(
                f"{by.name} is not known on this connection.",
                hint="Ask for the actor by its token: `await fz.actor(token)`.",
            )
        return token

    # -- the service's methods -------------------------------------------------------------

    @override
    async def status(self) -> StatusView:
        return StatusView.model_validate(await self._ask("status"))

    @override
    async def warn_request(self, request: WarnRequest, by: Actor) -> WarningView:
        answer = await self._ask(
            "warn_request",
            ANSWER_WITHIN,
            request=request.model_dump(mode="json"),
            token=self._token(by),
            until=SystemClock().monotonic() + ANSWER_WITHIN,
        )
        return WarningView.model_validate(answer)

    @override
    async def warning(self, id: str, wait: float = 0) -> WarningView | None:
        answer = await self._ask("warning", ANSWER_WITHIN + wait, id=id, wait=wait)
        return None if answer is None else WarningView.model_validate(answer)

    @override
    async def recent(self, limit: int, after: str = "") -> list[WarningView]:
        found = await self._ask("recent", limit=limit, after=after)
        return [WarningView.model_validate(item) for item in found]

    @override
    async def scripts(self) -> list[ScriptView]:
        return [ScriptView.model_validate(item) for item in await self._ask("scripts")]

    @override
    async def approve(self, script_key: str, *, author: Actor, approver: Actor) -> ScriptView:
        answer = await self._ask(
            "approve",
            script_key=script_key,
            author=self._token(author),
            approver=self._token(approver),
        )
        return ScriptView.model_validate(answer)

    async def unapprove(self, script_key: str, *, by: Actor) -> ScriptView:
        """Let a script be sent no more; as the service's."""
        answer = await self._ask("unapprove", script_key=script_key, token=self._token(by))
        return ScriptView.model_validate(answer)

    @override
    async def users(self) -> list[UserView]:
        return [UserView.model_validate(item) for item in await self._ask("users")]

    @override
    async def add_user(self, name: str, roles: list[str]) -> str:
        return str(await self._ask("add_user", name=name, roles=roles))

    @override
    async def change_user(self, wanted: UserChange, by: Actor | None = None) -> str:
        token = "" if by is None else self._token(by)
        wish = wanted.model_dump(mode="json", exclude_none=True)
        if wanted.password is not None:
            wish["password"] = wanted.password.get_secret_value()
        return str(await self._ask("change_user", wanted=wish, token=token))

    @override
    async def disable_user(self, name: str, by: Actor | None = None) -> None:
        await self._ask("disable_user", name=name, token="" if by is None else self._token(by))

    @override
    async def sessions(self, by: Actor | None = None) -> list[SessionView]:
        found = await self._ask("sessions", token="" if by is None else self._token(by))
        return [SessionView.model_validate(item) for item in found]

    @override
    async def authenticate(self, token: str) -> Actor:
        """The actor behind a token; the token stays here and is sent with each of its acts."""
        known = await self._ask("authenticate", token=token)
        actor = Directory.described(
            known["id"],
            known["name"],
            known["roles"],
            known["kind"],
            rank=known["rank"],
            unit=known["unit"],
            proved_ms=known["proved"],
        )
        self._tokens[actor.id] = token
        self._proved[token] = int(known["proved"])
        return actor

    @override
    async def plan_campaign(self, request: CampaignRequest, by: Actor) -> CampaignView:
        answer = await self._ask(
            "plan_campaign",
            IMPORT_WITHIN,
            request=request.model_dump(mode="json"),
            token=self._token(by),
        )
        return CampaignView.model_validate(answer)

    @override
    async def preview_campaign(self, id: str, by: Actor) -> CampaignPreview:
        answer = await self._ask("preview_campaign", IMPORT_WITHIN, id=id, token=self._token(by))
        return CampaignPreview.model_validate(answer)

    @override
    async def steer_campaign(
        self, id: str, action: str, by: Actor, confirm: str = ""
    ) -> CampaignView:
        answer = await self._ask(
            "steer_campaign",
            IMPORT_WITHIN,
            id=id,
            action=action,
            confirm=confirm,
            token=self._token(by),
        )
        return CampaignView.model_validate(answer)

    @override
    async def campaigns(self) -> list[CampaignView]:
        return [CampaignView.model_validate(item) for item in await self._ask("campaigns")]

    @override
    async def unknown(self, request: UnknownRequest) -> UnknownPage:
        answer = await self._ask("unknown", request=request.model_dump(mode="json"))
        return UnknownPage.model_validate(answer)

    @override
    async def settle_unknown(self, request: SettleRequest, by: Actor) -> SettleView:
        answer = await self._ask(
            "settle_unknown", request=request.model_dump(mode="json"), token=self._token(by)
        )
        return SettleView.model_validate(answer)

    @override
    async def reload(self, by: Actor, *, allow_down: bool = False) -> ReloadView:
        answer = await self._ask(
            "reload", RELOAD_WITHIN, token=self._token(by), allow_down=allow_down
        )
        return ReloadView.model_validate(answer)

    @override
    async def opt_outs(self, query: OptOutQuery, by: Actor) -> OptOutPage:
        answer = await self._ask(
            "opt_outs", query=query.model_dump(mode="json"), token=self._token(by)
        )
        return OptOutPage.model_validate(answer)

    @override
    async def opt_out(self, request: OptOutRequest, by: Actor) -> OptOutChange:
        answer = await self._ask(
            "opt_out", request=request.model_dump(mode="json"), token=self._token(by)
        )
        return OptOutChange.model_validate(answer)

    @override
    async def opt_in(self, request: OptOutRequest, by: Actor) -> OptOutChange:
        answer = await self._ask(
            "opt_in", request=request.model_dump(mode="json"), token=self._token(by)
        )
        return OptOutChange.model_validate(answer)

    @override
    async def freeze(self, ask: FreezeAsk, by: Actor, *, key: str = "") -> FreezeAnswer:
        from fzalert.service.freeze_models import FreezeAnswer

        wish = ask.model_dump(mode="json")
        answer = await self._ask("freeze", FREEZE_WITHIN, ask=wish, token=self._token(by), key=key)
        return FreezeAnswer.model_validate(answer)

    @override
    async def custody(self, ask: CustodyAsk, by: Actor) -> CustodyAnswer:
        answer = await self._ask("custody", ask=ask.model_dump(mode="json"), token=self._token(by))
        return CustodyAnswer.model_validate(answer)

    @override
    async def contacts(self, ask: ContactAsk, by: Actor) -> ContactAnswer:
        answer = await self._ask("contacts", ask=ask.model_dump(mode="json"), token=self._token(by))
        return ContactAnswer.model_validate(answer)

    @override
    async def changed(self, seq: int, timeout: float) -> int:
        return int(await self._ask("changed", ANSWER_WITHIN + timeout, seq=seq, timeout=timeout))

    @override
    async def withdraw(self, id: str, by: Actor) -> None:
        await self._ask("withdraw", id=id, token=self._token(by))


def _is_over(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    return reader.at_eof() or reader.exception() is not None or writer.is_closing()


def decode_error(error: dict[str, Any]) -> FzalertError:
    """Make the error that the other side had: the same class, the same words."""
    known = {kind.code: kind for kind in _kinds(FzalertError)}
    kind = known.get(str(error.get("code")), FzalertError)
    after = error.get("retry_after")
    if kind is GuardsUnmet:
        reasons = tuple((str(g), str(zh), str(en), str(of)) for g, zh, en, of in error["reasons"])
        return GuardsUnmet(
            str(error.get("what", "")),
            reasons=reasons,
            details=tuple(str(one) for one in error.get("details", ())),
            hint=str(error.get("hint", "")),
        )
    made = kind(
        str(error.get("what", "")),
        hint=str(error.get("hint", "")),
        retry_after=timedelta(seconds=after) if isinstance(after, int | float) else None,
    )
    for name in ("field", "row", "channel"):
        if hasattr(made, name):
            setattr(made, name, error.get(name))
    return made


def _kinds(root: type[FzalertError]) -> Iterator[type[FzalertError]]:
    yield root
    for kind in root.__subclasses__():
        yield from _kinds(kind)
