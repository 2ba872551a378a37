"""Which questions the local socket answers, and how they and their errors are spelt in JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from fzalert.access.directory import Directory
from fzalert.errors import FzalertError, GuardsUnmet, InputError, NotConnected
from fzalert.log import get_logger
from fzalert.service.contact_models import read_contact_ask
from fzalert.service.custody_models import read_custody_ask
from fzalert.service.models import (
    CampaignRequest,
    OptOutQuery,
    OptOutRequest,
    SettleRequest,
    UnknownRequest,
    UserChange,
    WarnRequest,
)
from fzalert.service.wrong import where, wrong_call

if TYPE_CHECKING:
    from fzalert.access.actors import Actor
    from fzalert.service.core import Service

log = get_logger("fzalert.service")

Request = dict[str, Any]
LONGEST_CHANGED = 60.0
WAITS = frozenset({"warning", "changed"})


class Calls:
    """Answers requests.

    Args:
        service: Who is asked.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._table: dict[str, Callable[[Request], Awaitable[object]]] = {
            "status": lambda _: service.status(),
            "warn_request": self._warn,
            "warning": lambda a: service.warning(_text(a, "id"), _number(a, "wait", 0)),
            "recent": lambda a: service.recent(int(_number(a, "limit")), _text(a, "after", "")),
            "scripts": lambda _: service.scripts(),
            "approve": self._approve,
            "unapprove": self._unapprove,
            "users": lambda _: service.users(),
            "add_user": lambda a: service.add_user(_text(a, "name"), _texts(a, "roles")),
            "change_user": self._change_user,
            "disable_user": self._disable_user,
            "sessions": self._sessions,
            "authenticate": self._authenticate,
            "changed": self._changed,
            "withdraw": self._withdraw,
            "plan_campaign": self._plan,
            "preview_campaign": self._preview,
            "steer_campaign": self._steer,
            "campaigns": lambda _: service.campaigns(),
            "reload": self._reload,
            "unknown": lambda a: service.unknown(UnknownRequest.model_validate(a.get("request"))),
            "settle_unknown": self._settle,
            "opt_outs": self._opt_outs,
            "opt_out": self._opt_out,
            "opt_in": self._opt_in,
            "contacts": self._contacts,
            "custody": self._custody,
            "freeze": self._freeze,
        }

    @staticmethod
    def is_wait(request: Request) -> bool:
        """Whether a request only waits, so that it is pointless once nobody listens."""
        name = request.get("call")
        return isinstance(name, str) and name in WAITS

    async def answer(self, request: Request) -> Request:
        """Answer one request; a failure of any kind is an answer too."""
        number = request.get("id")
        name, args = request.get("call"), request.get("args")
        call = self._table.get(name) if isinstance(name, str) else None
        if call is None or not isinstance(args, dict):
            unknown = InputError(f"There is no call {str(name)[:40]!r}.", field="call")
            return {"id": number, "error": encode_error(unknown)}
        try:
            return {"id": number, "ok": encode(await call(args))}
        except FzalertError as error:
            return {"id": number, "error": encode_error(error)}
        except ValidationError as error:
            return {"id": number, "error": encode_error(wrong_call(error))}
        except Exception as error:  # noqa: BLE001  the boundary: the other side gets an answer
            log.warning(
                "socket.call_failed", call=name, error=type(error).__name__, where=where(error)
            )
            failed = FzalertError(f"The service failed: {type(error).__name__}.")
            return {"id": number, "error": encode_error(failed)}

    async def _actor(self, args: Request) -> Actor:
        token = _text(args, "token", "")
        if token:
            actor = await self._service.authenticate(token)
            # The other side keeps the token and shows it with each act: that proves nobody anew.
            return Directory.proved_before(actor, int(_number(args, "proved", 0)))
        return self._service.local_actor()

    async def _change_user(self, args: Request) -> object:
        wanted = UserChange.model_validate(args.get("wanted"))
        return await self._service.change_user(wanted, await self._actor(args))

    async def _disable_user(self, args: Request) -> object:
        await self._service.disable_user(_text(args, "name"), await self._actor(args))
        return None

    async def _sessions(self, args: Request) -> object:
        return await self._service.sessions(await self._actor(args))

    async def _warn(self, args: Request) -> object:
        request = WarnRequest.model_validate(args.get("request"))
        # What lay in the socket while this process was stopped is no decision of now any more.
        if self._service.clock.monotonic() > _number(args, "until", 2**62):
            raise NotConnected("The caller gave up before this was read; nothing was taken.")
        return await self._service.warn_request(request, await self._actor(args))

    async def _withdraw(self, args: Request) -> object:
        await self._service.withdraw(_text(args, "id"), await self._actor(args))
        return None

    async def _plan(self, args: Request) -> object:
        request = CampaignRequest.model_validate(args.get("request"))
        return await self._service.plan_campaign(request, await self._actor(args))

    async def _preview(self, args: Request) -> object:
        return await self._service.preview_campaign(_text(args, "id"), await self._actor(args))

    async def _steer(self, args: Request) -> object:
        return await self._service.steer_campaign(
            _text(args, "id"),
            _text(args, "action"),
            await self._actor(args),
            _text(args, "confirm", ""),
        )

    async def _settle(self, args: Request) -> object:
        request = SettleRequest.model_validate(args.get("request"))
        return await self._service.settle_unknown(request, await self._actor(args))

    async def _reload(self, args: Request) -> object:
        allow_down = args.get("allow_down") is True
        return await self._service.reload(await self._actor(args), allow_down=allow_down)

    async def _opt_outs(self, args: Request) -> object:
        query = OptOutQuery.model_validate(args.get("query"))
        return await self._service.opt_outs(query, await self._actor(args))

    async def _opt_out(self, args: Request) -> object:
        request = OptOutRequest.model_validate(args.get("request"))
        return await self._service.opt_out(request, await self._actor(args))

    async def _opt_in(self, args: Request) -> object:
        request = OptOutRequest.model_validate(args.get("request"))
        return await self._service.opt_in(request, await self._actor(args))

    async def _freeze(self, args: Request) -> object:
        from fzalert.service.freeze_models import read_ask

        ask = read_ask(args.get("ask"))
        by = await self._actor(args)
        return await self._service.freeze(ask, by, key=_text(args, "key", "")[:128])

    async def _custody(self, args: Request) -> object:
        ask = read_custody_ask(args.get("ask"))
        return await self._service.custody(ask, await self._actor(args))

    async def _contacts(self, args: Request) -> object:
        ask = read_contact_ask(args.get("ask"))
        return await self._service.contacts(ask, await self._actor(args))

    async def _approve(self, args: Request) -> object:
        author = await self._service.authenticate(_text(args, "author"))
        approver = await self._service.authenticate(_text(args, "approver"))
        return await self._service.approve(
            _text(args, "script_key"), author=author, approver=approver
        )

    async def _unapprove(self, args: Request) -> object:
        return await self._service.unapprove(_text(args, "script_key"), by=await self._actor(args))

    async def _changed(self, args: Request) -> object:
        seconds = min(_number(args, "timeout"), LONGEST_CHANGED)
        return await self._service.changed(int(_number(args, "seq")), seconds)

    async def _authenticate(self, args: Request) -> object:
        actor = await self._service.authenticate(_text(args, "token"))
        return {
            "id": actor.id,
            "name": actor.name,
            "roles": sorted(actor.roles),
            "kind": str(actor.kind),
            "rank": actor.rank.name.lower(),
            "unit": actor.unit,
            "proved": _millis(actor.proved_at),
        }


