"""What a screen should show, its signed form, its frames and its texts: all without I/O."""

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fzalert.messages import DisplayContent, RenditionKind, ReportKind, Severity
from fzalert.testing import SCRIPT, make_context, sample_rendition
from fzalert_display.kiosk import IdleCard, KioskConfig, ScreenConfig
from fzalert_display.kiosk.desired import Card, Desired, Past, in_order, read_row, write_row
from fzalert_display.kiosk.document import DOMAIN, Json, canonical, envelope, state_document
from fzalert_display.kiosk.fitting import half_cells, unfit
from fzalert_display.kiosk.reports import SeenIds, delivery_report, parse_batch
from fzalert_display.kiosk.stream import Stream, frame

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "adapters" / "fzalert_display" / "kiosk" / "assets"
CONTENT = DisplayContent(
    title="没有安全账户",
    lines=("公安不会电话办案", "挂断电话，打110"),
    footer="",
    severity=Severity.DANGER,
    priority=700,
    script=SCRIPT,
)
VECTOR_PUBLIC = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"


def card(id: int, *, not_after: int = 1000, priority: int = 700, rolling: bool = False) -> Card:
    content = replace(CONTENT, priority=priority)
    return Card(id, 0, 0, rolling, 0, not_after, content)


class TestDesired:
    def test_the_winner_is_the_one_of_the_rule(self) -> None:
        cases = json.loads((ROOT / "tests/cases/kiosk/winner.json").read_text(encoding="utf-8"))
        for case in cases:
            cards = [
                Card(ord(o["id"]), 0, o["v"], False, o["nb"], o["na"],
                     replace(CONTENT, priority=o["p"]))
                for o in case["overrides"]
            ]  # fmt: skip
            assert [chr(one.id) for one in in_order(cards, case["now"])] == case["order"]

    def test_the_sequence_grows_even_if_the_row_is_lost_or_the_clock_goes_back(self) -> None:
        first = Desired().reissued(5000)
        assert first.sequence == 5000
        assert first.reissued(100).sequence == 5001
        assert Desired().reissued(6000).sequence > first.sequence

    def test_a_card_is_replaced_under_its_name_with_a_higher_version(self) -> None:
        desired = Desired().reissued(1).with_card(card(7)).reissued(2).with_card(card(7))
        assert [one.version for one in desired.cards] == [2]

    def test_what_expired_goes_and_is_reported_once_if_never_shown(self) -> None:
        desired = Desired().with_card(card(1, not_after=10)).with_card(card(2, not_after=10))
        desired = desired.settled({(2, 0)}).expired(10)
        assert desired.cards == ()
        assert desired.given_up(9).owed == ()
        late = desired.given_up(10)
        assert [(one.id, one.kind) for one in late.owed] == [(1, ReportKind.EXPIRED)]
        assert late.given_up(20).owed == late.owed
        assert late.paid(late.owed).owed == ()
        assert late.knows((1, 0))

    def test_withdrawing_an_unknown_card_owes_nothing(self) -> None:
        desired = Desired().with_card(card(1)).withdrawn({(9, 0)}, 5)
        assert (len(desired.cards), desired.owed) == (1, ())

    def test_the_memory_of_past_cards_is_bounded(self) -> None:
        desired = Desired()
        for id in range(200):
            desired = desired.with_card(card(id, not_after=1)).expired(1)
        assert len(desired.past) == 64
        assert desired.past[-1] == Past(199, 0, 1, settled=False)

    @given(st.lists(st.integers(1, 2**63 - 1), unique=True, max_size=5), st.booleans())
    def test_a_row_is_read_as_it_was_written(self, ids: list[int], rolling: bool) -> None:
        desired = Desired().reissued(9)
        for id in ids:
            desired = desired.with_card(card(id, rolling=rolling))
        desired = desired.withdrawn({(id, 0) for id in ids[:2]}, 7)
        assert read_row(write_row(desired)) == desired

    def test_a_damaged_row_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="JSON"):
            read_row(b"{")


def json_values() -> st.SearchStrategy[Json]:
    plain: st.SearchStrategy[Json] = st.none() | st.booleans() | st.integers() | st.text()
    return st.recursive(
        plain, lambda inner: st.lists(inner) | st.dictionaries(st.text("abc", max_size=3), inner)
    )


