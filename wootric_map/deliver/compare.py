"""What an export wants of an end user against what Wootric holds: the difference, and no more."""

from dataclasses import replace
from typing import Any, Final, NamedTuple

from wootric_map.deliver.fingerprints import RememberedEndUser
from wootric_map.model import NOBODY, EndUser, EndUserUpsert, Existing
from wootric_map.plan.steps import Write
from wootric_map.values.json_values import first

_OWN_FIELDS: Final = ("email", "external_id", "phone_number", "external_created_at")
_MISSING: Final = (None, "")
"""What a field or property is that Wootric holds nothing of."""


class Restricted(NamedTuple):
    """What is wanted of an end user, set against what is to stay as it is."""

    left: EndUserUpsert
    """What may be sent, or is held as wanted."""
    withheld: EndUserUpsert | None
    """What may not be sent; None where there is nothing of that."""
    kept: EndUserUpsert
    """What Wootric holds in place of what is withheld, as far as that is known."""


def restrict(
    wanted: EndUserUpsert, held: EndUser | RememberedEndUser, existing: Existing
) -> Restricted:
    """Leave out what would change a value that is to stay as it is.

    To fill, only a field or property that Wootric holds nothing of may be sent: null, an empty text, or no
    such property. Of whom an earlier run left, and where Wootric does not tell the properties, it is not
    known what is missing, so that nothing may.

    Args:
        wanted: what the export says.
        held: the end user before anything was written.
        existing: what becomes of those who are there.
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


def restrict_write(write: Write, held: EndUser | RememberedEndUser, existing: Existing) -> Write:
    """Return a write less what would change a value that is to stay as it is.

    Args:
        write: what is wanted of an end user.
        held: the end user before this run wrote anything.
        existing: what becomes of the end users whom Wootric holds.
    """
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
    """What has to be sent for Wootric to hold an end user as wanted.

    A number and its text are equal, as Wootric stores them; properties that Wootric has and the export
    does not are left alone; emails compare trimmed and without case.

    Returns:
        Only the fields that differ, or None where there are none. Of whom an earlier run left, with the
        external id, else the email, besides.
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
    )
    if not changed.fields():
        return None
    if isinstance(held, RememberedEndUser):
        # Nobody has looked whether this id is theirs still; Wootric refuses what is another's.
        if wanted.external_id:
            return replace(changed, external_id=wanted.external_id)
        return replace(changed, email=wanted.email)
    return changed


def written(changes: EndUserUpsert, held: EndUser | None) -> EndUser:
    """What Wootric holds once these fields were written.

    Args:
        changes: the fields.
        held: the end user before; None where they are created, whose number then is 0.
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
