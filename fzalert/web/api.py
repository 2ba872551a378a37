"""The interface for programs: its endpoints, one after the other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from fzalert.access import Role
from fzalert.service.core import MAY_CAMPAIGN, MAY_SETTLE, MAY_WARN
from fzalert.service.models import (
    OptOutChange,
    OptOutPage,
    OptOutQuery,
    OptOutRequest,
    ScriptView,
    SettleRequest,
    SettleView,
    StatusView,
    UnknownPage,
    UnknownRequest,
    WarningView,
    WarnRequest,
)
from fzalert.web.endpoints import Answer, Call, Endpoint, NoBody, NoQuery
from fzalert.web.problems import FieldFault, ProblemError
from fzalert.web.streams import Stopping

if TYPE_CHECKING:
    from fzalert.service.api import ServiceApi

__all__ = ["Readiness", "ScriptList", "WarningList", "endpoints", "readiness"]

MAY_APPROVE = frozenset({Role.APPROVER})
_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WarningQuery(_Model):
    """How one warning is read."""

    wait: float = Field(
        default=0, ge=0, le=60, description="Seconds to wait until every fate is final."
    )


class PageQuery(_Model):
    """Which page of warnings is read."""

    limit: int = Field(default=50, ge=1, le=200, description="Warnings on a page.")
    after: str = Field(
        default="",
        pattern=r"^[0-9A-Za-z_-]{0,64}$",
        description="Id of the last warning of the page before.",
    )


class WarningList(_Model):
    """A page of warnings, the newest first."""

    items: list[WarningView]
    next: str = Field(default="", description="Give it as `after` for the next page; empty ends.")


class ScriptList(_Model):
    """The script library."""

    items: list[ScriptView]


class ApproveRequest(_Model):
    """The second person's part of an approval; the caller is the one who approves."""

    author_token: SecretStr = Field(
        min_length=1, max_length=512, description="Token of the person who wrote or checked it."
    )


class Health(_Model):
    """The process runs."""

    status: str = Field(default="ok", description="Always ok.")


class Readiness(_Model):
    """Whether warnings go out now."""

    ready: bool
    reasons: list[str] = Field(default_factory=list, description="What stands in the way.")


def endpoints(stopping: Stopping) -> list[Endpoint[BaseModel, BaseModel]]:
    """List every endpoint of the interface."""

    async def ready(call: Call[NoBody, NoQuery]) -> Answer:
        found = await readiness(call.service, stopping)
        return Answer(found, 200 if found.ready else 503)

    async def take(call: Call[WarnRequest, NoQuery]) -> Answer:
        if stopping.is_set:
            raise ProblemError(
                503, "stopping", "程序正在停止。The process stops.", headers={"retry-after": "10"}
            )
        return await _take(call)

    return [
        Endpoint(
            "POST",
            "/api/v1/warnings",
            "warn",
            "Take a warning; it is on disk when this answers 202",
            take,
            WarningView,
            WarnRequest,
            NoQuery,
            status=202,
            roles=frozenset(MAY_WARN),
            keyed=True,
            problems=(409,),
        ),
        Endpoint(
            "GET",
            "/api/v1/warnings",
            "listWarnings",
            "Warnings, the newest first",
            _list_warnings,
            WarningList,
            NoBody,
            PageQuery,
        ),
        Endpoint(
            "GET",
            "/api/v1/warnings/{id}",
            "getWarning",
            "One warning and the fate of each of its messages",
            _get_warning,
            WarningView,
            NoBody,
            WarningQuery,
            problems=(404,),
        ),
        Endpoint(
            "GET",
            "/api/v1/unknown",
            "listUnknown",
            "Messages whose fate is unknown, the longest unknown first",
            _unknown,
            UnknownPage,
            NoBody,
            UnknownRequest,
        ),
        Endpoint(
            "POST",
            "/api/v1/unknown/settle",
            "settleUnknown",
            "Say what became of unknown messages, or have them sent once more, knowingly",
            _settle,
            SettleView,
            SettleRequest,
            NoQuery,
            roles=frozenset(MAY_SETTLE),
        ),
        Endpoint(
            "GET",
            "/api/v1/optouts",
            "listOptOuts",
            "Who is not to be written to in bulk, the newest first",
            _opt_outs,
            OptOutPage,
            NoBody,
            OptOutQuery,
            roles=frozenset(MAY_WARN),
        ),
        Endpoint(
            "POST",
            "/api/v1/optouts",
            "optOut",
            "Note that people are not to be written to in bulk",
            _opt_out,
            OptOutChange,
            OptOutRequest,
            NoQuery,
            roles=frozenset(MAY_WARN),
        ),
        Endpoint(
            "POST",
            "/api/v1/optouts/remove",
            "optIn",
            "Take opt-outs back",
            _opt_in,
            OptOutChange,
            OptOutRequest,
            NoQuery,
            roles=frozenset(MAY_CAMPAIGN),
        ),
        Endpoint(
            "GET",
            "/api/v1/status",
            "getStatus",
            "Channels and counters",
            _status,
            StatusView,
            NoBody,
            NoQuery,
        ),
        Endpoint(
            "GET",
            "/api/v1/scripts",
            "listScripts",
            "The script library with each script's approval",
            _scripts,
            ScriptList,
            NoBody,
            NoQuery,
        ),
        Endpoint(
            "POST",
            "/api/v1/scripts/{id}/{audience}/{version}/approve",
            "approveScript",
            "Approve a script for real channels; two different persons",
            _approve,
            ScriptView,
            ApproveRequest,
            NoQuery,
            roles=MAY_APPROVE,
            problems=(404, 409),
        ),
        Endpoint(
            "GET",
            "/healthz",
            "isAlive",
            "The process runs",
            _health,
            Health,
            NoBody,
            NoQuery,
            roles=None,
        ),
        Endpoint(
            "GET",
            "/readyz",
            "isReady",
            "Warnings go out now",
            ready,
            Readiness,
            NoBody,
            NoQuery,
            roles=None,
            also=(503,),
        ),
    ]


