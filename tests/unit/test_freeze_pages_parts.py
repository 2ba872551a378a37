"""The parts of the freeze desk's pages that need no browser: words, forms, files, what is kept."""

import contextlib
from datetime import UTC, datetime
from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fzalert.freeze.events import Event
from fzalert.freeze.model import InstructionKind, MeasureState
from fzalert.freeze.values import AttachmentType
from fzalert.service.freeze_models import (
    CaseView,
    MeasureView,
    NextView,
    TaskDoneAsk,
    TaskView,
)
from fzalert.testing.clock import FakeClock
from fzalert.web import freeze_words as words
from fzalert.web.freeze_acts import ACTS, acts_of, primary_act
from fzalert.web.freeze_asks import About, build, read_lines
from fzalert.web.freeze_forms import File, Form, Values
from fzalert.web.freeze_kept import Kept
from fzalert.web.multipart import parse_multipart
from fzalert.web.problems import ProblemError

AT = datetime(2026, 11, 24, 9, tzinfo=UTC)


def measure(state: str, stage: str = "", seconds: int | None = None) -> MeasureView:
    return MeasureView(
        id="m1",
        state=state,
        stage=stage,
        institution="中国工商银行",
        account="622202*********0128",
        holder="李*",
        amount=Decimal("50000"),
        level=1,
        parent="",
        next=NextView(zh="", en="", seconds=seconds),
    )


def test_every_state_event_kind_and_document_has_words() -> None:
    assert set(words.STATES) == set(MeasureState)
    assert set(words.KINDS) == set(InstructionKind)
    assert set(words.DOCUMENTS) == set(AttachmentType)
    for event in get_args(get_args(Event)[0]):
        name = event.model_fields["type"].default
        assert words.event_words(name)[0] != name, name


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (172_799, "47:59:59"),
        (3_600, "1:00:00"),
        (3_599, "59:59"),
        (0, "00:00"),
        (-47, "超时 00:47"),
        (181 * 86_400, "181 天"),
        (None, "–"),
    ],
)
def test_a_clock_says_what_is_left(seconds: int | None, text: str) -> None:
    assert words.clock_text(seconds) == text


def test_a_state_has_at_most_one_primary_act_and_an_end_has_none() -> None:
    for state in MeasureState:
        for stage in ("", "review", "approved", "sent", "acked"):
            found = primary_act(measure(state, stage))
            assert found is None or found in acts_of(measure(state, stage))
    for end in ("released", "expired", "returned", "cancelled"):
        assert acts_of(measure(end)) == []
    assert primary_act(measure("frozen", seconds=86_400 * 60)) is None
    assert primary_act(measure("frozen", seconds=86_400 * 20)) is ACTS["renew"]


def test_a_call_that_waits_comes_before_everything_else() -> None:
    task = TaskView(
        id="m1-t1",
        kind="phone",
        waits_for="acknowledge",
        application_id="x",
        opened_at=AT,
        zh="",
        en="",
    )
    waiting = measure("sent", "sent").model_copy(update={"tasks": [task]})
    assert primary_act(waiting) is ACTS["task"]
    done = task.model_copy(update={"done_at": AT})
    over = waiting.model_copy(update={"tasks": [done]})
    assert primary_act(over) is ACTS["acknowledge"]


def test_whoever_telephoned_says_which_call_it_was() -> None:
    calls = [
        TaskView(
            id=f"m1-t{number}",
            kind=kind,
            waits_for="acknowledge",
            application_id="x",
            opened_at=AT,
            zh="",
            en="",
        )
        for number, kind in ((1, "phone"), (2, "supervisor"))
    ]
    view = measure("sent", "sent").model_copy(update={"tasks": calls})
    case = CaseView(
        id="c1",
        version=1,
        report="1",
        reported_at=AT,
        kind="",
        victim="",
        victim_id="",
        victim_phone="",
        opened_by="",
        opened_at=AT,
    )

    def told(about: MeasureView, **more: str) -> str | list[str]:
        values = Values(Form({name: [text] for name, text in {"result": "told", **more}.items()}))
        ask = build("task", values, About(case, about))
        return ask.task if isinstance(ask, TaskDoneAsk) else [one.field for one in values.faults]

    assert told(view, task="m1-t2") == "m1-t2"
    assert told(view) == "m1-t1"
    done = calls[1].model_copy(update={"done_at": AT})
    assert told(view.model_copy(update={"tasks": [calls[0], done]}), task="m1-t2") == ["task"]


