"""The wire of one `submit`: intent into the recorder, answers into the next tick."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from typing_extensions import override

from fzalert.delivery.recorder import Recorder
from fzalert.messages import Receipt, ReceiptKind
from fzalert.ports import Wire
from fzalert.store import Claimed

Key = tuple[int, int]


class Taker(Protocol):
    """What a wire needs of its slot."""

    may_write: bool
    recorder: Recorder

    def settled(self, claimed: Claimed, receipt: Receipt, wire_key: bytes) -> None:
        """Note an answer for the next tick."""
        ...

    def returned(self, claimed: Claimed) -> None:
        """Note that a part was handed over and never written."""
        ...


class SlotWire(Wire):
    """Two dictionary operations a part; dead once its `submit` has ended."""

    __slots__ = ("_ended", "_open", "_slot", "_written")

    def __init__(self, slot: Taker, batch: Iterable[Claimed]) -> None:
        self._slot = slot
        self._open: dict[Key, Claimed] = {
            (claimed.submission.id, claimed.submission.part): claimed for claimed in batch
        }
        self._written: dict[Key, bytes] = {}
        self._ended = False

    @override
    def may_write(self) -> bool:
        """Whether the slot still holds its lease and this `submit` still runs; see the port."""
        return self._slot.may_write and not self._ended

    @override
    def writing(self, id: int, part: int, key: bytes) -> None:
        """Record the intent; see the port.

        Raises:
            RuntimeError: The part is not open here: settled already, another batch's, or its
                `submit` has ended and it may be on its way again. The bytes must not leave.
        """
        if (id, part) not in self._open:
            raise RuntimeError(f"part {id}.{part} is not open in this submit; nothing may be sent")
        self._slot.recorder.writing(id, part, key)
        self._written[id, part] = key

    @override
    def settle(self, id: int, part: int, receipt: Receipt) -> None:
        """Take the answer, once; see the port."""
        claimed = self._open.get((id, part))
        if claimed is None:
            return
        key = self._written.get((id, part))
        if key is not None:
            self._slot.recorder.answered(id, part, receipt.kind, receipt.carrier_id)
        del self._open[id, part]
        self._slot.settled(claimed, receipt, key or b"")

    def finish(self, why: str) -> None:
        """What was written and not settled is unknown; the rest was never written."""
        self._ended = True
        for key, claimed in self._open.items():
            wire_key = self._written.get(key)
            if wire_key is None:
                self._slot.returned(claimed)
            else:
                self._slot.settled(claimed, Receipt(ReceiptKind.UNKNOWN, detail=why), wire_key)
        self._open.clear()
