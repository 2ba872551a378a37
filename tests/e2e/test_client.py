"""The local socket: who owns, who asks, what breaks in between."""

import asyncio
import json
import os
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import fzalert
from fzalert.background import Background
from fzalert.client import Client, connect
from fzalert.errors import AccessDenied, InputError, NotConnected, ProtocolMismatch
from fzalert.messages import phone
from fzalert.service import open_or_connect
from fzalert.service.models import CampaignRequest, WarnRequest
from fzalert.service.sockets import LONGEST_LINE, socket_path
from fzalert.testing.engine import FarSide, sms
from fzalert.testing.house import House
from fzalert.testing.processes import poll

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def taking() -> FarSide:
    return FarSide(capabilities=sms(reports=False))


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, {"sms": taking().make})


def raw(house: House) -> Path:
    return socket_path(house.settings.store.path)


async def test_the_second_of_one_process_speaks_to_the_first(house: House) -> None:
    async with house.service() as service:
        await house.approve(service)
        async with fzalert.open(house.settings) as fz:
            assert not fz.owns_store
            warning = await fz.warn("generic", to=phone("13800138000"), key="K")
            assert (await warning.outcome(timeout=5)).state == "delivered"
            again = await house.door(service).warn("generic", to=phone("13800138000"), key="K")
            assert again.id == warning.id
            assert (await fz.status()).pid == os.getpid()
    async with fzalert.open(house.settings) as fz:
        assert fz.owns_store


async def test_many_that_open_at_once_are_one_owner_and_its_clients(house: House) -> None:
    start, owners = asyncio.Barrier(6), list[bool]()

    async def one() -> None:
        async with fzalert.open(house.settings) as fz:
            owners.append(fz.owns_store)
            await start.wait()

    async with asyncio.TaskGroup() as group:
        for _ in range(6):
            group.create_task(one())
    assert sorted(owners) == [False] * 5 + [True]


async def test_everything_can_be_asked_over_the_socket(house: House) -> None:
    async with house.service() as service, connect(house.settings) as client:
        author, approver = await house.approve(client, "generic/general/1")
        assert (author.id, approver.id) == ("user:author", "user:approver")
        assert {user.name for user in await client.users()} == {"author", "approver"}
        token = await client.add_user("wang", ["teller"])
        wang = await client.authenticate(token)
        request = WarnRequest(script="generic", to=["phone:13800138000"])
        view = await client.warn_request(request, wang)
        assert view.by == "user:wang"
        found = await client.warning(view.id, wait=5)
        assert found is not None
        assert found.state == "delivered"
        assert await client.warning("1") is None
        assert [one.id for one in await client.recent(10)] == [view.id]
        await client.withdraw(view.id, wang)
        with pytest.raises(AccessDenied):
            await client.plan_campaign(_plan(house), wang)
        campaign = await client.plan_campaign(_plan(house), house.local)
        assert (await client.steer_campaign(campaign.id, "cancel", house.local)).state
        assert [one.state for one in await client.campaigns()] == ["cancelled"]
        seen = await client.changed(0, 0.1)
        assert await client.changed(seen, 0.01) == seen
        await client.disable_user("wang")
        with pytest.raises(AccessDenied, match="not valid"):
            await client.warn_request(request, wang)
        await client.unapprove("generic/general/1", by=approver)
        assert {one.status for one in await client.scripts()} == {"draft"}
        assert (await client.status()).store_id == (await service.status()).store_id


def _plan(house: House) -> CampaignRequest:
    return CampaignRequest(name="宣传", file=house.list_of(["13800138000"]), script="generic")


async def test_errors_cross_with_class_words_and_field(house: House) -> None:
    async with house.service(), connect(house.settings) as client:
        with pytest.raises(fzalert.UnknownScript) as refused:
            await client.warn_request(
                WarnRequest(script="genric", to=["phone:13800138000"]), house.local
            )
        assert refused.value.field == "script"
        assert "generic" in refused.value.hint
        assert isinstance(refused.value, ValueError)


async def test_an_actor_of_another_connection_is_not_taken_for_this_account(house: House) -> None:
    async with house.service() as service, connect(house.settings) as client:
        author, _ = await house.approve(service)
        with pytest.raises(AccessDenied, match="not known on this connection") as refused:
            await client.warn_request(
                WarnRequest(script="generic", to=["phone:13800138000"]), author
            )
        assert "token" in refused.value.hint


async def test_fifty_clients_at_once(house: House) -> None:
    async with house.service() as service:
        await house.approve(service)

        async def one(n: int) -> str:
            async with fzalert.open(house.settings) as fz:
                many = await asyncio.gather(
                    fz.warn("generic", to=phone(f"138{n:08d}"), key=f"K{n}"),
                    fz.status(),
                    fz.scripts(),
                )
                return (await many[0].outcome(timeout=20)).state

        assert set(await asyncio.gather(*(one(n) for n in range(50)))) == {"delivered"}
        assert len(await service.recent(200)) == 50


async def test_the_socket_belongs_to_its_owner_alone_and_goes_with_it(house: House) -> None:
    async with house.service():
        mode = os.lstat(raw(house)).st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
    assert not raw(house).is_socket()


