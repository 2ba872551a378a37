"""The words of a text to one person may name an amount: they are encrypted on disk."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fzalert.messages import (
    ActorId,
    Coding,
    Lane,
    ScriptRef,
    SmsText,
    Warning,
    WarningId,
    phone,
)
from fzalert.store import Acceptance, ChangeSet, NewMessage, SqliteStore, TickInput
from fzalert.testing import FakeClock
from fzalert.testing.parcels import make_vault

WORDS = "您尾号7391账户一笔转账已暂缓。"
BODY = SmsText((WORDS,), Coding.UCS2, ScriptRef("urgent-victim-bank", "general", "zh", 1, "0" * 64))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "fz.db", FakeClock(), make_vault)
    await store.open()
    yield store
    await store.close()


def acceptance(number: int) -> Acceptance:
    warning = Warning(
        WarningId(number), "urgent-victim-bank/general/1", "zh", (), {}, Lane.URGENT, 0,
        2**50, "", ActorId("local:test"),
    )  # fmt: skip
    message = NewMessage(number, "sms", phone("13800138000"), 0, 1, 0)
    return Acceptance(warning, b"", (BODY,), (message,))


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def test_the_words_are_nowhere_in_the_files_and_come_back_whole(
    store: SqliteStore, tmp_path: Path
) -> None:
    lease = await store.acquire("sms", 0, "test", 10)
    assert lease is not None
    for number in (1, 2):
        await store.commit(ChangeSet(accepts=(acceptance(number),)))
    files = everything_in(tmp_path)
    for words in (WORDS, "尾号7391", "13800138000"):
        assert words.encode() not in files
        assert words.encode("utf-16-be") not in files
    claimed = (await store.tick(lease, TickInput(want={Lane.URGENT: 5}))).claimed
    assert [one.submission.rendition for one in claimed] == [BODY, BODY]
