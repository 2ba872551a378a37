"""A card as a page would draw it, as one HTML file without scripts."""

from __future__ import annotations

from html import escape

from fzalert.messages import DisplayContent, Severity
from fzalert_display.kiosk.assets import AssetFiles

__all__ = ["preview_page"]

_WORDS = {
    "zh": {Severity.DANGER: "紧急", Severity.WARN: "提醒", Severity.INFO: "提醒", None: "演练"},
    "en": {
        Severity.DANGER: "Urgent",
        Severity.WARN: "Notice",
        Severity.INFO: "Notice",
        None: "Drill",
    },
}


def preview_page(
    content: DisplayContent, title: str, footer: str, assets: AssetFiles
) -> tuple[str, bytes]:
    """Draw one card.

    Returns:
        Media type and bytes.
    """
    words = _WORDS["en" if content.locale.startswith("en") else "zh"]
    drill = f'<strong class="drill">{words[None]}</strong>' if content.drill else ""
    lines = "".join(f'<p class="line">{escape(line)}</p>' for line in content.lines[:-1])
    action = "".join(f'<p class="action">{escape(line)}</p>' for line in content.lines[-1:])
    style = assets.files["kiosk.css"].body.decode("utf-8")
    page = (
        f'<!doctype html><html lang="{escape(content.locale)}"><meta charset="utf-8">'
        f"<title>{escape(content.title)}</title><style>{style}</style>"
        f'<main class="stage"><div class="card {content.severity.value}">'
        f'<header class="band"><strong class="word">{words[content.severity]}</strong>{drill}'
        f'</header><div class="head"><h1>{escape(content.title)}</h1></div>'
        f'<div class="body"><div class="lines">{lines}</div>{action}</div>'
        f'<footer class="foot"><span class="who">{escape(title)}</span>'
        f'<span class="hotline">{escape(footer)}</span></footer></div></main></html>'
    )
    return "text/html; charset=utf-8", page.encode("utf-8")
