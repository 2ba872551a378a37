"""Settings of a webhook channel."""

from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from fzalert_post.webhook import WebhookConfig

SECRET = SecretStr("a shared secret of 30 letters")


def config(*groups: dict[str, Any], **settings: Any) -> WebhookConfig:
    basis: dict[str, Any] = {"secret": SECRET, "url": "https://hooks.example/x?key=k3y"}
    whole = [{**basis, **one} for one in groups]
    return WebhookConfig.model_validate(
        {"name": "posts", "adapter": "post.webhook", "groups": whole, **settings}
    )


def test_a_group_is_reached_over_tls() -> None:
    (one,) = config({"name": "duty"}).groups
    assert one.host == "hooks.example"
    assert one.private_hosts == frozenset()


def test_a_host_that_is_ours_may_be_reached_without() -> None:
    (one,) = config({"name": "duty", "url": "http://10.0.0.7:8080/x", "private": True}).groups
    assert one.private_hosts == {"10.0.0.7"}


@pytest.mark.parametrize(
    ("groups", "reason"),
    [
        ([], "at least 1 item"),
        ([{"name": "a"}, {"name": "a"}], "two groups have the name a"),
        ([{"name": "a b"}], "no name of a group"),
        ([{"name": "a", "url": "http://hooks.example/"}], "without TLS"),
        ([{"name": "a", "url": "https://u:p@hooks.example/"}], "user name"),
        ([{"name": "a", "url": "hooks.example"}], "https://"),
        ([{"name": "a", "secret": SecretStr("short")}], "at least 16 characters"),
        ([{"name": "a", "secret": "a literal secret of some length"}], "by reference"),
        ([{"name": "a", "extra": 1}], "Extra inputs"),
    ],
)
def test_what_cannot_work_is_refused(groups: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        config(*groups)


def test_neither_secret_nor_address_shows() -> None:
    shown = repr(config({"name": "duty"}))
    assert "k3y" not in shown
    assert "a shared secret" not in shown
