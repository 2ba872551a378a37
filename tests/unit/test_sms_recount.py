"""The independent reader on SGIP, SMGP and SMPP: logs put together from published frames."""

import json
import struct
from pathlib import Path

import pytest

from fzalert_sms.recount import Recount, Sighting, recount_with_texts

CASES = Path(__file__).parents[1] / "cases"
WORDS = "【某某公安】请勿转账,立即拨打96110。"


class _Log:
    """Writes a log by hand, from its description alone."""

    def __init__(self, protocol: str) -> None:
        rows = json.loads((CASES / protocol / "pdus.json").read_text(encoding="utf-8"))
        self._frames = {row["id"].partition(".")[2]: bytes.fromhex(row["hex"]) for row in rows}
        self._octets = protocol.upper().encode() + b"LOG1"
        self._now = 100.0

    def add(self, kind: int, name: str, connection: int = 1, *changes: tuple[int, bytes]) -> None:
        frame = bytearray(self._frames[name])
        for at, octets in changes:
            frame[at : at + len(octets)] = octets
        self.record(kind, bytes(frame), connection)

    def record(self, kind: int, payload: bytes, connection: int = 1) -> None:
        self._now += 0.5
        self._octets += struct.pack(">dBII", self._now, kind, connection, len(payload)) + payload

    def count(self, path: Path) -> tuple[Recount, list[Sighting]]:
        path.write_bytes(self._octets)
        return recount_with_texts(path)


IN, OUT, OPENED, CLOSED = 0, 1, 2, 3


def test_smgp_is_counted(tmp_path: Path) -> None:
    log = _Log("smgp")
    log.record(OPENED, b"")
    log.add(IN, "login")
    log.add(OUT, "login_resp")
    log.add(IN, "submit.ucs2")
    log.add(OUT, "submit_resp.ok")
    log.add(IN, "submit.ucs2", 1, (8, b"\0\0\0\x0b"))
    log.add(OUT, "submit_resp.busy", 1, (8, b"\0\0\0\x0b"))
    log.add(IN, "submit.long.1")
    log.add(IN, "submit.gb_2dest")
    log.add(OUT, "deliver.report.delivrd")
    log.add(IN, "deliver_resp", 1, (12, bytes.fromhex("01006110210806000001")))
    log.add(OUT, "deliver.mo")
    log.add(IN, "active_test")
    log.record(CLOSED, b"cut")
    total, sights = log.count(tmp_path / "log")
    assert (total.logins, total.submits, total.accepted, total.throttled) == (1, 5, 1, 1)
    # The text to two numbers went to one of them before.
    assert (total.unanswered, total.duplicates, total.undecodable) == (3, 1, 0)
    assert total.stats == {"DELIVRD": 1}
    assert (total.messages_sent, total.active_tests) == (1, 1)
    assert total.connections[0].unanswered == 2
    assert sights[0].text.text == WORDS
    assert sights[0].msg_id == "01006101161700012345"
    long = next(sight.text for sight in sights if sight.text.parts == 2)
    assert (long.part, long.reference) == (1, 0x5A)
    assert {sight.text.number for sight in sights} == {"18900189000", "19900199000"}


def test_sgip_is_counted_by_its_own_sequence(tmp_path: Path) -> None:
    log = _Log("sgip")
    log.add(IN, "bind")
    log.add(OUT, "bind_resp.0")
    log.add(IN, "submit.ucs2")
    log.add(OUT, "submit_resp.0")
    log.add(IN, "submit.ucs2", 2)  # the same twelve octets again, on another connection
    log.add(OUT, "submit_resp.11", 2)
    log.add(IN, "submit.long.1", 2)
    log.add(OUT, "report.ok", 3)
    log.add(IN, "report_resp", 3)
    log.add(OUT, "report.unknown_user", 4)
    total, sights = log.count(tmp_path / "log")
    assert (total.logins, total.accepted, total.throttled, total.unanswered) == (1, 1, 1, 1)
    assert total.stats == {"0:0": 1}
    assert total.reports_sent == 2
    assert sights[0].msg_id == "b5fa9c5b3cdc73be00000007"
    assert sights[0].text.number == "13000130000"
    assert sights[0].text.text == WORDS


def test_smpp_is_counted(tmp_path: Path) -> None:
    log = _Log("smpp")
    log.add(IN, "bind_transceiver")
    log.add(OUT, "bind_transceiver_resp")
    log.add(OUT, "bind_transceiver_resp.badpw", 2)
    log.add(IN, "submit_sm.ucs2")
    log.add(OUT, "submit_sm_resp")
    log.add(IN, "submit_sm.sar")
    log.add(OUT, "submit_sm_resp.throttled", 1, (12, b"\0\0\0\6"))
    log.add(IN, "submit_sm.udh")
    log.add(OUT, "deliver_sm.receipt")
    log.add(IN, "deliver_sm_resp")
    log.add(OUT, "deliver_sm.mo")
    log.add(IN, "enquire_link")
    total, sights = log.count(tmp_path / "log")
    assert (total.logins, total.refused_logins, total.accepted, total.throttled) == (1, 1, 1, 1)
    assert (total.unanswered, total.messages_sent, total.active_tests) == (1, 1, 1)
    assert total.stats == {"DELIVRD": 1}
    assert sights[0].msg_id == "1024abcd"
    assert sights[0].text.text == WORDS
    assert [(s.text.part, s.text.parts) for s in sights] == [(1, 1), (1, 2), (1, 2)]


@pytest.mark.parametrize(("protocol", "name"), [("smgp", "submit.ucs2"), ("sgip", "submit.ucs2")])
def test_the_same_text_twice_is_a_duplicate_unless_it_was_refused(
    tmp_path: Path, protocol: str, name: str
) -> None:
    log = _Log(protocol)
    log.add(IN, name)
    log.add(OUT, "submit_resp.ok" if protocol == "smgp" else "submit_resp.0")
    log.add(IN, name, 2)
    total, _ = log.count(tmp_path / "log")
    assert (total.distinct, total.duplicates) == (1, 1)


def test_lengths_that_do_not_add_up_are_counted_and_not_guessed_at(tmp_path: Path) -> None:
    log = _Log("smgp")
    log.add(IN, "submit.ucs2", 1, (12 + 104, b"\x63"))
    other = _Log("sgip")
    other.add(IN, "submit.ucs2", 1, (20 + 42, b"\x63"))
    assert log.count(tmp_path / "a")[0].undecodable == 1
    assert other.count(tmp_path / "b")[0].undecodable == 1
