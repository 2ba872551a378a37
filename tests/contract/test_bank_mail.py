"""The channel to bank desks against the shipped contract; the far side is aiosmtpd."""

from collections.abc import AsyncIterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.hazmat.primitives.serialization.pkcs7 import pkcs7_decrypt_der
from typing_extensions import override

from fzalert.messages import Target, bank_desk
from fzalert.ports import AdapterContext
from fzalert.testing import (
    LifecycleContract,
    LinkContract,
    MemoryState,
    RefusalContract,
    SilenceContract,
    make_context,
)
from fzalert_mail.bank import BankMail, BankMailConfig
from tests.contract.bank_mail_peer import (
    DESK,
    MAILBOX,
    REPLIES,
    SENDER,
    MailServer,
    Pair,
    desk_row,
    issue,
)


class Desk(MailServer):
    """A bank's mail server, and the desk that opens what it got."""

    def __init__(self, pair: Pair) -> None:
        super().__init__()
        self._certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
        key = load_pem_private_key(pair.key.read_bytes(), None)
        assert isinstance(key, RSAPrivateKey)
        self._key = key

    async def received(self, n: int, timeout: float) -> list[tuple[str, str]]:  # noqa: ASYNC109  Peer
        await self.arrived(n, timeout)
        return [(address, self._text(content)) for address, content in self.mails]

    def _text(self, content: bytes) -> str:
        sealed = message_from_bytes(content, policy=default).get_payload(decode=True)
        assert isinstance(sealed, bytes)
        opened = pkcs7_decrypt_der(sealed, self._certificate, self._key, [])
        message = message_from_bytes(opened, policy=default)
        assert isinstance(message, EmailMessage)
        (package,) = (
            part for part in message.walk() if part.get_content_type() == "application/json"
        )
        body = package.get_payload(decode=True)
        assert isinstance(body, bytes)
        return body.decode()


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pair, Pair]:
    """Ours and the desk's."""
    folder = tmp_path_factory.mktemp("mail")
    return issue(folder, "ours", SENDER), issue(folder, "desk", MAILBOX)


class TestBankMail(RefusalContract, SilenceContract, LinkContract, LifecycleContract):
    factory = BankMail
    refusals = frozenset(REPLIES)
    peer_loggers = ("mail",)

    @pytest.fixture
    @override
    def target(self) -> Target:
        return bank_desk(DESK)

    @override
    def address_of(self, target: Target) -> str:
        return MAILBOX

    @pytest.fixture
    @override
    async def context(self, pairs: tuple[Pair, Pair]) -> AsyncIterator[AdapterContext]:
        row = desk_row(pairs[1].certificate.read_text(encoding="ascii"))
        async with make_context(state=MemoryState({row.key: row.dump()})) as context:
            yield context

    @pytest.fixture
    async def peer(self, pairs: tuple[Pair, Pair]) -> AsyncIterator[Desk]:
        peer = Desk(pairs[1])
        await peer.start()
        yield peer
        await peer.close()

    @pytest.fixture
    def config(self, peer: Desk, pairs: tuple[Pair, Pair]) -> BankMailConfig:
        settings: dict[str, Any] = {
            "name": "bank-mail",
            "adapter": "bank.mail",
            "host": "127.0.0.1",
            "port": peer.port,
            "tls": "none",
            "sender": SENDER,
            "certificate": pairs[0].certificate,
            "key": pairs[0].key,
            "connect_timeout": 2,
            "answer_timeout": 1.5,
        }
        return BankMailConfig(**settings)

    @pytest.fixture
    @override
    async def adapter(
        self, config: BankMailConfig, context: AdapterContext
    ) -> AsyncIterator[BankMail]:
        async with BankMail(config, context) as adapter:
            yield adapter
