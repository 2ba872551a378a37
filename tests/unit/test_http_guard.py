"""Which addresses a request may go to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fzalert.errors import ConfigError
from fzalert.http.guard import check_url, why_refused

OURS = frozenset({"gateway.corp", "127.0.0.1", "::1"})


@pytest.mark.parametrize("address", ["1.1.1.1", "39.156.66.10", "240e::1", "2606:4700::1111"])
def test_public_addresses_are_called(address: str) -> None:
    assert why_refused(address, is_private=False) == ""


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "0.0.0.0",  # noqa: S104  nobody binds it here
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "::1",
        "::",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:1.1.1.1",
        "64:ff9b::a00:1",
        "2002:a00:1::",
        "2001:0:1::1",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "fd00:ec2::254",
    ],
)
def test_no_other_address_is_called(address: str) -> None:
    assert why_refused(address, is_private=False) != ""


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "::1", "fd00::1", "::ffff:10.0.0.1"])
def test_a_host_that_is_ours_may_be_private(address: str) -> None:
    assert why_refused(address, is_private=True) == ""


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "224.0.0.1", "::"]
)
def test_a_host_that_is_ours_still_never_leads_to_credentials_or_crowds(address: str) -> None:
    assert why_refused(address, is_private=True) != ""


@given(st.ip_addresses())
def test_every_address_gets_a_verdict(address: object) -> None:
    public = why_refused(str(address), is_private=False)
    private = why_refused(str(address), is_private=True)
    assert public or not private, "what the outside may be, ours may be too"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://example.com/", "without TLS"),
        ("ftp://example.com/", "https://"),
        ("https:///path", "https://"),
        ("https://user:secret@example.com/", "user name"),
        ("https://example.com:25/", "another service"),
        ("https://example.com:99999/", "no URL"),
        ("https://exa mple.com/", "space"),
        ("https://example.com/\r\nHost: x", "space"),
        ("https://example.com\\@127.0.0.1/", "space"),
        ("https://[::1", "no URL"),
        ("gateway.corp", "https://"),
    ],
)
def test_a_wrong_address_is_named_without_its_secrets(url: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        check_url(url, OURS)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://example.com/x?k=1", ("https", "example.com", 443, False)),
        ("https://EXAMPLE.com.:8443", ("https", "example.com", 8443, False)),
        ("http://gateway.corp/", ("http", "gateway.corp", 80, True)),
        ("http://127.0.0.1:81/", ("http", "127.0.0.1", 81, True)),
        ("https://[::1]/", ("https", "::1", 443, True)),
    ],
)
def test_a_right_address_is_taken_apart(url: str, origin: tuple[str, str, int, bool]) -> None:
    assert tuple(check_url(url, OURS)) == origin


@given(st.text(max_size=30).map("https://".__add__) | st.text(max_size=30))
def test_garbage_for_an_address_raises_our_error_alone(url: str) -> None:
    try:
        check_url(url, OURS)
    except ConfigError:
        return
