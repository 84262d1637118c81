"""End users (wootric.md 3): their fields, and how they are created, changed, found and listed.

The sandbox's own rules where wootric.md says nothing:

- `created_at`, `updated_at` and the times in the windows of lists are whole unix seconds.
- An email is trimmed; two emails that differ only in case are equal. An external id is kept letter for
  letter. A phone number is trimmed and need not be unique: a look-up finds the oldest end user.
- A blank field has no value: on `PUT` it empties the field, on `POST` it counts as not sent.
- An end user without email, external id and phone number is refused.
- `updated_at` changes only if a field changes.
- Lists are ordered by `created_at`, then `id`, oldest first, with 25 rows to a page. More than 50 rows to a
  page, a page after the 30th, and any other `sort_key`, window or number are refused with 422.
"""

import re
from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from wootric_map.sandbox.surveys import SurveyResponse
from wootric_map.sandbox.wire import (
    SandboxRequest,
    bad_parameter,
    blank_to_none,
    flat_hash,
    invalid,
    not_found,
    read_paging,
    read_seconds,
    read_window,
)

PER_PAGE_DEFAULT: Final = 25
PER_PAGE_MOST: Final = 50
PAGE_MOST: Final = 30

_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")
_ID: Final = re.compile(r"[1-9][0-9]{0,17}")
_WINDOWS: Final = {"created": ("gte", "lt"), "updated": ("gte",)}


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
            "settings": {},
        }


def _email_key(email: str) -> str:
    return email.strip().lower()


