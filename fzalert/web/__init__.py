"""The interface for programs, the staff pages, and the routes that adapters bring."""

from fzalert.web.app import build_app
from fzalert.web.server import WebServer
from fzalert.web.streams import Stopping

__all__ = ["Stopping", "WebServer", "build_app"]
