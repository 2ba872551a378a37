"""A carrier that costs next to nothing, so that a bench measures us and not the far side.

It speaks CMPP 3.0 from ready-made frames: every SUBMIT is taken, answered after a fixed time, and
reported as DELIVRD. It breaks no rule and plays no trick; for those there is the simulator of the
product. It runs as a process of its own: `with carrier() as one: … one.port`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from struct import Struct
from typing import NamedTuple

from typing_extensions import override

from fzalert_sms.cmpp.codec import (
    HEADER,
    V30,
    ActiveTestResp,
    Connect,
    ConnectResp,
    Deliver,
    FrameBuffer,
    Report,
    TerminateResp,
    decode,
    encode,
    encode_report,
)
from fzalert_sms.cmpp.codec import layout as c
from fzalert_sms.cmpp.codec.auth import gateway_digest

ACCOUNT, SECRET = "901234", "bench"

_ANSWER = Struct(">III8sI")
_WANTS_AT = HEADER.size + 10
_NUMBER_AT = HEADER.size + V30.submit.size
_NUMBER_END = _NUMBER_AT + V30.terminal
# A DELIVER with a report: head, sequence, Msg_Id, then what never changes but for the number and
# the Msg_Id that it speaks of.
_REPORT = Struct(">8sI8s34s32s3s8s27s32s24s")


class Counts(NamedTuple):
    """What a carrier saw.

    Attributes:
        submits: Texts it took.
        numbers: Different numbers among them; 0 where it was not asked to count them.
        acknowledged: Reports that were answered.
        cpu_us: Its processor time, microseconds a text.
        first_at: Monotonic time of the first text on the newest connection; the clock is one for
            all processes of a machine.
    """

    submits: int
    numbers: int
    acknowledged: int
    cpu_us: float
    first_at: float


class Options(NamedTuple):
    """How it behaves.

    Attributes:
        response_ms: From a SUBMIT to its answer.
        report_ms: From the answer to the report.
        report_window: Reports that may be out and unanswered; 0 is no limit.
        counts_numbers: Whether it remembers every number.
    """

    response_ms: float = 0.0
    report_ms: float = 0.0
    report_window: int = 0
    counts_numbers: bool = False


class _Totals:
    def __init__(self) -> None:
        self.submits = 0
        self.acknowledged = 0
        self.first_at = 0.0
        self.numbers: set[bytes] = set()


class _Line(asyncio.Protocol):
    """One connection."""

    def __init__(self, options: Options, totals: _Totals) -> None:
        self._options = options
        self._totals = totals
        self._loop = asyncio.get_running_loop()
        self._buffer = FrameBuffer()
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[tuple[bytes, bytes]] = deque()
        self._out = 0
        self._sequence = 0
        self._is_fresh = True
        content = encode_report(Report(bytes(8), "DELIVRD", "2611241200", "2611241200", "", 0), V30)
        frame = encode(
            Deliver(0, bytes(8), "106500001", "BENCH", 0, 0, 0, "", 0, 1, content, b""), V30
        )
        self._parts = _REPORT.unpack(frame)

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  what create_server makes
        self._transport = transport

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    @override
    def data_received(self, data: bytes) -> None:
        answers: list[bytes] = []
        taken: list[tuple[bytes, bytes]] = []
        options, totals = self._options, self._totals
        for frame in self._buffer.feed(data):
            _, command, sequence = HEADER.unpack_from(frame)
            if command == c.SUBMIT:
                totals.submits += 1
                if self._is_fresh:
                    self._is_fresh, totals.first_at = False, time.monotonic()
                # Never zero: a text that is taken has an id.
                msg_id = (totals.submits + (1 << 56)).to_bytes(8, "big")
                answers.append(_ANSWER.pack(24, c.SUBMIT_RESP, sequence, msg_id, 0))
                number = frame[_NUMBER_AT:_NUMBER_END]
                if options.counts_numbers:
                    totals.numbers.add(number.rstrip(b"\0"))
                if frame[_WANTS_AT]:
                    taken.append((msg_id, number))
            elif command == c.DELIVER_RESP:
                totals.acknowledged += 1
                self._out -= 1
            else:
                self._on_rare(frame, command, sequence)
        self._go_on(answers, taken)

    def _go_on(self, answers: list[bytes], taken: list[tuple[bytes, bytes]]) -> None:
        options = self._options
        delay = options.response_ms / 1000.0
        if answers:
            if delay:
                self._loop.call_later(delay, self._write, b"".join(answers))
            else:
                self._write(b"".join(answers))
        if taken:
            delay += options.report_ms / 1000.0
            if delay:
                self._loop.call_later(delay, self._report, taken)
            else:
                self._report(taken)
        elif self._waiting:
            self._report([])

    def _on_rare(self, frame: bytes, command: int, sequence: int) -> None:
        if command == c.CONNECT:
            asked = decode(frame, V30)
            assert isinstance(asked, Connect)  # noqa: S101  only our own client dials
            digest = gateway_digest(0, 4, asked.authenticator, SECRET)
            self._write(encode(ConnectResp(sequence, 0, digest, V30.version, 4), V30))
        elif command == c.ACTIVE_TEST:
            self._write(encode(ActiveTestResp(sequence), V30))
        elif command == c.TERMINATE:
            self._write(encode(TerminateResp(sequence), V30))

    def _report(self, taken: Sequence[tuple[bytes, bytes]]) -> None:
        self._waiting.extend(taken)
        most = self._options.report_window
        room = len(self._waiting) if not most else min(len(self._waiting), most - self._out)
        head, _, _, before, _, middle, _, stat, _, tail = self._parts
        frames: list[bytes] = []
        for _ in range(room):
            msg_id, number = self._waiting.popleft()
            self._sequence += 1
            frames.append(
                _REPORT.pack(
                    head, self._sequence, msg_id, before, number, middle, msg_id, stat, number, tail
                )
            )
        self._out += len(frames)
        if frames:
            self._write(b"".join(frames))

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


class Running:
    """A carrier in a process of its own."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        assert child.stdout is not None  # noqa: S101  a pipe was asked for
        self._child = child
        self._out = child.stdout
        self.port = int(json.loads(self._out.readline())["port"])

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    def counts(self) -> Counts:
        """Ask what it has seen so far."""
        self._child.send_signal(signal.SIGUSR1)
        return Counts(**json.loads(self._out.readline()))

    def stop(self) -> None:
        """End it."""
        self._child.terminate()
        self._child.communicate()


