"""Findings in records are counted: by their codes, and warnings also by the key or id that they are about."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, NamedTuple, TypeAlias

from wootric_map.model import MappingWarning

PLACES: Final = 5
"""How many places of each code or warning are kept."""

MOST_WARNINGS: Final = 10_000
"""How many warnings of one code are told apart: a hostile export may have a million keys."""

MOST_NAMES: Final = 1000
"""How many names are told apart."""

_LONGEST: Final = 500
"""Characters that are kept of a name, and of each text of a warning."""


class Place(NamedTuple):
    """The place of a finding, and the message about it."""

    source: str
    line: int
    field: str | None
    message: str


@dataclass(slots=True)
class Findings:
    """Findings by code: the count, and the first `PLACES` places."""

    counts: Counter[str] = field(default_factory=Counter)
    places: dict[str, list[Place]] = field(default_factory=dict)

    def add(self, code: str, place: Place) -> None:
        """Count a finding, and keep its place if it is one of the first."""
        self.counts[code] += 1
        if not self.has_enough(code):
            self.places.setdefault(code, []).append(place)

    def has_enough(self, code: str) -> bool:
        """Tell whether no further place is kept for a code."""
        places = self.places.get(code)
        return places is not None and len(places) >= PLACES

    def details(self) -> list[dict[str, object]]:
        """Return data for programs: the count and the first places of each code."""
        return [
            {
                "code": code,
                "count": count,
                "places": [place._asdict() for place in self.places.get(code, ())],
            }
            for code, count in sorted(self.counts.items())
        ]

    def extend(self, other: "Findings", lines_before: int) -> None:
        """Add findings that come after all findings here.

        Args:
            other: the findings of a part.
            lines_before: the number of lines of the source before the part, in which lines count from 1.
        """
        self.counts += other.counts
        for code, found in other.places.items():
            places = self.places.setdefault(code, [])
            for each in found[: PLACES - len(places)]:
                places.append(each._replace(line=each.line + lines_before))


@dataclass(slots=True)
class CountedNames:
    """How often each name occurs. The memory is bounded: only the first `MOST_NAMES` names are told apart."""

    counts: Counter[str] = field(default_factory=Counter)
    more: int = 0
    """How often all other names occur."""

    def add(self, name: str, count: int = 1) -> None:
        """Count a name; only the beginning of a very long one is kept."""
        name = name[:_LONGEST]
        if name in self.counts or len(self.counts) < MOST_NAMES:
            self.counts[name] += count
        else:
            self.more += count

    def most_common(self, number: int | None = None) -> list[tuple[str, int]]:
        """Return the most frequent names with their counts; names of one count in alphabetical order.

        Args:
            number: how many names to return; all if None.
        """
        return sorted(self.counts.items(), key=lambda each: (-each[1], each[0]))[:number]


WarningKey: TypeAlias = tuple[str, str | None, str | int | None]
"""What warnings that count as one share: the code, and the field or the subject; the other is None.

