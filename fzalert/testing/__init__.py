"""For authors of adapters and of tests: the contract, a recording wire, a clock one can push.

Needs pytest, which `fzalert[testing]` brings. Only tests import this.
"""

import pytest

# Before the imports, or a failed assertion in the contract shows no values.
pytest.register_assert_rewrite(
    "fzalert.testing.contract",
    "fzalert.testing.stores",
    "fzalert.testing.traits",
)

from fzalert.testing.clock import FakeClock  # noqa: E402  see above
from fzalert.testing.context import SIGNER_SEED, make_context  # noqa: E402  see above
from fzalert.testing.contract import AdapterContract  # noqa: E402  see above
from fzalert.testing.peer import Peer, ReportingPeer  # noqa: E402  see above
from fzalert.testing.samples import (  # noqa: E402  see above
    SCRIPT,
    sample_rendition,
    sample_target,
    submission,
    text_of,
)
from fzalert.testing.state import MemoryState  # noqa: E402  see above
from fzalert.testing.traits import (  # noqa: E402  see above
    LifecycleContract,
    LinkContract,
    RefusalContract,
    ReportsContract,
    SilenceContract,
)
from fzalert.testing.wire import RecordingWire, WireStep  # noqa: E402  see above

__all__ = [
    "SCRIPT",
    "SIGNER_SEED",
    "AdapterContract",
    "FakeClock",
    "LifecycleContract",
    "LinkContract",
    "MemoryState",
    "Peer",
    "RecordingWire",
    "RefusalContract",
    "ReportingPeer",
    "ReportsContract",
    "SilenceContract",
    "WireStep",
    "make_context",
    "sample_rendition",
    "sample_target",
    "submission",
    "text_of",
]
