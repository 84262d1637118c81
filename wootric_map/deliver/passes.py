"""The order of work: whoever is to be created or changed goes before events and page views.

A run that is cut short has then done what matters most.
"""

from collections.abc import Callable, Iterator
from itertools import repeat
from typing import TypeAlias, TypeVar

from wootric_map.plan.steps import Part

T = TypeVar("T")

Pass: TypeAlias = Iterator[tuple[T, Part]]
"""End users in their order, each with the steps of theirs that are carried out; one pass ends before the
next begins."""


def passes(
    end_users: Callable[[], Iterator[T]],
    has_writes: Callable[[T], bool],
    has_events: Callable[[T], bool],
    *,
    events_first: bool,
) -> Iterator[Pass[T]]:
    """Yield the passes through a plan, live or saved.

    Args:
        end_users: returns the end users of the plan in their order; is called more than once.
        has_writes: returns whether anything is to be written of an end user.
        has_events: returns whether an end user has events or page views.
        events_first: begin with the end users that have events or page views, and carry out all steps of an
            end user together; else carry out the writes of all end users before the first event.
    """
    if events_first:
        yield zip(filter(has_events, end_users()), repeat("all"), strict=False)
        without = (each for each in end_users() if has_writes(each) and not has_events(each))
        yield zip(without, repeat("all"), strict=False)
    else:
        yield zip(filter(has_writes, end_users()), repeat("writes"), strict=False)
        yield zip(filter(has_events, end_users()), repeat("events"), strict=False)
