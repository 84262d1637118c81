"""What the traits of many identifies hold: types, distinct values and samples of each trait."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import nsmallest
from operator import itemgetter
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from wootric_map.inspection.distinct import DistinctValues, hash_of
from wootric_map.read.json_text import to_json

Path: TypeAlias = tuple[str, ...]
"""The keys that lead to a trait: `("address", "city")`."""

ValueType: TypeAlias = Literal[
    "text", "date", "integer", "number", "boolean", "list", "list_of_objects", "object"
]
"""The type of a value. A date is a text that is a date wherever it stands (segment.md 5, last paragraph); an
object is one that is nested deeper than `DEEPEST`."""

MOST_TRAITS: Final = 500
"""Traits that are told; of more, those with the fewest levels and the shortest names."""
DEEPEST: Final = 8
"""Levels down to which traits within objects are told."""
SAMPLES: Final = 12
"""Values of each type that are kept as samples: those with the least hashes."""
LONGEST: Final = 500
"""Characters of a sample that are kept."""

_MOST_ITEMS: Final = 5
_LONGEST_ITEM: Final = 50
"""Items that are kept of a list that is cut, and characters of each."""


class Sample(NamedTuple):
    """A value that a trait was seen with."""

    digest: bytes
    """The hash of the value, which is not cut."""
    value: Any
    """The value as it comes out of JSON; what takes more than `LONGEST` characters is cut."""


class TraitStats:
    """What is known of the values of one trait."""

    __slots__ = ("distinct", "samples", "types")

    def __init__(self) -> None:
        self.types: Counter[ValueType] = Counter()
        """How many values there are of each type; null and empty values are none."""
        self.distinct = DistinctValues()
        self.samples: dict[ValueType, list[Sample]] = {}
        """The samples of each type, in the order of their hashes."""

    def see(
        self, kind: ValueType, count: int, hashes: Sequence[bytes], values: Sequence[object]
    ) -> None:
        """Add values of one type.

        Args:
            kind: the type.
            count: how many values there are.
            hashes: the hashes of the distinct values among them.
            values: these distinct values, whole.
        """
        self.types[kind] += count
        self.distinct.add(hashes)
        held = self.samples.get(kind, [])
        found: Iterable[tuple[bytes, object]] = zip(hashes, values, strict=True)
        if len(held) == SAMPLES:
            worst = held[-1].digest
            found = [each for each in found if each[0] < worst]
        elif len(hashes) > SAMPLES:
            found = nsmallest(SAMPLES, found, key=itemgetter(0))
        self._keep(kind, [Sample(digest, _cut(value)) for digest, value in found])

    def include(self, other: "PackedStats") -> None:
        """Add the values of the same trait in another part."""
        self.types.update(other.types)
        self.distinct.add(other.least_hashes())
        for kind, samples in other.samples.items():
            self._keep(kind, samples)

    def packed(self) -> "PackedStats":
        """Return all of it, small."""
        return PackedStats(dict(self.types), b"".join(self.distinct.least), self.samples)

    def _keep(self, kind: ValueType, more: Sequence[Sample]) -> None:
        if more:
            held = {each.digest: each for each in (*self.samples.get(kind, ()), *more)}
            self.samples[kind] = sorted(held.values(), key=itemgetter(0))[:SAMPLES]


class PackedStats(NamedTuple):
    """`TraitStats` as it passes between processes."""

    types: dict[ValueType, int]
    hashes: bytes
    """The least hashes, one behind the other, in order."""
    samples: dict[ValueType, list[Sample]]

    def least_hashes(self) -> Iterator[bytes]:
        """Yield the least hashes in order."""
        size = len(hash_of(b""))
        return (self.hashes[at : at + size] for at in range(0, len(self.hashes), size))


class TraitTable:
    """What is known of all traits; of very many only `MOST_TRAITS` are kept.

    Which are kept follows from their names alone, so that it depends on no order.
    """

    def __init__(self, most: int = MOST_TRAITS) -> None:
        """Start with no traits; `most` is how many are kept."""
        self._most = most
        self._by_path: dict[Path, TraitStats] = {}
        self._past: tuple[int, int, Path] | None = None
        """Traits from here on, in the order of `_rank`, are not kept."""
        self.names = DistinctValues()
        """The names of all traits."""

    def of(self, path: Path) -> TraitStats | None:
        """Return what is known of a trait, to be added to; None if it is not kept."""
        stats = self._by_path.get(path)
        if stats is not None:
            return stats
        self.names.add([hash_of("\0".join(path).encode(errors="surrogatepass"))])
        if self._past is not None and _rank(path) >= self._past:
            return None
        stats = self._by_path[path] = TraitStats()
        if len(self._by_path) >= 2 * self._most:
            self._prune()
        return self._by_path.get(path)

    def include(self, other: "PackedTable") -> None:
        """Add the traits of another part."""
        for path, packed in other.by_path.items():
            stats = self.of(path)
            if stats is not None:
                stats.include(packed)
        self.names.add(other.names)

    def kept(self) -> Mapping[Path, TraitStats]:
        """Return the traits that are kept, in the order of their names."""
        if len(self._by_path) > self._most:
            self._prune()
        return {path: self._by_path[path] for path in sorted(self._by_path)}

    def packed(self) -> "PackedTable":
        """Return all of it, small."""
        by_path = {path: stats.packed() for path, stats in self.kept().items()}
        return PackedTable(by_path, list(self.names.least))

    def _prune(self) -> None:
        ordered = sorted(self._by_path, key=_rank)
        self._past = _rank(ordered[self._most])
        self._by_path = {path: self._by_path[path] for path in ordered[: self._most]}


class PackedTable(NamedTuple):
    """A `TraitTable` as it passes between processes."""

    by_path: dict[Path, PackedStats]
    names: list[bytes]
    """The least hashes of all names."""


def json_of(value: list[Any]) -> bytes:
    """Return a list as JSON; of one that is nested too deep for any writer, text that is long."""
    try:
        return to_json(value)
    except RecursionError:
        return b"[" * (LONGEST + 1)


def is_nested(value: list[Any]) -> bool:
    """Tell whether there are objects or lists in a list."""
    return any(isinstance(each, dict | list) for each in value)


def _cut(value: Any) -> Any:
    """Return a sample that takes little memory.

    Long text is cut. Of a long list the beginning is left, and nothing of one with objects or lists in it.
    """
    if isinstance(value, str):
        return value if len(value) <= LONGEST else f"{value[:LONGEST]}…"
    if not isinstance(value, list) or len(json_of(value)) <= LONGEST:
        return value
    if is_nested(value):
        return [{}]
    return [*(f"{each}"[:_LONGEST_ITEM] for each in value[:_MOST_ITEMS]), "…"]


def _rank(path: Path) -> tuple[int, int, Path]:
    """Return what tells which traits are kept: those with few levels and short names."""
    return len(path), sum(map(len, path)), path
