"""Passkeys of an open service: made, used to come in and to prove oneself, named, removed.

Every answer of a passkey is for one challenge, which is taken back first. A passkey that counts
backwards is used by two devices: it is closed, and that is an alarm.
"""

from __future__ import annotations

import hashlib
from typing import Any

from fzalert.access import passkeys as pk
from fzalert.access.actors import Actor
from fzalert.access.challenges import Challenges
from fzalert.access.directory import UserRow
from fzalert.access.passkeys import Passkey, RelyingParty
from fzalert.access.rows import passkey_stamp, with_passkey, with_passkey_changed
from fzalert.clock import Clock
from fzalert.errors import AccessDenied, InputError, PasskeyCloned, PasskeyRefused
from fzalert.evidence import Json
from fzalert.log import get_logger
from fzalert.service.models import PasskeyView
from fzalert.service.people import People, passkey_view
from fzalert.store.port import Vault

__all__ = ["PasskeyRoom"]

log = get_logger("fzalert.service")

FRESH_MS = 5 * 60_000
"""Whoever makes, names or removes a passkey has proved himself in the last five minutes."""


class PasskeyRoom:
    """Makes and checks the passkeys of people.

    Args:
        people: The table of users and its sessions.
        vault: Hides which names exist.
        clock: Reader of time.
    """

    def __init__(self, people: People, vault: Vault, clock: Clock) -> None:
        self._people = people
        self._vault = vault
        self._clock = clock
        self._challenges = Challenges(clock)

    # -- coming in -------------------------------------------------------------------------

    async def ask_sign_in(
        self, site: RelyingParty, browser: str, *, name: str = "", address: str = ""
    ) -> dict[str, Any]:
        """What a browser is asked so that its person comes in.

        Args:
            site: Our site.
            browser: A cookie of the browser that will answer.
            name: Whose passkey; without it the person chooses on the device. A name that nobody
                has, or that has no passkey, is answered like one that has.
            address: Where the browser is.

        Raises:
            ConfigError: The library is not installed.
        """
        await self._people.load()
        challenge = self._challenges.ask("sign-in", browser, address=address)
        return pk.options_sign_in(site, challenge, self._credentials_of(name) if name else ())

    async def sign_in(
        self, site: RelyingParty, browser: str, answer: dict[str, Any]
    ) -> tuple[str, Actor]:
        """Open a session for the owner of a passkey.

        Returns:
            The cookie, and whose it is.

        Raises:
            PasskeyRefused: The answer is not right; it is on record where a known passkey gave it.
            PasskeyCloned: The passkey counted backwards; it is closed, which is on record.
            StoreError: It could not be put on disk; there is no session.
        """
        passkey, actor = await self._checked(site, "sign-in", browser, answer)
        stamp = passkey_stamp(passkey.key)
        return await self._people.sessions.open(actor, stamp=stamp), actor

    # -- proving oneself anew --------------------------------------------------------------

    async def ask_prove(
        self, site: RelyingParty, cookie: str, *, address: str = ""
    ) -> dict[str, Any]:
        """What a browser is asked so that the person of its session proves himself anew.

        Raises:
            AccessDenied: The session is over.
            InputError: The person has no passkey.
            ConfigError: The library is not installed.
        """
        row = await self._owner(cookie)
        mine = [one.credential for one in row.passkeys if not one.blocked]
        if not mine:
            raise InputError("You have no passkey.", hint="Prove yourself by token or password.")
        challenge = self._challenges.ask("prove", cookie, user=row.name, address=address)
        return pk.options_sign_in(site, challenge, mine)

    async def prove(self, site: RelyingParty, cookie: str, answer: dict[str, Any]) -> str:
        """Note that the person of a session has shown a passkey; returns a new cookie.

        Raises:
            AccessDenied: The session is over.
            PasskeyRefused: The answer is not right, or another person's.
            StoreError: It could not be put on disk; the session is as it was.
        """
        _ = await self._owner(cookie)
        passkey, actor = await self._checked(site, "prove", cookie, answer)
        stamp = passkey_stamp(passkey.key)
        return await self._people.sessions.prove(cookie, actor, stamp=stamp)

    # -- making one ------------------------------------------------------------------------

    async def ask_new(
        self, site: RelyingParty, cookie: str, *, code: str = "", address: str = ""
    ) -> dict[str, Any]:
        """What a browser is asked in order to make a passkey.

        Args:
            site: Our site.
            cookie: Of a session whose person has just proved himself; with a code any cookie.
            code: As an admin made it for the person.
            address: Where the browser is.

        Raises:
            AccessDenied: No fresh proof, or the code is good for nothing.
            ConfigError: The library is not installed.
        """
        row = await self._maker(cookie, code)
        purpose = "enrol" if code else "register"
        challenge = self._challenges.ask(purpose, cookie, user=row.name, address=address)
        handle = self._handle(row.name)
        return pk.options_new(site, challenge, user=row.name, handle=handle, known=row.passkeys)

    async def add(
        self,
        site: RelyingParty,
        cookie: str,
        answer: dict[str, Any],
        *,
        label: str,
        code: str = "",
    ) -> str:
        """Keep a new passkey.

        Args:
            site: Our site.
            cookie: As for `ask_new`.
            answer: The browser's answer.
            label: What its owner calls it, 1 to 40 characters.
            code: As for `ask_new`; it is used up.

        Returns:
            With a code the cookie of a new session, otherwise an empty text.

        Raises:
            AccessDenied: As `ask_new`.
            PasskeyRefused: The answer is not right.
            InputError: The label is none, or there are too many passkeys.
            StoreError: It could not be put on disk; there is no such passkey.
        """
        purpose = "enrol" if code else "register"
        asked = self._challenges.take(pk.challenge_of(answer), purpose, cookie)
        row = await self._maker(cookie, code)
        if row.name != asked.user:
            raise PasskeyRefused("The passkey was asked of another person.", hint="Try again.")
        now = self._clock.millis()
        challenge = pk.challenge_of(answer)
        passkey = pk.check_new(site, challenge, answer, label=label.strip(), now_ms=now)

        def keep() -> UserRow:
            # The code may have been used meanwhile; it is good once.
            directory = self._people.directory
            current = directory.by_code(code, now) if code else directory.row(row.name)
            return directory.change(with_passkey(current, passkey))

        actor = self._people.directory.unproved(row.name)
        told: dict[str, Json] = {"passkey": passkey.id, "by_code": bool(code)}
        await self._people.amend(keep, "user.passkey_add", actor, told)
        if not code:
            return ""
        return await self._people.sessions.open(
            self._people.directory.by_passkey(passkey.key, now), stamp=passkey_stamp(passkey.key)
        )

    # -- keeping them ----------------------------------------------------------------------

    async def of(self, cookie: str) -> list[PasskeyView]:
        """The passkeys of the person of a session. Raises `AccessDenied` where it is over."""
        return [passkey_view(one) for one in (await self._owner(cookie)).passkeys]

    async def rename(self, cookie: str, id: str, label: str) -> None:
        """Call one's own passkey something else.

        Raises:
            AccessDenied: No session, or no fresh proof.
            InputError: No such passkey, or the label is none.
            StoreError: It could not be put on disk; it is as it was.
        """
        row, actor = await self._fresh(cookie)

        def rename() -> UserRow:
            directory = self._people.directory
            current = directory.row(row.name)
            for one in current.passkeys:
                if one.id == id:
                    changed = with_passkey_changed(current, one._replace(label=label.strip()))
                    return directory.change(changed)
            raise InputError("You have no such passkey.", field="passkey")

        await self._people.amend(rename, "user.passkey_name", actor, {"passkey": id})

    async def remove(self, cookie: str, id: str) -> None:
        """Come in with one of one's own passkeys no more; its sessions end.

        Raises:
            AccessDenied: No session, or no fresh proof.
            InputError: No such passkey.
            StoreError: It could not be put on disk; it is as it was.
        """
        row, actor = await self._fresh(cookie)
        await self._people.remove_passkey(row.name, id, by=actor)

    async def sign_out_everywhere(self, cookie: str) -> None:
        """End every session of the person of a session. Raises `AccessDenied` where it is over."""
        row = await self._owner(cookie)
        actor = self._people.directory.unproved(row.name)
        await self._people.sign_out(row.name, by=actor)

    # -- parts -----------------------------------------------------------------------------

    async def _checked(
        self, site: RelyingParty, purpose: str, cookie: str, answer: dict[str, Any]
    ) -> tuple[Passkey, Actor]:
        """The passkey that gave an answer, its counter moved on, and its owner."""
        challenge = pk.challenge_of(answer)
        asked = self._challenges.take(challenge, purpose, cookie)
        await self._people.load()
        row, passkey = self._people.directory.passkey(pk.credential_key(_id_of(answer)))
        if asked.user and asked.user != row.name:
            raise PasskeyRefused(
                "This passkey is another person's.", hint="Take one of your own, or sign out."
            )
        try:
            found = pk.check_answer(site, challenge, answer, passkey)
        except PasskeyRefused as error:
            await self._people.put_on_record(f"user:{row.name}", error.code)
            raise
        await self._note(row.name, passkey, found)
        return passkey, self._people.directory.by_passkey(passkey.key, self._clock.millis())

    async def _note(self, name: str, passkey: Passkey, found: pk.Answer) -> None:
        """Move the counter on, or close a passkey that counts backwards."""
        now = self._clock.millis()
        actor = self._people.directory.unproved(name)
        cloned = False

        def note() -> UserRow:
            # Judged here, one change at a time: two devices that answer at once are told apart.
            nonlocal cloned
            directory = self._people.directory
            row, current = directory.passkey(passkey.key)
            counts = found.counter > 0 or current.counter > 0
            cloned = counts and found.counter <= current.counter
            fresh = current._replace(
                counter=max(found.counter, current.counter),
                used_ms=current.used_ms if cloned else now,
                backed_up=found.backed_up,
                blocked=cloned,
            )
            return directory.change(with_passkey_changed(row, fresh))

        def act() -> str:
            return "user.passkey_cloned" if cloned else "user.passkey_use"

        told: dict[str, Json] = {"passkey": passkey.id, "counter": found.counter}
        await self._people.amend(note, act, actor, told)
        if cloned:
            log.warning("passkey.cloned", user=name, passkey=passkey.id)
            raise PasskeyCloned(
                "This passkey is used by two devices, so it was closed.",
                hint="Tell an administrator at once, and sign in another way.",
            )

    async def _owner(self, cookie: str) -> UserRow:
        await self._people.load()
        actor = await self._people.sessions.actor(cookie)
        if actor is None:
            raise AccessDenied("The session is over.", hint="Sign in again.")
        return self._people.directory.row(actor.id.partition(":")[2])

    async def _fresh(self, cookie: str) -> tuple[UserRow, Actor]:
        await self._people.load()
        actor = await self._people.sessions.actor(cookie)
        if actor is None:
            raise AccessDenied("The session is over.", hint="Sign in again.")
        proved = actor.proved_at
        if proved is None or self._clock.millis() - proved.timestamp() * 1000 > FRESH_MS:
            raise AccessDenied(
                "Passkeys are changed by a person who has just proved himself.",
                hint="Prove your identity once more, then try again.",
            )
        return self._people.directory.row(actor.id.partition(":")[2]), actor

    async def _maker(self, cookie: str, code: str) -> UserRow:
        if not code:
            return (await self._fresh(cookie))[0]
        await self._people.load()
        return self._people.directory.by_code(code, self._clock.millis())

    def _credentials_of(self, name: str) -> list[str]:
        directory = self._people.directory
        row = directory.row(name) if directory.knows(name) else None
        mine = () if row is None or row.disabled else row.passkeys
        open_ones = [one.credential for one in mine if not one.blocked]
        if open_ones:
            return open_ones
        # The same made-up one for the same name, also after a restart: it cannot be told apart.
        made_up = hashlib.sha256(self._vault.blind_index(f"passkey-of/{name}")).digest()
        return [pk.base64url(made_up)]

    def _handle(self, name: str) -> bytes:
        """What stands for a person inside devices: it tells nobody the name."""
        return hashlib.sha256(self._vault.blind_index(f"passkey-user/{name}")).digest()


def _id_of(answer: dict[str, Any]) -> str:
    found = answer.get("id")
    if not isinstance(found, str):
        raise PasskeyRefused("That is no answer of a passkey.", hint="Try again.")
    return found
