"""A SMGP gateway to try things against: `python -m fzalert_sms.smgp.simulator --port 0`.

It runs as a process of its own, prints one line of JSON when it is ready, logs every raw frame
before it answers, and misbehaves as told. Tests use `SmgpSimulator` in their own process.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from fzalert.ports import Command, CommandGroup
from fzalert_sms.carrier.simulator.arguments import read_arguments
from fzalert_sms.carrier.simulator.simulator import (
    CarrierSimulator,
    SimulatorResult,
    serve_until_stopped,
)
from fzalert_sms.smgp.knobs import Knobs
from fzalert_sms.smgp.side import SmgpSide


class SmgpSimulator(CarrierSimulator[Knobs]):
    """A simulated SMGP gateway (SMGW) that listens while it is entered.

    Args:
        knobs: Its behaviour at the start.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        log: File for the raw frames; None keeps no log.
        seed: Of everything left to chance.
        keeps_submits: Whether `submits` is filled.
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
        super().__init__(
            SmgpSide(bcd_ids=(knobs or Knobs()).bcd_ids),
            knobs or Knobs(),
            host=host,
            port=port,
            log=log,
            seed=seed,
            keeps_submits=keeps_submits,
        )


async def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8890,
    log: Path | None = None,
    seed: int = 0,
    account: str = "35100001",
    secret: str = "shared",  # noqa: S107  a simulator's made-up password
    response_delay_ms: float = 20.0,
    report_delay_ms: float = 50.0,
    tps: float = 0.0,
) -> SimulatorResult:
    """Simulate a SMGP gateway until interrupted (模拟电信短信网关).

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        log: File for the raw frames.
        seed: Of everything left to chance.
        account: ClientID that may log in.
        secret: Its shared secret.
        response_delay_ms: Time from a Submit to its answer.
        report_delay_ms: Time from the answer to the report.
        tps: Numbers a second; more are throttled. 0 is no limit.
    """
    knobs = Knobs(
        accounts={account: secret},
        response_delay_ms=response_delay_ms,
        report_delay_ms=report_delay_ms,
        tps=tps,
    )
    return await serve_until_stopped(SmgpSide(), knobs, host=host, port=port, log=log, seed=seed)


COMMANDS = CommandGroup(
    name="smgp",
    help="A simulated SMGP gateway (模拟电信短信网关).",
    commands=(Command("smgp", serve),),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the simulator until SIGINT or SIGTERM; its counts are the last line on stdout."""
    given, knobs = read_arguments(sys.argv[1:] if argv is None else argv, Knobs, "smgp")
    result = asyncio.run(
        serve_until_stopped(
            SmgpSide(bcd_ids=knobs.bcd_ids),
            knobs,
            host=given.host,
            port=given.port,
            log=given.log,
            seed=given.seed,
        )
    )
    counts = {name: getattr(result, name) for name in SimulatorResult.__slots__}
    sys.stdout.write(json.dumps(counts) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
