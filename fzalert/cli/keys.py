"""`fzalert keys`: the master key and the data keys of the store."""

from __future__ import annotations

from pathlib import Path

from fzalert.cli.session import current
from fzalert.service import custody_models as asks
from fzalert.service.custody_models import KeysView

__all__ = ["rotate", "show_keys", "status"]

_STATES = {
    "active": "● 在用 active",
    "old": "▲ 旧 old",
    "destroyed": "□ 已销毁 destroyed",
    "index": "● 检索 index",
}


async def status(*, token_file: Path | None = None) -> None:
    """Show the keys, and how many stored values an old one still has to open.

    Args:
        token_file: Who acts: a file with a token, - for standard input.
    """
    show_keys(await _ask(asks.KeysAsk(), token_file))


async def rotate(*, token_file: Path | None = None) -> None:
    """Take another master key and another data key; the daemon goes on meanwhile.

    The daemon seals the stored values anew beside everything else, at its next start where it does
    not run now. The former master key stays in a file
    beside the new one, for backups from before; the store itself needs it no more.

    Args:
        token_file: Who acts: a file with a token, - for standard input.
    """
    show_keys(await _ask(asks.RotateAsk(), token_file))


async def _ask(ask: asks.CustodyAsk, token_file: Path | None) -> KeysView:
    session = current()
    async with session.service(delivers=False) as api:
        answer = await api.custody(ask, await session.actor(api, token_file))
    if answer.keys is None:
        raise TypeError("the service gave no keys")
    return answer.keys


def show_keys(keys: KeysView) -> None:
    """Print the keys of a store."""
    output = current().output
    output.data(keys)
    where = "文件 file" if keys.kept_in == "file" else "配置引用 reference"
    output.line(f"主密钥 master key {keys.master}  {where}")
    output.table(
        ["数据密钥", "状态", "制于", "所封数据"],
        [
            [str(one.id), _STATES.get(one.state, one.state), one.created_at, str(one.values)]
            for one in keys.keys
        ],
    )
    if keys.waiting:
        output.line(f"▲ 待重新加密 to be sealed anew: {keys.waiting}")
    for name in keys.former:
        output.line(f"○ 旧主密钥仅旧备份需要 needed by older backups alone: {name}")
    if keys.problem:
        output.line(f"■ {keys.problem}")
