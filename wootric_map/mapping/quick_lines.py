"""Lines for most records in a quarter of the time: records of one form share a template.

A template is made from the line that the exact rules give for a made-up record, and is used only once it has
given the same line as these rules for other records of the form. A record with a value for which another rule
may hold gets no line here, and the exact rules decide.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar
from urllib.parse import quote_plus

from wootric_map.mapping.line_forms import (
    MOST_VALUES,
    Head,
    Inside,
    Values,
    inside,
    places_of_objects,
    values_of,
)
from wootric_map.mapping.line_template import LineTemplate, joined_by
from wootric_map.mapping.template_samples import SAMPLES, Form, Kind
from wootric_map.read.ordinary_record import ordinary
from wootric_map.read.record import Record
from wootric_map.values.dates import parse_iso_day

K = TypeVar("K")


ExactLine: TypeAlias = tuple[bytes, int]
"""The line of a record by the exact rules, and how many warnings about the record are not shown."""

Exactly: TypeAlias = Callable[[Record, bytes], ExactLine]
"""Returns the line of a record by the exact rules; the arguments are the record, and a line that holds it."""

_Parts: TypeAlias = tuple[Head, int, tuple[str, ...], tuple[type, ...], Inside]
"""What a form consists of but for its dates and whole floats."""

_MOST_FORMS: Final = 500
_LARGEST: Final = 8 * 1024
"""Characters of the keys of a form, and bytes of a line; larger forms get no template."""
_MOST_TRIES: Final = 50
_WORTH: Final = 20
"""After `_MOST_TRIES` forms, a further one is looked at only if each served so many records on average."""

_LARGE: Final = 2.0**53
"""From here on, a float may be an integer with lost digits."""

SAMPLE_LINE: Final = b"{}"
"""The line of the made-up records."""
_SEPARATORS: Final = (", ", ",")
"""What may stand between the texts of a list."""


class _Keys:
    """The templates for all records with the same keys and types, but for those within objects."""

    __slots__ = ("objects", "templates")

    def __init__(self, objects: tuple[int, ...]) -> None:
        self.objects = objects
        """The places of the objects among the values."""
        self.templates: dict[Inside, LineTemplate | None] = {}
        """By what is within the objects; None if records of the form have no template."""


class QuickLines:
    """Gives the lines of most records."""

    def __init__(self, exactly: Exactly) -> None:
        """Start without templates.

        Args:
            exactly: returns the line of a record by the exact rules.
        """
        self._exactly = exactly
        self._by_keys: dict[tuple[Any, ...], _Keys] = {}
        self._tries = self._served = 0

    def of(self, data: dict[str, Any], line: bytes) -> ExactLine | None:
        """Return the line of a record, the same as by the exact rules; None if these are to be asked.

        One long function, since calls for its steps would take a tenth of its time.

        Args:
            data: the JSON of a record for which `is_ordinary` is true.
            line: a line that holds this record alone.
        """
        record = values_of(data, line)
        if record is None:
            return None
        head, own, fields = record
        values = [*own, *fields.values()]
        keys, types = tuple(fields), tuple(map(type, fields.values()))
        of_keys = self._by_keys.get((head, keys, types)) or self._new_keys(
            head, len(own), keys, types
        )
        if of_keys is None:
            return None
        within: Inside = ()
        if of_keys.objects:
            found = inside(values, of_keys.objects)
            if found is None:
                return None
            within = found
        try:
            template = of_keys.templates[within]
        except KeyError:
            form = Form(head, len(own), keys, types, within)
            template = self._new_template(of_keys.templates, within, form, len(values))
        if template:
            dashed = [place for place in template.texts if values[place][4:5] == "-"]
            wholes = [place for place in template.fractions if values[place].is_integer()]
            if dashed or wholes:
                parts = (head, len(own), keys, types, within)
                template = self._variant(template, dashed, wholes, parts, values)
        text = template.filled(values) if template else None
        if template is None or text is None:
            return None
        self._served += 1
        return text, template.ignored

    def _variant(
        self,
        template: LineTemplate,
        dashed: list[int],
        wholes: list[int],
        parts: _Parts,
        values: list[Any],
    ) -> LineTemplate | None:
        """Return the template for a record that may have dates, or whole floats; None if there is none.

        Args:
            template: the template for a record of the form without them.
            dashed: the places of the texts that may be dates.
            wholes: the places of the floats that are whole numbers.
            parts: what the form of the record consists of.
            values: the values of the record.
        """
        dates = tuple([each for each in dashed if parse_iso_day(values[each]) is not None])
        if not (dates or wholes):
            return template
        if any(abs(values[place]) >= _LARGE for place in wholes):
            return None
        variant = (dates, tuple(wholes))
        try:
            return template.variants[variant]
        except KeyError:
            form = Form(*parts, *variant)
            return self._new_template(template.variants, variant, form, len(values))

    def _new_keys(
        self, head: Head, own: int, keys: tuple[str, ...], types: tuple[type, ...]
    ) -> _Keys | None:
        """Return and remember an empty table for some keys and types; None if that is not worthwhile."""
        if len(keys) > MOST_VALUES or sum(map(len, keys)) > _LARGEST or not self._is_worthwhile():
            return None
        of_keys = _Keys(places_of_objects(own, types))
        self._by_keys[head, keys, types] = of_keys
        return of_keys

    def _new_template(
        self, table: dict[K, LineTemplate | None], key: K, form: Form, values: int
    ) -> LineTemplate | None:
        """Return the template of a form, and remember it; None if there is none.

        Args:
            table: the table that the template belongs to.
            key: its place in the table.
            form: the form.
            values: how many values a record of the form has.
        """
        if values > MOST_VALUES or form.size > _LARGEST or not self._is_worthwhile():
            return None
        table[key] = template = template_of(form, self._exactly)
        return template

    def _is_worthwhile(self) -> bool:
        """Tell whether a further form may be looked at; forget all if there are too many of them."""
        if self._tries >= _MOST_TRIES and self._served < _WORTH * self._tries:
            return False
        self._tries += 1
        if self._tries % _MOST_FORMS == 0:
            self._by_keys.clear()
        return True


def template_of(form: Form, exactly: Exactly) -> LineTemplate | None:
    """Return the template of a form; None if lines of the form follow from more than the form has.

    Args:
        form: the form.
        exactly: returns the line of a record by the exact rules.
    """
    kinds = form.kinds()
    if kinds is None:
        return None
    data = form.sample(0, kinds)
    line, ignored = exactly(ordinary(data), SAMPLE_LINE)
    if len(line) > _LARGEST:
        return None
    markers = dict(_markers(kinds, values_of(data, SAMPLE_LINE)))
    pieces = re.split("(" + "|".join(map(re.escape, markers)) + ")", line.decode())
    gaps = [markers[each] for each in pieces[1::2]]
    separators = {each.place: each.separator for each in gaps if each.separator}
    if any(separators[each.place] != each.separator for each in gaps if each.separator):
        return None
    shown, omitted = {each.place for each in gaps}, form.omitted()
    if any(kind.marker and place not in shown | omitted for place, kind in enumerate(kinds)):
        return None
    converters = {
        place: kind.convert for place, kind in enumerate(kinds) if kind.convert and place in shown
    }
    checks = {place: kind.check for place, kind in enumerate(kinds) if kind.check}
    converters |= {place: joined_by(each) for place, each in separators.items()}
    template = LineTemplate(
        pieces[::2],
        [(each.place, each.is_in_address) for each in gaps],
        converters,
        checks,
        form.texts(kinds),
        form.fractions(kinds),
        ignored,
    )
    return template if _is_right(template, form, kinds, exactly) else None


class _Gap(NamedTuple):
    """A place in a line where a value stands."""

    place: int
    """The place of the value among the record's values."""
    is_in_address: bool
    """Whether the value is written as in an address."""
    separator: str = ""
    """What stands between the texts of a list; empty for other values."""


