"""What the simulated SMGP gateway does wrong beyond what every simulated gateway can do."""

from __future__ import annotations

from dataclasses import dataclass, field

from fzalert_sms.carrier.simulator.knobs import Knobs as CarrierKnobs


@dataclass(frozen=True, slots=True)
class Knobs(CarrierKnobs):
    """Behaviour of the simulated gateway.

    `report_form` means here: other, the id written as hexadecimal digits; seconds, times of 12
    digits; blank, without times; head, id and state alone; 86, with the country code in front of
    the number.

    Attributes:
        bcd_ids: Whether every MsgID consists of digits, as the text says; else every third one
            has the octets that a careless reader stumbles over: zero, blank and colon.
    """

    accounts: dict[str, str] = field(default_factory=lambda: {"35100001": "shared"})
    bcd_ids: bool = False
