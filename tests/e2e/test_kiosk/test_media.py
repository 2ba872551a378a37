"""Pictures and videos between warnings: proved, compared with their hash, kept, cut by urgent."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from fzalert.messages import ReportKind
from fzalert_display.kiosk import IdleCard

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext

    from tests.e2e.test_kiosk.conftest import Harness, Screen

CASES = Path(__file__).parents[3] / "tests" / "cases" / "kiosk" / "media"
KEPT = """(async () => {
  const names = (await caches.keys()).filter(name => name.startsWith('fz-media '));
  if (names.length === 0) return 0;
  const asked = await (await caches.open(names[0])).keys();
  return asked.filter(one => one.url.includes('/media/')).length;
})()"""
SAFE = "转账之前，停一停"
POSTER = "刷单就是诈骗：先返小钱，再骗大钱"
FILM = "短片：转账之前停一停"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of pictures and videos, which a test may spoil."""
    return Path(shutil.copytree(CASES, tmp_path / "media"))


def playlist(folder: Path, *cards: tuple[str, str]) -> dict[str, Any]:
    return {
        "media": folder,
        "idle": tuple(IdleCard(title=title, media=media, seconds=3) for title, media in cards),
    }


async def on_screen(screen: Screen, selector: str, *, within: float = 10) -> None:
    await screen.page.wait_for_selector(f"#stage {selector}", timeout=within * 1000)


async def playing(screen: Screen, *, within: float = 15) -> None:
    await screen.page.wait_for_function(
        "() => { const v = document.querySelector('#stage video');"
        " return v && !v.paused && v.currentTime > 0.1; }",
        timeout=within * 1000,
    )


async def played(harness: Harness, what: str, *, within: float = 10) -> None:
    """Wait until the hub was told that an idle card was on."""
    async with asyncio.timeout(within):
        while harness.adapter.played("lobby") != what:
            await harness.context.clock.sleep(0.05)


async def enter(harness: Harness, screen: Screen, name: str = "lobby") -> None:
    await screen.page.goto(harness.adapter.enrolment_links(harness.base)[name])


class TestPictures:
    @pytest.fixture
    def settings(self, folder: Path) -> dict[str, Any]:
        return playlist(folder, (POSTER, "poster.webp"))

    async def test_a_picture_fills_the_screen_and_is_proved(
        self, harness: Harness, fresh: Screen
    ) -> None:
        await enter(harness, fresh)
        await on_screen(fresh, ".picture img")
        await played(harness, "idle-0")
        image = fresh.page.locator("#stage img")
        assert await image.get_attribute("alt") == POSTER
        assert (await image.get_attribute("src") or "").startswith("blob:")
        for across, down in ((1920, 1080), (1080, 1920)):
            await fresh.page.set_viewport_size({"width": across, "height": down})
            # On a tall screen a wide picture leaves room, and its title stands there.
            state: Literal["visible", "hidden"] = "visible" if down > across else "hidden"
            await fresh.page.locator("#stage h1").wait_for(state=state)
            assert await fresh.accessible() == []
            await fresh.picture(f"kiosk-picture-{across}x{down}")

    async def test_a_picture_that_is_not_the_signed_one_is_never_shown(
        self, harness: Harness, fresh: Screen, folder: Path
    ) -> None:
        picture = folder / "poster.webp"
        good = picture.read_bytes()
        picture.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        await enter(harness, fresh)
        await fresh.title(SAFE)
        async with asyncio.timeout(10):
            while "media:missing" not in (await harness.adapter.health()).detail:
                await harness.context.clock.sleep(0.05)
        await fresh.title(SAFE)
        assert await fresh.page.locator("#stage img").count() == 0
        # The browser says on the console what it refused; no policy was broken.
        assert [one for one in fresh.violations if "integrity" not in one] == []
        # It is asked for again, and shown once it is right.
        picture.write_bytes(good)
        await on_screen(fresh, ".picture img", within=15)

    async def test_what_a_worker_kept_is_compared_too(
        self, harness: Harness, fresh: Screen
    ) -> None:
        await enter(harness, fresh)
        await on_screen(fresh, ".picture img")
        await kept(fresh, 1)
        await fresh.evaluate(
            """async () => {
              const names = (await caches.keys()).filter(name => name.startsWith('fz-media '));
              const cache = await caches.open(names[0]);
              const [asked] = (await cache.keys()).filter(one => one.url.includes('/media/'));
              await cache.put(asked, new Response('forged'));
            }"""
        )
        await harness.stop()
        await fresh.page.reload()
        await fresh.title(SAFE)
        await fresh.page.wait_for_function("() => fz.lastMediaError")
        assert await fresh.page.locator("#stage img").count() == 0

    async def test_it_starts_offline_with_its_pictures(
        self, harness: Harness, fresh: Screen
    ) -> None:
        await enter(harness, fresh)
        await on_screen(fresh, ".picture img")
        await kept(fresh, 1)
        await harness.stop()
        await fresh.page.reload()
        await on_screen(fresh, ".picture img")
        await fresh.mark("○")