class EndUserStore:
    """The account's end users, indexed by id, email, external id and phone number."""

    def __init__(self) -> None:
        self._by_id: dict[int, EndUser] = {}
        self._ids_by_email: dict[str, int] = {}
        self._ids_by_external_id: dict[str, int] = {}
        self._ids_by_phone_number: dict[str, list[int]] = {}
        self._by_creation: list[tuple[int, int]] = []

    def all(self) -> tuple[EndUser, ...]:
        """Return all end users in the order of their ids."""
        return tuple(self._by_id.values())

    def create(self, form: Mapping[str, str], now: int) -> EndUser:
        """Create an end user from a form.

        Args:
            form: the fields.
            now: the unix time in whole seconds.

        Raises:
            RefusedError: 422 with every rule that the form breaks.
        """
        blank = EndUser(id=len(self._by_id) + 1, created_at=now, updated_at=now)
        end_user = self._changed(blank, form)
        insort(self._by_creation, (now, end_user.id))
        self._keep(blank, end_user)
        return end_user

    def update(self, end_user_id: str, form: Mapping[str, str], now: int) -> EndUser:
        """Change the fields that a form names, and merge its properties into those of the end user.

        Args:
            end_user_id: the id as the path has it.
            form: the fields.
            now: the unix time in whole seconds.

        Raises:
            RefusedError: 404 if there is no such end user; 422 with every rule that the form breaks.
        """
        before = self.by_id(end_user_id)
        after = self._changed(before, form)
        if after == before:
            return before
        after = replace(after, updated_at=now)
        self._keep(before, after)
        return after

    def note_survey(
        self,
        end_user: EndUser,
        properties: Mapping[str, str],
        response: SurveyResponse | None,
        now: int,
    ) -> None:
        """Merge the properties of a response or decline into an end user, and keep the newest response.

        `last_surveyed` does not change: only a request that names this field sets it (wootric.md 3).

        Args:
            end_user: the end user.
            properties: the properties that came with the response or decline.
            response: the response; None for a decline.
            now: the unix time in whole seconds.
        """
        latest = end_user.last_response
        if response is not None and (latest is None or response.created_at >= latest.created_at):
            latest = response
        merged = {**end_user.properties, **properties}
        after = replace(end_user, properties=merged, last_response=latest)
        if after != end_user:
            self._by_id[end_user.id] = replace(after, updated_at=now)

    def by_id(self, end_user_id: str) -> EndUser:
        """Return the end user with an id.

        Args:
            end_user_id: the id as the path has it.

        Raises:
            RefusedError: 404 if there is no such end user, or `end_user_id` is not an id.
        """
        end_user = self._by_id.get(int(end_user_id)) if _ID.fullmatch(end_user_id) else None
        if end_user is None:
            raise not_found()
        return end_user

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

    def look_up(self, request: SandboxRequest) -> EndUser:
        """Return the end user for `GET /end_users/{key}`.

        The key is an email or external id if the query says so, else an id.

        Raises:
            RefusedError: 404 if there is no such end user; 422 if the query asks for both.
        """
        key = request.path_params["id"]
        by_email = request.query.get("lookup_by_email") == "true"
        by_external_id = request.query.get("lookup_by_external_id") == "true"
        if by_email and by_external_id:
            raise bad_parameter(
                "lookup_by_email", "lookup_by_email and lookup_by_external_id exclude each other"
            )
        if by_email:
            return _found(self.by_email(key))
        if by_external_id:
            return _found(self.by_external_id(key))
        return self.by_id(key)

    def look_up_phone_number(self, request: SandboxRequest) -> EndUser:
        """Return the end user for `GET /end_users/phone_number/{+number}`.

        Raises:
            RefusedError: 404 if there is no such end user.
        """
        return _found(self.by_phone_number(request.path_params["number"]))

    def list_page(self, query: Mapping[str, str]) -> list[EndUser]:
        """Return the page of end users for `GET /end_users`.

        Raises:
            RefusedError: 422 for paging, sorting or a window that wootric.md 3 does not list.
        """
        page, per_page = read_paging(
            query,
            per_page_default=PER_PAGE_DEFAULT,
            per_page_most=PER_PAGE_MOST,
            page_most=PAGE_MOST,
        )
        if query.get("sort_key", "") not in ("", "created_at"):
            raise bad_parameter("sort_key", "sort_key must be created_at")
        sort_order = query.get("sort_order", "")
        if sort_order not in ("", "asc", "desc"):
            raise bad_parameter("sort_order", "sort_order must be asc or desc")
        window = read_window(query, _WINDOWS)
        return self._slice(
            self._rows_with(blank_to_none(query.get("email"))),
            window,
            (page - 1) * per_page,
            page * per_page,
            newest_first=sort_order == "desc",
        )

    def _rows_with(self, email: str | None) -> Sequence[tuple[int, int]]:
        """Return the creation time and id of all end users, or of the one with an email, oldest first."""
        if email is None:
            return self._by_creation
        end_user = self.by_email(email)
        return [] if end_user is None else [(end_user.created_at, end_user.id)]

    def _slice(
        self,
        rows: Sequence[tuple[int, int]],
        window: Mapping[tuple[str, str], int],
        start: int,
        stop: int,
        *,
        newest_first: bool,
    ) -> list[EndUser]:
        """Return the end users from place `start` to `stop` among those within a window.

        Args:
            rows: creation time and id of the end users, oldest first.
            window: the bounds in unix seconds, by field and comparison.
            start: the first place, from 0.
            stop: the place behind the last one.
            newest_first: whether places count from the newest end user.
        """
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

    def _changed(self, before: EndUser, form: Mapping[str, str]) -> EndUser:
        """Return an end user with the fields of a form.

        Raises:
            RefusedError: 422 with every rule that the form breaks.
        """
        problems: list[str] = []
        email = _text(form, "email", before.email)
        external_id = _text(form, "external_id", before.external_id, trim=False)
        phone_number = _text(form, "phone_number", before.phone_number)
        if email is not None and not _EMAIL.fullmatch(email):
            problems.append("Email is invalid")
        if self._belongs_to_other(self._ids_by_email, email and _email_key(email), before.id):
            problems.append("Email has already been taken")
        if self._belongs_to_other(self._ids_by_external_id, external_id, before.id):
            problems.append("External has already been taken")
        if email is None and external_id is None and phone_number is None:
            problems.append("Email, external or phone number must be present")
        external_created_at = _seconds(
            form, "external_created_at", before.external_created_at, problems, "External created at"
        )
        last_surveyed = _seconds(
            form, "last_surveyed", before.last_surveyed, problems, "Last surveyed"
        )
        properties = flat_hash(form, "properties", problems)
        if problems:
            raise invalid(*problems)
        return replace(
            before,
            email=email,
            external_id=external_id,
            phone_number=phone_number,
            external_created_at=external_created_at,
            last_surveyed=last_surveyed,
            properties={**before.properties, **properties},
        )

    @staticmethod
    def _belongs_to_other(index: Mapping[str, int], key: str | None, end_user_id: int) -> bool:
        """Tell whether an index has a key for another end user than this one."""
        return key is not None and index.get(key, end_user_id) != end_user_id

    def _keep(self, before: EndUser, after: EndUser) -> None:
        """Store an end user after a change, and update the indexes."""
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


def _found(end_user: EndUser | None) -> EndUser:
    if end_user is None:
        raise not_found()
    return end_user


def _text(
    form: Mapping[str, str], name: str, before: str | None, *, trim: bool = True
) -> str | None:
    """Return a field of a form; None if it is blank, and `before` if it is not sent."""
    if name not in form:
        return before
    text = blank_to_none(form[name])
    return text.strip() if text is not None and trim else text


def _seconds(
    form: Mapping[str, str], name: str, before: int | None, problems: list[str], label: str
) -> int | None:
    """Return a time of a form in unix seconds; None if it is blank, and `before` if it is not sent."""
    return read_seconds(form, name, problems, label) if name in form else before
