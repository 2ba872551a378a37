"""The log: one line an event, no personal data, no secret, no local variables."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from fzalert.cli.logs import start_logging
from fzalert.config import LogSettings
from fzalert.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    file = tmp_path / "fzalert.log"
    start_logging(LogSettings(file=file))
    yield file
    for handler in root.handlers:
        handler.close()
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def events(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]


def test_numbers_and_secrets_do_not_reach_the_file(file: Path) -> None:
    log = structlog.get_logger("fzalert.test")
    log.info("made.up", to="13800138000", api_token="t0ps3cret", nested={"password": "t0ps3cret"})
    logging.getLogger("other").warning("called 13800138000")
    text = file.read_text(encoding="utf-8")
    assert "13800138000" not in text
    assert "t0ps3cret" not in text
    assert "138****8000" in text
    assert [event["level"] for event in events(file)] == ["info", "warning"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\x85", "\u2028", "\u2029"])
def test_no_text_breaks_a_line(end: str, file: Path) -> None:
    structlog.get_logger("fzalert.test").info("made.up", said=f"a{end}forged")
    assert len(file.read_text(encoding="utf-8").splitlines()) == 1
    assert events(file)[0]["said"] == f"a{end}forged"


def test_a_trace_has_no_local_variables(file: Path) -> None:
    def fail() -> None:
        hidden = "t0ps3cret"
        raise ValueError(len(hidden))

    try:
        fail()
    except ValueError:
        structlog.get_logger("fzalert.test").exception("made.up")
    text = file.read_text(encoding="utf-8")
    assert "ValueError" in text
    assert "t0ps3cret" not in text


def test_a_log_file_that_cannot_be_opened_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[log\] file"):
        start_logging(LogSettings(file=tmp_path / "no" / "folder.log"))
