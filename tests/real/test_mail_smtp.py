"""The mail channel against aiosmtpd: TLS, logins, a line that comes and goes."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from pydantic import SecretStr

from fzalert.messages import Mail, Receipt, ReceiptKind, Scope, mailbox
from fzalert.ports import AdapterContext, HealthState
from fzalert.testing import SCRIPT, FakeClock, RecordingWire, make_context, submission
from fzalert_mail.smtp import SmtpConfig, SmtpMail

MAIL = Mail("反诈预警", "请立即停止转账。\n", SCRIPT)
TARGET = mailbox("manager@bank.example")


def cut(link: SMTP) -> None:
    if isinstance(link.transport, asyncio.WriteTransport):
        link.transport.abort()


class Server:
    """A mail server with a script of replies."""

    def __init__(self, tls: ssl.SSLContext | None = None, *, login: bool = False) -> None:
        self.replies: dict[str, str] = {}
        self.mails: list[Envelope] = []
        self.over_tls: list[bool] = []
        self.logins = 0
        self.links: list[SMTP] = []
        self._tls = tls
        self._login = login
        self._server: asyncio.Server | None = None
        self.port = 0

    async def handle_MAIL(  # noqa: N802  aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return self.replies.get("MAIL", "250 OK")

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self.replies.get("RCPT", "250 OK")

    async def handle_DATA(  # noqa: N802  aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        self.mails.append(envelope)
        self.over_tls.append(session.ssl is not None)
        if self.replies.get("DATA") == "hang up":
            cut(server)
            await asyncio.Event().wait()
        return self.replies.get("DATA", "250 OK")

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        self.logins += 1
        assert isinstance(data, LoginPassword)
        is_right = data.login == b"warn" and data.password == b"swordfish"
        return AuthResult(success=is_right, handled=is_right)

    def _link(self) -> SMTP:
        link = SMTP(
            self,
            hostname="mx.bank.example",
            tls_context=self._tls,
            require_starttls=self._tls is not None,
            auth_required=self._login,
            authenticator=self.authenticate if self._login else None,
            timeout=30,
        )
        self.links.append(link)
        return link

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._link, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop to listen, cut every link and see its dialogue end."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None
        tasks = [link._handler_coroutine for link in self.links if link._handler_coroutine]
        for link in self.links:
            cut(link)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.links.clear()


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[Server]:
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def config(server: Server, **settings: Any) -> SmtpConfig:
    basis: dict[str, Any] = {
        "name": "mail",
        "adapter": "mail.smtp",
        "host": "127.0.0.1",
        "port": server.port,
        "tls": "none",
        "sender": "warn@police.example",
        "connect_timeout": 2,
        "answer_timeout": 2,
    }
    return SmtpConfig(**{**basis, **settings})


@pytest.fixture
async def context() -> AsyncIterator[AdapterContext]:
    async with make_context() as context:
        yield context


async def send(adapter: SmtpMail, id: int = 1) -> tuple[Receipt, RecordingWire]:
    wire = RecordingWire()
    async with asyncio.timeout(10):
        await adapter.submit([submission(TARGET, MAIL, id=id, not_after=2**60)], wire)
    wire.check()
    return wire.receipts[id, 0], wire


async def until(adapter: SmtpMail, state: HealthState) -> None:
    """Look at the health as a page does, until it says so."""
    async with asyncio.timeout(5):
        while (await adapter.health()).state is not state:  # noqa: ASYNC110  health has no event
            await asyncio.sleep(0.01)


def with_login(tmp_path: Path, password: str) -> tuple[Server, dict[str, Any]]:
    """A server that wants STARTTLS and a login, and the settings that reach it."""
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    settings: dict[str, Any] = {
        "host": "localhost",
        "tls": "starttls",
        "ca_file": tmp_path / "ca.pem",
        "username": "warn",
        "password": SecretStr(password),
    }
    return Server(tls, login=True), settings


async def test_a_mail_goes_over_starttls_after_a_login(
    context: AdapterContext, tmp_path: Path
) -> None:
    server, settings = with_login(tmp_path, "swordfish")
    async with (
        serving(server),
        SmtpMail(config(server, **settings), context) as adapter,
    ):
        receipt, _ = await send(adapter)
        assert (await adapter.health()).state is HealthState.UP
    assert receipt.kind is ReceiptKind.SENT
    assert server.over_tls == [True]
    assert server.mails[0].mail_from == "warn@police.example"
    assert server.mails[0].rcpt_tos == ["manager@bank.example"]


async def test_a_certificate_that_is_not_trusted_gets_no_password(
    context: AdapterContext, tmp_path: Path
) -> None:
    server, settings = with_login(tmp_path, "swordfish")
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    async with (
        serving(server),
        SmtpMail(config(server, **settings), context) as adapter,
    ):
        receipt, wire = await send(adapter)
        health = await adapter.health()
        await server.stop()
    assert receipt.kind is ReceiptKind.CHANNEL_DOWN
    assert not wire.written
    assert (health.state, "not trusted" in health.detail) == (HealthState.DOWN, True)
    assert server.logins == 0


async def test_a_server_without_starttls_is_not_spoken_to(context: AdapterContext) -> None:
    async with (
        serving(Server()) as server,
        SmtpMail(config(server, tls="starttls"), context) as adapter,
    ):
        receipt, _ = await send(adapter)
        assert "does not offer" in receipt.detail
    assert receipt.kind is ReceiptKind.CHANNEL_DOWN
    assert server.mails == []


async def test_a_refused_login_is_not_hammered(tmp_path: Path) -> None:
    clock = FakeClock()
    server, settings = with_login(tmp_path, "wrong")
    async with (
        make_context(clock=clock) as context,
        serving(server),
        SmtpMail(config(server, **settings), context) as adapter,
    ):
        receipt, wire = await send(adapter)
        await clock.until_sleeping()
        logins = server.logins
        clock.advance(29)
        assert clock.sleeping == 1, "the pause after a refused login is half of 60 s at least"
        detail = (await adapter.health()).detail
    assert receipt.kind is ReceiptKind.CHANNEL_DOWN
    assert not wire.written
    assert "refused the login (535)" in detail
    assert server.logins == logins


@pytest.mark.parametrize(
    ("stage", "reply", "kind", "scope", "is_written"),
    [
        ("MAIL", "550 5.7.1 sender", ReceiptKind.PERMANENT, Scope.BINDING, False),
        ("RCPT", "550 5.1.1 nobody", ReceiptKind.PERMANENT, Scope.RECIPIENT, False),
        ("RCPT", "450 4.2.0 greylisted", ReceiptKind.TEMPORARY, Scope.RECIPIENT, False),
        ("RCPT", "421 4.3.2 closing", ReceiptKind.CHANNEL_DOWN, Scope.CHANNEL, False),
        ("DATA", "554 5.7.1 spam", ReceiptKind.PERMANENT, Scope.MESSAGE, True),
        ("DATA", "451 4.3.0 later", ReceiptKind.TEMPORARY, Scope.MESSAGE, True),
        ("DATA", "599 what", ReceiptKind.PERMANENT, Scope.MESSAGE, True),
        ("DATA", "hang up", ReceiptKind.UNKNOWN, Scope.MESSAGE, True),
    ],
)
async def test_a_reply_is_read_and_the_next_mail_goes_through(
    context: AdapterContext,
    stage: str,
    reply: str,
    kind: ReceiptKind,
    scope: Scope,
    is_written: bool,
) -> None:
    async with serving(Server()) as server, SmtpMail(config(server), context) as adapter:
        server.replies[stage] = reply
        receipt, wire = await send(adapter, 1)
        assert (receipt.kind, receipt.scope) == (kind, scope)
        assert bool(wire.written) == is_written
        server.replies.clear()
        receipt, _ = await send(adapter, 2)
        assert receipt.kind is ReceiptKind.SENT


async def test_one_connection_carries_many_mails(context: AdapterContext) -> None:
    async with serving(Server()) as server, SmtpMail(config(server), context) as adapter:
        for id in range(1, 6):
            await send(adapter, id)
        assert len(server.links) == 1
        assert len(server.mails) == 5


async def test_a_server_that_is_away_settles_at_once_and_is_found_again() -> None:
    clock = FakeClock()
    server = Server()
    await server.start()
    await server.stop()
    async with make_context(clock=clock) as context, SmtpMail(config(server), context) as adapter:
        receipt, wire = await send(adapter, 1)
        assert receipt.kind is ReceiptKind.CHANNEL_DOWN
        assert not wire.written
        assert (await adapter.health()).state is HealthState.DOWN
        async with serving(server):
            await clock.until_sleeping()
            clock.advance(1)
            await until(adapter, HealthState.UP)
            receipt, _ = await send(adapter, 2)
            assert receipt.kind is ReceiptKind.SENT


async def test_a_line_that_died_in_silence_is_found_by_its_keepalive(
    context: AdapterContext,
) -> None:
    async with (
        serving(Server()) as server,
        SmtpMail(config(server, keepalive=0.05), context) as adapter,
    ):
        await send(adapter)
        await server.stop()
        await until(adapter, HealthState.DOWN)


async def test_an_unmapped_code_raises_its_alarm_once(context: AdapterContext) -> None:
    async with serving(Server()) as server, SmtpMail(config(server), context) as adapter:
        server.replies["RCPT"] = "577 never heard of"
        with structlog.testing.capture_logs() as events:
            await send(adapter, 1)
            await send(adapter, 2)
    alarms = [event for event in events if event["event"] == "mail.unmapped_code"]
    assert [(alarm["code"], alarm["log_level"]) for alarm in alarms] == [("577", "error")]
