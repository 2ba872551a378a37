"""What the sound server has: asked with `pactl`, for `fzalert check --online` and for health."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from fzalert_voice.player import sound_environment

__all__ = ["Devices", "look"]


@dataclass(frozen=True, slots=True)
class Devices:
    """The sinks of a sound server.

    Attributes:
        sinks: Names, as `device` takes them.
        default: The sink that `default` means now; empty where there is none.
        trouble: Why the server could not be asked; empty where it could.
    """

    sinks: tuple[str, ...] = ()
    default: str = ""
    trouble: str = ""

    def has(self, device: str) -> bool:
        """Tell whether a speaker's device is there."""
        return bool(self.sinks) if device in {"default", "@DEFAULT_SINK@"} else device in self.sinks


async def look(server: str = "", *, within: float = 5.0, program: str = "pactl") -> Devices:
    """Ask the sound server for its sinks; a fault is words in the answer, never an exception."""
    found = await _ask(server, within, program, "list", "short", "sinks")
    if isinstance(found, Devices):
        return found
    default = await _ask(server, within, program, "get-default-sink")
    sinks = tuple(fields[1] for line in found.splitlines() if len(fields := line.split("\t")) > 1)
    return Devices(sinks, "" if isinstance(default, Devices) else default.strip())


async def _ask(server: str, limit: float, program: str, *question: str) -> str | Devices:
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            *question,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=sound_environment(server),
        )
    except OSError as error:
        return Devices(
            trouble=f"没有 {program}，请安装 pulseaudio-utils。{program} is missing, install"
            f" pulseaudio-utils ({error.strerror})."
        )
    try:
        async with asyncio.timeout(limit):
            out, err = await process.communicate()
    except TimeoutError:
        return Devices(
            trouble=f"声音服务 {limit:g} 秒内没有应答。"
            f"The sound server did not answer within {limit:g} s."
        )
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0:
        said = err.decode("utf-8", "replace").strip().splitlines()
        return Devices(
            trouble="连不上声音服务，请启动 PulseAudio 或 PipeWire。The sound server cannot be"
            f" reached, start PulseAudio or PipeWire ({said[0] if said else 'no words'})."
        )
    return out.decode("utf-8", "replace")
