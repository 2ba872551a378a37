"""The fraud types that scripts, counter sessions and reports name."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict, Field

from fzalert.scripts.model import Title


@dataclass(frozen=True, slots=True)
class FraudType:
    """One fraud type: what it is called, how it sounds, what answers it.

    Attributes:
        id: Kebab-case, stable; also the id of its script.
        title: Its name.
        group: mps10, elderly, other, tool, payout, method, leadin, rural or generic.
        victims: Whom it meets, in Chinese.
        says: What the fraudster says, in paraphrase.
        signals: Ids of the counter's signals.
        rebuttal: One sentence against it.
        payout: How the money leaves.
        hotlines: Whom to call.
        aliases: Other names, for search.
        atm: What a machine's side could see.
        public: Whether screens, speakers and groups may name it.
    """

    id: str
    title: Title
    group: str
    victims: str
    says: tuple[str, ...]
    signals: tuple[str, ...]
    rebuttal: Title
    payout: tuple[str, ...] = ()
    hotlines: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    atm: str = ""
    public: bool = True


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    zh: str
    en: str
    group: str
    victims: str
    says: tuple[str, ...]
    signals: tuple[str, ...]
    rebuttal_zh: str
    rebuttal_en: str
    hotlines: tuple[str, ...]
    payout: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    atm: str = ""
    public: bool = True
    has_script: bool
    note: str = ""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_: int = Field(alias="schema")
    type: tuple[_Row, ...]


def read_fraud_types(text: str) -> Mapping[str, FraudType]:
    """Read the packaged `fraud-types.toml`; a fault in it is a fault of the package."""
    rows = _File.model_validate(tomllib.loads(text)).type
    return MappingProxyType({row.id: _fraud_type(row) for row in rows})


def _fraud_type(row: _Row) -> FraudType:
    return FraudType(
        id=row.id,
        title=Title(row.zh, row.en),
        group=row.group,
        victims=row.victims,
        says=row.says,
        signals=row.signals,
        rebuttal=Title(row.rebuttal_zh, row.rebuttal_en),
        payout=row.payout,
        hotlines=row.hotlines,
        aliases=row.aliases,
        atm=row.atm,
        public=row.public,
    )
