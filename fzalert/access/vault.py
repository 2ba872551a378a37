"""Encrypted columns: data keys under a master key, a blob that fits one cell alone, a blind index.

A blob is `0x01 || key id (2, big-endian) || nonce (12, random) || ciphertext || tag (16)`:
AES-256-GCM with the additional data `fz1|<table>.<column>|k<key id>|<row id>`, so that it does not
decrypt once it is moved to another row or column. The master key never encrypts data: HKDF-SHA256
makes of it one key that wraps the data keys and, for a new store, one for the blind index.
Destroying a data key destroys what it encrypted, in every backup too.

Another master key wraps the same data keys anew. The key of the blind index stays what it was, as a
wrapped row of its own: with another one, nothing that is stored would be found again. So whoever
had the first master key can still try out addresses against the index; nothing else opens to him.

Source: NIST SP 800-38D (GCM); RFC 3394 (AES key wrap); RFC 5869 (HKDF).
"""

from __future__ import annotations

import enum
import hmac
import os
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from typing_extensions import override

from fzalert.access import _files
from fzalert.errors import ConfigError, IntegrityError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from fzalert.ports import SecretValue

__all__ = ["KeyRow", "KeyState", "Vault", "follow", "former_keys", "master_of", "prepare"]

_VERSION = b"\x01"
_NONCE = 12
_TAG = 16
_HEAD = 3 + _NONCE
_LAST_KEY = 0xFFFF
_NONCES: deque[bytes] = deque()
_NONCES_AT_ONCE = 512

if hasattr(os, "register_at_fork"):
    # A child that went on with its parent's nonces would repeat them under the same key.
    os.register_at_fork(after_in_child=_NONCES.clear)


class KeyState(enum.StrEnum):
    """What a data key is still good for."""

    ACTIVE = "active"
    """Encrypts and decrypts; one key is."""
    OLD = "old"
    """Decrypts only."""
    DESTROYED = "destroyed"
    """Gone, and with it everything it encrypted."""
    INDEX = "index"
    """The key of the blind index; there is a row of it once the master key was changed."""


class KeyRow(NamedTuple):
    """One row of the table `keys`.

    Attributes:
        id: 1 to 65535; 0 is the key of the blind index.
        state: active, old, destroyed or index.
        wrapped: The data key under the master key; empty once destroyed.
        created: Milliseconds since the epoch.
    """

    id: int
    state: str
    wrapped: bytes
    created: int