A warning about neither a field nor a subject has a number of its own in place of the subject.
"""


@dataclass(slots=True)
class CountedWarning:
    """All warnings of one code about one id, or about one key."""

    key: WarningKey
    field: str
    """The field at the first place; empty if the warning is about no single field."""
    message: str
    """The message at the first place."""
    subject: str | None
    """The id that the warnings are about, if they are about one."""
    count: int
    """How many end users or records have the warning."""
    places: list[tuple[str, int]]
    """Source and line of the first `PLACES` places in sorted order; a line may hold several records."""

    @property
    def code(self) -> str:
        """The code of the warnings."""
        return self.key[0]

    def see(self, place: tuple[str, int], at: str, message: str) -> None:
        """Keep a place if it is one of the first; records do not come in the order of their lines.

        Args:
            place: source and line.
            at: the field there, cut if it is very long.
            message: the message there, cut if it is very long.
        """
        if place < self.places[0]:
            self.field, self.message = at, message
        if place not in self.places:
            self.places.append(place)
            self.places.sort()
            del self.places[PLACES:]

    def as_dict(self) -> dict[str, object]:
        """Return data for programs, without the code and the places."""
        about: dict[str, object] = {"field": self.field}
        if self.subject is not None:
            about["subject"] = self.subject
        return about | {"count": self.count, "message": self.message}


@dataclass(slots=True)
class CountedWarnings:
    """Warnings with counts; warnings of one code about one id, or else about one key, count as one.

    The memory is bounded: of each code only the first `MOST_WARNINGS` are told apart.
    """

    counts: Counter[str] = field(default_factory=Counter)
    """The number of different warnings by code, without those in `more`."""
    more: Counter[str] = field(default_factory=Counter)
    """How often all other warnings occur, by code."""
    ignored: int = 0
    """The number of different warnings that were removed because their code is ignored."""
    _warnings: dict[WarningKey, CountedWarning] = field(default_factory=dict)

    def __iter__(self) -> Iterator[CountedWarning]:
        """Go through the warnings in the order in which they first came."""
        return iter(self._warnings.values())

    def __contains__(self, key: object) -> bool:
        return key in self._warnings

    @property
    def places(self) -> dict[str, list[Place]]:
        """The first place of each warning, by code."""
        first: dict[str, list[Place]] = {}
        for each in self:
            source, line = each.places[0]
            place = Place(source, line, each.field, each.message)
            first.setdefault(each.code, []).append(place)
        return first

    def by_code(self) -> Iterator[tuple[str, list[CountedWarning]]]:
        """Yield each code, in alphabetical order, with its warnings in the order in which they first came."""
        grouped: dict[str, list[CountedWarning]] = {code: [] for code in sorted(self.counts)}
        for each in self:
            grouped[each.code].append(each)
        yield from grouped.items()

    def add(self, source: str, line: int, warning: MappingWarning) -> CountedWarning | None:
        """Count a warning about one more end user or record.

        Args:
            source: the source of the record.
            line: the record's line.
            warning: the warning.

        Returns:
            The counted warning; None if there are too many to tell this one apart.
        """
        code, at, message, subject = warning
        # Some exports have warnings in every record: most warnings take one look-up.
        found = self._warnings.get((code, at, None) if subject is None else (code, None, subject))
        if found is None:
            key = _key(warning, self.counts[code])
            found = self._warnings.get(key)
            if found is None:
                about = None if subject is None else _cut(subject)
                new = CountedWarning(key, _cut(at), _cut(message), about, 1, [(source, line)])
                return new if self._add_new(new) else None
        found.count += 1
        places = found.places
        if len(places) < PLACES or (source, line) < places[-1]:
            found.see((source, line), _cut(at), _cut(message))
        return found

    def extend(self, other: "CountedWarnings", lines_before: int) -> None:
        """Add warnings that come after all warnings here.

        Args:
            other: the warnings of a part.
            lines_before: the number of lines of the source before the part, in which lines count from 1.
        """
        self.more += other.more
        for theirs in other:
            key = theirs.key
            if isinstance(key[2], int):
                key = (key[0], None, self.counts[key[0]])
            places = [(source, line + lines_before) for source, line in theirs.places]
            mine = self._warnings.get(key)
            if mine is None:
                subject, count = theirs.subject, theirs.count
                new = CountedWarning(key, theirs.field, theirs.message, subject, count, places)
                self._add_new(new)
                continue
            mine.count += theirs.count
            for place in places:
                mine.see(place, theirs.field, theirs.message)

    def without(self, codes: Collection[str]) -> "CountedWarnings":
        """Return the warnings without those of the given codes, which are added to `ignored`."""
        if not codes:
            return self
        left, more = (
            Counter({code: count for code, count in counts.items() if code not in codes})
            for counts in (self.counts, self.more)
        )
        ignored = self.ignored + self.counts.total() - left.total()
        warnings = {key: each for key, each in self._warnings.items() if each.code not in codes}
        return CountedWarnings(left, more, ignored, warnings)

    def details(self) -> list[dict[str, object]]:
        """Return data for programs: each warning, by code and then in the order in which they first came.

        If there are too many warnings of a code to tell them apart, one entry with `more` counts the rest.
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

    def _add_new(self, new: CountedWarning) -> bool:
        """Add a warning that has no counterpart here; return False if it is only counted in `more`."""
        if self.counts[new.code] >= MOST_WARNINGS:
            self.more[new.code] += new.count
            return False
        self.counts[new.code] += 1
        self._warnings[new.key] = new
        return True


def distinct(warnings: Iterable[MappingWarning]) -> list[MappingWarning]:
    """Return warnings about one record without those that count as one with an earlier one."""
    found: dict[WarningKey, MappingWarning] = {}
    for number, warning in enumerate(warnings):
        found.setdefault(_key(warning, number), warning)
    return list(found.values())


def _key(warning: MappingWarning, number: int) -> WarningKey:
    """Return the key of a warning.

    Args:
        warning: the warning.
        number: a number that no other warning has; it is a part of the key if the warning is about no field
            and no subject.
    """
    code, at, _, subject = warning
    if subject is not None:
        return code, None, _compact(subject)
    return (code, _compact(at), None) if at else (code, None, number)


def _compact(text: str) -> str:
    """Return a field or id itself, or a digest of a very long one, which takes little memory."""
    if len(text) <= _LONGEST:
        return text
    return "\0" + blake2b(text.encode(errors="surrogatepass")).hexdigest()


def _cut(text: str) -> str:
    """Return a text for a message, cut if it is very long."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"
