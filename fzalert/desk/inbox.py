"""The inbox: what came in, on disk before it is acknowledged; what was answered, signed.

A package that comes twice is one item: the same bytes get the same acknowledgement, other bytes
under the same application id are refused. An answer is given once; the same again is the same.
Personal data lies sealed by the store's vault.
"""

from __future__ import annotations

import asyncio
import enum
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from fzalert.access import Actor, Role
from fzalert.clock import Clock
from fzalert.errors import DuplicateKey, InputError
from fzalert.evidence import Json, canonical
from fzalert.freeze.package import (
    DocumentKind,
    InstructionKind,
    Outcome,
    Outflow,
    Package,
    Receipt,
    package_hashes,
    read_package,
    result_of,
)
from fzalert.ports import Signer
from fzalert.store import ChangeSet, Event, EvidenceEntry, StateRow, Store
from fzalert.store.port import Vault

__all__ = ["RECEIPT_DOMAIN", "Acknowledgement", "DeskAnswer", "Inbox", "InboxItem", "ItemState"]

RECEIPT_DOMAIN = "fz-receipt-v1"
"""Domain under which acknowledgements and receipts are signed."""
ITEMS = "desk-item"
_STREAM = "desk"
_COLUMN = "state.value"
_AHEAD = timedelta(minutes=2)
Amount = Annotated[str, Field(pattern=r"^[0-9]{1,13}(?:\.[0-9]{1,2})?$")]
"""An amount in yuan, as text."""


class ItemState(enum.StrEnum):
    """Where an item is."""

    OPEN = "open"
    ANSWERED = "answered"


class DeskAnswer(BaseModel):
    """What a desk person enters.

    Attributes:
        code: Result code of the platform, four digits.
        started_at: When the measure took effect.
        balance: Balance before, in yuan.
        frozen: What is frozen, in yuan.
        earlier_authority: Who has frozen it before.
        earlier_expires_at: Until when.
        cause: Why not.
        phone: Where the police may ask.
        outflows: Where money had gone on before: to which account, how much, when.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    code: Annotated[str, Field(pattern=r"^[0-9]{4}$")]
    started_at: AwareDatetime | None = None
    balance: Amount | None = None
    frozen: Amount | None = None
    earlier_authority: Annotated[str, Field(max_length=150)] = ""
    earlier_expires_at: AwareDatetime | None = None
    cause: Annotated[str, Field(max_length=300)] = ""
    phone: Annotated[str, Field(max_length=30, repr=False)] = ""
    outflows: Annotated[tuple[Outflow, ...], Field(max_length=500, repr=False)] = ()


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The desk has a package on its disk; signed, so that it can be shown.

    Attributes:
        document: Canonical JSON: application id, hash, time, desk.
        signature: Hex, under `RECEIPT_DOMAIN`.
        key_id: Key that signed.
    """

    document: bytes
    signature: str
    key_id: str

    def wire(self) -> bytes:
        """As it goes over the wire."""
        return canonical(
            {
                "document": self.document.decode(),
                "key_id": self.key_id,
                "signature": self.signature,
            }
        )


@dataclass(frozen=True, slots=True)
class InboxItem:
    """One package and what became of it.

    Attributes:
        package: What was asked.
        sender: Name of the key that sent it.
        received_at: When it was on disk.
        state: Open or answered.
        receipt: What was answered, or None.
        answered_by: Who answered, or empty.
        acknowledgement: What the sender got.
        signed_receipt: The receipt's wire form, or empty.
    """

    package: Package
    sender: str
    received_at: datetime
    state: ItemState
    receipt: Receipt | None
    answered_by: str
    acknowledgement: Acknowledgement
    signed_receipt: bytes = b""

    @property
    def waiting(self) -> bool:
        """Whether somebody has to answer."""
        binding = self.package.document is DocumentKind.INSTRUCTION
        return self.state is ItemState.OPEN and binding


