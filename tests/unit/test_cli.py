"""The terminal program: exit codes, JSON and text, questions, and errors without traces."""

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fzalert.cli import main
from fzalert.cli.exits import MEANINGS, Exit, exit_for
from fzalert.cli.output import width
from fzalert.cli.values import parse_duration, parse_values
from fzalert.config import Settings
from fzalert.errors import (
    AccessDenied,
    ChannelRefused,
    ConfigError,
    FateUnknown,
    FzalertError,
    InputError,
    IntegrityError,
    NotConnected,
    ScriptNotApproved,
    StoreDamaged,
    StoreFull,
    StoreInUse,
)
from fzalert.service.models import ChannelView
from fzalert.testing.service import SCRIPT, FakeService


@dataclass
class Ran:
    """What a call left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def rows(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


class Terminal:
    """Types commands against a service in memory."""

    def __init__(self, service: FakeService, capsys: pytest.CaptureFixture[str]) -> None:
        self.service = service
        self._capsys = capsys

    def __call__(self, *words: str) -> Ran:
        code = main(words, opener=self._open)
        out, err = self._capsys.readouterr()
        assert "Traceback" not in err
        return Ran(code, out, err)

    @asynccontextmanager
    async def _open(self, settings: Settings) -> AsyncIterator[FakeService]:
        yield self.service


@pytest.fixture
def service() -> FakeService:
    service = FakeService({"zhang": ["script_editor"], "li": ["approver"], "wang": ["teller"]})
    service.channels.append(
        ChannelView(name="line-1", adapter="sms.line", kinds=["phone"], state="up")
    )
    return service


@pytest.fixture
def terminal(
    service: FakeService,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Terminal:
    (tmp_path / "fzalert.toml").write_text("[web]\nport = 0\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name in ("FZALERT_CONFIG", "FZALERT_TOKEN", "FZALERT_APPROVER_TOKEN", "FZALERT_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    return Terminal(service, capsys)


def test_status_is_a_table_or_one_object(terminal: Terminal) -> None:
    text = terminal("status")
    assert text.code == 0
    assert "● 正常" in text.out
    made = terminal("status", "--json")
    assert made.json["channels"][0]["name"] == "line-1"
    assert made.err == ""


def test_status_tells_a_down_channel_by_its_exit_code(
    terminal: Terminal, service: FakeService
) -> None:
    service.channels[0] = service.channels[0].model_copy(update={"state": "down"})
    assert terminal("--json", "status").code == Exit.UNREACHABLE


def test_a_warning_goes_out_after_yes(terminal: Terminal, service: FakeService) -> None:
    ran = terminal(
        "warn", "impersonating-police", "phone:13800138000", "--yes", "--key", "T1", "--json"
    )
    assert ran.code == 0
    assert ran.json["targets"][0]["target"] == "phone:138****8000"
    assert service.requests["T1"].lane == "urgent"


def test_a_warning_takes_its_targets_from_a_file_too(
    terminal: Terminal, service: FakeService, tmp_path: Path
) -> None:
    people = tmp_path / "people.txt"
    people.write_text("# two\nphone:13800138000\n\nphone:13900139000\n", encoding="utf-8")
    words = ["--to-file", str(people), "--yes", "--expires-in", "5m", "--key", "a"]
    assert terminal("warn", "impersonating-police", *words).code == 0
    assert service.requests["a"].to == ["phone:13800138000", "phone:13900139000"]
    assert service.requests["a"].expires_in == 300


def test_without_yes_nothing_leaves_where_nobody_can_be_asked(
    terminal: Terminal, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    ran = terminal("warn", "impersonating-police", "phone:13800138000")
    assert ran.code == Exit.USAGE  # no channel is configured, which the preview says first
    assert "没有通道" in ran.out
    assert service.warnings == []


def test_who_acts_is_the_holder_of_the_token(
    terminal: Terminal, service: FakeService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    words = ["warn", "impersonating-police", "display:lobby", "--yes", "--json"]
    assert terminal(*words, "--key", "a").json["by"].startswith("local:")
    monkeypatch.setenv("FZALERT_TOKEN", service.tokens["wang"])
    assert terminal(*words, "--key", "b").json["by"] == "user:wang"
    file = tmp_path / "token"
    file.write_text(service.tokens["zhang"] + "\n", encoding="utf-8")
    named = terminal(*words, "--key", "c", "--token-file", str(file))
    assert named.json["by"] == "user:zhang"
    monkeypatch.setenv("FZALERT_TOKEN", "wrong")
    assert terminal(*words, "--key", "d").code == Exit.GUARD


def test_an_approval_takes_two_persons(
    terminal: Terminal, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FZALERT_TOKEN", service.tokens["zhang"])
    missing = terminal("scripts", "approve", SCRIPT, "--json")
    assert missing.code == Exit.USAGE
    monkeypatch.setenv("FZALERT_APPROVER_TOKEN", service.tokens["zhang"])
    assert terminal("scripts", "approve", SCRIPT).code == Exit.GUARD
    monkeypatch.setenv("FZALERT_APPROVER_TOKEN", service.tokens["li"])
    done = terminal("scripts", "approve", SCRIPT, "--json")
    assert (done.code, done.json["status"]) == (0, "approved")


def test_a_token_is_shown_once(terminal: Terminal, service: FakeService) -> None:
    made = terminal("user", "add", "zhao", "--role", "teller", "--role", "viewer", "--json")
    assert made.json["token"] == service.tokens["zhao"]
    listed = terminal("user", "list", "--json")
    assert {row["name"] for row in listed.rows} == {"zhang", "li", "wang", "zhao"}
    assert service.tokens["zhao"] not in listed.out
    assert terminal("user", "disable", "zhao").code == 0
    assert terminal("user", "add", "qian", "--role", "boss").code == Exit.USAGE


def test_an_office_is_given_by_an_admin_and_shown_in_the_list(
    terminal: Terminal, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = ["--rank", "county", "--unit", "110101000000"]
    assert terminal("user", "add", "ma", "--role", "detective", *office).code == 0
    assert "县级 county" in terminal("user", "list").out
    made = terminal("user", "appoint", "ma", "--rank", "prefecture", "--json")
    assert (made.rows[0]["rank"], made.rows[0]["unit"]) == ("prefecture", "110101000000")
    assert terminal("user", "appoint", "ma", "--rank", "national").code == Exit.USAGE
    monkeypatch.setenv("FZALERT_TOKEN", service.tokens["wang"])
    assert terminal("user", "appoint", "ma", "--rank", "province").code == Exit.GUARD
    assert terminal("user", "disable", "ma").code == Exit.GUARD
    assert terminal("user", "add", "x", "--role", "admin").code == Exit.GUARD


def test_campaigns_are_planned_and_steered(terminal: Terminal, tmp_path: Path) -> None:
    plan = ["campaign", "plan", "people.csv", "--name", "十一月", "--script", "generic", "--json"]
    made = terminal(*plan)
    assert made.json["state"] == "ready"
    id = made.json["id"]
    assert terminal("campaign", "start", id).code == Exit.USAGE
    assert terminal("campaign", "start", id, "--yes", "--json").json["state"] == "running"
    assert terminal("campaign", "pause", id, "--json").json["state"] == "paused"
    assert "十一月" in terminal("campaign", "list").out
    assert terminal("campaign", "pause", "0").code == Exit.USAGE


def test_the_library_is_listed_shown_previewed_and_linted(terminal: Terminal) -> None:
    assert SCRIPT in terminal("scripts", "list").out
    shown = terminal("scripts", "show", "impersonating-police", "--json")
    assert {"zh.sms", "elder.sms"} <= {row["name"] for row in shown.rows}
    made = terminal("scripts", "preview", "impersonating-police", "--json")
    assert {"sms", "display", "speech"} <= {row["name"] for row in made.rows if row["text"]}
    linted = terminal("scripts", "lint", "--json")
    assert linted.code == 0, linted.out
    assert terminal("scripts", "show", "no-such").code == Exit.USAGE


def test_parts_of_a_text_are_counted(terminal: Terminal) -> None:
    ran = terminal("sms", "parts", "反" * 71, "--json")
    assert ran.json["parts"] == 2
    assert ran.json["units"] == [67, 4]


def test_adapters_and_their_settings_are_listed(terminal: Terminal) -> None:
    rows = terminal("adapters", "list", "--json").rows
    assert {"sms.cmpp", "display.kiosk"} <= {row["name"] for row in rows}
    (one,) = terminal("adapters", "list", "sms.cmpp", "--json").rows
    settings = {each["name"]: each for each in one["settings"]}
    assert settings["host"]["required"]
    assert settings["connections"]["description"]
    assert "slot" not in settings


def test_check_names_every_fault(terminal: Terminal, tmp_path: Path) -> None:
    good = terminal("check")
    assert good.code == 0
    assert "没有通道" in good.out
    (tmp_path / "fzalert.toml").write_text("[wep]\n[log]\nlevel = 1\n", encoding="utf-8")
    bad = terminal("check")
    assert bad.code == Exit.CONFIG
    assert bad.out == ""
    assert "fzalert.toml:1: wep" in bad.err
    assert "fzalert.toml:3: log.level" in bad.err


@pytest.mark.parametrize(
    ("words", "say"),
    [
        (["nope"], "no command 'nope'"),
        (["statis"], "did you mean status?"),
        (["scripts", "aprove"], "did you mean approve?"),
        (["warn"], "--script"),
        (["warn", "x", "--lane", "fast"], "lane"),
        (["warn", "x", "--colour", "red"], "--colour"),
        (["warn", "impersonating-police"], "Nobody is named"),
        (["warn", "x", "phone:1", "--expires-in", "soon", "--yes"], "no length of time"),
    ],
)
def test_wrong_usage_is_2_on_standard_error(words: list[str], say: str, terminal: Terminal) -> None:
    ran = terminal(*words)
    assert (ran.code, ran.out) == (Exit.USAGE, "")
    assert say in ran.err


def test_an_error_is_one_clear_text_with_code_and_next_step(
    terminal: Terminal, service: FakeService
) -> None:
    service.broken = StoreInUse("Process 7 owns the store.", hint="Stop it first.")
    ran = terminal("status")
    assert ran.code == Exit.LOCKED
    assert ran.err == (
        "fzalert: Process 7 owns the store.\n下一步 Next: Stop it first.\n[store-in-use] exit 8\n"
    )
    made = terminal("status", "--json")
    assert made.out == ""
    assert json.loads(made.err)["error"] == {
        "code": "store-in-use",
        "text": "Process 7 owns the store.",
        "hint": "Stop it first.",
        "exit": 8,
    }


def test_an_unexpected_error_shows_no_trace(terminal: Terminal, service: FakeService) -> None:
    service.broken = RuntimeError("a mistake")
    ran = terminal("status")
    assert ran.code == Exit.UNEXPECTED
    assert "a mistake" in ran.err


def test_the_trace_is_shown_to_those_who_ask(
    service: FakeService, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FZALERT_DEBUG", "1")
    service.broken = NotConnected("Nobody answers.")
    with pytest.raises(AssertionError, match="Traceback"):
        terminal("status")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), 3),
        (ScriptNotApproved("x"), 4),
        (AccessDenied("x"), 4),
        (InputError("x"), 2),
        (ChannelRefused("x"), 5),
        (NotConnected("x"), 6),
        (FateUnknown("x"), 7),
        (StoreInUse("x"), 8),
        (StoreDamaged("x"), 9),
        (IntegrityError("x"), 9),
        (StoreFull("x"), 1),
    ],
)
def test_exit_codes_are_fixed(error: FzalertError, code: int) -> None:
    assert exit_for(error) == code


def test_help_names_every_exit_code_and_every_command_has_help(terminal: Terminal) -> None:
    ran = terminal("--help")
    assert ran.code == 0
    joined = " ".join(ran.out.split())
    for code, meaning in MEANINGS.items():
        assert f"{int(code)} {meaning}"[:12] in joined
    for words in (["warn"], ["run"], ["check"], ["scripts", "approve"], ["user", "add"]):
        assert terminal(*words, "--help").code == 0


def test_values_and_durations() -> None:
    assert parse_values(["branch=城关支行", "case_count=12", "last4=0012"]) == {
        "branch": "城关支行",
        "case_count": 12,
        "last4": "0012",
    }
    assert [parse_duration(text) for text in ("", "90", "90s", "10m", "24h", "7d")] == [
        None,
        90.0,
        90.0,
        600.0,
        86400.0,
        604800.0,
    ]
    for wrong in ("branch", "=x"):
        with pytest.raises(InputError):
            parse_values([wrong])
    with pytest.raises(InputError):
        parse_values(["a=1", "a=2"])


def test_chinese_takes_two_columns() -> None:
    assert width("反诈 ab") == 7