class TestDocument:
    @given(json_values())
    def test_the_canonical_form_is_stable(self, value: Json) -> None:
        text = canonical(value)
        assert canonical(json.loads(text)) == text

    def test_the_canonical_form_refuses_floats_and_equal_keys(self) -> None:
        with pytest.raises(TypeError, match="float"):
            canonical({"a": 1.5})  # type: ignore[dict-item]  # a float is the point
        with pytest.raises(ValueError, match="same"):
            canonical({"\u00e9": 1, "e\u0301": 2})

    async def test_the_signature_is_over_domain_and_hash(self) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        async with make_context() as context:
            wrapped = json.loads(envelope({"a": 1}, context.signer))
        assert wrapped["doc"] == '{"a":1}'
        assert wrapped["key"] == VECTOR_PUBLIC
        signed = DOMAIN.encode() + b"\x00" + hashlib.sha256(b'{"a":1}').digest()
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(VECTOR_PUBLIC))
        key.verify(bytes.fromhex(wrapped["sig"]), signed)

    def test_the_document_names_screen_sequence_and_windows(self) -> None:
        config = KioskConfig(
            name="k",
            displays=(ScreenConfig(name="lobby", title="城关支行"),),
            idle=(IdleCard(title="刷单都是诈骗"),),
            footer="咨询 96110",
        )
        desired = Desired().reissued(100)
        for one in (card(1, priority=500), card(2), card(3, rolling=True)):
            desired = desired.with_card(one)
        document = state_document(desired, config.displays[0], config, "v1", "ab" * 32)
        text = json.loads(canonical(document))
        assert (text["display"], text["sequence"], text["issued_at"]) == ("lobby", 100, 100)
        assert [one["id"] for one in text["overrides"]] == ["2.0", "1.0"]
        assert [one["id"] for one in text["rolling"]] == ["3.0"]
        assert text["playlist"] == "ab" * 32
        assert text["overrides"][0]["footer"] == "咨询 96110"
        assert all(one["not_after"] > one["not_before"] for one in text["overrides"])
        assert text["not_after"] == 100 + 72 * 3_600_000


class Sent(NamedTuple):
    stream: Stream
    closed: list[Stream]


@pytest.fixture
def sent() -> Sent:
    closed: list[Stream] = []
    return Sent(Stream("page", 1000, closed.append), closed)


class TestStream:
    def test_a_frame_is_the_documented_bytes(self) -> None:
        assert frame("state", '{"v":7}', id=7, retry=1000) == (
            b'id: 7\nevent: state\nretry: 1000\ndata: {"v":7}\n\n'
        )

    @pytest.mark.parametrize("data", ["a\nb", "a\rb"])
    def test_data_with_a_line_break_is_refused(self, data: str) -> None:
        with pytest.raises(ValueError, match="one line"):
            frame("state", data)

    async def test_only_the_newest_state_waits(self, sent: Sent) -> None:
        for number in range(100):
            sent.stream.offer(frame("state", "{}", id=number))
        sent.stream.beat(frame("hb", "{}"))
        sent.stream.end("bye")
        frames = [one async for one in sent.stream.frames()]
        assert frames[0].startswith(b"retry: 1000")
        assert [one.split(b"\n")[0] for one in frames[1:]] == [
            b"id: 99", b"event: hb", b"event: bye",
        ]  # fmt: skip
        assert sent.closed == [sent.stream]

    async def test_a_reader_that_leaves_ends_it(self, sent: Sent) -> None:
        frames = sent.stream.frames()
        await anext(frames)
        await frames.aclose()
        assert sent.closed == [sent.stream]

    async def test_it_wakes_for_what_comes_later(self, sent: Sent) -> None:
        frames = sent.stream.frames()
        await anext(frames)
        async with asyncio.timeout(2), asyncio.TaskGroup() as group:
            waiting = group.create_task(next_of(frames))
            await asyncio.sleep(0)
            sent.stream.offer(b"late")
        assert waiting.result() == b"late"


class TestFitting:
    def test_widths(self) -> None:
        assert half_cells("打96110") == 7

    @pytest.mark.parametrize(
        ("title", "lines", "footer", "why"),
        [
            ("", (), "", "no headline"),
            ("标题", ("一", "二", "三", "四"), "", "4 lines"),
            ("骗" * 25, (), "", "50 half-width"),
            ("标题", ("骗" * 33,), "", "line 1"),
            ("标题", ("a\u202eb",), "", "U+202E"),
            ("标题", ("a\x00b",), "", "U+0000"),
            ("标\n题", (), "", "U+000A"),
            ("标题", (), "长" * 10_000, "footer"),
        ],
    )
    def test_what_does_not_fit_is_named(
        self, title: str, lines: tuple[str, ...], footer: str, why: str
    ) -> None:
        assert why in unfit(title, lines, footer)

    def test_the_library_s_limits_fit(self) -> None:
        assert unfit("骗" * 14, ("骗" * 18,) * 3, "城关支行 · 96110") == ""
        assert unfit("x" * 40, ("x" * 60,) * 3, "Chengguan branch · 96110") == ""


