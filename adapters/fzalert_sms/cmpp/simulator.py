"""A CMPP gateway to try things against: `python -m fzalert_sms.cmpp.simulator --port 0`.

It runs as a process of its own, prints one line of JSON when it is ready, logs every raw frame
before it answers, and misbehaves as told. Tests use `CmppSimulator` in their own process.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fzalert.ports import Command, CommandGroup
from fzalert_sms.cmpp.arguments import read_arguments
from fzalert_sms.cmpp.codec import Submit
from fzalert_sms.cmpp.framelog import FrameLog
from fzalert_sms.cmpp.knobs import Knobs
from fzalert_sms.cmpp.outbox import Parcel
from fzalert_sms.cmpp.server import Ismg
from fzalert_sms.cmpp.serverline import IsmgConnection
from fzalert_sms.wire import concatenation_header


class CmppSimulator:
    """A simulated gateway that listens while it is entered.

    Args:
        knobs: Its behaviour at the start.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        log: File for the raw frames; None keeps no log.
        seed: Of everything left to chance.
        keeps_submits: Whether `submits` is filled.

    Attributes:
        submits: Every SUBMIT as it was read, with its Msg_Id and result.
    """

    def __init__(
        self,
        knobs: Knobs | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        log: Path | None = None,
        seed: int = 0,
        keeps_submits: bool = True,
    ) -> None:
        self.submits: list[tuple[Submit, bytes, int]] = []
        self._knobs = knobs or Knobs()
        self._host = host
        self._port = port
        self._log_path = log
        self._seed = seed
        self._keeps = keeps_submits
        self._log: FrameLog | None = None
        self._ismg: Ismg | None = None
        self._server: asyncio.Server | None = None
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._port

    @property
    def ismg(self) -> Ismg:
        """The gateway behind the port, with its counts."""
        if self._ismg is None:
            raise RuntimeError("the simulator is not entered")
        return self._ismg

    @property
    def counts(self) -> dict[str, int]:
        """What it has seen and done."""
        return self.ismg.counts

    @property
    def unacknowledged(self) -> int:
        """Deliveries that are not acknowledged: planned, waiting or on their way."""
        return self.ismg.planned + sum(
            len(outbox.waiting) + sum(carrier.session.unanswered for carrier in outbox.carriers)
            for outbox in self.ismg.outboxes.values()
        )

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        if self._log_path is not None:
            self._log = FrameLog(self._log_path, loop.time)
        self._ismg = Ismg(self._knobs, log=self._log, seed=self._seed, wall=_wall_millis)
        self._ismg.on_change = self._look
        if self._keeps:
            self._ismg.on_submit = self._keep
        await self.listen()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.deafen()
        self.ismg.stop()
        # Aborted connections tell their end in the next turn of the loop.
        await self.until(lambda: not self.ismg.connections)
        if self._log is not None:
            self._log.close()

    async def listen(self) -> None:
        """Take connections; the first time on the port asked for, then always on the same."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                self.ismg.connection, self._host, self._port, reuse_address=True
            )
            self._port = int(self._server.sockets[0].getsockname()[1])

    async def deafen(self) -> None:
        """Take no more connections until `listen`; open ones stay."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def change(self, **knobs: Any) -> None:
        """Turn some knobs. Those of the login and the timers hold for new connections."""
        self.ismg.knobs = replace(self.ismg.knobs, **knobs)

    def cut(self, *, reset: bool = True) -> None:
        """Cut every connection."""
        for connection in list(self.ismg.connections):
            connection.cut("the test cuts the connection", reset=reset)

    def leave(self) -> None:
        """Send TERMINATE on every connection."""
        for connection in list(self.ismg.connections):
            connection.leave()

    def report(
        self, submit: Submit, msg_id: bytes, stat: str, *, on: IsmgConnection | None = None
    ) -> None:
        """Send a report about one text now, on one connection or on any."""
        mark = self.ismg.postmark
        parcel = mark.report(submit, msg_id, stat, mark.minute(), self.ismg.knobs)
        self._post(submit.msg_src, parcel, on)

    def write(self, account: str, number: str, text: str, *, to: str = "10698000") -> None:
        """Let a person write to the account."""
        msg_id = self.ismg.postmark.msg_id()
        self._post(account, Parcel(msg_id, to, "", number, None, text.encode("utf-16-be")))

    def write_part(
        self,
        account: str,
        number: str,
        place: tuple[int, int, int],
        octets: bytes,
        *,
        to: str = "10698000",
        on: IsmgConnection | None = None,
    ) -> None:
        """Let one part of a long message arrive: reference, total and number of the part."""
        content = concatenation_header(*place) + octets
        msg_id = self.ismg.postmark.msg_id()
        self._post(account, Parcel(msg_id, to, "", number, None, content, has_header=True), on)

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

    def _post(self, account: str, parcel: Parcel, on: IsmgConnection | None = None) -> None:
        if on is not None:
            on.deliver(parcel)
            return
        self.ismg.outbox(account).waiting.append(parcel)
        self.ismg.pump(account)

    def _keep(self, submit: Submit, msg_id: bytes, result: int) -> None:
        self.submits.append((submit, msg_id, result))

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


async def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 7890,
    log: Path | None = None,
    seed: int = 0,
    account: str = "901234",
    secret: str = "1234",  # noqa: S107  a simulator's made-up password
    response_delay_ms: float = 20.0,
    report_delay_ms: float = 50.0,
    tps: float = 0.0,
) -> SimulatorResult:
    """Simulate a CMPP gateway until interrupted (模拟移动短信网关).

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        log: File for the raw frames.
        seed: Of everything left to chance.
        account: SP_Id that may log in.
        secret: Its shared secret.
        response_delay_ms: Time from a SUBMIT to its answer.
        report_delay_ms: Time from the answer to the report.
        tps: Numbers a second; more are throttled. 0 is no limit.
    """
    knobs = Knobs(
        accounts={account: secret},
        response_delay_ms=response_delay_ms,
        report_delay_ms=report_delay_ms,
        tps=tps,
    )
    return await _serve(knobs, host=host, port=port, log=log, seed=seed)


async def _serve(
    knobs: Knobs, *, host: str, port: int, log: Path | None, seed: int
) -> SimulatorResult:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    try:
        async with CmppSimulator(
            knobs, host=host, port=port, log=log, seed=seed, keeps_submits=False
        ) as simulator:
            ready = {"ready": True, "protocol": "cmpp", "host": host, "port": simulator.port}
            sys.stdout.write(json.dumps(ready) + "\n")
            sys.stdout.flush()
            await stopped.wait()
            return SimulatorResult(port=simulator.port, **simulator.counts)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


COMMANDS = CommandGroup(
    name="cmpp",
    help="A simulated CMPP gateway (模拟移动短信网关).",
    commands=(Command("cmpp", serve),),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the simulator until SIGINT or SIGTERM; its counts are the last line on stdout."""
    given, knobs = read_arguments(sys.argv[1:] if argv is None else argv)
    result = asyncio.run(
        _serve(knobs, host=given.host, port=given.port, log=given.log, seed=given.seed)
    )
    counts = {name: getattr(result, name) for name in SimulatorResult.__slots__}
    sys.stdout.write(json.dumps(counts) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
