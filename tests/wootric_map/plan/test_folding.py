"""All identifies of an end user as one: trait by trait, later over earlier."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planned import PlanOf, identify, millis

from wootric_map import EndUserUpsert
from wootric_map.mapping.identity import user_of
from wootric_map.mapping.property_names import Naming
from wootric_map.model import Ref
from wootric_map.plan.folding import NOTHING_KNOWN, Folded, State, fold, write_of
from wootric_map.plan.identified import Identified
from wootric_map.read.record import Identify


def says(
    time: int | None = None,
    user_id: str | None = "1",
    *,
    chosen: bool = True,
    wootric_id: str | None = None,
    **traits: Any,
) -> Identified:
    """An identify, whose line is its time."""
    ids = [{"type": "wootricEndUserId", "id": wootric_id}] if wootric_id else []
    record = Identify(user_id, "a", None, time, {"externalId": ids}, traits)
    user, origins, _ = user_of(record)
    ref = Ref(time or 0, "export", time or 0)
    return Identified(ref, time, chosen, user, origins, traits)


def one(key: str, value: object) -> dict[str, Any]:
    return {key: value}


def folded(*identifies: Identified, amounts: bool = False) -> Folded:
    made = fold(identifies, naming=Naming(amounts))
    assert made is not None
    return made


def upsert(*identifies: Identified) -> EndUserUpsert:
    return folded(*identifies).upsert


def properties(*traits: Mapping[str, Any]) -> dict[str, Any]:
    """What the traits of several identifies, in this order, become."""
    return dict(upsert(*(says(n, **each) for n, each in enumerate(traits))).properties)


def test_without_an_identify_there_is_nothing_to_fold() -> None:
    assert fold([]) is None


def test_identifies_of_one_user_are_one_end_user() -> None:
    made = folded(says(1, email="a@b.co"), says(2, plan="pro"), says(3, city="Rome"))
    assert made.upsert == EndUserUpsert("a@b.co", "1", properties={"plan": "pro", "city": "Rome"})
    assert made.replayed == 3
    assert made.last.line == 3


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_a_later_trait_wins_over_an_earlier_one_whatever_the_order_of_lines(
    plan_of: PlanOf, order: tuple[int, ...]
) -> None:
    records = [
        identify(minute=1, email="old@b.co", plan="free", city="Rome", phone="+15550001"),
        identify(minute=2, email="new@b.co", plan="pro", createdAt=1_420_099_200),
        identify(minute=3, plan="team", createdAt=1_500_000_000),
    ]
    assert plan_of(*(records[each] for each in order)).upsert == EndUserUpsert(
        "new@b.co", "1", "+15550001", 1_500_000_000, {"plan": "team", "city": "Rome"}
    )


def test_a_later_record_in_an_earlier_file_wins(plan_of: PlanOf) -> None:
    made = plan_of([identify(minute=9, plan="new")], [identify(minute=1, plan="old")])
    assert made.upsert.properties["plan"] == "new"


def test_milliseconds_order_records_of_one_second(plan_of: PlanOf) -> None:
    late = identify(plan="late") | {"timestamp": "2024-03-01T10:00:00.002Z"}
    early = identify(plan="early") | {"timestamp": "2024-03-01T10:00:00.001Z"}
    assert plan_of(late, early).upsert.properties["plan"] == "late"


def test_refs_lead_back_to_the_lines_in_time_order(plan_of: PlanOf) -> None:
    (write,) = plan_of(identify(minute=3), identify(minute=1), identify(minute=2)).writes()
    assert [ref.line for ref in write.refs] == [2, 3, 1]


def test_an_email_is_trimmed_before_it_is_sent() -> None:
    assert upsert(says(email="  a@b.co ")).email == "a@b.co"


# Traits


def test_a_nested_trait_is_replaced_whole() -> None:
    early = {"address": {"city": "Rome", "zip": "00184"}, "tags": ["a", "b"]}
    assert properties(early, {"address": {"city": "Turin"}}) == {
        "address_city": "Turin",
        "tags": "a, b",
    }
    assert properties(early, {"address": "Turin", "tags": ["c"]}) == {
        "address": "Turin",
        "tags": "c",
    }
    assert properties({"address": "Turin"}, early)["address_city"] == "Rome"
    assert "address" not in properties({"address": "Turin"}, early)


@pytest.mark.parametrize("gone", ["plan", "address"])
def test_null_takes_a_trait_out_and_no_other(gone: str) -> None:
    early = {"plan": "pro", "address": {"city": "Rome"}, "seats": "3"}
    left = properties(early, {gone: None})
    whole = properties(early)
    assert left == {name: whole[name] for name in whole if not name.startswith(gone)}


def test_a_trait_that_was_taken_out_may_come_back() -> None:
    assert properties({"plan": "pro"}, {"plan": None}, {"plan": "team"}) == {"plan": "team"}
    assert properties({"plan": None}, {"plan": "team"}) == {"plan": "team"}


@pytest.mark.parametrize("nothing", ["", False, 0])
def test_an_empty_trait_is_a_value_and_takes_nothing_out(nothing: object) -> None:
    assert "plan" in properties({"plan": "pro"}, {"plan": nothing})
    assert properties({"plan": "pro"}, {"plan": nothing})["plan"] != "pro"


@pytest.mark.parametrize("nothing", [None, "", " ", False])
def test_nothing_takes_an_email_out(nothing: object) -> None:
    assert upsert(says(1, email="a@b.co"), says(2, email=nothing)).email == "a@b.co"


@pytest.mark.parametrize("key", ["phone", "Phone", "PHONE", "ph_one"])
def test_null_takes_a_phone_out_in_any_spelling(key: str) -> None:
    assert (
        upsert(says(1, phone="+15550001", email="a@b.co"), says(2, **one(key, None))).phone_number
        is None
    )
    assert upsert(says(1, phone="+15550001"), says(2, **one(key, ""))).phone_number == "+15550001"


@pytest.mark.parametrize("key", ["createdAt", "created_at", "Created At", "CREATEDAT"])
def test_null_takes_a_creation_date_out_in_any_spelling(key: str) -> None:
    made = folded(says(1, createdAt=1_400_005_000), says(2, **one(key, None)))
    assert made.upsert.external_created_at is None
    assert made.state_at(2).created_at is None
    assert (
        upsert(says(1, createdAt=1_400_005_000), says(2, **one(key, ""))).external_created_at
        == 1_400_005_000
    )


def test_created_stands_before_created_at_whichever_came_later() -> None:
    early, late = says(1, created=1_400_005_000), says(2, createdAt=1_400_006_000)
    assert upsert(early, late).external_created_at == 1_400_005_000
    assert upsert(early, late, says(3, created=1_400_007_000)).external_created_at == 1_400_007_000
    assert upsert(early, late, says(3, created=None)).external_created_at == 1_400_006_000
    assert upsert(early, late, says(3, createdAt=None)).external_created_at == 1_400_005_000


def test_null_beside_another_spelling_takes_nothing_out() -> None:
    made = upsert(
        says(1, phone="+15550001", createdAt=1_400_005_000, email="a@b.co"),
        says(2, phone=None, Phone="+15550002", created=None, created_at=1_400_006_000),
    )
    assert (made.phone_number, made.external_created_at) == ("+15550002", 1_400_006_000)


def test_spellings_of_email_phone_and_creation_are_one_field_each() -> None:
    made = upsert(
        says(1, email="old@b.co", phone="+15550001", createdAt=1_400_005_000),
        says(2, Email="new@b.co", Phone="+15550002", created_at=1_400_006_000),
    )
    assert made == EndUserUpsert("new@b.co", "1", "+15550002", 1_400_006_000)


def test_two_spellings_of_another_trait_are_two_traits() -> None:
    assert properties({"Plan": "pro", "plan": "free"}, {"plan": None}) == {"Plan": "pro"}


@pytest.mark.parametrize("unusable", [0, "0001-01-01", "2100-01-01", "soon", True, {}, "", False])
@pytest.mark.parametrize("first", [True, False])
def test_a_creation_date_that_can_be_none_counts_as_not_said(unusable: object, first: bool) -> None:
    said = [unusable, 1_400_005_000] if first else [1_400_005_000, unusable]
    made = folded(*(says(n, createdAt=value) for n, value in enumerate(said)))
    assert made.upsert.external_created_at == 1_400_005_000
    assert made.origins["external_created_at"] == ("traits.createdAt", 1_400_005_000)
    assert made.state_at(2).created_at == 1_400_005_000


@pytest.mark.parametrize(
    "unusable", ["n/a", "123", "call me", True, 7, ["+15550001"], {"a": "b"}, " "]
)
def test_what_is_no_phone_counts_as_not_said(unusable: object) -> None:
    made = upsert(says(1, phone="+15550001"), says(2, phone=unusable))
    assert made.phone_number == "+15550001"
    assert "phone" not in made.properties


@pytest.mark.parametrize("unusable", ["n/a", "a@@b", 7, ["a@b.co"], "A <a@b.co>", "a b@c"])
def test_what_is_no_email_leaves_the_one_before_it(unusable: object) -> None:
    assert upsert(says(1, email="a@b.co"), says(2, email=unusable)).email == "a@b.co"
    assert upsert(says(1, email=unusable), says(2, email="a@b.co")).email == "a@b.co"


def test_a_user_id_that_looks_like_an_email_is_one_only_for_want_of_one() -> None:
    derived = says(1, "x@y.zz")
    assert upsert(derived).email == "x@y.zz"
    for order in ((0, 1), (1, 0)):
        both = (says(1, "x@y.zz"), says(2, "x@y.zz", email="a@b.co"))
        assert upsert(*(both[each] for each in order)).email == "a@b.co"


def test_a_trait_id_is_a_property_only_where_no_user_id_was_ever_told() -> None:
    assert "id" not in upsert(says(1, None, id="x"), says(2, "1")).properties
    assert "id" not in upsert(says(1, "1", id="x")).properties


def test_the_amount_suffix_is_given_where_asked() -> None:
    assert folded(says(seats=3), amounts=True).upsert.properties == {"seats_amount": 3}
    assert folded(says(seats=3)).upsert.properties == {"seats": 3}


_KEYS = st.sampled_from(["plan", "city", "tags", "seats", "note"])
_VALUES = st.none() | st.text("ab", min_size=1, max_size=2) | st.booleans()


@given(st.lists(st.dictionaries(_KEYS, _VALUES), min_size=1, max_size=6))
def test_a_fold_is_what_the_last_word_on_each_trait_makes(traits: list[dict[str, Any]]) -> None:
    last: dict[str, Any] = {}
    for each in traits:
        last |= each
    alone = {key: value for key, value in last.items() if value is not None}
    assert properties(*traits) == properties(alone)


# Where values came from


def test_every_field_knows_the_record_its_value_came_from() -> None:
    origins = folded(
        says(1, plan="free", seats=True), says(2, plan="pro", Email="new@b.co", phone=4915550001)
    ).origins
    assert origins["email"] == ("traits.Email", "new@b.co")
    assert origins["properties.plan"] == ("traits.plan", "pro")
    assert origins["properties.seats"] == ("traits.seats", True)
    assert origins["external_id"] == ("userId", "1")
    assert origins["phone_number"] == ("traits.phone", 4915550001)


def test_a_warning_stands_at_the_record_its_trait_came_from() -> None:
    made = folded(says(1, seats=3), says(2, address={"floor": 4}), says(3, plan="pro"))
    assert [(ref.line, warning.code, warning.field) for ref, warning in made.warnings] == [
        (1, "integer_without_amount", "traits.seats"),
        (2, "integer_without_amount", "traits.address.floor"),
    ]


def test_a_key_with_dots_is_found_all_the_same() -> None:
    made = folded(says(1, **one("a.b", 3)), says(2, plan="pro"))
    assert {ref.line for ref, _ in made.warnings} == {1}


def test_a_trait_that_was_replaced_or_taken_out_warns_of_nothing() -> None:
    assert folded(says(1, seats=3, n=4), says(2, seats="3", n=None)).warnings == ()


def test_user_ids_that_share_an_email_are_told_in_pairs_the_earlier_first() -> None:
    made = folded(
        says(1, "2", email="a@b.co"),
        says(2, "1", email=" A@b.co"),
        says(3, "2", email="c@d.co"),
        says(4, None, email="a@b.co"),
        says(5, "3", email="c@d.co"),
    )
    assert made.shared == (("2", "1"), ("2", "3"))
    three = folded(*(says(n, str(n), email="a@b.co") for n in range(3)))
    assert three.shared == (("0", "1"), ("1", "2"))
    assert made.upsert.external_id == "3"


def test_user_ids_that_other_ids_tie_share_no_email() -> None:
    assert (
        folded(says(1, "1", email="a@b.co", wootric_id="7"), says(2, "2", wootric_id="7")).shared
        == ()
    )


# What is not chosen


def test_identifies_that_are_not_chosen_say_who_they_are_and_nothing_else() -> None:
    made = folded(
        says(1, chosen=False, email="a@b.co", plan="pro", createdAt=1_400_005_000, wootric_id="77"),
        says(2, None, city="Rome"),
        says(3, "2", chosen=False, plan="team"),
    )
    assert made.upsert == EndUserUpsert("a@b.co", "2", properties={"city": "Rome"}, wootric_id="77")
    assert made.replayed == 1
    assert made.last.line == 3


def test_a_null_that_is_not_chosen_takes_nothing_out_of_what_is() -> None:
    made = upsert(
        says(1, plan="pro", phone="+15550001", createdAt=1_400_005_000, email="a@b.co"),
        says(2, chosen=False, plan=None, phone=None, createdAt=None),
    )
    assert made == EndUserUpsert("a@b.co", "1", "+15550001", 1_400_005_000, {"plan": "pro"})


def test_what_is_chosen_stands_before_what_is_not_even_if_that_is_later() -> None:
    made = upsert(says(1, email="a@b.co", phone="+15550001"), says(2, chosen=False, email="c@d.co"))
    assert made.email == "a@b.co"


def test_a_phone_that_is_not_chosen_is_told_only_where_it_is_all_there_is() -> None:
    assert upsert(says(1, chosen=False, phone="+15550001"), says(2)).phone_number == "+15550001"
    with_email = upsert(says(1, chosen=False, phone="+15550001", email="a@b.co"), says(2))
    assert with_email == EndUserUpsert("a@b.co", "1")


def test_where_no_identify_is_chosen_nothing_is_wanted_but_who_they_are() -> None:
    made = folded(says(1, chosen=False, email="a@b.co", plan="pro", seats=3))
    assert made.upsert == EndUserUpsert("a@b.co", "1")
    assert made.replayed == 0
    assert made.warnings == ()


# What was known when


def test_a_state_is_the_latest_at_or_before_a_time_else_the_earliest_after() -> None:
    made = folded(says(10, email="a@b.co"), says(20, email="c@d.co"), says(30, email="e@f.co"))
    times = (None, 9, 10, 19, 20, 21, 30, 99)
    emails = [made.state_at(time).email for time in times]
    assert emails == [
        "a@b.co", "a@b.co", "a@b.co", "a@b.co", "c@d.co", "c@d.co", "e@f.co", "e@f.co"
    ]  # fmt: skip


def test_what_was_said_once_is_still_known_later() -> None:
    """As in the browser, where the settings outlive the call."""
    made = folded(
        says(1, email="a@b.co", createdAt=1_400_005_000, language="en"), says(2, plan="pro")
    )
    assert made.state_at(9) == State("a@b.co", 1_400_005_000, "en")


def test_an_identify_that_says_nothing_new_makes_no_state() -> None:
    made = folded(*(says(n, email="a@b.co", plan=str(n)) for n in range(50)))
    assert len(made.states) == 1
    assert list(made.times) == [0]


def test_one_who_goes_to_and_fro_is_kept_as_few_states() -> None:
    made = folded(*(says(n, email="a@b.co", language="en" if n % 2 else "de") for n in range(50)))
    assert len(made.states) == 50
    assert len({id(state) for state in made.states}) == 2


def test_an_event_before_the_first_email_gets_that() -> None:
    made = folded(says(1, language="en"), says(5, email="a@b.co"), says(9, email="c@d.co"))
    assert made.state_at(2) == State("a@b.co", None, "en")
    assert made.state_at(None).email == "a@b.co"


def test_an_identify_without_a_time_is_before_all_others() -> None:
    made = folded(says(None, email="a@b.co"), says(-(10**15), email="c@d.co"))
    assert made.state_at(None).email == "a@b.co"
    assert made.state_at(-(10**15) - 1).email == "a@b.co"
    assert made.state_at(-(10**15)).email == "c@d.co"


def test_null_takes_a_language_out_and_an_empty_one_does_not() -> None:
    first = says(1, email="a@b.co", language="en")
    assert folded(first, says(2, language=None)).state_at(2).language is None
    assert folded(first, says(2, language=None)).state_at(1).language == "en"
    assert folded(first, says(2, language="")).state_at(2).language == "en"


def test_identifies_that_are_not_chosen_count_for_what_was_known() -> None:
    made = folded(
        says(1, email="a@b.co", language="en"),
        says(2, chosen=False, email="c@d.co", language="de", createdAt=1_400_005_000),
    )
    assert made.state_at(2) == State("c@d.co", 1_400_005_000, "de")


def test_nothing_is_known_of_whom_nothing_is_said() -> None:
    assert folded(says(1)).state_at(5) == NOTHING_KNOWN


@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.sampled_from(["a@b.co", "c@d.co", None])), max_size=6
    ).map(lambda said: sorted(said, key=lambda each: each[0])),
    st.integers(-1, 7),
)
def test_the_email_at_a_time_is_what_looking_through_all_finds(
    said: list[tuple[int, str | None]], time: int
) -> None:
    made = fold(says(when, email=email) for when, email in said)
    before = [email for when, email in said if email and when <= time]
    after = [email for when, email in said if email and when > time]
    expected = next(iter(before[-1:] + after[:1]), None)
    assert (made.state_at(time).email if made else None) == expected


# One identify for itself


def test_unfolded_an_identify_says_what_it_says_itself_and_the_email_of_its_time() -> None:
    early = says(1, email="a@b.co", plan="free", phone="+15550001", wootric_id="77")
    middle, late = says(2, city="Rome", address=None), says(3, email="c@d.co")
    whole = folded(early, middle, late)
    assert write_of(early, whole).upsert == EndUserUpsert(
        "a@b.co", "1", "+15550001", properties={"plan": "free"}, wootric_id="77"
    )
    assert write_of(middle, whole).upsert == EndUserUpsert(
        "a@b.co", "1", properties={"city": "Rome"}, wootric_id="77"
    )
    assert write_of(late, whole).upsert == EndUserUpsert("c@d.co", "1")
    assert write_of(middle, whole).last == middle.ref


def test_the_time_of_a_record_is_in_milliseconds(plan_of: PlanOf) -> None:
    made = plan_of(identify(minute=1, email="a@b.co"), identify(minute=2, email="c@d.co"))
    assert list(made.folded.times) == [millis(1), millis(2)]


def test_an_origin_is_that_of_the_value_that_counts(plan_of: PlanOf) -> None:
    folded = plan_of(
        identify("x@y.zz", 1, email="a@b.co", created=1_400_005_000),
        identify("x@y.zz", 2, createdAt=1_400_006_000),
    ).folded
    assert folded.origins["email"] == ("traits.email", "a@b.co")
    assert folded.upsert.external_created_at == 1_400_005_000
    assert folded.origins["external_created_at"] == ("traits.created", 1_400_005_000)


def test_nobody_is_looked_up_twice_by_one_email_or_by_a_digest(plan_of: PlanOf) -> None:
    assert list(plan_of(identify("1", email="A@b.co")).user.identifiers()) == [
        EndUserUpsert(email="A@b.co", external_id="1")
    ]
    (known,) = plan_of(identify("x" * 300, email="a@b.co")).user.identifiers()
    assert known.external_id == "x" * 300
