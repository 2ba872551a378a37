"""ISO 20022 for the cases of an open service."""

from __future__ import annotations

import asyncio

from fzalert.errors import InputError
from fzalert.freeze import commands as c
from fzalert.freeze.book import CaseBook
from fzalert.freeze.iso20022 import read_resolution, write_cancellation
from fzalert.freeze.model import FreezeCase, Measure
from fzalert.freeze.package import Package, read_package
from fzalert.service.freeze_models import Iso20022AnswerAsk
from fzalert.service.freeze_sending import PACKAGE, Sending

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
        package = await self._package(case, measure)
        return await asyncio.to_thread(write_cancellation, package, self._book.now())

    async def answer(
        self, case: FreezeCase, measure: Measure, ask: Iso20022AnswerAsk, who: c.Authority
    ) -> c.Command:
        """What a camt.029 says, as a command: a receipt, or an acknowledgement while it is pending.

        Raises:
            ConfigError: The extra is not installed.
            InputError: It does not answer this measure's last instruction.
        """
        package = await self._package(case, measure)
        read = await asyncio.to_thread(read_resolution, ask.xml.encode(), package)
        if read.receipt is None:
            return c.Acknowledge(who, package.application_id, read.sender[:80])
        return c.RecordReceipt(who, read.receipt)

    async def _package(self, case: FreezeCase, measure: Measure) -> Package:
        shown = measure.current or (measure.past[-1] if measure.past else None)
        if shown is None:
            raise InputError(
                "Nothing was prepared about this account.",
                hint="`fzalert freeze submit` first.",
                field="measure",
            )
        name = PACKAGE + shown.id
        sent = (await self._book.documents(case.id, name)).get(name)
        if sent is not None:
            return read_package(sent)
        return self._sending.package_of(case, measure, shown)
