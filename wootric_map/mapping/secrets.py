"""Names of traits that are secrets, or the most personal data: what no survey tool should ever hold."""

import re
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

_LONGEST: Final = 500
"""Characters at the end of a name that are looked at: a hostile export may have megabytes of them."""

_find_words: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+").findall


def is_secret(path: Sequence[str]) -> bool:
    """Tell whether a trait's name is that of a secret, such as `password`, `userSSN` or `card.number`.

    Args:
        path: the keys from the traits down to the trait.
    """
    words = [each.lower() for key in path[-_MOST_WORDS:] for each in _find_words(key[-_LONGEST:])]
    if not words or words[0] in _ABOUT_A_SECRET:
        return False
    last = words[-_MOST_WORDS:]
    return any("".join(last[at:]) in SECRET_NAMES for at in range(len(last)))