class Vault:
    """Encrypts and decrypts cells; safe to use from several threads.

    Args:
        master: 32 random bytes.
        rows: The table `keys`. What changes is returned as a row for the store to keep, and may be
            used once it is kept.

    Raises:
        ConfigError: The master key has another length.
        IntegrityError: A row was wrapped under another master key.
    """

    def __init__(self, master: bytes, rows: Iterable[KeyRow] = ()) -> None:
        if len(master) != 32:
            raise ConfigError("The master key has to be 32 random bytes.")
        from cryptography.exceptions import InvalidTag

        self._altered: type[Exception] = InvalidTag
        self.master_id = _derive(master, b"fzalert/key-name/v1").hex()[:8]
        self._wrapping = _derive(master, b"fzalert/key-wrap/v1")
        self._index_key = _derive(master, b"fzalert/blind-index/v1")
        self._rows: dict[int, KeyRow] = {}
        self._ciphers: dict[int, AESGCM] = {}
        self._active: tuple[AESGCM, bytes, str] | None = None
        for row in rows:
            self._take(row)

    @classmethod
    def from_secret(cls, secret: SecretValue, rows: Iterable[KeyRow] = ()) -> Self:
        """Open with a master key given by reference: 64 hex digits.

        Raises:
            ConfigError: The secret is no such text.
        """
        return cls(master_of(secret), rows)

    @classmethod
    def create(cls, path: Path, rows: Iterable[KeyRow] = ()) -> Self:
        """Open with the master key of a file, made at the first start (mode 0600).

        Where a change of the master key was cut short, it is brought to the end that the rows
        say: they are the truth, the files follow.

        Raises:
            ConfigError: The file cannot be read or made, others may read it, or it holds no key.
            IntegrityError: The key is not the one of the rows.
        """
        rows = tuple(rows)
        following = _next(path)
        if following.exists():
            try:
                vault = cls(_read_master(following), rows)
            except (ConfigError, IntegrityError):
                vault = None
            if rows and vault is not None:
                follow(path)
                return vault
            following.unlink()  # the rows never came to be under it
        if not path.exists() and rows:
            raise IntegrityError(
                f"The master key {path.name} is gone, and the store needs it.",
                hint="Restore it from where it is kept apart from the backups.",
            )
        if not path.exists():
            _files.create_private(path, os.urandom(32).hex().encode("ascii") + b"\n")
        return cls(_read_master(path), rows)

    @property
    def rows(self) -> tuple[KeyRow, ...]:
        """The table `keys` as it has to stand, in the order of ids."""
        return tuple(self._rows[number] for number in sorted(self._rows))

    @property
    def has_active_key(self) -> bool:
        """Whether `encrypt` can be called; a new store has no key yet."""
        return self._active is not None

    def new_key(self, created: int) -> tuple[KeyRow, ...]:
        """Make a data key and let it encrypt from now on: at the first start and each rotation.

        Args:
            created: Milliseconds since the epoch.

        Returns:
            Every row that changed: the new one, and the one that is old now.

        Raises:
            ConfigError: All 65535 ids are used up.
        """
        from cryptography.hazmat.primitives.keywrap import aes_key_wrap

        number = max(self._rows, default=0) + 1
        if number > _LAST_KEY:
            raise ConfigError("No id is left for a new data key.")
        changed = [
            row._replace(state=KeyState.OLD)
            for row in self._rows.values()
            if row.state == KeyState.ACTIVE
        ]
        changed.append(
            KeyRow(number, KeyState.ACTIVE, aes_key_wrap(self._wrapping, os.urandom(32)), created)
        )
        for row in changed:
            self._take(row)
        return tuple(changed)

    def renewed(self, master: bytes, created: int) -> Vault:
        """The same data keys and index under another master key, and a new data key.

        This vault stays as it is until it adopts the other, once the other's rows are kept.

        Args:
            master: 32 random bytes.
            created: Milliseconds since the epoch.

        Raises:
            ConfigError: All 65535 ids are used up, or the key has another length.
        """
        from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap

        other = type(self)(master)
        index = aes_key_wrap(other._wrapping, self._index_key)
        other._take(KeyRow(0, KeyState.INDEX, index, created))
        for row in self._rows.values():
            if row.state == KeyState.INDEX:
                continue
            if row.state != KeyState.DESTROYED:
                key = aes_key_unwrap(self._wrapping, row.wrapped)
                row = row._replace(wrapped=aes_key_wrap(other._wrapping, key))  # noqa: PLW2901
            other._take(row)
        _ = other.new_key(created)
        return other

    def adopt(self, other: Vault) -> None:
        """Go on as another vault does; what this one encrypted is still read."""
        self._ciphers = dict(other._ciphers)
        self._rows = dict(other._rows)
        self._index_key = other._index_key
        self._wrapping = other._wrapping
        self.master_id = other.master_id
        self._active = other._active

    def destroy(self, number: int) -> KeyRow:
        """Destroy an old data key and, with it, whatever it encrypted.

        Raises:
            ConfigError: No such key, or it is the active one.
        """
        row = self._rows.get(number)
        if row is None or row.state != KeyState.OLD:
            raise ConfigError(f"Key {number} is no old data key.", hint="Rotate first.")
        gone = row._replace(state=KeyState.DESTROYED, wrapped=b"")
        self._take(gone)
        return gone

    def encrypt(self, table_column: str, row_id: str, plain: bytes) -> bytes:
        """Encrypt one cell.

        Args:
            table_column: `table.column`, as in `recipient.phone`.
            row_id: The row's id as text; the blob is worth nothing in another row.
            plain: What stands in the cell.

        Raises:
            ConfigError: There is no active key.
        """
        if self._active is None:
            raise ConfigError("The vault has no active key.", hint="Call new_key and keep its row.")
        cipher, head, name = self._active
        nonce = _nonce()
        aad = f"fz1|{table_column}|{name}|{row_id}".encode()
        return head + nonce + cipher.encrypt(nonce, plain, aad)

    def decrypt(self, table_column: str, row_id: str, blob: bytes) -> bytes:
        """Decrypt one cell.

        Raises:
            IntegrityError: The blob was altered, belongs to another cell, or its key is unknown or
                destroyed.
        """
        number = int.from_bytes(blob[1:3], "big")
        cipher = self._ciphers.get(number)
        if blob[:1] != _VERSION or len(blob) < _HEAD + _TAG or cipher is None:
            raise IntegrityError(self._why_not(table_column, blob, number))
        aad = f"fz1|{table_column}|k{number}|{row_id}".encode()
        try:
            return cipher.decrypt(blob[3:_HEAD], blob[_HEAD:], aad)
        except self._altered:
            raise IntegrityError(
                f"A value of {table_column} was altered, or stands in another row than its own."
            ) from None

    def blind_index(self, value: str) -> bytes:
        """Return 16 bytes by which equal values are found without being read.

        As secret as the values: the space of phone numbers is small enough to be tried out by
        whoever has the master key.

        Args:
            value: In its canonical form.
        """
        return hmac.digest(self._index_key, value.encode(), "sha256")[:16]

    @override
    def __repr__(self) -> str:
        return f"Vault(keys={len(self._rows)})"

    def _take(self, row: KeyRow) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

        self._rows[row.id] = row
        if row.state == KeyState.DESTROYED:
            self._ciphers.pop(row.id, None)
            return
        try:
            key = aes_key_unwrap(self._wrapping, row.wrapped)
        except (InvalidUnwrap, ValueError):
            raise IntegrityError(
                f"Data key {row.id} does not open.",
                hint="The master key is another one than this store's; restore the right one.",
            ) from None
        if row.state == KeyState.INDEX:
            self._index_key = key
            return
        cipher = self._ciphers[row.id] = AESGCM(key)
        if row.state == KeyState.ACTIVE:
            self._active = (cipher, _VERSION + row.id.to_bytes(2, "big"), f"k{row.id}")

    def _why_not(self, table_column: str, blob: bytes, number: int) -> str:
        if blob[:1] != _VERSION or len(blob) < _HEAD + _TAG:
            return f"A value of {table_column} is no encrypted value."
        if number in self._rows:
            return (
                f"Key {number} of a value of {table_column} was destroyed, and the value with it."
            )
        return f"Key {number} of a value of {table_column} is unknown."


