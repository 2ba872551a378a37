"""How the channel is, in words for people: from the last look at the devices and the last plays."""

from __future__ import annotations

import asyncio

from fzalert.messages import ReportKind
from fzalert.ports import Health, HealthState
from fzalert_voice.config import LocalSpeakerConfig, SpeakerSettings
from fzalert_voice.devices import Devices
from fzalert_voice.player import Fault

__all__ = ["Status", "describe"]


def describe(config: LocalSpeakerConfig, devices: Devices | None) -> list[str]:
    """Say what a look at the sound server found, device by device, speaker by speaker."""
    lines: list[str] = []
    if devices is not None:
        if devices.trouble:
            lines.append(f"✗ {devices.trouble}")
        elif not devices.sinks:
            lines.append("✗ 声音服务没有任何设备。The sound server has no device.")
        for sink in devices.sinks:
            mark = "（默认 default）" if sink == devices.default else ""
            lines.append(f"· 可用设备 device: {sink}{mark}")
    lines.extend(_line(speaker, devices) for speaker in config.speakers)
    return lines


def _line(speaker: SpeakerSettings, devices: Devices | None) -> str:
    if speaker.wav is not None:
        folder = speaker.wav.absolute().parent
        if folder.is_dir():
            return f"✓ 扬声器 {speaker.name} → 文件 file {speaker.wav}"
        return (
            f"✗ 扬声器 {speaker.name}：目录不存在，请先建立。"
            f"Folder {folder} does not exist, make it first."
        )
    device = speaker.device or ""
    if devices is not None and devices.has(device):
        return f"✓ 扬声器 {speaker.name} → 设备 device {device}"
    return (
        f"✗ 扬声器 {speaker.name}：没有设备 {device}，请改用上面列出的设备。"
        f"No device {device}, take one of the list."
    )


class Status:
    """The state of the channel.

    Attributes:
        trouble: Set while another look at the devices is due.
    """

    def __init__(self, config: LocalSpeakerConfig) -> None:
        self.trouble = asyncio.Event()
        self._config = config
        self._devices: Devices | None = None
        self._trouble: dict[str, str] = {}
        self._is_down = False
        self._cutting = ""
        self._played = 0
        self._interrupted = 0

    def seen(self, devices: Devices) -> None:
        """Take over what a look at the sound server found."""
        self._devices = devices
        self._is_down = bool(devices.trouble)
        self._trouble = {
            speaker.name: _line(speaker, devices)
            for speaker in self._config.speakers
            if speaker.device is not None and not devices.has(speaker.device)
        }
        self._signal()

    def cutting(self, trouble: str) -> None:
        """Why no programme can be made; empty where it can."""
        self._cutting = trouble

    def failed(self, speaker: str, detail: str, fault: Fault | None) -> None:
        """A programme did not begin."""
        if fault is not None:
            self._trouble[speaker] = detail
            self._is_down = fault in {Fault.NO_PLAYER, Fault.NO_SERVER}
        self._signal()

    def ended(self, speaker: str, kind: ReportKind, fault: Fault | None) -> None:
        """A programme that had begun has ended."""
        if kind is ReportKind.PLAYED:
            self._played += 1
            self._trouble.pop(speaker, None)
            self._is_down = False
        else:
            self._interrupted += 1
            if fault is not None:
                self._trouble[speaker] = f"扬声器 {speaker} 断开。Speaker {speaker} went away."
        self._signal()

    def health(self) -> Health:
        """Put it in one word and a sentence."""
        names = [speaker.name for speaker in self._config.speakers]
        has_devices = any(speaker.device for speaker in self._config.speakers)
        figures = (
            ("speakers", len(names)),
            ("played", self._played),
            ("interrupted", self._interrupted),
        )
        if self._is_down or len(self._trouble) == len(names):
            state = HealthState.DOWN
        elif self._trouble or self._cutting:
            state = HealthState.SLOW
        elif has_devices and self._devices is None and not self._played:
            return Health(HealthState.UNKNOWN, "还没有查看设备。Not looked yet.", figures=figures)
        else:
            state = HealthState.UP
        words = [*([self._cutting] if self._cutting else []), *self._trouble.values()]
        if self._is_down and self._devices is not None and self._devices.trouble:
            words.insert(0, self._devices.trouble)
        if self._devices is not None and self._devices.sinks:
            words.append(f"可用设备 devices: {', '.join(self._devices.sinks)}")
        return Health(state, " ".join(words), figures=figures)

    def _signal(self) -> None:
        if self._is_down or self._trouble:
            self.trouble.set()
        else:
            self.trouble.clear()
