"""The interface for branches: warnings come in, fates go back."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field

from fzalert.access import Role
from fzalert.errors import FzalertError
from fzalert.service.models import FatePage, RelayAnswer, RelayRequest
from fzalert.web.endpoints import Call, Endpoint, NoBody, NoQuery
from fzalert.web.problems import ProblemError
from fzalert.web.streams import Stopping

__all__ = ["endpoints"]

MAY_RELAY = frozenset({Role.RELAY})

T = TypeVar("T")


class FatesQuery(BaseModel):
    """Which fates are read, and how long for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after: int = Field(
        default=0, ge=0, le=2**63 - 1, description="Everything up to here is on your disk."
    )
    store: str = Field(
        default="", max_length=64, description="The store that `after` is of, as it was answered."
    )
    limit: int = Field(default=200, ge=1, le=500, description="Fates in one answer.")
    wait: float = Field(default=0, ge=0, le=60, description="Seconds to wait where there is none.")


def endpoints(stopping: Stopping) -> list[Endpoint[BaseModel, BaseModel]]:
    """List the endpoints for branches."""

    async def take(call: Call[RelayRequest, NoQuery]) -> RelayAnswer:
        if stopping.is_set:
            raise _stopping()
        return await call.service.relay(call.body, call.key, call.actor)

    async def fates(call: Call[NoBody, FatesQuery]) -> FatePage:
        query = call.query
        return await _unless_stopped(
            call.service.relay_fates(
                call.actor,
                after=query.after,
                store=query.store,
                limit=query.limit,
                wait=query.wait,
            ),
            stopping,
        )

    return [
        Endpoint(
            "POST",
            "/api/v1/relay",
            "relay",
            "Take a branch's warning, proved against the own library; on disk at 202",
            take,
            RelayAnswer,
            RelayRequest,
            NoQuery,
            status=202,
            roles=MAY_RELAY,
            keyed=True,
            problems=(409,),
            max_body=65_536,
        ),
        Endpoint(
            "GET",
            "/api/v1/relay/fates",
            "listRelayFates",
            "What became of a branch's warnings; what was read up to `after` is not given again",
            fates,
            FatePage,
            NoBody,
            FatesQuery,
            roles=MAY_RELAY,
        ),
    ]


def _stopping() -> ProblemError:
    detail = "程序正在停止。The process stops."
    return ProblemError(503, "stopping", detail, headers={"retry-after": "10"})


async def _unless_stopped(work: Coroutine[object, object, T], stopping: Stopping) -> T:
    """Wait for an answer, and no longer than the process serves.

    Raises:
        ProblemError: 503, where the process stops first.
    """
    answers: list[T] = []
    failures: list[FzalertError] = []

    async def answer() -> None:
        try:
            answers.append(await work)
        except FzalertError as error:
            failures.append(error)

    async with asyncio.TaskGroup() as group:
        answering = group.create_task(answer(), name="relay-fates")
        ending = group.create_task(stopping.wait(), name="relay-stop")
        await asyncio.wait({answering, ending}, return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        answering.cancel()
    if failures:
        raise failures[0]
    if not answers:
        raise _stopping()
    return answers[0]
