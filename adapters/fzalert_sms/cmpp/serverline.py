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
    Limits,
    LoggedIn,
    Submitted,
)
from fzalert_sms.cmpp import framelog
from fzalert_sms.cmpp.codec import Submit
from fzalert_sms.cmpp.judge import Verdict
from fzalert_sms.cmpp.outbox import Parcel
from fzalert_sms.cmpp.session import ServerSession

if TYPE_CHECKING:
    from fzalert_sms.cmpp.server import Ismg

_ABORTIVE = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends RST, as a firewall that forgets a flow does."""


class IsmgConnection(asyncio.Protocol):
    """One connection of an account."""

    def __init__(self, ismg: Ismg, number: int) -> None:
        self.number = number
        self._ismg = ismg
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._submits = 0
        self._reason = ""
        self._heard_at = self._loop.time()
        knobs = ismg.knobs
        self.session: ServerSession[Parcel] = ServerSession(
            knobs.accounts,
            limits=Limits(
                window=knobs.window,
                # A DELIVER is never merely late: it is sent again, and the link is kept.
                late_after=knobs.redeliver_after,
                request_timeout=knobs.redeliver_after,
                timeouts_in_row=1_000_000_000,
                keep_alive=knobs.keep_alive,
            ),
            layout=knobs.forced_layout,
            refuse_with=knobs.login_status,
            highest=knobs.highest,
            check=ismg.check_login,
        )
        self.session.answers_tests = knobs.answers_tests
        self.session.bare_tests = knobs.bare_tests
        if ismg.log is not None:
            self.session.tap = partial(ismg.log.add, framelog.RECEIVED, number)

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
        """Send TERMINATE."""
        self._reason = "the simulator sent TERMINATE"
        self.session.leave(self._loop.time())
        self.flush()

    def deliver(self, parcel: Parcel) -> None:
        """Send a parcel on this connection, whatever its window."""
        sequence = self.session.next_sequence()
        frame = parcel.frame(sequence, self.session.layout)
        self._ismg.counts["delivered"] += 1
        self.session.send_many([(sequence, frame, parcel)], self._loop.time())
        self.flush()

    def answer(self, answers: list[Verdict]) -> None:
        """Send answers to SUBMITs."""
        for sequence, msg_id, result, _ in answers:
            self.session.answer(sequence, msg_id, result)
        self.flush()
        self._ismg.on_change()

    def tick(self) -> None:
        """Look at the time."""
        idle = self._ismg.knobs.idle_close
        if idle and self._loop.time() - self._heard_at >= idle:
            self.cut("the connection was idle", reset=False)
            return
        self._take(self.session.tick(self._loop.time()))

    def flush(self) -> None:
        """Log what waits, then hand it to the socket, in one write."""
        frames = self.session.frames_to_send()
        transport = self._transport
        if not frames or transport is None or transport.is_closing() or self._ismg.knobs.is_silent:
            return
        log = self._ismg.log
        if log is not None:
            for frame in frames:
                log.add(framelog.SENT, self.number, frame)
            log.flush()
        transport.write(b"".join(frames))

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  what create_server makes
        self._transport = transport
        self._ismg.connections.append(self)
        self.session.start(self._loop.time())
        self._note(framelog.OPENED)

    @override
    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        events = self.session.receive_data(data, self._heard_at)
        if self._ismg.log is not None:
            self._ismg.log.flush()
        self._take(events)
        self._ismg.on_change()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._ismg.connections.remove(self)
        account = self.session.account
        if account:
            outbox = self._ismg.outbox(account)
            outbox.carriers = [carrier for carrier in outbox.carriers if carrier is not self]
            outbox.waiting.extendleft(reversed(self.session.abandon()))
        reason = self._reason or (str(exc) if exc is not None else "the peer closed")
        self._note(framelog.CLOSED, reason.encode())
        self._ismg.on_change()

    def _note(self, kind: int, payload: bytes = b"") -> None:
        if self._ismg.log is not None:
            self._ismg.log.add(kind, self.number, payload)
            self._ismg.log.flush()

    def _take(self, events: list[Event]) -> None:
        submits: list[Submit] = []
        for event in events:
            match event:
                case Submitted(frame):
                    submits.append(frame)
                case Answered():
                    self._ismg.counts["acknowledged"] += 1
                case GivenUp(parcel, _, _):
                    self._ismg.outbox(self.session.account).waiting.appendleft(parcel)
                case LoggedIn():
                    self._ismg.counts["logins"] += 1
                    self._ismg.outbox(self.session.account).carriers.append(self)
                case Closed(reason):
                    self._reason = self._reason or reason
                case _:
                    pass  # malformed and unexpected frames are in the log
        if submits:
            self._on_submits(submits)
        self.flush()
        if self.session.account and not self.session.is_closed:
            self._ismg.pump(self.session.account)
        if self.session.is_closed and self._transport is not None:
            self._transport.close()

    def _on_submits(self, submits: list[Submit]) -> None:
        ismg = self._ismg
        knobs, account = ismg.knobs, self.session.account
        delay = knobs.response_delay_ms / 1000.0
        answers: list[Verdict] = []
        answer_at = self._loop.time() + delay
        for submit in submits:
            self._submits += 1
            if knobs.kill_after and self._submits >= knobs.kill_after and ismg.may_kill():
                self.cut("the simulator cuts the connection")
                return
            verdict = ismg.judge(submit)
            if ismg.on_submit is not None:
                ismg.on_submit(submit, verdict.msg_id, verdict.result)
            if any(verdict.msg_id) and submit.registered_delivery:
                ismg.plan_report(account, submit, verdict, answer_at)
            if not ismg.chance.drops(knobs):
                answers.append(verdict)
        ismg.pump(account)
        if delay:
            self._loop.call_later(delay, self.answer, answers)
        else:
            for sequence, msg_id, result, _ in answers:
                self.session.answer(sequence, msg_id, result)
        if knobs.leave_after and self._submits >= knobs.leave_after:
            self.leave()
