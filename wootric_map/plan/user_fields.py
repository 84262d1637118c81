"""The traits that have a field of their own in Wootric: ids, contacts, creation date (segment.md 4)."""

from collections.abc import Iterable, Mapping
from typing import Any

from wootric_map.mapping.identity import CREATED, Origin, created_in
from wootric_map.plan.identified import Identified
from wootric_map.plan.trait_history import STATED_AS, Order, Statement, external_id_by
from wootric_map.read.record import ExternalId, Fields
from wootric_map.values.trait_names import spelled

_EMAIL, _EMAIL_FROM_USER_ID, _EMAIL_FROM_EVENTS = STATED_AS["email"]
_PHONE, _PHONE_FROM_EVENTS = STATED_AS["phone_number"]


class UserFields:
    """The fields of an end user after some identifies, and when each was stated."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self.origins: dict[str, Origin] = {}
        """Where each field comes from, by the field's name."""
        self.stated: dict[str, Statement] = {}
        """The last statement under each name of `STATED_AS`."""
        self.language: str | None = None
        self._created: dict[str, tuple[str, object, int]] = {}
        """The latest creation date under each name of `CREATED`, in the form that `created_in` returns."""
        self._has_email = False

    @property
    def created(self) -> tuple[str, object, int] | None:
        """The creation date under `created`, else under `createdAt` (segment.md 4)."""
        return next((self._created[name] for name in CREATED if name in self._created), None)

    def copy(self) -> "UserFields":
        """Return a copy, to which other identifies can be added."""
        copied = UserFields()
        vars(copied).update(vars(self))
        copied.fields, copied.origins = dict(self.fields), dict(self.origins)
        copied.stated = dict(self.stated)
        copied._created = dict(self._created)
        return copied

    def add(self, identified: Identified, order: Order) -> None:
        """Add the next identify, trait by trait.

        Args:
            identified: the identify.
            order: the place of the identify among all identifies.
        """
        user, origins, traits = identified.user, identified.origins, identified.traits
        user_id, email, phone, wootric_id, _, _ = user
        statement = Statement(order, True)
        if identified.external_id:
            self._take_external_id(identified.external_id, user_id, order)
        elif user_id is not None:
            self._take("external_id", user_id, origins)
            self.stated["external_id"] = statement
        if wootric_id is not None:
            self.fields["wootric_id"] = wootric_id
        if email:
            self._take_email(email, origins, statement, is_event=identified.is_event)
        keys = spelled(traits)
        if phone is not None:
            self._take("phone_number", phone, origins)
            self.stated[_PHONE_FROM_EVENTS if identified.is_event else _PHONE] = statement
        elif any(traits[key] is None for key in keys.get("phone", ())):
            # Null removes the phone; any other value that is no phone changes nothing.
            self.fields.pop("phone_number", None)
            self.stated[_PHONE] = Statement(order, False)
        if traits.get("language", "") != "":
            self.language = user.language
        if "created" in keys or "createdat" in keys:
            self._take_created(keys, traits, order)

    def _take_external_id(self, said: ExternalId, user_id: str | None, order: Order) -> None:
        """Set the external id that a trait gives, or take it away, and the `userId` beside it."""
        self.fields["external_id_from"] = said.rule
        if user_id is not None:
            self.fields["user_id"] = user_id
        if not said.is_stated:
            return
        self.stated[external_id_by(said.rule)] = Statement(order, said.text is not None)
        if said.text is None:
            self.fields.pop("external_id", None)
        else:
            self._take(
                "external_id", said.text, {"external_id": Origin(said.source, said.original)}
            )

    def _take_email(
        self, email: str, origins: Mapping[str, Origin], statement: Statement, *, is_event: bool
    ) -> None:
        """Set the email; a `userId` that looks like an email never replaces an email that is a trait."""
        email = email.strip()
        if not email:
            return
        origin = origins.get("email")
        derived = origin is not None and origin.source == "userId"
        if not (derived and self._has_email):
            self._take("email", email, origins)
        name = _EMAIL_FROM_EVENTS if is_event else _EMAIL
        self.stated[_EMAIL_FROM_USER_ID if derived else name] = statement
        self._has_email = self._has_email or not derived

    def _take_created(
        self, keys: Mapping[str, Iterable[str]], traits: Fields, order: Order
    ) -> None:
        """Set the creation dates; a value that can be no date changes nothing, and null removes the date."""
        for name in CREATED:
            spellings = keys.get(name.lower())
            if not spellings:
                continue
            found = created_in(traits, name)
            if found:
                self._created[name] = found
                self.stated[name] = Statement(order, True)
            elif any(traits[key] is None for key in spellings):
                self._created.pop(name, None)
                self.stated[name] = Statement(order, False)

    def _take(self, name: str, value: str, origins: Mapping[str, Origin]) -> None:
        """Set a field and where its value comes from."""
        self.fields[name] = value
        if name in origins:
            self.origins[name] = origins[name]
