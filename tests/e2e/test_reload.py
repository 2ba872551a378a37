"""`fzalert reload` and SIGHUP at a running daemon: what changes, what stays, what is refused."""

import json
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from fzalert.access import Directory
from fzalert.client import Client
from fzalert.clock import SystemClock
from fzalert.config import read_settings
from fzalert.errors import AccessDenied, ConfigError, ReloadRefused
from fzalert.service.building import build
from fzalert.service.models import StatusView, WarnRequest
from fzalert.testing.processes import Program, Site, ask_until
from fzalert_sms.cmpp.knobs import Knobs
from fzalert_sms.cmpp.simulator import CmppSimulator

ME = Directory().local_actor()
SECRET = "made-up-secret"
SCRIPT = "impersonating-police"
PATIENCE = 60.0


class House(Site):
    """A folder whose channels a test writes one by one."""

    def write(self, *channels: str, head: str = "") -> None:
        text = f"""
            [store]
            url = "sqlite:///data/fz.db"
            [web]
            port = 0
            [drill]
            enabled = true
            [identity]
            sign = "反诈中心"
            {head}
        """
        self.config.write_text(text + "".join(channels), encoding="utf-8")

    def secret(self, text: str = SECRET) -> None:
        file = self.folder / "secret"
        file.write_text(text, encoding="utf-8")
        file.chmod(0o600)

    @staticmethod
    def line(name: str, port: int, more: str = "") -> str:
        return f"""
            [[channel]]
            name = "{name}"
            adapter = "sms.cmpp"
            host = "127.0.0.1"
            port = {port}
            account = "901234"
            secret = {{ file = "secret" }}
            service_id = "FZALERT"
            src_id = "10690000"
            signature = "反诈中心"
            {more}
        """

    @staticmethod
    def screens(*names: str) -> str:
        shown = "".join(f'\n[[channel.displays]]\nname = "{name}"\n' for name in names)
        return f'\n[[channel]]\nname = "lobby"\nadapter = "display.kiosk"\n{shown}'


@pytest.fixture
def house(tmp_path: Path) -> House:
    folder = tmp_path / "house"
    folder.mkdir()
    house = House(folder)
    house.secret()
    house.write()
    return house


def carrier(**knobs: object) -> CmppSimulator:
    return CmppSimulator(Knobs(accounts={"901234": SECRET}, **knobs))  # type: ignore[arg-type]


@asynccontextmanager
async def running(house: House) -> AsyncIterator[tuple[Program, Client]]:
    async with house.daemon() as daemon, house.client() as client:
        yield daemon, client


async def up(client: Client, *names: str) -> None:
    async def are_up() -> bool:
        channels = (await client.status()).channels
        return [one.name for one in channels if one.state == "up"] == list(names)

    await ask_until(are_up, f"{names} are up", within=PATIENCE)


async def warn(client: Client, to: str, key: str) -> str:
    await approve(client)
    request = WarnRequest(script=SCRIPT, to=[to], key=key)
    return (await client.warn_request(request, ME)).id


async def approve(client: Client) -> None:
    key = f"{SCRIPT}/general/1"
    if any(one.key == key and one.status == "approved" for one in await client.scripts()):
        return
    author = await client.authenticate(await client.add_user("author", ["script_editor"]))
    other = await client.authenticate(await client.add_user("approver", ["approver"]))
    await client.approve(key, author=author, approver=other)


async def delivered(client: Client, id: str) -> None:
    async def is_there() -> bool:
        view = await client.warning(id)
        return view is not None and view.state == "delivered"

    await ask_until(is_there, "the warning is delivered", within=PATIENCE)


async def test_an_added_channel_serves_and_the_command_prints_what_changed(house: House) -> None:
    async with carrier() as gateway, running(house) as (_, client):
        house.write(house.line("mobile", gateway.port), head="[limits]\nurgent_window = 11")
        shown = await house.fzalert("reload")
        assert shown.code == 0, shown
        for words in ("limits", "urgent_window", "mobile", "● 新增 added", "sms.cmpp"):
            assert words in shown.out
        await up(client, "mobile")
        id_ = await warn(client, "phone:13800000001", "1")
        await delivered(client, id_)
        again = await house.fzalert("--json", "reload")
        found = json.loads(again.out)
        assert found["changes"] == []
        assert found["before"] == found["after"] == (await client.status()).config.digest