async def readiness(service: ServiceApi, stopping: Stopping) -> Readiness:
    """Tell whether each kind of target has a channel that can send."""
    if stopping.is_set:
        return Readiness(ready=False, reasons=["the process stops"])
    status = await service.status()
    kinds = {kind for channel in status.channels for kind in channel.kinds}
    alive = {
        kind for channel in status.channels if channel.state != "down" for kind in channel.kinds
    }
    reasons = [f"every channel for {kind} is down" for kind in sorted(kinds - alive)]
    if status.store_state:
        reasons.append(f"nothing new is taken: {status.store_state}")
    if status.deadlines.problem:
        reasons.append(f"deadlines are not kept: {status.deadlines.problem}")
    return Readiness(ready=not reasons, reasons=reasons)


async def _take(call: Call[WarnRequest, NoQuery]) -> Answer:
    if call.body.key and call.body.key != call.key:
        fault = FieldFault(pointer="/key", detail="It differs from the header Idempotency-Key.")
        raise ProblemError(409, "two-keys", "The two keys differ.", faults=[fault])
    request = call.body.model_copy(update={"key": call.key})
    view = await call.service.warn_request(request, call.actor)
    return Answer(view, headers={"location": f"/api/v1/warnings/{view.id}"})


async def _get_warning(call: Call[NoBody, WarningQuery]) -> WarningView:
    id = call.path["id"]
    view = await call.service.warning(id, call.query.wait) if _ID.fullmatch(id) else None
    if view is None:
        raise ProblemError(404, "no-such-warning", "没有这条预警。There is no such warning.")
    return view


async def _list_warnings(call: Call[NoBody, PageQuery]) -> WarningList:
    items = await call.service.recent(call.query.limit, call.query.after)
    more = len(items) == call.query.limit
    return WarningList(items=items, next=items[-1].id if more else "")


async def _unknown(call: Call[NoBody, UnknownRequest]) -> UnknownPage:
    return await call.service.unknown(call.query)


async def _settle(call: Call[SettleRequest, NoQuery]) -> SettleView:
    return await call.service.settle_unknown(call.body, call.actor)


async def _opt_outs(call: Call[NoBody, OptOutQuery]) -> OptOutPage:
    return await call.service.opt_outs(call.query, call.actor)


async def _opt_out(call: Call[OptOutRequest, NoQuery]) -> OptOutChange:
    return await call.service.opt_out(call.body, call.actor)


async def _opt_in(call: Call[OptOutRequest, NoQuery]) -> OptOutChange:
    return await call.service.opt_in(call.body, call.actor)


async def _status(call: Call[NoBody, NoQuery]) -> StatusView:
    return await call.service.status()


async def _scripts(call: Call[NoBody, NoQuery]) -> ScriptList:
    return ScriptList(items=await call.service.scripts())


async def _approve(call: Call[ApproveRequest, NoQuery]) -> ScriptView:
    key = "/".join(call.path[name] for name in ("id", "audience", "version"))
    if key not in {script.key for script in await call.service.scripts()}:
        raise ProblemError(404, "unknown-script", "没有这条话术。There is no such script.")
    author = await call.service.authenticate(call.body.author_token.get_secret_value())
    return await call.service.approve(key, author=author, approver=call.actor)


async def _health(call: Call[NoBody, NoQuery]) -> Health:
    del call
    return Health()
