"""A bank's desk as a real process, over real mutual TLS, with the adapter and foreign clients."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from fzalert import bank_desk
from fzalert.access import Directory, Role
from fzalert.access.keys import KeySigner
from fzalert.clock import SystemClock
from fzalert.desk.service import DeskService
from fzalert.desk.settings import load_desk
from fzalert.evidence import canonical
from fzalert.freeze.package import write_package
from fzalert.freeze.results import Receipt
from fzalert.http import HttpPool
from fzalert.messages import Answer, BankPackage, ReceiptKind
from fzalert.ports import sign_request
from fzalert.testing import RecordingWire, make_context, submission
from fzalert.testing.context import SIGNER_SEED
from fzalert.testing.house import ShiftedClock
from fzalert.testing.pki import Authority, Issued
from fzalert.testing.processes import PATIENCE, Ended, Program, Site, ask_until
from fzalert_bank import BankConfig, BankDesks
from fzalert_bank.answers import open_signed
from tests.unit.freezing import BANK, CARD
from tests.unit.test_freeze_package import approved, built

NAME = "icbc-lhasa"
HELD = 60.0
"""Seconds that the desk holds a question for answers; an answer is given long before."""
COUNTY = KeySigner.from_seed(SIGNER_SEED)
STRANGER = KeySigner.from_seed(bytes([5]) * 32)


class Bank(Site):
    """A folder with a desk's configuration, and what its processes need."""

    def __init__(self, folder: Path, *, hook: str = "", sources: tuple[Path, ...] = ()) -> None:
        super().__init__(folder, sources)
        self.authority = Authority(folder)
        server = self.authority.issue("server", addresses=["127.0.0.1"])
        self.county = self.authority.issue("county", uris=["fz:county"])
        self.config = folder / "desk.toml"
        self.text = f"""
name = "工商银行拉萨分行专岗"
institutions = ["{BANK}"]
store = "data/desk.db"
port = 0
staff_port = 0
certificate = "{server.certificate.name}"
key = "{server.key.name}"
client_ca = "{self.authority.certificate.name}"

[[sender]]
name = "青山县公安局"
public_key = "{COUNTY.public_key.hex()}"
{hook}
"""
        self.config.write_text(self.text, encoding="utf-8")

    async def desk(self, *words: str, within: float = PATIENCE) -> Ended:
        return await self.fzalert("desk", *words, "--config", str(self.config), within=within)

    def add_user(self, name: str) -> Path:
        row, token = Directory().add_user(name, [Role.BANK_DESK])
        return self.let_in(name, token, row.token_hash.hex())

    def let_in(self, name: str, token: str, digest: str) -> Path:
        user = f'\n[[user]]\nname = "{name}"\ntoken_sha256 = "{digest}"\n'
        self.config.write_text(self.config.read_text(encoding="utf-8") + user, encoding="utf-8")
        file = self.folder / f"{name}.token"
        file.write_text(token, encoding="utf-8")
        return file

    @asynccontextmanager
    async def running(self, module: str = "fzalert.cli") -> AsyncIterator[tuple[Program, str]]:
        words = ["desk", "run", "--ready-json", "--config", str(self.config)]
        async with self.program(module, words) as program:
            found = await program.ready()
            self.public_key, self.staff = found["public_key"], found["staff"]
            yield program, found["police"].rstrip("/")

    def channel(self, url: str) -> BankConfig:
        table = {
            "name": NAME,
            "url": url,
            "ca": self.authority.certificate,
            "certificate": self.county.certificate,
            "key": self.county.key,
            "public_keys": [self.public_key],
        }
        said = {"name": "banks", "adapter": "bank.https", "desks": [table], "answer_timeout": 60}
        return BankConfig.model_validate({**said, "poll_wait": HELD})

    async def items(self, token: Path, *, everything: bool = False) -> list[dict[str, Any]]:
        """What the desk's own people are shown, by its staff door."""
        asked = f"desk/v1/items?all={str(everything).lower()}"
        secret = await asyncio.to_thread(token.read_text, "utf-8")
        headers = {"Authorization": f"Bearer {secret}"}
        http = HttpPool()
        try:
            answer = await http.request(
                "GET",
                self.staff + asked,
                headers=headers,
                deadline=timedelta(seconds=PATIENCE),
                private_hosts=frozenset({"127.0.0.1"}),
            )
        finally:
            await http.aclose()
        assert answer.status == 200, answer.body
        found: list[dict[str, Any]] = json.loads(answer.body)["items"]
        return found

    async def send(
        self,
        url: str,
        path: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        client: Issued | None = None,
    ) -> tuple[int, dict[str, Any]]:
        """Send a request as it is given."""
        client = client or self.county
        desk = (
            self.channel(url)
            .desks[0]
            .model_copy(update={"certificate": client.certificate, "key": client.key})
        )
        http = HttpPool()
        try:
            answer = await http.request(
                "POST" if body else "GET",
                url + path,
                content=body,
                headers={"Content-Type": "application/json", **(headers or {})},
                deadline=timedelta(seconds=PATIENCE),
                private_hosts=frozenset({"127.0.0.1"}),
                tls=desk.tls(),
            )
        finally:
            await http.aclose()
        return answer.status, json.loads(answer.body)


