"""From a click to fifty banks: `python bench/freeze_fanout.py`.

A case has an account at each of 50 banks, whose desks acknowledge after 50 to 500 ms (by the seed).
Measured: from the first approval, and from the click on "send", until the last desk has
acknowledged its package. Beside it in the same run: 50 posts over mutual TLS to the same servers by
plain httpx, all at once, on new connections.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import httpx
from stdnum.iso7064 import mod_11_10

import fzalert
from bench.common.desks import DESK, Notified, desks
from bench.common.printing import Report
from fzalert.clock import SystemClock
from fzalert.config import read_settings
from fzalert.freeze.values import (
    Account,
    AccountKind,
    AttachmentType,
    CaseReport,
    Officer,
    Transfer,
    Victim,
)
from fzalert.service import open_or_connect
from fzalert.service.facade import Fzalert
from fzalert.service.freeze_handle import CaseHandle, MeasureHandle
from fzalert.service.models import UserChange
from fzalert.testing.pki import Authority, Issued
from fzalert.testing.processes import ask_until

POSTED = json.dumps({"application_id": "raw", "filler": "x" * 3000}).encode()


def bank(number: int) -> str:
    """A made-up bank code with its check digit."""
    body = f"3131000{number:04d}"
    return body + str(mod_11_10.calc_check_digit(body))


def configure(folder: Path, ports: Sequence[int], client: Issued) -> Path:
    """Write the unit's file, with every desk."""
    banks = "".join(
        f"""
        [[channel.desks]]
        name = "{bank(number)}"
        url = "https://127.0.0.1:{port}"
        certificate = "{client.certificate}"
        key = "{client.key}"
        ca = "{folder / "ca.pem"}"
        public_keys = ["{DESK.public_key.hex()}"]
        """
        for number, port in enumerate(ports)
    )
    text = f"""
        [store]
        url = "sqlite:///data/fz.db"
        [web]
        port = 0
        [log]
        level = "error"
        [freeze]
        unit_name = "青山县公安局"
        unit_code = "110105000000"
        prefecture = "1101"
        duty_phone = "010-12345678"
        [[channel]]
        name = "banks"
        adapter = "bank.https"
        {banks}
        """
    file = folder / "fzalert.toml"
    file.write_text(text, encoding="utf-8")
    return file


async def hired(file: Path) -> dict[str, str]:
    """The tokens of those who act."""
    tokens = {}
    async with open_or_connect(read_settings(file), delivers=False) as api:
        for name, rank in (("ma", "station"), ("li", "county")):
            change = UserChange(action="add", name=name, roles=["detective"], rank=rank)
            tokens[name] = await api.change_user(change)
    return tokens


async def submitted(fz: Fzalert, token: str, many: int) -> tuple[CaseHandle, list[MeasureHandle]]:
    """A case with an account at each bank, all submitted."""
    now, ma = SystemClock().now(), await fz.actor(token)
    case = await fz.freeze.open_case(
        report=CaseReport(number="110-20261124-0007", at=now - timedelta(minutes=5)),
        victim=Victim(name="张三", id_number="11010519491231002X", phone="13800138000"),
        by=ma,
    )
    officers = [
        Officer(name="王一", certificate="P0001", phone="13800138001"),
        Officer(name="赵二", certificate="P0002", phone="13800138002", role="assisting"),
    ]
    await case.name_officers(officers, by=ma)
    for kind in (AttachmentType.IDENTITY, AttachmentType.STOP_FORM):
        await case.attach(b"%PDF-1.7 made up", type=kind, by=ma)
    paid = Transfer(
        from_account="6228480402564890018",
        from_name="张三",
        amount=Decimal("50000.00"),
        at=now - timedelta(minutes=20),
        serials=("20261124SERIAL01",),
    )
    measures = []
    for number in range(many):
        account = Account(
            kind=AccountKind.CORPORATE,
            number=f"{10_000_000 + number}",
            name=f"李{number}",
            bank_code=bank(number),
            bank_name=f"银行{number}",
        )
        measures.append(await case.add_account(account, inflow=[paid], by=ma))
        await measures[-1].submit(by=ma)
    return case, measures


async def sent(file: Path, tokens: dict[str, str], many: int, far: Notified) -> list[list[float]]:
    """Seconds from the first approval, and from the click, to each desk's acknowledgement."""
    async with fzalert.open(file) as fz:
        case, measures = await submitted(fz, tokens["ma"], many)

        async def up() -> bool:
            (channel,) = (await fz.status()).channels
            return channel.state == "up"

        await ask_until(up, "every desk answers")
        li = await fz.actor(tokens["li"])
        began = time.monotonic()
        for measure in measures:
            await measure.approve(by=li)
        clicked = time.monotonic()
        await case.send(by=li)
        told = await asyncio.to_thread(far.when, many)
        return [[at - began for at in told], [at - clicked for at in told]]


async def raw(far: Notified, folder: Path, client: Issued) -> list[float]:
    """Seconds to each answer of as many posts by httpx, all at once."""
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.load_cert_chain(client.certificate, client.key)
    found: list[float] = []
    async with httpx.AsyncClient(verify=context, trust_env=False, timeout=60) as http:

        async def post(port: int, began: float) -> None:
            url = f"https://127.0.0.1:{port}/desk/v1/packages"
            answer = await http.post(url, content=POSTED)
            answer.raise_for_status()
            found.append(time.monotonic() - began)

        began = time.monotonic()
        async with asyncio.TaskGroup() as posts:
            for port in far.ports:
                posts.create_task(post(port, began))
    await asyncio.to_thread(far.when, len(far.ports))
    return sorted(found)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--desks", type=int, default=50)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=20261124)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args(arguments)
    many, runs = (3, 1) if given.quick else (given.desks, given.runs)
    report = Report("freeze_fanout", quick=given.quick)
    approved: list[list[float]] = []
    clicked: list[list[float]] = []
    posted: list[list[float]] = []
    for number in range(runs):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            authority = Authority(folder)
            _ = authority.issue("server", addresses=["127.0.0.1"])
            client = authority.issue("county")
            with desks(folder, many, given.seed + number) as far:
                file = configure(folder, far.ports, client)
                tokens = asyncio.run(hired(file))
                first, second = asyncio.run(sent(file, tokens, many, far))
                approved.append(first)
                clicked.append(second)
                posted.append(asyncio.run(raw(far, folder, client)))
    last = [one[-1] for one in approved]
    report.add(f"{many} desks: first approval to all notified", last, "s", most=5.0)
    report.add("click to all notified", [one[-1] for one in clicked], "s")
    report.add("click to notified, p50", [statistics.median(one) for one in clicked], "s")
    report.add("click to notified, p95", [_p95(one) for one in clicked], "s")
    report.add(f"{many} posts by httpx, all answered", [one[-1] for one in posted], "s")
    report.add("posts by httpx, p50", [statistics.median(one) for one in posted], "s")
    report.add("posts by httpx, p95", [_p95(one) for one in posted], "s")
    ratios = [ours[-1] / theirs[-1] for ours, theirs in zip(clicked, posted, strict=True)]
    report.add("click to all notified / raw posts", ratios, "")
    report.close()


def _p95(values: Sequence[float]) -> float:
    return sorted(values)[max(0, round(0.95 * len(values)) - 1)]


if __name__ == "__main__":
    main()
