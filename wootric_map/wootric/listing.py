"""Reading the whole list of end users, past the 1,500 that one window shows (wootric.md 3).

`walk` decides what to ask for next; the caller's function does the asking.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from operator import ge, le
from typing import Any, Final, TypeAlias

from wootric_map.errors import CallFailedError
from wootric_map.wootric.end_users import Place, Reached, end_user_from, place_of
from wootric_map.wootric.replies import is_to_come

PER_PAGE: Final = 50
"""How many rows a page has at most."""

PAGES: Final = 30
"""The number of the last page that can be asked for."""

_FIRST: Final = 1_262_304_000
"""2010-01-01, in unix seconds: nobody can be in the list from before, since Wootric was founded in 2013."""

Row: TypeAlias = Mapping[str, Any]
"""An end user in the JSON of the API."""

Query: TypeAlias = dict[str, str]
"""The parameters of a call of the list."""

Fetch: TypeAlias = Callable[[Query], Sequence[Row]]
"""Returns the rows of a page."""


def walk(
    fetch: Fetch,
    *,
    now: Callable[[], float],
    reached: Reached | None = None,
    updated_since: int | None = None,
) -> Iterator[list[Row]]:
    """Yield every end user of the list once, in the order of creation.

    After page 30 the `created` window moves on to the second of the last row; end users of that second that
    were read are then left out. A second that fills a whole window is also read from its other end, until the
    two readings meet.

    This works as long as the order within a second does not change. An end user that is deleted meanwhile
    moves all later ones up by one place, which may hide the one at the end of a page.

    Args:
        fetch: returns the rows that a query finds.
        now: returns the unix time. Nobody can have been created later, nor before Wootric was founded: a list
            of invented end users would never end.
        reached: where an earlier reading stopped; None starts at the beginning.
        updated_since: unix seconds; only end users updated then or later are read.

    Yields:
        For every call, the end users that are new; an empty list if there are none.

    Raises:
        CallFailedError: the rows make no sense, or one second has so many end users that some can't be
            seen.
    """
    low = reached.created_at if reached else None
    known = dict.fromkeys(reached.ids, reached.created_at) if reached else {}
    while True:
        window: list[Place] = []
        for page in _pages(fetch, _query("asc", updated_since, low)):
            _check(page, low, None, now(), ascending=True)
            yield page.leave_out(known)
            window += page.places
            if not page.is_full:
                return
        last = window[-1].created_at
        if window[0].created_at < last:
            low = last
        else:
            yield from _from_the_other_end(fetch, updated_since, window, known, now)
            low = last + 1
        known = {id_: second for id_, second in known.items() if second >= low}


@dataclass(frozen=True, slots=True)
class _Page:
    """The rows that one call returned, and their places."""

    rows: Sequence[Row]
    places: list[Place]

    @property
    def is_full(self) -> bool:
        """Whether another page may follow."""
        return len(self.rows) == PER_PAGE

    def leave_out(self, known: dict[int, int]) -> list[Row]:
        """Return the rows that are not in `known`, and add them to `known`.

        Args:
            known: the second of creation of each end user that was read, by id.

        Raises:
            CallFailedError: a row has another second of creation than before.
        """
        new: list[Row] = []
        for row, place in zip(self.rows, self.places, strict=True):
            second = known.get(place.id)
            if second is None:
                known[place.id] = place.created_at
                new.append(row)
            elif second != place.created_at:
                raise _senseless(f"it tells two times of creation of the end user {place.id}")
        return new


def _from_the_other_end(
    fetch: Fetch,
    updated_since: int | None,
    window: Sequence[Place],
    known: dict[int, int],
    now: Callable[[], float],
) -> Iterator[list[Row]]:
    """Yield the rest of a second that fills a whole window, read from its other end."""
    second = window[-1].created_at
    # Not all of `known`: an earlier reading may have stopped in the middle of this one.
    met = {place.id for place in window}
    for page in _pages(fetch, _query("desc", updated_since, second, second + 1)):
        _check(page, second, second, now(), ascending=False)
        yield page.leave_out(known)
        ids = {place.id for place in page.places}
        if window[-1].id in ids:
            return
        if not (page.is_full and ids.isdisjoint(met)):
            raise CallFailedError(
                "bad_reply",
                f"the end users created in the second {_shown(second)} come in one order or another, "
                "so that they can't be told to be complete; run the same command again, and if that "
                "does not help, ask Wootric for an export",
                None,
                None,
            )
    raise CallFailedError(
        "too_many_in_a_second",
        f"{2 * PER_PAGE * PAGES:,} end users or more were created in the second {_shown(second)}; "
        "Wootric's list shows no more of them than that, so some would be lost; ask Wootric for an "
        "export",
        None,
        None,
    )


def _query(
    order: str, updated_since: int | None, low: int | None, before: int | None = None
) -> Query:
    """Return the parameters of a window without the page's number; `low` and `before` bound `created`."""
    bounds = {"created[gte]": low, "created[lt]": before, "updated[gte]": updated_since}
    query = {name: str(bound) for name, bound in bounds.items() if bound is not None}
    return {"sort_key": "created_at", "sort_order": order, "per_page": str(PER_PAGE)} | query


