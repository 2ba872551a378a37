"""What a person of the desk does with an item: compare, carry out, refuse, call back, take over.

"Carried out" needs four ticks (name, number, amount, time), a credential shown a short time ago,
and for a paper a call back first. Where core banking is asked, its answer counts: if it fails, or
says something else, nothing is answered.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from fzalert.access import Actor, Role
from fzalert.desk.inbox import DeskAnswer, InboxItem, ItemState
from fzalert.desk.rows import Call, Row
from fzalert.errors import DuplicateKey, InputError
from fzalert.freeze.package import (
    DocumentKind,
    InstructionKind,
    Outcome,
    Package,
    Receipt,
    result_of,
)

if TYPE_CHECKING:
    from datetime import datetime

    from fzalert.desk.service import DeskService

__all__ = ["REFUSALS", "TICKS", "AnsweredBefore", "CoreRefused", "Handling", "ProofNeeded"]

TICKS = ("name", "number", "amount", "time")
"""What has to be compared before anything is stopped. Source: 银发〔2016〕86号."""
REFUSALS = (
    *("0301", "0300", "0100", "0200", "0400", "0302", "0303", "0399"),
    *("0500", "0501", "0600", "0700", "0800", "1301", "1302", "1303", "1304"),
    *("1000", "1300", "1800", "1900", "1100"),
)
"""The platform's codes that a person may refuse with, the usual ones first."""
_LONGEST_NOTE = 200


class ProofNeeded(Exception):
    """The act needs a credential that was shown a short time ago; nothing was done."""


class AnsweredBefore(Exception):
    """Somebody was faster; nothing of this answer was sent.

    Args:
        code: What was answered.
        by: Who answered.
    """

    def __init__(self, code: str, by: str = "") -> None:
        super().__init__(f"It was answered before, with {code}; this answer was not sent.")
        self.by = by


class CoreRefused(Exception):
    """Core banking failed, or says otherwise; nothing was answered."""


