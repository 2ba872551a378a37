"""What stays unknown, listed for a person and settled by one, on record."""

from __future__ import annotations

from collections.abc import Mapping

from fzalert.access.actors import Actor
from fzalert.clock import Clock
from fzalert.config import Settings
from fzalert.errors import InputError
from fzalert.log import get_logger
from fzalert.messages import mask_digits
from fzalert.service.building import Building
from fzalert.service.models import (
    SettledView,
    SettleRequest,
    SettleView,
    UnknownPage,
    UnknownRequest,
    UnknownView,
)
from fzalert.service.people import MAY_SETTLE, require
from fzalert.service.views import time_text
from fzalert.service.warnings import id_of
from fzalert.store import (
    ChangeSet,
    Decision,
    Settled,
    Settlement,
    SettleResult,
    UnknownQuery,
    UnknownRow,
)

log = get_logger("fzalert.service")

RESULTS: Mapping[SettleResult, str] = {
    SettleResult.SETTLED: "已处理 done",
    SettleResult.REPEATED: "此前已这样处理 it stood so already",
    SettleResult.NOT_UNKNOWN: "结果已知，没有改动 its fate is known by now; nothing was changed",
    SettleResult.TOO_LATE: "有效期已过，不再发送 its window has ended; it is not sent again",
    SettleResult.RESENT_BEFORE: "已重发过一次，不再发 it was sent twice already",
    SettleResult.NO_CHANNEL: "通道已不在配置中 its channel is not configured any more",
    SettleResult.NO_MESSAGE: "没有这条消息 there is no such message",
}


class Unknowns:
    """Lists what is unknown, and takes a person's decision about it.

    Args:
        building: Store, engine and the rest.
        settings: The channels; whether this is a drill.
        clock: Reader of time.
    """

    def __init__(self, building: Building, settings: Settings, clock: Clock) -> None:
        self._store = building.store
        self._engine = building.engine
        self.adopt(settings)
        self._drill = settings.drill.enabled
        self._clock = clock

    def adopt(self, settings: Settings) -> None:
        """Know the channels of other settings from now on."""
        self._configured = frozenset(channel.name for channel in settings.channels)

    async def page(self, request: UnknownRequest) -> UnknownPage:
        """One page, the longest unknown first."""
        query = UnknownQuery(
            id_of(request.after), request.limit, request.channel, id_of(request.campaign)
        )
        if request.campaign and not query.campaign:
            raise InputError("There is no such campaign.", field="campaign")
        rows, total = await self._store.unknowns(query)
        now = self._clock.millis()
        more = len(rows) == request.limit
        return UnknownPage(
            items=[self._view(row, now) for row in rows],
            total=total,
            next=str(rows[-1].message) if more else "",
        )

    def _channels(self) -> frozenset[str]:
        """Channels that can send: those that run, or would run where nothing is sent now."""
        return frozenset(self._engine.channels) or self._configured

    def _view(self, row: UnknownRow, now: int) -> UnknownView:
        can_resend = (
            not row.resent
            and not row.resend_at
            and row.not_after > now
            and row.channel in self._channels()
        )
        return UnknownView(
            message=str(row.message),
            warning=str(row.warning),
            campaign=str(row.campaign) if row.campaign else "",
            script=row.script,
            channel=row.channel,
            lane=str(row.lane),
            target=str(row.target),
            since=time_text(row.at),
            not_after=time_text(row.not_after),
            parts=row.parts,
            unknown_parts=row.unknown,
            word=row.word,
            detail=row.detail,
            resent=row.resent,
            resend_at=time_text(row.resend_at),
            can_resend=can_resend,
        )

    async def settle(self, request: SettleRequest, by: Actor) -> SettleView:
        """Settle some messages. Raises as `ServiceApi.settle_unknown`."""
        require(by, *MAY_SETTLE, drill=self._drill)
        messages = tuple(dict.fromkeys(id_of(text) for text in request.messages))
        if len(messages) != request.count:
            raise InputError(
                f"{len(messages)} messages are named, and {request.count} were confirmed.",
                hint="Look at the selection again, and confirm its number.",
                field="count",
            )
        wanted = Settlement(
            messages,
            Decision(request.decision),
            by.id,
            mask_digits(request.reason),
            self._channels(),
        )
        settled = (await self._store.commit(ChangeSet(settle=(wanted,)))).settled
        done = [one for one in settled if one.result is SettleResult.SETTLED]
        if done:
            log.info("unknown.settled", decision=request.decision, messages=len(done))
            self._engine.poke({one.channel for one in done} & self._engine.channels.keys())
            self._engine.note_change()
        return SettleView(settled=len(done), items=[_view(one) for one in settled])


def _view(one: Settled) -> SettledView:
    return SettledView(message=str(one.message), result=one.result.value, text=RESULTS[one.result])
