"""`fzalert tls`: an authority of one's own for the intranet, and certificates under it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from fzalert.cli.session import current

if TYPE_CHECKING:
    from fzalert.access.certificates import Issued

__all__ = ["client", "init"]


class CertificateView(BaseModel):
    """A certificate that stands in a file."""

    certificate: str
    key: str
    names: list[str]
    not_after: str


def init(*names: str, folder: Path = Path("tls")) -> None:
    """Make an authority and the server's certificate; again, it only renews the server's.

    Args:
        names: Host names and addresses by which the server is reached.
        folder: Where the files stand.
    """
    from fzalert.access.certificates import init_tls
    from fzalert.clock import SystemClock

    authority, server = init_tls(folder, names, SystemClock().now())
    _show(server)
    output = current().output
    output.line(f'[web]\ncertificate = "{server.certificate}"\nkey = "{server.key}"')
    output.note(
        f"{authority.certificate} 装入每台电脑的受信任根；{authority.key} 请离线保存。"
        " Trust the first on every computer; keep the second away from the network."
    )


def client(machine: str, *, folder: Path = Path("tls")) -> None:
    """Make the client certificate of a machine, such as a branch's; again, it is renewed.

    Args:
        machine: Name of the machine.
        folder: Where the authority stands.
    """
    from fzalert.access.certificates import issue_client
    from fzalert.clock import SystemClock

    made = issue_client(folder, machine, SystemClock().now())
    _show(made)
    current().output.line(f"fzalert user add-machine {machine} --san uri:{made.names[0]}")


def _show(made: Issued) -> None:
    view = CertificateView(
        certificate=str(made.certificate),
        key=str(made.key),
        names=list(made.names),
        not_after=made.not_after.isoformat(),
    )
    output = current().output
    output.data(view)
    output.line(f"● {view.certificate} {', '.join(view.names)} 到期 until {view.not_after}")
