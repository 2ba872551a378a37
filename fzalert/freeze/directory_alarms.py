"""What is wrong with the directory of desks, before a night on which it is needed.

Source: RFC 5280, 4.1.2.5 (validity).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from fzalert.freeze.directory import Desk, Directory, Drill

__all__ = ["CERTIFICATE_DAYS", "STALE_AFTER", "UNANSWERED_AFTER", "DeskAlarm", "desk_alarms"]

STALE_AFTER = timedelta(days=35)
"""A desk that acknowledged no test for so long is not to be relied on: a month, and five days."""
CERTIFICATE_DAYS = (30, 14, 7, 1)
"""Days before the end of a certificate at which its alarm is told anew."""
UNANSWERED_AFTER = timedelta(minutes=15)
"""A test that is not acknowledged by then has failed."""


@dataclass(frozen=True, slots=True)
class DeskAlarm:
    """One thing to mend.

    Attributes:
        code: The institution.
        kind: `stale`, `unanswered`, `certificate-ends`, `certificate-ended`, `no-certificate`,
            `entry-ends` or `entry-ended`.
        zh: What and what to do, in Chinese.
        en: The same in English.
        days: Whole days that are left, or that it is over; None where it is no matter of days.
    """

    code: str
    kind: str
    zh: str
    en: str
    days: int | None = None


def desk_alarms(directory: Directory, now: datetime) -> list[DeskAlarm]:
    """Everything that has to be mended, in the order of the codes."""
    found: list[DeskAlarm] = []
    for code, standing in sorted(directory.standings.items()):
        desk = standing.desk(now)
        if desk is None:
            ended = [one.desk for one in standing.versions if one.desk is not None]
            if ended and ended[0].valid_to is not None and ended[0].valid_to <= now:
                found.append(
                    DeskAlarm(
                        code,
                        "entry-ended",
                        "通讯录条目已到期，暂不能联系该机构。请电话核实后重新登记。",
                        "The entry has ended, so the desk is not reached. Telephone and renew it.",
                    )
                )
            continue
        used_from = min(one.use_from for one in standing.versions if one.use_from is not None)
        tested = standing.last_tested_at
        since = now - (tested or used_from)
        if since > STALE_AFTER:
            days = since // timedelta(days=1)
            found.append(
                DeskAlarm(
                    code,
                    "stale",
                    f"{days} 天没有演练回执，请演练并电话核实。",
                    f"No test was acknowledged for {days} days: run a drill, and telephone.",
                    days,
                )
            )
        found += _unanswered(code, standing.drills, now)
        found += _ending(code, desk, now)
    return found


def _unanswered(code: str, drills: tuple[Drill, ...], now: datetime) -> list[DeskAlarm]:
    last = drills[-1] if drills else None
    if last is None or last.answered_at is not None or now - last.sent_at <= UNANSWERED_AFTER:
        return []
    return [
        DeskAlarm(
            code,
            "unanswered",
            "最近一次演练没有回执，请电话核实值班电话和接收通道。",
            "The last test was not acknowledged: telephone, and check phone and channel.",
        )
    ]


def _ending(code: str, desk: Desk, now: datetime) -> list[DeskAlarm]:
    found = []
    if desk.valid_to is not None and desk.valid_to - now <= timedelta(days=CERTIFICATE_DAYS[0]):
        days = (desk.valid_to - now) // timedelta(days=1)
        found.append(
            DeskAlarm(
                code,
                "entry-ends",
                f"通讯录条目 {days} 天后到期，请核实后续期。",
                f"The entry ends in {days} days: check and renew it.",
                days,
            )
        )
    for way in desk.ways:
        if not way.certificate:
            continue
        end = _end(way.certificate)
        if end is None:
            found.append(
                DeskAlarm(
                    code,
                    "no-certificate",
                    "证书无法读取，请向该机构重新索取。",
                    "The certificate cannot be read: ask the desk for it again.",
                )
            )
        elif end <= now:
            found.append(
                DeskAlarm(
                    code,
                    "certificate-ended",
                    "证书已过期，邮件不再发送。请电话索取新证书并办理变更。",
                    "The certificate has ended, so no mail is sent. Telephone for a new one.",
                    (now - end) // timedelta(days=1),
                )
            )
        elif end - now <= timedelta(days=CERTIFICATE_DAYS[0]):
            days = (end - now) // timedelta(days=1)
            found.append(
                DeskAlarm(
                    code,
                    "certificate-ends",
                    f"证书 {days} 天后到期，请提前索取新证书（变更生效需 24 小时）。",
                    f"The certificate ends in {days} days: get a new one; it waits 24 hours.",
                    days,
                )
            )
    return found


def _end(pem: str) -> datetime | None:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc
    except ValueError:
        return None
