"""The signed state document that a page verifies by itself, and its canonical form.

Signed are the bytes `domain || 0x00 || SHA-256(document)`, by Ed25519 (RFC 8032). The document
travels as the very text that was signed, so that a page hashes what it got and parses it after.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence

from fzalert.ports import Signer
from fzalert_display.kiosk.desired import Card, Desired, in_order
from fzalert_display.kiosk.settings import KioskConfig, ScreenConfig

__all__ = ["DOMAIN", "Json", "canonical", "envelope", "state_document"]

DOMAIN = "fz-bundle-v1"
FORMAT = 2

Json = str | int | bool | None | Sequence["Json"] | Mapping[str, "Json"]


def canonical(value: Json) -> str:
    """Write JSON in the one form that is signed.

    Keys sorted, no spaces, text in NFC and as itself, no floats: times are whole milliseconds.

    >>> canonical({"b": 1, "a": "警"})
    '{"a":"警","b":1}'

    Raises:
        TypeError: A float, or something that JSON has no form for.
        ValueError: Two keys are the same in NFC.
    """
    return json.dumps(_plain(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _plain(value: Json) -> Json:
    match value:
        case str():
            return unicodedata.normalize("NFC", value)
        case bool() | int() | None:
            return value
        case Mapping():
            keys = {unicodedata.normalize("NFC", key): inner for key, inner in value.items()}
            if len(keys) != len(value):
                raise ValueError("two keys are the same in NFC")
            return {key: _plain(inner) for key, inner in keys.items()}
        case Sequence():
            return [_plain(inner) for inner in value]
        case _:
            raise TypeError(f"{type(value).__name__} has no canonical form")


def state_document(
    desired: Desired, screen: ScreenConfig, config: KioskConfig, page: str, playlist: str
) -> dict[str, Json]:
    """Make the document of one screen.

    Args:
        desired: What it should show.
        screen: The screen.
        config: Its channel.
        page: Version of the page that the hub serves.
        playlist: SHA-256 of the idle cards' text, or empty.
    """
    rolling = [card for card in desired.cards if card.rolling]
    newest = max(desired.issued_at, *(card.not_before for card in desired.cards), 0)
    return {
        "format": FORMAT,
        "display": screen.name,
        "sequence": desired.sequence,
        "issued_at": desired.issued_at,
        "not_after": desired.issued_at + config.idle_keep_hours * 3_600_000,
        "title": screen.title,
        "page": page,
        "heartbeat_ms": int(config.heartbeat_seconds * 1000),
        "utc_offset_ms": config.utc_offset_minutes * 60_000,
        "overrides": [_card(card, config.footer) for card in in_order(desired.cards, newest)],
        "rolling": [_card(card, config.footer) for card in rolling],
        "playlist": playlist,
    }


def _card(card: Card, footer: str) -> dict[str, Json]:
    content = card.content
    return {
        "id": f"{card.id}.{card.part}",
        "version": card.version,
        "proof": True,
        "priority": content.priority,
        "severity": content.severity.value,
        "title": content.title,
        "lines": list(content.lines),
        "footer": content.footer or footer,
        "drill": content.drill,
        "locale": content.locale,
        "audience": content.script.audience,
        "min_show_ms": content.min_show_ms,
        "not_before": card.not_before,
        "not_after": card.not_after,
    }


def envelope(document: Mapping[str, Json], signer: Signer) -> str:
    """Sign a document and wrap it; the answer is one line of JSON."""
    text = canonical(document)
    signature = signer.sign(DOMAIN, text.encode("utf-8"))
    wrapped = {"doc": text, "sig": signature.hex(), "key": signer.public_key.hex()}
    return json.dumps(wrapped, ensure_ascii=False, separators=(",", ":"))
