"""A CMPP gateway to try things against: `python -m fzalert_sms.cmpp.simulator --port 0`.

It runs as a process of its own, prints one line of JSON when it is ready, logs every raw frame
before it answers, and misbehaves as told. Tests use `CmppSimulator` in their own process.
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
from fzalert_sms.cmpp.knobs import Knobs
from fzalert_sms.cmpp.side import CmppSide


class CmppSimulator(CarrierSimulator[Knobs]):
    """A simulated CMPP gateway (ISMG) that listens while it is entered."""

    knobs_type = Knobs

    @staticmethod
    @override
    def side(knobs: Knobs) -> CmppSide:
        del knobs
        return CmppSide()


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
    return await serve_until_stopped(CmppSimulator, knobs, host=host, port=port, log=log, seed=seed)


COMMANDS = CommandGroup(
    name="cmpp",
    help="A simulated CMPP gateway (模拟移动短信网关).",
    commands=(Command("cmpp", serve),),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the simulator until SIGINT or SIGTERM; its counts are the last line on stdout."""
    return run_simulator(CmppSimulator, argv)


if __name__ == "__main__":
    sys.exit(main())
