"""The idle cards of the settings, as one text that all screens share.

Its SHA-256 stands in each screen's signed state, so the text needs no signature of its own, is
serialised once for a thousand screens, and is fetched once by each.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from fzalert_display.kiosk.document import Json, canonical
from fzalert_display.kiosk.settings import IdleCard, KioskConfig
from fzalert_display.kiosk.shelf import Shelf

__all__ = ["Playlist", "playlist_of"]

FORMAT = 1
PICTURE_MS = 12_000
VIDEO_MS = 600_000


class Playlist(NamedTuple):
    """The text and its name; both empty where the settings have no idle cards."""

    body: bytes = b""
    sha256: str = ""

    @property
    def name(self) -> str:
        """Its name in an address."""
        return f"{self.sha256}.json"


def playlist_of(config: KioskConfig, shelf: Shelf) -> Playlist:
    """Make the playlist; a card whose picture is missing is left out."""
    cards = [
        _card(number, card, config.footer, shelf)
        for number, card in enumerate(config.idle)
        if not card.media or card.media in shelf.named
    ]
    if not cards:
        return Playlist()
    body = canonical({"format": FORMAT, "cards": cards}).encode("utf-8")
    return Playlist(body, hashlib.sha256(body).hexdigest())


def _card(number: int, card: IdleCard, footer: str, shelf: Shelf) -> dict[str, Json]:
    return {
        "id": f"idle-{number}",
        "version": 0,
        "proof": False,
        "priority": 0,
        "severity": card.severity.value,
        "title": card.title,
        "lines": list(card.lines),
        "footer": card.footer or footer,
        "drill": False,
        "locale": card.locale,
        "audience": "general",
        "min_show_ms": 1000 * card.seconds if card.seconds else 8000,
        "media": _media(card, shelf),
    }


def _media(card: IdleCard, shelf: Shelf) -> dict[str, Json] | None:
    if not card.media:
        return None
    file = shelf.named[card.media]
    usual = PICTURE_MS if file.facts.kind == "image" else VIDEO_MS
    return {
        "file": file.name,
        "kind": file.facts.kind,
        "sha256": file.sha256,
        "bytes": file.size,
        "show_ms": 1000 * card.seconds if card.seconds else usual,
    }
