"""docs/config.md names every setting with its default and its sentence."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from fzalert.config import parse_settings
from fzalert.config.settings import FileSections
from fzalert.config.types import model_in
from fzalert.registry import Registry

MANUAL = (Path(__file__).parents[2] / "docs" / "config.md").read_text(encoding="utf-8")


def rows(model: type[BaseModel], path: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        nested = model_in(field.annotation)
        if nested is not None:
            yield from rows(nested, f"{path}{name}.")
        else:
            yield f"| `{path}{name}` | {default(field)} | {field.description} |"


def default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ("", {}, ()):
        return "–"
    if hasattr(value, "total_seconds"):
        value = int(value.total_seconds())
    elif hasattr(value, "strftime"):
        value = value.strftime("%H:%M")
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


@pytest.mark.parametrize("row", list(rows(FileSections)))
def test_every_setting_is_in_the_manual(row: str) -> None:
    assert row in MANUAL


def test_the_examples_of_the_manual_are_valid(tmp_path: Path) -> None:
    examples = MANUAL.split("```toml\n")[1:]
    assert examples
    for example in examples:
        text = example.split("```")[0]
        secret = tmp_path / "line.secret"
        secret.write_text("made up", encoding="utf-8")
        secret.chmod(0o600)
        parse_settings(text, tmp_path / "fzalert.toml", registry=Registry.installed())
