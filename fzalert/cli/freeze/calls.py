"""`fzalert freeze tasks | task-done`: the telephone calls that silent desks ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fzalert.cli.freeze.asking import desk, local, show_case
from fzalert.cli.session import current
from fzalert.service import freeze_models as asks

__all__ = ["task_done", "tasks"]

_ROLES = {
    "desk": "24小时专岗 desk",
    "person-a": "A 角 person A",
    "person-b": "B 角 person B",
    "supervisor": "负责人 supervisor",
    "centre": "反诈中心 centre",
}


async def tasks(case: str = "", *, reveal: bool = False, token_file: Path | None = None) -> None:
    """List whom to telephone because a bank's desk is silent, and what to say.

    The numbers are those of our own directory. Persons are masked unless they are revealed.

    Args:
        case: One case; every open one unless given.
        reveal: Show names and telephones of persons; that is put on record.
        token_file: Who acts: a file with a token, - for standard input.
    """
    async with desk(token_file) as at:
        answer = await at.ask(asks.TasksAsk(case=case, reveal=reveal))
    output = current().output
    if not answer.tasks:
        output.line("● 没有待办催办 nothing to be done")
    for row in answer.tasks:
        output.data(row)
        task = row.task
        output.line(
            f"▲ {row.case} {task.id}  {row.institution}  {task.application_id}"
            f"  自 since {local(task.opened_at)}"
        )
        for call in task.calls:
            output.line(f"  ☎ {_ROLES.get(call.role, call.role)} {call.name} {call.phone}")
        if not task.calls:
            output.line("  ☎ 通讯录无电话，请自行查证 no telephone in our book")
        output.line(f"  {task.zh}")
        output.line(f"  {task.en}")


async def task_done(
    case: str,
    task: str,
    *,
    result: Literal["taken", "told", "no-answer"],
    note: str = "",
    token_file: Path | None = None,
) -> None:
    """Say what came of a call; with `taken` the desk has acknowledged.

    Args:
        case: The case's id.
        task: The task, such as m1-t1.
        result: taken, the desk has it; told, somebody was told; no-answer, nobody was reached.
        note: What was said; no names or numbers.
        token_file: Who called: a file with a token, - for standard input.
    """
    async with desk(token_file) as at:
        done = asks.TaskDoneAsk(case=case, task=task, result=result, note=note)
        view = await at.change(done)
    show_case(view)
