"""One mail, one dialogue: MAIL and RCPT first, then the intent on disk, then DATA.

Refusals of the first two cost nothing. A text that was sent and not answered is unknown, never
sent.

Source: RFC 5321.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiosmtplib

from fzalert.messages import Proof, Receipt, ReceiptKind, Scope
from fzalert.ports import AdapterContext, Submission, Wire, get_logger
from fzalert_mail.codes import Stage, classify, is_mapped
from fzalert_mail.line import LINE_ERRORS, SmtpLine

if TYPE_CHECKING:
    from fzalert_mail.config import SmtpConfig

__all__ = ["Dialogue"]

_SENT = Receipt(ReceiptKind.SENT, code="250", proof=Proof.TAKEN)
_UNKNOWN = Receipt(
    ReceiptKind.UNKNOWN, detail="The mail left, and the line broke before the server's answer."
)
_LAPSED = Receipt(
    ReceiptKind.UNKNOWN, detail="The mail left, and the server did not answer in time."
)
_log = get_logger("fzalert.mail")


class Dialogue:
    """Hands mails over on a line.

    Attributes:
        line: The connection.
    """

    def __init__(self, config: SmtpConfig, context: AdapterContext) -> None:
        self.line = SmtpLine(config, context)
        self._config = config
        self._context = context
        self._alarmed: set[str] = set()

    async def send(self, one: Submission, recipient: str, text: bytes, wire: Wire) -> bool:
        """Hand one mail over, its bytes as they are, and settle it.

        Args:
            one: What is sent.
            recipient: Its address.
            text: Headers and body, lines ended by CRLF.
            wire: Where it is settled.

        Returns:
            False where the lease is lost, so that nothing more may be written.
        """
        async with self.line.lock:
            if not wire.may_write():
                return False
            await self._send(one, recipient, text, wire)
        return True

    async def _send(self, one: Submission, recipient: str, text: bytes, wire: Wire) -> None:
        client = await self.line.ready()
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
                await client.rcpt(recipient)
                if not wire.may_write():
                    await self.line.reset(client)
                    return
                stage = Stage.DATA
                wire.writing(one.id, one.part, f"{one.id}.{one.part}".encode())
                is_written = True
                await client.data(text)
        except aiosmtplib.SMTPResponseException as error:
            await self._answered(one, wire, client, classify(stage, error.code, error.message))
        except LINE_ERRORS as error:
            self.line.lost(f"in the dialogue ({type(error).__name__})")
            if is_written:
                is_late = isinstance(error, TimeoutError)
                wire.settle(one.id, one.part, _LAPSED if is_late else _UNKNOWN)
            else:
                self._settle_down(one, wire)
        except BaseException:
            self.line.lost("given up in the middle of a dialogue")
            raise
        else:
            wire.settle(one.id, one.part, _SENT)
            self.line.note(self._context.clock.monotonic() - started)

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
            self.line.lost(f"the server answered {receipt.code}")
        else:
            await self.line.reset(client)

    def _settle_down(self, one: Submission, wire: Wire) -> None:
        detail = self.line.health().detail
        receipt = Receipt(ReceiptKind.CHANNEL_DOWN, Scope.CHANNEL, detail=detail)
        wire.settle(one.id, one.part, receipt)
