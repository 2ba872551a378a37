"""Opt-outs: people who are not to be written to in bulk, and the way back."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from fzalert.messages import Target
from fzalert.store.port import Vault
from fzalert.store.records import OptOutRow
from fzalert.store.sqlite.rows import index_of, open_opt_out, seal_opt_out


def suppress(db: sqlite3.Connection, vault: Vault, target: Target, reason: str, now: int) -> bool:
    """Note that somebody is not to be written to again; the first reason stays.

    Returns:
        Whether it is new.
    """
    index = index_of(vault, target)
    sealed = seal_opt_out(vault, index, target)
    done = db.execute(
        "INSERT INTO suppression (target_index, reason, at, target) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (target_index) DO NOTHING",
        (index, reason, now, sealed),
    ).rowcount
    if not done:  # one of an older version has no address yet
        db.execute(
            "UPDATE suppression SET target = ? WHERE target_index = ? AND target IS NULL",
            (sealed, index),
        )
    return bool(done)


def restore(db: sqlite3.Connection, vault: Vault, targets: Sequence[Target]) -> int:
    """Let people be written to again; returns how many had opted out."""
    return db.executemany(
        "DELETE FROM suppression WHERE target_index = ?",
        [(index_of(vault, target),) for target in dict.fromkeys(targets)],
    ).rowcount


def opt_outs(db: sqlite3.Connection, vault: Vault, before: int, limit: int) -> list[OptOutRow]:
    """Read opt-outs, the newest first, from a number downward."""
    return [
        OptOutRow(seq, open_opt_out(vault, index, sealed) if sealed else None, reason, at)
        for seq, index, sealed, reason, at in db.execute(
            "SELECT seq, target_index, target, reason, at FROM suppression WHERE seq < ?"
            " ORDER BY seq DESC LIMIT ?",
            (before or 2**63 - 1, limit),
        )
    ]
