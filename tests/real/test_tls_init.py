"""An authority of one's own: accepted by OpenSSL and by real handshakes, and by nothing else."""

import asyncio
import ssl
import stat
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fzalert.access.certificates import AUTHORITY_DAYS, LEAF_DAYS, Issued, init_tls, issue_client
from fzalert.cli import main
from fzalert.clock import SystemClock
from fzalert.errors import ConfigError, InputError

HOST = "desk.county.intra"
Made = tuple[Path, Issued, Issued]


def now() -> datetime:
    return SystemClock().now()


@pytest.fixture
def made(tmp_path: Path) -> Made:
    folder = tmp_path / "tls"
    authority, server = init_tls(folder, [HOST, "127.0.0.1"], now())
    return folder, authority, server


def openssl(*words: str | Path) -> str:
    done = subprocess.run(
        ["openssl", *map(str, words)], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


async def talk(
    made: Made, client: Issued | None, host: str, trusted: Path | None = None
) -> tuple[str, ...]:
    """Shake hands with the server, which wants a client certificate; what it saw of it."""
    folder, authority, server = made
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inside.load_cert_chain(server.certificate, server.key)
    inside.load_verify_locations(authority.certificate)
    inside.verify_mode = ssl.CERT_REQUIRED
    seen: list[tuple[str, ...]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peercert")
        seen.append(tuple(value for _, value in peer["subjectAltName"]))
        writer.write(await reader.readline())
        writer.close()

    outside = ssl.create_default_context(cafile=str(trusted or folder / "ca.pem"))
    if client is not None:
        outside.load_cert_chain(client.certificate, client.key)
    listener = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=inside)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=outside, server_hostname=host
        )
        writer.write(b"hello\n")
        echo = await reader.readline()
        writer.close()
    if echo != b"hello\n":
        raise ConnectionError("it hung up")
    return seen[0]


@pytest.mark.parametrize("host", [HOST, "127.0.0.1"])
async def test_a_server_and_a_machine_know_each_other(made: Made, host: str) -> None:
    client = issue_client(made[0], "chengguan", now())
    assert await talk(made, client, host) == ("fz:branch:chengguan",)


async def test_another_name_another_authority_and_no_certificate_are_refused(
    made: Made, tmp_path: Path
) -> None:
    client = issue_client(made[0], "chengguan", now())
    with pytest.raises(ssl.SSLCertVerificationError):
        await talk(made, client, "elsewhere.county.intra")
    other = tmp_path / "other"
    init_tls(other, [HOST], now())
    with pytest.raises(ssl.SSLCertVerificationError):
        await talk(made, client, HOST, other / "ca.pem")
    for wrong in (issue_client(other, "chengguan", now()), None, made[2]):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await talk(made, wrong, HOST)


def test_openssl_accepts_each_for_its_purpose_alone(made: Made) -> None:
    folder, _, server = made
    client = issue_client(folder, "chengguan", now())
    strict: list[str | Path] = ["verify", "-x509_strict", "-CAfile", folder / "ca.pem", "-purpose"]
    assert "OK" in openssl(*strict, "sslserver", server.certificate)
    assert "OK" in openssl(*strict, "sslclient", client.certificate)
    assert "OK" not in openssl(*strict, "sslclient", server.certificate)
    assert "OK" not in openssl(*strict, "sslserver", client.certificate)


def test_keys_are_private_and_outlive_their_certificates(made: Made) -> None:
    folder, authority, server = made
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(files) == {"ca.pem", "ca.key", "server.pem", "server.key"}
    for path in folder.glob("*.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert timedelta(0) <= authority.not_after - now() <= timedelta(days=AUTHORITY_DAYS)
    assert timedelta(0) <= server.not_after - now() <= timedelta(days=LEAF_DAYS)
    again = init_tls(folder, [HOST], now() + timedelta(days=100))
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {name for name in files if files[name] != after[name]} == {"server.pem"}
    assert again[1].not_after - server.not_after > timedelta(days=99)
    late = authority.not_after - timedelta(days=1)
    assert issue_client(folder, "li", late).not_after <= authority.not_after


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (lambda f: init_tls(f, [], now()), InputError),
        (lambda f: init_tls(f, ["a b"], now()), InputError),
        (lambda f: init_tls(f, ["-x.intra"], now()), InputError),
        (lambda f: issue_client(f, "../x", now()), InputError),
        (lambda f: issue_client(f, "server", now()), InputError),
        (lambda f: issue_client(f, "li", datetime(2100, 1, 1, tzinfo=UTC)), ConfigError),
        (lambda f: issue_client(f / "empty", "li", now()), ConfigError),
    ],
)
def test_what_cannot_be_issued_is_refused_and_writes_nothing(
    made: Made, ask: Callable[[Path], object], error: type[Exception]
) -> None:
    before = sorted(path.name for path in made[0].iterdir())
    with pytest.raises(error):
        ask(made[0])
    assert sorted(path.name for path in made[0].iterdir()) == before


def test_without_the_right_key_of_the_authority_nothing_is_issued(
    made: Made, tmp_path: Path
) -> None:
    folder = made[0]
    init_tls(tmp_path / "other", [HOST], now())
    kept = (folder / "ca.key").read_bytes()
    (folder / "ca.key").write_bytes((tmp_path / "other" / "ca.key").read_bytes())
    with pytest.raises(ConfigError, match="not the key"):
        issue_client(folder, "li", now())
    (folder / "ca.key").unlink()
    with pytest.raises(ConfigError, match="not there"):
        init_tls(folder, [HOST], now())
    assert not (folder / "ca.key").exists(), "no new one in its place"
    (folder / "ca.key").write_bytes(kept)
    (folder / "ca.key").chmod(0o644)
    with pytest.raises(ConfigError, match="read by others"):
        issue_client(folder, "li", now())


def test_the_commands_say_what_to_do_with_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["tls", "init", HOST, "10.0.0.5"]) == 0
    assert 'certificate = "tls/server.pem"' in capsys.readouterr().out
    assert main(["tls", "client", "chengguan"]) == 0
    assert "--san uri:fz:branch:chengguan" in capsys.readouterr().out
    assert "DNS:" + HOST in openssl(
        "x509", "-in", "tls/server.pem", "-noout", "-ext", "subjectAltName"
    )
