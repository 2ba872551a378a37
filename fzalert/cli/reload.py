"""`fzalert reload`: the running process reads its configuration again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from fzalert.cli.session import current
from fzalert.errors import NotConnected
from fzalert.service.models import ReloadView

__all__ = ["reload"]

_SHORT = 12
_ACTIONS = {
    "added": "● 新增 added",
    "changed": "▲ 改变 changed",
    "removed": "■ 去掉 removed",
}
_KINDS = {"channel": "通道 channel", "section": "段落 section"}


async def reload(
    *,
    allow_down: Annotated[bool, Parameter(negative=())] = False,
    token_file: Path | None = None,
) -> None:
    """Let the running process read its configuration again, without a restart.

    Whatever fails leaves the old configuration running. Channels that did not change keep their
    connection; a removed one drains first, and what waits on it stays.

    Args:
        allow_down: Take a new channel also where its line does not come up.
        token_file: File with the token of who acts; `-` reads it from standard input.
    """
    from fzalert.client import connect

    session = current()
    settings = session.settings()  # a fault in the file ends here; nobody needs to be asked
    client = connect(settings)
    try:
        await client.__aenter__()
    except NotConnected as error:
        raise NotConnected(
            str(error.args[0]),
            hint="Nothing runs, so there is nothing to reload: the file is read at the start. After"
            " a change of [store] url restart the process instead.",
        ) from error
    async with client:
        view = await client.reload(await session.actor(client, token_file), allow_down=allow_down)
    session.output.data(view)
    _show(view)


def _show(view: ReloadView) -> None:
    output = current().output
    if view.changes:
        output.table(
            ["什么 what", "名称 name", "变化 change", "说明 detail"],
            [
                [_KINDS[change.kind], change.name, _ACTIONS[change.action], change.detail]
                for change in view.changes
            ],
        )
    else:
        output.line("没有变化。 Nothing changed.")
    for name, number in view.waiting.items():
        output.line(
            f"▲ {name}: {number} 条仍在排队，不会发送，直到同名通道重新配置。"
            f" {number} parts wait until a channel of that name is configured again."
        )
    output.line(f"{view.file}: {view.before[:_SHORT]} → {view.after[:_SHORT]}")
