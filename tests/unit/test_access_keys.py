"""The file key: what it signs, where it lives, who may read it."""

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fzalert.access.keys import FileSigner, KeySigner, key_id_of, verify
from fzalert.errors import ConfigError

CASES = Path(__file__).parent.parent / "cases" / "access"


def test_the_key_of_the_vector_gives_its_signature() -> None:
    case = json.loads((CASES / "ed25519.json").read_text())
    signer = KeySigner.from_seed(bytes.fromhex(case["seed"]))
    assert signer.public_key.hex() == case["public"]
    assert signer._key.sign(case["raw_message"].encode()).hex() == case["raw_signature"]
    assert signer.key_id == key_id_of(signer.public_key)


@given(st.binary(max_size=64), st.sampled_from(["fz-bundle-v1", "fz-request-v1"]))
def test_a_signature_holds_for_its_payload_and_domain_alone(payload: bytes, domain: str) -> None:
    signer = KeySigner.from_seed(bytes(32))
    signature = signer.sign(domain, payload)
    assert verify(signer.public_key, domain, payload, signature)
    assert not verify(signer.public_key, domain, payload + b"x", signature)
    assert not verify(signer.public_key, "fz-release-v1", payload, signature)
    assert not verify(KeySigner.from_seed(b"1" * 32).public_key, domain, payload, signature)


def test_nonsense_verifies_as_false() -> None:
    assert not verify(b"short", "fz-request-v1", b"", b"")
    assert not verify(bytes(32), "fz-request-v1", b"", b"x" * 64)


@pytest.mark.parametrize("domain", ["", "a\0b"])
def test_a_domain_is_a_short_name(domain: str) -> None:
    with pytest.raises(ValueError, match="domain"):
        KeySigner.from_seed(bytes(32)).sign(domain, b"")


def test_the_first_start_makes_the_file_and_later_ones_read_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "signing.pem"
    first = FileSigner.load_or_create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert FileSigner.load_or_create(path).public_key == first.public_key
    assert [file.name for file in path.parent.iterdir()] == ["signing.pem"]


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "signing.pem"
    FileSigner.load_or_create(path)
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="can be read by others"):
        FileSigner.load(path)


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\n"])
def test_a_file_without_a_key_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "signing.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="holds no Ed25519 signing key"):
        FileSigner.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.pem"):
        FileSigner.load(tmp_path / "absent.pem")


def test_repr_shows_the_name_of_the_key_only() -> None:
    signer = KeySigner.from_seed(b"s" * 32)
    assert repr(signer) == f"KeySigner(key_id={signer.key_id!r})"
