"""Everything that people get wrong: each an error that names it, or a fate that does.

Every test ends with the same question: is what was accepted before still there?
"""

import asyncio
import dataclasses
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from xlsxwriter import Workbook

import fzalert
from fzalert.config import read_settings
from fzalert.errors import (
    ConfigError,
    DuplicateKey,
    InputError,
    IntegrityError,
    ScriptNotApproved,
    StoreFull,
    TextTooLong,
    UnknownScript,
    UnknownTarget,
)
from fzalert.messages import phone, speaker
from fzalert.ports import TextProfile
from fzalert.service import Fzalert, Service
from fzalert.service.models import CampaignRequest
from fzalert.testing.engine import FarSide, sms
from fzalert.testing.house import House
from fzalert.testing.processes import Site, poll
from fzalert_sms.recount import recount

SOMEBODY = "13800138000"
SECRET = "made-up-secret"


def taking() -> FarSide:
    return FarSide(capabilities=sms(reports=False))


@asynccontextmanager
async def nothing_lost(house: House) -> AsyncIterator[tuple[Service, Fzalert]]:
    """A service with one accepted warning, which is still there at the end, delivered."""
    async with house.service() as service:
        await house.approve(service)
        fz = house.door(service)
        before = await fz.warn("generic", to=phone("13900139000"), key="before")
        yield service, fz
        assert (await before.outcome(timeout=5)).state == "delivered"
        assert (await service.recent(200))[-1].id == before.id


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, {"sms": taking().make})


# -- what a caller writes ------------------------------------------------------------------


@pytest.mark.parametrize("number", ["1380013800", "0571-88886666", "+1 202 555 0147", "", "12"])
async def test_a_number_that_is_no_mobile(house: House, number: str) -> None:
    async with nothing_lost(house) as (service, fz):
        with pytest.raises(InputError) as refused:
            await fz.warn("generic", to=phone(number))
        assert refused.value.field == "phone"
        assert "eleven digits" in refused.value.hint
        assert len(await service.recent(10)) == 1


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"colour": "red"}, "colour"),
        ({"branch": "别家支行"}, "branch"),
        ({"hotline": SOMEBODY}, "hotline"),
        ({"case_count": "many"}, "case_count"),
        ({"case_count": 1.5}, "values"),
        ({"case_count": None}, "values"),
    ],
)
async def test_a_value_that_the_script_does_not_know(
    house: House, values: dict[str, str | int], field: str
) -> None:
    async with nothing_lost(house) as (service, fz):
        with pytest.raises(InputError) as refused:
            await fz.warn("generic", to=phone(SOMEBODY), values=values)
        assert refused.value.field == field
        assert refused.value.hint or "must be" in str(refused.value)
        assert SOMEBODY not in str(refused.value)
        assert len(await service.recent(10)) == 1


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_a_script_too_long_for_its_channel(tmp_path: Path, language: str) -> None:
    narrow = TextProfile(max_parts=1, signature="很长的签名" * 10)
    tight = FarSide(capabilities=dataclasses.replace(sms(), text=narrow))
    async with nothing_lost(House(tmp_path, {"sms": taking().make})):
        pass
    house = House(tmp_path, {"sms": tight.make})
    async with house.service() as service:
        with pytest.raises(TextTooLong) as refused:
            await house.door(service).warn("generic", to=phone(SOMEBODY), language=language)
        assert "parts; the channel takes 1" in str(refused.value)
        assert refused.value.field in {"sms", "sms_long"}
        assert "Shorten" in refused.value.hint
        request = CampaignRequest(
            name="宣传", file=house.list_of([SOMEBODY]), script="generic", language=language
        )
        with pytest.raises(TextTooLong):
            await service.plan_campaign(request, house.local)
    assert tight.written == []


async def test_an_unknown_target(house: House) -> None:
    async with nothing_lost(house) as (service, fz):
        with pytest.raises(UnknownTarget) as refused:
            await fz.warn("generic", to=[phone(SOMEBODY), speaker("atm-9")])
        assert refused.value.field == "to"
        assert "speaker:atm-9" in str(refused.value)
        assert "Add a [[channel]]" in refused.value.hint
        assert len(await service.recent(10)) == 1


async def test_no_target_and_what_is_none(house: House) -> None:
    async with nothing_lost(house) as (_, fz):
        mistakes: list[Any] = [[], [SOMEBODY], [None], SOMEBODY]
        for to in mistakes:
            with pytest.raises(InputError) as refused:
                await fz.warn("generic", to=to)
            assert refused.value.field == "to"
            assert refused.value.hint


@pytest.mark.parametrize("seconds", [0, -1, 31 * 86400])
async def test_a_window_that_is_over_or_has_no_end(house: House, seconds: int) -> None:
    async with nothing_lost(house) as (service, fz):
        with pytest.raises(InputError) as refused:
            await fz.warn("generic", to=phone(SOMEBODY), expires_in=timedelta(seconds=seconds))
        assert refused.value.field == "expires_in"
        assert len(await service.recent(10)) == 1


