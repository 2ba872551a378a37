"""A site whose one channel is a CMPP line: its gateway, its people, its campaign, its fates.

The gateway is the simulated one, run by module name as a process of its own; what it received is
read from its raw log alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

from fzalert.access import Directory
from fzalert.clock import SystemClock
from fzalert.config import read_settings
from fzalert.messages import Coding, Lane, RenditionKind, SmsText
from fzalert.ports import TextProfile
from fzalert.scripts import Library, ScriptSettings, render
from fzalert.service import open_or_connect
from fzalert.service.building import build
from fzalert.service.models import CampaignRequest, CampaignView, StatusView
from fzalert.testing.processes import PATIENCE, Site, ask_until
from fzalert.testing.tap import Record, Tap

__all__ = ["BULK", "SECRET", "URGENT", "TextSite"]

BULK, URGENT = "generic", "impersonating-police"
"""The scripts of a campaign and of a teller's warnings."""

_SIGN = "反诈中心"
SECRET = "made-up-secret"  # noqa: S105  of a simulated account
_EVERYTHING = 1_000_000


class TextSite(Site):
    """A folder with a configuration for one line, and what a test does there.

    Args:
        folder: An empty folder.
        records: Reads the gateway's log.
        seed: Of everything that the gateway leaves to chance.
        sources: Folders whose packages the daemon takes before the installed ones.

    Attributes:
        log: The gateway's log of raw frames.
        port: The gateway's port, once it runs.
    """

    ACCOUNT: ClassVar[str] = "901234"
    WINDOW: ClassVar[int] = 64

    def __init__(
        self,
        folder: Path,
        records: Callable[[bytes], Iterator[Record]],
        seed: int,
        sources: Sequence[Path] = (),
    ) -> None:
        super().__init__(folder, sources)
        self.log = folder / "gateway.log"
        self.port = 0
        self._records = records
        self._seed = seed

    def configure(self, port: int, *, secret: str = SECRET) -> None:
        """Write the configuration for a gateway on this port.

        No unanswered urgent part is sent again while a test runs: it waits ten minutes.
        """
        self.port = port
        file = self.folder / "secret"
        file.write_text(secret + "\n", encoding="utf-8")
        file.chmod(0o600)
        self.config.write_text(
            f"""
            [store]
            url = "sqlite:///data/fz.db"
            [web]
            port = 0
            [identity]
            sign = "{_SIGN}"
            [drill]
            enabled = true
            [limits]
            unknown_wait = 600
            [limits.quiet_hours]
            enabled = false
            [[channel]]
            name = "cmpp-1"
            adapter = "sms.cmpp"
            host = "127.0.0.1"
            port = {port}
            account = "{self.ACCOUNT}"
            secret = {{ file = "secret" }}
            service_id = "FZALERT"
            src_id = "10690000"
            signature = "{_SIGN}"
            window = {self.WINDOW}
            """,
            encoding="utf-8",
        )

    @asynccontextmanager
    async def gateway(self, *, delay: int = 20) -> AsyncIterator[Tap]:
        """Run the gateway and write the configuration for it; gives a tap of its log.

        Args:
            delay: Milliseconds from a submission to its answer.
        """
        # It is the carrier: whatever is done to our packages, it runs the installed ones.
        carrier = Site(self.folder)
        words = [
            *("--port", "0", "--log", str(self.log), "--seed", str(self._seed)),
            *("--account", f"{self.ACCOUNT}:{SECRET}", "--window", str(self.WINDOW)),
            *("--response-delay-ms", str(delay), "--report-delay-ms", "30"),
        ]
        async with carrier.program("fzalert_sms.cmpp.simulator", words) as program:
            self.configure((await program.ready())["port"])
            yield self.tap()
            await program.stop()

    def tap(self) -> Tap:
        """A tap of the gateway's log, from its beginning."""
        return Tap(self.log, self._records)

    async def approve(self) -> None:
        """Let two persons approve the two scripts, at the daemon or in this process."""
        async with open_or_connect(read_settings(self.config)) as api:
            author = await api.authenticate(await api.add_user("author", ["script_editor"]))
            other = await api.authenticate(await api.add_user("approver", ["approver"]))
            for name in (BULK, URGENT):
                await api.approve(f"{name}/general/1", author=author, approver=other)

    async def start_campaign(self, numbers: Sequence[str]) -> CampaignView:
        """Write to everybody on a list, at the daemon or in this process."""
        file = self.folder / "list.csv"
        rows = "".join(f"{number},东村\n" for number in numbers)
        file.write_text("手机号,村组\n" + rows, encoding="utf-8")
        async with open_or_connect(read_settings(self.config)) as api:
            actor = Directory().local_actor()
            request = CampaignRequest(name="list", file=str(file), script=BULK)
            planned = await api.plan_campaign(request, actor)
            return await api.steer_campaign(planned.id, "start", actor)

    async def settled(self, quiet: Callable[[], bool], within: float = PATIENCE) -> StatusView:
        """Wait until everything is fed and handed over, and the far side waits for nothing.

        Args:
            quiet: Whether the gateway, by its log, has every report acknowledged.
            within: Seconds to wait at most.
        """
        async with self.client() as client:

            async def look() -> StatusView | None:
                if any(one.state != "done" for one in await client.campaigns()):
                    return None
                totals = (await client.status()).totals
                if totals.queued or totals.open != totals.sent or not quiet():
                    return None
                return await client.status()

            return await ask_until(look, "everything is settled", within=within)

    async def fates(self) -> dict[str, str]:
        """Read our word for every recipient from the store, while no process owns it.

        Raises:
            AssertionError: Somebody has two messages.
        """
        building = await build(read_settings(self.config), SystemClock())
        try:
            found: dict[str, str] = {}
            for warning in await building.store.warnings(_EVERYTHING):
                for outcome in await building.store.outcomes(warning.id, most=_EVERYTHING):
                    number = outcome.target.address.removeprefix("+86")
                    if number in found:
                        raise AssertionError(f"two messages to {outcome.target}")
                    found[number] = str(outcome.state)
            return found
        finally:
            await building.close()

    @staticmethod
    def parts_of(script: str) -> tuple[str, ...]:
        """The parts of a script's text, as every recipient should get them."""
        text = render(
            Library.load().get(script, "general"),
            kind=RenditionKind.SMS,
            text_profile=TextProfile(coding=Coding.UCS2, signature=_SIGN),
            lane=Lane.BULK if script == BULK else Lane.URGENT,
            drill=True,
            settings=ScriptSettings(names={"sign": frozenset({_SIGN})}, defaults={"sign": _SIGN}),
        )
        assert isinstance(text, SmsText)  # noqa: S101  what was asked for
        return text.parts
