"""The far side of a channel, as the contract tests use it."""

from __future__ import annotations

from typing import Protocol

from fzalert.messages import ReceiptKind, ReportKind

__all__ = ["Peer", "ReportingPeer"]


class Peer(Protocol):
    """What an author writes around a simulator, or better around a counterpart of others.

    Every flag that is true promises the method of that name; the contract class that tests it is
    then inherited beside `AdapterContract`. A class with `Peer` as its base has all three false and
    needs only `received`.
    """

    @property
    def can_refuse(self) -> bool:
        """`refuse_next` works: inherit `RefusalContract`."""
        return False

    @property
    def can_go_silent(self) -> bool:
        """`silent` works: inherit `SilenceContract`."""
        return False

    @property
    def can_drop(self) -> bool:
        """`drop` works: inherit `LinkContract`."""
        return False

    async def received(self, n: int, timeout: float) -> list[tuple[str, str]]:  # noqa: ASYNC109  the far side's own patience
        """Wait until `n` submissions arrived, or `timeout` seconds passed.

        Returns:
            (address, text) of everything that arrived whole, in order, as the far side reads it
            after its own decoding; fewer than `n` after the time.
        """
        ...

    def refuse_next(self, kind: ReceiptKind) -> None:
        """Refuse the next submission, and only that, so that it must be read as `kind`."""
        raise TypeError(f"{type(self).__name__} cannot refuse as {kind}; leave can_refuse false")

    def silent(self) -> None:
        """From now on take submissions and answer nothing."""
        raise TypeError(f"{type(self).__name__} has no such fault; leave can_go_silent false")

    def drop(self) -> None:
        """Cut every open link at once. A silence ends with it, and new links are served."""
        raise TypeError(f"{type(self).__name__} has no such fault; leave can_drop false")


class ReportingPeer(Peer, Protocol):
    """A far side that also tells later what became of a submission."""

    def report(self, kind: ReportKind) -> None:
        """Send a report about the submission that arrived last."""
        ...

    async def acknowledged(self, n: int, timeout: float) -> int:  # noqa: ASYNC109  the far side's own patience
        """Wait until `n` reports were answered by us, or `timeout` seconds passed; how many."""
        ...
