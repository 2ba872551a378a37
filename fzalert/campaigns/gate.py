"""What a workbook must pass before a parser sees it: size unpacked, pieces, extent of its sheets.

A workbook of 300 kB can unpack to gigabytes, and its directory can lie about that; one of 5 kB
with two cells in opposite corners makes a parser ask for half a terabyte, which ends the process.
So each piece is unpacked once, counted, looked through and thrown away.

Source: APPNOTE.TXT 6.3.10 (ZIP), 4.3.7 for the local header; ECMA-376 Part 1, 18.3.1.4 (`c`) and
18.3.1.73 (`row`): a position that is not written follows the one before.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from fzalert.errors import InputError

MOST_UNPACKED = 200 * 1024 * 1024
MOST_RATIO = 100
SMALL = 1_000_000
"""Below this an unusual ratio is no matter."""
MOST_MEMBERS = 1000
MOST_CELLS = 16_000_000
LOCAL_HEADER = 30
CHUNK = 65_536
LONGEST_TAG = 1_000_000
OLE = bytes.fromhex("D0CF11E0")
ZIP = b"PK\x03\x04"

_TAG = re.compile(rb"""<(?:[\w.-]+:)?(row|c)((?:\s(?:"[^"]*"|'[^']*'|[^>"'])*)?)>""")
_PLACE = re.compile(rb"""\sr\s*=\s*["']\s*([A-Za-z]{0,8})(\d{0,20})""")


def let_pass(file: BinaryIO, name: str) -> None:
    """Look at an archive without keeping anything of it.

    Args:
        file: At its start, and able to seek.
        name: What people call it.

    Raises:
        InputError: It is no archive, or would need more memory than a list of people can.
    """
    if file.read(len(OLE)) == OLE:
        raise InputError(
            f"{name} is an old .xls, or it has a password.",
            hint="Open it and save it as .xlsx without a password.",
            field="file",
        )
    packed = file.seek(0, io.SEEK_END)
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error):
        raise broken(name, "it is no archive") from None
    # What the directory says is enough to refuse, and never enough to let pass.
    _weigh(name, packed, members, [member.file_size for member in members])
    try:
        sizes = [_look_through(name, file, member) for member in members]
    except (zlib.error, struct.error, OSError):
        raise broken(name, "its archive is damaged") from None
    _weigh(name, packed, members, sizes)


def broken(name: str, why: str) -> InputError:
    """The error for a workbook that cannot be read."""
    return InputError(
        f"{name} is no workbook that can be read: {why}.",
        hint="Open it and save it again as .xlsx, or as .csv.",
        field="file",
    )


def _weigh(name: str, packed: int, members: list[zipfile.ZipInfo], sizes: list[int]) -> None:
    unpacked = sum(sizes)
    bomb = any(
        real > MOST_RATIO * max(1, member.compress_size)
        for real, member in zip(sizes, members, strict=True)
    )
    if unpacked > MOST_UNPACKED or len(members) > MOST_MEMBERS or (bomb and unpacked > SMALL):
        raise InputError(
            f"{name} unpacks to {unpacked // 1_000_000} MB in {len(members)} pieces from"
            f" {packed // 1000} kB; no list of residents does.",
            hint="Copy the list into a new workbook.",
            field="file",
        )


def _look_through(name: str, file: BinaryIO, member: zipfile.ZipInfo) -> int:
    """Unpack a member, look at where its cells are, and return its real size."""
    size = 0
    extent = _Extent()
    if ".." in member.filename.split("/"):
        raise broken(name, "a piece of it wants to lie elsewhere")
    for chunk in _unpacked(file, member):
        if not size and chunk.startswith(ZIP):
            raise broken(name, "another archive lies in it")
        size += len(chunk)
        if size > MOST_UNPACKED:
            break
        if not extent.take(chunk):
            raise broken(name, "it has a tag without an end")
        if extent.cells > MOST_CELLS:
            raise InputError(
                f"{name} has a cell in row {extent.row}, column {extent.column}: the sheet"
                " would be too large to read.",
                hint="Copy the list into a new workbook.",
                field="file",
            )
    return size


def _unpacked(file: BinaryIO, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """What a member really holds, whatever the directory says of its size."""
    file.seek(member.header_offset)
    name, extra = struct.unpack("<HH", file.read(LOCAL_HEADER)[26:30])
    file.seek(member.header_offset + LOCAL_HEADER + name + extra)
    machine = zlib.decompressobj(-zlib.MAX_WBITS)
    left = member.compress_size
    while left > 0 and not machine.eof:
        chunk = file.read(min(left, CHUNK))
        if not chunk:
            return
        left -= len(chunk)
        if member.compress_type != zipfile.ZIP_DEFLATED:
            yield chunk
            continue
        while chunk:
            yield machine.decompress(chunk, CHUNK)
            chunk = machine.unconsumed_tail


class _Extent:
    """How large a table its cells span, counted from the first one as a parser would."""

    def __init__(self) -> None:
        self.row = 0
        self.column = 0
        self._at_row = 0
        self._at_column = 0
        self._rest = b""

    @property
    def cells(self) -> int:
        return self.row * self.column

    def take(self, chunk: bytes) -> bool:
        """Look through more of the text; False where it is none that any parser reads."""
        text = self._rest + chunk
        end = 0
        for tag in _TAG.finditer(text):
            end = tag.end()
            place = _PLACE.search(tag[2])
            if tag[1] == b"row":
                self._at_row = int(place[2] or 0) if place else self._at_row + 1
                self._at_column = 0
            elif place is None or not place[1]:
                self._at_column += 1
            else:
                self._at_column = _column(place[1])
                self._at_row = int(place[2] or 0)
            if tag[1] == b"c" and not tag[2].endswith(b"/"):
                self.row = max(self.row, self._at_row)
                self.column = max(self.column, self._at_column)
        opened = text.rfind(b"<", end)
        self._rest = text[opened:] if opened >= 0 else b""
        return len(self._rest) <= LONGEST_TAG


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number
