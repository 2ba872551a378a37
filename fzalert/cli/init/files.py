"""What is written: `fzalert.toml` and the secrets beside it, each readable by its owner alone."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fzalert.cli.init.answers import Carrier, Pages, Sign, Who

__all__ = ["Answers", "config_text", "new_secret", "write_private"]

FOLDER = "secrets"


@dataclass(frozen=True, slots=True)
class Answers:
    """The five answers together.

    Attributes:
        who: Who speaks.
        channels: Kinds of channel.
        carrier: The carrier of short messages.
        sign: Signature and hotline.
        pages: Where the pages are.
    """

    who: Who
    channels: tuple[str, ...]
    carrier: Carrier
    sign: Sign
    pages: Pages

    @property
    def is_drill(self) -> bool:
        """Whether everything goes out with 演练: as long as the carrier is the simulator."""
        return "sms" in self.channels and self.carrier.simulated


def new_secret() -> str:
    """A secret that CMPP can carry: 15 characters at most."""
    return secrets.token_urlsafe(12)[:15]


def write_private(path: Path, text: str) -> None:
    """Write a whole file that only its owner may read, or leave the former one as it was."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    half = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
    except BaseException:
        half.unlink(missing_ok=True)
        raise


def config_text(answers: Answers) -> str:
    """The configuration that these answers make."""
    who, sign = answers.who, answers.sign
    tables = [
        "# 由 fzalert init 生成；每一项见 docs/config.md，改后 fzalert check，再 fzalert reload。\n"
        "# Written by fzalert init. docs/config.md has every setting; after a change run\n"
        "# fzalert check, then fzalert reload.\n",
        _table(
            "identity",
            {
                "county": who.county,
                "bank": who.bank,
                "branch": who.branch,
                "sign": sign.sign,
                "hotline": sign.hotline,
            },
        ),
        *(
            [
                f"[identity.service_numbers]\n{json.dumps(who.bank, ensure_ascii=False)}"
                f" = {json.dumps(sign.hotline)}\n"
            ]
            if sign.is_own
            else []
        ),
        _table("web", {"host": answers.pages.host, "port": answers.pages.port}),
    ]
    if answers.is_drill:
        tables.append(
            "# 模拟网关：一切带演练标记。换成真实账号后删去这一段。\n"
            "# The carrier is simulated, so everything says 演练. Remove this for a real account.\n"
            + _table("drill", {"enabled": True})
        )
    tables += [_CHANNELS[name](answers) for name in answers.channels]
    return "\n".join(tables)


def _table(name: str, values: Mapping[str, str | int | bool]) -> str:
    # A JSON text is a TOML text too, once DEL, which TOML forbids bare, is known to be absent.
    lines = [
        f"{key} = {json.dumps(v, ensure_ascii=False)}\n" for key, v in values.items() if v != ""
    ]
    return f"[{name}]\n" + "".join(lines)


def _sms(answers: Answers) -> str:
    carrier = answers.carrier
    table = _table(
        "[channel]",
        {
            "name": "mobile",
            "adapter": "sms.cmpp",
            "host": carrier.host,
            "port": carrier.port,
            "account": carrier.account,
            "service_id": carrier.service_id,
            "src_id": carrier.src_id,
            "signature": answers.sign.sign,
        },
    )
    return table + f'secret = {{ file = "{FOLDER}/carrier" }}\n'


def _screen(answers: Answers) -> str:
    title = answers.who.branch or answers.who.bank or answers.who.county
    screen = {"name": "lobby", "title": title[:40]}
    channel = _table("[channel]", {"name": "screens", "adapter": "display.kiosk"})
    return (
        f"{channel}\n{_table('[channel.displays]', screen)}"
        f'token = {{ file = "{FOLDER}/lobby-screen" }}\n'
    )


def _speaker(answers: Answers) -> str:
    del answers
    channel = _table("[channel]", {"name": "voice", "adapter": "voice.local"})
    return f"{channel}\n{_table('[channel.speakers]', {'name': 'lobby'})}"


_CHANNELS = {"sms": _sms, "screen": _screen, "speaker": _speaker}
