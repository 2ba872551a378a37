"""Write the tables of the manual that the program itself knows, between their marks.

    python tools/docs_tables.py            write what is stale
    python tools/docs_tables.py --check    exit 1 where something is stale

A table stands between `<!-- table: NAME -->` and `<!-- end -->`. What a person should do about a
code is in `docs_words.toml` beside this file.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fzalert.cli.exits import MEANINGS, exit_for
from fzalert.errors import FzalertError, InputError
from fzalert.http import HttpAnswer
from fzalert.web.problems import from_error
from fzalert_mail.codes import Stage, classify, is_mapped
from fzalert_post.relay.answers import FINAL, WAITS
from fzalert_post.relay.answers import read_answer as read_relay
from fzalert_post.statuses import classify as read_status
from fzalert_post.statuses import is_mapped as is_status_mapped
from fzalert_sms.carrier.reports import report_kind_of
from fzalert_sms.carrier.results import Table
from fzalert_sms.cmpp.results import TABLE as CMPP
from fzalert_sms.sgip.results import TABLE as SGIP
from fzalert_sms.sgip.results import reader_of as sgip_reader
from fzalert_sms.smgp.results import TABLE as SMGP
from fzalert_sms.smpp.results import TABLE as SMPP
from tools import docs_cli, docs_log
from tools.docs_api import first_sentence, public
from tools.docs_settings import Rows, code, settings, table

ROOT = Path(__file__).parents[1]
PAGES = ("api.md", "channels.md", "commands.md", "errors.md", "observability.md", "operations.md")
WORDS: dict[str, dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "docs_words.toml").read_text(encoding="utf-8")
)
MARK = re.compile(r"(<!-- table: (?P<name>[^>]+?) -->\n).*?(<!-- end -->)", re.DOTALL)

# Where errors of their own are declared beside `fzalert.errors`.
ERROR_MODULES = (
    "fzalert.registry",
    "fzalert.client",
    "fzalert.daemon",
    "fzalert.cli.asking",
    "fzalert.cli.demo.peers",
    "fzalert.cli.demo.story",
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RETRIES = {"now": "now", "later": "later", "ask": "never blindly", "never": "no"}


# -- codes of channels -----------------------------------------------------------------------------


def advice(kind: str, scope: str) -> str:
    """What to do about a receipt, by its kind and scope."""
    kinds = WORDS["kinds"]
    return str(kinds.get(f"{kind}/{scope}") or kinds[kind])


def carrier_results(carrier: Table, form: str = "d") -> str:
    """What a gateway answers to a message; `form` is how the protocol writes its numbers."""
    vendor = carrier.vendor

    def rows() -> Rows:
        for number in sorted(carrier.results):
            yield from row(format(number, form), number)
        first, last = format(vendor.start, form), format(vendor.stop - 1, form)
        yield from row(f"{first} to {last}", vendor.start)
        yield from row("any other", -1)
        yield "`not-sendable`", "–", "permanent, message", WORDS["sms"]["not-sendable"]

    def row(shown: str, number: int) -> Rows:
        told = carrier.meaning(number)
        yield shown, told.words, f"{told.kind}, {told.scope}", advice(told.kind, told.scope)

    return table(("code", "meaning", "read as", "what happens, what to do"), rows())


def carrier_logins(carrier: Table, adapter: str, form: str = "d") -> str:
    """What a gateway answers to a login; `form` is how the protocol writes its numbers."""
    words = WORDS[adapter]["login"]
    shown = {status: format(status, form) for status in carrier.login}
    rows = ((shown[status], told, words[shown[status]]) for status, told in carrier.login.items())
    return table(("status", "meaning", "what to do"), rows)


def cmpp_stats() -> str:
    """What a status report's word becomes."""

    def rows() -> Rows:
        for stat in WORDS["sms"]["stats"]:
            kind = report_kind_of(stat)
            yield code(stat), str(kind) if kind else "nothing changes"

    return table(("Stat", "the message is then"), rows())


