"""Bodies of requests: counted while they stream in, never longer than allowed, never dripped."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from starlette.requests import ClientDisconnect, Request

from fzalert.web.problems import ProblemError

__all__ = ["read_body", "require_media_type"]

READ_WITHIN = timedelta(seconds=30)


async def read_body(request: Request, limit: int) -> bytes:
    """Read a body of at most `limit` bytes.

    Raises:
        ProblemError: 413 as soon as the limit is passed, 408 where it arrives too slowly.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise _too_large(limit)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(READ_WITHIN.total_seconds()):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise _too_large(limit)
                chunks.append(chunk)
    except TimeoutError:
        raise ProblemError(408, "slow-body", "The body arrived too slowly.") from None
    except ClientDisconnect:
        raise ProblemError(400, "cut-body", "The body ended early.") from None
    return b"".join(chunks)


def require_media_type(request: Request, *wanted: str) -> None:
    """Refuse a body of another kind than those wanted.

    Raises:
        ProblemError: 415.
    """
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in wanted:
        raise ProblemError(415, "media-type", f"Send the body as {' or '.join(wanted)}.")


def _too_large(limit: int) -> ProblemError:
    return ProblemError(
        413,
        "too-large",
        f"The body is longer than {limit} bytes.",
        headers={"connection": "close"},
    )