def master_of(secret: SecretValue) -> bytes:
    """The master key that is given by reference: 64 hex digits. Raises `ConfigError`."""
    return _from_hex(secret.get_secret_value(), "the secret")


def prepare(path: Path, present: str = "") -> bytes:
    """Make the master key that is to follow, in a file beside the present one.

    Args:
        path: The present one's file.
        present: Its name (`Vault.master_id`). Where the file of the change before was not put into
            its place, it holds the present key, and is put there first.

    Raises:
        ConfigError: The folder cannot be written.
    """
    following = _next(path)
    if following.exists() and Vault(_read_master(following)).master_id == present:
        _ = follow(path)
    following.unlink(missing_ok=True)
    _files.create_private(following, os.urandom(32).hex().encode("ascii") + b"\n")
    return _read_master(following)


def follow(path: Path) -> Path:
    """Put the following master key into its place, once the rows are under it.

    The former one stays beside it, for the backups that were made with it.

    Returns:
        Where the former one lies now.

    Raises:
        ConfigError: The folder cannot be written; the next start tries again.
    """
    former = path
    try:
        if path.exists():
            former = path.with_name(f"{path.name}.old-{Vault(_read_master(path)).master_id}")
            path.replace(former)
        _next(path).replace(path)
        _files.sync_folder(path.parent)
    except OSError as error:
        raise ConfigError(f"The key file {path} cannot be replaced: {error.strerror}.") from error
    return former


def former_keys(path: Path) -> list[Path]:
    """The former master keys that still lie beside the present one."""
    return sorted(path.parent.glob(f"{path.name}.old-*"))


def _next(path: Path) -> Path:
    return path.with_name(path.name + ".next")


def _read_master(path: Path) -> bytes:
    return _from_hex(_files.read_private(path).decode("ascii", "replace"), str(path))


def _nonce() -> bytes:
    """The next nonce; one call of the system serves many. Popping is atomic between threads."""
    try:
        return _NONCES.pop()
    except IndexError:
        block = os.urandom(_NONCE * _NONCES_AT_ONCE)
        fresh = [block[at : at + _NONCE] for at in range(0, len(block), _NONCE)]
        first = fresh.pop()
        _NONCES.extend(fresh)
        return first


def _derive(master: bytes, info: bytes) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(master)


def _from_hex(text: str, where: str) -> bytes:
    try:
        master = bytes.fromhex(text.strip())
    except ValueError:
        master = b""
    if len(master) != 32:
        raise ConfigError(f"The master key in {where} is not 64 hex digits.")
    return master
