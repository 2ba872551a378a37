"""Forms with files, cut at their boundaries: bytes stay bytes, nothing touches the disk.

Source: RFC 7578 (multipart/form-data); RFC 2046, 5.1.1 (boundaries).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from fzalert.web.problems import ProblemError

__all__ = ["MEDIA_TYPE", "Part", "boundary_of", "parse_multipart"]

MEDIA_TYPE = "multipart/form-data"
_MOST_PARTS = 600
_LONGEST_HEAD = 4096
_BOUNDARY = re.compile(r"""boundary=(?:"([^"]{1,70})"|([0-9A-Za-z'()+_,./:=?-]{1,70}))""")
_NAME = re.compile(rb'[;\s]name="([^"]*)"')
_FILE_NAME = re.compile(rb'[;\s]filename="([^"]*)"')


class Part(NamedTuple):
    """One field of a form.

    Attributes:
        name: The field's name.
        file_name: What a chosen file is called at the person's machine; None for a plain field.
        body: Its bytes.
    """

    name: str
    file_name: str | None
    body: bytes


def boundary_of(content_type: str) -> bytes:
    """The boundary that a content type names.

    Raises:
        ProblemError: 415, it names none.
    """
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise ProblemError(415, "media-type", "The form names no boundary.")
    return (found[1] or found[2]).encode("ascii", "replace")


def parse_multipart(body: bytes, boundary: bytes) -> list[Part]:
    """Cut a body into its fields.

    Raises:
        ProblemError: 422, it is cut short, or has too many parts.
    """
    mark = b"\r\n--" + boundary
    data = b"\r\n" + body
    at = data.find(mark)
    if at < 0:
        raise _broken()
    parts: list[Part] = []
    while True:
        at += len(mark)
        if data[at : at + 2] == b"--":
            return parts
        end_of_line = data.find(b"\r\n", at)
        end = data.find(mark, at)
        if end_of_line < 0 or end < 0 or len(parts) >= _MOST_PARTS:
            raise _broken()
        parts.append(_part(data, end_of_line + 2, end))
        at = end


def _part(data: bytes, start: int, end: int) -> Part:
    head_end = data.find(b"\r\n\r\n", start, min(end, start + _LONGEST_HEAD) + 4)
    if head_end < 0:
        raise _broken()
    head = b"".join(
        line
        for line in data[start:head_end].split(b"\r\n")
        if line.lower().startswith(b"content-disposition:")
    )
    name = _NAME.search(head)
    if name is None:
        raise _broken()
    file_name = _FILE_NAME.search(head)
    return Part(
        name[1].decode("utf-8", "replace"),
        None if file_name is None else file_name[1].decode("utf-8", "replace"),
        data[head_end + 4 : end],
    )


def _broken() -> ProblemError:
    return ProblemError(422, "invalid", "The form cannot be read; send it again.")
