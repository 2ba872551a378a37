"""The demo's case as a user runs it: four stops at simulated banks, and what proves them."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fzalert.cli.demo.freeze_banks import LEVEL_TWO, PAID, VICTIM_CARD, messages
from fzalert.cli.demo.freeze_story import VICTIM, CaseTold
from fzalert.clock import SystemClock
from fzalert.freeze.bundle import verify_bundle
from fzalert.freeze.codes import card_flaw, id_card_flaw, issuer_of
from fzalert.freeze.paste import parse_paste
from fzalert.testing.processes import Ended, Site

WITHIN = 240.0


async def _ran(folder: Path, *words: str) -> Ended:
    return await Site(folder).fzalert(
        "demo", "--only", "case", "--out", "demo", *words, within=WITHIN
    )


def _lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _text_of(pdf: Path) -> str:
    return subprocess.run(
        ["pdftotext", "-layout", str(pdf), "-"], check=True, capture_output=True, text=True
    ).stdout


async def test_the_case_ends_with_four_stops_and_their_proof(tmp_path: Path) -> None:
    ended = await _ran(tmp_path, "--json")
    assert ended.code == 0, ended
    told = json.loads(ended.out)
    assert (told["stopped"], told["stopped_by_banks"], told["packages"]) == (4, 4, 5)
    # Counted once more, from the banks' raw lines alone.
    lines = _lines(tmp_path / "demo" / "banks" / "raw.jsonl")
    assert len({one["sha256"] for one in lines if one["event"] == "package"}) == 5
    core = [(one["code"], one["account"][-4:]) for one in lines if one["event"] == "core"]
    assert sorted(code for code, _ in core) == ["0000", "0000", "0000", "0000", "0301"]
    assert {tail for code, tail in core if code == "0000"} == {
        number[-4:] for number in (LEVEL_TWO, *(one.number for one in PAID))
    }
    _papers(told)
    _bundle_and_board(told)
    for folder in ("secrets", "case"):
        assert (tmp_path / "demo" / folder).stat().st_mode & 0o077 == 0


def _bundle_and_board(told: Mapping[str, Any]) -> None:
    report = verify_bundle(Path(told["bundle"]).read_bytes())
    assert (report.case, len(report.papers)) == (told["case"], 5)
    assert told["case"] in told["verified"]
    board = Path(told["board"]).read_text(encoding="utf-8")
    assert board.count("已止付 stopped") >= 4
    assert "演练" in board
    for secret in (VICTIM.name, VICTIM.id_number, VICTIM_CARD, LEVEL_TWO, PAID[0].number):
        assert secret not in board


def _papers(told: Mapping[str, Any]) -> None:
    texts = [_text_of(Path(paper)) for paper in told["papers"]]
    assert len(texts) == 4
    for text, number in zip(texts, [*(one.number for one in PAID), LEVEL_TWO], strict=True):
        assert number in text
        assert re.search(r"演\s*练", text)
    assert PAID[2].holder in texts[2]
    assert PAID[2].name not in texts[2]  # the corrected paper, not the refused one
    for other in (one.number for one in PAID[1:]):
        assert other not in texts[0]


async def test_it_is_told_live_and_another_s_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    kept = tmp_path / "demo" / "mine.txt"
    kept.write_text("mine", encoding="utf-8")
    refused = await _ran(tmp_path)
    assert (refused.code, kept.read_text(encoding="utf-8")) == (2, "mine")


def test_nothing_in_the_report_can_exist_anywhere() -> None:
    numbers = [VICTIM_CARD, LEVEL_TWO, *(one.number for one in PAID)]
    assert all(card_flaw(number) is None for number in numbers)
    assert all(issuer_of(number) is None for number in numbers)
    assert id_card_flaw(VICTIM.id_number) is None
    assert VICTIM.id_number[6:10] == "1900"
    now = SystemClock().now()
    for text, one in zip(messages(now), PAID, strict=True):
        draft = parse_paste(text, now)
        found = (draft.payee_number, draft.payee_name, draft.payee_bank, draft.amount)
        assert found == (one.number, one.name, one.bank, one.amount)
        assert draft.at is not None
        assert draft.doubts == ()


def test_a_stop_that_the_banks_do_not_know_of_is_no_success() -> None:
    assert CaseTold(stopped=4, by_banks=4, packages=5).is_right
    assert not CaseTold(stopped=4, by_banks=3, packages=5).is_right
    assert not CaseTold(stopped=3, by_banks=3, packages=5).is_right
    assert not CaseTold(stopped=4, by_banks=4, packages=6).is_right
