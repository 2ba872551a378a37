"""An SMPP message centre to try things against: `python -m fzalert_sms.smpp.simulator --port 0`.

It runs as a process of its own, prints one line of JSON when it is ready, logs every raw frame
before it answers, and misbehaves as told. Tests use `SmppSimulator` in their own process.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from typing_extensions import override

from fzalert.ports import Command, CommandGroup
from fzalert_sms.carrier.simulator.arguments import run_simulator
from fzalert_sms.carrier.simulator.simulator import (
    CarrierSimulator,
    SimulatorResult,
    serve_until_stopped,
)
from fzalert_sms.smpp.knobs import Knobs
from fzalert_sms.smpp.side import SmppSide


class SmppSimulator(CarrierSimulator[Knobs]):
    """A simulated SMPP message centre (SMSC) that listens while it is entered."""

    knobs_type = Knobs

    @staticmethod
    @override
    def side(knobs: Knobs) -> SmppSide:
        return SmppSide(knobs)


async def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 2775,
    log: Path | None = None,
    seed: int = 0,
    account: str = "fzalert",
    secret: str = "secret08",  # noqa: S107  a simulator's made-up password
    response_delay_ms: float = 20.0,
    report_delay_ms: float = 50.0,
    tps: float = 0.0,
) -> SimulatorResult:
    """Simulate an SMPP message centre until interrupted (模拟 SMPP 短信中心).

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        log: File for the raw frames.
        seed: Of everything left to chance.
        account: system_id that may bind.
        secret: Its password.
        response_delay_ms: Time from a submit_sm to its answer.
        report_delay_ms: Time from the answer to the report.
        tps: Numbers a second; more are throttled. 0 is no limit.
    """
    knobs = Knobs(
        accounts={account: secret},
        response_delay_ms=response_delay_ms,
        report_delay_ms=report_delay_ms,
        tps=tps,
    )
    return await serve_until_stopped(SmppSimulator, knobs, host=host, port=port, log=log, seed=seed)


COMMANDS = CommandGroup(
    name="smpp",
    help="A simulated SMPP message centre (模拟 SMPP 短信中心).",
    commands=(Command("smpp", serve),),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the simulator until SIGINT or SIGTERM; its counts are the last line on stdout."""
    return run_simulator(SmppSimulator, argv)


if __name__ == "__main__":
    sys.exit(main())
