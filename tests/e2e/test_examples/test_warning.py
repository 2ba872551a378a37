"""The examples that warn: a program, a shell, HTTP; beside a daemon, and alone."""

from __future__ import annotations

import json
import wave
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.test_examples.conftest import Branch

SCRIPT = "impersonating-police/general/1"
PHONE = "13800138000"
MASKED = "phone:138****8000"
CALL = ("--phone", PHONE, "--key", "branch-7-1", "--wait", "20")


def fates(out: str) -> dict[str, tuple[str, str]]:
    """What an example printed for each target: its sign with the state, and the rest."""
    found: dict[str, tuple[str, str]] = {}
    for line in out.splitlines():
        words = line.split()
        for number, word in enumerate(words):
            if word.startswith(("phone:", "display:", "speaker:")):
                found[word] = (" ".join(words[:number]), " ".join(words[number + 1 :]))
    return found


async def test_the_branch_program_warns_through_the_daemon(branch: Branch) -> None:
    await branch.prepared(SCRIPT)
    async with branch.daemon():
        warned = await branch.example("branch.py", *CALL[:4], "--wait", "3")
        assert warned.code == 1, warned  # nobody looks at the screen
        assert "由常驻程序 the daemon投递" in warned.out
        seen = fates(warned.out)
        assert seen[MASKED] == ("● 已送达", "delivered proof=device")
        assert seen["speaker:atm-1"][0] == "● 已送达"
        assert seen["display:lobby"][0] == "○ 进行中"
        status = json.loads((await branch.fzalert("status", "--json")).out)
        assert status["totals"]["accepted"] == 3
        again = await branch.example("branch.py", *CALL[:4], "--wait", "0")
        assert again.out.splitlines()[0] == warned.out.splitlines()[0], "one key, one warning"
        status = json.loads((await branch.fzalert("status", "--json")).out)
        assert status["totals"]["accepted"] == 3
    with wave.open(str(branch.folder / "atm-1.wav")) as heard:
        assert heard.getnframes() > heard.getframerate()


async def test_the_branch_program_warns_alone(branch: Branch) -> None:
    await branch.prepared(SCRIPT)
    warned = await branch.example("branch.py", *CALL[:4], "--wait", "3")
    assert warned.code == 1, warned
    assert "由本进程 this process投递" in warned.out
    seen = fates(warned.out)
    assert seen[MASKED] == ("● 已送达", "delivered proof=device")
    assert seen["speaker:atm-1"][0] == "● 已送达"
    assert seen["display:lobby"][0] == "○ 进行中"


async def test_the_branch_program_says_what_is_wrong(branch: Branch) -> None:
    draft = await branch.example("branch.py", *CALL)
    assert (draft.code, draft.out) == (2, "")
    assert "(script)" in draft.err
    assert "[script-not-approved]" in draft.err
    number = await branch.example("branch.py", "--phone", "110", "--key", "k")
    assert (number.code, number.out) == (2, "")
    assert "[input]" in number.err
    unknown = await branch.example("branch.py", *CALL, "--script", "no-such-fraud")
    assert "[unknown-script]" in unknown.err
    nobody = await branch.example("branch.py", *CALL, env={"FZALERT_TOKEN": "nobody.x"})
    assert (nobody.code, nobody.out) == (2, "")
    assert "[access-denied]" in nobody.err
    await branch.prepared(SCRIPT)
    nowhere = await branch.example("branch.py", *CALL, "--display", "roof")
    assert "[unknown-target]" in nowhere.err
    first = await branch.example("branch.py", *CALL[:4], "--wait", "0")
    assert first.code == 1, first
    changed = await branch.example("branch.py", *CALL, "--audience", "general")
    assert (changed.code, changed.out) == (2, "")
    assert "[duplicate-key]" in changed.err


async def test_the_short_program_warns(branch: Branch) -> None:
    await branch.prepared(SCRIPT)
    warned = await branch.example("warn.py")
    assert warned.code == 0, warned
    seen = fates(warned.out)
    assert seen[MASKED] == ("", "delivered delivered")
    assert seen["speaker:atm-1"][1].startswith("delivered played")
    assert seen["display:lobby"][1].startswith("open")


async def test_the_shell_commands_warn(branch: Branch) -> None:
    await branch.prepared(SCRIPT)
    async with branch.daemon():
        warned = await branch.example("warn.sh")
    assert warned.code == 6, warned  # of `fzalert status`: no browser is the screen yet
    shown, _, sent = warned.out.partition("\n预警 ")
    assert "城关支行" in shown, "the text in full, before anything goes out"
    assert PHONE not in warned.out
    assert "● 已送达" in sent
    assert "mobile" in sent


async def test_the_http_example_warns(branch: Branch) -> None:
    token = await branch.prepared(SCRIPT)
    async with branch.daemon() as ready:
        env = {"FZALERT_URL": ready["web"], "FZALERT_TOKEN": token}
        warned = await branch.example("http_api.py", env=env)
        assert warned.code == 0, warned
        seen = fates(warned.out)
        assert seen[MASKED] == ("", "delivered delivered")
        again = await branch.example("http_api.py", env=env)
        assert fates(again.out)[MASKED] == seen[MASKED]
        status = json.loads((await branch.fzalert("status", "--json")).out)
        assert status["totals"]["accepted"] == 2, "one key, one warning"
        stranger = await branch.example("http_api.py", env={**env, "FZALERT_TOKEN": "wang.wrong"})
        assert stranger.code == 1
        assert stranger.err.startswith("unauthorised: ")


async def test_the_full_configuration_passes_the_check(bare: Branch) -> None:
    text = (bare.repository / "examples" / "fzalert.toml").read_text(encoding="utf-8")
    bare.config.write_text(text, encoding="utf-8")
    bare.write_secret("lobby.token", "made-up-screen-token")
    bare.write_secret("hook.secret", "made-up-hook-secret")
    bare.write_secret("county.token", "fz_made-up-county-token")
    checked = await bare.fzalert("check")
    assert checked.code == 0, checked
    assert "▲" not in checked.out
    refused = await bare.fzalert("check", env={"CMPP_SECRET": ""})
    assert refused.code == 3
    assert "CMPP_SECRET" in refused.err
