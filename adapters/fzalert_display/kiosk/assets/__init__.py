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
_PARTS = ("store", "clock", "trust", "card", "proof", "reports", "show", "link", "boot")
_SCRIPT = "text/javascript; charset=utf-8"


class AssetFiles:
    """Everything that a page loads.

    Attributes:
        version: Names this set of files; part of their addresses, so they may be kept for ever.
        files: Every file by its name.
        page: The page, with the version filled in.
        worker: The service worker, with the version filled in.
    """

    def __init__(self) -> None:
        here = resources.files(__name__)
        script = b"\n".join(here.joinpath("page", f"{part}.js").read_bytes() for part in _PARTS)
        self.files = {
            "kiosk.js": Asset(_SCRIPT, script),
            "kiosk.css": Asset("text/css; charset=utf-8", here.joinpath("kiosk.css").read_bytes()),
            "kiosk.svg": Asset("image/svg+xml", here.joinpath("kiosk.svg").read_bytes()),
            **{
                name: Asset(_SCRIPT, here.joinpath("vendor", name).read_bytes())
                for name in ("nacl-fast.min.js", "sha256.min.js")
            },
        }
        page = here.joinpath("screen.html").read_bytes()
        worker = here.joinpath("worker.js").read_bytes()
        digest = hashlib.sha256()
        for body in (page, worker, *(asset.body for asset in self.files.values())):
            digest.update(hashlib.sha256(body).digest())
        self.version = digest.hexdigest()[:12]
        self.page = page.replace(b"@VERSION@", self.version.encode("ascii"))
        self.worker = worker.replace(b"@VERSION@", self.version.encode("ascii"))
        self.notice = (
            here.joinpath("notice.html")
            .read_bytes()
            .replace(b"@VERSION@", self.version.encode("ascii"))
        )
