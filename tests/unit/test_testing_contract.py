"""The contract passes on an honest adapter and bites one that breaks a rule."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, ClassVar, Self

import pytest
import structlog
from pydantic import Field, SecretStr
from typing_extensions import override

from fzalert.messages import (
    DeliveryReport,
    Receipt,
    ReceiptKind,
    Rendition,
    RenditionKind,
    ReportKind,
    SmsText,
    Target,
    TargetKind,
)
from fzalert.ports import (
    AdapterContext,
    Capabilities,
    ChannelConfig,
    Health,
    HealthState,
    InboundBatch,
    Secret,
    Submission,
    TextProfile,
    Wire,
)
from fzalert.testing import (
    AdapterContract,
    LifecycleContract,
    LinkContract,
    RefusalContract,
    ReportsContract,
    SilenceContract,
)


class PaperPeer:
    """A far side in memory."""

    can_refuse = True
    can_go_silent = True
    can_drop = True

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self.refusals: deque[ReceiptKind] = deque()
        self.is_silent = False
        self.links = 0
        self.answered = 0
        self.reports: asyncio.Queue[DeliveryReport | None] = asyncio.Queue()
        self.changed = asyncio.Event()
        self.cut = asyncio.Event()

    def take(self, address: str, text: str) -> ReceiptKind | None:
        if self.refusals:
            return self.refusals.popleft()
        self.seen.append((address, text))
        self.changed.set()
        return None if self.is_silent else ReceiptKind.SENT

    async def received(self, n: int, timeout: float) -> list[tuple[str, str]]:  # noqa: ASYNC109  Peer
        async with asyncio.timeout(timeout):
            while len(self.seen) < n:
                self.changed.clear()
                await self.changed.wait()
        return list(self.seen)

    def refuse_next(self, kind: ReceiptKind) -> None:
        self.refusals.append(kind)

    def silent(self) -> None:
        self.is_silent = True

    def drop(self) -> None:
        self.is_silent = False
        self.cut.set()
        self.cut = asyncio.Event()

    def report(self, kind: ReportKind) -> None:
        self.reports.put_nowait(DeliveryReport(kind, carrier_id=b"%d" % len(self.seen)))

    async def acknowledged(self, n: int, timeout: float) -> int:  # noqa: ASYNC109  Peer
        return self.answered


class PaperConfig(ChannelConfig):
    """Settings of a channel that writes on paper."""

    password: Secret = Field(default=SecretStr("swordfish-17"))
    submit_timeout: float = 0.1


class Paper:
    """An honest adapter; every subclass below breaks one rule."""

    Config: ClassVar[type[ChannelConfig]] = PaperConfig

    def __init__(self, config: ChannelConfig, context: AdapterContext) -> None:
        self.context = context
        self.peer: PaperPeer = PEERS[config.name]
        self.closed = asyncio.Event()

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            kinds=frozenset({TargetKind.PHONE}),
            rendition=RenditionKind.SMS,
            window=8,
            reports=frozenset({ReportKind.DELIVERED}),
            submit_timeout=0.1,
            text=TextProfile(),
        )

    async def __aenter__(self) -> Self:
        self.line = self.context.background.once("paper-line", self._line)
        return self

    async def _line(self) -> None:
        await self.closed.wait()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.closed.set()
        self.peer.reports.put_nowait(None)
        await self.line

    def is_foreign(self, submission: Submission) -> bool:
        foreign = submission.target.kind is not TargetKind.PHONE
        return foreign or not isinstance(submission.rendition, SmsText)

    async def submit(self, batch: Sequence[Submission], wire: Wire) -> None:
        for submission in batch:
            if self.is_foreign(submission):
                self.settle(wire, submission, Receipt(ReceiptKind.PERMANENT, detail="foreign"))
            elif wire.may_write():
                await self.write(submission, wire)

    async def write(self, submission: Submission, wire: Wire) -> None:
        assert isinstance(submission.rendition, SmsText)
        wire.writing(submission.id, submission.part, b"1")
        cut = self.peer.cut
        kind = self.peer.take(submission.target.address, submission.rendition.text)
        if kind is None:
            try:
                async with asyncio.timeout(0.1):
                    await cut.wait()
            except TimeoutError:
                kind = self.after_silence()
            else:
                kind = ReceiptKind.UNKNOWN
        carrier_id = b"%d" % len(self.peer.seen)
        self.settle(wire, submission, Receipt(kind, carrier_id=carrier_id, code=kind))

    def after_silence(self) -> ReceiptKind:
        return ReceiptKind.UNKNOWN

    def settle(self, wire: Wire, submission: Submission, receipt: Receipt) -> None:
        wire.settle(submission.id, submission.part, receipt)

    async def inbound(self) -> AsyncIterator[InboundBatch]:
        while (report := await self.peer.reports.get()) is not None:
            yield InboundBatch((report,), self._acknowledge)

    def _acknowledge(self) -> None:
        self.peer.answered += 1

    async def health(self) -> Health:
        return Health(HealthState.UP)


PEERS: dict[str, PaperPeer] = {}


class PaperContract(AdapterContract):
    @pytest.fixture
    async def peer(self) -> PaperPeer:
        PEERS["paper"] = PaperPeer()
        return PEERS["paper"]

    @pytest.fixture
    def config(self, peer: PaperPeer) -> PaperConfig:
        return PaperConfig(name="paper", adapter="test.paper")

    @pytest.fixture
    async def adapter(self, config: PaperConfig, context: AdapterContext) -> AsyncIterator[Paper]:
        async with Paper(config, context) as adapter:
            yield adapter


class TestPaper(
    PaperContract,
    ReportsContract,
    RefusalContract,
    SilenceContract,
    LinkContract,
    LifecycleContract,
):
    factory = Paper
    refusals = frozenset({ReceiptKind.PERMANENT, ReceiptKind.TEMPORARY, ReceiptKind.THROTTLED})


class SettlesTwice(Paper):
    @override
    def settle(self, wire: Wire, submission: Submission, receipt: Receipt) -> None:
        super().settle(wire, submission, receipt)
        try:
            super().settle(wire, submission, receipt)
        except AssertionError:
            return  # swallowed, and found all the same


class WritesTooLate(Paper):
    @override
    async def write(self, submission: Submission, wire: Wire) -> None:
        receipt = Receipt(ReceiptKind.SENT)
        self.settle(wire, submission, receipt)
        wire.writing(submission.id, submission.part, b"1")


class DropsForeign(Paper):
    @override
    async def submit(self, batch: Sequence[Submission], wire: Wire) -> None:
        await super().submit([one for one in batch if not self.is_foreign(one)], wire)


class IgnoresTheLease(Paper):
    @override
    async def submit(self, batch: Sequence[Submission], wire: Wire) -> None:
        for submission in batch:
            wire.may_write()
            await self.write(submission, wire)


class SaysSentInSilence(Paper):
    @override
    def after_silence(self) -> ReceiptKind:
        return ReceiptKind.SENT


class LogsNumbers(Paper):
    @override
    async def write(self, submission: Submission, wire: Wire) -> None:
        structlog.get_logger().info("paper.sent", to=submission.target.address)
        await super().write(submission, wire)


class ShowsItsPassword(Paper):
    @override
    def __repr__(self) -> str:
        return "Paper(password='swordfish-17')"


BREACHES: list[tuple[type[Paper], str, tuple[str, ...]]] = [
    (SettlesTwice, "test_one_submission_is_sent_and_arrives_as_it_was_written", ()),
    (WritesTooLate, "test_one_submission_is_sent_and_arrives_as_it_was_written", ()),
    (DropsForeign, "test_a_foreign_kind_of_target_is_refused_for_good", ()),
    (DropsForeign, "test_a_foreign_kind_of_text_is_refused_for_good", ()),
    (IgnoresTheLease, "test_nothing_is_written_once_the_lease_is_gone", ()),
    (SaysSentInSilence, "test_no_answer_is_unknown_and_never_sent", ()),
    (LogsNumbers, "test_no_personal_address_is_logged_or_shown", ("caplog",)),
    (ShowsItsPassword, "test_no_secret_shows_in_repr", ("config",)),
]


@pytest.mark.parametrize(
    ("broken", "test", "extra"), BREACHES, ids=[f"{b.__name__}-{t[5:40]}" for b, t, _ in BREACHES]
)
async def test_a_broken_rule_fails_the_test_of_its_name(
    broken: type[Paper],
    test: str,
    extra: tuple[str, ...],
    context: AdapterContext,
    caplog: pytest.LogCaptureFixture,
) -> None:
    peer = PEERS["paper"] = PaperPeer()
    config = PaperConfig(name="paper", adapter="test.paper")
    async with broken(config, context) as adapter:
        known: dict[str, Any] = {
            "adapter": adapter,
            "peer": peer,
            "context": context,
            "target": Target(TargetKind.PHONE, "+8613800138000"),
            "rendition": the_rendition(),
            "caplog": caplog,
            "config": config,
        }
        wanted = ("adapter", "config") if "config" in extra else (*BASICS, *extra)
        method = getattr(TestPaper(), test)
        with pytest.raises(AssertionError):
            answer = method(**{name: known[name] for name in wanted})
            if answer is not None:
                await answer


BASICS = ("adapter", "peer", "context", "target", "rendition")


def the_rendition() -> Rendition:
    from fzalert.testing import sample_rendition

    return sample_rendition(RenditionKind.SMS)


@pytest.fixture
async def context() -> AsyncIterator[AdapterContext]:
    from fzalert.testing import make_context

    async with make_context() as context:
        yield context
