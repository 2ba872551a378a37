"""What the simulated message centre does beyond what every simulated gateway can do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fzalert_sms.carrier.simulator.knobs import Knobs as CarrierKnobs

IdForm = Literal["decimal", "hex", "uuid"]
ReceiptId = Literal["same", "decimal", "hex", "zeros", "upper"]


@dataclass(frozen=True, slots=True)
class Knobs(CarrierKnobs):
    """Behaviour of the simulated message centre.

    `report_form` means here: plain, text and fields; other, fields alone; seconds, text alone with
    times of 12 digits; blank, text alone without times; head, text alone with id and state in
    another order and case; 86, text and fields with + in front of the number.

    Attributes:
        message_ids: How answers write an id.
        receipt_ids: How receipts write it: as the answer; decimal or hex, a number written anew;
            zeros, with two more in front; upper, in capitals.
        congestion: congestion_state of every answer, in percent; 0 leaves it out.
        replies_by: How parts of a long message of a person are marked.
    """

    accounts: dict[str, str] = field(default_factory=lambda: {"fzalert": "secret08"})
    message_ids: IdForm = "decimal"
    receipt_ids: ReceiptId = "same"
    congestion: int = 0
    replies_by: Literal["udh", "sar", "payload"] = "udh"
