"""Lists read by a process of their own: what it gives, what it may not do, how it may end."""

import asyncio
import hashlib
import json
import os
import signal
import sys
from pathlib import Path

import pytest
from xlsxwriter import Workbook

from fzalert.campaigns import ListNotRead, ListReading, Person, ReadingLimits, summarise
from fzalert.errors import InputError
from fzalert.testing.processes import poll

MANY = 120_000


def list_of(folder: Path, count: int, name: str = "list.csv") -> Path:
    path = folder / name
    with path.open("w", encoding="gbk") as file:
        file.write("姓名,手机号,村\n")
        file.writelines(f"某,138{n:08d},东沟村\n" for n in range(count))
    return path


async def people_of(reading: ListReading) -> list[Person]:
    return [person async for batch in reading.batches() for person in batch]


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
async def test_a_text_gives_the_same_people_as_in_this_process(
    tmp_path: Path, charset: str
) -> None:
    path = tmp_path / "list.csv"
    rows = [f"138{n:08d},东沟村" for n in range(1200)]
    rows += ["13800000007,西坪村", "0571-88886666,东沟村", "1.38E+10,东沟村"]
    path.write_text("手机号,村\n" + "\n".join(rows), encoding=charset)
    here, summary = summarise(path)
    async with ListReading(path) as reading:
        people = await people_of(reading)
    assert people == [Person(one.target, one.tags_text()) for one in here]
    told = summary.document()
    assert {name: reading.summary[name] for name in told} == told
    assert (reading.rows, told["duplicates"], told["refused"]) == (1203, 1, 2)


