"""Warnings on the screen's page: painted, proved, signed, outliving the hub and its restarts."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fzalert.messages import Lane, Proof, ReportKind, Severity, display
from fzalert.ports import HealthState
from fzalert.testing.soak import rounds
from fzalert_display.kiosk import IdleCard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.async_api import BrowserContext, Route

    from fzalert.messages import DisplayContent
    from tests.e2e.test_kiosk.conftest import Harness, Screen

ROOT = Path(__file__).parents[3]
VENDOR = ROOT / "tests" / "cases" / "vendor"


async def test_a_warning_is_painted_and_proved(harness: Harness, lobby: Screen) -> None:
    one = await harness.show(harness.POLICE, seconds=1800)
    shown = await harness.report(ReportKind.SHOWN, one)
    assert shown.proof is Proof.DEVICE
    assert shown.detail == "1920x1080 visible"
    assert shown.target == display("lobby")
    assert abs(shown.at - harness.context.clock.millis()) < 5000
    await lobby.title(harness.POLICE.title)
    await lobby.picture("kiosk-urgent")
    card = lobby.page.locator("#stage .card")
    assert await card.get_attribute("role") == "alert"
    assert await card.get_attribute("lang") == "zh-CN"
    assert await lobby.page.locator(".word").text_content() == "紧急"
    health = await harness.adapter.health()
    assert dict(health.figures)["last_paint_ms"] != 0
    assert health.state is HealthState.SLOW
    assert "hall" in health.detail


async def test_it_leaves_the_address_bar_without_key_and_token(lobby: Screen) -> None:
    assert lobby.page.url.endswith("/channels/lobby-screens/screen/lobby/")


async def test_a_withdrawn_warning_goes_and_its_time_is_told(
    harness: Harness, lobby: Screen
) -> None:
    one = await harness.show(harness.POLICE)
    await harness.report(ReportKind.SHOWN, one)
    await harness.adapter.withdraw([(one.id, 0)])
    await lobby.idle()
    await harness.report(ReportKind.WITHDRAWN, one)
    hidden = await harness.report(ReportKind.HIDDEN, one)
    assert hidden.code == "withdrawn"
    assert 0 < hidden.duration_ms < 10_000


async def test_it_falls_back_by_itself_while_the_hub_is_gone(
    harness: Harness, lobby: Screen
) -> None:
    high = replace(harness.POLICE, title="先挂断电话", lines=("找柜员",), priority=800)
    low = await harness.show(harness.POLICE, seconds=7)
    top = await harness.show(high, seconds=4)
    await harness.report(ReportKind.SHOWN, top)
    ends = top.not_after / 1000
    await harness.stop()
    await lobby.mark("○")
    await lobby.title(harness.POLICE.title)
    assert abs(await lobby.evaluate("Date.now()") / 1000 - ends) < 1.0
    await lobby.idle()
    await lobby.picture("kiosk-offline-idle")
    # The hub comes back on its port: the reports arrive once, nothing is shown again.
    await harness.start()
    hidden = await harness.report(ReportKind.HIDDEN, top, within=15)
    assert 1500 < hidden.duration_ms < 4100
    assert hidden.code == "expired"
    await harness.report(ReportKind.HIDDEN, low, within=15)
    await lobby.mark("")
    assert [row.kind for row in harness.rows if row.id == top.id].count(ReportKind.HIDDEN) == 1
    # What was live is still live after the restart; a new warning is painted.
    again = await harness.show(harness.POLICE)
    await harness.report(ReportKind.SHOWN, again)


async def test_a_warning_outlives_a_restart_of_the_hub(harness: Harness, lobby: Screen) -> None:
    one = await harness.show(harness.POLICE, seconds=60)
    await harness.report(ReportKind.SHOWN, one)
    await harness.stop()
    await lobby.mark("○")
    await harness.start()
    await lobby.mark("", within=15)
    await lobby.title(harness.POLICE.title)
    assert [row.kind for row in harness.rows if row.id == one.id] == [ReportKind.SHOWN]


@pytest.mark.parametrize("fault", ["503", "mute"])
async def test_a_stream_that_fails_is_made_again(
    harness: Harness, lobby: Screen, fault: str
) -> None:
    harness.faults += [fault, fault]
    await harness.stop()
    await lobby.mark("○")
    await harness.start()
    one = await harness.show(harness.POLICE, within=30)
    await harness.report(ReportKind.SHOWN, one)
    assert harness.faults == []
    await lobby.mark("")


async def test_any_changed_byte_changes_nothing_but_the_mark(
    harness: Harness, lobby: Screen
) -> None:
    await harness.show(harness.POLICE)
    await lobby.title(harness.POLICE.title)
    refused = await lobby.evaluate(
        """async step => {
          const state = (await (await fetch('state')).json()).state;
          const seen = {doc: {}, sig: {}, key: {}};
          for (const part of Object.keys(seen)) {
            for (let at = 0; at < state[part].length; at += part === 'doc' ? step : 1) {
              const text = state[part];
              const other = String.fromCharCode(text.charCodeAt(at) ^ 1);
              const flipped = text.slice(0, at) + other + text.slice(at + 1);
              const judged = fz.trust.judge(Object.assign({}, state, {[part]: flipped}));
              const why = judged.document ? 'ACCEPTED at ' + at : judged.refused;
              seen[part][why] = (seen[part][why] || 0) + 1;
              if (at % 50 === 0) await new Promise(done => setTimeout(done));
            }
          }
          const doc = state.doc.replace('没有安全账户', '快去转账吧');
          fz.link.offer(Object.assign({}, state, {doc: doc}));
          return [seen, Math.ceil(state.doc.length / step)];
        }""",
        rounds(5, 1),
    )
    seen, tried = refused
    assert seen == {"doc": {"signature": tried}, "sig": {"signature": 128}, "key": {"key": 64}}
    assert tried > 100
    await lobby.mark("◇")
    await lobby.title(harness.POLICE.title)
    async with asyncio.timeout(5):
        while "refused" not in (await harness.adapter.health()).detail:
            await harness.context.clock.sleep(0.05)


async def test_a_screen_that_was_only_ever_told_lies_keeps_the_safe_card(
    harness: Harness, fresh: Screen
) -> None:
    """A server session was stolen: all that comes is changed on its way, and one byte is enough."""

    async def change(route: Route) -> None:
        answer = await route.fetch()
        body = await answer.json()
        doc = body["state"]["doc"]
        body["state"]["doc"] = doc.replace('"sequence":', '"sequence":9')
        await route.fulfill(response=answer, json=body)

    await fresh.page.route("**/state", change)
    await fresh.page.route("**/stream*", lambda route: route.fulfill(status=503))
    await fresh.page.goto(harness.adapter.enrolment_links(harness.base)["lobby"])
    await fresh.title("转账之前，停一停")
    await fresh.mark("○◇", within=30)
    await fresh.title("转账之前，停一停")
    await fresh.page.unroute("**/state")
    await fresh.page.unroute("**/stream*")
    await fresh.idle(within=60)


async def test_an_older_state_is_refused_after_a_restart_of_the_browser_too(
    harness: Harness, lobby: Screen
) -> None:
    old = await lobby.evaluate("fetch('state').then(a => a.json()).then(b => b.state)")
    one = await harness.show(harness.POLICE)
    await harness.report(ReportKind.SHOWN, one)
    await harness.adapter.withdraw([(one.id, 0)])
    await lobby.idle()
    await lobby.page.reload()
    await lobby.idle()
    assert (await lobby.evaluate("old => fz.trust.judge(old)", old))["refused"] == "sequence"


async def test_another_display_an_older_sequence_and_a_foreign_key_are_refused(
    harness: Harness, lobby: Screen, browsing: BrowserContext
) -> None:
    old = await lobby.evaluate("fetch('state').then(a => a.json()).then(b => b.state)")
    await harness.show(harness.POLICE)
    await lobby.title(harness.POLICE.title)
    assert (await lobby.evaluate("old => fz.trust.judge(old)", old))["refused"] == "sequence"
    hall = harness.watch(await browsing.new_page())
    await hall.page.goto(harness.adapter.enrolment_links(harness.base)["hall"])
    await hall.title(harness.IDLE[0].title)
    other = await hall.evaluate("fetch('state').then(a => a.json()).then(b => b.state)")
    assert (await lobby.evaluate("s => fz.trust.judge(s)", other))["refused"] == "display"
    hall.check()
    other["key"] = "ab" * 32
    await lobby.evaluate("s => fz.link.offer(s)", other)
    await lobby.mark("◆")
    await lobby.title("转账之前，停一停")
    await lobby.picture("kiosk-safe")


async def test_markup_is_shown_as_text(harness: Harness, lobby: Screen) -> None:
    payload = "<script>x()</script>"
    image = "<img src=x onerror=x()>&amp;"
    content = replace(harness.POLICE, title=payload, lines=(image, "拨打 96110"))
    one = await harness.show(content)
    await harness.report(ReportKind.SHOWN, one)
    assert await lobby.page.locator("#stage h1").text_content() == payload
    assert await lobby.page.locator("#stage p.line").text_content() == image
    assert await lobby.page.locator("#stage script, #stage img").count() == 0


@pytest.mark.parametrize(("across", "down"), [(1920, 1080), (1080, 1920), (1366, 768)])
async def test_every_card_is_readable_and_accessible(
    harness: Harness, lobby: Screen, across: int, down: int
) -> None:
    await lobby.page.set_viewport_size({"width": across, "height": down})
    drill = replace(harness.POLICE, title="电话警察是假的", drill=True)
    longest = replace(
        harness.POLICE,
        title="叫您转账又叫您保密不许告诉人",
        lines=(
            "冒充公检法要求转到安全账户的都是诈骗",
            "叫您不要告诉家人和柜员的一定是骗子",
            "立即停止转账并拨打96110或者报警110",
        ),
        severity=Severity.WARN,
    )
    await lobby.picture(f"kiosk-idle-{across}x{down}")
    assert await lobby.accessible() == []
    contents: Sequence[tuple[str, DisplayContent]] = (
        ("urgent", harness.POLICE),
        ("drill", drill),
        ("long", longest),
        ("english", harness.ENGLISH),
    )
    for at, (name, content) in enumerate(contents):
        one = await harness.show(replace(content, priority=700 + at))
        await harness.report(ReportKind.SHOWN, one)
        await lobby.picture(f"kiosk-{name}-{across}x{down}")
        assert await lobby.accessible() == []
        least = await lobby.evaluate(
            "Math.min(...Array.from(document.querySelectorAll('#stage h1, #stage p'),"
            " e => parseFloat(getComputedStyle(e).fontSize))) / Math.min(innerHeight, innerWidth)",
        )
        assert least >= 0.049
        edge = "document.querySelector('.clock').getBoundingClientRect().right / innerWidth"
        assert await lobby.evaluate(edge) > 0.9
        wide = "Array.from(document.querySelectorAll('.band, .foot, .head, .body')).filter(e =>"
        assert await lobby.evaluate(wide + " e.scrollWidth > e.clientWidth).length") == 0
    assert not (await harness.adapter.health()).detail.count("could not paint")


async def test_a_drill_is_marked(harness: Harness, lobby: Screen) -> None:
    await harness.show(replace(harness.POLICE, drill=True))
    await lobby.title(harness.POLICE.title)
    assert await lobby.page.locator(".drill").is_visible()
    assert await lobby.page.locator(".drill").text_content() == "演练"


async def test_a_hidden_page_proves_nothing(harness: Harness, lobby: Screen) -> None:
    await lobby.evaluate(
        "Object.defineProperty(document, 'visibilityState',"
        " {configurable: true, get: () => 'hidden'})",
    )
    one = await harness.show(harness.POLICE)
    async with asyncio.timeout(5):
        while "page-hidden" not in (await harness.adapter.health()).detail:
            await harness.context.clock.sleep(0.05)
    assert not [row for row in harness.rows if row.id == one.id]
    await lobby.evaluate(
        "delete document.visibilityState; document.dispatchEvent(new Event('visibilitychange'))",
    )
    await harness.report(ReportKind.SHOWN, one)


async def test_the_page_starts_while_the_hub_is_gone(harness: Harness, lobby: Screen) -> None:
    one = await harness.show(harness.POLICE, seconds=60)
    await harness.report(ReportKind.SHOWN, one)
    await lobby.evaluate("navigator.serviceWorker.ready.then(() => true)")
    await harness.stop()
    await lobby.mark("○")
    await lobby.page.reload()
    await lobby.title(harness.POLICE.title)
    await harness.start()
    await lobby.mark("", within=20)
    hidden = await harness.report(ReportKind.HIDDEN, one)
    assert hidden.code == "restarted"


async def test_reports_wait_until_they_are_on_disk(harness: Harness, lobby: Screen) -> None:
    harness.acknowledging = False
    one = await harness.show(harness.POLICE)
    await lobby.title(harness.POLICE.title)
    async with lobby.page.expect_response(lambda r: r.url.endswith("/report") and r.status == 503):
        pass
    assert await lobby.evaluate("fz.reports.waiting()") == 1
    harness.acknowledging = True
    await harness.adapter.withdraw([(one.id, 0)])
    await harness.report(ReportKind.HIDDEN, one, within=20)


class TestCampaign:
    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"idle": (IdleCard(title="转账之前停一停", lines=("先打96110问清楚",)),)}

    async def test_a_campaign_card_rolls_with_the_idle_content(
        self, harness: Harness, lobby: Screen
    ) -> None:
        content = replace(
            harness.POLICE, title="网恋谈钱就是骗", severity=Severity.WARN, priority=200
        )
        one = await harness.show(content, lane=Lane.BULK, seconds=600)
        shown = await harness.report(ReportKind.SHOWN, one, within=20)
        assert shown.proof is Proof.DEVICE
        assert await lobby.page.locator("#stage .card").get_attribute("role") is None


async def test_the_order_of_warnings_is_the_rule(lobby: Screen) -> None:
    cases = json.loads((ROOT / "tests/cases/kiosk/winner.json").read_text(encoding="utf-8"))
    for case in cases:
        ids = await lobby.evaluate(
            """case_ => fz.show.order(case_.overrides.map(o => ({id: o.id, priority: o.p,
              not_before: o.nb, not_after: o.na, version: o.v})), case_.now).map(o => o.id)""",
            case,
        )
        assert ids == case["order"]


async def test_the_scripts_are_es2017(harness: Harness, browsing: BrowserContext) -> None:
    page = await browsing.new_page()
    await page.goto("about:blank")
    await page.evaluate((VENDOR / "acorn.js").read_text(encoding="utf-8"))
    assets = ROOT / "adapters/fzalert_display/kiosk/assets"
    for script in sorted(assets.rglob("*.js")):
        await page.evaluate(
            "text => { acorn.parse(text, {ecmaVersion: 2017}); }",
            script.read_text(encoding="utf-8"),
        )


async def test_two_browsers_on_one_screen_are_noticed(
    harness: Harness, lobby: Screen, browsing: BrowserContext
) -> None:
    copy = harness.watch(await browsing.new_page())
    await copy.page.goto(lobby.page.url)
    await lobby.mark("◎")
    assert "two browsers" in (await harness.adapter.health()).detail
    await copy.title(harness.IDLE[0].title)
    copy.check()
