"""Everything that counts stands in a chain: a walk that does each thing, and looks for it."""

from __future__ import annotations

import json
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest

import fzalert
from fzalert.freeze.model import InstructionKind
from fzalert.service import Service
from fzalert.service import custody_models as custody
from fzalert.service import freeze_models as asks
from fzalert.service.contact_models import ProposeAsk, ShowAsk
from fzalert.service.models import UserChange
from fzalert.testing.house import House
from tests.e2e.test_contacts import entry
from tests.e2e.test_freeze_service import UNIT, Station
from tests.unit.freezing import BANK

PASSWORD = "four words nobody guesses"


class Record:
    """What stands in the chains, and what was looked at already."""

    def __init__(self, service: Service) -> None:
        self._store = service._open.building.store
        self._seen: set[tuple[str, int]] = set()

    async def news(self) -> list[tuple[str, dict[str, Any]]]:
        """Rows since the last call: the chain's kind (case, store) and the event."""
        found = []
        for chain, _, _ in await self._store.chains():
            for row in await self._store.evidence(chain):
                if (chain, row.seq) not in self._seen:
                    self._seen.add((chain, row.seq))
                    found.append((chain.partition("/")[0], json.loads(row.body)))
        return [(kind, event) for kind, event in found if event["what"] != "tick"]

    async def has(self, kind: str, what: str, who: str, **facts: object) -> None:
        """The last act stands there, by whom, with these facts."""
        news = await self.news()
        for chain, event in news:
            if (chain, event["what"], event["who"]) == (kind, what, who):
                assert {name: event.get(name) for name in facts} == facts
                return
        pytest.fail(f"{what} by {who} is not in {kind}: {[(k, e['what']) for k, e in news]}")


async def refused(work: Awaitable[object], *kinds: type[Exception]) -> None:
    with pytest.raises(kinds or (fzalert.AccessDenied,)):
        await work


async def test_each_act_refusal_and_login_lands_in_the_chain(tmp_path: Path) -> None:
    house = House(tmp_path, toml=UNIT)
    async with house.service() as service:
        record, station = Record(service), Station(house, service)
        admin = house.local.id
        # People.
        await station.hire()
        await record.has("store", "user.add", admin, user="ma")
        password = UserChange(action="password", name="ma", password=PASSWORD)  # type: ignore[arg-type]
        await service.change_user(password)
        await record.has("store", "user.password", admin, user="ma")
        appoint = UserChange(action="appoint", name="li", rank="county", unit="110105000000")
        await service.change_user(appoint)
        await record.has("store", "user.appoint", admin, user="li")
        # Logins, right and wrong, a step-up, a sign-out.
        cookie = await service.sign_in(PASSWORD, name="ma", address="10.0.0.1")
        await record.has("store", "session.open", "user:ma")
        cookie = await service.prove_anew(cookie, PASSWORD, address="10.0.0.1")
        await record.has("store", "session.prove", "user:ma")
        await refused(service.sign_in("wrong one", name="ma", address="10.0.0.1"))
        await record.has("store", "access.refused", admin, of="user:ma", why="wrong-password")
        await refused(service.sign_in("wrong one", name="nobody", address="10.0.0.1"))
        await record.has("store", "access.refused", admin, of="unknown", why="wrong-password")
        await refused(service.authenticate("ma.guessed"))
        await record.has("store", "access.refused", admin, of="user:ma", why="access-denied")
        await service.sign_out(cookie)
        await record.has("store", "session.end", "user:ma")
        # A case: each command by name, a refusal by its rules, one by the actor's rights.
        case = await station.opened()
        news = [event["what"] for kind, event in await record.news() if kind == "case"]
        assert len(news) >= 5
        approve = asks.ApproveAsk(case=case, measure="m1")
        await station.prepared(case)
        await record.has("case", "instruction.prepared", "user:ma", measure="m1")
        assert "second-person" in await station.refused("ma", approve)
        await record.has("case", "case.refused", "user:ma", guards=["second-person"])
        await refused(station.ask("he", asks.ShowAsk(case=case)))
        await record.has("case", "access.refused", "user:he", of="user:he", act="show")
        await refused(service.freeze(asks.BundleAsk(case=case), house.local))
        await record.has("case", "access.refused", admin, act="bundle")
        await station.change("zhao", approve)
        await record.has("case", "instruction.approved", "user:zhao", measure="m1")
        await station.ask("li", asks.SendAsk(case=case))
        await record.has("case", "instruction.sent", "user:li", measure="m1")
        await station.change("ma", station.receipt(case))
        await record.has("case", "instruction.answered", "user:ma", measure="m1")
        # What shows personal data.
        await station.ask("ma", asks.ShowAsk(case=case, reveal=True))
        await record.has("case", "case.reveal", "user:ma")
        await station.ask("ma", asks.PaperAsk(case=case, measure="m1"))
        await record.has("case", "case.export", "user:ma", exported="instruction")
        await station.ask("ma", asks.BundleAsk(case=case))
        await record.has("case", "case.export", "user:ma", exported="bundle")
        await station.prepared(case, InstructionKind.RELEASE)
        await record.has("case", "instruction.prepared", "user:ma", measure="m1")
        # The directory of desks, holds, keys.
        fax = [{"kind": "paper", "address": "010-66660001"}]
        proposed = ProposeAsk(code=BANK, desk=entry("PEM", ways=fax), reason="new")
        await service.contacts(proposed, await station.by("ma"))
        await record.has("store", "desk.propose", "user:ma", code=BANK)
        await refused(
            service.contacts(ShowAsk(code=BANK), await station.by("ma")), fzalert.InputError
        )
        await service.custody(custody.HoldAsk(case=case, reason="上诉"), await station.by("ma"))
        await record.has("case", "case.hold", "user:ma")
        await refused(service.custody(custody.RotateAsk(), await station.by("zhao")))
        await record.has("store", "access.refused", admin, of="user:zhao")
        await service.custody(custody.RotateAsk(), house.local)
        await record.has("store", "key.rotate", admin)
        await service.disable_user("he")
        await record.has("store", "user.disable", admin, user="he")
