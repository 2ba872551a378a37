"""The object that `fzalert.open()` gives: the same whether it owns the store or speaks to a daemon.

A call that is wrong raises at once. Everything else that can go wrong (a channel down, a full
disk, a daemon that stopped) is an outcome: no failure of ours becomes the caller's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import ValidationError

from fzalert.access.actors import Actor
from fzalert.errors import (
    AccessDenied,
    FzalertError,
    InputError,
    NotConnected,
    Overloaded,
    Retry,
    StoreError,
)
from fzalert.log import get_logger
from fzalert.messages import Lane, Target
from fzalert.service.api import ServiceApi
from fzalert.service.handle import WarningHandle, WarningOutcome
from fzalert.service.models import (
    OutcomeView,
    ScriptView,
    StatusView,
    WarningView,
    WarnRequest,
)
from fzalert.service.wrong import where, wrong_call

if TYPE_CHECKING:
    from fzalert.service.freeze_handle import Freeze

__all__ = ["Fzalert", "WarningHandle", "WarningOutcome"]

T = TypeVar("T")

log = get_logger("fzalert.service")

ACCEPT_WITHIN = 5.0
NOT_TAKEN = (StoreError, NotConnected, Overloaded)
"""After these nothing is on disk."""


class Fzalert:
    """Warns people, and tells what became of it.

    Made by `fzalert.open()`; usable from one event loop.

    Args:
        api: The service in this process, or the client of another's.
        by: Who acts where a call names nobody: the operating system's user of this process.
        owns_store: Whether this process owns the store.
    """

    def __init__(self, api: ServiceApi, by: Actor, *, owns_store: bool) -> None:
        self._api = api
        self._by = by
        self.owns_store = owns_store

    @property
    def api(self) -> ServiceApi:
        """Everything else that can be asked, such as users and approvals."""
        return self._api

    @property
    def freeze(self) -> Freeze:
        """Freeze requests to banks; they need the extra `freeze`."""
        from fzalert.service.freeze_handle import Freeze

        return Freeze(self._api)

    async def warn(
        self,
        script: str,
        *,
        to: Sequence[Target] | Target,
        audience: str = "general",
        language: str = "zh",
        values: Mapping[str, str | int] | None = None,
        lane: Lane | Literal["urgent", "bulk"] = Lane.URGENT,
        expires_in: timedelta | None = None,
        key: str = "",
        by: Actor | None = None,
    ) -> WarningHandle:
        """Warn somebody, now.

        It returns as soon as the warning is on disk; delivery goes on beside the caller.

        Args:
            script: Id of the script, such as `impersonating-police`.
            to: Whom: `fzalert.phone(…)`, `fzalert.display(…)`, `fzalert.speaker(…)`, …
            audience: Audience of the script; `elderly` takes its elderly variants.
            language: `zh` or `en`.
            values: Values of the script's variables.
            lane: `urgent` overtakes everything; `bulk` keeps quiet hours and caps.
            expires_in: Worthless afterwards; by default ten minutes for urgent, a day for bulk.
            key: Your idempotency key: the same key again gives the same warning, never a second.
            by: Who decided; by default this process's own user.

        Raises:
            InputError: The call is wrong: a script, target, value, window or key. Its subclasses
                tell which, `field` names it, and the text says what to do.
            AccessDenied: The actor may not warn.
        """
        targets = targets_of(to)
        request = request_of(
            script=script,
            to=[f"{target.kind}:{target.address}" for target in targets],
            audience=audience,
            language=language,
            values=dict(values or {}),
            lane=lane,
            expires_in=seconds_of(expires_in),
            key=key,
        )
        try:
            async with asyncio.timeout(ACCEPT_WITHIN):
                view = await self._api.warn_request(request, by or self._by)
        except (InputError, AccessDenied):
            raise  # the call is wrong: its author must hear of it
        except TimeoutError:
            view = not_accepted(
                request,
                targets,
                "unknown",
                "accept-timeout",
                f"not known to be on disk within {ACCEPT_WITHIN:.0f} s; the same key asks again",
            )
        except FzalertError as error:
            # Where the answer alone was lost, the warning may be on disk and on its way.
            is_sure = isinstance(error, NOT_TAKEN) and error.retry is not Retry.ASK
            state = "failed" if is_sure else "unknown"
            view = not_accepted(request, targets, state, error.code, str(error))
        except Exception as error:  # noqa: BLE001  the boundary: no failure becomes the caller's
            log.warning("warn.failed", error=type(error).__name__, where=where(error))
            what = f"{type(error).__name__} inside fzalert; the same key asks again"
            view = not_accepted(request, targets, "unknown", "internal", what)
        return WarningHandle(self._api, view)

    async def status(self) -> StatusView:
        """How the process that delivers, its channels and its counters are now.

        Raises:
            NotConnected: It did not answer within five seconds.
        """
        return await _within(self._api.status())

    async def scripts(self) -> list[ScriptView]:
        """The library, with each script's approval. Raises as `status`."""
        return await _within(self._api.scripts())

    async def approve(self, script_key: str, *, author: Actor, approver: Actor) -> ScriptView:
        """Approve a script for real channels; two different persons.

        Raises:
            UnknownScript: No such script.
            AccessDenied: One of the two may not, or they are one person.
            NotConnected: There was no answer within five seconds; it may have been done.
        """
        return await _within(self._api.approve(script_key, author=author, approver=approver))

    async def actor(self, token: str) -> Actor:
        """The actor behind a user's token.

        Raises:
            AccessDenied: Nobody has that token.
            NotConnected: There was no answer within five seconds.
        """
        return await _within(self._api.authenticate(token))


