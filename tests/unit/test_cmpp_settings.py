"""Settings, back-off, the tables of codes, and the references of long texts."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from fzalert.messages import Coding, ReceiptKind, ReportKind
from fzalert.registry import Registry
from fzalert_sms.carrier.dialling import BackOff, LoginRefused, down_words
from fzalert_sms.carrier.inbox import target_of
from fzalert_sms.carrier.reports import report_kind_of
from fzalert_sms.carrier.texts import text_of
from fzalert_sms.cmpp import CmppConfig, CmppGateway
from fzalert_sms.cmpp.results import TABLE, receipt_of
from fzalert_sms.wire import divide, moment_of, reference_of

REPORTS = {
    ReportKind.DELIVERED,
    ReportKind.UNDELIVERED,
    ReportKind.EXPIRED,
    ReportKind.NO_REPORT,
}


def _config(**more: Any) -> CmppConfig:
    settings: dict[str, Any] = {
        "name": "cmpp-1",
        "host": "ismg.example",
        "account": "901234",
        "secret": SecretStr("hongqi"),
        "service_id": "FZALERT",
        "src_id": "106980001234",
    }
    return CmppConfig(**settings | more)


def test_the_entry_points_lead_here() -> None:
    registry = Registry.installed()
    assert registry.adapter("sms.cmpp") is CmppGateway


def test_every_setting_has_a_sentence() -> None:
    assert all(field.description for field in CmppConfig.model_fields.values())


@pytest.mark.parametrize(
    "wrong",
    [
        {"account": "1234567"},
        {"src_id": "1069-8000"},
        {"service_id": "业务"},
        {"signature": "【反诈】"},
        {"window": 0},
        {"secret": "typed in"},
        {"reconnect_refused": 5},
        {"late_after": 5, "submit_timeout": 4},
        {"reconnect_min": 5, "reconnect_max": 4},
        {"windw": 16},
    ],
)
def test_a_wrong_setting_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        _config(**wrong)


def test_the_secret_never_shows() -> None:
    assert "hongqi" not in repr(_config())


def test_the_first_pause_is_short_and_the_longest_is_a_minute() -> None:
    back_off = BackOff(_config(), Random(1))
    assert 0.1 <= back_off.pause(ConnectionError(), 0.0) <= 0.2
    pauses = [back_off.pause(ConnectionError(), float(now)) for now in range(1, 100, 3)]
    assert max(pauses[:3]) <= 1.0, "within the first ten seconds a second is the most"
    late = [back_off.pause(ConnectionError(), 10_000.0) for _ in range(50)]
    assert 30 <= min(late) <= max(late) <= 60
    assert len(set(late)) == 50, "jitter"


@given(st.floats(0, 100_000), st.integers(1, 5000))
def test_a_pause_is_never_more_than_a_tenth_of_the_outage(outage: float, failures: int) -> None:
    back_off = BackOff(_config(), Random(1))
    back_off.pause(ConnectionError(), 0.0)
    back_off._failures = failures
    assert 0 < back_off.pause(ConnectionError(), outage) <= max(1.0, outage / 10)


def _refused(status: int) -> LoginRefused:
    return LoginRefused(status, TABLE.login_words(status), is_final=status in TABLE.is_final)


def test_a_refused_login_waits_a_minute_until_somebody_mends_it() -> None:
    back_off = BackOff(_config(), Random(1))
    assert all(60 <= back_off.pause(_refused(3), 0.0) <= 72 for _ in range(20))
    assert back_off.pause(_refused(5), 0.0) <= 60
    assert "状态 3" in down_words(_refused(3), "", 60.0)


def test_a_working_link_begins_anew() -> None:
    back_off = BackOff(_config(), Random(1))
    for now in range(100):
        back_off.pause(ConnectionError(), float(now))
    back_off.works()
    assert back_off.pause(ConnectionError(), 200.0) <= 0.2


@given(st.integers(0, 0xFFFF_FFFF), st.binary(min_size=8, max_size=8))
def test_every_result_has_a_receipt(result: int, msg_id: bytes) -> None:
    receipt = receipt_of(result, msg_id)
    assert (receipt.kind is ReceiptKind.SENT) == (result == 0 and any(msg_id))
    assert (receipt.carrier_id != b"") == (receipt.kind is ReceiptKind.SENT)


@given(st.text(max_size=7))
def test_every_stat_has_a_report_or_is_intermediate(stat: str) -> None:
    assert (report_kind_of(stat) or ReportKind.NO_REPORT) in REPORTS


@given(st.integers(0, 2**63 - 1000))
def test_neighbouring_ids_have_references_that_lie_apart(message: int) -> None:
    references = [reference_of(message + n) for n in range(20)]
    assert len(set(references)) == 20
    assert all(0 <= reference <= 255 for reference in references)
    assert references[0] == reference_of(message)


@pytest.mark.parametrize(
    ("number", "address"),
    [
        ("13800138000", "+8613800138000"),
        ("8613800138000", "+8613800138000"),
        ("+8613800138000", "+8613800138000"),
        ("10086", None),
        ("", None),
        ("1380013800x", None),
    ],
)
def test_a_gateways_number_is_read(number: str, address: str | None) -> None:
    target = target_of(number)
    assert (target.address if target is not None else None) == address


def test_a_gateways_time_is_beijing_time() -> None:
    assert moment_of("2410210805") == 1_729_469_100_000
    assert [moment_of(text) for text in ("", "2413210805", "24102108", "xx10210805")] == [0] * 4


@given(st.binary(max_size=140), st.integers(0, 255), st.booleans())
def test_any_reply_is_read_somehow(content: bytes, msg_fmt: int, has_header: bool) -> None:
    assert text_of(divide(content)[1] if has_header else content, msg_fmt) is not None


def test_a_part_of_a_long_reply_is_read_without_its_header() -> None:
    content = bytes.fromhex("0500035a0201") + "退订".encode("utf-16-be")
    assert text_of(divide(content)[1], 8) == "退订"


def test_the_texts_are_cut_as_the_settings_say() -> None:
    config = _config(coding="gb18030", signature="某某公安", gateway_adds=6, max_parts=2)
    assert config.text_coding is Coding.GB18030
