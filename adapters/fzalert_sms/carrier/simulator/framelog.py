"""The simulator's raw log: every frame as it was on the wire, written before any answer leaves.

The file begins with eight octets that name the protocol, such as `CMPPLOG1`. Then follow records,
each a header `>dBII` and a payload:

| field | octets | meaning |
|---|---|---|
| time | 8 | monotonic seconds of the simulator's process, as a double |
| kind | 1 | 0 frame received, 1 frame sent, 2 connection opened, 3 connection closed |
| connection | 4 | number of the connection, from 1, in the order of opening |
| length | 4 | octets of the payload |
| payload | length | the raw frame; for kind 3 the reason as UTF-8; for kind 2 nothing |

`fzalert_sms.recount` reads it and shares no code with this file.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

RECEIVED: Final = 0
SENT: Final = 1
OPENED: Final = 2
CLOSED: Final = 3
_HEAD = struct.Struct(">dBII")


class FrameLog:
    """Appends records; `flush` hands them to the system, so a killed process loses none.

    Args:
        path: The file; a new run begins a new file.
        magic: How it begins.
        now: Monotonic seconds.
    """

    def __init__(self, path: Path, magic: bytes, now: Callable[[], float]) -> None:
        self._now = now
        self._waiting: list[bytes] = [magic]
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        self.flush()

    def add(self, kind: int, connection: int, payload: bytes = b"") -> None:
        """Note one record; it is written at the next `flush`."""
        self._waiting.append(_HEAD.pack(self._now(), kind, connection, len(payload)))
        self._waiting.append(payload)

    def flush(self) -> None:
        """Write what waits."""
        if not self._waiting:
            return
        data = memoryview(b"".join(self._waiting))
        self._waiting.clear()
        while data:
            data = data[os.write(self._file, data) :]

    def close(self) -> None:
        """Write what waits and close the file."""
        self.flush()
        os.close(self._file)
