"""`fzalert init` at a terminal: five questions, then a configuration that runs and warns."""

import asyncio
import json
import os
import re
import socket
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fzalert.access import Directory
from fzalert.config import read_settings
from fzalert.service.models import WarnRequest
from fzalert.testing.processes import Site, ask_until
from fzalert_sms.cmpp.knobs import Knobs
from fzalert_sms.cmpp.simulator import CmppSimulator

PATIENCE = 60.0
SCRIPT = "impersonating-police"
ME = Directory().local_actor()


class Terminal:
    """A process at a pseudo-terminal: what it shows, what is typed."""

    def __init__(self, process: asyncio.subprocess.Process, master: int) -> None:
        self.process = process
        self.shown = ""
        self._master = master
        self._seen = 0
        self._news = asyncio.Event()
        asyncio.get_running_loop().add_reader(master, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._master, 65536)
        except OSError:  # Linux says EIO where the other side has closed
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._master)
        self.shown += data.decode("utf-8", "replace")
        self._news.set()

    async def until(self, words: str) -> None:
        """Wait until it shows these words, after what was waited for before."""
        try:
            async with asyncio.timeout(PATIENCE):
                while (found := self.shown.find(words, self._seen)) < 0:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"never shown: {words!r} in {self.shown!r}") from None
        self._seen = found + len(words)

    async def answer(self, question: str, text: str) -> None:
        await self.until(question)
        await self.until("] ")
        self.type(text)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode() + b"\n")

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()


