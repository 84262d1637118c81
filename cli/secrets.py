"""Secrets in the environment: read once, then taken out of it, so that no other process gets them."""

import os
from typing import Final

VARIABLES: Final = ("WOOTRIC_CLIENT_SECRET", "WOOTRIC_PASSWORD", "WOOTRIC_REDACT_KEY")

_taken: Final[dict[str, str]] = {}
"""The secrets that the environment held when the program began."""


def take() -> None:
    """Take all secrets out of the environment, for `given` to tell them from now on.

    A system shows a process' environment, to its user and to root, as it was when the program was started,
    and shows the same of each process that is forked from it. So the values are overwritten there, too.
    """
    _taken.clear()
    for name in VARIABLES:
        value = os.environ.get(name)
        if value is not None:
            _taken[name] = value
            _overwrite(name)
            del os.environ[name]


def given(name: str) -> str | None:
    """Return the value of a variable that holds a secret; None where it is not set."""
    return os.environ.get(name, _taken.get(name))


def _overwrite(name: str) -> None:
    """Overwrite a variable's value where the C library holds it."""
    import ctypes

    try:
        find = ctypes.CDLL(None).getenv
    except (OSError, AttributeError):
        return  # a Python without a C library that can be asked
    find.restype = ctypes.c_void_p
    find.argtypes = [ctypes.c_char_p]
    place = find(os.fsencode(name))
    if place:
        ctypes.memset(place, 0, len(ctypes.string_at(place)))
