"""Put values into a text: the one formatter of the room, its cleaning, and the search after it.

The formatter knows nothing but `{name}`: a value is never read again as a template, and what looks
like a format expression stays text. What strangers can read is searched for personal data after
rendering, whatever the checks before it said.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fzalert.errors import InputError
from fzalert.messages import Lane, ScriptRef
from fzalert.scripts.model import PLACEHOLDER, Script, Texts
from fzalert.scripts.readers import written
from fzalert.scripts.rules import personal_data
from fzalert.scripts.variables import (
    SMALLEST_PUBLIC_COUNT,
    VARIABLES,
    Place,
    ScriptSettings,
)

_INVISIBLE = frozenset("\u200b\u2060\ufeff\u061c\u200e\u200f\u2028\u2029") | {
    chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
_DROPPED = frozenset({"Cc", "Cs", "Co", "Cn"})


def clean(text: str) -> str:
    """NFC, without control, unassigned, private and invisible characters; line feeds stay."""
    return "".join(
        c
        for c in unicodedata.normalize("NFC", text)
        if c == "\n" or (c not in _INVISIBLE and unicodedata.category(c) not in _DROPPED)
    )


@dataclass(frozen=True, slots=True)
class Job:
    """One rendering: everything that the five renderers share.

    Attributes:
        script: What to say.
        ref: Its name and digest, for the rendition.
        texts: The texts of the language and audience.
        values: Checked values.
        place: The surface.
        lane: Urgent or bulk.
        drill: Whether it is one.
        settings: What the configuration gives.
    """

    script: Script
    ref: ScriptRef
    texts: Texts
    values: Mapping[str, str | int]
    place: Place
    lane: Lane
    drill: bool
    settings: ScriptSettings

    @property
    def is_chinese(self) -> bool:
        """Whether signs and hotlines are worded in Chinese."""
        return self.ref.language.partition("-")[0] != "en"

    @property
    def mark(self) -> str:
        """What a drill puts in front of a text; empty otherwise."""
        if not self.drill:
            return ""
        return "（演练）" if self.is_chinese else "（演练 DRILL）"

    def fill(
        self, field: str, text: str, say: Callable[[str, str | int, str], str] = written
    ) -> str:
        """Put the values into one text; clean it; search it if strangers read it."""

        def value(match: re.Match[str]) -> str:
            name = match.group(1)
            self._admit(name, field)
            return say(name, self.values[name], self.ref.language)

        filled = clean(PLACEHOLDER.sub(value, text))
        if self.place.is_public:
            self.search(field, filled, PLACEHOLDER.findall(text))
        return filled

    def _admit(self, name: str, field: str) -> None:
        variable = VARIABLES.get(name)
        if variable is None or self.place not in variable.places:
            raise InputError(
                f"{self.script.key} {self.ref.language}.{field} needs {{{name}}}, which"
                f" may not stand on this surface ({self.place}).",
                field=name,
            )
        if name not in self.values:
            raise InputError(
                f"{self.script.key} {self.ref.language}.{field} needs a value of {name}.",
                hint="Give it in `values`, or a default in the configuration.",
                field=name,
            )
        if self.place.is_public and name in {"case_count", "loss_wan"}:
            cases = self.values.get("case_count")
            if not isinstance(cases, int) or cases < SMALLEST_PUBLIC_COUNT:
                raise InputError(
                    f"{name} is not shown in public with fewer than {SMALLEST_PUBLIC_COUNT} cases.",
                    hint="A small number points at a household. Give case_count, or another text.",
                    field=name,
                )

    def search(self, field: str, shown: str, names: Sequence[str]) -> None:
        """Refuse a text for strangers that holds what looks like a person's data."""
        hits = personal_data(shown)
        if not hits:
            return
        guilty = [n for n in names if personal_data(str(self.values[n]))]
        raise InputError(
            f"{self.script.key} {self.ref.language}.{field} would show personal data in public"
            f" ({', '.join(hits)}).",
            hint="Public surfaces take no phone, account, identity or plate number.",
            field=guilty[0] if guilty else field,
        )
