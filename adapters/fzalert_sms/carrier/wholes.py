"""For gateways that report a long text once: that report, given to the other parts as well.

Which part the one report names is a matter of the gateway: the first, the last, or any. What is
known here is lost with the process; then the other parts stay without a report.
"""

from __future__ import annotations

from typing import Final, Literal

from fzalert.messages import DeliveryReport

_MOST: Final = 50_000
_MOST_EARLY: Final = 1_000


class _Whole:
    __slots__ = ("parts", "report", "speaker", "total")

    def __init__(self, total: int) -> None:
        self.total = total
        self.parts: dict[int, bytes] = {}
        self.report: DeliveryReport | None = None
        self.speaker = -1


class Wholes:
    """Long texts that are out.

    Args:
        which: The part whose report speaks for all.
    """

    def __init__(self, which: Literal["first", "last", "any"]) -> None:
        self._which = which
        self._texts: dict[int, _Whole] = {}
        self._of: dict[bytes, tuple[int, int]] = {}
        self._early: dict[bytes, DeliveryReport] = {}

    def begin(self, message: int, total: int) -> None:
        """A part of a long text is written."""
        if message not in self._texts:
            self._texts[message] = _Whole(total)
            if len(self._texts) > _MOST:
                gone = self._texts.pop(next(iter(self._texts)))
                for msg_id in gone.parts.values():
                    self._of.pop(msg_id, None)

    def accepted(self, message: int, part: int, msg_id: bytes) -> list[DeliveryReport]:
        """A part was taken; return the reports that its answer makes possible."""
        whole = self._texts.get(message)
        if whole is None:
            return []
        whole.parts[part] = msg_id
        self._of[msg_id] = (message, part)
        early = self._early.pop(msg_id, None)
        if early is not None:
            return self.reported(early)
        if whole.report is not None and part != whole.speaker:
            return [whole.report._replace(carrier_id=msg_id)]
        return []

    def reported(self, report: DeliveryReport) -> list[DeliveryReport]:
        """A report came; return those that the other parts get of it. Its own is not among them.

        A part that was not taken yet gets none: it would never be sent.
        """
        found = self._of.get(report.carrier_id)
        if found is None:
            self._early[report.carrier_id] = report
            if len(self._early) > _MOST_EARLY:
                del self._early[next(iter(self._early))]
            return []
        message, part = found
        whole = self._texts.get(message)
        if whole is None or not self._speaks(part, whole.total):
            return []
        whole.report, whole.speaker = report, part
        return [
            report._replace(carrier_id=msg_id)
            for other, msg_id in whole.parts.items()
            if other != part
        ]

    def _speaks(self, part: int, total: int) -> bool:
        match self._which:
            case "first":
                return part == 0
            case "last":
                return part == total - 1
            case "any":
                return True
