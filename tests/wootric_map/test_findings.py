"""Warnings count as one for each key and each id, into whatever parts the records are cut."""

import ast
import pickle
from collections.abc import Iterable, Iterator, Sequence
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_map import MappingWarning, Skip, findings
from wootric_map.findings import MOST_WARNINGS, PLACES, CountedWarnings, distinct
from wootric_map.model import WARNINGS, Rejection
from wootric_map.read.placeholders import placeholder_warning
from wootric_map.report import Report


def integer(key: str) -> MappingWarning:
    return MappingWarning("integer_without_amount", f"traits.{key}", f"{key} is an integer")


def about_nothing(message: str) -> MappingWarning:
    return MappingWarning("shared_email", "", message)


def counted(*placed: tuple[int, MappingWarning], source: str = "a") -> CountedWarnings:
    found = CountedWarnings()
    for line, warning in placed:
        found.add(source, line, warning)
    return found


def told(found: CountedWarnings) -> list[tuple[str, str, str | None, int, list[int]]]:
    return [
        (each.code, each.field, each.subject, each.count, [line for _, line in each.places])
        for each in found
    ]


def test_warnings_about_one_key_are_one_with_a_count_and_the_first_places() -> None:
    found = counted(*((line, integer("seats")) for line in range(1, 101)), (7, integer("logins")))
    assert found.counts == {"integer_without_amount": 2}
    assert told(found) == [
        ("integer_without_amount", "traits.seats", None, 100, [1, 2, 3, 4, 5]),
        ("integer_without_amount", "traits.logins", None, 1, [7]),
    ]


def test_warnings_about_one_id_are_one_wherever_it_stands() -> None:
    """An id `undefined` three times and `null` twice are two warnings (segment.md 8, rule 1)."""
    found = counted(
        (1, placeholder_warning("userId", "undefined")),
        (2, placeholder_warning("traits.email", "null")),
        (3, placeholder_warning("anonymousId", "Undefined ")),
        (4, placeholder_warning("userId", "undefined")),
        (5, placeholder_warning("traits.email", "NULL")),
    )
    assert found.counts == {"placeholder_id": 2}
    assert told(found) == [
        ("placeholder_id", "userId", "undefined", 3, [1, 3, 4]),
        ("placeholder_id", "traits.email", "null", 2, [2, 5]),
    ]


def test_one_code_about_a_key_and_about_an_id_of_that_name_is_two_warnings() -> None:
    about_id = MappingWarning("key_renamed", "userId", "an id", subject="traits.a")
    found = counted((1, about_id), (2, MappingWarning("key_renamed", "traits.a", "a key")))
    assert found.counts == {"key_renamed": 2}


def test_warnings_about_no_key_and_no_id_are_one_each() -> None:
    found = counted((1, about_nothing("same")), (1, about_nothing("same")))
    assert found.counts == {"shared_email": 2}


def test_a_line_of_many_records_is_one_place_of_many_records() -> None:
    found = counted(*[(3, integer("seats"))] * 4, (9, integer("seats")))
    assert told(found) == [("integer_without_amount", "traits.seats", None, 5, [3, 9])]


def test_the_first_places_are_told_in_whatever_order_the_records_come() -> None:
    found = counted(*((line, integer("seats")) for line in (70, 12, 9, 33, 8, 41, 7)))
    others = counted((3, integer("seats")), (500, integer("seats")), source="Z")
    found.extend(others, 10)
    (only,) = found
    assert only.places == [("Z", 13), ("Z", 510), ("a", 7), ("a", 8), ("a", 9)]
    assert only.count == 9


def test_the_field_of_a_warning_about_an_id_is_the_one_at_its_first_place() -> None:
    seen = [(4, "userId"), (9, "previousId"), (2, "anonymousId"), (3, "traits.email")]
    for order in permutations(seen):
        first, second = (
            counted(*((line, placeholder_warning(at, "null")) for line, at in part))
            for part in (order[:2], order[2:])
        )
        first.extend(second, 0)
        assert told(first) == [("placeholder_id", "anonymousId", "null", 4, [2, 3, 4, 9])]


