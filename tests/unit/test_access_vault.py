"""Encrypted cells: published bytes, one cell alone, keys that turn and end."""

import json
import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from fzalert.access import KeyRow, KeyState, Vault
from fzalert.access.vault import follow, former_keys, prepare
from fzalert.errors import ConfigError, IntegrityError

CASE = json.loads((Path(__file__).parent.parent / "cases/access/vault.json").read_text())
MASTER = bytes(range(32))


def a_vault() -> Vault:
    vault = Vault(MASTER)
    vault.new_key(0)
    return vault


def test_the_published_cell_is_read() -> None:
    cell = CASE["cell"]
    kek = HKDF(SHA256(), 32, None, b"fzalert/key-wrap/v1").derive(MASTER)
    wrapped = aes_key_wrap(kek, bytes.fromhex(cell["key"]))
    vault = Vault(MASTER, [KeyRow(cell["key_id"], KeyState.ACTIVE, wrapped, 0)])
    blob = b"\x01\x00\x01" + bytes.fromhex(cell["nonce"] + cell["ciphertext_and_tag"])
    plain = vault.decrypt(cell["table_column"], cell["row_id"], blob)
    assert plain.decode() == cell["plain"]


def test_the_published_blind_index() -> None:
    case = CASE["blind_index"]
    assert (
        Vault(bytes.fromhex(case["master"])).blind_index(case["value"]).hex() == case["hmac"][:32]
    )


@given(st.binary(max_size=80), st.text(max_size=10), st.sampled_from(["case.name", "message.dest"]))
def test_what_goes_in_comes_out(plain: bytes, row: str, column: str) -> None:
    vault = a_vault()
    blob = vault.encrypt(column, row, plain)
    assert len(blob) == 3 + 12 + len(plain) + 16
    assert plain not in blob or len(plain) < 4
    assert vault.decrypt(column, row, blob) == plain


@pytest.mark.parametrize(
    ("column", "row"), [("a.phone", "2"), ("b.phone", "1"), ("a.phone|k1", "")]
)
def test_a_blob_is_worth_nothing_in_another_cell(column: str, row: str) -> None:
    vault = a_vault()
    blob = vault.encrypt("a.phone", "1", b"13800138000")
    with pytest.raises(IntegrityError, match="another row"):
        vault.decrypt(column, row, blob)


@given(st.data())
def test_a_changed_byte_is_found(data: st.DataObject) -> None:
    vault = a_vault()
    blob = vault.encrypt("a.phone", "1", b"13800138000")
    at = data.draw(st.integers(0, len(blob) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != blob[at]))
    with pytest.raises(IntegrityError):
        vault.decrypt("a.phone", "1", blob[:at] + bytes([byte]) + blob[at + 1 :])


@given(st.binary(max_size=40))
def test_garbage_raises_our_error_alone(blob: bytes) -> None:
    with pytest.raises(IntegrityError):
        a_vault().decrypt("a.phone", "1", blob)


def test_no_nonce_comes_twice() -> None:
    vault = a_vault()
    nonces = {vault.encrypt("a.b", "1", b"")[3:15] for _ in range(5000)}
    assert len(nonces) == 5000


def test_a_forked_child_draws_other_nonces() -> None:
    vault = a_vault()
    vault.encrypt("a.b", "1", b"")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, vault.encrypt("a.b", "1", b""))
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reader, 100)
    os.close(reader)
    os.close(writer)
    ours = vault.encrypt("a.b", "1", b"")
    assert len(theirs) == len(ours)
    assert theirs[3:15] != ours[3:15]


def test_a_rotation_keeps_what_was_encrypted_before() -> None:
    vault = a_vault()
    before = vault.encrypt("a.b", "1", b"old")
    changed = vault.new_key(5)
    after = vault.encrypt("a.b", "1", b"new")
    assert [(row.id, row.state) for row in changed] == [(1, "old"), (2, "active")]
    again = Vault(MASTER, vault.rows)
    assert again.decrypt("a.b", "1", before) == b"old"
    assert again.decrypt("a.b", "1", after) == b"new"
    assert again.encrypt("a.b", "1", b"")[:3] == b"\x01\x00\x02"


def test_a_destroyed_key_takes_its_values_along() -> None:
    vault = a_vault()
    blob = vault.encrypt("a.b", "1", b"gone")
    with pytest.raises(ConfigError, match="Rotate first"):
        vault.destroy(1)
    vault.new_key(5)
    row = vault.destroy(1)
    assert (row.state, row.wrapped) == (KeyState.DESTROYED, b"")
    for one in (vault, Vault(MASTER, vault.rows)):
        with pytest.raises(IntegrityError, match="was destroyed"):
            one.decrypt("a.b", "1", blob)


