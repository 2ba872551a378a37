"""The demo's case, told live: a pasted report, two persons, three banks, the money followed.

Everything goes through the public API, as a detective's own program would do it; what the banks
did is counted from their raw log.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from fzalert.access import Actor, Directory
from fzalert.cli.demo.freeze_banks import BANK_CODES, MISTYPED, VICTIM_CARD, messages
from fzalert.cli.demo.peers import output_of
from fzalert.cli.demo.story import StoryBroken
from fzalert.client import Client
from fzalert.desk.simulation import count_log
from fzalert.errors import GuardsUnmet
from fzalert.freeze.paste import Draft, parse_paste
from fzalert.freeze.values import (
    Account,
    AccountKind,
    AttachmentType,
    CaseReport,
    Officer,
    Transfer,
    TransferChannel,
    Victim,
)
from fzalert.service import Fzalert
from fzalert.service import freeze_models as asks
from fzalert.service.freeze_handle import CaseHandle, MeasureHandle
from fzalert.service.freeze_models import BoardRow, EventView, MeasureView, TraceView
from fzalert.service.models import UserChange

__all__ = ["CaseStory", "CaseTold"]

STOPPED_WITHIN = 120.0
SCAN = b"%PDF-1.7\n% \xe6\xbc\x94\xe7\xbb\x83 a made-up scan\n%%EOF\n"
VICTIM = Victim(name="赵阿婆", id_number="110105190001010028", phone="13900138096", elderly=True)
OFFICERS = (
    Officer(name="王一", certificate="演练P0001", phone="13800138001"),
    Officer(name="赵二", certificate="演练P0002", phone="13800138002", role="assisting"),
)
WAIVED = {"card-prefix-unknown": "演练用卡号段，不属于任何银行"}
EVENTS = {
    "instruction.sent": "指令已发出",
    "instruction.acked": "银行已签收",
    "instruction.answered": "银行签名回执",
    "measure.opened": "新增账户",
    "measure.corrected": "账户已更正",
}
CODES = {"0000": "已止付", "0301": "户名与账号不符，未止付"}


@dataclass(slots=True)
class CaseTold:
    """What the case left behind.

    Attributes:
        case: Its id.
        rows: The board at the end.
        events: Everything that happened.
        trace: Where the money went, estimated.
        stopped: Stops in force, as the case knows them.
        by_banks: Stops in force, as the banks' raw log has them.
        packages: Packages that the banks got, by the same log.
        approved_to_stop: Seconds from the approval to the last first-level stop.
        papers: The papers that were written.
        bundle: The evidence bundle.
        verified: What its check printed.
        chains: What the check of the daemon's own evidence printed, chain by chain.
        board: The board as a page.
        text_board: The board as the terminal shows it.
    """

    case: str = ""
    rows: list[BoardRow] = field(default_factory=list)
    events: list[EventView] = field(default_factory=list)
    trace: list[TraceView] = field(default_factory=list)
    stopped: int = 0
    by_banks: int = 0
    packages: int = 0
    approved_to_stop: float = 0.0
    papers: list[Path] = field(default_factory=list)
    bundle: Path = Path()
    verified: str = ""
    chains: list[str] = field(default_factory=list)
    board: Path = Path()
    text_board: str = ""

    @property
    def is_right(self) -> bool:
        """Whether case and banks agree on four stops and five packages."""
        return (self.stopped, self.by_banks, self.packages) == (4, 4, 5)


class CaseStory:
    """Runs the case.

    Args:
        client: Of the demo's daemon.
        folder: For papers, board and bundle.
        raw_log: The banks' raw log.
        config: The daemon's configuration, for commands that are run as a user would.
        say: Tells one step.
    """

    def __init__(
        self, client: Client, folder: Path, raw_log: Path, config: Path, say: Callable[[str], None]
    ) -> None:
        self._client = client
        self._fz = Fzalert(client, Directory().local_actor(), owns_store=False)
        self._folder = folder
        self._raw = raw_log
        self._config = config
        self._say = say
        self._tokens: dict[str, str] = {}
        self._seen = 0
        self._case: CaseHandle
        self.told = CaseTold()

    async def run(self, now: datetime) -> None:
        """Take the report to four stops, and everything that proves them.

        Raises:
            StoryBroken: It did not go as it must.
        """
        self._folder.mkdir(parents=True, mode=0o700)
        await self._hire()
        measures = await self._enter(now)
        began = await self._approve(measures)
        first, second, third = measures
        for one in (first, second):
            await self._until(one, "stopped")
        await self._until(third, "mismatch")
        await self._correct(third, now)
        level_two = await self._next_level(first)
        await self._until(third, "stopped")
        await self._until(level_two, "stopped")
        self.told.approved_to_stop = time.monotonic() - began
        await self._leave()

    # -- the steps -------------------------------------------------------------------------

    async def _hire(self) -> None:
        for name, rank in (("demo-ma", "station"), ("demo-li", "county")):
            add = UserChange(action="add", name=name, roles=["detective"], rank=rank)
            self._tokens[name] = await self._client.change_user(add)
            token = self._folder / f"{name}.token"
            token.touch(mode=0o600)
            token.write_text(self._tokens[name], encoding="ascii")

    async def _by(self, name: str = "demo-ma") -> Actor:
        """The person, who shows the token now."""
        return await self._fz.actor(self._tokens[name])

    async def _enter(self, now: datetime) -> list[MeasureHandle]:
        self._say("☎ 报案：老人被骗，家属带来三条银行短信（全部为编造）")
        drafts = []
        for text in messages(now):
            self._say(f"    {text}")
            drafts.append(parse_paste(text, now))
        by = await self._by()
        report = CaseReport(number="110-19000101-0001", at=now - timedelta(minutes=3))
        self._case = await self._fz.freeze.open_case(report=report, victim=VICTIM, by=by)
        self.told.case = self._case.id
        await self._case.name_officers(OFFICERS, by=by)
        for kind in (AttachmentType.IDENTITY, AttachmentType.STOP_FORM):
            await self._case.attach(SCAN, type=kind, by=by)
        measures = [await self._add(draft, by) for draft in drafts]
        self._say(
            f"✔ 粘贴解析得 {len(drafts)} 个账户，立为案件 {self._case.id}；"
            "受害人身份证号出生年为 1900，卡号段 629999 不属于任何银行"
        )
        return measures

    async def _add(self, draft: Draft, by: Actor) -> MeasureHandle:
        if draft.amount is None or draft.at is None:
            raise StoryBroken("The paste parser found no amount or no time.")
        inflow = Transfer(
            from_account=VICTIM_CARD,
            from_name=VICTIM.name,
            amount=draft.amount,
            at=draft.at,
            channel=TransferChannel.MOBILE,
            serials=draft.serials,
        )
        return await self._case.add_account(
            _account(draft, draft.payee_name), inflow=[inflow], by=by
        )

    async def _approve(self, measures: list[MeasureHandle]) -> float:
        by = await self._by()
        for one in measures:
            await one.submit(by=by, reason="受害人报案，资金正在转移", waived=WAIVED)
        try:
            await measures[0].approve(by=by)
        except GuardsUnmet as refused:
            self._say(f"✖ 本人批准被拒：{refused.reasons[0][0]}（{', '.join(refused.guards)}）")
        else:
            raise StoryBroken("An officer approved what he had prepared himself.")
        second = await self._by("demo-li")
        for one in measures:
            await one.approve(by=second)
        began = time.monotonic()
        self._say("✔ 第二名民警批准；三家银行同时发出（双向 TLS，逐件签名）")
        await self._case.send(by=await self._by())
        return began

    async def _correct(self, measure: MeasureHandle, now: datetime) -> None:
        typed, right = MISTYPED
        self._say(f"✎ 核对回执：短信写“{typed}”，银行登记为“{right}”；更正，重新提交、批准、发出")
        draft = parse_paste(messages(now)[2], now)
        by = await self._by()
        view = (await self._fz.freeze.case(self._case.id, by=by)).measure(measure.id).view
        if draft.amount is None or draft.at is None or view.amount != draft.amount:
            raise StoryBroken("The draft of the third account is not what was entered.")
        inflow = Transfer(
            from_account=VICTIM_CARD,
            from_name=VICTIM.name,
            amount=draft.amount,
            at=draft.at,
            channel=TransferChannel.MOBILE,
            serials=draft.serials,
        )
        ask = asks.CorrectAsk(
            case=self._case.id,
            measure=measure.id,
            account=_account(draft, right),
            inflow=(inflow,),
            reason="收款人姓名以银行登记为准",
        )
        await self._case.change(ask, by)
        await self._once_more(measure, "更正户名后再次申请")

    async def _next_level(self, parent: MeasureHandle) -> MeasureHandle:
        found = await self._fz.freeze.case(self._case.id, by=await self._by())
        drafts = [one for one in found.view.measures if one.parent == parent.id]
        if len(drafts) != 1:
            raise StoryBroken("The receipt's transfer onward did not become one draft.")
        (draft,) = drafts
        self._say(
            f"↳ 工商银行回执：{draft.amount:,.2f} 元已转往 {draft.institution} {draft.account}，"
            f"自动成为第 {draft.level} 级账户草稿；提交、批准、发出"
        )
        measure = self._case.measure(draft.id)
        await self._once_more(measure, "资金转入下一级账户")
        return measure

    async def _once_more(self, measure: MeasureHandle, reason: str) -> None:
        await measure.submit(by=await self._by(), reason=reason, waived=WAIVED)
        await measure.approve(by=await self._by("demo-li"))
        await self._case.send(by=await self._by())

    # -- following -------------------------------------------------------------------------

    async def _until(self, measure: MeasureHandle, state: str) -> MeasureView:
        """Tell what happens until a measure is where it must be."""
        ends = time.monotonic() + STOPPED_WITHIN
        changed = 0
        while True:
            await self._tell()
            view = await self._view(measure)
            if view.state == state:
                await self._tell()
                return view
            if time.monotonic() > ends:
                raise StoryBroken(f"{measure.id} is {view.state}, and not {state}, in time.")
            changed = await self._client.changed(changed, 0.2)

    async def _view(self, measure: MeasureHandle) -> MeasureView:
        case = await self._fz.freeze.case(self._case.id, by=await self._by())
        return case.measure(measure.id).view

    async def _tell(self) -> None:
        for event in await self._case.history(by=await self._by(), after=self._seen):
            self._seen = event.version
            self.told.events.append(event)
            if event.event in EVENTS:
                code = event.facts.get("code", "")
                grade = event.facts.get("grade", "")
                said = f" {code} {CODES.get(code, '')}（{grade} 级证明）" if code else ""
                self._say(f"    {event.measure:<3} {EVENTS[event.event]}{said}")

    # -- what is left ----------------------------------------------------------------------

    async def _leave(self) -> None:
        await self._tell()
        told, by = self.told, await self._by()
        told.rows = await self._fz.freeze.board(by=by, ended=True)
        told.stopped = sum(row.measure.state == "stopped" for row in told.rows)
        told.trace = (await self._case.change(asks.TraceAsk(case=self._case.id), by)).trace
        for row in sorted(told.rows, key=lambda row: row.measure.id):
            path = self._folder / f"stop-{row.measure.id}.pdf"
            await asyncio.to_thread(
                path.write_bytes, await self._case.measure(row.measure.id).paper(by=by)
            )
            told.papers.append(path)
        told.bundle = self._folder / f"{self._case.id}.zip"
        await self._case.bundle(told.bundle, by=by)
        token = f"--token-file={self._folder / 'demo-ma.token'}"
        config = f"--config={self._config}"
        told.text_board = await _command(config, "freeze", "board", token)
        told.verified = (await _command("freeze", "verify", str(told.bundle))).strip()
        told.chains = (await _command(config, "evidence", "verify")).splitlines()
        counted = (await asyncio.to_thread(count_log, self._raw)).values()
        told.by_banks = sum(one.stopped for one in counted)
        told.packages = sum(one.packages for one in counted)


def _account(draft: Draft, name: str) -> Account:
    return Account(
        kind=AccountKind.CARD,
        number=draft.payee_number,
        name=name,
        bank_code=BANK_CODES[draft.payee_bank],
        bank_name=draft.payee_bank,
    )


async def _command(*words: str) -> str:
    """Run fzalert as a user would, and give what it printed."""
    return await output_of([sys.executable, "-m", "fzalert.cli", *words])
