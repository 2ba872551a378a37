"""One message, one fate: what the reports of all four carriers do through the engine and the store.

Reports come before the answer, twice, days late, for some parts, after a restart, on another line,
against each other, for an attempt that was repeated, and about nobody's text.
"""

import shutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from fzalert.delivery import Limits
from fzalert.messages import Lane, OutcomeState
from fzalert.testing.engine import EngineRig
from fzalert.testing.parcels import number
from fzalert_sms.recount import recount_with_texts
from tests.contract.carrier_engine import CARRIERS, CMPP, SGIP, SMGP, SMPP, Carrier, Later

PATIENCE = 30.0
BY_NAME = {carrier.name: carrier for carrier in CARRIERS}
WITH_OWN_IDS = [CMPP.name, SMGP.name, SMPP.name]


@pytest.fixture(params=list(BY_NAME))
def carrier(request: pytest.FixtureRequest) -> Carrier:
    return BY_NAME[request.param]


async def _report(simulator: Any, nth: int, stat: str, carrier_id: bytes | None = None) -> None:
    """Report on the nth submission, and wait until the report is on disk and acknowledged."""
    submit, own_id, _ = simulator.submits[nth]
    before = simulator.counts["acknowledged"]
    simulator.report(submit, carrier_id or own_id, stat)
    await simulator.until(lambda: simulator.counts["acknowledged"] > before, PATIENCE)


async def _taken(simulator: Any, count: int) -> None:
    await simulator.until(lambda: len(simulator.submits) >= count, PATIENCE)


async def _fate(rig: EngineRig, id_: int, *words: str) -> OutcomeState:
    return (await rig.fate(id_, *words, timeout=PATIENCE)).state


async def _told(rig: EngineRig, id_: int) -> list[str]:
    """What the feed says of a message, in order."""
    return [row.word for row in await rig.store.feed(0, 1000) if row.id == id_]


async def test_a_report_before_the_answer_waits_for_it_even_if_it_comes_twice(
    carrier: Carrier, tmp_path: Path
) -> None:
    async with (
        carrier.simulate(drop_share=1.0) as simulator,
        carrier.engine(tmp_path, simulator) as rig,
    ):
        (id_,) = await rig.accept()
        await _taken(simulator, 1)
        for _ in range(2):
            await _report(simulator, 0, "DELIVRD")
        assert await rig.store.orphans() == 1
        carrier.answer(simulator, 0)
        assert await _fate(rig, id_, "delivered") is OutcomeState.DELIVERED
        assert await rig.store.orphans() == 0
        assert await _told(rig, id_) == ["sent", "delivered"]


async def test_a_report_that_comes_twice_counts_once(carrier: Carrier, tmp_path: Path) -> None:
    async with carrier.simulate() as simulator, carrier.engine(tmp_path, simulator) as rig:
        (id_,) = await rig.accept()
        await _fate(rig, id_, "sent")
        for _ in range(2):
            await _report(simulator, 0, "DELIVRD")
        assert await _told(rig, id_) == ["sent", "delivered"]
        assert await rig.store.orphans() == 0


@pytest.mark.parametrize(("days", "word"), [(6.5, "delivered"), (8, "sent")])
async def test_a_report_counts_days_later_and_after_a_restart_but_not_for_an_id_of_last_week(
    carrier: Carrier, tmp_path: Path, days: float, word: str
) -> None:
    async with carrier.simulate() as simulator:
        async with carrier.engine(tmp_path, simulator) as rig:
            (id_,) = await rig.accept()
            await _fate(rig, id_, "sent")
        async with carrier.engine(tmp_path, simulator, clock=Later(days), first_id=5001) as rig:
            await _report(simulator, 0, "DELIVRD")
            await _fate(rig, id_, word)
            assert await rig.store.orphans() == (word == "sent")


async def test_a_long_text_is_delivered_when_every_part_of_it_is(
    carrier: Carrier, tmp_path: Path
) -> None:
    async with carrier.simulate() as simulator, carrier.engine(tmp_path, simulator) as rig:
        (id_,) = await rig.accept(parts=3)
        await _fate(rig, id_, "sent")
        for nth in (2, 0):
            await _report(simulator, nth, "DELIVRD")
            assert await _fate(rig, id_, "sent") is OutcomeState.OPEN
        await _report(simulator, 1, "DELIVRD")
        assert await _fate(rig, id_, "delivered") is OutcomeState.DELIVERED


