"""Settings of a `display.kiosk` channel."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from fzalert.messages import Severity
from fzalert.ports import ChannelConfig, Secret
from fzalert_display.kiosk.fitting import unfit
from fzalert_display.kiosk.shelf import read_facts

SCREEN_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}$"
MEDIA_NAME = r"^([^./\\\x00-\x1f][^/\\\x00-\x1f]{0,199})?$"


class IdleCard(BaseModel):
    """One card of the rolling content that a screen shows while nothing is urgent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = Field(description="The headline, at most 14 Chinese characters.")
    lines: tuple[str, ...] = Field(
        default=(), max_length=3, description="Up to three lines; the last carries the action."
    )
    footer: str = Field(default="", description="Who says so; the channel's footer if empty.")
    severity: Severity = Field(default=Severity.INFO, description="info, warn or danger.")
    locale: str = Field(default="zh-CN", description="BCP 47 tag of the text.")
    media: str = Field(
        default="",
        pattern=MEDIA_NAME,
        description="A picture or video in the folder `media`, shown instead of the lines.",
    )
    seconds: int | None = Field(
        default=None, ge=3, le=600, description="Seconds that it stays; a video runs to its end."
    )

    @model_validator(mode="after")
    def _fits(self) -> IdleCard:
        why = unfit(self.title, self.lines, self.footer)
        if why:
            raise ValueError(f"the idle card {self.title[:20]!r} does not fit a screen: {why}")
        return self


class ScreenConfig(BaseModel):
    """One browser screen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=SCREEN_NAME, description="Name of the screen, as in display:name.")
    title: str = Field(
        default="", max_length=40, description="Who speaks on it, such as the branch's name."
    )
    location: str = Field(default="", max_length=80, description="Where it hangs, for the staff.")
    width: int | None = Field(default=None, ge=320, le=16384, description="Pixels across.")
    height: int | None = Field(default=None, ge=240, le=16384, description="Pixels down.")
    token: Secret | None = Field(
        default=None,
        description="Pins the enrolment token, so that the enrolment link survives a restart.",
    )


class KioskConfig(ChannelConfig):
    """Browser screens, served by this process."""

    adapter: str = Field(default="display.kiosk", description="Always display.kiosk.")
    connections: Annotated[Literal[1], Field(description="Always 1: the page dials in.")] = 1
    displays: tuple[ScreenConfig, ...] = Field(
        min_length=1, max_length=5000, description="The screens."
    )
    idle: tuple[IdleCard, ...] = Field(
        default=(), max_length=64, description="Rolling content of every screen."
    )
    media: Path | None = Field(
        default=None, description="Folder of the idle cards' pictures (png, jpg, webp) and videos."
    )
    media_cache_mb: int = Field(
        default=512, ge=1, le=4096, description="MiB of them that a screen keeps for bad days."
    )
    footer: str = Field(
        default="咨询 96110 · 报警 110", max_length=40, description="Footer of a card without one."
    )
    max_overrides: int = Field(
        default=16, ge=1, le=64, description="Warnings that one screen holds at once."
    )
    max_rolling: int = Field(
        default=64, ge=1, le=256, description="Campaign cards that one screen holds at once."
    )
    heartbeat_seconds: float = Field(
        default=15, ge=1, le=60, description="Seconds between heartbeats; three missed are stale."
    )
    commit_seconds: float = Field(
        default=10, gt=0, le=60, description="Seconds that a report waits for the disk."
    )
    idle_keep_hours: int = Field(
        default=72, ge=1, le=720, description="Hours that a cut-off screen rolls its idle cards."
    )
    utc_offset_minutes: int = Field(
        default=480, ge=-720, le=840, description="Clock on the screens, minutes east of UTC."
    )

    @field_validator("displays")
    @classmethod
    def _unique(cls, displays: tuple[ScreenConfig, ...]) -> tuple[ScreenConfig, ...]:
        names = [screen.name for screen in displays]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"screens named twice: {', '.join(twice)}")
        return displays

    @model_validator(mode="after")
    def _media_is_there(self) -> KioskConfig:
        for card in self.idle:
            if not card.media:
                continue
            if self.media is None:
                raise ValueError(f"{card.media}: name the folder that it lies in: media = …")
            try:
                read_facts(self.media / card.media)
            except ValueError as error:
                raise ValueError(f"{card.media}: {error}") from None
        return self
