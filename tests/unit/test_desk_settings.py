"""docs/desk.md names every setting of a desk's file, and the example is one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

import fzalert
from fzalert.config.types import model_in
from fzalert.desk.settings import DeskSettings, load_desk

ROOT = Path(__file__).parents[2]
MANUAL = (ROOT / "docs" / "desk.md").read_text(encoding="utf-8")
EXAMPLE = (ROOT / "examples" / "desk.toml").read_text(encoding="utf-8")


def names(model: type[BaseModel], under: str = "") -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        inner = model_in(field.annotation)
        if inner is not None:
            yield from names(inner, f"{name}.")
            continue
        default = "required" if field.is_required() else field.get_default()
        yield f"{under}{name}", str(default)


@pytest.mark.parametrize(("name", "default"), [*names(DeskSettings)])
def test_every_setting_is_in_the_manual_and_in_the_example(name: str, default: str) -> None:
    (row,) = [line for line in MANUAL.splitlines() if line.startswith(f"| `{name}` | ")]
    shown = row.split(" | ")[1].strip("`")
    empty = {"None": "–", "()": "–", "": "–", "True": "true", "False": "false", "20.0": "20"}
    assert shown == empty.get(default, default)
    assert f"{name.rpartition('.')[2]} = " in EXAMPLE


def test_the_example_is_a_desk(tmp_path: Path) -> None:
    file = tmp_path / "desk.toml"
    file.write_text(EXAMPLE, encoding="utf-8")
    found = load_desk(file)
    assert (found.store, found.certificate) == (tmp_path / "desk.db", tmp_path / "tls" / "desk.pem")
    assert (found.staff_is_local, found.hook) == (True, None)
    hooked = EXAMPLE.replace("# [hook]", "[hook]").replace("# command", "command")
    file.write_text(hooked, encoding="utf-8")
    assert load_desk(file).hook is not None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("staff_port = 8854", "staff_port = 8853"), "are the same"),
        (("[[user]]", "[hook]\n[[user]]"), "command or url"),
        (('name = "chen"', 'name = "Chen!"'), "name"),
        (("institutions", "institution"), "institutions"),
        (('host = "0.0.0.0"', 'host = "desk"'), "host"),
    ],
)
def test_what_cannot_be_meant_is_named(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    file = tmp_path / "desk.toml"
    file.write_text(EXAMPLE.replace(*change, 1), encoding="utf-8")
    with pytest.raises(fzalert.ConfigError, match=words):
        load_desk(file)
    with pytest.raises(fzalert.ConfigError, match="cannot be read"):
        load_desk(tmp_path / "nowhere.toml")