async def test_a_workbook_is_read_with_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "名单.xlsx"
    with Workbook(str(path)) as book:
        book.add_worksheet("空表")
        sheet = book.add_worksheet("名单")
        sheet.merge_range(0, 0, 0, 2, "青山县名单")
        sheet.write_row(1, 0, ["村", "联系方式", ""])
        sheet.write_row(2, 0, ["", "手机", "座机"])
        sheet.merge_range(3, 0, 4, 0, "东沟村")
        sheet.write_column(3, 1, [13800138000, 13900139000.0, "1.38E+10", "1/" * 40])
    async with ListReading(path) as reading:
        people = await people_of(reading)
    assert [one.target.address for one in people] == ["+8613800138000", "+8613900139000"]
    assert [json.loads(one.tags) for one in people] == [{"village": "东沟村"}] * 2
    assert reading.summary["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert reading.summary["by_code"] == {"E03": 1, "E08": 1}
    refusals = reading.summary["refusals"]
    assert isinstance(refusals, list)
    assert [(one["sheet"], one["row"], one["column"]) for one in refusals] == [
        ("名单", 6, "手机"),
        ("名单", 7, "手机"),
    ]


async def test_what_is_wrong_with_a_list_comes_with_row_and_hint(tmp_path: Path) -> None:
    path = list_of(tmp_path, 2000)
    path.write_bytes(path.read_bytes() + '乙,"13700137000\n'.encode("gbk"))
    async with ListReading(path) as reading:
        with pytest.raises(InputError, match="row 2002") as refused:
            await people_of(reading)
    assert (refused.value.row, refused.value.field) == (2002, "file")
    assert "quotation marks" in refused.value.hint


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
async def test_what_is_no_file_starts_no_process(tmp_path: Path, make: object) -> None:
    path = tmp_path / "list.csv"
    assert callable(make)
    make(path)
    with pytest.raises(InputError, match="no file"):
        async with ListReading(path):
            pass


@pytest.fixture
def far_apart(tmp_path: Path) -> Path:
    """A workbook that passes the gate and takes a parser hundreds of megabytes."""
    path = tmp_path / "far.xlsx"
    with Workbook(str(path)) as book:
        sheet = book.add_worksheet()
        sheet.write(0, 0, "手机")
        sheet.write(15_000, 999, "13800138000")
    return path


async def test_a_list_that_takes_too_much_memory_is_refused(far_apart: Path) -> None:
    async with ListReading(far_apart, ReadingLimits(memory=256 * 1024**2)) as reading:
        with pytest.raises(InputError, match="256 MiB of memory") as refused:
            await people_of(reading)
    assert "Split it" in refused.value.hint


async def test_a_list_that_takes_too_much_time_is_refused(tmp_path: Path) -> None:
    path = list_of(tmp_path, 3 * MANY)
    async with ListReading(path, ReadingLimits(cpu_seconds=1)) as reading:
        with pytest.raises(ListNotRead, match="more than 1 s of processor time") as refused:
            await people_of(reading)
    assert (refused.value.code, refused.value.field) == ("list-not-read", "file")
    assert "Split it" in refused.value.hint


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
async def test_a_process_that_dies_is_an_error_that_says_what_to_do(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with ListReading(list_of(tmp_path, MANY)) as reading:
        batches = reading.batches()
        await anext(batches)
        os.kill(reading.pid, number)
        with pytest.raises(ListNotRead, match=r"list\.csv") as refused:
            async for _ in batches:
                pass
    assert "import" in refused.value.hint


async def test_a_process_that_says_nothing_is_given_up_and_ended(tmp_path: Path) -> None:
    path = list_of(tmp_path, MANY)
    async with ListReading(path, ReadingLimits(silent_seconds=0.2)) as reading:
        batches = reading.batches()
        os.kill(reading.pid, signal.SIGSTOP)
        with pytest.raises(ListNotRead, match="not read on for") as refused:
            async for _ in batches:
                pass
        assert "busy" in refused.value.hint
    assert is_gone(reading.pid)


async def test_leaving_early_ends_the_process(tmp_path: Path) -> None:
    async with ListReading(list_of(tmp_path, MANY)) as reading:
        await anext(reading.batches())
        pid = reading.pid
    await poll(lambda: is_gone(pid), "the process is gone")


async def test_nothing_is_read_ahead_of_the_store(tmp_path: Path) -> None:
    """The process waits for us: its pipe and our buffer hold a part of the list, never all."""
    async with ListReading(list_of(tmp_path, MANY)) as reading:
        batches = reading.batches()
        await anext(batches)
        seen: list[tuple[str, str]] = []

        def waits() -> bool:
            seen.append(state_of(reading.pid))
            return len(seen) > 10 and set(seen[-10:]) == {("S", seen[-1][1])}

        await poll(waits, "it waits for us", every=0.02)
        assert reading.rows == 500


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def state_of(pid: int) -> tuple[str, str]:
    """What a process does, and the processor time that it has used."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return fields[0], fields[11]


SANDBOX = """
import json, os, socket, sys
from fzalert.campaigns.child import limit
limit(1024**3, 60)
tried = {
    "read": lambda: open("/etc/hostname"),
    "write": lambda: open("/tmp/fzalert-must-not-be", "w"),
    "connect": lambda: socket.socket(),
    "pipe": lambda: os.pipe(),
    "grow": lambda: os.write(2, b"x"),
    "memory": lambda: bytearray(2 * 1024**3),
    "import": lambda: __import__("wave"),
    "start": lambda: os.fork() or os._exit(0),
    "more": lambda: __import__("resource").setrlimit(
        __import__("resource").RLIMIT_NOFILE, (100, 100)
    ) or open("/etc/hostname"),
}
found = {}
for name, act in tried.items():
    try:
        act()
    except Exception as error:
        found[name] = type(error).__name__
    except BaseException as error:
        found[name] = type(error).__name__
print(json.dumps(found))
"""


async def test_it_can_open_nothing_and_take_nothing_more(tmp_path: Path) -> None:
    errors = tmp_path / "errors"
    with errors.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SANDBOX, stdout=asyncio.subprocess.PIPE, stderr=file
        )
        out, _ = await process.communicate()
    found = json.loads(out)
    assert set(found) == {
        *("read", "write", "connect", "pipe", "grow", "memory", "import", "start", "more"),
    }
    assert found["memory"] == "MemoryError"
    assert errors.read_bytes() == b""
