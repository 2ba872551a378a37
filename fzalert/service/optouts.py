"""Who is not to be written to in bulk: noted, listed masked, and taken back, on record."""

from __future__ import annotations

from fzalert.access.actors import Actor
from fzalert.config import Settings
from fzalert.errors import InputError
from fzalert.messages import Target, mask_digits
from fzalert.service.building import Building
from fzalert.service.models import (
    OptOutChange,
    OptOutPage,
    OptOutQuery,
    OptOutRequest,
    OptOutView,
)
from fzalert.service.people import MAY_CAMPAIGN, MAY_WARN, require
from fzalert.service.views import parse_target, time_text
from fzalert.service.warnings import id_of
from fzalert.store import ChangeSet, EvidenceEntry


class OptOuts:
    """Keeps the list.

    Args:
        building: The store.
        settings: Whether this is a drill.
    """

    def __init__(self, building: Building, settings: Settings) -> None:
        self._store = building.store
        self._drill = settings.drill.enabled

    async def page(self, query: OptOutQuery, by: Actor) -> OptOutPage:
        """One page, the newest first. Raises `AccessDenied`."""
        require(by, *MAY_WARN, drill=self._drill)
        rows = await self._store.opt_outs(id_of(query.after), query.limit)
        more = len(rows) == query.limit
        return OptOutPage(
            items=[
                OptOutView(
                    target=str(row.target) if row.target else "",
                    reason=row.reason,
                    since=time_text(row.at),
                )
                for row in rows
            ],
            next=str(rows[-1].seq) if more else "",
        )

    async def add(self, request: OptOutRequest, by: Actor) -> OptOutChange:
        """Note opt-outs. Raises as `ServiceApi.opt_out`."""
        require(by, *MAY_WARN, drill=self._drill)
        reason = mask_digits(request.reason)
        targets = _people(request)
        entry = EvidenceEntry(
            "store", by.id, "optout.add", {"people": len(targets), "reason": reason}
        )
        done = await self._store.commit(
            ChangeSet(suppress=tuple((one, reason) for one in targets), evidence=(entry,))
        )
        return OptOutChange(named=len(targets), changed=done.opted_out)

    async def remove(self, request: OptOutRequest, by: Actor) -> OptOutChange:
        """Take opt-outs back. Raises as `ServiceApi.opt_in`."""
        require(by, *MAY_CAMPAIGN, drill=self._drill)
        targets = _people(request)
        entry = EvidenceEntry(
            "store",
            by.id,
            "optout.remove",
            {"people": len(targets), "reason": mask_digits(request.reason)},
        )
        done = await self._store.commit(ChangeSet(restore=targets, evidence=(entry,)))
        return OptOutChange(named=len(targets), changed=done.opted_in)


def _people(request: OptOutRequest) -> tuple[Target, ...]:
    targets = tuple(dict.fromkeys(parse_target(text) for text in request.to))
    for row, target in enumerate(targets, start=1):
        if not target.is_personal:
            raise InputError(
                f"{target} is nobody who could opt out.",
                hint="Name a phone or a mailbox.",
                field="to",
                row=row,
            )
    return targets
