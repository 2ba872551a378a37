"""One configuration from several files and the environment: merged, named by file and line."""

import os
from pathlib import Path

import pytest

from fzalert.config import Sources, read_settings
from fzalert.errors import ConfigError

CHANNEL = """
[[channel]]
name = "{name}"
adapter = "sms.cmpp"
host = "192.0.2.1"
account = "901234"
service_id = "FZALERT"
src_id = "1069"
signature = "城关支行"
secret = {{ file = "kept" }}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith("FZ"):
            monkeypatch.delenv(name)
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "kept").write_text("made up")
    (tmp_path / "kept").chmod(0o600)
    (tmp_path / "fzalert.toml").write_text(
        '[web]\nport = 8801\n[identity]\ncounty = "青山县"\n' + CHANNEL.format(name="first"),
        encoding="utf-8",
    )
    return tmp_path


def write(folder: Path, name: str, text: str) -> None:
    (folder / "conf.d" / name).write_text(text, encoding="utf-8")


def fault(folder: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        read_settings(folder / "fzalert.toml")
    return str(caught.value)


def test_later_files_win_by_name_and_their_channels_are_added(folder: Path) -> None:
    write(folder, "20-late.toml", "[web]\nport = 8803\n" + CHANNEL.format(name="third"))
    write(folder, "10-early.toml", "[web]\nport = 8802\n" + CHANNEL.format(name="second"))
    write(folder, "README.md", "not read")
    settings = read_settings(folder / "fzalert.toml")
    assert settings.web.port == 8803
    assert settings.identity.county == "青山县", "what a later file leaves out stays"
    assert [channel.name for channel in settings.channels] == ["first", "second", "third"]


def test_the_environment_wins_and_reaches_a_channel_by_its_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, "10.toml", CHANNEL.format(name="town-hall"))
    monkeypatch.setenv("FZ_WEB__PORT", "9000")
    monkeypatch.setenv("FZ_WEB__HOSTS", '["a.example"]')
    monkeypatch.setenv("FZ_IDENTITY__HOTLINE", "110")
    monkeypatch.setenv("FZ_LIMITS__QUIET_HOURS__ENABLED", "false")
    monkeypatch.setenv("FZ_CHANNEL__TOWN_HALL__CONNECTIONS", "2")
    monkeypatch.setenv("FZ_SEED", "no setting: it has no section")
    settings = read_settings(folder / "fzalert.toml")
    assert settings.web.port == 9000
    assert settings.web.hosts == ("a.example",)
    assert settings.identity.hotline == "110"
    assert not settings.limits.quiet_hours.enabled
    assert [channel.config.connections for channel in settings.channels] == [1, 2]


def test_each_fault_names_its_own_file_and_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, "10.toml", '\n[web]\nprot = 1\n\n[[channel]]\nname = "x"\nadapter = "sms.cmp"\n')
    write(folder, "20.toml", "[limits]\nurgent_window = 0\n" + CHANNEL.format(name="first"))
    monkeypatch.setenv("FZ_WEB__PORT", "many")
    text = fault(folder)
    lines = text.splitlines()
    assert lines[0].startswith("conf.d/10.toml:3: web.prot: "), text
    assert lines[1].startswith("conf.d/10.toml:7: channel.1.adapter: "), text
    assert lines[2].startswith("conf.d/20.toml:2: limits.urgent_window: "), text
    assert lines[3].startswith("conf.d/20.toml:5: channel.2.name: 'first' names channel.0"), text
    assert lines[4].startswith("FZ_WEB__PORT: web.port: "), text


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("FZ_CHANNEL__NOBODY__HOST", "x", "there is no channel nobody"),
        ("FZ_WEB__HOSTS", '["a', "FZ_WEB__HOSTS: its value is no TOML"),
        ("FZ_WEB__PORT__DEEP", "1", "FZ_WEB__PORT__DEEP: port is no table"),
        ("FZ_WEBB__PORT", "1", "FZ_WEBB__PORT: webb: there is no such setting; did you mean web?"),
    ],
)
def test_a_wrong_variable_is_told_by_its_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)
    assert told in fault(folder)


def test_broken_syntax_names_the_file_that_has_it(folder: Path) -> None:
    write(folder, "10.toml", "[web]\nport =\n")
    assert fault(folder).startswith("conf.d/10.toml:2: ")


def test_the_digest_covers_every_file_and_variable(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def digest() -> str:
        return Sources.read(folder / "fzalert.toml").digest

    seen = {digest()}
    write(folder, "10.toml", "[web]\nport = 8802\n")
    seen.add(digest())
    write(folder, "10.toml", "[web]\nport = 8803\n")
    seen.add(digest())
    monkeypatch.setenv("FZ_WEB__PORT", "9000")
    seen.add(digest())
    monkeypatch.setenv("FZALERT_TOKEN", "no setting")
    seen.add(digest())
    assert len(seen) == 4


LITERAL = "Zz9-never-shown"


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        (f'"{LITERAL}"', "a secret is given by reference"),
        (f'{{ value = "{LITERAL}" }}', "use env, file or cred"),
        (f'{{ env = "{LITERAL}" }}', "named by letters, digits and _"),
        ('{ env = "NOT_SET_ANYWHERE" }', "NOT_SET_ANYWHERE is not set"),
        ('{ file = "wide" }', "chmod 600"),
        ('{ file = "group" }', "chmod 600"),
        ('{ file = "empty" }', "is empty"),
        ('{ cred = "../wide" }', "without a path"),
        ('{ cred = "all" }', "can be read by others"),
        ('{ cred = "absent" }', "cannot read the secret"),
    ],
)
def test_a_secret_that_is_not_kept_is_an_error_that_does_not_tell_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, reference: str, told: str
) -> None:
    for name, mode in (("wide", 0o604), ("group", 0o640), ("empty", 0o600)):
        (folder / name).write_text("" if name == "empty" else LITERAL)
        (folder / name).chmod(mode)
    kept = folder / "cred"
    kept.mkdir()
    (kept / "all").write_text(LITERAL)
    (kept / "all").chmod(0o444)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(kept))
    write(folder, "10.toml", CHANNEL.format(name="c").replace('{ file = "kept" }', reference))
    text = fault(folder)
    assert told in text, text
    assert text.startswith("conf.d/10.toml:10: channel.1.secret"), text
    assert LITERAL not in text


def test_a_secret_comes_from_a_file_a_variable_or_a_credential_and_is_never_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "line").write_text(LITERAL + "\n")
    (folder / "line").chmod(0o600)
    kept = folder / "cred"
    kept.mkdir()
    (kept / "line").write_text(LITERAL)
    (kept / "line").chmod(0o440)  # as systemd's access list shows
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(kept))
    monkeypatch.setenv("LINE_SECRET", LITERAL)
    for number, kind in enumerate(("file = 'line'", "env = 'LINE_SECRET'", "cred = 'line'")):
        table = CHANNEL.format(name=f"c{number}").replace('file = "kept"', kind)
        write(folder, f"{number}.toml", table)
    settings = read_settings(folder / "fzalert.toml")
    found = [channel.config.model_dump()["secret"] for channel in settings.channels[1:]]
    assert [secret.get_secret_value() for secret in found] == [LITERAL] * 3
    assert LITERAL not in repr(settings)
