"""The embedded store: SQLite in WAL mode, `synchronous=FULL`, one writer thread."""

from fzalert.store.sqlite.reserve import SIZE as RESERVE
from fzalert.store.sqlite.store import SqliteStore

__all__ = ["RESERVE", "SqliteStore"]
