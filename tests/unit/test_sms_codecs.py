"""SGIP, SMGP and SMPP: any frame both ways, any garbage, reports as real gateways write them."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fzalert.testing.soak import rounds
from fzalert_sms.cmpp import codec as cmpp
from fzalert_sms.decoding import PROTOCOLS, explain
from fzalert_sms.sgip import codec as sgip
from fzalert_sms.smgp import codec as smgp
from fzalert_sms.smpp import codec as smpp
from fzalert_sms.wire import Tlv, gsm7, read_tlvs, write_tlvs
from tests.unit.test_sms_vectors import _cases

U32 = st.integers(0, 2**32 - 1)
OCTET = st.integers(0, 255)


def _text(most: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=most)


SEQUENCES = st.builds(sgip.Sequence, U32, U32, U32)
TLVS = st.lists(st.builds(Tlv, st.integers(0, 0xFFFF), st.binary(max_size=40)), max_size=5).map(
    lambda fields: tuple(sorted(fields, key=lambda field: field.tag))
)
ID10 = st.binary(min_size=10, max_size=10)
DIGEST = st.binary(min_size=16, max_size=16)
EIGHT = st.binary(min_size=8, max_size=8)
WHOLE = st.just(False)
CONTENT = st.binary(max_size=140)
NUMBERS = st.lists(_text(21), min_size=1, max_size=100).map(tuple)

SGIP: st.SearchStrategy[sgip.Frame] = st.one_of(
    st.builds(sgip.Bind, SEQUENCES, OCTET, _text(16), _text(16)),
    st.builds(sgip.BindResp, SEQUENCES, OCTET),
    st.builds(sgip.Unbind, SEQUENCES),
    st.builds(sgip.UnbindResp, SEQUENCES),
    st.builds(
        sgip.Submit, SEQUENCES, _text(21), _text(21), NUMBERS, _text(5), _text(10), OCTET, _text(6),
        _text(6), OCTET, OCTET, OCTET, _text(16), _text(16), OCTET, OCTET, OCTET, OCTET, OCTET,
        CONTENT, EIGHT,
    ),
    st.builds(sgip.SubmitResp, SEQUENCES, OCTET),
    st.builds(
        sgip.Deliver, SEQUENCES, _text(21), _text(21), OCTET, OCTET, OCTET, CONTENT, EIGHT
    ),
    st.builds(sgip.DeliverResp, SEQUENCES, OCTET),
    st.builds(sgip.Report, SEQUENCES, SEQUENCES, OCTET, _text(21), OCTET, OCTET),
    st.builds(sgip.ReportResp, SEQUENCES, OCTET),
    st.builds(sgip.Trace, SEQUENCES, SEQUENCES, _text(21)),
    st.builds(
        sgip.TraceResp, SEQUENCES,
        st.lists(st.builds(sgip.TraceNode, OCTET, _text(6), _text(16), _text(16)), max_size=20)
        .map(tuple),
    ),
    st.builds(sgip.UserRpt, SEQUENCES, _text(21), _text(21), OCTET),
    st.builds(sgip.UserRptResp, SEQUENCES, OCTET),
)  # fmt: skip
SMGP: st.SearchStrategy[smgp.Frame] = st.one_of(
    st.builds(smgp.Login, U32, _text(8), DIGEST, OCTET, U32, OCTET),
    st.builds(smgp.LoginResp, U32, U32, DIGEST, OCTET),
    st.builds(
        smgp.Submit, U32, OCTET, OCTET, OCTET, _text(10), _text(2), _text(6), _text(6), OCTET,
        _text(17), _text(17), _text(21), _text(21), NUMBERS, CONTENT, EIGHT, TLVS,
        WHOLE,
    ),
    st.builds(smgp.SubmitResp, U32, ID10, U32),
    st.builds(
        smgp.Deliver, U32, ID10, OCTET, OCTET, _text(14), _text(21), _text(21), CONTENT, EIGHT,
        TLVS, WHOLE,
    ),
    st.builds(smgp.DeliverResp, U32, ID10, U32),
    st.builds(smgp.Query, U32, _text(8), OCTET, _text(10)),
    st.builds(
        smgp.QueryResp, U32, _text(8), OCTET, _text(10),
        st.lists(U32, min_size=8, max_size=8).map(tuple),
    ),
    st.builds(smgp.ActiveTest, U32),
    st.builds(smgp.ActiveTestResp, U32),
    st.builds(smgp.Exit, U32),
    st.builds(smgp.ExitResp, U32),
)  # fmt: skip
BINDS = st.sampled_from((0x1, 0x2, 0x9))
SMPP: st.SearchStrategy[smpp.Frame] = st.one_of(
    st.builds(
        smpp.Bind, U32, BINDS, _text(15), _text(32), _text(12), OCTET, OCTET, OCTET, _text(40)
    ),
    st.builds(
        smpp.BindResp, U32, BINDS.map(lambda command: command | 0x8000_0000), U32, _text(15), TLVS
    ),
    st.builds(smpp.Outbind, U32, _text(15), _text(32)),
    st.builds(
        smpp.ShortMessage, U32, st.sampled_from((4, 5)), _text(5), OCTET, OCTET, _text(20), OCTET,
        OCTET, _text(20), OCTET, OCTET, OCTET, _text(16), _text(16), OCTET, OCTET, OCTET, OCTET,
        st.binary(max_size=254), TLVS, WHOLE,
    ),
    st.builds(
        smpp.MessageResp, U32, st.sampled_from((0x8000_0004, 0x8000_0005, 0x8000_0103)), U32,
        _text(64), TLVS,
    ),
    st.builds(
        smpp.DataSm, U32, _text(5), OCTET, OCTET, _text(64), OCTET, OCTET, _text(64), OCTET,
        OCTET, OCTET, TLVS, WHOLE,
    ),
    st.builds(smpp.QuerySm, U32, _text(64), OCTET, OCTET, _text(20)),
    st.builds(smpp.QuerySmResp, U32, st.just(0), _text(64), _text(16), OCTET, OCTET),
    st.builds(
        smpp.Plain, U32, st.sampled_from((6, 0x15, 0x8000_0000, 0x8000_0006, 0x8000_0015)), U32
    ),
)  # fmt: skip


@given(SGIP)
def test_any_sgip_frame_is_read_as_it_was_written(frame: sgip.Frame) -> None:
    octets = sgip.encode(frame)
    assert sgip.decode(octets) == frame
    assert sgip.FrameBuffer().feed(octets) == [octets]


@given(SMGP)
def test_any_smgp_frame_is_read_as_it_was_written(frame: smgp.Frame) -> None:
    octets = smgp.encode(frame)
    assert smgp.decode(octets) == frame
    assert smgp.FrameBuffer().feed(octets) == [octets]


@given(SMPP)
def test_any_smpp_pdu_is_read_as_it_was_written(frame: smpp.Frame) -> None:
    octets = smpp.encode(frame)
    assert smpp.decode(octets) == frame
    assert smpp.FrameBuffer().feed(octets) == [octets]


@given(st.binary(max_size=400))
def test_any_octets_give_a_value_and_no_exception(octets: bytes) -> None:
    for protocol in PROTOCOLS:
        _ = explain(protocol, octets)
    _ = smgp.decode_report(octets)
    _ = smgp.decode_report(b"id:" + octets)


def _mutated(rng: Random, octets: bytes) -> bytes:
    """A frame with some octets changed, cut out or put in; mostly with a length that is right."""
    frame = bytearray(octets)
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(frame)) if frame else 0
        match rng.randrange(4):
            case 0 if frame:
                frame[at] = rng.randrange(256)
            case 1 if frame:
                frame[at] ^= 1 << rng.randrange(8)
            case 2:
                del frame[at : at + rng.randrange(1, 20)]
            case _:
                frame[at:at] = rng.randbytes(rng.randrange(1, 20))
    if rng.random() < 0.9 and len(frame) >= 4:
        frame[:4] = len(frame).to_bytes(4, "big")
    return bytes(frame)


SEEDS = [(c.values[0]["protocol"], bytes.fromhex(c.values[0]["hex"])) for c in _cases("pdus")]


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_mutated_frames_are_read_refused_or_unknown_but_never_raise(protocol: str) -> None:
    rng = Random(protocol)
    seeds = [octets for name, octets in SEEDS if name == protocol]
    verdicts: set[str] = set()
    for _ in range(rounds(100_000, 1_000_000)):
        told = explain(protocol, _mutated(rng, rng.choice(seeds)))
        verdicts.add("refused" if told.problem else "flagged" if told.warning else "read")
    assert {"refused", "read"} <= verdicts


REPORT = (
    b"id:%s sub:001 dlvrd:001 Submit date:2410210805 done date:2410210806 stat:%s err:%s Text:%s"
)


@pytest.mark.parametrize(
    "msg_id", [bytes(10), b" sub:001 d", b"stat:DELIV", b"\0 :\xff" + b"1" * 6]
)
def test_an_id_of_smgp_may_contain_what_looks_like_a_label(msg_id: bytes) -> None:
    content = REPORT % (msg_id, b"UNDELIV", b"004", b"010" + bytes(17))
    assert len(content) == 122
    report = smgp.decode_report(content)
    assert report is not None
    assert not report.is_odd
    assert (report.msg_id, report.stat, report.err) == (msg_id, "UNDELIV", "004")


@pytest.mark.parametrize(
    ("content", "stat", "err", "done"),
    [
        (b"id:0123456789 stat:DELIVRD", "DELIVRD", "", ""),
        (b"id:0123456789 sub:001 submit_date:2410210805 done_date:241021080659 stat:EXPIRED err:1",
         "EXPIRED", "1", "241021080659"),
        (b"ID:0123456789 SUB:1 DLVRD:0 STAT:REJECTD ERR:99 TEXT:", "REJECTD", "99", ""),
        (b"id:0123456789 err:012 stat:UNDELIV text:stat:DELIVRD", "UNDELIV", "012", ""),
    ],
)  # fmt: skip
def test_a_report_of_smgp_that_is_not_as_the_text_says_is_read_and_marked(
    content: bytes, stat: str, err: str, done: str
) -> None:
    report = smgp.decode_report(content)
    assert report is not None
    assert report.is_odd
    assert report.msg_id == b"0123456789"
    assert (report.stat, report.err, report.done_date) == (stat, err, done)


@pytest.mark.parametrize("content", [b"", b"id:", b"id:0123456789", b"hello, world, hello"])
def test_what_has_no_id_or_no_state_is_no_report(content: bytes) -> None:
    assert smgp.decode_report(content) is None


def _deliver(text: bytes, esm_class: int = 4, *tlvs: Tlv) -> smpp.ShortMessage:
    return smpp.ShortMessage(
        1, 5, "", 1, 1, "8613800138000", 5, 0, "FZALERT", esm_class, 0, 0, "", "", 0, 0, 0, 0, text,
        tlvs,
    )  # fmt: skip


TEXT = (
    b"id:1A2b sub:001 dlvrd:001 submit date:2410210805 done date:2410210806 stat:%s err:%s text:x"
)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (_deliver(TEXT % (b"DELIVRD", b"000")), ("1A2b", "DELIVRD", "000", False)),
        (_deliver(TEXT % (b"undeliv", b"0a1")), ("1A2b", "UNDELIV", "0a1", False)),
        (_deliver(b"stat:EXPIRED id:77 done_date:2410210806"), ("77", "EXPIRED", "", False)),
        (_deliver(b"", 4, Tlv(0x001E, b"9f\0"), Tlv(0x0427, b"\2")), ("9f", "DELIVRD", "", False)),
        (_deliver(TEXT % (b"DELIVRD", b"000"), 4, Tlv(0x001E, b"9f\0"), Tlv(0x0427, b"\5")),
         ("9f", "UNDELIV", "000", False)),
        (_deliver(b"", 4, Tlv(0x0424, TEXT % (b"REJECTD", b"7"))), ("1A2b", "REJECTD", "7", False)),
        (_deliver(b"", 4, Tlv(0x001E, b"9\0"), Tlv(0x0427, b"\5"), Tlv(0x0423, b"\3\0\x22")),
         ("9", "UNDELIV", "34", False)),
        (_deliver(TEXT % (b"ENROUTE", b"000")), ("1A2b", "ENROUTE", "000", True)),
        (_deliver(TEXT % (b"DELIVRD", b"000"), 0x20), ("1A2b", "DELIVRD", "000", True)),
        (_deliver(TEXT % (b"DELIVRD", b"000"), 0), None),
        (_deliver(b"hello"), None),
    ],
)  # fmt: skip
def test_a_receipt_of_smpp_is_read_from_its_fields_or_from_its_text(
    message: smpp.ShortMessage, expected: tuple[Any, ...] | None
) -> None:
    found = smpp.decode_receipt(message)
    if expected is None:
        assert found is None
        return
    assert found is not None
    assert (found.message_id, found.stat, found.err, found.is_intermediate) == expected


@given(TLVS, st.integers(1, 4))
def test_optional_fields_that_are_cut_off_lose_only_the_last(
    fields: tuple[Tlv, ...], cut: int
) -> None:
    octets = write_tlvs(fields)
    assert read_tlvs(octets, 0) == (fields, False)
    if fields:
        found, is_cut = read_tlvs(octets[:-cut], 0)
        assert found == fields[: len(found)]
        assert len(found) < len(fields)
        assert is_cut or not octets[:-cut] or len(write_tlvs(found)) == len(octets) - cut


LONG = b"\x05\x00\x03\x00\x03\x02" + "诈骗".encode("utf-16-be")


@given(U32, st.integers(0, 255), st.booleans())
def test_a_template_writes_what_the_frame_itself_would_be(
    sequence: int, reference: int, is_long: bool
) -> None:
    content = LONG if is_long else LONG[6:]
    whole = content[:3] + bytes((reference,)) + content[4:] if is_long else content
    words = sgip.Sequence(3_053_100_123, 1_021_080_510, sequence)
    text = sgip.Submit(
        words, "10655", "0" * 21, ("8613000130000",), "12345", "FZ", 1, "0", "0", 0, 2, 0, "", "",
        1, 0, int(is_long), 8, 0, content,
    )  # fmt: skip
    frame = sgip.SubmitTemplate(text).frame(words, b"8613000130000", reference)
    assert frame == sgip.encode(text._replace(content=whole))

    tlvs = (Tlv(2, b"\1"), Tlv(9, b"\3"), Tlv(10, b"\2")) if is_long else ()
    other = smgp.Submit(
        sequence, 6, 1, 1, "FZ", "00", "", "", 8, "", "", "118351000", "", ("18900189000",),
        content, tlvs=tlvs,
    )  # fmt: skip
    frame = smgp.SubmitTemplate(other).frame(sequence, b"18900189000", reference)
    assert frame == smgp.encode(other._replace(content=whole))
    extending = smgp.SubmitTemplate(other, 3)
    frame = extending.extended(extending.frame(sequence, b"18900189000", reference), b"987")
    assert frame == smgp.encode(other._replace(content=whole, src_term_id="118351987"))

    third = smpp.ShortMessage(
        sequence, 4, "", 5, 0, "FZALERT", 1, 1, "8613800138000", 0x40 if is_long else 0, 0, 0, "",
        "", 1, 0, 8, 0, content, (Tlv(0x0204, b"\0\1"),),
    )  # fmt: skip
    template = smpp.SubmitTemplate(third)
    assert template.frame(sequence, b"8613800138000", reference) == smpp.encode(
        third._replace(short_message=whole)
    )
    fourth = third._replace(source_addr="+10690000")
    extending_too = smpp.SubmitTemplate(fourth, 4)
    frame = extending_too.frame(sequence, b"8613800138000", reference)
    assert extending_too.extended(frame, b"4711") == smpp.encode(
        fourth._replace(short_message=whole, source_addr="+10694711")
    )
    with pytest.raises(ValueError, match="12 digits"):
        template.frame(sequence, b"861380013800", reference)


@pytest.mark.parametrize(
    "frame",
    [
        smgp.Login(1, "123456789", bytes(16), 2, 0, 0x30),
        smgp.SubmitResp(1, bytes(9), 0),
        smgp.QueryResp(1, "20241021", 0, "", (1,)),
    ],
)
def test_a_value_of_smgp_that_does_not_fit_is_refused(frame: smgp.Frame) -> None:
    with pytest.raises(ValueError, match=r"not|fit"):
        smgp.encode(frame)


@pytest.mark.parametrize(
    "frame",
    [
        smpp.QuerySm(1, "x" * 65, 0, 0, ""),
        smpp.Bind(1, 9, "a\0b", "p"),
        smpp.Bind(1, 9, "x" * 16, "p"),
    ],
)
def test_a_text_of_smpp_that_does_not_fit_is_refused(frame: smpp.Frame) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        smpp.encode(frame)


@given(st.text(st.sampled_from("Call 96110 @£$Δ{}€[]~|\\^\n"), max_size=170), st.integers(0, 6))
def test_the_default_alphabet_is_read_as_it_was_written(text: str, fill: int) -> None:
    septets = gsm7.to_septets(text)
    assert gsm7.from_septets(septets) == text
    assert gsm7.unpack(gsm7.pack(septets, fill), len(septets), fill) == septets


@given(st.binary(max_size=200))
def test_any_septets_are_shown(octets: bytes) -> None:
    assert len(gsm7.from_septets(octets)) <= len(octets)


def test_the_layouts_of_cmpp_are_both_explained() -> None:
    octets = cmpp.encode(cmpp.SubmitResp(1, bytes(8), 8), cmpp.V20)
    assert explain("cmpp20", octets).fields["result"] == 8
    assert explain("cmpp30", octets).fields["result"] == 8
