"""A police unit and the desks of its banks as real processes, with glass in the lines between.

```python
async with Precinct(folder) as precinct:
    bank = await precinct.bank("102100099996")
    precinct.configure()
    await precinct.hire()
    async with precinct.desk(bank), precinct.daemon(), precinct.client() as client:
        ma = await precinct.by(client, "ma")
```

The certificates are those of `fzalert tls`. What a bank's core system did stands in a file that the
bank's hook appends to, a line at a time; it knows nothing of fzalert but the package.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fzalert.access import Actor, Directory, Role
from fzalert.access.keys import FileSigner
from fzalert.client import Client
from fzalert.config import read_settings
from fzalert.http import HttpPool
from fzalert.service import open_or_connect
from fzalert.service.models import UserChange
from fzalert.testing.glass import Glass
from fzalert.testing.processes import PATIENCE, Program, Site

__all__ = ["CORE", "Bank", "Precinct", "card", "serves"]

UNIT = "青山县公安局"
PEOPLE = (
    ("ma", "detective", "station"),
    ("li", "detective", "county"),
    ("zhao", "approver", "prefecture"),
)
"""Name, role and rank of those who work there."""

CORE = """
import json, os, sys
folder = sys.argv[1]
package = json.load(sys.stdin)
application, asked = package["application_id"], package["measure"]
def line(word):
    text = f"{word} {application} {package['account']['number']} {asked['kind']}\\n"
    log = os.open(os.path.join(folder, "core.log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(log, text.encode())
    os.close(log)
line("asked")
try:
    os.close(os.open(os.path.join(folder, "done-" + application), os.O_CREAT | os.O_EXCL))
except FileExistsError:
    pass
else:
    line("did")
answer = {"code": "0000", "balance": "120.55"}
if asked["kind"] == "freeze":
    answer["frozen"] = "120.55"
print(json.dumps(answer))
"""
"""A core banking system: it acts once for an application id, and writes down each act."""


def card(number: int, prefix: str = "622202") -> str:
    """A made-up card number with its check digit, one for each number."""
    body = f"{prefix}{number:012d}"
    total = 0
    for place, digit in enumerate(reversed(body)):
        doubled = int(digit) * 2 if place % 2 == 0 else int(digit)
        total += doubled - 9 if doubled > 9 else doubled
    return f"{body}{-total % 10}"


class Bank(Site):
    """A bank's desk: its folder, its file, its token, the glass in front of it.

    Attributes:
        institution: Its code.
        glass: In the line to it.
        public_key: What it signs with.
        staff: Address of its own people's door, once it has run.
    """

    def __init__(self, folder: Path, institution: str, glass: Glass) -> None:
        super().__init__(folder)
        self.config = folder / "desk.toml"
        self.institution = institution
        self.glass = glass
        self.public_key = ""
        self.staff = ""
        self.token = ""

    @property
    def core_log(self) -> Path:
        """What the core system did."""
        return self.folder / "core.log"

    def write(self, tls: Path, sender_key: str, *, hooked: bool) -> None:
        """Write the desk's file."""
        row, self.token = Directory().add_user("chen", [Role.BANK_DESK])
        core = self.folder / "core.py"
        core.write_text(CORE, encoding="utf-8")
        command = json.dumps([sys.executable, "-S", "-E", str(core), str(self.folder)])
        hook = f"[hook]\ncommand = {command}\n" if hooked else ""
        self.config.write_text(
            f"""
            name = "专岗 {self.institution}"
            institutions = ["{self.institution}"]
            store = "data/desk.db"
            port = 0
            staff_port = 0
            certificate = "{tls / "server.pem"}"
            key = "{tls / "server.key"}"
            client_ca = "{tls / "ca.pem"}"
            [[sender]]
            name = "{UNIT}"
            public_key = "{sender_key}"
            [[user]]
            name = "chen"
            token_sha256 = "{row.token_hash.hex()}"
            {hook}
            """,
            encoding="utf-8",
        )

    async def ask(self, path: str, said: Mapping[str, object] | None = None) -> tuple[int, Any]:
        """Ask by the staff's door, as the bank's own programs do: status and what came."""
        http = HttpPool()
        try:
            answer = await http.request(
                "GET" if said is None else "POST",
                f"{self.staff}desk/v1/items{path}",
                content=b"" if said is None else json.dumps(said).encode(),
                headers={
                    "Authorization": f"Bearer {self.token}",
                    "Content-Type": "application/json",
                },
                deadline=timedelta(seconds=PATIENCE),
                private_hosts=frozenset({"127.0.0.1"}),
            )
        finally:
            await http.aclose()
        return answer.status, json.loads(answer.body)


class Precinct(Site):
    """A police unit with its daemon; use `async with`.

    Args:
        folder: An empty folder.
        sources: Folders whose packages its daemon takes before the installed ones.

    Attributes:
        banks: The banks so far.
        tokens: Of the people, by name.
        wire: Where the glass keeps what passed.
    """

    def __init__(self, folder: Path, sources: tuple[Path, ...] = ()) -> None:
        for name in ("police", "wire"):
            (folder / name).mkdir()
        super().__init__(folder / "police", sources)
        self.banks: list[Bank] = []
        self.tokens: dict[str, str] = {}
        self.wire = folder / "wire"
        self._root = folder
        self._tls = folder / "tls"
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for words in (("init", "127.0.0.1"), ("client", "county")):
            made = await self.fzalert("tls", *words, "--folder", str(self._tls))
            if made.code:
                raise AssertionError(f"no certificates: {made}")
        await self._stack.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def bank(self, institution: str, *, hooked: bool = True) -> Bank:
        """Found one more bank, with a desk that does not run yet.

        Args:
            institution: Its code.
            hooked: Whether its core system answers; else its people do.
        """
        tls, folder = self._tls, self._root / institution
        (folder / "data").mkdir(parents=True)
        glass = Glass(
            self.wire,
            institution,
            tls / "ca.pem",
            (tls / "server.pem", tls / "server.key"),
            (tls / "county.pem", tls / "county.key"),
        )
        await self._stack.enter_async_context(glass)
        bank = Bank(folder, institution, glass)
        ours = FileSigner.load_or_create(self.folder / "data" / "signing.key")
        bank.write(tls, ours.public_key.hex(), hooked=hooked)
        desk = FileSigner.load_or_create(folder / "data" / "desk.signing.key")
        bank.public_key = desk.public_key.hex()
        self.banks.append(bank)
        return bank

    def configure(self, more: str = "", *, answer_timeout: float = 5) -> None:
        """Write the daemon's file, with every bank that there is.

        Args:
            more: Further lines of `[freeze]`.
            answer_timeout: Seconds that a desk may take to acknowledge.
        """
        desks = "".join(
            f"""
            [[channel.desks]]
            name = "{bank.institution}"
            url = "https://127.0.0.1:{bank.glass.port}"
            certificate = "{self._tls / "county.pem"}"
            key = "{self._tls / "county.key"}"
            ca = "{self._tls / "ca.pem"}"
            public_keys = ["{bank.public_key}"]
            institutions = ["{bank.institution}"]
            """
            for bank in self.banks
        )
        self.config.write_text(
            f"""
            [store]
            url = "sqlite:///data/fz.db"
            [web]
            port = 0
            [freeze]
            unit_name = "{UNIT}"
            unit_code = "110105000000"
            prefecture = "1101"
            duty_phone = "010-12345678"
            {more}
            [[channel]]
            name = "banks"
            adapter = "bank.https"
            answer_timeout = {answer_timeout}
            poll_wait = 10
            {desks}
            """,
            encoding="utf-8",
        )

    async def hire(self) -> None:
        """Add the people, before the daemon runs."""
        async with open_or_connect(read_settings(self.config), delivers=False) as api:
            for name, role, rank in PEOPLE:
                change = UserChange(action="add", name=name, roles=[role], rank=rank)
                self.tokens[name] = await api.change_user(change)

    @asynccontextmanager
    async def desk(self, bank: Bank) -> AsyncIterator[Program]:
        """Run a bank's desk until the block ends; it serves when the block begins."""
        words = ["desk", "run", "--ready-json", "--config", str(bank.config)]
        async with bank.program("fzalert.cli", words) as program:
            serves(bank, await program.ready())
            yield program

    async def by(self, client: Client, name: str) -> Actor:
        """A person, who shows the token now."""
        return await client.authenticate(self.tokens[name])


def serves(bank: Bank, told: Mapping[str, Any]) -> None:
    """A desk serves: the glass goes on to its new port."""
    bank.staff = told["staff"]
    bank.glass.behind = int(str(told["police"]).rstrip("/").rpartition(":")[2])
