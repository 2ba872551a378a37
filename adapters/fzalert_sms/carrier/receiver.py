"""A connection that only takes what the gateway delivers, where sending has its own.

Many provinces give an account one connection for texts and another for reports and replies.
"""

from __future__ import annotations

from collections.abc import Sequence

from fzalert.ports import AdapterContext
from fzalert_sms.carrier.account import Account
from fzalert_sms.carrier.config import CarrierConfig
from fzalert_sms.carrier.dialect import Dialect
from fzalert_sms.carrier.inbox import Inbox
from fzalert_sms.carrier.line import Line
from fzalert_sms.carrier.session import Congested, Delivered, Event, Stray
from fzalert_sms.carrier.transport import Link


class Receiver:
    """Keeps a line of its own and hands what comes on it to the inbox.

    Attributes:
        line: The link that is there, or why there is none.
    """

    def __init__(
        self,
        config: CarrierConfig,
        context: AdapterContext,
        dialect: Dialect,
        inbox: Inbox,
        account: Account,
    ) -> None:
        places = config.receive_endpoints
        self.line = Line(config, context, dialect, self, account, places, use="receive")
        self._inbox = inbox

    def on_events(self, link: Link, events: Sequence[Event]) -> None:
        """Take what happened on the link."""
        for event in events:
            if isinstance(event, Delivered):
                self._inbox.deliver(link, event.frame)
            elif not isinstance(event, Stray | Congested):  # an answer to nothing that was asked
                self.line.on_event(link, event)

    def on_lost(self, link: Link, reason: str) -> None:
        """The link is gone; nothing of ours was on it."""
        link.session.abandon()
        self._inbox.lost(link)
        self.line.on_lost(link, reason, unanswered=0)

    def on_tick(self) -> None:
        """Nothing of its own depends on the time."""
