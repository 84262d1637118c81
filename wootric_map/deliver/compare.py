"""The difference between an end user as an export wants them and as Wootric holds them."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any, Final, NamedTuple

from wootric_map.deliver.fingerprints import RememberedEndUser, RememberedFill
from wootric_map.model import NOBODY, EndUser, EndUserUpsert, Existing, property_field
from wootric_map.plan.steps import Write
from wootric_map.values.json_values import first

_OWN_FIELDS: Final = ("email", "external_id", "phone_number", "external_created_at")
_MISSING: Final = (None, "")
"""The values of a field or property that is empty in Wootric."""


class Restricted(NamedTuple):
    """The wanted fields of an end user, split by whether they may be sent."""

    left: EndUserUpsert
    """The fields that may be sent, or that Wootric holds as wanted."""
    withheld: EndUserUpsert | None
    """The fields that may not be sent; None if there are none."""
    kept: EndUserUpsert
    """The values that Wootric holds in the withheld fields, as far as they are known."""


def restrict(
    wanted: EndUserUpsert, held: EndUser | RememberedEndUser, existing: Existing
) -> Restricted:
    """Split wanted fields into those that may be sent and those that would change a value that is to stay.

    With `fill`, only a field or property may be sent that is empty in Wootric: null, an empty text, or no
    such property. Nothing may be sent if it is not known which are empty: if only the journal tells of the
    end user, and for properties that Wootric's reply does not show.

    Args:
        wanted: the fields that the export states.
        held: the end user before this run wrote anything.
        existing: which fields of existing end users are sent.
    """
    if existing == "update":
        return Restricted(wanted, None, EndUserUpsert())
    here = held if isinstance(held, EndUser) else NOBODY
    fills = existing == "fill" and here is held
    own = {name: value for name in _OWN_FIELDS if (value := getattr(wanted, name)) is not None}
    out = [
        name
        for name, value in own.items()
        if not (held.holds(name, value) or (fills and getattr(here, name) in _MISSING))
    ]
    fills = fills and here.knows_properties
    properties = {
        name: value
        for name, value in wanted.properties.items()
        if not (
            held.holds_property(name, value) or (fills and here.properties.get(name) in _MISSING)
        )
    }
    if not (out or properties):
        return Restricted(wanted, None, EndUserUpsert())
    rest = {name: each for name, each in wanted.properties.items() if name not in properties}
    there = {name: text for name in properties if (text := here.properties.get(name))}
    return Restricted(
        replace(wanted, **dict.fromkeys(out), properties=rest),
        EndUserUpsert(**{name: own[name] for name in out}, properties=properties),
        EndUserUpsert(
            **{name: each for name in out if (each := getattr(here, name)) not in _MISSING},
            properties=there,
        ),
    )


def without_filled(held: EndUser, fills: Collection[RememberedFill]) -> EndUser:
    """Return an end user as they were before runs which were cut short filled anything in.

    A value that somebody else has given since stays.

    Args:
        held: the end user as Wootric holds them.
        fills: what these runs have filled in.
    """

    def is_filled(field: str, value: object) -> bool:
        return value is not None and any(each.holds(field, str(value)) for each in fills)

    emptied: dict[str, Any] = dict.fromkeys(
        name for name in _OWN_FIELDS if is_filled(name, getattr(held, name))
    )
    properties = {
        name: text
        for name, text in held.properties.items()
        if not is_filled(property_field(name), text)
    }
    return replace(held, **emptied, properties=properties)


def restrict_write(write: Write, held: EndUser | RememberedEndUser, existing: Existing) -> Write:
    """Return a write without the fields that may not be sent; arguments as in `restrict`."""
    left, withheld, kept = restrict(write.upsert, held, existing)
    if withheld is None:
        return write
    return replace(
        write,
        upsert=left,
        all_fields=write.whole,
        withheld=withheld,
        kept=kept,
        existing=existing,
    )


def difference(wanted: EndUserUpsert, held: EndUser | RememberedEndUser) -> EndUserUpsert | None:
    """Return the fields to send so that Wootric holds an end user as wanted; None if there are none.

    A number and its text are equal, as Wootric stores them. Emails are compared trimmed and in any case.
    Properties that only Wootric has stay. If only the journal tells of the end user, the external id, or
    else the email, is among the fields in any case.
    """

    def unless_held(field: str, value: Any) -> Any:
        return None if value is None or held.holds(field, value) else value

    changed = EndUserUpsert(
        email=unless_held("email", wanted.email),
        external_id=unless_held("external_id", wanted.external_id),
        phone_number=unless_held("phone_number", wanted.phone_number),
        external_created_at=unless_held("external_created_at", wanted.external_created_at),
        properties={
            name: value
            for name, value in wanted.properties.items()
            if not held.holds_property(name, value)
        },
        external_id_from=wanted.external_id_from,
        user_id=wanted.user_id,
    )
    if not changed.fields():
        return None
    if isinstance(held, RememberedEndUser):
        # The id may be somebody else's by now; then Wootric refuses the write.
        if wanted.external_id:
            return replace(changed, external_id=wanted.external_id)
        return replace(changed, email=wanted.email)
    return changed


def written(changes: EndUserUpsert, held: EndUser | None) -> EndUser:
    """Return an end user as Wootric holds them after a write.

    Args:
        changes: the fields that were written.
        held: the end user before; None if the write creates them: then their id is 0.
    """
    before = held or NOBODY
    texts = {name: str(value) for name, value in changes.properties.items()}
    return replace(
        before,
        email=changes.email or before.email,
        external_id=changes.external_id or before.external_id,
        phone_number=changes.phone_number or before.phone_number,
        external_created_at=first(changes.external_created_at, before.external_created_at),
        properties={**before.properties, **texts},
    )
