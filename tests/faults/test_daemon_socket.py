"""The daemon dies in the middle of a teller's call: an outcome, and never a second warning."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path

import pytest

from fzalert.access import Directory
from fzalert.errors import DuplicateKey
from fzalert.messages import phone
from fzalert.service.facade import Fzalert, WarningHandle
from fzalert.testing.reckoning import Reckoning
from fzalert.testing.textsite import BULK, URGENT, TextSite
from fzalert_sms.recount import Recount, recount

Reckoner = Callable[[TextSite, Iterable[str], Iterable[str]], Awaitable[tuple[Recount, Reckoning]]]
Maker = Callable[[Sequence[Path]], TextSite]
NUMBER = "13900000001"

# Python imports this first: the daemon dies when it takes the call, or when it has acted on it
# and its answer has not left.
DIES = """
import os, signal
from fzalert.service.calls import Calls

answer = Calls.answer

async def last_answer(self, request):
    dies = request.get("call") == "warn_request"
    if dies and {before!r}:
        os.kill(os.getpid(), signal.SIGKILL)
    found = await answer(self, request)
    if dies:
        os.kill(os.getpid(), signal.SIGKILL)
    return found

Calls.answer = last_answer
"""


async def _warn(fz: Fzalert, number: str = NUMBER) -> WarningHandle:
    return await fz.warn(URGENT, to=phone(number), key=f"case-{number}")


@pytest.mark.parametrize("before", [True, False], ids=["before it acts", "after it acted"])
async def test_a_call_cut_short_is_an_outcome_and_its_key_never_warns_twice(
    tmp_path: Path, make_site: Maker, reckoned: Reckoner, before: bool
) -> None:
    fragile = make_site([tmp_path])
    (tmp_path / "sitecustomize.py").write_text(DIES.format(before=before), encoding="utf-8")
    async with fragile.gateway():
        await fragile.approve()
        async with fragile.daemon() as daemon, fragile.client() as client:
            fz = Fzalert(client, Directory().local_actor(), owns_store=False)
            lost = await _warn(fz)
            assert (await daemon.ended()).code == -9
            assert not lost.accepted
            outcome = await lost.outcome(timeout=1)
            assert outcome.state == "unknown", "it may be on disk"
            assert outcome["phone"].code == "answer-lost"
            nobody = await _warn(fz)
            assert (await nobody.outcome()).state == "failed", "nothing was asked of anybody"
            assert (await nobody.outcome())["phone"].code == "not-connected"

            (tmp_path / "sitecustomize.py").unlink()
            async with fragile.daemon() as healthy:
                first, second = await _warn(fz), await _warn(fz)
                assert first.accepted
                assert second.id == first.id
                with pytest.raises(DuplicateKey):
                    await fz.warn(BULK, to=phone(NUMBER), key=f"case-{NUMBER}")
                assert [view.id for view in await client.recent(10)] == [first.id]
                await fragile.settled(lambda: _quiet(fragile))
                assert (await healthy.stop()).code == 0
    _, found = await reckoned(fragile, (), [NUMBER])
    assert found.lost == found.twice == found.open == 0
    assert found.wrong == []


def _quiet(site: TextSite) -> bool:
    found = recount(site.log)
    return found.reports_acknowledged == found.accepted + found.unanswered
