"""How long a fault test goes on: a short round in every test run, a long one in a soak."""

from __future__ import annotations

import os

VARIABLE = "FZ_SOAK"
"""Environment variable that asks for the long round; `make soak` sets it."""


def rounds(normal: int, soak: int) -> int:
    """How many rounds a test runs.

    Args:
        normal: Rounds in `make test`.
        soak: Rounds in `make soak`.
    """
    return soak if os.environ.get(VARIABLE) else normal
