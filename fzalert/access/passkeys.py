"""Passkeys: what is kept of one, what a browser is asked, and whether its answer is right.

A passkey is a key pair in a person's device. The site keeps the public half alone, so nothing here
opens anything elsewhere. The device signs the site's challenge together with the page's origin, so
an answer that another site coaxed out of a person fits nowhere. The device has to verify its
person (a PIN, a finger) every time: it is then the only proof that is asked for.

Source: W3C Web Authentication Level 3, sections 7.1 and 7.2.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from fzalert.errors import ConfigError, PasskeyRefused

if TYPE_CHECKING:
    from types import ModuleType

__all__ = [
    "Answer",
    "Passkey",
    "RelyingParty",
    "base64url",
    "challenge_of",
    "check_answer",
    "check_new",
    "credential_key",
    "options_new",
    "options_sign_in",
]

_LONGEST_ID = 1023
"""Bytes of a credential id at most (section 4)."""


class Passkey(NamedTuple):
    """One passkey of a person, as the store keeps it.

    Attributes:
        key: SHA-256 of the credential id, in hex.
        credential: The credential id, base64url.
        public_key: The public key as COSE, base64url.
        counter: The highest signature count that it told; 0 where its kind does not count.
        label: What its owner calls it.
        aaguid: Kind of the device, as it says itself.
        created_ms: When it was registered.
        used_ms: When it last let its owner in, or proved him; 0 for never.
        backed_up: Whether its maker keeps copies of it on other devices.
        blocked: It was seen twice, so neither copy opens anything.
    """

    key: str
    credential: str
    public_key: str
    counter: int
    label: str
    aaguid: str
    created_ms: int
    used_ms: int = 0
    backed_up: bool = False
    blocked: bool = False

    @property
    def id(self) -> str:
        """A short name for lists and records; it opens nothing."""
        return self.key[:12]


class RelyingParty(NamedTuple):
    """The site that a passkey is for.

    Attributes:
        id: Its name: the host, without a port.
        origin: What the browser says of the page: scheme, host, and port unless it is the usual.
    """

    id: str
    origin: str

    @classmethod
    def of(cls, url: str) -> RelyingParty:
        """The site behind the address of its pages."""
        parts = urlsplit(url)
        usual = {"https": 443, "http": 80}.get(parts.scheme)
        host = (parts.hostname or "").lower()
        port = "" if parts.port in {None, usual} else f":{parts.port}"
        return cls(host, f"{parts.scheme}://{host}{port}")


class Answer(NamedTuple):
    """What a device's answer proved.

    Attributes:
        counter: The signature count that it told.
        backed_up: Whether copies of the passkey are kept.
    """

    counter: int
    backed_up: bool


def credential_key(credential: str) -> str:
    """The name under which a credential id, base64url, is kept.

    Raises:
        PasskeyRefused: It is no credential id.
    """
    raw = _bytes(credential)
    if not 0 < len(raw) <= _LONGEST_ID:
        raise _refused("The answer names no passkey.")
    return hashlib.sha256(raw).hexdigest()


def challenge_of(answer: dict[str, Any]) -> bytes:
    """The challenge that an answer claims to be for; nothing of it is believed yet.

    Raises:
        PasskeyRefused: It is no answer of a browser.
    """
    try:
        told = json.loads(_bytes(answer["response"]["clientDataJSON"]))
        return _bytes(told["challenge"])
    except (KeyError, TypeError, ValueError):
        raise _refused("That is no answer of a passkey.") from None


def options_new(
    site: RelyingParty, challenge: bytes, *, user: str, handle: bytes, known: Sequence[Passkey]
) -> dict[str, Any]:
    """What a browser is asked in order to make a passkey.

    Args:
        site: Our site.
        challenge: Fresh.
        user: Name of the person, for the device's own list.
        handle: Bytes that stand for the person and tell nobody the name.
        known: The person's passkeys: no device makes a second one.

    Raises:
        ConfigError: The library is not installed.
    """
    lib = _library()
    structs = lib.helpers.structs
    options = lib.generate_registration_options(
        rp_id=site.id,
        rp_name="反诈预警 fzalert",
        user_name=user,
        user_id=handle,
        user_display_name=user,
        challenge=challenge,
        timeout=120_000,
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            # Without it a device may make one that signs nobody in without the name.
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[_described(lib, _bytes(one.credential)) for one in known],
    )
    return dict(json.loads(lib.options_to_json(options)))


def options_sign_in(
    site: RelyingParty, challenge: bytes, credentials: Sequence[str] = ()
) -> dict[str, Any]:
    """What a browser is asked in order to prove a person.

    Args:
        site: Our site.
        challenge: Fresh.
        credentials: Ids that may answer, base64url; none lets the person choose on the device.

    Raises:
        ConfigError: The library is not installed.
    """
    lib = _library()
    options = lib.generate_authentication_options(
        rp_id=site.id,
        challenge=challenge,
        timeout=120_000,
        allow_credentials=[_described(lib, _bytes(one)) for one in credentials],
        user_verification=lib.helpers.structs.UserVerificationRequirement.REQUIRED,
    )
    return dict(json.loads(lib.options_to_json(options)))


def check_new(
    site: RelyingParty, challenge: bytes, answer: dict[str, Any], *, label: str, now_ms: int
) -> Passkey:
    """Check a browser's answer to `options_new`.

    Raises:
        PasskeyRefused: Another challenge, origin or site, no person verified, or malformed.
        ConfigError: The library is not installed.
    """
    lib = _library()
    try:
        found = lib.verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=site.id,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except Exception as error:  # the library lets KeyError, struct.error and more through
        raise _refused("The passkey's answer is not right for this site.") from error
    credential = base64url(found.credential_id)
    return Passkey(
        credential_key(credential),
        credential,
        base64url(found.credential_public_key),
        found.sign_count,
        label,
        found.aaguid,
        now_ms,
        backed_up=found.credential_backed_up,
    )


def check_answer(
    site: RelyingParty, challenge: bytes, answer: dict[str, Any], passkey: Passkey
) -> Answer:
    """Check a browser's answer to `options_sign_in`. The count is the caller's to judge.

    Raises:
        PasskeyRefused: Another challenge, origin, site or key, no person verified, or malformed.
        ConfigError: The library is not installed.
    """
    lib = _library()
    try:
        found = lib.verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=site.id,
            expected_origin=site.origin,
            credential_public_key=_bytes(passkey.public_key),
            # The library looks at the count before the signature, so that a stranger could raise
            # the alarm of a copied passkey; we look at it afterwards.
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except Exception as error:  # as above
        raise _refused("The passkey's answer is not right for this site.") from error
    return Answer(found.new_sign_count, found.credential_backed_up)


def _described(lib: ModuleType, raw: bytes) -> Any:
    return lib.helpers.structs.PublicKeyCredentialDescriptor(id=raw)


def _library() -> ModuleType:
    try:
        import webauthn
    except ImportError:
        raise ConfigError(
            "Passkeys need a library that is not installed.", hint="pip install 'fzalert[web]'"
        ) from None
    return webauthn


def _refused(what: str) -> PasskeyRefused:
    return PasskeyRefused(what, hint="Try again at the page of this site, with its own passkey.")


def _bytes(text: str) -> bytes:
    try:
        raw = text.encode("ascii")
        return base64.b64decode(raw + b"=" * (-len(raw) % 4), b"-_", validate=True)
    except (AttributeError, ValueError):
        raise _refused("The answer is malformed.") from None


def base64url(raw: bytes) -> str:
    """Bytes as browsers spell them: base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
