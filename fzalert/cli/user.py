"""`fzalert user`: people and machines, their offices, tokens and certificates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from fzalert.access import Role
from fzalert.cli.session import current, read_token
from fzalert.errors import InputError

if TYPE_CHECKING:
    from fzalert.service.models import UserView

__all__ = [
    "add",
    "add_machine",
    "appoint",
    "bind",
    "disable",
    "enrol",
    "list_users",
    "passkeys",
    "password",
    "renew",
    "revoke",
    "sessions",
    "sign_out",
    "unbind",
]

RANKS = {"station": "派出所", "county": "县级", "prefecture": "市级", "province": "省级"}
"""How a list writes the level of an office."""


class NewUser(BaseModel):
    """A user that was just added, with the token that is shown this once."""

    name: str
    roles: list[str]
    token: str


async def list_users() -> None:
    """List the people and machines that may come in."""
    session = current()
    async with session.service(delivers=False) as api:
        users = await api.users()
    session.output.rows(users)
    session.output.table(
        ["姓名", "种类", "角色", "级别", "单位", "状态", "自", "令牌到期", "证书"],
        [
            [
                user.name,
                "机器 machine" if user.machine else "人员 person",
                ", ".join(user.roles),
                "–" if user.machine else f"{RANKS[user.rank]} {user.rank}",
                user.unit or "–",
                "■ 停用" if user.disabled else "● 有效",
                user.created_at,
                user.expires_at or "–",
                ", ".join(_short(one) for one in user.certificates) or "–",
            ]
            for user in users
        ],
    )


async def add(
    name: str, *, role: list[str], days: float = 0, rank: str = "station", unit: str = ""
) -> None:
    """Add a person; the token is shown once and kept nowhere.

    Args:
        name: Lower-case letters, digits, '_' and '-'.
        role: A role; give the option once for each.
        days: How long the token is good; 0 for good.
        rank: Level of the person's office: station, county, prefecture or province.
        unit: Code of the person's unit, twelve digits.
    """
    await _add(name, role, machine=False, days=days, certificates=[], rank=rank, unit=unit)


async def appoint(name: str, *, rank: str | None = None, unit: str | None = None) -> None:
    """Give a person another rank or unit; nobody does so for himself.

    Args:
        name: Who.
        rank: Level of the office: station, county, prefecture or province.
        unit: Code of the unit, twelve digits; an empty text for none.
    """
    from fzalert.service.models import UserChange

    session = current()
    wanted = UserChange(action="appoint", name=name, rank=rank, unit=unit)
    async with session.service(delivers=False) as api:
        await api.change_user(wanted, await session.actor(api))
        found = [user for user in await api.users() if user.name == name]
    session.output.rows(found)
    for user in found:
        session.output.line(f"{name} {RANKS[user.rank]} {user.rank} {user.unit or '–'}")


async def add_machine(
    name: str,
    *,
    role: list[str] | None = None,
    days: float = 0,
    certificate: list[Path] | None = None,
    san: list[str] | None = None,
) -> None:
    """Add a machine, such as a branch's fzalert; its token is shown once and kept nowhere.

    Args:
        name: Lower-case letters, digits, '_' and '-'; for a branch its name in [[relay.branch]].
        role: A role; give the option once for each. Without it: relay.
        days: How long the token is good; 0 for good.
        certificate: File of a client certificate that stands for it (PEM).
        san: A name in its client certificates, such as uri:fz:branch:chengguan.
    """
    known = _certificates(certificate or [], san or [])
    await _add(name, role or [Role.RELAY], machine=True, days=days, certificates=known)


async def renew(name: str, *, days: float = 0) -> None:
    """Give somebody a new token; the old one is worth nothing at once.

    Args:
        name: Whose.
        days: How long the new token is good; 0 for good.
    """
    from fzalert.service.models import UserChange

    session = current()
    async with session.service(delivers=False) as api:
        wanted = UserChange(action="renew", name=name, days=days)
        token = await api.change_user(wanted, await session.actor(api))
        (user,) = [user for user in await api.users() if user.name == name]
    _show(name, user.roles, token)


async def password(name: str, *, file: Path | None = None) -> None:
    """Give a person a password to sign in with at the pages; everybody may change his own.

    Args:
        name: Whose.
        file: File that holds it, - for standard input; without it you are asked.
    """
    from pydantic import SecretStr

    from fzalert.service.models import UserChange

    session = current()
    secret = _new_password() if file is None else read_token(file, "")
    wanted = UserChange(action="password", name=name, password=SecretStr(secret))
    async with session.service(delivers=False) as api:
        await api.change_user(wanted, await session.actor(api))
    session.output.line(f"{name} 口令已设定 password set")


class Code(BaseModel):
    """A code by which a person makes a passkey; it is shown this once."""

    name: str
    code: str


async def enrol(name: str, *, days: float = 1) -> None:
    """Let a person make a passkey once, at the page /enrol, with a code that is shown this once.

    Args:
        name: Whose.
        days: How long the code is good, up to 14.
    """
    from fzalert.service.models import UserChange

    session = current()
    async with session.service(delivers=False) as api:
        wanted = UserChange(action="enrol", name=name, days=days)
        code = await api.change_user(wanted, await session.actor(api))
    session.output.data(Code(name=name, code=code))
    session.output.line(code)
    session.output.note(
        "登记码只显示这一次、只能用一次；本人在 /enrol 页输入。"
        " The code is shown this once and good once; its person enters it at /enrol."
    )


async def passkeys(name: str, *, remove: str | None = None) -> None:
    """List the passkeys of a person, or remove one.

    Args:
        name: Whose.
        remove: Id of the passkey that opens nothing any more.
    """
    from fzalert.service.models import UserChange

    session = current()
    async with session.service(delivers=False) as api:
        if remove is not None:
            wanted = UserChange(action="remove_passkey", name=name, passkey=remove)
            await api.change_user(wanted, await session.actor(api))
        users = [user for user in await api.users() if user.name == name]
    if not users:
        raise InputError("There is no user of that name.", field="name")
    found = users[0].passkeys
    session.output.rows(found)
    session.output.table(
        ["编号", "名称", "状态", "登记于", "最近使用", "设备种类"],
        [
            [
                one.id,
                one.label,
                "■ 停用：两台设备 closed" if one.blocked else "● 有效",
                one.created_at,
                one.used_at or "–",
                one.aaguid,
            ]
            for one in found
        ],
    )


def _new_password() -> str:
    """Ask for a new password twice; nothing of it shows."""
    import getpass
    import sys

    if not sys.stdin.isatty():
        raise InputError("Nobody can be asked here.", hint="Give --file, - for standard input.")
    first = getpass.getpass("新口令 New password: ")
    if getpass.getpass("再输一次 Once more: ") != first:
        raise InputError("The two are not the same.", hint="Try again.", field="password")
    return first


async def bind(
    name: str,
    *,
    certificate: list[Path] | None = None,
    san: list[str] | None = None,
    subject: list[str] | None = None,
) -> None:
    """Let a client certificate stand for a machine, or a subject of the provider for a person.

    Args:
        name: The machine, or the person.
        certificate: File of the certificate (PEM).
        san: A name in its certificates, such as uri:fz:branch:chengguan.
        subject: What the OpenID provider calls the person.
    """
    some = not subject
    known = _certificates(certificate or [], san or [], some=some)
    await _change("bind", name, known, _subjects(subject or []))


async def unbind(
    name: str,
    *,
    certificate: list[Path] | None = None,
    san: list[str] | None = None,
    fingerprint: list[str] | None = None,
    subject: list[str] | None = None,
) -> None:
    """Let a client certificate, or a subject of the provider, in no more, from now on.

    Args:
        name: The machine, or the person.
        certificate: File of the certificate (PEM); it is kept out even if a name in it is bound.
        san: A name that was bound.
        fingerprint: sha256: and 64 hex digits, where the file is gone.
        subject: What the OpenID provider calls the person.
    """
    names = [*(san or []), *(fingerprint or [])]
    known = _certificates(certificate or [], names, some=not subject)
    await _change("unbind", name, known, _subjects(subject or []))


def _subjects(names: list[str]) -> list[str]:
    """Subjects with the issuer of the configuration in front, as they are kept."""
    provider = current().settings().access.oidc
    if names and provider is None:
        raise InputError(
            "There is no provider.", hint="Set issuer under [access.oidc].", field="subject"
        )
    return [f"{provider.issuer} {name}" for name in names if provider is not None]


async def sessions() -> None:
    """List who is signed in at the pages."""
    session = current()
    async with session.service(delivers=False) as api:
        found = await api.sessions(await session.actor(api))
    session.output.rows(found)
    session.output.table(
        ["编号", "姓名", "登录于", "最近使用", "最近确认身份"],
        [[one.id, one.name, one.opened_at, one.seen_at, one.proved_at] for one in found],
    )


async def sign_out(name: str) -> None:
    """End every session of somebody at the pages; the token stays good.

    Args:
        name: Whose.
    """
    from fzalert.service.models import UserChange

    session = current()
    async with session.service(delivers=False) as api:
        by = await session.actor(api)
        await api.change_user(UserChange(action="sign_out", name=name), by)
        left = [one for one in await api.sessions(by) if one.name == name]
    session.output.rows(left)
    session.output.line(f"{name} 已退出 signed out")


async def revoke(name: str) -> None:
    """Make token, password, passkeys and certificates of somebody worth nothing.

    Args:
        name: Whose.
    """
    await _change("revoke", name, [])


async def disable(name: str) -> None:
    """Close somebody's access at once.

    Args:
        name: Whose.
    """
    session = current()
    async with session.service(delivers=False) as api:
        await api.disable_user(name, await session.actor(api))
        users = await api.users()
    session.output.rows(user for user in users if user.name == name)
    session.output.line(f"{name} 已停用 disabled")


async def _add(
    name: str,
    roles: list[str],
    *,
    machine: bool,
    days: float,
    certificates: list[str],
    rank: str | None = None,
    unit: str | None = None,
) -> None:
    from fzalert.service.models import UserChange

    unknown = set(roles) - set(Role)
    if unknown:
        raise InputError(
            f"There is no role {', '.join(sorted(unknown))}.",
            hint=f"Roles: {', '.join(Role)}.",
            field="role",
        )
    wanted = UserChange(
        action="add",
        name=name,
        roles=roles,
        machine=machine,
        days=_days(days),
        certificates=certificates,
        rank=rank,
        unit=unit,
    )
    session = current()
    async with session.service(delivers=False) as api:
        token = await api.change_user(wanted, await session.actor(api))
    _show(name, roles, token)


async def _change(
    action: str, name: str, certificates: list[str], subjects: list[str] | None = None
) -> None:
    from fzalert.service.models import UserChange

    wanted = UserChange.model_validate(
        {
            "action": action,
            "name": name,
            "certificates": certificates,
            "subjects": subjects or [],
        }
    )
    session = current()
    async with session.service(delivers=False) as api:
        await api.change_user(wanted, await session.actor(api))
        found: list[UserView] = [user for user in await api.users() if user.name == name]
    session.output.rows(found)
    for user in found:
        known = ", ".join([*(_short(one) for one in user.certificates), *user.subjects])
        session.output.line(f"{name} {action}: {known or '没有绑定 nothing is bound'}")


def _show(name: str, roles: list[str], token: str) -> None:
    output = current().output
    output.data(NewUser(name=name, roles=roles, token=token))
    output.line(token)
    output.note("令牌只显示这一次，请妥善保存。 The token is shown this once.")


def _days(days: float) -> float:
    if days < 0:
        raise InputError("A number of days is not negative; 0 is for good.", field="days")
    return days


def _certificates(files: list[Path], names: list[str], *, some: bool = False) -> list[str]:
    """What certificates are known by: their fingerprints, and names as they were given."""
    found = [*(_fingerprint(file) for file in files), *names]
    if some and not found:
        raise InputError("Which certificate? Give --certificate or --san.", field="certificate")
    return found


def _fingerprint(file: Path) -> str:
    import hashlib
    import ssl

    try:
        pem = file.read_text(encoding="ascii")
        first = pem[pem.index("-----BEGIN CERTIFICATE-----") :].partition("-----END")[0]
        der = ssl.PEM_cert_to_DER_cert(first + "-----END CERTIFICATE-----\n")
    except (OSError, ValueError) as error:
        raise InputError(f"{file} holds no certificate in PEM.", field="certificate") from error
    return "sha256:" + hashlib.sha256(der).hexdigest()


def _short(certificate: str) -> str:
    """A certificate for a narrow column; a revoked one says so."""
    word = "已吊销 revoked " if certificate.startswith("!") else ""
    plain = certificate.removeprefix("!")
    return word + (plain[:19] + "…" if plain.startswith("sha256:") else plain)
