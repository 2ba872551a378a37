"""Values: the closed list of variables, their types, and what is refused."""

from typing import Any

import pytest

from fzalert.errors import ConfigError, InputError
from fzalert.messages import Lane, RenditionKind
from fzalert.scripts import VARIABLES, Library, Place, ScriptSettings, check_values, place_of
from fzalert.scripts.readers import count_zh, number_en, number_zh, spoken, written
from fzalert.scripts.rules import rules

SETTINGS = ScriptSettings(
    names={"branch": frozenset({"城关支行"}), "town": frozenset({"中坝镇", "e\u0301"})},
    service_numbers=frozenset({"95588"}),
    defaults={"county": "某县"},
)


def check(name: str, value: Any) -> str | int:
    script = Library.load().get("generic")
    return check_values(script, {name: value}, SETTINGS)[name]


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("branch", "城关支行", "城关支行"),
        ("town", "é", "é"),
        ("county", "某县", "某县"),
        ("hotline", "96110", "96110"),
        ("hotline", "95588", "95588"),
        ("hotline", 110, "110"),
        ("date", "2026-11-24", "2026-11-24"),
        ("month", 11, 11),
        ("case_count", 12, 12),
        ("amount", "50000", "50000.00"),
        ("amount", 50000, "50000.00"),
        ("amount", "0.5", "0.50"),
        ("last4", "0123", "0123"),
        ("time", "09:30", "09:30"),
    ],
)
def test_a_right_value_is_kept_in_its_canonical_form(
    name: str, value: str | int, kept: str | int
) -> None:
    assert check(name, value) == kept


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("branch", "不知道支行"),
        ("branch", ""),
        ("branch", "  "),
        ("branch", 3),
        ("branch", "城" * 17),
        ("branch", "城关\u202e支行"),
        ("branch", "城关\u200b支行"),
        ("branch", "城关\n支行"),
        ("branch", "城关\x00支行"),
        ("branch", "城关\ue000支行"),
        ("branch", "【城关】"),
        ("branch", "{hotline}"),
        ("hotline", "13800138000"),
        ("hotline", "10086"),
        ("date", "2026-02-30"),
        ("date", "24.11.2026"),
        ("date", 20261124),
        ("month", 13),
        ("month", "11"),
        ("case_count", -1),
        ("case_count", 10000),
        ("case_count", "12"),
        ("case_count", True),
        ("case_count", 1.5),
        ("amount", "-5"),
        ("amount", "1e9"),
        ("amount", "5.123"),
        ("amount", "１"),
        ("last4", "12345"),
        ("last4", 1234),
        ("last4", "12a4"),
        ("time", "24:00"),
        ("time", "9:30"),
    ],
)
def test_a_wrong_value_is_refused_by_field_and_never_repeated(name: str, value: object) -> None:
    with pytest.raises(InputError) as caught:
        check(name, value)
    assert caught.value.field == name
    if isinstance(value, str) and len(value) > 4:
        assert value not in str(caught.value)


@pytest.mark.parametrize("character", ["\u202e", "\u200b", "\u200d", "\ufeff", "\n", "\x7f"])
def test_even_a_configured_name_holds_nothing_that_hides(character: str) -> None:
    name = f"城关{character}支行"
    settings = ScriptSettings(names={"branch": frozenset({name})})
    with pytest.raises(InputError, match=f"U\\+{ord(character):04X}") as caught:
        check_values(Library.load().get("generic"), {"branch": name}, settings)
    assert caught.value.field == "branch"


@pytest.mark.parametrize(
    "name", ["name", "phone", "id_number", "account", "address", "teller", "victim", "__class__"]
)
def test_what_identifies_a_person_has_no_variable(name: str) -> None:
    assert name not in VARIABLES
    with pytest.raises(InputError, match="no variable"):
        check(name, "13800138000")


