"""Every guard of the shipped policy: it refuses, says why, and stops refusing without its line."""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

import fzalert
from fzalert.access import Role
from fzalert.freeze import commands as c
from fzalert.freeze.decide import Refusals
from fzalert.freeze.model import InstructionKind, MeasureState
from fzalert.freeze.next_steps import NEXT_STEPS, next_steps
from fzalert.freeze.policy import GUARDS, Policy, load_policy
from fzalert.freeze.results import Grade
from fzalert.freeze.values import CaseReport, Rank
from tests.unit.freezing import CARD, OFFICERS, REPORT, VICTIM, World, account, transfer

KIND = InstructionKind
Scene = Callable[[World], c.Command]


def role(w: World) -> c.Command:
    return c.OpenCase(replace(w.author, roles=frozenset({Role.VIEWER})), REPORT, VICTIM)


def step_up(w: World) -> c.Command:
    w.opened()
    w.do(w.prepare())
    return c.Approve(replace(w.second, proved_at=w.now - timedelta(minutes=6)), "m1")


def daily_limit(w: World) -> c.Command:
    w.opened()
    return w.prepare(by=replace(w.author, today=50))


def daily_sends(w: World) -> c.Command:
    w.opened()
    w.do(w.prepare())
    w.do(c.Approve(w.second, "m1"))
    return c.MarkSent(replace(w.second, sent_today=100), "m1", "bank-https")


def clean(w: World) -> c.Command:
    w.opened()
    w.do(c.AddAccount(w.author, "m2", account(CARD[:-1] + "9"), (transfer(),)))
    return w.prepare(measure="m2")


def duplicate(w: World) -> c.Command:
    w.opened()
    w.do(c.AddAccount(w.author, "m2", account(), (transfer(),)))
    return w.prepare(measure="m2")


def protected(w: World) -> c.Command:
    w.opened()
    w.do(
        c.AddAccount(
            w.author, "m2", account("6222021234567890136", protected="never"), (transfer(),)
        )
    )
    return w.prepare(measure="m2")


def protected_whole(w: World) -> c.Command:
    w.opened()
    whole = {**w.freeze_terms(), "mode": "02", "necessity": "全部为涉案资金"}
    w.do(
        c.AddAccount(
            w.author, "m2", account("6222021234567890136", protected="not_whole"), (transfer(),)
        )
    )
    return w.prepare(KIND.FREEZE, "m2", terms=whole)


def two_officers(w: World) -> c.Command:
    w.do(c.OpenCase(w.author, REPORT, VICTIM))
    return c.NameOfficers(w.author, OFFICERS[:1])


def second_person(w: World) -> c.Command:
    w.opened()
    w.do(w.prepare())
    return c.Approve(w.author, "m1")


def documents(w: World) -> c.Command:
    w.opened(papers=False)
    w.do(w.prepare())
    return c.Approve(w.second, "m1")


def reason(w: World) -> c.Command:
    w.stopped()
    return w.prepare(KIND.RELEASE, reason=" ")


def stop_count(w: World) -> c.Command:
    w.stopped()
    w.later(hours=40)
    w.sent(KIND.EXTEND)
    w.do(w.receipt())
    w.later(hours=10)
    return w.prepare(KIND.EXTEND)


def in_force(w: World) -> c.Command:
    w.stopped()
    w.later(hours=49)
    return w.prepare(KIND.EXTEND)


def _freeze(w: World, *, filed: bool = True, money: str | None = None, **terms: object) -> None:
    w.stopped()
    if filed:
        w.filed(money)
    w.do(w.prepare(KIND.FREEZE, terms={**w.freeze_terms(), **terms}))


def filed(w: World) -> c.Command:
    _freeze(w, filed=False)
    return c.Approve(w.second, "m1")


