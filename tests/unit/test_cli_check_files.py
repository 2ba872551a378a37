"""`fzalert check` looks into the files of freeze requests, and what passkeys and logins need."""

from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pytest

from fzalert.access.certificates import init_tls
from fzalert.cli import main
from fzalert.cli.check_files import access_findings, freeze_findings, web_findings
from fzalert.config import Settings, parse_settings
from fzalert.registry import Registry

NOW = datetime.now(UTC)  # noqa: TID251  certificates are checked against the machine's clock
RULES = (files("fzalert.freeze") / "policies" / "cn-2024.toml").read_text("utf-8")


def settings(folder: Path, toml: str) -> Settings:
    return parse_settings(toml, folder / "fzalert.toml", registry=Registry({}))


def found(folder: Path, toml: str) -> list[tuple[str, str, str]]:
    whole = settings(folder, toml)
    rooms = (web_findings, access_findings, freeze_findings)
    return [(one.level, one.where, one.text) for room in rooms for one in room(whole)]


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    for name, at in (("new", NOW), ("old", NOW - timedelta(days=500))):
        (folder / name).mkdir()
        init_tls(folder / name, ["fzalert.county.example"], at)
    return folder


def server(tls: Path, name: str = "new") -> str:
    (chain,) = [
        one for one in (tls / name).glob("*.pem") if one.name not in {"ca.pem"}
        and one.with_suffix(".key").exists()
    ]  # fmt: skip
    return f'certificate = "{chain}"\nkey = "{chain.with_suffix(".key")}"\n'


def test_sound_files_are_passed_in_silence(tmp_path: Path, tls: Path) -> None:
    (tmp_path / "rules.toml").write_text(RULES, encoding="utf-8")
    signs = (
        server(tls).replace("certificate", "signer_certificate").replace("key =", "signer_key =")
    )
    toml = (
        '[web]\nhost = "0.0.0.0"\npublic_url = "https://fzalert.county.example:8800"\n'
        + server(tls)
        + '[freeze]\npolicy = "rules.toml"\n'
        + signs
    )
    assert found(tmp_path, toml) == []


@pytest.mark.parametrize(
    ("rules", "level", "said"),
    [
        (None, "error", "No such file"),
        ("[limits", "error", "rules.toml"),
        (RULES.replace("officer_daily ", "officers_daily "), "error", "no limit officer_daily"),
        (RULES.replace("[guards.filed]", "[guards.filing]"), "error", "no guard 'filing'"),
        (RULES.replace("value = 48", "value = -1"), "error", "limits.stop_hours.value"),
        (RULES.partition("[guards.role]")[0] + "[guards.clean]" +
         RULES.partition("[guards.clean]")[2], "warning", "step-up"),
    ],
)  # fmt: skip
def test_a_unit_s_own_rules_are_read(
    tmp_path: Path, rules: str | None, level: str, said: str
) -> None:
    if rules is not None:
        (tmp_path / "rules.toml").write_text(rules, encoding="utf-8")
    (one,) = found(tmp_path, '[freeze]\npolicy = "rules.toml"')
    assert one[:2] == (level, "freeze.policy")
    assert said in one[2]


def test_the_signer_s_files_are_read_and_compared(tmp_path: Path, tls: Path) -> None:
    def signer(certificate: str, key: str) -> list[tuple[str, str, str]]:
        toml = f'[freeze]\nsigner_certificate = "{certificate}"\nsigner_key = "{key}"'
        return found(tmp_path, toml)

    new = [line.split('"')[1] for line in server(tls).splitlines()]
    old = [line.split('"')[1] for line in server(tls, "old").splitlines()]
    (junk := tmp_path / "junk.pem").write_text("no PEM", encoding="utf-8")
    assert signer(*new) == []
    ((level, where, said),) = signer(old[0], old[1])
    assert (level, where, "expired" in said) == ("error", "freeze.signer_certificate", True)
    ((level, where, said),) = signer(new[0], old[1])
    assert (level, where, "is not the key of" in said) == ("error", "freeze.signer_key", True)
    wheres = [where for _, where, _ in signer(str(junk), str(tmp_path / "none"))]
    assert wheres == ["freeze.signer_certificate", "freeze.signer_key"]


def test_the_certificate_has_to_be_of_the_public_name(tmp_path: Path, tls: Path) -> None:
    web = '[web]\nhost = "0.0.0.0"\n' + server(tls)
    ((level, where, said),) = found(tmp_path, web)
    assert (level, where) == ("warning", "web.public_url")
    assert "passkey" in said
    ((level, where, said),) = found(tmp_path, web + 'public_url = "https://other.example"')
    assert (level, where) == ("error", "web.public_url")
    assert "tls init other.example" in said


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    toml = (
        '[web]\npublic_url = "http://localhost"\n[freeze]\nprefecture = "1101"\n'
        '[access.oidc]\nissuer = "https://id.example"\nclient_id = "x"'
    )
    hints = [text.partition("pip install ")[2] for _, _, text in found(tmp_path, toml)]
    assert hints == ["'fzalert[web]'", "'fzalert[oidc]'", "'fzalert[freeze]'"]


def test_the_command_fails_with_file_and_field(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "fzalert.toml"
    file.write_text('[freeze]\npolicy = "rules.toml"\n', encoding="utf-8")
    assert main(["check", "--config", str(file)]) == 3
    out = capsys.readouterr().out
    assert "■ freeze.policy" in out
    assert str(tmp_path / "rules.toml") in out


def test_online_asks_the_provider(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "fzalert.toml"
    file.write_text(
        '[web]\npublic_url = "http://localhost:8800"\n[access.oidc]\n'
        'issuer = "http://127.0.0.1:9"\nclient_id = "x"\nprivate_hosts = ["127.0.0.1"]\n',
        encoding="utf-8",
    )
    assert main(["check", "--online", "--config", str(file)]) != 0
    assert "■ access.oidc.issuer" in capsys.readouterr().out