class Handling:
    """The acts of the desk's people.

    Args:
        desk: The open desk.
    """

    def __init__(self, desk: DeskService) -> None:
        self._desk = desk

    async def execute(
        self,
        application_id: str,
        ticks: Collection[str],
        by: Actor,
        *,
        balance: str = "",
        frozen: str = "",
        by_hand: bool = False,
    ) -> Receipt:
        """Answer that an instruction was carried out.

        Args:
            application_id: Which one.
            ticks: What the person has compared; all of `TICKS`.
            by: Who.
            balance: Balance before, in yuan, or empty.
            frozen: What is frozen, in yuan; less than asked is a partial freeze.
            by_hand: It was done in core banking by hand, since asking it has failed.

        Raises:
            ProofNeeded: No credential was shown a short time ago.
            AccessDenied: The actor has not the role of a desk.
            InputError: A tick is missing, a paper was not called back, or a figure does not fit.
            CoreRefused: Core banking failed, or says otherwise.
            AnsweredBefore: Somebody was faster.
        """
        by.require(Role.BANK_DESK)
        missing = [tick for tick in TICKS if tick not in ticks]
        if missing:
            raise InputError(
                f"Not compared: {', '.join(missing)}.",
                hint="Compare name, number, amount and time; if one differs, refuse it.",
                field="ticks",
            )
        if not self._desk.is_fresh(by):
            raise ProofNeeded("This needs your token or password once more.")
        async with self._desk.application_lock(application_id):
            item = await self._open(application_id)
            if not item.sender and not any(call.confirmed for call in item.calls):
                raise InputError(
                    "A paper is carried out after a call back to the unit.",
                    hint="Call the number of your own book, and note it.",
                    field="call",
                )
            failed = item.core is not None and item.core.state in {"failed", "asking"}
            answer = _carried_out(item.package, balance, frozen)
            proof = "B"
            if by_hand and failed:
                proof = "by-hand"
            elif self._desk.asks_core:
                answer, proof = await self._asked(item, answer, by)
            return await self._given(application_id, answer, by, proof)

    async def _asked(
        self, item: InboxItem, answer: DeskAnswer, by: Actor
    ) -> tuple[DeskAnswer, str]:
        from fzalert.desk.hook import HookFailed

        try:
            said = await self._desk.ask_core(item, by)
        except HookFailed as error:
            raise CoreRefused(
                f"Core banking did not do it, so nothing was answered. {error.args[0]}"
                " Try again, or do it there by hand and tick that you did."
            ) from error
        if said is None:
            return answer, "B"
        if result_of(said.code).outcome not in {Outcome.DONE, Outcome.PARTIAL}:
            found = result_of(said.code)
            raise CoreRefused(
                f"Core banking says {said.code} {found.zh} {found.en}; nothing was answered."
                " Look there; refuse the instruction if that is so."
            )
        return said, "core"

    async def refuse(self, application_id: str, code: str, cause: str, by: Actor) -> Receipt:
        """Answer that an instruction was not carried out.

        Args:
            application_id: Which one.
            code: One of `REFUSALS`.
            cause: In words; the code's own words where it is empty.
            by: Who.

        Raises:
            AccessDenied: The actor has not the role of a desk.
            InputError: The code is none of the list.
            AnsweredBefore: Somebody was faster.
        """
        by.require(Role.BANK_DESK)
        if code not in REFUSALS:
            raise InputError(
                "Choose the reason from the list.",
                hint="It is the platform's list of result codes.",
                field="code",
            )
        words = cause.strip()[:_LONGEST_NOTE] or result_of(code).zh
        async with self._desk.application_lock(application_id):
            await self._open(application_id)
            return await self._given(application_id, DeskAnswer(code=code, cause=words), by, "B")

    async def call(self, application_id: str, confirmed: bool, note: str, by: Actor) -> InboxItem:
        """Note a call back on the number of our own book.

        Raises:
            AccessDenied: The actor has not the role of a desk.
            InputError: There is no such instruction, or the note is too long.
        """
        if len(note) > _LONGEST_NOTE:
            raise InputError(f"A note has up to {_LONGEST_NOTE} characters.", field="note")

        def noted(row: Row, now: datetime) -> Row:
            one = Call(by.id, now, confirmed, note.strip())
            return replace(row, calls=(*row.calls, one)[-20:])

        item = await self._desk.inbox.change(
            application_id,
            DocumentKind.INSTRUCTION,
            noted,
            "desk.call",
            by,
            {"confirmed": confirmed},
        )
        await self._desk.changed()
        return item

    async def take_over(self, application_id: str, document: DocumentKind, by: Actor) -> InboxItem:
        """Make an item one's own; another person may take it over in turn, on record.

        Raises:
            AccessDenied: The actor has not the role of a desk.
            InputError: There is no such item.
        """

        def mine(row: Row, now: datetime) -> Row | None:
            del now
            return None if row.taken_by == by.id else replace(row, taken_by=by.id)

        item = await self._desk.inbox.change(
            application_id, document, mine, "desk.claim", by, {"document": str(document)}
        )
        await self._desk.changed()
        return item

    async def enter(self, package: Package, hash16: str, by: Actor) -> InboxItem:
        """Enter an instruction that came on paper; raises as `Inbox.enter`."""
        item = await self._desk.inbox.enter(package, hash16, by)
        await self._desk.changed()
        return item

    async def _open(self, application_id: str) -> InboxItem:
        item = await self._desk.inbox.item(application_id, DocumentKind.INSTRUCTION)
        if item is None:
            raise InputError(
                "There is no such instruction in the inbox.",
                hint="A pre-alert takes no answer; wait for the instruction.",
                field="application_id",
            )
        if item.state is not ItemState.OPEN:
            raise self._before(item)
        return item

    async def _given(
        self, application_id: str, answer: DeskAnswer, by: Actor, proof: str
    ) -> Receipt:
        try:
            return await self._desk.answer(application_id, answer, by, proof=proof, only_first=True)
        except DuplicateKey:
            item = await self._desk.inbox.item(application_id, DocumentKind.INSTRUCTION)
            if item is None:
                raise
            raise self._before(item) from None

    @staticmethod
    def _before(item: InboxItem) -> AnsweredBefore:
        code = "" if item.receipt is None else item.receipt.code
        return AnsweredBefore(code, item.answered_by)


def _carried_out(package: Package, balance: str, frozen: str) -> DeskAnswer:
    """The answer of a person who has carried an instruction out.

    Raises:
        InputError: A figure is none, or a limited freeze has no figure.
    """
    from pydantic import ValidationError

    measure = package.measure
    freezing = measure.kind in {InstructionKind.FREEZE, InstructionKind.RENEW}
    balance, frozen = (
        text.strip().replace(",", "").replace("，", "") for text in (balance, frozen)
    )
    if freezing and not frozen:
        raise InputError("Say how much is frozen.", field="frozen")
    code = "0000"
    try:
        made = DeskAnswer.model_validate(
            {"code": code, "balance": balance or None, "frozen": frozen or None}
        )
    except ValidationError as error:
        field = str(error.errors(include_url=False, include_input=False)[0]["loc"][0])
        raise InputError("An amount is in yuan, such as 1234.50.", field=field) from None
    if freezing and measure.amount is not None and Decimal(frozen) < measure.amount:
        return made.model_copy(update={"code": "1200"})
    return made
