"""The page for people: which screens there are, a field for a code, a way to shut one out.

Rendered here, without scripts: it works by keyboard, and under the strictest policy.
"""

from __future__ import annotations

from html import escape
from typing import NamedTuple

from fzalert_display.kiosk.hub import Hub
from fzalert_display.kiosk.screen import Screen

__all__ = ["Notice", "staff_page"]

MOST_ROWS = 200


class Notice(NamedTuple):
    """What the last act came to."""

    text: str
    english: str
    is_bad: bool = False


def staff_page(
    hub: Hub,
    notice: Notice | None,
    *,
    typed: str,
    search: str,
    waiting: int,
    version: str,
    signed_in: bool,
    base_url: str,
) -> bytes:
    """Write the page.

    Args:
        hub: The screens.
        notice: What the last act came to.
        typed: A code to be mended.
        search: Only screens whose name, title or place holds this.
        waiting: How many pages show a code.
        version: Of the style sheet.
        signed_in: Whether a form may be sent at all; else the page leads to the login.
        base_url: Where the channel is mounted.
    """
    found = [one for one in hub.screens.values() if _matches(one, search)]
    rows = "".join(_row(hub, one, signed_in=signed_in) for one in found[:MOST_ROWS])
    form = _form(hub, typed) if signed_in else _LOGIN
    name = escape(hub.config.name)
    address = escape(f"{base_url}screen/")
    return f"""<!doctype html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<title>屏幕配对 · {name}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" type="image/svg+xml" href="../assets/kiosk.svg?v={version}">
<link rel="stylesheet" href="../assets/staff.css?v={version}">
</head>
<body>
<header><a href="/">fzalert</a> <span>{name}</span></header>
<main>
<h1>屏幕配对 <span lang="en">Pair a screen</span></h1>
{_notice(notice)}
<p>在屏幕的浏览器中打开 <code>{address}</code>，屏幕会显示八位配对码。
现在有 {waiting} 块屏幕在等待。
<span lang="en">Open that address in the screen's browser; it shows a code of eight.
{waiting} waiting now.</span></p>
{form}
<h2>屏幕 <span lang="en">Screens</span></h2>
<form class="search" method="get" action="./" role="search">
<label for="q">查找 <span lang="en">Find</span></label>
<input id="q" name="q" type="search" maxlength="64" value="{escape(search)}">
<button>查找 <span lang="en">Find</span></button>
</form>
<p>{min(len(found), MOST_ROWS)} / {len(hub.screens)}</p>
<div class="scroll" tabindex="0" role="region" aria-label="屏幕列表 List of screens">
<table>
<thead><tr><th scope="col">屏幕 <span lang="en">Screen</span></th>
<th scope="col">名称 <span lang="en">Title</span></th>
<th scope="col">位置 <span lang="en">Place</span></th>
<th scope="col">状态 <span lang="en">State</span></th>
<th scope="col">操作 <span lang="en">Act</span></th></tr></thead>
<tbody>{rows}</tbody>
</table>
</div>
</main>
</body>
</html>
""".encode()


_LOGIN = """<p class="notice bad">配对和停用屏幕要先登录。
<span lang="en">Sign in before you pair or revoke a screen.</span>
<a class="button" href="/login">登录 <span lang="en">Sign in</span></a></p>"""


def _form(hub: Hub, typed: str) -> str:
    options = "".join(
        f'<option value="{escape(one.name)}">{escape(_label(one))}</option>'
        for one in hub.screens.values()
    )
    return f"""<form method="post" action="confirm" autocomplete="off">
<p><label for="code">配对码 <span lang="en">Code</span></label>
<input id="code" name="code" required autofocus maxlength="12" spellcheck="false"
 autocapitalize="characters" value="{escape(typed)}"></p>
<p><label for="display">哪块屏幕 <span lang="en">Which screen</span></label>
<select id="display" name="display"><option value="">打开时的地址所示 / as its address says</option>
{options}</select></p>
<p><button class="main">确认配对 <span lang="en">Pair</span></button></p>
</form>"""


def _label(screen: Screen) -> str:
    parts = [screen.name, screen.config.title, screen.config.location]
    text = " · ".join(part for part in parts if part)
    return f"{text}（已登记，将被替换 / replaces the one there）" if screen.device else text


def _matches(screen: Screen, search: str) -> bool:
    words = f"{screen.name} {screen.config.title} {screen.config.location}".lower()
    return search.lower() in words


def _row(hub: Hub, screen: Screen, *, signed_in: bool) -> str:
    name = escape(screen.name)
    if screen.device is None:
        state = '<span class="quiet">○ 未登记 <span lang="en">not paired</span></span>'
    elif hub.live(screen):
        state = '<span class="ok">● 在线 <span lang="en">live</span></span>'
    else:
        state = '<span class="bad">■ 未连接 <span lang="en">not connected</span></span>'
    act = ""
    if signed_in and screen.device is not None:
        act = f"""<details><summary>停用 <span lang="en">Revoke</span></summary>
<form method="post" action="revoke"><input type="hidden" name="display" value="{name}">
<button>确认停用 {name} <span lang="en">Revoke now</span></button></form></details>"""
    return (
        f'<tr><th scope="row">{name}</th><td>{escape(screen.config.title)}</td>'
        f"<td>{escape(screen.config.location)}</td><td>{state}</td><td>{act}</td></tr>"
    )


def _notice(notice: Notice | None) -> str:
    if notice is None:
        return ""
    kind, role = ("bad", "alert") if notice.is_bad else ("ok", "status")
    return (
        f'<p class="notice {kind}" role="{role}">{escape(notice.text)}'
        f' <span lang="en">{escape(notice.english)}</span></p>'
    )
