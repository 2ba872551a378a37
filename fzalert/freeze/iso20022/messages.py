"""Reading and writing ISO 20022 messages by the generated models, and holding them to the limits.

The models carry the schema's limits as metadata and do not hold anybody to them, so every message
is checked here, whichever way it goes. What comes in is hostile until it is read: one encoding, no
document type, no entities, a limit on size and depth.
"""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from fzalert.errors import ConfigError, InputError

if TYPE_CHECKING:
    from lxml.etree import _Element

__all__ = ["LARGEST", "flaws", "parse", "write"]

LARGEST = 262_144
"""Most bytes of a message that is read."""
_DEEPEST = 40
_ENCODING = re.compile(rb"^(?:\xef\xbb\xbf)?\s*<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._\-]+)")
T = TypeVar("T")


def need_libraries() -> None:
    """Raises `ConfigError` where the extra is not installed."""
    try:
        import lxml.etree
        import pyiso20022
        import xsdata
    except ImportError as error:
        raise ConfigError(
            f"The library {error.name} is not installed.",
            hint="Install the extra: pip install 'fzalert[iso20022]'.",
        ) from None
    del lxml, pyiso20022, xsdata


def write(document: object, namespace: str) -> bytes:
    """Write a message.

    Raises:
        InputError: It does not keep the schema's limits; the text names the first field.
    """
    from xsdata.formats.dataclass.serializers import XmlSerializer
    from xsdata.formats.dataclass.serializers.config import SerializerConfig

    _hold(document)
    text = XmlSerializer(config=SerializerConfig(indent="  ")).render(
        document, ns_map={None: namespace}
    )
    return text.encode()


def parse(xml: bytes, model: type[T], namespace: str) -> T:
    """Read a message strictly.

    Args:
        xml: As it came.
        model: The generated class of its document.
        namespace: Of the one version that is read.

    Raises:
        InputError: It is too large, hostile, no XML, another message, or breaks a limit.
    """
    from xsdata.exceptions import ConverterWarning, ParserError
    from xsdata.formats.dataclass.parsers import XmlParser
    from xsdata.formats.dataclass.parsers.config import ParserConfig
    from xsdata.formats.dataclass.parsers.handlers import LxmlEventHandler

    root = _root(xml)
    if root.tag != f"{{{namespace}}}Document":
        raise InputError(
            f"The message is not {namespace.rpartition(':')[2]}.",
            hint="Only this version is read; ask the sender for it.",
            field="xml",
        )
    config = ParserConfig(
        fail_on_unknown_properties=True,
        fail_on_unknown_attributes=True,
        fail_on_converter_warnings=True,
    )
    try:
        found = XmlParser(config=config, handler=LxmlEventHandler).parse(root, model)
    except (ParserError, ConverterWarning, ValueError, TypeError, ArithmeticError) as error:
        raise InputError(
            f"The message does not fit its schema ({type(error).__name__}).", field="xml"
        ) from None
    _hold(found)
    return found


def _root(xml: bytes) -> _Element:
    from lxml import etree

    if len(xml) > LARGEST:
        raise InputError(f"The message is longer than {LARGEST // 1024} KiB.", field="xml")
    declared = _ENCODING.match(xml)
    if declared is not None and declared[1].upper() not in {b"UTF-8", b"UTF8", b"US-ASCII"}:
        raise InputError("The message is not written in UTF-8.", field="xml")
    try:
        text = xml.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("The message is not written in UTF-8.", field="xml") from None
    # With one encoding only, these words are the only way to a document type or an entity.
    if "\x00" in text or "<!doctype" in text.lower() or "<!entity" in text.lower():
        raise InputError(
            "The message declares a document type or an entity; such are not read.", field="xml"
        )
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(text.encode(), parser)
    except (etree.XMLSyntaxError, ValueError):
        raise InputError("The message is no well-formed XML.", field="xml") from None
    if _depth(root) > _DEEPEST:
        raise InputError("The message is nested too deep.", field="xml")
    return root


def _depth(root: _Element) -> int:
    from lxml import etree

    deepest = depth = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        deepest = max(deepest, depth)
    return deepest


def _hold(document: object) -> None:
    for place, why in flaws(document):
        raise InputError(f"The message breaks its schema at {place}: {why}.", field=place)


def flaws(value: object, place: str = "Document") -> Iterator[tuple[str, str]]:
    """What breaks the limits that the generated models carry: path and reason, no value.

    A class whose name ends in `Choice` holds exactly one of its fields.
    """
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return
    fields = dataclasses.fields(value)
    if "Choice" in type(value).__name__:
        chosen = [one for one in fields if getattr(value, one.name) not in (None, [])]
        if len(chosen) != 1:
            yield place, f"exactly one of its fields has to be there, not {len(chosen)}"
    for one in fields:
        metadata = one.metadata
        name = str(metadata.get("name", one.name))
        held: Any = getattr(value, one.name)
        if isinstance(held, list):
            if len(held) < metadata.get("min_occurs", 0):
                yield f"{place}/{name}", "it is missing"
            if len(held) > metadata.get("max_occurs", len(held)):
                yield f"{place}/{name}", "it is there too often"
            each = [(f"{place}/{name}[{number}]", item) for number, item in enumerate(held, 1)]
        else:
            if held is None and metadata.get("required"):
                yield f"{place}/{name}", "it is missing"
            each = [(f"{place}/{name}", held)]
        for where, item in each:
            yield from _simple(item, where, metadata)
            yield from flaws(item, where)


def _simple(item: object, place: str, limits: Any) -> Iterator[tuple[str, str]]:
    if isinstance(item, str) and not isinstance(item, enum.Enum):
        if len(item) < limits.get("min_length", 0):
            yield place, "it is empty"
        if len(item) > limits.get("max_length", len(item)):
            yield place, f"it is longer than {limits['max_length']} characters"
        pattern = limits.get("pattern")
        if pattern and re.fullmatch(pattern, item) is None:
            yield place, "it has another shape"
    elif isinstance(item, Decimal):
        yield from _number(item, place, limits)


def _number(item: Decimal, place: str, limits: Any) -> Iterator[tuple[str, str]]:
    digits, exponent = item.as_tuple().digits, item.as_tuple().exponent
    if not isinstance(exponent, int):
        yield place, "it is no number"
        return
    least = limits.get("min_inclusive")
    if least is not None and item < least:
        yield place, f"it is less than {least}"
    if max(0, -exponent) > limits.get("fraction_digits", 99):
        yield place, "it has too many decimals"
    if max(len(digits), -exponent) + max(0, exponent) > limits.get("total_digits", 99):
        yield place, "it has too many digits"
