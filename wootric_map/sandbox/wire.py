"""Between HTTP and the sandbox's rules: a request taken apart, a reply, and a refusal.

Every rule of the sandbox is a function from a `SandboxRequest` to a `Reply`, or it raises
`RefusedError`; only `app` touches sockets.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

_INTEGER: Final = re.compile(r"-?[0-9]{1,18}")
_LAST_SECOND: Final = 253_402_300_799
"""The end of the year 9999. A number past it was not in seconds: milliseconds, most likely."""

_FORBIDDEN_IN_KEY: Final = ("$", ".", "\0")


@dataclass(frozen=True, slots=True)
class SandboxRequest:
    """One request, taken apart."""

    endpoint: str
    """Method and path template, such as `PUT /v1/end_users/{id}`: what rate limits go by."""

    method: str
    """In capitals."""

    path: str
    """As it came: still percent-encoded, without the query."""

    path_params: Mapping[str, str]
    """The parts of the path that the template names, percent-decoded."""

    query: Mapping[str, str]
    """The query, decoded. Of a name sent twice the last value counts, as in Rails."""

    form: Mapping[str, str]
    """The form in the body, decoded likewise; empty when the body is none."""

    headers: Mapping[str, str]
    """Names in small letters."""

    has_other_body: bool
    """Whether there is a body that is no form (Wootric takes forms only, wootric.md 3)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back: a status and a body, to be sent as JSON unless it is bytes."""

    body: object
    status: int = 200
    headers: Mapping[str, str] | None = None
    media_type: str = "application/json"


class RefusedError(Exception):
    """A request turned down; carries the reply that says why."""

    def __init__(
        self, status: int, body: Mapping[str, object], headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, body)
        self.reply = Reply(body, status, headers)


def invalid(*problems: str) -> RefusedError:
    """Build the 422 for a record that breaks rules: the first error form of wootric.md 3."""
    return RefusedError(422, {"error": "Validation failed: " + ", ".join(problems)})


def failure(
    http_status: int,
    status: str,
    message: str,
    field: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> RefusedError:
    """Build a refusal in the second error form of wootric.md 3, the `error_list`.

    Args:
        http_status: the reply's status code.
        status: Wootric's word for what went wrong, such as `record_not_found`.
        message: the same for a person.
        field: the parameter at fault, if it is one.
        headers: more headers for the reply.
    """
    error = {"status": status, "message": message, "field": field}
    return RefusedError(http_status, {"type": "error_list", "errors": [error]}, headers)


def not_found() -> RefusedError:
    """Build the 404 for a record that is not there (wootric.md 3)."""
    return failure(404, "record_not_found", "The record could not be found")


def bad_parameter(field: str, message: str) -> RefusedError:
    """Build the 422 for a query parameter that is outside what wootric.md lists."""
    return failure(422, "invalid_parameter", message, field)


def parse_pairs(encoded: bytes) -> list[tuple[str, str]]:
    """Take a query or a form apart, in the order sent.

    Raises:
        UnicodeDecodeError: it is not UTF-8.
    """
    return parse_qsl(encoded.decode("utf-8"), keep_blank_values=True, errors="strict")


def blank_to_none(text: str | None) -> str | None:
    """Return `text`, or `None` if there is nothing but white space in it."""
    return text if text is not None and text.strip() else None


def unix_seconds(text: str) -> int | None:
    """Read a time in whole unix seconds, the only form wootric.md knows; `None` if it is not one."""
    text = text.strip()
    if not _INTEGER.fullmatch(text):
        return None
    value = int(text)
    return value if -_LAST_SECOND <= value <= _LAST_SECOND else None


def flat_hash(
    params: Mapping[str, str], name: str, problems: list[str], label: str = "Properties"
) -> dict[str, str]:
    """Read a flat hash out of form or query parameters: `name[key]=value` (wootric.md 3 and 6).

    Values stay strings, since that is all a form can carry.

    Args:
        params: the form or query.
        name: the hash's name, such as `properties` or `end_user[properties]`.
        problems: gets a line for each rule broken: keys with `$`, `.` or NUL in them, and
            values that are hashes or lists.
        label: what those lines call the hash.
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
    """Read an optional time in unix seconds; a blank one counts as not sent.

    Args:
        params: the form or query.
        name: the parameter.
        problems: gets a line if the value is no whole number of unix seconds.
        label: what that line calls the parameter.
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
    """Read the window filters of a list, such as `created[gte]=1700000000`.

    Args:
        query: the query.
        allowed: for `created` and `updated`, the comparisons that wootric.md lists.

    Returns:
        Unix seconds by field and comparison.

    Raises:
        RefusedError: 422 for a comparison that is not listed (taking no notice would hand back rows
            that were not asked for) and for a value that is no whole unix second.
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
    """Read `page` and `per_page`; blank ones count as not sent.

    Returns:
        The page, from 1, and the rows to a page.

    Raises:
        RefusedError: 422 for what is no whole number from 1 to the most.
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
