"""The windows of a sandbox whose limit counts for a few seconds."""

import math
from collections.abc import Iterable
from typing import Final

WINDOW: Final = 2.5
"""Seconds, for `SandboxSettings.rate_window`: as windows end on a whole one, they last 3."""

SECONDS: Final = 3


def windows(passed: Iterable[float]) -> list[int]:
    """How many calls fell into each window; the first one after a reset opens the next.

    Args:
        passed: when the calls came, in their order.
    """
    counts: list[int] = []
    reset = 0.0
    for when in passed:
        if when >= reset:
            counts.append(0)
            reset = math.ceil(when + WINDOW)
        counts[-1] += 1
    return counts
