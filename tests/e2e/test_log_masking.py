"""A whole day of the service at its most talkative: nobody's number and no secret is in its log."""

import json
import logging
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
import structlog
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from fzalert.cli.logs import start_logging
from fzalert.config import LogSettings
from fzalert.errors import InputError
from fzalert.messages import phone
from fzalert.ports import Submission
from fzalert.service.models import CampaignRequest, WarnRequest
from fzalert.testing.engine import Answer, FarSide, sms, take_everything
from fzalert.testing.house import House
from fzalert.web import Stopping, WebServer, build_app

SECRET = "zq-k9-the-lines-own-secret"


class Careless:
    """An adapter's far side that says aloud whatever it is given, and breaks now and then."""

    def __init__(self) -> None:
        self.log = structlog.get_logger("fzalert_sms.careless")
        self.seen = 0

    def __call__(self, part: Submission) -> Answer:
        self.seen += 1
        address, secret = part.target.address, SecretStr(SECRET)
        self.log.warning("careless.part", part=part, to=part.target, raw=address, login=secret)
        logging.getLogger("careless").warning("to %s with %s: %r", address, SECRET, part)
        if self.seen % 5 == 2:
            raise RuntimeError(f"{address} refused {SECRET}") from ValueError(address, SECRET)
        return take_everything(part)


async def broken(scope: Scope, receive: Receive, send: Send) -> None:
    """A web application that breaks with everything in its hands."""
    raise RuntimeError(scope, SECRET)


async def a_day(folder: Path, numbers: list[str]) -> None:
    """Warn, import, crash, look at pages: what a demo does, and worse."""
    careless = Careless()
    far = FarSide(careless, sms(window=4))
    house = House(folder, {"sms": far.make})
    rows = [*numbers, numbers[0] + "9", f"tel {numbers[1]} x", "=" + numbers[2]]
    async with house.service() as service:
        await house.approve(service)
        door = house.door(service)
        for number in numbers[:3]:
            warning = await door.warn("impersonating-police", to=phone(number), key=f"T{number}")
            await warning.outcome(timeout=0.05)
        far.crash(RuntimeError(f"the report of {numbers[3]} cannot be read with {SECRET}"))
        request = CampaignRequest(name=numbers[4], file=house.list_of(rows), script="generic")
        view = await service.plan_campaign(request, house.local)
        await service.steer_campaign(view.id, "start", house.local)
        await far.until_written(5)
        with pytest.raises(InputError):
            await service.warn_request(
                WarnRequest(script="no-such", to=[f"phone:{numbers[5]}"]), house.local
            )
        await ask(build_app(service, house.settings), house, numbers)
    await ask(broken, house, numbers)


async def ask(app: ASGIApp, house: House, numbers: list[str]) -> None:
    """Call the pages with numbers where none belong."""
    server = WebServer(app, house.settings.web, Stopping())
    async with server.serving() as url, httpx.AsyncClient(base_url=url) as client:
        client.headers["authorization"] = f"Bearer {SECRET}"
        await client.get(f"warnings/{numbers[0]}", params={"to": numbers[1]})
        await client.post("api/v1/warnings", content=json.dumps({"to": numbers}))
        await client.get("/")


@given(tails=st.lists(st.integers(0, 10**8 - 1), min_size=6, max_size=6, unique=True))
@settings(max_examples=4, deadline=None, phases=[Phase.generate])  # a day is long to shrink
async def test_no_number_and_no_secret_of_a_whole_day_is_in_the_log(tails: list[int]) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    numbers = [f"138{tail:08d}" for tail in tails]
    with TemporaryDirectory() as name:
        file = Path(name) / "fzalert.log"
        running = start_logging(LogSettings(file=file, level="debug"), hide=[SECRET], service=True)
        try:
            await a_day(Path(name), numbers)
        finally:
            running.stop()
            root.handlers, root.level = handlers, level
            structlog.reset_defaults()
        text = file.read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    said = {str(line["event"]) for line in lines}
    assert {"careless.part", "channel.crashed"} <= said
    assert any("exception" in line for line in lines)
    assert [number for number in numbers if number in text] == []
    assert SECRET not in text
    assert running.dropped == 0
