"""The end users of the sandbox's account, found by any of their ids, and by when they were created."""

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from wootric_map.sandbox.surveys import SurveyResponse

_SETTINGS: Final = ("email_nps", "mobile_nps", "web_nps")
"""The settings that turn surveys on and off, which are on at first (wootric.md 8)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndUser:
    """An end user in the sandbox. Times are unix seconds."""

    id: int
    email: str | None = None
    external_id: str | None = None
    phone_number: str | None = None
    external_created_at: int | None = None
    last_surveyed: int | None = None
    last_seen_at: int | None = None
    created_at: int
    updated_at: int
    properties: Mapping[str, str] = field(default_factory=dict)
    last_response: SurveyResponse | None = None
    settings: Mapping[str, bool] = field(default_factory=lambda: dict.fromkeys(_SETTINGS, True))
    """Which surveys the end user may get (wootric.md 8)."""

    def to_json(self) -> dict[str, object]:
        """Return the fields as the API shows them (wootric.md 3)."""
        response = self.last_response
        return {
            "id": self.id,
            "email": self.email,
            "external_id": self.external_id,
            "phone_number": self.phone_number,
            "external_created_at": self.external_created_at,
            "last_surveyed": self.last_surveyed,
            "last_seen_at": self.last_seen_at,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "properties": dict(self.properties),
            "last_response": None if response is None else response.to_json(),
            "settings": dict(self.settings),
        }


def _email_key(email: str) -> str:
    return email.strip().lower()


class EndUserIndex:
    """End users by id, email, external id, phone number and time of creation."""

    def __init__(self) -> None:
        self._by_id: dict[int, EndUser] = {}
        self._ids_by_email: dict[str, int] = {}
        self._ids_by_external_id: dict[str, int] = {}
        self._ids_by_phone_number: dict[str, list[int]] = {}
        self._by_creation: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self._by_id)

    def all(self) -> tuple[EndUser, ...]:
        """Return all end users in the order of their ids."""
        return tuple(self._by_id.values())

    def by_id(self, end_user_id: int) -> EndUser | None:
        """Return the end user with an id; None if there is none."""
        return self._by_id.get(end_user_id)

    def by_email(self, email: str) -> EndUser | None:
        """Return the end user with an email, in any case; None if there is none."""
        end_user_id = self._ids_by_email.get(_email_key(email))
        return None if end_user_id is None else self._by_id[end_user_id]

    def by_external_id(self, external_id: str) -> EndUser | None:
        """Return the end user with an external id, letter for letter; None if there is none."""
        end_user_id = self._ids_by_external_id.get(external_id)
        return None if end_user_id is None else self._by_id[end_user_id]

    def by_phone_number(self, phone_number: str) -> EndUser | None:
        """Return the oldest end user with a phone number; None if there is none."""
        ids = self._ids_by_phone_number.get(phone_number.strip())
        return self._by_id[ids[0]] if ids else None

    def put(self, before: EndUser, after: EndUser) -> None:
        """Store an end user after a change; `before` has no ids if the end user is new."""
        if after.id not in self._by_id:
            insort(self._by_creation, (after.created_at, after.id))
        self._by_id[after.id] = after
        if before.email != after.email:
            if before.email is not None:
                del self._ids_by_email[_email_key(before.email)]
            if after.email is not None:
                self._ids_by_email[_email_key(after.email)] = after.id
        if before.external_id != after.external_id:
            if before.external_id is not None:
                del self._ids_by_external_id[before.external_id]
            if after.external_id is not None:
                self._ids_by_external_id[after.external_id] = after.id
        if before.phone_number != after.phone_number:
            if before.phone_number is not None:
                self._ids_by_phone_number[before.phone_number].remove(after.id)
            if after.phone_number is not None:
                insort(self._ids_by_phone_number.setdefault(after.phone_number, []), after.id)

    def page(
        self,
        window: Mapping[tuple[str, str], int],
        start: int,
        stop: int,
        *,
        email: str | None,
        newest_first: bool,
    ) -> list[EndUser]:
        """Return the end users from place `start` to `stop` among those within a window.

        Args:
            window: the bounds in unix seconds, by field and comparison.
            start: the first place, from 0.
            stop: the place behind the last one.
            email: the email that the end users must have; None for any.
            newest_first: whether places count from the newest end user.
        """
        rows = self._rows_with(email)
        created_from = window.get(("created", "gte"))
        created_before = window.get(("created", "lt"))
        updated_from = window.get(("updated", "gte"))
        low = 0 if created_from is None else bisect_left(rows, (created_from, 0))
        high = len(rows) if created_before is None else bisect_left(rows, (created_before, 0))

        if updated_from is not None:
            recent = [
                end_user
                for _, end_user_id in rows[low:high]
                if (end_user := self._by_id[end_user_id]).updated_at >= updated_from
            ]
            if newest_first:
                recent.reverse()
            return recent[start:stop]

        # The common walk through an account touches one page of rows, however many there are.
        if newest_first:
            picked = rows[max(low, high - stop) : max(low, high - start)][::-1]
        else:
            picked = rows[low + start : min(low + stop, high)]
        return [self._by_id[end_user_id] for _, end_user_id in picked]

    def _rows_with(self, email: str | None) -> Sequence[tuple[int, int]]:
        """Return the creation time and id of all end users, or of the one with an email, oldest first."""
        if email is None:
            return self._by_creation
        end_user = self.by_email(email)
        return [] if end_user is None else [(end_user.created_at, end_user.id)]
