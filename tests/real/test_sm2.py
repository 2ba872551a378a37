"""SM2 signatures against the openssl of the system, both ways, and against what must not pass.

Where the wheel does not exist (Linux on other processors than x86-64) the door says so, and that is
what is tested there.
"""

from __future__ import annotations

import json
import platform
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fzalert
from fzalert.access.keys import KeySigner
from fzalert.access.sm2 import FILE_DOMAIN, IDENTITY, Sm2Signer, signed_bytes, verify_sm2
from fzalert.cli import main
from fzalert.ports import Signer

HAS_WHEEL = sys.platform != "linux" or platform.machine() == "x86_64"
PKEYUTL = ("openssl", "pkeyutl", "-rawin", "-digest", "sm3", "-pkeyopt", f"distid:{IDENTITY}")

if not HAS_WHEEL:

    def test_without_its_wheel_the_door_says_what_to_do(tmp_path: Path) -> None:
        with pytest.raises(fzalert.ConfigError, match="tongsuopy") as caught:
            Sm2Signer.load_or_create(tmp_path / "k.pem")
        assert "HSM" in caught.value.hint

else:

    @pytest.fixture(scope="module")
    def signer(tmp_path_factory: pytest.TempPathFactory) -> Sm2Signer:
        return Sm2Signer.load_or_create(tmp_path_factory.mktemp("sm2") / "sm2.pem")

    def openssl(*words: str, cwd: Path) -> int:
        command = [*PKEYUTL, *words]
        return subprocess.run(command, cwd=cwd, check=False, capture_output=True).returncode

    def test_openssl_believes_our_signature_and_no_other(signer: Sm2Signer, tmp_path: Path) -> None:
        (tmp_path / "public.pem").write_bytes(signer.public_pem)
        (tmp_path / "signature").write_bytes(signer.sign(FILE_DOMAIN, "止付".encode()))
        for payload, domain, code in (
            ("止付", FILE_DOMAIN, 0),
            ("解除", FILE_DOMAIN, 1),
            ("止付", "fz-other-v1", 1),
        ):
            (tmp_path / "signed").write_bytes(signed_bytes(domain, payload.encode()))
            words = ("-verify", "-pubin", "-inkey", "public.pem", "-in", "signed")
            assert openssl(*words, "-sigfile", "signature", cwd=tmp_path) == code

    def test_we_believe_openssl_s_signature_with_openssl_s_key(tmp_path: Path) -> None:
        made = ["openssl", "genpkey", "-algorithm", "SM2", "-out", "theirs.pem"]
        subprocess.run(made, cwd=tmp_path, check=True, capture_output=True)
        (tmp_path / "theirs.pem").chmod(0o600)
        (tmp_path / "signed").write_bytes(signed_bytes(FILE_DOMAIN, b"payload"))
        words = ("-sign", "-inkey", "theirs.pem", "-in", "signed", "-out", "signature")
        assert openssl(*words, cwd=tmp_path) == 0
        signature = (tmp_path / "signature").read_bytes()
        theirs = Sm2Signer.load(tmp_path / "theirs.pem")
        assert verify_sm2(theirs.public_key, FILE_DOMAIN, b"payload", signature)
        assert not verify_sm2(theirs.public_key, FILE_DOMAIN, b"payloae", signature)

    @given(st.binary(max_size=200), st.integers(0, 2000), st.integers(1, 255))
    def test_a_changed_byte_is_another_signature(
        signer: Sm2Signer, payload: bytes, place: int, other: int
    ) -> None:
        signature = signer.sign(FILE_DOMAIN, payload)
        assert verify_sm2(signer.public_key, FILE_DOMAIN, payload, signature)
        assert not verify_sm2(signer.public_key, "fz-other-v1", payload, signature)
        assert not verify_sm2(signer.public_key, FILE_DOMAIN, payload + b"x", signature)
        at = place % len(signature)
        changed = signature[:at] + bytes([signature[at] ^ other]) + signature[at + 1 :]
        assert not verify_sm2(signer.public_key, FILE_DOMAIN, payload, changed)
        assert not verify_sm2(signer.public_key, FILE_DOMAIN, payload, signature + b"\0")

    def test_rubbish_is_no_signature_and_no_key(signer: Sm2Signer) -> None:
        good = signer.sign(FILE_DOMAIN, b"x")
        longer = b"0\x81" + good[1:]  # the same numbers, the length in its long form
        zeros = b"0\x06\x02\x01\x00\x02\x01\x00"
        for signature in (b"", b"\0" * 64, zeros, good[:-1], longer):
            assert not verify_sm2(signer.public_key, FILE_DOMAIN, b"x", signature)
        for public in (b"", bytes(65), b"\x04" + b"\1" * 64, signer.public_key[:-1]):
            assert not verify_sm2(public, FILE_DOMAIN, b"x", good)

    def test_it_stands_behind_the_port_beside_the_house_s_own(signer: Sm2Signer) -> None:
        ours: Signer = KeySigner.from_seed(bytes(32))
        theirs: Signer = signer
        assert len(theirs.key_id) == len(ours.key_id) == 16
        assert (len(theirs.public_key), len(ours.public_key)) == (65, 32)
        assert repr(signer) == f"Sm2Signer(key_id={signer.key_id!r})"

    def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
        path = tmp_path / "keys" / "sm2.pem"
        first = Sm2Signer.load_or_create(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert Sm2Signer.load_or_create(path).key_id == first.key_id
        path.chmod(0o644)
        with pytest.raises(fzalert.ConfigError, match="read by others"):
            Sm2Signer.load(path)

    @pytest.mark.parametrize("curve", ["P-256", ""])
    def test_another_key_is_refused_by_name(tmp_path: Path, curve: str) -> None:
        path = tmp_path / "other.pem"
        words = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{curve}"]
        if curve:
            subprocess.run([*words, "-out", str(path)], check=True, capture_output=True)
        else:
            path.write_bytes(b"no key")
        path.chmod(0o600)
        with pytest.raises(fzalert.ConfigError, match="holds no SM2 signing key"):
            Sm2Signer.load(path)

    def test_a_file_is_signed_and_checked_at_the_terminal(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        paper = tmp_path / "stop.pdf"
        paper.write_bytes(b"%PDF-1.7 made up")
        key = str(tmp_path / "sm2.pem")
        assert main(["--json", "freeze", "sm2-sign", str(paper), "--key", key]) == 0
        told = json.loads(capsys.readouterr().out)
        check = ["--json", "freeze", "sm2-verify", str(paper), "--public-key"]
        assert main([*check, told["public_key"]]) == 0
        (tmp_path / "signed").write_bytes(signed_bytes(FILE_DOMAIN, paper.read_bytes()))
        words = ("-verify", "-pubin", "-inkey", told["public_pem"], "-in", "signed")
        assert openssl(*words, "-sigfile", told["signature"], cwd=tmp_path) == 0
        paper.write_bytes(b"%PDF-1.7 made uq")
        assert main([*check, told["public_key"]]) == 9
        assert main([*check, "xyz"]) == 2
