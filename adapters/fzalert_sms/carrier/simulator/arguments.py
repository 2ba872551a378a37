"""The options of the simulator as a program: one for every knob."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TypeVar

from fzalert_sms.carrier.simulator.knobs import Knobs

K = TypeVar("K", bound=Knobs)


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
