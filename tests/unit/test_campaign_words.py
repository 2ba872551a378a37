"""What people see of a campaign: facts before it starts, how far its import is, and every state."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from typing_extensions import override

from fzalert.access import Actor
from fzalert.campaigns import State
from fzalert.cli import main
from fzalert.cli.exits import Exit
from fzalert.config import Settings
from fzalert.service.models import CampaignRequest, CampaignView, RefusalView
from fzalert.service.preview_models import CampaignPreview
from fzalert.testing.service import FakeService
from fzalert.web.words import CAMPAIGNS

VIEW = CampaignView(
    id="9000000000000",
    name="十一月",
    warning="",
    script="generic/general/1",
    state="ready",
    total=8000,
    fed=0,
    parts=2,
    rows=8130,
    duplicates=100,
    refused=30,
    by_code={"W01": 100, "E02": 20, "E03": 10},
    villages={"东沟村": 5000, "西坪村": 3000},
    refusals=[
        RefusalView(row=n, column="手机号", code="E02", reason="不是有效的手机号", sheet="名单")
        for n in range(12, 42)
    ],
)


class Planning(FakeService):
    """A service whose import goes on until somebody has looked at it twice."""

    def __init__(self) -> None:
        super().__init__()
        self.looked = 0
        self.seen = asyncio.Event()

    @override
    async def plan_campaign(self, request: CampaignRequest, by: Actor) -> CampaignView:
        going = {"name": request.name, "state": "importing", "total": 2500, "rows": 2600}
        self.planned.append(VIEW.model_copy(update=going))
        async with asyncio.timeout(30):
            await self.seen.wait()
        self.planned[-1] = VIEW.model_copy(update={"name": request.name})
        return self.planned[-1]

    @override
    async def campaigns(self) -> list[CampaignView]:
        self.seen.set()
        return await super().campaigns()


@pytest.fixture
def service() -> Planning:
    return Planning()


@pytest.fixture
def run(
    service: Planning,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> object:
    """Type a command; gives its exit code, standard output and standard error."""
    (tmp_path / "fzalert.toml").write_text("[web]\nport = 0\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FZALERT_TOKEN", raising=False)
    monkeypatch.delenv("FZALERT_CONFIG", raising=False)

    @asynccontextmanager
    async def opened(settings: Settings) -> AsyncIterator[FakeService]:
        yield service

    def typed(*words: str) -> tuple[int, str, str]:
        code = main(words, opener=opened)
        return code, *capsys.readouterr()

    return typed


PLAN = ("campaign", "plan", "people.csv", "--name", "冬季", "--script", "generic")


def test_a_person_is_shown_what_would_go_out_before_it_does(service: Planning, run: object) -> None:
    assert callable(run)
    service.planned.append(VIEW)
    code, _, err = run("campaign", "start", VIEW.id)
    assert code == Exit.USAGE, "nobody was there to say yes"
    assert service.planned[0].state == "ready"
    for told in ("8,000 人", "共 16,000 条", "8,130 行：重复 100，拒收 30", "E02 20"):
        assert told in err
    assert "东沟村 5,000，西坪村 3,000" in err
    assert "名单 第 12 行 手机号 E02" in err
    assert "第 19 行" in err
    assert "第 20 行" not in err, "the first eight are enough for a question"
    assert f"campaign preview {VIEW.id}" in err


def test_scripts_confirm_by_the_digest_that_a_preview_showed(
    service: Planning, run: object
) -> None:
    assert callable(run)
    service.planned.append(VIEW)
    code, out, _ = run("campaign", "preview", VIEW.id)
    assert code == 0
    assert "第 41 行" in out, "a preview names every refused row"
    assert f"campaign start {VIEW.id} --confirm {service.digest}" in out
    code, _, err = run("campaign", "start", VIEW.id, "--confirm", service.digest)
    assert (code, service.confirmed, service.planned[0].state) == (0, service.digest, "running")
    assert "人" not in err, "nothing is asked"


def test_a_preview_is_one_object_for_programs(service: Planning, run: object) -> None:
    assert callable(run)
    service.planned.append(VIEW)
    code, out, err = run("campaign", "preview", VIEW.id, "--json")
    assert (code, err) == (0, "")
    assert CampaignPreview.model_validate_json(out).parts == 16_000


def test_an_import_tells_how_far_it_is_and_then_every_refused_row(run: object) -> None:
    assert callable(run)
    code, out, err = run(*PLAN)
    assert code == 0
    assert "已读 2,600 行，收 2,500 人" in err
    assert "第 41 行" in out
    assert f"fzalert campaign start {VIEW.id}" in out


def test_programs_get_one_object_and_no_progress(service: Planning, run: object) -> None:
    assert callable(run)
    service.seen.set()
    code, out, err = run(*PLAN, "--json")
    assert (code, err) == (0, "")
    assert CampaignView.model_validate_json(out).parts == 2


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_badge(state: State) -> None:
    badge = CAMPAIGNS[state]
    assert badge.sign
    assert badge.zh
    assert badge.en


def test_top_tells_the_rows_that_were_read(service: Planning, run: object) -> None:
    assert callable(run)
    service.planned.append(VIEW.model_copy(update={"state": "importing", "rows": 2600}))
    code, out, _ = run("top", "--once")
    assert code == 0
    assert "已读 2,600 行" in out
