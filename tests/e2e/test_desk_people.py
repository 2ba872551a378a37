"""The people of a desk: added before it runs by whoever owns its store, after by a supervisor."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.test_desk import Bank

PASSWORD = "correct horse battery"


async def test_while_the_desk_runs_a_supervisor_changes_its_people_and_an_operator_does_not(
    tmp_path: Path,
) -> None:
    bank = Bank(tmp_path)
    secret = tmp_path / "password"
    secret.write_text(PASSWORD, encoding="utf-8")

    async def add(name: str, role: str, by: Path | None = None) -> tuple[int, Path]:
        words = ["add-user", name, "--role", role, "--password-file", str(secret), "--json"]
        words += [] if by is None else ["--token-file", str(by)]
        ended = await bank.desk(*words)
        token = tmp_path / f"{name}.token"
        if ended.code == 0:
            token.write_text(json.loads(ended.out)["token"], encoding="utf-8")
        assert PASSWORD not in ended.out + ended.err
        return ended.code, token

    _, wang = await add("wang", "supervisor")
    assert (await add("li", "boss"))[0] == 2
    async with bank.running():
        assert (await add("zhao", "operator"))[0] == 4  # nobody says who it is
        code, zhao = await add("zhao", "operator", wang)
        assert code == 0
        assert (await add("sun", "operator", zhao))[0] == 4
        assert await bank.items(zhao) == []  # a person's token is good at the staff door
        closed = await bank.desk("disable-user", "zhao", "--token-file", str(wang))
        assert closed.code == 0, closed.err
        assert (await bank.desk("list", "--token-file", str(zhao))).code == 4
        listed = await bank.desk("users", "--token-file", str(wang), "--json")
        people = {one["name"]: one for one in map(json.loads, listed.out.splitlines())}
        assert {name: one["disabled"] for name, one in people.items()} == {
            "wang": False,
            "zhao": True,
        }
