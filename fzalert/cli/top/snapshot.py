"""What `fzalert top` shows, read from the service in one go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fzalert.service.api import ServiceApi
from fzalert.service.models import CampaignView, StatusView, WarningView

__all__ = ["Reader", "Snapshot"]

RECENT = 12


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The service at one moment.

    Attributes:
        status: Process, channels, counters.
        campaigns: All of them, the oldest first.
        recent: The newest warnings.
    """

    status: StatusView
    campaigns: list[CampaignView]
    recent: list[WarningView]


class Reader:
    """Reads snapshots, and the titles of the scripts in them.

    Args:
        api: The daemon.
    """

    def __init__(self, api: ServiceApi) -> None:
        self._api = api
        self.titles: Mapping[str, str] = {}

    async def read(self) -> Snapshot:
        """Ask everything."""
        status = await self._api.status()
        campaigns = await self._api.campaigns()
        recent = await self._api.recent(RECENT)
        keys = {view.script for view in recent}
        if not self.titles.keys() >= keys:
            library = await self._api.scripts()
            self.titles = dict.fromkeys(keys, "") | {each.key: each.title for each in library}
        return Snapshot(status, campaigns, recent)
