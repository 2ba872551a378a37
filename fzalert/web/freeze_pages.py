"""The pages of the freeze desk together: entry, board, case, acts."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import Route

from fzalert.web.freeze_act_pages import ActPages
from fzalert.web.freeze_board import BoardPages
from fzalert.web.freeze_case import CasePages
from fzalert.web.freeze_desk import Desk
from fzalert.web.freeze_entry import EntryPages

__all__ = ["FreezePages"]


class FreezePages:
    """Every page of the freeze desk.

    Args:
        desk: The door.
    """

    def __init__(self, desk: Desk) -> None:
        self._rooms = (BoardPages(desk), EntryPages(desk), CasePages(desk), ActPages(desk))

    def routes(self) -> Sequence[Route]:
        """The routes, those of fixed words before those of acts."""
        return [route for room in self._rooms for route in room.routes()]
