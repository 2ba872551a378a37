"""The shared HTTP pool: total deadlines, an SSRF guard, bodies with a cap, redaction."""

from fzalert.http.pool import HttpAnswer, HttpPool

__all__ = ["HttpAnswer", "HttpPool"]
