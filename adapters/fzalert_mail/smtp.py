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

import aiosmtplib
from typing_extensions import override

from fzalert.messages import Mail, Proof, Receipt, ReceiptKind, RenditionKind, Scope, TargetKind
from fzalert.ports import (
    AdapterContext,
    Capabilities,
    ChannelConfig,
    Health,
    InboundBatch,
    Submission,
    Wire,
    get_logger,
)
from fzalert_mail.codes import Stage, classify, is_mapped
from fzalert_mail.compose import compose
from fzalert_mail.config import SmtpConfig
from fzalert_mail.line import LINE_ERRORS, SmtpLine

__all__ = ["SmtpConfig", "SmtpMail"]

_SENT = Receipt(ReceiptKind.SENT, code="250", proof=Proof.TAKEN)
_UNKNOWN = Receipt(
    ReceiptKind.UNKNOWN, detail="The mail left, and the line broke before the server's answer."
)
_LAPSED = Receipt(
    ReceiptKind.UNKNOWN, detail="The mail left, and the server did not answer in time."
)
_log = get_logger("fzalert.mail")


class SmtpMail:
    """One connection to a mail server."""

    Config: ClassVar[type[ChannelConfig]] = SmtpConfig

    def __init__(self, config: SmtpConfig, context: AdapterContext) -> None:
        self._config = config
        self._context = context
        self._line = SmtpLine(config, context)
        self._closed = asyncio.Event()
        self._alarmed: set[str] = set()

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
        self._line.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closed.set()
        await self._line.close()

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
            async with self._line.lock:
                if not wire.may_write():
                    return
                await self._send(one, text, wire)

    async def inbound(self) -> AsyncIterator[InboundBatch]:
        """Nothing comes back; ends when the channel closes."""
        await self._closed.wait()
        nothing: tuple[InboundBatch, ...] = ()
        for batch in nothing:
            yield batch

    async def health(self) -> Health:
        """How the line is now."""
        return self._line.health()

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

    async def _send(self, one: Submission, text: bytes, wire: Wire) -> None:
        client = await self._line.ready()
        if client is None:
            self._settle_down(one, wire)
            return
        started = self._context.clock.monotonic()
        is_written = False
        stage = Stage.MAIL
        try:
            async with asyncio.timeout(self._config.answer_timeout):
                await client.mail(self._config.sender)
                stage = Stage.RCPT
                await client.rcpt(one.target.address)
                if not wire.may_write():
                    await self._line.reset(client)
                    return
                stage = Stage.DATA
                wire.writing(one.id, one.part, f"{one.id}.{one.part}".encode())
                is_written = True
                await client.data(text)
        except aiosmtplib.SMTPResponseException as error:
            await self._answered(one, wire, client, classify(stage, error.code, error.message))
        except LINE_ERRORS as error:
            self._line.lost(f"in the dialogue ({type(error).__name__})")
            if is_written:
                is_late = isinstance(error, TimeoutError)
                wire.settle(one.id, one.part, _LAPSED if is_late else _UNKNOWN)
            else:
                self._settle_down(one, wire)
        except BaseException:
            self._line.lost("given up in the middle of a dialogue")
            raise
        else:
            wire.settle(one.id, one.part, _SENT)
            self._line.note(self._context.clock.monotonic() - started)

    async def _answered(
        self, one: Submission, wire: Wire, client: aiosmtplib.SMTP, receipt: Receipt
    ) -> None:
        """Settle a refusal, then clear the session for the next mail."""
        wire.settle(one.id, one.part, receipt)
        number = int(receipt.code[:3])
        if receipt.code not in self._alarmed:
            self._alarmed.add(receipt.code)
            known = is_mapped(number)
            log = _log.info if known else _log.error
            event = "mail.refused" if known else "mail.unmapped_code"
            log(event, channel=self._config.name, code=receipt.code, meaning=receipt.detail)
        if receipt.kind is ReceiptKind.CHANNEL_DOWN:
            self._line.lost(f"the server answered {receipt.code}")
        else:
            await self._line.reset(client)

    def _settle_down(self, one: Submission, wire: Wire) -> None:
        detail = self._line.health().detail
        receipt = Receipt(ReceiptKind.CHANNEL_DOWN, Scope.CHANNEL, detail=detail)
        wire.settle(one.id, one.part, receipt)
