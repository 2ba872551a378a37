"""`fzalert evidence`: the append-only record, checked and exported."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel

from fzalert.access.keys import FileSigner
from fzalert.access.keys import verify as verify_signature
from fzalert.cli.exits import Exit
from fzalert.cli.session import current
from fzalert.errors import InputError, IntegrityError
from fzalert.evidence import HEADS, DayHead, Head, encode_line, known_ends, read_head
from fzalert.service.building import SIGNING_KEY
from fzalert.store.sqlite.backup import chain_reports, links, open_for_reading
from fzalert.store.sqlite.connection import in_our_words

__all__ = ["export", "heads", "script", "verify"]


class ChainView(BaseModel):
    """One chain, checked."""

    chain: str
    length: int
    head: str
    fault: str = ""


class HeadView(BaseModel):
    """The record of one day."""

    day: str
    made_at: str
    late: int
    chains: int
    news: int
    root: str
    key: str
    fault: str = ""


@contextlib.contextmanager
def _looking(store: Path | None) -> Iterator[sqlite3.Connection]:
    store = store or current().settings().store.path
    db = open_for_reading(store)
    try:
        yield db
    except sqlite3.Error as error:
        raise in_our_words(error, store) from error
    finally:
        db.close()


def verify(*, key: str = "", store: Path | None = None) -> int:
    """Check every chain from its first row, against the daily heads in the store and beside it.

    Exit code 9 where a row cannot be believed, or a chain was cut or taken away.

    Args:
        key: Public key, hex, that has to have signed the daily heads; this house's own where none
            is given.
        store: Another store, such as a bank's desk's; the one of the configuration unless given.
    """
    output = current().output
    broken = 0
    with _looking(store) as db:
        known, faults = _known(db, key, store)
        for fault in faults:
            output.data(ChainView(chain=HEADS, length=0, head="", fault=fault))
            output.line(f"■ {HEADS}  {fault}")
            broken += 1
        for report in chain_reports(db, known):
            view = ChainView(
                chain=report.name, length=report.length, head=report.head, fault=report.fault
            )
            output.data(view)
            broken += bool(view.fault)
            sign = "■" if view.fault else "●"
            output.line(f"{sign} {view.chain}  {view.length}  {view.head}  {view.fault}".rstrip())
    return Exit.INTEGRITY if broken else Exit.OK


def heads(*, store: Path | None = None) -> int:
    """List the daily heads: day, how many chains, and whether the record was made up late.

    Args:
        store: Another store; the one of the configuration unless given.
    """
    output = current().output
    expected = _own_key(store)
    rows: list[HeadView] = []
    with _looking(store) as db:
        for row in links(db, HEADS):
            try:
                head = read_head(row.body, verify_signature, public_key=expected)
            except IntegrityError as error:
                rows.append(_unread(row.seq, str(error.args[0])))
                continue
            rows.append(_view(head))
    output.rows(rows)
    output.table(
        ["日", "制于", "迟", "链", "有新", "根", ""],
        [
            [
                one.day,
                one.made_at,
                f"▲ {one.late} s" if one.late else "–",
                str(one.chains),
                str(one.news),
                one.root[:16],
                one.fault,
            ]
            for one in rows
        ],
    )
    return Exit.INTEGRITY if any(one.fault for one in rows) else Exit.OK


def _view(head: DayHead) -> HeadView:
    return HeadView(
        day=head.day,
        made_at=head.made_at,
        late=head.late,
        chains=head.count,
        news=len(head.chains),
        root=head.root,
        key=head.public_key,
    )


def _unread(seq: int, why: str) -> HeadView:
    return HeadView(
        day="", made_at="", late=0, chains=0, news=0, root="", key="", fault=f"Row {seq}: {why}"
    )


def _known(
    db: sqlite3.Connection, key: str, store: Path | None
) -> tuple[Mapping[str, tuple[str, Head]], tuple[str, ...]]:
    """What the daily heads say of each chain, and why they cannot be believed."""
    expected = _given(key) if key else _own_key(store)
    if store is None:
        file = current().settings().heads_file
    else:
        file = store.with_name(store.name + ".heads")
    try:
        copied = file.read_bytes() if file.exists() else b""  # before the store: it only grows
    except OSError as error:
        raise InputError(f"{file.name} cannot be read ({error.strerror}).", field="heads") from None
    read: list[DayHead] = []
    lines: list[bytes] = []
    faults: list[str] = []
    for row in links(db, HEADS):
        lines.append(encode_line(row))
        try:
            read.append(read_head(row.body, verify_signature, public_key=expected))
        except IntegrityError as error:
            faults.append(f"Row {row.seq}: {error.args[0]}")
    if not b"".join(lines).startswith(copied):
        theirs = copied.splitlines(keepends=True)
        pairs = enumerate(theirs)
        at = next((n for n, line in pairs if n >= len(lines) or lines[n] != line), len(theirs))
        faults.append(f"Row {at}: the file {file.name} has another one, or one more.")
    try:
        return known_ends(read), tuple(faults)
    except IntegrityError as error:
        return {}, (*faults, str(error.args[0]))


def _given(key: str) -> bytes:
    try:
        return bytes.fromhex(key)
    except ValueError:
        raise InputError("The key is no hex digits.", field="key") from None


def _own_key(store: Path | None) -> bytes | None:
    """The house's public key; None for another's store, or where there is only a copy of it."""
    if store is not None:
        return None
    path = current().settings().data_directory / SIGNING_KEY
    return FileSigner.load(path).public_key if path.exists() else None


def export(
    *,
    chain: str = "",
    lines: bool = False,
    out: Path | None = None,
    store: Path | None = None,
) -> None:
    """Write the record as JSON lines: chain, sequence, event and hash.

    The event stands in its canonical spelling, so that anyone can compute the hash anew.

    Args:
        chain: Only this chain; all of them where none is given.
        lines: Write one chain as the lines that a bundle has, event, tab and hash, which a script
            without fzalert can check.
        out: A new file; standard output where none is given.
        store: Another database than the configured one, such as that of a bank's desk.
    """
    with _looking(store) as db, contextlib.ExitStack() as stack:
        names = [report.name for report in chain_reports(db)]
        if chain and chain not in names:
            raise InputError(f"There is no chain {chain[:60]!r}.", field="chain")
        if lines and not chain:
            raise InputError("Which chain? --lines writes one.", field="chain")
        write: Callable[[str], object] = print_line
        if out is not None:
            try:
                file = stack.enter_context(out.open("x", encoding="utf-8", newline="\n"))
            except OSError as error:
                raise InputError(
                    f"{out.name} cannot be made ({error.strerror}).", field="out"
                ) from error
            write = file.write
        for name in [chain] if chain else names:
            for row in links(db, name):
                record = {
                    "chain": name,
                    "seq": row.seq,
                    "event": row.body.decode(),
                    "hash": row.hash.hex(),
                }
                line = json.dumps(record, ensure_ascii=False) + "\n"
                _ = write(encode_line(row).decode() if lines else line)


def script(*, out: Path | None = None) -> None:
    """Write the script that checks a bundle or a chain with nothing of fzalert.

    Args:
        out: A new file; standard output where none is given.
    """
    from fzalert.freeze.bundle import verifier

    text = verifier().decode()
    if out is None:
        print_line(text)
        return
    try:
        with out.open("x", encoding="utf-8", newline="\n") as file:
            _ = file.write(text)
    except OSError as error:
        raise InputError(f"{out.name} cannot be made ({error.strerror}).", field="out") from error


def print_line(text: str) -> None:
    """Write one line to standard output, with --json or without."""
    current().output.raw(text.rstrip("\n"))
