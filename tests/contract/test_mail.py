"""The mail channel against the shipped contract; the far side is aiosmtpd."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from typing_extensions import override

from fzalert.messages import ReceiptKind
from fzalert.ports import AdapterContext
from fzalert.testing import (
    LifecycleContract,
    LinkContract,
    RefusalContract,
    SilenceContract,
)
from fzalert_mail.smtp import SmtpConfig, SmtpMail

REPLIES = {
    ReceiptKind.PERMANENT: "550 5.1.1 no such mailbox",
    ReceiptKind.TEMPORARY: "451 4.3.0 come again",
    ReceiptKind.CHANNEL_DOWN: "421 4.3.2 closing",
}


class MailPeer:
    """A mail server that can refuse, keep silent and hang up."""

    can_refuse = True
    can_go_silent = True
    can_drop = True

    def __init__(self) -> None:
        self.port = 0
        self._seen: list[tuple[str, str]] = []
        self._arrived = asyncio.Condition()
        self._refusals: deque[ReceiptKind] = deque()
        self._is_silent = False
        self._links: list[SMTP] = []

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._refusals:
            return REPLIES[self._refusals.popleft()]
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802  aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        message = message_from_bytes(content, policy=default)
        assert isinstance(message, EmailMessage)
        text = message.get_content().replace("\r\n", "\n")
        async with self._arrived:
            self._seen += [(address, text) for address in envelope.rcpt_tos]
            self._arrived.notify_all()
        if self._is_silent:
            await asyncio.Event().wait()
        return "250 2.0.0 taken"

    def new_link(self) -> SMTP:
        link = SMTP(self, hostname="mx.bank.example")
        self._links.append(link)
        return link

    async def received(self, n: int, timeout: float) -> list[tuple[str, str]]:  # noqa: ASYNC109  Peer
        try:
            async with asyncio.timeout(timeout), self._arrived:
                await self._arrived.wait_for(lambda: len(self._seen) >= n)
        except TimeoutError:
            pass  # fewer came; the caller sees which
        return list(self._seen)

    def refuse_next(self, kind: ReceiptKind) -> None:
        self._refusals.append(kind)

    def silent(self) -> None:
        self._is_silent = True

    def drop(self) -> None:
        self._is_silent = False
        for link in self._links:
            if isinstance(link.transport, asyncio.WriteTransport):
                link.transport.abort()
        self._links.clear()

    async def close(self) -> None:
        """Hang up and see every dialogue end."""
        handlers = [link._handler_coroutine for link in self._links]
        self.drop()
        tasks = [task for task in handlers if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class TestSmtpMail(RefusalContract, SilenceContract, LinkContract, LifecycleContract):
    factory = SmtpMail
    refusals = frozenset(REPLIES)
    peer_loggers = ("mail",)

    @pytest.fixture
    async def peer(self) -> AsyncIterator[MailPeer]:
        peer = MailPeer()
        server = await asyncio.get_running_loop().create_server(peer.new_link, "127.0.0.1", 0)
        peer.port = server.sockets[0].getsockname()[1]
        yield peer
        server.close()
        await peer.close()
        await server.wait_closed()

    @pytest.fixture
    def config(self, peer: MailPeer) -> SmtpConfig:
        settings: dict[str, Any] = {
            "name": "mail",
            "adapter": "mail.smtp",
            "host": "127.0.0.1",
            "port": peer.port,
            "tls": "none",
            "sender": "warn@police.example",
            "connect_timeout": 2,
            "answer_timeout": 0.5,
        }
        return SmtpConfig(**settings)

    @pytest.fixture
    @override
    async def adapter(self, config: SmtpConfig, context: AdapterContext) -> AsyncIterator[SmtpMail]:
        async with SmtpMail(config, context) as adapter:
            yield adapter
