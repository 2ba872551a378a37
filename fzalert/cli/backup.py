"""`fzalert backup`: a copy of the database while it runs, and whether a copy can be relied on."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from fzalert.cli.session import current
from fzalert.store.sqlite.backup import make_backup, verify_backup

__all__ = ["make", "verify"]


class BackupView(BaseModel):
    """A copy that was made or looked at, and is sound."""

    file: str
    bytes: int
    store_id: str
    generation: int
    messages: int
    chains: int
    rows: int


def make(file: Path) -> None:
    """Copy the database, also while the daemon writes to it, and check the copy.

    The keys are not in it: keep master.key apart from it.

    Args:
        file: The new file; its folder must be there.
    """
    make_backup(current().settings().store.path, file)
    verify(file)


def verify(file: Path) -> None:
    """Restore a copy in a folder of its own, and check file, schema and evidence there.

    Exit code 9 where it cannot be relied on.

    Args:
        file: The copy.
    """
    found = verify_backup(file)
    view = BackupView(
        file=found.file,
        bytes=found.size,
        store_id=found.store_id,
        generation=found.generation,
        messages=found.messages,
        chains=found.chains,
        rows=found.rows,
    )
    output = current().output
    output.data(view)
    output.line(
        f"● {view.file} 完好 sound: {view.messages} 条消息 messages,"
        f" {view.chains} 条存证链 chains, {view.rows} 行 rows"
    )
