"""The command: asks or takes options, writes, adds the first person, says what comes next."""

from __future__ import annotations

import contextlib
import getpass
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

from cyclopts import Parameter
from pydantic import BaseModel

from fzalert.access import Role
from fzalert.cli.asking import NotConfirmed
from fzalert.cli.init.answers import (
    DEFAULT_PORT,
    Carrier,
    Pages,
    Sign,
    Who,
    channels_here,
    read_channels,
)
from fzalert.cli.init.files import FOLDER, Answers, config_text, new_secret, write_private
from fzalert.cli.session import current
from fzalert.config import Settings, parse_settings, read_settings
from fzalert.errors import ConfigError, InputError
from fzalert.registry import Registry

__all__ = ["Begun", "init"]

T = TypeVar("T")

DEFAULT_CHANNELS = ("sms", "screen")
_DEFAULT_FILE = "fzalert.toml"


class Begun(BaseModel):
    """What was written, and what comes next."""

    config: str
    files: list[str]
    person: str
    token_file: str
    drill: bool
    next: list[str]


async def init(
    *,
    who: str | None = None,
    channels: str | None = None,
    carrier: str | None = None,
    carrier_secret_file: Path | None = None,
    sign: str | None = None,
    web: str | None = None,
    person: str = "admin",
    yes: Annotated[bool, Parameter(negative=())] = False,
    overwrite: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Ask five questions and leave a configuration that runs.

    Args:
        who: 1. Who you are: a county, or a bank and its branch.
        channels: 2. Kinds of channel: sms, screen, speaker.
        carrier: 3. The carrier's account, HOST:PORT ACCOUNT NUMBER [SERVICE]; else a simulator.
        carrier_secret_file: File with the account's secret.
        sign: 4. Signature and hotline of short messages.
        web: 5. Port of the pages, or ADDRESS:PORT to show them to other machines.
        person: Name of the first person, an admin.
        yes: Ask nothing: what no option says is as the question would propose.
        overwrite: Replace a configuration that is there.
    """
    output = current().output
    path = _path()
    ask = _Asking(yes=yes)
    ask.may_replace([path], overwrite=overwrite)
    answers = _answers(ask, who=who, channels=channels, carrier=carrier, sign=sign, web=web)
    kept = _secrets(ask, answers, carrier_secret_file)
    files = [path.parent / FOLDER / name for name in kept]
    ask.may_replace(files, overwrite=overwrite)
    with _explained():
        _write(path, config_text(answers), kept)
        token_file = await _first_person(read_settings(path), person, path.parent)
    begun = Begun(
        config=str(path),
        files=[str(file) for file in files],
        person=person,
        token_file=str(token_file),
        drill=answers.is_drill,
        next=_next(answers, path, token_file),
    )
    output.data(begun)
    output.line(f"● 已写入 written: {path}")
    for file in [*files, token_file]:
        output.line(f"  {file.relative_to(path.parent)}  (0600)")
    output.line("下一步 Next:")
    for number, line in enumerate(begun.next, start=1):
        output.line(f"  {number}. {line}")


def _path() -> Path:
    named = current().config or os.environ.get("FZALERT_CONFIG") or _DEFAULT_FILE
    return Path(os.path.abspath(named))


class _Asking:
    """Asks at the terminal until an answer holds, or takes what would be proposed."""

    def __init__(self, *, yes: bool) -> None:
        if not yes and (current().output.as_json or not sys.stdin.isatty()):
            raise InputError(
                "没有终端可以提问。 Nobody can be asked here.",
                hint="Give --yes, and an option for each answer: fzalert init --help.",
                field="yes",
            )
        self._yes = yes
        self._number = 0

    def may_replace(self, files: Sequence[Path], *, overwrite: bool) -> None:
        """Go on only where nothing is replaced, or somebody wants it.

        Raises:
            InputError: Something is there, and nobody can be asked.
            NotConfirmed: The answer was no.
        """
        there = [file for file in files if file.exists()]
        if not there or overwrite:
            return
        names = ", ".join(str(file) for file in there)
        if self._yes:
            raise InputError(
                f"{names}: 已存在，没有改动。 It exists and was not touched.",
                hint="Give --overwrite to replace it, or another --config.",
                field="overwrite",
            )
        if not current().output.ask(f"{names}: 已存在，覆盖吗？ It exists. Replace it?"):
            raise NotConfirmed("没有改动。 Nothing was changed.")

    def ask(self, question: str, option: str | None, proposed: str, read: Callable[[str], T]) -> T:
        """Get one answer.

        Raises:
            InputError: An option, or what is proposed, does not hold, and nobody is asked.
        """
        self._number += 1
        if option is not None:
            return read(option)
        if self._yes:
            return read(proposed)
        while True:
            sys.stderr.write(f"{self._number}/5 {question} [{proposed}] ")
            sys.stderr.flush()
            line = sys.stdin.readline()
            if not line:
                raise KeyboardInterrupt
            try:
                return read(line.strip() or proposed)
            except InputError as error:
                hint = f" {error.hint}" if error.hint else ""
                sys.stderr.write(f"    ■ {error.args[0]}{hint}\n")

    def hidden(self, question: str) -> str:
        """Get a secret, which is not shown; empty where nobody is asked."""
        if self._yes:
            return ""
        while True:
            found = getpass.getpass(f"    {question} ", stream=sys.stderr).strip()
            if found:
                return found
            sys.stderr.write("    ■ 不能为空。 It must not be empty.\n")


def _answers(
    ask: _Asking,
    *,
    who: str | None,
    channels: str | None,
    carrier: str | None,
    sign: str | None,
    web: str | None,
) -> Answers:
    known = channels_here(Registry.installed())
    is_who = ask.ask(
        "您是哪个单位？县区名，或 银行 网点。\n    Who are you? A county, or BANK BRANCH.",
        who,
        "青山县",
        Who.read,
    )
    kinds = ask.ask(
        f"用哪些渠道？ Which channels? ({', '.join(known)})",
        channels,
        ",".join(name for name in DEFAULT_CHANNELS if name in known),
        lambda text: read_channels(text, known),
    )
    if "sms" in kinds:
        account = ask.ask(
            "运营商账号：地址:端口 账号 接入号 [业务代码]；没有就用模拟网关。\n"
            "    Carrier's account, HOST:PORT ACCOUNT NUMBER [SERVICE], or the simulator.",
            carrier,
            "simulator",
            Carrier.read,
        )
    else:
        account = ask.ask("", "simulator" if carrier is None else carrier, "", Carrier.read)
    signs = Sign(is_who.sign)
    signed = ask.ask(
        "短信签名与热线？ Signature and hotline?",
        sign,
        f"{signs.sign} {signs.hotline}",
        lambda text: Sign.read(text, signs, for_bank=bool(is_who.bank)),
    )
    pages = ask.ask(
        "页面端口？写 地址:端口 则其他机器也能打开。\n"
        "    Port of the pages? ADDRESS:PORT shows them to other machines too.",
        web,
        str(DEFAULT_PORT),
        Pages.read,
    )
    return Answers(is_who, kinds, account, signed, pages)


def _secrets(ask: _Asking, answers: Answers, secret_file: Path | None) -> dict[str, str]:
    """What goes into files of its own, by the file's name."""
    kept: dict[str, str] = {}
    if "screen" in answers.channels:
        kept["lobby-screen"] = new_secret()
    if "sms" not in answers.channels:
        return kept
    if answers.carrier.simulated:
        kept["carrier"] = new_secret()
    elif secret_file is not None:
        try:
            kept["carrier"] = secret_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"The secret in {secret_file} cannot be read.", field="carrier-secret-file"
            ) from error
    else:
        kept["carrier"] = ask.hidden("账号的密码（不显示）： The account's secret (not shown):")
    if not kept["carrier"]:
        raise InputError(
            "The account has a secret, and none was given.",
            hint="Give --carrier-secret-file.",
            field="carrier-secret-file",
        )
    return kept


