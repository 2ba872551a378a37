"""Who may act, and the keys: actors, roles, credentials, signing and field encryption."""

from fzalert.access.actors import Actor, ActorKind, Role
from fzalert.access.directory import LOCAL_ROLES, Directory, UserRow
from fzalert.access.keys import FileSigner, KeySigner, verify
from fzalert.access.ranks import Rank
from fzalert.access.vault import KeyRow, KeyState, Vault

__all__ = [
    "LOCAL_ROLES",
    "Actor",
    "ActorKind",
    "Directory",
    "FileSigner",
    "KeyRow",
    "KeySigner",
    "KeyState",
    "Rank",
    "Role",
    "UserRow",
    "Vault",
    "verify",
]
