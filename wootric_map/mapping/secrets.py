"""Names of traits that are secrets, or the most personal data: what no survey tool should ever hold."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

SECRET_NAMES: Final = frozenset(
    {
        # what signs somebody in
        "password", "passwd", "pwd", "passphrase", "passcode", "passwordhash", "passworddigest",
        "passwordsalt", "passwordconfirmation", "secret", "secretkey", "token", "jwt", "apikey",
        "accesskey", "privatekey", "encryptionkey", "sessionkey", "authkey", "otp", "recoverycode",
        "recoverycodes", "backupcodes", "securityanswer", "securitycode",
        # what pays
        "creditcard", "creditcardnumber", "debitcard", "debitcardnumber", "cardnumber", "ccnumber",
        "ccnum", "cvv", "cvv2", "cvc", "cvc2", "iban", "bankaccount", "bankaccountnumber",
        "routingnumber",
        # what a state knows somebody by
        "ssn", "socialsecurity", "socialsecuritynumber", "socialinsurancenumber", "nationalid",
        "nationalidnumber", "nationalinsurancenumber", "taxpayerid", "passport", "passportnumber",
        "driverslicense", "driverslicensenumber", "driverlicense", "driverlicensenumber",
        "drivinglicence", "drivinglicencenumber",
    }
)  # fmt: skip
"""What the last words of a secret's name are, without what stands between the words and in small letters."""

_MOST_WORDS: Final = 4
"""Words of the longest name in `SECRET_NAMES`, written as separate words."""

_ABOUT_A_SECRET: Final = frozenset({"has", "is", "needs", "no", "uses", "with", "without"})
"""First words of names that tell about a secret, as `has_password` does, and hold none."""

_BEHIND: Final = frozenset(
    {
        "confirmation", "digest", "encrypted", "hash", "hashed", "last", "new", "no", "num", "number", "old",
        "pem", "plain", "raw", "salt", "text", "value",
    }
)  # fmt: skip
"""Words behind a secret's name that make it no less secret."""

_WITHIN: Final = (
    "password",
    "passwd",
    "token",
    "apikey",
    "creditcard",
    "secretkey",
    "privatekey",
)
"""Names that may also be the end of a word, as in `userpassword`."""

_LONGEST: Final = 500
"""Characters at the end of a name that are looked at: a hostile export may have megabytes of them."""

_find_words: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+").findall


def is_secret(path: Sequence[str]) -> bool:
    """Tell whether a trait's name is that of a secret, such as `password`, `userSSN` or `card.number`.

    Args:
        path: the keys from the traits down to the trait.
    """
    own = _words_of(path[-1])
    if not own or own[0] in _ABOUT_A_SECRET:
        return False
    words = [word for key in path[-_MOST_WORDS:-1] for word in _words_of(key)] + own
    while not _ends_in_secret(words):
        if len(words) == 1 or not (words[-1] in _BEHIND or words[-1].isdigit()):
            return False
        words.pop()
    return True


def _ends_in_secret(words: Sequence[str]) -> bool:
    """Tell whether the last of some words are a secret's name, in singular or plural."""
    last = words[-_MOST_WORDS:]
    joined = ["".join(last[at:]) for at in range(len(last))]
    singular = [each.removesuffix("s") for each in joined]
    return not SECRET_NAMES.isdisjoint((*joined, *singular)) or singular[-1].endswith(_WITHIN)


def _words_of(key: str) -> list[str]:
    """Return the words of a key in lower case."""
    text = key[-_LONGEST:]
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return [each.lower() for each in _find_words(text)]
