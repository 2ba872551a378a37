"""From an approved instruction to what leaves the house: package, paper, message to the desk.

The package is built at the approval and its hash is kept in the event; at the sending it is built
again from the case as it is then, and a single other byte refuses it. The event that it was sent
and the message to the desk are one commit.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from fzalert.config import FreezeSettings
from fzalert.delivery import Caps, Prepared, prepare
from fzalert.errors import InputError
from fzalert.freeze.book import Around, CaseBook
from fzalert.freeze.commands import Authority, Facts
from fzalert.freeze.contacts import ContactBook
from fzalert.freeze.directory import facts_of
from fzalert.freeze.model import FreezeCase, Instruction, Measure
from fzalert.freeze.package import (
    DocumentKind,
    Package,
    build_package,
    package_hashes,
    read_package,
    write_package,
)
from fzalert.freeze.papers import PaperKind, paper_content, render_paper
from fzalert.freeze.signing import DocumentSigner, FileDocumentSigner
from fzalert.freeze.values import Rank
from fzalert.messages import (
    ActorId,
    BankPackage,
    Lane,
    Rendition,
    Target,
    TargetKind,
    Warning,
    WarningId,
    bank_desk,
)
from fzalert.ports import Capabilities
from fzalert.service.building import Building

__all__ = ["PACKAGE", "PAPER", "Sending", "signer_of"]

PACKAGE = "package/"
"""Documents of a case that are packages, by application id."""
PAPER = "paper/"
"""Documents of a case that are papers, by application id."""
SCRIPT = "freeze-package"
"""What stands in the outbox where a warning names its script."""


class Sending:
    """Builds what goes to institutions.

    Args:
        building: Store and engine.
        book: The cases.
        contacts: The directory of desks.
        settings: The signer of papers.
        drill: Whether everything is a rehearsal.
    """

    def __init__(
        self,
        building: Building,
        book: CaseBook,
        contacts: ContactBook,
        settings: FreezeSettings,
        *,
        drill: bool,
    ) -> None:
        self._building = building
        self._book = book
        self._contacts = contacts
        self._drill = drill
        self._signer = signer_of(settings)
        self._fonts = tuple(settings.fonts)

    # -- decisions -------------------------------------------------------------------------

    def approving(self, measure: str, rank: Rank) -> _Approving:
        """What an approval rests on: the package as it would be sent now."""
        return _Approving(self, measure, rank)

    def package_of(self, case: FreezeCase, measure: Measure, instruction: Instruction) -> Package:
        """The binding package of an approved instruction. Raises as `build_package`."""
        return build_package(case, measure, instruction, self._book.policy, drill=self._drill)

    async def desks(self, measure: Measure) -> frozenset[str]:
        """The institution of a measure, where a channel serves its desk."""
        return frozenset({measure.account.desk}) if await self.first_way(measure) else frozenset()

    async def first_way(self, measure: Measure) -> str:
        """The channel that a package goes by first; empty where it is printed."""
        ways = await self._ways(measure)
        return "" if ways[:1] in ((), ("",)) else ways[0]

    async def ways_of(self, measure: Measure) -> tuple[str, ...]:
        """Every channel that reaches the desk of a measure, in the order of trying."""
        return tuple(name for name in await self._ways(measure) if name)

    async def prefectures(self) -> dict[str, str]:
        """Where each institution of the directory is."""
        return facts_of(await self._contacts.directory(), self._contacts.now()).prefectures

    async def _ways(self, measure: Measure) -> tuple[str, ...]:
        """The configured channels to a desk, in order; an empty name stands for paper.

        For a desk in the directory its entry decides, and nothing else. Else they are the channels
        whose own settings name the desk.
        """
        code, channels = measure.account.desk, self._building.engine.channels
        serving = {
            name: one for name, one in channels.items() if one.serves(TargetKind.BANK_DESK, code)
        }
        if not code or not serving:
            return ()
        directory = await self._contacts.directory()
        entry = directory.desks(self._contacts.now()).get(code)
        if entry is not None:
            named = ["" if way.kind == "paper" else way.channel for way in entry.ways]
            return tuple(name for name in named if not name or name in serving)
        return tuple(
            name for name, one in serving.items() if one.capabilities.addresses is not None
        )

    async def leaving(
        self, case: FreezeCase, measure: Measure, now: datetime, by: str, *, way: str, step: int
    ) -> tuple[Around, frozenset[str]]:
        """What goes with the event that an instruction was sent, and the channels to wake.

        Args:
            case: The case as it is decided about.
            measure: Its measure.
            now: The time of the decision.
            by: Who sends.
            way: The channel; empty prints it, and nothing goes to a desk.
            step: How often it was sent, from 1.
        """
        current = measure.current
        if current is None or current.approved_at is None:
            return Around(Facts(desks=await self.desks(measure))), frozenset()
        package = self.package_of(case, measure, current)
        body = write_package(package)
        digest = hashlib.sha256(body).hexdigest()
        facts = Facts(desks=await self.desks(measure), package_sha256=digest)
        if digest != current.package_sha256:
            return Around(facts), frozenset()
        pdf = await self._paper(case.id, package)
        rows = [
            await self._book.sealed_document(case.id, PACKAGE + current.id, body),
            await self._book.sealed_document(case.id, PAPER + current.id, pdf),
        ]
        if not way:
            return Around(facts, (), rows), frozenset()
        ready = await self._accept(measure, package, body, pdf, way, now, by, step)
        return Around(facts, (ready.acceptance,), rows), ready.channels

    async def again(
        self,
        case_id: str,
        measure: Measure,
        current: Instruction,
        way: str,
        now: datetime,
        by: Authority,
    ) -> Prepared:
        """The very same instruction once more, by another channel.

        Its bytes are those that were sent, so that the desk finds one application with one content,
        and acts once.

        Raises:
            InputError: They are not kept, or not those that were approved.
        """
        packages = await self._book.documents(case_id, PACKAGE + current.id)
        papers = await self._book.documents(case_id, PAPER + current.id)
        body, pdf = packages.get(PACKAGE + current.id), papers.get(PAPER + current.id)
        if body is None or pdf is None:
            raise InputError("What was sent is not kept.", field="application_id")
        if hashlib.sha256(body).hexdigest() != current.package_sha256:
            raise InputError("What is kept is not what was approved.", field="application_id")
        step = len(current.sent_over) + 1
        return await self._accept(measure, read_package(body), body, pdf, way, now, by.actor, step)

    async def _accept(
        self,
        measure: Measure,
        package: Package,
        body: bytes,
        pdf: bytes,
        way: str,
        now: datetime,
        by: str,
        step: int,
    ) -> Prepared:
        engine = self._building.engine
        rendition = BankPackage(
            package.application_id,
            measure.account.desk,
            package.document is DocumentKind.INSTRUCTION,
            body.decode(),
            package_hashes(body)[0],
            base64.b64encode(pdf).decode(),
            self._drill,
        )
        began = int(now.timestamp() * 1000)
        ends = now + self._book.policy.hours("result_hours")
        key = f"freeze/{package.application_id}/{step}"
        warning = Warning(
            WarningId(self._building.ids.one()),
            SCRIPT,
            "zh",
            (bank_desk(measure.account.desk),),
            {},
            Lane.URGENT,
            began,
            int(ends.timestamp() * 1000),
            key,
            ActorId(by),
            self._drill,
        )

        def render(target: Target, capabilities: Capabilities) -> Rendition:
            del target, capabilities
            return rendition

        return await prepare(
            warning,
            hashlib.sha256(key.encode()).digest(),
            {way: engine.channels[way]},
            render,
            self._building.store,
            self._building.ids,
            Caps(),
            engine.lease_for,
        )

    # -- papers ----------------------------------------------------------------------------

    async def paper(self, case: FreezeCase, measure: Measure, kind: PaperKind) -> bytes:
        """A paper of a measure; of what was sent, the very one.

        Raises:
            InputError: There is nothing yet that such a paper could say.
            ConfigError: A font is missing.
        """
        shown = _last(measure)
        if kind is PaperKind.PRE_ALERT:
            package = build_package(
                case,
                measure,
                shown,
                self._book.policy,
                document=DocumentKind.PRE_ALERT,
                drill=self._drill,
            )
            return await asyncio.to_thread(self._render, package, kind)
        if kind is PaperKind.INSTRUCTION:
            name = PAPER + shown.id
            kept = (await self._book.documents(case.id, name)).get(name)
            if kept is not None:
                return kept
        return await self._paper(case.id, await self.package(case, measure), kind)

    async def package(self, case: FreezeCase, measure: Measure) -> Package:
        """The package of a measure's last instruction; of what was sent, the very one.

        Raises:
            InputError: There is nothing yet that it could say.
        """
        shown = _last(measure)
        name = PACKAGE + shown.id
        sent = (await self._book.documents(case.id, name)).get(name)
        return self.package_of(case, measure, shown) if sent is None else read_package(sent)

    async def papers(self, case_id: str) -> Mapping[str, bytes]:
        """Every paper of a case that was sent, by file name."""
        found = await self._book.documents(case_id, PAPER)
        return {f"{name.removeprefix(PAPER)}.pdf": body for name, body in found.items()}

    async def _paper(
        self, case_id: str, package: Package, kind: PaperKind = PaperKind.INSTRUCTION
    ) -> bytes:
        """A paper that binds or notifies, signed where a signer is configured."""
        pdf = await asyncio.to_thread(self._render, package, kind)
        if self._signer is None:
            return pdf
        return await self._signer.sign_pdf(
            pdf, reason=f"{package.measure.kind} {case_id}", location=package.sender.unit_name
        )

    def _render(self, package: Package, kind: PaperKind) -> bytes:
        content = paper_content(package, kind)
        return render_paper(content, fonts=self._fonts) if self._fonts else render_paper(content)


def _last(measure: Measure) -> Instruction:
    """The last instruction of a measure. Raises `InputError` where there is none."""
    shown = measure.current or (measure.past[-1] if measure.past else None)
    if shown is None:
        raise InputError(
            "Nothing was prepared about this account.",
            hint="`fzalert freeze submit` first.",
            field="measure",
        )
    return shown


class _Approving:
    """Builds the package in the very moment of its approval."""

    def __init__(self, sending: Sending, measure: str, rank: Rank) -> None:
        self._sending = sending
        self._measure = measure
        self._rank = rank

    async def __call__(self, case: FreezeCase, now: datetime) -> Around:
        measure = case.measures.get(self._measure)
        if measure is None or measure.current is None or case.duty is None:
            return Around()
        approved = replace(measure.current, approved_at=now, approved_rank=self._rank)
        body = write_package(self._sending.package_of(case, measure, approved))
        digest = hashlib.sha256(body).hexdigest()
        where = await self._sending.prefectures()
        return Around(Facts(package_sha256=digest, prefectures=where))


def signer_of(settings: FreezeSettings) -> DocumentSigner | None:
    """The signer of papers that the configuration names, or None.

    Raises:
        ConfigError: A file is missing, or the two do not fit.
    """
    if settings.signer_certificate is None or settings.signer_key is None:
        return None
    return FileDocumentSigner.load(settings.signer_certificate, settings.signer_key)
