"""What every channel of a carrier does, whatever protocol it speaks.

A protocol brings its frames (codec), how its sessions speak, and a dialect: what its words mean.
"""

from fzalert_sms.carrier.session import ClientSession, Session

__all__ = ["ClientSession", "Session"]
