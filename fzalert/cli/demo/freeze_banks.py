"""The banks and the report of the demo's case: books, accounts and messages, all made up.

No account of it exists: the prefix 629999 belongs to no bank's cards, and the victim was born in
1900. The banks' codes are those of real banks, and every word of theirs carries 模拟.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from fzalert.cli.demo.peers import first_line, process

__all__ = ["BANK_CODES", "MISTYPED", "PAID", "VICTIM_CARD", "Paid", "fake_banks", "messages"]

_CHINA = ZoneInfo("Asia/Shanghai")
ICBC, ABC, BOC = "102100099996", "103100000026", "104100000004"
BANK_CODES = {"工商银行": ICBC, "农业银行": ABC, "中国银行": BOC}
"""Code of each bank that the victim's messages name."""
VICTIM_CARD = "6299991900011109992"
LEVEL_TWO = "6299991900011100041"
MISTYPED = ("吴一凡", "吴一帆")
"""The third payee as the victim's message has it, and as the bank's books have it."""


@dataclass(frozen=True, slots=True)
class Paid:
    """One transfer of the victim's.

    Attributes:
        bank: The payee's bank, as the message names it.
        number: The payee's account.
        name: The payee, as the message has it.
        holder: The payee, as the bank's books have it.
        amount: In yuan.
        balance: What is left there, in yuan.
        minutes: How long ago it was sent.
        serial: The bank's serial number.
    """

    bank: str
    number: str
    name: str
    holder: str
    amount: Decimal
    balance: Decimal
    minutes: int
    serial: str


PAID = (
    Paid(
        "工商银行",
        "6299991900011100017",
        "孙小海",
        "孙小海",
        Decimal("50000.00"),
        Decimal("18000.00"),
        26,
        "YL19000101A0001",
    ),
    Paid(
        "农业银行",
        "6299991900011100025",
        "周大江",
        "周大江",
        Decimal("30000.00"),
        Decimal("30000.00"),
        22,
        "YL19000101A0002",
    ),
    Paid(
        "中国银行",
        "6299991900011100033",
        *MISTYPED,
        Decimal("20000.00"),
        Decimal("20000.00"),
        17,
        "YL19000101A0003",
    ),
)
ONWARD = Decimal("32000.00")
"""What had left the first account for the second level before anybody reported."""


def messages(now: datetime) -> list[str]:
    """The bank's three messages, as the victim's son pastes them at the station."""
    tail = VICTIM_CARD[-4:]
    return [
        f"【演练】您尾号{tail}的储蓄卡于"
        f"{(now - timedelta(minutes=one.minutes)).astimezone(_CHINA):%Y年%m月%d日%H:%M}"
        f"手机银行转出人民币{one.amount:,.2f}元，收款人：{one.name}，收款账号：{one.number}，"
        f"收款行：{one.bank}，流水号：{one.serial}。余额1,203.55元。"
        for one in PAID
    ]


def scenario(now: datetime, seed: int) -> str:
    """The books of the three banks, as `fzalert simulate bank` reads them."""
    lines = [f"seed = {seed}"]
    for bank, code in BANK_CODES.items():
        lines += [
            "[[bank]]",
            f'code = "{code}"',
            f'name = "模拟{bank}"',
            "latency = [0.4, 1.6]",
        ]
        for one in PAID:
            if one.bank == bank:
                lines += _account(one.number, one.holder, one.balance, one.amount)
            if one.bank == bank == "工商银行":
                lines += _onward(one.number, now)
        if code == BOC:
            lines += _account(LEVEL_TWO, "郑小路", ONWARD, ONWARD)
    return "\n".join(lines) + "\n"


def _account(number: str, holder: str, balance: Decimal, paid: Decimal) -> list[str]:
    return [
        "[[bank.account]]",
        f'number = "{number}"',
        f'name = "{holder}"',
        f'balance = "{balance}"',
        f'paid = "{paid}"',
    ]


def _onward(source: str, now: datetime) -> list[str]:
    at = (now - timedelta(minutes=21)).isoformat(timespec="seconds")
    return [
        "[[bank.account.outflows]]",
        f'account = {{ kind = "card", number = "{LEVEL_TWO}", name = "郑小路",'
        f' bank_code = "{BOC}", bank_name = "中国银行" }}',
        f'transfer = {{ from_account = "{source}", from_name = "孙小海", amount = "{ONWARD}",'
        f' at = {at}, channel = "mobile", serials = ["YL19000101B0001"] }}',
    ]


@asynccontextmanager
async def fake_banks(
    folder: Path, log: Path, conf: Path, *, sender: str, now: datetime, seed: int
) -> AsyncIterator[Path]:
    """Start the three banks, and write the channel that reaches them; yields their raw log.

    Args:
        folder: For their stores.
        log: Where the process's own words go.
        conf: The folder `conf.d` of the daemon's configuration.
        sender: The daemon's public key, hex.
        now: The present.
        seed: Of everything left to chance.

    Raises:
        PeerFailed: They did not start.
    """
    folder.mkdir(parents=True, mode=0o700)
    plan = folder / "scenario.toml"
    plan.write_text(scenario(now, seed), encoding="utf-8")
    words = ["simulate", "bank", "--port=0", f"--folder={folder}", f"--scenario={plan}"]
    command = (sys.executable, "-m", "fzalert.cli", *words, f"--sender={sender}")
    async with process(*command, log=log, pipe=True) as child:
        told = await first_line(child, "the fake banks")
        conf.mkdir(parents=True, exist_ok=True)
        shutil.copy(str(told["channel"]), conf / "banks.toml")
        yield Path(str(told["log"]))
