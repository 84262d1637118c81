"""A spool that holds little at once, so that a few records go the way of very many."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Final

import pytest

from wootric_map.plan.engine import repeats, runs, scratch_file, spool

_MODULES: Final = (repeats, runs, scratch_file, spool)


@contextmanager
def bounds(**changed: int) -> Iterator[None]:
    """Set what is held at once, each by its name in its module."""
    with pytest.MonkeyPatch.context() as patch:
        for each, value in changed.items():
            name = f"_{each.upper()}"
            (module,) = (module for module in _MODULES if hasattr(module, name))
            patch.setattr(module, name, value)
        yield


giants = partial(
    bounds, held_bytes=0, giant_bytes=1, slice_bytes=60, gathered_bytes=300, runs_at_once=2
)
"""Every end user is sorted on disk."""

some_giants = partial(
    bounds, held_bytes=500, giant_bytes=200, stretch_bytes=100, slice_bytes=60, gathered_bytes=300
)
"""Whoever has more than a few records is."""

small = partial(
    bounds,
    held_bytes=0,
    stretch_bytes=100,
    gathered_bytes=150,
    messages_at_once=2,
)
"""Nobody is, but there are many stretches, pieces of them, and shelves of messages."""

BOUNDS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "as it is": bounds,
    "giants": giants,
    "some giants": some_giants,
    "small": small,
}
"""Ways of keeping records, which must make no difference."""
