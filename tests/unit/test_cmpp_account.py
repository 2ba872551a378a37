"""What a channel concludes from reports and answers: brake, limits of numbers, pulse, tables."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from fzalert.config import parse_settings
from fzalert.messages import DeliveryReport, ReceiptKind, ReportKind, Scope
from fzalert.registry import Registry
from fzalert_sms.carrier.account import Account, Brake, Frequent, account_of
from fzalert_sms.carrier.dialling import Places
from fzalert_sms.carrier.pulse import Pulse
from fzalert_sms.carrier.reports import Effect, reader_of
from fzalert_sms.carrier.results import Results
from fzalert_sms.carrier.texts import text_of
from fzalert_sms.carrier.wholes import Wholes
from fzalert_sms.cmpp import CmppConfig
from fzalert_sms.cmpp.results import TABLE
from fzalert_sms.wire import valid_time

MIDNIGHT = 1_729_440_000_000
"""2024-10-21 00:00 in Beijing."""
HOUR = 3_600_000


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


class Owner:
    """Stands for the background of an engine."""


def test_the_slots_of_a_channel_share_an_account_and_two_engines_do_not() -> None:
    one, two = Owner(), Owner()
    first = account_of(one, _config(), text_of)
    assert account_of(one, _config(slot=1), text_of) is first
    assert account_of(one, _config(name="cmpp-2"), text_of) is not first
    assert account_of(two, _config(), text_of) is not first
    assert isinstance(first, Account)


def test_the_brake_doubles_with_each_burst_and_begins_anew_after_quiet() -> None:
    brake = Brake()
    assert brake.press(100.0)
    assert not brake.press(100.5), "the same burst"
    assert (brake.until, brake.presses) == (101.0, 1)
    pauses = []
    now = 101.0
    for _ in range(6):
        assert brake.press(now)
        pauses.append(brake.pause)
        now = brake.until + 1
    assert pauses == [2.0, 4.0, 8.0, 16.0, 16.0, 16.0]
    assert brake.press(brake.until + 31)
    assert brake.pause == 1.0


def test_a_number_has_its_limit_until_midnight_in_beijing() -> None:
    frequent = Frequent()
    assert frequent.stats_of_today(MIDNIGHT) == {}
    frequent.note("+8613800138000", "MA:0022", MIDNIGHT + 23 * HOUR)
    assert frequent.stats_of_today(MIDNIGHT + 24 * HOUR - 1) == {"+8613800138000": "MA:0022"}
    assert frequent.stats_of_today(MIDNIGHT + 24 * HOUR) == {}
    frequent.note("+8613900139000", "HD:0029", MIDNIGHT + 25 * HOUR)
    assert list(frequent.stats_of_today(MIDNIGHT + 26 * HOUR)) == ["+8613900139000"]


def test_p95_is_that_of_the_last_minute_and_needs_a_few_answers() -> None:
    pulse = Pulse()
    for n in range(4):
        pulse.answered(0.0, 6.0 + n)
    assert pulse.p95_ms(10.0) is None
    pulse.answered(0.0, 10.0)
    assert pulse.p95_ms(10.0) == 10_000
    assert "95%" in pulse.slow_words(10.0)
    assert pulse.p95_ms(80.0) is None
    for n in range(95):
        pulse.answered(80.0 + n / 100, 80.0 + n / 100 + 0.02)
    for n in range(5):
        pulse.answered(80.0 + n / 100, 90.0 + n / 100)
    assert pulse.p95_ms(91.0) == pytest.approx(20)
    assert pulse.slow_words(91.0) == ""


def test_a_full_window_is_slow_once_ten_seconds_bring_no_answer() -> None:
    pulse = Pulse()
    pulse.look(True, 100.0)
    pulse.look(True, 105.0)
    assert pulse.slow_words(110.0) == ""
    assert "窗口已满" in pulse.slow_words(110.1)
    pulse.answered(100.0, 110.2)
    assert pulse.slow_words(115.0) == "", "full, but it moves"
    assert "窗口已满" in pulse.slow_words(120.3)
    pulse.look(False, 120.4)
    assert pulse.slow_words(140.0) == ""


@pytest.mark.parametrize(
    ("word", "kind", "scope"),
    [
        ("temporary", ReceiptKind.TEMPORARY, Scope.MESSAGE),
        ("permanent", ReceiptKind.PERMANENT, Scope.MESSAGE),
        ("recipient", ReceiptKind.PERMANENT, Scope.RECIPIENT),
        ("opt_out", ReceiptKind.PERMANENT, Scope.RECIPIENT),
        ("binding", ReceiptKind.PERMANENT, Scope.BINDING),
        ("channel", ReceiptKind.PERMANENT, Scope.CHANNEL),
        ("throttled", ReceiptKind.THROTTLED, Scope.CHANNEL),
        ("down", ReceiptKind.CHANNEL_DOWN, Scope.CHANNEL),
        ("unknown", ReceiptKind.UNKNOWN, Scope.MESSAGE),
    ],
)
def test_a_vendors_result_is_what_the_settings_say(
    word: Any, kind: ReceiptKind, scope: Scope
) -> None:
    receipt = Results(TABLE, {"106": word, "8": word}).receipt(106, bytes(8))
    assert (receipt.kind, receipt.scope, receipt.code) == (kind, scope, "106")
    assert receipt.suppress == (word == "opt_out")
    assert receipt.detail
    assert Results(TABLE, {"8": word}).receipt(8, bytes(8)).kind is kind
    assert Results(TABLE, {"106": word}).receipt(107, bytes(8)).kind is ReceiptKind.TEMPORARY
    assert Results(TABLE, {"106": word}).receipt(8, bytes(8)).kind is ReceiptKind.THROTTLED


def test_the_longest_entry_that_fits_a_stat_is_taken() -> None:
    read = reader_of(
        {"mk:": "expired", "MK:0001": "frequency", "MA:": "undelivered", "M": "ignored"}
    )
    assert read("MK:0001").effect is Effect.FREQUENCY
    assert read("mk:0002").kind is ReportKind.EXPIRED
    assert read("MA:0007").kind is ReportKind.UNDELIVERED
    assert read("MZ:0007").kind is None
    assert read("MO:0008").effect is Effect.OVERFLOW, "the table of the house stays below"
    assert read("DELIVRD").kind is ReportKind.DELIVERED


def test_an_entry_of_the_settings_goes_before_that_of_the_house() -> None:
    assert reader_of({"MA:0022": "no_report"})("MA:0022").effect is Effect.NONE
    assert reader_of({})("MA:0022").effect is Effect.FREQUENCY
    assert reader_of({})("MA:0023").kind is ReportKind.NO_REPORT
    assert reader_of({})("HD:0029").kind is ReportKind.UNDELIVERED


@pytest.mark.parametrize(
    "wrong",
    [
        {"result_table": {"x": "temporary"}},
        {"result_table": {"0": "temporary"}},
        {"result_table": {"106": "sent"}},
        {"report_table": {"": "delivered"}},
        {"report_table": {"TOO:LONG": "delivered"}},
        {"report_table": {"MA:0022": "throttled"}},
        {"report_parts": "some"},
        {"extra_hosts": ("a b",)},
        {"extra_hosts": ("host:0",)},
        {"extra_hosts": ("host:99999",)},
        {"extra_hosts": ("[::1",)},
    ],
)
def test_a_wrong_table_or_address_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        _config(**wrong)


def test_addresses_are_read_with_and_without_a_port() -> None:
    config = _config(port=7900, extra_hosts=("b.example", "c.example:7901", "[::1]:7902", "[::1]"))
    assert config.endpoints == (
        ("ismg.example", 7900), ("b.example", 7900), ("c.example", 7901), ("::1", 7902),
        ("::1", 7900),
    )  # fmt: skip


def test_the_tables_are_written_in_the_file_as_inline_tables(tmp_path: Any) -> None:
    secret = tmp_path / "line.secret"
    secret.write_text("made up", encoding="utf-8")
    secret.chmod(0o600)
    text = """
