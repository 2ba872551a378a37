"""`fzalert sms decode`: one frame of a carrier's protocol, field by field."""

from fzalert_sms.decoding.explain import PROTOCOLS, Explained, explain

__all__ = ["PROTOCOLS", "Explained", "explain"]
