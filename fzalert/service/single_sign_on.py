"""Single sign-on: a way to the provider and back, and the session or the proof at its end."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import NamedTuple

from fzalert.access.challenges import Challenge, Challenges
from fzalert.access.oidc import Provider
from fzalert.access.passkeys import base64url
from fzalert.access.rows import subject_stamp
from fzalert.clock import Clock
from fzalert.config import OidcSettings
from fzalert.errors import AccessDenied, SingleSignOnRefused
from fzalert.http import HttpPool
from fzalert.service.people import People

__all__ = ["CALLBACK", "Arrived", "SingleSignOn"]

CALLBACK = "/login/oidc/back"
WAY_S = 600.0
"""How long a person may take at the provider."""


class Arrived(NamedTuple):
    """Somebody came back from the provider.

    Attributes:
        cookie: Of the session, which is new.
        to: The page to go on to.
    """

    cookie: str
    to: str


class SingleSignOn:
    """Sends people to the provider, and takes them back.

    Args:
        people: The table of users and its sessions.
        settings: `[access.oidc]`.
        http: The pool.
        clock: Reader of time.
        public_url: Address of the pages.
    """

    def __init__(
        self,
        people: People,
        settings: OidcSettings,
        http: HttpPool,
        clock: Clock,
        public_url: str,
    ) -> None:
        self._people = people
        self._clock = clock
        self._home = public_url
        self._provider = Provider(settings, http, clock, public_url + CALLBACK)
        self._ways = Challenges(clock, life=WAY_S, refuse=_unasked)
        self._secret = secrets.token_bytes(32)
        self.label = settings.label

    async def leave(self, browser: str, *, to: str = "/", address: str = "") -> str:
        """Where a browser goes so that its person comes in.

        Args:
            browser: A cookie of the browser that will come back.
            to: The page to go on to.
            address: Where the browser is.

        Raises:
            SingleSignOnRefused: The provider does not answer, or is not the one of the settings.
        """
        state = self._ways.ask("sign-in", browser, address=address, note=to)
        return await self._address(state)

    async def leave_to_prove(self, browser: str, cookie: str, *, to: str, address: str = "") -> str:
        """Where a browser goes so that the person of its session proves himself anew.

        Args:
            browser: A cookie of the browser that will come back.
            cookie: Of the session.
            to: The page to go on to.
            address: Where the browser is.

        Raises:
            AccessDenied: The session is over.
            SingleSignOnRefused: As `leave`.
        """
        actor = await self._people.sessions.actor(cookie)
        if actor is None:
            raise AccessDenied("The session is over.", hint="Sign in again.")
        user = actor.id.partition(":")[2]
        state = self._ways.ask("prove", browser, user=user, address=address, note=to)
        return await self._address(state, prove=True)

    async def arrive(
        self, browser: str, *, state: str, code: str, issuer: str = "", cookie: str = ""
    ) -> Arrived:
        """Let somebody in who came back, or prove him.

        Args:
            browser: The cookie that he left with.
            state: As it came back.
            code: As it came back.
            issuer: As it came back, or empty.
            cookie: Of his session, where he proves himself.

        Raises:
            SingleSignOnRefused: The way is not open, the provider's answer is not right, or it
                means nobody here; what a person can mend is on record.
            AccessDenied: The session is over.
            StoreError: It could not be put on disk; there is no session.
        """
        key, way, purpose = self._back(state, browser)
        if issuer and issuer != self._provider.issuer:
            raise SingleSignOnRefused(
                "The answer is of another provider.", hint="Sign in another way."
            )
        since = None
        if purpose == "prove":
            since = self._clock.millis() / 1000 - self._ways.age(way)
        try:
            who = await self._provider.who(
                code,
                nonce=self._drawn(key, "nonce"),
                verifier=self._drawn(key, "pkce"),
                since=since,
            )
            await self._people.load()
            actor = self._people.directory.by_subject(who.subject, self._clock.millis())
        except SingleSignOnRefused as error:
            await self._people.put_on_record("provider", error.code)
            raise
        stamp = subject_stamp(who.subject)
        if purpose == "prove":
            if actor.id != f"user:{way.user}":
                raise SingleSignOnRefused(
                    "The provider named another person.", hint="Sign out there, and try again."
                )
            return Arrived(await self._people.sessions.prove(cookie, actor, stamp=stamp), way.note)
        # What was shown at the provider this morning is no fresh proof.
        opened = await self._people.sessions.open(
            actor, stamp=stamp, proved_ms=who.auth_time * 1000
        )
        return Arrived(opened, way.note)

    async def goodbye(self, cookie: str) -> str:
        """Where somebody leaves the provider too; empty where his session is not of it."""
        stamp = await self._people.sessions.stamp(cookie)
        if not stamp.startswith("o"):
            return ""
        try:
            return await self._provider.leave_address(self._home + "/login")
        except SingleSignOnRefused:
            return ""

    def _back(self, state: str, browser: str) -> tuple[bytes, Challenge, str]:
        try:
            padded = state.encode("ascii") + b"=" * (-len(state) % 4)
            key = base64.b64decode(padded, b"-_", validate=True)
        except ValueError:
            raise _unasked() from None
        purpose = self._ways.purpose(key)
        return key, self._ways.take(key, purpose, browser), purpose

    async def _address(self, key: bytes, *, prove: bool = False) -> str:
        return await self._provider.address(
            state=base64url(key),
            nonce=self._drawn(key, "nonce"),
            verifier=self._drawn(key, "pkce"),
            prove=prove,
        )

    def _drawn(self, key: bytes, what: str) -> str:
        """What goes with a state: nobody who sees the state knows it."""
        return base64url(hmac.new(self._secret, what.encode() + key, hashlib.sha256).digest())


def _unasked() -> AccessDenied:
    return SingleSignOnRefused(
        "This answer of the provider was not asked for here, or came too late.",
        hint="Begin at the login page again, in the same browser.",
    )
