"""Evidence bundles: whole ones verify anywhere, and no byte of them can be changed."""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import fzalert
from fzalert.access.keys import KeySigner
from fzalert.freeze.bundle import make_bundle, verify_bundle
from fzalert.testing.soak import rounds
from tests.unit.test_freeze_book import Office

SIGNER = KeySigner.from_seed(bytes(range(32)))


async def made(office: Office) -> bytes:
    async with office.open() as book:
        await office.entered()
        await office.stopped()
        return await make_bundle(book, "c1", SIGNER, {"app-1-stop.pdf": b"%PDF-1.7 made up"})


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


async def test_a_bundle_verifies_with_nothing_else(office: Office, tmp_path: Path) -> None:
    data = await made(office)
    report = verify_bundle(data, public_key=SIGNER.public_key)
    assert (report.case, report.events, report.papers) == ("c1", 9, ("app-1-stop.pdf",))
    assert report.key_id == SIGNER.key_id
    path = tmp_path / "case.zip"
    path.write_bytes(data)
    # Another program, which has only the bundle and the package.
    told = subprocess.run(  # noqa: ASYNC221
        [
            *(sys.executable, "-c"),
            "import sys, fzalert.freeze.bundle as b;"
            "print(b.verify_bundle(open(sys.argv[1], 'rb').read()).events)",
            str(path),
        ],
        capture_output=True,
        check=True,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        cwd=Path.cwd(),
    )
    assert told.stdout.decode().strip() == "9"


async def test_the_same_case_gives_the_same_bundle(office: Office) -> None:
    async with office.open() as book:
        await office.entered()
        one, other = [await make_bundle(book, "c1", SIGNER) for _ in range(2)]
        assert one == other


async def test_every_changed_byte_is_found(office: Office) -> None:
    data = await made(office)
    dice = random.Random(20261124)
    # Every byte of manifest and signature, which stand first, and of the zip's directory; some of
    # the rest, or in a longer round all of it.
    first = data.index(b"case.key", data.index(b"manifest.sig"))
    step = rounds(11, 1)
    places = {*range(first), *range(0, len(data), step), *range(len(data) - 600, len(data))}
    for at in sorted(places):
        changed = bytearray(data)
        changed[at] ^= dice.randrange(1, 256)
        with pytest.raises(fzalert.IntegrityError):
            verify_bundle(bytes(changed))
    for cut in (1, 100, len(data) // 2):
        with pytest.raises(fzalert.IntegrityError):
            verify_bundle(data[:-cut])


def repacked(data: bytes, changes: dict[str, bytes | None]) -> bytes:
    """The same bundle with files changed, left out or added, by somebody without the key."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        names = old.namelist()
        for name in [*names, *(extra for extra in changes if extra not in names)]:
            body = changes.get(name, old.read(name) if name in names else b"")
            if body is not None:
                new.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), body)
    return out.getvalue()


async def test_what_was_left_out_or_put_in_is_named(office: Office) -> None:
    data = await made(office)
    with zipfile.ZipFile(io.BytesIO(data)) as bundle:
        names = bundle.namelist()
    event = next(name for name in names if name.startswith("events/000003") and "json" in name)
    cases: list[tuple[dict[str, bytes | None], str]] = [
        ({"papers/app-1-stop.pdf": None}, r"papers/app-1-stop\.pdf"),
        ({"papers/other.pdf": b"%PDF"}, r"papers/other\.pdf"),
        ({event: b"{}"}, "events/000003"),
        ({"chain.txt": b""}, r"chain\.txt"),
        ({"manifest.sig": b"00" * 64}, "manifest"),
        ({"manifest.json": b"{}"}, "manifest|schema|lacks"),
        ({"manifest.json": None}, "lacks"),
    ]
    for changes, says in cases:
        with pytest.raises(fzalert.IntegrityError, match=says):
            verify_bundle(repacked(data, changes))
    with pytest.raises(fzalert.IntegrityError, match="another key"):
        verify_bundle(data, public_key=bytes(32))
    with pytest.raises(fzalert.IntegrityError):
        verify_bundle(b"no zip")


async def test_a_paper_has_a_plain_name(office: Office) -> None:
    async with office.open() as book:
        await office.entered()
        for name in ("../x.pdf", ".hidden.pdf", "notes.txt"):
            with pytest.raises(fzalert.InputError):
                await make_bundle(book, "c1", SIGNER, {name: b""})
        with pytest.raises(fzalert.InputError):
            await make_bundle(book, "none", SIGNER)
