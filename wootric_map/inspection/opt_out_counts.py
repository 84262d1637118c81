"""Who wants no surveys, by the latest identify of each end user that says anything about that."""

import marshal
from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple, TypeAlias

from wootric_map.plan.people import NO_TIME

_OFF: Final = 1
_SEVERAL: Final = 2
_SAID: Final = 4
"""What is known of an end user: that the latest identify wants no surveys; that several are of that time;
that there is any."""


class SaidOptOut(NamedTuple):
    """What an identify says about surveys."""

    place: int
    """The place of the identify among the records of its part."""
    is_off: bool
    """Whether its user wants no surveys."""
    order: tuple[bool, str | bytes]
    """What orders identifies of one time: whether there is a message id, and that, or else the line."""


Said: TypeAlias = tuple[int, int, SaidOptOut]
"""What an identify says, after the root of its end user and its time."""


def packed(said: Iterable[SaidOptOut]) -> bytes:
    """Return what identifies of a part say as bytes for `unpacked`."""
    return marshal.dumps([tuple(each) for each in said], 2)


def unpacked(data: bytes) -> Sequence[SaidOptOut]:
    """Return what `packed` made bytes of."""
    return [SaidOptOut(*each) for each in marshal.loads(data)]  # noqa: S302 - our own


def opted_out(roots: int, said: Callable[[], Iterable[Said]]) -> bytearray:
    """Return by the root of each end user whether they want no surveys, in a few bytes an end user.

    Args:
        roots: a number above that of every root.
        said: returns what all identifies say; it is gone through more than once.
    """
    times = array("q", [NO_TIME]) * roots
    known = bytearray(roots)
    for root, time, each in said():
        if time > times[root] or not known[root]:
            times[root], known[root] = time, _SAID | each.is_off
        elif time == times[root]:
            known[root] |= _SEVERAL
    last: dict[int, SaidOptOut] = {}
    for root, time, each in said():
        if time == times[root] and known[root] & _SEVERAL:
            last[root] = max(last.get(root, each), each, key=lambda one: one.order)
    for root, each in last.items():
        known[root] = each.is_off
    return bytearray(each & _OFF for each in known)