@pytest.mark.parametrize(
    ("text", "amount"),
    [("50,000.5", "50000.50"), ("１.２万", "12000.00"), ("¥ 300 元", "300.00"), ("0.01", "0.01")],
)
def test_an_amount_is_read_as_people_write_it(text: str, amount: str) -> None:
    values = Values(Form({"amount": [text]}))
    assert values.money("amount") == Decimal(amount)
    assert values.faults == []


@pytest.mark.parametrize("text", ["0", "-1", "1.234", "NaN", "1e30", "五百", "Infinity"])
def test_a_wrong_amount_is_told_beside_its_field(text: str) -> None:
    values = Values(Form({"amount": [text]}))
    assert values.money("amount") is None
    assert [fault.field for fault in values.faults] == ["amount"]


def test_a_text_that_is_too_long_is_told_and_cut() -> None:
    values = Values(Form({"reason": ["长" * 600]}))
    assert len(values.prose("reason")) == 500
    assert [fault.field for fault in values.faults] == ["reason"]


def test_a_moment_without_a_zone_is_beijing_time() -> None:
    values = Values(Form({"at": ["2026-11-24T16:40"], "end": ["2027-05-23"]}))
    assert values.moment("at") == datetime(2026, 11, 24, 8, 40, tzinfo=UTC)
    assert values.last_of_day("end") == datetime(2027, 5, 23, 15, 59, 59, tzinfo=UTC)


def test_lines_of_shares_are_read_or_refused() -> None:
    values = Values(Form({"shares": ["甲 1,000.50\n乙：2万元"]}))
    assert read_lines(values, "shares") == {"甲": Decimal("1000.50"), "乙": Decimal(20_000)}
    for text in ("甲", "甲 0", "甲 1.234", "甲 99999999999999999999", "甲 1\n甲 2", ""):
        wrong = Values(Form({"shares": [text]}))
        assert read_lines(wrong, "shares") == {}
        assert wrong.faults, text


@given(st.lists(st.tuples(st.binary(max_size=200), st.booleans()), max_size=6))
def test_a_form_with_files_keeps_every_byte(parts: list[tuple[bytes, bool]]) -> None:
    mark = b"----WebKitFormBoundaryzQ9"
    body = b""
    for place, (content, is_file) in enumerate(parts):
        named = f'form-data; name="f{place}"' + ('; filename="a b.pdf"' if is_file else "")
        body += b"--" + mark + b"\r\nContent-Disposition: " + named.encode() + b"\r\n"
        body += (b"Content-Type: application/pdf\r\n" if is_file else b"") + b"\r\n"
        body += content + b"\r\n"
    body += b"--" + mark + b"--\r\n"
    found = parse_multipart(body, mark)
    assert [(part.body, part.file_name is not None) for part in found] == parts
    assert [part.name for part in found] == [f"f{place}" for place in range(len(parts))]


@given(st.binary(max_size=300))
def test_a_broken_form_is_refused_and_never_a_crash(body: bytes) -> None:
    with contextlib.suppress(ProblemError):
        parse_multipart(body, b"x")


def test_what_is_kept_is_kept_for_one_person_and_ten_minutes() -> None:
    clock = FakeClock()
    kept = Kept(clock)
    form = Form({"reason": ["x"]}, {"document": File("a.pdf", b"%PDF-1.7")})
    key = kept.put("user:ma", form)
    assert kept.get("user:ma", key) is form
    assert kept.get("user:li", key) is None
    assert kept.put("user:li", Form(), key) != key, "nobody writes over another's"
    assert kept.put("user:ma", form, key) == key
    clock.advance(601)
    assert kept.get("user:ma", key) is None


def test_what_is_kept_is_bounded() -> None:
    kept = Kept(FakeClock())
    keys = [kept.put("user:ma", Form()) for _ in range(100)]
    assert kept.get("user:ma", keys[0]) is None
    assert kept.get("user:ma", keys[-1]) is not None


def test_an_hour_before_its_end_a_clock_warns() -> None:
    assert words.tone_of(measure("stopped", seconds=3_601)) == "ok"
    assert words.tone_of(measure("stopped", seconds=3_599)) == "warn"
    assert words.tone_of(measure("stopped", seconds=-1)) == "bad"
