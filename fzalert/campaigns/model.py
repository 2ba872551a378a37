"""A campaign: its states, what may follow what, and what the feeder asks about one."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from fzalert.errors import InputError
from fzalert.messages import Rendition, Target, Warning
from fzalert.ports import Capabilities
from fzalert.store import CampaignRow

Document = Mapping[str, object]
"""What a campaign carries beside its row: script, values, window, what became of its list."""

Render = Callable[[Target, Capabilities], Rendition]


class State(enum.StrEnum):
    """Where a campaign is."""

    IMPORTING = "importing"
    READY = "ready"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class Step(enum.StrEnum):
    """What a person may do with a campaign."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"


_MAY = {
    Step.START: (State.RUNNING, {State.READY, State.PAUSED}),
    Step.RESUME: (State.RUNNING, {State.READY, State.PAUSED}),
    Step.PAUSE: (State.PAUSED, {State.RUNNING}),
    Step.CANCEL: (State.CANCELLED, {State.READY, State.RUNNING, State.PAUSED}),
}


def after(state: State, step: Step) -> State:
    """The state that a step leads to; the same state where it stands there already.

    Raises:
        InputError: Nothing leads there from the state.
    """
    goal, sources = _MAY[step]
    if state is not goal and state not in sources:
        raise InputError(
            f"A campaign that is {state} cannot {step}.",
            hint="Plan a new one from its list." if state in ENDED else "Wait until it is ready.",
            field="action",
        )
    return goal


ENDED = frozenset({State.DONE, State.EXPIRED, State.CANCELLED})


@dataclass(frozen=True, slots=True)
class Campaign:
    """One campaign as its caller reads it."""

    row: CampaignRow
    document: Document

    @classmethod
    def stored(cls, row: CampaignRow) -> Campaign:
        """Read what the store keeps."""
        return cls(row, json.loads(row.document))

    @property
    def id(self) -> int:
        """The campaign's id."""
        return self.row.id

    @property
    def state(self) -> State:
        """Where it is."""
        return State(self.row.state)

    @property
    def not_before(self) -> int:
        """Nothing is sent before this, milliseconds."""
        return int(str(self.document["not_before"]))

    @property
    def not_after(self) -> int:
        """Nothing is sent from this on, milliseconds."""
        return int(str(self.document["not_after"]))

    def moved(self, state: State, *, reason: str = "") -> Campaign:
        """The same in another state, with the reason where it got there by itself."""
        document = {**self.document, "reason": reason}
        return Campaign(self.row._replace(state=state, document=encode(document)), document)

    def importing(self, total: int, rows: int) -> Campaign:
        """The same while its list is read: people up to now, and rows up to now."""
        document = {**self.document, "rows": rows}
        return Campaign(self.row._replace(total=total, document=encode(document)), document)

    def imported(self, summary: Mapping[str, object]) -> Campaign:
        """The same, ready, with what its list came to."""
        document = {**self.document, **summary}
        return Campaign(self.row._replace(state=State.READY, document=encode(document)), document)

    def noted(self, name: str, value: object) -> Campaign:
        """The same with one thing more that it carries."""
        document = {**self.document, name: value}
        return Campaign(self.row._replace(document=encode(document)), document)

    def fed(self, cursor: int) -> Campaign:
        """The same with another cursor."""
        return Campaign(self.row._replace(cursor=cursor), self.document)


def encode(document: Document) -> bytes:
    """A document as the store keeps it."""
    return json.dumps(dict(document), ensure_ascii=False, sort_keys=True).encode()


class Source(Protocol):
    """What the feeder asks of the service about a stored campaign."""

    async def check(self, document: Document) -> None:
        """Let a campaign pass that may be sent as it was planned.

        Raises:
            InputError: It may not: its script was changed or is not approved any more.
        """
        ...

    def waits(self, now: int) -> bool:
        """Whether nothing may be sent to persons now, such as at night."""
        ...

    def render_for(self, document: Document) -> Render:
        """The function that renders its texts."""
        ...

    def warning_for(
        self, row: CampaignRow, document: Document, targets: tuple[Target, ...]
    ) -> Warning:
        """Its warning, for some of its targets."""
        ...
