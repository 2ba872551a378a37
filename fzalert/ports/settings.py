"""Settings of a channel: the pydantic base that every adapter's `Config` extends."""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

SecretValue = SecretStr
"""A resolved secret; `get_secret_value()` at the one place that needs it."""


def _resolve(value: Any) -> Any:
    """Turn a reference into the secret it names; a literal in the file is refused."""
    if isinstance(value, SecretStr):
        return value
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError(
            'a secret is given by reference: {env="NAME"}, {file="/path"} or {cred="name"}'
        )
    ((kind, name),) = value.items()
    if not isinstance(name, str) or not name:
        raise ValueError(f"the reference {{{kind}=…}} needs a text")
    read = _KINDS.get(kind)
    if read is None:
        raise ValueError(f"unknown kind of secret {kind!r}: use env, file or cred")
    return SecretStr(read(name))


def _from_environment(name: str) -> str:
    if not _VARIABLE.fullmatch(name):  # somebody may have typed the secret itself
        raise ValueError("an environment variable is named by letters, digits and _")
    found = os.environ.get(name)
    if not found:
        raise ValueError(f"the environment variable {name} is not set")
    return found


def _from_credential(name: str) -> str:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise ValueError("CREDENTIALS_DIRECTORY is not set; systemd sets it for services")
    if name in {".", ".."} or "/" in name:
        raise ValueError("a credential is named as in LoadCredential=, without a path")
    # systemd lets one account in by an access list, which shows as a right of the group.
    return _read(Path(folder) / name, others=0o007)


def _from_file(name: str) -> str:
    return _read(Path(name))


def _read(path: Path, *, others: int = 0o077) -> str:
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise ValueError(f"cannot read the secret in {path}: {reason}") from None
    if sys.platform != "win32" and stat.S_IMODE(mode) & others:
        raise ValueError(f"{path} can be read by others: chmod 600 {path}")
    if not text:
        raise ValueError(f"{path} is empty")
    return text


_KINDS = {"env": _from_environment, "file": _from_file, "cred": _from_credential}

Secret = Annotated[SecretStr, BeforeValidator(_resolve)]
"""Field type for secrets: `{env="NAME"}`, `{file="/path"}` or `{cred="name"}`, never a literal."""


class ChannelConfig(BaseModel):
    """What every channel's table in `fzalert.toml` has.

    Attributes:
        name: The channel's name, from `[[channel]]`.
        adapter: The adapter's entry point, such as `sms.cmpp`.
        connections: How many slots the channel runs.
        slot: Which of them this instance is; set by the engine, not by a person.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$", description="Name of the channel.")
    adapter: str = Field(description="Entry point of the adapter, such as sms.cmpp.")
    connections: int = Field(default=1, ge=1, le=16, description="Connections at once.")
    slot: int = Field(default=0, ge=0, le=15, exclude=True, description="Set by the engine.")
