"""The process that reads a list: it has the one file, a pipe out, and little of anything else.

`python -I -m fzalert.campaigns.child NAME MEMORY_BYTES CPU_SECONDS [CHOICE] < list > lines`

CHOICE is JSON: `{"only": […], "excluded": […], "today": "2026-11-24"}`.

Parsers of foreign files are where programs are broken into and where memory goes, so a list is
parsed here. Before its first byte is read this process takes from itself: memory and processor
time beyond its limits, every file and socket that is not open yet (no free descriptor is left),
writing to files, starting programs, the administrator's rights, and a dump of its memory, which
would be people's numbers.

It writes lines of JSON, of which the last is the summary or what is wrong:

```
{"people": [[address, tags], …], "rows": number of the last row}
{"summary": {…}}    {"fault": {"kind", "what", "hint", "field", "row"}}
```
"""

from __future__ import annotations

import codecs
import hashlib
import json
import os
import resource
import sys
from contextlib import suppress
from datetime import date
from typing import BinaryIO

from fzalert.campaigns import columns
from fzalert.campaigns.audience import AudienceSummary, Recipient, read_audience
from fzalert.campaigns.selection import Selection
from fzalert.errors import ConfigError, FzalertError, InputError

__all__ = ["BATCH", "limit", "main"]

BATCH = 500
_STANDARD_STREAMS = 3
_CHARSETS = ("utf-8", "utf-16-le", "utf-16-be", "gb18030", "cp437")
_GRACE = 2
_NOBODY = 65_534


def limit(memory: int, cpu_seconds: int) -> None:
    """Give up what reading one open file does not need; there is no way back.

    Args:
        memory: Address space, bytes.
        cpu_seconds: Processor time from the start of the process; the kernel ends it after that.
    """
    # What is loaded when it is first used must be there before no file can be opened any more.
    columns.load()
    for charset in _CHARSETS:
        codecs.lookup(charset)
    import fzalert.campaigns.workbook  # noqa: F401

    with suppress(ImportError):  # the reader says what to install
        import python_calamine  # noqa: F401
    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_NOFILE, _STANDARD_STREAMS),
    ):
        _lower(what, most, most)
    _lower(resource.RLIMIT_CPU, cpu_seconds, cpu_seconds + _GRACE)
    _become_nobody()


def _become_nobody() -> None:
    """Give up the administrator's rights, with which the limits could be raised again."""
    if os.geteuid() != 0:
        return
    with suppress(OSError):  # a container may know no other account
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)


def _lower(what: int, soft: int, hard: int) -> None:
    """Set a limit, never above one that is there already."""
    _, now = resource.getrlimit(what)
    if now != resource.RLIM_INFINITY:
        soft, hard = min(soft, now), min(hard, now)
    resource.setrlimit(what, (soft, hard))


def main(arguments: list[str]) -> int:
    """Read the list on standard input and write what it holds to standard output."""
    name, memory, cpu_seconds, *more = arguments
    choice = json.loads(more[0]) if more else {}
    today = date.fromisoformat(choice["today"]) if choice.get("today") else None
    limit(int(memory), int(cpu_seconds))
    out = sys.stdout.buffer
    try:
        selection = Selection(choice.get("only", ()), choice.get("excluded", ()))
        _write_all(sys.stdin.buffer, name, out, selection, today)
    except FzalertError as error:
        _write(out, {"fault": _told(error)})
    except MemoryError:
        full = InputError(
            f"{name} takes more than {int(memory) // 1024**2} MiB of memory to read.",
            hint="Split it by village, or save it as .csv.",
            field="file",
        )
        _write(out, {"fault": _told(full)})
    return 0


def _write_all(
    file: BinaryIO, name: str, out: BinaryIO, selection: Selection, today: date | None
) -> None:
    digest = hashlib.sha256()
    while chunk := file.read(65_536):
        digest.update(chunk)
    file.seek(0)
    summary = AudienceSummary()
    people: list[tuple[str, str]] = []
    for item in read_audience(file, name, selection, today):
        summary.take(item)
        if isinstance(item, Recipient):
            people.append((item.target.address, item.tags_text()))
            if len(people) == BATCH:
                _write(out, {"people": people, "rows": summary.rows})
                people = []
    if people:
        _write(out, {"people": people, "rows": summary.rows})
    _write(out, {"summary": {**summary.document(), "sha256": digest.hexdigest()}})


def _told(error: FzalertError) -> dict[str, object]:
    return {
        "kind": "config" if isinstance(error, ConfigError) else "input",
        "what": str(error.args[0]),
        "hint": error.hint,
        "field": error.field if isinstance(error, InputError) else "",
        "row": error.row if isinstance(error, InputError) else None,
    }


def _write(out: BinaryIO, value: object) -> None:
    out.write(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
    out.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
