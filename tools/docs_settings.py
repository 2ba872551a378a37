"""Tables of settings for the manual, from each adapter's own `Config`; how a table is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fzalert.registry import Registry

__all__ = ["Rows", "code", "settings", "table"]

Rows = Iterator[Sequence[str]]


def table(head: Sequence[str], rows: Rows) -> str:
    """Write a Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def code(text: object) -> str:
    """Write something as code; nothing as a dash."""
    return f"`{text}`" if str(text) else "–"


def settings(adapter: str) -> str:
    """The settings of one adapter, tables within it after it."""
    schema = Registry.installed().adapter(adapter).Config.model_json_schema()
    defs = schema.get("$defs", {})
    parts = [table(("setting", "type", "default", "what it is"), setting_rows(schema, defs))]
    for name, field in schema["properties"].items():
        inner = field.get("items", {}).get("$ref", "").rpartition("/")[2]
        if inner and "properties" in defs[inner]:
            head = (f"in `[[channel.{name}]]`", "type", "default", "what it is")
            parts.append(table(head, setting_rows(defs[inner], defs)))
        single = _table_of(field)
        if single and "properties" in defs[single]:
            head = (f"in `[channel.{name}]`", "type", "default", "what it is")
            parts.append(table(head, setting_rows(defs[single], defs)))
    return "\n\n".join(parts)


def _table_of(field: Mapping[str, Any]) -> str:
    """The definition of a setting that is one table of its own; empty where it is none."""
    found: str = next(
        (one["$ref"] for one in (field, *field.get("anyOf", ())) if "$ref" in one), ""
    )
    return found.rpartition("/")[2]


def setting_rows(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> Rows:
    """One row a setting of one table."""
    required = set(schema.get("required", ()))
    for name, field in schema["properties"].items():
        if name == "slot":
            continue  # the engine's, not a person's
        default = "required" if name in required else toml(field.get("default"))
        yield code(name), kind_of(field, defs), default, field.get("description", "")


TYPES = {
    "password": "secret, by reference",
    "path": "path",
    "file-path": "path",
    "time": "time of day",
    "string": "text",
    "boolean": "true or false",
    "integer": "whole number",
    "number": "number",
}


def kind_of(field: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    """Write a setting's type with its range, for people."""
    if "$ref" in field:
        return kind_of(defs[field["$ref"].rpartition("/")[2]], defs)
    if "anyOf" in field:
        return kind_of(next(one for one in field["anyOf"] if one.get("type") != "null"), defs)
    if field.get("type") == "object":
        inner = field.get("additionalProperties")
        return f"table of: {kind_of(inner, defs)}" if isinstance(inner, dict) else "table"
    if "enum" in field or "const" in field:
        return ", ".join(toml(value) for value in field.get("enum", [field.get("const")]))
    if field.get("type") == "array":
        return "tables" if "$ref" in (field.get("items") or {}) else "list of texts"
    word = TYPES.get(field.get("format", "")) or TYPES[field["type"]]
    return word + limits(field)


def limits(field: Mapping[str, Any]) -> str:
    """Write the range of a number."""
    least, most = field.get("minimum"), field.get("maximum")
    over = field.get("exclusiveMinimum")
    low = f"{least:g}" if least is not None else f"over {over:g}" if over is not None else ""
    if low and most is not None:
        return f", {low} to {most:,g}"
    return f", {low} or more" if low else ""


def toml(value: object) -> str:
    """Write a default as it would stand in the file."""
    match value:
        case None | "" | [] | ():
            return "–"
        case dict():
            return "–" if not value else f"`{value}`"
        case bool():
            return f"`{str(value).lower()}`"
        case str():
            return f'`"{value}"`'
        case list() | tuple():
            return "`[" + ", ".join(f'"{item}"' for item in value) + "]`"
        case _:
            return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"
