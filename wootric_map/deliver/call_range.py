"""How many calls a push makes: exactly, or as a range where only the account can tell."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, Self, TypeAlias, cast, get_args

Kind: TypeAlias = Literal[
    "look_up",
    "create",
    "update",
    "eligibility_check",
    "page_view",
    "survey_list",
    "response",
    "decline",
    "surveys_off",
]
"""A kind of call; each kind has a limit of its own."""

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

ENDPOINTS: Final[Mapping[Kind, str]] = {
    "look_up": "end_users/{}",
    "create": "end_users/create",
    "update": "end_users/update",
    "eligibility_check": "eligible",
    "page_view": "pixel",
    "survey_list": "responses/list",
    "response": "responses/create",
    "decline": "declines/create",
    "surveys_off": "end_users/settings",
}
"""The name of each kind's endpoint in the pace."""

LOOK_UP_BY_PHONE: Final = "end_users/phone_number/{}"
"""The name of the other endpoint that takes look-ups."""

LIST_OF_DECLINES: Final = "declines/list"
"""The name of the other endpoint that lists what end users did with surveys."""

_NONE: Final[Mapping[Kind, int]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class CallRange:
    """The numbers of calls between which the true numbers lie.

    A call may be of one kind or another, as an end user is created or looked up. So the least calls of all
    kinds may be more than those of each kind together, and the most calls fewer.
    """

    least_by_kind: Mapping[Kind, int] = field(default_factory=lambda: _NONE)
    """The least number of calls of each kind."""
    most_by_kind: Mapping[Kind, int] = field(default_factory=lambda: _NONE)
    """The greatest number of calls of each kind."""
    least: int = 0
    """The least number of calls of all kinds together."""
    most: int = 0
    """The greatest number of calls of all kinds together."""

    @classmethod
    def exactly(cls, calls: Mapping[Kind, int]) -> Self:
        """Return the range that holds nothing but these numbers of calls."""
        total = sum(calls.values())
        return cls(calls, calls, total, total)

    @property
    def is_exact(self) -> bool:
        """Whether the number of calls is known."""
        return self.least == self.most

    def plus(self, other: "CallRange") -> "CallRange":
        """Return the range of these calls and others together."""
        return CallRange(
            Counter(self.least_by_kind) + Counter(other.least_by_kind),
            Counter(self.most_by_kind) + Counter(other.most_by_kind),
            self.least + other.least,
            self.most + other.most,
        )

    def less(self, made: Mapping[Kind, int]) -> "CallRange":
        """Return the range of the calls that are left once these were made."""
        least = {
            kind: max(count - made.get(kind, 0), 0) for kind, count in self.least_by_kind.items()
        }
        most = {
            kind: max(count - made.get(kind, 0), 0) for kind, count in self.most_by_kind.items()
        }
        total = sum(made.values())
        return CallRange(
            least,
            most,
            max(self.least - total, sum(least.values()), 0),
            max(min(self.most - total, sum(most.values())), sum(least.values()), 0),
        )


class RangeSum:
    """Adds ranges of calls up."""

    def __init__(self) -> None:
        """Begin with no calls."""
        self._least: Counter[Kind] = Counter()
        self._most: Counter[Kind] = Counter()
        self._totals = [0, 0]

    def add(self, calls: CallRange) -> None:
        """Add the calls of one more step."""
        self._least.update(calls.least_by_kind)
        self._most.update(calls.most_by_kind)
        self._totals[0] += calls.least
        self._totals[1] += calls.most

    @property
    def sum(self) -> CallRange:
        """The range of all calls that were added."""
        return CallRange(dict(self._least), dict(self._most), *self._totals)


def kind_of(action: str) -> Kind:
    """Return the kind of the call that an action makes.

    Raises:
        ValueError: the action makes no call.
    """
    return KINDS[KINDS.index(cast("Kind", action))]


def made_by_kind(made: Mapping[str, int]) -> dict[Kind, int]:
    """Return how many calls of each kind were made.

    Args:
        made: how many calls were made, by the name of the endpoint in the pace.
    """
    counts = {kind: made.get(name, 0) for kind, name in ENDPOINTS.items()}
    counts["look_up"] += made.get(LOOK_UP_BY_PHONE, 0)
    counts["survey_list"] += made.get(LIST_OF_DECLINES, 0)
    return counts
