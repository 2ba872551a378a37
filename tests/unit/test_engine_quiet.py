"""Quiet hours hold at the line too: bulk that still waits when they begin waits on."""

from pathlib import Path

from fzalert.delivery import Limits
from fzalert.messages import Lane
from fzalert.testing.engine import EngineRig, FarSide


async def test_bulk_that_waits_when_the_quiet_begins_goes_out_after_it(tmp_path: Path) -> None:
    quiet = True
    far = FarSide()
    limits = Limits(quiet=lambda now: now + 60_000 if quiet else None)
    async with EngineRig(tmp_path, far, limits=limits) as rig:
        (bulk,) = await rig.accept(lane=Lane.BULK)
        urgent = await rig.accept(3, lane=Lane.URGENT)
        await rig.fates(urgent, "sent")
        assert [written.part.lane for written in far.written] == [Lane.URGENT] * 3
        assert (await rig.fate(bulk, "queued")).word == "queued"
        quiet = False
        assert (await rig.fate(bulk, "sent", timeout=30)).word == "sent"
    assert len(far.written) == 4
