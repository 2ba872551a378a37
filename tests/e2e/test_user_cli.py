"""`fzalert user`: codes for passkeys, and people of an OpenID provider, from the terminal."""

import json
from pathlib import Path
from typing import Any

import pytest

from fzalert.cli import main

ISSUER = "https://id.county.example"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "fzalert.toml"
    path.write_text(
        f'[web]\npublic_url = "http://localhost:8800"\n[access.oidc]\nissuer = "{ISSUER}"\n'
        'client_id = "fzalert"\n',
        encoding="utf-8",
    )
    return path


class Terminal:
    def __init__(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.file = file
        self._capsys = capsys

    def __call__(self, *words: str) -> tuple[int, list[Any], str]:
        code = main(["user", *words, "--json", "--config", str(self.file)])
        out, err = self._capsys.readouterr()
        assert "Traceback" not in err
        return code, [json.loads(line) for line in out.splitlines()], err


@pytest.fixture
def user(file: Path, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(file, capsys)


def test_a_code_is_shown_once_and_only_for_a_person(user: Terminal) -> None:
    assert user("add", "wang", "--role", "approver")[0] == 0
    assert user("add-machine", "core")[0] == 0
    code, (made,), _ = user("enrol", "wang", "--days", "2")
    assert (code, made["name"], len(made["code"].replace("-", ""))) == (0, "wang", 24)
    kept = b"".join(path.read_bytes() for path in user.file.parent.rglob("*") if path.is_file())
    assert made["code"].encode() not in kept
    for name, days in (("core", "1"), ("nobody", "1"), ("wang", "15")):
        code, _, err = user("enrol", name, "--days", days)
        assert (code, bool(err)) == (2, True)
    assert user("passkeys", "wang") == (0, [], "")
    code, _, err = user("passkeys", "wang", "--remove", "0123456789ab")
    assert code == 2
    assert "has no passkey" in err
    assert user("passkeys", "nobody")[0] == 2


def test_a_person_is_bound_to_the_provider_of_the_configuration(user: Terminal) -> None:
    assert user("add", "wang", "--role", "approver")[0] == 0
    _, (bound,), _ = user("bind", "wang", "--subject", "8c3f")
    assert bound["subjects"] == [f"{ISSUER} 8c3f"]
    code, _, err = user("bind", "wang")
    assert code == 2
    _, (left,), _ = user("unbind", "wang", "--subject", "8c3f")
    assert left["subjects"] == []
    assert user("unbind", "wang", "--subject", "8c3f")[0] == 2
    user.file.write_text("", encoding="utf-8")
    code, _, err = user("bind", "wang", "--subject", "8c3f")
    assert code == 2
    assert "[access.oidc]" in err