def legal_basis(w: World) -> c.Command:
    _freeze(w)
    assert w.case is not None
    assert w.case.filing is not None
    # A stream of an older release may hold a filing without one.
    w.case = replace(w.case, filing=w.case.filing.model_copy(update={"legal_basis": ()}))
    return c.Approve(w.second, "m1")


def amount(w: World) -> c.Command:
    _freeze(w, amount="50000.01")
    return c.Approve(w.second, "m1")


def period(w: World) -> c.Command:
    _freeze(w, end=w.now + timedelta(days=185))
    return c.Approve(w.second, "m1")


def rank(w: World) -> c.Command:
    _freeze(w)
    return c.Approve(replace(w.second, rank=Rank.STATION), "m1")


def whole_reason(w: World) -> c.Command:
    _freeze(w, mode="02")
    return c.Approve(w.second, "m1")


def mass(w: World) -> c.Command:
    w.opened()
    w.do(c.AddAccount(w.author, "m2", account("6222021234567890136"), (transfer("2000000.01"),)))
    w.filed()
    w.do(w.prepare(KIND.FREEZE, "m2", terms=w.freeze_terms("2000000.01")))
    return c.Approve(w.second, "m2")


def online(w: World) -> c.Command:
    _freeze(w, offline="无")
    return c.Approve(w.second, "m1")


def duty_phone(w: World) -> c.Command:
    _freeze(w)
    assert w.case is not None
    w.case = replace(w.case, duty=None)
    return c.Approve(w.second, "m1")


def legal_review(w: World) -> c.Command:
    w.frozen()
    w.later(days=150)
    return w.prepare(KIND.RENEW, terms=w.freeze_terms(days=200))


def local_police(w: World) -> c.Command:
    _freeze(w, offline="该机构尚未接入平台")
    w.facts = replace(w.facts, prefectures={account().desk: "4403"})
    return c.Approve(w.second, "m1")


def same_rank(w: World) -> c.Command:
    w.frozen()
    w.do(w.prepare(KIND.RELEASE))
    return c.Approve(w.second, "m1")


def package(w: World) -> c.Command:
    w.opened()
    w.do(w.prepare())
    w.do(c.Approve(w.second, "m1"))
    w.facts = replace(w.facts, package_sha256="cd" * 32)
    return c.MarkSent(w.system, "m1", "bank-https")


def recipient(w: World) -> c.Command:
    w.opened()
    w.do(w.prepare())
    w.do(c.Approve(w.second, "m1"))
    w.facts = replace(w.facts, desks=frozenset())
    return c.MarkSent(w.system, "m1", "bank-https")


def receipt_account(w: World) -> c.Command:
    w.opened()
    w.sent()
    return w.receipt(account_number="6222021234567890136")


def receipt_proof(w: World) -> c.Command:
    w.opened()
    w.sent()
    return w.receipt(proof="")


def receipt_time(w: World) -> c.Command:
    w.opened()
    w.sent()
    return w.receipt(started_at=w.now + timedelta(minutes=3))


def not_sent(w: World) -> c.Command:
    w.opened()
    w.sent()
    return c.Cancel(w.second, "m1", "author", "报错账户")


def allocation(w: World) -> c.Command:
    w.frozen()
    shares = [{"claimant": "victim", "amount": "50000.01"}]
    return w.prepare(KIND.RETURN, terms={"method": "direct", "allocation": shares})


def notice(w: World) -> c.Command:
    w.frozen()
    shares = [{"claimant": "victim", "amount": "100.00"}]
    terms = {
        "method": "proportional",
        "allocation": shares,
        "notice_from": w.now - timedelta(days=29),
    }
    w.do(w.prepare(KIND.RETURN, terms=terms))
    return c.Approve(w.chief, "m1")


SCENES: dict[str, Scene] = {
    name.replace("_", "-"): scene
    for name, scene in list(globals().items())
    if callable(scene) and name.replace("_", "-") in GUARDS
}


def text() -> str:
    return (
        importlib.resources.files("fzalert.freeze")
        .joinpath("policies", "cn-2024.toml")
        .read_text("utf-8")
    )


