"""Cut a short message into parts that a handset joins again.

The length that counts is that of what really travels: UTF-16 code units, GSM 7-bit septets, or
octets. A message of several parts carries six octets of header in each. A cut never divides a
surrogate pair, a GSM escape pair or a grapheme cluster (a family emoji, a letter with its accents,
a flag), and it stands in front of a link, a number or an amount rather than inside, if that costs
no more than ten units.

Source: 3GPP TS 23.040, 9.2.3.24.1; 3GPP TS 23.038, 6.2.1; UAX #29.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from typing import NamedTuple

from fzalert.errors import InputError
from fzalert.messages import Coding
from fzalert.scripts.graphemes import boundaries

GSM7_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM7_EXTENDED = frozenset("\f^{}\\[~]|€")


class Limits(NamedTuple):
    """Units of a part that travels alone, and of each of several."""

    single: int
    multi: int


LIMITS = {
    Coding.UCS2: Limits(70, 67),
    Coding.GSM7: Limits(160, 153),
    # CMPP allows less than 160 octets with format 0, header included.
    Coding.ASCII: Limits(159, 153),
    Coding.GB18030: Limits(140, 134),
}
NEARBY = 10
"""Units that a cut moves back at most, to keep a link, a number or an amount whole."""

_UNBREAKABLE = re.compile(
    r"(?:https?://|www\.)[!-~]+"
    r"|(?:[￥¥$]|CNY )?\d(?:[\d,.:/-]*\d)?(?: ?(?:万元|亿元|元|万|亿|%|％))?",
    re.ASCII,
)


class Cut(NamedTuple):
    """A text in parts.

    Attributes:
        coding: The one coding of every part; UCS-2 where the one asked for cannot carry the text.
        parts: In order; joined they are the text.
    """

    coding: Coding
    parts: tuple[str, ...]


class PartCount(NamedTuple):
    """How long a text is, for previews and the command line.

    Attributes:
        coding: As it would travel.
        parts: How many messages it is.
        units: Code units, septets or octets in all, what the gateway adds included.
        per_part: The same for each part.
        limit: Units that each part may have.
    """

    coding: Coding
    parts: int
    units: int
    per_part: tuple[int, ...]
    limit: int


def cut(text: str, coding: Coding, *, reserve_first: int = 0, limits: Limits | None = None) -> Cut:
    """Cut a text for a channel's coding.

    Args:
        text: What the person reads, signature and opt-out included.
        coding: What the channel asks for. A text that it cannot carry goes as UCS-2, and so does
            a GB18030 text of more than one part, which handsets do not join reliably.
        reserve_first: Characters that the gateway puts in front; kept free in the first part.
        limits: Another length of a part, where a gateway differs.

    Raises:
        InputError: Half a surrogate pair in the text, or no room beside what is reserved.
    """
    used = coding if _carries(text, coding) else Coding.UCS2
    bounds = limits if limits is not None and used is coding else LIMITS[used]
    if used is Coding.GB18030:
        if units(text, used) + 2 * reserve_first <= bounds.single:
            return Cut(used, (text,))
        used, bounds = Coding.UCS2, LIMITS[Coding.UCS2]
    return Cut(used, _divide(text, _MEASURES[used], bounds, reserve_first))


def count(
    text: str, coding: Coding = Coding.UCS2, *, reserve_first: int = 0, limits: Limits | None = None
) -> PartCount:
    """Tell how a text would be cut: what `fzalert sms parts` prints. Raises as `cut`."""
    used, parts = cut(text, coding, reserve_first=reserve_first, limits=limits)
    bounds = limits if limits is not None and used is coding else LIMITS[used]
    each = [units(part, used) for part in parts]
    each[0] += reserve_first * (2 if used is Coding.GB18030 else 1)
    return PartCount(
        coding=used,
        parts=len(parts),
        units=sum(each),
        per_part=tuple(each),
        limit=bounds.single if len(parts) == 1 else bounds.multi,
    )


def units(text: str, coding: Coding) -> int:
    """The length of a text in a coding that can carry it."""
    return sum(map(_MEASURES[coding], text))


def _ucs2(character: str) -> int:
    return 2 if ord(character) > 0xFFFF else 1


def _gsm7(character: str) -> int:
    return 2 if character in GSM7_EXTENDED else 1


def _ascii(_character: str) -> int:
    return 1


def _gb18030(character: str) -> int:
    return len(character.encode("gb18030"))


_MEASURES: dict[Coding, Callable[[str], int]] = {
    Coding.UCS2: _ucs2,
    Coding.GSM7: _gsm7,
    Coding.ASCII: _ascii,
    Coding.GB18030: _gb18030,
}


def _carries(text: str, coding: Coding) -> bool:
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise InputError("The text holds half a surrogate pair, which is no character.")
    match coding:
        case Coding.UCS2 | Coding.GB18030:
            return True
        case Coding.ASCII:
            return text.isascii()
        case Coding.GSM7:
            return all(c in GSM7_BASIC or c in GSM7_EXTENDED for c in text)


def _divide(
    text: str, measure: Callable[[str], int], bounds: Limits, reserve: int
) -> tuple[str, ...]:
    reach = [0]
    for character in text:
        reach.append(reach[-1] + measure(character))
    if reach[-1] + reserve <= bounds.single:
        return (text,)
    edges = boundaries(text)
    whole = [match.span() for match in _UNBREAKABLE.finditer(text)]
    parts: list[str] = []
    start, room = 0, bounds.multi - reserve
    while reach[-1] - reach[start] > room:
        furthest = bisect_right(reach, reach[start] + room) - 1
        if furthest <= start:
            raise InputError(
                f"The gateway adds {reserve} characters: no room for text in the first part."
            )
        end = _edge(edges, furthest)
        if end <= start:
            end = furthest  # one cluster longer than a part: between its code points, then
        earlier = _edge(edges, _start_of_token(whole, end))
        if start < earlier < end and reach[end] - reach[earlier] <= NEARBY:
            end = earlier
        parts.append(text[start:end])
        start, room = end, bounds.multi
    parts.append(text[start:])
    return tuple(parts)


def _edge(edges: list[int], position: int) -> int:
    return edges[bisect_right(edges, position) - 1]


def _start_of_token(whole: list[tuple[int, int]], position: int) -> int:
    index = bisect_right(whole, position - 1, key=lambda span: span[0]) - 1
    if index >= 0 and position < whole[index][1]:
        return whole[index][0]
    return position