async def test_a_long_path_has_a_short_socket(tmp_path: Path) -> None:
    folder = tmp_path / ("长" * 30) / ("x" * 100)
    house = House(folder, {"sms": taking().make})
    async with house.service() as service:
        path = raw(house)
        assert len(os.fsencode(path)) < 100
        assert path.parent != house.settings.data_directory
        assert stat.S_IMODE(os.lstat(path).st_mode) == 0o600
        async with connect(house.settings) as client:
            assert (await client.status()).pid == (await service.status()).pid
    assert not path.is_socket()


async def test_two_stores_of_one_folder_have_two_sockets(tmp_path: Path) -> None:
    assert socket_path(tmp_path / "a.db") != socket_path(tmp_path / "a.sqlite")


async def test_what_lies_in_the_sockets_place_is_not_trusted(house: House) -> None:
    raw(house).parent.mkdir(parents=True, exist_ok=True)
    raw(house).write_text("no socket", encoding="utf-8")
    with pytest.raises(NotConnected):
        async with connect(house.settings):
            pass
    async with house.service(), connect(house.settings) as client:
        assert (await client.status()).pid


GARBAGE = [
    b"\n",
    b"not json\n",
    b"\xff\xfe\x00\n",
    b"[]\n",
    b"[" * 100_000 + b"\n",
    b"x" * (LONGEST_LINE + 10) + b"\n",
    b'{"id": 1, "call": "status"',
]


@pytest.mark.parametrize("line", GARBAGE)
async def test_garbage_ends_its_own_conversation_only(house: House, line: bytes) -> None:
    async with house.service(), connect(house.settings) as client:
        reader, writer = await asyncio.open_unix_connection(raw(house))
        await reader.readline()
        writer.write(line)
        writer.write_eof()
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()
        assert (await client.status()).pid


@pytest.mark.parametrize(
    "request_",
    [
        {"call": "nothing", "args": {}},
        {"call": ["status"], "args": {}},
        {"call": "warning", "args": []},
        {"call": "warning", "args": {}},
        {"call": "warning", "args": {"id": 7}},
        {"call": "warning", "args": {"id": "7", "wait": "x"}},
        {"call": "warning", "args": {"id": "7", "wait": float("nan")}},
        {"call": "recent", "args": {"limit": True}},
        {"call": "recent", "args": {"limit": 1e400}},
        {"call": "add_user", "args": {"name": "x", "roles": "admin"}},
        {"call": "changed", "args": {"seq": 0, "timeout": None}},
        {"call": "warn_request", "args": {"request": {"script": "x", "to": [], "more": 1}}},
        {"call": "warn_request", "args": {"request": None}},
        {"call": "warn_request", "args": {"request": {"script": "\ud800", "to": ["a:b"]}}},
        {"call": "plan_campaign", "args": {"request": {"name": ""}}},
        {"call": "steer_campaign", "args": {"id": "x", "action": "start"}},
        {"call": "authenticate", "args": {"token": ""}},
    ],
)
async def test_a_wrong_request_is_answered_and_the_line_stays(
    house: House, request_: dict[str, Any]
) -> None:
    async with house.service():
        reader, writer = await asyncio.open_unix_connection(raw(house))
        await reader.readline()
        for number in (1, 2):
            writer.write(json.dumps({"id": number, **request_}).encode() + b"\n")
            answer = json.loads(await reader.readline())
            assert answer["id"] == number
            assert answer["error"]["code"] in {"input", "access-denied"}, answer
        writer.close()


async def test_no_answer_repeats_a_number_or_a_token(house: House) -> None:
    secret = {"to": ["phone:13800138000", 7], "script": "x", "token": "wang.made-up"}
    async with house.service():
        reader, writer = await asyncio.open_unix_connection(raw(house))
        await reader.readline()
        for call, args in (
            ("warn_request", {"request": secret}),
            ("authenticate", {"token": "wang.made-up"}),
            ("approve", {"author": "wang.made-up", "approver": "x", "script_key": "y"}),
        ):
            writer.write(json.dumps({"id": 1, "call": call, "args": args}).encode() + b"\n")
            answer = await reader.readline()
            assert b"error" in answer
            assert b"13800138000" not in answer
            assert b"made-up" not in answer
        writer.close()


async def test_a_waiting_client_that_goes_leaves_nothing_behind(house: House) -> None:
    def talks() -> int:
        return sum(
            "_converse" in repr(task) or "talk" in repr(task) for task in asyncio.all_tasks()
        )

    async with house.service():
        reader, writer = await asyncio.open_unix_connection(raw(house))
        await reader.readline()
        for n in range(5):
            args = {"seq": 0, "timeout": 60}
            writer.write(json.dumps({"id": n, "call": "changed", "args": args}).encode() + b"\n")
        await writer.drain()
        await poll(lambda: talks() == 6, "a talk and five answers")
        writer.close()
        await poll(lambda: talks() == 0, "nothing of it is left")


