"""An SGIP gateway to try things against: `python -m fzalert_sms.sgip.simulator --port 0`.

It runs as a process of its own, prints one line of JSON when it is ready, logs every raw frame
before it answers, and misbehaves as told. Tests use `SgipSimulator` in their own process.
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
from fzalert_sms.sgip.knobs import Knobs
from fzalert_sms.sgip.push import PushConnection, SgipSimulatedGateway
from fzalert_sms.sgip.side import SgipSide


class SgipSimulator(CarrierSimulator[Knobs]):
    """A simulated SGIP gateway (SMG) that listens while it is entered."""

    knobs_type = Knobs
    gateway_type = SgipSimulatedGateway

    @staticmethod
    @override
    def side(knobs: Knobs) -> SgipSide:
        del knobs
        return SgipSide()

    async def dial(self) -> PushConnection:
        """Open one more connection to the listener, which stays open.

        Raises:
            OSError: It cannot be reached.
        """
        gateway = self.gateway
        assert isinstance(gateway, SgipSimulatedGateway)  # noqa: S101  what it was made as
        connection = await gateway.dial(self._account_of())
        connection.stays = True
        return connection


async def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8801,
    log: Path | None = None,
    seed: int = 0,
    account: str = "fzalert",
    secret: str = "shared",  # noqa: S107  a simulator's made-up password
    response_delay_ms: float = 20.0,
    report_delay_ms: float = 50.0,
    tps: float = 0.0,
    deliver_host: str = "127.0.0.1",
    deliver_port: int = 0,
    deliver_account: str = "gateway",
    deliver_secret: str = "shared",  # noqa: S107  a simulator's made-up password
) -> SimulatorResult:
    """Simulate an SGIP gateway until interrupted (模拟联通短信网关).

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        log: File for the raw frames.
        seed: Of everything left to chance.
        account: Login name that may bind.
        secret: Its password.
        response_delay_ms: Time from a Submit to its answer.
        report_delay_ms: Time from the answer to the report.
        tps: Numbers a second; more are throttled. 0 is no limit.
        deliver_host: Where the channel listens for reports and replies.
        deliver_port: Its port; 0 keeps what there is to deliver.
        deliver_account: Login name for it.
        deliver_secret: Its password.
    """
    knobs = Knobs(
        accounts={account: secret},
        response_delay_ms=response_delay_ms,
        report_delay_ms=report_delay_ms,
        tps=tps,
        deliver_host=deliver_host,
        deliver_port=deliver_port,
        deliver_account=deliver_account,
        deliver_secret=deliver_secret,
    )
    return await serve_until_stopped(SgipSimulator, knobs, host=host, port=port, log=log, seed=seed)


COMMANDS = CommandGroup(
    name="sgip",
    help="A simulated SGIP gateway (模拟联通短信网关).",
    commands=(Command("sgip", serve),),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the simulator until SIGINT or SIGTERM; its counts are the last line on stdout."""
    return run_simulator(SgipSimulator, argv)


if __name__ == "__main__":
    sys.exit(main())
