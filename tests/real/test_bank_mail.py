"""What a bank's mail server got, opened and checked by the openssl program, not by ours."""

import hashlib
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
import structlog
from cryptography import x509
from pydantic import ValidationError

from fzalert.clock import SystemClock
from fzalert.messages import BankPackage, Proof, Receipt, ReceiptKind, Scope, bank_desk, mailbox
from fzalert.ports import AdapterContext, DeskRow, HealthState
from fzalert.testing import FakeClock, MemoryState, RecordingWire, make_context, submission
from fzalert_mail.bank import BankMail, BankMailConfig
from tests.contract.bank_mail_peer import (
    DESK,
    MAILBOX,
    SENDER,
    MailServer,
    Pair,
    desk_row,
    issue,
    openssl,
)

pytestmark = pytest.mark.anyio
APPLICATION = "5b1f3c02-6f6e-4a51-9f0e-1c1d2b3a4f55"
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 40


def package(**more: Any) -> BankPackage:
    body = json.dumps(
        {
            "account": {"name": "李四", "number": "6222021234567890128"},
            "application_id": more.get("application_id", APPLICATION),
            "document": "instruction" if more.get("binding", True) else "pre_alert",
            "drill": more.get("drill", False),
        },
        ensure_ascii=False,
        sort_keys=True,
    )
    values: dict[str, Any] = {
        "application_id": APPLICATION,
        "institution": "sample",
        "binding": True,
        "body": body,
        "sha256": hashlib.sha256(body.encode()).hexdigest(),
        "paper": b64encode(PDF).decode(),
        **more,
    }
    return BankPackage(**values)


@dataclass
class Post:
    """A channel, the bank's server behind it, and everybody's certificates."""

    folder: Path
    ours: Pair
    desk: Pair
    server: MailServer
    state: MemoryState = field(default_factory=MemoryState)

    def know(self, certificate: Path | None = None, **more: Any) -> DeskRow:
        pem = (certificate or self.desk.certificate).read_text(encoding="ascii")
        row = desk_row(pem, **more)
        self.state.rows[row.key] = row.dump()
        return row

    def settings(self, **more: Any) -> BankMailConfig:
        values: dict[str, Any] = {
            "name": "bank-mail",
            "adapter": "bank.mail",
            "host": "127.0.0.1",
            "port": self.server.port,
            "tls": "none",
            "sender": SENDER,
            "certificate": self.ours.certificate,
            "key": self.ours.key,
            **more,
        }
        return BankMailConfig(**values)

    @asynccontextmanager
    async def channel(
        self, clock: FakeClock | None = None, **more: Any
    ) -> AsyncIterator[tuple[BankMail, AdapterContext]]:
        async with (
            make_context(clock=clock, state=self.state) as context,
            BankMail(self.settings(**more), context) as channel,
        ):
            yield channel, context

    async def send(self, what: Any, clock: FakeClock | None = None, **more: Any) -> Receipt:
        async with self.channel(clock, **more) as (channel, context):
            return await submitted(channel, context, what)

    def decrypt(self, mail: bytes, pair: Pair | None = None) -> bytes | None:
        """Open with openssl; None where it fails."""
        pair = pair or self.desk
        done = openssl("cms", "-decrypt", "-inkey", pair.key, "-recip", pair.certificate, data=mail)
        return done.stdout if done.returncode == 0 else None

    def verify(self, signed: bytes, root: Path | None = None) -> bytes | None:
        """Check with openssl and give what was signed; None where it fails."""
        root = root or self.ours.certificate
        done = openssl("smime", "-verify", "-CAfile", root, "-binary", data=signed)
        return done.stdout if done.returncode == 0 else None


async def submitted(channel: BankMail, context: AdapterContext, what: Any) -> Receipt:
    one = submission(bank_desk(DESK), what, id=7, not_after=context.clock.millis() + 600_000)
    wire = RecordingWire()
    await channel.submit([one], wire)
    wire.check()
    return wire.receipts[7, 0]


def read(content: bytes) -> EmailMessage:
    message = message_from_bytes(content, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def attachments(content: bytes) -> dict[str, bytes]:
    found = {}
    for part in read(content).walk():
        body = part.get_payload(decode=True)
        if part.get_filename() and isinstance(body, bytes):
            found[str(part.get_filename())] = body
    return found


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pair, Pair]:
    folder = tmp_path_factory.mktemp("mail")
    return issue(folder, "ours", SENDER), issue(folder, "desk", MAILBOX)


@pytest.fixture
async def post(tmp_path: Path, pairs: tuple[Pair, Pair]) -> AsyncIterator[Post]:
    server = MailServer()
    await server.start()
    yield Post(tmp_path, *pairs, server)
    await server.close()


