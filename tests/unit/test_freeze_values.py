"""What a freeze request is made of: strict shapes, safe repr, findings that say what to do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fzalert.freeze import checks
from fzalert.freeze.checks import Severity
from fzalert.freeze.values import (
    Account,
    AccountKind,
    IdType,
    Transfer,
    Victim,
    mask_name,
    mask_number,
)
from tests.unit.freezing import CARD, START, VICTIM, account, transfer


def codes(found: tuple[checks.Finding, ...]) -> list[tuple[str, Severity]]:
    return [(finding.code, finding.severity) for finding in found]


def test_a_right_account_has_no_finding() -> None:
    assert checks.check_account(account()) == ()
    assert checks.check_victim(VICTIM) == ()
    assert checks.check_transfer(transfer(), START) == ()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"number": "6222021234567890129"}, [("card-check-digit", Severity.ERROR)]),
        ({"number": "622202"}, [("card-shape", Severity.ERROR)]),
        ({"number": "0" * 16}, [("card-prefix-unknown", Severity.WARNING)]),
        ({"bank_name": "中国银行"}, [("card-bank-differs", Severity.WARNING)]),
        ({"bank_name": "中国工商银行股份有限公司青山县支行"}, []),
        ({"bank_name": "工商银行"}, []),
        ({"bank_code": "102100099997"}, [("bank-code-check-digit", Severity.ERROR)]),
        ({"bank_code": ""}, [("bank-missing", Severity.ERROR)]),
        # Not a card: no Luhn digit, whatever it looks like.
        ({"kind": AccountKind.CORPORATE, "number": "6222021234567890129"}, []),
        ({"kind": AccountKind.PASSBOOK, "number": "12345678_01"}, []),
        ({"kind": AccountKind.PASSBOOK, "number": "1234567"}, [("account-shape", Severity.ERROR)]),
        (
            {"kind": AccountKind.PAYMENT, "number": "a@b.example", "bank_code": ""},
            [("institution-missing", Severity.ERROR)],
        ),
        (
            {
                "kind": AccountKind.PAYMENT,
                "number": "2088123",
                "bank_code": "",
                "institution": "alipay",
            },
            [],
        ),
    ],
)
def test_findings_of_an_account(
    changes: dict[str, object], expected: list[tuple[str, Severity]]
) -> None:
    values = {**account().model_dump(), **changes}
    found = checks.check_account(Account.model_validate(values))
    assert codes(found) == expected
    for finding in found:
        assert finding.field.startswith("account.")
        assert finding.zh
        assert finding.en


def test_findings_of_people_and_transfers() -> None:
    wrong = VICTIM.model_copy(update={"id_number": "110105194912310021"})
    assert codes(checks.check_victim(wrong)) == [("id-check-digit", Severity.ERROR)]
    lower = VICTIM.model_copy(update={"id_number": "11010519491231002x"})
    assert checks.check_victim(lower) == ()
    abolished = VICTIM.model_copy(update={"id_number": "990105194912310023"})
    assert codes(checks.check_victim(abolished)) == [("id-area-unknown", Severity.WARNING)]
    company = VICTIM.model_copy(
        update={"id_type": IdType.CREDIT_CODE, "id_number": "91350100M000100Y44"}
    )
    assert codes(checks.check_victim(company)) == [("credit-code", Severity.ERROR)]
    foreigner = VICTIM.model_copy(update={"id_type": IdType.PASSPORT, "id_number": "E1234"})
    assert checks.check_victim(foreigner) == ()
    old = transfer(at=START - timedelta(days=31))
    assert codes(checks.check_transfer(old, START)) == [("transfer-old", Severity.WARNING)]
    ahead = transfer(at=START + timedelta(seconds=1))
    assert codes(checks.check_transfer(ahead, START)) == [("transfer-future", Severity.ERROR)]
    bare = transfer().model_copy(update={"serials": ()})
    assert codes(checks.check_transfer(bare, START)) == [("transfer-serial", Severity.WARNING)]


@pytest.mark.parametrize("amount", ["0", "-1", "0.001", "NaN", "Infinity", "1e20"])
def test_amounts_that_are_none(amount: str) -> None:
    with pytest.raises(ValidationError):
        transfer(amount)


def test_a_time_has_a_zone() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        Transfer(from_account=CARD, amount=Decimal(1), at=datetime(2026, 11, 24, 9))  # noqa: DTZ001


def test_an_error_never_repeats_what_it_refuses() -> None:
    with pytest.raises(ValidationError) as caught:
        Victim(name="张三\n", id_number="11010519491231002X", phone="call 13800138000")
    assert "13800138000" not in str(caught.value)
    assert "张三" not in str(caught.value)
    with pytest.raises(ValidationError, match="Extra inputs"):
        Account.model_validate({**account().model_dump(), "pin": "1234"})


def test_accounts_are_equal_by_institution_and_number() -> None:
    assert account().key == account(name="another").key
    assert account().key != account(bank_code="103100000026").key


@given(st.text(max_size=60))
def test_a_mask_shows_ten_characters_at_most(text: str) -> None:
    assert len(mask_number(text)) == len(text)
    hidden = sum(one != other for one, other in zip(text, mask_number(text), strict=True))
    starred = mask_number(text).count("*")
    assert len(text) - starred <= 10 or text.count("*") > 0
    assert hidden <= starred
    assert mask_name(text)[1:].strip("*") == ""


def test_masks() -> None:
    assert mask_number(CARD) == "622202*********0128"
    assert mask_number("12345678") == "123***78"
    assert mask_number("1234567") == "*******"
    assert mask_name("张三丰") == "张**"
    assert mask_name("张") == "张*"
    assert mask_name("") == ""
    for value in (account(), VICTIM, transfer()):
        for secret in (CARD, "11010519491231002X", "13800138000", "李四", "张三"):
            assert secret not in f"{value} {value!r}"


def test_a_zone_is_kept() -> None:
    at = datetime(2026, 11, 24, 17, 0, tzinfo=UTC)
    assert transfer(at=at).at == at
