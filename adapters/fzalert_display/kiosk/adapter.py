"""The adapter `display.kiosk`: screens that are browsers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import ClassVar, Self

from typing_extensions import override

from fzalert.messages import (
    DisplayContent,
    Lane,
    Proof,
    Receipt,
    ReceiptKind,
    Rendition,
    RenditionKind,
    ReportKind,
    Scope,
    Target,
    TargetKind,
)
from fzalert.ports import (
    Adapter,
    AdapterContext,
    Capabilities,
    ChannelConfig,
    Health,
    InboundBatch,
    KeepsState,
    Mounted,
    Previews,
    Route,
    Submission,
    Wire,
    Withdraws,
)
from fzalert_display.kiosk.assets import AssetFiles
from fzalert_display.kiosk.desired import Card, Desired
from fzalert_display.kiosk.devices import Enrolment
from fzalert_display.kiosk.fitting import unfit
from fzalert_display.kiosk.health import health_of
from fzalert_display.kiosk.hub import Hub
from fzalert_display.kiosk.pairroutes import PairRoutes
from fzalert_display.kiosk.preview import preview_page
from fzalert_display.kiosk.routes import ScreenRoutes
from fzalert_display.kiosk.screen import Screen
from fzalert_display.kiosk.settings import KioskConfig

__all__ = ["KioskDisplays"]

_KINDS = frozenset({TargetKind.DISPLAY, TargetKind.COUNTER})
_REPORTS = frozenset(
    {ReportKind.SHOWN, ReportKind.HIDDEN, ReportKind.EXPIRED, ReportKind.WITHDRAWN}
)
_SENT = Receipt(
    ReceiptKind.SENT,
    detail="已保存并推送到屏幕 / stored and pushed to the screen",
    proof=Proof.TAKEN,
)


class KioskDisplays(Adapter, KeepsState, Withdraws, Previews, Mounted):
    """Screens that show a page of this process and prove what they painted.

    Urgent submissions take the screen by priority; bulk ones roll with the idle content. A
    submission is `sent` with proof `taken` once it is on disk; the page's own reports follow.

    Raises:
        TypeError: The settings are another adapter's.
    """

    Config: ClassVar[type[ChannelConfig]] = KioskConfig
    keeps_state: ClassVar[bool] = True

    def __init__(self, config: ChannelConfig, context: AdapterContext) -> None:
        if not isinstance(config, KioskConfig):
            raise TypeError(f"display.kiosk needs a KioskConfig, not {type(config).__name__}")
        self._config = config
        self._context = context
        self._assets = AssetFiles()
        self._hub = Hub(config, context, self._assets.version)
        self._enrolment = Enrolment(config.displays)
        self._routes = (
            *ScreenRoutes(self._hub, self._enrolment, self._assets).routes(),
            *PairRoutes(self._hub, self._assets).routes(),
        )
        self._pulse: asyncio.Task[None] | None = None

    @property
    @override
    def capabilities(self) -> Capabilities:
        return Capabilities(
            kinds=_KINDS,
            rendition=RenditionKind.DISPLAY,
            addresses=frozenset(screen.name for screen in self._config.displays),
            window=512,
            idempotent_key=True,
            reports=_REPORTS,
        )

    @override
    async def __aenter__(self) -> Self:
        await self._hub.open()
        self._pulse = self._context.background.keep(f"{self._config.name}.pulse", self._beat)
        return self

    @override
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._hub.close()
        if self._pulse is not None:
            self._pulse.cancel()
            await asyncio.wait([self._pulse])

    async def _beat(self) -> None:
        while True:
            await self._context.clock.sleep(self._config.heartbeat_seconds)
            self._hub.beat()
            await self._hub.tidy()

    @override
    async def submit(self, batch: Sequence[Submission], wire: Wire) -> None:
        async with self._hub.changing:
            now = self._context.clock.millis()
            changed: dict[str, Desired] = {}
            taken: list[tuple[int, int]] = []
            for one in batch:
                refusal = self._refusal(one, changed, now)
                if refusal is not None:
                    wire.settle(one.id, one.part, refusal)
                    continue
                if not wire.may_write():
                    break
                wire.writing(one.id, one.part, f"{one.id}.{one.part}".encode("ascii"))
                taken.append((one.id, one.part))
                card = _card(one, now)
                screen = self._hub.screens[one.target.address]
                if not _holds(screen.desired, card):
                    before = changed.get(screen.name) or screen.desired.reissued(now)
                    changed[screen.name] = before.with_card(card)
            if changed:
                await self._hub.save(changed)
        for id, part in taken:
            wire.settle(id, part, _SENT)

    def _refusal(self, one: Submission, changed: dict[str, Desired], now: int) -> Receipt | None:
        """Say why a submission cannot be shown; None where it can."""
        content = one.rendition
        if not isinstance(content, DisplayContent):
            return _never(Scope.MESSAGE, "rendition", f"a screen shows no {content.kind} text")
        screen = self._hub.screens.get(one.target.address)
        if screen is None or one.target.kind not in _KINDS:
            return _never(Scope.RECIPIENT, "unknown-screen", f"no screen here is {one.target}")
        why = unfit(content.title, content.lines, content.footer)
        if why:
            return _never(Scope.MESSAGE, "unfit", f"the text does not fit a screen: {why}")
        if one.not_after <= now:
            return _never(Scope.MESSAGE, "expired", "it is past its window and was not shown")
        card = _card(one, now)
        if _holds(screen.desired, card):
            return None
        if not self._hub.live(screen):
            return _later(
                "offline",
                f"屏幕 {screen.name} 未连接，请检查电源、网络和浏览器 /"
                f" screen {screen.name} is not connected: check power, network and browser",
                2.0,
            )
        held = (changed.get(screen.name) or screen.desired).count(rolling=card.rolling)
        most = self._config.max_rolling if card.rolling else self._config.max_overrides
        if held >= most:
            return _later(
                "full",
                f"屏幕 {screen.name} 已满 / screen {screen.name} is full, it holds {held}",
                10.0,
            )
        return None

    @override
    def inbound(self) -> AsyncIterator[InboundBatch]:
        return self._hub.inbox.batches()

    @override
    async def health(self) -> Health:
        return health_of(self._hub)

    @override
    async def withdraw(self, submissions: Sequence[tuple[int, int]]) -> None:
        keys = set(submissions)
        async with self._hub.changing:
            now = self._context.clock.millis()
            changed = {
                screen.name: screen.desired.reissued(now).withdrawn(keys, now)
                for screen in self._hub.screens.values()
                if any(card.key in keys for card in screen.desired.cards)
            }
            if changed:
                await self._hub.save(changed)
        for name in changed:
            self._hub.offer_owed(self._hub.screens[name])

    @override
    async def preview(self, rendition: Rendition, target: Target) -> tuple[str, bytes]:
        if not isinstance(rendition, DisplayContent):
            raise TypeError(f"a screen shows no {rendition.kind} text")
        screen = self._screen(target.address)
        footer = rendition.footer or self._config.footer
        return preview_page(rendition, screen.config.title, footer, self._assets)

    @override
    def routes(self) -> Sequence[Route]:
        return self._routes

    def enrolment_links(self, base_url: str) -> dict[str, str]:
        """Give the link that a person opens once on each screen.

        A link holds a token: whoever opens it becomes the screen. Unless the settings pin the
        token, it is worth nothing after this process has ended.

        Args:
            base_url: Where the channel is mounted, such as `http://hub:8080/channels/lobby/`.
        """
        return self._enrolment.links(base_url)

    async def revoke(self, display: str) -> None:
        """Shut a screen's browser out; it goes blank at its next request.

        Raises:
            KeyError: No such screen.
        """
        await self._hub.revoke(self._screen(display))

    def played(self, display: str) -> str:
        """Name the last picture or video that a screen proved to be on, such as `idle-0`.

        Raises:
            KeyError: No such screen.
        """
        return self._screen(display).played

    def _screen(self, name: str) -> Screen:
        return self._hub.screens[name]


def _card(one: Submission, now: int) -> Card:
    if not isinstance(one.rendition, DisplayContent):
        raise TypeError(f"a screen shows no {one.rendition.kind} text")
    return Card(
        id=one.id,
        part=one.part,
        version=0,
        rolling=one.lane is Lane.BULK,
        not_before=now,
        not_after=one.not_after,
        content=one.rendition,
    )


def _holds(desired: Desired, card: Card) -> bool:
    """Tell whether the very card is there already: the same attempt, or one after a crash."""
    there = desired.find(card.key)
    return there is not None and (there.content, there.not_after, there.rolling) == (
        card.content,
        card.not_after,
        card.rolling,
    )


def _never(scope: Scope, code: str, detail: str) -> Receipt:
    return Receipt(ReceiptKind.PERMANENT, scope, code=code, detail=detail)


def _later(code: str, detail: str, retry_after: float) -> Receipt:
    return Receipt(
        ReceiptKind.TEMPORARY, Scope.RECIPIENT, code=code, detail=detail, retry_after=retry_after
    )
