"""`fzalert user`: people and their tokens."""

from __future__ import annotations

from pydantic import BaseModel

from fzalert.access import Role
from fzalert.cli.session import current
from fzalert.errors import InputError

__all__ = ["add", "disable", "list_users"]


class NewUser(BaseModel):
    """A user that was just added, with the token that is shown this once."""

    name: str
    roles: list[str]
    token: str


async def list_users() -> None:
    """List the people who may come in."""
    session = current()
    async with session.service(delivers=False) as api:
        users = await api.users()
    session.output.rows(users)
    session.output.table(
        ["姓名", "角色", "状态", "自"],
        [
            [
                user.name,
                ", ".join(user.roles),
                "■ 停用" if user.disabled else "● 有效",
                user.created_at,
            ]
            for user in users
        ],
    )


async def add(name: str, *, role: list[str]) -> None:
    """Add a person; the token is shown once and kept nowhere.

    Args:
        name: Lower-case letters, digits, '_' and '-'.
        role: A role; give the option once for each.
    """
    unknown = set(role) - set(Role)
    if unknown:
        raise InputError(
            f"There is no role {', '.join(sorted(unknown))}.",
            hint=f"Roles: {', '.join(Role)}.",
            field="role",
        )
    session = current()
    async with session.service(delivers=False) as api:
        token = await api.add_user(name, role)
    session.output.data(NewUser(name=name, roles=role, token=token))
    session.output.line(token)
    session.output.note("令牌只显示这一次，请交给本人保存。 The token is shown this once.")


async def disable(name: str) -> None:
    """Close somebody's access at once.

    Args:
        name: Whose.
    """
    session = current()
    async with session.service(delivers=False) as api:
        await api.disable_user(name)
        users = await api.users()
    session.output.rows(user for user in users if user.name == name)
    session.output.line(f"{name} 已停用 disabled")
