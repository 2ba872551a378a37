"""Every error fzalert can raise, as one tree.

```
FzalertError                 code, hint, retry, retry_after
├─ ConfigError               a setting is wrong; file, line and key        never retry
│  ├─ ListenError            an address is in use or may not be bound      never retry
│  └─ ReloadRefused          a new configuration cannot be run as it is    never retry
├─ InputError                a call or a row is wrong; also ValueError     never retry
│  ├─ UnknownScript          no such script, audience or language          never retry
│  ├─ ScriptNotApproved      a draft may not go to real channels           never retry
│  ├─ TextTooLong            the rendition does not fit its channel        never retry
│  ├─ UnknownTarget          no channel serves the target                  never retry
│  ├─ DuplicateKey           the key was used with another body            never retry
│  └─ RelayRefused           a county does not take what a branch gives    never retry
│     ├─ ScriptDiffers       the script's words are others here            never retry
│     ├─ WindowOver          its window is over                            never retry
│     ├─ NotForBranch        the branch may not address that target        never retry
│     └─ DrillDiffers        one of the two is in a drill                  never retry
├─ AccessDenied              the actor may not do this                     never retry
│  ├─ CredentialExpired      the token's time is over                      never retry
│  ├─ CredentialRevoked      the certificate or its owner was shut out     never retry
│  ├─ CertificateUnknown     the certificate is bound to nobody            never retry
│  ├─ SignInDelayed          too many wrong passwords; retry_after         retry later
│  ├─ PasskeyRefused         the answer of a passkey is not right          never retry
│  │  └─ PasskeyCloned       two devices use the same passkey: closed      never retry
│  └─ SingleSignOnRefused    the answer of the provider is not right       never retry
├─ GuardsUnmet               a freeze request breaks the rules; all named  never retry
├─ Overloaded                too much bulk waits; retry_after               retry later
├─ ChannelError              names the channel
│  ├─ ChannelUnavailable     nothing was sent; also ConnectionError        retry
│  │  └─ ClockDiffers        a branch's clock is not the county's          retry
│  ├─ ChannelThrottled       the carrier's pace; retry_after               retry later
│  │  └─ BranchLimit         a branch's own limit; retry_after             retry later
│  ├─ ChannelRefused         the carrier's code and its meaning            never retry
│  └─ FateUnknown            sent, no answer; also TimeoutError            never blindly
├─ StoreError                the store cannot write
│  ├─ StoreFull              no room or read-only: free the disk           retry later
│  │  └─ StoreReadOnly       the disk lets nothing be written              retry later
│  ├─ StoreDamaged           integrity check failed: stop the line         never retry
│  ├─ StoreRolledBack        an older copy stands in its place             never retry
│  ├─ StoreInUse             another process owns the store                never retry
│  ├─ StaleVersion           somebody changed the stream meanwhile         retry
│  └─ LeaseLost              another owner has the carrier connection      never retry
├─ IntegrityError            evidence or ciphertext was altered            never retry
└─ NotConnected              no process answers on the local socket        retry
   └─ ProtocolMismatch       the other process speaks another version      never retry
```

At a port a failure is a value (the six receipts of `fzalert.messages`); at `warn` it is an
outcome; an exception is for a wrong call and for what stops the line.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

if TYPE_CHECKING:
    from datetime import timedelta


class Retry(enum.StrEnum):
    """What repeating the same call would do."""

    NOW = "now"
    LATER = "later"
    ASK = "ask"
    """It may have been sent already: a person or a report decides."""
    NEVER = "never"


class FzalertError(Exception):
    """Root of the tree.

    Attributes:
        code: Stable, documented name of the error.
        hint: What to do next, as a sentence.
        retry: Whether repeating the call can succeed.
        retry_after: How long to wait first, where the other side said so.
    """

    code: ClassVar[str] = "error"
    retry: ClassVar[Retry] = Retry.NEVER

    def __init__(self, what: str, *, hint: str = "", retry_after: timedelta | None = None) -> None:
        super().__init__(what)
        self.hint = hint
        self.retry_after = retry_after

    @override
    def __str__(self) -> str:
        return " ".join(part for part in (str(self.args[0]), self.hint, f"[{self.code}]") if part)


class ConfigError(FzalertError):
    """A setting is wrong; the text names file, line and key of every fault found."""

    code = "config"


class ReloadRefused(ConfigError):
    """A new configuration is sound, and cannot be run without a restart or as it stands."""

    code = "reload-refused"


class ListenError(ConfigError):
    """An address cannot be listened on: in use, or not allowed."""

    code = "listen"


class InputError(FzalertError, ValueError):
    """A call or a row is wrong; `field` and `row` say where."""

    code = "input"

    def __init__(
        self,
        what: str,
        *,
        hint: str = "",
        retry_after: timedelta | None = None,
        field: str = "",
        row: int | None = None,
    ) -> None:
        super().__init__(what, hint=hint, retry_after=retry_after)
        self.field = field
        self.row = row


class UnknownScript(InputError):
    """No such script, audience or language in the library."""

    code = "unknown-script"


class ScriptNotApproved(InputError):
    """The script is a draft, has expired, or was changed after its approval."""

    code = "script-not-approved"


class TextTooLong(InputError):
    """The rendition does not fit its channel; it is never cut silently."""

    code = "text-too-long"


class UnknownTarget(InputError):
    """No configured channel serves the target."""

    code = "unknown-target"


class DuplicateKey(InputError):
    """The idempotency key was used before with another body."""

    code = "duplicate-key"


class RelayRefused(InputError):
    """A county does not take what a branch handed over."""

    code = "relay-refused"


class ScriptDiffers(RelayRefused):
    """The county has the script, with other words: the digests are not the same."""

    code = "script-differs"


class WindowOver(RelayRefused):
    """The warning's window was over when it came."""

    code = "window-over"


