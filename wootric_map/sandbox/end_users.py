"""End users (wootric.md 3): their fields, and how they are created, changed, found and listed.

The sandbox's own rules where wootric.md says nothing:

- `created_at`, `updated_at` and the times in the windows of lists are whole unix seconds.
- An email is trimmed; two emails that differ only in case are equal. An external id is kept letter for
  letter. A phone number is trimmed and need not be unique: a look-up finds the oldest end user.
- A blank field has no value: on `PUT` it empties the field, on `POST` it counts as not sent.
- An end user without email, external id and phone number is refused.
- `updated_at` changes only if a field, or a setting, changes.
- The settings of an end user (wootric.md 8) are on at first. A `PUT` changes those that its query or form
  names to `true` or `false`, and refuses any other value with 422; the reply, as that to a `GET`, is the
  settings.
- Lists are ordered by `created_at`, then `id`, oldest first, with 25 rows to a page. More than 50 rows to a
  page, a page after the 30th, and any other `sort_key`, window or number are refused with 422.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from wootric_map.sandbox.end_user_index import EndUser, EndUserIndex
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
_TRUTHS: Final = {"true": True, "false": False}
_WINDOWS: Final = {"created": ("gte", "lt"), "updated": ("gte",)}


class EndUserStore:
    """The account's end users, and the rules by which they are created, changed and found."""

    def __init__(self) -> None:
        self.index: Final = EndUserIndex()

    def create(self, form: Mapping[str, str], now: int) -> EndUser:
        """Create an end user from a form.

        Args:
            form: the fields.
            now: the unix time in whole seconds.

        Raises:
            RefusedError: 422 with every rule that the form breaks.
        """
        blank = EndUser(id=len(self.index) + 1, created_at=now, updated_at=now)
        end_user = self._changed(blank, form)
        self.index.put(blank, end_user)
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
        self.index.put(before, after)
        return after

    def change_settings(self, end_user_id: str, sent: Mapping[str, str], now: int) -> EndUser:
        """Turn surveys on or off for an end user (wootric.md 8).

        Args:
            end_user_id: the id as the path has it.
            sent: the settings by name.
            now: the unix time in whole seconds.

        Raises:
            RefusedError: 404 if there is no such end user; 422 for a value that is not `true` or `false`.
        """
        before = self.by_id(end_user_id)
        named = {name: sent[name] for name in before.settings if name in sent}
        problems = [
            f"{name} must be true or false" for name, value in named.items() if value not in _TRUTHS
        ]
        if problems:
            raise invalid(*problems)
        settings = {**before.settings, **{name: _TRUTHS[value] for name, value in named.items()}}
        if settings == before.settings:
            return before
        after = replace(before, settings=settings, updated_at=now)
        self.index.put(before, after)
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
            self.index.put(end_user, replace(after, updated_at=now))

    def by_id(self, end_user_id: str) -> EndUser:
        """Return the end user with an id.

        Args:
            end_user_id: the id as the path has it.

        Raises:
            RefusedError: 404 if there is no such end user, or `end_user_id` is not an id.
        """
        end_user = self.index.by_id(int(end_user_id)) if _ID.fullmatch(end_user_id) else None
        if end_user is None:
            raise not_found()
        return end_user

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
            return _found(self.index.by_email(key))
        if by_external_id:
            return _found(self.index.by_external_id(key))
        return self.by_id(key)

    def look_up_phone_number(self, request: SandboxRequest) -> EndUser:
        """Return the end user for `GET /end_users/phone_number/{+number}`.

        Raises:
            RefusedError: 404 if there is no such end user.
        """
        return _found(self.index.by_phone_number(request.path_params["number"]))

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
        return self.index.page(
            window,
            (page - 1) * per_page,
            page * per_page,
            email=blank_to_none(query.get("email")),
            newest_first=sort_order == "desc",
        )

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
        if email is not None and _is_other(self.index.by_email(email), before):
            problems.append("Email has already been taken")
        if external_id is not None and _is_other(self.index.by_external_id(external_id), before):
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


def _is_other(found: EndUser | None, end_user: EndUser) -> bool:
    return found is not None and found.id != end_user.id


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
