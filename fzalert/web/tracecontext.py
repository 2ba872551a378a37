"""Traces that begin in another program: its `traceparent` makes our spans its children."""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from fzalert.tracing import Tracer

__all__ = ["TraceContext"]

# W3C Trace Context, 3.2.2: version 00, and nothing that is all zeros.
_TRACEPARENT = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_NAME = b"traceparent"


class TraceContext:
    """ASGI middleware.

    Args:
        app: What answers.
        tracer: Opens the spans.
    """

    def __init__(self, app: ASGIApp, *, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        given = [value for name, value in scope.get("headers", ()) if name == _NAME]
        if len(given) != 1 or not _TRACEPARENT.fullmatch(given[0]):
            await self._app(scope, receive, send)
            return
        with self._tracer.remote(given[0].decode("ascii")):
            await self._app(scope, receive, send)
