"""`fzalert.toml`: good files become settings, bad ones a list of every fault with its line."""

from collections.abc import Callable
from datetime import time, timedelta
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fzalert.config import parse_settings, read_settings
from fzalert.config.lines import index_lines, line_of
from fzalert.errors import ConfigError
from fzalert.registry import Registry

ADAPTER = """
from pathlib import Path
from pydantic import BaseModel, ConfigDict, Field
from fzalert.ports import ChannelConfig, Secret

class Screen(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    picture: Path | None = None

class Line:
    class Config(ChannelConfig):
        sounds: Path | None = None
        screens: tuple[Screen, ...] = ()
        host: str
        rate: int = Field(default=10, ge=1)
        password: Secret | None = None

    def __init__(self, config, context):
        self.config = config
"""

Load = Callable[[str], object]


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    (tmp_path / "made_up_line.py").write_text(ADAPTER, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    point = EntryPoint("sms.line", "made_up_line:Line", "fzalert.adapters")
    return Registry({"sms.line": point})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "fzalert.toml"


def faults_of(text: str, file: Path, registry: Registry) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_settings(text, file, registry=registry)
    return str(caught.value.args[0]).splitlines()


def test_an_empty_file_gives_the_defaults(file: Path, registry: Registry) -> None:
    settings = parse_settings("", file, registry=registry)
    assert settings.store.path == file.parent / "fzalert.db"
    assert settings.data_directory == file.parent
    assert (settings.web.host, settings.web.port) == ("127.0.0.1", 8800)
    assert settings.limits.unknown_wait == timedelta(seconds=60)
    assert settings.limits.urgent_window == 10
    assert settings.limits.bulk_window == 24
    assert settings.limits.per_number.urgent.hour == 3
    assert settings.limits.per_number.urgent.day == 6
    assert settings.limits.per_number.bulk.day == 1
    quiet = settings.limits.quiet_hours
    assert (quiet.start, quiet.end, quiet.zone) == (time(21), time(8), "Asia/Shanghai")
    assert settings.channels == ()


def test_a_whole_file_is_read(file: Path, registry: Registry) -> None:
    secret = file.parent / "line.secret"
    secret.write_text("open sesame\n", encoding="utf-8")
    secret.chmod(0o600)
    settings = parse_settings(
        """
        [store]
        url = "sqlite:///data/queue.db"
        [identity]
        county = "青山县"
        service_numbers = { "农商银行" = "96568" }
        [web]
        port = 0
        [limits.quiet_hours]
        start = "22:00"
        end = 07:30:00
        [[channel]]
        name = "line-1"
        adapter = "sms.line"
        host = "127.0.0.1"
        password = { file = "line.secret" }
        """,
        file,
        registry=registry,
    )
    assert settings.store.path == file.parent / "data/queue.db"
    assert settings.identity.service_numbers == {"农商银行": "96568"}
    assert settings.limits.quiet_hours.end == time(7, 30)
    (channel,) = settings.channels
    assert (channel.name, channel.adapter) == ("line-1", "sms.line")
    assert channel.config.model_dump()["password"].get_secret_value() == "open sesame"
    assert "sesame" not in repr(settings)


def test_an_absolute_store_stays_where_it_is(file: Path, registry: Registry) -> None:
    settings = parse_settings('[store]\nurl = "sqlite:////var/x.db"', file, registry=registry)
    assert settings.store.path == Path("/var/x.db")


def test_every_fault_is_told_at_once_in_the_order_of_the_file(
    file: Path, registry: Registry
) -> None:
    text = """\
[web]
prot = 8800
port = 99999

[[channel]]
name = "line-1"
adapter = "sms.line"
host = "a"

[[channel]]
name = "line-1"
adapter = "sms.line"
rate = "fast"
passwrd = "x"

[[channel]]
name = "line-3"
adapter = "sms.lime"
[log]
level = "loud"
"""
    lines = faults_of(text, file, registry)
    assert [line.split(": ", 2)[:2] for line in lines] == [
        ["fzalert.toml:2", "web.prot"],
        ["fzalert.toml:3", "web.port"],
        ["fzalert.toml:10", "channel.1.host"],
        ["fzalert.toml:11", "channel.1.name"],
        ["fzalert.toml:13", "channel.1.rate"],
        ["fzalert.toml:14", "channel.1.passwrd"],
        ["fzalert.toml:18", "channel.2.adapter"],
        ["fzalert.toml:20", "log.level"],
    ]
    assert "did you mean port?" in lines[0]
    assert "没有这一项" in lines[0]
    assert "did you mean password?" in lines[5]
    assert "did you mean sms.line?" in lines[6]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[web\n", "fzalert.toml:1: "),
        ('a = "\n', "fzalert.toml:1: "),
        ("[wep]\n", "fzalert.toml:1: wep: there is no such setting; did you mean web?"),
        ('[store]\nurl = "mysql://x"', "fzalert.toml:2: store.url: write sqlite:///fzalert.db"),
        ('[store]\nurl = "sqlite:///"', "fzalert.toml:2: store.url: write sqlite:///, then"),
        ('[store]\nmaster_key = "0f0f"', "fzalert.toml:2: store.master_key: a secret is given by"),
        ("channel = 3", "fzalert.toml:1: channel: write [[channel]]"),
        ('[[channel]]\nname = "a"', "fzalert.toml:1: channel.0.adapter: name the adapter"),
        ('[web]\nhost = "my-host"', "fzalert.toml:2: web.host: give an address"),
        ('[web]\nkey = "k.pem"', "fzalert.toml:1: web: certificate and key go together"),
        ('[identity]\nsign = "【a】"', "fzalert.toml:2: identity.sign: "),
        ('[limits.quiet_hours]\nzone = "Mars"', "fzalert.toml:2: limits.quiet_hours.zone: no such"),
        (
            '[limits.quiet_hours]\nstart = "08:00"',
            "fzalert.toml:1: limits.quiet_hours: start and end are the same",
        ),
        (
            '[[channel]]\nname="a"\nadapter="sms.line"\nhost="h"\nslot=1',
            "fzalert.toml:5: channel.0.slot: this is set by the engine",
        ),
    ],
)
def test_a_fault_names_its_line_and_the_way_out(
    text: str, expected: str, file: Path, registry: Registry
) -> None:
    (line,) = faults_of(text, file, registry)
    assert line.startswith(expected)


