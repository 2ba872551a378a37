"""After a restart: what the flight recorder says of the parts that a former owner left open."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from fzalert.delivery.policy import Channel, Limits, back_to_queue, decide
from fzalert.delivery.recorder import Recorder
from fzalert.messages import Receipt, ReceiptKind
from fzalert.store import OpenPart, ResultRow


def recovered_rows(
    parts: Iterable[OpenPart],
    recorder: Recorder,
    channel: Channel,
    limits: Limits,
    now: int,
    rng: Random,
) -> list[ResultRow]:
    """Decide what became of the parts that a former owner left open (engine, flight recorder).

    Without a recorder of this boot every open part is unknown, and so is a part that was claimed
    under another lease than the recorder's. Otherwise: never written → back to the queue;
    answered → the answer; written and unanswered → unknown.

    Args:
        parts: The open parts.
        recorder: Not yet reset.
        channel: What the policy must know.
        limits: Figures of the engine.
        now: Milliseconds since the epoch.
        rng: Source of jitter.
    """
    of_this_boot = recorder.read()
    rows: list[ResultRow] = []
    for part, flags, epoch in parts:
        recorded = of_this_boot if epoch == recorder.epoch else None
        slot = recorded.get((part.id, part.part)) if recorded is not None else None
        if recorded is not None and slot is None:
            rows.append(back_to_queue(part, flags, channel.name, now))
            continue
        if slot is None or slot.answer is None:
            why = (
                "the process ended before an answer came"
                if recorded is not None
                else "the machine lost its memory before an answer was written"
            )
            named = slot.key if slot is not None and channel.key_is_id else b""
            receipt = Receipt(ReceiptKind.UNKNOWN, carrier_id=named, detail=why)
        else:
            receipt = Receipt(slot.answer, carrier_id=slot.carrier_id)
        key = slot.key if slot is not None else b""
        rows.append(decide(receipt, part, flags, key, channel, limits, now, rng))
    return rows
