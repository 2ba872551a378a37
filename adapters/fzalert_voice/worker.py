"""The process that cuts programmes: numbers on samples, away from the daemon's loop and lock.

`python -P -m fzalert_voice.worker LIBRARY SYNTHESIS`, where LIBRARY is a folder or empty, and
SYNTHESIS 1 or 0. It reads one line of JSON for each programme from standard input, and answers with
a line of JSON and then as many bytes of sound as that says:

```
{"speech": {…}, "wake_ms": 0, "volume_db": 0.0}
{"bytes": n, "duration_ms", "text_ms", "lufs", "gain_db", "source"} ␊ n bytes
{"fault": "…", "code": "…", "passing": false} ␊
```

Its first line is `{"ready": true}`. It is gentle to its neighbours, takes no more memory than it
may, and ends with its standard input.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from fzalert.messages import ScriptRef, Speech
from fzalert_voice.library import LibraryFault, PromptLibrary
from fzalert_voice.programme import chime
from fzalert_voice.studio import Studio
from fzalert_voice.synthesis import Espeak, SynthesisFault

__all__ = ["FAULT", "ask", "main"]

FAULT: Final = "cutting-failed"
_MEMORY: Final = 2 * 1024**3
_NICENESS: Final = 5


def ask(speech: Speech, wake_ms: int, volume_db: float) -> bytes:
    """The line that asks for a programme."""
    script = speech.script
    asked = {
        "speech": {
            "text": speech.text,
            "script": [script.id, script.audience, script.language, script.version, script.digest],
            "repeats": speech.repeats,
            "gap_ms": speech.gap_ms,
            "chime": speech.chime,
            "drill": speech.drill,
            "locale": speech.locale,
        },
        "wake_ms": wake_ms,
        "volume_db": volume_db,
    }
    return json.dumps(asked).encode() + b"\n"


def main(arguments: list[str]) -> int:
    """Cut programmes until standard input ends."""
    folder, synthesis = arguments
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(ValueError, OSError):  # a lower limit of the house holds
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    os.nice(_NICENESS)
    out = sys.stdout.buffer
    try:
        library = PromptLibrary(Path(folder) if folder else None)
    except LibraryFault as fault:
        _tell(out, {"fault": str(fault), "code": FAULT, "passing": True})
        return 1
    studio = Studio(library, Espeak() if synthesis == "1" else None)
    chime()
    _tell(out, {"ready": True})
    for line in sys.stdin.buffer:
        _answer(out, studio, line)
    return 0


def _answer(out: BinaryIO, studio: Studio, line: bytes) -> None:
    asked = json.loads(line)
    fields = asked["speech"]
    speech = Speech(**{**fields, "script": ScriptRef(*fields["script"])})
    try:
        cut = studio.make(speech, wake_ms=asked["wake_ms"], volume_db=asked["volume_db"])
    except SynthesisFault as fault:
        _tell(out, {"fault": str(fault), "code": fault.code, "passing": fault.passing})
    except MemoryError:
        why = f"it takes more than {_MEMORY // 1024**2} MiB to cut"
        _tell(out, {"fault": why, "code": FAULT, "passing": True})
    else:
        programme = cut.programme
        told = {
            "bytes": len(programme.pcm),
            "duration_ms": programme.duration_ms,
            "text_ms": programme.text_ms,
            "lufs": programme.lufs,
            "gain_db": programme.gain_db,
            "source": cut.source,
        }
        _tell(out, told, programme.pcm)


def _tell(out: BinaryIO, value: object, sound: bytes = b"") -> None:
    out.write(json.dumps(value).encode() + b"\n" + sound)
    out.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