def _millis(moment: datetime | None) -> int:
    """Milliseconds since the epoch; 0 for none."""
    return 0 if moment is None else round(moment.timestamp() * 1000)


def _text(args: Request, name: str, otherwise: str | None = None) -> str:
    value = args.get(name, otherwise)
    if not isinstance(value, str):
        raise InputError(f"{name} is missing, or is no text.", field=name)
    return value


def _texts(args: Request, name: str) -> list[str]:
    value = args.get(name)
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise InputError(f"{name} is missing, or is no list of texts.", field=name)
    return value


def _number(args: Request, name: str, otherwise: float | None = None) -> float:
    """Read a number of seconds or rows; what is no finite number is refused."""
    value = args.get(name, otherwise)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**63:
        raise InputError(f"{name} is missing, or is no number.", field=name)
    return value


def encode(value: object) -> object:
    """Make a result model into JSON."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list):
        return [encode(item) for item in value]
    return value


def encode_error(error: FzalertError) -> Request:
    """Make an error into JSON; the other side raises the same class again."""
    after = error.retry_after
    return {
        "code": error.code,
        "what": str(error.args[0]),
        "hint": error.hint,
        "retry_after": None if after is None else after.total_seconds(),
        "field": getattr(error, "field", ""),
        "row": getattr(error, "row", None),
        "channel": getattr(error, "channel", ""),
        "reasons": _reasons(error),
        "details": list(error.details) if isinstance(error, GuardsUnmet) else [],
    }


def _reasons(error: FzalertError) -> list[list[str]]:
    """Every unmet guard: id, text in Chinese and English, source."""
    if not isinstance(error, GuardsUnmet):
        return []
    pairs = zip(error.guards, error.reasons, strict=True)
    return [[guard, *texts] for guard, texts in pairs]
