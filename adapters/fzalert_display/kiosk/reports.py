"""What a page reports: its batch is parsed here, and turned into rows for the engine."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from fzalert.messages import DeliveryReport, Proof, ReportKind, display

__all__ = ["MAX_BATCH", "PageReport", "Parsed", "SeenIds", "delivery_report", "parse_batch"]

MAX_BATCH = 100
_CARD = re.compile(r"(\d{1,19})\.(\d{1,5})", re.ASCII)
_DAY_MS = 86_400_000

Viewport = Annotated[int, Field(ge=0, le=65_535)]


class PageReport(BaseModel):
    """One report of a page."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    report_id: str = Field(pattern=r"^[0-9a-z\-]{8,48}$")
    event: Literal["shown", "hidden", "expired", "blocked", "alive", "refused"]
    card: str = Field(default="", max_length=32)
    at: int = Field(ge=0, le=2**53)
    duration_ms: int = Field(default=0, ge=0, le=400 * _DAY_MS)
    visible: str = Field(default="", max_length=16)
    offset_ms: int = Field(default=0, ge=-(2**53), le=2**53)
    viewport: tuple[Viewport, Viewport] = Field(default=(0, 0), strict=False)
    reason: str = Field(default="", pattern=r"^[a-z0-9:\-]{0,40}$")

    @property
    def key(self) -> tuple[int, int] | None:
        """The message and part it speaks of, or None."""
        match = _CARD.fullmatch(self.card)
        return (int(match[1]), int(match[2])) if match else None


class Parsed(NamedTuple):
    """A batch, and how many of its reports made no sense."""

    reports: tuple[PageReport, ...]
    dropped: int


class _Batch(BaseModel):
    reports: list[dict[str, object]] = Field(max_length=MAX_BATCH)


_REPORT: TypeAdapter[PageReport] = TypeAdapter(PageReport)


def parse_batch(body: bytes) -> Parsed:
    """Read a batch; a report that makes no sense is counted and left out.

    Raises:
        ValueError: Not a batch at all, or longer than `MAX_BATCH`.
    """
    good: list[PageReport] = []
    dropped = 0
    for row in _Batch.model_validate_json(body).reports:
        try:
            good.append(_REPORT.validate_python(row))
        except ValidationError:
            dropped += 1
    return Parsed(tuple(good), dropped)


_KINDS = {
    "shown": ReportKind.SHOWN,
    "hidden": ReportKind.HIDDEN,
    "expired": ReportKind.EXPIRED,
}


def delivery_report(report: PageReport, screen: str, now: int) -> DeliveryReport | None:
    """Make the engine's row of a page's report; None where it is none of its business."""
    kind = _KINDS.get(report.event)
    key = report.key
    if kind is None or key is None:
        return None
    across, down = report.viewport
    detail = " ".join(
        word
        for word in (f"{across}x{down}" if across else "", report.visible, report.reason)
        if word
    )
    return DeliveryReport(
        kind=kind,
        target=display(screen),
        code=report.reason,
        at=min(report.at, now),
        proof=Proof.NONE if kind is ReportKind.EXPIRED else Proof.DEVICE,
        duration_ms=report.duration_ms,
        detail=detail,
        id=key[0],
        part=key[1],
    )


class SeenIds:
    """The last report ids of one screen, so that a repeated batch counts once."""

    def __init__(self, known: Iterable[str] = (), *, limit: int = 512) -> None:
        self._order: deque[str] = deque(maxlen=limit)
        self._set: set[str] = set()
        self.add(known)

    def __contains__(self, report_id: str) -> bool:
        return report_id in self._set

    def add(self, ids: Iterable[str]) -> None:
        """Remember ids; the oldest are forgotten beyond the limit."""
        for one in ids:
            if one in self._set:
                continue
            if len(self._order) == self._order.maxlen:
                self._set.discard(self._order[0])
            self._order.append(one)
            self._set.add(one)

    def write(self) -> bytes:
        """Serialise for the store."""
        return "\n".join(self._order).encode("ascii")

    @classmethod
    def read(cls, data: bytes | None) -> SeenIds:
        """Read back what `write` wrote."""
        return cls((data or b"").decode("ascii").split())
