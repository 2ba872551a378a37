"""How a screen without a keyboard becomes one of ours: it shows a code, a person confirms it.

The page gets a code for people and a secret for itself; whoever knows the code alone can confirm,
never fetch. A code holds for ten minutes and once. Nothing here is stored: after a restart pages
ask for a new one.

Source: RFC 8628, 3.2 to 3.5 and 5.1 (device codes, user codes, guessing).
"""

from __future__ import annotations

import secrets
import unicodedata
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["ALPHABET", "CODE_SECONDS", "POLL_SECONDS", "Begun", "Guesses", "Pairing", "plain_code"]

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Without 0 and O, 1, I and L, U: no two look alike, none makes a word by chance."""
CODE_LENGTH = 8
CODE_SECONDS = 600.0
POLL_SECONDS = 5.0
_MOST = 4096
_MOST_PER_CLIENT = 256

GUESSES_PER_SESSION = 5
GUESSES_PER_CLIENT = 20
GUESS_WINDOW = 3600.0
_MOST_GUESSERS = 4096


class Begun(NamedTuple):
    """What an unpaired page is given."""

    code: str
    secret: str


@dataclass(slots=True)
class _Wish:
    """One page that waits."""

    code: str
    client: str
    until: float
    hint: str
    display: str = ""


def plain_code(typed: str) -> str:
    """Read a code as a person types it: spaces, dashes and small letters do not matter.

    >>> plain_code(" 7k3m-9pqr ")
    '7K3M9PQR'
    """
    text = unicodedata.normalize("NFKC", typed).upper()
    return "".join(one for one in text if one.isalnum())


class Pairing:
    """The pages that wait."""

    def __init__(self) -> None:
        self._by_secret: OrderedDict[str, _Wish] = OrderedDict()
        self._by_code: dict[str, str] = {}
        self._per_client: dict[str, int] = {}

    def begin(self, client: str, hint: str, now: float) -> Begun | None:
        """Give a page a code; None where too many wait already.

        Args:
            client: The page's address.
            hint: The screen that it was opened as, or empty.
            now: Monotonic time.
        """
        self._forget_old(now)
        if len(self._by_secret) >= _MOST or self._per_client.get(client, 0) >= _MOST_PER_CLIENT:
            return None
        code = _new_code()
        while code in self._by_code:
            code = _new_code()
        secret = secrets.token_urlsafe(32)
        self._by_secret[secret] = _Wish(code, client, now + CODE_SECONDS, hint)
        self._by_code[code] = secret
        self._per_client[client] = self._per_client.get(client, 0) + 1
        return Begun(code, secret)

    def waiting(self, now: float) -> int:
        """Count the pages that show a code."""
        self._forget_old(now)
        return len(self._by_code)

    def confirm(self, code: str, display: str, now: float) -> str:
        """Let the page that shows a code become a screen; the code is used up by it.

        Args:
            code: As typed.
            display: The screen; the one that the page was opened as where empty.
            now: Monotonic time.

        Returns:
            The screen, or an empty text where no page shows the code.

        Raises:
            ValueError: The code is right, and nobody says which screen it is.
        """
        self._forget_old(now)
        secret = self._by_code.get(plain_code(code))
        if secret is None:
            return ""
        wish = self._by_secret[secret]
        wish.display = display or wish.hint
        if not wish.display:
            raise ValueError("the page does not say which screen it is: name one")
        del self._by_code[wish.code]
        return wish.display

    def asked(self, secret: str, now: float) -> str | None:
        """Tell a page its screen, an empty text while it waits, None where its code is old.

        The answer may be lost on its way, so it stands until the code's ten minutes are over.
        """
        self._forget_old(now)
        wish = self._by_secret.get(secret)
        return None if wish is None else wish.display

    def _forget_old(self, now: float) -> None:
        while self._by_secret:
            secret, wish = next(iter(self._by_secret.items()))
            if wish.until > now:
                return
            del self._by_secret[secret]
            self._by_code.pop(wish.code, None)
            left = self._per_client[wish.client] - 1
            if left:
                self._per_client[wish.client] = left
            else:
                del self._per_client[wish.client]


def _new_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))


class Guesses:
    """Wrong codes of the last hour, by who typed them and from where."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, session: str, client: str, now: float) -> float:
        """Seconds until this one may try again; 0 where it may at once."""
        return max(
            self._left(f"s{session}", GUESSES_PER_SESSION, now),
            self._left(f"c{client}", GUESSES_PER_CLIENT, now),
        )

    def wrong(self, session: str, client: str, now: float) -> None:
        """Count a wrong code."""
        for key in (f"s{session}", f"c{client}"):
            self._wrong.setdefault(key, deque(maxlen=GUESSES_PER_CLIENT)).append(now)
            self._wrong.move_to_end(key)
        while len(self._wrong) > _MOST_GUESSERS:
            self._wrong.popitem(last=False)

    def right(self, session: str) -> None:
        """A right code clears the person's own count, never that of the address."""
        self._wrong.pop(f"s{session}", None)

    def _left(self, key: str, most: int, now: float) -> float:
        times = self._wrong.get(key, deque())
        while times and times[0] <= now - GUESS_WINDOW:
            times.popleft()
        return times[-most] + GUESS_WINDOW - now if len(times) >= most else 0.0
