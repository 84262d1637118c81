"""Which end users there are, and which traits they have values for, once ids are tied."""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from wootric_map.findings import CountedWarnings
from wootric_map.inspection.inspected_part import (
    EVENT_HAS_EMAIL,
    EVENT_HAS_PHONE,
    HAS_EMAIL,
    HAS_PHONE,
    HAS_WOOTRIC_ID,
    IDENTIFIES,
    Filled,
)
from wootric_map.inspection.inspection import EndUserCounts, IdCounts, Placeholder
from wootric_map.inspection.trait_table import Path
from wootric_map.plan.identities import Identities
from wootric_map.plan.people import (
    AMBIGUOUS,
    EMAIL,
    PHONE,
    SEVERAL_PEOPLE,
    UNIQUE,
    USER,
    WOOTRIC,
)

FILED: Final = 128
"""Beside what records state of an end user: any record is filed under the end user."""

_MOST_UNIONS: Final = 100_000
"""Unions of sets of traits that are remembered."""

_AMBIGUOUS: Final = "ambiguous"
_ANONYMOUS: Final = "anonymous"
_BY_KIND: Final = (
    (EMAIL, HAS_EMAIL | EVENT_HAS_EMAIL, "with_email"),
    (PHONE, HAS_PHONE | EVENT_HAS_PHONE, "phone_alone"),
    (WOOTRIC, HAS_WOOTRIC_ID, "wootric_id_alone"),
    (USER, 0, "user_id_alone"),
)
"""The kinds of ids from the one that tells most of an end user, what records state of them, and the count."""


def counted(
    identities: Identities,
    stated: bytes | bytearray,
    opted_out: bytearray | None,
    with_external_id: bytearray | None = None,
) -> EndUserCounts:
    """Count the end users.

    Args:
        identities: the ids, which are tied.
        stated: by the root of each end user, what records state, and `FILED`.
        opted_out: by the root of each end user, whether they want no surveys; None if no trait says so.
        with_external_id: by the root of each end user, whether they state an external id; None if no trait
            gives these.
    """
    counts: Counter[str] = Counter()
    identified = written = 0
    kinds = identities.group_kinds
    # There are few combinations of what is stated and of kinds of ids.
    for (told, kind), count in Counter(zip(stated, kinds, strict=True)).items():
        if not told & FILED:
            continue
        counts[_class_of(told, kind)] += count
        if told & IDENTIFIES:
            identified += count
            written += count * _is_written(told, kind)
    return EndUserCounts(
        total=counts.total(),
        with_email=counts["with_email"],
        phone_alone=counts["phone_alone"],
        wootric_id_alone=counts["wootric_id_alone"],
        user_id_alone=counts["user_id_alone"],
        anonymous=counts[_ANONYMOUS],
        ambiguous=counts[_AMBIGUOUS],
        identified=identified,
        written=written,
        opted_out=None if opted_out is None else _turned_off(stated, kinds, opted_out),
        with_external_id=None if with_external_id is None else _stating(stated, with_external_id),
    )


def _turned_off(stated: bytes | bytearray, kinds: Iterable[int], opted_out: Iterable[int]) -> int:
    """Return for how many end users whom a push writes it turns surveys off."""
    return sum(
        bool(told & FILED and told & IDENTIFIES and _is_written(told, kind))
        for told, kind, is_off in zip(stated, kinds, opted_out, strict=True)
        if is_off
    )


def _stating(stated: bytes | bytearray, with_external_id: bytearray) -> int:
    """Return how many end users who have an identify state an external id."""
    found = zip(stated, with_external_id, strict=True)
    return sum(bool(told & FILED and told & IDENTIFIES and own) for told, own in found)


def is_ambiguous(kinds: int) -> bool:
    """Tell by the kinds of all ids of an end user whether only ids of several people name them."""
    return bool(kinds & SEVERAL_PEOPLE or (kinds & AMBIGUOUS and not kinds & UNIQUE))


