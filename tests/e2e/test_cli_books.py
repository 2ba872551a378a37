"""Commands that only write into the books dial nobody."""

import asyncio
import sys
from pathlib import Path

CONFIG = """
[store]
url = "sqlite:///fz.db"

[[channel]]
name = "mobile"
adapter = "sms.cmpp"
host = "127.0.0.1"
port = {port}
account = "901234"
secret = {{ env = "FZ_TEST_SECRET" }}
service_id = "FZALERT"
src_id = "106500001"
signature = "反诈"
"""


async def test_adding_a_user_without_a_daemon_logs_in_nowhere(tmp_path: Path) -> None:
    callers: list[object] = []

    def called(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        callers.append(writer.get_extra_info("peername"))
        writer.close()

    async with await asyncio.start_server(called, "127.0.0.1", 0) as server:
        config = tmp_path / "fzalert.toml"
        config.write_text(CONFIG.format(port=server.sockets[0].getsockname()[1]), encoding="utf-8")
        for words in (["user", "add", "wang", "--role", "teller"], ["scripts", "list"]):
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "fzalert.cli", "--config", str(config), *words),
                env={"FZ_TEST_SECRET": "shared", "PATH": "/usr/bin:/bin"},
                stdout=asyncio.subprocess.PIPE,
            )
            async with asyncio.timeout(30):
                out, _ = await child.communicate()
            assert child.returncode == 0
            assert out
    assert callers == []
