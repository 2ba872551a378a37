"""The channel `mail.smtp`: warnings to mailboxes through a mail server.

The server's answer to the text is the last word of this channel; that a person read it nobody
reports. One mail is one dialogue: MAIL and RCPT first, whose refusals cost nothing, then the intent
is recorded, then DATA. A text that was sent and not answered is unknown, never sent.

Source: RFC 5321.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import ClassVar, Self

from typing_extensions import override

from fzalert.messages import Mail, Receipt, ReceiptKind, RenditionKind, TargetKind
from fzalert.ports import (
    AdapterContext,
    Capabilities,
    ChannelConfig,
    Health,
    InboundBatch,
    Submission,
    Wire,
)
from fzalert_mail.compose import compose
from fzalert_mail.config import SmtpConfig
from fzalert_mail.dialogue import Dialogue

__all__ = ["SmtpConfig", "SmtpMail"]


class SmtpMail:
    """One connection to a mail server."""

    Config: ClassVar[type[ChannelConfig]] = SmtpConfig

    def __init__(self, config: SmtpConfig, context: AdapterContext) -> None:
        self._config = config
        self._context = context
        self._dialogue = Dialogue(config, context)
        self._closed = asyncio.Event()

    @property
    def capabilities(self) -> Capabilities:
        """Plain mails to mailboxes; no reports."""
        return Capabilities(
            kinds=frozenset({TargetKind.MAILBOX}),
            rendition=RenditionKind.MAIL,
            window=self._config.window,
            rate=self._config.rate,
            submit_timeout=self._config.answer_timeout,
        )

    async def __aenter__(self) -> Self:
        self._dialogue.line.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closed.set()
        await self._dialogue.line.close()

    async def submit(self, batch: Sequence[Submission], wire: Wire) -> None:
        """Send mail after mail; the two lanes take turns on the connection."""
        for one in batch:
            mail = one.rendition
            if one.target.kind is not TargetKind.MAILBOX or not isinstance(mail, Mail):
                self._refuse(one, wire, "This channel takes mails to mailboxes only.")
                continue
            try:
                text = self._compose(one, mail)
            except ValueError as error:
                self._refuse(one, wire, str(error))
                continue
            if not await self._dialogue.send(one, one.target.address, text, wire):
                return

    async def inbound(self) -> AsyncIterator[InboundBatch]:
        """Nothing comes back; ends when the channel closes."""
        await self._closed.wait()
        nothing: tuple[InboundBatch, ...] = ()
        for batch in nothing:
            yield batch

    async def health(self) -> Health:
        """How the line is now."""
        return self._dialogue.line.health()

    @override
    def __repr__(self) -> str:
        return f"SmtpMail({self._config.name!r}, slot={self._config.slot})"

    def _refuse(self, one: Submission, wire: Wire, reason: str) -> None:
        wire.settle(one.id, one.part, Receipt(ReceiptKind.PERMANENT, detail=reason))

    def _compose(self, one: Submission, mail: Mail) -> bytes:
        return compose(
            mail,
            id=one.id,
            part=one.part,
            sender=self._config.sender,
            sender_name=self._config.sender_name,
            address=one.target.address,
            at=self._context.clock.now(),
        )
