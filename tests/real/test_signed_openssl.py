"""Every Ed25519 signature of a freeze request, checked by the openssl of the system.

Each signed text is put together here from what the documentation says, not by the program.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import zipfile
from datetime import UTC, datetime
from pathlib import Path

from fzalert.desk import DeskAnswer
from fzalert.evidence import Head, day_head
from fzalert.evidence.chain import HEAD_DOMAIN
from fzalert.freeze.bundle import verify_bundle
from fzalert.ports.signed import sign_request
from tests.unit.freezing import CARD
from tests.unit.test_desk_inbox import DESK, Bank, package
from tests.unit.test_freeze_book import Office
from tests.unit.test_freeze_bundle import SIGNER, made

_KEY_HEAD = bytes.fromhex("302a300506032b6570032100")
"""What stands before the 32 bytes of an Ed25519 key in DER (RFC 8410)."""


def openssl_believes(
    folder: Path, key: bytes, domain: str, payload: bytes, signature: bytes
) -> bool:
    """Whether openssl finds a signature over a payload for a domain good."""
    (folder / "key.der").write_bytes(_KEY_HEAD + key)
    signed = domain.encode() + b"\0" + hashlib.sha256(payload).digest()
    (folder / "signed.bin").write_bytes(signed)
    (folder / "signature.bin").write_bytes(signature)
    words = ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "key.der"]
    done = subprocess.run(
        [*words, "-rawin", "-in", "signed.bin", "-sigfile", "signature.bin"],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def only(folder: Path, key: bytes, domain: str, payload: bytes, signature: bytes) -> bool:
    """The same, and for no other payload, key or signature."""
    wrong = bytes([signature[0] ^ 1]) + signature[1:]
    others = (
        openssl_believes(folder, key, domain, payload + b" ", signature),
        openssl_believes(folder, key, domain + "x", payload, signature),
        openssl_believes(folder, key, domain, payload, wrong),
    )
    return openssl_believes(folder, key, domain, payload, signature) and not any(others)


def test_a_request_to_a_desk(tmp_path: Path) -> None:
    body = package()
    at = datetime(2026, 11, 24, 9, 0, 1, tzinfo=UTC)
    headers = sign_request(SIGNER, "post", "/desk/v1/packages", body, at)
    digest = hashlib.sha256(body).hexdigest()
    lines = ["POST", "/desk/v1/packages", "2026-11-24T09:00:01Z", headers["Fz-Nonce"], digest]
    signature = bytes.fromhex(headers["Fz-Signature"])
    payload = "\n".join(lines).encode()
    assert only(tmp_path, SIGNER.public_key, "fz-request-v1", payload, signature)


async def test_a_desk_s_acknowledgement_and_receipt(tmp_path: Path) -> None:
    bank = Bank(tmp_path / "bank")
    bank.folder.mkdir(exist_ok=True)
    async with bank.open():
        inbox = bank.inbox()
        taken = await inbox.take(package(), "county")
        await inbox.answer("app-1", DeskAnswer(code="0000"), bank.clerk())
        _, (wire,) = await inbox.answers_to("county", 0, 20, 100_000)
    told = json.loads(wire)
    assert CARD in told["document"]
    for document, signature in (
        (taken.document, taken.signature),
        (told["document"].encode(), told["signature"]),
    ):
        signed = bytes.fromhex(signature)
        assert only(tmp_path, DESK.public_key, "fz-receipt-v1", document, signed)


async def test_the_manifest_of_a_bundle(tmp_path: Path) -> None:
    office = Office(tmp_path / "office")
    office.folder.mkdir(exist_ok=True)
    data = await made(office)
    assert verify_bundle(data, public_key=SIGNER.public_key).case == "c1"
    with zipfile.ZipFile(io.BytesIO(data)) as bundle:
        manifest, signature = bundle.read("manifest.json"), bundle.read("manifest.sig")
    signed = bytes.fromhex(signature.decode())
    assert only(tmp_path, SIGNER.public_key, "fz-evidence-bundle-v1", manifest, signed)


def test_a_daily_head(tmp_path: Path) -> None:
    ends = {"case/c1": Head(3, bytes(32))}
    head = day_head(
        "2026-11-24", store="s1", made_at="2026-11-24T16:00:00Z", late=0, ends=ends, before={}
    )
    signature = SIGNER.sign(HEAD_DOMAIN, head.document)
    assert only(tmp_path, SIGNER.public_key, "fz-audit-head-v1", head.document, signature)