def _markers(kinds: Sequence[Kind], record: Values | None) -> Iterator[tuple[str, _Gap]]:
    """Yield each text that shows in the line of the first sample where a value stands, and the gap there.

    Args:
        kinds: the kind of each value by place.
        record: what fills the line of the sample.
    """
    for place, text in enumerate(record[1] if record else ()):
        if text and not kinds[place].marker:
            yield text, _Gap(place, is_in_address=False)
    for place, kind in enumerate(kinds):
        if kind.marker:
            text = kind.marker(place)
            separators = _SEPARATORS if kind.is_list else ("",)
            for each in separators:
                whole = f"{text}{each}{text}" if each else text
                yield whole, _Gap(place, is_in_address=False, separator=each)
                if quote_plus(whole) != whole:
                    yield quote_plus(whole), _Gap(place, is_in_address=True, separator=each)


def _is_right(template: LineTemplate, form: Form, kinds: Sequence[Kind], exactly: Exactly) -> bool:
    """Tell whether a template gives the same lines as the exact rules for other records of its form."""
    for nth in range(1, SAMPLES):
        data = form.sample(nth, kinds)
        record = values_of(data, SAMPLE_LINE)
        if record is None or record[0] is not form.head:
            return False
        _, own, fields = record
        values = [*own, *fields.values()]
        if inside(values, places_of_objects(form.own, form.types)) != form.inside:
            return False
        line = template.filled(values), template.ignored
        if line != exactly(ordinary(data), SAMPLE_LINE):
            return False
    return True
