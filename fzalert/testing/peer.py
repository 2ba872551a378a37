"""The far side of a channel, as the contract tests use it."""

from __future__ import annotations

from typing import Protocol

from fzalert.messages import ReceiptKind, ReportKind

__all__ = ["Peer", "ReportingPeer"]


class Peer(Protocol):
    """What an author writes around a simulator, or better around a counterpart of others.

    Every flag that is true promises the method of that name; the contract class that tests it is
    then inherited beside `AdapterContract`.
    """

    @property
    def can_refuse(self) -> bool:
        """`refuse_next` works: inherit `RefusalContract`."""
        ...

    @property
    def can_go_silent(self) -> bool:
        """`silent` works: inherit `SilenceContract`."""
        ...

    @property
    def can_drop(self) -> bool:
        """`drop` works: inherit `LinkContract`."""
        ...

    async def received(self, n: int, timeout: float) -> list[tuple[str, str]]:  # noqa: ASYNC109  the far side's own patience
        """Wait until `n` submissions arrived, or `timeout` seconds passed.

        Returns:
            (address, text) of everything that arrived whole, in order, as the far side reads it
            after its own decoding; fewer than `n` after the time.
        """
        ...

    def refuse_next(self, kind: ReceiptKind) -> None:
        """Refuse the next submission, and only that, so that it must be read as `kind`."""
        ...

    def silent(self) -> None:
        """From now on take submissions and answer nothing."""
        ...

    def drop(self) -> None:
        """Cut every open link at once. A silence ends with it, and new links are served."""
        ...


class ReportingPeer(Peer, Protocol):
    """A far side that also tells later what became of a submission."""

    def report(self, kind: ReportKind) -> None:
        """Send a report about the submission that arrived last."""
        ...

    async def acknowledged(self, n: int, timeout: float) -> int:  # noqa: ASYNC109  the far side's own patience
        """Wait until `n` reports were answered by us, or `timeout` seconds passed; how many."""
        ...