def _pages(fetch: Fetch, query: Query) -> Iterator[_Page]:
    """Yield the pages of a window, as far as they can be asked for."""
    is_later = ge if query["sort_order"] == "asc" else le
    met: set[int] = set()
    last: int | None = None
    for number in range(1, PAGES + 1):
        rows = fetch(query | {"page": str(number)})
        places = _places(rows)
        ids = {place.id for place in places}
        if len(ids) < len(places):
            raise _senseless(f"page {number} holds an end user twice")
        # End users that were created or updated meanwhile may make a few rows come again.
        if len(places) >= PER_PAGE and ids <= met:
            raise _senseless(f"page {number} holds nobody but whom the pages before it held")
        new = [place.created_at for place in places if place.id not in met]
        if last is not None and not all(is_later(second, last) for second in new):
            raise _senseless(f"page {number} is not in the order of created_at")
        last = places[-1].created_at if places else last
        met |= ids
        yield _Page(rows, places)


def _places(rows: Sequence[Row]) -> list[Place]:
    """Return the places of the end users on a page; raise CallFailedError if one can't be read."""
    try:
        for row in rows:
            end_user_from(row)
        return [place_of(row) for row in rows]
    except ValueError as error:
        raise _senseless(f"an end user in it can't be read: {error}") from error


def _check(page: _Page, low: int | None, high: int | None, now: float, *, ascending: bool) -> None:
    """Raise CallFailedError if a page is not what was asked for: rows could be lost, or never end."""
    if len(page.rows) > PER_PAGE:
        raise _senseless(
            f"a page has {len(page.rows):,} end users, more than the {PER_PAGE} asked for"
        )
    seconds = [place.created_at for place in page.places]
    if not all((le if ascending else ge)(*pair) for pair in pairwise(seconds)):
        raise _senseless("it is not in the order of created_at")
    if any(
        (low is not None and second < low) or (high is not None and second > high)
        for second in seconds
    ):
        raise _senseless("it holds end users from outside the created window asked for")
    if any(second < _FIRST for second in seconds):
        raise _senseless("it holds end users who were created before there was a Wootric")
    if any(is_to_come(second, now) for second in seconds):
        raise _senseless("it holds end users who are still to be created, by this machine's clock")


def _senseless(what: str) -> CallFailedError:
    """Return the error about a list that makes no sense."""
    return CallFailedError(
        "bad_reply", f"Wootric's list of end users makes no sense: {what}", None, None
    )


def _shown(second: int) -> str:
    """Return a unix time as ISO 8601, for a message."""
    try:
        return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (OverflowError, ValueError, OSError):
        return str(second)
