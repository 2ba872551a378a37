"""Key figures at the terminal: the same numbers as a table, as JSON, as CSV and as a workbook."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from python_calamine import load_workbook

from fzalert.cli.freeze.figures import _as_csv
from fzalert.service import Service
from fzalert.testing.house import House
from fzalert.testing.processes import Site
from tests.e2e.freeze_scenes import Stage
from tests.unit.freezing import BANK

PLAIN = """
[identity]
county = "青山县"
branch = "城关支行"
sign = "城关支行"
[web]
port = 0
"""


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    house = House(tmp_path)
    (tmp_path / "fzalert.toml").write_text(PLAIN, encoding="utf-8")
    async with Service(house.settings, clock=house.clock, delivers=False) as service:
        stage = Stage(house, service)
        await stage.hire()
        await stage.stopped()
        yield stage


async def test_the_figures_are_written_as_people_and_programs_want_them(stage: Stage) -> None:
    site = Site(stage.house.folder)
    words = ("freeze", "figures", "--token-file", "ma.token")
    ended = await site.fzalert("--json", *words, "--csv", "f.csv", "--xlsx", "f.xlsx")
    assert ended.code == 0, ended
    rows: list[dict[str, Any]] = [json.loads(line) for line in ended.out.splitlines()]
    assert [(row["desk"], row["stopped"]) for row in rows] == [(BANK, 1), ("", 1)]
    text = (stage.house.folder / "f.csv").read_text(encoding="utf-8-sig")
    table = list(csv.reader(io.StringIO(text)))
    assert table[1][:4] == [rows[0]["month"], BANK, "中国工商银行", "1"]
    assert table[1][-4:] == ["50000.00", "50000.00", "0.00", "0.00"]
    book = load_workbook(stage.house.folder / "f.xlsx")
    sheet = book.get_sheet_by_index(0).to_python()
    assert sheet[0] == table[0]
    assert (sheet[1][1], sheet[1][-4]) == (BANK, 50000.0)
    shown = await site.fzalert(*words, "--month", rows[0]["month"])
    assert "50,000.00" in shown.out
    wrong = await site.fzalert("--json", *words, "--month", "2026-13")
    assert wrong.code == 2
    assert "month" in json.loads(wrong.err.splitlines()[-1])["error"]["text"]
    told = ended.out + text + shown.out
    for secret in ("622202", "张三", "李四", "王一", "user:ma"):
        assert secret not in told


def test_a_name_that_looks_like_a_formula_is_text() -> None:
    body = _as_csv([["2026-11", "=1+1", "＝HYPERLINK(1)", 1]]).decode("utf-8-sig")
    assert body.splitlines()[1] == "2026-11,'=1+1,'＝HYPERLINK(1),1"
