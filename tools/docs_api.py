"""The reference of a module's public names as Markdown, from signatures and docstrings."""

from __future__ import annotations

import ast
import enum
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from types import ModuleType
from typing import Any

__all__ = ["first_sentence", "public", "reference"]

SECTION = re.compile(r"^(Args|Returns|Yields|Raises|Attributes|Source|Example|Note):(.*)$")
ENTRY = re.compile(r"^(\*{0,2}[\w.]+)(?: \([^)]*\))?: (.*)$")


def public(module: str) -> dict[str, Any]:
    """The names that a module exports, with what they are, in the order of the alphabet."""
    home = importlib.import_module(module)
    return {name: getattr(home, name) for name in sorted(home.__all__, key=str.casefold)}


def first_sentence(thing: object) -> str:
    """What something is, in the first line of its docstring."""
    text = inspect.getdoc(thing) or ""
    return " ".join(text.partition("\n\n")[0].split())


def reference(module: str) -> str:
    """Write the reference of a module."""
    return "\n\n".join(part for name, thing in public(module).items() for part in of(name, thing))


def of(name: str, thing: Any) -> Iterator[str]:
    """Write one public name."""
    yield "### " + name.replace("__", r"\_\_")
    if isinstance(thing, ModuleType):
        yield prose(first_sentence(thing))
    elif inspect.isclass(thing) and not thing.__module__.startswith("fzalert"):
        yield f"Of another library: `{thing.__module__}.{thing.__qualname__}`."
    elif inspect.isclass(thing):
        yield from of_class(name, thing)
    elif inspect.isfunction(thing):
        yield signature(name, thing)
        yield prose(inspect.getdoc(thing) or "")
    else:  # an alias or a constant has no docstring of its own
        yield f"`{getattr(thing, '__supertype__', thing)!r}`"


def of_class(name: str, kind: type[Any]) -> Iterator[str]:
    """Write a class: what it is, its fields or members, what can be called on it."""
    is_enum = issubclass(kind, enum.Enum)
    is_plain = is_enum or issubclass(kind, BaseException) or getattr(kind, "_is_protocol", False)
    if not is_plain and "__init__" in vars(kind):
        yield signature(name, kind)
    yield prose(inspect.getdoc(kind) or "")
    rows = list(fields(kind))
    if rows:
        yield "| member | meaning |\n|---|---|\n" + "\n".join(
            f"| `{one}` | {words} |" for one, words in rows
        )
    for method, value in vars(kind).items():
        is_open = method == "__getitem__" or not method.startswith("_")
        inner = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if not is_open or not inspect.isfunction(inner) or not inner.__doc__:
            continue
        yield f"#### {name}.{method}"
        if not isinstance(value, property):
            yield signature(method, inner)
        yield prose(inspect.getdoc(inner) or "")


def fields(kind: type[Any]) -> Iterator[tuple[str, str]]:
    """The fields of a data class or the members of an enumeration, each with its sentence."""
    try:
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    except (OSError, TypeError, SyntaxError):
        return
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    for one, after in zip(body, [*body[1:], None], strict=True):
        words = ""
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            words = " ".join(str(after.value.value).split())
        match one:
            case ast.AnnAssign(target=ast.Name(name), annotation=annotation):
                shown = f"{name}: {ast.unparse(annotation)}"
            case ast.Assign(targets=[ast.Name(name)], value=value):
                shown = f"{name} = {ast.unparse(value)}"
            case _:
                continue
        if not name.startswith("_"):
            yield shown.replace("|", "\\|"), words.replace("|", "\\|") or "–"


def signature(name: str, thing: Any) -> str:
    """Write how something is called."""
    told = inspect.signature(thing)
    if "self" in told.parameters:
        told = told.replace(
            parameters=[one for one in told.parameters.values() if one.name != "self"]
        )
    word = "async def" if inspect.iscoroutinefunction(thing) else "def"
    if inspect.isclass(thing):
        word, told = "class", told.replace(return_annotation=inspect.Signature.empty)
    line = f"{word} {name}{told}".replace("'", "")
    if len(line) > 88:
        inside = ",\n    ".join(str(one).replace("'", "") for one in split(told))
        _, _, end = str(told).rpartition(")")
        line = f"{word} {name}(\n    {inside},\n){end}".replace("'", "")
    return f"```text\n{line}\n```"


def split(told: inspect.Signature) -> Iterator[str]:
    """The parameters of a signature as they are written, the star among them."""
    starred = False
    for one in told.parameters.values():
        if one.kind is one.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        yield str(one)


def prose(doc: str) -> str:
    """Turn a docstring's sections into Markdown lists."""
    out: list[str] = []
    section = ""
    for line in doc.splitlines():
        head = SECTION.match(line)
        if head:
            section = head[1]
            out += ["", f"**{section}:**{head[2]}", ""]
            continue
        if section and line.startswith("    "):
            inner = line[4:]
            entry = ENTRY.match(inner)
            if entry:
                out.append(f"* `{entry[1]}`: {entry[2]}")
            elif section in {"Returns", "Yields", "Source", "Note"}:
                out.append(inner.strip())
            else:
                out.append(f"  {inner.strip()}")
            continue
        if line:
            section = ""
        out.append(line)
    return "\n".join(out).strip()
