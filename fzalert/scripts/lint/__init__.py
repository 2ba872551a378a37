"""Rules L01 to L20: what a warning may say, so that it does not look like the fraud it warns of."""

from __future__ import annotations

import difflib
from collections.abc import Collection

from fzalert.errors import InputError
from fzalert.scripts.approval import Approval
from fzalert.scripts.lint import measure, whole, wording
from fzalert.scripts.lint.findings import Finding, Level, Request
from fzalert.scripts.model import Script
from fzalert.scripts.rules import rules

__all__ = ["Finding", "Level", "lint", "vendor_profiles"]


def lint(
    script: Script,
    profile: str = "carrier-direct",
    signature_max: int = 12,
    *,
    enforced: bool = False,
    opt_out: str = "",
    service_numbers: Collection[str] = (),
    bank_signed: bool = False,
    production: bool = False,
    approval: Approval | None = None,
    recent: Collection[str] = (),
) -> list[Finding]:
    """Check a script against every rule; pure, and the same everywhere.

    Args:
        script: The script.
        profile: Whose ban list holds: `carrier-direct`, `aliyun`, `huawei-cloud`.
        signature_max: Characters of the longest configured signature.
        enforced: Whether a word on that list is an error.
        opt_out: The tail of a promotional port, counted into the length.
        service_numbers: The bank's own numbers, allowed in texts.
        bank_signed: Whether it goes out under a bank's signature.
        production: Whether it is to be sent for real: then somebody answers for it (L19).
        approval: The approval that stands.
        recent: Digests of scripts sent to the same audience within the last 28 days (L18).

    Returns:
        The findings by rule, then by rendition; empty where all is well.

    Raises:
        InputError: No such vendor profile.
    """
    if profile not in rules().vendor:
        close = difflib.get_close_matches(profile, rules().vendor, n=1)
        raise InputError(
            f"There is no vendor profile {profile[:40]!r}.",
            hint=f"Is it {close[0]}?" if close else f"There are {', '.join(vendor_profiles())}.",
            field="profile",
        )
    request = Request(
        script=script,
        profile=profile,
        enforced=enforced,
        signature_max=signature_max,
        opt_out=opt_out,
        service_numbers=frozenset(service_numbers),
        bank_signed=bank_signed,
        production=production,
        approval=approval,
        recent=frozenset(recent),
    )
    found = [*measure.check(request), *wording.check(request), *whole.check(request)]
    return sorted(found, key=lambda each: (each.rule, each.rendition, each.span))


def vendor_profiles() -> tuple[str, ...]:
    """The names that `profile` may have."""
    return tuple(sorted(rules().vendor))
