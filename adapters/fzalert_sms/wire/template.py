"""A frame that is written but for what changes from message to message."""

from __future__ import annotations

from struct import Struct, calcsize


class Template:
    """A submission whose sequence, number and reference are spliced in by one `pack`.

    Args:
        octets: The whole frame, for any sequence, number and reference.
        sequence_at: Where the sequence stands.
        sequence: Its form: I for a number, 12s for three words that are packed already.
        number_at: Where the number stands.
        width: Octets of the number.
        reference_at: Where the octet stands that tells one long text from another; 0 where there
            is none.
        extension_at: Where the digits stand that a message adds to its sender's number; 0 where
            there are none.

    Attributes:
        extends: Whether there are such digits.
    """

    __slots__ = (
        "_before",
        "_extension_at",
        "_first",
        "_head",
        "_is_long",
        "_last",
        "_pack",
        "extends",
    )

    def __init__(
        self,
        octets: bytes,
        *,
        sequence_at: int,
        number_at: int,
        width: int,
        reference_at: int = 0,
        sequence: str = "I",
        extension_at: int = 0,
    ) -> None:
        self.extends = extension_at > 0
        self._extension_at = extension_at
        end = number_at + width
        self._head = octets[:sequence_at]
        self._before = octets[sequence_at + calcsize(f">{sequence}") : number_at]
        self._is_long = reference_at > 0
        self._first = octets[end:reference_at] if self._is_long else octets[end:]
        self._last = octets[reference_at + 1 :] if self._is_long else b""
        tail = (
            f"{len(self._first)}sB{len(self._last)}s" if self._is_long else f"{len(self._first)}s"
        )
        head = f">{sequence_at}s{sequence}{len(self._before)}s{width}s"
        self._pack = Struct(head + tail).pack

    def splice(self, sequence: int | bytes, number: bytes, reference: int) -> bytes:
        """Write one frame; a number that is shorter than its field is padded."""
        if self._is_long:
            return self._pack(
                self._head, sequence, self._before, number, self._first, reference, self._last
            )
        return self._pack(self._head, sequence, self._before, number, self._first)

    def extended(self, frame: bytes, extension: bytes) -> bytes:
        """Put a message's own digits into a frame that this template wrote."""
        at = self._extension_at
        return frame[:at] + extension + frame[at + len(extension) :]