def sgip_codes() -> str:
    """What the ErrorCode of an SGIP report says."""

    def rows() -> Rows:
        read = sgip_reader({})
        for number in sorted(SGIP.results):
            told = read(str(number))
            if number > 10:
                yield str(number), told.words, str(told.kind)
        yield "any other", "–", str(read("255").kind)

    return table(("ErrorCode", "meaning", "the message is then"), rows())


def mail_codes() -> str:
    """What a mail server answers, by command where that matters."""

    def rows() -> Rows:
        for number in filter(is_mapped, range(400, 600)):
            seen: dict[tuple[str, str, str], list[str]] = {}
            for stage in Stage:
                told = classify(stage, number)
                seen.setdefault((told.kind, told.scope, told.detail), []).append(stage.upper())
            for (kind, scope, words), stages in seen.items():
                after = "" if len(seen) == 1 else f" after {', '.join(stages)}"
                yield f"{number}{after}", words, f"{kind}, {scope}", advice(kind, scope)

    return table(("code", "meaning", "read as", "what happens, what to do"), rows())


def webhook_statuses() -> str:
    """What a receiver of posts answers."""

    def rows() -> Rows:
        for status in (200, 301, *(n for n in range(400, 600) if is_status_mapped(n)), 499, 599):
            told = read_status(HttpAnswer(status, {}, b""), deduplicates=False, now=EPOCH)
            shown = {200: "2xx", 301: "3xx", 499: "any other 4xx", 599: "any other 5xx"}
            words = told.detail or "The receiver took it."
            reading = f"{told.kind}, {told.scope}"
            yield shown.get(status, str(status)), words, reading, advice(told.kind, told.scope)

    return table(("status", "meaning", "read as", "what happens, what to do"), rows())


def own_codes(adapter: str) -> str:
    """The codes that an adapter itself gives."""
    rows = ((code(name), str(words)) for name, words in WORDS[adapter].items())
    return table(("code", "what to do"), rows)


# -- errors ----------------------------------------------------------------------------------------


def error_classes() -> list[type[FzalertError]]:
    """Every error class of fzalert and its own command line, the tree in its order."""
    for module in ERROR_MODULES:
        importlib.import_module(module)

    def below(kind: type[FzalertError]) -> Iterator[type[FzalertError]]:
        yield kind
        # Not in the order of their making: that is the order of imports, another in each process.
        for one in sorted(kind.__subclasses__(), key=place):
            yield from below(one)

    def place(kind: type[FzalertError]) -> tuple[bool, str, int]:
        return (
            kind.__module__ != FzalertError.__module__,
            kind.__module__,
            inspect.getsourcelines(kind)[1],
        )

    return [kind for kind in below(FzalertError) if kind.__module__.startswith("fzalert.")]


def relay_codes() -> str:
    """What a county answers to a branch."""

    def rows() -> Rows:
        for code_ in (*sorted(FINAL), "branch-limit", *sorted(WAITS), "store-full", "stopping"):
            status = 429 if code_ == "branch-limit" else 503 if code_ in WAITS else 422
            status = 503 if code_ in {"store-full", "stopping"} else status
            body = f'{{"code": "{code_}", "detail": "-"}}'.encode()
            told, _ = read_relay(HttpAnswer(status, {}, body))
            words = WORDS["errors"].get(code_) or WORDS["problems"][code_]
            yield code(code_), f"{told.kind}, {told.scope}", words
        for code_, words in WORDS["post.relay"].items():
            yield code(code_), words["as"], words["do"]
        yield "any other 4xx, 3xx", "permanent, channel", "Is `url` the address of a fzalert?"
        yield "any other 5xx", "unknown, message", "It is asked again with the same key."

    return table(("code", "read as", "what to do"), rows())


def errors() -> str:
    """Every error class."""

    def rows() -> Rows:
        for kind in error_classes():
            meaning = " ".join((kind.__doc__ or "").partition("\n\n")[0].split())
            made = kind("")
            http = "422" if isinstance(made, InputError) else ""
            http = str(from_error(made).status) or http
            yield (
                code(kind.code), code(kind.__name__), meaning, RETRIES[kind.retry],
                str(int(exit_for(made))), http, str(WORDS["errors"][kind.code]),
            )  # fmt: skip

    head = ("code", "class", "meaning", "again?", "exit", "HTTP", "what to do")
    return table(head, rows())


