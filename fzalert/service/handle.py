"""What `fz.warn` gives back: the warning, and its fate as it becomes known."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from typing_extensions import override

from fzalert.errors import FzalertError
from fzalert.log import get_logger
from fzalert.service.api import ServiceApi
from fzalert.service.models import OutcomeView, WarningView

__all__ = ["WarningHandle", "WarningOutcome"]

log = get_logger("fzalert.service")

READ_WITHIN = 5.0
"""Seconds beyond its own wait that a question for a fate may take."""


class WarningOutcome:
    """The fate of each target of one warning, as it is known now.

    Attributes:
        state: The warning's own state in one word.
        targets: One row a target, addresses masked.
    """

    def __init__(self, view: WarningView) -> None:
        self._view = view
        self.state = view.state
        self.targets: tuple[OutcomeView, ...] = tuple(view.targets)

    @property
    def is_final(self) -> bool:
        """Whether no target is open any more."""
        return all(target.state != "open" for target in self.targets)

    @property
    def failed(self) -> tuple[OutcomeView, ...]:
        """Targets that the warning did not reach, each with the reason in `detail`."""
        bad = {"failed", "expired", "suppressed", "withdrawn"}
        return tuple(target for target in self.targets if target.state in bad)

    def __getitem__(self, kind: str) -> OutcomeView:
        """The first target of a kind: `outcome["display"]`.

        Raises:
            KeyError: The warning has no target of that kind.
        """
        for target in self.targets:
            if target.target.partition(":")[0] == kind:
                return target
        raise KeyError(kind)

    @override
    def __repr__(self) -> str:
        rows = ", ".join(f"{t.target} {t.state} ({t.word})" for t in self.targets)
        return f"<WarningOutcome {self.state}: {rows}>"


class WarningHandle:
    """One warning that was accepted, or whose acceptance failed and says why.

    Attributes:
        id: The warning's id; empty where it was not accepted.
        accepted: Whether it is on disk.
    """

    def __init__(self, api: ServiceApi, view: WarningView) -> None:
        self._api = api
        self._view = view
        self.id = view.id
        self.accepted = bool(view.id)

    @property
    def known(self) -> WarningOutcome:
        """The fate as it was known last, without asking."""
        return WarningOutcome(self._view)

    async def outcome(self, timeout: float | timedelta = 0.0) -> WarningOutcome:  # noqa: ASYNC109  the API's word: a wait with an end, not a cancellation
        """The fate of each target, after waiting until all are final or the time is over.

        Where the process that delivers is gone, it is what was known last: a target that was open
        stays open, and its warning is on disk. It returns within `timeout` and five seconds more,
        also where that process is stopped or held up.

        Args:
            timeout: Seconds, or a timedelta; 0 asks without waiting.
        """
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        loop = asyncio.get_running_loop()
        until = loop.time() + max(0.0, seconds)
        outcome = WarningOutcome(self._view)
        while self.accepted:
            left = max(0.0, until - loop.time())
            try:
                async with asyncio.timeout(left + READ_WITHIN):
                    found = await self._api.warning(self.id, wait=left)
            except (FzalertError, TimeoutError, RuntimeError) as error:
                # No failure of ours becomes the caller's; what is on disk stays there.
                log.warning("warning.not_read", warning=self.id, error=type(error).__name__)
                break
            if found is not None:
                self._view, outcome = found, WarningOutcome(found)
            if found is None or outcome.is_final or until <= loop.time():
                break
        return outcome

    @override
    def __repr__(self) -> str:
        word = self.id or "not accepted"
        return f"<WarningHandle {word} {self._view.script} {self._view.state}>"
