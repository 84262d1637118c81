"""wootric.md 3: the list of end users."""

from collections.abc import Callable

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from wootric_map.sandbox.end_users import EndUserStore

Call = Callable[..., requests.Response]


@pytest.fixture
def listed(call: Call, tick: Callable[[float], None]) -> Callable[[str], list[int]]:
    """Create 60 end users, two in each second from 1,700,000,000 on; the fixture lists their ids."""
    for number in range(60):
        call("POST", "/v1/end_users", {"external_id": str(number), "email": f"u{number}@x.io"})
        tick(number % 2)

    def ids(query: str) -> list[int]:
        reply = call("GET", f"/v1/end_users?{query}")
        assert reply.status_code == 200, reply.text
        return [row["id"] for row in reply.json()]

    return ids


def test_paging(listed: Callable[[str], list[int]]) -> None:
    assert listed("") == list(range(1, 26))
    assert listed("page=&per_page=&sort_key=&sort_order=&email=") == list(range(1, 26))
    assert listed("per_page=50") == list(range(1, 51))
    assert listed("per_page=50&page=2") == list(range(51, 61))
    assert listed("per_page=50&page=3") == []
    assert listed("per_page=7&page=30") == []


def test_sorting(listed: Callable[[str], list[int]]) -> None:
    assert listed("sort_key=created_at&sort_order=asc&per_page=3") == [1, 2, 3]
    assert listed("sort_key=created_at&sort_order=desc&per_page=3&page=2") == [57, 56, 55]


def test_windows(listed: Callable[[str], list[int]], call: Call) -> None:
    query = "created[gte]=1700000002&created[lt]=1700000004"
    assert listed(query) == [5, 6, 7, 8]
    assert listed("created%5Bgte%5D=1700000002&created%5Blt%5D=1700000003") == [5, 6]
    assert listed(f"{query}&sort_order=desc&per_page=3") == [8, 7, 6]
    assert listed("created[lt]=1700000000") == []
    assert listed("created[gte]=1700000004&created[lt]=1700000002") == []
    assert listed("created[gte]=1700000004&created[lt]=1700000002&sort_order=desc") == []
    assert listed("updated[gte]=1700000029") == [59, 60]
    call("PUT", "/v1/end_users/5", {"phone_number": "+1"})
    assert listed("updated[gte]=1700000030") == [5]
    assert listed("updated[gte]=1700000029&sort_order=desc&per_page=2") == [60, 59]
    assert listed(f"{query}&updated[gte]=1700000030") == [5]


def test_an_email_picks_one(listed: Callable[[str], list[int]]) -> None:
    assert listed("email=U7@x.io") == [8]
    assert listed("email=nobody@x.io") == []
    assert listed("email=u7@x.io&created[lt]=1700000003") == []
    assert listed("email=u7@x.io&created[gte]=1700000003&updated[gte]=1700000003") == [8]
    assert listed("email=u7@x.io&page=2") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("per_page=51", "per_page"),
        ("per_page=0", "per_page"),
        ("per_page=x", "per_page"),
        ("page=31", "page"),
        ("page=0", "page"),
        ("page=-1", "page"),
        ("sort_key=email", "sort_key"),
        ("sort_order=up", "sort_order"),
        ("created[gte]=2023-01-01", "created[gte]"),
        ("created[gt]=1", "created[gt]"),
        ("updated[lt]=1", "updated[lt]"),
        ("created=1", "created"),
    ],
)
def test_what_is_not_listed_is_refused(call: Call, query: str, field: str) -> None:
    reply = call("GET", f"/v1/end_users?{query}")
    assert reply.status_code == 422
    (error,) = reply.json()["errors"]
    assert error["field"] == field
    assert field in error["message"]


_SECONDS = st.integers(0, 6)


@given(
    created=st.lists(_SECONDS, max_size=12),
    gte=st.none() | _SECONDS,
    lt=st.none() | _SECONDS,
    updated=st.none() | _SECONDS,
    page=st.integers(1, 4),
    per_page=st.integers(1, 5),
    order=st.sampled_from(["asc", "desc"]),
)
def test_a_page_is_a_slice_of_all_that_match(
    created: list[int],
    gte: int | None,
    lt: int | None,
    updated: int | None,
    page: int,
    per_page: int,
    order: str,
) -> None:
    store = EndUserStore()
    for number, now in enumerate(created):
        store.create({"external_id": str(number)}, now)
    query = {"page": str(page), "per_page": str(per_page), "sort_order": order}
    for name, bound in (("created[gte]", gte), ("created[lt]", lt), ("updated[gte]", updated)):
        if bound is not None:
            query[name] = str(bound)
    expected = sorted(
        (
            row
            for row in store.index.all()
            if (gte is None or row.created_at >= gte)
            and (lt is None or row.created_at < lt)
            and (updated is None or row.updated_at >= updated)
        ),
        key=lambda row: (row.created_at, row.id),
        reverse=order == "desc",
    )
    assert store.list_page(query) == expected[(page - 1) * per_page : page * per_page]
