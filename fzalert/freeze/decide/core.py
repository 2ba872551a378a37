"""`decide`, and the collecting of refusals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import singledispatch
from typing import NamedTuple, TypeAlias

from fzalert.access import Role
from fzalert.freeze.commands import Authority, Command, Facts
from fzalert.freeze.events import Event
from fzalert.freeze.model import FreezeCase, Instruction, Measure
from fzalert.freeze.policy import Policy

__all__ = ["Asking", "Decision", "Guarded", "Refusal", "Refusals", "decide", "handle"]


class Refusal(NamedTuple):
    """One unmet guard.

    Attributes:
        guard: Its id; `state` and `unknown` are of the graph, not of the policy.
        zh: What is missing, in Chinese.
        en: The same in English.
        source: The instrument and article.
        detail: What exactly, without personal data.
        field: Which field, where one is meant.
    """

    guard: str
    zh: str
    en: str
    source: str
    detail: str = ""
    field: str = ""


@dataclass(frozen=True, slots=True)
class Refusals:
    """The answer no, with every reason."""

    command: str
    measure: str
    refusals: tuple[Refusal, ...]

    @property
    def guards(self) -> tuple[str, ...]:
        """The ids of the unmet guards, in order."""
        return tuple(refusal.guard for refusal in self.refusals)


Decision: TypeAlias = tuple[Event, ...] | Refusals
"""Events, none where nothing changes; or every unmet guard."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Everything a decision rests on."""

    case: FreezeCase | None
    policy: Policy
    now: datetime
    facts: Facts


class Guarded:
    """Collects what is not met; a guard that the policy does not list is not applied."""

    def __init__(self, asking: Asking, command: Command, measure: str = "") -> None:
        self._policy = asking.policy
        self._command = type(command).__name__
        self._measure = measure
        self._found: list[Refusal] = []

    def need(self, guard: str, met: bool, detail: str = "", field: str = "") -> None:
        """Note a guard that is not met."""
        text = self._policy.guards.get(guard)
        if met or text is None:
            return
        self._found.append(Refusal(guard, text.zh, text.en, text.source, detail, field))

    def stop(self, guard: str, zh: str, en: str, detail: str = "") -> Refusals:
        """Refuse for a reason of the graph, which no policy can lift."""
        self._found.insert(0, Refusal(guard, zh, en, "fzalert", detail))
        return self.refusals()

    def refusals(self) -> Refusals:
        """What was found."""
        return Refusals(self._command, self._measure, tuple(self._found))

    def answer(self, *events: Event) -> Decision:
        """The events, unless something is not met."""
        return self.refusals() if self._found else events

    def person(self, by: Authority, *roles: Role) -> None:
        """Whoever asks needs one of these roles."""
        wanted = ", ".join(roles)
        self.need("role", not by.roles.isdisjoint(roles), f"needs {wanted}")

    def proved(self, by: Authority, now: datetime) -> None:
        """The identity was proved anew within the policy's minutes."""
        fresh = by.proved_at is not None and (
            0 <= (now - by.proved_at).total_seconds() <= 60 * self._policy.limit("step_up_minutes")
        )
        self.need("step-up", fresh)

    def missing_case(self) -> Refusals:
        """There is no such case."""
        return self.stop("unknown", "没有该案件", "There is no such case.")

    def missing_measure(self) -> Refusals:
        """There is no such measure."""
        return self.stop("unknown", "该案件中没有该措施", "The case has no such measure.")

    def wrong_state(self, measure: Measure) -> Refusals:
        """The graph has no such step from here."""
        return self.stop(
            "state",
            "当前状态下不能进行该操作",
            "This cannot be done in the measure's present state.",
            f"state {measure.state}",
        )


class OnCase(NamedTuple):
    """The guards of one command, and the case that it is about."""

    guards: Guarded
    case: FreezeCase


class OnMeasure(NamedTuple):
    """The guards of one command, the case, and the measure that it is about."""

    guards: Guarded
    case: FreezeCase
    measure: Measure


def on_case(asking: Asking, command: Command, measure: str = "") -> OnCase | Refusals:
    """What a command about a case starts from, or that there is no such case."""
    guards = Guarded(asking, command, measure)
    return guards.missing_case() if asking.case is None else OnCase(guards, asking.case)


def on_measure(asking: Asking, command: Command) -> OnMeasure | Refusals:
    """What a command about a measure starts from, or that there is no such case or measure."""
    name = str(getattr(command, "measure", ""))
    opened = on_case(asking, command, name)
    if isinstance(opened, Refusals):
        return opened
    measure = opened.case.measures.get(name)
    if measure is None:
        return opened.guards.missing_measure()
    return OnMeasure(opened.guards, opened.case, measure)


def find_instruction(case: FreezeCase, application_id: str) -> tuple[Measure, Instruction] | None:
    """The measure and instruction of an application id."""
    measure = case.of_application(application_id)
    if measure is None:
        return None
    instruction = measure.instruction(application_id)
    return None if instruction is None else (measure, instruction)


def decide(
    case: FreezeCase | None,
    command: Command,
    policy: Policy,
    now: datetime,
    facts: Facts | None = None,
) -> Decision:
    """Decide about one command.

    Args:
        case: The case as it stands; None only for `OpenCase`.
        command: What is asked.
        policy: The rules in force.
        now: The present, with a zone.
        facts: What lies outside the case.

    Returns:
        Events to append, or every unmet guard. The caller records a refusal as well.
    """
    return handle(command, Asking(case, policy, now, facts or Facts()))


@singledispatch
def handle(command: object, asking: Asking) -> Decision:
    """Decide about one kind of command; the handlers register themselves."""
    raise TypeError(f"no handler for {type(command).__name__}, asked at {asking.now}")