def problem_codes() -> dict[str, set[int]]:
    """Codes of the HTTP interface and their statuses, read from its source."""
    found: dict[str, set[int]] = {}
    own = {kind.code for kind in error_classes()}
    for path in sorted((ROOT / "fzalert" / "web").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Name("ProblemError"),
                    args=[ast.Constant(int(status)), ast.Constant(str(name)), *_],
                ) if name not in own:
                    found.setdefault(name, set()).add(status)
    return found


def problems() -> str:
    """Codes that only the HTTP interface has."""
    extra = {"no-such-path": 404, "method": 405, "http": 0}  # by their status, not by a literal

    def rows() -> Rows:
        statuses = problem_codes()
        for name, status in extra.items():
            statuses.setdefault(name, set()).add(status)
        for name in sorted(statuses, key=lambda one: (min(statuses[one]), one)):
            shown = ", ".join(str(one) for one in sorted(statuses[name]) if one)
            yield code(name), shown or "any", str(WORDS["problems"][name])

    return table(("code", "HTTP", "what to do"), rows())


def outcomes() -> str:
    """Codes that fzalert itself puts at a target."""
    rows = ((code(name), str(words)) for name, words in WORDS["outcomes"].items())
    return table(("word or code", "what to do"), rows)


def exits() -> str:
    """The exit codes."""
    rows = ((str(int(number)), meaning) for number, meaning in MEANINGS.items())
    return table(("exit code", "meaning"), rows)


def names() -> str:
    """What a program imports from `fzalert`."""

    def rows() -> Rows:
        for name, thing in public("fzalert").items():
            is_text = isinstance(thing, str)
            yield code(name), "The version, as text." if is_text else first_sentence(thing)

    return table(("name", "what it is"), rows())


TABLES: dict[str, Callable[[], str]] = {
    "commands": docs_cli.reference,
    "names fzalert": names,
    "log events": docs_log.events,
    "evidence": docs_log.acts,
    "sms.cmpp results": lambda: carrier_results(CMPP),
    "sms.cmpp logins": lambda: carrier_logins(CMPP, "sms.cmpp"),
    "sms.sgip results": lambda: carrier_results(SGIP),
    "sms.sgip logins": lambda: carrier_logins(SGIP, "sms.sgip"),
    "sms.sgip codes": sgip_codes,
    "sms.smgp results": lambda: carrier_results(SMGP),
    "sms.smgp logins": lambda: carrier_logins(SMGP, "sms.smgp"),
    "sms.smpp results": lambda: carrier_results(SMPP, "#04x"),
    "sms.smpp logins": lambda: carrier_logins(SMPP, "sms.smpp", "#04x"),
    "sms.cmpp stats": cmpp_stats,
    "mail.smtp codes": mail_codes,
    "post.webhook statuses": webhook_statuses,
    "post.relay codes": relay_codes,
    "errors": errors,
    "problems": problems,
    "outcomes": outcomes,
    "exits": exits,
}


def make(name: str) -> str:
    """Make one table by the name in its mark. Raises `KeyError` for an unknown one."""
    word, _, adapter = name.partition(" ")
    if word == "settings":
        return settings(adapter)
    if word == "codes":
        return own_codes(adapter)
    return TABLES[name]()


def renewed(text: str) -> str:
    """A page with its tables made anew."""
    return MARK.sub(lambda found: f"{found[1]}\n{make(found['name'])}\n\n{found[3]}", text)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the stale pages, or only name them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where stale")
    only_look = parser.parse_args(argv).check
    stale: list[str] = []
    for page in PAGES:
        path = ROOT / "docs" / page
        text = path.read_text(encoding="utf-8")
        new = renewed(text)
        if new != text:
            stale.append(page)
            if not only_look:
                path.write_text(new, encoding="utf-8")
    for page in stale:
        sys.stdout.write(f"docs/{page} {'is stale' if only_look else 'written'}\n")
    return 1 if stale and only_look else 0


if __name__ == "__main__":
    sys.exit(main())
