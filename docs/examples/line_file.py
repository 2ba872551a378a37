"""A whole adapter: each warning becomes one line of JSON at the end of a file."""

import asyncio
import errno
import json
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field

from fzalert.messages import Post, Receipt, ReceiptKind, RenditionKind, TargetKind
from fzalert.ports import (
    AdapterContext,
    Capabilities,
    ChannelConfig,
    Health,
    HealthState,
    InboundBatch,
    Submission,
    Wire,
)


class LineFileConfig(ChannelConfig):
    """Settings of `post.linefile`."""

    path: Path = Field(description="The file; a relative path starts at fzalert.toml's folder.")


class LineFile:
    """Appends warnings for groups to a file."""

    Config: ClassVar[type[ChannelConfig]] = LineFileConfig

    def __init__(self, config: ChannelConfig, _: AdapterContext) -> None:
        # The context (clock, state, signer, HTTP pool, …) is not needed here.
        self._path, self._closed = LineFileConfig.model_validate(config).path, asyncio.Event()

    @property
    def capabilities(self) -> Capabilities:
        """What it can do, known before it is open."""
        return Capabilities(kinds=frozenset({TargetKind.GROUP}), rendition=RenditionKind.POST)

    async def __aenter__(self) -> Self:  # a failure is the channel's state, and tried again
        await asyncio.to_thread(self._path.touch)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closed.set()

    async def submit(self, batch: Sequence[Submission], wire: Wire) -> None:
        """Write each part, and settle it by what is known of it."""
        for one in batch:
            if not isinstance(one.rendition, Post) or one.target.kind is not TargetKind.GROUP:
                wire.settle(one.id, one.part, Receipt(ReceiptKind.PERMANENT, code="not-a-post"))
                continue
            if not wire.may_write():  # another process owns the channel now
                return  # what was not written goes back to the queue
            wire.writing(one.id, one.part, str(one.id).encode())
            line = {"id": one.id, "to": one.target.address, "text": one.rendition.text}
            receipt = Receipt(ReceiptKind.SENT)
            try:
                await asyncio.to_thread(self._append, json.dumps(line, ensure_ascii=False).encode())
            except OSError as error:  # it may stand there or not: say so, and never guess
                receipt = Receipt(ReceiptKind.UNKNOWN, code="os", detail=error.strerror or "")
            wire.settle(one.id, one.part, receipt)

    def _append(self, line: bytes) -> None:
        with self._path.open("ab", buffering=0) as file:  # no buffer that could be written later
            if file.write(line + b"\n") != len(line) + 1:
                raise OSError(errno.EIO, "only a piece of the line was written")
            os.fsync(file.fileno())

    async def inbound(self) -> AsyncIterator[InboundBatch]:
        """End when the channel closes: nothing comes back from a file."""
        await self._closed.wait()
        return
        yield

    async def health(self) -> Health:
        """One word for the status page."""
        return Health(HealthState.DOWN if self._closed.is_set() else HealthState.UP)