[[channel]]
name = "cmpp-1"
adapter = "sms.cmpp"
host = "192.0.2.10"
account = "901234"
secret = { file = "line.secret" }
service_id = "FZALERT"
src_id = "10690000"
result_table = { "106" = "temporary", "145" = "recipient" }
report_table = { "MA:0022" = "no_report", "MK:" = "undelivered" }
"""
    settings = parse_settings(text, tmp_path / "fzalert.toml", registry=Registry.installed())
    config = settings.channels[0].config
    assert isinstance(config, CmppConfig)
    assert config.result_table == {"106": "temporary", "145": "recipient"}
    assert config.report_table == {"MA:0022": "no_report", "MK:": "undelivered"}


def test_the_place_that_worked_last_is_tried_first() -> None:
    places = Places([("a", 1), ("b", 2), ("c", 3)])
    assert places.now == ("a", 1)
    assert [places.fails(), places.fails(), places.fails()] == [True, True, False]
    assert places.now == ("a", 1)
    places.fails()
    places.works()
    assert places.now == ("b", 2)
    assert places.fails()
    assert places.now == ("c", 3)


@pytest.mark.parametrize(
    ("left", "text"),
    [
        (0, ""),
        (-1, ""),
        (10 * 60_000, "241021001000032+"),
        (10 * 60_000 + 30_999, "241021001030032+"),
        (2 * HOUR + 59_999, "241021020000032+"),
        (48 * HOUR, "241023000000032+"),
        (48 * HOUR + 1, ""),
        (2**62, ""),
    ],
)
def test_the_validity_is_an_absolute_time_in_beijing(left: int, text: str) -> None:
    assert valid_time(MIDNIGHT + left, MIDNIGHT) == text
    assert len(text) in (0, 16)


def _report(msg_id: bytes, kind: ReportKind = ReportKind.DELIVERED) -> DeliveryReport:
    return DeliveryReport(kind, msg_id)


def _ids(reports: list[DeliveryReport]) -> list[bytes]:
    return [report.carrier_id for report in reports]


@pytest.mark.parametrize(("which", "speaker"), [("first", 0), ("last", 2), ("any", 1)])
def test_one_report_counts_for_the_parts_that_were_taken(which: Any, speaker: int) -> None:
    wholes = Wholes(which)
    ids = [b"a", b"b", b"c"]
    wholes.begin(7, 3)
    for part in range(3):
        assert wholes.accepted(7, part, ids[part]) == []
    others = [ids[part] for part in range(3) if part != speaker]
    assert _ids(wholes.reported(_report(ids[speaker]))) == others


@pytest.mark.parametrize(("which", "silent"), [("first", 2), ("last", 0)])
def test_a_report_of_another_part_counts_for_that_part_alone(which: Any, silent: int) -> None:
    wholes = Wholes(which)
    wholes.begin(7, 3)
    for part, msg_id in enumerate((b"a", b"b", b"c")):
        wholes.accepted(7, part, msg_id)
    assert wholes.reported(_report((b"a", b"b", b"c")[silent])) == []


def test_a_part_taken_after_the_report_gets_it_then() -> None:
    wholes = Wholes("first")
    wholes.begin(7, 2)
    wholes.accepted(7, 0, b"a")
    assert wholes.reported(_report(b"a")) == []
    assert _ids(wholes.accepted(7, 1, b"b")) == [b"b"]


def test_a_report_before_its_answer_counts_once_the_answer_is_there() -> None:
    wholes = Wholes("last")
    wholes.begin(7, 2)
    wholes.accepted(7, 0, b"a")
    assert wholes.reported(_report(b"b")) == []
    assert _ids(wholes.accepted(7, 1, b"b")) == [b"a"]


def test_short_texts_and_strangers_are_no_business_of_it() -> None:
    wholes = Wholes("any")
    assert wholes.accepted(1, 0, b"x") == []
    assert wholes.reported(_report(b"x")) == []


@given(
    st.sampled_from(["first", "last", "any"]),
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 2), st.integers(0, 9)),
        max_size=50,
    ),
)
def test_no_report_is_ever_made_for_a_part_that_was_not_taken(
    which: Any, steps: list[tuple[bool, int, int, int]]
) -> None:
    wholes = Wholes(which)
    taken: set[bytes] = set()
    for is_answer, message, part, attempt in steps:
        msg_id = bytes((message, part, attempt))
        wholes.begin(message, 3)
        if is_answer:
            taken.add(msg_id)
            made = wholes.accepted(message, part, msg_id)
        else:
            made = wholes.reported(_report(msg_id))
        assert set(_ids(made)) <= taken
