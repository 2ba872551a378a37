"""Which script may be sent: two persons, one text, a time limit. Pure; the store keeps the events.

An approval stands for one digest. Change a text and it stands for nothing any more.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pydantic import TypeAdapter

from fzalert.errors import AccessDenied, InputError, ScriptNotApproved
from fzalert.messages import ActorId
from fzalert.scripts.model import Script

VALID_FOR = timedelta(days=180)
"""How long an approval holds, if nothing else is said."""


@dataclass(frozen=True, slots=True)
class Approval:
    """Two persons stand for one text.

    Attributes:
        script: Key of the script.
        digest: What they read.
        author: Who wrote or proposed it.
        approver: Who approved it; another person.
        at: When, milliseconds since the epoch.
        valid_until: Worthless from here on, milliseconds since the epoch.
        drill: Given in a drill; then it counts in drills only.
    """

    script: str
    digest: str
    author: ActorId
    approver: ActorId
    at: int
    valid_until: int
    drill: bool = False


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A script may not be sent any more, whatever was approved before.

    Attributes:
        script: Key of the script.
        by: Who withdrew it.
        at: When, milliseconds since the epoch.
    """

    script: str
    by: ActorId
    at: int


ApprovalEvent = Approval | Withdrawal


class ApprovalStatus(enum.StrEnum):
    """One word for a script on pages and in lists."""

    DRAFT = "draft"
    APPROVED = "approved"
    EXPIRED = "expired"
    CHANGED = "changed"


def approve(
    script: Script,
    *,
    author: ActorId,
    approver: ActorId,
    at: int,
    valid_for: timedelta = VALID_FOR,
    drill: bool = False,
) -> Approval:
    """Make the event by which a second person approves a script.

    Args:
        script: What was read.
        author: Who proposed it.
        approver: Who approves it.
        at: Now, milliseconds since the epoch.
        valid_for: How long it holds; more than nothing.
        drill: Whether it counts in drills only.

    Raises:
        AccessDenied: Author and approver are one person, or one of them is nobody.
        InputError: It would hold for no time at all.
    """
    if not author or not approver:
        raise AccessDenied("An approval needs two persons, each signed in.")
    if author == approver:
        raise AccessDenied(
            f"{author} proposed {script.key} and cannot approve it too.",
            hint="Ask a second person.",
        )
    if valid_for <= timedelta(0):
        raise InputError("An approval holds for some time.", field="valid_for")
    until = at + valid_for // timedelta(milliseconds=1)
    return Approval(script.key, script.digest, author, approver, at, until, drill)


class ApprovalState:
    """What the events so far allow; built once and asked often."""

    def __init__(self, events: Iterable[ApprovalEvent] = ()) -> None:
        self._standing: dict[str, tuple[Approval, ...]] = {}
        for event in events:
            self.apply(event)

    def apply(self, event: ApprovalEvent) -> None:
        """Take in the next event, in the order in which they were stored.

        Raises:
            AccessDenied: An approval by its own author; the state is as before.
        """
        match event:
            case Withdrawal():
                self._standing.pop(event.script, None)
            case Approval():
                if event.author == event.approver:
                    raise AccessDenied(f"{event.author} approved its own {event.script}.")
                self._standing[event.script] = (*self._standing.get(event.script, ()), event)

    def find(self, script: Script, now_ms: int, *, drill: bool = False) -> Approval | None:
        """The approval that lets the script be sent now, the latest one, or None."""
        if script.status == "retired":
            return None
        for approval in reversed(self._counting(script, drill)):
            if approval.digest == script.digest and approval.at <= now_ms < approval.valid_until:
                return approval
        return None

    def status(self, script: Script, now_ms: int, *, drill: bool = False) -> ApprovalStatus:
        """The script's state in one word."""
        if self.find(script, now_ms, drill=drill) is not None:
            return ApprovalStatus.APPROVED
        counting = self._counting(script, drill)
        if not counting or script.status == "retired":
            return ApprovalStatus.DRAFT
        if any(each.digest == script.digest for each in counting):
            return ApprovalStatus.EXPIRED
        return ApprovalStatus.CHANGED

    def choose(self, candidates: Sequence[Script], now_ms: int, *, drill: bool = False) -> Script:
        """The first of some versions that may be sent: a new draft must not silence the old text.

        Args:
            candidates: Versions of one script, newest first, at least one.
            now_ms: Now, milliseconds since the epoch.
            drill: Whether it is for a drill.

        Raises:
            ScriptNotApproved: None of them may; the text speaks of the newest.
        """
        for script in candidates:
            if self.find(script, now_ms, drill=drill) is not None:
                return script
        may_send(candidates[0], self, now_ms, drill=drill)
        return candidates[0]

    def _counting(self, script: Script, drill: bool) -> tuple[Approval, ...]:
        standing = self._standing.get(script.key, ())
        return standing if drill else tuple(each for each in standing if not each.drill)


_WHY = {
    ApprovalStatus.DRAFT: "is a draft that nobody has approved",
    ApprovalStatus.EXPIRED: "was approved, but the approval has expired",
    ApprovalStatus.CHANGED: "was changed after its approval",
}


def may_send(script: Script, approvals: ApprovalState, now_ms: int, *, drill: bool = False) -> None:
    """Let an approved script pass.

    Args:
        script: What is to be sent.
        approvals: The events so far.
        now_ms: Now, milliseconds since the epoch.
        drill: Whether it carries the mark 演练.

    Raises:
        ScriptNotApproved: A draft, an expired approval, or a text that was changed after it.
    """
    status = approvals.status(script, now_ms, drill=drill)
    if status is ApprovalStatus.APPROVED:
        return
    why = _WHY[status]
    if script.status == "retired":
        why = "is retired"
    elif not drill and approvals.find(script, now_ms, drill=True) is not None:
        why = "is approved for drills only"
    raise ScriptNotApproved(
        f"{script.key} {why}.",
        hint="Two persons approve it with `fzalert scripts approve`.",
        field="script",
    )


_EVENTS: TypeAdapter[ApprovalEvent] = TypeAdapter(ApprovalEvent)


def encode_event(event: ApprovalEvent) -> bytes:
    """Serialise an event for the store: JSON, UTF-8."""
    return _EVENTS.dump_json(event)


def decode_event(data: bytes) -> ApprovalEvent:
    """Read back what `encode_event` wrote.

    Raises:
        ValueError: Not an event.
    """
    return _EVENTS.validate_json(data)