def test_a_value_that_no_text_uses_is_no_error() -> None:
    script = Library.load().get("generic")
    assert check_values(script, {"amount": 5, "branch": "城关支行"}, SETTINGS) == {
        "amount": "5.00",
        "branch": "城关支行",
    }


@pytest.mark.parametrize("name", ["amount", "last4"])
def test_private_variables_are_for_one_person_or_a_bank_desk(name: str) -> None:
    assert VARIABLES[name].places == {Place.SMS_ONE_TO_ONE, Place.BANK_DESK}


def test_the_time_of_a_case_is_not_for_screens_and_speakers() -> None:
    assert set(Place) - VARIABLES["time"].places == {Place.DISPLAY, Place.VOICE}


def test_a_bulk_sms_is_a_campaign() -> None:
    assert place_of(RenditionKind.SMS, Lane.URGENT) is Place.SMS_ONE_TO_ONE
    assert place_of(RenditionKind.SMS, Lane.BULK) is Place.SMS_CAMPAIGN
    assert place_of(RenditionKind.POST, Lane.URGENT).is_public


@pytest.mark.parametrize("number", ["13800138000", "+8695588", "12", "95588;1"])
def test_a_mobile_is_no_service_number(number: str) -> None:
    with pytest.raises(ConfigError):
        ScriptSettings(service_numbers=frozenset({number}))
    with pytest.raises(ConfigError):
        ScriptSettings(hotline=number)


def test_hotlines_are_those_of_the_rules_and_the_bank() -> None:
    assert SETTINGS.hotlines == rules().hotlines | {"95588"}


@pytest.mark.parametrize(
    ("name", "value", "zh", "en"),
    [
        ("hotline", "96110", "九六幺幺零", "nine six one one zero"),
        ("hotline", "110", "幺幺零", "one one zero"),
        ("case_count", 2, "两", "two"),
        ("case_count", 24, "二十四", "twenty four"),
        ("month", 11, "十一", "November"),
        ("month", 2, "二", "February"),
        ("date", "2026-11-02", "十一月二日", "November two"),
        ("branch", "第3支行", "第三支行", "第three支行"),
    ],
)
def test_values_are_said_without_digits(name: str, value: str | int, zh: str, en: str) -> None:
    assert spoken(name, value, "zh") == zh
    assert spoken(name, value, "en") == en


@pytest.mark.parametrize(
    ("name", "value", "zh", "en"),
    [
        ("date", "2026-11-02", "11月2日", "2 Nov"),
        ("month", 11, "11", "Nov"),
        ("amount", "50000.00", "50000元", "CNY 50000"),
        ("amount", "0.50", "0.50元", "CNY 0.50"),
        ("time", "09:30", "09:30", "09:30"),
    ],
)
def test_values_are_written_for_the_language(name: str, value: str | int, zh: str, en: str) -> None:
    assert written(name, value, "zh") == zh
    assert written(name, value, "en") == en


def test_money_and_time_are_never_spoken() -> None:
    for name, value in (("amount", "5.00"), ("time", "09:30")):
        with pytest.raises(ValueError, match="never spoken"):
            spoken(name, value, "zh")


def back(said: str) -> int:
    """Read a Chinese number again, by adding up, not by the rules that wrote it."""
    total, digit = 0, 0
    for character in said.replace("两", "二"):
        if character in "十百千":
            total += (digit or 1) * {"十": 10, "百": 100, "千": 1000}[character]
            digit = 0
        else:
            digit = "零一二三四五六七八九".index(character)
    return total + digit


def test_every_count_is_read_back() -> None:
    said = [number_zh(number) for number in range(10000)]
    assert [back(each) for each in said] == list(range(10000))
    assert len({count_zh(number) for number in range(10000)}) == 10000
    assert len({number_en(number) for number in range(10000)}) == 10000
    assert number_zh(2200) == "二千二百"
    assert count_zh(2200) == "两千二百"
    assert (number_zh(1010), number_zh(1005), number_zh(110)) == (
        "一千零一十",
        "一千零五",
        "一百一十",
    )