class TestVideos:
    @pytest.fixture(params=["film.webm", "film.mp4"])
    def settings(self, folder: Path, request: pytest.FixtureRequest) -> dict[str, Any]:
        return playlist(folder, (FILM, request.param))

    async def test_an_urgent_warning_cuts_a_running_video_and_it_comes_back(
        self, harness: Harness, fresh: Screen
    ) -> None:
        await enter(harness, fresh)
        await playing(fresh)
        await played(harness, "idle-0")
        film = await fresh.page.query_selector("#stage video")
        assert film is not None
        assert await film.evaluate("v => v.muted")
        policy = "fetch('./').then(a => a.headers.get('content-security-policy'))"
        assert "media-src blob:" in await fresh.evaluate(policy)
        one = await harness.show(harness.POLICE)
        shown = await harness.report(ReportKind.SHOWN, one)
        assert shown.at - one.not_after + 60_000 < 1000
        assert await fresh.page.locator("#stage video").count() == 0
        assert await film.evaluate("v => v.paused")
        await harness.adapter.withdraw([(one.id, 0)])
        await playing(fresh)


class TestMixed:
    @pytest.fixture
    def settings(self, folder: Path) -> dict[str, Any]:
        return playlist(folder, (POSTER, "poster.jpg"), (FILM, "film.webm"), ("图", "poster.png"))

    async def test_they_take_turns_and_a_broken_one_is_passed_over(
        self, harness: Harness, browsing: BrowserContext, folder: Path
    ) -> None:
        (folder / "poster.png").unlink()
        screen = harness.watch(await browsing.new_page())
        await enter(harness, screen)
        await playing(screen)
        await on_screen(screen, f'img[alt="{POSTER}"]')
        detail = (await harness.adapter.health()).detail
        assert "poster.png: 素材缺失" in detail
        # The answer 404 stands on the console as an error of its own; nothing else does.
        screen.check()


class TestRoom:
    @pytest.fixture
    def settings(self, folder: Path) -> dict[str, Any]:
        padded = []
        for number in range(3):
            name = f"{number}.jpg"
            picture = (CASES / "poster.jpg").read_bytes()
            (folder / name).write_bytes(picture + bytes([number]) * 400_000)
            padded.append((f"图片 {number}", name))
        return {**playlist(folder, *padded), "media_cache_mb": 1}

    async def test_the_worker_keeps_no_more_than_it_may(
        self, harness: Harness, fresh: Screen
    ) -> None:
        await enter(harness, fresh)
        await on_screen(fresh, ".picture img")
        await kept(fresh, 2)
        await fresh.page.wait_for_function(
            "() => (document.querySelector('#stage img') || {}).alt === '图片 2'", timeout=20_000
        )
        await kept(fresh, 2)
        total = await fresh.evaluate(
            """async () => {
              const names = (await caches.keys()).filter(name => name.startsWith('fz-media '));
              const cache = await caches.open(names[0]);
              const book = await (await cache.match('book.json')).json();
              return Object.values(book).reduce((sum, one) => sum + one.bytes, 0);
            }"""
        )
        assert 900_000 < total <= 1_048_576


class TestNothing:
    async def test_without_pictures_the_policy_allows_none(
        self, harness: Harness, lobby: Screen
    ) -> None:
        policy = await lobby.evaluate(
            "fetch('./').then(a => a.headers.get('content-security-policy'))"
        )
        assert "blob:" not in policy
        assert "media-src" not in policy


async def kept(screen: Screen, count: int, *, within: float = 15) -> None:
    """Wait until the worker keeps so many files."""
    async with asyncio.timeout(within):
        while await screen.evaluate(KEPT) != count:
            await screen.harness.context.clock.sleep(0.05)
