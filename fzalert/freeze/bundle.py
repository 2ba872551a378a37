"""The evidence bundle of a case: one zip that proves itself on a machine that has nothing else.

In it: the case's evidence chain as it stands in the store, every event sealed as it was stored and
readable beside it, the key that opens them, the papers, the daily heads that tell of the case, and
a manifest of all files with their hashes, signed. Whoever has the bundle can read the case: hand it
over as such. A script that imports nothing of fzalert lies in it and checks the rest.

`verify_bundle` finds any changed, missing or added byte and names the first thing that is wrong.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files as resources

from fzalert.access.keys import verify as verify_signature
from fzalert.errors import InputError, IntegrityError
from fzalert.evidence import (
    HEADS,
    Json,
    canonical,
    encode_line,
    loads,
    read_head,
    read_lines,
    verify_lines,
)
from fzalert.freeze.book import CaseBook, stream_of
from fzalert.freeze.keys import CaseKey
from fzalert.ports import Signer

__all__ = [
    "BUNDLE_SCHEMA",
    "EVIDENCE_DOMAIN",
    "BundleReport",
    "make_bundle",
    "verifier",
    "verify_bundle",
]

BUNDLE_SCHEMA = "fzalert-evidence-bundle/2"
EVIDENCE_DOMAIN = "fz-evidence-bundle-v1"
"""Domain under which a manifest is signed."""
_LONGEST = 512 * 1024 * 1024
_MOST = 20_000
_OLDEST = (1980, 1, 1, 0, 0, 0)
"""The same case gives the same bytes: entries carry no time and are not compressed."""


@dataclass(frozen=True, slots=True)
class BundleReport:
    """What the check of a sound bundle found.

    Attributes:
        case: The case's id.
        events: How many events it has.
        days: The days whose heads tell of the case.
        papers: Names of the papers.
        key_id: Key that signed the manifest.
        head: Hash of the chain's last row, hex.
        made_at: When it was made, RFC 3339.
    """

    case: str
    events: int
    days: tuple[str, ...]
    papers: tuple[str, ...]
    key_id: str
    head: str
    made_at: str


async def make_bundle(
    book: CaseBook, case_id: str, signer: Signer, papers: Mapping[str, bytes] | None = None
) -> bytes:
    """Make the bundle of a case.

    Args:
        book: The book that has it.
        case_id: Which case.
        signer: Signs the manifest.
        papers: PDF files by name, such as `app-1-stop.pdf`.

    Raises:
        InputError: There is no such case, its key was destroyed, or a name is no plain file name.
        IntegrityError: What is stored does not verify.
    """
    taken = await book.exhibit(case_id)
    files: dict[str, bytes] = {
        "chain.txt": b"".join(encode_line(link) for link in taken.chain),
        "case.key": taken.key.hex().encode() + b"\n",
        "heads.jsonl": b"".join(
            body + b"\n"
            for body in await book.bodies(HEADS)
            if stream_of(case_id) in read_head(body, verify_signature).chains
        ),
        "verify_evidence.py": verifier(),
    }
    for number, (name, sealed, plain) in enumerate(taken.events, 1):
        files[f"events/{number:06d}.{name}.sealed"] = sealed
        files[f"events/{number:06d}.{name}.json"] = canonical(loads(plain))
    for name, paper in (papers or {}).items():
        if "/" in name or name.startswith(".") or not name.endswith(".pdf"):
            raise InputError(f"{name[:60]!r} is no name of a paper.", field="papers")
        files[f"papers/{name}"] = paper
    manifest = canonical(
        {
            "schema": BUNDLE_SCHEMA,
            "case": case_id,
            "made_at": book.now().isoformat(timespec="seconds").replace("+00:00", "Z"),
            "head": taken.chain[-1].hash.hex(),
            "public_key": signer.public_key.hex(),
            "files": {
                name: {"sha256": hashlib.sha256(body).hexdigest(), "size": len(body)}
                for name, body in files.items()
            },
        }
    )
    signature = signer.sign(EVIDENCE_DOMAIN, manifest).hex().encode() + b"\n"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as bundle:
        for name, body in (("manifest.json", manifest), ("manifest.sig", signature)):
            bundle.writestr(_entry(name), body)
        for name in sorted(files):
            bundle.writestr(_entry(name), files[name])
    return out.getvalue()


def verifier() -> bytes:
    """The script that checks a bundle, or a chain, with nothing of fzalert."""
    return resources("fzalert.freeze").joinpath("verify_evidence.py").read_bytes()


def _entry(name: str) -> zipfile.ZipInfo:
    """An entry that is the same on every machine: no time, no rights."""
    entry = zipfile.ZipInfo(name, _OLDEST)
    entry.create_system = 3
    return entry


def verify_bundle(data: bytes, *, public_key: bytes | None = None) -> BundleReport:
    """Check a bundle; needs nothing but its bytes.

    Args:
        data: The zip file.
        public_key: Key that has to have signed it; without one the key inside is taken, which
            proves that the bundle is whole, not who made it.

    Raises:
        IntegrityError: Something was changed, left out or added; the text names the first thing.
    """
    files = _unpacked(data)
    manifest, key = _manifest(files, public_key)
    listed = manifest["files"]
    if not isinstance(listed, Mapping):
        raise IntegrityError("The manifest lists no files.")
    if set(listed) != set(files):
        strange = sorted(set(listed) ^ set(files))[0]
        raise IntegrityError(f"{strange} is in the bundle or in its manifest, not in both.")
    for name in sorted(files):
        entry = listed[name]
        found = hashlib.sha256(files[name]).hexdigest()
        if not isinstance(entry, Mapping) or entry.get("sha256") != found:
            raise IntegrityError(f"{name} was changed after the manifest was signed.")
    case = str(manifest["case"])
    rows = _chain(files["chain.txt"], str(manifest["head"]))
    events = _events(case, files, rows)
    return BundleReport(
        case,
        events,
        _days(case, files["heads.jsonl"], files["chain.txt"], key),
        tuple(sorted(n.removeprefix("papers/") for n in files if n.startswith("papers/"))),
        hashlib.sha256(key).hexdigest()[:16],
        str(manifest["head"]),
        str(manifest["made_at"]),
    )


def _unpacked(data: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as bundle:
            entries = bundle.infolist()
            _refuse_hostile(entries)
            files = {entry.filename: bundle.read(entry) for entry in entries}
    except IntegrityError:
        raise
    except Exception as error:  # noqa: BLE001  a damaged zip fails in many ways
        raise IntegrityError(f"The bundle is no whole zip file ({type(error).__name__}).") from None
    if _rebuilt(files) != data:
        raise IntegrityError("The zip file holds bytes that belong to none of its files.")
    return files


def _refuse_hostile(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > _MOST or sum(entry.file_size for entry in entries) > _LONGEST:
        raise IntegrityError("The bundle is larger than any that fzalert makes.")
    if len({entry.filename for entry in entries}) != len(entries):
        raise IntegrityError("The bundle holds a file twice.")


def _rebuilt(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as bundle:
        for name, body in files.items():
            bundle.writestr(_entry(name), body)
    return out.getvalue()


def _manifest(
    files: dict[str, bytes], public_key: bytes | None
) -> tuple[Mapping[str, Json], bytes]:
    try:
        manifest, signature = files.pop("manifest.json"), files.pop("manifest.sig")
        value = loads(manifest)
        if not isinstance(value, Mapping) or value["schema"] != BUNDLE_SCHEMA:
            raise IntegrityError("The manifest is of no known schema.")
        key = bytes.fromhex(str(value["public_key"]))
        _ = value["files"], value["case"], value["head"], value["made_at"]
        _ = files["chain.txt"], files["case.key"], files["heads.jsonl"]
        signed = bytes.fromhex(signature.decode("ascii").strip())
    except (KeyError, ValueError) as error:
        raise IntegrityError(f"The bundle lacks what every bundle has ({error}).") from None
    if public_key is not None and key != public_key:
        raise IntegrityError("The bundle was signed by another key than the expected one.")
    if not verify_signature(key, EVIDENCE_DOMAIN, manifest, signed):
        raise IntegrityError("The manifest was changed after it was signed.")
    return value, key


def _chain(text: bytes, head: str) -> list[Mapping[str, Json]]:
    verdict = verify_lines(text)
    if verdict.fault is not None:
        raise IntegrityError(f"The chain is broken: {verdict.fault}.")
    if verdict.head.hash.hex() != head:
        raise IntegrityError("The chain does not end where the manifest says.")
    rows = []
    for line in text.splitlines():
        value = loads(line.split(b"\t")[0])
        if isinstance(value, Mapping):
            rows.append(value)
    return rows


def _events(case: str, files: Mapping[str, bytes], rows: list[Mapping[str, Json]]) -> int:
    key = CaseKey(case, bytes.fromhex(files["case.key"].decode("ascii").strip()))
    sealed_names = sorted(name for name in files if name.endswith(".sealed"))
    hashes = [row["body_sha256"] for row in rows if "body_sha256" in row]
    if len(sealed_names) != len(hashes):
        raise IntegrityError("The chain has another number of events than the bundle.")
    for number, name in enumerate(sealed_names, 1):
        sealed = files[name]
        if hashlib.sha256(sealed).hexdigest() != hashes[number - 1]:
            raise IntegrityError(f"Event {number} is not the one that the chain has.")
        readable = files.get(name.removesuffix(".sealed") + ".json")
        try:
            plain = canonical(loads(key.open(number, sealed)))
        except InputError:
            plain = b""
        if readable != plain:
            raise IntegrityError(f"Event {number} reads otherwise than it was sealed.")
    return len(sealed_names)


def _days(case: str, heads: bytes, chain: bytes, key: bytes) -> tuple[str, ...]:
    """The days whose heads tell of the case; each is signed, and fits the case's chain."""
    rows = list(read_lines(chain.splitlines(keepends=True)))
    days = []
    for body in heads.split(b"\n")[:-1]:
        head = read_head(body, verify_signature, public_key=key)
        end = head.chains.get(stream_of(case))
        if end is None or end.seq >= len(rows) or rows[end.seq].hash != end.hash:
            raise IntegrityError(f"The head of {head.day} knows another chain of the case.")
        days.append(head.day)
    return tuple(days)
