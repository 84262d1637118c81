"""The change of one end user, drawn as text or as a line of JSON, with the origin of each value."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from cli.render.text import json_line, printable, quoted, styled
from wootric_map.diff import EndUserChange
from wootric_map.mapping.identity import Origin
from wootric_map.model import EndUser, EndUserUpsert

if TYPE_CHECKING:
    from wootric_map.redaction.redaction import Redaction

_FIELDS: Final = ("email", "external_id", "phone_number", "external_created_at", "last_surveyed")
_PROPERTY: Final = "properties."
WIDEST: Final = 40
"""Characters of a field's name that the text shows."""
_NOTHING: Final[Mapping[str, str]] = {}
_NOT_KEPT: Final = "(not known)"
"""Stands for a value of which the journal has only a fingerprint."""

_SIGNS: Final[Mapping[str, tuple[str, str]]] = {
    "create": ("+", "green"),
    "update": ("~", "yellow"),
    "surveys_off": ("!", "red"),
}
"""The sign and the colour of each action."""

_Field: TypeAlias = tuple[str, str | int | None, str | int, Origin | None]
"""A field's name, its values before and after, and the origin of the latter."""


def as_text(changed: EndUserChange) -> str:
    """Return one end user's change as text, with an empty line behind it."""
    return "".join(f"{line}\n" for line in (*_lines(changed), ""))


def as_json(changed: EndUserChange) -> bytes:
    """Return one end user's change as a line of JSON."""
    return json_line(_data(changed))


def _lines(changed: EndUserChange) -> Iterator[str]:
    """Yield the lines of one end user's change."""
    fields = list(_fields(changed))
    sign, colour = _SIGNS[changed.action]
    yield styled(f"{sign} {title(_ids(changed))}", fg=colour, bold=True)
    wide = max((len(printable(name, WIDEST)) for name, *_ in fields), default=0)
    for name, before, after, origin in fields:
        value, mark = quoted(after), styled("+", fg="green")
        if before is not None or changed.left:
            was = _NOT_KEPT if changed.left else quoted(before)
            value, mark = f"{was} → {value}", styled("~", fg="yellow")
        text = f"    {mark} {printable(name, WIDEST):{wide}}  {value}"
        yield text + (styled(f"  ← {shown_origin(origin, after)}", dim=True) if origin else "")
    if changed.surveys_off:
        # `true` is what the value of the trait says, whatever its form.
        source = styled(f"  ← {shown_origin(changed.surveys_off, True)}", dim=True)
        yield f"    {styled('!', fg='red')} surveys off{source}"


def _data(changed: EndUserChange) -> dict[str, object]:
    """Return one end user's change as data for JSON."""
    ids = _ids(changed)
    fields: list[dict[str, object]] = []
    for name, before, after, origin in _fields(changed):
        entry: dict[str, object] = {"field": name}
        if changed.held:
            entry["before"] = before
        entry["after"] = after
        if origin:
            entry["source"], entry["original"] = origin
        fields.append(entry)
    data: dict[str, object] = {
        "action": changed.action,
        "end_user": {name: value for name, value in ids.items() if value is not None},
        "fields": fields,
    }
    if changed.surveys_off:
        source, original = changed.surveys_off
        data["surveys_off"] = {"source": source, "original": original}
    if changed.warnings:
        data["warnings"] = [{"code": code, "message": text} for code, text in changed.warnings]
    return data


def redacted(changed: EndUserChange, redaction: "Redaction") -> EndUserChange:
    """Return a redacted change."""
    wanted, held = changed.fields, changed.held
    names = redaction.keys(wanted.properties)
    value = redaction.value

    def ids(of: EndUserUpsert | EndUser) -> dict[str, Any]:
        return {
            name: value(name, getattr(of, name))
            for name in ("email", "external_id", "phone_number")
        }

    def properties(of: EndUserUpsert | EndUser) -> dict[str, str]:
        return {
            hidden: value(f"{_PROPERTY}{name}", of.properties[name])
            for name, hidden in names.items()
            if name in of.properties
        }

    return EndUserChange(
        replace(wanted, **ids(wanted), properties=properties(wanted)),
        replace(held, **ids(held), properties=properties(held)) if held else None,
        {
            _renamed(name, names): Origin(
                redaction.text(origin.source), value(origin.source, origin.original)
            )
            for name, origin in changed.origins.items()
        },
        tuple((code, redaction.text(message)) for code, message in changed.warnings),
        replace(changed.left, **ids(changed.left)) if changed.left else None,
        surveys_off=_redacted_origin(changed.surveys_off, redaction),
    )


def _redacted_origin(origin: Origin | None, redaction: "Redaction") -> Origin | None:
    if origin is None:
        return None
    return Origin(redaction.text(origin.source), redaction.value(origin.source, origin.original))


def _renamed(field: str, names: Mapping[str, str]) -> str:
    name = field.removeprefix(_PROPERTY)
    return field if name == field else _PROPERTY + names.get(name, name)


def _fields(changed: EndUserChange) -> Iterator[_Field]:
    """Yield the fields with their values and origins, in the order in which they are sent."""
    fields, held, origins = changed.fields, changed.held, changed.origins
    for name in _FIELDS:
        value = getattr(fields, name)
        if value is not None:
            yield name, getattr(held, name) if held else None, value, origins.get(name)
    before = held.properties if held else _NOTHING
    for name, value in fields.properties.items():
        key = f"{_PROPERTY}{name}"
        yield key, before.get(name), value, origins.get(key)


def _ids(changed: EndUserChange) -> dict[str, str | int | None]:
    """Return the ids of the end user, as Wootric has them or will have them."""
    known = changed.held or changed.left or changed.fields
    number = changed.left.wootric_id if changed.left else None
    return {
        "id": changed.held.id if changed.held else number and int(number),
        "email": known.email,
        "external_id": known.external_id,
        "phone_number": known.phone_number,
        "wootric_id": None if changed.is_update else changed.fields.wootric_id,
    }


def title(ids: Mapping[str, object]) -> str:
    """Return what an end user is called, by their ids."""
    names = [printable(str(ids[name])) for name in ("email", "external_id") if ids[name]]
    if not names:
        return printable(str(ids["phone_number"] or f"id {ids['wootric_id'] or ids['id']}"))
    return names[0] + (f" ({names[1]})" if names[1:] else "")


def shown_origin(origin: Origin, value: object) -> str:
    """Return where a value comes from; and from what, if it is not sent as it stands there."""
    source = printable(origin.source)
    same = origin.original == value and type(origin.original) is type(value)
    return source if same else f"{source} {quoted(origin.original)}"
