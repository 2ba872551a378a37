"""Where the demo keeps its things, and the configuration that it runs."""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from fzalert.errors import InputError

MARK = ".fzalert-demo"


@dataclass(frozen=True, slots=True)
class Place:
    """The demo's folder.

    Attributes:
        root: The folder; everything of a former demo in it is removed.
    """

    root: Path

    @property
    def config(self) -> Path:
        """The configuration of the daemon."""
        return self.root / "fzalert.toml"

    @property
    def frames(self) -> Path:
        """The carrier's raw log of frames."""
        return self.root / "carrier-frames.log"

    @property
    def case(self) -> Path:
        """Papers, board and bundle of the case."""
        return self.root / "case"

    @property
    def report(self) -> Path:
        """The report."""
        return self.root / "report.html"

    def log(self, name: str) -> Path:
        """The log of one process."""
        return self.root / "logs" / f"{name}.log"

    def secret(self, name: str) -> str:
        """Make a secret and keep it in a file that nobody else may read."""
        # CMPP takes at most 15 characters of a shared secret; everything else may have more.
        value = secrets.token_urlsafe(12)[:15] if name == "cmpp" else secrets.token_urlsafe(24)
        path = self.root / "secrets" / name
        path.touch(mode=0o600)
        path.write_text(value, encoding="ascii")
        return value

    def prepare(self) -> None:
        """Empty the folder, if it is a demo's or empty.

        Raises:
            InputError: It holds something else.
        """
        if self.root.exists():
            if any(self.root.iterdir()) and not (self.root / MARK).exists():
                raise InputError(
                    f"{self.root} holds other files.",
                    hint="Name an empty folder with --out.",
                    field="out",
                )
            shutil.rmtree(self.root)
        for folder in (self.root / "logs", self.root / "secrets"):
            folder.mkdir(parents=True, mode=0o700)
        (self.root / MARK).touch()


def write_config(
    place: Place,
    *,
    carrier_port: int,
    mail_port: int,
    webhook_port: int,
    web_port: int,
    sound_server: str,
    sink: str,
) -> None:
    """Write the daemon's configuration."""
    speaker = f'device = "{sink}"' if sound_server else 'wav = "atm-area.wav"'
    # A longer buffer than a branch needs: the demo plays beside nine other processes.
    server = f'server = "{sound_server}"\nlatency_ms = 400\n' if sound_server else ""
    channels = f"""
[[channel]]
name = "mobile"
adapter = "sms.cmpp"
host = "127.0.0.1"
port = {carrier_port}
account = "901234"
secret = {{ file = "secrets/cmpp" }}
service_id = "FZALERT"
src_id = "106500001"
signature = "青山反诈"
window = 64
rate = 1500                # more than the carrier takes: it throttles, and fzalert slows down

[[channel]]
name = "screens"
adapter = "display.kiosk"
footer = "城关支行 · 县公安局反诈中心 96110"
displays = [{{ name = "lobby", title = "城关支行", token = {{ file = "secrets/screen" }} }}]

[[channel.idle]]
title = "转账之前停一停"
lines = ["没见过面的人不转钱", "叫您保密的是骗子", "先打96110问清楚"]

[[channel]]
name = "atm-voice"
adapter = "voice.local"
{server}speakers = [{{ name = "atm-1", {speaker} }}]

[[channel]]
name = "mail"
adapter = "mail.smtp"
host = "127.0.0.1"
port = {mail_port}
tls = "none"
sender = "fzalert@bank.example"

[[channel]]
name = "liaison"
adapter = "post.webhook"
groups = [{{ name = "village-heads", url = "http://127.0.0.1:{webhook_port}/hook", \
secret = {{ file = "secrets/webhook" }}, private = true }}]
"""
    place.config.write_text(_head(web_port) + channels, encoding="utf-8")


def write_case_config(place: Place, *, web_port: int) -> None:
    """Write the configuration of a daemon that has the case alone."""
    place.config.write_text(_head(web_port), encoding="utf-8")


def _head(web_port: int) -> str:
    return f"""# Written by `fzalert demo`. Everything in it is of this machine alone.
[store]
url = "sqlite:///data/fzalert.db"

[identity]
county = "青山县"
bank = "青山农商银行"
branch = "城关支行"
sign = "青山反诈"

[drill]
enabled = true

[web]
host = "127.0.0.1"
port = {web_port}

[limits.quiet_hours]
enabled = false            # the demo runs at any hour

[freeze]
unit_name = "青山县公安局（演练）"
unit_code = "110105000000"
prefecture = "1101"
duty_phone = "010-00000000"

[log]
file = "logs/daemon.jsonl"
"""
