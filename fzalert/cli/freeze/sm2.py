"""`fzalert freeze sm2-sign | sm2-verify`: an SM2 signature beside a paper or a bundle."""

from __future__ import annotations

from pathlib import Path

from fzalert.cli.exits import Exit
from fzalert.cli.session import current
from fzalert.errors import InputError

__all__ = ["sign", "verify"]

LARGEST = 1 << 30
ENDING = ".sm2"


def sign(file: Path, *, key: Path, out: Path | None = None) -> None:
    """Sign a file with SM2 and SM3; the signature lies beside it (国密签名).

    The key is made where there is none. A key in a file is no certified product: a unit that has to
    use one signs with its UKey or HSM.

    Args:
        file: What is signed, such as a paper or an evidence bundle.
        key: The key's file, readable by this account alone.
        out: File for the signature; the file's own name with .sm2 unless given.
    """
    from fzalert.access.sm2 import FILE_DOMAIN, Sm2Signer

    body = _bytes(file)
    signer = Sm2Signer.load_or_create(key)
    target = out or file.with_name(file.name + ENDING)
    public = key.with_name(key.name + ".pub.pem")
    try:
        target.write_bytes(signer.sign(FILE_DOMAIN, body))
        public.write_bytes(signer.public_pem)
    except OSError as error:
        raise InputError(f"{target} cannot be written ({error.strerror}).", field="out") from None
    output = current().output
    output.data(
        {
            "signature": str(target),
            "key_id": signer.key_id,
            "public_key": signer.public_key.hex(),
            "public_pem": str(public),
        }
    )
    output.line(f"● {target}  key {signer.key_id}  公钥 public key: {public}")
    output.line(signer.public_key.hex())


def verify(file: Path, *, public_key: str, signature: Path | None = None) -> int:
    """Check the SM2 signature of a file; 9 where it does not fit (核对国密签名).

    Args:
        file: What was signed.
        public_key: Of whom it has to be: 130 hex digits, known by a second way.
        signature: The signature's file; the file's own name with .sm2 unless given.
    """
    from fzalert.access.sm2 import FILE_DOMAIN, verify_sm2

    try:
        public = bytes.fromhex(public_key)
    except ValueError:
        raise InputError("A public key is written in hex.", field="public-key") from None
    kept = _bytes(signature or file.with_name(file.name + ENDING))
    good = verify_sm2(public, FILE_DOMAIN, _bytes(file), kept)
    output = current().output
    output.data({"file": str(file), "good": good})
    output.line("● 签名有效 It was signed by this key" if good else "✗ 签名无效 It was not")
    return Exit.OK if good else Exit.INTEGRITY


def _bytes(file: Path) -> bytes:
    try:
        if file.stat().st_size > LARGEST:
            raise InputError(f"{file} is longer than one gibibyte.", field="file")
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}).", field="file") from None