def test_a_record_with_a_warning_twice_is_one_record() -> None:
    report = Report()
    twice = [placeholder_warning("userId", "null"), placeholder_warning("anonymousId", "null")]
    report.warn_of_record(
        "a", 1, [*twice, integer("seats"), about_nothing("x"), about_nothing("x")]
    )
    counts = {(each.code, each.field): each.count for each in report.warnings}
    assert counts.pop(("placeholder_id", "userId")) == 1
    assert report.warnings.counts["shared_email"] == 2
    assert distinct(twice) == twice[:1]


def test_the_details_are_by_code_and_then_as_they_were_first_seen() -> None:
    found = counted(
        (1, placeholder_warning("userId", "null")),
        (2, integer("b")),
        (3, integer("a")),
        (4, integer("b")),
    )
    assert found.details() == [
        {
            "code": "integer_without_amount",
            "field": "traits.b",
            "count": 2,
            "message": "b is an integer",
            "places": [{"source": "a", "line": 2}, {"source": "a", "line": 4}],
        },
        {
            "code": "integer_without_amount",
            "field": "traits.a",
            "count": 1,
            "message": "a is an integer",
            "places": [{"source": "a", "line": 3}],
        },
        {
            "code": "placeholder_id",
            "field": "userId",
            "subject": "null",
            "count": 1,
            "message": placeholder_warning("userId", "null").message,
            "places": [{"source": "a", "line": 1}],
        },
    ]


# Hostile exports


def test_a_million_keys_are_counted_and_not_all_remembered() -> None:
    found = counted(*((1, integer(f"k{number}")) for number in range(MOST_WARNINGS + 500)))
    found.add("a", 2, integer("k1"))
    assert found.counts == {"integer_without_amount": MOST_WARNINGS}
    assert found.more == {"integer_without_amount": 500}
    rest = found.details()[-1]
    assert (rest["code"], rest["more"], rest["places"]) == ("integer_without_amount", 500, [])
    assert f"more than {MOST_WARNINGS:,}" in str(rest["message"])
    others = counted((1, integer("k1")), (2, integer("new")))
    found.extend(others, 0)
    assert found.more == {"integer_without_amount": 501}
    assert sum(each.count for each in found) == MOST_WARNINGS + 2


def test_long_keys_are_told_apart_and_cut() -> None:
    long = "k" * 1_000_000
    found = counted(
        (1, integer(f"{long}a")),
        (2, integer(f"{long}b")),
        (3, integer(f"{long}a")),
        (4, MappingWarning("placeholder_id", "userId", long, subject=long)),
        (5, MappingWarning("placeholder_id", "email", long, subject=long)),
    )
    assert [each.count for each in found] == [2, 1, 2]
    assert len(pickle.dumps(found)) < 10_000
    assert all("characters)" in each.field or each.subject for each in found)


# Parts

_WARNINGS = st.one_of(
    st.sampled_from("abc").map(integer),
    st.sampled_from(["null", "undefined", "k" * 600]).map(
        lambda text: placeholder_warning("userId", text)
    ),
    st.just(about_nothing("x")),
    st.just(integer("k" * 600)),
)
_FOUND = st.one_of(
    _WARNINGS,
    st.sampled_from(["invalid_json", "missing_type"]).map(lambda code: Rejection(code, None, "")),
    st.sampled_from(["anonymous", None]).map(
        lambda why: Skip("unidentified", "page", None, "", why)
    ),
)


def report_of(found: Iterable[tuple[int, MappingWarning | Rejection | Skip]]) -> Report:
    report = Report()
    for line, each in found:
        report.records += 1
        if isinstance(each, Rejection):
            report.reject("a", line, each)
        elif isinstance(each, Skip):
            report.skip("a", line, each)
        else:
            report.warn("a", line, each)
    return report


