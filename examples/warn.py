"""Warn one customer at the counter: on the phone, on the screen, over the loudspeaker."""

import asyncio

import fzalert

WHOM = [fzalert.phone("13800138000"), fzalert.display("lobby"), fzalert.speaker("atm-1")]


async def main() -> None:
    """Warn, and wait up to five seconds for what becomes of it."""
    async with fzalert.open("fzalert.toml") as fz:
        warning = await fz.warn("impersonating-police", audience="elderly", to=WHOM, key="7-0007")
        for target in (await warning.outcome(timeout=5)).targets:
            print(target.target, target.state, target.word, target.detail)


asyncio.run(main())
