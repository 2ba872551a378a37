"""Stored rows as what callers read, and what callers write as targets. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from fzalert.campaigns import Campaign
from fzalert.errors import InputError
from fzalert.messages import (
    Outcome,
    OutcomeState,
    Target,
    TargetKind,
    Warning,
    WarningId,
    bank_desk,
    counter,
    display,
    group,
    mailbox,
    phone,
    speaker,
)
from fzalert.service.models import (
    CampaignView,
    CountersView,
    OutcomeView,
    WarningView,
    WarnRequest,
)
from fzalert.store import CounterRow, NewMessage, PartState, WarningRow

MAKERS = {
    TargetKind.PHONE: phone,
    TargetKind.DISPLAY: display,
    TargetKind.SPEAKER: speaker,
    TargetKind.COUNTER: counter,
    TargetKind.MAILBOX: mailbox,
    TargetKind.GROUP: group,
    TargetKind.BANK_DESK: bank_desk,
}

RESENT = "因首次结果不明，已重发一次。 Sent a second time: nothing was known of the first."


def parse_target(text: str) -> Target:
    """Read `kind:address`.

    Raises:
        InputError: Unknown kind, or no address of that kind; `field` is `to`.
    """
    kind, colon, address = text.partition(":")
    if not colon or kind not in set(TargetKind):
        raise InputError(
            f"{kind[:20]!r} is no kind of target.",
            hint=f"Write kind:address with one of {', '.join(TargetKind)}.",
            field="to",
        )
    return MAKERS[TargetKind(kind)](address)


def key_hash_of(request: WarnRequest) -> bytes:
    """What an idempotency key stands for: everything of the request but the key."""
    body = request.model_dump(exclude={"key"})
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()


_OF_THE_LIST = (
    *("parts", "sha256", "rows", "duplicates", "refused", "by_code", "villages", "refusals"),
    *("groups", "left_out", "only", "excluded"),
)


def campaign_view(campaign: Campaign) -> CampaignView:
    """A stored campaign as callers read it."""
    document, row = campaign.document, campaign.row
    kept = {name: document[name] for name in _OF_THE_LIST if name in document}
    return CampaignView.model_validate(
        {
            "id": str(row.id),
            "name": row.name,
            "warning": str(row.warning),
            "script": document["script"],
            "state": row.state,
            "total": row.total,
            "fed": min(row.cursor, row.total),
            "reason": document.get("reason", ""),
            **kept,
        }
    )


def time_text(millis: int) -> str:
    """A stored time as RFC 3339 in UTC; empty for none."""
    if not millis:
        return ""
    return datetime.fromtimestamp(millis / 1000, UTC).isoformat(timespec="milliseconds")


def warning_view(row: WarningRow, outcomes: Sequence[Outcome]) -> WarningView:
    """A stored warning with the fates of its messages."""
    return WarningView(
        id=str(row.id),
        script=row.script,
        language=row.language,
        lane=str(row.lane),
        accepted_at=time_text(row.created),
        not_after=time_text(row.not_after),
        key=row.key,
        by=row.by,
        drill=row.drill,
        state=overall(outcomes),
        targets=[
            OutcomeView(
                message=str(outcome.message),
                target=str(outcome.target),
                channel=outcome.channel,
                state=str(outcome.state),
                proof=outcome.proof.name.lower(),
                word=outcome.word,
                code=outcome.code,
                detail=f"{RESENT} {outcome.detail}".strip() if outcome.resent else outcome.detail,
                at=time_text(outcome.at),
                parts=outcome.parts,
                duration_ms=outcome.duration_ms,
                resent=outcome.resent,
            )
            for outcome in outcomes
        ],
    )


def accepted_view(id: WarningId, warning: Warning, messages: Sequence[NewMessage]) -> WarningView:
    """A warning that was just put on disk, where its fates cannot be read."""
    return WarningView(
        id=str(id),
        script=warning.script,
        language=warning.language,
        lane=str(warning.lane),
        accepted_at="",
        not_after=time_text(warning.not_after),
        key=warning.key,
        by=warning.by,
        drill=warning.drill,
        state="open",
        targets=[
            OutcomeView(
                message=str(message.id) if id == warning.id else "",
                target=str(message.target),
                channel=message.channel,
                state="suppressed" if message.refused else "open",
                proof="none",
                word="suppressed" if message.refused else "queued",
                detail=message.refused,
                parts=message.parts,
            )
            for message in messages
        ],
    )


def overall(outcomes: Sequence[Outcome]) -> str:
    """One word for all: the common fate, `open` while one is open, else `partly`."""
    states = {outcome.state for outcome in outcomes}
    if OutcomeState.OPEN in states or not states:
        return "open"
    return str(states.pop()) if len(states) == 1 else "partly"


_COUNTED: Mapping[PartState, str] = {
    PartState.QUEUED: "queued",
    PartState.CLAIMED: "open",
    PartState.SENT: "sent",
    PartState.DELIVERED: "delivered",
    PartState.FAILED: "failed",
    PartState.EXPIRED: "expired",
    PartState.UNKNOWN: "unknown",
    PartState.SUPPRESSED: "suppressed",
    PartState.WITHDRAWN: "failed",
}


def counters_view(rows: Sequence[CounterRow]) -> CountersView:
    """Counters of channels and lanes, added up."""
    sums = dict.fromkeys(CountersView.model_fields, 0)
    for row in rows:
        sums["accepted"] += row.n
        sums[_COUNTED[row.state]] += row.n
        if row.state is PartState.SENT:
            sums["open"] += row.n
    return CountersView(**sums)
