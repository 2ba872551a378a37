"""The shared HTTP pool: total deadlines, an SSRF guard, bodies with a cap, redaction."""

from fzalert.http.guard import Origin, check_url
from fzalert.http.pool import HttpAnswer, HttpPool

__all__ = ["HttpAnswer", "HttpPool", "Origin", "check_url"]
