"""How the simulated gateway decides on a text."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final, NamedTuple

from fzalert_sms.carrier.simulator.knobs import Chance, Knobs
from fzalert_sms.carrier.simulator.side import Incoming, Side

_MOST_OCTETS: Final = 140


class Verdict(NamedTuple):
    """The answer to one text.

    Attributes:
        sequence: Its sequence.
        carrier_id: Its id; zeros where it was not accepted.
        result: Its result.
        stat: What its report will say.
    """

    sequence: Any
    carrier_id: bytes
    result: int
    stat: str = "DELIVRD"


class Judge:
    """Flow limit, limit of each number, refusals by number, the gateway's own signature.

    Args:
        side: The protocol.
        chance: Decides which numbers are refused or fail.
        now: Seconds of the loop's clock.
    """

    def __init__(self, side: Side[Any], chance: Chance, now: float) -> None:
        self._side = side
        self._chance = chance
        self._tokens = 0.0
        self._tokens_at = now
        self._taken: Counter[str] = Counter()

    def result_and_stat(self, text: Incoming, knobs: Knobs, now: float) -> tuple[int, str]:
        """The result, and what the report says where it is 0."""
        is_over = bool(knobs.tps) and not self._may_pass(len(text.numbers), knobs.tps, now)
        if is_over and knobs.throttle_by == "result":
            return self._side.throttled, ""
        for number in text.numbers:
            result = self._chance.refusal(knobs, number)
            if result:
                return result, ""
        if knobs.adds_signature:
            added = 2 * (len(knobs.adds_signature) + 2) if text.part <= 1 else 0
            if text.octets + added > _MOST_OCTETS:
                return self._side.too_long, ""
        if is_over:
            return 0, "MO:0008"
        return 0, self._stat(text.numbers[0], knobs)

    def _stat(self, number: str, knobs: Knobs) -> str:
        if knobs.per_number:
            self._taken[number] += 1
            if self._taken[number] > knobs.per_number:
                return "MA:0022"
        return "UNDELIV" if self._chance.fails(knobs, number) else "DELIVRD"

    def _may_pass(self, cost: int, tps: float, now: float) -> bool:
        limit = max(1.0, tps / 10)
        self._tokens = min(limit, self._tokens + (now - self._tokens_at) * tps)
        self._tokens_at = now
        if self._tokens < cost:
            return False
        self._tokens -= cost
        return True
