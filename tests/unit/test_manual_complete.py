"""Everything that a person can type, set, read or import stands in the manual, and nothing else.

The other direction matters as much: what the manual names and the program has not is found too.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from typing_extensions import override

from fzalert.cli.exits import MEANINGS
from fzalert.config import parse_settings
from fzalert.config.settings import FileSections
from fzalert.config.types import model_in
from fzalert.registry import Registry
from fzalert.service.models import ChannelView, DeadlinesView, StatusView
from fzalert.testing import FakeClock
from fzalert.testing.service import FakeService
from fzalert.web import build_app

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
WRITTEN = sorted([*DOCS.glob("*.md"), *ROOT.glob("README*.md"), ROOT / "CONTRIBUTING.md"])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = re.compile(r"^<!-- .*? -->$", re.MULTILINE)
TWINS = sorted([*DOCS.glob("*.zh-CN.md"), *ROOT.glob("*.zh-CN.md")])

cli: Any = importlib.import_module("tools.docs_cli")
log: Any = importlib.import_module("tools.docs_log")
api: Any = importlib.import_module("tools.docs_api")
tables: Any = importlib.import_module("tools.docs_tables")


def read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def ids(page: Path) -> str:
    return page.name


def section(page: str, head: str) -> str:
    """What stands under a heading of the second level."""
    assert f"\n## {head}\n" in page
    return page.partition(f"\n## {head}\n")[2].partition("\n## ")[0]


def first_column(text: str) -> list[str]:
    """What stands as code in the first cell of each row of a table."""
    cells = re.findall(r"^\| (`.*?) \| ", text, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


# -- commands and options --------------------------------------------------------------------------


def test_the_reference_has_every_command_and_no_other() -> None:
    assert re.findall(r"^### fzalert (.+)$", read("commands.md"), re.M) == [*cli.commands()]


@pytest.mark.parametrize("command", [*cli.commands()])
def test_every_option_of_a_command_is_in_the_reference(command: str) -> None:
    page = read("commands.md").partition(f"\n### fzalert {command}\n")[2].partition("\n### ")[0]
    for one in cli.arguments(cli.commands()[command]):
        shown = cli.place(one) if cli.is_positional(one) else ", ".join(one.names)
        assert f"| `{shown}` |" in page
        assert one.parameter.help, f"{command} {shown} has no sentence in its docstring"


def test_every_group_of_an_adapter_and_every_simulator_is_in_the_reference() -> None:
    page = read("commands.md")
    for name in Registry.installed().command_names:
        assert f"\n### fzalert {name} " in page
    for name in Registry.installed().simulator_names:
        assert f"\n### fzalert simulate {name}\n" in page


def typed(text: str) -> Iterator[str]:
    """Every `fzalert …` that stands as code on a page, lines that go on joined."""
    shell = [block for language, block in FENCE.findall(text) if language in {"sh", "ini"}]
    inline = re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
    joined = "\n".join([*shell, *inline]).replace("\\\n", " ")
    for line in re.findall(r"(?:^|[\s/(\"|])fzalert ([a-z][^\n|;]*)", joined):
        yield line.partition(" # ")[0].partition(" > ")[0]


@pytest.mark.parametrize("page", WRITTEN, ids=ids)
def test_every_option_that_is_printed_exists(page: Path) -> None:
    known = cli.commands()
    for line in typed(page.read_text(encoding="utf-8")):
        words = [word for word in line.split() if not word.startswith("-")]
        command = next((one for one in (" ".join(words[:n]) for n in (2, 1)) if one in known), "")
        given = re.findall(r"(?:^|[\s\[])(--[a-z-]+)", line)
        if command:
            assert set(given) <= cli.options(command), line
        else:  # such as `fzalert simulate`, `fzalert COMMAND --help`
            assert set(given) <= cli.COMMON, line


def test_every_exit_code_is_in_both_tables_and_no_other() -> None:
    told = {str(int(code)) for code in MEANINGS}
    for page, head in (("operations.md", "Exit codes"), ("cli.md", "Exit codes 退出码")):
        rows = re.findall(r"^\| (\d+) \| ", section(read(page), head), re.M)
        assert set(rows) == told


# -- settings --------------------------------------------------------------------------------------


def settings(model: Any, path: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = model_in(field.annotation)
        if inner is None:
            yield f"{path}{name}"
        else:
            yield from settings(inner, f"{path}{name}.")


def test_the_manual_names_no_setting_that_does_not_exist() -> None:
    shown = [name for name in first_column(read("config.md")) if re.fullmatch(r"[a-z_.]+", name)]
    of_the_file = [name for name in shown if "." in name]
    assert sorted(of_the_file) == sorted(set(settings(FileSections, "")))


def test_every_adapter_has_one_section_and_none_is_made_up() -> None:
    heads = re.findall(r"^## ([a-z]+\.[a-z.]+)$", read("channels.md"), re.M)
    assert sorted(heads) == sorted(Registry.installed().adapter_names)


@pytest.mark.parametrize("adapter", Registry.installed().adapter_names)
def test_every_adapter_says_what_it_proves(adapter: str) -> None:
    proofs = section(read("guarantees.md"), "What each channel proves")
    assert f"| `{adapter}` | " in proofs


def test_every_promise_names_a_test_that_exists() -> None:
    rows = section(read("guarantees.md") + "\n## \n", "Where each promise is tested")
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", rows)
    assert len(named) == len(re.findall(r"^\| .+ \| `", rows, re.M)) > 30
    for file, name in named:
        text = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^ *(async )?def {name}\(", text, re.M), f"{file}::{name}"


# -- errors, metrics, log, names -------------------------------------------------------------------


def test_the_manual_names_no_error_that_does_not_exist() -> None:
    errors = section(read("errors.md"), "Classes")
    known = {name for kind in tables.error_classes() for name in (kind.code, kind.__name__)}
    assert {*re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|", errors, re.M)} == {
        (kind.code, kind.__name__) for kind in tables.error_classes()
    }
    for name in re.findall(r"`([A-Z]\w+(?:Error|Denied|Refused|Lost|Unavailable))`", errors):
        assert name in known


class Freezing(FakeService):
    """A service whose deadlines of freeze requests run."""

    @override
    async def status(self) -> StatusView:
        return (await super().status()).model_copy(
            update={"deadlines": DeadlinesView(running=True)}
        )


async def scraped() -> set[str]:
    """Every metric of a daemon that has every kind of channel, and keeps deadlines."""
    service = Freezing({"li": ["admin"]}, drill=True)
    figures: dict[str, Any] = {"screens": 1, "screens_live": 1, "screens_stale": 0}
    service.channels = [
        ChannelView(
            name="one",
            adapter="sms.cmpp",
            kinds=["phone"],
            state="up",
            window=1,
            rate=1,
            latency_ms=1,
            figures=figures,
        )
    ]
    app = build_app(service, parse_settings("", Path("/etc/fzalert.toml")), clock=FakeClock())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8800") as client:
        text = (await client.get("/metrics")).text
    families = text_string_to_metric_families(text)
    return {sample.name for family in families for sample in family.samples}


async def test_every_metric_is_in_the_manual_and_no_other() -> None:
    rows = first_column(section(read("observability.md"), "Metrics"))
    shown = {re.sub(r"\{.*\}", "", name) for name in rows if name.startswith("fz_")}
    assert shown == {name for name in await scraped() if name.startswith("fz_")}


def test_every_event_of_the_log_and_every_row_of_evidence_has_words() -> None:
    told = {*log.WORDS["events"], *log.WORDS["acts"]}
    assert {*log.names()} - told == set(), "write what it means in tools/docs_events.toml"
    operations = read("operations.md")
    for name in log.names():
        assert f"| `{name}` | " in operations


def test_every_public_name_is_in_the_manual_and_no_other() -> None:
    fzalert: Any = importlib.import_module("fzalert")
    shown = first_column(section(read("api.md"), "The names of fzalert"))
    assert sorted(shown) == sorted(fzalert.__all__)


@pytest.mark.parametrize("module", re.findall(r"<!-- api: (\S+) -->", read("api.md")))
def test_every_public_name_of_a_module_has_a_sentence_and_a_reference(module: str) -> None:
    found = api.public(module)
    heads = re.findall(r"^### (\w+)$", api.reference(module).replace("\\", ""), re.M)
    assert heads == [*found]
    undocumented = [name for name, thing in found.items() if not api.first_sentence(thing)]
    assert undocumented == []


# -- two languages ---------------------------------------------------------------------------------


@pytest.mark.parametrize("chinese", TWINS, ids=ids)
def test_both_languages_have_the_same_headings_blocks_and_tables(chinese: Path) -> None:
    english = chinese.with_name(chinese.name.replace(".zh-CN", ""))
    texts = [page.read_text(encoding="utf-8") for page in (english, chinese)]
    for shape in (
        lambda text: re.findall(r"^(#+) ", FENCE.sub("", text), re.M),
        FENCE.findall,
        MARK.findall,
        lambda text: [row.count("|") for row in FENCE.sub("", text).splitlines() if row[:1] == "|"],
        lambda text: len(re.findall(r"^\* ", FENCE.sub("", text), re.M)),
    ):
        assert shape(texts[0]) == shape(texts[1])


def test_every_first_hour_is_in_both_languages() -> None:
    names = {page.name.partition(".")[0] for page in TWINS}
    assert {"README", "index", "quickstart", "branch", "county", "detective"} <= names
