"""The kinds of ids that name an end user, and the names under which ids are told apart (segment.md 8)."""

from collections.abc import Callable
from hashlib import blake2b
from typing import Final, NamedTuple, TypeAlias

USER: Final = 1
"""A `userId`, Wootric's external id."""
EMAIL: Final = 2
"""An email in the form in which emails are compared: trimmed, in lower case."""
WOOTRIC: Final = 4
"""Wootric's own id of an end user."""
PHONE: Final = 8
"""A phone number. Households share phones, so a phone ties ids only if no other id contradicts it."""
ANONYMOUS: Final = 16
"""An `anonymousId`. People share devices, so an `anonymousId` ties ids only if the user asks for it."""
AMBIGUOUS: Final = 32
"""Flag beside `PHONE` or `ANONYMOUS`: several end users have the id, so it names none of them."""
SEVERAL_PEOPLE: Final = 64
"""Flag beside `USER`: several people carry the `userId`, so it names nobody (segment.md 8, rule 2)."""

UNIQUE: Final = USER | EMAIL | WOOTRIC
"""Kinds that belong to one end user: two groups that both have such a kind are two end users."""

PREFIXES: Final = {USER: "u:", EMAIL: "e:", WOOTRIC: "w:", PHONE: "p:", ANONYMOUS: "a:"}
"""How the name of an id begins, by the kind of the id."""

KINDS: Final = {prefix: kind for kind, prefix in PREFIXES.items()}
"""The kind of an id, by the beginning of its name."""

NO_TIME: Final = -(2**63)
"""The time of a record without a time; it sorts before every other time."""

NEVER: Final = 2**63 - 1
"""The time of a record that does not exist; it sorts after every other time."""

DIGEST: Final = "\0"
"""How the text of a very long id begins: a digest follows, by which nobody can be looked up."""

_LONGEST_ID: Final = 200
"""Characters of an id that are kept; a longer id is named by a digest."""


class Identity(NamedTuple):
    """An id of an end user."""

    kind: int
    text: str

    @property
    def name(self) -> str:
        """The text that tells this id from every other id of any kind."""
        return PREFIXES[self.kind] + self.text


def id_name(kind: int, text: str) -> str:
    """Return the name of an id, as `Identity.name` does, with a digest in place of a very long text."""
    return PREFIXES[kind] + (text if len(text) <= _LONGEST_ID else shortened(text))


def shortened(text: str) -> str:
    """Return an id, with a digest in place of a very long text."""
    return text if len(text) <= _LONGEST_ID else DIGEST + blake2b(text.encode()).hexdigest()


FindWootricId: TypeAlias = Callable[[Identity], int | None]
"""Returns Wootric's own id of the end user that an id names; None if Wootric knows no such end user."""
