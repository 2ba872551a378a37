"""The package that a bank gets: nothing of other banks in it, one spelling, every change seen."""

from __future__ import annotations

import hashlib
import json
import subprocess
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fzalert
from fzalert.freeze import commands as c
from fzalert.freeze.model import InstructionKind
from fzalert.freeze.package import (
    DocumentKind,
    Package,
    build_package,
    package_hashes,
    read_package,
    write_package,
)
from tests.unit.freezing import CARD, VICTIM, World, account, transfer

KIND = InstructionKind
SECOND = "6228480402564890018"
"""The victim's own card: the inbound transfer shows it."""
ELSEWHERE = "6217000010001234560"


def approved(kind: InstructionKind = KIND.STOP) -> World:
    world = World()
    if kind is KIND.STOP:
        world.opened()
    elif kind in {KIND.FREEZE, KIND.EXTEND}:
        world.stopped()
    else:
        world.frozen()
    if kind is KIND.FREEZE:
        world.filed()
    other = account(ELSEWHERE, bank_code="105100000017", bank_name="中国建设银行", name="王五")
    world.do(c.AddAccount(world.author, "m2", other, (transfer("777.77"),)))
    shares = [{"claimant": "victim", "amount": "12.34"}]
    terms = {**world.freeze_terms(days=100), "method": "direct", "allocation": shares}
    if kind is KIND.RENEW:
        ends = world.measure().expires_at
        assert ends is not None
        terms |= {"legal_review": "法审1", "end": ends.replace(year=ends.year + 1, month=1)}
    world.do(world.prepare(kind, terms=terms))
    if kind is not KIND.RENEW:
        world.do(c.Approve(world.chief, "m1"))
    return world


def built(world: World, **more: object) -> Package:
    measure = world.measure()
    assert world.case is not None
    assert measure.current is not None
    instruction = measure.current
    if instruction.approved_at is None:
        instruction = replace(instruction, approved_at=world.now, approved_by="chief")
    return build_package(world.case, measure, instruction, world.policy, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", list(KIND))
def test_a_bank_gets_its_own_account_alone(kind: InstructionKind) -> None:
    body = write_package(built(approved(kind)))
    text = body.decode()
    assert CARD in text
    for foreign in (ELSEWHERE, "王五", "777.77", "中国建设银行", "105100000017"):
        assert foreign not in text
    # Of the victim only what the transfer shows: no identity number, no telephone.
    for private in (VICTIM.id_number, VICTIM.phone):
        assert private not in text
    assert read_package(body) == built(approved(kind))


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (KIND.STOP, "100101"),
        (KIND.EXTEND, "100105"),
        (KIND.FREEZE, "100201"),
        (KIND.RENEW, "100205"),
        (KIND.RELEASE, "100203"),
        (KIND.RETURN, ""),
    ],
)
def test_the_platforms_message_codes(kind: InstructionKind, code: str) -> None:
    assert built(approved(kind)).message_code == code


def test_a_lifted_stop_has_a_code_of_its_own() -> None:
    world = World()
    world.stopped()
    world.do(world.prepare(KIND.RELEASE))
    assert built(world).message_code == "100103"
    assert built(world).measure.original_application_id == "app-1"


def test_the_same_case_gives_the_same_bytes() -> None:
    one, other = (write_package(built(approved())) for _ in range(2))
    assert one == other
    value = json.loads(one)
    assert value["inflow"][0]["amount"] == "50000.00"
    assert value["measure"]["duration_hours"] == 48
    assert "null" not in one.decode()


def test_a_pre_alert_is_another_document() -> None:
    world = World()
    world.opened()
    world.do(world.prepare())
    alert = built(world, document=DocumentKind.PRE_ALERT)
    assert alert.approval is None
    assert json.loads(write_package(alert))["document"] == "pre_alert"
    assert world.case is not None
    current = world.measure().current
    assert current is not None
    with pytest.raises(fzalert.InputError, match="approval"):
        build_package(world.case, world.measure(), current, world.policy)


def test_hashes_are_those_of_openssl() -> None:
    body = write_package(built(approved()))
    sha256, sm3 = package_hashes(body)
    assert sha256 == hashlib.sha256(body).hexdigest()
    told = subprocess.run(
        ["openssl", "dgst", "-sm3", "-r"],
        input=body,
        capture_output=True,
        check=True,
    )
    assert told.stdout.split()[0].decode() == sm3


@given(at=st.integers(0), flip=st.integers(1, 255))
def test_every_changed_byte_is_seen(at: int, flip: int) -> None:
    body = bytearray(BODY)
    body[at % len(body)] ^= flip
    try:
        package = read_package(bytes(body))
    except fzalert.InputError as error:
        assert CARD not in str(error)  # noqa: PT017
    else:
        # Another letter in a free text is another package, with another hash.
        assert package_hashes(write_package(package))[0] != package_hashes(BODY)[0]


BODY = write_package(built(approved()))


def test_another_spelling_is_no_package() -> None:
    with pytest.raises(fzalert.InputError, match="canonical"):
        read_package(BODY + b"\n")
    with pytest.raises(fzalert.InputError, match="canonical"):
        read_package(json.dumps(json.loads(BODY), ensure_ascii=False).encode())
    with pytest.raises(fzalert.InputError, match="document"):
        read_package(b"{}")
    with pytest.raises(fzalert.InputError):
        read_package(b"\xff")


def test_a_return_says_how_much_in_all() -> None:
    package = built(approved(KIND.RETURN))
    assert package.measure.amount == Decimal("12.34")
    assert package.measure.kind == "return"
