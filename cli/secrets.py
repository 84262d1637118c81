"""Secrets in the environment: read once and then removed, so that no other process gets them."""

import os
from itertools import count, takewhile
from typing import Final

VARIABLES: Final = ("WOOTRIC_CLIENT_SECRET", "WOOTRIC_PASSWORD", "WOOTRIC_REDACT_KEY")

_taken: Final[dict[str, str]] = {}
"""The secrets that the environment held when the program began."""


def take() -> None:
    """Remove all secrets from the environment; `given` returns them from now on.

    The system shows the environment that a process was started with to its user and to root, also for forked
    processes. So the values are overwritten there, too.
    """
    _taken.clear()
    for name in VARIABLES:
        value = os.environ.get(name)
        if value is not None:
            _taken[name] = value
            _overwrite(name)
            del os.environ[name]


def given(name: str) -> str | None:
    """Return the value of a variable that holds a secret; None if it is not set."""
    return os.environ.get(name, _taken.get(name))


def _overwrite(name: str) -> None:
    """Overwrite each value of a variable, which may be given several times, in the C library's memory."""
    import ctypes

    try:
        environment = ctypes.POINTER(ctypes.c_void_p).in_dll(ctypes.CDLL(None), "environ")
    except (OSError, ValueError):
        return  # this Python has no C library, or one that hides its environment
    beginning = os.fsencode(name) + b"="
    for place in takewhile(bool, (environment[number] for number in count())):
        text = ctypes.string_at(place)
        if text.startswith(beginning):
            ctypes.memset(place + len(beginning), 0, len(text) - len(beginning))