async def test_openssl_opens_and_verifies_what_the_server_got(post: Post) -> None:
    post.know()
    sent = package()
    receipt = await post.send(sent)
    assert (receipt.kind, receipt.proof, receipt.code) == (ReceiptKind.SENT, Proof.TAKEN, "250")
    ((recipient, mail),) = post.server.mails
    assert recipient == MAILBOX
    opened = post.decrypt(mail)
    assert opened is not None
    content = post.verify(opened)
    assert content is not None
    assert content in opened  # what was signed is there as it was, and not rewritten
    found = attachments(content)
    assert found == {f"{APPLICATION}.json": sent.body.encode(), f"{APPLICATION}.pdf": PDF}


async def test_every_line_ends_with_crlf_and_is_short(post: Post) -> None:
    post.know()
    await post.send(package())
    ((_, mail),) = post.server.mails
    opened = post.decrypt(mail)
    assert opened is not None
    for content in (mail, opened):
        assert content.count(b"\n") == content.count(b"\r\n") == content.count(b"\r")
        assert all(len(line) <= 998 and line.isascii() for line in content.split(b"\r\n"))


async def test_a_flipped_byte_a_wrong_key_and_a_wrong_signer_fail(
    post: Post, tmp_path: Path
) -> None:
    post.know()
    await post.send(package())
    ((_, mail),) = post.server.mails
    opened = post.decrypt(mail)
    assert opened is not None
    at = opened.index(b"base64\r\n", opened.index(b"application/json")) + 80
    flipped = opened[:at] + bytes([opened[at] ^ 1]) + opened[at + 1 :]
    assert post.verify(opened) is not None
    assert post.verify(flipped) is None
    stranger = issue(tmp_path, "stranger", MAILBOX)
    assert post.decrypt(mail, stranger) is None
    assert post.verify(opened, stranger.certificate) is None


@pytest.mark.parametrize(
    ("binding", "drill", "subject", "words"),
    [
        (True, False, f"BINDING INSTRUCTION {APPLICATION}", "【指令】"),
        (False, False, f"PRE-ALERT (not binding) {APPLICATION}", "【预警通知 · 不是指令】"),
        (False, True, f"[DRILL] PRE-ALERT (not binding) {APPLICATION}", "【演练】"),
    ],
)
async def test_subject_and_text_say_what_it_is_and_the_outside_names_nobody(
    post: Post, binding: bool, drill: bool, subject: str, words: str
) -> None:
    post.know()
    assert (await post.send(package(binding=binding, drill=drill))).kind is ReceiptKind.SENT
    ((_, mail),) = post.server.mails
    outside = read(mail)
    assert outside["Subject"] == subject
    assert outside["Message-ID"] == "<7.0@police.example>"
    head = mail.partition(b"\r\n\r\n")[0]
    for secret in ("李四", "6222021234567890128", "sample"):
        assert secret.encode() not in mail
    assert head.isascii()
    opened = post.decrypt(mail)
    assert opened is not None
    cover = read(opened).get_body()
    assert cover is not None
    text = cover.get_content()
    assert words in text
    assert APPLICATION in text
    assert ("不是止付或冻结指令" in text) is not binding


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"application_id": "x\r\nBcc: thief@evil.example"}, "package-id"),
        ({"application_id": "x\n\nhello"}, "package-id"),
        ({"application_id": "申请"}, "package-id"),
        ({"institution": "a\r\nb"}, "package-id"),
        ({"sha256": "0" * 64}, "package-altered"),
        ({"body": "[]", "sha256": hashlib.sha256(b"[]").hexdigest()}, "package-altered"),
        ({"paper": "not base64!"}, "package-paper"),
        ({"paper": b64encode(b"MZ").decode()}, "package-paper"),
        ({"institution": "other"}, "desk-institution"),
    ],
)
async def test_what_contradicts_itself_never_leaves(
    post: Post, changed: dict[str, Any], code: str
) -> None:
    post.know()
    receipt = await post.send(replace(package(), **changed))
    assert (receipt.kind, receipt.code) == (ReceiptKind.PERMANENT, code)
    assert post.server.mails == []


@pytest.mark.parametrize("label", ["binding", "drill", "application_id"])
async def test_a_cover_that_says_another_thing_than_the_package_is_refused(
    post: Post, label: str
) -> None:
    post.know()
    other: dict[str, Any] = {"binding": False, "drill": True, "application_id": "another"}
    receipt = await post.send(replace(package(), **{label: other[label]}))
    assert (receipt.kind, receipt.code) == (ReceiptKind.PERMANENT, "package-label")
    assert post.server.mails == []


async def test_a_desk_has_to_be_in_the_directory_and_its_time_to_have_come(post: Post) -> None:
    unknown = (ReceiptKind.PERMANENT, Scope.RECIPIENT, "desk-unknown")
    receipt = await post.send(package())
    assert (receipt.kind, receipt.scope, receipt.code) == unknown
    clock = FakeClock(SystemClock().now())
    now = clock.millis()
    post.know(use_from=now + 1000)
    assert (await post.send(package(), clock)).code == "desk-unknown"
    post.know(use_from=now - 5000, use_until=now - 1)
    assert (await post.send(package(), clock)).code == "desk-unknown"
    assert post.server.mails == []


