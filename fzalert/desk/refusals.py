"""What the desk did not take: who came, when, and why not; the newest two hundred.

A refused request never stands in the inbox. Its list is for people: a bank that is attacked, or a
unit whose certificate has ended, is seen there. The same refusal is written once an hour, and sixty
at most in a minute, so that nobody fills the disk with them.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from fzalert.clock import Clock
from fzalert.evidence import Json
from fzalert.store import ChangeSet, EvidenceEntry, StateRow, Store
from fzalert.store.port import Vault

__all__ = ["REASONS", "Refusal", "Refusals", "reason_of_line"]

REASONS: dict[str, tuple[str, str]] = {
    "unknown-key": ("签名密钥不认识：可能是伪造", "signed with an unknown key: perhaps forged"),
    "ended-key": ("签名密钥已到期", "the signing key has ended"),
    "not-fresh": ("签名时间相差超过 5 分钟：可能是重放", "the signed time is too far off"),
    "wrong-signature": ("签名与内容不符：被改动或伪造", "the signature does not fit the content"),
    "replayed": ("同一请求第二次送来：重放", "the same request a second time: replayed"),
    "unsigned": ("没有签名", "not signed"),
    "malformed": ("内容不合规定", "malformed"),
    "other-institution": ("账户属于别的机构", "the account is of another institution"),
    "changed": ("同一申请编号、不同内容", "the same application id with other content"),
    "expired-certificate": ("对方客户端证书已过期", "the client certificate has expired"),
    "unknown-certificate": ("对方客户端证书不是认可机构签发", "an unknown client certificate"),
    "no-certificate": ("对方没有出示证书", "no client certificate"),
}
"""Every reason in Chinese and English."""
NAMESPACE = "desk-refused"
MOST = 200
SAME_MS = 3_600_000
A_MINUTE = 60
_COLUMN = "state.value"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One request that was not taken.

    Attributes:
        at: When, ISO 8601 in UTC.
        reason: One of `REASONS`.
        key_id: Key that it claims, or empty.
        certificate: Fingerprint of the line's certificate, or empty.
        application_id: That it claims, or empty; nothing of it is believed.
        sha256: Of its body, or empty.
    """

    at: str
    reason: str
    key_id: str = ""
    certificate: str = ""
    application_id: str = ""
    sha256: str = ""


def reason_of_line(why: str) -> str:
    """The reason for what TLS says of a client that ended in the handshake."""
    if "expired" in why:
        return "expired-certificate"
    return "no-certificate" if "no certificate" in why else "unknown-certificate"


class Refusals:
    """Keeps what was refused.

    Args:
        store: The desk's own.
        vault: Of that store.
        clock: Reader of time.
    """

    def __init__(self, store: Store, vault: Vault, clock: Clock) -> None:
        self._store = store
        self._vault = vault
        self._clock = clock
        self._seen: OrderedDict[tuple[str, ...], int] = OrderedDict()
        self._minute = (0, 0)
        self._count = 0

    async def note(
        self,
        reason: str,
        *,
        key_id: str = "",
        certificate: str = "",
        application_id: str = "",
        sha256: str = "",
    ) -> bool:
        """Note one refusal; False where it was noted within the hour, or there are too many."""
        now = self._clock.millis()
        same = (reason, key_id, certificate, sha256)
        if now - self._seen.get(same, -SAME_MS) < SAME_MS:
            return False
        minute, count = self._minute
        count = count + 1 if minute == now // 60_000 else 1
        self._minute = (now // 60_000, count)
        if count > A_MINUTE:
            return False
        self._seen[same] = now
        while len(self._seen) > MOST:
            self._seen.popitem(last=False)
        self._count += 1
        key = f"{now:013d}-{self._count % 1000:03d}"
        at = datetime.fromtimestamp(now / 1000, UTC).isoformat(timespec="seconds")
        refusal = Refusal(at, reason, key_id, certificate, application_id[:36], sha256)
        plain = json.dumps(asdict(refusal)).encode()
        sealed = self._vault.encrypt(_COLUMN, f"{NAMESPACE}/{key}", plain)
        facts: dict[str, Json] = {"reason": reason, "key_id": key_id, "certificate": certificate}
        if sha256:
            facts["sha256"] = sha256
        rows = [StateRow(NAMESPACE, key, sealed)]
        kept = await self._store.state(NAMESPACE)
        rows += [StateRow(NAMESPACE, old, None) for old, _ in kept[: max(0, len(kept) + 1 - MOST)]]
        entry = EvidenceEntry("store", "machine:desk", "desk.refused", facts)
        await self._store.commit(ChangeSet(state=tuple(rows), evidence=(entry,)))
        return True

    async def all(self) -> list[Refusal]:
        """What was refused, the newest first."""
        found = [
            Refusal(**json.loads(self._vault.decrypt(_COLUMN, f"{NAMESPACE}/{key}", value)))
            for key, value in await self._store.state(NAMESPACE)
        ]
        return found[::-1]
