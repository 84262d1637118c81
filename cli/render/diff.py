"""The diff of a dry run: the changes of each end user, with the origin of each value."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from cli.render.text import json_line, printable, quoted, styled
from wootric_map.diff import EndUserChange
from wootric_map.mapping.identity import Origin
from wootric_map.model import EndUser, EndUserUpsert

if TYPE_CHECKING:
    from wootric_map.redaction.redaction import Redaction, Told

_FIELDS: Final = ("email", "external_id", "phone_number", "external_created_at")
_PROPERTY: Final = "properties."
_WIDEST: Final = 40
_NOTHING: Final[Mapping[str, str]] = {}
_NOT_KEPT: Final = "(not known)"
"""Stands for a value of which the journal has only a fingerprint."""


class Shown(NamedTuple):
    """What is shown of an end user that would be created or updated."""

    is_update: bool
    content: str | bytes
    """Text, or a line of JSON."""
    told: "Sequence[Told]" = ()
    """The values that are redacted in it, to be redacted in all that follows."""


def shown(changed: EndUserChange, *, redaction: "Redaction | None", as_json: bool) -> Shown:
    """Return what is shown of one end user's change.

    Args:
        changed: the change.
        redaction: the redaction, if one is asked for.
        as_json: whether to return a line of JSON, or else text.
    """
    told: Sequence[Told] = ()
    if redaction:
        of_record = redaction.of_a_record()
        changed = redacted(changed, of_record)
        told = of_record.told or ()
    if as_json:
        return Shown(changed.is_update, json_line(end_user_data(changed)), told)
    text = "".join(f"{line}\n" for line in (*end_user_text(changed), ""))
    return Shown(changed.is_update, text, told)


_Field: TypeAlias = tuple[str, str | int | None, str | int, Origin | None]
"""A field's name, its values before and after, and the origin of the latter."""


def end_user_text(changed: EndUserChange) -> Iterator[str]:
    """Yield the lines of one end user's change."""
    fields = list(_fields(changed))
    sign, colour = ("~", "yellow") if changed.is_update else ("+", "green")
    yield styled(f"{sign} {_title(changed)}", fg=colour, bold=True)
    wide = max((len(printable(name, _WIDEST)) for name, *_ in fields), default=0)
    for name, before, after, origin in fields:
        value, mark = quoted(after), styled("+", fg="green")
        if before is not None or changed.left:
            was = _NOT_KEPT if changed.left else quoted(before)
            value, mark = f"{was} → {value}", styled("~", fg="yellow")
        text = f"    {mark} {printable(name, _WIDEST):{wide}}  {value}"
        yield text + (styled(f"  ← {_origin(origin, after)}", dim=True) if origin else "")


def end_user_data(changed: EndUserChange) -> dict[str, object]:
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
        "action": "update" if changed.is_update else "create",
        "end_user": {name: value for name, value in ids.items() if value is not None},
        "fields": fields,
    }
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
    )


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


def _title(changed: EndUserChange) -> str:
    ids = _ids(changed)
    names = [printable(str(ids[name])) for name in ("email", "external_id") if ids[name]]
    if not names:
        return printable(str(ids["phone_number"] or f"id {ids['wootric_id'] or ids['id']}"))
    return names[0] + (f" ({names[1]})" if names[1:] else "")


def _origin(origin: Origin, value: object) -> str:
    source = printable(origin.source)
    same = origin.original == value and type(origin.original) is type(value)
    return source if same else f"{source} {quoted(origin.original)}"
