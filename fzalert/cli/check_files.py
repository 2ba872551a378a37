"""What `fzalert check` finds in the files and settings that people and freeze requests need."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from fzalert.clock import SystemClock
from fzalert.config import Settings
from fzalert.errors import ConfigError
from fzalert.service.freeze_room import NEEDED

if TYPE_CHECKING:
    from cryptography import x509

__all__ = ["Finding", "access_findings", "freeze_findings", "web_findings"]

_EXPIRES_SOON = timedelta(days=30)


class Finding(BaseModel):
    """One thing that was found."""

    level: str
    where: str
    text: str


def web_findings(settings: Settings) -> Iterator[Finding]:
    """The server's certificate, and whether it is of the name that browsers write."""
    web = settings.web
    if web.certificate is None:
        return
    certificate, problem = _certificate(web.certificate)
    if certificate is None:
        yield _error("web.certificate", problem)
        return
    yield from _times("web.certificate", certificate)
    if web.public_name and not _is_for(certificate, web.public_name):
        yield _error(
            "web.public_url",
            f"证书不含名称 {web.public_name}，浏览器会拒绝：fzalert tls init {web.public_name}"
            f" {web.certificate} is not for {web.public_name}: make one that is",
        )


def access_findings(settings: Settings) -> Iterator[Finding]:
    """Whether people can use passkeys and single sign-on as they are set."""
    web = settings.web
    if web.is_secure and not web.public_url:
        yield _warning(
            "web.public_url",
            "没有设置，不能用通行密钥 not set, so nobody can use a passkey: write https:// and the"
            " name of the pages",
        )
    if web.public_url and importlib.util.find_spec("webauthn") is None:
        yield _error(
            "web.public_url",
            "通行密钥缺少组件 passkeys need a library: pip install 'fzalert[web]'",
        )
    if settings.access.oidc is not None and importlib.util.find_spec("joserfc") is None:
        yield _error(
            "access.oidc",
            "统一登录缺少组件 single sign-on needs a library: pip install 'fzalert[oidc]'",
        )


def freeze_findings(settings: Settings) -> Iterator[Finding]:
    """The unit's own rules, and the certificate that signs the papers."""
    chosen = settings.freeze
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing and chosen != type(chosen)():
        yield _error(
            "freeze",
            f"缺少组件 {', '.join(missing)} is missing: pip install 'fzalert[freeze]'",
        )
    yield from _policy(settings)
    yield from _signer(settings)


def _policy(settings: Settings) -> Iterator[Finding]:
    file = settings.freeze.policy
    if file is None:
        return
    from fzalert.freeze.policy import load_policy

    try:
        policy, shipped = load_policy(path=file), load_policy()
    except ConfigError as error:
        step = error.hint or "以随附的 cn-2024.toml 为底稿 start from a copy of cn-2024.toml"
        yield _error("freeze.policy", f"{error.args[0]} {step}")
        return
    lacking = sorted(shipped.limits.keys() - policy.limits.keys())
    if lacking:
        yield _error(
            "freeze.policy",
            f"{file} 缺少限值 has no limit {', '.join(lacking)}: copy the lines from cn-2024.toml",
        )
    if policy.missing:
        yield _warning(
            "freeze.policy",
            f"{file} 不适用的规则 does not apply the guards {', '.join(policy.missing)}",
        )


def _signer(settings: Settings) -> Iterator[Finding]:
    chosen = settings.freeze
    if chosen.signer_certificate is None or chosen.signer_key is None:
        return
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    certificate, problem = _certificate(chosen.signer_certificate)
    if certificate is None:
        yield _error("freeze.signer_certificate", problem)
    else:
        yield from _times("freeze.signer_certificate", certificate)
    try:
        key = load_pem_private_key(chosen.signer_key.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        yield _error(
            "freeze.signer_key",
            f"{chosen.signer_key} 读不了 is no private key in PEM without a password:"
            f" {_reason(error)}",
        )
        return
    if certificate is not None and key.public_key() != certificate.public_key():
        yield _error(
            "freeze.signer_key",
            f"{chosen.signer_key} 与证书不配 is not the key of {chosen.signer_certificate}",
        )


def _certificate(file: Path) -> tuple[x509.Certificate | None, str]:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(file.read_bytes()), ""
    except (OSError, ValueError) as error:
        return None, f"{file} 读不了 is no certificate in PEM: {_reason(error)}"


def _times(where: str, certificate: x509.Certificate) -> Iterator[Finding]:
    now = _now()
    left = certificate.not_valid_after_utc - now
    if left < timedelta(0):
        yield _error(where, "已过期 it has expired: put a new one in its place")
    elif certificate.not_valid_before_utc > now:
        yield _error(where, "尚未生效 it is not valid yet; is the clock right?")
    elif left < _EXPIRES_SOON:
        yield _warning(where, f"{left.days} 天后过期 it expires in {left.days} days")


def _is_for(certificate: x509.Certificate, name: str) -> bool:
    from cryptography import x509

    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return False
    known = {one.lower() for one in found.value.get_values_for_type(x509.DNSName)}
    return name in known or "*." + name.partition(".")[2] in known


def _reason(error: Exception) -> str:
    return (error.strerror or "") if isinstance(error, OSError) else type(error).__name__


def _now() -> datetime:
    return SystemClock().now().astimezone(UTC)


def _error(where: str, text: str) -> Finding:
    return Finding(level="error", where=where, text=text)


def _warning(where: str, text: str) -> Finding:
    return Finding(level="warning", where=where, text=text)
