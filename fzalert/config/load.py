"""From a file to `Settings`, or to one error that lists every fault."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from fzalert.config.faults import Faults, suggest
from fzalert.config.settings import (
    BASE_DIRECTORY,
    ChannelSettings,
    FileSections,
    Settings,
)
from fzalert.config.sources import Source, Sources
from fzalert.config.types import holds_path, model_in
from fzalert.errors import ConfigError
from fzalert.registry import Registry

if TYPE_CHECKING:
    from fzalert.ports import ChannelConfig

__all__ = ["load_settings", "parse_settings", "read_settings", "settings_of"]

DEFAULT_FILE = "fzalert.toml"
VARIABLE = "FZALERT_CONFIG"


def load_settings(path: Path | None = None, *, registry: Registry | None = None) -> Settings:
    """Read the file given, else `$FZALERT_CONFIG`, else `./fzalert.toml`.

    Raises:
        ConfigError: The file cannot be read, or says something wrong; the text names all of it.
    """
    return read_settings(path or Path(os.environ.get(VARIABLE) or DEFAULT_FILE), registry=registry)


def read_settings(path: Path, *, registry: Registry | None = None) -> Settings:
    """Read one file, with `conf.d` beside it and the environment. Raises as `load_settings`."""
    path = Path(os.path.abspath(path))
    return settings_of(Sources.read(path), path, registry=registry)


def parse_settings(text: str, path: Path, *, registry: Registry | None = None) -> Settings:
    """Validate the text of a file that stands, or could stand, alone at `path`.

    Raises:
        ConfigError: Every fault, one a line: file, line, key, what is wrong.
    """
    file = Source(path.name, text.replace("\r\n", "\n"))
    return settings_of(Sources((file,), {}), path, registry=registry)


def settings_of(sources: Sources, path: Path, *, registry: Registry | None = None) -> Settings:
    """Validate what was read for the file at `path`. Raises as `parse_settings`."""
    whole = sources.document()
    faults = Faults(path, whole.places)
    document = _absolute_secrets(whole.tables, path.parent)
    tables = document.pop("channel", [])
    sections = _sections(document, path, faults)
    channels = _channels(tables, path, registry or Registry.installed(), faults)
    if sections is not None and sections.access.oidc and not sections.web.public_url:
        faults.add(
            ("access", "oidc"),
            "the provider sends people back to a name: set public_url under [web] 还须设置",
        )
    faults.raise_if_any()
    if sections is None:
        raise ConfigError(f"{path.name} could not be read.")
    return Settings(
        path=path,
        store=sections.store,
        identity=sections.identity,
        drill=sections.drill,
        web=sections.web,
        limits=sections.limits,
        log=sections.log,
        relay=sections.relay,
        channels=tuple(channels),
        telemetry=sections.telemetry,
        freeze=sections.freeze,
        evidence=sections.evidence,
        access=sections.access,
        digest=sources.digest,
    )


def _sections(document: dict[str, Any], path: Path, faults: Faults) -> FileSections | None:
    document.setdefault("store", {})  # its default depends on where the file stands
    try:
        return FileSections.model_validate(document, context={BASE_DIRECTORY: path.parent})
    except ValidationError as error:
        faults.add_validation(error, FileSections)
    return None


def _channels(
    tables: object, path: Path, registry: Registry, faults: Faults
) -> list[ChannelSettings]:
    if not isinstance(tables, list):
        faults.add(("channel",), "write [[channel]], with two brackets 应写双层方括号")
        return []
    channels: list[ChannelSettings] = []
    first: dict[str, int] = {}
    for number, table in enumerate(tables):
        channel = _channel(table, number, path, registry, faults)
        if not isinstance(table, dict):
            continue
        name = table.get("name")
        if isinstance(name, str) and first.setdefault(name, number) != number:
            faults.add(
                ("channel", number, "name"), f"{name!r} names channel.{first[name]} already 重名"
            )
        if channel is not None:
            channels.append(channel)
    return channels


def _channel(
    table: object, number: int, path: Path, registry: Registry, faults: Faults
) -> ChannelSettings | None:
    under = ("channel", number)
    if not isinstance(table, dict):
        faults.add(under, "a channel is a table 应为一个表")
        return None
    adapter = table.get("adapter")
    if not isinstance(adapter, str):
        faults.add(
            (*under, "adapter"),
            f"name the adapter; known are {', '.join(registry.adapter_names)} 缺少这一项",
        )
        return None
    if adapter not in registry.adapter_names:
        meant = suggest(adapter, registry.adapter_names)
        faults.add((*under, "adapter"), f"there is no adapter {adapter!r}{meant} 没有这种适配器")
        return None
    try:
        factory = registry.adapter(adapter)
    except ConfigError as error:
        faults.add((*under, "adapter"), str(error.args[0]) + " " + error.hint)
        return None
    try:
        config: ChannelConfig = factory.Config.model_validate(
            _absolute_paths(factory.Config, _without_slot(table), path.parent),
            context={BASE_DIRECTORY: path.parent},
        )
    except ValidationError as error:
        faults.add_validation(error, factory.Config, under=under)
        return None
    if "slot" in table:
        faults.add((*under, "slot"), "this is set by the engine, not in the file 此项由程序设置")
    return ChannelSettings(config.name, adapter, factory, config)


def _without_slot(table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key != "slot"}


def _absolute_paths(model: type[BaseModel], table: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """Take an adapter's relative paths from the folder of the file, where its model has paths."""

    def absolute(name: str, value: Any) -> Any:
        field = model.model_fields.get(name)
        if field is None:
            return value
        if holds_path(field.annotation):
            if isinstance(value, list):
                return [absolute(name, item) for item in value]
            return str(base / Path(value).expanduser()) if isinstance(value, str) else value
        nested = model_in(field.annotation)
        if nested is None:
            return value
        if isinstance(value, list):
            return [absolute(name, item) for item in value]
        return _absolute_paths(nested, value, base) if isinstance(value, dict) else value

    return {name: absolute(name, value) for name, value in table.items()}


def _absolute_secrets(document: dict[str, Any], base: Path) -> dict[str, Any]:
    """Take the relative path in `{file = "…"}` from the folder of the file."""

    def walk(value: Any) -> Any:
        if isinstance(value, list):
            return [walk(item) for item in value]
        if not isinstance(value, Mapping):
            return value
        if value.keys() == {"file"} and isinstance(value["file"], str) and value["file"]:
            return {"file": str(base / Path(value["file"]).expanduser())}
        return {key: walk(item) for key, item in value.items()}

    # A section that has the one setting `file`, such as [log], is no reference.
    return {
        key: {name: walk(item) for name, item in value.items()}
        if isinstance(value, Mapping)
        else walk(value)
        for key, value in document.items()
    }
