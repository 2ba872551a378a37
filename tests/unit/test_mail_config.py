"""Settings of a mail channel: what is safe and what is refused."""

from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from fzalert_mail.smtp import SmtpConfig

PASSWORD = SecretStr("swordfish")


def config(**settings: Any) -> SmtpConfig:
    basis: dict[str, Any] = {
        "name": "mail",
        "adapter": "mail.smtp",
        "host": "mx.bank.example",
        "sender": "warn@police.example",
    }
    return SmtpConfig(**{**basis, **settings})


@pytest.mark.parametrize(("tls", "port"), [("starttls", 587), ("tls", 465), ("none", 25)])
def test_the_port_follows_the_way_of_encryption(tls: str, port: int) -> None:
    assert config(tls=tls, host="127.0.0.1").server_port == port
    assert config(tls=tls, host="127.0.0.1", port=2525).server_port == 2525


def test_the_road_is_encrypted_unless_said_otherwise() -> None:
    assert config().tls == "starttls"
    assert config().domain == "police.example"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"tls": "none"}, "allow_plaintext"),
        ({"tls": "none", "host": "10.0.0.1"}, "allow_plaintext"),
        (
            {"tls": "none", "allow_plaintext": True, "username": "u", "password": PASSWORD},
            "never travels without TLS",
        ),
        ({"username": "u"}, "go together"),
        ({"password": PASSWORD}, "go together"),
        ({"sender": "nobody"}, "no mail address"),
        ({"sender": "李@police.example"}, "ASCII"),
        ({"sender_name": "a\r\nBcc: x"}, "control character"),
        ({"password": "literal", "username": "u"}, "by reference"),
        ({"answer_timeout": 0}, "greater than 0"),
        ({"adress": "x"}, "Extra inputs"),
    ],
)
def test_what_is_not_safe_is_refused(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        config(**settings)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_a_server_on_this_machine_needs_no_tls(host: str) -> None:
    settings = config(tls="none", host=host, username="u", password=PASSWORD)
    assert "swordfish" not in repr(settings)
