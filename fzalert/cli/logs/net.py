"""The net below the types: what in a plain text looks personal or secret.

Values that know what they are never come here in clear; this catches what somebody put into a
sentence. It rather hides too much. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from fzalert.messages import mask_digits

__all__ = ["HIDDEN", "LONGEST", "Net", "is_secret_key"]

HIDDEN = "…"
LONGEST = 65_536
"""Characters of one text that are kept."""
SHORTEST_SECRET = 6
"""Known secrets below this length are not looked for: they would hide half of every text."""

_GAP = r"[ \t\u00a0\-()\u2010-\u2015\uff08\uff09\u00b7\u200b\u2060\ufeff]{0,2}"
# Mobiles, identity cards and bank cards, written in one or in groups.
_NUMBER = re.compile(rf"\d(?:{_GAP}\d){{10,}}(?:{_GAP}[Xx](?![A-Za-z]))?")
_DOTTED_MOBILE = re.compile(r"(?<!\d)1\d\d\.\d{4}\.\d{4}(?!\d)")
_NOT_OF_NUMBER = re.compile(r"[^\dXx]")
_MAILBOX = re.compile(r"([A-Za-z0-9])[A-Za-z0-9._%+\-]{0,63}@([A-Za-z0-9][A-Za-z0-9.\-]{0,252})")
_USER_OF_URL = re.compile(r"(://)[^/\s@]{1,256}@")
_CREDENTIAL = re.compile(r"\b(bearer|basic)\s+[^\s,;]{4,}", re.IGNORECASE)

_WORDS = (
    r"passw(?:or)?d|passphrase|pwd|tokens?|secrets?|authori[sz]ation|credentials?|cookies?"
    r"|api[_-]?keys?|(?:master|signing|private|shared)[_-]?keys?|id[_-]?cards?"
)
_PAIR = re.compile(
    rf"((?:{_WORDS})[\w\-]{{0,20}}[\"']?\s{{0,3}}[=:]\s{{0,3}})"
    r"(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s,;&\"')}\]]+)",
    re.IGNORECASE,
)
_SECRET_KEY = re.compile(
    rf"{_WORDS}|(?:^|[_\-.])(?:cards?|pin|card_?(?:no|number))(?:$|[_\-.])", re.IGNORECASE
)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def is_secret_key(name: str) -> bool:
    """Whether a name says that its value is nobody's business, such as `api_token`."""
    return _SECRET_KEY.search(_HUMP.sub("_", name)) is not None


class Net:
    """Hides what looks personal or secret.

    Args:
        known: Secrets that this process holds; hidden wherever they stand, as themselves.
    """

    def __init__(self, known: Collection[str] = ()) -> None:
        long_enough = {secret for secret in known if len(secret) >= SHORTEST_SECRET}
        self._known = sorted(long_enough, key=len, reverse=True)

    def clean(self, text: str) -> str:
        """The text as it may stand in a log."""
        for secret in self._known:
            if secret in text:
                text = text.replace(secret, HIDDEN)
        if len(text) > LONGEST:
            text = f"{text[:LONGEST]}… ({len(text) - LONGEST} more)"
        if "@" in text:
            text = _USER_OF_URL.sub(rf"\1{HIDDEN}@", text)
            text = _MAILBOX.sub(r"\1***@\2", text)
        text = _CREDENTIAL.sub(rf"\1 {HIDDEN}", text)
        text = _PAIR.sub(rf"\1{HIDDEN}", text)
        text = _DOTTED_MOBILE.sub(_in_one, text)
        return mask_digits(_NUMBER.sub(_in_one, text))


def _in_one(match: re.Match[str]) -> str:
    """Write a number in one and masked."""
    run = _NOT_OF_NUMBER.sub("", match.group())
    if run[-1] in "Xx":
        return f"{run[:3]}****{run[-4:]}"
    return mask_digits(run)
