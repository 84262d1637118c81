"""Any list of end users: each comes once and in a place, or it is said to make no sense; it always ends."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import orjson

from wootric_map.errors import CallFailedError
from wootric_map.model import EndUser
from wootric_map.wootric.end_users import end_user_from, place_of
from wootric_map.wootric.listing import PER_PAGE, walk

_NOW: Final = 1_800_000_000
_MOST_CALLS: Final = 2_000


def seeds() -> Iterator[bytes]:
    """One row each, and how the list is made of it."""
    for row in (
        {"id": 1, "email": "a@b.co", "created_at": 1_700_000_000},
        {"id": "1", "email": None, "created_at": "2014-12-05 10:42:51 -0800"},
        {"id": 1, "created_at": 1.5, "properties": {"x": [1, {"y": None}], "n": 1e300}},
        {"id": 1, "created_at": "1", "properties": "[]", "external_created_at": "5"},
    ):
        yield b"\x05\x01" + orjson.dumps(row)
        yield b"\x78\x00" + orjson.dumps(row)
    for depth in (40, 600, 900, 5_000):
        deep = b"[" * depth + b"]" * depth
        yield b'\x05\x01{"id":1,"created_at":1700000000,"properties":{"a":%b}}' % deep
        yield b'\x05\x01{"id":1,"created_at":1700000000,"email":%b}' % deep
    yield b'\x01\x01{"id":1,"created_at":1,"external_created_at":1e999,"email":"\\ud83d"}'


def check(data: bytes) -> None:
    """Make a list of one row, and go through it."""
    try:
        row = json.loads(data[2:])
    except (ValueError, RecursionError):
        return
    with suppress(ValueError):
        assert isinstance(end_user_from(row), EndUser)
    if not isinstance(row, dict):
        return
    with suppress(ValueError):
        place_of(row)
    _check_walk(row, count=data[0] * 2, step=data[1])


def _check_walk(row: Mapping[str, Any], *, count: int, step: int) -> None:
    rows = [_nth(row, number, step) for number in range(count)]
    calls = 0

    def fetch(query: dict[str, str]) -> Sequence[Mapping[str, Any]]:
        nonlocal calls
        calls += 1
        assert calls < _MOST_CALLS
        low, page = int(query.get("created[gte]", -(2**62))), int(query["page"])
        high = int(query.get("created[lt]", 2**62))
        found = [each for each in rows if low <= _second(each) < high]
        found.sort(key=_second, reverse=query["sort_order"] == "desc")
        return found[(page - 1) * PER_PAGE :][:PER_PAGE]

    given: list[int] = []
    try:
        for new in walk(fetch, now=lambda: _NOW):
            given += [place_of(each).id for each in new]
    except CallFailedError:
        return
    assert len(given) == len(set(given))
    assert sorted(given) == sorted({place_of(each).id for each in rows})


def _nth(row: Mapping[str, Any], number: int, step: int) -> dict[str, Any]:
    """The row of another end user, created so much later."""
    nth = dict(row)
    for name, by in (("id", 1), ("created_at", step)):
        if type(nth.get(name)) is int:
            nth[name] += number * by
    return nth


def _second(row: Mapping[str, Any]) -> int:
    try:
        return place_of(row).created_at
    except ValueError:
        return 0