class Inbox:
    """Takes packages and answers them.

    Args:
        store: The desk's own.
        vault: Of that store.
        clock: Reader of time.
        signer: The desk's key.
        name: The desk's name, as acknowledgements say it.
        codes: The institution's codes; a package about another's account is refused. Empty takes
            any.
    """

    def __init__(
        self,
        store: Store,
        vault: Vault,
        clock: Clock,
        signer: Signer,
        name: str,
        codes: frozenset[str] = frozenset(),
    ) -> None:
        self._store = store
        self._vault = vault
        self._clock = clock
        self._signer = signer
        self._name = name
        self._codes = codes
        self._changing = asyncio.Lock()
        self._answers: list[tuple[int, str]] | None = None
        self._loading = asyncio.Lock()

    # -- taking ----------------------------------------------------------------------------

    async def take(self, body: bytes, sender: str) -> Acknowledgement:
        """Put a package on disk and acknowledge it.

        Args:
            body: As it came; its sender was proved before (`access.requests`, or a certificate).
            sender: Name of the key or certificate.

        Raises:
            InputError: It is no package in its one spelling, or about another institution.
            DuplicateKey: The application id came before with other bytes.
        """
        package = read_package(body)
        institution = package.account.bank_code or package.account.institution
        if self._codes and institution not in self._codes:
            raise InputError(
                "The account is of another institution.",
                hint="Send the package to the desk of the institution that it names.",
                field="account.bank_code",
            )
        sha256, sm3 = package_hashes(body)
        async with self._changing:
            known = await self._read(_key(package))
            if known is not None:
                if package_hashes(known.body)[0] != sha256:
                    raise DuplicateKey(
                        f"Application {package.application_id} came before with other content.",
                        hint="A changed request needs a new application id.",
                        field="application_id",
                    )
                return known.acknowledgement
            now = self._now()
            document = canonical(
                {
                    "acknowledges": package.application_id,
                    "at": _text(now),
                    "desk": self._name,
                    "document": str(package.document),
                    "sha256": sha256,
                    "sm3": sm3,
                }
            )
            acknowledgement = self._sign(document)
            row = _Row(body, sender, now, acknowledgement, None, "", b"")
            facts: dict[str, Json] = {
                "application_id": package.application_id,
                "sha256": sha256,
                "sender": sender,
            }
            await self._write(_key(package), row, "desk.receive", "machine:desk", facts)
            return acknowledgement

    # -- answering -------------------------------------------------------------------------

    async def answer(
        self, application_id: str, answer: DeskAnswer, by: Actor, *, proof: str = "B"
    ) -> Receipt:
        """Answer an instruction, once; the same answer again is the same receipt.

        Args:
            application_id: Which one.
            answer: What was done.
            by: Who did it: a desk person, or the bank's core system through its own credential.
            proof: Kept for the record beside the actor.

        Raises:
            AccessDenied: The actor has not the role of a desk.
            InputError: There is no such instruction, or the answer does not fit it.
            DuplicateKey: It was answered otherwise before.
        """
        by.require(Role.BANK_DESK)
        async with self._changing:
            key = f"{application_id}/{DocumentKind.INSTRUCTION}"
            row = await self._read(key)
            if row is None:
                raise InputError(
                    "There is no such instruction in the inbox.",
                    hint="A pre-alert takes no answer; wait for the instruction.",
                    field="application_id",
                )
            package = read_package(row.body)
            receipt = self._receipt(package, answer, by)
            if row.receipt is not None:
                if _same(row.receipt, receipt):
                    return row.receipt
                raise DuplicateKey(
                    "The instruction was answered otherwise before.",
                    hint="Tell the police by telephone; they enter a correction.",
                    field="application_id",
                )
            signed = self._sign(canonical(json.loads(receipt.model_dump_json(exclude_none=True))))
            answers = await self._answered()
            facts: dict[str, Json] = {
                "application_id": application_id,
                "code": answer.code,
                "receipt_sha256": package_hashes(signed.document)[0],
                "proof": proof,
            }
            answered = _Row(
                row.body,
                row.sender,
                row.received_at,
                row.acknowledgement,
                receipt,
                by.id,
                signed.wire(),
            )
            event = Event("desk.answer", application_id.encode(), by.id)
            known = answers[-1][0] if answers else 0
            await self._write(key, answered, "desk.answer", by.id, facts, (event,), known)
            answers.append((known + 1, application_id))
            return receipt

    def _receipt(self, package: Package, answer: DeskAnswer, by: Actor) -> Receipt:
        now = self._now()
        _fits(package, answer, now)
        measure = package.measure
        good = _is_good(answer.code)
        freezing = measure.kind in {InstructionKind.FREEZE, InstructionKind.RENEW}
        started = (answer.started_at or now) if good else None
        expires = None
        if started is not None and measure.duration_hours is not None:
            expires = started + timedelta(hours=measure.duration_hours)
        elif good and freezing:
            expires = measure.end_at
        return Receipt.model_validate(
            {
                "application_id": package.application_id,
                "code": answer.code,
                "account_number": package.account.number,
                "started_at": started,
                "expires_at": expires,
                "balance": answer.balance,
                "frozen": answer.frozen,
                "earlier_authority": answer.earlier_authority,
                "earlier_expires_at": answer.earlier_expires_at,
                "cause": answer.cause,
                "operator": by.name[:40],
                "phone": answer.phone,
                "outflows": answer.outflows,
                "grade": "A",
                "proof": f"desk:{self._signer.key_id}",
            }
        )

    # -- reading ---------------------------------------------------------------------------

    async def items(self, *, waiting: bool = False) -> list[InboxItem]:
        """What came in, oldest first; or what waits for an answer."""
        found = []
        for key, value in await self._store.state(ITEMS):
            item = self._item(self._opened(key, value))
            if item.waiting or not waiting:
                found.append(item)
        return sorted(found, key=lambda item: (item.received_at, item.package.application_id))

    async def item(self, application_id: str) -> InboxItem | None:
        """One instruction, or its pre-alert where no instruction came yet."""
        for document in (DocumentKind.INSTRUCTION, DocumentKind.PRE_ALERT):
            row = await self._read(f"{application_id}/{document}")
            if row is not None:
                return self._item(row)
        return None

    async def answers_to(
        self, sender: str, after: int, limit: int, most: int
    ) -> tuple[int, list[bytes]]:
        """Signed receipts to one sender's packages after a cursor, and the cursor behind them.

        Args:
            sender: Name of the key that sent the packages.
            after: The cursor.
            limit: Receipts at most.
            most: Bytes at most; one is always given.
        """
        found: list[bytes] = []
        size, last = 0, after
        for version, application in list(await self._answered()):
            if version <= after:
                continue
            row = await self._read(f"{application}/{DocumentKind.INSTRUCTION}")
            if row is not None and row.sender == sender:
                size += len(row.signed)
                if found and (len(found) >= limit or size > most):
                    break
                found.append(row.signed)
            last = version
        return last, found

    # -- parts -----------------------------------------------------------------------------

    async def _answered(self) -> list[tuple[int, str]]:
        """Every answer so far, in order: its cursor and application id; read once."""
        async with self._loading:
            if self._answers is None:
                rows = await self._store.events(_STREAM)
                self._answers = [(version, event.body.decode()) for version, _, event in rows]
            return self._answers

    def _sign(self, document: bytes) -> Acknowledgement:
        signature = self._signer.sign(RECEIPT_DOMAIN, document).hex()
        return Acknowledgement(document, signature, self._signer.key_id)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.millis() / 1000, UTC)

    async def _read(self, key: str) -> _Row | None:
        for found, value in await self._store.state(ITEMS, key):
            if found == key:
                return self._opened(key, value)
        return None

    def _opened(self, key: str, value: bytes) -> _Row:
        plain = json.loads(self._vault.decrypt(_COLUMN, f"{ITEMS}/{key}", value))
        acknowledgement = Acknowledgement(
            plain["ack"]["document"].encode(), plain["ack"]["signature"], plain["ack"]["key_id"]
        )
        receipt = None
        if plain["receipt"] is not None:
            try:
                receipt = Receipt.model_validate(plain["receipt"])
            except ValidationError:
                raise InputError("A stored receipt is not readable.") from None
        return _Row(
            plain["body"].encode(),
            plain["sender"],
            datetime.fromisoformat(plain["at"]),
            acknowledgement,
            receipt,
            plain["by"],
            plain["signed"].encode(),
        )

    async def _write(
        self,
        key: str,
        row: _Row,
        what: str,
        who: str,
        facts: dict[str, Json],
        events: tuple[Event, ...] = (),
        version: int = 0,
    ) -> None:
        receipt = row.receipt
        plain = json.dumps(
            {
                "body": row.body.decode(),
                "sender": row.sender,
                "at": row.received_at.isoformat(),
                "ack": {
                    "document": row.acknowledgement.document.decode(),
                    "signature": row.acknowledgement.signature,
                    "key_id": row.acknowledgement.key_id,
                },
                "receipt": None if receipt is None else json.loads(receipt.model_dump_json()),
                "by": row.by,
                "signed": row.signed.decode(),
            },
            ensure_ascii=False,
        ).encode()
        sealed = self._vault.encrypt(_COLUMN, f"{ITEMS}/{key}", plain)
        await self._store.commit(
            ChangeSet(
                events=events,
                stream=_STREAM if events else "",
                expected_version=version,
                evidence=(EvidenceEntry("store", who, what, facts),),
                state=(StateRow(ITEMS, key, sealed),),
            )
        )

    def _item(self, row: _Row) -> InboxItem:
        return InboxItem(
            read_package(row.body),
            row.sender,
            row.received_at,
            ItemState.OPEN if row.receipt is None else ItemState.ANSWERED,
            row.receipt,
            row.by,
            row.acknowledgement,
            row.signed,
        )


