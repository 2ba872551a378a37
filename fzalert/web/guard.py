"""Who may come in: bearer tokens, page sessions, names of this machine, and guessers.

On a loopback address the pages may be read without a login, masked as they always are; whatever
changes something asks for a credential everywhere.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from fzalert.access import Actor
from fzalert.clock import Clock
from fzalert.config import WebSettings
from fzalert.errors import AccessDenied, CredentialExpired, FzalertError, SignInDelayed
from fzalert.web.peers import PeerCertificate, peer_in
from fzalert.web.problems import ProblemError, from_error

__all__ = ["Guard", "HostCheck"]

_LONGEST_TOKEN = 512
_LONGEST_COOKIE = 64
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_OWN_PATH = re.compile(r"/(?:[A-Za-z0-9._~-][A-Za-z0-9._~/-]*)?")
_PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-real-ip")


_SAID = {
    "access-denied": "没有通过。",
    "passkey-refused": "通行密钥没有通过。",
    "passkey-cloned": "这把通行密钥在两台设备上使用，已停用。",
    "single-sign-on-refused": "统一登录没有通过。",
    "config": "没有设置好。",
}
"""How a refused credential begins, in Chinese."""

T = TypeVar("T")


class _Guessers:
    """Wrong credentials by address: ten are free, then each costs a growing wait, up to a minute.

    Kept in memory and bounded; an address is never locked for good.
    """

    _FREE = 10
    _MOST = 4096

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def check(self, address: str) -> None:
        count, until = self._wrong.get(address, (0, 0.0))
        left = until - self._clock.monotonic()
        if count > self._FREE and left > 0:
            raise ProblemError(
                429,
                "too-many-attempts",
                "登录失败次数过多，请稍候再试。Too many wrong credentials; wait and try again.",
                headers={"retry-after": str(int(left) + 1)},
            )

    def wrong(self, address: str) -> None:
        count = self._wrong.get(address, (0, 0.0))[0] + 1
        wait = min(60.0, 2.0 ** min(6, max(0, count - self._FREE)))
        self._wrong[address] = (count, self._clock.monotonic() + wait)
        self._wrong.move_to_end(address)
        while len(self._wrong) > self._MOST:
            self._wrong.popitem(last=False)

    def right(self, address: str) -> None:
        self._wrong.pop(address, None)


class SignsIn(Protocol):
    """What the guard asks: of a daemon, or of the people of a bank's desk."""

    async def authenticate(self, token: str) -> Actor:
        """Tell who holds a token."""
        ...

    async def by_certificate(self, fingerprint: str, names: tuple[str, ...]) -> Actor:
        """Tell which machine a client certificate stands for."""
        ...

    async def sign_in(self, secret: str, *, name: str = "", address: str = "") -> str:
        """Open a session; returns the cookie."""
        ...

    async def session(self, cookie: str) -> Actor | None:
        """Tell who a session belongs to."""
        ...

    async def prove_anew(self, cookie: str, secret: str, *, address: str = "") -> str:
        """Prove the person of a session anew; returns the new cookie."""
        ...

    async def sign_out(self, cookie: str) -> None:
        """End a session."""
        ...


