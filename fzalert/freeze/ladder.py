"""The ladder: who is asked next where a desk does not acknowledge, or does not answer.

A rung is climbed when a deadline fires, or at once where a channel says that it could not even
reach the desk. The same instruction goes by the next way of the desk's entry in the directory;
then a person telephones; then the supervisor is told; then the anti-fraud centre. A desk that gets
an instruction twice acts once, for it knows it by its application id: so another channel is
lawful also while the fate on the first one is unknown. On the first one it is not sent again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from fzalert.freeze.model import Instruction, Stage
from fzalert.freeze.policy import Policy

__all__ = ["HUMAN_RUNGS", "LadderName", "RungName", "next_rung", "next_step", "next_time"]

LadderName: TypeAlias = Literal["acknowledge", "result"]
"""What is waited for: that the desk has the instruction, or what it did."""
RungName: TypeAlias = Literal["next-channel", "phone", "supervisor", "centre"]
HUMAN_RUNGS: tuple[RungName, ...] = ("phone", "supervisor", "centre")
"""The rungs that give a person something to do, in their order."""
PAPER = "paper"
_OPEN: dict[LadderName, frozenset[Stage]] = {
    "acknowledge": frozenset({Stage.SENT}),
    "result": frozenset({Stage.SENT, Stage.ACKED}),
}


def next_step(current: Instruction, ladder: LadderName) -> int:
    """The number of the rung that comes next, from 1; 0 where the ladder is at its end or over."""
    if current.sent_at is None or current.stage not in _OPEN[ladder]:
        return 0
    climbed = [rung for rung in current.rungs if rung.ladder == ladder]
    if not climbed:
        return 1
    return 0 if climbed[-1].to == HUMAN_RUNGS[-1] else climbed[-1].step + 1


def next_time(current: Instruction, ladder: LadderName, policy: Policy) -> datetime | None:
    """When the next rung is due, or None where there is none.

    The times are counted from the time at which the rung before was due, so that those that were
    missed while nothing ran keep their order and their places.
    """
    step = next_step(current, ladder)
    if not step or current.sent_at is None:
        return None
    climbed = [rung for rung in current.rungs if rung.ladder == ladder]
    if ladder == "result" and not climbed:
        return current.sent_at + policy.hours("result_hours")
    limits = ("acknowledge_minutes", "acknowledge_second_minutes", "acknowledge_third_minutes")
    base = climbed[-1].due_at if climbed else current.sent_at
    return base + timedelta(minutes=policy.limit(limits[min(step, 3) - 1]))


def next_rung(current: Instruction, ladder: LadderName, way: str) -> RungName | None:
    """Who is asked next.

    Args:
        current: The instruction.
        ladder: Which ladder.
        way: A channel of the desk's entry that was not tried yet, or empty.
    """
    if not next_step(current, ladder):
        return None
    climbed = [rung.to for rung in current.rungs if rung.ladder == ladder]
    human = [HUMAN_RUNGS.index(to) for to in climbed if to in HUMAN_RUNGS]
    if human:
        return HUMAN_RUNGS[max(human) + 1]
    # What went on paper is asked about by telephone: nobody expects it on a line as well.
    if ladder == "acknowledge" and way and PAPER not in current.sent_over:
        return "next-channel"
    return "phone"
