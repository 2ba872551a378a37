"""What becomes of a message: receipts, reports, proofs and outcomes."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple

from fzalert.messages.targets import MessageId, Target, WarningId


class ReceiptKind(enum.StrEnum):
    """The six answers to a submission; the engine knows no others."""

    SENT = "sent"
    """The far side took it."""
    THROTTLED = "throttled"
    """Too fast: it goes back to the queue, and the attempt does not count."""
    TEMPORARY = "temporary"
    """May succeed later or elsewhere; the attempt counts."""
    PERMANENT = "permanent"
    """Will never succeed as it is."""
    CHANNEL_DOWN = "channel_down"
    """Nothing left: the channel as a whole cannot send now."""
    UNKNOWN = "unknown"
    """It may or may not have been taken; never resent blindly."""


class Scope(enum.StrEnum):
    """What a receipt speaks about."""

    MESSAGE = "message"
    RECIPIENT = "recipient"
    BINDING = "binding"
    """The text's approval at the vendor: template, signature, access number."""
    CHANNEL = "channel"


class Proof(enum.IntEnum):
    """How much a report proves; a higher proof never gives way to a lower one."""

    NONE = 0
    TAKEN = 1
    """The transport took it."""
    DEVICE = 2
    """The device or the page says so itself."""
    OBSERVED = 3
    """Something other than the device saw or heard it."""
    PERSON = 4
    """A person acknowledged it."""


class Receipt(NamedTuple):
    """The answer to a submission.

    Attributes:
        kind: One of the six.
        scope: What it speaks about.
        carrier_id: The far side's id, raw; the key of later reports. Empty where there is none.
        code: The far side's own code, as text, for people.
        detail: What it means and what to do next; no personal data.
        retry_after: Seconds to wait, where the far side said so.
        suppress: True where the person must not be written to again (an opt-out).
        proof: What the answer itself proves, for a channel without reports.
    """

    kind: ReceiptKind
    scope: Scope = Scope.MESSAGE
    carrier_id: bytes = b""
    code: str = ""
    detail: str = ""
    retry_after: float = 0.0
    suppress: bool = False
    proof: Proof = Proof.NONE


class ReportKind(enum.StrEnum):
    """What arrives later. `delivered` may follow anything and is never left."""

    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    EXPIRED = "expired"
    SHOWN = "shown"
    HIDDEN = "hidden"
    PLAYED = "played"
    INTERRUPTED = "interrupted"
    ACKNOWLEDGED = "acknowledged"
    WITHDRAWN = "withdrawn"
    NO_REPORT = "no_report"


class DeliveryReport(NamedTuple):
    """A delivery report. It names its message by the carrier's id, or by `id` and `part`.

    Attributes:
        kind: What happened.
        carrier_id: The id that the receipt gave; empty where `id` is set.
        target: The addressee as the report names it, for the match of orphans; may be None.
        code: The far side's own status, as text.
        at: When it happened by the far side's clock, milliseconds since the epoch; 0 if unsaid.
        proof: How much it proves.
        duration_ms: How long it was shown or played.
        detail: For people; no personal data.
        id: Our own id, where the channel keeps it (screens, speakers); 0 otherwise.
        part: Our own part number, from 0, beside `id`.
        extension: What the sender's number ended with, where `extension_of` chose it; it tells
            which message is meant where the answer with the carrier's id was lost.
    """

    kind: ReportKind
    carrier_id: bytes = b""
    target: Target | None = None
    code: str = ""
    at: int = 0
    proof: Proof = Proof.DEVICE
    duration_ms: int = 0
    detail: str = ""
    id: int = 0
    part: int = 0
    extension: str = ""


def extension_of(message: int, digits: int) -> str:
    """The digits that a message adds to the sender's number, the same for all its parts.

    Neighbouring ids give extensions that lie far apart. (Fibonacci hashing.)

    Args:
        message: Its id.
        digits: How many; 0 gives an empty text.
    """
    if digits == 0:
        return ""
    mixed = (message * 0x9E37_79B9_7F4A_7C15 & 0xFFFF_FFFF_FFFF_FFFF) >> 24
    return f"{mixed % 10**digits:0{digits}d}"


class Uplink(NamedTuple):
    """A message from a person back to us (上行), such as 退订.

    Attributes:
        source: Who wrote it.
        text: What was written.
        at: When it arrived, milliseconds since the epoch.
        destination: The access number it was sent to.
        is_opt_out: True where the channel's keywords make it an opt-out.
    """

    source: Target
    text: str
    at: int
    destination: str = ""
    is_opt_out: bool = False


class LateReceipt(NamedTuple):
    """The answer to a submission that was already given up as unknown; it counts once."""

    id: int
    part: int
    receipt: Receipt


class Answer(NamedTuple):
    """A signed reply of a bank to one message, as the bytes that were signed."""

    id: int
    part: int
    payload: bytes


Appended = DeliveryReport | Uplink | LateReceipt | Answer
"""The rows an adapter's `inbound()` brings."""


class OutcomeState(enum.StrEnum):
    """A message's fate as its caller reads it."""

    OPEN = "open"
    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    SUPPRESSED = "suppressed"
    WITHDRAWN = "withdrawn"


FINAL_STATES = frozenset(OutcomeState) - {OutcomeState.OPEN}
"""States in which waiting longer is not expected to help (a late report may still mend them)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The fate of one message.

    Attributes:
        message: The message's id.
        warning: The warning it belongs to.
        target: Who it was for; masked in repr.
        channel: The channel that carries it; empty where none took it.
        state: The fate.
        proof: How much is proved.
        word: The last word of the channel: sent, shown, played, delivered, hidden, …
        code: The far side's code, as text.
        detail: Why, and what to do next.
        at: Time of the last change, milliseconds since the epoch.
        parts: How many parts it was made of.
        duration_ms: How long it was shown or played, as far as reported.
        resent: Whether it was sent a second time, since nothing was known of the first.
    """

    message: MessageId
    warning: WarningId
    target: Target
    channel: str
    state: OutcomeState
    proof: Proof
    word: str = ""
    code: str = ""
    detail: str = ""
    at: int = 0
    parts: int = 1
    duration_ms: int = 0
    resent: bool = False


class FeedKind(enum.StrEnum):
    """What a row of the outcome feed speaks about."""

    RECEIPT = "receipt"
    REPORT = "report"
    UPLINK = "uplink"
    ANSWER = "answer"


class FeedRow(NamedTuple):
    """One row of the outcome feed; consumers keep a durable cursor on `seq`.

    Attributes:
        seq: Position in the feed; grows, never reused.
        kind: What the row speaks about.
        id: The message, or 0.
        part: Its part.
        warning: The warning, or 0.
        channel: The channel's name.
        word: Receipt kind, report kind, or `expired`, `suppressed`, `requeued`.
        code: The far side's code.
        proof: How much is proved.
        at: When it was written, milliseconds since the epoch.
        duration_ms: How long it was shown or played.
        payload: The signed bytes of an answer, or the encrypted text of an uplink.
    """

    seq: int
    kind: FeedKind
    id: int
    part: int
    warning: int
    channel: str
    word: str
    code: str
    proof: Proof
    at: int
    duration_ms: int = 0
    payload: bytes = b""
