"""A library's log: nothing on the caller's own output, everything where somebody listens."""

import logging
import subprocess
import sys

import pytest

from fzalert.log import get_logger

PROGRAM = """
from fzalert.log import get_logger
log = get_logger("fzalert.test")
log.info("channel.open", channel="mobile")
log.error("channel.crashed", channel="mobile")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("adapter.failed")
"""


def test_nothing_is_printed_in_a_program_that_set_up_no_log() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_a_program_that_listens_hears_event_and_values(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="fzalert"):
        get_logger("fzalert.test").info("channel.open", channel="mobile")
    (record,) = caplog.records
    assert (record.name, record.getMessage()) == ("fzalert.test", "channel.open")
    assert record.__dict__["channel"] == "mobile"


def test_an_error_comes_with_its_exception(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="fzalert"):
        try:
            int("no number")
        except ValueError:
            get_logger("fzalert.test").exception("adapter.failed")
    (record,) = caplog.records
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)
