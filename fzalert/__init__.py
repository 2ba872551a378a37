"""Anti-fraud warnings on every channel, each with a known fate.

This is the public door: it names what a program needs and loads each thing when it is first used.

```python
async with fzalert.open("fzalert.toml") as fz:
    warning = await fz.warn("impersonating-police", to=fzalert.phone("13800138000"))
    outcome = await warning.outcome(timeout=2)
```
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fzalert import blocking as blocking
    from fzalert.errors import (
        AccessDenied,
        BranchLimit,
        CertificateUnknown,
        ChannelError,
        ChannelRefused,
        ChannelThrottled,
        ChannelUnavailable,
        ClockDiffers,
        ConfigError,
        CredentialExpired,
        CredentialRevoked,
        DrillDiffers,
        DuplicateKey,
        FateUnknown,
        FzalertError,
        GuardsUnmet,
        InputError,
        IntegrityError,
        LeaseLost,
        ListenError,
        NotConnected,
        NotForBranch,
        Overloaded,
        PasskeyCloned,
        PasskeyRefused,
        ProtocolMismatch,
        RelayRefused,
        ReloadRefused,
        Retry,
        ScriptDiffers,
        ScriptNotApproved,
        SignInDelayed,
        SingleSignOnRefused,
        StaleVersion,
        StoreDamaged,
        StoreError,
        StoreFull,
        StoreInUse,
        StoreReadOnly,
        StoreRolledBack,
        TextTooLong,
        UnknownScript,
        UnknownTarget,
        WindowOver,
    )
    from fzalert.messages import (
        Lane,
        OutcomeState,
        Proof,
        Target,
        TargetKind,
        bank_desk,
        counter,
        display,
        group,
        mailbox,
        phone,
        speaker,
    )
    from fzalert.service import Fzalert, WarningHandle, WarningOutcome
    from fzalert.service import open_fzalert as open

    __version__: str

__all__ = [
    "AccessDenied",
    "BranchLimit",
    "CertificateUnknown",
    "ChannelError",
    "ChannelRefused",
    "ChannelThrottled",
    "ChannelUnavailable",
    "ClockDiffers",
    "ConfigError",
    "CredentialExpired",
    "CredentialRevoked",
    "DrillDiffers",
    "DuplicateKey",
    "FateUnknown",
    "Fzalert",
    "FzalertError",
    "GuardsUnmet",
    "InputError",
    "IntegrityError",
    "Lane",
    "LeaseLost",
    "ListenError",
    "NotConnected",
    "NotForBranch",
    "OutcomeState",
    "Overloaded",
    "PasskeyCloned",
    "PasskeyRefused",
    "Proof",
    "ProtocolMismatch",
    "RelayRefused",
    "ReloadRefused",
    "Retry",
    "ScriptDiffers",
    "ScriptNotApproved",
    "SignInDelayed",
    "SingleSignOnRefused",
    "StaleVersion",
    "StoreDamaged",
    "StoreError",
    "StoreFull",
    "StoreInUse",
    "StoreReadOnly",
    "StoreRolledBack",
    "Target",
    "TargetKind",
    "TextTooLong",
    "UnknownScript",
    "UnknownTarget",
    "WarningHandle",
    "WarningOutcome",
    "WindowOver",
    "__version__",
    "bank_desk",
    "blocking",
    "counter",
    "display",
    "group",
    "mailbox",
    "open",
    "phone",
    "speaker",
]

_HOMES = {
    "fzalert.service": frozenset({"Fzalert", "WarningHandle", "WarningOutcome"}),
    "fzalert.messages": frozenset(
        {
            "Lane",
            "OutcomeState",
            "Proof",
            "Target",
            "TargetKind",
            "bank_desk",
            "counter",
            "display",
            "group",
            "mailbox",
            "phone",
            "speaker",
        }
    ),
}
"""Where a name is at home; every other one is an error, in `fzalert.errors`."""


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("fzalert")
    if name == "open":
        return importlib.import_module("fzalert.service").open_fzalert
    if name == "blocking":
        return importlib.import_module("fzalert.blocking")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = next((home for home, names in _HOMES.items() if name in names), "fzalert.errors")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
