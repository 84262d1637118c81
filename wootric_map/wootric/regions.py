"""The addresses of Wootric's services: those of an account's region, or one host for all (wootric.md 1)."""

import ipaddress
import re
import string
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final
from urllib.parse import urlsplit

from wootric_map.errors import SettingsError

# wootric.md 1 says eight letters or digits; a little leeway keeps real tokens from being refused.
_ACCOUNT_TOKEN: Final = re.compile(r"NPS-(?:(EU|AU)-)?[A-Za-z0-9]{6,}")
_PIXEL: Final = "https://d8myem934l1zi.cloudfront.net/pixel.gif"


_AROUND: Final = string.whitespace + "\x85\xa0\u200b\u2028\u2029\ufeff"
"""Characters that copying, files and editors put around a text: blanks, line ends, byte-order marks."""


@dataclass(frozen=True, slots=True)
class Services:
    """The addresses of Wootric's four services."""

    rest: str
    """The address of the REST API, with its version and without a slash at the end."""
    oauth: str
    """The address that gives out tokens."""
    eligibility: str
    """The host of `eligible.json` and `registered_events.json`, without a slash at the end."""
    pixel: str
    """The address of the page pixel."""

    @property
    def is_stand_in(self) -> bool:
        """Whether the services are on this machine, and so not Wootric's own."""
        return is_loopback(urlsplit(self.rest).hostname or "")


_REGIONS: Final = {
    None: Services(
        "https://api.wootric.com/v1",
        "https://api.wootric.com/oauth/token",
        "https://eligibility.wootric.com",
        _PIXEL,
    ),
    "EU": Services(
        "https://app.wootric.eu/api/v1",
        "https://app.wootric.eu/oauth/token",
        "https://eligibility.wootric.eu",
        _PIXEL,
    ),
    "AU": Services(
        "https://app.wootric.au/api/v1",
        "https://app.wootric.au/oauth/token",
        "https://eligibility.wootric.au",
        _PIXEL,
    ),
}


def services(account_token: str | None, base_url: str | None = None) -> Services:
    """Return the services of an account.

    Args:
        account_token: the token, which names the region; None means the default region. Blanks, line ends
            and byte-order marks around the token are ignored.
        base_url: the one host to use for all four services; None uses the addresses of the region.

    Raises:
        SettingsError: the token is no account token, or the address can't be used.
    """
    region = None
    if account_token is not None:
        matched = _ACCOUNT_TOKEN.fullmatch(bare(account_token))
        if not matched:
            raise SettingsError(
                "the account token does not look like one (NPS-xxxxxxxx, NPS-EU-xxxxxxxx or "
                "NPS-AU-xxxxxxxx); copy it from Wootric's settings"
            )
        region = matched[1]
    if base_url is None:
        return _REGIONS[region]
    try:
        parts = urlsplit(base_url)
        _ = parts.port  # urlsplit checks the port only when it is read
    except ValueError as error:
        raise SettingsError(f"the base URL can't be read: {error}") from error
    if any(character.isspace() for character in base_url):
        raise SettingsError("the base URL holds white space")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SettingsError("the base URL is no http or https address")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise SettingsError("the base URL takes a host and a path, no login, query or fragment")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise SettingsError("plain http would show the token to the network; use https")
    base = base_url.rstrip("/")
    return Services(f"{base}/v1", f"{base}/oauth/token", base, f"{base}/pixel.gif")


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is this machine itself."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def journal_account(account_token: str, at: Services) -> str:
    """Return the fingerprint by which a journal knows an account; other services are another account.

    Args:
        account_token: the token of the account.
        at: the services that the account is used with.
    """
    if at == services(account_token):
        return account_fingerprint(account_token)
    return account_fingerprint(f"{bare(account_token)} {at.rest}")


def base_url_of(account_token: str, at: Services) -> str | None:
    """Return the one host of all services; None if the services are those of the account's region.

    Args:
        account_token: the token of the account.
        at: the services that the account is used with.
    """
    return None if at == services(account_token) else at.eligibility


def bare(text: str) -> str:
    """Return a token or secret without the blanks, line ends and byte-order marks around it."""
    return text.strip(_AROUND)


def account_fingerprint(account_token: str) -> str:
    """Return the fingerprint of an account token: twelve hex digits, which files hold in its place."""
    digest = blake2b(bare(account_token).encode(), digest_size=6, person=b"wootric account")
    return digest.hexdigest()
