"""The ids of a part's records join the ids of the run."""

from array import array

from wootric_map.plan.engine.filing import NOBODY
from wootric_map.plan.engine.taken import Taken
from wootric_map.plan.identities import Identities


def take_ids(identities: Identities, taken: Taken, source: str, lines_before: int) -> "array[int]":
    """Number the ids of a part, and note what the part's records say of them.

    Args:
        identities: the ids of the run; gets those of the part.
        taken: the part, in which ids are known by their places in `taken.names`.
        source: the name of the part's source.
        lines_before: how many lines of the source stand before the part.

    Returns:
        The number of each id in its place; and `NOBODY` in the last place, which index -1 names.
    """
    numbers = identities.numbers(taken.names)
    for note, pairs in (
        (identities.claims.add, taken.claims),
        (identities.withheld.add, taken.withheld),
        (identities.ties.add, taken.ties),
        (identities.hint, taken.hints),
        (identities.named.add, taken.named),
    ):
        for one, other in pairs:
            note(numbers[one], numbers[other])
    if taken.aliases:
        identities.names.keep_aliases(
            (previous, user, source, lines_before + line) for previous, user, line in taken.aliases
        )
    identities.suppressed.update(numbers[each] for each in taken.suppressed)
    numbers.append(NOBODY)
    return numbers
