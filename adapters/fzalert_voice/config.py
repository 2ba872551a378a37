"""Settings of the speakers that hang on this machine."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from fzalert.ports import ChannelConfig
from fzalert_voice.library import LibraryFault, read_manifest

__all__ = ["LocalSpeakerConfig", "SpeakerSettings"]


class SpeakerSettings(BaseModel):
    """One loudspeaker: a sound device, or a WAV file in its place."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}$",
        description="Name of the speaker, as targets use it.",
    )
    device: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9@][A-Za-z0-9_.:@+\-]{0,199}$",
        description='Sink of the sound server, or "default"; `pactl list short sinks` names them.',
    )
    wav: Path | None = Field(
        default=None,
        description="Write each programme to this file instead of a device; the last one stays.",
    )
    wake_ms: int = Field(
        default=0, ge=0, le=5000, description="Extra silence in front, for amplifiers that sleep."
    )
    volume_db: float = Field(
        default=0.0, ge=-40.0, le=12.0, description="Gain of this speaker, in dB over the house's."
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.device is None) == (self.wav is None):
            raise ValueError(f"speaker {self.name} needs either `device` or `wav`, exactly one")
        return self


class LocalSpeakerConfig(ChannelConfig):
    """Settings of `voice.local`.

    Loudness counts for a mono signal: a speaker pair that gets the same signal twice reads
    3 LU more.
    """

    speakers: tuple[SpeakerSettings, ...] = Field(
        min_length=1, max_length=64, description="The loudspeakers of this machine."
    )
    server: str = Field(
        default="",
        max_length=200,
        description="Address of the sound server; empty takes PULSE_SERVER or the user's own.",
    )
    library: Path | None = Field(
        default=None, description="Folder of your own recordings; they go before the shipped ones."
    )
    synthesis: bool = Field(
        default=True, description="Whether a text without a recording is spoken by espeak-ng."
    )
    volume_db: float = Field(
        default=0.0,
        ge=-40.0,
        le=12.0,
        description="Gain in dB over -18 LUFS; peaks never go over -2 dBTP.",
    )
    min_interval: float = Field(
        default=60.0, ge=0.0, le=86400.0, description="Seconds until a speaker repeats a script."
    )
    max_plays_per_hour: int = Field(
        default=12, ge=1, le=720, description="Routine plays of one speaker in an hour."
    )
    quiet_from: datetime.time | None = Field(
        default=None, description="Beijing time from which it plays more softly."
    )
    quiet_to: datetime.time | None = Field(
        default=None, description="Beijing time up to which it plays more softly."
    )
    quiet_volume_db: float = Field(
        default=-6.0, ge=-40.0, le=0.0, description="Gain added in quiet hours, in dB."
    )
    max_urgent_seconds: float = Field(
        default=45.0, gt=0.0, le=120.0, description="Longest urgent programme, in seconds."
    )
    max_routine_seconds: float = Field(
        default=20.0, gt=0.0, le=120.0, description="Longest routine programme, in seconds."
    )
    latency_ms: int = Field(
        default=100, ge=20, le=500, description="Sound held by the server, in milliseconds."
    )
    start_timeout: float = Field(
        default=5.0, ge=0.5, le=30.0, description="Seconds in which a device must begin to play."
    )

    @field_validator("speakers")
    @classmethod
    def _names_once(cls, speakers: tuple[SpeakerSettings, ...]) -> tuple[SpeakerSettings, ...]:
        names = [speaker.name for speaker in speakers]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"speaker named twice: {', '.join(twice)}")
        return speakers

    @field_validator("library")
    @classmethod
    def _readable_library(cls, folder: Path | None) -> Path | None:
        if folder is not None:
            try:
                read_manifest(folder)
            except LibraryFault as fault:
                raise ValueError(str(fault)) from fault
        return folder

    @model_validator(mode="after")
    def _quiet_hours_whole(self) -> Self:
        if (self.quiet_from is None) != (self.quiet_to is None):
            raise ValueError("quiet_from and quiet_to belong together")
        return self
