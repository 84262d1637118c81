"""Which records repeat a message, and which share its id alone, told without holding all messages at once."""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

from wootric_map.plan.engine.scratch_file import ScratchFile

_MESSAGES_AT_ONCE: Final = 500_000
"""Messages that are compared at once; each takes about 60 bytes, and one that is repeated 400 more."""


class Messages(NamedTuple):
    """What is known of some records' messages, of one record after the other."""

    hashes: "array[int]"
    """A hash of the message id; 0 where there is none."""
    checks: "array[int]"
    """Another, so that nothing but the same message id has both."""
    contents: "array[int]"
    """A hash of what a repeat has in common beside the message id."""
    digests: "array[int]"
    """Of the line."""
    times: "array[int]"
    numbers: Sequence[int]
    """What the record is known by: one that came later has a greater one."""


_CODES: Final = ("q", "I", "q", "I", "q", "I")
"""Of each column the type of its numbers."""

Batches: TypeAlias = Callable[[], Iterable[Messages]]
"""Gives the messages anew each time, not all of them at once."""


class Met(NamedTuple):
    """A record whose message id others have as well."""

    number: int
    repeats: bool
    """Whether it is the same message once more; else it is another message."""


def repeats(batches: Batches, count: int) -> Iterator[Met]:
    """Tell which records repeat a message, and which other messages have its id.

    Of the same message the earliest is taken, then the one whose line comes first, whatever order they
    came in (segment.md 2, `duplicate`).

    Args:
        batches: the records.
        count: about how many they are.

    Yields:
        Each repeat; and of the messages that share an id each one.
    """
    if count <= _MESSAGES_AT_ONCE:
        yield from _repeats(batches)
        return
    with ScratchFile() as file:
        for shelf in _shelved(batches(), count // _MESSAGES_AT_ONCE + 1, file):
            yield from _repeats(shelf.batches)


def _repeats(batches: Batches) -> Iterator[Met]:
    repeated = _met_again(each.hashes for each in batches())
    if not repeated:
        return
    # By message id: what is taken of it, by its content.
    taken: dict[tuple[int, int], dict[int, tuple[int, int, int]]] = {}
    for hashes, checks, contents, digests, times, numbers in batches():
        if repeated.isdisjoint(hashes):
            continue
        for place, message in enumerate(hashes):
            if message in repeated:
                candidate = times[place], digests[place], numbers[place]
                own = taken.setdefault((message, checks[place]), {})
                rival = own.setdefault(contents[place], candidate)
                if rival is not candidate:
                    own[contents[place]] = min(rival, candidate)
                    yield Met(max(rival, candidate)[-1], repeats=True)
    for own in taken.values():
        if len(own) > 1:
            for each in own.values():
                yield Met(each[-1], repeats=False)


def _met_again(batches: Iterable["array[int]"]) -> set[int]:
    """The hashes that are there more than once."""
    seen: set[int] = set()
    repeated: set[int] = set()
    for hashes in batches:
        messages = list(filter(None, hashes))
        own = set(messages)
        if len(own) < len(messages):
            repeated.update(each for each, count in Counter(messages).items() if count > 1)
        repeated |= seen & own
        seen |= own
    return repeated


class _Shelf:
    """Some of the messages, each with all its repeats."""

    def __init__(self, file: ScratchFile) -> None:
        self._file = file
        self._waiting = [array(code) for code in _CODES]
        self._pieces: list[list[tuple[int, int]]] = []

    def put(self, messages: Messages, places: Sequence[int]) -> None:
        """Add those in some places."""
        for waiting, column in zip(self._waiting, messages, strict=True):
            waiting.extend([column[place] for place in places])

    def write(self) -> None:
        """Write what was added."""
        self._pieces.append([self._file.add(column.tobytes()) for column in self._waiting])
        self._waiting = [array(code) for code in _CODES]

    def batches(self) -> Iterator[Messages]:
        """What was written."""
        for piece in self._pieces:
            columns = map(self._file.read, *zip(*piece, strict=True))
            yield Messages(*map(array, _CODES, columns))


def _shelved(batches: Iterable[Messages], count: int, file: ScratchFile) -> Sequence[_Shelf]:
    """Part the messages by their hashes."""
    shelves = [_Shelf(file) for _ in range(count)]
    held = 0
    for messages in batches:
        places: list[list[int]] = [[] for _ in shelves]
        for place, message in enumerate(messages.hashes):
            if message:
                places[message % count].append(place)
        for shelf, own in zip(shelves, places, strict=True):
            shelf.put(messages, own)
        held += len(messages.hashes)
        if held > _MESSAGES_AT_ONCE:
            for shelf in shelves:
                shelf.write()
            held = 0
    for shelf in shelves:
        shelf.write()
    return shelves
