"""How an item of the desk lies in its store: one sealed row of JSON, with room for later fields."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from fzalert.errors import InputError
from fzalert.evidence import canonical
from fzalert.freeze.package import Receipt

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Acknowledgement", "Call", "Core", "Line", "Origin", "Paper", "Row", "dump", "load"]


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
class Line:
    """The client certificate of the line that something came over; TLS has verified it.

    Attributes:
        fingerprint: `sha256:` and the hash of the whole certificate in hex.
        names: The names that its authority wrote into it.
        until: When it ends.
    """

    fingerprint: str
    names: tuple[str, ...] = ()
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Paper:
    """An instruction that was typed in from paper.

    Attributes:
        by: Who typed it in.
        at: When.
        hash16: First 16 hex digits of the package's SHA-256, from the code on the paper.
        differs: The package came later over the line, and what was typed is not what it says.
    """

    by: str
    at: datetime
    hash16: str
    differs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Origin:
    """Who signed a package, and how it came.

    Attributes:
        key_id: Key that signed the request; empty for a paper, or one taken before this was kept.
        signed_at: The signed time.
        line: Certificate of the line, or None.
        paper: Where it was typed in from paper.
    """

    key_id: str = ""
    signed_at: datetime | None = None
    line: Line | None = None
    paper: Paper | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One telephone call back to the unit, on the number of our own book.

    Attributes:
        by: Who called.
        at: When.
        confirmed: Whether the unit said that the instruction is its own.
        note: What was said.
    """

    by: str
    at: datetime
    confirmed: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class Core:
    """The last time that core banking was asked about an item.

    Attributes:
        state: asking, done, left (to a person), refused, or failed.
        at: When.
        why: What it said, or why it said nothing.
    """

    state: str
    at: datetime
    why: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One item as it is kept.

    Attributes:
        body: The package, canonical JSON.
        sender: Name of the key that sent it.
        received_at: When it was on disk.
        acknowledgement: What the sender got.
        receipt: What was answered, or None.
        by: Who answered, or empty.
        signed: The receipt's wire form, or empty.
        origin: Who signed it, and how it came.
        opened_by: Who first looked at it in full, or empty.
        opened_at: When.
        taken_by: Whose it is, or empty.
        calls: Telephone calls about it.
        core: What core banking said last, or None.
        answered_at: When it was answered.
    """

    body: bytes
    sender: str
    received_at: datetime
    acknowledgement: Acknowledgement
    receipt: Receipt | None = None
    by: str = ""
    signed: bytes = b""
    origin: Origin = field(default_factory=Origin)
    opened_by: str = ""
    opened_at: datetime | None = None
    taken_by: str = ""
    calls: tuple[Call, ...] = ()
    core: Core | None = None
    answered_at: datetime | None = None


def dump(row: Row) -> bytes:
    """A row as it is sealed."""
    receipt, origin = row.receipt, row.origin
    line, paper = origin.line, origin.paper
    value: dict[str, Any] = {
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
        "key_id": origin.key_id,
        "signed_at": _written(origin.signed_at),
        "line": None
        if line is None
        else {
            "fingerprint": line.fingerprint,
            "names": list(line.names),
            "until": _written(line.until),
        },
        "paper": None
        if paper is None
        else {
            "by": paper.by,
            "at": paper.at.isoformat(),
            "hash16": paper.hash16,
            "differs": list(paper.differs),
        },
        "opened_by": row.opened_by,
        "opened_at": _written(row.opened_at),
        "taken_by": row.taken_by,
        "calls": [[one.by, one.at.isoformat(), one.confirmed, one.note] for one in row.calls],
        "core": None
        if row.core is None
        else [row.core.state, row.core.at.isoformat(), row.core.why],
        "answered_at": _written(row.answered_at),
    }
    return json.dumps(value, ensure_ascii=False).encode()


def load(plain: bytes) -> Row:
    """Read a row, also one of an earlier version.

    Raises:
        InputError: Its receipt cannot be read.
    """
    value = json.loads(plain)
    acknowledged = value["ack"]
    receipt = None
    if value["receipt"] is not None:
        try:
            receipt = Receipt.model_validate(value["receipt"])
        except ValidationError:
            raise InputError("A stored receipt is not readable.") from None
    core = value.get("core")
    return Row(
        body=value["body"].encode(),
        sender=value["sender"],
        received_at=datetime.fromisoformat(value["at"]),
        acknowledgement=Acknowledgement(
            acknowledged["document"].encode(), acknowledged["signature"], acknowledged["key_id"]
        ),
        receipt=receipt,
        by=value["by"],
        signed=value["signed"].encode(),
        origin=_origin(value),
        opened_by=value.get("opened_by", ""),
        opened_at=_read(value.get("opened_at")),
        taken_by=value.get("taken_by", ""),
        calls=tuple(
            Call(by, datetime.fromisoformat(at), confirmed, note)
            for by, at, confirmed, note in value.get("calls", ())
        ),
        core=None if core is None else Core(core[0], datetime.fromisoformat(core[1]), core[2]),
        answered_at=_read(value.get("answered_at")),
    )


def _origin(value: Mapping[str, Any]) -> Origin:
    line, paper = value.get("line"), value.get("paper")
    return Origin(
        key_id=value.get("key_id", ""),
        signed_at=_read(value.get("signed_at")),
        line=None
        if line is None
        else Line(line["fingerprint"], tuple(line["names"]), _read(line["until"])),
        paper=None
        if paper is None
        else Paper(
            paper["by"],
            datetime.fromisoformat(paper["at"]),
            paper["hash16"],
            tuple(paper["differs"]),
        ),
    )


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _read(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
