"""Papers that the service signs, checked by poppler and openssl."""

from __future__ import annotations

import asyncio
import base64
import io
import re
import zipfile
from pathlib import Path
from typing import Literal

import pytest

import fzalert
from fzalert.service import freeze_models as asks
from fzalert.testing.house import House
from tests.e2e.test_freeze_service import UNIT, Station
from tests.unit.test_freeze_papers import Authority, by_openssl, by_pdfsig

SIGNER = 'signer_certificate = "officer.pem"\nsigner_key = "officer.key"\n'
Kind = Literal["instruction", "pre_alert", "owner_notice"]


def whole_and_ours(pdf: bytes, folder: Path, authority: Authority) -> bool:
    """Whether poppler and openssl both find the signature of the configured certificate good."""
    path, content, cms = folder / "paper.pdf", folder / "content", folder / "cms.der"
    path.write_bytes(pdf)
    told = by_pdfsig(path)
    span = re.search(rb"/ByteRange \[(\d+) (\d+) (\d+) (\d+)\s*\]", pdf)
    if span is None:
        assert "does not contain any signatures" in told
        return False
    a, b, c, d = map(int, span.groups())
    content.write_bytes(pdf[a : a + b] + pdf[c : c + d])
    cms.write_bytes(bytes.fromhex(pdf[a + b + 1 : c - 1].decode()))
    checked = by_openssl(cms, content, authority.root)
    assert (checked.returncode == 0) == ("Signature is Valid" in told), checked.stderr
    return (
        checked.returncode == 0
        and "Total document signed" in told
        and "Qingshan County" in told
        and "ETSI.CAdES.detached" in told
    )


async def test_what_is_sent_printed_and_bundled_is_signed(tmp_path: Path) -> None:
    authority = await asyncio.to_thread(Authority, tmp_path)
    house = House(tmp_path, toml=UNIT + SIGNER)

    async def paper(station: Station, case: str, kind: Kind) -> bytes:
        answer = await station.ask("ma", asks.PaperAsk(case=case, measure="m1", paper=kind))
        return base64.b64decode(answer.files[0].data)

    async with house.service() as service:
        station = Station(house, service)
        await station.hire()
        case = await station.opened()
        await station.approved(case)
        # What binds nobody carries no signature.
        assert not whole_and_ours(await paper(station, case, "pre_alert"), tmp_path, authority)
        (sent,) = (await station.ask("li", asks.SendAsk(case=case))).files
        pdf = base64.b64decode(sent.data)
        assert whole_and_ours(pdf, tmp_path, authority)
        # The very paper that was sent, and the one in the bundle.
        assert await paper(station, case, "instruction") == pdf
        assert whole_and_ours(await paper(station, case, "owner_notice"), tmp_path, authority)
        (zipped,) = (await station.ask("ma", asks.BundleAsk(case=case))).files
        with zipfile.ZipFile(io.BytesIO(base64.b64decode(zipped.data))) as bundle:
            assert bundle.read(f"papers/{case}-m1-1.pdf") == pdf
    at = pdf.index(b"endstream") - 5
    changed = pdf[:at] + bytes([pdf[at] ^ 1]) + pdf[at + 1 :]
    assert not whole_and_ours(changed, tmp_path, authority)


async def test_a_signer_that_does_not_fit_stops_before_anything_is_sent(tmp_path: Path) -> None:
    authority = await asyncio.to_thread(Authority, tmp_path)
    authority.key.chmod(0o644)
    house = House(tmp_path, toml=UNIT + SIGNER)
    async with house.service() as service:
        station = Station(house, service)
        await station.hire()
        with pytest.raises(fzalert.ConfigError, match="Others may read"):
            await station.opened()
