"""The made-up core banking behind a fake bank's hook: a seeded answer for each instruction.

It is asked over HTTP as a real one would be, acts once for an application id, and gives the same
answer when asked again.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from fzalert.clock import Clock
from fzalert.desk.simulation.rawlog import RawLog
from fzalert.desk.simulation.scenario import BookAccount, Does, FakeBankPlan, Rule
from fzalert.errors import FzalertError
from fzalert.freeze.package import InstructionKind, Package, mask_number, read_package

__all__ = ["CoreBanking", "answer_to"]

_LARGEST = 2_097_152
_LOOK_EVERY = 0.1
_FREEZING = frozenset({InstructionKind.FREEZE, InstructionKind.RENEW})
_CAUSES = {
    Does.MISMATCH_NAME: "模拟：户名与账号不符",
    Does.MISMATCH_ACCOUNT: "模拟：无此账号",
    Does.MISMATCH_AMOUNT: "模拟：入账金额不符",
    Does.MISMATCH_IDENTITY: "模拟：身份信息不符",
    Does.REFUSE: "模拟：机构拒绝办理",
    Does.HELD: "模拟：账户已被其他机关止付",
    Does.COUNT: "模拟：止付次数已达上限",
    Does.OVER: "模拟：措施已届满",
    Does.AGAIN: "模拟：行内线路故障",
}


def answer_to(plan: FakeBankPlan, rule: Rule, package: Package, now: datetime) -> dict[str, Any]:
    """What a fake bank enters for a package; pure.

    Args:
        plan: The bank, with its books.
        rule: What happens to this package; one that answers.
        package: The instruction.
        now: The present.

    Returns:
        The fields of a `DeskAnswer`, as JSON has them.
    """
    entry = next((one for one in plan.account if one.number == package.account.number), None)
    if rule.does is Does.BOOKS:
        does = _by_books(plan, entry, package)
        rule = rule.model_copy(update={"does": does, "code": None})
    said: dict[str, Any] = {"code": rule.answer_code, "phone": "模拟 000-00000000"}
    if rule.does in _CAUSES:
        return {**said, "cause": _CAUSES[rule.does]}
    paid = sum((one.amount for one in package.inflow), Decimal(0))
    balance = paid if entry is None else entry.balance
    said["started_at"] = (now - timedelta(seconds=rule.since)).isoformat()
    if rule.does is Does.PARTIAL and entry is None:
        balance = (paid * Decimal("0.4")).quantize(Decimal("0.01"))
    said["balance"] = str(balance)
    asked = package.measure.amount
    if package.measure.kind in _FREEZING and asked is not None:
        said["frozen"] = str(min(asked, balance) if rule.does is Does.PARTIAL else asked)
    if rule.does is Does.QUEUED:
        said["earlier_authority"] = "模拟市公安局"
        said["earlier_expires_at"] = (now + timedelta(days=30)).isoformat()
    if entry is not None and package.measure.kind is InstructionKind.STOP:
        said["outflows"] = [json.loads(one.model_dump_json()) for one in entry.outflows]
    return said


def _by_books(plan: FakeBankPlan, entry: BookAccount | None, package: Package) -> Does:
    """What the books say; without any, everything is right."""
    if not plan.account:
        return Does.DONE
    if entry is None:
        return Does.MISMATCH_ACCOUNT
    if entry.name != package.account.name:
        return Does.MISMATCH_NAME
    paid = sum((one.amount for one in package.inflow), Decimal(0))
    if entry.paid is not None and entry.paid != paid:
        return Does.MISMATCH_AMOUNT
    asked = package.measure.amount
    if package.measure.kind in _FREEZING and asked is not None and entry.balance < asked:
        return Does.PARTIAL
    return Does.DONE


class CoreBanking:
    """One fake bank's core banking; `serving` opens it for the desk's hook.

    Args:
        plan: The bank.
        seed: Of everything left to chance.
        log: The raw log.
        clock: Reader of time.
    """

    def __init__(self, plan: FakeBankPlan, seed: int, log: RawLog, clock: Clock) -> None:
        self.plan = plan
        self._seed = seed
        self._log = log
        self._clock = clock
        self._rules: dict[str, Rule] = {}
        self._used = [0] * len(plan.rule)
        self._done: dict[str, bytes] = {}
        self._twice: set[str] = set()

    def rule_of(self, body: bytes) -> Rule:
        """What happens to a package; the same for the same bytes, however often they come.

        Raises:
            InputError: It is no package.
        """
        digest = hashlib.sha256(body).hexdigest()
        if digest not in self._rules:
            self._rules[digest] = self._drawn(read_package(body))
        return self._rules[digest]

    def delivers_twice(self, application_id: str) -> bool:
        """Whether the answer to an application is delivered twice."""
        return application_id in self._twice

    def _drawn(self, package: Package) -> Rule:
        # The draw is made for every package, so that a rule more or less moves no later chance.
        chance = Random(f"{self._seed}/{self.plan.code}/{len(self._rules)}")  # noqa: S311
        drawn = self.plan.chances.draw(chance)
        low, high = self.plan.latency
        chosen = next((n for n, rule in enumerate(self.plan.rule) if self._fits(n, package)), None)
        if chosen is not None:
            self._used[chosen] += 1
            drawn = self.plan.rule[chosen]
            low, high = drawn.latency or (low, high)
        wait = low + chance.random() * max(0.0, high - low)
        return drawn.model_copy(update={"latency": (wait, wait)})

    def _fits(self, number: int, package: Package) -> bool:
        rule = self.plan.rule[number]
        return (
            (rule.kind is None or rule.kind is package.measure.kind)
            and (not rule.account or rule.account == package.account.number)
            and (rule.times is None or self._used[number] < rule.times)
        )

    # -- the hook --------------------------------------------------------------------------

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Take the hook's requests on a port of this machine; yields the address."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}/core"
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            status, body = await self.ask(await _body_of(reader))
            head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
            head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
        except (OSError, ValueError, asyncio.IncompleteReadError, FzalertError):
            pass  # the desk sees a connection that closes, and leaves the item to a person
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def ask(self, body: bytes) -> tuple[str, bytes]:
        """Ask about a package, as the hook does.

        Returns:
            The status line of HTTP, and the fields of a `DeskAnswer` as JSON where it is 200.

        Raises:
            InputError: It is no package.
        """
        package = read_package(body)
        rule, application = self.rule_of(body), package.application_id
        known = self._done.get(application)
        if known is not None:
            return "200 OK", known
        if rule.latency is not None:
            await self._clock.sleep(rule.latency[0])
        if rule.after_file is not None:
            while not await asyncio.to_thread(rule.after_file.exists):
                await self._clock.sleep(_LOOK_EVERY)
        if rule.does is Does.BROKEN:
            self._log.write(self.plan.code, "fault", what="hook", application_id=application)
            return "500 Broken", b""
        if rule.does in {Does.SILENT, Does.DEAF}:
            return "204 Nobody", b""
        said = answer_to(self.plan, rule, package, self._clock.now())
        self._log.write(
            self.plan.code,
            "core",
            application_id=application,
            kind=str(package.measure.kind),
            account=mask_number(package.account.number),
            code=said["code"],
        )
        self._done[application] = json.dumps(said, ensure_ascii=False).encode()
        if rule.twice:
            self._twice.add(application)
        return "200 OK", self._done[application]


async def _body_of(reader: asyncio.StreamReader) -> bytes:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    lengths = [
        line.partition(":")[2].strip()
        for line in head.split("\r\n")
        if line.lower().startswith("content-length:")
    ]
    size = int(lengths[0]) if lengths else 0
    if not 0 < size <= _LARGEST:
        raise ValueError("no package")
    return await reader.readexactly(size)