async def test_a_bulk_window_shorter_than_the_quiet_hours(tmp_path: Path) -> None:
    house = House(tmp_path, {"sms": taking().make}, "[limits]\n")
    house.clock.set(datetime(2026, 11, 24, 14, 0, tzinfo=UTC))  # ten in the evening
    async with nothing_lost(house) as (_, fz):
        with pytest.raises(InputError, match="could never be sent") as refused:
            await fz.warn("generic", to=phone(SOMEBODY), lane="bulk", expires_in=timedelta(hours=1))
        assert refused.value.field == "expires_in"
        assert "longer expires_in" in refused.value.hint
        warning = await fz.warn(
            "generic", to=phone(SOMEBODY), lane="bulk", expires_in=timedelta(hours=20)
        )
        assert (await warning.outcome())["phone"].state == "open"


async def test_an_unknown_script_language_or_lane(house: House) -> None:
    async with nothing_lost(house) as (_, fz):
        with pytest.raises(UnknownScript) as refused:
            await fz.warn("genric", to=phone(SOMEBODY))
        assert (refused.value.field, "generic" in refused.value.hint) == ("script", True)
        with pytest.raises(UnknownScript) as refused:
            await fz.warn("generic", to=phone(SOMEBODY), language="fr")
        assert refused.value.field == "language"
        with pytest.raises(InputError) as wrong:
            lane: Any = "fast"
            await fz.warn("generic", to=phone(SOMEBODY), lane=lane)
        assert wrong.value.field == "lane"


async def test_a_duplicate_key_with_another_body(house: House) -> None:
    async with nothing_lost(house) as (_, fz):
        with pytest.raises(DuplicateKey) as refused:
            await fz.warn("generic", to=phone(SOMEBODY), key="before")
        assert refused.value.field == "key"
        assert "new key" in refused.value.hint


async def test_an_unapproved_script(house: House) -> None:
    async with nothing_lost(house) as (service, fz):
        with pytest.raises(ScriptNotApproved) as refused:
            await fz.warn("romance", to=phone(SOMEBODY))
        assert "romance/general/1" in str(refused.value)
        assert "fzalert scripts approve" in refused.value.hint
        request = CampaignRequest(name="x", file=house.list_of([SOMEBODY]), script="romance")
        with pytest.raises(ScriptNotApproved):
            await service.plan_campaign(request, house.local)


# -- what lies in a list -------------------------------------------------------------------


async def test_a_phone_column_of_floats(tmp_path: Path, house: House) -> None:
    path = tmp_path / "list.xlsx"
    with Workbook(str(path)) as book:
        sheet = book.add_worksheet()
        sheet.write_column(0, 0, ["手机号", 13800138000.0, "1.38E+10", 13800138000.5])
    async with nothing_lost(house) as (service, _):
        request = CampaignRequest(name="x", file=str(path), script="generic")
        view = await service.plan_campaign(request, house.local)
        assert view.total == 1
        assert [(one.row, one.code) for one in view.refusals] == [(3, "E03"), (4, "E02")]
        assert "format the column as text" in view.refusals[0].reason


async def test_an_unreadable_charset(tmp_path: Path, house: House) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes("姓名,手机\n甲,13800138000\n".encode("gbk") + b"\xff\xfe,13900139000\n")
    async with nothing_lost(house) as (service, _):
        request = CampaignRequest(name="x", file=str(path), script="generic")
        with pytest.raises(InputError) as refused:
            await service.plan_campaign(request, house.local)
        assert (refused.value.field, refused.value.row) == ("file", 3)
        assert "save it as UTF-8" in refused.value.hint
        assert await service.campaigns() == []


# -- what stands in the configuration ------------------------------------------------------


def test_a_typo_in_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "fzalert.toml"
    file.write_text("[limits]\nurgent_windw = 5\n[limits.quiet_huors]\nenabled = true\n")
    with pytest.raises(ConfigError) as refused:
        read_settings(file)
    text = str(refused.value)
    assert "fzalert.toml:2" in text
    assert "urgent_window" in text
    assert "fzalert.toml:3" in text
    assert "quiet_hours" in text


async def test_a_port_in_use(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        site.config.write_text(f"[web]\nport = {port}\n", encoding="utf-8")
        refused = await site.fzalert("run")
    assert refused.code == 3
    assert f"port {port}" in refused.err
    assert "[web] port" in refused.err
    async with fzalert.open(site.config) as fz:
        assert fz.owns_store, "nothing of it holds the store"


@asynccontextmanager
async def sound_server(folder: Path) -> AsyncIterator[str]:
    """A sound server with one device, called hall; gives its address."""
    address = folder / "sound.sock"
    words = ["-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1"]
    words += ["-L", "module-null-sink sink_name=hall"]
    words += ["-L", f"module-native-protocol-unix auth-anonymous=1 socket={address}"]
    with (folder / "sound.err").open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            "pulseaudio",
            *words,
            stderr=errors,
            env=dict(os.environ)
            | {
                "HOME": str(folder),
                "XDG_RUNTIME_DIR": str(folder),
                "PULSE_RUNTIME_PATH": str(folder),
            },
        )
    try:
        await poll(address.is_socket, "the sound server listens")
        yield f"unix:{address}"
    finally:
        process.kill()
        await process.wait()