def rendition() -> BankPackage:
    body = write_package(built(approved()))
    return BankPackage("app-1", BANK, True, body.decode(), sha256(body).hexdigest())


async def post(adapter: BankDesks, package: BankPackage) -> ReceiptKind:
    """Post until the line is up and the fate is told, as the engine does with the same key."""
    one = submission(bank_desk(NAME), package, id=7, not_after=2**50)

    async def again() -> ReceiptKind | None:
        wire = RecordingWire()
        await adapter.submit([one], wire)
        kind = wire.receipts[7, 0].kind
        waits = {ReceiptKind.CHANNEL_DOWN, ReceiptKind.UNKNOWN}
        return None if kind in waits else kind

    return await ask_until(again, "the desk acknowledges")


async def answer_of(adapter: BankDesks) -> Answer:
    async with asyncio.timeout(HELD - 15):
        async for batch in adapter.inbound():
            (row,) = batch.rows
            batch.acknowledge()
            assert isinstance(row, Answer)
            return row
    raise AssertionError("inbound ended")


async def test_a_package_is_listed_answered_and_its_signed_receipt_comes_back(
    tmp_path: Path,
) -> None:
    bank = Bank(tmp_path)
    made = json.loads((await bank.desk("token", "chen", "--json")).out)
    chen = bank.let_in("chen", made["token"], made["token_sha256"])
    async with (
        bank.running() as (program, url),
        make_context() as context,
        BankDesks(bank.channel(url), context) as adapter,
    ):
        assert await post(adapter, rendition()) is ReceiptKind.SENT
        assert await post(adapter, rendition()) is ReceiptKind.SENT  # the same key, one item
        listed = await bank.desk("list", "--token-file", str(chen), "--json")
        item = json.loads(listed.out)
        assert (item["application_id"], item["asked"], item["hours"]) == ("app-1", "stop", 48)
        assert item["sender"] == "青山县公安局"
        assert CARD not in json.dumps(item)
        shown = await bank.desk("show", "app-1", "--token-file", str(chen), "--json")
        assert json.loads(shown.out)["account_number"] == CARD
        answered = await bank.desk(
            *("answer", "app-1", "0000", "--balance", "120.55", "--token-file", str(chen))
        )
        assert answered.code == 0, answered.err
        other = await bank.desk(
            *("answer", "app-1", "0400", "--cause", "no", "--token-file", str(chen))
        )
        assert other.code == 2
        row = await answer_of(adapter)
        assert (row.id, row.part) == (7, 0)
        said = Receipt.model_validate(open_signed(row.payload, [bank.public_key]))
        assert (said.application_id, said.code, said.account_number) == ("app-1", "0000", CARD)
        assert await bank.items(chen) == []
        stopped = await program.stop()
        assert stopped.code == 0, stopped.err
    # With no desk running the command opens the store itself; nobody answers without a token.
    listed = await bank.desk("list", "--all", "--token-file", str(chen), "--json")
    item = json.loads(listed.out)
    assert (item["state"], item["code"], item["answered_by"]) == ("answered", "0000", "user:chen")
    assert (await bank.desk("list")).code == 4
    bank.let_in("wang", "wang.wrong", "0" * 64)
    wrong = await bank.desk("list", "--token-file", str(bank.folder / "wang.token"))
    assert (wrong.code, "not valid" in wrong.err) == (4, True)
    assert json.loads((await bank.desk("key", "--json")).out)["public_key"] == bank.public_key