def without(guard: str) -> Policy:
    """The shipped policy, the lines of one guard deleted."""
    cut = re.sub(rf"\[guards\.{guard}\]\n(?:(?!\[).+\n)+", "", text())
    assert cut != text()
    return Policy.parse(cut)


def test_every_guard_has_its_scene_and_its_text() -> None:
    assert set(SCENES) == GUARDS == set(load_policy().guards)


@pytest.mark.parametrize("guard", sorted(GUARDS))
def test_a_guard_refuses_by_its_line_alone(guard: str) -> None:
    world = World()
    before = world.no(SCENES[guard](world))
    assert guard in before
    # Nothing of the case moved.
    assert world.case is None or world.case.version == len(world.log)
    loose = World(policy=without(guard))
    command = SCENES[guard](loose)
    answer = loose.ask(command)
    assert not isinstance(answer, Refusals) or guard not in answer.guards
    assert loose.policy.missing == (guard,)


def test_every_guard_says_what_to_do_next() -> None:
    assert set(NEXT_STEPS) == GUARDS | {"state", "unknown"}
    assert all(zh and en for zh, en in NEXT_STEPS.values())
    told = next_steps(["clean", "filed", "clean"])
    assert told.count("--waive") == 2
    assert "freeze file" in told


def test_every_unmet_guard_is_named_at_once() -> None:
    world = World()
    world.stopped()
    world.do(world.prepare(KIND.FREEZE, terms={"mode": "02", "end": None}))
    guards = world.no(c.Approve(replace(world.author, proved_at=None), "m1"))
    assert {"step-up", "second-person", "rank", "filed", "whole-reason", "period"} <= set(guards)


def test_a_person_without_a_role_gets_nowhere() -> None:
    world = World()
    world.frozen()
    nobody = c.Authority("nobody", frozenset({Role.AUDITOR}))
    assert world.case is not None
    asked: list[c.Command] = [
        c.NameOfficers(nobody, OFFICERS),
        c.AddAccount(nobody, "m9", account(), (transfer(),)),
        world.prepare(KIND.RELEASE, by=nobody),
        c.FindIrrelevant(nobody, "m1", "查明与案件无关"),
        c.Correct(nobody, "m1", account(), (transfer(),), "改正"),
    ]
    for command in asked[:4]:
        assert "role" in world.no(command)
    assert world.no(asked[4]) == ("state",)


def test_a_warning_is_waived_with_a_reason_and_an_error_never() -> None:
    world = World()
    world.opened()
    wrong_bank = account("6222021234567890136", bank_name="中国银行")
    world.do(c.AddAccount(world.author, "m2", wrong_bank, (transfer(),)))
    first = world.ask(world.prepare(measure="m2"))
    assert isinstance(first, Refusals)
    assert [refusal.detail for refusal in first.refusals] == ["card-bank-differs"]
    assert world.no(world.prepare(measure="m2", waived=(("card-bank-differs", " "),)))
    world.do(world.prepare(measure="m2", waived=(("card-bank-differs", "付款行电话核实"),)))
    waived = world.measure("m2").current
    assert waived is not None
    assert waived.waived == (("card-bank-differs", "付款行电话核实"),)


