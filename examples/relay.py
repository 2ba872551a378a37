"""A branch and its county on this machine: the branch has no carrier, and its warning arrives.

    python examples/relay.py

Raises three processes in a folder of its own: a simulated carrier, the county's daemon, and the
branch's. Both sides approve the same script; the county lets the branch in with a token. Then the
branch warns a phone, and prints what the county's carrier made of it. Everything is a drill.

docs/relay.md says how the same is set up between two machines, with TLS and client certificates.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import fzalert

SCRIPT = "impersonating-police"
SECRET = "made-up-secret"  # noqa: S105  of the simulated carrier
BOTH = """
[drill]
enabled = true
[identity]
sign = "青山县反诈中心"
[web]
port = 0
"""
COUNTY = """
[[relay.branch]]
name = "chengguan"
targets = ["phone:*"]
[[channel]]
name = "mobile"
adapter = "sms.cmpp"
host = "127.0.0.1"
port = {port}
account = "901234"
secret = {{ file = "line.secret" }}
service_id = "FZALERT"
src_id = "10690000"
signature = "青山县反诈中心"
"""
BRANCH = """
[[channel]]
name = "county"
adapter = "post.relay"
url = "{url}"
token = {{ file = "county.token" }}
"""


@contextmanager
def running(folder: Path, *words: str) -> Iterator[dict[str, str]]:
    """Run a command of fzalert until the block ends; gives the line that it prints when ready."""
    command = [sys.executable, "-m", "fzalert.cli", *words]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  our own words
        try:
            yield json.loads(process.stdout.readline() if process.stdout else "{}")
        finally:
            process.terminate()


def write_secret(file: Path, text: str) -> None:
    """Write a file that only its owner can read; fzalert takes no other."""
    file.touch(mode=0o600)
    file.write_text(text + "\n", encoding="utf-8")


async def prepared(config: Path) -> None:
    """Let two persons approve the script, as each side does for itself."""
    async with fzalert.open(config) as fz:
        author = await fz.actor(await fz.api.add_user("zhang", ["script_editor"]))
        approver = await fz.actor(await fz.api.add_user("li", ["approver"]))
        await fz.approve(f"{SCRIPT}/general/1", author=author, approver=approver)


def admitted(county: Path) -> str:
    """Let the branch in; what the command prints is the branch's token, shown this once."""
    command = [sys.executable, "-m", "fzalert.cli", "user", "add-machine", "chengguan"]
    ran = subprocess.run(command, cwd=county, check=True, capture_output=True, text=True)  # noqa: S603  our own words
    return ran.stdout.strip()


async def warned(config: Path) -> list[str]:
    """Warn somebody from the branch, and wait for what the county reports."""
    async with fzalert.open(config) as fz:
        warning = await fz.warn(SCRIPT, to=fzalert.phone("13800138000"), key="branch-7-0001")
        outcome = await warning.outcome(timeout=30)
        return [f"{one.target} {one.state} {one.channel} {one.proof}" for one in outcome.targets]


def main() -> None:
    """Raise all three, warn, and print the fate."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fzalert-relay-")))
        county, branch = folder / "county", folder / "branch"
        county.mkdir()
        branch.mkdir()
        words = ("simulate", "cmpp", "--port", "0", "--secret", SECRET)
        carrier = stack.enter_context(running(folder, *words))

        write_secret(county / "line.secret", SECRET)
        config = county / "fzalert.toml"
        config.write_text(BOTH + COUNTY.format(port=carrier["port"]), encoding="utf-8")
        asyncio.run(prepared(config))
        write_secret(branch / "county.token", admitted(county))
        served = stack.enter_context(running(county, "run", "--ready-json"))

        config = branch / "fzalert.toml"
        config.write_text(BOTH + BRANCH.format(url=served["web"]), encoding="utf-8")
        asyncio.run(prepared(config))
        stack.enter_context(running(branch, "run", "--ready-json"))
        for line in asyncio.run(warned(config)):
            print(line)


if __name__ == "__main__":
    main()
