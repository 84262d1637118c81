"""Responses and declines (wootric.md 7), for accounts that import survey history.

The sandbox's own rules where wootric.md says nothing: without `created_at`, the time of the request counts;
the properties in `end_user[properties][key]` are merged into those of the end user; a list holds all rows,
oldest first, unless `page` or `per_page` is sent, to which the rules for lists of end users apply.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final, TypeVar

from wootric_map.sandbox.wire import (
    blank_to_none,
    flat_hash,
    invalid,
    read_paging,
    read_seconds,
    read_window,
)

_SCORE: Final = re.compile(r"[0-9]|10")
_WINDOWS: Final = {"created": ("eq",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyResponse:
    """A score that an end user gave. Times are unix seconds."""

    id: int
    end_user_id: int
    score: int
    """From 0 to 10."""
    text: str | None
    ip_address: str | None
    origin_url: str | None
    created_at: int
    updated_at: int

    def to_json(self) -> dict[str, object]:
        """Return the fields as the API shows them."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decline:
    """A survey that an end user turned down. Times are unix seconds."""

    id: int
    end_user_id: int
    origin_url: str | None
    created_at: int
    updated_at: int

    def to_json(self) -> dict[str, object]:
        """Return the fields as the API shows them."""
        return asdict(self)


_Row = TypeVar("_Row", bound=SurveyResponse | Decline)


class SurveyStore:
    """The responses and declines of an account, in the order of their ids."""

    def __init__(self) -> None:
        self.responses: list[SurveyResponse] = []
        self.declines: list[Decline] = []

    def respond(
        self, end_user_id: int, form: Mapping[str, str], now: int
    ) -> tuple[SurveyResponse, dict[str, str]]:
        """Keep a response; return it, and the properties of the end user that came with it.

        Args:
            end_user_id: the id of the end user.
            form: the fields.
            now: the unix time in whole seconds.

        Raises:
            RefusedError: 422 with every rule that the form breaks.
        """
        problems: list[str] = []
        score = form.get("score", "").strip()
        if not _SCORE.fullmatch(score):
            problems.append("Score must be a whole number from 0 to 10")
        created_at, properties = _read(form, problems, now)
        response = SurveyResponse(
            id=len(self.responses) + 1,
            end_user_id=end_user_id,
            score=int(score),
            text=blank_to_none(form.get("text")),
            ip_address=blank_to_none(form.get("ip_address")),
            origin_url=blank_to_none(form.get("origin_url")),
            created_at=created_at,
            updated_at=now,
        )
        self.responses.append(response)
        return response, properties

    def decline(
        self, end_user_id: int, form: Mapping[str, str], now: int
    ) -> tuple[Decline, dict[str, str]]:
        """Keep a decline; arguments, result and exceptions as in `respond`."""
        created_at, properties = _read(form, [], now)
        decline = Decline(
            id=len(self.declines) + 1,
            end_user_id=end_user_id,
            origin_url=blank_to_none(form.get("origin_url")),
            created_at=created_at,
            updated_at=now,
        )
        self.declines.append(decline)
        return decline, properties


def _read(form: Mapping[str, str], problems: list[str], now: int) -> tuple[int, dict[str, str]]:
    """Return the time of a response or decline, and the properties that came with it.

    Raises:
        RefusedError: 422 with the given problems, and every further rule that the form breaks.
    """
    created_at = read_seconds(form, "created_at", problems, "Created at")
    properties = flat_hash(form, "end_user[properties]", problems, "End user properties")
    if problems:
        raise invalid(*problems)
    return now if created_at is None else created_at, properties


def listed(
    rows: Sequence[_Row],
    query: Mapping[str, str],
    *,
    per_page_most: int,
    page_most: int,
) -> list[_Row]:
    """Return the page of responses or declines that a query asks for, oldest first.

    Args:
        rows: the responses or declines of an end user.
        query: the query: `created[eq]`, `page` and `per_page`.
        per_page_most: the greatest number of rows to a page.
        page_most: the greatest page.

    Raises:
        RefusedError: 422 for another window, or for paging beyond its limits.
    """
    at = read_window(query, _WINDOWS).get(("created", "eq"))
    picked = sorted(
        (row for row in rows if at is None or row.created_at == at),
        key=lambda row: (row.created_at, row.id),
    )
    if not (query.get("page", "").strip() or query.get("per_page", "").strip()):
        return picked
    page, per_page = read_paging(
        query, per_page_default=per_page_most, per_page_most=per_page_most, page_most=page_most
    )
    return picked[(page - 1) * per_page : page * per_page]
