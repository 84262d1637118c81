"""Made-up records of one form, from whose lines the template of the form is made and checked."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

from wootric_map.mapping import line_template
from wootric_map.mapping.identity import CREATED
from wootric_map.mapping.line_forms import Head, Inside, places_of_objects
from wootric_map.mapping.line_template import Check, Convert
from wootric_map.mapping.settings import omitted
from wootric_map.values.contact import plain_email
from wootric_map.values.json_values import decimal_text
from wootric_map.values.trait_names import spelling


class Kind(NamedTuple):
    """Values that stand in lines in the same way."""

    marker: Callable[[int], str] | None
    """Returns the text of the first sample in a line, by the place of the value; None if there is none."""
    samples: tuple[Callable[[int], Any], ...]
    """Three functions that return values by their place; those of the first are told apart by their texts."""
    convert: Convert | None = None
    """Returns a value as it stands in a line; None if the value is the text that stands there."""
    check: Check | None = None
    """Tells whether the usual rules hold for a value; None if they always do."""
    is_list: bool = False
    """Whether the values are lists."""


def _text(place: int) -> str:
    return f"q{place:02} q"


def _email(place: int) -> str:
    return f"q{place:02}q@q.q"


def _integer(place: int) -> int:
    return int(f"73{place:02}0001")


def _fraction(place: int) -> float:
    return float(f"0.73{place:02}1")


def _date(place: int) -> str:
    return f"2031-05-06T07:{place // 60:02}:{place % 60:02}Z"


def _phone(place: int) -> str:
    return f"99731 {place:02} 99"


def _created(value: object, _: int) -> str:
    return line_template.created(value) or ""


def _same(value: object, _: int) -> object:
    return value


_ANY_TEXT: Final = Kind(_text, (_text, "Vé, {}?".format, lambda _: ""))
_GIVEN_TEXT: Final = Kind(_text, (_text, "Vé, {}?".format, "x {}".format))
_SOME_TEXT: Final = Kind(_text, _GIVEN_TEXT.samples, check=bool)
_EMAIL: Final = Kind(
    _email, (_email, "a{}@b.co".format, "c+{}@d.example".format), check=plain_email
)
_PHONE: Final = Kind(
    _phone,
    (_phone, lambda _: "+1 555 0100", lambda _: "(0551) 234/5"),
    check=line_template.is_phone,
)
_DATE: Final = Kind(
    lambda place: line_template.any_seconds_of(_date(place)) or "",
    (_date, lambda _: "1969-02-03", lambda _: "2024-12-31T23:59:59.5+02:00"),
    line_template.any_seconds_of,
)
_RECENT_DATE: Final = Kind(
    _DATE.marker, (_date, lambda _: "2019-02-03", _DATE.samples[2]), line_template.seconds_of
)
_INTEGER: Final = Kind(
    lambda place: str(_integer(place)),
    (_integer, lambda place: -1 - place, lambda _: 2**64 - 1),
    str,
)
_FRACTION: Final = Kind(
    lambda place: decimal_text(_fraction(place)),
    (_fraction, lambda _: -1.5e-7, lambda place: place + 1234.5),
    decimal_text,
)
_WHOLE: Final = Kind(
    lambda place: str(_integer(place)),
    (lambda place: float(_integer(place)), lambda place: -1.0 - place, lambda _: -0.0),
    line_template.whole,
)
_TRUTH: Final = Kind(_text, (_text, lambda _: True, lambda _: False), line_template.truth)
_LIST: Final = Kind(
    _text,
    (lambda place: [_text(place)] * 2, lambda _: ["a", "b, c", "é"], lambda _: []),
    is_list=True,
)
_EMPTY: Final = Kind(None, (lambda _: "",) * 3)
_NOTHING: Final = Kind(None, (lambda _: None,) * 3)
_OBJECT: Final = Kind(None, (lambda _: {},) * 3)

_CREATED_AS: Final[dict[type, Kind]] = {
    type(first): Kind(
        partial(_created, first),
        (partial(_same, first), partial(_same, second), partial(_same, third)),
        line_template.created,
    )
    for first, second, third in (
        ("2011-03-04T05:06:07Z", "2012-03-04", "1/2/2013"),
        (1299215167, 1300000000, 1_310_000_000_000),
        (1299215167.25, 1300000000.5, 1_310_000_000_000.75),
    )
}
"""The creation dates by the type of their values."""

_BY_TYPE: Final[dict[type, Kind]] = {
    str: _ANY_TEXT, int: _INTEGER, float: _FRACTION, bool: _TRUTH, list: _LIST, type(None): _NOTHING,
    dict: _OBJECT,
}  # fmt: skip
_OF_PAGES: Final[dict[type, Kind]] = {
    str: _ANY_TEXT, int: _INTEGER, type(None): _NOTHING
}  # fmt: skip
"""The properties of a page are written as they are."""

_OF_VIEWS: Final = frozenset({"url", "path", "name"})
"""The properties of a page that its call sends."""
_CREATED: Final = frozenset(each.lower() for each in CREATED)
"""The spellings of the traits that hold the creation date."""

SAMPLES: Final = 3
"""How many records can be made up of one form."""

_OVERHEAD: Final = 64
"""Characters that each key, and each object, counts for beside its own."""
_MESSAGE_ID: Final = "m-1"
_TIME: Final = "2024-01-01T00:00:00Z"


class _Object(NamedTuple):
    """The traits or properties, or an object within them."""

    place: int
    """The place of the object among the values; -1 for the traits or properties."""
    first: int
    """The place of the object's first value."""
    keys: tuple[str, ...]
    types: tuple[type, ...]


