"""A screen whose own clock is wrong, or jumps, or is not to be believed; the safe card."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from fzalert.messages import ReportKind

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext

    from tests.e2e.test_kiosk.conftest import Harness, Screen

HOUR = 3_600_000
SAFE = "转账之前，停一停"
# The page's wall clock, as a test sets it; it outlives a reload.
CLOCK = """
(() => {
  const real = Date.now.bind(Date);
  window.setOff = off => { sessionStorage.setItem('test:off', off); };
  Date.now = () => real() + Number(sessionStorage.getItem('test:off') || 0);
})();
"""


@pytest.fixture
async def screen(harness: Harness, browsing: BrowserContext) -> Screen:
    await browsing.add_init_script(CLOCK)
    return harness.watch(await browsing.new_page())


async def enter(harness: Harness, screen: Screen) -> None:
    await screen.page.goto(harness.adapter.enrolment_links(harness.base)["lobby"])
    await screen.idle()


async def jump(screen: Screen, off: int) -> None:
    await screen.evaluate("off => window.setOff(off)", off)


def late(harness: Harness, not_after: int) -> float:
    return (harness.context.clock.millis() - not_after) / 1000


@pytest.mark.parametrize("off", [HOUR, -HOUR])
async def test_a_clock_that_is_an_hour_wrong_changes_nothing(
    harness: Harness, screen: Screen, browsing: BrowserContext, off: int
) -> None:
    await browsing.add_init_script(f"sessionStorage.setItem('test:off', {off});")
    await enter(harness, screen)
    one = await harness.show(harness.POLICE, seconds=3)
    shown = await harness.report(ReportKind.SHOWN, one)
    assert abs(late(harness, shown.at)) < 2
    await screen.idle()
    assert abs(late(harness, one.not_after)) < 2
    await harness.report(ReportKind.HIDDEN, one)
    # The staff sees it: on the screen by a sign, at the hub in words.
    await screen.mark("△")
    async with asyncio.timeout(5):
        while "its clock is off by" not in (await harness.adapter.health()).detail:
            await harness.context.clock.sleep(0.05)
    screen.check()


@pytest.mark.parametrize("off", [HOUR, -24 * HOUR])
async def test_a_clock_that_jumps_ends_no_warning_early_or_late(
    harness: Harness, screen: Screen, off: int
) -> None:
    await enter(harness, screen)
    one = await harness.show(harness.POLICE, seconds=4)
    await harness.report(ReportKind.SHOWN, one)
    await jump(screen, off)
    await screen.idle()
    assert abs(late(harness, one.not_after)) < 2
    hidden = await harness.report(ReportKind.HIDDEN, one)
    assert hidden.code == "expired"
    assert hidden.duration_ms > 2000
    kinds = [row.kind for row in harness.rows if row.id == one.id]
    assert kinds == [ReportKind.SHOWN, ReportKind.HIDDEN]
    screen.check()


async def test_a_jump_back_without_the_hub_keeps_nothing_up(
    harness: Harness, screen: Screen
) -> None:
    await enter(harness, screen)
    one = await harness.show(harness.POLICE, seconds=4)
    await harness.report(ReportKind.SHOWN, one)
    await harness.stop()
    await jump(screen, -HOUR)
    await screen.idle()
    assert abs((await screen.evaluate("Date.now()")) + HOUR - one.not_after) < 2000


async def test_after_a_sleep_without_the_hub_nothing_old_stays(
    harness: Harness, screen: Screen
) -> None:
    await enter(harness, screen)
    one = await harness.show(harness.POLICE, seconds=600)
    await harness.report(ReportKind.SHOWN, one)
    await harness.stop()
    await screen.mark("○")
    await jump(screen, HOUR)
    await screen.idle(within=5)
    # It was no sleep: the hub says that the warning still holds.
    await harness.start()
    await screen.title(harness.POLICE.title, within=15)


async def test_a_clock_that_went_back_over_a_restart_is_not_believed(
    harness: Harness, screen: Screen
) -> None:
    await enter(harness, screen)
    one = await harness.show(harness.POLICE, seconds=600)
    await harness.report(ReportKind.SHOWN, one)
    await screen.evaluate("navigator.serviceWorker.ready.then(() => true)")
    await harness.stop()
    await screen.mark("○")
    await jump(screen, -HOUR)
    # Its page cannot see the jump: it starts after it, with a clock that is behind what it knew.
    await screen.evaluate(
        "fz.clock.watch = () => {}; localStorage.setItem("
        "'fz:' + location.pathname + ':offset', '0')"
    )
    await screen.page.reload()
    await screen.title(SAFE)
    await screen.mark("○△")
    await screen.picture("kiosk-suspect")
    await harness.start()
    await screen.title(harness.POLICE.title, within=15)


class TestAge:
    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"idle_keep_hours": 1}

    async def test_a_state_that_is_too_old_gives_way_to_the_safe_card(
        self, harness: Harness, screen: Screen
    ) -> None:
        await enter(harness, screen)
        await harness.show(harness.POLICE, seconds=3 * 3600)
        await screen.title(harness.POLICE.title)
        await harness.stop()
        await screen.mark("○")
        await jump(screen, HOUR + 60_000)
        await screen.title(SAFE, within=5)
        await harness.start()
        await screen.title(harness.POLICE.title, within=15)


async def test_the_safe_card_is_readable_and_accessible(harness: Harness, fresh: Screen) -> None:
    await enter(harness, fresh)
    await harness.stop()
    await fresh.mark("○")
    await fresh.evaluate("fz.show.blank()")
    await fresh.title(SAFE)
    for across, down in ((1920, 1080), (1080, 1920)):
        await fresh.page.set_viewport_size({"width": across, "height": down})
        assert await fresh.accessible() == []
        await fresh.picture(f"kiosk-safe-{across}x{down}")


async def test_the_policy_stops_what_a_page_must_not_do_and_we_hear_of_it(
    harness: Harness, lobby: Screen
) -> None:
    await lobby.evaluate(
        "document.head.appendChild(document.createElement('style')).textContent = 'p{color:red}'"
    )
    await lobby.evaluate("document.body.appendChild(new Image()).src = 'http://192.0.2.1/x.png'")
    await lobby.evaluate("fetch('http://192.0.2.1/').catch(() => null)")
    thrown = await lobby.evaluate(
        "(() => { try { document.body.innerHTML = '<b>x</b>'; return ''; }"
        " catch (refused) { return refused.name; } })()"
    )
    assert thrown == "TypeError"
    async with asyncio.timeout(5):
        for name in ("style-src", "img-src", "connect-src", "require-trusted-types-for"):
            while not any(name in line for line in lobby.violations):
                await harness.context.clock.sleep(0.05)
    lobby.violations.clear()
    lobby.outside.clear()