async def test_a_new_line_that_does_not_come_up_leaves_everything_as_it_was(house: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    async with carrier() as gateway:
        house.write(house.line("mobile", gateway.port))
        async with running(house) as (_, client):
            await up(client, "mobile")
            before = (await client.status()).config.digest
            house.write(
                house.line("mobile", gateway.port, "window = 3"), house.line("second", port)
            )
            refused = await house.fzalert("reload", within=PATIENCE)
            assert refused.code == 3, refused
            assert "The channel second did not come up" in refused.err
            status = await client.status()
            assert status.config.digest == before != status.config.refused_digest
            assert "second did not come up" in status.config.refused
            assert [(one.name, one.window) for one in status.channels] == [("mobile", 16)]
            assert gateway.counts["logins"] == 1, "the line that runs was not touched"

            taken = await house.fzalert("reload", "--allow-down", within=PATIENCE)
            assert taken.code == 0, taken
            status = await client.status()
            assert [(one.name, one.window) for one in status.channels] == [
                ("mobile", 3),
                ("second", 16),
            ]
            assert status.config.refused == ""


async def test_a_changed_line_that_fails_comes_back_as_it_was(house: House) -> None:
    async with carrier() as gateway:
        house.write(house.line("mobile", gateway.port))
        async with running(house) as (_, client):
            await up(client, "mobile")
            house.secret("another secret, which the carrier does not know")
            with pytest.raises(ReloadRefused, match="mobile did not come up"):
                await client.reload(ME)
            await up(client, "mobile")
            await delivered(client, await warn(client, "phone:13800000002", "2"))
            house.secret()
            assert (await client.reload(ME)).changes == []


async def test_what_waits_on_a_removed_channel_stays_is_named_and_goes_out_later(
    house: House,
) -> None:
    async with carrier() as gateway:
        house.write(house.line("mobile", gateway.port))
        async with running(house) as (_, client):
            await up(client, "mobile")
            await gateway.deafen()
            gateway.cut()
            id_ = await warn(client, "phone:13800000003", "3")
            house.write()
            shown = await house.fzalert("reload", within=PATIENCE)
            assert "mobile: 1 条仍在排队" in shown.out, shown
            status = await client.status()
            assert status.config.waiting == {"mobile": 1}
            assert status.channels == []
            await gateway.listen()
            house.write(house.line("mobile", gateway.port))
            view = await client.reload(ME)
            assert [change.action for change in view.changes] == ["added"]
            await delivered(client, id_)
            assert (await client.status()).config.waiting == {}


async def test_screens_are_exchanged_and_their_address_stays(house: House) -> None:
    house.write(house.screens("lobby"))
    async with running(house) as (_, client):
        house.write(house.screens("lobby", "counter-1"))
        view = await client.reload(ME)
        assert [(change.name, change.detail) for change in view.changes] == [("lobby", "displays")]
        web = (await client.status()).web
        async with httpx.AsyncClient(trust_env=False) as browser:
            page = await browser.get(f"{web}channels/lobby/screen/")
        assert page.status_code == 200
        request = WarnRequest(script=SCRIPT, to=["display:counter-1"])
        await approve(client)
        assert (await client.warn_request(request, ME)).targets[0].channel == "lobby"


COLD = {
    "the pages' address": ("port = 0", "port = 8123", r"\[web\] port"),
    "the store": ("data/fz.db", "data/other.db", r"\[store\] url"),
    "the drill": ("enabled = true", "enabled = false", r"\[drill\] enabled"),
}


@pytest.mark.parametrize("what", COLD)
async def test_what_holds_from_start_to_end_is_refused_with_what_to_do(
    house: House, what: str
) -> None:
    old, new, told = COLD[what]
    async with running(house) as (_, client):
        text = house.config.read_text(encoding="utf-8")
        assert old in text
        house.config.write_text(text.replace(old, new), encoding="utf-8")
        with pytest.raises(ReloadRefused, match=told) as caught:
            await client.reload(ME)
        assert "Restart the daemon" in caught.value.hint


async def test_identity_caps_and_quiet_hours_hold_from_the_reload_on(house: House) -> None:
    async with carrier() as gateway:
        house.write(house.line("mobile", gateway.port))
        async with running(house) as (_, client):
            await up(client, "mobile")
            head = "[limits.per_number.urgent]\nhour = 1\n[limits.quiet_hours]\nenabled = false\n"
            house.write(house.line("mobile", gateway.port), head=head)
            text = house.config.read_text(encoding="utf-8")
            house.config.write_text(
                text.replace("[identity]", '[identity]\nhotline = "110"'), encoding="utf-8"
            )
            view = await client.reload(ME)
            assert [c.name for c in view.changes] == ["identity", "limits"]
            assert gateway.counts["logins"] == 1
            await delivered(client, await warn(client, "phone:13800000004", "4"))
            view2 = await client.warning(await warn(client, "phone:13800000004", "5"))
            assert view2 is not None
            assert view2.targets[0].state == "suppressed", "the second one within the hour"
            received = b"".join(
                submit.content[6 * submit.tp_udhi :] for submit, *_ in gateway.submits
            )
            text = received.decode("utf-16-be")
            assert "110" in text, text
            assert "96110" not in text, text


async def test_only_an_admin_reloads_and_every_try_is_on_record(house: House) -> None:
    async with running(house) as (daemon, client):
        teller = await client.authenticate(await client.add_user("wang", ["teller"]))
        with pytest.raises(AccessDenied):
            await client.reload(teller)
        token = house.folder / "token"
        token.write_text(await client.add_user("zhao", ["admin"]), encoding="utf-8")
        house.write(head="[limits]\nurgent_window = 12")
        done = await house.fzalert("reload", "--token-file", str(token))
        assert done.code == 0, done
        house.config.write_text("[limits]\nurgent_window = 0\n", encoding="utf-8")
        with pytest.raises(ConfigError, match=r"limits\.urgent_window"):
            await client.reload(ME)
        assert (await daemon.stop()).code == 0
    house.write()
    acts = await recorded(house)
    assert [(act["who"], act["what"]) for act in acts] == [
        ("user:zhao", "config.reload"),
        (ME.id, "config.reload_refused"),
    ]
    assert acts[0]["sections"] == "limits"
    assert acts[1]["why"] == "config"
    assert acts[1]["running"] == acts[0]["after"]


async def recorded(house: House) -> list[dict[str, str]]:
    building = await build(read_settings(house.config), SystemClock())
    try:
        rows = [
            json.loads(row.body)
            for name, _, _ in await building.store.chains()
            for row in await building.store.evidence(name)
        ]
    finally:
        await building.close()
    return [row for row in rows if row["what"].startswith("config.")]


async def test_without_a_daemon_there_is_nothing_to_reload(house: House) -> None:
    ended = await house.fzalert("reload")
    assert ended.code == 6
    assert "Nothing runs" in ended.err


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(PATIENCE)
        yield listener


async def test_a_broken_file_keeps_serving_and_systemd_the_page_and_the_log_are_told(
    house: House, systemd: socket.socket
) -> None:
    async with (
        house.daemon({"NOTIFY_SOCKET": systemd.getsockname()}) as daemon,
        house.client() as client,
    ):
        assert systemd.recv(4096).startswith(b"READY=1")
        running = (await client.status()).config.digest
        house.config.write_text("[web\nport = 1", encoding="utf-8")
        daemon.signal(signal.SIGHUP)

        async def refused() -> StatusView | None:
            status = await client.status()
            return status if status.config.refused else None

        status = await ask_until(refused, "the reload is refused", within=PATIENCE)
        assert status.config.refused.startswith("fzalert.toml:1: ")
        assert status.config.digest == running
        told = systemd.recv(4096).decode().splitlines()
        assert told[0] == "RELOADING=1"
        assert told[1].removeprefix("MONOTONIC_USEC=").isdecimal()
        assert systemd.recv(4096).startswith(b"READY=1")
        async with httpx.AsyncClient(trust_env=False) as browser:
            page = (await browser.get(status.web)).text
            metrics = (await browser.get(f"{status.web}metrics")).text
        assert "\nfz_config_refused 1.0\n" in metrics
        assert running[:12] in page
        assert status.config.refused_digest[:12] in page
        assert "fzalert.toml:1: " in page

        await client.status()
        house.write(head="[limits]\nurgent_window = 9")
        daemon.signal(signal.SIGHUP)
        assert systemd.recv(4096).startswith(b"RELOADING=1")
        assert systemd.recv(4096).startswith(b"READY=1")
        assert (await client.status()).config.refused == ""
        assert (await daemon.stop()).code == 0
        assert systemd.recv(4096).startswith(b"STOPPING=1")
    events = [json.loads(line)["event"] for line in daemon.errors.splitlines()]
    assert events.count("config.reload_refused") == 1
    assert events.count("config.reloaded") == 1


async def test_a_stop_in_the_middle_of_a_reload_ends_in_order(
    house: House, systemd: socket.socket
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    async with carrier() as gateway:
        house.write(house.line("mobile", gateway.port))
        async with house.daemon({"NOTIFY_SOCKET": systemd.getsockname()}) as daemon:
            assert systemd.recv(4096).startswith(b"READY=1")
            house.write(
                house.line("mobile", gateway.port, "window = 3"), house.line("second", port)
            )
            daemon.signal(signal.SIGHUP)
            assert systemd.recv(4096).startswith(b"RELOADING=1")
            stopped = await daemon.stop()
            assert stopped.code == 0, stopped.err
            assert "Traceback" not in stopped.err
        house.write(house.line("mobile", gateway.port))
        async with running(house) as (_, client):
            await up(client, "mobile")
            await delivered(client, await warn(client, "phone:13800000006", "6"))
