"""The channel `bank.mail`: packages to bank desks, signed by us, encrypted for one desk.

The server's answer to the text is the last word of this channel: that the desk read it the desk
says itself, by its own receipt or by telephone. A mail that left and was not answered is unknown.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import ClassVar, Self

from cryptography import x509
from typing_extensions import override

from fzalert import IntegrityError
from fzalert.messages import BankPackage, Receipt, ReceiptKind, RenditionKind, Scope, TargetKind
from fzalert.ports import (
    DESK_ROWS,
    AdapterContext,
    Capabilities,
    ChannelConfig,
    DeskRow,
    Health,
    HealthState,
    InboundBatch,
    Submission,
    Wire,
    get_logger,
)
from fzalert_mail.bank.certificates import days_left, fault_of, read_certificate, warn_at
from fzalert_mail.bank.config import BankMailConfig
from fzalert_mail.bank.smime import encrypt, sign
from fzalert_mail.bank.writing import contents, envelope, fault_in
from fzalert_mail.compose import message_id
from fzalert_mail.dialogue import Dialogue

__all__ = ["BankMail"]

_LOOK_EVERY = 3600.0
"""Seconds between looks at the certificates."""
_log = get_logger("fzalert.mail")


class BankMail:
    """One connection to a mail server, for bank desks."""

    Config: ClassVar[type[ChannelConfig]] = BankMailConfig

    def __init__(self, config: BankMailConfig, context: AdapterContext) -> None:
        self._config = config
        self._context = context
        self._identity = config.identity()
        self._dialogue = Dialogue(config, context)
        self._closed = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._warned: dict[tuple[str, int], int] = {}

    @property
    def capabilities(self) -> Capabilities:
        """Packages to desks, one at a time to each; no reports."""
        return Capabilities(
            kinds=frozenset({TargetKind.BANK_DESK}),
            rendition=RenditionKind.BANK,
            window=self._config.window,
            per_target=1,
            rate=self._config.rate,
            submit_timeout=self._config.answer_timeout,
        )

    async def __aenter__(self) -> Self:
        self._dialogue.line.open()
        if self._config.slot == 0:
            name = f"mail {self._config.name} certificates"
            self._watching = self._context.background.keep(name, self._watch)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closed.set()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        await self._dialogue.line.close()

    async def submit(self, batch: Sequence[Submission], wire: Wire) -> None:
        """Sign, encrypt and hand over package after package."""
        for one in batch:
            made = await self._made(one)
            if isinstance(made, Receipt):
                wire.settle(one.id, one.part, made)
                continue
            address, text = made
            if not await self._dialogue.send(one, address, text, wire):
                return

    async def inbound(self) -> AsyncIterator[InboundBatch]:
        """Nothing comes back; ends when the channel closes."""
        await self._closed.wait()
        nothing: tuple[InboundBatch, ...] = ()
        for batch in nothing:
            yield batch

    async def health(self) -> Health:
        """How the line is now, and how long our certificate is still good."""
        line = self._dialogue.line.health()
        now = self._context.clock.now()
        own = self._identity.certificate
        fault = fault_of(own, self._config.sender, "sign", now)
        figures = (*line.figures, ("certificate_days", days_left(own, now)))
        if fault:
            return Health(HealthState.DOWN, f"our certificate {fault}; renew it", figures=figures)
        if warn_at(own, now) is not None:
            detail = f"{line.detail}; our certificate ends in {days_left(own, now)} days"
            return Health(line.state, detail, line.latency_ms, figures)
        return Health(line.state, line.detail, line.latency_ms, figures)

    @override
    def __repr__(self) -> str:
        return f"BankMail({self._config.name!r}, slot={self._config.slot})"

    async def _made(self, one: Submission) -> tuple[str, bytes] | Receipt:
        """The mailbox and the mail, or why there is none."""
        package = one.rendition
        if one.target.kind is not TargetKind.BANK_DESK or not isinstance(package, BankPackage):
            return Receipt(
                ReceiptKind.PERMANENT,
                code="wrong-kind",
                detail="This channel takes packages to bank desks only.",
            )
        fault = fault_in(package)
        if fault is not None:
            return Receipt(ReceiptKind.PERMANENT, code=fault.code, detail=fault.detail)
        now = self._context.clock.now()
        own = fault_of(self._identity.certificate, self._config.sender, "sign", now)
        if own:
            return Receipt(
                ReceiptKind.CHANNEL_DOWN,
                Scope.CHANNEL,
                code="own-certificate",
                detail=f"Our certificate {own}. Renew it and reload the configuration.",
            )
        found = await self._desk(one.target.address, package.institution)
        if isinstance(found, Receipt):
            return found
        desk, certificate = found
        try:
            text = envelope(
                encrypt(sign(contents(package), self._identity), certificate),
                package,
                message_id=message_id(one.id, one.part, self._config.domain),
                sender=self._config.sender,
                sender_name=self._config.sender_name,
                address=desk.address,
                at=now,
            )
        except ValueError:
            return Receipt(
                ReceiptKind.PERMANENT,
                Scope.RECIPIENT,
                code="desk-address",
                detail="The desk's address is none that a mail can carry.",
            )
        return desk.address, text

    async def _desk(
        self, name: str, institution: str
    ) -> tuple[DeskRow, x509.Certificate] | Receipt:
        """The desk as the directory has it, or why nothing may be sent to it."""
        try:
            rows = await self._context.state.items(f"{DESK_ROWS}{name}/")
            desk = DeskRow.current(rows, self._context.clock.millis())
        except IntegrityError:
            desk = None
        if desk is None:
            return Receipt(
                ReceiptKind.PERMANENT,
                Scope.RECIPIENT,
                code="desk-unknown",
                detail="The directory has no address of this desk that may be used now.",
            )
        if desk.institution != institution:
            return Receipt(
                ReceiptKind.PERMANENT,
                code="desk-institution",
                detail="The package is for another institution than the desk's.",
            )
        certificate = read_certificate(desk.certificate)
        if certificate is None:
            fault = "is missing"
        else:
            fault = fault_of(certificate, desk.address, "encrypt", self._context.clock.now())
        if fault or certificate is None:
            return Receipt(
                ReceiptKind.PERMANENT,
                Scope.RECIPIENT,
                code="desk-certificate",
                detail=f"The desk's certificate {fault}. Ask the desk by telephone for a new one,"
                " and have it approved in the directory.",
            )
        return desk, certificate

    # -- certificates that end ---------------------------------------------------------------

    async def _watch(self) -> None:
        while not self._closed.is_set():
            await self._look()
            await self._context.clock.sleep(_LOOK_EVERY)

    async def _look(self) -> None:
        """Warn of every certificate once on each of the days, and once when it has ended."""
        self._note("our own", self._identity.certificate)
        desks: dict[str, list[tuple[str, bytes]]] = {}
        for key, value in await self._context.state.items(DESK_ROWS):
            desks.setdefault(key.split("/")[1], []).append((key, value))
        for name, rows in desks.items():
            row = DeskRow.current(rows, self._context.clock.millis())
            certificate = None if row is None else read_certificate(row.certificate)
            if certificate is not None:
                self._note(name, certificate)

    def _note(self, whose: str, certificate: x509.Certificate) -> None:
        now = self._context.clock.now()
        stage = warn_at(certificate, now)
        known = (whose, certificate.serial_number)
        if stage is None or self._warned.get(known) == stage:
            return
        self._warned[known] = stage
        if stage == 0:
            _log.error("mail.certificate_ended", channel=self._config.name, whose=whose)
        else:
            _log.warning(
                "mail.certificate_ends",
                channel=self._config.name,
                whose=whose,
                days=days_left(certificate, now),
            )
