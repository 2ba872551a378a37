"""The public door: complete, lazy, and honest about what it lacks."""

import subprocess
import sys

import pytest

import fzalert
from fzalert import errors


def test_every_name_is_there_and_is_documented() -> None:
    for name in fzalert.__all__:
        found = getattr(fzalert, name)
        assert found is not None, name
        if not isinstance(found, str):
            assert found.__doc__, name
    assert dir(fzalert) == sorted(fzalert.__all__)
    assert fzalert.__version__[0].isdigit()


def test_every_error_of_the_tree_is_public() -> None:
    def tree(kind: type[errors.FzalertError]) -> set[str]:
        return {kind.__name__}.union(*(tree(child) for child in kind.__subclasses__()))

    ours = {name for name in tree(errors.FzalertError) if hasattr(errors, name)}
    assert ours <= set(fzalert.__all__)


def test_what_is_not_there_is_an_attribute_error() -> None:
    name = "warn"
    with pytest.raises(AttributeError, match="no attribute 'warn'"):
        getattr(fzalert, name)


def test_opening_the_door_loads_no_room_behind_it() -> None:
    code = (
        "import sys, fzalert, fzalert.errors\n"
        "assert fzalert.InputError and fzalert.phone\n"
        "heavy = {'starlette', 'cyclopts', 'rich', 'sqlite3', 'python_calamine', 'httpx'}\n"
        "print(sorted(heavy & set(sys.modules)), 'fzalert.service' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] False\n"
