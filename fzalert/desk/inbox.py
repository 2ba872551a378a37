"""The inbox: what came in, on disk before it is acknowledged; what was answered, signed.

A package that comes twice is one item: the same bytes get the same acknowledgement, other bytes
under the same application id are refused. An answer is given once; the same again is the same.
Personal data lies sealed by the store's vault.
"""

from __future__ import annotations

import asyncio
import enum
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from fzalert.access import Actor, Role
from fzalert.clock import Clock
from fzalert.desk.answers import DeskAnswer, fits, is_good, same
from fzalert.desk.rows import Acknowledgement, Call, Core, Origin, Paper, Row, dump, load
from fzalert.errors import DuplicateKey, InputError
from fzalert.evidence import Json, canonical
from fzalert.freeze.package import (
    DocumentKind,
    InstructionKind,
    Package,
    Receipt,
    package_hashes,
    read_package,
    write_package,
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


class ItemState(enum.StrEnum):
    """Where an item is."""

    OPEN = "open"
    ANSWERED = "answered"


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
        origin: Who signed it, and how it came.
        opened_by: Who first looked at it in full, or empty.
        opened_at: When.
        taken_by: Whose it is, or empty.
        calls: Telephone calls back about it.
        core: What core banking said last, or None.
        answered_at: When it was answered, or None.
        sha256: Of the package's bytes.
    """

    package: Package
    sender: str
    received_at: datetime
    state: ItemState
    receipt: Receipt | None
    answered_by: str
    acknowledgement: Acknowledgement
    signed_receipt: bytes = b""
    origin: Origin = field(default_factory=Origin)
    opened_by: str = ""
    opened_at: datetime | None = None
    taken_by: str = ""
    calls: tuple[Call, ...] = ()
    core: Core | None = None
    answered_at: datetime | None = None
    sha256: str = ""

    @property
    def unseen(self) -> bool:
        """Whether it is a pre-alert that nobody has looked at."""
        return self.package.document is DocumentKind.PRE_ALERT and self.opened_at is None

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

    async def take(self, body: bytes, sender: str, origin: Origin | None = None) -> Acknowledgement:
        """Put a package on disk and acknowledge it.

        Where the same application was typed in from paper before, and its hash fits, the package
        takes the place of what was typed; the item and its answer go on.

        Args:
            body: As it came; its sender was proved before (`access.requests`, or a certificate).
            sender: Name of the key or certificate.
            origin: Who signed it, and the line that it came over.

        Raises:
            InputError: It is no package in its one spelling, or about another institution.
            DuplicateKey: The application id came before with other bytes.
        """
        package = read_package(body)
        self._is_ours(package)
        origin = origin or Origin()
        sha256, sm3 = package_hashes(body)
        async with self._changing:
            known = await self._read(_key(package))
            typed = None if known is None else known.origin.paper
            fresh = known is not None and typed is not None and not known.sender
            if known is not None and not fresh:
                if package_hashes(known.body)[0] != sha256:
                    raise DuplicateKey(
                        f"Application {package.application_id} came before with other content.",
                        hint="A changed request needs a new application id.",
                        field="application_id",
                    )
                return known.acknowledgement
            if typed is not None and fresh and not sha256.startswith(typed.hash16):
                raise DuplicateKey(
                    f"Application {package.application_id} was entered from a paper with another"
                    " hash.",
                    hint="Call the unit: the paper and the package are not the same.",
                    field="application_id",
                )
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
            row = Row(body, sender, now, acknowledgement, origin=origin)
            facts: dict[str, Json] = {
                "application_id": package.application_id,
                "sha256": sha256,
                "sender": sender,
            }
            events: tuple[Event, ...] = ()
            answers: list[tuple[int, str]] = []
            if known is not None and fresh and typed is not None:
                typed = replace(typed, differs=_differences(read_package(known.body), package))
                row = replace(
                    known,
                    body=body,
                    sender=sender,
                    acknowledgement=acknowledgement,
                    origin=replace(origin, paper=typed),
                )
                facts["paper_differs"] = list(typed.differs)
                if known.receipt is not None:
                    # Answered on paper: from now on there is a sender who asks for the answer.
                    answers = await self._answered()
                    event = Event("desk.answer", package.application_id.encode(), known.by)
                    events = (event,)
            version = answers[-1][0] if answers else 0
            await self._write(
                _key(package), row, "desk.receive", "machine:desk", facts, events, version
            )
            if events:
                answers.append((version + 1, package.application_id))
            return acknowledgement

    def _is_ours(self, package: Package) -> None:
        institution = package.account.bank_code or package.account.institution
        if self._codes and institution not in self._codes:
            raise InputError(
                "The account is of another institution.",
                hint="Send the package to the desk of the institution that it names.",
                field="account.bank_code",
            )

    async def enter(self, package: Package, hash16: str, by: Actor) -> InboxItem:
        """Put an instruction into the inbox that came on paper.

        Where its package is here already, the paper is the same object if its hash fits: it is
        noted there, and nothing is entered twice.

        Args:
            package: What the paper says.
            hash16: First 16 hex digits of the package's hash, as the code on the paper has them.
            by: Who typed it in.

        Raises:
            AccessDenied: The actor has not the role of a desk.
            InputError: It is about another institution.
            DuplicateKey: The application came before with another hash.
        """
        by.require(Role.BANK_DESK)
        self._is_ours(package)
        async with self._changing:
            key = _key(package)
            known = await self._read(key)
            now = self._now()
            paper = Paper(by.id, now, hash16)
            if known is not None:
                before = known.origin.paper
                there = package_hashes(known.body)[0][:16] if known.sender else ""
                if not known.sender and before is not None:
                    there = before.hash16
                if there != hash16:
                    raise DuplicateKey(
                        f"Application {package.application_id} is here with another hash.",
                        hint="Call the unit: the paper and the package are not the same.",
                        field="application_id",
                    )
                if before is not None:
                    return self._item(known)
                row = replace(known, origin=replace(known.origin, paper=paper))
            else:
                body = write_package(package)
                document = canonical(
                    {
                        "acknowledges": package.application_id,
                        "at": _text(now),
                        "desk": self._name,
                        "document": str(package.document),
                        "sha256_16": hash16,
                    }
                )
                row = Row(body, "", now, self._sign(document), origin=Origin(paper=paper))
            facts: dict[str, Json] = {
                "application_id": package.application_id,
                "sha256_16": hash16,
                "known": known is not None,
            }
            await self._write(key, row, "desk.paper", by.id, facts)
            return self._item(row)

    # -- answering -------------------------------------------------------------------------

    async def answer(
        self,
        application_id: str,
        answer: DeskAnswer,
        by: Actor,
        *,
        proof: str = "B",
        only_first: bool = False,
    ) -> Receipt:
        """Answer an instruction, once; the same answer again is the same receipt.

        Args:
            application_id: Which one.
            answer: What was done.
            by: Who did it: a desk person, or the bank's core system through its own credential.
            proof: Kept for the record beside the actor.
            only_first: Refuse also the same answer where it was given before: two persons who
                answer at once are told who was first.

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
                if same(row.receipt, receipt) and not only_first:
                    return row.receipt
                raise DuplicateKey(
                    "The instruction was answered otherwise before.",
                    hint="Tell the police by telephone; they enter a correction.",
                    field="application_id",
                )
            signed = self._sign(canonical(json.loads(receipt.model_dump_json(exclude_none=True))))
            # A paper without a sender has nobody who could ask for the answer; it is printed.
            answers = await self._answered() if row.sender else []
            facts: dict[str, Json] = {
                "application_id": application_id,
                "code": answer.code,
                "receipt_sha256": package_hashes(signed.document)[0],
                "proof": proof,
            }
            answered = replace(
                row,
                receipt=receipt,
                by=by.id,
                signed=signed.wire(),
                answered_at=self._now(),
                taken_by=row.taken_by or by.id,
            )
            events = (Event("desk.answer", application_id.encode(), by.id),) if row.sender else ()
            known = answers[-1][0] if answers else 0
            await self._write(key, answered, "desk.answer", by.id, facts, events, known)
            if events:
                answers.append((known + 1, application_id))
            return receipt

    def _receipt(self, package: Package, answer: DeskAnswer, by: Actor) -> Receipt:
        now = self._now()
        fits(package, answer, now)
        measure = package.measure
        good = is_good(answer.code)
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

    async def item(
        self, application_id: str, document: DocumentKind | None = None
    ) -> InboxItem | None:
        """One instruction, or its pre-alert where no instruction came yet.

        Args:
            application_id: Under which it came.
            document: Only this one of the two.
        """
        both = (DocumentKind.INSTRUCTION, DocumentKind.PRE_ALERT)
        for wanted in both if document is None else (document,):
            row = await self._read(f"{application_id}/{wanted}")
            if row is not None:
                return self._item(row)
        return None

    async def change(
        self,
        application_id: str,
        document: DocumentKind,
        change: Callable[[Row, datetime], Row | None],
        what: str,
        by: Actor,
        facts: dict[str, Json],
    ) -> InboxItem:
        """Change what the desk itself keeps beside an item, and put it on record.

        Args:
            application_id: Which one.
            document: Which of the two documents.
            change: Gives the row as it has to be, or None where nothing is to be written.
            what: The act, for the record.
            by: Who.
            facts: Beside the application id.

        Raises:
            AccessDenied: The actor has not the role of a desk.
            InputError: There is no such item, or as `change`.
        """
        by.require(Role.BANK_DESK)
        key = f"{application_id}/{document}"
        async with self._changing:
            row = await self._read(key)
            if row is None:
                raise InputError("There is no such application here.", field="application_id")
            changed = change(row, self._now())
            if changed is not None:
                told: dict[str, Json] = {"application_id": application_id, **facts}
                await self._write(key, changed, what, by.id, told)
            return self._item(changed or row)

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

    async def _read(self, key: str) -> Row | None:
        for found, value in await self._store.state(ITEMS, key):
            if found == key:
                return self._opened(key, value)
        return None

    def _opened(self, key: str, value: bytes) -> Row:
        return load(self._vault.decrypt(_COLUMN, f"{ITEMS}/{key}", value))

    async def _write(
        self,
        key: str,
        row: Row,
        what: str,
        who: str,
        facts: dict[str, Json],
        events: tuple[Event, ...] = (),
        version: int = 0,
    ) -> None:
        sealed = self._vault.encrypt(_COLUMN, f"{ITEMS}/{key}", dump(row))
        await self._store.commit(
            ChangeSet(
                events=events,
                stream=_STREAM if events else "",
                expected_version=version,
                evidence=(EvidenceEntry("store", who, what, facts),),
                state=(StateRow(ITEMS, key, sealed),),
            )
        )

    def _item(self, row: Row) -> InboxItem:
        return InboxItem(
            read_package(row.body),
            row.sender,
            row.received_at,
            ItemState.OPEN if row.receipt is None else ItemState.ANSWERED,
            row.receipt,
            row.by,
            row.acknowledgement,
            row.signed,
            row.origin,
            row.opened_by,
            row.opened_at,
            row.taken_by,
            row.calls,
            row.core,
            row.answered_at,
            package_hashes(row.body)[0],
        )


def _key(package: Package) -> str:
    """A pre-alert and the instruction after it may bear the same application id."""
    return f"{package.application_id}/{package.document}"


def _differences(typed: Package, came: Package) -> tuple[str, ...]:
    """What was typed from a paper otherwise than the package says; names of fields."""
    one, other = typed.inflow[0], came.inflow[0]
    pairs = {
        "kind": (typed.measure.kind, came.measure.kind),
        "number": (typed.account.number, came.account.number),
        "name": (typed.account.name, came.account.name),
        "amount": (typed.measure.amount or one.amount, came.measure.amount or other.amount),
    }
    return tuple(name for name, (a, b) in pairs.items() if a != b)


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
