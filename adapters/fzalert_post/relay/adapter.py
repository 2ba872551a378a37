"""Hands warnings to another fzalert, by their script and never by their words.

One POST for each message: which text (id, audience, language, version, digest), which values, for
whom, in which lane, until when. The key is our own message id, so that a warning whose answer was
lost is handed over again without a second effect. Taken means on the county's disk; what becomes of
it there comes back through `inbound()`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from types import TracebackType
from typing import ClassVar, Self

from typing_extensions import override

from fzalert import ChannelUnavailable, ConfigError, FateUnknown
from fzalert.messages import (
    Receipt,
    ReceiptKind,
    RelayedWarning,
    RenditionKind,
    ReportKind,
    Scope,
    TargetKind,
)
from fzalert.ports import (
    AdapterContext,
    Capabilities,
    ChannelConfig,
    Health,
    HealthState,
    InboundBatch,
    Submission,
    Wire,
    get_logger,
)
from fzalert_post.relay.answers import read_answer
from fzalert_post.relay.config import RelayConfig
from fzalert_post.relay.line import Line

__all__ = ["Relay"]

OPEN_WITHIN = 3.0
"""Seconds that opening waits for the county's first answer; it is asked on afterwards."""
_log = get_logger("fzalert.post")


class Relay:
    """The branch's end of the line."""

    Config: ClassVar[type[ChannelConfig]] = RelayConfig

    def __init__(self, config: RelayConfig, context: AdapterContext) -> None:
        self._config = config
        self._context = context
        self._line = Line(config, context)
        self._kinds = frozenset(TargetKind(kind) for kind in config.kinds)
        self._addresses = frozenset(config.addresses)
        self._alarmed: set[str] = set()
        self._work: asyncio.Task[None] | None = None
        self._handed_over = 0
        self._refused = 0

    @property
    def capabilities(self) -> Capabilities:
        """Everything that the county may report; the same key has one effect there."""
        return Capabilities(
            kinds=self._kinds,
            rendition=RenditionKind.RELAY,
            addresses=self._addresses or None,
            window=self._config.window,
            rate=self._config.rate,
            idempotent_key=True,
            reports=frozenset(ReportKind),
            submit_timeout=self._config.answer_timeout,
        )

    async def __aenter__(self) -> Self:
        self._work = self._context.background.keep("relay-follow", self._line.follow)
        try:
            async with asyncio.timeout(min(OPEN_WITHIN, self._config.answer_timeout)):
                await self._line.asked.wait()
        except TimeoutError:
            return self  # health says that it is down; it is asked on
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._line.close()
        if self._work is not None:
            await asyncio.wait([self._work], timeout=self._config.answer_timeout)
            self._work.cancel()

    async def submit(self, batch: Sequence[Submission], wire: Wire) -> None:
        """Hand the batch over, several at once."""
        rest = iter(batch)
        if len(batch) == 1:
            await self._take_turns(rest, wire)
            return
        async with asyncio.TaskGroup() as workers:
            for _ in range(min(len(batch), self._config.window)):
                workers.create_task(self._take_turns(rest, wire))

    def inbound(self) -> AsyncIterator[InboundBatch]:
        """What became of the warnings at the county."""
        return self._line.batches()

    async def health(self) -> Health:
        """Whether the county answers, and why not."""
        line = self._line
        figures = (
            ("handed_over", self._handed_over),
            ("refused", self._refused),
            ("fates", line.fates),
        )
        if line.is_up:
            return Health(HealthState.UP, "", line.latency_ms, figures)
        state = HealthState.DOWN if line.asked.is_set() else HealthState.UNKNOWN
        return Health(state, f"{self._config.host}: {line.why_down}", line.latency_ms, figures)

    @override
    def __repr__(self) -> str:
        return f"Relay({self._config.name!r}, host={self._config.host!r})"

    async def _take_turns(self, rest: Iterator[Submission], wire: Wire) -> None:
        for one in rest:
            why = self._why_not(one)
            if why:
                detail = Receipt(ReceiptKind.PERMANENT, code="not-relayable", detail=why)
                wire.settle(one.id, one.part, detail)
                continue
            if not self._line.is_up:
                wire.settle(one.id, one.part, self._waits())
                continue
            if not wire.may_write():
                return
            key = f"{one.id}.{one.part}"
            wire.writing(one.id, one.part, key.encode())
            wire.settle(one.id, one.part, await self._hand_over(one, key))

    def _why_not(self, one: Submission) -> str:
        if not isinstance(one.rendition, RelayedWarning):
            return "A relay takes no text: only which script it is."
        is_ours = one.target.kind in self._kinds
        if self._addresses:
            is_ours = is_ours and one.target.address in self._addresses
        return "" if is_ours else "This channel relays other targets only."

    def _waits(self) -> Receipt:
        detail = f"The county does not answer: {self._line.why_down}."
        return Receipt(ReceiptKind.CHANNEL_DOWN, Scope.CHANNEL, code="no-line", detail=detail)

    async def _hand_over(self, one: Submission, key: str) -> Receipt:
        try:
            answer = await self._line.hand_over(self._body(one), key)
        except ChannelUnavailable:
            return self._waits()
        except FateUnknown as error:
            return Receipt(ReceiptKind.UNKNOWN, code="no-answer", detail=str(error.args[0]))
        except ConfigError as error:
            detail = str(error.args[0])
            return Receipt(ReceiptKind.PERMANENT, Scope.CHANNEL, code="config", detail=detail)
        receipt, is_known = read_answer(answer)
        if receipt.kind is ReceiptKind.SENT:
            self._handed_over += 1
            return receipt
        self._refused += receipt.kind is ReceiptKind.PERMANENT
        if receipt.kind in {ReceiptKind.CHANNEL_DOWN, ReceiptKind.UNKNOWN}:
            self._line.ask_now()
        if receipt.code not in self._alarmed:
            self._alarmed.add(receipt.code)
            log = _log.warning if is_known else _log.error
            log("relay.refused", channel=self._config.name, code=receipt.code, why=receipt.detail)
        return receipt

    def _body(self, one: Submission) -> bytes:
        relayed = one.rendition
        if not isinstance(relayed, RelayedWarning):
            raise TypeError("only a relayed warning comes here")
        script = relayed.script
        said = {
            "script": script.id,
            "audience": script.audience,
            "language": script.language,
            "version": script.version,
            "digest": script.digest,
            "values": dict(relayed.values),
            "target": f"{one.target.kind}:{one.target.address}",
            "lane": str(one.lane),
            "not_after": one.not_after,
            "sent_at": self._context.clock.millis(),
            "drill": relayed.drill,
        }
        return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
