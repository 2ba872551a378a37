"""What the simulated CMPP gateway does wrong beyond what every simulated gateway can do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fzalert_sms.carrier.simulator.knobs import Knobs as CarrierKnobs
from fzalert_sms.cmpp.codec import V20, V30, Layout

_LAYOUTS: dict[str, Layout | None] = {"auto": None, "2.0": V20, "3.0": V30}


@dataclass(frozen=True, slots=True)
class Knobs(CarrierKnobs):
    """Behaviour of the simulated gateway.

    Attributes:
        layout: auto takes the version that the login asks for; 2.0 and 3.0 are used whatever it
            asks for, as some clients ask for one and speak the other.
        highest_version: A login that asks for more is refused with status 4.
        bare_tests: Answer ACTIVE_TEST with 12 octets instead of 13.
    """

    accounts: dict[str, str] = field(default_factory=lambda: {"901234": "1234"})
    layout: Literal["auto", "2.0", "3.0"] = "auto"
    highest_version: Literal["2.0", "3.0"] = "3.0"
    bare_tests: bool = False

    @property
    def highest(self) -> int:
        """The highest version, in the form of CONNECT."""
        return 0x2F if self.highest_version == "2.0" else 0xFF

    @property
    def forced_layout(self) -> Layout | None:
        """The layout of every frame, or None."""
        return _LAYOUTS[self.layout]
