"""Unknown fates that a person settles: what is asked for, what is found, what is decided."""

from __future__ import annotations

import enum
from typing import NamedTuple

from fzalert.messages import Lane, Target


class Decision(enum.StrEnum):
    """What a person says of a message whose fate is unknown."""

    DELIVERED = "delivered"
    NOT_DELIVERED = "not_delivered"
    SEND_AGAIN = "send_again"
    """Send it once more, knowing that the first one may have arrived."""


class SettleResult(enum.StrEnum):
    """What became of a decision about one message."""

    SETTLED = "settled"
    REPEATED = "repeated"
    """It stood so already; nothing was changed."""
    NOT_UNKNOWN = "not_unknown"
    """Its fate is known by now, or was settled otherwise."""
    TOO_LATE = "too_late"
    """Its window has ended, so it is not sent again."""
    RESENT_BEFORE = "resent_before"
    """It was sent a second time already; there is no third."""
    NO_CHANNEL = "no_channel"
    """Its channel is not configured any more."""
    NO_MESSAGE = "no_message"


class Settlement(NamedTuple):
    """One person's decision about some messages.

    Attributes:
        messages: Their ids.
        decision: What is decided of each.
        by: Who decides.
        reason: Why, for the record; without personal data.
        channels: Channels that can send; the others send nothing again.
    """

    messages: tuple[int, ...]
    decision: Decision
    by: str
    reason: str
    channels: frozenset[str] = frozenset()


class Settled(NamedTuple):
    """What became of one message of a settlement."""

    message: int
    result: SettleResult
    channel: str = ""


class UnknownQuery(NamedTuple):
    """Which unknown fates are asked for.

    Attributes:
        after: The message that the page before ended with; 0 at first.
        limit: How many messages at most.
        channel: Only of this channel, where it is given.
        campaign: Only of this campaign, where it is given.
    """

    after: int = 0
    limit: int = 50
    channel: str = ""
    campaign: int = 0


class UnknownRow(NamedTuple):
    """One message whose fate is unknown.

    Attributes:
        message: Its id.
        warning: The warning's.
        campaign: The campaign's, or 0.
        script: The script's key.
        channel: The channel that had it last.
        lane: Its lane.
        target: Whom it was for.
        not_after: End of its window, milliseconds.
        unknown: How many of its parts are unknown.
        parts: How many parts it has.
        word: The channel's last word.
        detail: Why it is unknown.
        at: Since when, milliseconds.
        resent: Whether it was sent a second time already.
        resend_at: When it is sent once more; 0 where it is held.
    """

    message: int
    warning: int
    campaign: int
    script: str
    channel: str
    lane: Lane
    target: Target
    not_after: int
    unknown: int
    parts: int
    word: str
    detail: str
    at: int
    resent: bool
    resend_at: int
