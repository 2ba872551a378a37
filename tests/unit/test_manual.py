"""The manual names commands, settings, adapters and codes; both READMEs say the same."""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fzalert.cli.exits import MEANINGS
from fzalert.config.settings import FileSections
from fzalert.config.types import model_in
from fzalert.messages import OutcomeState, Proof, ReceiptKind
from fzalert.registry import Registry

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
READMES = (ROOT / "README.md", ROOT / "README.zh-CN.md")
PAGES = sorted(DOCS.glob("*.md"))
WRITTEN = [*READMES, *PAGES, ROOT / "CONTRIBUTING.md"]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)\s]+)\)")

tables: Any = importlib.import_module("tools.docs_tables")


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


MANUAL = {page.name: read(page) for page in PAGES}
WHOLE = "\n".join(MANUAL.values())


def ids(page: Path) -> str:
    return page.name


# -- what stands in it ---------------------------------------------------------------------------


def commands() -> list[str]:
    app: Any = importlib.import_module("fzalert.cli.app")
    single = [*app._SINGLE]
    grouped = [f"{group} {name}" for group, (_, names) in app._GROUPS.items() for name in names]
    return [
        *single,
        *grouped,
        *(f"simulate {name}" for name in Registry.installed().simulator_names),
        *(
            f"{group} {command.name}"
            for group in Registry.installed().command_names
            for command in Registry.installed().commands(group).commands
        ),
    ]


@pytest.mark.parametrize("command", commands())
def test_every_command_is_in_the_manual(command: str) -> None:
    assert f"fzalert {command}" in WHOLE


def settings(model: Any, path: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = model_in(field.annotation)
        if inner is None:
            yield f"{path}{name}"
        else:
            yield from settings(inner, f"{path}{name}.")


@pytest.mark.parametrize("setting", [*settings(FileSections, "")])
def test_every_setting_of_the_file_is_in_the_manual_and_in_the_example(setting: str) -> None:
    assert f"`{setting}`" in MANUAL["config.md"]
    example = read(ROOT / "examples" / "fzalert.toml")
    section, _, name = setting.rpartition(".")
    assert f"[{section}]" in example
    assert re.search(rf"^(# )?{name} = ", example, re.MULTILINE)


@pytest.mark.parametrize("adapter", Registry.installed().adapter_names)
def test_every_adapter_has_a_section_with_all_its_settings(adapter: str) -> None:
    channels = MANUAL["channels.md"]
    assert f"\n## {adapter}\n" in channels
    section = channels.partition(f"\n## {adapter}\n")[2].partition("\n## ")[0]
    for name, field in Registry.installed().adapter(adapter).Config.model_fields.items():
        if not field.exclude:
            assert f"| `{name}` |" in section
    assert f'adapter = "{adapter}"' in read(ROOT / "examples" / "fzalert.toml")


def test_the_tables_are_those_of_the_program() -> None:
    stale = [name for name in tables.PAGES if tables.renewed(MANUAL[name]) != MANUAL[name]]
    assert not stale, "run python tools/docs_tables.py"


def test_every_table_that_can_be_made_is_printed() -> None:
    printed = set(re.findall(r"<!-- table: (.+?) -->", WHOLE))
    wanted = set(tables.TABLES)
    wanted |= {f"settings {name}" for name in Registry.installed().adapter_names}
    assert printed >= wanted


def test_every_error_has_its_own_code_and_no_words_are_left_over() -> None:
    codes = [kind.code for kind in tables.error_classes()]
    assert sorted(codes) == sorted(set(codes))
    assert set(tables.WORDS["errors"]) == set(codes)
    assert set(tables.WORDS["problems"]) >= set(tables.problem_codes())
    for code in codes:
        assert f"| `{code}` |" in MANUAL["errors.md"]


def literal_codes(package: Path) -> set[str]:
    """Codes that an adapter gives as a literal, in a receipt or in its list of faults."""
    found: set[str] = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(read(path))):
            match node:
                case ast.keyword(arg="code", value=ast.Constant(str(code))):
                    found.add(code)
                case ast.Call(func=ast.Name("_never"), args=[_, ast.Constant(str(code)), *_]):
                    found.add(code)
                case ast.Call(func=ast.Name("_later"), args=[ast.Constant(str(code)), *_]):
                    found.add(code)
                case ast.ClassDef(name="Fault" | "Refusal", body=body):
                    found |= {
                        line.value.value
                        for line in body
                        if isinstance(line, ast.Assign)
                        and isinstance(line.value, ast.Constant)
                        and isinstance(line.value.value, str)
                    }
    return {code for code in found if not code.isdigit()}


