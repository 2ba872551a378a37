"""`fzalert evidence`: the append-only record, checked and exported."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import BaseModel

from fzalert.cli.exits import Exit
from fzalert.cli.session import current
from fzalert.errors import InputError
from fzalert.store.sqlite.backup import chain_reports, links, open_for_reading
from fzalert.store.sqlite.connection import in_our_words

__all__ = ["export", "verify"]


class ChainView(BaseModel):
    """One chain, checked."""

    chain: str
    length: int
    head: str
    fault: str = ""


@contextlib.contextmanager
def _looking() -> Iterator[sqlite3.Connection]:
    store = current().settings().store.path
    db = open_for_reading(store)
    try:
        yield db
    except sqlite3.Error as error:
        raise in_our_words(error, store) from error
    finally:
        db.close()


def verify() -> int:
    """Check every chain from its first row; exit code 9 where a row cannot be believed."""
    output = current().output
    broken = 0
    with _looking() as db:
        for report in chain_reports(db):
            view = ChainView(
                chain=report.name, length=report.length, head=report.head, fault=report.fault
            )
            output.data(view)
            broken += bool(view.fault)
            sign = "■" if view.fault else "●"
            output.line(f"{sign} {view.chain}  {view.length}  {view.head}  {view.fault}".rstrip())
    return Exit.INTEGRITY if broken else Exit.OK


def export(*, chain: str = "", out: Path | None = None) -> None:
    """Write the record as JSON lines: chain, sequence, event and hash.

    The event stands in its canonical spelling, so that anyone can compute the hash anew.

    Args:
        chain: Only this chain; all of them where none is given.
        out: A new file; standard output where none is given.
    """
    with _looking() as db, contextlib.ExitStack() as stack:
        names = [report.name for report in chain_reports(db)]
        if chain and chain not in names:
            raise InputError(f"There is no chain {chain[:60]!r}.", field="chain")
        write: Callable[[str], object] = print_line
        if out is not None:
            try:
                file = stack.enter_context(out.open("x", encoding="utf-8"))
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
                _ = write(json.dumps(record, ensure_ascii=False) + "\n")


def print_line(text: str) -> None:
    """Write one line to standard output, with --json or without."""
    current().output.raw(text.rstrip("\n"))
