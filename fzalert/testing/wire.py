"""A wire that records what an adapter does with it, and holds it to the rules of `ports.Wire`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

from typing_extensions import override

from fzalert.messages import Receipt, ReceiptKind
from fzalert.ports import Submission, Wire

__all__ = ["RecordingWire", "WireStep"]

_KEY_BYTES = 36
_MAY_SETTLE_UNWRITTEN = frozenset(ReceiptKind) - {ReceiptKind.SENT, ReceiptKind.UNKNOWN}


class WireStep(NamedTuple):
    """One thing that an adapter did, in the order it happened."""

    what: Literal["may_write", "writing", "settle"]
    id: int = 0
    part: int = 0


class RecordingWire(Wire):
    """Records every step; a broken rule raises here and is kept for `check`.

    Rules: nothing is written before `may_write()` said yes, or after it said no; a part is written
    before it is settled as sent or unknown; it is settled exactly once and never written
    afterwards.

    Attributes:
        closed: The lease is lost: `may_write` says no from now on. A test switches it.
        steps: What was done, in order.
        written: Wire key of every part that was written.
        receipts: Receipt of every part that was settled.
        violations: The rules that were broken, in words.
    """

    def __init__(self, *, closed: bool = False) -> None:
        self.closed = closed
        self.steps: list[WireStep] = []
        self.written: dict[tuple[int, int], bytes] = {}
        self.receipts: dict[tuple[int, int], Receipt] = {}
        self.violations: list[str] = []
        self._last_answer: bool | None = None
        self._changed = asyncio.Event()

    @override
    def may_write(self) -> bool:
        self._note(WireStep("may_write"))
        self._last_answer = not self.closed
        return self._last_answer

    @override
    def writing(self, id: int, part: int, key: bytes) -> None:
        self._note(WireStep("writing", id, part))
        if self._last_answer is None:
            self._broken(f"{id}.{part} was written before may_write() was asked")
        if not self._last_answer:
            self._broken(f"{id}.{part} was written although may_write() said no")
        if (id, part) in self.receipts:
            self._broken(f"{id}.{part} was written after it was settled")
        if (id, part) in self.written:
            self._broken(f"{id}.{part} was written twice")
        if len(key) > _KEY_BYTES:
            self._broken(f"the key of {id}.{part} has {len(key)} bytes; {_KEY_BYTES} are kept")
        self.written[id, part] = key

    @override
    def settle(self, id: int, part: int, receipt: Receipt) -> None:
        self._note(WireStep("settle", id, part))
        if (id, part) in self.receipts:
            self._broken(f"{id}.{part} was settled twice")
        if (id, part) not in self.written and receipt.kind not in _MAY_SETTLE_UNWRITTEN:
            self._broken(f"{id}.{part} was settled as {receipt.kind} but never written")
        self.receipts[id, part] = receipt

    def forget(self, batch: Iterable[Submission]) -> None:
        """Make room for another attempt of the same parts."""
        for submission in batch:
            key = (submission.id, submission.part)
            self.written.pop(key, None)
            self.receipts.pop(key, None)

    def fates(self, batch: Iterable[Submission]) -> list[ReceiptKind | None]:
        """Read each part as the engine would now.

        Returns:
            The receipt's kind; unknown where it was written and not settled; None where it goes
            back to the queue.
        """
        found: list[ReceiptKind | None] = []
        for submission in batch:
            key = (submission.id, submission.part)
            if key in self.receipts:
                found.append(self.receipts[key].kind)
            else:
                found.append(ReceiptKind.UNKNOWN if key in self.written else None)
        return found

    def check(self) -> None:
        """Repeat every broken rule, in case the adapter swallowed the first report.

        Raises:
            AssertionError: At least one rule was broken.
        """
        if self.violations:
            raise AssertionError("; ".join(self.violations))

    async def until_written(self, count: int = 1, *, timeout: float = 5.0) -> None:  # noqa: ASYNC109  a test's patience
        """Wait until `count` parts are written. Raises `TimeoutError` after `timeout` seconds."""
        await self._until(lambda: len(self.written) >= count, timeout)

    async def until_settled(self, count: int = 1, *, timeout: float = 5.0) -> None:  # noqa: ASYNC109  a test's patience
        """Wait until `count` parts are settled. Raises `TimeoutError` after `timeout` seconds."""
        await self._until(lambda: len(self.receipts) >= count, timeout)

    async def _until(self, is_so: Callable[[], bool], timeout: float) -> None:  # noqa: ASYNC109  a test's patience
        async with asyncio.timeout(timeout):
            while not is_so():
                self._changed.clear()
                await self._changed.wait()

    def _note(self, step: WireStep) -> None:
        self.steps.append(step)
        asyncio.get_running_loop().call_soon(self._changed.set)

    def _broken(self, rule: str) -> None:
        self.violations.append(rule)
        raise AssertionError(rule)
