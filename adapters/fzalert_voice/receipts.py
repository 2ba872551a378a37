"""The answers of a speaker channel: every reason it can have, with what to do next.

The sound server has no codes of its own; the table of faults below is this adapter's closed list.
"""

from __future__ import annotations

from typing import assert_never

from fzalert.messages import Proof, Receipt, ReceiptKind, Scope
from fzalert_voice.config import LocalSpeakerConfig, SpeakerSettings
from fzalert_voice.cutter import CuttingFault
from fzalert_voice.limits import Refusal
from fzalert_voice.player import Fault, Playback
from fzalert_voice.synthesis import SynthesisFault

__all__ = [
    "cannot_cut",
    "cannot_speak",
    "not_noted",
    "not_started",
    "refused",
    "taken",
    "too_late",
    "too_long",
    "unknown_speaker",
    "wrong_rendition",
]

_RETRY_DEVICE: float = 10.0
_RETRY_PREEMPTED: float = 1.0

_WORDS = {
    Fault.NO_PLAYER: (
        ReceiptKind.CHANNEL_DOWN,
        Scope.CHANNEL,
        "没有播放程序 pacat，请安装 pulseaudio-utils。pacat is missing, install pulseaudio-utils.",
    ),
    Fault.NO_SERVER: (
        ReceiptKind.CHANNEL_DOWN,
        Scope.CHANNEL,
        "连不上声音服务，请启动 PulseAudio 或 PipeWire；fzalert check --online 会列出可用设备。"
        "The sound server cannot be reached; start it, then run fzalert check --online.",
    ),
    Fault.NO_DEVICE: (
        ReceiptKind.TEMPORARY,
        Scope.RECIPIENT,
        "扬声器 {name} 的设备 {device} 不存在；fzalert check --online 会列出可用设备。"
        "Device {device} of speaker {name} does not exist; fzalert check --online lists them.",
    ),
    Fault.NO_START: (
        ReceiptKind.TEMPORARY,
        Scope.RECIPIENT,
        "扬声器 {name} 的设备 {device} 没有开始播放；fzalert check --online 会列出可用设备。"
        "Device {device} of speaker {name} did not begin; fzalert check --online lists them.",
    ),
    Fault.LOST: (
        ReceiptKind.TEMPORARY,
        Scope.RECIPIENT,
        "扬声器 {name} 的设备 {device} 断开了；fzalert check --online 会列出可用设备。"
        "Device {device} of speaker {name} went away; fzalert check --online lists them.",
    ),
    Fault.NO_FILE: (
        ReceiptKind.TEMPORARY,
        Scope.RECIPIENT,
        "扬声器 {name} 的文件写不进去，请检查目录和磁盘。"
        "The file of speaker {name} cannot be written.",
    ),
}


def taken(source: str) -> Receipt:
    """It plays now; the report follows."""
    return Receipt(ReceiptKind.SENT, proof=Proof.TAKEN, detail=source)


def unknown_speaker(name: str, config: LocalSpeakerConfig) -> Receipt:
    """No such speaker on this machine."""
    known = "、".join(speaker.name for speaker in config.speakers)
    return Receipt(
        ReceiptKind.PERMANENT,
        Scope.RECIPIENT,
        code="unknown-speaker",
        detail=f"通道 {config.name} 没有扬声器 {name}，只有：{known}。"
        f"Channel {config.name} has no speaker {name}.",
    )


def wrong_rendition(kind: str) -> Receipt:
    """A speaker takes speech and nothing else."""
    return Receipt(
        ReceiptKind.PERMANENT,
        Scope.RECIPIENT,
        code="wrong-rendition",
        detail=f"扬声器只能播放语音，不能播放 {kind}。A speaker takes speech, not {kind}.",
    )


def refused(why: Refusal, name: str, config: LocalSpeakerConfig) -> Receipt:
    """It was said just now, or too much was said this hour."""
    match why:
        case Refusal.DUPLICATE:
            detail = (
                f"扬声器 {name} 在 {config.min_interval:g} 秒内播过同一话术，不再重复。"
                f"Speaker {name} said the same within {config.min_interval:g} s."
            )
        case Refusal.HOURLY:
            detail = (
                f"扬声器 {name} 一小时内已播 {config.max_plays_per_hour} 次，防止噪声扰民。"
                f"Speaker {name} has had its {config.max_plays_per_hour} plays of this hour."
            )
        case _:
            assert_never(why)
    return Receipt(ReceiptKind.PERMANENT, Scope.RECIPIENT, code=why, detail=detail)


def too_long(duration_ms: int, limit_seconds: float) -> Receipt:
    """The programme is longer than its lane allows."""
    seconds = duration_ms / 1000
    return Receipt(
        ReceiptKind.PERMANENT,
        Scope.MESSAGE,
        code="too-long",
        detail=f"语音长 {seconds:.1f} 秒，上限 {limit_seconds:g} 秒，请缩短话术或减少重复。"
        f"The programme takes {seconds:.1f} s of {limit_seconds:g} s; shorten or repeat less.",
    )


def cannot_speak(fault: SynthesisFault) -> Receipt:
    """There is no recording, and no engine that could speak it."""
    return Receipt(
        ReceiptKind.TEMPORARY if fault.passing else ReceiptKind.PERMANENT,
        Scope.MESSAGE,
        code=fault.code,
        detail=f"没有这条话术的录音，也不能合成：请录音，或安装 espeak-ng。"
        f"No recording and no synthesis: record it or install espeak-ng ({fault}).",
    )


def cannot_cut(fault: CuttingFault) -> Receipt:
    """The process that makes programmes died over it, twice; another one is started."""
    return Receipt(
        ReceiptKind.TEMPORARY,
        Scope.CHANNEL,
        code="cutting-failed",
        detail=f"语音剪辑进程失败，稍后重试。Cutting failed, tried again later ({fault}).",
        retry_after=_RETRY_DEVICE,
    )


def not_noted() -> Receipt:
    """The store did not take the row that stands while it plays; nothing was heard."""
    return Receipt(
        ReceiptKind.TEMPORARY,
        code="not-noted",
        detail="播放记录写不进去，没有播放。The play could not be noted and did not begin.",
    )


def too_late() -> Receipt:
    """Its window ended, or the channel closed, in the last moment; the queue lets it expire."""
    return Receipt(
        ReceiptKind.THROTTLED,
        code="too-late",
        detail="已过时或通道正在关闭，没有播放。Too late, or the channel is closing.",
        retry_after=_RETRY_PREEMPTED,
    )


def not_started(playback: Playback, speaker: SpeakerSettings) -> Receipt:
    """Nothing was heard: the device is at fault, or something urgent came first."""
    if playback.fault is None:
        return Receipt(
            ReceiptKind.THROTTLED,
            code="preempted",
            detail="更紧急的预警先播。Something more urgent plays first.",
            retry_after=_RETRY_PREEMPTED,
        )
    kind, scope, words = _WORDS[playback.fault]
    said = f" [{playback.words}]" if playback.words else ""
    return Receipt(
        kind,
        scope,
        code=playback.fault,
        detail=words.format(name=speaker.name, device=speaker.device) + said,
        retry_after=_RETRY_DEVICE,
    )
