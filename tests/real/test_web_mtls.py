"""The second listener against clients that are not ours: openssl and curl of the system."""

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import structlog.testing

from fzalert.config import parse_settings
from fzalert.ports import AuthKind, MountedRequest, MountedResponse, Route
from fzalert.testing.house import ShiftedClock
from fzalert.testing.pki import Authority, Issued
from fzalert.testing.service import FakeService
from fzalert.web import Door, MachineDoor, Stopping, WebServer, build_app

PATIENCE = 30.0
BRANCH = "uri:fz:branch:chengguan"


@dataclass
class Listener:
    """The second listener of a daemon whose service is in memory."""

    url: str
    service: FakeService
    folder: Path
    authority: Authority
    asked: list[MountedRequest]
    clock: ShiftedClock

    async def run(self, *words: str, said: str = "") -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate(said.encode())
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    async def curl(
        self, path: str, client: Issued | None = None, *more: str
    ) -> tuple[int, int, dict[str, object]]:
        """Ask with curl; its exit code, the HTTP status and the body."""
        shown = ["--cert", str(client.certificate), "--key", str(client.key)] if client else []
        code, out, _ = await self.run(
            *("curl", "--silent", "--noproxy", "*", "--cacert", str(self.authority.certificate)),
            *("--write-out", "\n%{http_code}", *shown, *more, self.url + path),
        )
        body, _, status = out.rpartition("\n")
        found = json.loads(body) if body.startswith("{") else {}
        return code, int(status), found


@pytest.fixture
async def listener(tmp_path: Path) -> AsyncIterator[Listener]:
    authority = Authority(tmp_path)
    server = authority.issue("server", addresses=["127.0.0.1"])
    settings = parse_settings(
        f"""
        [web]
        port = 0
        certificate = "{server.certificate}"
        key = "{server.key}"
        mtls_port = 0
        client_ca = "{authority.certificate}"
        """,
        tmp_path / "fzalert.toml",
    )
    service = FakeService({"wang": ["viewer"]})
    service.tokens["chengguan"] = service.directory.add_user("chengguan", ["viewer"], machine=True)[
        1
    ]
    asked: list[MountedRequest] = []

    async def take(request: MountedRequest) -> MountedResponse:
        asked.append(request)
        return MountedResponse(body=b"{}")

    service.mounted["bank"] = [Route("GET", "answer", AuthKind.MTLS, take)]
    stopping = Stopping()
    clock = ShiftedClock()
    app = MachineDoor(build_app(service, settings, stopping=stopping, clock=clock))
    door = Door.second(settings.web)
    async with WebServer(app, settings.web, stopping, door=door).serving() as url:
        yield Listener(url.removesuffix("/"), service, tmp_path, authority, asked, clock)


def branch_of(
    authority: Authority,
    name: str = "branch",
    *,
    since: timedelta = timedelta(hours=-1),
    until: timedelta = timedelta(days=1),
) -> Issued:
    return authority.issue(name, uris=["fz:branch:chengguan"], since=since, until=until)


async def test_curl_with_a_bound_certificate_is_that_machine(listener: Listener) -> None:
    mine = branch_of(listener.authority)
    listener.service.directory.bind("chengguan", BRANCH)
    assert (await listener.curl("/api/v1/status", mine))[:2] == (0, 200)
    assert (await listener.curl("/channels/bank/answer", mine))[:2] == (0, 200)
    assert [request.machine for request in listener.asked] == ["peer:chengguan"]


async def test_the_second_listener_has_no_page(listener: Listener) -> None:
    mine = branch_of(listener.authority)
    listener.service.directory.bind("chengguan", mine.fingerprint)
    for path in ("/", "/login", "/static/fzalert.css", "/metrics"):
        assert (await listener.curl(path, mine))[:2] == (0, 404), path


async def test_curl_without_a_certificate_gets_no_answer_and_the_log_says_why(
    listener: Listener,
) -> None:
    with structlog.testing.capture_logs() as log:
        code, status, _ = await listener.curl("/api/v1/status")
    assert (code != 0, status) == (True, 0)
    assert [(line["event"], line["why"]) for line in log] == [
        ("web.client_refused", "it showed no certificate")
    ]


