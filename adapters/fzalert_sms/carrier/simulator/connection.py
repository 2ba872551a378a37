"""One connection to the simulated gateway, with its faults."""

from __future__ import annotations

import asyncio
import socket
import struct
from functools import partial
from typing import TYPE_CHECKING

from typing_extensions import override

from fzalert_sms.carrier.session import (
    Answered,
    Closed,
    Event,
    GivenUp,
    LoggedIn,
    Submitted,
)
from fzalert_sms.carrier.simulator import framelog
from fzalert_sms.carrier.simulator.judge import Verdict
from fzalert_sms.carrier.simulator.side import Parcel, ServerSide

if TYPE_CHECKING:
    from fzalert_sms.carrier.simulator.gateway import SimulatedGateway

_ABORTIVE = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends RST, as a firewall that forgets a flow does."""


class GatewayConnection(asyncio.Protocol):
    """One connection of an account."""

    def __init__(self, gateway: SimulatedGateway, number: int) -> None:
        self.number = number
        self._gateway = gateway
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._submits = 0
        self._reason = ""
        self._heard_at = self._loop.time()
        self.session: ServerSide = gateway.side.session(gateway.knobs, gateway.check_login)
        if gateway.log is not None:
            self.session.tap = partial(gateway.log.add, framelog.RECEIVED, number)

    @property
    def receives(self) -> bool:
        """Whether deliveries may come on it."""
        return self.session.receives

    def cut(self, reason: str, *, reset: bool = True) -> None:
        """Close at once, by default so that the peer sees a reset."""
        self._reason = reason
        transport = self._transport
        if transport is None:
            return
        handle = transport.get_extra_info("socket")
        if reset and handle is not None and handle.fileno() >= 0:
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORTIVE)
        transport.abort()

    def leave(self) -> None:
        """Say good-bye."""
        self._reason = "the simulator said good-bye"
        self.session.leave(self._loop.time())
        self.flush()

    def deliver(self, parcel: Parcel) -> None:
        """Send a parcel on this connection, whatever its window."""
        sequence = self.session.next_sequence()
        frame = self._gateway.side.frame(parcel, sequence, self.session)
        self._gateway.counts["delivered"] += 1
        self.session.send_many([(sequence, frame, parcel)], self._loop.time())
        self.flush()

    def answer(self, answers: list[Verdict]) -> None:
        """Send answers to texts."""
        for sequence, carrier_id, result, _ in answers:
            self.session.answer(sequence, carrier_id, result)
        self.flush()
        self._gateway.on_change()

    def tick(self) -> None:
        """Look at the time."""
        idle = self._gateway.knobs.idle_close
        if idle and self._loop.time() - self._heard_at >= idle:
            self.cut("the connection was idle", reset=False)
            return
        self._take(self.session.tick(self._loop.time()))

    def flush(self) -> None:
        """Log what waits, then hand it to the socket, in one write."""
        frames = self.session.frames_to_send()
        transport = self._transport
        if (
            not frames
            or transport is None
            or transport.is_closing()
            or self._gateway.knobs.is_silent
        ):
            return
        log = self._gateway.log
        if log is not None:
            for frame in frames:
                log.add(framelog.SENT, self.number, frame)
            log.flush()
        transport.write(b"".join(frames))

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  what create_server makes
        self._transport = transport
        self._gateway.connections.append(self)
        self.session.start(self._loop.time())
        self._note(framelog.OPENED)

    @override
    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        events = self.session.receive_data(data, self._heard_at)
        if self._gateway.log is not None:
            self._gateway.log.flush()
        self._take(events)
        self._gateway.on_change()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._gateway.connections.remove(self)
        account = self.session.account
        if account:
            outbox = self._gateway.outbox(account)
            outbox.carriers = [carrier for carrier in outbox.carriers if carrier is not self]
            outbox.waiting.extendleft(reversed(self.session.abandon()))
        reason = self._reason or (str(exc) if exc is not None else "the peer closed")
        self._note(framelog.CLOSED, reason.encode())
        self._gateway.on_change()

    def _note(self, kind: int, payload: bytes = b"") -> None:
        if self._gateway.log is not None:
            self._gateway.log.add(kind, self.number, payload)
            self._gateway.log.flush()

    def _take(self, events: list[Event]) -> None:
        submits: list[object] = []
        for event in events:
            match event:
                case Submitted(frame):
                    submits.append(frame)
                case Answered():
                    self._gateway.counts["acknowledged"] += 1
                case GivenUp(parcel, _, _):
                    self._gateway.outbox(self.session.account).waiting.appendleft(parcel)
                case LoggedIn():
                    self._gateway.counts["logins"] += 1
                    self._gateway.outbox(self.session.account).carriers.append(self)
                case Closed(reason):
                    self._reason = self._reason or reason
                case _:
                    pass  # malformed and unexpected frames are in the log
        if submits:
            self._on_submits(submits)
        self.flush()
        if self.session.account and not self.session.is_closed:
            self._gateway.pump(self.session.account)
        if self.session.is_closed and self._transport is not None:
            self._transport.close()

    def _on_submits(self, submits: list[object]) -> None:
        gateway = self._gateway
        knobs, account = gateway.knobs, self.session.account
        delay = knobs.response_delay_ms / 1000.0
        answers: list[Verdict] = []
        answer_at = self._loop.time() + delay
        for submit in submits:
            self._submits += 1
            if knobs.kill_after and self._submits >= knobs.kill_after and gateway.may_kill():
                self.cut("the simulator cuts the connection")
                return
            text = gateway.side.incoming(submit)
            verdict = gateway.judge(text)
            if gateway.on_submit is not None:
                gateway.on_submit(submit, verdict.carrier_id, verdict.result)
            if any(verdict.carrier_id) and text.wants_report:
                gateway.plan_report(account, text, verdict, answer_at)
            if not gateway.chance.drops(knobs):
                answers.append(verdict)
        gateway.pump(account)
        if delay:
            self._loop.call_later(delay, self.answer, answers)
        else:
            for sequence, carrier_id, result, _ in answers:
                self.session.answer(sequence, carrier_id, result)
        if knobs.leave_after and self._submits >= knobs.leave_after:
            self.leave()
