"""A line of JSON with gaps, which the values of a record fill: records of one form differ in these alone."""

import re
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, TypeAlias
from urllib.parse import quote_plus

from wootric_map.mapping.identity import created_seconds, phone_of
from wootric_map.values import dates
from wootric_map.wootric.address_length import LONGEST_ADDRESS

Convert: TypeAlias = Callable[[Any], str | None]
"""Returns a value as it stands in a line; None if another rule than the usual one holds for the value."""

Check: TypeAlias = Callable[[Any], object]
"""Tells whether the usual rules hold for a value; the result counts as true or false."""

_is_safe: Final = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch
"""Match a text that is the same in an address."""
_MOST_QUOTED: Final = 10_000
_LONGEST_QUOTED: Final = 100
"""How many texts are remembered as they stand in an address, and how many characters they have at most."""


class LineTemplate:
    """The line of all records of one form."""

    __slots__ = (
        "_address",
        "_checks",
        "_converters",
        "_order",
        "_pieces",
        "_shown",
        "fractions",
        "ignored",
        "texts",
        "variants",
    )

    def __init__(
        self,
        pieces: Sequence[str],
        slots: Sequence[tuple[int, bool]],
        converters: Mapping[int, Convert],
        checks: Mapping[int, Check],
        texts: Sequence[int],
        fractions: Sequence[int],
        ignored: int,
    ) -> None:
        """Prepare to fill lines.

        Args:
            pieces: the texts around the gaps; one more than there are gaps.
            slots: for each gap, the place of its value and whether the value is written as in an address;
                at least one.
            converters: by a value's place, what writes it; the other values are texts.
            checks: by a value's place, what tells whether the usual rules hold for the value.
            texts: the places of the texts that become other properties where they are dates.
            fractions: the places of the floats that become other properties where they are whole numbers.
            ignored: how many warnings of such a record are not shown.
        """
        shown = sorted({place for place, _ in slots})
        in_address = sorted({place for place, is_quoted in slots if is_quoted})
        gaps = [
            len(shown) + in_address.index(place) if is_quoted else shown.index(place)
            for place, is_quoted in slots
        ]
        self._pieces = [pieces[0]]
        for piece in pieces[1:]:
            self._pieces += ["", piece]
        self._shown = _getter(shown)
        self._address = _getter(in_address) if in_address else None
        self._order = _getter(gaps)
        self._converters = tuple(converters.items())
        self._checks = tuple(checks.items())
        self.texts = tuple(texts)
        """The places of the texts that become other properties where they are dates."""
        self.fractions = tuple(fractions)
        """The places of the floats that become other properties where they are whole numbers."""
        self.ignored = ignored
        """How many warnings of such a record are not shown."""
        self.variants: dict[tuple[tuple[int, ...], tuple[int, ...]], LineTemplate | None] = {}
        """The templates for records with dates or whole floats, by the places of these."""

    def filled(self, values: list[Any]) -> bytes | None:
        """Return the line of a record; None if its values demand another one.

        Args:
            values: the values of the record, by place; they are changed.
        """
        for place, is_usual in self._checks:
            if not is_usual(values[place]):
                return None
        for place, convert in self._converters:
            written = convert(values[place])
            if written is None:
                return None
            values[place] = written
        shown = self._shown(values)
        text = "".join(shown)
        if not text.isprintable() or '"' in text or "\\" in text:
            return None  # the JSON writer escapes some of these
        if self._address:
            shown = (*shown, *map(_quoted, self._address(values)))
        pieces = self._pieces.copy()
        pieces[1::2] = self._order(shown)
        line = "".join(pieces)
        if self._address and len(line) > LONGEST_ADDRESS:
            return None  # there may be a warning about the address
        return line.encode()


def _getter(places: Sequence[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """Return the function that returns the values at some places, one or more, of a sequence."""
    if len(places) > 1:
        return itemgetter(*places)
    (place,) = places
    return lambda values: (values[place],)


class _Quoted(dict[str, str]):
    """A cache of texts as they stand in an address, like `quote_plus`: most are those of earlier records."""

    def __missing__(self, text: str) -> str:
        """Return a text as it stands in an address."""
        result = text if _is_safe(text) else quote_plus(text)
        if len(text) <= _LONGEST_QUOTED:
            if len(self) >= _MOST_QUOTED:
                self.clear()
            self[text] = result
        return result


_quoted: Final = _Quoted().__getitem__


def is_phone(text: str) -> bool:
    """Tell whether a text is a phone number without white space around it."""
    return phone_of(text) == text


def created(value: object) -> str | None:
    """Return the unix seconds of a plausible creation date; None for all others."""
    seconds = created_seconds(value)
    return str(seconds) if isinstance(seconds, int) else None


def whole(number: float) -> str:
    """Return a float that is a whole number as text, as an integer is."""
    return str(int(number))


truth: Final[Convert] = {True: "true", False: "false"}.get
"""Return true or false as text."""


def seconds_of(text: str) -> str | None:
    """Return the unix seconds of a date; None if they have other than ten digits, as few dates have.

    Under a name that ends in `_date`, Wootric takes ten digits only.
    """
    seconds = any_seconds_of(text)
    return seconds if seconds and len(seconds) == 10 and seconds.isdecimal() else None  # noqa: PLR2004


def any_seconds_of(text: str) -> str | None:
    """Return the unix seconds of a date; None if the text is no date."""
    moment = dates.parse_iso_day(text)
    return None if moment is None else str(dates.unix_seconds(moment))


def joined_by(separator: str) -> Convert:
    """Return the function that joins a list of texts; it returns None for a list of anything else."""

    def join(values: list[Any]) -> str | None:
        try:
            return separator.join(values)
        except TypeError:
            return None

    return join