class Guard:
    """Turns a request into the actor behind it.

    Args:
        service: Knows the tokens.
        web: Where we listen.
        clock: For the waits of guessers, and the end of certificates.
    """

    def __init__(self, service: SignsIn, web: WebSettings, clock: Clock) -> None:
        self._service = service
        self._web = web
        self._clock = clock
        self._guessers = _Guessers(clock)
        self.cookie = "__Host-fz" if web.has_tls_in_front else "fz"

    async def bearer(self, request: HTTPConnection) -> Actor:
        """Return who holds the bearer token or the client certificate of a request.

        Where a certificate came, it decides; a token beside it must be of the same machine.

        Raises:
            ProblemError: 401, or 429 after many wrong tokens.
            CertificateUnknown: The certificate is bound to no machine.
            CredentialRevoked: It was revoked.
            CredentialExpired: Its time ended while the connection was open.
        """
        peer = peer_in(request)
        if peer is None:
            return await self._token(request)
        machine = await self._machine(peer)
        if "authorization" in request.headers and (await self._token(request)).id != machine.id:
            raise _unauthorised("令牌与证书不是同一台机器。 Token and certificate differ.")
        return machine

    async def caller(self, request: HTTPConnection) -> Actor:
        """Return who holds the token or certificate of a request, else who is signed in.

        A session at the pages is taken from our own pages alone, as far as something changes.

        Raises:
            ProblemError: 401 without any of them, 403 for a change that a foreign page asks for.
        """
        if "authorization" in request.headers or peer_in(request) is not None:
            return await self.bearer(request)
        actor = await self.session(request)
        if actor is None:
            raise _unauthorised(
                "请带上令牌，或先登录。Send a token, or sign in at the pages first."
            )
        if request.scope.get("method") not in {"GET", "HEAD"}:
            require_same_origin(request)
        return actor

    async def _machine(self, peer: PeerCertificate) -> Actor:
        if self._clock.millis() >= peer.not_after * 1000:
            raise CredentialExpired(
                "The client certificate has expired.", hint="Renew it and connect again."
            )
        return await self._service.by_certificate(peer.fingerprint, peer.names)

    async def _token(self, request: HTTPConnection) -> Actor:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise _unauthorised("请带上令牌。Send a token: Authorization: Bearer …")
        return await self._tried(self._service.authenticate, token, _address(request))

    async def staff(self, request: HTTPConnection, *, reads_only: bool) -> Actor | None:
        """Return who is at a staff page or has a client certificate; None is a reader here itself.

        Raises:
            ProblemError: 401 without a valid login, 403 for a form from a foreign page.
        """
        if "authorization" in request.headers or peer_in(request) is not None:
            return await self.bearer(request)
        actor = await self.session(request)
        if actor is None and not (reads_only and self.is_open(request)):
            raise _unauthorised("请先登录。Please sign in first.")
        if not reads_only:
            require_same_origin(request)
        return actor

    def is_open(self, request: HTTPConnection) -> bool:
        """Whether pages may be read without a login: straight from this machine, no proxy."""
        forwarded = any(name in request.headers for name in _PROXY_HEADERS)
        return self._web.is_loopback and not forwarded

    async def session(self, request: HTTPConnection) -> Actor | None:
        """Return who the session cookie belongs to; a closed or old session is nobody's."""
        cookie = self._cookie_of(request)
        return await self._service.session(cookie) if cookie else None

    async def login(self, request: Request, secret: str, name: str = "") -> str:
        """Open a session for a token, or for a name and its password.

        Returns:
            The cookie's value.

        Raises:
            ProblemError: 401, or 429 after many wrong ones.
        """
        require_same_origin(request)
        address = _address(request)

        async def sign_in(shown: str) -> str:
            return await self._service.sign_in(shown, name=name[:64], address=address)

        if name:
            cookie = await self._tried(sign_in, secret, address, password=True)
        else:
            cookie = await self._tried(sign_in, secret.strip(), address)
        await self._service.sign_out(self._cookie_of(request))  # the session of before ends here
        return cookie

    async def prove(self, request: Request, secret: str) -> str:
        """Prove the person of a session anew by token or password; returns the cookie's new value.

        Raises:
            ProblemError: 401 for a wrong secret, another person's, or without a session; 429 after
                many wrong ones.
        """
        require_same_origin(request)
        old, address = self._cookie_of(request), _address(request)

        async def prove(shown: str) -> str:
            return await self._service.prove_anew(old, shown, address=address)

        return await self._tried(prove, secret, address, password=True)

    async def logout(self, request: Request) -> None:
        """Close the session of a request."""
        require_same_origin(request)
        await self._service.sign_out(self._cookie_of(request))

    def cookie_of(self, request: HTTPConnection) -> str:
        """The value of the session cookie of a request, or an empty text."""
        return self._cookie_of(request)

    async def otherwise(self, request: HTTPConnection, ask: Callable[[], Awaitable[T]]) -> T:
        """Let a person show a credential that is neither token nor password, from our own page.

        Raises:
            ProblemError: 401 for a wrong one, 403 for a foreign page, 429 after many wrong ones.
        """
        require_same_origin(request)
        return await self.returned(request, ask)

    async def returned(self, request: HTTPConnection, ask: Callable[[], Awaitable[T]]) -> T:
        """The same for somebody whom another site sends back to us with an answer.

        Raises:
            ProblemError: 401 for a wrong answer, 429 after many wrong ones.
        """
        address = _address(request)
        self._guessers.check(address)
        try:
            answer = await ask()
        except AccessDenied as error:
            self._guessers.wrong(address)
            raise _unauthorised(spoken(error), error.code) from None
        self._guessers.right(address)
        return answer

    def _cookie_of(self, request: HTTPConnection) -> str:
        cookie = request.cookies.get(self.cookie, "")
        return cookie if len(cookie) <= _LONGEST_COOKIE else ""

    async def _tried(
        self,
        ask: Callable[[str], Awaitable[T]],
        token: str,
        address: str,
        *,
        password: bool = False,
    ) -> T:
        self._guessers.check(address)
        shaped = 0 < len(token) <= _LONGEST_TOKEN and token.isprintable()
        shaped = shaped and (password or token.isascii())
        try:
            answer = await ask(token if shaped else "-")
        except SignInDelayed as error:
            raise from_error(error) from None
        except CredentialExpired as error:
            raise _unauthorised(f"令牌已过期。 {error.args[0]}", error.code) from None
        except AccessDenied:
            self._guessers.wrong(address)
            if password:
                raise _unauthorised("口令不对。The name or the password is wrong.") from None
            raise _unauthorised("令牌无效或已停用。The token is wrong or was closed.") from None
        self._guessers.right(address)
        return answer


