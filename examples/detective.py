"""A victim has reported: stop the money at the bank, on paper, with two officers.

    FZ_OFFICER=ma.token FZ_SECOND=li.token python examples/detective.py fzalert.toml out/

It opens a case, has a stop prepared by one officer and approved by another, prints the paper, and
writes the evidence bundle. Every number in it is made up.
"""

import asyncio
import base64
import os
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import fzalert
from fzalert.freeze.values import (
    Account,
    AccountKind,
    AttachmentType,
    CaseReport,
    Officer,
    Transfer,
    Victim,
)


async def stop(config: str, out: Path, tokens: tuple[str, str], now: datetime) -> None:
    """Take one report to a printed stop."""
    async with fzalert.open(config) as fz:
        officer = await fz.actor(tokens[0])
        second = await fz.actor(tokens[1])
        case = await fz.freeze.open_case(
            report=CaseReport(number="110-20261124-0007", at=now - timedelta(minutes=5)),
            victim=Victim(name="张三", id_number="11010519491231002X", phone="13800138000"),
            by=officer,
        )
        await case.name_officers(
            [
                Officer(name="王一", certificate="P0001", phone="13800138001"),
                Officer(name="赵二", certificate="P0002", phone="13800138002", role="assisting"),
            ],
            by=officer,
        )
        for kind in (AttachmentType.IDENTITY, AttachmentType.STOP_FORM):
            await case.attach(b"%PDF-1.7 a scan", type=kind, by=officer)
        measure = await case.add_account(
            Account(
                kind=AccountKind.CARD,
                number="6222021234567890128",
                name="李四",
                bank_code="102100099996",
                bank_name="中国工商银行",
            ),
            inflow=[
                Transfer(
                    from_account="6228480402564890018",
                    from_name="张三",
                    amount=Decimal("50000.00"),
                    at=now - timedelta(minutes=20),
                    serials=("20261124SERIAL01",),
                )
            ],
            by=officer,
        )
        await measure.submit(by=officer, reason="受害人报案，资金正在转移")
        try:
            await measure.approve(by=officer)
        except fzalert.GuardsUnmet as refused:
            print("refused:", ", ".join(refused.guards))
        await measure.approve(by=second)
        for paper in await case.send(by=officer):
            (out / paper.name).write_bytes(base64.b64decode(paper.data))
            print("print, seal and fax:", paper.name)
        await case.bundle(out / "case.zip", by=officer)
        for event in await case.history(by=officer):
            print(event.version, event.event, event.by)
        print("waits for the bank:", measure.view.state, measure.view.application_id)


def main() -> None:
    """Read who acts, and begin."""
    out = Path(sys.argv[2])
    out.mkdir(exist_ok=True)
    files = [Path(os.environ[name]) for name in ("FZ_OFFICER", "FZ_SECOND")]
    officer, second = (file.read_text(encoding="utf-8").strip() for file in files)
    now = datetime.now(UTC)  # noqa: TID251  a program of its own reads the clock
    asyncio.run(stop(sys.argv[1], out, (officer, second), now))


if __name__ == "__main__":
    main()
