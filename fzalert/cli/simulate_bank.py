"""`fzalert simulate bank`: several fake banks (模拟) in one process, each a real desk."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from fzalert.cli.session import current
from fzalert.desk.simulation.bank import FakeBank, open_bank
from fzalert.desk.simulation.rawlog import RawLog, count_log
from fzalert.desk.simulation.scenario import Chances, FakeBankPlan, Scenario, read_scenario
from fzalert.errors import InputError
from fzalert.ports import Command, CommandGroup

__all__ = ["COMMANDS", "bank"]

BANKS = (
    ("102100099996", "工商银行"),
    ("103100000026", "农业银行"),
    ("104100000004", "中国银行"),
    ("105100000017", "建设银行"),
    ("308584000013", "招商银行"),
    ("403100000004", "邮储银行"),
)
"""Codes of real banks, so that a case passes its checks; whatever answers says 模拟."""
HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class BankTally:
    """What one fake bank saw, by its raw log."""

    bank: str
    packages: int
    repeated: int
    stopped: int
    answered: int
    faults: int


async def bank(
    *,
    scenario: Path | None = None,
    banks: int = 3,
    folder: Path = Path("banks"),
    port: int = 8861,
    sender: str = "",
    seed: int | None = None,
    latency_ms: int = 200,
    jitter_ms: int = 800,
    refuse: float = 0.0,
    mismatch: float = 0.0,
    partial: float = 0.0,
    silent: float = 0.0,
    broken: float = 0.0,
    twice: float = 0.0,
) -> list[BankTally]:
    """Simulate banks' desks until interrupted (模拟银行专岗); each signs its receipts itself.

    Args:
        scenario: TOML with banks, books and rules; it replaces `--banks` and the chances.
        banks: How many.
        folder: For stores, keys, certificates, the raw log, and channel.toml for your conf.d.
        port: First port; each bank takes two. 0 takes free ones.
        sender: Public key of the police side, 64 hex digits; that of --config unless given.
        seed: Of everything left to chance; that of the scenario, or 0, unless given.
        latency_ms: Least time until an answer.
        jitter_ms: How much longer it may take.
        refuse: Share of packages that are refused.
        mismatch: Share whose name does not fit the account.
        partial: Share that is done for less than was asked.
        silent: Share that is acknowledged and never answered.
        broken: Share whose hook into core banking fails.
        twice: Share of the answers that come twice.
    """
    if scenario is not None:
        plan = await asyncio.to_thread(read_scenario, scenario)
    else:
        latency = (latency_ms / 1000, (latency_ms + jitter_ms) / 1000)
        given = {
            "refuse": refuse,
            "mismatch": mismatch,
            "partial": partial,
            "silent": silent,
            "broken": broken,
            "twice": twice,
        }
        plan = _plan(banks, latency, given)
    if seed is not None:
        plan = plan.model_copy(update={"seed": seed})
    return await _serve(plan, folder, port, sender or _own_key())


def _plan(banks: int, latency: tuple[float, float], given: dict[str, float]) -> Scenario:
    if not 1 <= banks <= len(BANKS):
        raise InputError(f"1 to {len(BANKS)} banks; more in a scenario's file.", field="banks")
    try:
        chances = Chances.model_validate(given)
        return Scenario(
            bank=tuple(
                FakeBankPlan(code=code, name=f"模拟{name}", latency=latency, chances=chances)
                for code, name in BANKS[:banks]
            )
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise InputError(f"{field or 'shares'}: {first['msg']}.", field=field) from None


def _own_key() -> str:
    """The public key that the daemon of the configuration signs with; made where there is none."""
    from fzalert.access.keys import FileSigner
    from fzalert.service.building import SIGNING_KEY

    folder = current().settings().data_directory
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return FileSigner.load_or_create(folder / SIGNING_KEY).public_key.hex()


async def _serve(plan: Scenario, folder: Path, port: int, sender: str) -> list[BankTally]:
    from fzalert.access.certificates import init_tls, issue_client
    from fzalert.clock import SystemClock
    from fzalert.web.desk import desk_doors

    clock = SystemClock()
    folder = await asyncio.to_thread(_prepared, folder)
    tls = folder / "tls"
    await asyncio.to_thread(init_tls, tls, [HOST], clock.now())
    await asyncio.to_thread(issue_client, tls, "county", clock.now())
    log = RawLog(folder / "raw.jsonl", clock)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    if sys.platform != "win32":
        for number in numbers:
            loop.add_signal_handler(number, stopped.set)
    try:
        async with contextlib.AsyncExitStack() as stack:
            opened: list[tuple[FakeBank, str]] = []
            for place, one in enumerate(plan.bank):
                ports = (port + 2 * place, port + 2 * place + 1) if port else (0, 0)
                made = await stack.enter_async_context(
                    open_bank(
                        one,
                        seed=plan.seed,
                        folder=folder / one.code,
                        tls=tls,
                        sender=sender,
                        log=log,
                        ports=ports,
                        clock=clock,
                    )
                )
                doors = await stack.enter_async_context(desk_doors(made))
                stack.callback(made.let_go)
                opened.append((made, doors.police.rstrip("/")))
            channel = folder / "channel.toml"
            channel.write_text(_channel(opened, tls), encoding="utf-8")
            told = {
                "ready": True,
                "mark": "模拟",
                "channel": str(channel),
                "log": str(folder / "raw.jsonl"),
                "banks": {one.plan.code: url for one, url in opened},
            }
            sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
            sys.stdout.flush()
            current().output.note(f"模拟银行：{len(opened)} 家；把 {channel} 放进 conf.d/")
            await stopped.wait()
    finally:
        if sys.platform != "win32":
            for number in numbers:
                loop.remove_signal_handler(number)
        log.close()
    counted = await asyncio.to_thread(count_log, folder / "raw.jsonl")
    return [
        BankTally(
            one.title,
            **(counted[one.code]._asdict() if one.code in counted else _nothing()),
        )
        for one in plan.bank
    ]


def _prepared(folder: Path) -> Path:
    for made in (folder, folder / "tls"):
        made.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder.absolute()


def _nothing() -> dict[str, int]:
    return {"packages": 0, "repeated": 0, "stopped": 0, "answered": 0, "faults": 0}


def _channel(opened: Sequence[tuple[FakeBank, str]], tls: Path) -> str:
    """The channel by which fzalert reaches the fake banks."""
    lines = [
        "# 模拟银行 Fake banks, written by `fzalert simulate bank`. Never put it beside real ones.",
        "[[channel]]",
        'name = "simulated-banks"',
        'adapter = "bank.https"',
    ]
    for one, url in opened:
        lines += [
            "",
            "[[channel.desks]]",
            f'name = "{one.plan.code}"          # {one.plan.title}',
            f'url = "{url}"',
            f"certificate = {json.dumps(str(tls / 'county.pem'))}",
            f"key = {json.dumps(str(tls / 'county.key'))}",
            f"ca = {json.dumps(str(tls / 'ca.pem'))}",
            f'public_keys = ["{one.signer.public_key.hex()}"]',
            f'institutions = ["{one.plan.code}"]',
        ]
    return "\n".join(lines) + "\n"


COMMANDS = CommandGroup(
    name="bank",
    help="Fake banks with real desks (模拟银行专岗).",
    commands=(Command("bank", bank),),
)
