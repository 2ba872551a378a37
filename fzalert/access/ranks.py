"""The office that somebody acts from: the level of a police organ, and the code of a unit."""

from __future__ import annotations

import enum
import re

from fzalert.errors import InputError

__all__ = ["Rank", "check_unit"]

_UNIT = re.compile(r"[0-9]{12}")


class Rank(enum.IntEnum):
    """The level of a public security organ, or of the head who approves."""

    STATION = 0
    """A police station; it may report and ask, and approve a stop."""
    COUNTY = 1
    PREFECTURE = 2
    PROVINCE = 3

    @classmethod
    def named(cls, name: str) -> Rank:
        """Read a rank from its name in lower case.

        Raises:
            InputError: There is no such rank.

        >>> Rank.named("county")
        <Rank.COUNTY: 1>
        """
        try:
            return cls[name.upper()]
        except KeyError:
            known = ", ".join(rank.name.lower() for rank in cls)
            raise InputError("That is no rank.", hint=f"Ranks are {known}.", field="rank") from None


def check_unit(code: str) -> str:
    """Return the code of a unit; an empty one stands for none.

    Args:
        code: Twelve digits, as the public security organs number their units.

    Raises:
        InputError: It is neither empty nor twelve digits.

    >>> check_unit("110101000000")
    '110101000000'
    """
    if code and not _UNIT.fullmatch(code):
        raise InputError("The code of a unit is twelve digits.", field="unit")
    return code
