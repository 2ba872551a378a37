"""The channel `post.relay`: a branch's warnings, handed to the county's fzalert."""

from fzalert_post.relay.adapter import Relay
from fzalert_post.relay.config import RelayConfig

__all__ = ["Relay", "RelayConfig"]
