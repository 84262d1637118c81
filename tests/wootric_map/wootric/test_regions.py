"""Where an account's Wootric stands: wootric.md, section 1."""

from contextlib import suppress
from dataclasses import astuple
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wootric_map.errors import SettingsError
from wootric_map.wootric.regions import (
    Services,
    account_fingerprint,
    is_loopback,
    journal_account,
    services,
)

PIXEL = "https://d8myem934l1zi.cloudfront.net/pixel.gif"
DEFAULT = Services(
    rest="https://api.wootric.com/v1",
    oauth="https://api.wootric.com/oauth/token",
    eligibility="https://eligibility.wootric.com",
    pixel=PIXEL,
)
EU = Services(
    rest="https://app.wootric.eu/api/v1",
    oauth="https://app.wootric.eu/oauth/token",
    eligibility="https://eligibility.wootric.eu",
    pixel=PIXEL,
)
AU = Services(
    rest="https://app.wootric.au/api/v1",
    oauth="https://app.wootric.au/oauth/token",
    eligibility="https://eligibility.wootric.au",
    pixel=PIXEL,
)


# Regions


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("NPS-4aeb53c1", DEFAULT),
        ("NPS-ABCDEFGH", DEFAULT),
        ("NPS-12345678", DEFAULT),
        ("NPS-EU123456", DEFAULT),
        ("NPS-AUabcdef", DEFAULT),
        ("NPS-EU-4aeb53c1", EU),
        ("NPS-AU-4aeb53c1", AU),
        (None, DEFAULT),
    ],
)
def test_the_account_token_picks_the_region(token: str | None, expected: Services) -> None:
    assert services(token) == expected


# Tokens


@pytest.mark.parametrize(
    "token",
    [
        "",
        "NPS",
        "NPS-",
        "4aeb53c1",
        "NPS4aeb53c1",
        "CSAT-4aeb53c1",
        "XNPS-4aeb53c1",
        "NPS-US-4aeb53c1",
        "NPS-EU-AU-4aeb53c1",
        "NPS-EU",
        "NPS-EU-",
        "NPS-AU-",
        "NPS-4aeb 3c1",
        "NPS-4aeb_3c1",
        "NPS-4aeb53c1-",
        " \n",
        "\ufeff",
        "NPS-4aeb53c1&x=1",
        "NPS-4aeb53c1/../x",
        "NPS-4aeb53c１",  # noqa: RUF001
        "NPS-äeb53c12",
    ],
)
def test_what_is_no_account_token_is_refused(token: str) -> None:
    with pytest.raises(SettingsError):
        services(token)


@settings(deadline=None)
@given(
    st.text(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", min_size=8, max_size=8
    )
)
def test_any_eight_letters_or_digits_are_a_token(letters: str) -> None:
    assert services(f"NPS-{letters}") == DEFAULT
    assert services(f"NPS-EU-{letters}") == EU
    assert services(f"NPS-AU-{letters}") == AU


AROUND = st.text(" \t\r\n\ufeff\u200b\xa0", max_size=4)


@given(AROUND, AROUND)
def test_what_copying_and_files_leave_around_a_token_does_not_count(
    before: str, behind: str
) -> None:
    token = f"{before}NPS-EU-4aeb53c1{behind}"
    assert services(token) == EU
    assert account_fingerprint(token) == account_fingerprint("NPS-EU-4aeb53c1")
    for at in (EU, services("NPS-EU-4aeb53c1", "http://127.0.0.1:1")):
        assert journal_account(token, at) == journal_account("NPS-EU-4aeb53c1", at)


# One host for all


@pytest.mark.parametrize("token", ["NPS-4aeb53c1", "NPS-EU-4aeb53c1", None])
@pytest.mark.parametrize("base", ["http://127.0.0.1:8099", "https://wootric.example.com"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_a_base_url_stands_for_all_four_services(token: str | None, base: str, slash: str) -> None:
    found = services(token, base + slash)
    for url in astuple(found):
        assert url == base or url.startswith(f"{base}/")
        assert "//" not in urlsplit(url).path
    assert not found.rest.endswith("/")
    assert not found.eligibility.endswith("/")


@pytest.mark.parametrize("token", ["", "garbage", "NPS-US-4aeb53c1"])
def test_a_token_is_judged_beside_a_base_url_too(token: str) -> None:
    with pytest.raises(SettingsError):
        services(token, "http://127.0.0.1:8099")


# Plain http


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8099",
        "http://127.0.0.1",
        "http://127.8.8.8:8099",
        "http://localhost:8099",
        "http://LOCALHOST:8099",
        "http://[::1]:8099",
        "https://wootric.example.com",
        "https://192.0.2.1:8443",
    ],
)
def test_plain_http_is_for_loopback_and_https_for_any_host(url: str) -> None:
    assert services(None, url).rest.lower().startswith(url.lower())


@pytest.mark.parametrize(
    "url",
    [
        "http://wootric.example.com",
        "http://api.wootric.com/v1",
        "http://192.0.2.1:8099",
        "http://10.0.0.1",
        "http://[2001:db8::1]:8099",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://127.0.0.1@example.com",
        "http://example.com#127.0.0.1",
        "http://example.com?127.0.0.1",
        "HTTP://example.com",
    ],
)
def test_plain_http_to_another_host_is_refused(url: str) -> None:
    with pytest.raises(SettingsError):
        services("NPS-4aeb53c1", url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "wootric.example.com",
        "127.0.0.1:8099",
        "localhost:8099",
        "//127.0.0.1:8099",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "http://",
        "https://",
        "https:///v1",
        "http://[::1",
        "http://127.0.0.1:port",
        "http://127.0.0.1:99999",
    ],
)
def test_what_is_no_http_address_is_refused(url: str) -> None:
    with pytest.raises(SettingsError):
        services("NPS-4aeb53c1", url)


@settings(deadline=None)
@given(st.text())
def test_no_base_url_raises_anything_else(url: str) -> None:
    with suppress(SettingsError):
        assert services(None, f"http://{url}").rest.startswith("http://")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.255.255.254", "::1", "localhost"])
def test_this_machine_is_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "example.com", "192.0.2.1", "128.0.0.1", "::2", "localhost.example.com", "127"]
)
def test_another_machine_is_not_loopback(host: str) -> None:
    assert not is_loopback(host)
