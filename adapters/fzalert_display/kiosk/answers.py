"""Headers and small answers that the routes of the screens share."""

from __future__ import annotations

from collections.abc import Collection

from fzalert.ports import MountedRequest, MountedResponse
from fzalert_display.kiosk.document import Json, canonical

__all__ = [
    "FOR_EVER",
    "HTML",
    "PLAIN",
    "STAFF_POLICY",
    "error",
    "is_own_json",
    "json_answer",
    "page_headers",
    "screen_policy",
]

HTML = "text/html; charset=utf-8"
FOR_EVER = "public, max-age=31536000, immutable"
PLAIN = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_COMMON = (
    "default-src 'none'",
    "style-src 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "require-trusted-types-for 'script'",
)
STAFF_POLICY = "; ".join((*_COMMON, "img-src 'self'", "form-action 'self'", "trusted-types 'none'"))
"""The page for people has no script at all."""


def screen_policy(media: Collection[str] = ()) -> str:
    """Write the policy of a screen's page.

    Pictures and videos are shown from memory, after the browser has compared their hash with the
    signed one; so they come as `blob:`, which only the page's own script can make, and never
    straight from an address.

    Args:
        media: `image` and `video`, where the idle cards have some.
    """
    return "; ".join(
        (
            *_COMMON,
            "script-src 'self'",
            "img-src 'self' blob:" if "image" in media else "img-src 'self'",
            *(("media-src blob:",) if "video" in media else ()),
            "connect-src 'self'",
            "worker-src 'self'",
            "form-action 'none'",
            "trusted-types kiosk",
        )
    )


def page_headers(policy: str) -> dict[str, str]:
    """Headers of a page."""
    return {
        **PLAIN,
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }


def json_answer(
    value: dict[str, Json], status: int = 200, headers: dict[str, str] | None = None
) -> MountedResponse:
    """Answer with one JSON object."""
    body = canonical(value).encode("utf-8")
    return MountedResponse(status, body, headers={**PLAIN, **(headers or {})})


def error(status: int, why: str, *, retry_after: int = 0) -> MountedResponse:
    """Answer that something is wrong."""
    wait = {"Retry-After": str(retry_after)} if retry_after else None
    return json_answer({"error": why}, status, wait)


def is_own_json(request: MountedRequest) -> MountedResponse | None:
    """Say what is wrong with a request that only a page of ours sends; None where nothing is."""
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return error(403, "only the screen's own page asks this")
    if not request.headers.get("content-type", "").startswith("application/json"):
        return error(415, "the body comes as application/json")
    return None
