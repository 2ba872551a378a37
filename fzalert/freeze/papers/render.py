"""A paper as PDF/A: typst sets it, with Chinese fonts that have to be there."""

from __future__ import annotations

import functools
import importlib.resources
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fzalert.errors import ConfigError
from fzalert.freeze.papers.content import Paper

if TYPE_CHECKING:
    import typst

__all__ = ["FONTS", "render_paper"]

FONTS = ("Noto Serif CJK SC",)
"""Fonts tried in order; a unit with licences names 方正小标宋 or 仿宋 first."""


def render_paper(
    paper: Paper, *, fonts: Sequence[str] = FONTS, font_paths: Sequence[Path] = ()
) -> bytes:
    """Set a paper as PDF/A-2b.

    Args:
        paper: What it says.
        fonts: Font families, the preferred one first; each has to be there.
        font_paths: Folders with fonts besides the system's.

    Raises:
        ConfigError: A font is missing: typst would print boxes without a word.
    """
    import typst

    data = {**paper, "fonts": list(fonts), "qr": _qr(paper)}
    folder = importlib.resources.files(__package__).joinpath("forms")
    with importlib.resources.as_file(folder) as root:
        pdf, warnings = typst.compile_with_warnings(
            str(root / "form.typ"),
            root=str(root),
            font_paths=_fonts(tuple(map(str, font_paths))),
            format="pdf",
            sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
            pdf_standards=["a-2b"],
        )
    for warning in warnings:
        if "font" in str(warning):
            _fonts.cache_clear()  # once it is installed it is to be found
            raise ConfigError(
                f"The papers cannot be set: {warning}.",
                hint="Install fonts-noto-cjk, or name a font that is there.",
            )
    if not isinstance(pdf, bytes):
        raise TypeError("typst gave pages, not one document")
    return pdf


@functools.cache
def _fonts(folders: tuple[str, ...]) -> typst.Fonts:
    """The machine's fonts, looked for once: that takes ten times as long as a paper."""
    import typst

    return typst.Fonts(font_paths=list(folders))


def _qr(paper: Paper) -> str:
    """Application id and the first sixteen digits of the hash, so that a paper finds its case."""
    import segno

    out = io.BytesIO()
    code = segno.make(f"{paper['application_id']}|{paper['sha256'][:16]}", micro=False, error="m")
    code.save(out, kind="svg", xmldecl=False, border=1)
    return out.getvalue().decode()
