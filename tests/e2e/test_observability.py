"""A running daemon as its operators see it: scraped, looked at in a terminal, read in its log."""

import asyncio
import contextlib
import json
import os
import resource
import sys
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from fzalert.testing.processes import PATIENCE, Site

CONFIG = """
[web]
port = 0
[drill]
enabled = true
[log]
file = "fzalert.jsonl"
[[channel]]
name = "screens"
adapter = "display.kiosk"
displays = [{ name = "lobby" }]
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    site.config.write_text(CONFIG, encoding="utf-8")
    return site


async def figure(client: httpx.AsyncClient, name: str) -> float:
    text = (await client.get("metrics")).text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    )


async def test_a_daemon_is_scraped_looked_at_and_read(site: Site) -> None:
    async with site.program("fzalert.cli", ["run", "--ready-json"]) as daemon:
        web = (await daemon.ready())["web"]
        async with httpx.AsyncClient(base_url=web) as client:
            assert await figure(client, "fz_display_configured") == 1
            assert await figure(client, "fz_drill") == 1
            assert await figure(client, "process_resident_memory_bytes") > 10**6
            before = await figure(client, "fz_store_ticks_total")
            added = await site.fzalert("user", "add", "sun", "--role", "viewer")
            assert added.code == 0, added
            assert await figure(client, "fz_store_ticks_total") > before
            page = (await client.get("", headers={"accept": "text/html"})).text
            assert "起，已" in page
        seen = await site.fzalert("top", "--once")
        assert seen.code == 6  # its screen is not there
        assert "screens" in seen.out
        assert "■ 断开" in seen.out
        if sys.platform == "linux":
            limits = resource.prlimit(daemon.pid, resource.RLIMIT_CORE)
            assert limits[0] == 0
        file = site.folder / "fzalert.jsonl"
        file.rename(site.folder / "fzalert.jsonl.1")
        ended = await daemon.stop()
        assert ended.code == 0
    lines = [
        json.loads(line)
        for name in ("fzalert.jsonl.1", "fzalert.jsonl")
        for line in (site.folder / name).read_text(encoding="utf-8").splitlines()
    ]
    said = [line["event"] for line in lines]
    assert said[0] == "daemon.ready"
    assert said[-1] == "daemon.stopped"
    assert ended.err == ""
    nobody = await site.fzalert("top", "--once")
    assert nobody.code == 6
    assert "fzalert run" in nobody.err


async def test_a_daemon_whose_log_nobody_reads_goes_on(site: Site) -> None:
    quiet = CONFIG.replace('file = "fzalert.jsonl"', 'level = "debug"')
    site.config.write_text(quiet, encoding="utf-8")
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):  # full: not one line of the daemon fits
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
    words = ["-m", "fzalert.cli", "run", "--ready-json"]
    daemon = await asyncio.create_subprocess_exec(
        sys.executable,
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=writer,
        env=site.environment(),
        cwd=site.folder,
    )
    os.close(writer)
    try:
        assert daemon.stdout is not None
        async with asyncio.timeout(PATIENCE):
            web = json.loads(await daemon.stdout.readline())["web"]
            async with httpx.AsyncClient(base_url=web) as client:
                assert (await client.get("healthz")).status_code == 200
                assert await figure(client, "fz_log_dropped_total") == 0  # they wait
            daemon.terminate()
            await daemon.communicate()
        assert daemon.returncode == 0
    finally:
        if daemon.returncode is None:
            daemon.kill()
            await daemon.communicate()
        os.close(reader)
