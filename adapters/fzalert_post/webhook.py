"""The channel `post.webhook`: warnings as signed JSON to programs of other people.

One POST for each message, to the group's address:

```json
{"id": "7212…", "part": 0, "title": "…", "text": "…",
 "script": {"id": "…", "audience": "…", "language": "zh", "version": 1, "digest": "…"},
 "values": {"branch": "城关支行"}, "drill": false, "not_after": 1795515000000}
```

`id` is text, because it is larger than what many programs keep in a number; `not_after` is in
milliseconds since the epoch. `Idempotency-Key` is the same in every attempt. How the request is
signed, and how a receiver checks it, stands in `fzalert_post.signing`. Any 2xx is the receiver's
yes; a request that left and was not answered is unknown.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from types import TracebackType
from typing import ClassVar, Self

from typing_extensions import override

from fzalert import ChannelUnavailable, ConfigError, FateUnknown
from fzalert.messages import Post, Receipt, ReceiptKind, RenditionKind, Scope, TargetKind
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
from fzalert_post.config import WebhookConfig, WebhookGroup
from fzalert_post.signing import signature
from fzalert_post.statuses import classify, is_mapped

__all__ = ["Webhook", "WebhookConfig", "WebhookGroup"]

_DRILL = "演练"
_log = get_logger("fzalert.post")


class Webhook:
    """Posts to a list of groups; the connections are those of the shared pool."""

    Config: ClassVar[type[ChannelConfig]] = WebhookConfig

    def __init__(self, config: WebhookConfig, context: AdapterContext) -> None:
        self._config = config
        self._context = context
        self._groups = {one.name: one for one in config.groups}
        self._deadline = timedelta(seconds=config.answer_timeout)
        self._closed = asyncio.Event()
        self._down: dict[str, str] = {}
        self._alarmed: set[int] = set()
        self._latency_ms: float | None = None

    @property
    def capabilities(self) -> Capabilities:
        """Posts to the configured groups; no reports."""
        return Capabilities(
            kinds=frozenset({TargetKind.GROUP}),
            rendition=RenditionKind.POST,
            addresses=frozenset(self._groups),
            window=self._config.window,
            rate=self._config.rate,
            idempotent_key=self._config.receiver_deduplicates,
            submit_timeout=self._config.answer_timeout,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closed.set()

    async def submit(self, batch: Sequence[Submission], wire: Wire) -> None:
        """Post the batch, several at once."""
        rest = iter(batch)
        if len(batch) == 1:
            await self._work(rest, wire)
            return
        async with asyncio.TaskGroup() as workers:
            for _ in range(min(len(batch), self._config.window)):
                workers.create_task(self._work(rest, wire))

    async def inbound(self) -> AsyncIterator[InboundBatch]:
        """Nothing comes back; ends when the channel closes."""
        await self._closed.wait()
        nothing: tuple[InboundBatch, ...] = ()
        for batch in nothing:
            yield batch

    async def health(self) -> Health:
        """What the last post to each group met."""
        if not self._down:
            state = HealthState.UNKNOWN if self._latency_ms is None else HealthState.UP
            detail = "" if self._latency_ms is not None else "nothing was posted yet"
            return Health(state, detail, self._latency_ms)
        detail = "; ".join(f"{name}: {why}" for name, why in sorted(self._down.items()))
        all_down = len(self._down) == len(self._groups)
        return Health(HealthState.DOWN if all_down else HealthState.SLOW, detail, self._latency_ms)

    @override
    def __repr__(self) -> str:
        return f"Webhook({self._config.name!r}, groups={sorted(self._groups)})"

    async def _work(self, rest: Iterator[Submission], wire: Wire) -> None:
        for one in rest:
            receiver = self._groups.get(one.target.address)
            post = one.rendition
            if (
                one.target.kind is not TargetKind.GROUP
                or receiver is None
                or not isinstance(post, Post)
            ):
                detail = "This channel posts to the groups of its settings only."
                wire.settle(one.id, one.part, Receipt(ReceiptKind.PERMANENT, detail=detail))
                continue
            try:
                body = _body(one, post)
            except UnicodeEncodeError:
                detail = "The text holds half a character."
                wire.settle(one.id, one.part, Receipt(ReceiptKind.PERMANENT, detail=detail))
                continue
            if not wire.may_write():
                return
            key = f"{one.id}.{one.part}"
            wire.writing(one.id, one.part, key.encode())
            wire.settle(one.id, one.part, await self._post(receiver, key, body))

    async def _post(self, receiver: WebhookGroup, key: str, body: bytes) -> Receipt:
        started = self._context.clock.monotonic()
        try:
            answer = await self._context.http.request(
                "POST",
                receiver.url,
                content=body,
                headers=self._headers(receiver, key, body),
                deadline=self._deadline,
                private_hosts=receiver.private_hosts,
            )
        except ChannelUnavailable as error:
            return self._unreached(receiver, error)
        except FateUnknown as error:
            self._down[receiver.name] = "gave no whole answer"
            return Receipt(ReceiptKind.UNKNOWN, detail=str(error.args[0]))
        except ConfigError as error:
            self._down[receiver.name] = str(error.args[0])
            return Receipt(ReceiptKind.PERMANENT, Scope.BINDING, detail=str(error.args[0]))
        self._latency_ms = (self._context.clock.monotonic() - started) * 1000
        receipt = classify(
            answer,
            deduplicates=self._config.receiver_deduplicates,
            now=self._context.clock.now(),
        )
        self._remember(receiver, answer.status, receipt)
        return receipt

    def _unreached(self, receiver: WebhookGroup, error: ChannelUnavailable) -> Receipt:
        """Nothing left. One receiver among several that is away is not the whole channel."""
        self._down[receiver.name] = "not reached"
        detail = str(error.args[0])
        if len(self._groups) == 1:
            return Receipt(ReceiptKind.CHANNEL_DOWN, Scope.CHANNEL, detail=detail)
        return Receipt(ReceiptKind.TEMPORARY, Scope.RECIPIENT, detail=detail)

    def _remember(self, receiver: WebhookGroup, status: int, receipt: Receipt) -> None:
        if receipt.kind is ReceiptKind.SENT:
            self._down.pop(receiver.name, None)
            return
        if receipt.scope is not Scope.MESSAGE:
            self._down[receiver.name] = f"answered {status}"
        if status in self._alarmed:
            return
        self._alarmed.add(status)
        log, event = (
            (_log.info, "webhook.refused")
            if is_mapped(status)
            else (_log.error, "webhook.unmapped_status")
        )
        log(event, channel=self._config.name, status=status, meaning=receipt.detail)

    def _headers(self, receiver: WebhookGroup, key: str, body: bytes) -> dict[str, str]:
        timestamp = str(self._context.clock.millis() // 1000)
        nonce = f"{self._context.rng.getrandbits(128):032x}"
        secret = receiver.secret.get_secret_value().encode()
        return {
            "Content-Type": "application/json; charset=utf-8",
            "Idempotency-Key": key,
            "Fz-Timestamp": timestamp,
            "Fz-Nonce": nonce,
            "Fz-Signature": signature(secret, timestamp, nonce, body),
        }


def _body(one: Submission, post: Post) -> bytes:
    title = post.title
    if post.drill and _DRILL not in title:
        title = f"【{_DRILL}】{title}"
    script = post.script
    said = {
        "id": str(one.id),
        "part": one.part,
        "title": title,
        "text": post.text,
        "script": {
            "id": script.id,
            "audience": script.audience,
            "language": script.language,
            "version": script.version,
            "digest": script.digest,
        },
        "values": dict(post.values),
        "drill": post.drill,
        "not_after": one.not_after,
    }
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
