"""Settings of the relay: who we are to the county, and that nothing travels in clear."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from fzalert import ConfigError
from fzalert.testing.pki import Authority
from fzalert_post.relay import RelayConfig

BASE = {"name": "county", "adapter": "post.relay", "url": "https://county.example:8843/"}


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTY_TOKEN", "chengguan.secret-half")


def made(**change: Any) -> RelayConfig:
    given = {**BASE, "token": {"env": "COUNTY_TOKEN"}, **change}
    return RelayConfig.model_validate({k: v for k, v in given.items() if v is not None})


def test_a_token_or_a_certificate_and_never_both() -> None:
    assert made().kinds == ("phone",)
    assert made(token=None, certificate="a.pem", key="a.key").certificate == Path("a.pem")
    for wrong in ({"token": None}, {"certificate": "a.pem", "key": "a.key"}):
        with pytest.raises(ValidationError, match="token, or certificate"):
            made(**wrong)
    with pytest.raises(ValidationError, match="go together"):
        made(token=None, certificate="a.pem")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://county.example/", "https"),
        ("http://10.0.0.7:8800/", "https"),
        ("https://county.example/fzalert/", "behind the port"),
        ("https://county.example/?a=1", "behind the port"),
        ("https://user@county.example/", "user name"),
        ("ftp://county.example/", "https://"),
    ],
)
def test_an_address_that_cannot_be_is_refused(url: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        made(url=url)


def test_this_machine_itself_may_be_called_without_tls() -> None:
    assert made(url="http://127.0.0.1:8800").host == "127.0.0.1"


def test_more_connections_are_no_more_windows() -> None:
    with pytest.raises(ValidationError, match="raise window"):
        made(connections=2)


def test_files_that_do_not_belong_together_are_told_at_once(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    one, other = authority.issue("one"), authority.issue("other")
    with pytest.raises(ConfigError, match="certificates of county"):
        made(token=None, certificate=one.certificate, key=other.key).tls()
    with pytest.raises(ConfigError, match="certificates of county"):
        made(ca=tmp_path / "nothing.pem").tls()
    good = made(token=None, certificate=one.certificate, key=one.key, ca=authority.certificate)
    assert good.tls() is not None
    assert made().tls() is None
    assert "secret-half" not in repr(made())
