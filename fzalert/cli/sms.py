"""`fzalert sms`: tools for short messages that need no channel."""

from __future__ import annotations

from pydantic import BaseModel

from fzalert.cli.session import current
from fzalert.messages import Coding
from fzalert.scripts import cut, units

__all__ = ["parts"]


class PartsView(BaseModel):
    """How a text is cut."""

    parts: int
    coding: str
    units: list[int]
    texts: list[str]


def parts(text: str, *, coding: Coding = Coding.UCS2, signature: str = "") -> None:
    """Show how a text is cut into parts that are paid one by one.

    Args:
        text: What the person will read.
        coding: How it travels: ucs2, gsm7, ascii or gb18030.
        signature: Put in front within 【】.
    """
    whole = f"【{signature}】{text}" if signature else text
    made = cut(whole, coding)
    view = PartsView(
        parts=len(made.parts),
        coding=str(made.coding),
        units=[units(part, made.coding) for part in made.parts],
        texts=list(made.parts),
    )
    output = current().output
    output.data(view)
    output.line(f"{view.parts} 条 parts, {view.coding}")
    for number, (part, size) in enumerate(zip(view.texts, view.units, strict=True), start=1):
        output.line(f"{number}  {size:3d}  {part}")
