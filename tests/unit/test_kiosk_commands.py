"""`fzalert display`: where it finds the daemon, and what it says where it cannot."""

from pathlib import Path

import pytest

import fzalert
from fzalert_display.kiosk.commands import COMMANDS, list_screens

SCREENS = '[[channel]]\nname = "{}"\nadapter = "display.kiosk"\n'


def write(config: Path, text: str) -> None:
    config.write_text(text, encoding="utf-8")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration file of the commands, and nobody's token."""
    path = tmp_path / "fzalert.toml"
    monkeypatch.setenv("FZALERT_CONFIG", str(path))
    monkeypatch.delenv("FZALERT_TOKEN", raising=False)
    return path


async def test_without_a_file_it_says_what_to_give(config: Path) -> None:
    with pytest.raises(fzalert.ConfigError, match="give --channel and --url"):
        await list_screens()


@pytest.mark.parametrize("names", [(), ("hall", "lobby")])
async def test_the_channel_must_be_clear(config: Path, names: tuple[str, ...]) -> None:
    write(config, "".join(map(SCREENS.format, names)))
    with pytest.raises(fzalert.InputError, match=f"are {len(names)} channels of screens"):
        await list_screens()


async def test_a_free_port_must_be_named(config: Path) -> None:
    write(config, "[web]\nport = 0\n" + SCREENS.format("lobby"))
    with pytest.raises(fzalert.InputError, match="--url"):
        await list_screens()


async def test_a_person_must_ask(config: Path) -> None:
    write(config, SCREENS.format("lobby"))
    with pytest.raises(fzalert.AccessDenied, match="FZALERT_TOKEN"):
        await list_screens()


async def test_without_a_daemon_it_says_so(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FZALERT_TOKEN", "made-up")
    with pytest.raises(fzalert.ChannelUnavailable, match=r"127\.0\.0\.1"):
        await list_screens(channel="lobby", url="http://127.0.0.1:9")


def test_each_command_tells_what_it_does() -> None:
    assert [command.name for command in COMMANDS.commands] == ["list", "pair", "revoke"]
    assert all(command.run.__doc__ for command in COMMANDS.commands)
