"""Read a built site as a browser would, and name what is wrong with it; nothing is fetched."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from typing_extensions import override

__all__ = ["Page", "faults"]

# What a browser fetches by itself, and where it stands.
LOADED = {
    "script": "src", "img": "src", "source": "src", "video": "src", "audio": "src",
    "iframe": "src", "embed": "src", "object": "data", "link": "href", "use": "href",
}  # fmt: skip
STYLE = re.compile(r"(?:@import\s+|url\()\s*[\"']?([^\"')\s]+)")
OUTSIDE = ("http://", "https://", "//")


class Page(HTMLParser):
    """The anchors of one page, the links that a person may follow, and what a browser loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = {""}
        self.links: list[str] = []
        self.loads: list[str] = []
        self.language = ""
        self.feed(text)

    @override
    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors.add(given.get("id", ""))
        if tag == "html":
            self.language = given.get("lang", "")
        elif tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag in LOADED and given.get(LOADED[tag]):
            self.loads.append(given[LOADED[tag]])
        self.loads += STYLE.findall(given.get("style", ""))


def faults(site: Path) -> list[str]:
    """Name every dead link, missing anchor and load from elsewhere of a site."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    found = [fault for path in pages if path.name != "404.html" for fault in wrong(path, pages)]
    for sheet in sorted(site.rglob("*.css")):
        loads = STYLE.findall(sheet.read_text(encoding="utf-8"))
        found += [
            f"{sheet.relative_to(site)}: loads {one}" for one in loads if one.startswith(OUTSIDE)
        ]
    return found


def wrong(path: Path, pages: dict[Path, Page]) -> Iterator[str]:
    """Name the faults of one page."""
    page = pages[path]
    for link in [*page.links, *page.loads]:
        parts = urlsplit(link)
        if parts.scheme in {"data", "mailto"}:
            continue
        if link.startswith(OUTSIDE):
            if link in page.loads:
                yield f"{path.name}: loads {link}"
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if not target.is_file():
            yield f"{path.name}: {link} leads nowhere"
        elif target in pages and unquote(parts.fragment) not in pages[target].anchors:
            yield f"{path.name}: {link} has no such anchor"
