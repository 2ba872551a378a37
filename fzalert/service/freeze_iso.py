"""ISO 20022 for the cases of an open service."""

from __future__ import annotations

import asyncio

from fzalert.freeze import commands as c
from fzalert.freeze.book import CaseBook
from fzalert.freeze.iso20022 import read_resolution, write_cancellation
from fzalert.freeze.model import FreezeCase, Measure
from fzalert.service.freeze_models import Iso20022AnswerAsk
from fzalert.service.freeze_sending import Sending

__all__ = ["Messages"]


class Messages:
    """Instructions as camt.056, and camt.029 as what they are answered.

    Args:
        book: The cases.
        sending: Builds packages.
    """

    def __init__(self, book: CaseBook, sending: Sending) -> None:
        self._book = book
        self._sending = sending

    async def request(self, case: FreezeCase, measure: Measure) -> bytes:
        """The approved instruction as camt.056; of what was sent, the very package.

        Raises:
            ConfigError: The extra is not installed.
            InputError: Nothing is approved, or it does not fit the message.
        """
        package = await self._sending.package(case, measure)
        return await asyncio.to_thread(write_cancellation, package, self._book.now())

    async def answer(
        self, case: FreezeCase, measure: Measure, ask: Iso20022AnswerAsk, who: c.Authority
    ) -> c.Command:
        """What a camt.029 says, as a command: a receipt, or an acknowledgement while it is pending.

        Raises:
            ConfigError: The extra is not installed.
            InputError: It does not answer this measure's last instruction.
        """
        package = await self._sending.package(case, measure)
        read = await asyncio.to_thread(read_resolution, ask.xml.encode(), package)
        if read.receipt is None:
            return c.Acknowledge(who, package.application_id, read.sender[:80])
        return c.RecordReceipt(who, read.receipt)
