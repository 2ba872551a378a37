"""Every event of the log and every act of the evidence, read from the source."""

from __future__ import annotations

import ast
import functools
import re
import tomllib
from pathlib import Path

from fzalert.registry import Registry
from tools.docs_settings import Rows, code, table

__all__ = ["WORDS", "acts", "events", "names"]

ROOT = Path(__file__).parents[1]
WORDS: dict[str, dict[str, str]] = tomllib.loads(
    (Path(__file__).parent / "docs_events.toml").read_text(encoding="utf-8")
)
NAME = re.compile(r"([a-z]+\.[a-z_-]+) ?")
WRITES = re.compile(r"get_logger\(|LogRecord\(|EvidenceEntry\(")
# Files of keys, a task, rows and columns of the store: they look like events and are none.
OTHERS = frozenset(
    {
        "master.key",
        "signing.key",
        "socket.talk",
        "script.approved",
        "script.withdrawn",
        "feed.payload",
        "m.id",
        "store.check",
        "clock.watch",
        "store.purge",
        "state.value",
        "audience.target",
        "body.data",
        "message.target",
        "suppression.target",
        "warning.vals",
        "account.bank_code",
    }
)


@functools.cache
def names() -> dict[str, set[str]]:
    """Each name of an event or act, with the files that write it.

    A name is a literal of two words with a dot, in a file that has a logger or writes evidence; the
    names of adapters look the same and are left out, and so are loggers and spans of our own.
    """
    found: dict[str, set[str]] = {}
    others = {*Registry.installed().adapter_names, *OTHERS}
    for path in sources():
        text = path.read_text(encoding="utf-8")
        if not WRITES.search(text):
            continue
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
                continue
            told = NAME.fullmatch(node.value)
            if told and told[1] not in others and not told[1].startswith(("fzalert.", "fz.")):
                found.setdefault(told[1], set()).add(path.relative_to(ROOT).as_posix())
    return found


def sources() -> list[Path]:
    """The files of the program; not what is shipped for tests, nor the demo."""
    return [
        path
        for folder in ("fzalert", "adapters")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if not {"testing", "demo"}.intersection(path.parts)
    ]


def events() -> str:
    """The table of what the log can hold."""
    return table(("event", "meaning"), of("events", {*names()} - {*WORDS["acts"]}))


def acts() -> str:
    """The table of what the evidence can hold."""
    told = {*WORDS["acts"]}
    return table(("row", "meaning"), of("acts", {one for one in told if is_written(one)}))


def is_written(act: str) -> bool:
    """Whether the program writes such a row; those of two words are read from the source."""
    return "." not in act or act.endswith(".STATE") or act in names()


def of(section: str, found: set[str]) -> Rows:
    """One row a name. Stops the tool and names every one without words."""
    missing = sorted(found - {*WORDS[section]})
    if missing:
        where = "; ".join(f"{name} ({', '.join(sorted(names()[name]))})" for name in missing)
        raise SystemExit(
            f"no words for {where}: write what it means and what to do under [events] in"
            " tools/docs_events.toml, or under [acts] if it is a row of evidence"
        )
    for name in sorted(found):
        yield code(name), WORDS[section][name]