@dataclass(frozen=True, slots=True)
class _Row:
    body: bytes
    sender: str
    received_at: datetime
    acknowledgement: Acknowledgement
    receipt: Receipt | None
    by: str
    signed: bytes


def _key(package: Package) -> str:
    """A pre-alert and the instruction after it may bear the same application id."""
    return f"{package.application_id}/{package.document}"


def _is_good(code: str) -> bool:
    return result_of(code).outcome in {Outcome.DONE, Outcome.PARTIAL}


def _fits(package: Package, answer: DeskAnswer, now: datetime) -> None:
    """Refuse an answer that cannot be meant.

    Raises:
        InputError: The text says which field, and why.
    """
    good = _is_good(answer.code)
    if good and answer.started_at is not None and answer.started_at > now + _AHEAD:
        raise InputError("The start lies in the future.", field="started_at")
    if not answer.cause and result_of(answer.code).outcome is Outcome.REFUSED:
        raise InputError("A refusal needs its cause.", field="cause")
    measure = package.measure
    asked = measure.amount if measure.mode == "01" else None
    frozen = None if answer.frozen is None else Decimal(answer.frozen)
    if good and asked is not None and frozen is not None and frozen > asked:
        raise InputError("More is frozen than was asked.", field="frozen")


def _same(one: Receipt, other: Receipt) -> bool:
    """Whether two answers say the same; times that the desk filled in itself apart."""
    blank = {"started_at": None, "expires_at": None, "operator": ""}
    return one.model_copy(update=blank) == other.model_copy(update=blank)


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
