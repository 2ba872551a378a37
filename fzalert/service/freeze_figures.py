"""The figures of an open service: every case is read once, and nothing of it is kept."""

from __future__ import annotations

from dataclasses import asdict

from fzalert.errors import InputError
from fzalert.freeze.book import CaseBook
from fzalert.freeze.contacts import ContactBook
from fzalert.freeze.figures import Counting
from fzalert.service.freeze_models import FigureView

__all__ = ["figures_of"]


async def figures_of(book: CaseBook, contacts: ContactBook, month: str) -> list[FigureView]:
    """Count one month, or every month.

    Args:
        book: The cases; one whose key was destroyed counts no more.
        contacts: The directory, for the names of institutions.
        month: As 2026-11; empty for every month.
    """
    counting = Counting(month)
    for case in await book.cases(ended=True):
        try:
            history = await book.history(case)
        except InputError:
            continue  # its key was destroyed between the list and the look
        counting.add(entry.event for entry in history)
    desks = (await contacts.directory()).desks(contacts.now())
    names = {code: desk.name for code, desk in desks.items()}
    return [FigureView.model_validate(asdict(row)) for row in counting.rows(names)]
