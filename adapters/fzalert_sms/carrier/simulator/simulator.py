"""A carrier's gateway that listens on a port: for tests, demonstrations and drills."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Generic, Self, cast

from fzalert_sms.carrier.simulator.connection import GatewayConnection
from fzalert_sms.carrier.simulator.framelog import FrameLog
from fzalert_sms.carrier.simulator.gateway import SimulatedGateway
from fzalert_sms.carrier.simulator.knobs import Knobs
from fzalert_sms.carrier.simulator.side import K, Parcel, Side
from fzalert_sms.wire import concatenation_header

__all__ = ["CarrierSimulator", "SimulatorResult", "serve_until_stopped"]


class CarrierSimulator(ABC, Generic[K]):
    """A simulated gateway that listens while it is entered; a subclass names its protocol.

    Args:
        knobs: Its behaviour at the start; plain unless given.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        log: File for the raw frames; None keeps no log.
        seed: Of everything left to chance.
        keeps_submits: Whether `submits` is filled.
        tls: Certificate and trust, where it speaks TLS.

    Attributes:
        submits: Every text as it was decoded, with its id and result.
    """

    knobs_type: ClassVar[type[Knobs]]
    """The knobs of the protocol."""
    gateway_type: ClassVar[type[SimulatedGateway]] = SimulatedGateway
    """What stands behind the port."""

    def __init__(
        self,
        knobs: K | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        log: Path | None = None,
        seed: int = 0,
        keeps_submits: bool = True,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.submits: list[tuple[Any, bytes, int]] = []
        self._knobs = knobs if knobs is not None else cast("K", self.knobs_type())
        self._side = self.side(self._knobs)
        self._host = host
        self._port = port
        self._log_path = log
        self._seed = seed
        self._tls = tls
        self._keeps = keeps_submits
        self._log: FrameLog | None = None
        self._gateway: SimulatedGateway | None = None
        self._server: asyncio.Server | None = None
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    @staticmethod
    @abstractmethod
    def side(knobs: K) -> Side[K]:
        """The protocol, with what of it depends on the knobs."""

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._port

    @property
    def gateway(self) -> SimulatedGateway:
        """The gateway behind the port, with its counts."""
        if self._gateway is None:
            raise RuntimeError("the simulator is not entered")
        return self._gateway

    @property
    def counts(self) -> dict[str, int]:
        """What it has seen and done."""
        return self.gateway.counts

    @property
    def unacknowledged(self) -> int:
        """Deliveries that are not acknowledged: planned, waiting or on their way."""
        return self.gateway.planned + sum(
            len(outbox.waiting) + sum(carrier.session.unanswered for carrier in outbox.carriers)
            for outbox in self.gateway.outboxes.values()
        )

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        if self._log_path is not None:
            self._log = FrameLog(self._log_path, self._side.magic, loop.time)
        self._gateway = self.gateway_type(
            self._side, self._knobs, log=self._log, seed=self._seed, wall=_wall_millis
        )
        self._gateway.on_change = self._look
        if self._keeps:
            self._gateway.on_submit = self._keep
        await self.listen()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.deafen()
        self.gateway.stop()
        # Aborted connections tell their end in the next turn of the loop.
        await self.until(lambda: not self.gateway.connections)
        if self._log is not None:
            self._log.close()

    async def listen(self) -> None:
        """Take connections; the first time on the port asked for, then always on the same."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                self.gateway.connection, self._host, self._port, reuse_address=True, ssl=self._tls
            )
            self._port = int(self._server.sockets[0].getsockname()[1])

    async def deafen(self) -> None:
        """Take no more connections until `listen`; open ones stay."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def change(self, **knobs: Any) -> None:
        """Turn some knobs. Those of the login and the timers hold for new connections."""
        self.gateway.knobs = replace(self.gateway.knobs, **knobs)

    def cut(self, *, reset: bool = True) -> None:
        """Cut every connection."""
        for connection in list(self.gateway.connections):
            connection.cut("the test cuts the connection", reset=reset)

    def leave(self) -> None:
        """Say good-bye on every connection."""
        for connection in list(self.gateway.connections):
            connection.leave()

    def report(
        self, submit: Any, carrier_id: bytes, stat: str, *, on: GatewayConnection | None = None
    ) -> None:
        """Send a report about one text now, on one connection or on any."""
        mark = self.gateway.postmark
        text = self._side.incoming(submit)
        parcel = mark.report(text, carrier_id, stat, mark.minute(), self.gateway.knobs)
        self._post(text.account or self._account_of(), parcel, on)

    def write(self, account: str, number: str, text: str, *, to: str = "10698000") -> None:
        """Let a person write to the account."""
        carrier_id = self.gateway.postmark.carrier_id()
        self._post(account, Parcel(carrier_id, to, "", number, None, text.encode("utf-16-be")))

    def write_part(
        self,
        account: str,
        number: str,
        place: tuple[int, int, int],
        octets: bytes,
        *,
        to: str = "10698000",
        on: GatewayConnection | None = None,
    ) -> None:
        """Let one part of a long message arrive: reference, total and number of the part."""
        content = concatenation_header(*place) + octets
        carrier_id = self.gateway.postmark.carrier_id()
        self._post(account, Parcel(carrier_id, to, "", number, None, content, has_header=True), on)

    async def until(self, is_so: Callable[[], bool], timeout: float = 5.0) -> None:  # noqa: ASYNC109  a test's own patience
        """Wait until something holds; it is looked at after every portion of frames.

        Raises:
            TimeoutError: It did not come to hold in time.
        """
        if is_so():
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (is_so, future)
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(timeout):
                await future
        finally:
            self._waiting.remove(entry)

    def _account_of(self) -> str:
        """The account, where a text does not name it and there is only one."""
        return next(iter(self.gateway.knobs.accounts))

    def _post(self, account: str, parcel: Parcel, on: GatewayConnection | None = None) -> None:
        if on is not None:
            on.deliver(parcel)
            return
        self.gateway.outbox(account).waiting.append(parcel)
        self.gateway.pump(account)

    def _keep(self, submit: Any, carrier_id: bytes, result: int) -> None:
        self.submits.append((submit, carrier_id, result))

    def _look(self) -> None:
        for is_so, future in self._waiting:
            if not future.done() and is_so():
                future.set_result(None)


def _wall_millis() -> int:
    # The simulator is the other side and has a clock of its own, as the carrier has.
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class SimulatorResult:
    """What a simulator saw until it was stopped."""

    port: int
    logins: int
    submits: int
    accepted: int
    throttled: int
    rejected: int
    delivered: int
    acknowledged: int


async def serve_until_stopped(
    kind: type[CarrierSimulator[K]],
    knobs: K,
    *,
    host: str,
    port: int,
    log: Path | None,
    seed: int,
) -> SimulatorResult:
    """Listen until SIGINT or SIGTERM; the first line on stdout says on which port."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    try:
        async with kind(
            knobs, host=host, port=port, log=log, seed=seed, keeps_submits=False
        ) as simulator:
            protocol = kind.side(knobs).protocol
            ready = {"ready": True, "protocol": protocol, "host": host, "port": simulator.port}
            sys.stdout.write(json.dumps(ready) + "\n")
            sys.stdout.flush()
            await stopped.wait()
            return SimulatorResult(port=simulator.port, **simulator.counts)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
