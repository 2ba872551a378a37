"""CMPP frames: the published octets both ways, bad frames, any portions, any garbage."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fzalert_sms.cmpp.codec import (
    NO_ID,
    V20,
    V30,
    ActiveTest,
    ActiveTestResp,
    Cancel,
    CancelResp,
    Connect,
    ConnectResp,
    DecodeError,
    Deliver,
    DeliverResp,
    Frame,
    FrameBuffer,
    Layout,
    MsgId,
    Query,
    QueryResp,
    Report,
    Submit,
    SubmitResp,
    SubmitTemplate,
    Terminate,
    TerminateResp,
    Unknown,
    decode,
    decode_report,
    encode,
    encode_report,
    source_digest,
)
from fzalert_sms.wire import concatenation_header

CASES = Path(__file__).parents[1] / "cases" / "cmpp"
LAYOUTS = {"cmpp20": V20, "cmpp30": V30}


def _cases(name: str) -> list[Any]:
    rows: list[Any] = json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))
    return [pytest.param(row, id=row["id"]) for row in rows]


def _submit(f: dict[str, Any], layout: Layout) -> Submit:
    return Submit(
        f["seq"], f["msg_id"].to_bytes(8, "big"), f["pk_total"], f["pk_number"],
        f["registered_delivery"], f["msg_level"], f["service_id"], f["fee_user_type"],
        f["fee_terminal_id"], 0, f["tp_pid"], f["tp_udhi"], f["msg_fmt"], f["msg_src"],
        f["fee_type"], f["fee_code"], f["valid_time"], f["at_time"], f["src_id"],
        tuple(f["dest_terminal_id"]), 0, bytes.fromhex(f["msg_content"]), bytes(layout.tail),
    )  # fmt: skip


def _deliver(f: dict[str, Any], layout: Layout) -> Deliver:
    report = f.get("report")
    if report is None:
        content, msg_fmt = bytes.fromhex(f["msg_content"]), f["msg_fmt"]
    else:
        width = {60: V20, 71: V30}[f["msg_length"]]
        content, msg_fmt = encode_report(_report(report), width), 0
    return Deliver(
        f["seq"], bytes.fromhex(f.get("msg_id_hex", "aaa06001e2400001")),
        "106980001234", "FZALERT", 0, 0, msg_fmt, "13800138000", 0,
        f["registered_delivery"], content, bytes(layout.tail),
    )  # fmt: skip


def _report(f: dict[str, Any]) -> Report:
    return Report(
        bytes.fromhex(f["msg_id_hex"]), f["stat"], f["submit_time"], f["done_time"],
        f["dest_terminal_id"], f["smsc_sequence"],
    )  # fmt: skip


def _id(f: dict[str, Any]) -> bytes:
    return int(f["msg_id"]).to_bytes(8, "big")


_COUNTERS = ("mt_tlmsg", "mt_tlusr", "mt_scs", "mt_wt", "mt_fl", "mo_scs", "mo_wt", "mo_fl")
MAKERS: dict[str, Callable[[dict[str, Any], Layout], Frame]] = {
    "CMPP_CONNECT": lambda f, _: Connect(
        f["seq"], f["source_addr"], bytes.fromhex(f["authenticator_source"]), f["version"],
        f["timestamp"],
    ),
    "CMPP_CONNECT_RESP": lambda f, layout: ConnectResp(
        f["seq"], f["status"], bytes.fromhex(f["authenticator_ismg"]), f["version"], layout.status
    ),
    "CMPP_SUBMIT": _submit,
    "CMPP_SUBMIT_RESP": lambda f, _: SubmitResp(f["seq"], _id(f), f["result"]),
    "CMPP_DELIVER": _deliver,
    "CMPP_DELIVER_RESP": lambda f, _: DeliverResp(f["seq"], _id(f), f["result"]),
    "CMPP_ACTIVE_TEST": lambda f, _: ActiveTest(f["seq"]),
    "CMPP_ACTIVE_TEST_RESP": lambda f, _: ActiveTestResp(f["seq"]),
    "CMPP_TERMINATE": lambda f, _: Terminate(f["seq"]),
    "CMPP_TERMINATE_RESP": lambda f, _: TerminateResp(f["seq"]),
    "CMPP_QUERY": lambda f, _: Query(f["seq"], f["time"], f["query_type"], f["query_code"]),
    "CMPP_QUERY_RESP": lambda f, _: QueryResp(
        f["seq"], f["time"], f["query_type"], f["query_code"], tuple(f[n] for n in _COUNTERS)
    ),
    "CMPP_CANCEL": lambda f, _: Cancel(f["seq"], _id(f)),
    "CMPP_CANCEL_RESP": lambda f, _: CancelResp(f["seq"], f["success_id"]),
}  # fmt: skip


@pytest.mark.parametrize("case", _cases("pdus"))
def test_a_frame_made_of_the_published_fields_has_the_published_octets(
    case: dict[str, Any],
) -> None:
    layout = LAYOUTS[case["protocol"]]
    frame = MAKERS[case["pdu"]](case["fields"], layout)
    assert encode(frame, layout).hex() == case["hex"]


@pytest.mark.parametrize("case", _cases("pdus"))
def test_published_octets_are_read_as_the_published_fields(case: dict[str, Any]) -> None:
    layout = LAYOUTS[case["protocol"]]
    octets = bytes.fromhex(case["hex"])
    assert len(octets) == case["length"]
    assert decode(octets, layout) == MAKERS[case["pdu"]](case["fields"], layout)


@pytest.mark.parametrize("case", _cases("pdus"))
def test_the_report_within_is_read_by_its_own_length(case: dict[str, Any]) -> None:
    report = case["fields"].get("report")
    if report is None:
        assert "report" not in case["id"]
        return
    frame = decode(bytes.fromhex(case["hex"]), LAYOUTS[case["protocol"]])
    assert isinstance(frame, Deliver)
    assert decode_report(frame.content) == _report(report)


@pytest.mark.parametrize("case", _cases("malformed"))
def test_a_bad_frame_is_judged_as_the_sheet_says(case: dict[str, Any]) -> None:
    octets = bytes.fromhex(case["hex"])
    buffer = FrameBuffer()
    frames = buffer.feed(octets)
    if case["expect"] == "close":
        assert buffer.lost
        assert frames == []
        assert buffer.feed(bytes(64)) == []
        return
    found = decode(frames[0], LAYOUTS[case["protocol"]])
    match case["expect"]:
        case "decode_error":
            assert isinstance(found, DecodeError)
            assert found.sequence == 2
        case "ignore":
            assert isinstance(found, Unknown)
        case _:
            assert not isinstance(found, DecodeError | Unknown)


def test_a_report_that_is_not_flagged_is_a_persons_message() -> None:
    (row,) = [
        c
        for c in json.loads((CASES / "malformed.json").read_text(encoding="utf-8"))
        if c["id"] == "bad.report_not_flagged"
    ]
    frame = decode(bytes.fromhex(row["hex"]), V20)
    assert isinstance(frame, Deliver)
    assert frame.registered_delivery == 0


@pytest.mark.parametrize("case", _cases("streams"))
def test_a_stream_gives_the_same_frames_however_it_is_divided(case: dict[str, Any]) -> None:
    octets = bytes.fromhex(case["hex"])
    whole = FrameBuffer().feed(octets)
    assert len(whole) == len(case["frames"])
    assert b"".join(whole) == octets
    for cut in range(1, len(octets)):
        buffer = FrameBuffer()
        assert buffer.feed(octets[:cut]) + buffer.feed(octets[cut:]) == whole
    buffer = FrameBuffer()
    one_by_one = [frame for at in range(len(octets)) for frame in buffer.feed(octets[at : at + 1])]
    assert one_by_one == whole


@pytest.mark.parametrize("case", _cases("auth"))
def test_the_login_digest_is_the_published_one(case: dict[str, Any]) -> None:
    if not case["id"].startswith("auth.cmpp.source"):
        return
    octets = bytes.fromhex(case["input_hex"])
    timestamp = int(octets[-10:])
    name = octets[: octets.index(b"\0")].decode()
    pads = case["id"].endswith(".padded")
    assert source_digest(name, "1234", timestamp, pads=pads).hex() == case["md5"]


@pytest.mark.parametrize("case", _cases("ids"))
def test_a_msg_id_is_put_together_and_taken_apart(case: dict[str, Any]) -> None:
    fields = MsgId(**case["fields"])
    assert fields.pack().hex() == case["hex"]
    assert MsgId.unpack(bytes.fromhex(case["hex"])) == fields


def _words(most: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=most)


octet = st.integers(0, 255)
number32 = st.integers(0, 0xFFFF_FFFF)
layouts = st.sampled_from([V20, V30])


@st.composite
def submits(draw: st.DrawFn, layout: Layout) -> Submit:
    typed = octet if layout.typed else st.just(0)
    return Submit(
        draw(number32), draw(st.binary(min_size=8, max_size=8)), draw(octet), draw(octet),
        draw(octet), draw(octet), draw(_words(10)), draw(octet), draw(_words(layout.terminal)),
        draw(typed), draw(octet), draw(octet), draw(octet), draw(_words(6)), draw(_words(2)),
        draw(_words(6)), draw(_words(17)), draw(_words(17)), draw(_words(21)),
        tuple(draw(st.lists(_words(layout.terminal), min_size=1, max_size=99))), draw(typed),
        draw(st.binary(max_size=160)),
        draw(st.binary(min_size=layout.tail, max_size=layout.tail)),
    )  # fmt: skip


@given(st.data(), layouts)
def test_what_is_written_is_read_again(data: st.DataObject, layout: Layout) -> None:
    frame = data.draw(submits(layout))
    octets = encode(frame, layout)
    assert decode(octets, layout) == frame
    assert "destinations=" in repr(frame)
    for number in frame.destinations:
        if len(number) > 10:
            assert number not in repr(frame)


@given(st.data(), layouts)
def test_a_frame_cut_short_is_an_error_as_a_value(data: st.DataObject, layout: Layout) -> None:
    octets = encode(data.draw(submits(layout)), layout)
    size = data.draw(st.integers(12, len(octets) - 1))
    short = size.to_bytes(4, "big") + octets[4:size]
    assert isinstance(decode(short, layout), DecodeError)


@given(st.binary(max_size=300), layouts)
def test_garbage_never_raises(garbage: bytes, layout: Layout) -> None:
    decode(garbage, layout)
    decode_report(garbage)


@given(
    st.sampled_from([1, 2, 4, 5, 6, 7, 8, 0x80000001, 0x80000004, 0x80000005, 0x80000008, 99]),
    st.binary(max_size=400),
    layouts,
)
def test_a_known_command_with_a_garbage_body_never_raises(
    command: int, body: bytes, layout: Layout
) -> None:
    frame = (12 + len(body)).to_bytes(4, "big") + command.to_bytes(4, "big") + b"\0\0\0\7" + body
    found = decode(frame, layout)
    assert found.sequence == 7


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_a_garbage_stream_never_raises_and_keeps_little(portions: list[bytes]) -> None:
    buffer = FrameBuffer()
    for portion in portions:
        for frame in buffer.feed(portion):
            assert 12 <= len(frame) <= 4096


@given(st.data(), layouts)
def test_a_template_writes_what_the_encoder_writes(data: st.DataObject, layout: Layout) -> None:
    base = data.draw(submits(layout))._replace(tp_udhi=0, destinations=("",))
    sequence, number = data.draw(number32), data.draw(_words(layout.terminal))
    template = SubmitTemplate(base, layout)
    wanted = base._replace(sequence=sequence, destinations=(number,))
    assert template.frame(sequence, number.encode()) == encode(wanted, layout)


@given(st.data(), layouts, st.integers(1, 6))
def test_a_template_takes_the_digits_behind_its_sender(
    data: st.DataObject, layout: Layout, digits: int
) -> None:
    base = data.draw(submits(layout))._replace(tp_udhi=0, destinations=("",))
    submit = base._replace(src_id="106980" + "0" * digits)
    template = SubmitTemplate(submit, layout, digits)
    wanted = submit._replace(src_id="106980123456"[: 6 + digits], destinations=("13800138000",))
    frame = template.frame(submit.sequence, b"13800138000")
    assert template.extended(frame, b"123456"[:digits]) == encode(wanted, layout)


@given(st.data(), layouts, st.integers(0, 255))
def test_a_template_of_a_long_text_takes_the_reference(
    data: st.DataObject, layout: Layout, reference: int
) -> None:
    tail = data.draw(st.binary(max_size=134))
    base = data.draw(submits(layout))._replace(
        tp_udhi=1, destinations=("",), content=concatenation_header(0, 3, 2) + tail
    )
    wanted = base._replace(
        sequence=9,
        destinations=("13800138000",),
        content=concatenation_header(reference, 3, 2) + tail,
    )
    frame = SubmitTemplate(base, layout).frame(9, b"13800138000", reference)
    assert frame == encode(wanted, layout)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=7), layouts)
def test_a_report_is_written_and_read_again(stat: str, layout: Layout) -> None:
    report = Report(b"12345678", stat, "2410210805", "2410210806", "13800138000", 7)
    assert decode_report(encode_report(report, layout)) == report


def test_a_report_of_another_length_gives_its_head_and_is_marked() -> None:
    content = b"12345678" + b"MB:0044" + b"241021080500" + b"241021080600" + b"13800138000"
    report = decode_report(content)
    assert report is not None
    assert (report.msg_id, report.stat, report.is_odd) == (b"12345678", "MB:0044", True)
    assert decode_report(content[:34]) is None


def test_a_short_stat_may_be_padded_with_blanks() -> None:
    report = Report(NO_ID, "ID", "", "", "", 0)
    content = encode_report(report, V30).replace(b"ID\0\0\0\0\0", b"ID     ")
    assert decode_report(content) == report


def test_a_delivery_may_lack_its_tail() -> None:
    frame = Deliver(1, NO_ID, "1069", "", 0, 0, 0, "13800138000", 0, 0, b"TD", b"")
    octets = encode(frame, V30)
    short = (len(octets) - 20).to_bytes(4, "big") + octets[4:-20]
    assert decode(short, V30) == frame


@pytest.mark.parametrize(
    "frame",
    [
        Connect(1, "1234567", bytes(16), 0x30, 1),
        SubmitResp(1, b"short", 0),
        SubmitResp(1, NO_ID, 1 << 32),
    ],
)
def test_a_value_that_does_not_fit_is_refused(frame: Frame) -> None:
    with pytest.raises(ValueError, match=r"fit|octets"):
        encode(frame, V30)


def test_no_repr_shows_a_number_or_a_digest() -> None:
    deliver = Deliver(1, NO_ID, "1069", "", 0, 0, 0, "13800138000", 0, 0, b"secret", b"")
    report = Report(NO_ID, "DELIVRD", "", "", "13800138000", 0)
    connect = Connect(1, "901234", b"0123456789abcdef", 0x30, 1)
    shown = repr((deliver, report, connect))
    assert "13800138000" not in shown
    assert "secret" not in shown
    assert "0123456789abcdef" not in shown