def test_an_adapters_paths_are_taken_from_the_folder_of_the_file(
    file: Path, registry: Registry
) -> None:
    table = '[[channel]]\nname="a"\nadapter="sms.line"\nhost="h"\nsounds="wav"\n'
    more = '[[channel.screens]]\nname="s"\npicture="/p.png"\n[[channel.screens]]\nname="t"\n'
    settings = parse_settings(table + more + 'picture="t.png"', file, registry=registry)
    config = settings.channels[0].config.model_dump()
    assert config["sounds"] == file.parent / "wav"
    pictures = [screen["picture"] for screen in config["screens"]]
    assert pictures == [Path("/p.png"), file.parent / "t.png"]


def test_a_fault_in_a_table_of_a_channel_has_its_line_and_suggestion(
    file: Path, registry: Registry
) -> None:
    table = '[[channel]]\nname="a"\nadapter="sms.line"\nhost="h"\n'
    more = '[[channel.screens]]\nname="s"\n[[channel.screens]]\nname="t"\npictur="x"'
    (line,) = faults_of(table + more, file, registry)
    assert line.startswith("fzalert.toml:9: channel.0.screens.1.pictur: ")
    assert "did you mean picture?" in line


def test_a_secret_that_others_can_read_is_refused(file: Path, registry: Registry) -> None:
    (file.parent / "key").write_text("k", encoding="utf-8")
    (file.parent / "key").chmod(0o644)
    (line,) = faults_of('[store]\nmaster_key = {file = "key"}', file, registry)
    assert line.startswith("fzalert.toml:2: store.master_key: ")
    assert "chmod 600" in line


def test_no_fault_repeats_what_stands_in_place_of_a_secret(file: Path, registry: Registry) -> None:
    text = '[[channel]]\nname="a"\nadapter="sms.line"\nhost="h"\npassword="hunter2"'
    assert "hunter2" not in "\n".join(faults_of(text, file, registry))


def test_an_adapter_that_cannot_be_loaded_names_what_to_install(file: Path) -> None:
    point = EntryPoint("voice.local", "no_such_sound_package.x:Y", "fzalert.adapters")
    registry = Registry({"voice.local": point})
    (line,) = faults_of('[[channel]]\nname="a"\nadapter="voice.local"', file, registry)
    assert line.startswith("fzalert.toml:3: channel.0.adapter: ")


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"#" * 1_100_000])
def test_an_unreadable_file_is_one_clear_error(
    content: bytes | None, file: Path, registry: Registry
) -> None:
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"fzalert\.toml"):
        read_settings(file, registry=registry)


def test_windows_line_ends_and_a_byte_order_mark_are_read(file: Path, registry: Registry) -> None:
    file.write_bytes(b"\xef\xbb\xbf[web]\r\nport = 0\r\n")
    assert read_settings(file, registry=registry).web.port == 0


def test_values_over_several_lines_do_not_shift_the_count() -> None:
    text = '''\
a = """
[x]
b = 1 "" \\"""
""""
c = [  # ] comment
  "]", '"',
  [2],
]
d = { e = 1 }
[t."q.r"] # header
f.g = \'\'\'
h = 2\'\'\'
i = 3
[[u]]
[[u.v]]
[[u.v]]
j = 1
[[u]]
[u.w]
k = 2
'''
    index = index_lines(text)
    found = {
        loc: index[loc]
        for loc in [
            ("a",),
            ("c",),
            ("d",),
            ("t", "q.r"),
            ("t", "q.r", "f", "g"),
            ("t", "q.r", "i"),
            ("u", 0, "v", 1, "j"),
            ("u", 1, "w", "k"),
        ]
    }
    assert list(found.values()) == [1, 5, 9, 10, 11, 13, 17, 20]
    assert ("h",) not in index
    assert ("b",) not in index
    assert line_of(index, ("d", "e", "f")) == 9
    assert line_of(index, ("nowhere",)) is None


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n", exclude_categories=["Cc"]))


@given(
    st.lists(
        st.tuples(st.sampled_from(['"', "'", '"""', "'''"]), WORDS, st.booleans()), max_size=12
    )
)
def test_any_mix_of_strings_keeps_the_lines(values: list[tuple[str, str, bool]]) -> None:
    lines: list[str] = []
    expected: dict[str, int] = {}
    for number, (quote, word, breaks) in enumerate(values):
        inner = word.replace("\\", "\\\\").replace('"', '\\"') if quote[0] == '"' else word
        inner = inner if quote[0] == '"' else inner.replace("'", "")
        if breaks and len(quote) == 3:
            inner += "\n[[x]]\nkey = 1 # "
        expected[f"k{number}"] = "\n".join(lines).count("\n") + (2 if lines else 1)
        lines.append(f"k{number} = {quote}{inner}{quote}")
    index = index_lines("\n".join(lines))
    assert {str(loc[0]): line for loc, line in index.items()} == expected
