"""What was found in records, counted: by its code, or, a warning, by the key or id that it is about."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, NamedTuple, TypeAlias

from wootric_map.model import MappingWarning

PLACES: Final = 5
"""How many places of each kind are remembered."""

MOST_WARNINGS: Final = 10_000
"""How many different warnings of one code are told apart; a hostile export has a million keys."""

MOST_NAMES: Final = 1000
"""How many different names are told apart."""

_LONGEST: Final = 500
"""Characters of a warning's texts that are kept."""


class Place(NamedTuple):
    """Where something was found."""

    source: str
    line: int
    field: str | None
    message: str


@dataclass(slots=True)
class Findings:
    """Things found, grouped by code: how many of each, and the first few places."""

    counts: Counter[str] = field(default_factory=Counter)
    places: dict[str, list[Place]] = field(default_factory=dict)

    def add(self, code: str, place: Place) -> None:
        """Count one, and remember where it is while places of its code are still few."""
        self.counts[code] += 1
        if not self.has_enough(code):
            self.places.setdefault(code, []).append(place)

    def has_enough(self, code: str) -> bool:
        """Whether no more places of a code are remembered."""
        places = self.places.get(code)
        return places is not None and len(places) >= PLACES

    def details(self) -> list[dict[str, object]]:
        """Return what was found as data for programs: of each code the count and the first few places."""
        return [
            {
                "code": code,
                "count": count,
                "places": [place._asdict() for place in self.places.get(code, ())],
            }
            for code, count in sorted(self.counts.items())
        ]

    def extend(self, other: "Findings", lines_before: int) -> None:
        """Add what was found after all this.

        Args:
            other: what was found.
            lines_before: lines of the same source before those that the places of `other` count from.
        """
        self.counts += other.counts
        for code, found in other.places.items():
            places = self.places.setdefault(code, [])
            for each in found[: PLACES - len(places)]:
                places.append(each._replace(line=each.line + lines_before))


@dataclass(slots=True)
class CountedNames:
    """How often each name came. Memory is bounded: `MOST_NAMES` are told apart, the rest is only counted."""

    counts: Counter[str] = field(default_factory=Counter)
    more: int = 0
    """How often names came that are not told apart."""

    def add(self, name: str, count: int = 1) -> None:
        """Count a name; of a very long one the beginning stands for it."""
        name = name[:_LONGEST]
        if name in self.counts or len(self.counts) < MOST_NAMES:
            self.counts[name] += count
        else:
            self.more += count

    def most_common(self, number: int | None = None) -> list[tuple[str, int]]:
        """The names that came most often, with how often; of those alike in that, in their own order."""
        return sorted(self.counts.items(), key=lambda each: (-each[1], each[0]))[:number]


WarningKey: TypeAlias = tuple[str, str | None, str | int | None]
"""What warnings that are one have in common: the code and the field, or the code and the subject.

A warning about neither has a number of its own in place of the subject.
"""


@dataclass(slots=True)
class CountedWarning:
    """All warnings of one code about one id, or about one key."""

    key: WarningKey
    field: str
    """The first one's; empty where it is about no single field."""
    message: str
    """The first one's."""
    subject: str | None
    count: int
    """How many end users or records it concerns."""
    places: list[tuple[str, int]]
    """Source and line of the first few of them, by name and number; a line may hold several records."""

    @property
    def code(self) -> str:
        """The code that they share."""
        return self.key[0]

    def see(self, place: tuple[str, int]) -> None:
        """Remember a place if it is among the first: records do not come in the order of their lines."""
        if place not in self.places:
            self.places.append(place)
            self.places.sort()
            del self.places[PLACES:]

    def as_dict(self) -> dict[str, object]:
        """The warning for programs, without its code and its places."""
        about: dict[str, object] = {"field": self.field}
        if self.subject is not None:
            about["subject"] = self.subject
        return about | {"count": self.count, "message": self.message}