class TestReports:
    def test_a_batch_is_read_and_nonsense_is_counted(self) -> None:
        good = {
            "report_id": "0123456789abcdef-1", "event": "shown", "card": "77.0", "at": 5,
            "viewport": [1920, 1080], "visible": "visible", "more": 1,
        }  # fmt: skip
        bad = [{"event": "shown"}, {**good, "event": "exploded"}, {**good, "at": "5"}]
        parsed = parse_batch(json.dumps({"reports": [good, *bad]}).encode())
        assert (len(parsed.reports), parsed.dropped) == (1, 3)
        row = delivery_report(parsed.reports[0], "lobby", 4)
        assert row is not None
        assert (row.id, row.part, row.kind, row.at) == (77, 0, ReportKind.SHOWN, 4)
        assert row.detail == "1920x1080 visible"

    @pytest.mark.parametrize("event", ["blocked", "alive", "refused"])
    def test_what_is_no_fate_makes_no_row(self, event: str) -> None:
        body = {"reports": [{"report_id": "0123-4567", "event": event, "card": "7.0", "at": 5}]}
        (report,) = parse_batch(json.dumps(body).encode()).reports
        assert delivery_report(report, "lobby", 9) is None

    def test_idle_cards_of_the_settings_make_no_row(self) -> None:
        body = {
            "reports": [{"report_id": "0123-4567", "event": "shown", "card": "idle-0", "at": 5}]
        }
        (report,) = parse_batch(json.dumps(body).encode()).reports
        assert delivery_report(report, "lobby", 9) is None

    @given(st.binary(max_size=300))
    def test_garbage_is_a_value_error_or_an_empty_batch(self, body: bytes) -> None:
        try:
            parsed = parse_batch(body)
        except ValueError:
            return
        assert parsed.reports == ()

    def test_a_batch_has_a_limit(self) -> None:
        with pytest.raises(ValueError, match="100"):
            parse_batch(json.dumps({"reports": [{}] * 101}).encode())

    def test_seen_ids_are_bounded_and_kept(self) -> None:
        seen = SeenIds(limit=3)
        seen.add(["a", "b", "c", "a", "d"])
        assert [one in seen for one in "abcd"] == [False, True, True, True]
        again = SeenIds.read(seen.write())
        assert "d" in again
        assert "a" not in again


class TestFiles:
    def test_the_colours_have_a_contrast_of_seven_to_one(self) -> None:
        assert contrast("#ffffff", "#b00000") == pytest.approx(7.38, abs=0.01)
        assert contrast("#ffff00", "#b00000") == pytest.approx(6.87, abs=0.01)
        assert contrast("#ff0000", "#000000") == pytest.approx(5.25, abs=0.01)
        assert contrast("#000000", "#ffcc00") == pytest.approx(13.89, abs=0.01)
        style = (ASSETS / "kiosk.css").read_text(encoding="utf-8")
        colour = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", style))
        pairs = [("ink", "bg"), ("ink2", "panel"), ("on-danger", "danger"), ("on-warn", "warn"),
                 ("on-info", "info"), ("on-drill", "drill")]  # fmt: skip
        for ink, ground in pairs:
            assert contrast(colour[ink], colour[ground]) >= 7, (ink, ground)
        assert colour["danger"] == "#b00000"

    @pytest.mark.parametrize("folder", [ASSETS / "vendor", ROOT / "tests" / "cases" / "vendor"])
    def test_scripts_of_others_are_unchanged(self, folder: Path) -> None:
        sums = (folder / "SHA256SUMS").read_text(encoding="ascii").splitlines()
        for line in sums:
            wanted, _, name = line.partition("  ")
            assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == wanted, name
        named = {line.partition("  ")[2] for line in sums}
        assert {path.name for path in folder.glob("*.js")} <= named

    def test_text_is_never_markup_in_the_page(self) -> None:
        for script in (ASSETS / "page").glob("*.js"):
            text = script.read_text(encoding="utf-8")
            assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", text)
        page = (ASSETS / "screen.html").read_text(encoding="utf-8")
        assert not re.search(r"<style|<script(?![^>]*src=)| on[a-z]+=| style=|https?://", page)

    def test_a_sample_card_fits(self) -> None:
        sample = sample_rendition(RenditionKind.DISPLAY)
        assert isinstance(sample, DisplayContent)
        assert unfit(sample.title, sample.lines, sample.footer) == ""


async def next_of(frames: AsyncGenerator[bytes]) -> bytes:
    return await anext(frames)


def contrast(ink: str, ground: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(ink), luminance(ground)), reverse=True)
    return (high + 0.05) / (low + 0.05)
