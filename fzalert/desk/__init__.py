"""The bank's side: a desk that gets packages, shows them, answers, and can prove both.

It runs on a store of its own, in the bank, and knows of the police side only the package, the
signatures and the numbers of the law.
"""

from fzalert.desk.inbox import Acknowledgement, DeskAnswer, Inbox, InboxItem, ItemState

__all__ = ["Acknowledgement", "DeskAnswer", "Inbox", "InboxItem", "ItemState"]