@asynccontextmanager
async def terminal(site: Site, *words: str) -> AsyncIterator[Terminal]:
    master, slave = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fzalert.cli", *words),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=site.folder,
        env=site.environment(),
        start_new_session=True,
    )
    os.close(slave)
    shown = Terminal(process, master)
    try:
        yield shown
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        asyncio.get_running_loop().remove_reader(master)
        os.close(master)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    folder = tmp_path / "house"
    folder.mkdir()
    return Site(folder)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_five_answers_leave_a_configuration_that_checks_runs_and_warns(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        async with terminal(site, "init") as shown:
            await shown.answer("1/5", "青山农商银行 城关支行")
            await shown.answer("2/5", "sms,fax")
            await shown.until("没有 'fax'")
            await shown.answer("2/5", "sms screen")
            await shown.answer("3/5", "somewhere")
            await shown.until("HOST:PORT ACCOUNT NUMBER")
            await shown.answer("3/5", "")
            await shown.answer("4/5", "【青山】")
            await shown.until("不带括号")
            await shown.answer("4/5", "青山反诈 110")
            await shown.answer("5/5", "99999")
            await shown.until("ADDRESS:PORT")
            await shown.answer("5/5", str(taken.getsockname()[1]))
            await shown.until("不能用 cannot be used")
            await shown.answer("5/5", "0")
            await shown.until("fzalert warn impersonating-police phone:13800138000")
            assert await shown.ended() == 0, shown.shown
    secrets = site.folder / "secrets"
    assert {file.name for file in secrets.iterdir()} == {"carrier", "lobby-screen", "admin.token"}
    for file in (site.config, *secrets.iterdir()):
        assert mode(file) == 0o600, file
        assert file.read_text(encoding="utf-8").strip() not in shown.shown, "no secret is shown"
    checked = await site.fzalert("check")
    assert checked.code == 0, checked
    settings = read_settings(site.config)
    assert settings.identity.hotline == "110"
    assert settings.drill.enabled, "as long as the carrier is simulated"

    # The simulator's line as it was printed, on a free port of this machine.
    line = re.search(r"--port (\d+) --account (\w+) --secret", shown.shown)
    assert line is not None
    carrier = Knobs(accounts={line[2]: (secrets / "carrier").read_text().strip()})
    async with CmppSimulator(carrier) as gateway:
        text = site.config.read_text(encoding="utf-8")
        assert f"port = {line[1]}\n" in text
        site.config.write_text(text.replace(line[1], str(gateway.port)), encoding="utf-8")
        async with site.daemon(), site.client() as client:
            admin = (secrets / "admin.token").read_text(encoding="utf-8").strip()
            assert (await client.authenticate(admin)).roles == {"admin"}
            author = await client.authenticate(await client.add_user("author", ["script_editor"]))
            other = await client.authenticate(await client.add_user("approver", ["approver"]))
            await client.approve(f"{SCRIPT}/general/1", author=author, approver=other)
            to = ["phone:13800138000", "display:lobby"]
            taken_in = await client.warn_request(WarnRequest(script=SCRIPT, to=to), ME)

            async def delivered() -> bool:
                view = await client.warning(taken_in.id)
                assert view is not None
                return any(one.state == "delivered" for one in view.targets)

            await ask_until(delivered, "the phone has it", within=PATIENCE)
    content = b"".join(submit.content[6 * submit.tp_udhi :] for submit, *_ in gateway.submits)
    received = content.decode("utf-16-be")
    assert "【青山反诈】" in received
    assert "演练" in received


async def test_an_account_of_a_carrier_is_asked_for_its_secret_which_is_not_shown(
    site: Site,
) -> None:
    async with terminal(site, "init") as shown:
        await shown.answer("1/5", "青山县")
        await shown.answer("2/5", "sms")
        await shown.answer("3/5", "192.0.2.10:7890 901234 1069000012345 FZALERT")
        await shown.answer("4/5", "")
        await shown.answer("5/5", "0")
        await shown.until("(not shown):")
        shown.type("Zz9-never-shown")
        assert await shown.ended() == 0, shown.shown
    assert "Zz9-never-shown" not in shown.shown
    settings = read_settings(site.config)
    assert not settings.drill.enabled
    assert settings.identity.sign == "青山县反诈"
    (line,) = settings.channels
    found = line.config.model_dump()
    assert (found["host"], found["src_id"]) == ("192.0.2.10", "1069000012345")
    assert found["secret"].get_secret_value() == "Zz9-never-shown"
    assert "Zz9" not in site.config.read_text(encoding="utf-8")


async def test_what_is_there_is_replaced_only_after_a_yes(site: Site) -> None:
    site.config.write_text("# mine\n", encoding="utf-8")
    refused = await site.fzalert("init", "--yes")
    assert refused.code == 2
    assert "--overwrite" in refused.err
    async with terminal(site, "init") as shown:
        await shown.until("[y/N] ")
        shown.type("")
        assert await shown.ended() == 4
    assert site.config.read_text(encoding="utf-8") == "# mine\n"
    assert not (site.folder / "secrets").exists()
    done = await site.fzalert("init", "--yes", "--overwrite", "--web", "0")
    assert done.code == 0, done
    carrier = (site.folder / "secrets" / "carrier").read_text(encoding="utf-8")
    site.config.unlink()
    again = await site.fzalert("init", "--yes", "--web", "0")
    assert again.code == 2, "a secret is a file of somebody too"
    assert (site.folder / "secrets" / "carrier").read_text(encoding="utf-8") == carrier


async def test_options_and_yes_ask_nothing_and_json_tells_what_was_written(site: Site) -> None:
    secret = site.folder / "given"
    secret.write_text("made-up-secret\n", encoding="utf-8")
    done = await site.fzalert(
        *("--json", "init", "--yes", "--who", "Qingshan Bank", "--channels", "screen,sms"),
        *("--carrier", "192.0.2.10:7890 901234 1069", "--carrier-secret-file", str(secret)),
        *("--sign", "QSBank 95588", "--web", "127.0.0.1:0", "--person", "li"),
    )
    assert done.code == 0, done
    found = json.loads(done.out)
    assert found["config"] == str(site.config)
    assert [Path(file).name for file in found["files"]] == ["lobby-screen", "carrier"]
    assert found["person"] == "li"
    assert not found["drill"]
    token = (site.folder / "secrets" / "li.token").read_text(encoding="utf-8")
    assert found["token_file"] == str(site.folder / "secrets" / "li.token")
    assert token.startswith("li.")
    assert token.strip() not in done.out
    assert (await site.fzalert("check")).code == 0
    identity = read_settings(site.config).identity
    assert identity.service_numbers == {"Qingshan Bank": "95588"}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--who", " "], "写单位名称"),
        (["--channels", "fax"], "没有 'fax'"),
        (["--carrier", "192.0.2.10 901234"], "HOST:PORT ACCOUNT NUMBER"),
        (["--carrier", "192.0.2.10:7890 901234 1069"], "--carrier-secret-file"),
        (["--sign", "95"], "预警不能写这个热线"),
        (["--sign", "95588"], "预警不能写这个热线"),
        (["--web", "eight"], "ADDRESS:PORT"),
        (["--web", "192.0.2.1:8800"], "不能用"),
    ],
)
async def test_a_wrong_option_is_told_and_nothing_is_written(
    site: Site, options: list[str], told: str
) -> None:
    ended = await site.fzalert("init", "--yes", "--web", "0", *options)
    if options[0] == "--web":
        ended = await site.fzalert("init", "--yes", *options)
    assert ended.code == 2, ended
    assert told in ended.err
    assert not site.config.exists()
    assert not (site.folder / "secrets").exists()


async def test_without_a_terminal_it_says_how_to_answer(site: Site) -> None:
    ended = await site.fzalert("init")
    assert ended.code == 2
    assert "--yes" in ended.err