@contextlib.contextmanager
def carrier(options: Options | None = None) -> Iterator[Running]:
    """Run one until the block ends."""
    options = options or Options()
    command = [
        sys.executable,
        "-m",
        "bench.common.carrier",
        f"--response-ms={options.response_ms}",
        f"--report-ms={options.report_ms}",
        f"--report-window={options.report_window}",
        *(["--counts-numbers"] if options.counts_numbers else []),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:  # noqa: S603  ours
        running = Running(child)
        try:
            yield running
        finally:
            running.stop()


async def _serve(options: Options) -> None:
    loop = asyncio.get_running_loop()
    totals = _Totals()
    stopped = asyncio.Event()
    server = await loop.create_server(lambda: _Line(options, totals), "127.0.0.1", 0)

    def say(**words: float) -> None:
        sys.stdout.write(json.dumps(words) + "\n")
        sys.stdout.flush()

    def tell() -> None:
        used = time.process_time() / max(1, totals.submits) * 1e6
        say(
            submits=totals.submits,
            numbers=len(totals.numbers),
            acknowledged=totals.acknowledged,
            cpu_us=used,
            first_at=totals.first_at,
        )

    loop.add_signal_handler(signal.SIGUSR1, tell)
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    say(port=server.sockets[0].getsockname()[1])
    await stopped.wait()


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--response-ms", type=float, default=0.0)
    parser.add_argument("--report-ms", type=float, default=0.0)
    parser.add_argument("--report-window", type=int, default=0)
    parser.add_argument("--counts-numbers", action="store_true")
    asyncio.run(_serve(Options(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
