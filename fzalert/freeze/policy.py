"""The law as data: limits with their sources, guards with their texts, in a versioned TOML.

A guard that the file does not list is not applied, and `Policy.missing` names it, on `check` and on
every form. Nothing in code is a legal figure.
"""

from __future__ import annotations

import importlib.resources
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fzalert.errors import ConfigError

__all__ = ["GUARDS", "GuardText", "Limit", "Policy", "load_policy"]

GUARDS = frozenset(
    {
        *("role", "step-up", "daily-limit", "daily-sends", "clean", "duplicate"),
        *("protected", "protected-whole"),
        *("two-officers", "second-person", "documents", "reason", "stop-count", "in-force"),
        *("filed", "legal-basis", "amount", "period", "rank", "whole-reason", "mass", "online"),
        *("duty-phone", "legal-review", "local-police", "same-rank", "package", "recipient"),
        *("receipt-account", "receipt-proof", "receipt-time", "not-sent", "allocation", "notice"),
    }
)
"""Every guard that `guards` can apply."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Limit(_Model):
    """One figure of the law or of the house.

    Attributes:
        value: The figure, in `unit`.
        unit: hours, days, months, working days, fen, accounts and so on.
        source: The instrument and article, as it is printed on forms.
        confidence: Whether the source text was read, read at second hand, or is believed.
    """

    value: int = Field(ge=0)
    unit: str
    source: str
    confidence: Literal["text", "second", "believed"]


class GuardText(_Model):
    """What a refusal says."""

    zh: str
    en: str
    source: str


class Policy(_Model):
    """One version of the rules."""

    name: str
    version: str
    title_zh: str
    title_en: str
    limits: Mapping[str, Limit]
    reminders: Mapping[str, tuple[int, ...]]
    guards: Mapping[str, GuardText]

    @property
    def missing(self) -> tuple[str, ...]:
        """Guards that this policy does not apply."""
        return tuple(sorted(GUARDS - self.guards.keys()))

    def limit(self, name: str) -> int:
        """The figure of a limit.

        Raises:
            ConfigError: The policy has no such limit.
        """
        try:
            return self.limits[name].value
        except KeyError:
            raise ConfigError(
                f"The policy {self.name} {self.version} has no limit {name!r}.",
                hint="Start from the shipped policy and change its values.",
            ) from None

    def hours(self, name: str) -> timedelta:
        """A limit that counts hours."""
        return timedelta(hours=self.limit(name))

    @classmethod
    def parse(cls, text: str, where: str = "policy") -> Self:
        """Read a policy.

        Raises:
            ConfigError: Not TOML, a field is wrong, or a guard is unknown.
        """
        try:
            policy = cls.model_validate(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{where}: {error}") from None
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise ConfigError(f"{where}: {place}: {first['msg']}") from None
        unknown = sorted(policy.guards.keys() - GUARDS)
        if unknown:
            raise ConfigError(
                f"{where}: there is no guard {unknown[0]!r}.",
                hint=f"The guards are {', '.join(sorted(GUARDS))}.",
            )
        return policy


def load_policy(name: str = "cn-2024", path: Path | None = None) -> Policy:
    """Read a shipped policy by name, or a unit's own file.

    Raises:
        ConfigError: As `Policy.parse`, or the file cannot be read.
    """
    if path is not None:
        try:
            text = path.read_text("utf-8")
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}.") from None
        return Policy.parse(text, str(path))
    shipped = importlib.resources.files(__package__).joinpath("policies", f"{name}.toml")
    if not shipped.is_file():
        raise ConfigError(f"No policy {name!r} is shipped.", hint="Shipped: cn-2024.")
    return Policy.parse(shipped.read_text("utf-8"), f"{name}.toml")
