"""The lines that are filled into templates are those that the exact rules give."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import RECORDS

from wootric_map.mapping.entries import ReadingOptions
from wootric_map.mapping.line_template import LineTemplate
from wootric_map.mapping.property_names import AS_WRITTEN, Naming
from wootric_map.mapping.quick_lines import QuickLines
from wootric_map.mapping.shown_records import PlainEncoding, ShownRecords
from wootric_map.read.files import Source
from wootric_map.read.ordinary_record import is_ordinary
from wootric_map.wootric.regions import services

KEYS = (
    "email", "Email", "created", "createdAt", "created_at", "phone", "language", "id", "name",
    "seats", "seats_amount", "due", "due_date", "tags", "tags_array", "$cost", "a.b", "a_b", "", "a",
    "update", "amount", "total.amount", "Phone Number", "url", "path", "category", "date", "é", 'a"b',
    "q05 q", "q01 q", "x%s", "%40", "7305", "1299215167", "title", "referrer",
)  # fmt: skip
TEXTS = (
    "", " ", "text", "ada@example.com", "ada@@example", "undefined", "2019-02-03", "1999-12-31",
    "2018-08-03T15:28:46.493Z", "2019-02-30T00:00:00Z", "2199-01-01T00:00:00Z", "1549166706", "never",
    "+1 555 0100", "5550100", "José", "a\nb", 'say "hi"', "back\\slash", "\x7f", "\u202e", "\ufeff", "😀",
    "a+b & c=d/e?f%g~h", "1234-", "2019-", "https://example.com/?q=1", "q05 q", "\u00a0", "x" * 3000,
)  # fmt: skip
INTEGERS = (0, 1, -1, 43, 1549166706, 1549166706000, 2**63, 2**64 - 1, -(2**63), 2**64, 10**30)
FRACTIONS = (0.5, -0.25, 43.0, -0.0, 1e300, 1e-320, 1e15, 1e16, 1e19, -7.0, 0.1, 1e-7, 1549166706.5)
SCALARS = st.one_of(
    st.sampled_from(TEXTS),
    st.sampled_from(INTEGERS),
    st.sampled_from(FRACTIONS),
    st.booleans(),
    st.none(),
)
VALUES = st.recursive(
    SCALARS | st.lists(SCALARS, max_size=3) | st.lists(st.sampled_from(TEXTS), max_size=3),
    lambda inner: st.dictionaries(st.sampled_from(KEYS), inner, max_size=3) | st.lists(inner, max_size=2),
    max_leaves=8,
)  # fmt: skip
FIELDS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6)
USUAL = st.fixed_dictionaries(
    {},
    optional={
        "email": st.just("ada@example.com"),
        "createdAt": st.sampled_from(["2018-08-03T15:28:46.493Z", "2019-02-03", "never"]),
        "name": st.sampled_from(TEXTS),
        "plan": st.sampled_from(TEXTS),
        "seats": st.sampled_from(INTEGERS),
        "score": st.sampled_from(FRACTIONS),
        "vip": st.booleans(),
        "tags": st.lists(st.sampled_from(TEXTS), max_size=3),
        "address": st.fixed_dictionaries({"city": st.sampled_from(TEXTS)}),
        "phone": st.sampled_from(TEXTS),
        "language": st.sampled_from(TEXTS),
        "url": st.sampled_from(TEXTS),
        "path": st.sampled_from(TEXTS),
    },
)
"""Traits and properties of which most have a template."""
PAGES = st.fixed_dictionaries(
    {
        "url": st.sampled_from(["https://example.com/?q=1", "http://é/", "", "x"]) | SCALARS,
        "path": st.sampled_from(["/", "/é", "", "/a b"]) | SCALARS,
    },
    optional={
        "email": st.just("ada@example.com"),
        "name": st.sampled_from(TEXTS),
        "category": st.sampled_from(TEXTS),
        "title": st.sampled_from(TEXTS) | st.none(),
        "number": st.sampled_from(INTEGERS),
    },
)
"""Properties of pages, of which many have a template."""
ANY = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["identify", "track", "page"]),
        "userId": st.sampled_from(["1", "user-1", "ada@example.com", "ada@", " a ", " ", 'a"b', "é"]),
        "event": st.sampled_from(["E", "Signed Up", "é", "a\\b", "2019-02-03"]),
        "timestamp": st.just("2024-01-01T00:00:00Z"),
        "traits": FIELDS | USUAL,
        "properties": FIELDS | USUAL | PAGES,
    },
    optional={
        "name": st.sampled_from(["", "Home", "é", None]),
        "category": st.sampled_from(["", "Shop", None]),
        "messageId": st.sampled_from(["m", "é", "m" * 300]),
        "anonymousId": st.sampled_from(["a", "b", None]),
        "context": st.fixed_dictionaries(
            {},
            optional={
                "traits": FIELDS,
                "page": st.fixed_dictionaries(
                    {}, optional={"url": SCALARS, "path": SCALARS, "title": SCALARS}
                ) | SCALARS,
                "externalId": st.just([{"type": "wootricEndUserId", "id": "7"}]) | st.just([]),
            },
        ),
    },
)  # fmt: skip
NAMINGS = (
    AS_WRITTEN,
    Naming(amounts=True, arrays=True),
    Naming(
        amounts=True, arrays=True, kinds={"score": 3, "seats": 1, "tags": 8, "plan": 4, "a": 31}
    ),
    Naming(amounts=True, kinds={"seats": 5, "score": 2, "address_city": 20}),
)


class SlowEncoding(PlainEncoding):
    """Writes objects as they are, but allows no templates."""

    is_plain = False


def shown(
    naming: Naming = AS_WRITTEN,
    token: str | None = None,
    ignored: frozenset[str] = frozenset(),
    encoding: PlainEncoding | None = None,
) -> ShownRecords:
    addresses = services(token, None)
    encoding = encoding or SlowEncoding()
    return ShownRecords(ReadingOptions(), naming, addresses, token, ignored, encoding)


SHOWN = [shown(naming) for naming in NAMINGS] + [
    shown(token="NPS-EU-12345678", ignored=frozenset({"list_without_array", "key_renamed"}))
]


def check(quick: QuickLines, exact: ShownRecords, record: dict[str, Any]) -> bool:
    """Hold the quick line of a record against the exact one; return whether there is a quick one."""
    line = json.dumps(record).encode()
    data = orjson.loads(line)
    found = quick.of(data, line) if is_ordinary(data) else None
    if found is None:
        return False
    text, ignored = found
    source = Source("x", None, None, held=line)
    assert [*exact.records(source)] == [(1, False, ignored, text, None)]
    return True


def like(value: object) -> st.SearchStrategy[Any]:
    """Return another value of the same type."""
    if isinstance(value, dict):
        return st.fixed_dictionaries({key: like(each) for key, each in value.items()})
    if isinstance(value, list):
        return st.tuples(*map(like, value)).map(list) | st.lists(st.sampled_from(TEXTS), max_size=3)
    if isinstance(value, str):
        return st.sampled_from(TEXTS)
    if isinstance(value, bool):
        return st.booleans()
    if isinstance(value, float):
        return st.sampled_from(FRACTIONS)
    return st.sampled_from(INTEGERS) if type(value) is int else st.just(value)


@settings(max_examples=1000)
@given(st.data(), ANY, st.sampled_from(SHOWN))
def test_a_quick_line_is_the_exact_one(
    data: st.DataObject, record: dict[str, Any], exact: ShownRecords
) -> None:
    if record["type"] != "identify":
        del record["traits"]
    quick = QuickLines(exact.exact_line)
    check(quick, exact, record)
    kind = "traits" if record["type"] == "identify" else "properties"
    for _ in range(4):
        check(quick, exact, record | {kind: data.draw(like(record[kind]))})


@given(st.lists(RECORDS, min_size=1, max_size=5), st.sampled_from(SHOWN))
def test_so_it_is_for_usual_records(records: list[dict[str, Any]], exact: ShownRecords) -> None:
    quick = QuickLines(exact.exact_line)
    for record in records:
        check(quick, exact, record)


def identify(**traits: object) -> dict[str, Any]:
    return {
        "type": "identify",
        "userId": "1",
        "timestamp": "2024-01-01T00:00:00Z",
        "traits": traits,
    }


def track(**properties: object) -> dict[str, Any]:
    return identify() | {"type": "track", "event": "E", "traits": None, "properties": properties}


def page(**properties: object) -> dict[str, Any]:
    return track(**properties) | {"type": "page", "name": "Home"}


USUAL_RECORDS = {
    "only a userId": identify(),
    "an email as userId": identify(plan="free") | {"userId": "ada@example.com"},
    "traits": identify(email="a@b.co", createdAt="2024-01-01", plan="free", seats=3, score=0.5, vip=True),
    "a list": identify(tags=["a", "b"]),
    "an empty list": identify(tags=[]),
    "objects": identify(address={"city": "Lima", "geo": {"lat": 1.5}}, company={"name": "Acme", "size": 3}),
    "null": identify(plan=None, email=None),
    "a phone": identify(phone="+1 555 0100", language="de"),
    "whole floats": track(revenue=2.0, tax=1.5, total=-0.0),
    "a date and a whole float": identify(since="2024-01-01", score=4.0),
    "a date": identify(birthday="1990-05-06", plan="free"),
    "a date under its name": identify(trial_date="2024-05-06"),
    "seconds": identify(created=1549166706),
    "an event": track(revenue=2.25, currency="EUR", sku="S-37", count=3),
    "an event with an email": track(email="a@b.co", language="de"),
    "no properties": track(),
    "a page": page(url="https://example.com/a?b=c", path="/a", referrer="", title="Ä"),
    "a page whose address is in its context": page(title="A")
    | {"context": {"page": {"url": "https://example.com/", "path": "/"}}},
}  # fmt: skip


@pytest.mark.parametrize("name", USUAL_RECORDS)
@pytest.mark.parametrize("exact", SHOWN[:2])
def test_most_records_have_a_quick_line(name: str, exact: ShownRecords) -> None:
    assert check(QuickLines(exact.exact_line), exact, USUAL_RECORDS[name])


@contextmanager
def templates_made(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[None]]:
    """Count the templates that are made."""
    made: list[None] = []
    begin = LineTemplate.__init__

    def counted(self: LineTemplate, *given: Any) -> None:
        made.append(None)
        begin(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(LineTemplate, "__init__", counted)
        yield made


def test_records_of_one_form_share_a_template(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = shown()
    quick = QuickLines(exact.exact_line)
    with templates_made(monkeypatch) as made:
        for number in range(100):
            record = identify(
                plan=f"plan {number}", seats=number, since=f"2024-01-{number % 28 + 1:02}"
            )
            assert check(quick, exact, record | {"userId": f"user-{number}"})
    assert len(made) == 2  # one of them for the date


def test_hostile_records_cost_few_templates(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = shown()
    quick = QuickLines(exact.exact_line)
    with templates_made(monkeypatch) as made:
        for number in range(1000):
            check(quick, exact, track(**{f"key {number}": 1}))
    assert len(made) < 60


def test_what_is_remembered_of_hostile_records_is_bounded() -> None:
    tracemalloc = pytest.importorskip("tracemalloc")
    exact = shown()
    quick = QuickLines(exact.exact_line)
    usual = [json.dumps(track(plan=f"{number}")).encode() for number in range(30)]
    parsed = [orjson.loads(line) for line in usual]
    tracemalloc.start()
    try:
        for number in range(300):
            for data, line in zip(parsed, usual, strict=True):
                quick.of(data, line)
            check(
                quick,
                exact,
                track(**{f"key {number} {nth}": f"{number} {nth}" for nth in range(20)}),
            )
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 16 * 1024 * 1024


@given(st.text())
def test_any_text_stands_in_a_quick_line_as_in_the_exact_one(text: str) -> None:
    exact = SHOWN[0]
    usual = {"userId": "user-1", "event": text or "E"}
    has_quick_line = check(QuickLines(exact.exact_line), exact, track(plan=text) | usual)
    assert has_quick_line or not (text.isascii() and text.isprintable() and text.isalnum())
