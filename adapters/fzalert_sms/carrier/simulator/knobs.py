"""What the simulated gateway does wrong, and how often; the same seed gives the same run."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from fzalert_sms.carrier.session import Limits

ReportForm = Literal["plain", "other", "seconds", "blank", "head", "86"]
ReportPlan = Literal["normal", "early", "twice", "late", "missing"]


@dataclass(frozen=True, slots=True)
class Knobs:
    """Behaviour of the simulated gateway. A share is between 0 and 1.

    Attributes:
        accounts: The secret of each account.
        login_status: A status that refuses every login; 0 refuses only a wrong one.
        max_connections: Logins of an account at once; one more is refused with status 5. 0 is no
            limit.
        max_skew: A login whose timestamp is more seconds off is refused; 0 looks at none.
        clock_offset: Seconds that this gateway's clock is ahead.
        window: Deliveries that may be out and unanswered on one connection.
        response_delay_ms: Time from a text to its answer.
        tps: Numbers a second, over all connections; more are throttled. 0 is no limit.
        throttle_by: result refuses; report accepts and reports MO:0008.
        per_number: Texts a number takes; each further one is accepted and reports MA:0022. 0 is no
            limit.
        gives_ids: Whether an accepted text gets an id; without one it gets no report either.
        adds_signature: Put in front of each text within 【】, by the gateway; a text that becomes
            too long by it is refused.
        rejects: Shares of all numbers and the result that each of them always gets.
        failing_share: Share of numbers that report UNDELIV.
        drop_share: Share of answers that are never sent, though the text was taken.
        report_delay_ms: Time from the answer to the report.
        report_jitter_ms: Up to this much is added, at random.
        early_share: Share of reports that come before the answer.
        twice_share: Share of reports that come twice.
        late_share: Share of reports that come `late_ms` later.
        missing_share: Share of reports that never come.
        late_ms: See `late_share`.
        report_parts: Which parts of a long text are reported.
        report_form: How reports are written: plain; other, in the length of the other version;
            seconds, with times of 12 digits; blank, without times; head, cut after 40 octets; 86,
            with the country code in front of the number.
        short_tails: Leave out what is reserved at the end of a delivery.
        kill_after: Cut a connection (RST) when it has brought this many texts; 0 is never.
        kills: How many connections are cut so in all.
        leave_after: Say good-bye and close when a connection has brought this many; 0 is never.
        is_silent: Take everything and answer nothing.
        answers_tests: Answer the question whether the gateway lives.
        idle_close: Close a connection on which nothing came for so many seconds; 0 is never.
        keep_alive: Seconds of silence until the peer is asked whether it lives.
        redeliver_after: Seconds until an unanswered delivery is sent again.
    """

    accounts: dict[str, str] = field(default_factory=lambda: {"901234": "1234"})
    login_status: int = 0
    max_connections: int = 0
    max_skew: float = 0.0
    clock_offset: float = 0.0
    window: int = 16
    response_delay_ms: float = 20.0
    tps: float = 0.0
    throttle_by: Literal["result", "report"] = "result"
    per_number: int = 0
    gives_ids: bool = True
    adds_signature: str = ""
    rejects: tuple[tuple[float, int], ...] = ()
    failing_share: float = 0.0
    drop_share: float = 0.0
    report_delay_ms: float = 50.0
    report_jitter_ms: float = 0.0
    early_share: float = 0.0
    twice_share: float = 0.0
    late_share: float = 0.0
    missing_share: float = 0.0
    late_ms: float = 5_000.0
    report_parts: Literal["all", "first", "last"] = "all"
    report_form: ReportForm = "plain"
    short_tails: bool = False
    kill_after: int = 0
    kills: int = 1
    leave_after: int = 0
    is_silent: bool = False
    answers_tests: bool = True
    idle_close: float = 0.0
    keep_alive: float = 30.0
    redeliver_after: float = 60.0

    @property
    def limits(self) -> Limits:
        """The figures of a session."""
        return Limits(
            window=self.window,
            # A delivery is never merely late: it is sent again, and the link is kept.
            late_after=self.redeliver_after,
            request_timeout=self.redeliver_after,
            timeouts_in_row=1_000_000_000,
            keep_alive=self.keep_alive,
        )


class Chance:
    """Decides by seed: by number where the same number must always fare the same, else by draw."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._rng = Random(seed)  # noqa: S311  chance that repeats is the point

    def refusal(self, knobs: Knobs, number: str) -> int:
        """The result that this number always gets, or 0."""
        if not knobs.rejects:
            return 0
        place = self._place("reject", number)
        for share, result in knobs.rejects:
            if place < share:
                return result
            place -= share
        return 0

    def fails(self, knobs: Knobs, number: str) -> bool:
        """Whether this number reports UNDELIV."""
        return knobs.failing_share > 0 and self._place("fail", number) < knobs.failing_share

    def drops(self, knobs: Knobs) -> bool:
        """Whether this answer is never sent."""
        return knobs.drop_share > 0 and self._rng.random() < knobs.drop_share

    def report(self, knobs: Knobs) -> ReportPlan:
        """How this report comes."""
        if not (knobs.early_share or knobs.twice_share or knobs.late_share or knobs.missing_share):
            return "normal"
        place = self._rng.random()
        plans: tuple[tuple[ReportPlan, float], ...] = (
            ("early", knobs.early_share),
            ("twice", knobs.twice_share),
            ("late", knobs.late_share),
            ("missing", knobs.missing_share),
        )
        for plan, share in plans:
            if place < share:
                return plan
            place -= share
        return "normal"

    def jitter(self, most: float) -> float:
        """A number between 0 and `most`."""
        return self._rng.uniform(0.0, most) if most else 0.0

    def _place(self, purpose: str, number: str) -> float:
        return float(zlib.crc32(f"{self._seed} {purpose} {number}".encode()) / 2**32)