async def test_a_foreign_authority_and_a_wrong_time_end_in_the_handshake(
    listener: Listener,
) -> None:
    foreign = branch_of(Authority(listener.folder, "other"))
    past = branch_of(listener.authority, "past", until=timedelta(minutes=-1))
    future = branch_of(listener.authority, "future", since=timedelta(hours=1))
    listener.service.directory.bind("chengguan", BRANCH)
    with structlog.testing.capture_logs() as log:
        for one in (foreign, past, future):
            code, status, _ = await listener.curl("/api/v1/status", one)
            assert (code != 0, status) == (True, 0)
    why = [line["why"] for line in log if line["event"] == "web.client_refused"]
    assert why[1:] == ["certificate has expired", "certificate is not yet valid"]
    assert why[0] in {"unable to get local issuer certificate", "self-signed certificate"}


async def test_openssl_gets_an_answer_with_a_good_certificate_and_none_without(
    listener: Listener,
) -> None:
    mine = branch_of(listener.authority)
    listener.service.directory.bind("chengguan", mine.fingerprint)
    host = listener.url.removeprefix("https://")
    request = f"GET /api/v1/status HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    words = ["openssl", "s_client", "-quiet", "-connect", host, "-verify_return_error"]
    words += ["-CAfile", str(listener.authority.certificate)]
    shown = ["-cert", str(mine.certificate), "-key", str(mine.key)]
    for version in ("-tls1_2", "-tls1_3"):
        _, good, _ = await listener.run(*words, version, *shown, said=request)
        assert good.startswith("HTTP/1.1 200 OK")
        _, none, _ = await listener.run(*words, version, said=request)
        assert none == ""
    code, old, _ = await listener.run(*words, "-tls1_1", *shown, said=request)
    assert (code != 0, old) == (True, "")


async def test_a_good_certificate_that_is_bound_to_nobody_is_refused_by_name(
    listener: Listener,
) -> None:
    mine = branch_of(listener.authority)
    code, status, problem = await listener.curl("/api/v1/status", mine)
    assert (code, status, problem["code"]) == (0, 403, "certificate-unknown")
    assert mine.fingerprint in str(problem["detail"])


async def test_a_revoked_certificate_is_out_at_once_though_its_name_is_bound(
    listener: Listener,
) -> None:
    mine, new = branch_of(listener.authority), branch_of(listener.authority, "new")
    listener.service.directory.bind("chengguan", BRANCH)
    assert (await listener.curl("/api/v1/status", mine))[1] == 200
    listener.service.directory.unbind("chengguan", mine.fingerprint)
    _, status, problem = await listener.curl("/api/v1/status", mine)
    assert (status, problem["code"]) == (403, "credential-revoked")
    assert (await listener.curl("/api/v1/status", new))[1] == 200
    listener.service.directory.disable("chengguan")
    _, status, problem = await listener.curl("/api/v1/status", new)
    assert (status, problem["code"]) == (403, "credential-revoked")


async def test_a_token_beside_a_certificate_is_of_the_same_machine(listener: Listener) -> None:
    mine = branch_of(listener.authority)
    listener.service.directory.bind("chengguan", mine.fingerprint)
    tokens = listener.service.tokens
    for name, status in (("chengguan", 200), ("wang", 401)):
        header = f"Authorization: Bearer {tokens[name]}"
        assert (await listener.curl("/api/v1/status", mine, "--header", header))[1] == status


async def test_a_certificate_that_ends_while_its_connection_is_open_is_out_then(
    listener: Listener,
) -> None:
    mine = branch_of(listener.authority, until=timedelta(days=1))
    listener.service.directory.bind("chengguan", mine.fingerprint)
    context = ssl.create_default_context(cafile=str(listener.authority.certificate))
    context.load_cert_chain(mine.certificate, mine.key)
    host, _, port = listener.url.removeprefix("https://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=context)

    async def ask() -> str:
        writer.write(b"GET /api/v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        assert length is not None
        body = json.loads(await reader.readexactly(int(length[1])))
        return str(body.get("code", "let in"))

    try:
        assert await ask() == "let in"
        listener.clock.shift = timedelta(days=1, minutes=1)
        assert await ask() == "credential-expired"
    finally:
        writer.close()
