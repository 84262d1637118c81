"""Durations as people write and read them: `90s`, `10m`, `12h`, `7d`, `2w`."""

import re
from typing import Final

_SECONDS: Final = {
    "s": 1.0, "m": 60.0, "min": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0,
}  # fmt: skip
_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(s|m|min|h|d|w)")
_NUMBER_AND_LETTERS: Final = re.compile(r"[0-9.]+[A-Za-z]+")


def is_like_one(text: str) -> bool:
    """Tell whether a text can only be meant as a duration: a number followed by letters."""
    return _NUMBER_AND_LETTERS.fullmatch(text) is not None


def seconds_in(text: str) -> float | None:
    """Return the seconds of a duration, or None if `text` is not a duration.

    Args:
        text: a number and a unit: `s`, `m` or `min` (minutes), `h`, `d` or `w` (weeks).
    """
    matched = _DURATION.fullmatch(text)
    return float(matched[1]) * _SECONDS[matched[2]] if matched else None


def duration(seconds: float) -> str:
    """Return a length of time in the two largest units that tell it."""
    whole = round(seconds)
    for size, unit, next_size, next_unit in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // next_size
            return f"{whole // size} {unit}" + (f" {rest} {next_unit}" if rest else "")
    return f"{whole} s"
