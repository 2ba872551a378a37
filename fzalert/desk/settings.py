"""What `desk.toml` may say: where the desk listens, whom it believes, who answers."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from fzalert.config.faults import Faults
from fzalert.config.sources import Source, Sources
from fzalert.errors import ConfigError

__all__ = ["DeskSettings", "HookSettings", "SenderSettings", "UserSettings", "load_desk"]

DEFAULT_FILE = "desk.toml"
_BASE = "base_directory"


def _beside_file(path: Path, info: ValidationInfo) -> Path:
    base = (info.context or {}).get(_BASE)
    return path if base is None else Path(base) / path.expanduser()


def _address(text: str) -> str:
    if text != "localhost":
        ipaddress.ip_address(text)
    return text


LocalPath = Annotated[Path, AfterValidator(_beside_file)]
Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Port = Annotated[int, Field(ge=0, le=65535)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SenderSettings(_Section):
    """A police unit whose packages are taken.

    Attributes:
        name: As the desk's people know it, and as the record says it.
        public_key: Its signing key (Ed25519), 64 hex digits.
        not_after: When the key ends, or None.
        phone: The number that your people call back, from your own book and no message.
        contact: Who answers there.
    """

    name: Annotated[str, Field(min_length=1, max_length=150)]
    public_key: Hex
    not_after: AwareDatetime | None = None
    phone: Annotated[str, Field(pattern=r"^(?:\+?[0-9][0-9\-]{2,28})?$")] = ""
    contact: Annotated[str, Field(max_length=80)] = ""


class UserSettings(_Section):
    """A person or program of the bank that may answer.

    Attributes:
        name: Lower-case letters, digits, `_` and `-`.
        display: As receipts name it.
        token_sha256: Hash of the token, as `fzalert desk token` prints it.
        machine: A program, not a person.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
    display: Annotated[str, Field(max_length=40)] = ""
    token_sha256: Hex
    machine: bool = False


class HookSettings(_Section):
    """The way into core banking: a program or an address; one of the two.

    Attributes:
        command: Program and arguments; it gets the package as JSON on standard input.
        url: Address that gets it as a POST.
        private: Whether the host of `url` is in a network of ours.
        timeout: Seconds for the whole answer.
        at_once: How many may be asked at once.
        ask: `arrival` asks as soon as an instruction is here; `person` after a person has compared
            it and said yes.
    """

    command: tuple[str, ...] = ()
    url: str = ""
    private: bool = True
    timeout: Annotated[float, Field(gt=0, le=600)] = 20.0
    at_once: Annotated[int, Field(ge=1, le=32)] = 4
    ask: Literal["arrival", "person"] = "arrival"

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.command) == bool(self.url):
            raise ValueError("give either command or url")
        return self


class DeskSettings(_Section):
    """The whole file.

    Attributes:
        name: The desk's name, as its acknowledgements say it.
        institutions: Codes of the institution; a package about another's account is refused.
        store: The desk's own database; its keys lie beside it.
        host: Where packages come in.
        port: Likewise; 0 takes any free one.
        certificate: Of the desk, chain included, in PEM.
        key: Its private key in PEM.
        client_ca: Authorities of the senders' client certificates, in PEM.
        staff_host: Where the bank's own people and programs ask.
        staff_port: Likewise; 0 takes any free one.
        sender: Whose packages are taken.
        user: Who may answer.
        hook: The way into core banking, or None: people answer.
    """

    name: Annotated[str, Field(min_length=1, max_length=80)]
    institutions: Annotated[tuple[str, ...], Field(min_length=1)]
    store: LocalPath = Field(default=Path("desk.db"), validate_default=True)
    host: Annotated[str, AfterValidator(_address)] = "127.0.0.1"
    port: Port = 8853
    certificate: LocalPath
    key: LocalPath
    client_ca: LocalPath
    staff_host: Annotated[str, AfterValidator(_address)] = "127.0.0.1"
    staff_port: Port = 8854
    sender: Annotated[tuple[SenderSettings, ...], Field(min_length=1)]
    user: tuple[UserSettings, ...] = ()
    hook: HookSettings | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        for what, names in (
            ("senders", [one.name for one in self.sender]),
            ("senders' keys", [one.public_key for one in self.sender]),
            ("users", [one.name for one in self.user]),
        ):
            if len(set(names)) != len(names):
                raise ValueError(f"two {what} are the same")
        if self.port and self.port == self.staff_port:
            raise ValueError("port and staff_port are the same")
        return self

    @property
    def master_key(self) -> Path:
        """File of the master key, beside the store."""
        return self.store.with_suffix(".master.key")

    @property
    def staff_is_local(self) -> bool:
        """Whether only this machine can ask; from elsewhere it takes TLS."""
        host = self.staff_host
        return host == "localhost" or ipaddress.ip_address(host).is_loopback


def load_desk(path: Path | None = None) -> DeskSettings:
    """Read the file given, else `./desk.toml`.

    Raises:
        ConfigError: It cannot be read, or says something wrong; the text names every fault.
    """
    path = (path or Path(DEFAULT_FILE)).absolute()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise ConfigError(
            f"{path} cannot be read: {why}.",
            hint="Name the desk's file with --config; docs/desk.md shows one.",
        ) from error
    whole = Sources((Source(path.name, text.replace("\r\n", "\n")),), {}).document()
    faults = Faults(path, whole.places)
    try:
        return DeskSettings.model_validate(whole.tables, context={_BASE: path.parent})
    except ValidationError as error:
        faults.add_validation(error, DeskSettings)
    faults.raise_if_any()
    raise ConfigError(f"{path.name} could not be read.")
