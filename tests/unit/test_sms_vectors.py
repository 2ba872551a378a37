"""SGIP, SMGP, SMPP and CMPP frames against the published octets, field by field and both ways."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fzalert.cli import main
from fzalert_sms.cmpp import codec as cmpp
from fzalert_sms.decoding import PROTOCOLS, explain
from fzalert_sms.sgip import codec as sgip
from fzalert_sms.smgp import codec as smgp
from fzalert_sms.smpp import codec as smpp
from fzalert_sms.wire import FrameBuffer, gsm7

CASES = Path(__file__).parents[1] / "cases"
FOLDERS = ("cmpp", "sgip", "smgp", "smpp")


def _again(protocol: str, octets: bytes) -> bytes:
    """Read a frame and write it again."""
    match protocol:
        case "cmpp20" | "cmpp30":
            layout = cmpp.V20 if protocol == "cmpp20" else cmpp.V30
            found = cmpp.decode(octets, layout)
            assert not isinstance(found, cmpp.DecodeError)
            return cmpp.encode(found, layout)
        case "sgip12":
            seen = sgip.decode(octets)
            assert not isinstance(seen, sgip.DecodeError)
            return sgip.encode(seen)
        case "smgp30":
            read = smgp.decode(octets)
            assert not isinstance(read, smgp.DecodeError)
            return smgp.encode(read)
        case _:
            got = smpp.decode(octets)
            assert not isinstance(got, smpp.DecodeError)
            return smpp.encode(got)


BUFFERS: dict[str, Callable[[], FrameBuffer]] = {
    "cmpp": cmpp.FrameBuffer,
    "sgip": sgip.FrameBuffer,
    "smgp": smgp.FrameBuffer,
    "smpp": smpp.FrameBuffer,
}


def _cases(name: str, *folders: str) -> list[Any]:
    found = []
    for folder in folders or FOLDERS:
        rows: list[Any] = json.loads((CASES / folder / f"{name}.json").read_text(encoding="utf-8"))
        found += [pytest.param(row, id=row["id"]) for row in rows]
    return found


@pytest.mark.parametrize("case", _cases("pdus"))
def test_published_octets_are_written_again_as_they_were(case: dict[str, Any]) -> None:
    octets = bytes.fromhex(case["hex"])
    assert len(octets) == case["length"]
    assert _again(case["protocol"], octets).hex() == case["hex"]


# What a vector leaves out, writes in another way, or what must never be shown.
_PASSWORDS = frozenset({"login_password", "password"})
_NOT_A_FIELD = frozenset({"reserved"})


@pytest.mark.parametrize("case", _cases("pdus"))
def test_every_published_field_is_explained_under_its_own_name(case: dict[str, Any]) -> None:
    told = explain(case["protocol"], bytes.fromhex(case["hex"]), reveal=True)
    assert told.problem == ""
    assert told.warning == ""
    assert told.pdu == case["pdu"]
    for name, value in case["fields"].items():
        if name in _NOT_A_FIELD:
            continue
        shown = told.fields[name]
        if name in _PASSWORDS:
            assert shown == "*" * len(value)
        elif name == "msg_id":
            assert shown == str(value)
        elif name == "report":
            assert isinstance(shown, dict)
            assert {key: shown[key] for key in value} == value
        elif name == "receipt":
            assert isinstance(shown, dict)
            for key in ("id", "stat", "submit_date", "done_date", "err"):
                assert shown[key] == value[key]
        else:
            assert shown == value, name


def test_all_vectors_of_the_sheet_are_here() -> None:
    assert len(_cases("pdus")) == 103
    assert {case.values[0]["protocol"] for case in _cases("pdus")} == set(PROTOCOLS)


@pytest.mark.parametrize("case", _cases("malformed", "sgip", "smgp", "smpp"))
def test_a_bad_frame_is_judged_as_the_sheet_says(case: dict[str, Any]) -> None:
    octets = bytes.fromhex(case["hex"])
    buffer = BUFFERS[case["protocol"][:4]]()
    frames = buffer.feed(octets)
    if case["expect"] == "close":
        assert buffer.lost
        return
    told = explain(case["protocol"], frames[0])
    match case["expect"]:
        case "decode_error":
            assert told.problem
        case "ok_flagged":
            assert not told.problem
            assert "cut off" in told.warning
        case "ok":
            assert not told.problem


def test_a_report_with_its_id_in_hexadecimal_digits_names_the_same_text() -> None:
    rows = json.loads((CASES / "smgp" / "malformed.json").read_text(encoding="utf-8"))
    (row,) = [case for case in rows if case["id"] == "bad.report_hex_id_132"]
    frame = smgp.decode(bytes.fromhex(row["hex"]))
    assert isinstance(frame, smgp.Deliver)
    report = smgp.decode_report(frame.content)
    assert report is not None
    assert report.is_odd
    assert report.msg_id.hex() == "01006101161700012345"
    assert (report.stat, report.err) == ("UNDELIV", "005")
    assert (report.submit_date, report.done_date) == ("2410210805", "2410210806")


@pytest.mark.parametrize("case", _cases("streams"))
def test_a_stream_gives_the_same_frames_however_it_is_divided(case: dict[str, Any]) -> None:
    octets = bytes.fromhex(case["hex"])
    make = BUFFERS[case["protocol"][:4]]
    whole = make().feed(octets)
    assert len(whole) == len(case["frames"])
    assert b"".join(whole) == octets
    for cut in range(1, len(octets)):
        buffer = make()
        assert buffer.feed(octets[:cut]) + buffer.feed(octets[cut:]) == whole
    buffer = make()
    assert [f for at in range(len(octets)) for f in buffer.feed(octets[at : at + 1])] == whole


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize("length", [0, 3, 11, 0x7FFF_FFFF, 0xFFFF_FFFF])
def test_a_senseless_length_loses_the_framing_at_once_and_keeps_nothing(
    name: str, length: int
) -> None:
    buffer = BUFFERS[name]()
    assert buffer.feed(length.to_bytes(4, "big")) == []
    assert str(length) in buffer.lost
    assert buffer.feed(bytes(5000)) == []


def test_the_login_digests_of_smgp_are_the_published_ones() -> None:
    (row,) = json.loads((CASES / "smgp" / "auth.json").read_text(encoding="utf-8"))
    assert smgp.client_digest("35100001", "shared", 1021080510).hex() == row["md5"]
    rows = {c.values[0]["id"]: c.values[0] for c in _cases("pdus", "smgp")}
    login = smgp.decode(bytes.fromhex(rows["smgp30.login"]["hex"]))
    answer = smgp.decode(bytes.fromhex(rows["smgp30.login_resp"]["hex"]))
    assert isinstance(login, smgp.Login)
    assert isinstance(answer, smgp.LoginResp)
    assert smgp.is_from_account(login, "shared")
    assert not smgp.is_from_account(login, "Shared")
    assert smgp.is_from_gateway(0, answer.authenticator, login.authenticator, "shared")
    assert not smgp.is_from_gateway(1, answer.authenticator, login.authenticator, "shared")


def test_a_msg_id_of_smgp_has_the_published_parts() -> None:
    found = smgp.MsgId("010061", "01161700", "012345")
    assert found.pack().hex() == "01006101161700012345"
    assert smgp.MsgId.unpack(found.pack()) == found


@pytest.mark.parametrize("protocol", ["sgip12", "smpp34"])
def test_a_password_is_in_no_explanation_and_in_no_repr(protocol: str) -> None:
    rows = [c.values[0] for c in _cases("pdus", protocol[:4]) if "bind" in c.values[0]["id"]]
    for row in rows:
        octets = bytes.fromhex(row["hex"])
        told = repr(explain(protocol, octets, reveal=True))
        frame = repr(sgip.decode(octets) if protocol == "sgip12" else smpp.decode(octets))
        for secret in ("fzpass", "smgpass"):
            assert secret not in told
            assert secret not in frame


def test_numbers_are_masked_unless_they_are_asked_for() -> None:
    for case in _cases("pdus"):
        row = case.values[0]
        octets = bytes.fromhex(row["hex"])
        told = explain(row["protocol"], octets)
        for number in ("13800138000", "13000130000", "18900189000", "13900139000"):
            assert number not in repr({k: v for k, v in told.fields.items() if "content" not in k})
        assert explain(row["protocol"], octets, reveal=True).pdu == told.pdu


def test_the_default_alphabet_is_the_published_one() -> None:
    rows = json.loads((CASES / "sms" / "gsm7.json").read_text(encoding="utf-8"))
    basic, extension = rows["alphabet"]["basic"], rows["alphabet"]["extension"]
    for at, character in enumerate(basic):
        if character != "\x1b":
            assert gsm7.to_septets(character) == bytes((at,))
            assert gsm7.from_septets(bytes((at,))) == character
    for character, septets in extension.items():
        assert gsm7.to_septets(character).hex() == septets
        assert gsm7.from_septets(bytes.fromhex(septets)) == character
    for case in rows["packing"]:
        septets = gsm7.to_septets(case["text"])
        assert septets.hex() == case["septets"]
        packed = gsm7.pack(septets, case["fill_bits"])
        assert packed.hex() == case["packed"]
        assert gsm7.unpack(packed, len(septets), case["fill_bits"]) == septets


def test_a_character_outside_the_default_alphabet_is_named() -> None:
    with pytest.raises(ValueError, match="U\\+8BC8"):
        gsm7.to_septets("诈")


def test_the_command_explains_a_frame_and_refuses_what_is_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    row = next(c.values[0] for c in _cases("pdus", "smgp") if c.values[0]["pdu"] == "Deliver")
    spaced = " ".join(row["hex"][at : at + 8] for at in range(0, len(row["hex"]), 8))
    assert main(["sms", "decode", spaced, "--protocol", "smgp30", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["pdu"] == "Deliver"
    assert told["fields"]["text"] == "退订"
    assert told["fields"]["src_term_id"] == "189****9000"
    assert main(["sms", "decode", spaced, "--protocol", "smgp30", "--reveal"]) == 0
    assert "18900189000" in capsys.readouterr().out
    assert main(["sms", "decode", "not hex"]) == 2
    assert "hexadecimal" in capsys.readouterr().err
    assert main(["sms", "decode", row["hex"][:-2], "--protocol", "smgp30"]) == 2
    assert "its first four octets are its length" in capsys.readouterr().err
