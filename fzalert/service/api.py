"""What the service can be asked, the same in its own process and over the local socket.

Pages, the interface for programs and the terminal are written against this, so none of them knows
whether it stands inside the process that owns the store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from fzalert.errors import NotConnected
from fzalert.ports import Route
from fzalert.service.contact_models import ContactAnswer, ContactAsk
from fzalert.service.custody_models import CustodyAnswer, CustodyAsk
from fzalert.service.models import (
    CampaignRequest,
    CampaignView,
    FatePage,
    OptOutChange,
    OptOutPage,
    OptOutQuery,
    OptOutRequest,
    RelayAnswer,
    RelayRequest,
    ReloadView,
    ScriptView,
    SessionView,
    SettleRequest,
    SettleView,
    StatusView,
    UnknownPage,
    UnknownRequest,
    UserChange,
    UserView,
    WarningView,
    WarnRequest,
)
from fzalert.service.preview_models import CampaignPreview
from fzalert.tracing import NOTHING, Tracer

if TYPE_CHECKING:
    from fzalert.access.actors import Actor
    from fzalert.config import Settings
    from fzalert.errors import StoreDamaged
    from fzalert.service.freeze_models import FreezeAnswer, FreezeAsk
    from fzalert.service.passkeys import PasskeyRoom
    from fzalert.service.single_sign_on import SingleSignOn

__all__ = ["DaemonApi", "ServiceApi"]


class ServiceApi(Protocol):
    """The questions and commands that both sides answer."""

    async def status(self) -> StatusView:
        """How the process, its channels and its counters are now."""
        ...

    async def warn_request(self, request: WarnRequest, by: Actor) -> WarningView:
        """Take one warning; it is on disk when this returns.

        Raises:
            InputError: A script, target, value or key is wrong; see its subclasses.
            AccessDenied: The actor may not warn.
            StoreError: It could not be put on disk, so it was not taken.
        """
        ...

    async def warning(self, id: str, wait: float = 0) -> WarningView | None:
        """Return one warning, or None where there is none.

        Args:
            id: The warning's id.
            wait: Seconds to wait at most until the fate of each message is final.
        """
        ...

    async def recent(self, limit: int, after: str = "") -> list[WarningView]:
        """Return warnings, the newest first; `after` is the id that the page before ended with."""
        ...

    async def scripts(self) -> list[ScriptView]:
        """Return the library with each script's approval."""
        ...

    async def approve(self, script_key: str, *, author: Actor, approver: Actor) -> ScriptView:
        """Approve a script for real channels.

        Raises:
            UnknownScript: No such script.
            AccessDenied: One of the two may not, or they are the same person.
        """
        ...

    async def users(self) -> list[UserView]:
        """Return every user and machine that may come in."""
        ...

    async def add_user(self, name: str, roles: list[str]) -> str:
        """Add a user; the returned token is shown this once and kept nowhere."""
        ...

    async def change_user(self, wanted: UserChange, by: Actor | None = None) -> str:
        """Change with what a user or machine may come in, or a person's rank and unit.

        Args:
            wanted: The change.
            by: The admin; the account that owns this process unless given.

        Returns:
            A new token, or an empty text.

        Raises:
            AccessDenied: Who asks is no admin, or wants another rank or unit for himself.
            InputError: No such user, a name that is taken, or something that names no certificate.
            StoreError: It could not be put on disk.
        """
        ...

    async def disable_user(self, name: str, by: Actor | None = None) -> None:
        """Close a user's access at once.

        Raises:
            AccessDenied: Who asks is no admin.
            InputError: No such user.
        """
        ...

    async def sessions(self, by: Actor | None = None) -> list[SessionView]:
        """Return who is signed in at the pages.

        Args:
            by: The admin; the account that owns this process unless given.

        Raises:
            AccessDenied: Who asks is no admin.
        """
        ...

    async def authenticate(self, token: str) -> Actor:
        """Tell who holds a token.

        Raises:
            AccessDenied: Nobody does, or access was closed.
        """
        ...

    async def changed(self, seq: int, timeout: float) -> int:  # noqa: ASYNC109  one wait of many
        """Wait until something was committed after `seq`; return the newest sequence.

        Args:
            seq: The newest sequence that the caller has seen; 0 at first.
            timeout: Seconds after which the wait ends with nothing new.
        """
        ...

    async def withdraw(self, id: str, by: Actor) -> None:
        """Take a warning back where it still waits or is still shown."""
        ...

    async def plan_campaign(self, request: CampaignRequest, by: Actor) -> CampaignView:
        """Import a list and store a campaign for it, ready to start; nothing is sent yet.

        Raises:
            InputError: The file is no list, or script, values or language are wrong.
            AccessDenied: The actor may not run campaigns.
        """
        ...

    async def preview_campaign(self, id: str, by: Actor) -> CampaignPreview:
        """Count what a campaign would send: recipients, parts, cost, text and time; send nothing.

        The stored list is walked through once. The digest names what is shown, and is what
        `steer_campaign` takes to start it.

        Raises:
            InputError: No such campaign, or it may not be sent as it stands.
            AccessDenied: The actor may not run campaigns.
        """
        ...

    async def steer_campaign(
        self, id: str, action: str, by: Actor, confirm: str = ""
    ) -> CampaignView:
        """Let a campaign start, pause, resume or cancel.

        Args:
            id: Which.
            action: start, pause, resume or cancel.
            by: Who wants it.
            confirm: Digest of the preview that the person has seen. Empty confirms the last
                preview; where there was none, one is made now.

        Raises:
            PreviewStale: Script, text, price, route or list are not what the preview shows.
            InputError: No such campaign or action.
            AccessDenied: The actor may not run campaigns.
        """
        ...

    async def unknown(self, request: UnknownRequest) -> UnknownPage:
        """Return a page of messages whose fate is unknown, the longest unknown first."""
        ...

    async def settle_unknown(self, request: SettleRequest, by: Actor) -> SettleView:
        """Say what became of messages that stay unknown, or have them sent once more, knowingly.

        Repeated, it changes nothing. The decision and its reason go on record.

        Raises:
            InputError: The confirmed number is not that of the messages.
            AccessDenied: The actor may not.
            StoreError: It could not be put on disk, so nothing was decided.
        """
        ...

    async def opt_outs(self, query: OptOutQuery, by: Actor) -> OptOutPage:
        """Return who is not to be written to in bulk, the newest first, addresses masked.

        Raises:
            AccessDenied: The actor may not.
        """
        ...

    async def opt_out(self, request: OptOutRequest, by: Actor) -> OptOutChange:
        """Note that people are not to be written to in bulk, on record.

        Raises:
            InputError: Somebody named is no person.
            AccessDenied: The actor may not.
        """
        ...

    async def opt_in(self, request: OptOutRequest, by: Actor) -> OptOutChange:
        """Take opt-outs back, on record: the people asked to be written to again.

        Raises:
            InputError: Somebody named is no person.
            AccessDenied: The actor may not.
        """
        ...

    async def freeze(self, ask: FreezeAsk, by: Actor, *, key: str = "") -> FreezeAnswer:
        """Do or read something about freeze requests; see `fzalert.service.freeze_models`.

        Args:
            ask: The question.
            by: Who asks.
            key: Under which a change is asked for: asked again with the same key, also after a
                restart, it changes nothing more, and `repeated` says so.

        Raises:
            DuplicateKey: The key stands for another change.
            GuardsUnmet: Against the rules; every unmet guard is named, and it is on record.
            InputError: No such case, measure or document, or a value is wrong.
            AccessDenied: The actor may not.
            ConfigError: What freeze requests need is not installed, or `[freeze]` is wrong.
            StoreError: It could not be put on disk, so nothing was done.
        """
        ...

    async def custody(self, ask: CustodyAsk, by: Actor) -> CustodyAnswer:
        """Change or show the keys of the store, and how long cases are kept.

        Raises:
            AccessDenied: The actor may not.
            InputError: There is no such case, or it cannot be done now; the text says why.
            StoreError: It could not be put on disk, so nothing was done.
        """
        ...

    async def contacts(self, ask: ContactAsk, by: Actor) -> ContactAnswer:
        """Do or read something about the directory of bank desks.

        Raises:
            InputError: No such desk, change or test, or an entry is wrong.
            AccessDenied: The actor may not, or proposed what is to be approved.
            ConfigError: What freeze requests need is not installed.
            StoreError: It could not be put on disk, so nothing was done.
        """
        ...

    async def campaigns(self) -> list[CampaignView]:
        """Return every campaign, the oldest first."""
        ...

    async def reload(self, by: Actor, *, allow_down: bool = False) -> ReloadView:
        """Read the configuration again and run it; whatever fails leaves the old one running.

        Args:
            by: Who wants it.
            allow_down: Take a channel also where its line does not come up.

        Raises:
            ConfigError: The file is wrong; the text names every fault.
            ReloadRefused: It needs a restart, or a channel of it does not work.
            AccessDenied: The actor may not change the configuration.
        """
        ...


