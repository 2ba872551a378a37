"""What the simulated gateway does wrong, and how often; the same seed gives the same run."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from fzalert_sms.cmpp.codec import V20, V30, Layout

ReportForm = Literal["plain", "other", "seconds", "blank", "head", "86"]
ReportPlan = Literal["normal", "early", "twice", "late", "missing"]
_LAYOUTS: dict[str, Layout | None] = {"auto": None, "2.0": V20, "3.0": V30}


@dataclass(frozen=True, slots=True)
class Knobs:
    """Behaviour of the simulated gateway. A share is between 0 and 1.

    Attributes:
        accounts: The secret of each SP_Id.
        layout: auto takes the version that the login asks for; 2.0 and 3.0 are used whatever it
            asks for, as some clients ask for one and speak the other.
        highest_version: A login that asks for more is refused with status 4.
        login_status: A status that refuses every login; 0 refuses only a wrong one.
        max_connections: Logins of an account at once; one more is refused with status 5. 0 is no
            limit.
        max_skew: A login whose timestamp is more seconds off is refused with status 3; 0 looks at
            none.
        clock_offset: Seconds that this gateway's clock is ahead.
        window: DELIVERs that may be out and unanswered on one connection.
        response_delay_ms: Time from a SUBMIT to its answer.
        tps: Numbers a second, over all connections; more are throttled (result 8). 0 is no limit.
        throttle_by: result answers 8; report accepts and reports MO:0008.
        per_number: Texts a number takes; each further one is accepted and reports MA:0022. 0 is no
            limit.
        gives_ids: Whether an accepted text gets a Msg_Id; without one it gets no report either.
        adds_signature: Put in front of each text within 【】, by the gateway; a text that becomes
            too long by it is refused with 6.
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
        short_tails: Leave out Reserve or LinkID at the end of a delivery.
        kill_after: Cut a connection (RST) when it has brought this many SUBMITs; 0 is never.
        kills: How many connections are cut so in all.
        leave_after: Send TERMINATE and close when a connection has brought this many; 0 is never.
        is_silent: Take everything and answer nothing.
        answers_tests: Answer ACTIVE_TEST.
        bare_tests: Answer it with 12 octets instead of 13.
        idle_close: Close a connection on which nothing came for so many seconds; 0 is never.
        keep_alive: Seconds of silence until ACTIVE_TEST is sent.
        redeliver_after: Seconds until an unanswered DELIVER is sent again.
    """

    accounts: dict[str, str] = field(default_factory=lambda: {"901234": "1234"})
    layout: Literal["auto", "2.0", "3.0"] = "auto"
    highest_version: Literal["2.0", "3.0"] = "3.0"
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
    bare_tests: bool = False
    idle_close: float = 0.0
    keep_alive: float = 30.0
    redeliver_after: float = 60.0

    @property
    def highest(self) -> int:
        """The highest version, in the form of CONNECT."""
        return 0x2F if self.highest_version == "2.0" else 0xFF

    @property
    def forced_layout(self) -> Layout | None:
        """The layout of every frame, or None."""
        return _LAYOUTS[self.layout]


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
