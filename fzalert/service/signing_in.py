"""How people come in at the pages: by token or password, into a session, proved anew in between."""

from __future__ import annotations

from fzalert.access.actors import Actor
from fzalert.access.delays import Delays
from fzalert.access.passwords import is_token
from fzalert.clock import Clock
from fzalert.errors import AccessDenied, SignInDelayed
from fzalert.service.people import People
from fzalert.store import Store

__all__ = ["SigningIn"]


class SigningIn:
    """Opens the sessions of people, and proves who they are anew.

    Args:
        people: The table of users, its sessions and passwords.
        store: Keeps the waits of guessers.
        clock: Reader of time.
    """

    def __init__(self, people: People, store: Store, clock: Clock) -> None:
        self._people = people
        self._clock = clock
        self._delays = Delays(store, clock)

    async def sign_in(self, secret: str, *, name: str = "", address: str = "") -> str:
        """Open a session for the holder of a token, or of a name and its password.

        Args:
            secret: The token; with a name the password.
            name: Whose password it is.
            address: Where the person sits; wrong passwords are counted by it.

        Returns:
            The cookie.

        Raises:
            SignInDelayed: Too many wrong passwords came before; this one was not looked at.
            AccessDenied: As `authenticate`; the text is the same whether the name exists or not.
        """
        if not name:
            return await self._people.sessions.open(await self._people.authenticate(secret))
        actor = await self._by_password(name, secret, address)
        return await self._people.sessions.open(actor, password=True)

    async def _by_password(self, name: str, password: str, address: str) -> Actor:
        await self._people.load()
        try:
            await self._delays.count(name, address)
        except SignInDelayed as error:
            await self._people.put_on_record(self._people.called(name), error.code)
            raise
        kept = self._people.directory.password_of(name)
        if not await self._people.passwords.fits(password, kept):
            await self._people.put_on_record(self._people.called(name), "wrong-password")
            raise AccessDenied("The name or the password is wrong.", hint="Try again.")
        await self._delays.right(name, address)
        return self._people.directory.by_password(name, kept, self._clock.millis())

    async def session(self, cookie: str) -> Actor | None:
        """Who a session belongs to; None where it is over or unknown."""
        await self._people.load()
        return await self._people.sessions.actor(cookie)

    async def prove_anew(self, cookie: str, secret: str, *, address: str = "") -> str:
        """Prove the person of a session anew, by token or password; returns a new cookie.

        Raises:
            SignInDelayed: Too many wrong passwords came before; this one was not looked at.
            AccessDenied: The secret is wrong or another person's, or the session is over.
        """
        if is_token(secret):
            return await self._people.sessions.prove(
                cookie, await self._people.authenticate(secret)
            )
        owner = await self.session(cookie)
        if owner is None:
            raise AccessDenied("The session is over.", hint="Sign in again.")
        actor = await self._by_password(owner.id.partition(":")[2], secret, address)
        return await self._people.sessions.prove(cookie, actor, password=True)

    async def sign_out(self, cookie: str) -> None:
        """End a session; one that is unknown or over is none."""
        await self._people.sessions.close(cookie)