async def test_an_old_address_goes_on_until_the_new_one_may_be_used(
    post: Post, tmp_path: Path
) -> None:
    other = issue(tmp_path, "new", "new@icbc.example")
    clock = FakeClock(SystemClock().now())
    now = clock.millis()
    day = 86_400_000
    post.know()
    post.know(other.certificate, address="new@icbc.example", use_from=now + day)
    async with post.channel(clock) as (channel, context):
        await submitted(channel, context, package())
        clock.advance(86_399)
        await submitted(channel, context, package())
        clock.advance(2)
        await submitted(channel, context, package())
    assert [recipient for recipient, _ in post.server.mails] == [
        MAILBOX,
        MAILBOX,
        "new@icbc.example",
    ]
    assert post.decrypt(post.server.mails[2][1], other) is not None
    assert post.decrypt(post.server.mails[2][1]) is None


@pytest.mark.parametrize(
    ("more", "key", "mailbox_", "why"),
    [
        ((), "rsa:2048", "someone@else.example", "another mailbox"),
        (("extendedKeyUsage=serverAuth",), "rsa:2048", MAILBOX, "not made for mail"),
        (("keyUsage=critical,digitalSignature",), "rsa:2048", MAILBOX, "may not be used"),
        ((), "rsa:1024", MAILBOX, "fewer than 2048"),
        ((), "ec", MAILBOX, "no RSA key"),
    ],
)
async def test_a_wrong_certificate_of_the_desk_is_refused(
    post: Post, tmp_path: Path, more: tuple[str, ...], key: str, mailbox_: str, why: str
) -> None:
    wrong = issue(tmp_path, "wrong", mailbox_, *more, key=key)
    post.know(wrong.certificate)
    receipt = await post.send(package())
    assert (receipt.kind, receipt.scope) == (ReceiptKind.PERMANENT, Scope.RECIPIENT)
    assert receipt.code == "desk-certificate"
    assert why in receipt.detail
    assert "Ask the desk by telephone" in receipt.detail
    assert post.server.mails == []


def ends(pair: Pair) -> datetime:
    return x509.load_pem_x509_certificate(pair.certificate.read_bytes()).not_valid_after_utc


async def test_certificates_that_end_are_warned_about_and_then_refused(
    post: Post, tmp_path: Path
) -> None:
    short = issue(tmp_path, "short", MAILBOX, days=40)
    post.know(short.certificate)
    clock = FakeClock(SystemClock().now())
    with structlog.testing.capture_logs() as logs:
        async with post.channel(clock) as (channel, context):
            assert (await submitted(channel, context, package())).kind is ReceiptKind.SENT
            days = (ends(short) - clock.now()) // timedelta(days=1) + 2
            for _ in range(days):
                await clock.until_sleeping(timeout=30)
                clock.advance(86_400)
            await clock.until_sleeping(timeout=30)
            receipt = await submitted(channel, context, package())
    assert (receipt.kind, receipt.code) == (ReceiptKind.PERMANENT, "desk-certificate")
    assert "has expired" in receipt.detail
    told = [one["days"] for one in logs if one["event"] == "mail.certificate_ends"]
    assert told == [29, 13, 6, 0]
    assert [one["whose"] for one in logs if one["event"] == "mail.certificate_ended"] == [DESK]
    assert len(post.server.mails) == 1


async def test_our_own_expired_certificate_closes_the_channel_and_loses_nothing(
    post: Post, tmp_path: Path
) -> None:
    post.know()
    own = issue(tmp_path, "own", SENDER, days=2)
    clock = FakeClock(SystemClock().now())
    async with post.channel(clock, certificate=own.certificate, key=own.key) as (channel, context):
        assert (await submitted(channel, context, package())).kind is ReceiptKind.SENT
        assert "ends in 1 days" in (await channel.health()).detail
        clock.advance(3 * 86_400)
        receipt = await submitted(channel, context, package())
        health = await channel.health()
    assert (receipt.kind, receipt.scope) == (ReceiptKind.CHANNEL_DOWN, Scope.CHANNEL)
    assert receipt.code == "own-certificate"
    assert health.state is HealthState.DOWN
    assert "has expired" in health.detail


async def test_keys_that_do_not_fit_or_that_others_may_read_are_refused(
    post: Post, tmp_path: Path
) -> None:
    with pytest.raises(ValidationError, match="do not belong together"):
        post.settings(key=post.desk.key)
    with pytest.raises(ValidationError, match="cannot be read"):
        post.settings(key=tmp_path / "nothing.key")
    copy = tmp_path / "open.key"
    copy.write_bytes(post.ours.key.read_bytes())
    copy.chmod(0o644)
    with pytest.raises(ValidationError, match="Others may read"):
        post.settings(key=copy)


async def test_other_targets_and_kinds_are_refused(post: Post) -> None:
    async with post.channel() as (channel, context):
        one = submission(
            mailbox(MAILBOX), package(), id=7, not_after=context.clock.millis() + 60_000
        )
        wire = RecordingWire()
        await channel.submit([one], wire)
    assert wire.receipts[7, 0].code == "wrong-kind"
