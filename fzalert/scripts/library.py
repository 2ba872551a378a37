"""The script library: what ships with fzalert, and what a county adds to it."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from fzalert.errors import ConfigError, UnknownScript
from fzalert.scripts.files import read_scripts
from fzalert.scripts.fraud_types import FraudType, read_fraud_types
from fzalert.scripts.model import Script, Title
from fzalert.scripts.rules import library_text


class Library:
    """Scripts by id, audience and version. Never changes once made.

    Attributes:
        types: The fraud types by id.
        titles: What to call each script id, in Chinese and English.
    """

    def __init__(self, scripts: Iterable[Script], types: Mapping[str, FraudType]) -> None:
        self._by_key = {script.key: script for script in scripts}
        self._versions: dict[tuple[str, str], tuple[Script, ...]] = {}
        for script in sorted(self._by_key.values(), key=lambda each: -each.version):
            place = (script.id, script.audience)
            self._versions[place] = (*self._versions.get(place, ()), script)
        self.types = types
        titles = {each.id: each.title for each in types.values()}
        for script in self._by_key.values():
            if script.title is not None:
                titles[script.id] = script.title
            titles.setdefault(script.id, Title(script.id, script.id))
        self.titles: Mapping[str, Title] = MappingProxyType(titles)

    @staticmethod
    def load() -> Library:
        """The library that ships with the package, read once.

        Raises:
            ConfigError: The packaged files are damaged.
        """
        return _shipped()

    @classmethod
    def from_toml(
        cls, text: str, *, file: str = "scripts.toml", over: Library | None = None
    ) -> Library:
        """Read a county's own scripts, on top of the shipped library or of `over`.

        Its own ids begin with `x-`. A script of a known id is a new version of it, or a new
        audience; a version that exists already with another text is refused, since approvals,
        recordings and vendors' templates are bound to it.

        Args:
            text: The TOML of the file.
            file: What to call it in errors.
            over: What it adds to; the shipped library by default.

        Raises:
            ConfigError: Everything that is wrong, a line each.
        """
        base = cls.load() if over is None else over
        added = read_scripts(text, file, private=_private(base.types))
        known = base.ids() | set(base.types)
        faults: list[str] = []
        for script in added:
            stands = base._by_key.get(script.key)
            if stands is not None and stands.digest != script.digest:
                faults.append(f"{script.key}: exists with another text, give it a new version")
            if script.id not in known and not script.id.startswith("x-"):
                faults.append(f"{script.key}: an id of your own begins with x-")
        if faults:
            raise ConfigError("\n".join(f"{file}: {fault}." for fault in faults))
        return cls((*base, *added), base.types)

    def get(self, id: str, audience: str = "general", version: int | None = None) -> Script:
        """Find a script.

        A script written for the audience is taken first, else the one for everyone; the audience
        `elderly` of a general script means its elder variants.

        Args:
            id: Fraud type or operational template.
            audience: Who will read it.
            version: The newest by default.

        Raises:
            UnknownScript: No such script, audience or version; the text names what is close.
        """
        for place in ((id, audience), (id, "general")):
            for script in self._versions.get(place, ()):
                if version in (None, script.version):
                    return script
        raise UnknownScript(self._what(id, audience, version), hint=self._hint(id), field="script")

    def by_key(self, key: str) -> Script:
        """Find the script that a stored key names.

        Raises:
            UnknownScript: No such key; it may come from a file that is no longer configured.
        """
        if key in self._by_key:
            return self._by_key[key]
        raise UnknownScript(f"There is no script {key[:80]!r}.", field="script")

    def versions(self, id: str, audience: str = "general") -> tuple[Script, ...]:
        """Every version that `get` chooses from, newest first; empty where there is none."""
        return self._versions.get((id, audience)) or self._versions.get((id, "general"), ())

    def audiences(self, id: str) -> tuple[str, ...]:
        """The audiences that a script is written for."""
        return tuple(sorted(audience for each, audience in self._versions if each == id))

    def ids(self) -> frozenset[str]:
        """Every script id."""
        return frozenset(id for id, _ in self._versions)

    def __iter__(self) -> Iterator[Script]:
        return iter(self._by_key.values())

    def __len__(self) -> int:
        return len(self._by_key)

    def _what(self, id: str, audience: str, version: int | None) -> str:
        if version is not None and self.versions(id, audience):
            numbers = ", ".join(str(each.version) for each in self.versions(id, audience))
            return f"{id} for {audience} has no version {version}; there is {numbers}."
        if audiences := self.audiences(id):
            return f"{id} is not written for {audience[:40]!r}, but for {', '.join(audiences)}."
        return f"There is no script {id[:60]!r}."

    def _hint(self, id: str) -> str:
        if self.audiences(id):
            return "Ask for that audience or version."
        close = difflib.get_close_matches(id, self.ids(), n=3)
        words = [
            each
            for each in sorted(self.ids())
            if each not in close and id and (id in each or id in self._names(each))
        ]
        if found := [*close, *words][:3]:
            return f"Is it {' or '.join(found)}?"
        return "`fzalert scripts list` shows them all."

    def _names(self, id: str) -> str:
        aliases = self.types[id].aliases if id in self.types else ()
        return " ".join((self.titles[id].zh, self.titles[id].en, *aliases))


def _private(types: Mapping[str, FraudType]) -> frozenset[str]:
    return frozenset(each.id for each in types.values() if not each.public)


@functools.cache
def _shipped() -> Library:
    types = read_fraud_types(library_text("fraud-types.toml"))
    scripts = read_scripts(library_text("scripts.toml"), "scripts.toml", private=_private(types))
    return Library(scripts, types)
