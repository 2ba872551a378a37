"""Where a text may be divided without breaking what a reader sees as one character.

A small form of UAX #29, from the standard library's own tables: combining marks, joiners, emoji
modifiers and tags stay with what they follow, flags stay pairs, Hangul syllables stay whole. It
errs on the side of keeping together, which costs a part a few units at most.

Source: Unicode Standard Annex #29, 3.1.1, rules GB3 to GB13.
"""

from __future__ import annotations

import unicodedata

_JOINER = "\u200d"
_MARKS = frozenset({"Mn", "Mc", "Me"})


def boundaries(text: str) -> list[int]:
    r"""Positions at which the text may be cut, its start and its end included.

    >>> boundaries("e\u0301a")
    [0, 2, 3]
    """
    edges = [0]
    flags = 0  # regional indicators in a row, up to and with the character before
    for index in range(1, len(text)):
        before, after = text[index - 1], text[index]
        flags = flags + 1 if _is_flag_half(before) else 0
        if not _holds(before, after, flags):
            edges.append(index)
    if text:
        edges.append(len(text))
    return edges


def _holds(before: str, after: str, flags: int) -> bool:
    if before == "\r":
        return after == "\n"
    if before < " " or after < " ":
        return False
    if before == _JOINER or _extends(after):
        return True
    if _is_flag_half(after):
        return flags % 2 == 1
    return _is_hangul_pair(ord(before), ord(after))


def _extends(character: str) -> bool:
    code = ord(character)
    return (
        code in (0x200C, 0x200D, 0xFF9E, 0xFF9F)
        or 0x1F3FB <= code <= 0x1F3FF
        or 0xE0020 <= code <= 0xE007F
        or (code >= 0x300 and unicodedata.category(character) in _MARKS)
    )


def _is_flag_half(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _is_hangul_pair(before: int, after: int) -> bool:
    vowel = 0x1160 <= after <= 0x11A7 or 0xD7B0 <= after <= 0xD7C6
    tail = 0x11A8 <= after <= 0x11FF or 0xD7CB <= after <= 0xD7FB
    if 0x1100 <= before <= 0x115F or 0xA960 <= before <= 0xA97C:
        return vowel or 0x1100 <= after <= 0x115F or 0xAC00 <= after <= 0xD7A3
    open_syllable = 0xAC00 <= before <= 0xD7A3 and (before - 0xAC00) % 28 == 0
    if open_syllable or 0x1160 <= before <= 0x11A7 or 0xD7B0 <= before <= 0xD7C6:
        return vowel or tail
    closed = 0xAC00 <= before <= 0xD7A3 or 0x11A8 <= before <= 0x11FF or 0xD7CB <= before <= 0xD7FB
    return closed and tail
