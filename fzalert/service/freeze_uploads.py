"""Documents on their way in: put in pieces, told by their content, attached once they are whole."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Literal

from fzalert.clock import Clock
from fzalert.errors import InputError
from fzalert.freeze.values import Attachment, AttachmentType

__all__ = ["MOST", "Uploads", "format_of"]

MOST = 20 * 1024 * 1024
"""Bytes of one document at most."""
AT_ONCE = 8
"""Documents that may be on their way at once."""
GIVEN_UP = 600.0
"""Seconds after which a document that is not attached is forgotten."""


def format_of(body: bytes) -> Literal["jpg", "pdf", "png"]:
    """What kind of file it is, by its first bytes: its name is nobody's word.

    Raises:
        InputError: It is none of the three that banks take.
    """
    if body.startswith(b"%PDF-1."):
        return "pdf"
    if body.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if body.startswith(b"\xff\xd8\xff"):
        return "jpg"
    raise InputError(
        "The document is no PDF, PNG or JPEG.",
        hint="Banks take these three; scan or convert it.",
        field="document",
    )


class Uploads:
    """Holds the pieces until the document is attached; what is left lying is forgotten.

    Args:
        clock: Reader of time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._parts: dict[tuple[str, str], bytearray] = {}
        self._touched: dict[tuple[str, str], float] = {}

    def put(self, actor: str, upload: str, offset: int, data: str) -> None:
        """Take one piece.

        Args:
            actor: Whose document it is.
            upload: The caller's own name for it.
            offset: Where the piece begins; the pieces come in order.
            data: Its bytes in base64.

        Raises:
            InputError: It is no base64, out of order, or too long; or too many are on their way.
        """
        name = (actor, upload)
        self._forget()
        if name not in self._parts:
            if len(self._parts) >= AT_ONCE:
                raise InputError(
                    f"{AT_ONCE} documents are on their way at once.",
                    hint="Attach them first, or wait ten minutes.",
                    field="upload",
                )
            self._parts[name] = bytearray()
        try:
            piece = base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            raise InputError("A piece is no base64.", field="data") from None
        held = self._parts[name]
        if offset == 0:
            held.clear()  # begun anew, as after a lost answer
        if offset != len(held):
            raise InputError("A piece is out of order; begin anew.", field="offset")
        if len(held) + len(piece) > MOST:
            del self._parts[name]
            raise InputError(
                f"A document has at most {MOST // 1024 // 1024} MiB.",
                hint="Scan it in grey at 200 dpi.",
                field="document",
            )
        held.extend(piece)
        self._touched[name] = self._clock.monotonic()

    def take(self, actor: str, upload: str, kind: AttachmentType) -> tuple[Attachment, bytes]:
        """The whole document, and what names it in a case; it stays until `done`.

        Raises:
            InputError: Nothing was put under that name, or it is of no kind that banks take.
        """
        body = bytes(self._parts.get((actor, upload), b""))
        if not body:
            raise InputError("No document was put under that name.", field="upload")
        form = format_of(body)
        digest = hashlib.sha256(body).hexdigest()
        return Attachment(type=kind, format=form, sha256=digest, size=len(body)), body

    def done(self, actor: str, upload: str) -> None:
        """Forget a document that is on disk now."""
        self._parts.pop((actor, upload), None)
        self._touched.pop((actor, upload), None)

    def _forget(self) -> None:
        before = self._clock.monotonic() - GIVEN_UP
        for name in [name for name, at in self._touched.items() if at < before]:
            self.done(*name)
