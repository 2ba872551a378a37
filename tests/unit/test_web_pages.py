"""Staff pages: complete without a script, masked, and closed where they must be."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta, timezone
from pathlib import Path

import httpx
import pytest

from fzalert.config import Settings, parse_settings
from fzalert.service.models import CampaignView, ChannelView, CountersView, WarnRequest
from fzalert.testing import FakeClock
from fzalert.testing.service import FakeService
from fzalert.web import build_app

BEIJING = timezone(timedelta(hours=8))
OUTSIDE = '[web]\nhost = "0.0.0.0"'


def settings_of(text: str = "") -> Settings:
    return parse_settings(text, Path("/etc/fzalert.toml"))


def browser(service: FakeService, settings: Settings, clock: FakeClock) -> httpx.AsyncClient:
    app = build_app(service, settings, clock=clock)
    base = "http://127.0.0.1:8800" if settings.web.is_loopback else "http://10.0.0.5:8800"
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base)
    client.headers.update({"accept": "text/html", "sec-fetch-site": "same-origin"})
    return client


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def service(clock: FakeClock) -> FakeService:
    service = FakeService({"zhang": ["teller"]}, clock=clock)
    service.channels = [
        ChannelView(
            name="cmpp-1",
            adapter="sms.cmpp",
            kinds=["phone"],
            state="down",
            detail="认证失败，第 6 次，14:33 再连",
            window=16,
            in_flight=16,
            last_error="<script>alert(1)</script>",
            counters=CountersView(delivered=12480, failed=3, unknown=2),
        )
    ]
    return service


@pytest.fixture
async def local(service: FakeService, clock: FakeClock) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(service, settings_of(), clock) as client:
        yield client


@pytest.fixture
async def outside(service: FakeService, clock: FakeClock) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(service, settings_of(OUTSIDE), clock) as client:
        yield client


async def test_the_status_page_says_everything_without_a_script(
    local: httpx.AsyncClient, service: FakeService
) -> None:
    request = WarnRequest(script="impersonating-police", to=["phone:13800138000"], key="a")
    await service.warn_request(request, service.directory.local_actor())
    page = (await local.get("/")).text
    for text in (
        "cmpp-1",
        "断开",
        "down",
        "16/16",
        "12,480",
        "认证失败，第 6 次",
        "自动重连",
        "99.9%",
    ):
        assert text in page
    assert "138****8000" in page
    assert "13800138000" not in page
    assert re.search(r'id="as-of">\d\d:\d\d:\d\d<', page)


async def test_text_from_outside_stays_text(local: httpx.AsyncClient) -> None:
    page = (await local.get("/")).text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page


async def test_each_page_has_its_own_nonce_and_no_inline_style(local: httpx.AsyncClient) -> None:
    first, second = await local.get("/"), await local.get("/")
    nonces = [
        re.findall(r"'nonce-([^']+)'", page.headers["content-security-policy"])
        for page in (first, second)
    ]
    assert nonces[0] != nonces[1]
    assert f'nonce="{nonces[0][0]}"' in first.text
    assert "style=" not in first.text
    assert not re.search(r"\son\w+=", first.text)


async def test_assets_are_kept_for_ever_under_their_version(local: httpx.AsyncClient) -> None:
    page = (await local.get("/")).text
    for path in re.findall(r'"(/static/[^"]+)"', page):
        answer = await local.get(path)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert (await local.get("/static/0/live.js")).status_code == 404
    assert (await local.get("/static/0/..%2F..%2Fapp.py")).status_code == 404


async def test_one_warning_shows_each_target(
    local: httpx.AsyncClient, service: FakeService
) -> None:
    request = WarnRequest(script="impersonating-police", to=["phone:13800138000"], key="a")
    view = await service.warn_request(request, service.directory.local_actor())
    page = await local.get(f"/warnings/{view.id}")
    assert "设备自报" in page.text
    assert "已到手机" in page.text
    missing = await local.get("/warnings/404")
    assert missing.status_code == 404
    assert "没有这条预警" in missing.text


async def test_from_outside_a_login_is_asked_for(outside: httpx.AsyncClient) -> None:
    for path in ("/", "/warnings/1"):
        answer = await outside.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert (await outside.get("/events")).status_code == 401


async def test_behind_a_proxy_this_machine_is_no_reader(local: httpx.AsyncClient) -> None:
    answer = await local.get("/", headers={"x-forwarded-for": "10.0.0.9"})
    assert answer.headers["location"] == "/login"


async def test_a_login_opens_the_pages_until_it_is_closed(
    outside: httpx.AsyncClient, service: FakeService
) -> None:
    assert "没有加密" in (await outside.get("/login")).text
    wrong = await outside.post("/login", data={"token": "nobody"})
    assert wrong.status_code == 401
    assert "令牌无效" in wrong.text
    right = await outside.post("/login", data={"token": service.tokens["zhang"]})
    assert right.status_code == 303
    cookie = right.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert service.tokens["zhang"] not in cookie
    assert "zhang" in (await outside.get("/")).text
    await outside.post("/logout")
    assert (await outside.get("/")).status_code == 303


async def test_a_session_ends_with_the_persons_access(
    outside: httpx.AsyncClient, service: FakeService
) -> None:
    await outside.post("/login", data={"token": service.tokens["zhang"]})
    await service.disable_user("zhang")
    assert (await outside.get("/")).status_code == 303


@pytest.mark.parametrize("step", [31 * 60, 13 * 3600])
async def test_an_idle_session_ends(
    step: int, outside: httpx.AsyncClient, service: FakeService, clock: FakeClock
) -> None:
    await outside.post("/login", data={"token": service.tokens["zhang"]})
    clock.advance(step)
    assert (await outside.get("/")).status_code == 303


@pytest.mark.parametrize(
    "foreign",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "", "origin": "null"},
    ],
)
async def test_another_sites_page_cannot_sign_anybody_in(
    foreign: dict[str, str], outside: httpx.AsyncClient, service: FakeService
) -> None:
    answer = await outside.post("/login", data={"token": service.tokens["zhang"]}, headers=foreign)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_an_old_browser_is_known_by_its_origin(
    outside: httpx.AsyncClient, service: FakeService
) -> None:
    del outside.headers["sec-fetch-site"]
    data = {"token": service.tokens["zhang"]}
    own = await outside.post("/login", data=data, headers={"origin": "http://10.0.0.5:8800"})
    assert own.status_code == 303
    other = await outside.post("/login", data=data, headers={"origin": "http://evil.example"})
    assert other.status_code == 403


async def test_a_drill_stands_on_every_page(service: FakeService, clock: FakeClock) -> None:
    async with browser(service, settings_of("[drill]\nenabled = true"), clock) as client:
        for path in ("/", "/login", "/nowhere"):
            assert "演练" in (await client.get(path)).text


async def test_the_page_says_since_when_and_when_the_last_error_came(
    local: httpx.AsyncClient, service: FakeService, clock: FakeClock
) -> None:
    began = f"{clock.now().astimezone(BEIJING):%H:%M}"
    assert f'<span class="clock">{began}</span> 起，已 0 秒' in (await local.get("/")).text
    clock.advance(185)
    page = (await local.get("/")).text
    assert f'<span class="clock">{began}</span> 起，已 3 分钟' in page
    service.channels[0] = service.channels[0].model_copy(
        update={"state": "up", "last_error": "8 流量超限"}
    )
    changed = f"{clock.now().astimezone(BEIJING):%H:%M}"
    page = (await local.get("/")).text
    assert f'<span class="clock">{changed}</span> 起，已 0 秒' in page
    assert f'8 流量超限 <small class="clock">{changed}</small>' in page
    clock.advance(26 * 3600)
    page = (await local.get("/")).text
    assert "起，已 26 小时" in page
    assert f'8 流量超限 <small class="clock">{changed}</small>' not in page  # it has a date now


async def test_what_waits_for_a_line_that_is_down_is_shown_and_is_no_pace(
    local: httpx.AsyncClient, service: FakeService
) -> None:
    change = {"per_second": 1.3, "counters": CountersView(accepted=7, queued=7)}
    service.channels[0] = service.channels[0].model_copy(update=change)
    page = (await local.get("/")).text
    assert "+7 待发" in page
    assert "1.3" not in page
    service.channels[0] = service.channels[0].model_copy(update={"state": "slow"})
    page = (await local.get("/")).text
    assert "约 5 秒" in page


async def test_a_campaign_says_when_it_will_be_done_and_why_it_stopped(
    local: httpx.AsyncClient, service: FakeService, clock: FakeClock
) -> None:
    change: dict[str, object] = {"per_second": 10.0, "state": "up"}
    service.channels[0] = service.channels[0].model_copy(update=change)
    service.planned = [
        CampaignView(
            id="9000000000000", name="十一月", warning="", script="generic/general/1",
            state="running", total=8000, fed=2000,
        )
    ]  # fmt: skip
    done = clock.now().astimezone(BEIJING) + timedelta(seconds=600)
    page = (await local.get("/")).text
    assert f'预计 <span class="clock">{done:%H:%M}</span> 发完' in page
    change = {"state": "paused", "reason": "话术未批准"}
    service.planned[0] = service.planned[0].model_copy(update=change)
    page = (await local.get("/")).text
    assert "话术未批准" in page
    assert "预计" not in page


async def test_an_import_says_how_far_it_is(local: httpx.AsyncClient, service: FakeService) -> None:
    service.planned = [
        CampaignView(
            id="9000000000000", name="十一月", warning="", script="generic/general/1",
            state="importing", total=2500, fed=0, rows=2600,
        )
    ]  # fmt: skip
    page = (await local.get("/")).text
    assert "导入名单" in page
    assert '<progress aria-label="十一月 导入进度"></progress>' in page
    assert "2,600</span> 行" in page
    assert "2,500</span> 人" in page


async def test_no_channel_at_all_is_said_in_words(
    local: httpx.AsyncClient, service: FakeService
) -> None:
    service.channels = []
    assert "发不出任何预警" in (await local.get("/")).text
