"""Settings of a webhook channel."""

from __future__ import annotations

from collections import Counter
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from fzalert import ConfigError
from fzalert.http import check_url
from fzalert.messages import group
from fzalert.ports import ChannelConfig, Secret

__all__ = ["WebhookConfig", "WebhookGroup"]

_SHORTEST_SECRET = 16


class WebhookGroup(BaseModel):
    """One receiver: the target `group:<name>`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="Name of the group, as in the target group:<name>.")
    url: str = Field(
        repr=False, max_length=2000, description="Where to post; https, unless private."
    )
    secret: Secret = Field(description="What posts are signed with; at least 16 characters.")
    private: bool = Field(
        default=False, description="The host is ours: it may be private and may use http."
    )

    @field_validator("name")
    @classmethod
    def _is_name(cls, name: str) -> str:
        return group(name).address

    @model_validator(mode="after")
    def _is_reachable(self) -> Self:
        try:
            check_url(self.url, self.private_hosts)
        except ConfigError as error:
            raise ValueError(f"{error.args[0]} {error.hint}".strip()) from None
        if len(self.secret.get_secret_value()) < _SHORTEST_SECRET:
            raise ValueError(f"the secret needs at least {_SHORTEST_SECRET} characters")
        return self

    @property
    def host(self) -> str:
        """The host, for health and logs; the rest of the address may be a key."""
        return (urlsplit(self.url).hostname or "").rstrip(".")

    @property
    def private_hosts(self) -> frozenset[str]:
        """What the HTTP pool is told about the host."""
        return frozenset({self.host}) if self.private else frozenset()


class WebhookConfig(ChannelConfig):
    """Receivers of signed posts."""

    groups: tuple[WebhookGroup, ...] = Field(min_length=1, description="The receivers.")
    window: int = Field(default=8, ge=1, le=32, description="Posts at once.")
    rate: float | None = Field(
        default=None, gt=0, le=5000, description="Posts a second that the receivers allow."
    )
    answer_timeout: float = Field(
        default=10.0, gt=0, le=120, description="Seconds from the connection to the whole answer."
    )
    receiver_deduplicates: bool = Field(
        default=False,
        description="Every receiver promises to act once for one Idempotency-Key; then a post"
        " whose fate is unknown is sent again.",
    )

    @model_validator(mode="after")
    def _are_distinct(self) -> Self:
        counted = Counter(one.name for one in self.groups)
        twice = sorted(name for name, count in counted.items() if count > 1)
        if twice:
            raise ValueError(f"two groups have the name {', '.join(twice)}")
        return self