def spoken(error: FzalertError) -> str:
    """What a page says of a credential that was refused."""
    detail = " ".join(part for part in (str(error.args[0]), error.hint) if part)
    return _SAID.get(error.code, "") + detail


def own_path(path: str) -> str:
    """A path of our own, or the first page: no form and no link leads to another site."""
    return path if _OWN_PATH.fullmatch(path) else "/"


def require_same_origin(request: HTTPConnection) -> None:
    """Refuse a change that another site's page asks for in a user's name.

    Raises:
        ProblemError: 403.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None:
        allowed = site in {"same-origin", "none"}
    elif origin is not None:
        host = request.headers.get("host", "").lower()
        allowed = origin.lower() in {f"http://{host}", f"https://{host}"}
    else:
        allowed = True  # no browser of our floor leaves both out; a program sends no cookie
    if not allowed:
        raise ProblemError(403, "foreign-page", "请求来自别的网站。Another site's page asked.")


def _unauthorised(detail: str, code: str = "unauthorised") -> ProblemError:
    return ProblemError(401, code, detail, headers={"www-authenticate": 'Bearer realm="fzalert"'})


def _address(request: HTTPConnection) -> str:
    return request.client.host if request.client else ""


class HostCheck:
    """ASGI middleware: answers only under our own names.

    A foreign name that is made to resolve to this machine reads no page through a browser here.
    Who shows a client certificate is no such browser, and comes by the name in our own.

    Args:
        app: What answers.
        web: Where we listen; on a loopback address its names are known, elsewhere only those of
            `hosts`, where any are given.
    """

    def __init__(self, app: ASGIApp, web: WebSettings) -> None:
        self._app = app
        names: Collection[str] = web.hosts
        if web.is_loopback:
            names = {*_LOOPBACK_NAMES, web.host, *web.hosts}
        if names and web.public_name:
            names = {*names, web.public_name}
        self._names = frozenset(name.lower() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and self._names and not peer_in(HTTPConnection(scope)):
            host = HTTPConnection(scope).headers.get("host", "")
            if _host_name(host) not in self._names:
                problem = ProblemError(421, "wrong-host", "This server does not go by that name.")
                await problem.response(scope["path"])(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _host_name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""
