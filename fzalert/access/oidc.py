"""An OpenID provider: where it sends people, what its answer proves, with which keys it signs.

fzalert believes the provider in one thing: who somebody is. Which person here that is, and what he
may do, stands in the table of users alone. Only asymmetric signatures are taken, so nobody who has
the client's secret can be anybody.

Source: OpenID Connect Core 1.0, 3.1.2 and 3.1.3.7; Discovery 1.0, 4; RFC 7636 (PKCE, S256 alone);
RFC 9207 (the issuer in the answer).
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from datetime import timedelta
from types import ModuleType
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from fzalert.clock import Clock
from fzalert.config import OidcSettings
from fzalert.errors import (
    ChannelError,
    ConfigError,
    SingleSignOnRefused,
)
from fzalert.http import HttpPool

__all__ = ["SKEW_S", "Provider", "Who", "challenge_of"]

SKEW_S = 60
"""Seconds by which the clocks of provider and fzalert may differ."""
ALGORITHMS = ("RS256", "ES256", "PS256", "Ed25519", "EdDSA")
_FRESH_S = 3600.0
"""How long what the provider says of itself, and its keys, are believed without asking again."""
_AGAIN_S = 30.0
"""How often at most the keys are asked for again for the sake of an unknown one."""
_WITHIN = timedelta(seconds=10)


class Who(NamedTuple):
    """Whom the provider named.

    Attributes:
        subject: Issuer, a space, and the provider's name of the person.
        auth_time: When the person showed a credential there, seconds; 0 where it did not say.
    """

    subject: str
    auth_time: int


def challenge_of(verifier: str) -> str:
    """The half of a PKCE pair that may be seen.

    >>> challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
    """
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


class Provider:
    """Asks one provider.

    Args:
        settings: `[access.oidc]`.
        http: The pool.
        clock: Reader of time.
        back: Where the provider sends people back to.
    """

    def __init__(self, settings: OidcSettings, http: HttpPool, clock: Clock, back: str) -> None:
        self._settings = settings
        self._http = http
        self._clock = clock
        self._back = back
        self._private = frozenset(settings.private_hosts)
        self._told: dict[str, Any] = {}
        self._told_at = float("-inf")
        self._keys: Any = None
        self._keys_at = float("-inf")

    @property
    def issuer(self) -> str:
        """The provider's name of itself."""
        return self._settings.issuer

    async def address(self, *, state: str, nonce: str, verifier: str, prove: bool = False) -> str:
        """Where a browser goes so that its person says who he is.

        Args:
            state: Comes back with the answer.
            nonce: Stands in the token.
            verifier: The half of the PKCE pair that stays here.
            prove: The person has to show a credential there now, whatever he did before.

        Raises:
            SingleSignOnRefused: The provider does not answer, or is not the one of the settings.
        """
        told = await self._metadata()
        asked = {
            "response_type": "code",
            "scope": "openid",
            "client_id": self._settings.client_id,
            "redirect_uri": self._back,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
        }
        if prove:
            asked |= {"prompt": "login", "max_age": "0"}
        where = self._endpoint(told, "authorization_endpoint")
        return f"{where}{'&' if '?' in where else '?'}{urlencode(asked)}"

    async def probe(self) -> None:
        """Ask the provider what it says of itself, and for its keys.

        Raises:
            SingleSignOnRefused: It does not answer, or not as a provider that can be used.
            ConfigError: The library is not installed.
        """
        told = await self._metadata()
        for name in ("authorization_endpoint", "token_endpoint"):
            _ = self._endpoint(told, name)
        _ = await self._key_set(_library(), fresh=True)

    async def leave_address(self, to: str) -> str:
        """Where a browser leaves the provider too; empty where it has no such page."""
        told = await self._metadata()
        if not told.get("end_session_endpoint"):
            return ""
        where = self._endpoint(told, "end_session_endpoint")
        asked = {"client_id": self._settings.client_id, "post_logout_redirect_uri": to}
        return f"{where}{'&' if '?' in where else '?'}{urlencode(asked)}"

    async def who(self, code: str, *, nonce: str, verifier: str, since: float | None = None) -> Who:
        """Turn the code of an answer into whom the provider means.

        Args:
            code: As it came back.
            nonce: As it was asked with.
            verifier: As it was asked with.
            since: Where the person had to prove himself: when that was asked, epoch seconds.

        Raises:
            SingleSignOnRefused: The provider does not answer, or its token is not right.
            ConfigError: The library is not installed.
        """
        told = await self._metadata()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._back,
            "code_verifier": verifier,
        }
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "accept": "application/json",
        }
        secret = self._settings.client_secret
        ways = told.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if secret is None:
            form["client_id"] = self._settings.client_id
        elif "client_secret_basic" in ways:
            pair = f"{quote(self._settings.client_id, safe='')}:"
            pair += quote(secret.get_secret_value(), safe="")
            headers["authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            form |= {
                "client_id": self._settings.client_id,
                "client_secret": secret.get_secret_value(),
            }
        answer = await self._asked(
            "POST",
            self._endpoint(told, "token_endpoint"),
            content=urlencode(form).encode(),
            headers=headers,
        )
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise _refused("The provider gave no id token for the code.")
        return await self.check(token, nonce=nonce, since=since)

    async def check(self, token: str, *, nonce: str, since: float | None = None) -> Who:
        """Check an id token.

        Raises:
            SingleSignOnRefused: Of another issuer, for another client, with another nonce, not
                signed with a key of the provider, expired, or older than the proof asked for.
            ConfigError: The library is not installed.
        """
        claims = await self._claims(token)
        now = self._clock.millis() / 1000
        self._check_names(claims)
        expires, issued = _number(claims, "exp"), _number(claims, "iat")
        if expires <= now - SKEW_S:
            raise _refused("The provider's token has expired; are both clocks right?")
        not_before = _number(claims, "nbf") if "nbf" in claims else issued
        if max(issued, not_before) > now + SKEW_S:
            raise _refused("The provider's token is of the future; are both clocks right?")
        told = claims.get("nonce")
        if not isinstance(told, str) or not secrets.compare_digest(told.encode(), nonce.encode()):
            raise _refused("The provider's token answers another question.")
        shown = int(_number(claims, "auth_time")) if "auth_time" in claims else 0
        if since is not None and (shown == 0 or shown < since - SKEW_S):
            raise _refused("The provider let the person in without a fresh proof.")
        return Who(f"{self._settings.issuer} {claims['sub']}", min(shown, int(now)))

    def _check_names(self, claims: Mapping[str, Any]) -> None:
        if claims.get("iss") != self._settings.issuer:
            raise _refused("The token is of another issuer.")
        mine, audience = self._settings.client_id, claims.get("aud")
        listed = audience if isinstance(audience, list) else [audience]
        if mine not in listed or claims.get("azp", mine) != mine:
            raise _refused("The token is for another client.")
        if len(listed) > 1 and "azp" not in claims:
            raise _refused("The token is for several clients, and does not say which asked.")
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= 255 or not subject.isascii():
            raise _refused("The token names nobody.")

    async def _claims(self, token: str) -> dict[str, Any]:
        lib = _library()
        for fresh in (False, True):
            keys = await self._key_set(lib, fresh=fresh)
            try:
                found = lib.jwt.decode(token, keys, algorithms=list(ALGORITHMS))
            except (lib.errors.InvalidKeyIdError, lib.errors.BadSignatureError):
                # A key that the provider took up since: its keys are asked for once more.
                if fresh or not self._may_ask_again:
                    break
            except (lib.errors.JoseError, ValueError, KeyError, TypeError):
                break
            else:
                return dict(found.claims)
        raise _refused("The token is not signed with a key of the provider.")

    @property
    def _may_ask_again(self) -> bool:
        return self._clock.monotonic() - self._keys_at >= _AGAIN_S

    async def _key_set(self, lib: ModuleType, *, fresh: bool) -> Any:
        old = self._clock.monotonic() - self._keys_at >= _FRESH_S
        if self._keys is None or old or fresh:
            told = await self._metadata()
            answer = await self._asked("GET", self._endpoint(told, "jwks_uri"))
            listed = answer.get("keys")
            usable = [
                one
                for one in (listed if isinstance(listed, list) else [])
                # A shared key would let everybody who has it sign.
                if isinstance(one, dict) and one.get("kty") in {"RSA", "EC", "OKP"}
            ]
            try:
                self._keys = lib.jwk.KeySet.import_key_set({"keys": usable})
            except (lib.errors.JoseError, ValueError, KeyError, TypeError):
                raise _refused("The provider has no keys that fzalert can use.") from None
            self._keys_at = self._clock.monotonic()
        return self._keys

    async def _metadata(self) -> dict[str, Any]:
        if not self._told or self._clock.monotonic() - self._told_at >= _FRESH_S:
            base = self._settings.issuer.rstrip("/")
            told = await self._asked("GET", f"{base}/.well-known/openid-configuration")
            if told.get("issuer") != self._settings.issuer:
                raise _refused(
                    "The provider names itself otherwise than `issuer` under [access.oidc]."
                )
            self._told, self._told_at = told, self._clock.monotonic()
        return self._told

    def _endpoint(self, told: Mapping[str, Any], name: str) -> str:
        found = told.get(name)
        parts = urlsplit(found) if isinstance(found, str) else None
        host = "" if parts is None else (parts.hostname or "").lower()
        plain = parts is not None and parts.scheme == "http" and host in self._private
        if parts is None or not host or not (parts.scheme == "https" or plain):
            raise _refused(f"The provider says no usable {name}.")
        return str(found)

    async def _asked(
        self,
        method: str,
        url: str,
        *,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        try:
            answer = await self._http.request(
                method,
                url,
                content=content,
                headers=headers or {"accept": "application/json"},
                deadline=_WITHIN,
                private_hosts=self._private,
            )
        except (ChannelError, ConfigError) as error:
            raise _refused(f"The provider was not reached. {error.args[0]}") from None
        if answer.status != 200:
            raise _refused(f"The provider answered {answer.status}.")
        try:
            told = json.loads(answer.body)
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise _refused("The provider's answer is malformed.")
        return told


def _number(claims: Mapping[str, Any], name: str) -> float:
    found = claims.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 < found < 2**40:
        raise _refused(f"The token has no usable {name}.")
    return found


def _refused(what: str) -> SingleSignOnRefused:
    return SingleSignOnRefused(what, hint="Try again, or sign in another way.")


def _library() -> ModuleType:
    try:
        import joserfc.errors
        import joserfc.jwk
        import joserfc.jwt
    except ImportError:
        raise ConfigError(
            "Single sign-on needs a library that is not installed.",
            hint="pip install 'fzalert[oidc]'",
        ) from None
    return joserfc
