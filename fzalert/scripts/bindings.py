"""Scripts and the templates that vendors have approved for them.

A mainland gateway sends only wording that it reviewed, with variables in its own notation. The
notation, the order and the vendor's names live here and never in a script. What does not bind is
not sent by that gateway: the caller takes another channel.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from fzalert.errors import ConfigError
from fzalert.messages import TemplateBinding
from fzalert.scripts.filling import clean
from fzalert.scripts.model import PLACEHOLDER, Script
from fzalert.scripts.readers import written
from fzalert.scripts.variables import (
    VARIABLES,
    ScriptSettings,
    Values,
    check_values,
    placeholders,
)


class Placeholders(enum.StrEnum):
    """How a vendor writes a variable in a template."""

    DOLLAR_NAME = "dollar-name"
    """`${name}`: Aliyun, Volcengine, Baidu."""
    NUMBER = "number"
    """`{1}`: Tencent."""
    DOLLAR_NUMBER = "dollar-number"
    """`${1}`: Huawei."""
    HASH_NAME = "hash-name"
    """`#name#`: Yunpian."""
    PERCENT = "percent"
    """`%s`: Yunxin."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """What a vendor's templates look like.

    Attributes:
        name: As in the configuration.
        syntax: How it writes variables.
        longest_value: Characters that a value may have; None sets no limit.
        forbidden: Characters that a value may not hold.
    """

    name: str
    syntax: Placeholders
    longest_value: int | None = None
    forbidden: str = ""


VENDORS: Mapping[str, Vendor] = {
    each.name: each
    for each in (
        Vendor("aliyun", Placeholders.DOLLAR_NAME, 35),
        Vendor("tencent", Placeholders.NUMBER, 12),
        Vendor("huawei", Placeholders.DOLLAR_NUMBER, 20, ".。'<>{}"),
        Vendor("volcengine", Placeholders.DOLLAR_NAME),
        Vendor("baidu", Placeholders.DOLLAR_NAME, None, "【】[]"),
        Vendor("yunpian", Placeholders.HASH_NAME),
        Vendor("yunxin", Placeholders.PERCENT),
    )
}


@dataclass(frozen=True, slots=True)
class VendorTemplate:
    """One approved template.

    Attributes:
        template: The vendor's code.
        script: Key of the script that it words.
        language: Language of that wording.
        rendition: `sms`, `sms_long` or `elder.sms`: which text was filed.
        variables: The script's variables in the template's order.
        names: The vendor's own names, where they differ from the script's.
        digest: Of the script when it was filed; empty takes the key's word for it.
        approved: Whether the vendor has approved it.
    """

    template: str
    script: str
    language: str = "zh"
    rendition: str = "sms"
    variables: tuple[str, ...] = ()
    names: tuple[tuple[str, str], ...] = ()
    digest: str = ""
    approved: bool = True


class _Place(NamedTuple):
    script: str
    language: str
    rendition: str


class VendorTable:
    """The templates of one vendor account."""

    def __init__(self, vendor: Vendor, templates: Iterable[VendorTemplate]) -> None:
        """Check and index the templates.

        Raises:
            ConfigError: An unknown variable, or one text bound twice.
        """
        self.vendor = vendor
        self._templates: dict[_Place, VendorTemplate] = {}
        for each in templates:
            place = _Place(each.script, each.language, each.rendition)
            unknown = [name for name in each.variables if name not in VARIABLES]
            if unknown:
                raise ConfigError(
                    f"{vendor.name} template {each.template}: {unknown[0]!r} is no variable."
                )
            if place in self._templates:
                raise ConfigError(
                    f"{vendor.name}: {each.script} {each.language} {each.rendition} has two"
                    f" templates, {self._templates[place].template} and {each.template}."
                )
            self._templates[place] = each

    def find(self, script: Script, language: str, rendition: str) -> VendorTemplate | None:
        """The approved template of a text, or None."""
        found = self._templates.get(_Place(script.key, language, rendition))
        if found is None or not found.approved or found.digest not in {"", script.digest}:
            return None
        return found


def bind(
    script: Script,
    table: VendorTable,
    values: Values,
    *,
    language: str = "zh",
    rendition: str = "sms",
    settings: ScriptSettings | None = None,
) -> TemplateBinding | None:
    """Find the vendor's template of a text and put the values into the vendor's order.

    Returns:
        The binding, or None where the vendor has none for this version of the text, where its
        variables are not those of the text, or where a value does not fit the vendor's limits.

    Raises:
        InputError: A value is wrong in itself.
    """
    settings = settings or ScriptSettings()
    checked = check_values(script, {**settings.defaults, **values}, settings)
    template = table.find(script, language, rendition)
    wording = dict(script.renditions()).get(_rendition_name(language, rendition))
    if template is None or wording is None:
        return None
    if not _same_variables(wording, template, table.vendor):
        return None
    own = dict(template.names)
    bound: list[tuple[str, str]] = []
    for number, name in enumerate(template.variables, 1):
        if name not in checked:
            return None
        text = clean(written(name, checked[name], language))
        if not _fits(text, table.vendor):
            return None
        bound.append((_vendor_name(table.vendor.syntax, own.get(name, name), number), text))
    return TemplateBinding(template=template.template, values=tuple(bound))


def to_vendor(text: str, template: VendorTemplate, vendor: Vendor) -> str:
    """A script's text in the vendor's notation: what is filed for review.

    >>> filed = VendorTemplate("1", "x-hold/general/1", variables=("branch",))
    >>> to_vendor("到{branch}核实", filed, VENDORS["huawei"])
    '到${1}核实'
    """
    own, order = dict(template.names), list(template.variables)

    def notation(match: re.Match[str]) -> str:
        name = match.group(1)
        number = order.index(name) + 1
        match vendor.syntax:
            case Placeholders.DOLLAR_NAME:
                return f"${{{own.get(name, name)}}}"
            case Placeholders.NUMBER:
                return f"{{{number}}}"
            case Placeholders.DOLLAR_NUMBER:
                return f"${{{number}}}"
            case Placeholders.HASH_NAME:
                return f"#{own.get(name, name)}#"
            case Placeholders.PERCENT:
                return "%s"

    return PLACEHOLDER.sub(notation, text)


def _same_variables(wording: str, template: VendorTemplate, vendor: Vendor) -> bool:
    if vendor.syntax is Placeholders.PERCENT:  # no name and no number: each place counts
        return tuple(PLACEHOLDER.findall(wording)) == template.variables
    return set(placeholders(wording)) == set(template.variables)


def _rendition_name(language: str, rendition: str) -> str:
    return rendition if rendition.startswith("elder.") else f"{language}.{rendition}"


def _vendor_name(syntax: Placeholders, name: str, number: int) -> str:
    if syntax in {Placeholders.DOLLAR_NAME, Placeholders.HASH_NAME}:
        return name
    return str(number)


def _fits(text: str, vendor: Vendor) -> bool:
    short = vendor.longest_value is None or len(text) <= vendor.longest_value
    return short and not any(character in vendor.forbidden for character in text)