def _class_of(stated: int, kinds: int) -> str:
    if is_ambiguous(kinds):
        return _AMBIGUOUS
    for kind, saying, name in _BY_KIND:
        if kinds & kind or stated & saying:
            return name
    return _ANONYMOUS


def _is_written(stated: int, kinds: int) -> bool:
    """Tell whether a push writes an end user who has an identify, as `deliver.verdicts.change` decides."""
    if is_ambiguous(kinds):
        return False
    if stated & (HAS_EMAIL | HAS_PHONE | HAS_WOOTRIC_ID):
        return True
    return bool(stated & (EVENT_HAS_EMAIL | EVENT_HAS_PHONE) and kinds & (EMAIL | PHONE))


def id_counts(
    identities: Identities, stated: bytes | bytearray, warnings: CountedWarnings
) -> IdCounts:
    """Count the ids that tie nobody.

    Args:
        identities: the ids, which are tied.
        stated: by the root of each end user, what records state, and `FILED`.
        warnings: the warnings about records, placeholders among them.
    """
    placeholders = Counter({
        each.subject: each.count
        for each in warnings
        if each.code == "placeholder_id" and each.subject is not None
    })  # fmt: skip
    ordered = sorted(placeholders.items(), key=lambda item: (-item[1], item[0]))
    return IdCounts(
        ambiguous_user_ids=len(identities.ambiguous_users),
        ambiguous_emails=len(identities.ambiguous_emails),
        ambiguous_aliases=sum(users > 1 for _, _, users in identities.names.aliases()),
        shared_phones=sum(
            bool(told & FILED and kinds & AMBIGUOUS and kinds & PHONE and not kinds & UNIQUE)
            for told, kinds in zip(stated, identities.group_kinds, strict=True)
        ),
        placeholders=tuple(Placeholder(text, count) for text, count in ordered),
    )


class TraitSets:
    """Which traits each end user has values for, in a few bytes an end user.

    A set of traits is a bit mask; end users with the same set share one.
    """

    def __init__(self, traits: Sequence[Path], roots: int) -> None:
        """Start with end users that have none.

        Args:
            traits: the traits that are counted.
            roots: a number above that of every root.
        """
        self._traits = traits
        self._bits = {path: 1 << nth for nth, path in enumerate(traits)}
        self._of = array("I", bytes(4 * roots))
        self._masks: dict[int, int] = {0: 0}
        """Each mask with its number."""
        self._by_number = [0]
        self._unions: dict[tuple[int, int], int] = {}

    def add(self, filled: Filled, roots: Sequence[int]) -> None:
        """Add the traits that the identifies of a part have values for.

        Args:
            filled: the traits.
            roots: the root of the end user that each record of the part belongs to.
        """
        bits = [self._bits.get(path, 0) for path in filled.paths]
        numbers = [self._number(sum({bits[each] for each in traits})) for traits in filled.sets]
        held, unions = self._of, self._unions
        for record, nth in zip(filled.records, filled.numbers, strict=True):
            root, more = roots[record], numbers[nth]
            own = held[root]
            if own != more:
                union = unions.get((own, more))
                held[root] = self._union(own, more) if union is None else union

    def end_users(self, stated: bytes | bytearray) -> Mapping[Path, int]:
        """Return how many end users that have an identify have a value for each trait.

        Args:
            stated: by the root of each end user, what records state.
        """
        counts = [0] * len(self._traits)
        identified = (
            each for each, told in zip(self._of, stated, strict=True) if told & IDENTIFIES
        )
        for number, count in Counter(identified).items():
            mask = self._by_number[number]
            while mask:
                least = mask & -mask
                counts[least.bit_length() - 1] += count
                mask ^= least
        return dict(zip(self._traits, counts, strict=True))

    def _number(self, mask: int) -> int:
        number = self._masks.setdefault(mask, len(self._masks))
        if number == len(self._by_number):
            self._by_number.append(mask)
        return number

    def _union(self, one: int, other: int) -> int:
        if len(self._unions) >= _MOST_UNIONS:
            self._unions.clear()
        union = self._number(self._by_number[one] | self._by_number[other])
        self._unions[one, other] = union
        return union
