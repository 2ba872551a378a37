"""The pipe from which unread sound is taken back."""

import asyncio
import os

import pytest

from fzalert_voice.pipe import TakeBackPipe


@pytest.fixture
def pipe() -> TakeBackPipe:
    return TakeBackPipe()


def fill(pipe: TakeBackPipe) -> int:
    """Write until nothing more fits; byte n is n modulo 251."""
    written = 0
    while count := pipe.write(bytes((written + step) % 251 for step in range(4000))):
        written += count
    return written


async def test_what_was_read_and_what_was_taken_back_are_all_that_was_written(
    pipe: TakeBackPipe,
) -> None:
    reader = os.dup(pipe.read_end)
    pipe.handed_over()
    written = fill(pipe)
    head = os.read(reader, 10_001)
    assert pipe.has_unread()
    assert pipe.take_back() == written - len(head)
    assert not pipe.has_unread()
    assert pipe.take_back() == 0
    assert pipe.write(b"fade") == 4
    pipe.finish()
    assert not pipe.is_open
    assert os.read(reader, 100) == b"fade"
    assert os.read(reader, 100) == b""
    pipe.close()
    os.close(reader)


async def test_a_wait_ends_with_room_with_a_word_or_with_its_time(pipe: TakeBackPipe) -> None:
    await pipe.writable(5.0)
    fill(pipe)
    async with asyncio.timeout(2):
        await pipe.writable(0.01)
        asyncio.get_running_loop().call_soon(pipe.wake.set)
        await pipe.writable(5.0)
    pipe.close()


async def test_an_old_word_does_not_end_the_next_wait(pipe: TakeBackPipe) -> None:
    pipe.wake.set()
    others: list[int] = []
    asyncio.get_running_loop().call_soon(others.append, 1)
    await pipe.pause(0.01)
    assert others == [1], "it gave way to others"
    pipe.close()


async def test_a_reader_that_has_gone_takes_nothing(pipe: TakeBackPipe) -> None:
    reader = os.dup(pipe.read_end)
    os.close(reader)
    pipe.close()
    pipe.close()
    assert not pipe.is_open
