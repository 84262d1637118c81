"""The changes of the commonest end users, drawn in a fraction of the time that `cli.render.change` takes.

What all changes of one shape share is written once; of each end user only the values are filled in. The
first change of each shape is drawn both ways: unless both are equal, that shape is always drawn the long way.
"""

from collections.abc import Callable
from itertools import chain
from operator import itemgetter
from typing import Final, Generic, TypeAlias, TypeVar

import orjson

from cli.render.change import WIDEST, shown_origin, title
from cli.render.change import as_json as long_json
from cli.render.change import as_text as long_text
from cli.render.text import printable, quoted, safe_json, styled
from wootric_map.diff import EndUserChange, ShapedChange
from wootric_map.mapping.identity import Origin
from wootric_map.plan.change_shapes import ChangeShape, QuickChange

T = TypeVar("T", str, bytes)

_IDS: Final = ("email", "external_id", "phone_number")
_MOST_SHAPES: Final = 256
"""Shapes whose form is kept: a hostile export may have a million."""

_Draw: TypeAlias = Callable[[QuickChange], T]
"""Draws a change of one shape."""


class _Forms(Generic[T]):
    """What all changes of one shape share, by the shape and the codes of warnings that are not shown."""

    def __init__(
        self, form: Callable[[ShapedChange], _Draw[T]], draw: Callable[[EndUserChange], T]
    ) -> None:
        """Keep no form yet.

        Args:
            form: returns what draws all changes of the shape of a change.
            draw: draws any change.
        """
        self._form: Callable[[ShapedChange], _Draw[T]] = form
        self._draw: Callable[[EndUserChange], T] = draw
        self._kept: dict[tuple[ChangeShape, frozenset[str]], _Draw[T] | None] = {}

    def draw(self, changed: ShapedChange) -> T:
        """Draw a change."""
        key = changed.quick.shape, changed.ignored
        try:
            form = self._kept[key]
        except KeyError:
            return self._first(changed, key)
        return form(changed.quick) if form else self._draw(changed)

    def _first(self, changed: ShapedChange, key: tuple[ChangeShape, frozenset[str]]) -> T:
        """Draw the first change of a shape."""
        drawn = self._draw(changed)
        form = self._form(changed)
        if len(self._kept) >= _MOST_SHAPES:
            self._kept.clear()
        self._kept[key] = form if form(changed.quick) == drawn else None
        return drawn


def _json_form(changed: ShapedChange) -> _Draw[bytes]:
    """Return what draws all changes of the shape of a change as lines of JSON."""
    quick = changed.quick
    shape, count = quick.shape, len(quick.shape.fields)
    fills = [*(place for place, _ in shape.fills), *shape.shown]
    ids = [name for name in _IDS if name in shape.fields]
    own = [(f"{_json(name)}:", shape.fields.index(name)) for name in ids]
    begin = '{"action":"create","end_user":{' + ",".join(_part(text) for text, _ in own)
    parts, picks = [], [place for _, place in own]
    for place, (name, source) in enumerate(zip(shape.fields, shape.sources, strict=True)):
        parts.append(
            _part(f'{{"field":{_json(name)},"after":')
            + _part(f',"source":{_json(source)},"original":')
            + "}"
        )
        picks += (place, count + fills.index(place) if place in fills else place)
    end = ""
    if changed.warnings:
        warnings = [{"code": code, "message": text} for code, text in changed.warnings]
        end = f',"warnings":{_json(warnings)}'.replace("%", "%%")
    template = (begin + '},"fields":[' + ",".join(parts) + "]" + end + "}\n").encode()
    pick = itemgetter(*picks)

    def draw(change: QuickChange) -> bytes:
        originals = change.originals
        try:
            values = [*map(orjson.dumps, change.sent)]
            values += [orjson.dumps(originals[place]) for place in fills]
        except TypeError:  # integers beyond 64 bits
            return long_json(ShapedChange(change, changed.ignored))
        return safe_json(template % pick(values))

    return draw


def _part(text: str) -> str:
    """Return a part of a template with a value behind it."""
    return text.replace("%", "%%") + "%b"


def _json(value: object) -> str:
    """Return a value as JSON."""
    return orjson.dumps(value).decode()


def _text_form(changed: ShapedChange) -> _Draw[str]:
    """Return what draws all changes of the shape of a change as text."""
    shape = changed.quick.shape
    names, sources = shape.fields, shape.sources
    fills = [*(place for place, _ in shape.fills), *shape.shown]
    ids = [(name, names.index(name)) for name in _IDS if name in names]
    wide = max(len(printable(name, WIDEST)) for name in names)
    mark, arrow = styled("+", fg="green"), styled("  ← %s", dim=True)
    parts = [styled("+ %s", fg="green", bold=True) + "\n"]
    for place, (name, source) in enumerate(zip(names, sources, strict=True)):
        begin = f"    {mark} {printable(name, WIDEST):{wide}}  ".replace("%", "%%")
        origin = "%s" if place in fills else printable(source).replace("%", "%%")
        parts.append(f"{begin}%s{arrow % origin}\n")
    template = "".join(parts) + "\n"
    count = len(names)
    each = (
        (1 + place, 1 + count + fills.index(place)) if place in fills else (1 + place,)
        for place in range(count)
    )
    pick = itemgetter(0, *chain.from_iterable(each))

    def draw(change: QuickChange) -> str:
        sent, originals = change.sent, change.originals
        named = dict.fromkeys(_IDS) | {name: sent[place] for name, place in ids}
        values = [title(named), *map(quoted, sent)]
        values += [
            shown_origin(Origin(sources[place], originals[place]), sent[place]) for place in fills
        ]
        drawn: str = template % pick(values)
        return drawn

    return draw


as_json: Final = _Forms(_json_form, long_json).draw
"""Draw a change as a line of JSON, as `cli.render.change.as_json` does."""
as_text: Final = _Forms(_text_form, long_text).draw
"""Draw a change as text, as `cli.render.change.as_text` does."""