def cut(
    lines: Sequence[tuple[int, MappingWarning | Rejection | Skip]], at: Iterable[int]
) -> Report:
    """Count findings part by part, each with line numbers of its own, as processes do."""
    report, begin = Report(), 0
    for end in (*sorted(at), len(lines)):
        part = report_of((line - begin, each) for line, each in lines[begin:end])
        report.add(pickle.loads(pickle.dumps(part)), begin)  # noqa: S301 - our own
        begin = end
    return report


@pytest.mark.parametrize("most", [2, MOST_WARNINGS])
@given(st.lists(_FOUND, max_size=40), st.data())
def test_parts_come_to_what_the_whole_comes_to(
    most: int, found: list[MappingWarning | Rejection | Skip], data: st.DataObject
) -> None:
    lines = [*enumerate(found, 1)]
    at = data.draw(st.sets(st.integers(0, len(lines))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(findings, "MOST_WARNINGS", most)
        whole, merged = report_of(lines), cut(lines, at)
    if most == MOST_WARNINGS:
        assert merged == whole
        assert merged.summary() == whole.summary()
        assert told(merged.warnings) == told(whole.warnings)
    # However many there are, none is lost, and those that are told apart are the first ones.
    assert merged.warnings.counts == whole.warnings.counts
    assert [each.key for each in merged.warnings] == [each.key for each in whole.warnings]
    seen = [sum(each.count for each in one.warnings) for one in (merged, whole)]
    assert [one.warnings.more.total() for one in (merged, whole)] == [
        sum(isinstance(each, MappingWarning) for each in found) - count for count in seen
    ]
    assert all(len(each.places) <= PLACES for each in merged.warnings)


def test_findings_for_programs_have_the_count_and_the_first_places_of_each_code() -> None:
    report = Report()
    for line in range(1, PLACES + 3):
        report.reject("a", line, Rejection("missing_type", "type", "name it"))
    report.reject("b", 1, Rejection("invalid_json", None, "mend it"))
    first, second = report.rejected.details()
    assert first == {
        "code": "invalid_json",
        "count": 1,
        "places": [{"source": "b", "line": 1, "field": None, "message": "mend it"}],
    }
    assert (second["code"], second["count"]) == ("missing_type", PLACES + 2)
    assert len(second["places"]) == PLACES  # type: ignore[arg-type]


def test_ignored_warnings_are_left_out_but_for_their_number() -> None:
    placed = [(1, integer("a")), (2, integer("a")), (3, integer("b"))]
    placed += [(line, about_nothing(f"{line}")) for line in (4, 5)]
    found = counted(*placed)
    left = found.without({"integer_without_amount"})
    assert (left.ignored, left.counts) == (2, {"shared_email": 2})
    assert [each["message"] for each in left.details()] == ["4", "5"]
    assert found.counts["integer_without_amount"] == 2
    assert left.without({"shared_email"}).ignored == 4
    assert found.without(()) is found


def test_ignored_warnings_of_which_there_are_very_many_are_left_out_too() -> None:
    found = counted(*((1, integer(f"key{n}")) for n in range(MOST_WARNINGS + 5)))
    left = found.without({"integer_without_amount"})
    assert (left.ignored, left.more.total(), list(left.by_code())) == (MOST_WARNINGS, 0, [])


def nodes_of_the_library() -> Iterator[ast.AST]:
    """Yield all syntax nodes of the library's source, except the list of codes."""
    for path in Path(findings.__file__).parent.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if not (isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "WarningCode"):
                yield from ast.walk(node)


def text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def test_the_list_of_codes_has_those_that_warnings_are_made_with_and_no_others() -> None:
    nodes = list(nodes_of_the_library())
    calls = [node for node in nodes if isinstance(node, ast.Call) and node.args]
    makers = ("MappingWarning", "self._warn")
    made = {text(call.args[0]) for call in calls if ast.unparse(call.func) in makers} - {None}
    assert len(made) > 15
    assert made <= set(WARNINGS)
    assert set(WARNINGS) <= {text(node) for node in nodes if isinstance(node, ast.expr)}
    assert list(WARNINGS) == sorted(set(WARNINGS))
