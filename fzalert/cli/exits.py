"""What an exit code means; programs rely on these, so they never change their meaning."""

from __future__ import annotations

import enum

from fzalert import errors

__all__ = ["MEANINGS", "Exit", "exit_for"]


class Exit(enum.IntEnum):
    """The exit codes of every command."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    CONFIG = 3
    GUARD = 4
    REMOTE_REFUSED = 5
    UNREACHABLE = 6
    PARTLY = 7
    LOCKED = 8
    INTEGRITY = 9
    INTERRUPTED = 130


MEANINGS: dict[Exit, str] = {
    Exit.OK: "成功 ok",
    Exit.UNEXPECTED: "程序出错 unexpected",
    Exit.USAGE: "用法或参数错误 wrong usage or value",
    Exit.CONFIG: "配置有误 wrong configuration",
    Exit.GUARD: "被规则拒绝 refused by a guard (approval, role, limit)",
    Exit.REMOTE_REFUSED: "对方拒绝 refused by the far side",
    Exit.UNREACHABLE: "连不上 cannot be reached",
    Exit.PARTLY: "部分完成 or fate unknown",
    Exit.LOCKED: "已有进程占用 another process owns the store",
    Exit.INTEGRITY: "数据或存证受损 damaged store or evidence",
    Exit.INTERRUPTED: "被中断 interrupted",
}

# The first row that fits decides; the tree is in `fzalert.errors`.
_EXITS: tuple[tuple[type[errors.FzalertError], Exit], ...] = (
    (errors.ConfigError, Exit.CONFIG),
    (errors.ScriptNotApproved, Exit.GUARD),
    (errors.AccessDenied, Exit.GUARD),
    (errors.GuardsUnmet, Exit.GUARD),
    (errors.InputError, Exit.USAGE),
    (errors.Overloaded, Exit.GUARD),
    (errors.FateUnknown, Exit.PARTLY),
    (errors.ChannelRefused, Exit.REMOTE_REFUSED),
    (errors.ChannelError, Exit.UNREACHABLE),
    (errors.StoreInUse, Exit.LOCKED),
    (errors.LeaseLost, Exit.LOCKED),
    (errors.StoreDamaged, Exit.INTEGRITY),
    (errors.StoreRolledBack, Exit.INTEGRITY),
    (errors.IntegrityError, Exit.INTEGRITY),
    (errors.NotConnected, Exit.UNREACHABLE),
)


def exit_for(error: errors.FzalertError) -> Exit:
    """Return the exit code of an error."""
    return next((code for kind, code in _EXITS if isinstance(error, kind)), Exit.UNEXPECTED)