def test_what_was_waived_at_the_stop_is_not_asked_again_at_its_freeze() -> None:
    world = World()
    world.opened()
    living = account(protected="livelihood")
    world.do(c.Correct(world.author, "m1", living, (world.paid(),), "工资账户"))
    first = world.ask(world.prepare())
    assert isinstance(first, Refusals)
    assert [refusal.detail for refusal in first.refusals] == ["account-livelihood"]
    both = (("account-livelihood", "只止付涉案金额"), ("duplicate", "他案止付即将届满"))
    world.facts = replace(world.facts, open_elsewhere=frozenset({living.key}))
    world.do(world.prepare(waived=both))
    world.facts = replace(world.facts, open_elsewhere=frozenset())
    world.do(c.Approve(world.chief, "m1"))
    world.do(c.MarkSent(world.system, "m1", "bank-https"))
    world.do(world.receipt())
    # By then the transfer is an old one: that is new, and has to be waived.
    world.later(days=31)
    later = world.ask(world.prepare(KIND.FREEZE, terms=world.freeze_terms()))
    assert isinstance(later, Refusals)
    assert [refusal.detail for refusal in later.refusals] == ["transfer-old"]
    # What is held in another case is told again: a freeze is not a stop.
    world.later(days=-31)
    world.facts = replace(world.facts, open_elsewhere=frozenset({living.key}))
    assert world.no(world.prepare(KIND.FREEZE, terms=world.freeze_terms())) == ("duplicate",)
    world.facts = replace(world.facts, open_elsewhere=frozenset())
    world.do(world.prepare(KIND.FREEZE, terms=world.freeze_terms()))


def test_money_that_was_found_irrelevant_is_held_no_longer() -> None:
    world = World()
    world.stopped()
    world.filed()
    world.do(world.prepare(KIND.FREEZE, terms=world.freeze_terms()))
    world.do(c.FindIrrelevant(world.author, "m1", "工资"))
    assert world.no(c.Approve(world.chief, "m1")) == ("amount",)
    world.do(c.Reject(world.second, "m1", "与案件无关"))
    world.do(world.prepare(KIND.EXTEND))
    assert world.no(c.Approve(world.chief, "m1")) == ("amount",)
    world.do(c.Reject(world.second, "m1", "与案件无关"))
    world.do(world.prepare(KIND.RELEASE))
    world.do(c.Approve(world.chief, "m1"))


def test_a_future_report_or_transfer_is_refused() -> None:
    world = World()
    late = CaseReport(number="1", at=world.now + timedelta(seconds=1))
    assert world.no(c.OpenCase(world.author, late, VICTIM)) == ("clean",)
    world.opened()
    ahead = (transfer(at=world.now + timedelta(seconds=1)),)
    assert world.no(c.AddAccount(world.author, "m2", account(), ahead)) == ("clean",)


def test_what_the_graph_has_no_step_for_no_policy_allows() -> None:
    bare = Policy.parse(re.sub(r"(?s)\[guards\.role\].*", "[guards]\n", text()))
    world = World(policy=bare)
    assert world.no(world.prepare()) == ("unknown",)
    world.opened()
    assert world.no(c.Approve(world.second, "m1")) == ("state",)
    assert world.no(c.MarkSent(world.system, "m1", "paper")) == ("state",)
    assert world.no(world.prepare(KIND.RENEW)) == ("state",)
    assert world.no(world.prepare(measure="m9")) == ("unknown",)
    assert world.measure().state is MeasureState.DRAFT


def test_a_telephone_answer_ends_nothing() -> None:
    world = World()
    world.stopped()
    world.sent(KIND.RELEASE)
    assert world.no(world.receipt(grade=Grade.TELEPHONE)) == ("receipt-proof",)
    world.do(world.receipt(grade=Grade.AUTHENTICATED))
    assert world.measure().state is MeasureState.RELEASED


def test_a_policy_names_what_is_wrong_with_it() -> None:
    with pytest.raises(fzalert.ConfigError, match="no guard 'no-such'"):
        Policy.parse(text() + '[guards.no-such]\nzh = "一"\nen = "a"\nsource = "b"\n')
    with pytest.raises(fzalert.ConfigError, match=r"limits\.stop_hours\.value"):
        Policy.parse(text().replace("value = 48", 'value = "soon"'))
    with pytest.raises(fzalert.ConfigError, match="at line 1"):
        Policy.parse("name = =")
    with pytest.raises(fzalert.ConfigError, match="no limit 'nothing'"):
        load_policy().limit("nothing")
    with pytest.raises(fzalert.ConfigError, match="No policy"):
        load_policy("xx")
