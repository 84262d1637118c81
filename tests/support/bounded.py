"""A spool that holds little at once, so that a few records go the way of very many."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from wootric_map.plan.engine import part_intake, spool


@contextmanager
def giants(giant_bytes: int = 1, most_bytes: int = 1) -> Iterator[None]:
    """Hold no end user's records in memory, and write each record that is read exactly at once.

    Args:
        giant_bytes: bytes of an end user's records above which they are read again each time.
        most_bytes: bytes of exactly read records that are held at once.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool, "_GIANT_BYTES", giant_bytes)
        patch.setattr(part_intake, "_MOST_BYTES", most_bytes)
        yield
