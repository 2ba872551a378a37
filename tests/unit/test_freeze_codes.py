"""Check digits and tables behind a freeze request, against numbers that others published."""

import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fzalert.freeze import codes
from fzalert.freeze.codes import Flaw


@pytest.mark.parametrize(
    ("number", "flaw"),
    [
        ("6222021234567890128", None),
        ("6222021234567890129", Flaw.CHECK_DIGIT),
        ("6222012234567890128", Flaw.CHECK_DIGIT),
        ("622202", Flaw.SHAPE),
        ("622202123456789012x", Flaw.SHAPE),
        ("６222021234567890128", Flaw.SHAPE),
    ],
)
def test_cards(number: str, flaw: Flaw | None) -> None:
    assert codes.card_flaw(number) is flaw


@given(st.text("0123456789", min_size=12, max_size=18))
def test_every_card_has_one_right_last_digit(body: str) -> None:
    right = [digit for digit in "0123456789" if codes.card_flaw(body + digit) is None]
    assert len(right) == 1


@pytest.mark.parametrize(
    ("number", "flaw"),
    [
        # The example of GB 11643.
        ("11010519491231002X", None),
        ("110105194912310021", Flaw.CHECK_DIGIT),
        ("110105202302300024", Flaw.DATE),
        # A well-formed number of a county that the table does not have.
        ("990105194912310023", Flaw.AREA),
        ("119999194912310021", Flaw.AREA),
        ("11010519491231002x", Flaw.SHAPE),
        ("110105194913310021", Flaw.SHAPE),
        ("", Flaw.SHAPE),
    ],
)
def test_identity_numbers(number: str, flaw: Flaw | None) -> None:
    assert codes.id_card_flaw(number) is flaw


@given(st.text(max_size=20))
def test_no_text_makes_the_checks_fail(text: str) -> None:
    for check in (
        codes.card_flaw,
        codes.id_card_flaw,
        codes.credit_code_flaw,
        codes.bank_code_flaw,
    ):
        assert check(text) is None or isinstance(check(text), Flaw)


def test_credit_codes_and_bank_codes() -> None:
    assert codes.credit_code_flaw("91350100M000100Y43") is None
    assert codes.credit_code_flaw("91350100M000100Y44") is Flaw.CHECK_DIGIT
    assert codes.credit_code_flaw("9135") is Flaw.SHAPE
    # Published head-office codes of five banks.
    for code in ("102100099996", "103100000026", "104100000004", "105100000017", "308584000013"):
        assert codes.bank_code_flaw(code) is None
    assert codes.bank_code_flaw("102100099997") is Flaw.CHECK_DIGIT
    assert codes.bank_code_flaw("10210009999") is Flaw.SHAPE


def test_every_head_office_has_a_right_code_and_a_bank() -> None:
    heads = codes.head_offices()
    assert heads["ICBC"] == "102100099996"
    assert len(set(heads.values())) == len(heads) >= 25
    for bank, code in heads.items():
        assert codes.bank_code_flaw(code) is None, bank
        assert codes.bank_name_of(bank), bank


def test_the_longest_prefix_names_the_bank() -> None:
    issuer = codes.issuer_of("6222021234567890128")
    assert issuer is not None
    assert (issuer.bank, issuer.name, issuer.weak) == ("ICBC", "中国工商银行", False)
    weak = codes.issuer_of("103" + "0" * 16)
    assert weak is not None
    assert weak.weak
    assert codes.issuer_of("0" * 19) is None


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("50000.00", "伍万元整"),
        ("1234567.89", "壹佰贰拾叁万肆仟伍佰陆拾柒元捌角玖分"),
        ("100200.05", "壹拾万零贰佰元零伍分"),
        ("0.05", "伍分"),
    ],
)
def test_amounts_in_words(amount: str, words: str) -> None:
    assert codes.amount_in_words(Decimal(amount)) == words


def test_amounts_in_words_read_back() -> None:
    import cn2an

    dice = random.Random(7)
    for _ in range(300):
        yuan = dice.randrange(1, 10 ** dice.randrange(1, 10))
        words = codes.amount_in_words(Decimal(yuan))
        assert words.endswith("元整")
        assert cn2an.cn2an(words.removesuffix("元整"), "normal") == yuan
