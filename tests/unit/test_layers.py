"""The lists that name every adapter package agree with the folders under adapters/."""

import configparser
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
ADAPTERS = {path.parent.name for path in (ROOT / "adapters").glob("*/__init__.py")}
LINES = (ROOT / ".importlinter").read_text(encoding="utf-8").splitlines()
CONTRACT = "importlinter:contract:"
# Every list of `.importlinter` that must name each adapter package, by section and option.
LISTS = {
    "importlinter": "root_packages",
    CONTRACT + "core": "forbidden_modules",
    CONTRACT + "adapters": "modules",
    CONTRACT + "public": "source_modules",
}


def _marked_sections() -> set[str]:
    """Return the sections with a comment that begins with [+], above the header or the option."""
    marked: set[str] = set()
    section = ""
    pending = False
    for line in LINES:
        header = re.fullmatch(r"\[(.+)\]", line)
        if header:
            section = header[1]
        if line.startswith("# [+]"):
            pending = True
        elif pending and line and not line.startswith("#"):
            marked.add(section)
            pending = False
    return marked


def _pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_there_are_adapter_packages() -> None:
    assert {"fzalert_sms", "fzalert_display", "fzalert_voice"} <= ADAPTERS


def test_the_marked_sections_are_the_ones_compared_here() -> None:
    assert _marked_sections() == set(LISTS)


@pytest.mark.parametrize(("section", "option"), LISTS.items())
def test_each_marked_list_names_every_adapter_package(section: str, option: str) -> None:
    ini = configparser.ConfigParser(interpolation=None)
    ini.read_string("\n".join(LINES))
    named = {name for name in ini[section][option].split() if name.startswith("fzalert_")}
    assert named == ADAPTERS


def test_every_folder_of_adapters_is_a_package() -> None:
    folders = {
        path.name
        for path in (ROOT / "adapters").iterdir()
        if path.is_dir() and any(path.rglob("*.py"))
    }
    assert folders == ADAPTERS


@pytest.mark.parametrize(
    "package",
    [ROOT / "fzalert", *sorted((ROOT / "adapters").glob("fzalert_*"))],
    ids=lambda package: package.name,
)
def test_every_package_says_that_it_is_typed(package: Path) -> None:
    assert (package / "py.typed").is_file()


def test_entry_points_lead_into_packages_that_exist() -> None:
    groups = _pyproject()["project"]["entry-points"]
    packages = {
        value.split(":")[0].split(".")[0] for group in groups.values() for value in group.values()
    }
    assert packages <= ADAPTERS | {"fzalert"}


def test_the_extra_all_holds_every_extra_but_testing() -> None:
    extras = _pyproject()["project"]["optional-dependencies"]
    parts = [line for name in extras.keys() - {"all", "testing"} for line in extras[name]]
    assert sorted(extras["all"]) == sorted(set(parts))
