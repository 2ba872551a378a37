"""What a person confirmed of a campaign: nothing else goes out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fzalert.campaigns.model import Document
from fzalert.errors import InputError
from fzalert.messages import Rendition, SmsText

__all__ = ["Confirmation", "PreviewStale", "digest_of", "must_be_confirmed", "text_hash"]


class PreviewStale(InputError):
    """What would go out is not what was looked at: another text, price, route or list."""

    code = "preview-stale"


def digest_of(value: object) -> str:
    """Name a plain value: SHA-256 of its canonical JSON, the first 16 hex digits.

    It names, for a person who reads it from a screen, what was shown; who may start a campaign
    could confirm anything, so that nobody gains by a second value of the same name.
    """
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def text_hash(text: SmsText) -> str:
    """Name what a person would read."""
    return digest_of([text.text, str(text.coding)])


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a person said yes to, as the campaign keeps it and the evidence names it.

    Attributes:
        digest: Of the preview.
        texts: Names of the texts that may go out.
        facts: For the evidence.
    """

    digest: str
    texts: tuple[str, ...]
    facts: Mapping[str, str | int | bool]

    def document(self) -> dict[str, object]:
        """As a campaign keeps it."""
        return {"digest": self.digest, "texts": list(self.texts)}


def must_be_confirmed(document: Document, bodies: Iterable[Rendition]) -> None:
    """Let texts pass that a person has confirmed; a campaign that none confirmed yet passes too.

    Raises:
        PreviewStale: A text is another one, as where a signature was changed meanwhile.
    """
    confirmed = document.get("confirmed")
    if not isinstance(confirmed, Mapping):
        return
    texts = confirmed.get("texts")
    if not isinstance(texts, Sequence):
        return
    for body in bodies:
        if isinstance(body, SmsText) and text_hash(body) not in texts:
            raise PreviewStale(
                "The text is not the one that was confirmed: a signature, a name or a number in the"
                " configuration was changed.",
                hint="Look at fzalert campaign preview, and resume it with what that shows.",
                field="confirm",
            )
