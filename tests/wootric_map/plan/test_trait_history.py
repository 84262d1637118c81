"""What is left to say of an end user beside what later identifies said (segment.md 8, rule 7)."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_map.deliver.fingerprints import (
    merged_statements,
    packed_statements,
    unpacked_statements,
)
from wootric_map.mapping.identity import user_of
from wootric_map.model import EndUserUpsert, Ref
from wootric_map.plan.folding import fold
from wootric_map.plan.identified import Identified
from wootric_map.plan.people import NO_TIME
from wootric_map.plan.trait_history import (
    MOST_UNMARKED,
    EarlierStatements,
    Order,
    Statement,
    Statements,
    TraitHistory,
    grouped,
    merged,
    trait,
    ungrouped,
    without_outdated,
)
from wootric_map.read.record import Identify


def identified(
    time: int | None,
    key: str,
    *,
    has_message: bool = True,
    user_id: str | None = "1",
    **traits: Any,
) -> Identified:
    record = Identify(user_id, "a", None, time, {}, traits)
    user, origins, _ = user_of(record)
    return Identified(Ref(0, "", 0), time, True, user, origins, traits, key, has_message)


def object_of(time: int, key: str, traits: dict[str, Any]) -> Identified:
    """An identify whose traits have keys that are no names in Python."""
    return identified(time, key)._replace(traits=traits)


def told(*identifies: Identified) -> tuple[EndUserUpsert, TraitHistory]:
    folded = fold(sorted(identifies, key=lambda each: each.order))
    assert folded is not None
    return folded.upsert, folded.history()


def heard(*identifies: Identified) -> EarlierStatements:
    statements = told(*identifies)[1].statements
    return EarlierStatements(statements.by_name, statements.unmarked)


def left(own: Identified, *others: Identified) -> EndUserUpsert:
    """What is left of an identify beside others."""
    return without_outdated(*told(own), heard(*others))


NAMES = ("email", "created", "traits.a", "traits.b")
ORDERS = st.builds(
    Order, st.sampled_from([NO_TIME, 1, 2]), st.just(True), st.sampled_from(["", "m", "n", "é\0"])
)
UNMARKED = st.lists(st.sampled_from("abcd"), unique=True, max_size=4).map(tuple)


@st.composite
def statements(draw: st.DrawFn) -> Statements[bytes]:
    unmarked = draw(st.dictionaries(st.sampled_from([NO_TIME, 1]), UNMARKED.filter(bool)))
    orders = [Order(time, False, tie) for time, ties in unmarked.items() for tie in ties]
    names = st.sampled_from([b"aaaa", b"bbbb", b"cccc"])
    order = ORDERS | st.sampled_from(orders) if orders else ORDERS
    says = draw(st.dictionaries(names, st.builds(Statement, order, st.booleans())))
    return merged(Statements(), Statements(says, unmarked))


def as_data(each: Statements[bytes]) -> object:
    return dict(each.by_name), {time: list(ties) for time, ties in each.unmarked.items() if ties}


def test_later_is_by_time_then_message_id_and_who_has_none_comes_first() -> None:
    orders = [
        identified(None, "z", has_message=False).order,
        identified(None, "a").order,
        identified(1, "z", has_message=False).order,
        identified(1, "a").order,
        identified(1, "b").order,
        identified(2, "a", has_message=False).order,
    ]
    assert orders == sorted(orders)


@pytest.mark.parametrize(
    ("traits", "left_over"),
    [
        ({"plan": "pro"}, EndUserUpsert()),
        ({"plan": None}, EndUserUpsert()),
        ({"city": "Rome"}, EndUserUpsert(properties={"plan": "free"})),
        ({}, EndUserUpsert(properties={"plan": "free"})),
    ],
)
def test_a_trait_that_was_heard_later_is_left_out(
    traits: dict[str, Any], left_over: EndUserUpsert
) -> None:
    own = identified(1, "a", user_id=None, plan="free")
    assert left(own, identified(2, "b", user_id=None, **traits)) == left_over


def test_what_is_as_late_or_later_is_said() -> None:
    own = identified(2, "b", email="a@b.co", plan="free", phone="+44 2000", created=1420099200)
    wanted, _ = told(own)
    assert (
        left(own, identified(2, "b", email="c@d.co", plan="pro", phone=None, created=1400000001))
        == wanted
    )
    assert left(own, identified(1, "z", email="c@d.co", plan="pro", created=1400000001)) == wanted
    assert left(own, identified(2, "a", email="c@d.co", plan="pro", phone="+44 2100")) == wanted


def test_each_field_is_left_out_for_itself() -> None:
    own = identified(1, "a", email="a@b.co", plan="free", phone="+44 2000", created=1420099200)
    wanted = EndUserUpsert("a@b.co", "1", "+44 2000", 1420099200, {"plan": "free"})
    assert told(own)[0] == wanted
    later = {
        "email": identified(2, "b", user_id=None, email="c@d.co"),
        "external_id": identified(2, "b", user_id="2"),
        "phone_number": identified(2, "b", user_id=None, email="a@b.co", phone="+44 2100"),
        "external_created_at": identified(2, "b", user_id=None, created=1400000005),
        "properties": identified(2, "b", user_id=None, plan="pro"),
    }
    for name, each in later.items():
        found = left(own, each)
        assert not getattr(found, name)
        if name != "phone_number":
            for other in later.keys() - {name}:
                assert getattr(found, other) == getattr(wanted, other)


def test_an_object_is_one_trait() -> None:
    own = identified(1, "a", address={"city": "Rome", "geo": {"lat": "1"}}, city="Rome")
    assert left(own, identified(2, "b", address={"zip": "1"})).properties == {"city": "Rome"}
    assert left(own, identified(2, "b", address_city="Oslo")).properties == {
        "address_geo_lat": "1",
        "city": "Rome",
    }


def test_a_property_is_known_by_its_trait_whatever_the_dots() -> None:
    own = object_of(1, "a", {"a.b": {"c": "1"}, "x.y": "2", "born": "2024-02-29"})
    names = {"a_b_c": "1", "x_y": "2", "born_date": 1709164800}
    assert told(own)[0].properties == names
    for key, name in (("a.b", "a_b_c"), ("x.y", "x_y"), ("born", "born_date")):
        kept = left(own, object_of(2, "b", {key: "other"})).properties
        assert kept == {each: names[each] for each in names if each != name}


def test_a_key_of_very_many_dots_is_no_burden() -> None:
    key = "." * 300_000
    own = object_of(1, "a", {key: {key: "x"}, "plan": "free"})
    assert "plan" in left(own, identified(2, "b", email="a@b.co")).properties


def test_the_trait_that_is_spelled_like_a_property_has_the_name_whenever_it_was_said() -> None:
    own = identified(5, "a", address={"city": "Rome"})
    assert left(own, identified(1, "b", address_city="Oslo")).properties == {}
    # But not once it is known to have been taken out, or to be another property.
    gone = identified(5, "a", address={"city": "Rome"}, address_city=None)
    assert left(gone, identified(1, "b", address_city="Oslo")).properties == {
        "address_city": "Rome"
    }
    assert left(own, identified(1, "b", address_city="2024-02-29")).properties == {
        "address_city": "Rome"
    }


def test_created_counts_before_created_at_until_it_is_taken_out() -> None:
    own = identified(5, "a", createdAt=1420099200)
    assert left(own, identified(1, "b", created=1400000005)).external_created_at is None
    assert left(own, identified(9, "b", created=None)).external_created_at == 1420099200
    assert left(own, identified(1, "b", created=False)).external_created_at == 1420099200
    gone = identified(5, "a", createdAt=1420099200, created=None)
    assert left(gone, identified(1, "b", created=1400000005)).external_created_at == 1420099200
    assert left(own, identified(9, "b", createdAt=1400000005)).external_created_at is None


def test_an_email_that_a_user_id_looks_like_is_the_weaker() -> None:
    own = identified(5, "a", user_id="x@y.zz")
    assert left(own, identified(1, "b", user_id=None, email="a@b.co")).email is None
    assert left(own, identified(1, "b", user_id="z@y.zz")).email == "x@y.zz"
    trait = identified(1, "a", user_id="x@y.zz", email="a@b.co")
    assert left(trait, own).email == "a@b.co"


@given(statements())
def test_what_was_said_comes_back_as_it_was_put_down(said: Statements[bytes]) -> None:
    assert as_data(ungrouped(grouped(said))) == as_data(said)
    assert as_data(unpacked_statements(packed_statements(said))) == as_data(said)


@given(
    st.lists(st.dictionaries(st.sampled_from(NAMES), st.builds(Statement, ORDERS, st.booleans())))
)
def test_of_what_is_marked_the_latest_is_known_whatever_came_first(
    all_says: list[dict[str, Statement]],
) -> None:
    whole: Statements[str] = Statements()
    for says in all_says:
        whole = merged(whole, Statements(says))
    for name in NAMES:
        found = [says[name].order for says in all_says if name in says]
        known = whole.by_name.get(name)
        assert (known and known.order) == max(found, default=None)


@given(statements(), statements())
def test_what_is_pushed_again_changes_nothing(
    one: Statements[bytes], other: Statements[bytes]
) -> None:
    before, after = packed_statements(one), packed_statements(other)
    both = merged_statements(before, after)
    assert as_data(unpacked_statements(merged_statements(both, after))) == as_data(
        unpacked_statements(both)
    )


def unmarked(*ties: str) -> Statements[str]:
    order = Order(1, False, ties[-1])
    return Statements({trait("plan"): Statement(order, True)}, {1: ties})


@pytest.mark.parametrize(
    ("pushed", "expected"),
    [
        ([("a", "b"), ("a",)], "ab"),
        ([("b",), ("a",)], "ba"),
        ([("b",), ("a",), ("a", "b")], "ab"),
        ([("a", "b"), ("c",), ("a",)], "abc"),
        ([("b",), ("a", "b")], "ab"),
        ([("c", "b"), ("a", "b", "d")], "cabd"),
        ([("a", "c"), ("b",), ("b", "c")], "abc"),
        ([("b", "a"), ("a", "c", "b")], "acb"),
    ],
)
def test_without_message_ids_the_lines_tell_the_order_else_when_they_were_pushed(
    pushed: Sequence[tuple[str, ...]], expected: str
) -> None:
    whole: Statements[str] = Statements()
    for ties in pushed:
        whole = merged(whole, unmarked(*ties))
    assert "".join(whole.unmarked[1]) == expected
    assert whole.by_name[trait("plan")].order.tie == expected[-1]


def test_of_very_many_of_one_time_the_last_are_remembered() -> None:
    ties = [f"{each:04}" for each in range(3 * MOST_UNMARKED)]
    whole: Statements[str] = Statements()
    for each in ties:
        whole = merged(whole, unmarked(each))
    assert list(whole.unmarked[1]) == ties[-MOST_UNMARKED:]
    said = told(*(identified(1, each * 4, has_message=False, plan=each) for each in ties))[1]
    assert len(said.statements.unmarked[1]) == MOST_UNMARKED


def test_times_at_which_nothing_counts_any_more_are_forgotten() -> None:
    many = (identified(each, "0", has_message=False, plan="x") for each in range(5000))
    assert list(told(identified(None, "1", has_message=False, city="y"), *many)[1].statements.unmarked) in (
        [NO_TIME, 4999],
        [4999, NO_TIME],
    )  # fmt: skip
