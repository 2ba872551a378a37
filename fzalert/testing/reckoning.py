"""Who was lost, who got it twice, who is stranded: the list itself against the far side's log.

Plain data in, plain data out. What was received comes from a recount of the far side's raw log;
our own counters are only compared with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Reckoning", "reckon"]

Text = tuple[str, str]
"""A number and the words of one part."""

_NOT_SENT = frozenset({"unknown", "failed", "expired", "suppressed", "withdrawn"})
_SHOWN = 5


@dataclass(slots=True)
class Reckoning:
    """What came out.

    Attributes:
        recipients: Texts that had to be received.
        received: Different texts that were received.
        lost: Neither received nor listed by us as not sent or unknown.
        twice: Copies beyond the first, over all texts.
        foreign: Received, and on no list.
        unknown: Recipients that we list as unknown.
        open: Recipients that we still list as open.
        wrong: Where our fate contradicts the log, as sentences.
    """

    recipients: int = 0
    received: int = 0
    lost: int = 0
    twice: int = 0
    foreign: int = 0
    unknown: int = 0
    open: int = 0
    wrong: list[str] = field(default_factory=list)


def reckon(
    wanted: Mapping[str, Sequence[str]],
    taken: Counter[Text],
    accepted: Collection[Text],
    fates: Mapping[str, str],
) -> Reckoning:
    """Compare what should have been received with what was, and both with our own fates.

    Args:
        wanted: The parts that each number should get, from the list itself.
        taken: How often each text was taken or possibly taken, from the log.
        accepted: The texts that were answered with an acceptance, from the log.
        fates: Our own word for each number: the state of its outcome.
    """
    found = Reckoning(
        recipients=sum(len(parts) for parts in wanted.values()),
        received=len(taken),
        twice=sum(count - 1 for count in taken.values()),
        unknown=sum(fate == "unknown" for fate in fates.values()),
        open=sum(fate == "open" for fate in fates.values()),
    )
    asked = {(number, part) for number, parts in wanted.items() for part in parts}
    found.foreign = len(taken.keys() - asked)
    for number, part in asked:
        fate = fates.get(number, "missing")
        if (number, part) not in taken and fate not in _NOT_SENT:
            found.lost += 1
        if fate == "delivered" and (number, part) not in taken:
            found.wrong.append(f"{number[-4:]} is delivered to us and was not received there")
        if fate == "failed" and (number, part) in accepted:
            found.wrong.append(f"{number[-4:]} has failed for us and was accepted there")
        if fate == "missing":
            found.wrong.append(f"{number[-4:]} is not known to us")
    del found.wrong[_SHOWN:]
    return found