OWNER = """
import asyncio, sys
from pathlib import Path
from fzalert.testing.engine import FarSide, sms
from fzalert.testing.house import House

async def main():
    far = FarSide(capabilities=sms(reports=False))
    house = House(Path(sys.argv[1]), {"sms": far.make})
    async with house.service() as service:
        if len(sys.argv) > 2:
            await house.approve(service)
        print("open", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@asynccontextmanager
async def owner(folder: Path, *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Another process that owns the store."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OWNER, str(folder), *words, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            while not (await process.stdout.readline()).startswith(b"open"):
                assert process.returncode is None
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_an_owner_that_dies_is_an_outcome_and_the_next_one_is_found(
    tmp_path: Path, house: House
) -> None:
    async with owner(tmp_path, "approve") as process, fzalert.open(house.settings) as fz:
        assert not fz.owns_store
        warning = await fz.warn("generic", to=phone("13800138000"), key="K")
        assert (await warning.outcome(timeout=10)).state == "delivered"
        process.kill()
        await process.wait()
        late = await fz.warn("generic", to=phone("13900139000"), key="L")
        outcome = await late.outcome(timeout=1)
        assert outcome.state in {"failed", "unknown"}
        assert outcome.targets[0].code in {"not-connected", "answer-lost"}
        assert outcome.targets[0].detail
        assert (await warning.outcome(timeout=1)).state == "delivered"
        async with owner(tmp_path):
            again = await fz.warn("generic", to=phone("13900139000"), key="L")
            assert (await again.outcome(timeout=10)).state == "delivered"


async def test_an_owner_without_a_socket_is_named(house: House) -> None:
    async with house.service():
        raw(house).unlink()
        with pytest.raises(NotConnected, match="does not answer on its socket") as refused:
            async with open_or_connect(house.settings):
                pass
        assert str(os.getpid()) in str(refused.value)


@asynccontextmanager
async def speaking(house: House, talk: Talk) -> AsyncIterator[Client]:
    """A peer at the socket that is none of ours, and a client that trusts nothing."""
    raw(house).parent.mkdir(parents=True, exist_ok=True)
    async with Background() as tasks:

        def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            async def work() -> None:
                try:
                    await talk(reader, writer)
                finally:
                    writer.close()

            _ = tasks.once("peer", work)

        server = await asyncio.start_unix_server(welcome, raw(house))
        try:
            yield connect(house.settings)
        finally:
            server.close()


@pytest.mark.parametrize(
    ("greeting", "error"),
    [
        (b'{"fzalert": 2}\n', ProtocolMismatch),
        (b'{"fzalert": "' + b"x" * 5000 + b'"}\n', ProtocolMismatch),
        (b"{}\n", ProtocolMismatch),
        (b"[]\n", NotConnected),
        (b"220 mail ready\r\n", NotConnected),
        (b"", NotConnected),
    ],
)
async def test_a_stranger_at_the_socket_is_no_service(
    house: House, greeting: bytes, error: type[Exception]
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await writer.drain()

    async with speaking(house, talk) as client:
        with pytest.raises(error) as refused:
            async with client:
                pass
        assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    "answer", [b"garbage\n", b"[]\n", b'{"id": "x"}\n', b"", b'{"id": 1, "error": {}}\n']
)
async def test_a_garbled_answer_is_an_error_and_the_next_question_a_new_line(
    house: House, answer: bytes
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'{"fzalert": 1}\n')
        if await reader.readline():
            writer.write(answer)

    async with speaking(house, talk) as client, client:
        fz = house.door(client)
        for _ in range(3):
            warning = await fz.warn("generic", to=phone("13800138000"))
            assert not warning.accepted
            assert (await warning.outcome()).state in {"unknown", "failed"}


async def test_a_peer_that_never_answers_is_an_outcome_in_five_seconds(house: House) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'{"fzalert": 1}\n')
        await reader.read()

    loop = asyncio.get_running_loop()
    async with speaking(house, talk) as client, client:
        begun = loop.time()
        warning = await house.door(client).warn("generic", to=phone("13800138000"), key="K")
        assert loop.time() - begun < 6
        outcome = await warning.outcome()
        assert (outcome.state, outcome.targets[0].code) == ("unknown", "accept-timeout")
        assert "the same key asks again" in outcome.targets[0].detail


async def test_a_cancelled_question_disturbs_no_other(house: House) -> None:
    async with house.service() as service, connect(house.settings) as client, Background() as tasks:
        await house.approve(service)

        async def wait() -> None:
            await client.changed(10_000, 30)

        waiting = [tasks.once("wait", wait) for _ in range(5)]
        await asyncio.sleep(0)
        for task in waiting[:3]:
            task.cancel()
            assert (await client.status()).pid
        warning = await house.door(client).warn("generic", to=phone("13800138000"))
        assert (await warning.outcome(timeout=5)).state == "delivered"


async def test_a_wrong_call_raises_the_same_on_both_sides(house: House) -> None:
    async with house.service() as service, connect(house.settings) as client:
        await house.approve(service)
        texts = set()
        for api in (service, client):
            with pytest.raises(InputError) as refused:
                await house.door(api).warn(
                    "generic", to=phone("13800138000"), values={"hotline": "12345678901"}
                )
            texts.add(str(refused.value))
        assert len(texts) == 1