@pytest.mark.parametrize("which", ["first", "last"])
async def test_one_report_for_a_long_text_counts_for_all_its_parts(
    carrier: Carrier, tmp_path: Path, which: str
) -> None:
    knobs: dict[str, Any] = {"missing_share": 0.0, "report_delay_ms": 1, "report_parts": which}
    async with (
        carrier.simulate(**knobs) as simulator,
        carrier.engine(tmp_path, simulator, report_parts=which) as rig,
    ):
        (id_,) = await rig.accept(parts=3)
        assert await _fate(rig, id_, "delivered") is OutcomeState.DELIVERED
        assert simulator.counts["delivered"] == 1


async def test_a_report_counts_on_whichever_line_it_comes(carrier: Carrier, tmp_path: Path) -> None:
    async with (
        carrier.simulate() as simulator,
        carrier.engine(tmp_path, simulator, connections=2) as rig,
    ):
        await simulator.until(lambda: len(carrier.lines(simulator)) == 2, PATIENCE)
        ids = await rig.accept(6)
        for id_ in ids:
            await _fate(rig, id_, "sent")
        lines = carrier.lines(simulator) if carrier is not SGIP else [None]
        for nth, (submit, carrier_id, _) in enumerate(list(simulator.submits)):
            simulator.report(submit, carrier_id, "DELIVRD", on=lines[nth % len(lines)])
        for id_ in ids:
            await _fate(rig, id_, "delivered")


@pytest.mark.parametrize("first", ["DELIVRD", "EXPIRED"])
async def test_delivered_wins_whichever_of_two_contradicting_reports_comes_first(
    carrier: Carrier, tmp_path: Path, first: str
) -> None:
    async with carrier.simulate() as simulator, carrier.engine(tmp_path, simulator) as rig:
        (id_,) = await rig.accept()
        await _fate(rig, id_, "sent")
        second = "EXPIRED" if first == "DELIVRD" else "DELIVRD"
        await _report(simulator, 0, first)
        if first == "EXPIRED" and carrier is not SGIP:  # SGIP has no word for it
            assert await _fate(rig, id_, "expired") is OutcomeState.EXPIRED
        await _report(simulator, 0, second)
        assert await _fate(rig, id_, "delivered") is OutcomeState.DELIVERED


async def test_a_report_of_nobodys_text_is_kept_once_and_touches_nothing(
    carrier: Carrier, tmp_path: Path
) -> None:
    foreign = b"1234567890"[: 8 if carrier is CMPP else 10]
    if carrier is SGIP:
        foreign = bytes(range(12))
    async with carrier.simulate() as simulator, carrier.engine(tmp_path, simulator) as rig:
        ids = await rig.accept(lane=Lane.BULK, targets=[number(5)] * 2)
        for id_ in ids:
            await _fate(rig, id_, "sent")
        for _ in range(2):
            await _report(simulator, 0, "DELIVRD", foreign)
        assert await rig.store.orphans() == 1
        for id_ in ids:
            assert (await rig.fate(id_, "sent")).state is OutcomeState.OPEN


@pytest.mark.parametrize("carrier", [BY_NAME[name] for name in WITH_OWN_IDS], ids=WITH_OWN_IDS)
async def test_the_newest_text_is_meant_where_a_gateway_repeats_its_ids(
    carrier: Carrier, tmp_path: Path
) -> None:
    async with (
        carrier.simulate(drop_share=1.0) as simulator,
        carrier.engine(tmp_path, simulator) as rig,
    ):
        found: list[int] = []
        for nth in range(2):
            found += await rig.accept(lane=Lane.BULK, targets=[number(5)])
            await _taken(simulator, nth + 1)
            carrier.answer(simulator, nth, simulator.submits[0][1])
            await _fate(rig, found[nth], "sent")
        await _report(simulator, 1, "DELIVRD", simulator.submits[0][1])
        await _fate(rig, found[1], "delivered")
        await _fate(rig, found[0], "sent")


