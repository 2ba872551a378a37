"""Check evidence without fzalert: python verify_evidence.py BUNDLE_OR_CHAIN [PUBLIC_KEY_HEX]."""
# Needs the package cryptography. Without its owner's key, a sound file may still be anybody's.

import json
import sys
import zipfile
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def need(fine: bool, what: str) -> None:
    _ = fine or sys.exit(f"BROKEN: {what}")


def signed(row: dict[str, str], domain: bytes, payload: bytes) -> None:
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex([*sys.argv[2:], row["public_key"]][0]))
    key.verify(bytes.fromhex(row["signature"]), domain + b"\0" + sha256(payload).digest())


def chain(text: bytes) -> list[dict[str, str]]:
    rows, previous = [], bytes(32)
    for number, line in enumerate(text.removesuffix(b"\n").split(b"\n")):
        body, told = line.rsplit(b"\t", 1)
        linked = b"\x01fz-audit-v1" + previous + len(body).to_bytes(8, "big") + body
        previous, row = sha256(linked).digest(), json.loads(body)
        need(told.decode() == previous.hex() and int(row["seq"]) == number, f"row {number}")
        if "signature" in row:  # a daily head of all chains
            signed(row, b"fz-audit-head-v1", row["head"].encode())
        rows.append({**row, "hash": told.decode()})
    return rows


def bundle(file: zipfile.ZipFile, size: int) -> list[dict[str, str]]:
    files, text = {name: file.read(name) for name in file.namelist()}, file.read("manifest.json")
    need(size == 22 + sum(76 + 2 * len(n) + len(files[n]) for n in files), "bytes of no file")
    told, key = {**json.loads(text), "signature": files["manifest.sig"].decode()}, files["case.key"]
    signed(told, b"fz-evidence-bundle-v1", text)
    for name in {*files, *told["files"]} - {"manifest.json", "manifest.sig"}:
        need(sha256(files[name]).hexdigest() == told["files"][name]["sha256"], name)
    rows, cipher = chain(files["chain.txt"]), AESGCM(bytes.fromhex(key.decode()))
    events = iter([row["body_sha256"] for row in rows if "body_sha256" in row])
    for number, name in enumerate(sorted(name for name in files if name.endswith(".sealed")), 1):
        blob, bound = files[name], f"fz1|event.body|{told['case']}|{number}".encode()
        plain = json.loads(cipher.decrypt(blob[1:13], blob[13:], bound))
        here = sha256(blob).hexdigest(), json.loads(files[name[:-6] + "json"])
        need(here == (next(events), plain), f"{name} is not the event of the chain")
    need(not list(events) and rows[-1]["hash"] == told["head"], "the end of the chain")
    for row in map(json.loads, files["heads.jsonl"].splitlines()):  # of days with news of the case
        signed(row, b"fz-audit-head-v1", row["head"].encode())
        seq, head = json.loads(row["head"])["chains"][f"case/{told['case']}"]
        need(rows[seq]["hash"] == head, f"row {seq} and its daily head")
    return rows


with open(sys.argv[1], "rb") as io:
    zipped = zipfile.ZipFile(io) if zipfile.is_zipfile(sys.argv[1]) else None
    rows = bundle(zipped, io.seek(0, 2)) if zipped else chain(io.read())
print(f"SOUND: {len(rows)} rows, the last {rows[-1]['hash']}")