@pytest.mark.parametrize(
    ("adapter", "package"),
    [
        ("display.kiosk", "fzalert_display/kiosk"),
        ("voice.local", "fzalert_voice"),
        ("sms", "fzalert_sms/carrier"),
        ("mail.smtp", "fzalert_mail"),
        ("bank.mail", "fzalert_mail/bank"),
        ("post.webhook", "fzalert_post"),
        ("post.relay", "fzalert_post/relay"),
        ("bank.https", "fzalert_bank"),
    ],
)
def test_every_code_that_an_adapter_makes_up_is_in_the_manual(adapter: str, package: str) -> None:
    codes = literal_codes(ROOT / "adapters" / package)
    inner = {"post.webhook": "relay", "mail.smtp": "bank"}.get(adapter)
    if inner:
        codes -= literal_codes(ROOT / "adapters" / package / inner)
    known = {name for name in tables.WORDS.get(adapter, {}) if name not in {"login", "stats"}}
    assert codes == known


def test_every_exit_code_fate_and_proof_is_in_the_manual() -> None:
    for number in MEANINGS:
        assert f"\n| {int(number)} | " in MANUAL["operations.md"]
    words = [*OutcomeState, *(proof.name.lower() for proof in Proof)]
    assert [word for word in words if f"\n| `{word}` | " not in MANUAL["guarantees.md"]] == []
    receipts = [str(kind) for kind in ReceiptKind]
    assert [word for word in receipts if f"\n| {word} | " not in MANUAL["channels.md"]] == []


# -- that it is right ----------------------------------------------------------------------------


@pytest.mark.parametrize("page", WRITTEN, ids=ids)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(FENCE.sub("", read(page))):
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        if anchor:
            heads = re.findall(r"^#+ (.+)$", read(target), re.MULTILINE)
            slugs = {
                re.sub(r"[^\w\- ]", "", head).strip().lower().replace(" ", "-") for head in heads
            }
            assert anchor in slugs, link


@pytest.mark.parametrize("page", WRITTEN, ids=ids)
def test_every_program_that_is_printed_is_a_file_that_tests_run(page: Path) -> None:
    text = read(page)
    for name, printed in re.findall(
        r"^<!-- example: (.+?) -->\n```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL
    ):
        assert printed == read(ROOT / name), name


@pytest.mark.parametrize("page", WRITTEN, ids=ids)
def test_every_block_of_python_and_toml_can_be_read(page: Path) -> None:
    for language, block in FENCE.findall(read(page)):
        if language == "python":
            compile(block, page.name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        elif language == "toml":
            tomllib.loads(block)


@pytest.mark.parametrize("page", WRITTEN, ids=ids)
def test_every_command_that_is_printed_exists(page: Path) -> None:
    known = set(commands()) | {name.partition(" ")[0] for name in commands()}
    for typed in re.findall(r"(?:^|[`\s/(])fzalert ([a-z]+(?: [a-z]+)?)", read_commands(page)):
        assert typed in known or typed.partition(" ")[0] in known, typed


def read_commands(page: Path) -> str:
    """What stands as code on a page: inline, and blocks of the shell."""
    text = read(page)
    shell = [block for language, block in FENCE.findall(text) if language in {"sh", "ini"}]
    inline = re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
    return "\n".join([*shell, *inline])


def test_both_readmes_have_the_same_links() -> None:
    english, chinese = (read(page) for page in READMES)
    links = [
        [link.replace(".zh-CN.md", ".md") for link in LINK.findall(FENCE.sub("", text))]
        for text in (english, chinese)
    ]
    assert sorted(set(links[0])) == sorted(set(links[1]))


def test_the_readmes_name_both_commands_and_what_freeze_requests_are_not() -> None:
    for page in READMES:
        text = read(page)
        assert "make demo\nmake test\n" in text
        assert "CMPP" in text
        assert "Kokoro" in text
    assert "they do not replace the national platform" in read(READMES[0])
    assert "它不替代国家平台" in read(READMES[1])


@pytest.mark.parametrize("index", ["index.md", "index.zh-CN.md"])
def test_no_page_is_left_out_of_the_index(index: str) -> None:
    linked = set(LINK.findall(MANUAL[index]))
    twins = {page.name for page in PAGES if page.name.endswith(".zh-CN.md")}
    plain = {page.name for page in PAGES} - twins
    if index == "index.md":
        assert plain - {"index.md"} <= linked
    else:
        both = {name.replace(".zh-CN", "") for name in twins}
        assert (twins | (plain - both)) - {"index.zh-CN.md"} <= linked


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    told = re.findall(r": (\S+\.md)$", read(ROOT / "mkdocs.yml"), re.MULTILINE)
    assert sorted(told) == [page.name for page in PAGES]