class DaemonApi(ServiceApi, Protocol):
    """What only the process that owns the store can do."""

    async def sign_in(self, secret: str, *, name: str = "", address: str = "") -> str:
        """Open a session for the holder of a token, or of a name and its password.

        Args:
            secret: The token; with a name the password.
            name: Whose password it is.
            address: Where the person sits; wrong passwords are counted by it.

        Returns:
            The cookie.

        Raises:
            SignInDelayed: Too many wrong passwords came before; this one was not looked at.
            AccessDenied: As `authenticate`; the text is the same whether the name exists or not.
        """
        ...

    async def session(self, cookie: str) -> Actor | None:
        """Tell who a session belongs to; None where it is over or unknown."""
        ...

    async def prove_anew(self, cookie: str, secret: str, *, address: str = "") -> str:
        """Note that the person of a session has shown token or password anew.

        Returns:
            The new cookie; the old one is worth nothing.

        Raises:
            SignInDelayed: Too many wrong passwords came before; this one was not looked at.
            AccessDenied: The secret is wrong or another person's, or the session is over.
        """
        ...

    async def sign_out(self, cookie: str) -> None:
        """End a session; one that is unknown or over is none."""
        ...

    def passkeys(self) -> PasskeyRoom:
        """Makes and checks the passkeys of people.

        Raises:
            NotConnected: There are none here.
        """
        raise NotConnected("There are no passkeys here.")

    def single_sign_on(self) -> SingleSignOn | None:
        """The way to an OpenID provider and back; None where there is no provider."""
        return None

    def routes(self) -> Mapping[str, Sequence[Route]]:
        """Routes that the open channels bring, by the channel's name."""
        ...

    async def relay(self, request: RelayRequest, key: str, by: Actor) -> RelayAnswer:
        """Take one warning that a branch hands over; the same key gets the same answer.

        Raises:
            InputError: It will never be taken; see `fzalert.errors.RelayRefused` for most reasons.
            ClockDiffers: The branch's clock is too far off.
            BranchLimit: The branch has handed over as much as it may.
            AccessDenied: The actor is no branch.
            StoreError: It could not be put on disk, so it was not taken.
        """
        ...

    async def relay_fates(
        self, by: Actor, *, after: int, store: str, limit: int, wait: float
    ) -> FatePage:
        """Return the fates that a branch has not acknowledged, after a wait where there are none.

        Raises:
            AccessDenied: The actor is no branch.
        """
        ...

    async def by_certificate(self, fingerprint: str, names: Sequence[str]) -> Actor:
        """Tell which machine a client certificate stands for, once TLS has verified it.

        Raises:
            CertificateUnknown: None.
            CredentialRevoked: It was revoked, or its machine is disabled.
        """
        ...

    def on_reload(self, began: Callable[[], None], ended: Callable[[Settings], None]) -> None:
        """Tell when a reload begins, and, when it has ended in any way, which settings run."""
        ...

    async def prove(self) -> None:
        """Read, and let the store's writer do an empty transaction.

        Raises:
            StoreError: It cannot write.
        """
        await self.status()

    def tracer(self) -> Tracer:
        """Opens spans for what comes in."""
        return NOTHING

    async def damage(self) -> StoreDamaged:
        """Wait until the store is found damaged; nothing is sent from it then."""
        ...

    def set_web(self, url: str) -> None:
        """Learn the address under which the pages can be reached; empty where they are closed."""
        ...
