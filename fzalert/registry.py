"""Which adapters, command groups and simulators are installed: entry points, loaded when asked."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Any, cast

from fzalert.errors import ConfigError

if TYPE_CHECKING:
    from fzalert.ports import CommandGroup
    from fzalert.ports.adapter import AdapterFactory

__all__ = ["ADAPTERS", "COMMANDS", "SIMULATORS", "AdapterMissing", "Registry"]

ADAPTERS = "fzalert.adapters"
COMMANDS = "fzalert.commands"
SIMULATORS = "fzalert.simulators"

# The optional dependencies that an adapter family needs, by the first word of its entry point.
_EXTRAS = {"voice": "voice", "speech": "voice"}


class AdapterMissing(ConfigError):
    """An adapter or a command is registered but cannot be loaded; the hint says what to install."""

    code = "adapter-missing"


class Registry:
    """The entry points of an environment.

    Args:
        adapters: Entry point of each adapter, by its name.
        commands: Entry point of each command group.
        simulators: Entry point of each simulator's command group.
    """

    def __init__(
        self,
        adapters: Mapping[str, metadata.EntryPoint],
        commands: Mapping[str, metadata.EntryPoint] | None = None,
        simulators: Mapping[str, metadata.EntryPoint] | None = None,
    ) -> None:
        self._adapters = dict(sorted(adapters.items()))
        self._commands = dict(sorted((commands or {}).items()))
        self._simulators = dict(sorted((simulators or {}).items()))

    @classmethod
    def installed(cls) -> Registry:
        """Return what this environment has; read once."""
        return _installed()

    @property
    def adapter_names(self) -> tuple[str, ...]:
        """Names of the adapters, loadable or not."""
        return tuple(self._adapters)

    @property
    def command_names(self) -> tuple[str, ...]:
        """Names of the command groups."""
        return tuple(self._commands)

    @property
    def simulator_names(self) -> tuple[str, ...]:
        """Names of the simulators."""
        return tuple(self._simulators)

    def where(self, name: str) -> str:
        """Tell which module an adapter comes from."""
        return self._adapters[name].value

    def adapter(self, name: str) -> AdapterFactory:
        """Load an adapter.

        Raises:
            KeyError: No such adapter is registered.
            AdapterMissing: It is registered and cannot be loaded.
        """
        from fzalert.ports import ChannelConfig

        found = _load("adapter", self._adapters[name])
        config = getattr(found, "Config", None)
        if not (isinstance(config, type) and issubclass(config, ChannelConfig)) or not callable(
            found
        ):
            raise AdapterMissing(
                f"The adapter {name!r} ({self.where(name)}) has no Config of its own.",
                hint="Its Config must extend fzalert.ports.ChannelConfig.",
            )
        return cast("AdapterFactory", found)

    def commands(self, name: str) -> CommandGroup:
        """Load a command group. Raises as `adapter`."""
        return _group("command group", self._commands[name])

    def simulator(self, name: str) -> CommandGroup:
        """Load a simulator's commands. Raises as `adapter`."""
        return _group("simulator", self._simulators[name])


@functools.cache
def _installed() -> Registry:
    def points(group: str) -> dict[str, metadata.EntryPoint]:
        return {point.name: point for point in metadata.entry_points(group=group)}

    return Registry(points(ADAPTERS), points(COMMANDS), points(SIMULATORS))


def _group(kind: str, point: metadata.EntryPoint) -> CommandGroup:
    from fzalert.ports import CommandGroup

    found = _load(kind, point)
    if not isinstance(found, CommandGroup):
        raise AdapterMissing(
            f"The {kind} {point.name!r} ({point.value}) is no fzalert.ports.CommandGroup.",
            hint="Mend the package that registers it.",
        )
    return found


def _load(kind: str, point: metadata.EntryPoint) -> Any:
    try:
        return point.load()
    except ModuleNotFoundError as error:
        raise AdapterMissing(
            f"The {kind} {point.name!r} needs the package {error.name!r}, which is not installed.",
            hint=_install(point, error.name or ""),
        ) from error
    except (ImportError, AttributeError, OSError) as error:
        raise AdapterMissing(
            f"The {kind} {point.name!r} ({point.value}) cannot be loaded: {error}.",
            hint="Install fzalert again, or mend the package that registers it.",
        ) from error


def _install(point: metadata.EntryPoint, missing: str) -> str:
    if missing.partition(".")[0] == point.module.partition(".")[0]:
        return "Install fzalert again: this part of it is missing."
    extra = _EXTRAS.get(point.name.partition(".")[0], "all")
    return f"Install it: pip install 'fzalert[{extra}]'"
