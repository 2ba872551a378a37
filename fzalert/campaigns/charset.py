"""The charset of a list, told by rule and never by guess; the list is never held whole.

Byte order mark, else strict UTF-8, else strict GB18030 (of which GBK is a part). A guesser called
short GBK files Korean.
"""

from __future__ import annotations

import codecs
import io
from typing import BinaryIO, NamedTuple

from fzalert.errors import InputError

__all__ = ["SAMPLE", "open_text", "sample_of"]

SAMPLE = 4096
PROVEN = 12
"""So many bytes of valid UTF-8 beside ASCII are no GBK by chance."""
_CHUNK = 65_536
_ASCII = bytes(range(128))
_MARKS = (
    (codecs.BOM_UTF8, "utf-8", "UTF-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"),
)


class _Fault(NamedTuple):
    """The first bytes that are not of a charset.

    Attributes:
        at: Where they stand, from the start of the text.
        line: Their line, from 1.
        proof: Bytes beside ASCII that were of the charset before them.
    """

    at: int
    line: int
    proof: int


def open_text(file: BinaryIO, name: str) -> io.TextIOWrapper:
    """Look through a file once, and open it as text in the charset that it has.

    Args:
        file: At its start, and able to seek.
        name: What people call it.

    Raises:
        InputError: Neither UTF-8 nor GB18030; `row` is the first line that is not.
    """
    charset, mark = _charset(file, name)
    file.seek(mark)
    text = io.TextIOWrapper(file, encoding=charset, errors="strict", newline="")
    if "\0" in sample_of(text):
        raise InputError(
            f"{name} is no text in UTF-8 or GBK.",
            hint="Open it in the program that made it and save it as UTF-8 or XLSX.",
            field="file",
        )
    return text


def sample_of(text: io.TextIOWrapper) -> str:
    """The beginning of a text that `open_text` opened; it stays where it is."""
    here = text.tell()
    sample = text.read(SAMPLE)
    text.seek(here)
    return sample


def _charset(file: BinaryIO, name: str) -> tuple[str, int]:
    """The charset, and how many bytes its mark takes."""
    head = file.read(4)
    for mark, charset, spoken in _MARKS:
        if head.startswith(mark):
            if (fault := _first_fault(file, charset, len(mark))) is not None:
                raise _undecodable(fault, name, spoken)
            return charset, len(mark)
    if head.startswith(b"PK\x03\x04"):
        raise InputError(
            f"{name} is a workbook, no text.", hint="Name it .xlsx and import it.", field="file"
        )
    as_utf8 = _first_fault(file, "utf-8", 0)
    if as_utf8 is None:
        return "utf-8", 0
    if as_utf8.proof >= PROVEN:
        raise _undecodable(as_utf8, name, "UTF-8")
    as_gbk = _first_fault(file, "gb18030", 0)
    if as_gbk is None:
        return "gb18030", 0
    # The charset that holds longer is the file's own; its first bad line is to be mended.
    raise _undecodable(as_gbk if as_gbk.at > as_utf8.at else as_utf8, name, "UTF-8 or GBK")


def _first_fault(file: BinaryIO, charset: str, skip: int) -> _Fault | None:
    """Decode piece by piece; nothing is kept."""
    file.seek(skip)
    decoder = codecs.getincrementaldecoder(charset)("strict")
    passed = lines = proof = 0
    while True:
        chunk = file.read(_CHUNK)
        try:
            lines += decoder.decode(chunk, final=not chunk).count("\n")
        except UnicodeDecodeError as error:
            # The decoder was handed what it had kept back together with this piece.
            held = len(error.object) - len(chunk)
            good = error.object[: error.start]
            lines += good.decode(charset, "ignore").count("\n")
            proof += len(good[held:].translate(None, _ASCII))
            return _Fault(passed - held + error.start, lines + 1, proof)
        if not chunk:
            return None
        passed += len(chunk)
        proof += len(chunk.translate(None, _ASCII))


def _undecodable(fault: _Fault, name: str, charset: str) -> InputError:
    return InputError(
        f"{name}, line {fault.line}: these bytes are no {charset} text.",
        hint="Open it in the program that made it and save it as UTF-8 or XLSX.",
        field="file",
        row=fault.line,
    )
