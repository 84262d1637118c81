"""Which traits look secret, or personal: by their names, or by the form of their values."""

import ipaddress
import re
from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias

from wootric_map.mapping import secrets
from wootric_map.redaction.personal_forms import digits_in, is_email, is_phone
from wootric_map.redaction.personal_keys import kind_of

Sensitivity: TypeAlias = Literal[
    "secret", "email", "phone", "name", "address", "ip_address", "birth_date", "card", "bank_account",
    "id_number", "location",
]  # fmt: skip
"""What a trait looks like: a secret, or what it tells of a person."""

SECRET: Final = "secret"  # noqa: S105 - a word, no secret
"""What a trait looks like whose values are never shown."""

HIDDEN: Final = "(secret)"
"""What stands in place of a secret."""
NEVER_SHOWN: Final = (SECRET, "card")
"""What values look like that are never shown."""

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|[0-9]+")
"""A word of a name: `creditCard`, `credit_card` and `Credit Card` have two."""

_SECRET_WORDS: Final = frozenset({
    "password", "passwd", "pwd", "passphrase", "passcode", "secret", "secrets", "token", "tokens", "jwt",
    "credential", "credentials", "cvv", "cvc", "pin", "otp", "ssn", "salt",
})  # fmt: skip
"""Words that make a name that of a secret, but only as words of their own."""
_SECRET_PARTS: Final = (
    "password", "passwd", "creditcard", "cardnumber", "cardno", "socialsecurity", "apikey", "secretkey",
    "privatekey", "accesskey", "accesstoken", "refreshtoken", "authtoken", "sessionid", "sessionkey",
    "securitycode",
)  # fmt: skip
"""Parts of a name, its letters and digits alone, that make it that of a secret."""

_PERSONAL_PARTS: Final[Sequence[tuple[str, Sensitivity]]] = (
    ("birthdate", "birth_date"), ("birthday", "birth_date"), ("dateofbirth", "birth_date"),
    ("ipaddress", "ip_address"), ("remoteaddr", "ip_address"),
    ("bankaccount", "bank_account"), ("accountnumber", "bank_account"),
    ("passport", "id_number"), ("nationalid", "id_number"), ("taxid", "id_number"),
    ("driverlicense", "id_number"), ("driverslicense", "id_number"),
    ("postalcode", "address"), ("postcode", "address"), ("zipcode", "address"), ("streetaddress", "address"),
    ("homeaddress", "address"), ("billingaddress", "address"), ("shippingaddress", "address"),
)  # fmt: skip
"""Parts of a name, its letters and digits alone, and what they make it."""
_PERSONAL_WORDS: Final[dict[str, Sensitivity]] = {
    "dob": "birth_date", "birth": "birth_date", "born": "birth_date",
    "ip": "ip_address", "ipv4": "ip_address", "ipv6": "ip_address",
    "street": "address", "zip": "address", "address1": "address", "address2": "address",
    "iban": "bank_account", "bic": "bank_account",
    "latitude": "location", "longitude": "location", "lat": "location", "lng": "location", "lon": "location",
}  # fmt: skip
"""Words of their own, and what they make a name."""
_WHOLE_NAMES: Final[dict[str, Sensitivity]] = {"address": "address"}
"""Names of text that is personal, though objects of this name need not be."""

_CARD: Final = re.compile(r"[0-9]{4}(?:[ -]?[0-9]){9,15}")
_IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}(?: ?[0-9A-Z]){11,30}")
_IP: Final = re.compile(
    r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*"
)
_TOKEN: Final = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*|(?:sk|pk|rk)_(?:live|test)_\w{8,}|gh[po]_\w{20,}"
)
"""A JSON Web Token, or a key with a well-known beginning."""

_LONGEST: Final = 400
"""Characters of a value, or of a name, that is looked at."""
_SHARE: Final = 0.5
"""The share of the samples that have a form from which on a trait looks like that."""


def is_secret(path: Sequence[str]) -> bool:
    """Tell whether a trait looks like a secret by the keys that lead to it: more do than are left out."""
    return secrets.is_secret(path) or any(map(_is_secret_key, path))


def looks_like(path: Sequence[str], samples: Sequence[object]) -> Sensitivity | None:
    """Return what a trait looks like; None if it looks neither secret nor personal.

    Args:
        path: the keys that lead to it.
        samples: some values of it.
    """
    if is_secret(path):
        return "secret"
    forms = [_form(each) for each in samples]
    for form in dict.fromkeys(forms):
        if form and forms.count(form) >= _SHARE * len(forms):
            return form
    return _by_name(path)


def without_secrets(value: Any) -> Any:
    """Return an example of a trait that is no secret itself, with what is secret in it left out.

    Args:
        value: as it comes out of JSON, not very deep.
    """
    if isinstance(value, dict):
        return {
            key: HIDDEN if _is_secret_key(key) else without_secrets(each)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [without_secrets(each) for each in value]
    return HIDDEN if _form(value) in NEVER_SHOWN else value


def _is_secret_key(key: str) -> bool:
    words = [each.lower() for each in _WORD.findall(key[:_LONGEST])]
    joined = "".join(words)
    return not _SECRET_WORDS.isdisjoint(words) or any(part in joined for part in _SECRET_PARTS)


def _by_name(path: Sequence[str]) -> Sensitivity | None:
    kind = kind_of(".".join(path)[-_LONGEST:])
    if kind in ("email", "phone", "name"):
        return kind
    last = path[-1][:_LONGEST] if path else ""
    words = [each.lower() for each in _WORD.findall(last)]
    joined = "".join(words)
    found = next((what for part, what in _PERSONAL_PARTS if part in joined), None)
    found = found or next(
        (_PERSONAL_WORDS[word] for word in words if word in _PERSONAL_WORDS), None
    )
    return found or (_WHOLE_NAMES.get(joined) if len(path) == 1 else None)


def _form(value: object) -> Sensitivity | None:
    """Return what a value looks like by its form alone."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value).strip()
    if not text or len(text) > _LONGEST:
        return None
    if _CARD.fullmatch(text):
        return "card" if _is_card(text) else None
    if isinstance(value, int):
        return None
    if is_email(text):
        return "email"
    if is_phone(text):
        return "phone"
    if _IP.fullmatch(text) and _is_ip(text):
        return "ip_address"
    if _IBAN.fullmatch(text) and _is_iban(text):
        return "bank_account"
    return "secret" if _TOKEN.fullmatch(text) else None


def _is_card(text: str) -> bool:
    """Tell whether digits are a payment card's: the last is a check digit (Luhn, ISO/IEC 7812-1)."""
    digits = [int(each) for each in reversed(digits_in(text))]
    doubled = (sum(divmod(2 * each, 10)) for each in digits[1::2])
    return len(set(digits)) > 1 and (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _is_iban(text: str) -> bool:
    """Tell whether a text is an IBAN: its check digits are right (ISO 13616)."""
    compact = text.replace(" ", "")
    digits = "".join(str(int(each, 36)) for each in compact[4:] + compact[:4])
    return int(digits) % 97 == 1


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