def _write(path: Path, text: str, kept: Mapping[str, str]) -> None:
    """Write the secrets, then the configuration, once it is known to hold."""
    for name, secret in kept.items():
        write_private(path.parent / FOLDER / name, secret + "\n")
    _ = parse_settings(text, path)
    write_private(path, text)


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"{error.filename} cannot be written: {error.strerror}.",
            hint="Choose a folder that this account may write in, with --config.",
        ) from error


async def _first_person(settings: Settings, person: str, folder: Path) -> Path:
    """Add an admin and keep the token in a file; one that is there already keeps it."""
    file = folder / FOLDER / f"{person}.token"
    async with current().service(settings, delivers=False) as api:
        if any(user.name == person for user in await api.users()):
            return file
        token = await api.add_user(person, [Role.ADMIN])
    write_private(file, token + "\n")
    return file


def _next(answers: Answers, path: Path, token_file: Path) -> list[str]:
    """What a person does now, one line each."""
    is_found = path == Path.cwd() / _DEFAULT_FILE
    named = "fzalert" if is_found else f"fzalert --config {shlex.quote(str(path))}"
    lines = [f"{named} check"]
    if answers.is_drill:
        carrier = answers.carrier
        secret = shlex.quote(str(path.parent / FOLDER / "carrier"))
        lines.append(
            f"fzalert simulate cmpp --port {carrier.port} --account {carrier.account}"
            f' --secret "$(cat {secret})"   # 模拟网关，另开终端 in another terminal'
        )
    target = {"sms": "phone:13800138000", "screen": "display:lobby", "speaker": "speaker:lobby"}
    return [
        *lines,
        f"{named} run   # 页面端口 pages: {answers.pages.port}; 登录令牌 token: {token_file.name}",
        f"{named} user add author --role script_editor   # 话术须两人批准",
        f"{named} user add approver --role approver   # two persons approve a script",
        "FZALERT_TOKEN=… FZALERT_APPROVER_TOKEN=… "
        f"{named} scripts approve impersonating-police/general/1",
        f"{named} warn impersonating-police {target[answers.channels[0]]}",
    ]
