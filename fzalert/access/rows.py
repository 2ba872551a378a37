"""One row of the table of users, and what a change of its passkeys and subjects makes of it."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from typing import NamedTuple

from fzalert.access.passkeys import Passkey
from fzalert.access.ranks import Rank
from fzalert.errors import InputError

__all__ = [
    "MOST_PASSKEYS",
    "UserRow",
    "code_hash",
    "passkey_stamp",
    "person",
    "subject_stamp",
    "with_code",
    "with_passkey",
    "with_passkey_changed",
    "with_subject",
    "without_passkey",
    "without_subject",
]

MOST_PASSKEYS = 10
"""Passkeys that one person may have."""
_LABEL = re.compile(r"[^\x00-\x1f\x7f\u2028\u2029]{1,40}")
_SUBJECT = re.compile(r"https?://[!-~]{1,300} [!-~]{1,255}")


class UserRow(NamedTuple):
    """One row of the table of users, as the store keeps it.

    Attributes:
        name: Lower-case letters, digits, `_` and `-`.
        display: How pages write the person.
        roles: Names of roles, sorted.
        token_hash: SHA-256 of the token, 32 bytes.
        created_ms: Milliseconds since the epoch.
        disabled: May not act any more.
        drill: A person of a demonstration or drill; what it does never counts.
        machine: A program, not a person.
        expires_ms: From when on the token is worth nothing, milliseconds; 0 for never.
        certificates: What a client certificate is known by: `sha256:` and its fingerprint in hex,
            or a name in it, `uri:…` or `dns:…`; with `!` in front it is revoked.
        rank: The level of a person's office.
        unit: Twelve digits, the code of a person's unit, or empty.
        password: Its hash as argon2 writes it, or empty where the person has none.
        passkeys: The person's passkeys, the oldest first.
        subjects: Who the person is at OpenID providers: issuer, a space, subject.
        enrol_hash: SHA-256 of the code by which the person may make a passkey once, or empty.
        enrol_until_ms: When that code is worth nothing, milliseconds.
    """

    name: str
    display: str
    roles: tuple[str, ...]
    token_hash: bytes
    created_ms: int
    disabled: bool = False
    drill: bool = False
    machine: bool = False
    expires_ms: int = 0
    certificates: tuple[str, ...] = ()
    rank: Rank = Rank.STATION
    unit: str = ""
    password: str = ""
    passkeys: tuple[Passkey, ...] = ()
    subjects: tuple[str, ...] = ()
    enrol_hash: str = ""
    enrol_until_ms: int = 0


def person(row: UserRow, what: str) -> UserRow:
    """The same row, if it is a person's.

    Raises:
        InputError: It is a machine's; `what` says what a machine cannot have.
    """
    if row.machine:
        raise InputError(
            f"{row.name} is a machine; {what} is for a person.",
            hint="A machine comes with a token or a certificate.",
            field="name",
        )
    return row


def with_passkey(row: UserRow, passkey: Passkey) -> UserRow:
    """Let a person come in with a passkey; a code to enrol with is worth nothing afterwards.

    Raises:
        InputError: A machine, a label that is none, or too many passkeys.
    """
    person(row, "a passkey")
    _check_label(passkey.label)
    if len(row.passkeys) >= MOST_PASSKEYS:
        raise InputError(
            f"A person has {MOST_PASSKEYS} passkeys at most.", hint="Remove one that is lost."
        )
    if any(one.key == passkey.key for one in row.passkeys):
        raise InputError("This passkey is registered already.", field="passkey")
    mine = (*row.passkeys, passkey)
    return row._replace(passkeys=mine, enrol_hash="", enrol_until_ms=0)


def with_passkey_changed(row: UserRow, passkey: Passkey) -> UserRow:
    """Note what became of a passkey: its counter, its label, that it is closed.

    Raises:
        InputError: The label is none.
    """
    _check_label(passkey.label)
    mine = tuple(passkey if one.key == passkey.key else one for one in row.passkeys)
    return row._replace(passkeys=mine)


def without_passkey(row: UserRow, id: str) -> UserRow:
    """Let a person come in with a passkey no more.

    Raises:
        InputError: The person has no such passkey.
    """
    left = tuple(one for one in row.passkeys if one.id != id)
    if len(left) == len(row.passkeys):
        raise InputError(
            f"{row.name} has no passkey {id[:12]!r}.",
            hint=f"fzalert user passkeys {row.name} lists them.",
            field="passkey",
        )
    return row._replace(passkeys=left)


def with_code(row: UserRow, until_ms: int) -> tuple[UserRow, str]:
    """Let a person make a passkey once, by a code; an older code is worth nothing.

    Returns:
        The row to keep, and the code of 120 random bits, which is shown once and never kept.

    Raises:
        InputError: A machine.
    """
    drawn = base64.b32encode(secrets.token_bytes(15)).decode("ascii").lower()
    code = "-".join(drawn[at : at + 4] for at in range(0, len(drawn), 4))
    changed = person(row, "a passkey")._replace(enrol_hash=code_hash(code), enrol_until_ms=until_ms)
    return changed, code


def with_subject(row: UserRow, subject: str) -> UserRow:
    """Let a subject of an OpenID provider stand for a person.

    Args:
        row: The person.
        subject: Issuer, a space, and the subject as the provider writes it.

    Raises:
        InputError: A machine, or it is no subject.
    """
    person(row, "a subject of a provider")
    if not _SUBJECT.fullmatch(subject):
        raise InputError(
            "A subject has 1 to 255 printing characters and no space.", field="subject"
        )
    return row._replace(subjects=tuple(sorted({*row.subjects, subject})))


def without_subject(row: UserRow, subject: str) -> UserRow:
    """Let a subject of an OpenID provider stand for a person no more.

    Raises:
        InputError: It does not stand for this person.
    """
    if subject not in row.subjects:
        raise InputError("That subject is not bound to this person.", field="subject")
    return row._replace(subjects=tuple(one for one in row.subjects if one != subject))


def passkey_stamp(key: str) -> str:
    """What a session carries that was opened with a passkey."""
    return "k" + hashlib.sha256(b"fz-session-stamp\0" + key.encode()).hexdigest()[:32]


def subject_stamp(subject: str) -> str:
    """What a session carries that was opened through a provider."""
    return "o" + hashlib.sha256(b"fz-session-stamp\0" + subject.encode()).hexdigest()[:32]


def code_hash(code: str) -> str:
    """The hash under which a code to enrol with is kept, however a person spaces it."""
    plain = "".join(code.lower().split()).replace("-", "")
    return hashlib.sha256(b"fz-enrol\0" + plain.encode("utf-8", "surrogatepass")).hexdigest()


def _check_label(label: str) -> None:
    if not _LABEL.fullmatch(label):
        raise InputError("The name of a passkey has 1 to 40 characters.", field="label")
