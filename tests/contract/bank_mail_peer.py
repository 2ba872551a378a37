"""Certificates for mail made by the openssl program, and a mail server that keeps what it got."""

from __future__ import annotations

import asyncio
import subprocess
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from fzalert.messages import ReceiptKind
from fzalert.ports import DeskRow

REPLIES = {
    ReceiptKind.PERMANENT: "550 5.1.1 no such mailbox",
    ReceiptKind.TEMPORARY: "451 4.3.0 come again",
    ReceiptKind.CHANNEL_DOWN: "421 4.3.2 closing",
}
DESK = "icbc-lhasa"
MAILBOX = "desk@icbc.example"
SENDER = "freeze@police.example"


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, in PEM files."""

    certificate: Path
    key: Path


def openssl(*words: str | Path, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the openssl program."""
    return subprocess.run(
        ["openssl", *map(str, words)],
        input=data,
        capture_output=True,
        timeout=120,
        check=False,
    )


def issue(
    folder: Path,
    name: str,
    mailbox: str,
    *more: str,
    days: int = 300,
    key: str = "rsa:2048",
) -> Pair:
    """Make a self-signed certificate for a mailbox; `more` are further extensions."""
    pair = Pair(folder / f"{name}.pem", folder / f"{name}.key")
    kind = ["-newkey", key]
    if key == "ec":
        kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    extensions = [f"subjectAltName=email:{mailbox}", *more]
    made = openssl(
        *("req", "-x509", *kind, "-nodes", "-subj", f"/CN={name}", "-days", str(days)),
        *("-keyout", pair.key, "-out", pair.certificate),
        *(word for one in extensions for word in ("-addext", one)),
    )
    assert made.returncode == 0, made.stderr
    pair.key.chmod(0o600)
    return pair


def desk_row(certificate: str, **more: object) -> DeskRow:
    """The row that the directory writes for the desk of the tests."""
    values: dict[str, object] = {
        "desk": DESK,
        "institution": "sample",
        "address": MAILBOX,
        "certificate": certificate,
        **more,
    }
    return DeskRow(**values)  # type: ignore[arg-type]


class MailServer:
    """A mail server that keeps the bytes; it can refuse, keep silent and hang up.

    Attributes:
        mails: Recipient and bytes of each mail, as they came over the wire.
    """

    can_refuse = True
    can_go_silent = True
    can_drop = True

    def __init__(self) -> None:
        self.port = 0
        self.mails: list[tuple[str, bytes]] = []
        self._arrived = asyncio.Condition()
        self._refusals: deque[ReceiptKind] = deque()
        self._is_silent = False
        self._links: list[SMTP] = []
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on a free port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._link, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

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
        content = envelope.original_content
        assert isinstance(content, bytes)
        async with self._arrived:
            self.mails += [(address, content) for address in envelope.rcpt_tos]
            self._arrived.notify_all()
        if self._is_silent:
            await asyncio.Event().wait()
        return "250 2.0.0 taken"

    async def arrived(self, count: int, within: float) -> None:
        """Wait for so many mails, or no longer than that."""
        try:
            async with asyncio.timeout(within), self._arrived:
                await self._arrived.wait_for(lambda: len(self.mails) >= count)
        except TimeoutError:
            pass  # fewer came; the caller sees which

    def refuse_next(self, kind: ReceiptKind) -> None:
        """Refuse the next recipient."""
        self._refusals.append(kind)

    def silent(self) -> None:
        """Take mails and never answer."""
        self._is_silent = True

    def drop(self) -> None:
        """Hang up on everybody, and answer again."""
        self._is_silent = False
        for link in self._links:
            if isinstance(link.transport, asyncio.WriteTransport):
                link.transport.abort()
        self._links.clear()

    async def close(self) -> None:
        """Hang up and see every dialogue end."""
        handlers = [link._handler_coroutine for link in self._links]
        if self._server is not None:
            self._server.close()
        self.drop()
        tasks = [task for task in handlers if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    def _link(self) -> SMTP:
        link = SMTP(self, hostname="mx.bank.example")
        self._links.append(link)
        return link
