"""Files that hold a key: made once, whole or not at all, readable by their owner alone."""

from __future__ import annotations

import os
import secrets
import stat
import sys
from pathlib import Path

from fzalert.errors import ConfigError


def read_private(path: Path) -> bytes:
    """Read a key file.

    Raises:
        ConfigError: It cannot be read, or others than its owner may read it.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read()
    except OSError as error:
        raise ConfigError(f"Cannot read the key in {path}: {error.strerror}.") from error
    if sys.platform != "win32" and mode & 0o077:
        raise ConfigError(f"The key in {path} can be read by others.", hint=f"chmod 600 {path}")
    return text


def create_private(path: Path, content: bytes) -> None:
    """Write a key file beside its place and move it there; a file that appeared meanwhile wins.

    Raises:
        ConfigError: The folder cannot be written.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)
        except FileExistsError:
            pass  # another process made it first; both use that one
        finally:
            draft.unlink()
        sync_folder(path.parent)
    except OSError as error:
        raise ConfigError(f"Cannot make the key file {path}: {error.strerror}.") from error


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
