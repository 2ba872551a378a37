"""The independent reader: it shares no code with ours, and it counts what it should."""

import ast
import struct
import sys
from pathlib import Path

import pytest

import fzalert_sms.recount as module
from fzalert_sms.recount import Recount, Text, recount_with_texts, texts_of

CASES = Path(__file__).parents[1] / "cases" / "cmpp"


def test_it_imports_the_standard_library_and_nothing_else() -> None:
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add((node.module or "").partition(".")[0])
    assert imported <= set(sys.stdlib_module_names)


def _pdu(name: str) -> bytes:
    import json

    rows = json.loads((CASES / "pdus.json").read_text(encoding="utf-8"))
    return bytes.fromhex(next(row["hex"] for row in rows if row["id"] == name))


@pytest.mark.parametrize("version", [2, 3])
def test_it_reads_the_published_submits(version: int) -> None:
    name = f"cmpp{version}0.submit"
    (text,) = texts_of(_pdu(f"{name}.ucs2")[12:], version)
    assert text == Text(
        "13800138000", "【某某公安】紧急提醒:您正遭遇电信诈骗,请勿转账,立即拨打96110。"
    )
    first, second = texts_of(_pdu(f"{name}.ascii_2dest")[12:], version)
    assert (first.number, second.number, first.text) == ("13800138000", "13900139000", "Test 96110")
    (part,) = texts_of(_pdu(f"{name}.long.1")[12:], version)
    assert (part.part, part.parts, part.reference) == (1, 2, 0x5A)
    assert part.text.startswith("【某某公安】反诈提醒")


class _Log:
    """Writes a log by hand, from its description alone."""

    def __init__(self, version: int = 3) -> None:
        self.octets = b"CMPPLOG1"
        self.now = 100.0
        self.name = f"cmpp{version}0"
        self.width = {2: 1, 3: 4}[version]

    def add(self, kind: int, payload: bytes = b"", connection: int = 1) -> None:
        self.now += 0.5
        self.octets += struct.pack(">dBII", self.now, kind, connection, len(payload)) + payload

    def opened(self, connection: int = 1) -> None:
        self.add(2, b"", connection)
        self.add(1, _pdu(f"{self.name}.connect_resp"), connection)

    def submit(self, sequence: int, connection: int = 1, name: str = "ucs2") -> None:
        frame = _pdu(f"{self.name}.submit.{name}")
        self.add(0, frame[:8] + sequence.to_bytes(4, "big") + frame[12:], connection)

    def answer(self, sequence: int, result: int, connection: int = 1) -> None:
        body = bytes(8) + result.to_bytes(self.width, "big")
        head = struct.pack(">III", 12 + len(body), 0x80000004, sequence)
        self.add(1, head + body, connection)

    def count(self, path: Path) -> Recount:
        path.write_bytes(self.octets)
        return recount_with_texts(path)[0]


@pytest.mark.parametrize("version", [2, 3])
def test_the_same_text_taken_twice_is_a_duplicate(tmp_path: Path, version: int) -> None:
    log = _Log(version)
    log.opened()
    for sequence in (1, 2):
        log.submit(sequence)
        log.answer(sequence, 0)
    total = log.count(tmp_path / "log")
    assert (total.accepted, total.distinct, total.duplicates) == (2, 1, 1)
    assert (total.connections[0].version, total.undecodable) == (version, 0)


@pytest.mark.parametrize("version", [2, 3])
def test_a_throttled_or_refused_text_may_come_again(tmp_path: Path, version: int) -> None:
    log = _Log(version)
    log.opened()
    for sequence, result in ((1, 8), (2, 13), (3, 0)):
        log.submit(sequence)
        log.answer(sequence, result)
    total = log.count(tmp_path / "log")
    assert (total.accepted, total.throttled, total.rejected, total.duplicates) == (1, 1, 1, 0)
    assert total.results == {0: 1, 8: 1, 13: 1}


def test_a_text_sent_again_after_it_was_not_answered_is_a_duplicate(tmp_path: Path) -> None:
    log = _Log()
    log.opened()
    log.submit(1)
    log.add(3, b"cut")
    log.opened(2)
    log.submit(1, 2)
    log.answer(1, 0, 2)
    total = log.count(tmp_path / "log")
    assert (total.accepted, total.unanswered, total.duplicates) == (1, 1, 1)
    first, second = total.connections
    assert (first.unanswered, first.reason, first.answered) == (1, "cut", 0)
    assert (second.unanswered, second.closed_at) == (0, None)


def test_two_parts_of_one_text_are_no_duplicates(tmp_path: Path) -> None:
    log = _Log()
    log.opened()
    log.submit(1, name="long.1")
    log.submit(2, name="long.2")
    total = log.count(tmp_path / "log")
    assert (total.distinct, total.duplicates, total.max_unanswered) == (2, 0, 2)


@pytest.mark.parametrize("version", [2, 3])
def test_reports_are_counted_once_and_their_repeats_apart(tmp_path: Path, version: int) -> None:
    log = _Log(version)
    log.opened()
    report = _pdu(f"{log.name}.deliver.report.delivrd")
    log.add(1, report)
    log.add(1, report)
    log.add(1, _pdu(f"{log.name}.deliver.mo"))
    log.add(0, _pdu(f"{log.name}.deliver_resp"))
    total = log.count(tmp_path / "log")
    assert (total.reports_sent, total.reports_repeated, total.messages_sent) == (1, 1, 1)


def test_a_torn_last_record_is_left_out(tmp_path: Path) -> None:
    log = _Log()
    log.opened()
    log.submit(1)
    whole = log.octets
    log.submit(2)
    log.octets = log.octets[: len(whole) + 30]
    assert log.count(tmp_path / "log").submits == 1


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"something else")
    with pytest.raises(ValueError, match="no log"):
        recount_with_texts(tmp_path / "log")
