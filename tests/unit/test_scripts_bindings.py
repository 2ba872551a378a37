"""Vendors' templates: which text binds, and in whose notation."""

from typing import Any

import pytest

from fzalert.errors import ConfigError, InputError
from fzalert.scripts import (
    VENDORS,
    Library,
    Placeholders,
    ScriptSettings,
    Vendor,
    VendorTable,
    VendorTemplate,
    bind,
    to_vendor,
)

HOLD = Library.load().get("urgent-victim-bank")
SETTINGS = ScriptSettings(names={"branch": frozenset({"城关支行", "中国邮政储蓄银行昭觉支行"})})
VALUES: dict[str, str | int] = {"last4": "1234", "branch": "城关支行", "amount": 5}
TEXT = "您尾号{last4}账户一笔转账已暂缓。请带身份证到{branch}核实，或等柜员联系。"


def template(**more: Any) -> VendorTemplate:
    given: dict[str, Any] = {"variables": ("last4", "branch"), **more}
    return VendorTemplate("T1", HOLD.key, **given)


@pytest.mark.parametrize(
    ("vendor", "filed", "values"),
    [
        ("aliyun", "尾号${tail}账户", (("tail", "1234"), ("branch", "城关支行"))),
        ("tencent", "尾号{1}账户", (("1", "1234"), ("2", "城关支行"))),
        ("huawei", "尾号${1}账户", (("1", "1234"), ("2", "城关支行"))),
        ("yunpian", "尾号#tail#账户", (("tail", "1234"), ("branch", "城关支行"))),
        ("yunxin", "尾号%s账户", (("1", "1234"), ("2", "城关支行"))),
    ],
)
def test_each_vendor_gets_its_own_notation_and_order(
    vendor: str, filed: str, values: tuple[tuple[str, str], ...]
) -> None:
    entry = template(names=(("last4", "tail"),))
    assert HOLD.languages["zh"].sms == TEXT
    assert filed in to_vendor(TEXT, entry, VENDORS[vendor])
    binding = bind(HOLD, VendorTable(VENDORS[vendor], [entry]), VALUES, settings=SETTINGS)
    assert binding is not None
    assert binding.template == "T1"
    assert binding.values == values


def test_the_vendors_order_is_the_bindings_business() -> None:
    entry = template(variables=("branch", "last4"))
    table = VendorTable(VENDORS["tencent"], [entry])
    binding = bind(HOLD, table, VALUES, settings=SETTINGS)
    assert binding is not None
    assert binding.values == (("1", "城关支行"), ("2", "1234"))
    assert to_vendor(TEXT, entry, VENDORS["tencent"]).startswith("您尾号{2}账户")
    # Yunxin's %s has no number, so another order cannot be told from the text.
    assert bind(HOLD, VendorTable(VENDORS["yunxin"], [entry]), VALUES, settings=SETTINGS) is None


@pytest.mark.parametrize(
    "entry",
    [
        template(variables=("last4",)),
        template(variables=("last4", "branch", "amount")),
        template(approved=False),
        template(digest="0" * 64),
        template(rendition="sms_long"),
        template(language="en", rendition="sms"),
        VendorTemplate("T1", "urgent-victim-bank/general/2", variables=("last4", "branch")),
    ],
    ids=["fewer", "more", "not approved", "changed", "other text", "no text", "other version"],
)
def test_what_was_not_approved_as_it_stands_does_not_bind(entry: VendorTemplate) -> None:
    table = VendorTable(VENDORS["aliyun"], [entry])
    assert bind(HOLD, table, VALUES, settings=SETTINGS) is None


def test_the_filed_digest_binds() -> None:
    table = VendorTable(VENDORS["aliyun"], [template(digest=HOLD.digest)])
    assert bind(HOLD, table, VALUES, settings=SETTINGS) is not None


def test_a_value_that_the_vendor_would_refuse_does_not_bind() -> None:
    values = {**VALUES, "branch": "中国邮政储蓄银行昭觉支行"}
    assert len(str(values["branch"])) == 12
    strict = Vendor("strict", Placeholders.NUMBER, 11)
    assert bind(HOLD, VendorTable(strict, [template()]), values, settings=SETTINGS) is None
    picky = Vendor("picky", Placeholders.NUMBER, None, "邮")
    assert bind(HOLD, VendorTable(picky, [template()]), values, settings=SETTINGS) is None
    assert bind(HOLD, VendorTable(picky, [template()]), VALUES, settings=SETTINGS) is not None


def test_a_missing_value_does_not_bind_and_a_wrong_one_is_an_error() -> None:
    table = VendorTable(VENDORS["aliyun"], [template()])
    assert bind(HOLD, table, {"last4": "1234"}, settings=SETTINGS) is None
    with pytest.raises(InputError):
        bind(HOLD, table, {**VALUES, "last4": "12345"}, settings=SETTINGS)


def test_a_table_with_two_templates_for_a_text_or_an_unknown_variable_is_refused() -> None:
    with pytest.raises(ConfigError, match="two templates"):
        VendorTable(VENDORS["aliyun"], [template(), template()])
    with pytest.raises(ConfigError, match="is no variable"):
        VendorTable(VENDORS["aliyun"], [template(variables=("name",))])
