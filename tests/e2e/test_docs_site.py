"""The built manual: strict, whole, found in Chinese, and it calls no other machine."""

from __future__ import annotations

import contextlib
import functools
import http.server
import importlib
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import (
    Browser,
    Request,
    TimeoutError,
    ViewportSize,
    async_playwright,
    expect,
)
from typing_extensions import override

REPOSITORY = Path(__file__).parents[2]
CHROMIUM = os.environ.get("FZ_CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
SIZES: tuple[ViewportSize, ...] = (
    {"width": 1280, "height": 800},
    {"width": 390, "height": 844},
)
LOOKED_AT = ("index.html", "branch.zh-CN.html", "errors.html", "api.html", "channels.html")

check: Any = importlib.import_module("tools.docs_site_check")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that tests that run beside it do not share a folder."""
    folder = tmp_path_factory.mktemp("built") / "site"
    built = subprocess.run(
        [sys.executable, "-m", "tools.docs_site", str(folder)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return folder


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        @override
        def log_message(self, format: str, *args: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        await chromium.close()


def test_every_page_of_the_manual_is_in_the_site_with_its_own_language(site: Path) -> None:
    for page in (REPOSITORY / "docs").glob("*.md"):
        built = check.Page((site / f"{page.stem}.html").read_text(encoding="utf-8"))
        assert built.language == ("zh" if page.stem.endswith(".zh-CN") else "en")
    assert (site / "files" / "examples" / "warn.py.html").is_file()


def test_the_reference_has_the_signature_of_warn(site: Path) -> None:
    page = (site / "api.html").read_text(encoding="utf-8")
    assert 'id="fzalertwarn"' in page
    assert "expires_in: timedelta | None = None" in page


def test_no_page_loads_anything_from_elsewhere_and_no_link_is_dead(site: Path) -> None:
    assert check.faults(site) == []


@pytest.mark.parametrize(
    ("planted", "told"),
    [
        ('<a href="nowhere.html">x</a>', "nowhere.html leads nowhere"),
        ('<a href="errors.html#nix">x</a>', "errors.html#nix has no such anchor"),
        ('<script src="https://cdn.example/x.js"></script>', "loads https://cdn.example/x.js"),
        ('<p style="background: url(//cdn.example/x.png)">', "loads //cdn.example/x.png"),
    ],
)
def test_what_is_wrong_with_a_site_is_found(tmp_path: Path, planted: str, told: str) -> None:
    (tmp_path / "index.html").write_text(f"<html>{planted}</html>", encoding="utf-8")
    (tmp_path / "errors.html").write_text('<html><p id="a">x</p></html>', encoding="utf-8")
    assert check.faults(tmp_path) == [f"index.html: {told}"]


async def test_a_browser_asks_only_this_machine_and_nothing_is_cut_off(
    browser: Browser, address: str
) -> None:
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    for size in SIZES:
        context = await browser.new_context(viewport=size, locale="zh-CN")
        context.on("request", note)
        page = await context.new_page()
        for name in LOOKED_AT:
            await page.goto(address + name)
            await expect(page.locator("h1")).to_be_visible()
            wide = await page.evaluate("document.documentElement.scrollWidth")
            assert wide <= size["width"], f"{name} is wider than the window"
        await context.close()
    assert asked
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


@pytest.mark.parametrize(
    ("start", "words", "found"),
    [
        ("index.zh-CN.html", "两个人批准", "两个人批准一条话术"),
        ("errors.html", "卡住的时候", "卡住的时候会怎样"),
        ("index.zh-CN.html", "unknown settle", "fzalert unknown settle"),
    ],
)
async def test_the_search_finds_chinese_and_english(
    browser: Browser, address: str, start: str, words: str, found: str
) -> None:
    page = await browser.new_page(locale="zh-CN")
    await page.goto(address + start)
    box = page.get_by_role("combobox")
    while not await box.is_visible():  # the page's script may not listen yet
        await page.keyboard.press("Control+k")
        with contextlib.suppress(TimeoutError):
            await box.wait_for(state="visible", timeout=2_000)
    await box.fill(words)
    await expect(page.get_by_role("option", name=found).first).to_be_visible()
    await page.close()
