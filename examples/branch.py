"""A bank's own branch software warns the customer who stands at the counter.

    python examples/branch.py --phone 13800138000 --key branch-7-20261124-0007

`fzalert.open` speaks to the daemon (`fzalert run`) of this configuration where one runs. Where none
runs, this very process opens the store and delivers until it ends; screens then wait for a daemon,
because it is the daemon that serves their page.

No failure of a channel raises here: it is an outcome, with the reason in words. Only a wrong call
raises, and its text says what to do.

Exit code: 0 every target was reached, 1 one of them was not or is still open, 2 the call was wrong.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from datetime import timedelta

import fzalert

SIGNS = {"delivered": "● 已送达", "open": "○ 进行中", "unknown": "▲ 结果未知"}


async def warn(given: argparse.Namespace) -> int:
    """Send one urgent warning and print what became of it for each target."""
    async with fzalert.open(given.config) as fz:
        owner = "本进程 this process" if fz.owns_store else "常驻程序 the daemon"
        token = os.environ.get("FZALERT_TOKEN")  # the teller's own; without it, this account acts
        warning = await fz.warn(
            given.script,
            audience=given.audience,
            to=[
                fzalert.phone(given.phone),
                fzalert.display(given.display),
                fzalert.speaker(given.speaker),
            ],
            lane="urgent",
            expires_in=timedelta(minutes=10),
            key=given.key,
            by=await fz.actor(token) if token else None,
        )
        if warning.accepted:
            print(f"预警 {warning.id} 已落盘 on disk，由{owner}投递")
        outcome = await warning.outcome(timeout=given.wait)
        for each in outcome.targets:
            word = SIGNS.get(each.state, f"■ {each.state}")
            print(f"{word}  {each.target}  {each.word}  proof={each.proof}  {each.detail}".rstrip())
        return 0 if outcome.state == "delivered" else 1


def main(argv: Sequence[str] | None = None) -> int:
    """Read the arguments, warn, and turn a wrong call into words."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--config", default="fzalert.toml")
    parser.add_argument("--script", default="impersonating-police")
    parser.add_argument("--audience", default="elderly")
    parser.add_argument("--phone", required=True)
    parser.add_argument("--display", default="lobby")
    parser.add_argument("--speaker", default="atm-1")
    parser.add_argument("--key", required=True, help="one key for one decision; repeat it freely")
    parser.add_argument("--wait", type=float, default=5.0, help="seconds to wait for the fate")
    try:
        return asyncio.run(warn(parser.parse_args(argv)))
    except fzalert.InputError as error:  # a wrong number, an unknown script, a draft, …
        field = f" ({error.field})" if error.field else ""
        print(f"没有发出 not sent{field}: {error}", file=sys.stderr)
    except fzalert.FzalertError as error:  # the configuration, the token, the store
        print(f"没有发出 not sent: {error}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