@dataclass(slots=True)
class CountedWarnings:
    """Warnings, of which those of one code about one id, or else about one key, are one.

    Memory is bounded: of each code `MOST_WARNINGS` are told apart, in the order in which they are first
    seen; the rest is only counted.
    """

    counts: Counter[str] = field(default_factory=Counter)
    """Different warnings by code, without those in `more`."""
    more: Counter[str] = field(default_factory=Counter)
    """By code, how often warnings came that are not told apart any more."""
    ignored: int = 0
    """Different warnings that nobody wants to know more of than their number; they are not among these."""
    _found: dict[WarningKey, CountedWarning] = field(default_factory=dict)

    def __iter__(self) -> Iterator[CountedWarning]:
        """Go through the warnings in the order in which they were first seen."""
        return iter(self._found.values())

    def __contains__(self, key: object) -> bool:
        return key in self._found

    @property
    def places(self) -> dict[str, list[Place]]:
        """Where each warning was first seen, by code."""
        first: dict[str, list[Place]] = {}
        for each in self:
            source, line = each.places[0]
            place = Place(source, line, each.field, each.message)
            first.setdefault(each.code, []).append(place)
        return first

    def by_code(self) -> Iterator[tuple[str, list[CountedWarning]]]:
        """Yield each code, in alphabetical order, with its warnings in the order of their first places."""
        grouped: dict[str, list[CountedWarning]] = {code: [] for code in sorted(self.counts)}
        for each in self:
            grouped[each.code].append(each)
        yield from grouped.items()

    def add(self, source: str, line: int, warning: MappingWarning) -> CountedWarning | None:
        """Count a warning that concerns one more end user or record.

        Returns:
            The warning that it is counted under; None if it is not told apart any more.
        """
        code, at, message, subject = warning
        # This is done for every record of some exports: a look-up is all that most warnings cost.
        found = self._found.get((code, at, None) if subject is None else (code, None, subject))
        if found is None:
            key = _key(warning, self.counts[code])
            found = self._found.get(key)
            if found is None:
                about = None if subject is None else _cut(subject)
                new = CountedWarning(key, _cut(at), _cut(message), about, 1, [(source, line)])
                return new if self._take(new) else None
        found.count += 1
        places = found.places
        if len(places) < PLACES or (source, line) < places[-1]:
            found.see((source, line))
        return found

    def extend(self, other: "CountedWarnings", lines_before: int) -> None:
        """Add the warnings that came after all these.

        Args:
            other: the warnings.
            lines_before: lines of the same source before those that the places of `other` count from.
        """
        self.more += other.more
        for theirs in other:
            key = theirs.key
            if isinstance(key[2], int):
                key = (key[0], None, self.counts[key[0]])
            places = [(source, line + lines_before) for source, line in theirs.places]
            mine = self._found.get(key)
            if mine is None:
                subject, count = theirs.subject, theirs.count
                new = CountedWarning(key, theirs.field, theirs.message, subject, count, places)
                self._take(new)
                continue
            mine.count += theirs.count
            for place in places:
                mine.see(place)

    def without(self, codes: Collection[str]) -> "CountedWarnings":
        """Return the warnings that have other codes, and how many have one of these."""
        if not codes:
            return self
        left, more = (
            Counter({code: count for code, count in counts.items() if code not in codes})
            for counts in (self.counts, self.more)
        )
        ignored = self.ignored + self.counts.total() - left.total()
        found = {key: each for key, each in self._found.items() if each.code not in codes}
        return CountedWarnings(left, more, ignored, found)

    def details(self) -> list[dict[str, object]]:
        """Each warning as data for programs, by code and then in the order of their first places.

        Where there were too many of a code to tell them apart, one entry with `more` counts the rest.
        """
        found: list[dict[str, object]] = []
        for code, warnings in self.by_code():
            for each in warnings:
                places = [{"source": source, "line": line} for source, line in each.places]
                found.append({"code": code} | each.as_dict() | {"places": places})
            more = self.more[code]
            if more:
                message = f"more than {MOST_WARNINGS:,} different ones; the rest is only counted"
                rest = {"field": "", "count": more, "message": message, "places": [], "more": more}
                found.append({"code": code} | rest)
        return found

    def _take(self, new: CountedWarning) -> bool:
        """Take a warning that was not seen before; only count it if there are too many."""
        if self.counts[new.code] >= MOST_WARNINGS:
            self.more[new.code] += new.count
            return False
        self.counts[new.code] += 1
        self._found[new.key] = new
        return True


def distinct(warnings: Iterable[MappingWarning]) -> list[MappingWarning]:
    """Return the warnings of one record; of several that count as one, only the first."""
    found: dict[WarningKey, MappingWarning] = {}
    for number, warning in enumerate(warnings):
        found.setdefault(_key(warning, number), warning)
    return list(found.values())


def _key(warning: MappingWarning, number: int) -> WarningKey:
    """Return the key of a warning; `number` tells one that is about no key and no id from all others."""
    code, at, _, subject = warning
    if subject is not None:
        return code, None, _told_apart(subject)
    return (code, _told_apart(at), None) if at else (code, None, number)


def _told_apart(text: str) -> str:
    """What tells a key or an id from others: of a very long one a digest, which takes little memory."""
    if len(text) <= _LONGEST:
        return text
    return "\0" + blake2b(text.encode(errors="surrogatepass")).hexdigest()


def _cut(text: str) -> str:
    """A text that takes little memory."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"