async def test_replayed_forged_and_foreign_requests_are_refused(tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    chen = bank.add_user("chen")
    body = rendition().body.encode()
    path = "/desk/v1/packages"
    now = SystemClock().now()
    async with bank.running() as (_, url):
        for signer, at, sent, words in [
            (STRANGER, now, body, "not known"),
            (COUNTY, now - timedelta(minutes=6), body, "five minutes"),
            (COUNTY, now, b" " + body, "does not fit"),
        ]:
            headers = sign_request(signer, "POST", path, body, at)
            status, problem = await bank.send(url, path, sent, headers)
            assert (status, problem["code"]) == (403, "access-denied")
            assert words in problem["detail"]
        elsewhere = sign_request(COUNTY, "POST", path + "?x=1", body, now)
        assert (await bank.send(url, path, body, elsewhere))[0] == 403
        assert (await bank.send(url, path, body))[0] == 422  # not signed at all
        assert await bank.items(chen) == []
        headers = sign_request(COUNTY, "POST", path, body, now)
        assert (await bank.send(url, path, body, headers))[0] == 200
        status, problem = await bank.send(url, path, body, headers)
        assert (status, "sent before" in problem["detail"]) == (403, True)
        assert len(await bank.items(chen)) == 1
        changed = body.replace("受害人报案".encode(), "受害人報案".encode())
        assert changed != body
        headers = sign_request(COUNTY, "POST", path, changed, now)
        status, problem = await bank.send(url, path, changed, headers)
        assert (status, problem["code"]) == (409, "duplicate-key")
        # The bank's own people come in by the other door.
        for closed in ("/desk/v1/items", "/desk/v1/items/app-1", "/"):
            assert (await bank.send(url, closed))[0] == 404


async def test_foreign_clients_get_in_with_a_certificate_alone(tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    old = bank.authority.issue("old", until=timedelta(minutes=-1))
    (tmp_path / "others").mkdir()
    other = Authority(tmp_path / "others", "others").issue("stranger")

    async def run(*words: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(PATIENCE):
            out, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(errors="replace")

    async with bank.running() as (program, url):
        ask = ("curl", "--silent", "--noproxy", "*", "--cacert", str(bank.authority.certificate))
        told = (*ask, "--write-out", "%{http_code}", "--output", "-")
        with_ours = ("--cert", str(bank.county.certificate), "--key", str(bank.county.key))
        code, out = await run(*told, *with_ours, f"{url}/desk/v1/answers")
        assert (code, out[-3:]) == (0, "422")  # let in by TLS; the request is not signed
        for refused in (
            (),
            *(("--cert", str(c.certificate), "--key", str(c.key)) for c in (old, other)),
        ):
            code, out = await run(*told, *refused, f"{url}/desk/v1/answers")
            assert code != 0
        where = url.removeprefix("https://")
        code, out = await run(
            *("openssl", "s_client", "-connect", where, "-tls1_3", "-brief"),
            *("-CAfile", str(bank.authority.certificate), "-verify_return_error"),
            *("-cert", str(bank.county.certificate), "-key", str(bank.county.key)),
        )
        assert (code, "TLSv1.3" in out, "Verification: OK" in out) == (0, True, True), out
        code, out = await run("openssl", "s_client", "-connect", where, "-tls1_1")
        assert code != 0
        for why in ("it showed no certificate", "expired"):
            await ask_until(_says(program, why), f"the log says {why}")


def _says(program: Program, why: str) -> Any:
    async def said() -> bool:
        return why in program.errors

    return said


def _is_there(file: Path) -> Any:
    async def asked() -> bool:
        return await asyncio.to_thread(lambda: file.exists() and file.stat().st_size > 0)

    return asked


async def test_each_day_of_a_desk_has_a_signed_head(tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    copy = tmp_path / "data" / "desk.db.heads"
    yesterday = ShiftedClock(-timedelta(days=2))
    async with DeskService(load_desk(bank.config), yesterday) as desk:
        assert await desk.refusals.note("unsigned")
    async with bank.running() as (program, _):
        await ask_until(_is_there(copy), "no copy of the heads")
        assert (await program.stop()).code == 0
    store = str(tmp_path / "data" / "desk.db")
    told = await bank.fzalert("evidence", "heads", "--store", store, "--json")
    days = [json.loads(line) for line in told.out.splitlines()]
    assert days
    assert days[0]["late"] > 0
    assert {one["key"] for one in days} == {bank.public_key}
    assert len(copy.read_bytes().splitlines()) == len(days)
    words = ["evidence", "verify", "--store", store, "--key"]
    assert (await bank.fzalert(*words, bank.public_key)).code == 0
    assert (await bank.fzalert(*words, COUNTY.public_key.hex())).code == 9
    # Whoever cuts the record of a day off the store does not reach the copy.
    with sqlite3.connect(store) as db:
        for (trigger,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            db.execute(f"DROP TRIGGER {trigger}")
        db.execute("DELETE FROM evidence WHERE chain = 'heads'")
    assert (await bank.fzalert(*words, bank.public_key)).code == 9


DYING = """
import os, signal, sys
from pathlib import Path
from fzalert.cli import main
from fzalert.desk.inbox import Inbox

take = Inbox.take
once = Path("died")

async def dying(self, *given):
    made = await take(self, *given)
    if not once.exists():
        once.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return made

Inbox.take = dying
sys.exit(main())
"""


async def test_killed_between_receive_and_acknowledge_the_desk_has_one_item(
    tmp_path: Path,
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "dying_desk.py").write_text(DYING, encoding="utf-8")
    bank = Bank(tmp_path, sources=(programs,))
    chen = bank.add_user("chen")
    async with make_context() as context:
        async with (
            bank.running("dying_desk") as (program, url),
            BankDesks(bank.channel(url), context) as adapter,
        ):

            async def left() -> bool:
                one = submission(bank_desk(NAME), rendition(), id=7, not_after=2**50)
                wire = RecordingWire()
                await adapter.submit([one], wire)
                kind = wire.receipts[7, 0].kind
                assert kind in {ReceiptKind.CHANNEL_DOWN, ReceiptKind.UNKNOWN}
                return kind is ReceiptKind.UNKNOWN

            await ask_until(left, "the package left and no answer came")
            assert (await program.ended()).code == -9
        async with (
            bank.running("dying_desk") as (_, url),
            BankDesks(bank.channel(url), context) as adapter,
        ):
            assert len(await bank.items(chen)) == 1
            assert await post(adapter, rendition()) is ReceiptKind.SENT
            assert len(await bank.items(chen, everything=True)) == 1
    assert len(re.findall("desk.receive", _evidence(bank))) == 1


def _evidence(bank: Bank) -> str:
    """Every row of the desk's evidence, read from its file."""
    with sqlite3.connect(bank.folder / "data" / "desk.db") as db:
        rows = db.execute("SELECT body FROM evidence").fetchall()
    db.close()
    return "\n".join(row[0].decode() if isinstance(row[0], bytes) else row[0] for row in rows)


CORE = """
import json, sys, time
package = json.load(sys.stdin)
if package["application_id"] == "app-1":
    print(json.dumps({"code": "0000", "balance": "120.55"}))
else:
    time.sleep(600)
"""


async def test_core_banking_answers_as_its_own_machine_or_leaves_it_to_a_person(
    tmp_path: Path,
) -> None:
    core = tmp_path / "core.py"
    core.write_text(CORE, encoding="utf-8")
    hook = (
        f"[hook]\ncommand = [{json.dumps(sys.executable)}, {json.dumps(str(core))}]\ntimeout = 3.0"
    )
    bank = Bank(tmp_path, hook=hook)
    chen = bank.add_user("chen")
    async with (
        bank.running() as (program, url),
        make_context() as context,
        BankDesks(bank.channel(url), context) as adapter,
    ):
        assert await post(adapter, rendition()) is ReceiptKind.SENT
        row = await answer_of(adapter)
        assert open_signed(row.payload, [bank.public_key])["code"] == "0000"
        (item,) = await bank.items(chen, everything=True)
        assert (item["state"], item["answered_by"]) == ("answered", "machine:core")
        # The second time it gives no answer in time: the item waits for a person.
        other = json.loads(rendition().body) | {"application_id": "app-2"}
        body = canonical(other)
        slow = BankPackage("app-2", BANK, True, body.decode(), sha256(body).hexdigest())
        assert await post(adapter, slow) is ReceiptKind.SENT
        await ask_until(_says(program, "desk.hook_failed"), "the hook is given up")
        (waits,) = await bank.items(chen)
        assert (waits["application_id"], waits["state"]) == ("app-2", "open")
        assert (await program.stop()).code == 0
    # After a restart core banking is asked again about what still waits.
    core.write_text(CORE.replace("app-1", "app-2"), encoding="utf-8")
    async with bank.running():

        async def answered() -> bool:
            return await bank.items(chen) == []

        await ask_until(answered, "core banking answers what waited")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("port = 0\nstaff", "port = 99999\nstaff"), "desk.toml:5"),
        (("institutions", "institution"), "institutions"),
        (("[[sender]]", "[hook]\n[[sender]]"), "command or url"),
    ],
)
async def test_a_wrong_file_is_named_by_line(
    tmp_path: Path, change: tuple[str, str], words: str
) -> None:
    bank = Bank(tmp_path)
    bank.config.write_text(bank.text.replace(*change, 1), encoding="utf-8")
    ended = await bank.desk("key")
    assert (ended.code, words in ended.err) == (3, True), ended.err
