"""Files of the screen's page, read once; their version stands in every address."""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import NamedTuple

__all__ = ["Asset", "AssetFiles"]


class Asset(NamedTuple):
    """One file as it is served."""

    media_type: str
    body: bytes


# The page's script is one file to a browser, and one subject a file to a reader.
_PARTS = (
    *("store", "clock", "trust", "media", "playlist", "card", "proof", "reports", "ledger"),
    *("show", "link", "boot"),
)
_STYLE = "text/css; charset=utf-8"
_SCRIPT = "text/javascript; charset=utf-8"


class AssetFiles:
    """Everything that a page loads.

    Attributes:
        version: Names this set of files; part of their addresses, so they may be kept for ever.
        files: Every file by its name.
    """

    def __init__(self) -> None:
        here = resources.files(__name__)
        script = b"\n".join(here.joinpath("page", f"{part}.js").read_bytes() for part in _PARTS)
        self.files = {
            "kiosk.js": Asset(_SCRIPT, script),
            "pair.js": Asset(_SCRIPT, here.joinpath("pair.js").read_bytes()),
            "kiosk.css": Asset(_STYLE, here.joinpath("kiosk.css").read_bytes()),
            "staff.css": Asset(_STYLE, here.joinpath("staff.css").read_bytes()),
            "kiosk.svg": Asset("image/svg+xml", here.joinpath("kiosk.svg").read_bytes()),
            **{
                name: Asset(_SCRIPT, here.joinpath("vendor", name).read_bytes())
                for name in ("nacl-fast.min.js", "sha256.min.js")
            },
        }
        self._page, self._worker, self._pair = (
            here.joinpath(name).read_bytes() for name in ("screen.html", "worker.js", "pair.html")
        )
        digest = hashlib.sha256()
        for body in (
            *(self._page, self._worker, self._pair),
            *(asset.body for asset in self.files.values()),
        ):
            digest.update(hashlib.sha256(body).digest())
        self.version = digest.hexdigest()[:12]

    def pair(self, base: str) -> bytes:
        """The page of a browser that is no screen yet.

        Args:
            base: The way from its address up to the mount, such as `../`.
        """
        return self._fill(self._pair).replace(b"@BASE@", base.encode("ascii"))

    def screen(self, page: str) -> bytes:
        """The page of a screen.

        Args:
            page: Its version as the signed state names it, with what its policy allows.
        """
        return self._fill(self._page).replace(b"@PAGE@", page.encode("ascii"))

    def worker(self, keep_mb: int) -> bytes:
        """The service worker.

        Args:
            keep_mb: MiB of pictures and videos that it keeps at most.
        """
        return self._fill(self._worker).replace(b"@KEEP_MB@", str(keep_mb).encode("ascii"))

    def _fill(self, body: bytes) -> bytes:
        return body.replace(b"@VERSION@", self.version.encode("ascii"))
