"""The script that checks evidence with nothing of fzalert, beside what fzalert itself says."""

from __future__ import annotations

import ast
import asyncio
import base64
import io
import random
import sys
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest

import fzalert
from fzalert.access.keys import FileSigner
from fzalert.cli.app import main
from fzalert.freeze.bundle import verifier, verify_bundle
from fzalert.service import freeze_models as asks
from fzalert.testing.soak import rounds
from tests.e2e.test_evidence_heads import EVENING, house_at
from tests.e2e.test_freeze_service import Station
from tests.unit.test_freeze_bundle import repacked


class Taken:
    """A bundle that a service made, and its script alone in a folder."""

    def __init__(self, folder: Path, data: bytes, key: bytes) -> None:
        self.folder = folder
        self.data = data
        self.key = key
        self.script = folder / "alone" / "verify_evidence.py"
        self.script.parent.mkdir()
        with zipfile.ZipFile(io.BytesIO(data)) as bundle:
            self.script.write_bytes(bundle.read("verify_evidence.py"))

    async def says(self, data: bytes, *more: str) -> tuple[bool, str]:
        """Run it as a court's expert would: isolated, from a folder without fzalert."""
        file = self.folder / "alone" / "evidence"
        file.write_bytes(data)
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", str(self.script), str(file), *more),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.script.parent,
        )
        out, err = await child.communicate()
        assert (child.returncode == 0) == out.startswith(b"SOUND: ")
        return child.returncode == 0, (out + err).decode()


@pytest.fixture
async def taken(tmp_path: Path) -> Taken:
    house = house_at(tmp_path, EVENING)
    async with house.service() as service:
        station = Station(house, service)
        await station.hire()
        case = await station.opened()
        await station.stopped(case)
        house.clock.set(EVENING + timedelta(minutes=11))
        assert await service._open.heads.make() == 1
        await station.file(case)
        answer = await station.ask("ma", asks.BundleAsk(case=case))
    data = base64.b64decode(answer.files[0].data)
    return Taken(tmp_path, data, FileSigner.load(tmp_path / "signing.key").public_key)


def test_the_script_is_short_and_needs_nothing_of_ours() -> None:
    text = verifier().decode()
    assert len(text.splitlines()) <= 60
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            names.add(node.module.partition(".")[0])
    assert names - {"cryptography"} <= set(sys.stdlib_module_names)
    assert "cryptography" in text.splitlines()[1]


async def test_the_terminal_writes_the_very_script(taken: Taken) -> None:
    out = taken.folder / "written.py"
    config = str(taken.folder / "fzalert.toml")
    words = ["--config", config, "evidence", "script", "--out", str(out)]
    assert await asyncio.to_thread(main, words) == 0
    assert out.read_bytes() == taken.script.read_bytes() == verifier()


async def test_it_agrees_with_fzalert_about_a_sound_bundle(taken: Taken) -> None:
    report = verify_bundle(taken.data, public_key=taken.key)
    assert report.days == ("2026-11-24",)
    sound, said = await taken.says(taken.data, taken.key.hex())
    assert sound
    assert report.head in said
    sound, said = await taken.says(taken.data, "00" * 32)
    assert not sound


async def test_it_finds_what_was_changed_in_a_bundle(taken: Taken) -> None:
    with zipfile.ZipFile(io.BytesIO(taken.data)) as bundle:
        files = {name: bundle.read(name) for name in bundle.namelist()}
    event = sorted(name for name in files if name.endswith(".json") and "/" in name)[2]
    paper = next(name for name in files if name.startswith("papers/"))
    dice = random.Random(20261125)
    names = [*files] if rounds(0, 1) else ["manifest.json", "manifest.sig", "chain.txt", event]
    changes: list[dict[str, bytes | None]] = [
        {paper: None},
        {"papers/more.pdf": b"%PDF"},
        {"heads.jsonl": b""},
    ]
    for name in {*names, "heads.jsonl", "case.key", paper}:
        body = bytearray(files[name])
        body[dice.randrange(len(body))] ^= dice.randrange(1, 256)
        changes.append({name: bytes(body)})
    for change in changes:
        data = repacked(taken.data, change)
        sound, said = await taken.says(data)
        assert not sound, (change.keys(), said)
        with pytest.raises(fzalert.IntegrityError):
            verify_bundle(data)


def stuffed(files: dict[str, bytes], how: str) -> bytes:
    """A zip of the very files, with more in it that no file of it shows."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as bundle:
        for name, body in files.items():
            entry = zipfile.ZipInfo(name)
            entry.extra = b"\xff\xff\x04\x00more" if how == "extra" else b""
            bundle.writestr(entry, body)
            if how == "between" and name == "manifest.sig":
                bundle.start_dir += out.write(b"more")
        if how == "twice":
            with pytest.warns(UserWarning, match="Duplicate"):
                bundle.writestr("chain.txt", files["chain.txt"])
        bundle.comment = b"more" if how == "comment" else b""
    return (b"more" if how == "before" else b"") + out.getvalue()


async def test_it_finds_bytes_that_belong_to_no_file(taken: Taken) -> None:
    with zipfile.ZipFile(io.BytesIO(taken.data)) as bundle:
        files = {name: bundle.read(name) for name in bundle.namelist()}
    assert (await taken.says(stuffed(files, "")))[0]
    for how in ("between", "before", "extra", "comment", "twice"):
        data = stuffed(files, how)
        with zipfile.ZipFile(io.BytesIO(data)) as read:
            assert {name: read.read(name) for name in read.namelist()} == files
        sound, said = await taken.says(data)
        assert not sound, how
        assert "bytes of no file" in said
        with pytest.raises(fzalert.IntegrityError):
            verify_bundle(data)


async def test_it_checks_a_chain_and_the_heads_too(taken: Taken) -> None:
    out = taken.folder / "case.txt"
    with zipfile.ZipFile(io.BytesIO(taken.data)) as bundle:
        chain = bundle.read("chain.txt")
    name = verify_bundle(taken.data).case
    config = str(taken.folder / "fzalert.toml")
    words = ["--config", config, "evidence", "export", "--chain", f"case/{name}", "--lines"]
    assert await asyncio.to_thread(main, [*words, "--out", str(out)]) == 0
    whole = out.read_bytes()
    assert whole.startswith(chain)
    assert (await taken.says(whole))[0]
    heads = (taken.folder / "fzalert.db.heads").read_bytes()
    assert (await taken.says(heads, taken.key.hex()))[0]
    lines = whole.splitlines(keepends=True)
    swapped = [*lines[:2], lines[3], lines[2], *lines[4:]]
    for text in (
        b"".join(swapped),
        b"".join(lines[:3] + lines[4:]),
        b"".join(lines[1:]),
        whole.replace(b"user:ma", b"user:mb", 1),
        heads.replace(b"2026-11-24", b"2026-11-25", 1),
    ):
        sound, said = await taken.says(text)
        assert not sound
        assert "BROKEN: row" in said
