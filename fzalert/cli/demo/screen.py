"""The branch's screen: a real browser that opens the enrolment link and stays on the page."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.async_api import Page

FLAGS = [
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--autoplay-policy=no-user-gesture-required",
]


class Screen:
    """One open page."""

    def __init__(self, page: Page) -> None:
        self._page = page

    async def save(self, path: Path) -> None:
        """Save what is on the screen."""
        await self._page.screenshot(path=str(path))

    async def wait_for_text(self, text: str, seconds: float) -> bool:
        """Wait until a text is visible; False where it did not come."""
        from playwright.async_api import TimeoutError as Late

        try:
            await self._page.get_by_text(text).first.wait_for(timeout=seconds * 1000)
        except Late:
            return False
        return True


@asynccontextmanager
async def screen(link: str) -> AsyncIterator[Screen | None]:
    """Open a browser on a link; None where there is no Chromium or no playwright."""
    browser_path = os.environ.get("FZ_CHROMIUM") or shutil.which("chromium")
    if browser_path is None or importlib.util.find_spec("playwright") is None:
        yield None
        return
    from playwright.async_api import async_playwright

    flags = list(FLAGS)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        flags.append("--no-sandbox")  # Chromium refuses to sandbox for root
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=browser_path, args=flags)
        try:
            page = await browser.new_page(
                viewport={"width": 1920, "height": 1080},
                locale="zh-CN",
                timezone_id="Asia/Shanghai",
            )
            await page.goto(link)
            yield Screen(page)
        finally:
            await browser.close()
