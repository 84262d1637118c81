"""Requests, replies and refusals, between HTTP and the rules of the sandbox.

A rule gets a `SandboxRequest`, and returns a `Reply` or raises `RefusedError`.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

_INTEGER: Final = re.compile(r"-?[0-9]{1,18}")
_LAST_SECOND: Final = 253_402_300_799
"""The end of the year 9999 in unix seconds. A greater number is probably in milliseconds."""

_FORBIDDEN_IN_KEY: Final = ("$", ".", "\0")


@dataclass(frozen=True, slots=True)
class SandboxRequest:
    """One request with its parts decoded."""

    endpoint: str
    """The method and path template, such as `PUT /v1/end_users/{id}`. Each has its own rate limit."""

    method: str
    """The method in capitals."""

    path: str
    """The path as it was sent: percent-encoded, without the query."""

    path_params: Mapping[str, str]
    """The parts of the path that the template names, percent-decoded."""

    query: Mapping[str, str]
    """The decoded query. If a name is sent twice, the last value counts, as in Rails."""

    form: Mapping[str, str]
    """The decoded form in the body; empty without a form. If a name is sent twice, the last value counts."""

    headers: Mapping[str, str]
    """The headers; their names are in lower case."""

    has_other_body: bool
    """Whether there is a body that is not a form, which Wootric does not take (wootric.md 3)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply to a request."""

    body: object
    """The body: bytes are sent as they are, anything else as JSON."""
    status: int = 200
    headers: Mapping[str, str] | None = None
    media_type: str = "application/json"


class RefusedError(Exception):
    """A request is refused; `reply` says why."""

    def __init__(
        self, status: int, body: Mapping[str, object], headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, body)
        self.reply = Reply(body, status, headers)


def invalid(*problems: str) -> RefusedError:
    """Return the 422 for a record that breaks rules, in the first form of errors of wootric.md 3."""
    return RefusedError(422, {"error": "Validation failed: " + ", ".join(problems)})


def failure(
    http_status: int,
    status: str,
    message: str,
    field: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> RefusedError:
    """Return a refusal in the second form of errors of wootric.md 3, the `error_list`.

    Args:
        http_status: the status code of the reply.
        status: Wootric's word for the error, such as `record_not_found`.
        message: the error in words for a person.
        field: the wrong parameter, if there is one.
        headers: further headers of the reply.
    """
    error = {"status": status, "message": message, "field": field}
    return RefusedError(http_status, {"type": "error_list", "errors": [error]}, headers)


def not_found() -> RefusedError:
    """Return the 404 for a record that does not exist (wootric.md 3)."""
    return failure(404, "record_not_found", "The record could not be found")


def bad_parameter(field: str, message: str) -> RefusedError:
    """Return the 422 for a query parameter with a value that wootric.md does not allow."""
    return failure(422, "invalid_parameter", message, field)


def parse_pairs(encoded: bytes) -> list[tuple[str, str]]:
    """Return the decoded names and values of a query or form, in the order in which they were sent.

    Raises:
        UnicodeDecodeError: `encoded` is not UTF-8.
    """
    return parse_qsl(encoded.decode("utf-8"), keep_blank_values=True, errors="strict")


def blank_to_none(text: str | None) -> str | None:
    """Return `text`, or None if it is empty or white space."""
    return text if text is not None and text.strip() else None


def unix_seconds(text: str) -> int | None:
    """Return the time that a text of whole unix seconds holds, or None if it is anything else."""
    text = text.strip()
    if not _INTEGER.fullmatch(text):
        return None
    value = int(text)
    return value if -_LAST_SECOND <= value <= _LAST_SECOND else None


def flat_hash(
    params: Mapping[str, str], name: str, problems: list[str], label: str = "Properties"
) -> dict[str, str]:
    """Return the flat hash in form or query parameters `name[key]=value` (wootric.md 3 and 6).

    Args:
        params: the form or query.
        name: the hash's name, such as `properties` or `end_user[properties]`.
        problems: gets a message for each key with `$`, `.` or NUL, and each value that is a hash or list.
        label: the name of the hash in the messages.
    """
    found: dict[str, str] = {}
    start = len(name)
    for param, value in params.items():
        if not param.startswith(name):
            continue
        rest = param[start:]
        if not rest:
            problems.append(f"{label} must be a hash")
            continue
        if rest[0] != "[":
            continue
        key = rest[1:-1]
        if rest[-1] != "]" or not key or "[" in key or "]" in key:
            problems.append(f"{label} must be a flat hash, without hashes or lists in it: {param}")
        elif any(character in key for character in _FORBIDDEN_IN_KEY):
            problems.append(f"{label} keys must not hold $, . or NUL: {param!r}")
        else:
            found[key] = value
    return found


def read_seconds(
    params: Mapping[str, str], name: str, problems: list[str], label: str
) -> int | None:
    """Return an optional time in unix seconds, or None if it is absent, blank or wrong.

    Args:
        params: the form or query.
        name: the parameter's name.
        problems: gets a message if the value is not a whole number of unix seconds.
        label: the name of the parameter in the message.
    """
    text = blank_to_none(params.get(name))
    if text is None:
        return None
    value = unix_seconds(text)
    if value is None:
        problems.append(f"{label} must be a whole number of unix seconds")
    return value


def read_window(
    query: Mapping[str, str], allowed: Mapping[str, Collection[str]]
) -> dict[tuple[str, str], int]:
    """Return the bounds of a list's window, such as `created[gte]=1700000000`.

    Args:
        query: the query.
        allowed: the comparisons for `created` and for `updated` that wootric.md lists.

    Returns:
        Unix seconds by field and comparison.

    Raises:
        RefusedError: 422 for any other comparison, which would otherwise return rows that nobody asked for;
            and for a value that is not a whole number of unix seconds.
    """
    window: dict[tuple[str, str], int] = {}
    for name, value in query.items():
        field, bracket, rest = name.partition("[")
        if field not in ("created", "updated"):
            continue
        comparison = rest.removesuffix("]")
        if not bracket or comparison not in allowed.get(field, ()):
            raise bad_parameter(name, f"{name} is not a filter of this list")
        if not value.strip():
            continue
        seconds = unix_seconds(value)
        if seconds is None:
            raise bad_parameter(name, f"{name} must be a whole number of unix seconds")
        window[field, comparison] = seconds
    return window


def read_paging(
    query: Mapping[str, str], *, per_page_default: int, per_page_most: int, page_most: int
) -> tuple[int, int]:
    """Return `page` and `per_page` of a query; a blank one counts as not sent.

    Args:
        query: the query.
        per_page_default: the rows to a page if `per_page` is not sent.
        per_page_most: the greatest number of rows to a page.
        page_most: the greatest page.

    Returns:
        The page, from 1, and the rows to a page.

    Raises:
        RefusedError: 422 for a value that is not a whole number from 1 to the greatest.
    """
    numbers = []
    for name, default, most in (
        ("page", 1, page_most),
        ("per_page", per_page_default, per_page_most),
    ):
        text = query.get(name, "").strip()
        if not text:
            numbers.append(default)
            continue
        if not _INTEGER.fullmatch(text) or not 1 <= int(text) <= most:
            raise bad_parameter(name, f"{name} must be a whole number from 1 to {most}")
        numbers.append(int(text))
    page, per_page = numbers
    return page, per_page
