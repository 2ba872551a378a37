"""A fake bank: the real desk, with made-up core banking behind it and a raw log in front.

What a test or a drill meets is the desk's own code: mutual TLS, signed requests, a store, signed
receipts. Beyond the hook it only adds what a wire can do to a sender: no acknowledgement at all,
and the same answer twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from typing_extensions import override

from fzalert.access import Actor, Directory, Role
from fzalert.clock import Clock, SystemClock
from fzalert.desk.inbox import DeskAnswer
from fzalert.desk.service import AnswersPage, DeskService
from fzalert.desk.settings import DeskSettings, HookSettings, SenderSettings
from fzalert.desk.simulation.core import CoreBanking
from fzalert.desk.simulation.rawlog import RawLog
from fzalert.desk.simulation.scenario import Does, FakeBankPlan, Rule
from fzalert.errors import InputError, NotConnected
from fzalert.freeze.package import DocumentKind, Receipt, read_package

__all__ = ["FakeBank", "open_bank"]

_HOOK_TIMEOUT = 600.0


class FakeBank(DeskService):
    """A desk whose answers a scenario makes; use `open_bank`.

    Args:
        settings: The desk's, with the hook into `core`.
        core: Its core banking.
        log: The raw log.
        clock: Reader of time.
    """

    def __init__(
        self, settings: DeskSettings, core: CoreBanking, log: RawLog, clock: Clock
    ) -> None:
        super().__init__(settings, clock)
        self.plan: FakeBankPlan = core.plan
        self._core = core
        self._log = log
        self._over = asyncio.Event()

    def let_go(self) -> None:
        """End the requests that a deaf bank holds, so that its doors can close at once."""
        self._over.set()

    @override
    async def take(
        self, path: str, headers: Mapping[str, str], body: bytes, *more: Any, **named: Any
    ) -> bytes:
        digest = hashlib.sha256(body).hexdigest()
        self._log.write(self.plan.code, "package", sha256=digest, bytes=len(body))
        rule: Rule | None
        try:
            rule = self._core.rule_of(body)
        except InputError:
            rule = None  # the desk refuses it
        if rule is not None and rule.does is Does.DEAF:
            self._log.write(self.plan.code, "fault", what="deaf", sha256=digest)
            await self._over.wait()
            raise NotConnected("模拟：银行不应答 The fake bank is deaf.")
        told = await super().take(path, headers, body, *more, **named)
        self._rehearse(body)
        return told

    def _rehearse(self, body: bytes) -> None:
        """Answer a rehearsal too: a desk keeps it from core banking, but this one is made up."""
        package = read_package(body)
        name = f"rehearsal-{package.application_id}"
        binding = package.document is DocumentKind.INSTRUCTION
        if package.drill and binding and name not in self._background.running:
            _ = self._background.once(name, lambda: self._rehearsed(body, package.application_id))

    async def _rehearsed(self, body: bytes, application_id: str) -> None:
        status, said = await self._core.ask(body)
        if status.startswith("200"):
            core = Directory().machine_actor("core", roles=frozenset({Role.BANK_DESK}))
            _ = await self.answer(application_id, DeskAnswer.model_validate_json(said), core)

    @override
    async def answers(
        self, path: str, headers: Mapping[str, str], *more: Any, **named: Any
    ) -> AnswersPage:
        page = await super().answers(path, headers, *more, **named)
        items: list[str] = []
        for wire in page.items:
            application = json.loads(json.loads(wire)["document"])["application_id"]
            items += [wire, wire] if self._core.delivers_twice(application) else [wire]
        return page._replace(items=tuple(items))

    @override
    async def answer(
        self, application_id: str, answer: DeskAnswer, by: Actor, **more: Any
    ) -> Receipt:
        receipt = await super().answer(application_id, answer, by, **more)
        self._log.write(self.plan.code, "answer", application_id=application_id, code=receipt.code)
        return receipt


@asynccontextmanager
async def open_bank(
    plan: FakeBankPlan,
    *,
    seed: int,
    folder: Path,
    tls: Path,
    sender: str,
    log: RawLog,
    ports: tuple[int, int] = (0, 0),
    clock: Clock | None = None,
) -> AsyncIterator[FakeBank]:
    """Open a fake bank; its doors are `fzalert.web.desk.desk_doors`.

    Args:
        plan: The bank.
        seed: Of everything left to chance.
        folder: For its store and keys.
        tls: Folder with `ca.pem`, `server.pem` and `server.key`.
        sender: Public key of the police side, hex.
        log: The raw log.
        ports: Of the door for packages, and of the one for its own people.
        clock: Reader of time; the machine's unless given.

    Raises:
        ConfigError: A key cannot be read or made.
        StoreError: The store cannot be opened.
    """
    chosen = clock or SystemClock()
    core = CoreBanking(plan, seed, log, chosen)
    async with core.serving() as url:
        settings = DeskSettings(
            name=plan.title,
            institutions=(plan.code,),
            store=folder / "desk.db",
            port=ports[0],
            staff_port=ports[1],
            certificate=tls / "server.pem",
            key=tls / "server.key",
            client_ca=tls / "ca.pem",
            sender=(SenderSettings(name="模拟发送方", public_key=sender),),
            hook=HookSettings(url=url, timeout=_HOOK_TIMEOUT, at_once=32),
        )
        async with FakeBank(settings, core, log, chosen) as bank:
            yield bank
