"""Entry points: what is installed is found, what is broken says how to mend it."""

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from fzalert.registry import AdapterMissing, Registry


def registry(value: str, name: str = "voice.local") -> Registry:
    return Registry({name: EntryPoint(name, value, "fzalert.adapters")})


def test_the_shipped_adapters_are_registered() -> None:
    names = Registry.installed().adapter_names
    assert {"sms.cmpp", "display.kiosk", "voice.local", "mail.smtp", "post.webhook"} <= set(names)


def test_what_has_no_settings_of_its_own_is_no_adapter() -> None:
    found = registry("json:JSONDecoder")
    with pytest.raises(AdapterMissing, match="no Config of its own"):
        found.adapter("voice.local")


def test_an_optional_library_that_is_absent_names_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needs_more.py").write_text("import no_such_library", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(AdapterMissing) as caught:
        registry("needs_more:Speaker").adapter("voice.local")
    assert "no_such_library" in str(caught.value)
    assert "pip install 'fzalert[voice]'" in caught.value.hint


def test_a_missing_part_of_the_package_itself_says_so() -> None:
    with pytest.raises(AdapterMissing, match="Install fzalert again"):
        registry("no_such_package:Speaker").adapter("voice.local")


def test_a_name_that_the_module_lacks_is_told() -> None:
    with pytest.raises(AdapterMissing, match="cannot be loaded"):
        registry("json:NoSuchThing").adapter("voice.local")


def test_a_simulator_must_be_a_command_group() -> None:
    point = EntryPoint("cmpp", "json:dumps", "fzalert.simulators")
    found = Registry({}, simulators={"cmpp": point})
    assert found.simulator_names == ("cmpp",)
    with pytest.raises(AdapterMissing, match="CommandGroup"):
        found.simulator("cmpp")
