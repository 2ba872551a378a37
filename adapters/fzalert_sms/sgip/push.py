"""A simulated SGIP gateway: one that dials the service provider to deliver.

It opens a connection when there is something to deliver, sends the burst, and says good-bye.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from typing_extensions import override

from fzalert_sms.carrier.session import Event, Opened, State
from fzalert_sms.carrier.simulator.connection import GatewayConnection
from fzalert_sms.carrier.simulator.framelog import FrameLog
from fzalert_sms.carrier.simulator.gateway import SimulatedGateway
from fzalert_sms.carrier.simulator.judge import Verdict
from fzalert_sms.carrier.simulator.side import Incoming, Parcel
from fzalert_sms.sgip.knobs import Knobs
from fzalert_sms.sgip.session import PushSession
from fzalert_sms.sgip.side import SgipSide

_AGAIN: Final = 0.2
"""Seconds until a listener that does not take us is tried again."""
_FIRST: Final = 1_000_000
"""Connections that we dial are numbered from here in the log."""
_WRONG_NUMBER: Final = 6


class PushConnection(GatewayConnection):
    """A connection that delivers.

    Attributes:
        stays: Whether it stays open when there is nothing more to deliver.
    """

    def __init__(self, gateway: SgipSimulatedGateway, number: int, account: str) -> None:
        super().__init__(gateway, number)
        self._sgip = gateway
        self.stays = False
        self._knobs: Knobs = gateway.knobs
        self._push: PushSession[Parcel] = gateway.sgip.push_session(account, self._knobs)
        self._push.tap = self.session.tap
        self.session = self._push

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        knobs = self._knobs
        now = asyncio.get_running_loop().time()
        self._push.login(knobs.deliver_account, knobs.deliver_secret, now, knobs.deliver_type)
        self.flush()

    @override
    def tick(self) -> None:
        super().tick()
        waiting = self._gateway.outbox(self._push.account).waiting
        is_done = not waiting and not self._push.unanswered
        if self._push.state is State.OPEN and is_done and not self.stays:
            self.leave()

    @override
    def _take(self, events: list[Event]) -> None:
        if any(isinstance(event, Opened) for event in events):
            self._gateway.outbox(self._push.account).carriers.append(self)
            self._sgip.pushes += 1
        super()._take(events)


class SgipSimulatedGateway(SimulatedGateway):
    """A simulated gateway that dials.

    Attributes:
        sgip: Its protocol.
        pushes: Connections to the listener that bound.
        refused: Attempts that did not come to that.
    """

    knobs: Knobs

    def __init__(
        self,
        side: SgipSide,
        knobs: Knobs,
        *,
        log: FrameLog | None,
        seed: int,
        wall: Callable[[], int],
    ) -> None:
        self.sgip = side
        self.pushes = 0
        self.refused = 0
        self._dialled = 0
        self._dialling: set[asyncio.Task[Any]] = set()
        self._next_dial = 0.0
        super().__init__(side, knobs, log=log, seed=seed, wall=wall)

    async def dial(self, account: str) -> PushConnection:
        """Open one more connection to the listener.

        Raises:
            OSError: It cannot be reached.
        """
        loop = asyncio.get_running_loop()
        self._dialled += 1
        make = partial(PushConnection, self, _FIRST + self._dialled, account)
        _, connection = await loop.create_connection(
            make, self.knobs.deliver_host, self.knobs.deliver_port
        )
        return connection

    @override
    def stop(self) -> None:
        for task in self._dialling:
            task.cancel()
        super().stop()

    @override
    def judge(self, text: Incoming) -> Verdict:
        """See the base. The id of a text is its sequence."""
        if self.knobs.needs_86 and not all(n.startswith("86") for n in text.numbers):
            self.counts["submits"] += 1
            self.counts["rejected"] += 1
            return Verdict(text.sequence, self.side.no_id, _WRONG_NUMBER)
        verdict = super().judge(text)
        if verdict.result:
            return verdict
        self.sgip.took(text.sequence)
        return verdict._replace(carrier_id=text.sequence.pack())

    @override
    def check_login(self, account: str, timestamp: int) -> int:
        there = sum(not isinstance(one, PushConnection) for one in self.outbox(account).carriers)
        if self.knobs.max_connections and there >= self.knobs.max_connections:
            return self.side.crowded
        knobs = self.knobs
        if knobs.max_skew and self.postmark.skew(timestamp, knobs) > knobs.max_skew:
            return self.side.skewed
        return 0

    @override
    def pump(self, account: str) -> None:
        super().pump(account)
        knobs = self.knobs
        if not self.outbox(account).waiting or not knobs.deliver_port or knobs.is_silent:
            return
        there = sum(isinstance(one, PushConnection) for one in self.connections)
        now = asyncio.get_running_loop().time()
        if there + len(self._dialling) >= knobs.deliver_connections or now < self._next_dial:
            return
        task = asyncio.get_running_loop().create_task(self._try(account))
        self._dialling.add(task)
        task.add_done_callback(self._dialling.discard)

    async def _try(self, account: str) -> None:
        try:
            await self.dial(account)
        except OSError:
            self.refused += 1
            self._next_dial = asyncio.get_running_loop().time() + _AGAIN
            self.on_change()
