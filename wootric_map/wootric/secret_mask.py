"""Hiding the secrets of a login in what a reply says, since a server may repeat whatever it was sent."""

import re
from typing import Final

_SHORT: Final = 6
"""Characters of a secret that is hidden wherever it stands; a shorter one is hidden only as a word."""

_LONGEST: Final = 256
"""Characters of a secret that are looked for; what follows is hidden up to a blank or quote."""


class SecretMask:
    """Replaces the secrets that a run knows; may be used from several threads."""

    def __init__(self) -> None:
        """Begin without a secret."""
        self._shown: dict[str, str] = {}
        """What is shown in place of each secret."""

    def add(self, secret: object, shown: str = "[secret]") -> None:
        """Hide a secret from now on.

        Args:
            secret: the secret; anything but text is none.
            shown: what is shown in its place.
        """
        if isinstance(secret, str) and secret.strip():
            self._shown = {secret: shown, **self._shown}

    def __call__(self, text: str) -> str:
        """Return a text without the secrets, however they are written: plain, percent-encoded, or in JSON."""
        secrets = self._shown
        for secret in sorted(secrets, key=len, reverse=True):
            text = re.sub(_pattern(secret), secrets[secret], text, flags=re.IGNORECASE)
        return text


def _pattern(secret: str) -> str:
    """Return the pattern that a secret meets in each of its forms."""
    pattern = "".join(_forms(each) for each in secret[:_LONGEST])
    if len(secret) > _LONGEST:
        return rf"{pattern}[^\s\"']*"
    return pattern if len(secret) >= _SHORT else rf"(?<![^\W_]){pattern}(?![^\W_])"


def _forms(character: str) -> str:
    """Return the pattern of a character as plain text, in a form or an address, and in JSON."""
    units = character.encode("utf-16-be", errors="surrogatepass")
    in_json = "".join(rf"\\{{1,4}}u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
    plain = re.escape(character)
    in_form = "".join(f"%(?:25){{0,4}}{each:02x}" for each in character.encode(errors="replace"))
    # A text in UTF-16 has a zero byte beside each character of ASCII.
    blank = r"|\+" if character == " " else ""
    return rf"(?:\\{{0,4}}{plain}|{in_json}|{in_form}{blank})\0?"