def test_another_master_key_opens_nothing() -> None:
    rows = a_vault().rows
    with pytest.raises(IntegrityError, match="another one than this store's"):
        Vault(bytes(32), rows)
    assert Vault(bytes(32)).blind_index("x") != a_vault().blind_index("x")


def test_without_a_key_nothing_is_encrypted() -> None:
    vault = Vault(MASTER)
    assert not vault.has_active_key
    with pytest.raises(ConfigError, match="no active key"):
        vault.encrypt("a.b", "1", b"")


def test_the_first_start_makes_the_master_key_and_later_ones_read_it(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    vault = Vault.create(path)
    rows = vault.new_key(0)
    blob = vault.encrypt("a.b", "1", b"x")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Vault.create(path, rows).decrypt("a.b", "1", blob) == b"x"


def test_a_master_key_comes_by_reference() -> None:
    secret = SecretStr(MASTER.hex())
    assert Vault.from_secret(secret).blind_index("x") == Vault(MASTER).blind_index("x")


@pytest.mark.parametrize("text", ["", "00", "zz" * 32, "0" * 62])
def test_a_text_that_is_no_master_key_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ConfigError, match="64 hex digits"):
        Vault.from_secret(SecretStr(text))
    with pytest.raises(ConfigError):
        Vault(b"short")


def test_another_master_key_opens_what_was_there_and_finds_it() -> None:
    vault = a_vault()
    before, index = vault.encrypt("a.b", "1", b"x"), vault.blind_index("y")
    other = vault.renewed(b"n" * 32, 1)
    # The old one is as it was until it adopts the other.
    assert [row.state for row in vault.rows] == ["active"]
    vault.adopt(other)
    after = vault.encrypt("a.b", "1", b"z")
    assert (before[:3], after[:3]) == (b"\x01\x00\x01", b"\x01\x00\x02")
    for one in (vault, other, Vault(b"n" * 32, other.rows)):
        assert one.decrypt("a.b", "1", before) == b"x"
        assert one.decrypt("a.b", "1", after) == b"z"
        assert one.blind_index("y") == index
    with pytest.raises(IntegrityError):
        Vault(MASTER, other.rows)
    again = other.renewed(b"m" * 32, 2)
    assert again.blind_index("y") == index
    with pytest.raises(ConfigError):
        again.destroy(0)


@pytest.mark.parametrize("step", ["prepared", "kept", "renamed", "done"])
def test_a_change_that_was_cut_short_ends_as_the_rows_say(tmp_path: Path, step: str) -> None:
    path = tmp_path / "master.key"
    vault = Vault.create(path)
    vault.new_key(0)
    blob = vault.encrypt("a.b", "1", b"x")
    other = vault.renewed(prepare(path), 1)
    rows = vault.rows if step == "prepared" else other.rows
    if step == "renamed":  # between the two renames of `follow`
        path.rename(tmp_path / f"master.key.old-{vault.master_id}")
    if step == "done":
        follow(path)
    found = Vault.create(path, rows)
    assert found.decrypt("a.b", "1", blob) == b"x"
    assert found.master_id == (vault if step == "prepared" else other).master_id
    # Whatever was half done is whole now, and the next start finds the same.
    assert not (tmp_path / "master.key.next").exists()
    assert Vault.create(path, rows).decrypt("a.b", "1", blob) == b"x"
    assert len(former_keys(path)) == (0 if step == "prepared" else 1)
    assert all(stat.S_IMODE(one.stat().st_mode) == 0o600 for one in tmp_path.iterdir())


def test_a_file_that_still_waits_is_not_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    vault = Vault.create(path)
    vault.new_key(0)
    blob = vault.encrypt("a.b", "1", b"x")
    # The rows are kept, but the file could not be moved; then somebody changes the key again.
    vault.adopt(vault.renewed(prepare(path), 1))
    vault.adopt(vault.renewed(prepare(path, vault.master_id), 2))
    follow(path)
    assert Vault.create(path, vault.rows).decrypt("a.b", "1", blob) == b"x"
    assert len(former_keys(path)) == 2


def test_a_lost_master_key_is_not_made_anew(tmp_path: Path) -> None:
    rows = a_vault().rows
    with pytest.raises(IntegrityError, match="is gone"):
        Vault.create(tmp_path / "master.key", rows)
    assert not list(tmp_path.iterdir())


def test_repr_shows_no_key() -> None:
    assert repr(a_vault()) == "Vault(keys=1)"
