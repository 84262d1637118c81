"""Sorting more records than memory holds."""

import heapq
import marshal
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Final, TypeVar

from wootric_map.plan.engine.scratch_file import ScratchFile

T = TypeVar("T", bound=tuple[Any, ...])

_SLICE_BYTES: Final = 64 * 1024
"""What is read of a run at once, unless a single record is more."""
_RUNS_AT_ONCE: Final = 64
"""Runs that are merged at once."""


class Runs(Collection[T]):
    """Very many records, sorted on disk: each run is in order, and they are merged as they are read."""

    def __init__(self, file: ScratchFile, in_order: Callable[[T], Any]) -> None:
        """None yet.

        Args:
            file: where they are kept.
            in_order: what they are sorted by.
        """
        self._file = file
        self._in_order = in_order
        self._runs: list[list[tuple[int, int]]] = []
        self._count = 0

    def add(self, records: Iterable[T]) -> None:
        """Write a run."""
        run = sorted(records, key=self._in_order)
        self._runs.append(self._write(run))
        self._count += len(run)

    def merge(self) -> None:
        """Merge the runs until few are left: as they are read, a slice of each is held."""
        while len(self._runs) > _RUNS_AT_ONCE:
            some = (
                self._runs[at : at + _RUNS_AT_ONCE]
                for at in range(0, len(self._runs), _RUNS_AT_ONCE)
            )
            self._runs = [self._write(self._merged(each)) for each in some]

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[T]:
        return self._merged(self._runs)

    def __contains__(self, item: object) -> bool:
        return any(item == each for each in self)

    def _write(self, run: Iterable[T]) -> list[tuple[int, int]]:
        return [self._file.add(marshal.dumps(each, 2)) for each in _slices(run)]

    def _merged(self, runs: Iterable[list[tuple[int, int]]]) -> Iterator[T]:
        return heapq.merge(*map(self._run, runs), key=self._in_order)

    def _run(self, slices: Iterable[tuple[int, int]]) -> Iterator[T]:
        for where in slices:
            yield from map(marshal.loads, marshal.loads(self._file.read(*where)))  # noqa: S302


def _slices(run: Iterable[T]) -> Iterator[list[bytes]]:
    """Cut a run into what is read of it at once; records may be large, so each waits packed."""
    held: list[bytes] = []
    size = 0
    for each in run:
        held.append(marshal.dumps(each, 2))
        size += len(held[-1])
        if size >= _SLICE_BYTES:
            yield held
            held, size = [], 0
    if held:
        yield held
