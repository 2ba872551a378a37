"""A teller's program: it warns one person after the other, whatever happens to the daemon."""

from __future__ import annotations

from collections.abc import Iterator

from fzalert.access import Directory
from fzalert.messages import phone
from fzalert.service.facade import Fzalert
from fzalert.testing.processes import Site

__all__ = ["Teller"]


class Teller:
    """Warns over the local socket, each person under a key of its own.

    A warning whose acceptance is not known is asked for again under its key, once the daemon is
    back, as the manual tells programs to do.

    Args:
        site: Where the daemon runs.
        script: What to say.
        numbers: Whom to warn, one after the other.

    Attributes:
        ids: The warning of each number that was accepted.
        doubted: Numbers whose acceptance is not known.
        interrupted: How often a call ended without an answer.
    """

    def __init__(self, site: Site, script: str, numbers: Iterator[str]) -> None:
        self.ids: dict[str, str] = {}
        self.doubted: list[str] = []
        self.interrupted = 0
        self._site = site
        self._script = script
        self._numbers = numbers

    async def work(self) -> None:
        """Warn until the daemon is gone or everybody was warned; raises nothing meanwhile."""
        async with self._site.client() as client:
            fz = Fzalert(client, Directory().local_actor(), owns_store=False)
            for number in tuple(self.doubted) + tuple(self.ids)[-1:]:
                if not await self._warn(fz, number):
                    return
            for number in self._numbers:
                self.doubted.append(number)
                if not await self._warn(fz, number):
                    return

    async def _warn(self, fz: Fzalert, number: str) -> bool:
        handle = await fz.warn(self._script, to=phone(number), key=f"case-{number}")
        if not handle.accepted:
            self.interrupted += 1
            return False
        before = self.ids.setdefault(number, handle.id)
        if before != handle.id:
            raise AssertionError(f"the key of {number[-4:]} gave another warning")
        if number in self.doubted:
            self.doubted.remove(number)
        return True
