"""Numbers, and texts of numbers, that are amounts (wootric.md 6)."""

import re
from decimal import Decimal
from math import isfinite
from typing import Final

_is_number: Final = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,18})?").fullmatch


def number_in(value: object) -> Decimal | int | float | None:
    """Return a number as it is, and a text of one as a decimal; None for anything else."""
    if isinstance(value, str):
        text = value.strip()
        return Decimal(text) if _is_number(text) else None
    if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
        return value
    return None
