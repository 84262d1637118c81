"""Which ids somebody else has, by Wootric's words (wootric.md 3)."""

import re
from collections.abc import Mapping
from typing import Final

from wootric_map.model import LookUpKey

_TAKEN: Final = re.compile(r"\b(email|external)(?:[ _]id)? has already been taken", re.IGNORECASE)

_KEYS: Final[Mapping[str, LookUpKey]] = {"email": "email", "external": "external_id"}


def taken_ids(words: str) -> frozenset[LookUpKey]:
    """Return which ids somebody else has, by Wootric's words of refusal; none if they name none.

    A refusal names every rule that was broken, as in `Validation failed: Email has already been taken`.
    """
    return frozenset(_KEYS[found.lower()] for found in _TAKEN.findall(words))
