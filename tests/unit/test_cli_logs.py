"""The log: one line an event, no personal data, no secret, no local variables."""

import json
import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr
from typing_extensions import override

from fzalert.cli.logs import Redaction, RunningLog, secrets_in, start_logging
from fzalert.cli.logs.sinks import FileSink, Queue
from fzalert.config import LogSettings, parse_settings
from fzalert.errors import ConfigError
from fzalert.messages import mailbox, phone

NUMBER = "13800138000"
SECRET = "t0ps3cret-of-the-line"


@pytest.fixture
def undone() -> Iterator[None]:
    """The root logger and structlog, as they were before."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
def start(undone: None, tmp_path: Path) -> Iterator[Callable[..., Path]]:
    running: list[RunningLog] = []

    def begin(*, service: bool = False, hide: tuple[str, ...] = (), **settings: Any) -> Path:
        file = tmp_path / "fzalert.log"
        log = LogSettings.model_validate({"file": file, **settings})
        running.append(start_logging(log, hide=hide, service=service))
        return file

    yield begin
    for one in running:
        one.stop()


@pytest.fixture
def file(start: Callable[..., Path]) -> Path:
    return start()


def read(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def events(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in read(file).split("\n") if line]


def test_numbers_and_secrets_do_not_reach_the_file(file: Path) -> None:
    log = structlog.get_logger("fzalert.test")
    log.info("made.up", to=NUMBER, api_token="t0ps3cret", nested={"password": "t0ps3cret"})
    logging.getLogger("other").warning("called %s", NUMBER)
    assert NUMBER not in read(file)
    assert "t0ps3cret" not in read(file)
    assert "138****8000" in read(file)
    assert [event["level"] for event in events(file)] == ["info", "warning"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\x0b", "\x1e", "\x85", "\u2028", "\u2029"])
def test_no_text_breaks_a_line(end: str, file: Path) -> None:
    structlog.get_logger("fzalert.test").info("made.up", said=f"a{end}forged")
    assert len(read(file).splitlines()) == 1
    assert events(file)[0]["said"] == f"a{end}forged"


@pytest.mark.parametrize("end", ["\n", "\r", "\x85", "\u2028", "\x1b[2J"])
def test_no_text_forges_a_line_for_a_person_either(end: str, start: Callable[..., Path]) -> None:
    file = start(format="text")
    structlog.get_logger("fzalert.test").info(f"made.up{end}forged", said=f"a{end}forged")
    assert len(read(file).splitlines()) == 1
    assert "\x1b" not in read(file)


@pytest.mark.parametrize("format", ["json", "text"])
def test_a_trace_has_no_local_variables(format: str, start: Callable[..., Path]) -> None:
    file = start(format=format)

    def fail() -> None:
        hidden = "t0ps3cret"
        raise ValueError(len(hidden))

    try:
        fail()
    except ValueError:
        structlog.get_logger("fzalert.test").exception("made.up")
        logging.getLogger("other").exception("made.up")
    assert read(file).count("ValueError") >= 2
    assert "t0ps3cret" not in read(file)


def test_a_log_file_that_cannot_be_opened_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[log\] file"):
        start_logging(LogSettings(file=tmp_path / "no" / "folder.log"))


def test_chatter_of_libraries_stays_out(start: Callable[..., Path]) -> None:
    file = start(level="debug")
    for name in ("httpx", "httpcore.http11", "uvicorn.access", "asyncio"):
        logging.getLogger(name).info("GET https://api.example/?key=%s", SECRET)
    assert read(file) == ""


def test_what_cannot_be_formatted_is_counted_and_nothing_is_printed(
    start: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    file = start()
    logging.getLogger("other").warning("two %d", NUMBER)
    assert read(file) == ""
    assert capsys.readouterr() == ("", "")


# -- masking, by type first ------------------------------------------------------------------------


class Login(BaseModel):
    user: str
    secret: SecretStr
    pin: str = "123"


@dataclass(frozen=True)
class Sent:
    to: object
    token: str


class Row(NamedTuple):
    card: str
    n: int


class Odd:
    @override
    def __str__(self) -> str:
        raise RuntimeError(NUMBER)


class Key:
    def get_secret_value(self) -> str:
        return SECRET

    @override
    def __str__(self) -> str:
        return SECRET


def nested() -> list[object]:
    deep: object = phone(NUMBER)
    for _ in range(30):
        deep = [deep]
    own: list[object] = []
    own.append(own)
    return [deep, own]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (phone(NUMBER), "phone:138****8000"),
        (mailbox("manager@bank.example"), "mailbox:m***@bank.example"),
        (SecretStr(SECRET), "…"),
        (Key(), "…"),
        (Login(user="a", secret=SecretStr(SECRET)), {"user": "a", "secret": "…", "pin": "…"}),
        (
            Sent(to=phone(NUMBER), token=SECRET),
            {"to": "phone:138****8000", "token": "…"},
        ),
        (Row(card="6222021234567890123", n=4), {"card": "…", "n": 4}),
        (NUMBER.encode("utf-16-be"), "<22 bytes>"),
        (ValueError(NUMBER, SecretStr(SECRET)), None),
        ({phone(NUMBER): NUMBER}, {"phone:138****8000": "138****8000"}),
        ({(1, NUMBER): 1}, None),
        (int(NUMBER), "138****8000"),
        (float(NUMBER), "138****8000"),
        (float("nan"), "nan"),
        (7, 7),
        (True, True),
        ({NUMBER}, ["138****8000"]),
        (Odd(), "<Odd, which raises RuntimeError>"),
        (ValueError(Odd()), "ValueError: <ValueError, which raises RuntimeError>"),
    ],
)
def test_a_value_is_masked_by_what_it_is(value: object, written: object) -> None:
    found = Redaction().value(value)
    text = json.dumps(found, ensure_ascii=False)
    assert NUMBER not in text
    assert SECRET not in text
    if written is not None:
        assert found == written


def test_what_is_nested_without_end_is_cut() -> None:
    assert NUMBER not in json.dumps(Redaction().value(nested()))
    wide = Redaction().value(list(range(1000)))
    assert isinstance(wide, list)
    assert wide[-1] == "800 more"


@pytest.mark.parametrize(
    "text",
    [
        "to 138 0013 8000 now",
        "to 138-0013-8000 now",
        "to 138.0013.8000 now",
        "to +86 138 0013 8000",
        "to (138) 0013-8000",
        "to １３８００１３８０００",
        "to 1 3 8 0 0 1 3 8 0 0 0",
        "id 11010119900307123X",
        "id 110101 19900307 123x",
        "card 6222 0212 3456 7890 123",
        "card 6222021234567890123",
        "from manager.zhang@bank.example",
    ],
)
def test_a_number_in_a_sentence_is_masked_however_it_is_written(text: str) -> None:
    found = Redaction().text(text)
    assert "**" in found
    for whole in ("0013", "００１３", "0 0 1 3", "19900307", "345", "manager"):
        assert whole not in found


@pytest.mark.parametrize(
    "text",
    [
        f"login failed: password={SECRET}",
        f"{{'shared_secret': '{SECRET}', 'n': 1}}",
        f'{{"access_token": "{SECRET}"}}',
        f"Authorization: Bearer {SECRET}",
        f"GET https://user:{SECRET}@sms.example/send",
        f"POST https://sms.example/send?api_key={SECRET}&n=1",
        f"Cookie: {SECRET}",
    ],
)
def test_a_secret_in_a_sentence_is_hidden_by_the_word_before_it(text: str) -> None:
    assert SECRET not in Redaction().text(text)


def test_a_secret_that_the_process_holds_is_hidden_wherever_it_stands() -> None:
    redaction = Redaction({SECRET})
    assert redaction.text(f"the far side says {SECRET!r} is wrong") == (
        "the far side says '…' is wrong"
    )


@pytest.mark.parametrize(
    "text", ["192.168.100.200:8800", "07:55 on 2026-11-24", "Connection refused (111)", "16/16 4.1"]
)
def test_what_is_nobodys_stays(text: str) -> None:
    assert Redaction().text(text) == text


@pytest.mark.parametrize("key", ["discarded", "shopping", "tokyo", "spin", "cardinality"])
def test_a_word_within_a_word_is_no_secret(key: str) -> None:
    event = {key: 7}
    Redaction()(None, "info", event)
    assert event == {key: 7}


@pytest.mark.parametrize(
    "key", ["password", "dbPassword", "token", "id_card", "idCard", "card", "card_no", "_token"]
)
def test_a_key_that_is_called_a_secret_is_hidden_whatever_it_holds(key: str) -> None:
    event: dict[str, object] = {key: ["x", {"y": "z"}]}
    Redaction()(None, "info", event)
    assert event == {key: "…"}


def test_our_own_ids_stay_whole_so_that_they_can_be_looked_up() -> None:
    event: dict[str, object] = {"warning": 96_000_000_000_000_001, "to": 96_000_000_000_000_001}
    Redaction()(None, "info", event)
    assert event == {"warning": "96000000000000001", "to": "960****0001"}


def test_the_secrets_of_the_settings_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINE_SECRET", "fifteen-or-less")
    settings = parse_settings(
        '[[channel]]\nname = "mobile"\nadapter = "sms.cmpp"\nhost = "127.0.0.1"\n'
        'account = "901234"\nsecret = {env = "LINE_SECRET"}\nservice_id = "F"\n'
        'src_id = "1069"\nsignature = "城关支行"\n',
        tmp_path / "fzalert.toml",
    )
    assert "fifteen-or-less" in secrets_in(settings)


mobiles = st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True)
secrets = st.text("abcdefghijkmnopqrstuvwxyz23456789-_", min_size=8, max_size=30)
scraps = st.text(max_size=20)


@st.composite
def planted(draw: st.DrawFn) -> tuple[object, str, str]:
    """A value of any shape with a number and a secret somewhere in it."""
    number, secret = draw(mobiles), "zq" + draw(secrets)
    leaves: list[Any] = [
        number,
        int(number),
        phone("13" + number[2:]),
        SecretStr(secret),
        draw(scraps) + "," + number + "." + draw(scraps),
        ValueError(number, secret),
        secret,
        draw(scraps),
        draw(st.floats()),
        draw(st.binary(max_size=9)),
    ]

    def wrap(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
        keys = st.one_of(scraps, st.just(number), st.just(secret))
        return st.one_of(
            st.lists(inner, max_size=4),
            st.dictionaries(keys, inner, max_size=4),
            st.tuples(inner, inner),
            st.builds(Sent, to=inner, token=st.just(secret)),
            st.builds(lambda one: RuntimeError("at", one), inner),
        )

    return draw(st.recursive(st.sampled_from(leaves), wrap, max_leaves=12)), number, secret


def fail(*args: object) -> None:
    raise RuntimeError(*args)


@given(planted())
def test_whatever_is_logged_no_number_and_no_secret_comes_out_and_it_is_one_line(
    made: tuple[object, str, str],
) -> None:
    value, number, secret = made
    written: list[str] = []

    class Keep(logging.Handler):
        @override
        def emit(self, record: logging.LogRecord) -> None:
            written.append(self.format(record))

    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    running = start_logging(LogSettings(), hide=[secret])
    keep = Keep()
    keep.setFormatter(root.handlers[0].formatter)
    root.handlers = [keep]
    try:
        log = structlog.get_logger("fzalert.test").bind()
        log.warning("made.up", value=value)
        log.warning(str(value), **{"at": value, number: secret})
        logging.getLogger("other").warning("%s %r", value, value)
        try:
            fail(value, number, secret)
        except RuntimeError as error:
            error.add_note(f"{number} {secret}")
            log.exception("failed", why=error)
            logging.getLogger("other").exception("failed %s", value)
    finally:
        running.stop()
        root.handlers, root.level = handlers, level
        structlog.reset_defaults()
    assert len(written) == 5
    for line in written:
        assert number not in line
        assert secret not in line
        assert len(line.splitlines()) == 1
        json.loads(line)
        line.encode("utf-8", "backslashreplace")


# -- never in the way ------------------------------------------------------------------------------


def test_a_full_pipe_holds_nobody_up_and_what_is_lost_is_counted(
    undone: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    with open(writer, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        running = start_logging(LogSettings(), service=True)
        log = logging.getLogger("fzalert.test")
        for number in range(20_000):  # far more than the pipe and the queue hold together
            log.warning("line %d %s", number, "x" * 200)
        assert running.dropped > 0
        got: list[bytes] = []
        drain = threading.Thread(
            target=lambda: got.extend(iter(lambda: os.read(reader, 1 << 20), b""))
        )
        drain.start()
        running.stop()
    drain.join(10)
    os.close(reader)
    lines = [json.loads(line) for line in b"".join(got).splitlines()]
    assert lines[0]["event"].startswith("line 0 ")
    told = [line["event"] for line in lines if line["event"].startswith("log.dropped")]
    assert sum(int(text.split()[1]) for text in told) == running.dropped
    assert len(lines) - len(told) + running.dropped == 20_000


def test_a_sink_that_fails_is_counted_and_tried_again(tmp_path: Path) -> None:
    class Full:
        is_full = True

        def __init__(self) -> None:
            self.tried = threading.Event()
            self.took: list[bytes] = []

        def write(self, lines: bytes) -> None:
            self.tried.set()
            if self.is_full:
                raise OSError(28, "No space left on device")
            self.took.append(lines)

        def close(self) -> None:
            pass

    sink = Full()
    queue = Queue(sink, lambda number: b"lost %d\n" % number)
    queue.write(b"one\n")
    assert sink.tried.wait(10)
    sink.is_full = False
    queue.write(b"two\n")
    queue.close()
    assert b"".join(sink.took) in {b"two\nlost 1\n", b"lost 1\ntwo\n"}
    assert queue.dropped == 1


def test_a_file_that_was_moved_away_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "fzalert.log"
    sink = FileSink(path)
    sink.write(b"one\n")
    path.rename(tmp_path / "fzalert.log.1")
    sink.write(b"two\n")
    path.unlink()
    sink.write(b"three\n")
    sink.close()
    assert (tmp_path / "fzalert.log.1").read_bytes() == b"one\n"
    assert path.read_bytes() == b"three\n"
    assert path.stat().st_mode & 0o007 == 0


def test_warnings_and_threads_that_die_are_logged_too(start: Callable[..., Path]) -> None:
    file = start(service=True)

    def die() -> None:
        raise RuntimeError(NUMBER)

    thread = threading.Thread(target=die, name="made-up")
    thread.start()
    thread.join()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn(f"call {NUMBER}", UserWarning, stacklevel=1)
    start(service=True).touch()  # stops the first one, which writes what waits
    text = read(file)
    assert "process.thread_died" in text
    assert "UserWarning" in text
    assert NUMBER not in text
