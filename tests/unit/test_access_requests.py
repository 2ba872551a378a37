"""Signed requests: one signature fits one request, once, for five minutes."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

import fzalert
from fzalert.access.keys import KeySigner
from fzalert.access.requests import FRESH, KnownKey, RequestGate
from fzalert.ports.signed import read_request_signature, request_payload, sign_request
from tests.unit.test_freeze_book import Office

SIGNER = KeySigner.from_seed(bytes(range(32)))
BODY = b'{"a":1}'
PATH = "/desk/packages?x=1"


class Gate(Office):
    """A gate on a real store."""

    def gate(self, **more: object) -> RequestGate:
        key = KnownKey(SIGNER.public_key, "county", **more)  # type: ignore[arg-type]
        return RequestGate(self.store, self.clock, [key])

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.millis() / 1000, UTC)

    def headers(self, at: datetime | None = None) -> dict[str, str]:
        signed = sign_request(SIGNER, "post", PATH, BODY, at or self.now())
        return {name.lower(): value for name, value in signed.items()}


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Gate]:
    office = Gate(tmp_path)
    async with office.open():
        yield office


async def test_a_right_request_passes_once(office: Gate) -> None:
    headers = office.headers()
    gate = office.gate()
    assert (await gate.check("POST", PATH, headers, BODY)).name == "county"
    with pytest.raises(fzalert.AccessDenied, match="before"):
        await gate.check("POST", PATH, headers, BODY)
    # Nor after a restart of the gate.
    with pytest.raises(fzalert.AccessDenied, match="before"):
        await office.gate().check("POST", PATH, headers, BODY)
    await gate.check("POST", PATH, office.headers(), BODY)


async def test_a_signature_fits_nothing_else(office: Gate) -> None:
    headers = office.headers()
    gate = office.gate()
    for method, path, body in [
        ("GET", PATH, BODY),
        ("POST", PATH + "2", BODY),
        ("POST", PATH, BODY + b" "),
    ]:
        with pytest.raises(fzalert.AccessDenied, match="does not fit"):
            await gate.check(method, path, headers, body)
    for name in ("fz-nonce", "fz-signature"):
        digit = "0" if headers[name][0] != "0" else "1"
        with pytest.raises(fzalert.AccessDenied, match="does not fit"):
            await gate.check("POST", PATH, {**headers, name: digit + headers[name][1:]}, BODY)
    # What failed used no nonce up.
    await gate.check("POST", PATH, headers, BODY)


async def test_only_fresh_times_and_known_keys(office: Gate) -> None:
    gate = office.gate()
    for shift in (FRESH, -FRESH):
        late = office.headers(
            office.now() + shift + timedelta(seconds=1) * (1 if shift > timedelta() else -1)
        )
        with pytest.raises(fzalert.AccessDenied, match="five minutes"):
            await gate.check("POST", PATH, late, BODY)
        await gate.check("POST", PATH, office.headers(office.now() + shift), BODY)
    with pytest.raises(fzalert.AccessDenied, match="not known"):
        await RequestGate(office.store, office.clock, []).check(
            "POST", PATH, office.headers(), BODY
        )
    ended = office.gate(not_after=office.now() - timedelta(seconds=1))
    with pytest.raises(fzalert.AccessDenied, match="ended"):
        await ended.check("POST", PATH, office.headers(), BODY)


@pytest.mark.parametrize("name", ["fz-key", "fz-time", "fz-nonce", "fz-signature"])
async def test_a_missing_or_malformed_header_is_named(office: Gate, name: str) -> None:
    for value in ("", "x", "é" * 32):
        headers = {**office.headers(), name: value}
        with pytest.raises(fzalert.InputError, match=name):
            await office.gate().check("POST", PATH, headers, BODY)


async def test_old_nonces_are_swept(office: Gate) -> None:
    gate = office.gate()
    for _ in range(3):
        await gate.check("POST", PATH, office.headers(), BODY)
    office.clock.advance(3600)
    for _ in range(500):
        await gate.check("POST", PATH, office.headers(), BODY)
    assert len(await office.store.state("request-nonce")) == 500


def test_what_is_signed_is_written_down() -> None:
    """The formula, by hand and with another implementation of Ed25519."""
    at = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
    headers = sign_request(SIGNER, "post", PATH, BODY, at)
    given = read_request_signature({k.lower(): v for k, v in headers.items()})
    text = f"POST\n{PATH}\n2026-11-24T09:00:00Z\n{given.nonce}\n{hashlib.sha256(BODY).hexdigest()}"
    assert request_payload("POST", PATH, at, given.nonce, BODY) == text.encode()
    digest = hashlib.sha256(text.encode()).digest()
    Ed25519PublicKey.from_public_bytes(SIGNER.public_key).verify(
        given.signature, b"fz-request-v1\0" + digest
    )
