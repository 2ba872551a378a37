"""What every test shares: the event loop, how long Hypothesis searches, and who may run as root."""

import logging
import os
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

IN_CI = os.environ.get("CI", "").lower() not in {"", "0", "false"}

settings.register_profile("dev", max_examples=25, deadline=None)
settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True)
settings.load_profile("ci" if IN_CI else "dev")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run every asynchronous test on asyncio, in one task with its fixtures."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """Let each test end with a log that nobody set up, whatever it did in this process."""
    yield
    if structlog.is_configured():
        structlog.reset_defaults()
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    for handler in root.handlers[:]:
        if type(handler).__module__.startswith("fzalert"):
            root.removeHandler(handler)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        # A server of a test's own sets these up for itself, away from the root.
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs root where there is none; in CI that is an error."""
    if os.geteuid() == 0:
        return
    out = [item for item in items if item.get_closest_marker("root")]
    if out and IN_CI:
        raise pytest.UsageError(f"{len(out)} tests need the rights of root, and CI runs them all")
    config.hook.pytest_deselected(items=out)
    items[:] = [item for item in items if item not in out]