@dataclass(frozen=True, slots=True)
class Form:
    """All that decides what the line of a record looks like but for the values that stand in it."""

    head: Head
    own: int
    """How many values there are beside those of the traits or properties."""
    keys: tuple[str, ...]
    types: tuple[type, ...]
    inside: Inside
    dates: Collection[int] = ()
    """The places of the texts that are dates."""
    wholes: Collection[int] = ()
    """The places of the floats that are whole numbers."""

    def kinds(self) -> list[Kind] | None:
        """Return the kind of each value by place; None if lines of the form follow from more than that."""
        found: list[Kind | None] = [*self._kinds_of_own()]
        for nth, each in enumerate(self._objects()):
            for place, (key, of_type) in enumerate(
                zip(each.keys, each.types, strict=True), each.first
            ):
                kind = self._kind(key, of_type) if nth == 0 else _usual_kind(key, of_type)
                is_named = key.lower().endswith("date")
                if place in self.dates:
                    date = _RECENT_DATE if is_named else _DATE
                    kind = date if kind is _ANY_TEXT else None
                if place in self.wholes:
                    kind = None if is_named else _WHOLE
                found.append(kind)
        kinds = [each for each in found if each is not None]
        return kinds if len(kinds) == len(found) and not self._is_ambiguous() else None

    def texts(self, kinds: Sequence[Kind]) -> list[int]:
        """Return the places of the texts that become other properties where they are dates.

        Args:
            kinds: what `kinds` returns.
        """
        if self.head.type == "page":
            return []
        without = {*range(self.own), *self.omitted()}
        are_texts = (_ANY_TEXT, _SOME_TEXT, _PHONE)
        return [
            place for place, kind in enumerate(kinds) if kind in are_texts and place not in without
        ]

    def fractions(self, kinds: Sequence[Kind]) -> list[int]:
        """Return the places of the floats that become other properties where they are whole numbers.

        Args:
            kinds: what `kinds` returns.
        """
        omitted = self.omitted()
        return [
            place for place, kind in enumerate(kinds) if kind is _FRACTION and place not in omitted
        ]

    @property
    def size(self) -> int:
        """About how many characters the form takes in memory."""
        return sum(
            _OVERHEAD + sum(_OVERHEAD + len(key) for key in each.keys) for each in self._objects()
        )

    def omitted(self) -> frozenset[int]:
        """Return the places of the values that need not stand in a line."""
        places = range(self.own, self.own + len(self.keys))
        if self.head.type == "page":
            given = {"url": self.head.own_url, "path": self.head.own_path}
            given |= {"name": not self.head.has_name, "category": not self.head.has_category}
            absent = [
                place
                for place, key in zip(places, self.keys, strict=True)
                if not given.get(key, True)
            ]
            return frozenset((0, *absent))  # a page view does not send the userId
        omit = omitted(has_user_id=self.head.type == "identify")
        return frozenset(place for place, key in zip(places, self.keys, strict=True) if omit(key))

    def sample(self, nth: int, kinds: Sequence[Kind]) -> dict[str, Any]:
        """Return the JSON of a record of the form.

        Args:
            nth: which one, from 0.
            kinds: what `kinds` returns.
        """
        values = [kind.samples[nth](place) for place, kind in enumerate(kinds)]
        fields: dict[str, Any] = {}
        for each in self._objects():
            target = fields if each.place < 0 else values[each.place]
            last = each.first + len(each.keys)
            target.update(zip(each.keys, values[each.first : last], strict=True))
        head = self.head
        data = {
            "type": head.type,
            "userId": values[0],
            "messageId": _MESSAGE_ID,
            "timestamp": _TIME,
        }
        if head.type == "identify":
            return data | {"traits": fields}
        if head.type == "track":
            return data | {"event": values[1], "properties": fields}
        _, _, name, category, url, path = values[: self.own]
        page = {"url": url, "path": path}
        return data | {
            "name": name,
            "category": category,
            "context": {"page": page},
            "properties": fields,
        }

    def _objects(self) -> Iterator[_Object]:
        """Yield the traits or properties, and each object within them, in the order of their values."""
        end = self.own + len(self.keys)
        yield _Object(-1, self.own, self.keys, self.types)
        coming = iter(self.inside)
        above = [iter(places_of_objects(self.own, self.types))]
        while above:
            for place in above[-1]:
                keys, types = next(coming), next(coming)
                yield _Object(place, end, keys, types)
                above.append(iter(places_of_objects(end, types)))
                end += len(keys)
                break
            else:
                above.pop()

    def _kinds_of_own(self) -> Sequence[Kind]:
        head = self.head
        user_id = _EMAIL if head.is_email else _GIVEN_TEXT
        if head.type != "page":
            return (user_id, _GIVEN_TEXT)[: self.own]
        return (
            user_id,
            _NOTHING,  # the random text follows from other values
            _GIVEN_TEXT if head.has_name else _NOTHING,
            _GIVEN_TEXT if head.has_category else _NOTHING,
            _NOTHING if head.own_url else _GIVEN_TEXT,
            _NOTHING if head.own_path else _GIVEN_TEXT,
        )

    def _kind(self, key: str, of_type: type) -> Kind | None:
        """Return the kind of a trait or property; None if lines follow from more than its type."""
        head, name = self.head, spelling(key)
        if of_type is type(None):
            return _NOTHING
        if key == "email":
            return _EMAIL if of_type is str else None
        if head.type == "page":
            if key not in _OF_VIEWS or (key == "name" and head.has_name):
                return _OF_PAGES.get(of_type)
            is_absent = not {"url": head.own_url, "path": head.own_path}.get(key, True)
            is_given = key != "name"
            is_text = _EMPTY if is_absent else _GIVEN_TEXT if is_given else _SOME_TEXT
            return is_text if of_type is str else None
        if key == "language":
            return _SOME_TEXT if of_type is str else None
        if head.type == "identify" and name in _CREATED:
            return _CREATED_AS.get(of_type)
        if head.type == "identify" and name == "phone":
            return _PHONE if of_type is str else None
        return _usual_kind(key, of_type)

    def _is_ambiguous(self) -> bool:
        """Tell whether one of several traits or properties is chosen by the values."""
        nothing = type(None)
        types = {
            key: kind
            for key, kind in zip(self.keys, self.types, strict=True)
            if kind is not nothing
        }
        names = [spelling(key) for key in types]
        if "email" in names and types.get("email") is not str:
            return True
        if self.head.type != "identify":
            return False
        return names.count("phone") > 1 or sum(name in _CREATED for name in names) > 1


def _usual_kind(key: str, of_type: type) -> Kind | None:
    """Return the kind of an ordinary value; None if lines follow from more than its type."""
    if of_type is int and key.lower().endswith("date"):
        return None  # there is a warning about some integers
    return _BY_TYPE.get(of_type)