async def test_a_report_settles_a_text_whose_answer_was_lost_and_it_is_not_sent_again(
    carrier: Carrier, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    times: dict[str, Any] = {"late_after": 0.3, "submit_timeout": 0.6}
    async with (
        carrier.simulate(log, drop_share=1.0) as simulator,
        carrier.engine(tmp_path, simulator, **times) as rig,
    ):
        ids = await rig.accept(3, lane=Lane.BULK)
        for id_ in ids:
            await _fate(rig, id_, "unknown")
        for nth in range(3):
            await _report(simulator, nth, "DELIVRD")
        for id_ in ids:
            assert await _fate(rig, id_, "delivered") is OutcomeState.DELIVERED
    total, _ = recount_with_texts(log)
    assert (total.submits, total.distinct, total.duplicates) == (3, 3, 0)


async def test_a_report_of_the_first_attempt_counts_for_a_text_that_was_sent_again(
    carrier: Carrier, tmp_path: Path
) -> None:
    times: dict[str, Any] = {"late_after": 0.3}
    limits = Limits(unknown_wait_ms=50)
    async with (
        carrier.simulate(drop_share=1.0) as simulator,
        carrier.engine(tmp_path, simulator, limits=limits, **times) as rig,
    ):
        (id_,) = await rig.accept(lane=Lane.URGENT)
        await _taken(simulator, 1)
        simulator.change(drop_share=0.0)
        await _fate(rig, id_, "sent")
        await _report(simulator, 0, "DELIVRD")
        assert await _fate(rig, id_, "delivered") is OutcomeState.DELIVERED


async def test_a_report_finds_what_a_process_that_died_left(
    carrier: Carrier, tmp_path: Path
) -> None:
    """The second engine runs on what the disk held while the first had three texts out."""
    log, alive, dead = tmp_path / "log", tmp_path / "alive", tmp_path / "dead"
    alive.mkdir()
    async with carrier.simulate(log, drop_share=1.0) as simulator:
        async with carrier.engine(alive, simulator) as rig:
            ids = await rig.accept(3, lane=Lane.BULK)
            await _taken(simulator, 3)
            shutil.copytree(alive, dead)
            simulator.cut()  # so that the first one need not wait for answers
        async with carrier.engine(dead, simulator, first_id=5001) as rig:
            for id_ in ids:
                await _fate(rig, id_, "unknown")
            for nth in range(3):
                await _report(simulator, nth, "DELIVRD")
            for id_ in ids:
                assert await _fate(rig, id_, "delivered") is OutcomeState.DELIVERED
    total, _ = recount_with_texts(log)
    assert total.duplicates == 0


@pytest.mark.parametrize("carrier", [BY_NAME[name] for name in WITH_OWN_IDS], ids=WITH_OWN_IDS)
@pytest.mark.parametrize("dies", [False, True])
async def test_an_extension_of_the_sender_tells_which_text_a_report_means(
    carrier: Carrier, tmp_path: Path, dies: bool
) -> None:
    """Five texts to one person, no answer: nothing else could tell them apart."""
    log, alive, dead = tmp_path / "log", tmp_path / "alive", tmp_path / "dead"
    alive.mkdir()
    more: dict[str, Any] = {"extension_digits": 4, "late_after": 30 if dies else 0.3}
    async with carrier.simulate(log, drop_share=1.0) as simulator:
        async with carrier.engine(alive, simulator, **more) as rig:
            ids = await rig.accept(lane=Lane.BULK, targets=[number(5)] * 5, parts=2)
            await _taken(simulator, 10)
            if not dies:
                for id_ in ids:
                    await _fate(rig, id_, "unknown")
            shutil.copytree(alive, dead)
            simulator.cut()
        senders = [
            simulator.gateway.side.incoming(one).access_number for one, *_ in simulator.submits
        ]
        assert len(set(senders)) == 5
        meant = [nth for nth, sender in enumerate(senders) if sender == senders[4]]
        async with carrier.engine(dead, simulator, first_id=5001, **more) as rig:
            for id_ in ids:
                await _fate(rig, id_, "unknown")
            for nth in meant:
                await _report(simulator, nth, "DELIVRD")
            words = [(await rig.fate(id_, "unknown", "delivered")).word for id_ in ids]
            assert sorted(words) == ["delivered", *["unknown"] * 4]
            assert await rig.store.orphans() == 0
    total, _ = recount_with_texts(log)
    assert total.submits == 10


@pytest.mark.parametrize(
    ("carrier", "more", "words"),
    [
        (SGIP, {}, "sequence"),
        (CMPP, {"src_id": "1" * 18}, "too long"),
        (SMGP, {"src_term_id": "1" * 18}, "too long"),
        (SMPP, {"source_addr": "+" + "1" * 16}, "too long"),
        (SMPP, {"source_addr": "POLICE"}, "access number"),
        (SMPP, {"source_addr": ""}, "access number"),
    ],
)
def test_an_extension_that_cannot_be_is_refused(
    carrier: Carrier, more: dict[str, Any], words: str
) -> None:
    settings = {"name": "sms", "host": "127.0.0.1", "port": 1} | carrier.settings | more
    carrier.config(**settings)
    with pytest.raises(ValidationError, match=words):
        carrier.config(**settings, extension_digits=4)
