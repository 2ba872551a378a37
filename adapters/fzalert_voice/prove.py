"""`python -m fzalert_voice.prove CAPTURE --script ID`: is the recording the prompt?

Compares a recording (raw 48 kHz mono 16-bit, or anything libsndfile reads) with a prompt of the
shipped library, second by second, and with every other prompt of the library as a control.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from fzalert_voice.library import PromptLibrary
from fzalert_voice.proof import match

RAW_RATE = 48_000
CONTROLS = 4


def read_capture(path: Path) -> tuple[NDArray[np.float64], int]:
    """Read a recording as mono samples and their rate."""
    if path.suffix == ".raw":
        samples = np.frombuffer(path.read_bytes()[: path.stat().st_size // 2 * 2], "<i2")
        return samples.astype(np.float64) / 32768.0, RAW_RATE
    found, rate = soundfile.read(path, dtype="float64", always_2d=True)
    return found.mean(axis=1), int(rate)


def save_wav(capture: NDArray[np.float64], rate: int, path: Path) -> None:
    """Keep a recording as WAV, silence at its ends cut off to a quarter of a second."""
    loud = np.flatnonzero(np.abs(capture) > 0.003)
    if loud.size:
        edge = rate // 4
        capture = capture[max(0, int(loud[0]) - edge) : int(loud[-1]) + edge]
    soundfile.write(path, capture, rate, subtype="PCM_16")


def main(argv: Sequence[str] | None = None) -> int:
    """Print one JSON object; exit code 0 where the recording holds the prompt."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("capture", type=Path)
    parser.add_argument("--script", required=True, help="id of the script")
    parser.add_argument("--audience", default="general", help="general or elderly")
    parser.add_argument("--language", default="zh-CN", help="language of the prompt")
    parser.add_argument("--save", type=Path, help="also keep the recording as WAV here")
    given = parser.parse_args(argv)
    capture, rate = read_capture(given.capture)
    prompts = list(PromptLibrary())
    name = f"{given.script}.{given.audience}."
    wanted = [p for p in prompts if p.key.startswith(name) and p.key.endswith(given.language)]
    if not wanted:
        sys.stderr.write("The library has no such prompt.\n")
        return 2
    found = match(wanted[0].samples(), capture, reference_rate=RAW_RATE, capture_rate=rate)
    # Clips, such as the one that opens a drill, may well be in the recording.
    others = [
        p
        for p in prompts
        if p.key.endswith(given.language)
        and not p.key.startswith(given.script + ".")
        and ".clip." not in p.key
    ]
    wrong = [
        match(p.samples(), capture, reference_rate=RAW_RATE, capture_rate=rate)
        for p in others[:CONTROLS]
    ]
    if given.save:
        save_wav(capture, rate, given.save)
    result = {
        "passed": found.passed and not any(other.passed for other in wrong),
        "prompt": wanted[0].key,
        "score": round(found.score, 3),
        "worst": round(found.worst, 3),
        "windows": len(found.windows),
        "windows_passed": sum(window.passed for window in found.windows),
        "controls": len(wrong),
        "controls_passed": sum(other.passed for other in wrong),
        "best_control": round(max([other.score for other in wrong] or [0.0]), 3),
    }
    sys.stdout.write(json.dumps(result) + "\n")
    return 0 if result["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
