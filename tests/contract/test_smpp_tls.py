"""SMPP over TLS: who is trusted, what is shown, and what a wrong certificate is called."""

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from pydantic import SecretStr

from fzalert.messages import Coding, DeliveryReport, Lane, ReceiptKind, SmsText, phone
from fzalert.ports import HealthState, Submission
from fzalert.testing import SCRIPT, RecordingWire, make_context
from fzalert_sms.smpp import SmppConfig, SmppGateway
from fzalert_sms.smpp.knobs import Knobs
from fzalert_sms.smpp.simulator import SmppSimulator

AUTHORITY = trustme.CA()
TEXT = SmsText(("反诈中心提醒：请勿转账。",), Coding.UCS2, SCRIPT)


@pytest.fixture
def ca_file(tmp_path: Path) -> Iterator[Path]:
    with AUTHORITY.cert_pem.tempfile(dir=str(tmp_path)) as name:
        yield Path(name)


def _server(certificate: trustme.LeafCert, *, asks: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    if asks:
        AUTHORITY.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@asynccontextmanager
async def _line(
    server: ssl.SSLContext | None, **more: Any
) -> AsyncIterator[tuple[SmppGateway, SmppSimulator]]:
    knobs = Knobs(response_delay_ms=0, report_delay_ms=0)
    async with make_context() as context, SmppSimulator(knobs, tls=server) as simulator:
        given: dict[str, Any] = {
            "name": "tls",
            "host": "127.0.0.1",
            "port": simulator.port,
            "account": "fzalert",
            "secret": SecretStr("secret08"),
            "tls": True,
            "open_wait": 20,
            **more,
        }
        async with SmppGateway(SmppConfig(**given), context) as gateway:
            yield gateway, simulator


async def _text_and_report(gateway: SmppGateway) -> None:
    wire = RecordingWire()
    await gateway.submit([Submission(1, 0, Lane.BULK, phone("18900189000"), TEXT, 2**62)], wire)
    assert wire.receipts[1, 0].kind is ReceiptKind.SENT
    async for batch in gateway.inbound():
        (row,) = batch.rows
        assert isinstance(row, DeliveryReport)
        assert row.carrier_id == wire.receipts[1, 0].carrier_id
        batch.acknowledge()
        return


@pytest.mark.parametrize("name", ["127.0.0.1", "smsc.example"])
async def test_a_text_and_its_report_travel_over_tls(ca_file: Path, name: str) -> None:
    server = _server(AUTHORITY.issue_cert(name))
    named = {} if name == "127.0.0.1" else {"tls_host": name}
    async with _line(server, ca_file=ca_file, **named) as (gateway, _):
        await _text_and_report(gateway)


async def test_a_centre_that_asks_for_our_certificate_gets_it(
    ca_file: Path, tmp_path: Path
) -> None:
    mine = AUTHORITY.issue_cert("fzalert.example")
    mine.cert_chain_pems[0].write_to_path(tmp_path / "mine.pem")
    mine.private_key_pem.write_to_path(tmp_path / "mine.key")
    server = _server(AUTHORITY.issue_cert("127.0.0.1"), asks=True)
    shown = {"certificate": tmp_path / "mine.pem", "key": tmp_path / "mine.key"}
    async with _line(server, ca_file=ca_file, **shown) as (gateway, _):
        await _text_and_report(gateway)


async def _until_planned(gateway: SmppGateway, simulator: SmppSimulator) -> None:
    """Wait until the first attempt has failed; the simulator looks several times a second."""
    await simulator.until(lambda: gateway._sender.line.pause > 0, 20)


async def _is_down(gateway: SmppGateway, words: str) -> None:
    """The reason is named, and the next attempt is a minute away."""
    health = await gateway.health()
    assert health.state is HealthState.DOWN
    assert words in health.detail
    assert " · " in health.detail
    assert gateway._sender.line.pause >= 60


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        (AUTHORITY.issue_cert("smsc.example"), "IP address mismatch"),
        (
            AUTHORITY.issue_cert(
                "127.0.0.1",
                not_before=datetime(2020, 1, 1, tzinfo=UTC),
                not_after=datetime(2020, 2, 1, tzinfo=UTC),
            ),
            "certificate has expired",
        ),
        (trustme.CA().issue_cert("127.0.0.1"), "unable to get local issuer"),
    ],
    ids=["name", "expired", "stranger"],
)
async def test_a_wrong_certificate_is_named_and_tried_again_only_after_long(
    ca_file: Path, certificate: trustme.LeafCert, words: str
) -> None:
    async with _line(_server(certificate), ca_file=ca_file, open_wait=0.3) as (gateway, simulator):
        await _until_planned(gateway, simulator)
        await _is_down(gateway, "网关证书不可信")
        assert words in (await gateway.health()).detail
        assert simulator.counts["logins"] == 0


async def test_a_centre_that_misses_our_certificate_is_named(ca_file: Path) -> None:
    """In TLS 1.3 it says so after the handshake; asyncio's own server would only hang up."""
    server = _server(AUTHORITY.issue_cert("127.0.0.1"), asks=True)

    def serve(listener: socket.socket) -> str:
        handle, _ = listener.accept()
        with server.wrap_socket(
            handle, server_side=True, do_handshake_on_connect=False
        ) as connection:
            try:
                connection.do_handshake()
            except ssl.SSLError as error:
                # A close with unread octets would overtake the alert.
                with contextlib.suppress(ConnectionError):
                    while os.read(connection.fileno(), 1000):
                        pass
                return error.reason
        return ""

    with socket.create_server(("127.0.0.1", 0)) as listener:
        refused = asyncio.get_running_loop().run_in_executor(None, serve, listener)
        port = listener.getsockname()[1]
        more = {"ca_file": ca_file, "open_wait": 0.3, "port": port}
        async with _line(None, **more) as (gateway, simulator):
            await _until_planned(gateway, simulator)
            await _is_down(gateway, "TLS 握手失败")
        async with asyncio.timeout(20):
            assert "CERTIFICATE" in await refused


async def test_a_centre_that_speaks_no_tls_is_named(ca_file: Path) -> None:
    async with _line(None, ca_file=ca_file, open_wait=0.3) as (gateway, simulator):
        await _until_planned(gateway, simulator)
        await _is_down(gateway, "TLS 握手失败")


async def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    server = _server(AUTHORITY.issue_cert("127.0.0.1"))
    async with _line(server, ca_file=tmp_path / "none.pem", open_wait=0.3) as (gateway, simulator):
        await _until_planned(gateway, simulator)
        await _is_down(gateway, "证书文件读不了")


async def test_without_a_ca_file_a_private_authority_is_not_trusted() -> None:
    server = _server(AUTHORITY.issue_cert("127.0.0.1"))
    async with _line(server, open_wait=0.3) as (gateway, simulator):
        await _until_planned(gateway, simulator)
        await _is_down(gateway, "网关证书不可信")
        assert simulator.counts["logins"] == 0
