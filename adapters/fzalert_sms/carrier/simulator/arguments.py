"""The options of the simulator as a program: one for every knob."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import cast

from fzalert_sms.carrier.simulator.side import K
from fzalert_sms.carrier.simulator.simulator import CarrierSimulator, serve_until_stopped


def read_arguments(
    argv: Sequence[str], kind: type[K], protocol: str
) -> tuple[argparse.Namespace, K]:
    """Read host, port, log and seed, and one option for every knob.

    Args:
        argv: As typed.
        kind: The knobs of the protocol.
        protocol: Its name, as typed.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m fzalert_sms.{protocol}.simulator",
        description=f"A simulated {protocol.upper()} gateway. Its knobs are described in"
        f" fzalert_sms.carrier.simulator.knobs and fzalert_sms.{protocol}.knobs.",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--account", action="append", metavar="NAME:SECRET", help="may be given more than once"
    )
    parser.add_argument(
        "--reject", action="append", default=[], metavar="SHARE:RESULT", help="may be repeated"
    )
    defaults = kind()
    for knob in fields(kind):
        default = getattr(defaults, knob.name)
        option = "--" + knob.name.removeprefix("is_").replace("_", "-")
        if isinstance(default, bool):
            parser.add_argument(
                option, dest=knob.name, default=default, action=argparse.BooleanOptionalAction
            )
        elif isinstance(default, (int, float, str)):
            parser.add_argument(option, dest=knob.name, default=default, type=type(default))
    read = parser.parse_args(argv)
    given = vars(read)
    values = {
        knob.name: given[knob.name]
        for knob in fields(kind)
        if knob.name not in ("accounts", "rejects")
    }
    if given["account"]:
        pairs = (pair.partition(":") for pair in given["account"])
        values["accounts"] = {name: secret for name, _, secret in pairs}
    rejects = (pair.partition(":") for pair in given["reject"])
    values["rejects"] = tuple((float(share), int(result)) for share, _, result in rejects)
    return read, kind(**values)


def run_simulator(kind: type[CarrierSimulator[K]], argv: Sequence[str] | None) -> int:
    """Run a simulator as a program until SIGINT or SIGTERM.

    Its counts are the last line on stdout.
    """
    protocol = kind.side(cast("K", kind.knobs_type())).protocol
    typed = sys.argv[1:] if argv is None else argv
    given, knobs = read_arguments(typed, kind.knobs_type, protocol)
    serving = serve_until_stopped(
        kind, cast("K", knobs), host=given.host, port=given.port, log=given.log, seed=given.seed
    )
    sys.stdout.write(json.dumps(asdict(asyncio.run(serving))) + "\n")
    return 0