def voice(folder: Path, server: str) -> Path:
    config = folder / "fzalert.toml"
    config.write_text(
        f"""
        [drill]
        enabled = true
        [[channel]]
        name = "voice"
        adapter = "voice.local"
        server = "{server}"
        speakers = [{{ name = "atm-1", device = "no-such-sink" }}]
        """,
        encoding="utf-8",
    )
    return config


async def test_a_missing_audio_device(tmp_path: Path) -> None:
    async with (
        sound_server(tmp_path) as server,
        fzalert.open(voice(tmp_path, server)) as fz,
    ):
        await _approve(fz)
        warning = await fz.warn("generic", to=speaker("atm-1"), expires_in=timedelta(seconds=6))
        outcome = await warning.outcome(timeout=2)
        for state in ("open", "expired"):
            told = outcome["speaker"]
            assert (told.state, told.channel) == (state, "voice")
            assert "no-such-sink" in told.detail
            assert "devices: hall" in told.detail, "what there is instead"
            assert "fzalert check --online" in told.detail
            outcome = await warning.outcome(timeout=15)


async def test_no_sound_server(tmp_path: Path) -> None:
    async with fzalert.open(voice(tmp_path, f"unix:{tmp_path}/none")) as fz:
        await _approve(fz)
        warning = await fz.warn("generic", to=speaker("atm-1"), expires_in=timedelta(seconds=5))
        outcome = await warning.outcome(timeout=10)
        assert outcome.state == "expired"
        assert "voice: " in outcome["speaker"].detail
        assert "The sound server cannot be reached" in outcome["speaker"].detail


async def test_a_gateway_with_a_wrong_password(tmp_path: Path) -> None:
    site = Site(tmp_path)
    log = tmp_path / "gateway.log"
    words = ["--port", "0", "--account", "901234:another", "--log", str(log)]
    async with site.program("fzalert_sms.cmpp.simulator", words) as gateway:
        port = (await gateway.ready())["port"]
        secret = tmp_path / "secret"
        secret.touch(mode=0o600)
        secret.write_text(SECRET)
        site.config.write_text(
            f"""
            [drill]
            enabled = true
            [[channel]]
            name = "mobile"
            adapter = "sms.cmpp"
            host = "127.0.0.1"
            port = {port}
            account = "901234"
            secret = {{ file = "secret" }}
            service_id = "FZALERT"
            src_id = "10690000"
            signature = "城关支行"
            """,
            encoding="utf-8",
        )
        async with fzalert.open(site.config) as fz:
            await _approve(fz)
            warning = await fz.warn("generic", to=phone(SOMEBODY), expires_in=timedelta(seconds=4))
            assert (await warning.outcome(timeout=1)).state == "open"
            view = (await fz.status()).channels[0]
            assert view.state == "down"
            assert "login refused" in view.detail
            assert "correct the settings" in view.detail
            outcome = await warning.outcome(timeout=10)
            assert (outcome.state, outcome["phone"].channel) == ("expired", "mobile")
            assert "login refused" in outcome["phone"].detail
            assert SECRET not in view.model_dump_json() + repr(outcome)
    found = recount(log)
    assert found.submits == 0
    assert found.refused_logins == 1, "no storm"


async def _approve(fz: Fzalert) -> None:
    author = await fz.actor(await fz.api.add_user("author", ["script_editor"]))
    approver = await fz.actor(await fz.api.add_user("approver", ["approver"]))
    await fz.approve("generic/general/1", author=author, approver=approver)


# -- what lies on the disk -----------------------------------------------------------------


async def test_a_wrong_master_key(tmp_path: Path, house: House) -> None:
    async with nothing_lost(house):
        pass
    key = tmp_path / "master.key"
    right = key.read_bytes()
    key.write_text("0f" * 32, encoding="ascii")
    with pytest.raises(IntegrityError) as refused:
        async with fzalert.open(house.settings):
            pass
    assert "key" in str(refused.value)
    assert refused.value.hint
    assert right.decode().strip() not in str(refused.value)
    key.write_bytes(right)
    async with house.service() as service:
        assert (await service.recent(1))[0].state == "delivered"


async def test_a_read_only_data_folder(tmp_path: Path) -> None:
    folder = Path("/sys/kernel")  # where not even root makes a file
    if os.geteuid() != 0:
        folder = tmp_path / "data"
        folder.mkdir(mode=0o555)
    for place in (folder / "fz.db", folder / "new" / "fz.db"):
        house = House(tmp_path, {"sms": taking().make}, f'[store]\nurl = "sqlite:///{place}"\n')
        with pytest.raises(StoreFull) as refused:
            async with fzalert.open(house.settings):
                pass
        assert "cannot be" in str(refused.value)
        assert refused.value.hint