class NotForBranch(RelayRefused):
    """The branch may not address that target, or is not configured."""

    code = "not-for-branch"


class DrillDiffers(RelayRefused):
    """One of the two sides is in a drill, and the other is not."""

    code = "drill-differs"


class AccessDenied(FzalertError):
    """The actor is unknown or may not do this."""

    code = "access-denied"


class CredentialExpired(AccessDenied):
    """The token was right, and its time is over."""

    code = "credential-expired"


class CredentialRevoked(AccessDenied):
    """The client certificate was revoked here, or its owner is disabled."""

    code = "credential-revoked"


class CertificateUnknown(AccessDenied):
    """The client certificate is of the right authority, and bound to no machine."""

    code = "certificate-unknown"


class SignInDelayed(AccessDenied):
    """Too many wrong passwords came before; this one was not looked at."""

    code = "sign-in-delayed"
    retry = Retry.LATER


class PasskeyRefused(AccessDenied):
    """A passkey's answer is not right: another question, site or key, or one that was removed."""

    code = "passkey-refused"


class PasskeyCloned(PasskeyRefused):
    """A passkey counted backwards, so two devices use it: it opens nothing any more."""

    code = "passkey-cloned"


class SingleSignOnRefused(AccessDenied):
    """The answer of the OpenID provider is not right, or stands for nobody here."""

    code = "single-sign-on-refused"


class GuardsUnmet(FzalertError):
    """What was asked of a freeze case is against its rules; nothing was done, and it is on record.

    Attributes:
        guards: The ids of every unmet guard, in order.
        reasons: For each the text in Chinese, in English, and its source.
        details: For each what exactly, without personal data, such as a code of the check, the
            last day that is allowed or how many were counted; empty where the text says it all.
    """

    code = "guards-unmet"

    def __init__(
        self,
        what: str,
        *,
        reasons: tuple[tuple[str, str, str, str], ...] = (),
        details: tuple[str, ...] = (),
        hint: str = "",
    ) -> None:
        super().__init__(what, hint=hint)
        self.guards = tuple(reason[0] for reason in reasons)
        self.reasons = tuple(reason[1:] for reason in reasons)
        self.details = (*details, *[""] * len(reasons))[: len(reasons)]


class Overloaded(FzalertError):
    """Too much bulk waits already: it may be asked again later; urgent is always taken."""

    code = "overloaded"
    retry = Retry.LATER


class ChannelError(FzalertError):
    """Something about one channel; `channel` is its configured name."""

    code = "channel"

    def __init__(
        self,
        what: str,
        *,
        hint: str = "",
        retry_after: timedelta | None = None,
        channel: str = "",
    ) -> None:
        super().__init__(what, hint=hint, retry_after=retry_after)
        self.channel = channel


class ChannelUnavailable(ChannelError, ConnectionError):
    """Nothing was sent: refused connection, failed login, lost link before the first byte."""

    code = "channel-unavailable"
    retry = Retry.LATER


class ChannelThrottled(ChannelError):
    """The carrier asks for a slower pace."""

    code = "channel-throttled"
    retry = Retry.LATER


class ClockDiffers(ChannelUnavailable):
    """The clocks of branch and county differ too much to tell when a window ends."""

    code = "clock-differs"


class BranchLimit(ChannelThrottled):
    """The branch has handed over as many warnings as the county allows it."""

    code = "branch-limit"


class ChannelRefused(ChannelError):
    """A complete refusal; the text gives the carrier's code and its meaning."""

    code = "channel-refused"


class FateUnknown(ChannelError, TimeoutError):
    """Sent, but no answer came in time: it may or may not have been taken."""

    code = "fate-unknown"
    retry = Retry.ASK


class StoreError(FzalertError):
    """The store cannot do what was asked; nothing that was accepted before is lost."""

    code = "store"
    retry = Retry.LATER


class StoreFull(StoreError):
    """No room, a read-only disk, or a write error: accepting stops until it is mended."""

    code = "store-full"


class StoreReadOnly(StoreFull):
    """The disk lets nothing be written: accepting stops until it is mended."""

    code = "store-read-only"


class StoreDamaged(StoreError):
    """The integrity check failed: nothing is sent from a damaged store."""

    code = "store-damaged"
    retry = Retry.NEVER


class StoreRolledBack(StoreError):
    """An older copy of the database stands in its place: nothing is sent from it."""

    code = "store-rolled-back"
    retry = Retry.NEVER


class StoreInUse(StoreError):
    """Another process owns the store."""

    code = "store-in-use"
    retry = Retry.NEVER


class StaleVersion(StoreError):
    """Somebody changed a stream of events meanwhile: read it again and decide anew."""

    code = "stale-version"
    retry = Retry.NOW


class LeaseLost(StoreError):
    """Another owner holds the carrier connection now; this one must stop writing."""

    code = "lease-lost"
    retry = Retry.NEVER


class IntegrityError(FzalertError):
    """Evidence or an encrypted value does not verify: it was altered, or the key is wrong."""

    code = "integrity"


class NotConnected(FzalertError, ConnectionError):
    """No fzalert process answers on the local socket."""

    code = "not-connected"
    retry = Retry.LATER


class ProtocolMismatch(NotConnected):
    """The process on the local socket speaks another protocol version."""

    code = "protocol-mismatch"
    retry = Retry.NEVER
