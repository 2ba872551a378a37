"""Routes that adapters bring, under `/channels/<name>/`.

They are looked up for each request, because a channel may open, or open again, after the server
has started.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route as WebRoute

from fzalert.ports import AuthKind, MountedRequest, MountedResponse, Route
from fzalert.service.api import DaemonApi
from fzalert.web.bodies import read_body
from fzalert.web.guard import Guard
from fzalert.web.peers import peer_in
from fzalert.web.problems import ProblemError
from fzalert.web.streams import SSE_HEADERS, Stopping, StreamAnswer

__all__ = ["MountedChannels"]


class MountedChannels:
    """Serves the routes of the open channels.

    Args:
        service: Knows the routes.
        guard: Checks staff.
        stopping: Ends the streams.
    """

    def __init__(self, service: DaemonApi, guard: Guard, stopping: Stopping) -> None:
        self._service = service
        self._guard = guard
        self._stopping = stopping

    def route(self) -> WebRoute:
        """The one route that all of them share."""
        return WebRoute(
            "/channels/{channel}/{rest:path}", self._answer, methods=["GET", "POST"], name="channel"
        )

    async def _answer(self, request: Request) -> Response:
        channel = request.path_params["channel"]
        routes = self._service.routes().get(channel)
        if routes is None:
            raise ProblemError(
                404, "no-such-channel", f"没有通道 {channel[:40]}。No channel of that name is open."
            )
        method = "GET" if request.method == "HEAD" else request.method
        rest = request.path_params["rest"]
        if method == "GET" and not rest.endswith("/") and _is_folder(routes, rest):
            # Relative addresses of the page work only below its slash.
            return RedirectResponse(request.url.replace(path=request.url.path + "/"), 307)
        route, path = _find(routes, method, rest)
        if request.method == "HEAD" and route.stream:
            raise ProblemError(405, "method", "A stream has no HEAD.", headers={"allow": "GET"})
        machine = await self._authorise(route, request)
        body = await read_body(request, route.max_body) if method != "GET" else b""
        answer = await route.handler(
            MountedRequest(
                method=request.method,
                path=path,
                query=dict(request.query_params),
                headers=dict(request.headers),
                cookies=request.cookies,
                body=body,
                client=request.client.host if request.client else "",
                base_url=_base_url(request, channel),
                secure=request.url.scheme == "https",
                machine=machine,
            )
        )
        return self._response(answer)

    async def _authorise(self, route: Route, request: Request) -> str:
        """Let a request in; returns the id of the machine whose certificate came with it."""
        match route.auth:
            case AuthKind.OPEN | AuthKind.OWN:
                pass
            case AuthKind.STAFF:
                await self._guard.staff(request, reads_only=route.method == "GET")
            case AuthKind.MTLS:
                if peer_in(request) is None:
                    raise ProblemError(
                        403,
                        "client-certificate",
                        "此地址要求客户端证书。 This route asks for a client certificate; the"
                        " second listener ([web] mtls_port) takes it.",
                    )
                return str((await self._guard.bearer(request)).id)
        return ""

    def _response(self, answer: MountedResponse) -> Response:
        if isinstance(answer.body, bytes):
            return Response(
                answer.body,
                answer.status,
                headers=dict(answer.headers),
                media_type=answer.media_type,
            )
        return StreamAnswer(
            answer.body,
            self._stopping,
            status_code=answer.status,
            media_type=answer.media_type,
            headers={**SSE_HEADERS, **{k.lower(): v for k, v in answer.headers.items()}},
        )


def _find(routes: Sequence[Route], method: str, path: str) -> tuple[Route, dict[str, str]]:
    """Find the route of a path.

    Raises:
        ProblemError: 404, or 405 with `Allow` where only the method is wrong.
    """
    allowed: set[str] = set()
    for route in routes:
        values = _match(route.path, path)
        if values is None:
            continue
        if route.method == method:
            return route, values
        allowed |= {route.method, "HEAD"} if route.method == "GET" else {route.method}
    if allowed:
        allow = {"allow": ", ".join(sorted(allowed))}
        raise ProblemError(405, "method", "This path has other methods.", headers=allow)
    raise ProblemError(404, "no-such-path", "这个通道没有这个地址。The channel has no such path.")


def _is_folder(routes: Sequence[Route], path: str) -> bool:
    """Whether a page stands at the path with a slash behind it, and nothing without one."""
    without = any(_match(route.path, path) is not None for route in routes)
    return not without and any(
        route.method == "GET" and _match(route.path, path + "/") is not None for route in routes
    )


def _match(pattern: str, path: str) -> dict[str, str] | None:
    """Match segment by segment; `{name}` takes one that is not empty."""
    if pattern.endswith("/") != path.endswith("/"):
        return None
    wanted, given = pattern.strip("/").split("/"), path.removesuffix("/").split("/")
    if len(wanted) != len(given):
        return None
    values: dict[str, str] = {}
    for want, have in zip(wanted, given, strict=True):
        if want.startswith("{") and want.endswith("}"):
            if not have:
                return None
            values[want[1:-1]] = have
        elif want != have:
            return None
    return values


def _base_url(request: Request, channel: str) -> str:
    return f"{request.url.scheme}://{request.url.netloc}/channels/{channel}/"