async def _within(answer: Coroutine[Any, Any, T]) -> T:
    """Wait for an answer, and no longer than a caller can be kept.

    Raises:
        NotConnected: There was none in time.
    """
    try:
        async with asyncio.timeout(ACCEPT_WITHIN):
            return await answer
    except FzalertError:
        raise
    except TimeoutError:
        raise NotConnected(
            f"fzalert did not answer within {ACCEPT_WITHIN:.0f} s.",
            hint="Its process may be stopped or held up; look at its log.",
        ) from None


def targets_of(to: Sequence[Target] | Target) -> list[Target]:
    """The targets of a call. Raises `InputError`."""
    targets = [to] if isinstance(to, Target) else list(to)
    if not targets:
        raise InputError("A warning needs a target.", hint="Give at least one in `to`.", field="to")
    if not all(isinstance(target, Target) for target in targets):
        raise InputError(
            "`to` has something in it that is no target.",
            hint="Make targets with fzalert.phone(…), fzalert.display(…), fzalert.speaker(…), ….",
            field="to",
        )
    return targets


def seconds_of(expires_in: timedelta | None) -> float | None:
    """The window of a call in seconds. Raises `InputError`."""
    if expires_in is None:
        return None
    if not isinstance(expires_in, timedelta):
        raise InputError(
            "expires_in is no timedelta.",
            hint="Write timedelta(minutes=10).",
            field="expires_in",
        )
    if expires_in <= timedelta(0):
        raise InputError(
            f"The window of {expires_in} is over before it begins.",
            hint="Give a positive expires_in, or leave it out.",
            field="expires_in",
        )
    return expires_in.total_seconds()


def request_of(**fields: object) -> WarnRequest:
    """A call as a request. Raises `InputError`."""
    try:
        return WarnRequest.model_validate(fields)
    except ValidationError as error:
        raise wrong_call(error) from None


def not_accepted(
    request: WarnRequest, targets: Sequence[Target], state: str, code: str, detail: str
) -> WarningView:
    """What a caller reads of a warning that is not known to be on disk."""
    return WarningView(
        id="",
        script=request.script,
        language=request.language,
        lane=request.lane,
        accepted_at="",
        not_after="",
        key=request.key,
        state=state,
        targets=[
            OutcomeView(
                message="",
                target=str(target),
                channel="",
                state=state,
                proof="none",
                word="not-accepted",
                code=code,
                detail=detail,
            )
            for target in targets
        ],
    )
