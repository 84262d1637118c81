"""What an export wants against what Wootric holds."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_map.deliver.compare import difference, restrict, written
from wootric_map.deliver.fingerprints import Fingerprints, RememberedEndUser
from wootric_map.model import EndUser, EndUserUpsert, Existing
from wootric_map.wootric.replies import contradicts

HELD = EndUser(7, "a@b.co", "1", "+1", 1_420_099_200, {"plan": "pro", "seats_amount": "5"})
SAME = EndUserUpsert("a@b.co", "1", "+1", 1_420_099_200, {"plan": "pro", "seats_amount": 5})


def test_an_end_user_held_as_wanted_has_no_difference() -> None:
    assert difference(SAME, HELD) is None


@pytest.mark.parametrize(
    "changed",
    [
        EndUserUpsert(email="new@b.co"),
        EndUserUpsert(external_id="2"),
        EndUserUpsert(phone_number="+2"),
        EndUserUpsert(external_created_at=1_420_099_201),
        EndUserUpsert(properties={"plan": "free"}),
        EndUserUpsert(properties={"seats_amount": 6}),
        EndUserUpsert(properties={"city": "Rome"}),
    ],
)
def test_only_the_field_that_differs_is_sent(changed: EndUserUpsert) -> None:
    wanted = replace(
        SAME,
        **{
            name: getattr(changed, name)
            for name in ("email", "external_id", "phone_number", "external_created_at")
            if getattr(changed, name) is not None
        },
        properties={**SAME.properties, **changed.properties},
    )
    assert difference(wanted, HELD) == changed


def test_a_number_equals_its_text() -> None:
    assert difference(EndUserUpsert(properties={"seats_amount": 5}), HELD) is None
    held = replace(HELD, properties={"year": "2015", "zip": "01234"})
    assert difference(EndUserUpsert(properties={"year": 2015, "zip": "01234"}), held) is None
    assert difference(EndUserUpsert(properties={"zip": 1234}), held) is not None


@pytest.mark.parametrize("held", ["A@B.CO", " a@b.co ", "\ta@B.co\n"])
def test_an_email_is_compared_trimmed_and_without_case(held: str) -> None:
    assert difference(SAME, replace(HELD, email=held)) is None
    assert difference(replace(SAME, email=held), HELD) is None


def test_stored_properties_that_the_export_lacks_are_left_alone() -> None:
    held = replace(HELD, properties={**HELD.properties, "score": "9", "notes": "by hand"})
    assert difference(SAME, held) is None
    changed = difference(replace(SAME, properties={"plan": "free"}), held)
    assert changed == EndUserUpsert(properties={"plan": "free"})


def test_fields_that_the_export_lacks_are_left_alone() -> None:
    assert difference(EndUserUpsert(email="a@b.co"), HELD) is None


def test_fields_that_the_account_lacks_are_sent() -> None:
    held = EndUser(7, "a@b.co", None, None, None, {})
    assert difference(SAME, held) == replace(SAME, email=None)


def test_an_end_user_that_the_account_has_without_email_gets_it() -> None:
    assert difference(SAME, replace(HELD, email=None)) == EndUserUpsert(email="a@b.co")


_properties = st.dictionaries(
    st.sampled_from("abcd"), st.text("xy1", max_size=2) | st.integers(-1, 3), max_size=4
)
_upserts = st.builds(
    EndUserUpsert,
    email=st.sampled_from([None, "a@b.co", " A@b.co", "c@d.co"]),
    external_id=st.sampled_from([None, "1", "2"]),
    phone_number=st.sampled_from([None, "+1", "+2"]),
    external_created_at=st.sampled_from([None, 0, 1]),
    properties=_properties,
)


_held = st.none() | st.builds(written, _upserts, st.none())


@given(wanted=_upserts, held=_held.filter(bool))
def test_writing_the_difference_leaves_no_difference(wanted: EndUserUpsert, held: EndUser) -> None:
    changes = difference(wanted, held)
    after = held if changes is None else written(changes, held)
    assert difference(wanted, after) is None
    assert after.id == held.id
    assert set(held.properties) <= set(after.properties)


@given(wanted=_upserts, held=_held)
def test_what_is_written_is_what_was_sent_over_what_was_there(
    wanted: EndUserUpsert, held: EndUser | None
) -> None:
    """Field by field as wootric.md 3 has it."""
    after = written(wanted, held)
    for name in ("email", "external_id", "phone_number", "external_created_at"):
        sent, before = getattr(wanted, name), getattr(held, name) if held else None
        assert getattr(after, name) == (before if sent is None else sent)
    texts = {name: str(value) for name, value in wanted.properties.items()}
    assert after.properties == {**(held.properties if held else {}), **texts}


@given(wanted=_upserts, held=_held.filter(bool))
def test_the_difference_holds_nothing_that_wootric_has(
    wanted: EndUserUpsert, held: EndUser
) -> None:
    changes = difference(wanted, held)
    if changes is None:
        return
    for name, sent in changes.fields():
        if name.startswith("properties["):
            assert held.properties.get(name[len("properties[") : -1]) != sent
        else:
            assert str(getattr(held, name)) != sent
    assert set(changes.fields()) <= set(wanted.fields())


def test_who_is_created_has_no_number_yet() -> None:
    assert written(SAME, None).id == 0


def test_what_is_written_keeps_a_creation_date_at_the_epoch() -> None:
    assert written(EndUserUpsert(external_created_at=0), HELD).external_created_at == 0


# What is to stay as it is

_FIELDS = ("email", "external_id", "phone_number", "external_created_at")
_texts = st.sampled_from([None, "", "x", "1"])
_there = st.builds(
    EndUser,
    id=st.just(7),
    email=st.sampled_from([None, "", "a@b.co", "c@d.co"]),
    external_id=_texts,
    phone_number=_texts,
    external_created_at=st.sampled_from([None, 0, 1]),
    properties=st.dictionaries(
        st.sampled_from("abcd"), st.sampled_from(["", " ", "0", "x", "1"]), max_size=4
    ),
    knows_properties=st.booleans(),
)


def sent(
    wanted: EndUserUpsert, held: EndUser, existing: Existing, now: EndUser | None = None
) -> EndUser:
    """What Wootric holds after a push."""
    changes = difference(restrict(wanted, held, existing).left, now or held)
    return written(changes, now or held) if changes else now or held


@given(wanted=_upserts, held=_there)
def test_a_fill_changes_no_value_that_is_there_and_fills_each_that_is_missing(
    wanted: EndUserUpsert, held: EndUser
) -> None:
    after = sent(wanted, held, "fill")
    for name in _FIELDS:
        value, before = getattr(wanted, name), getattr(held, name)
        is_missing = before is None or before == ""
        assert getattr(after, name) == (value if is_missing and value is not None else before)
    properties = dict(held.properties)
    for key, each in wanted.properties.items():
        if held.knows_properties and properties.get(key, "") == "":
            properties[key] = str(each)
    assert after.properties == properties


@given(wanted=_upserts, held=_there)
def test_who_is_to_be_kept_is_sent_nothing(wanted: EndUserUpsert, held: EndUser) -> None:
    assert difference(restrict(wanted, held, "keep").left, held) is None
    assert restrict(wanted, held, "update").left == wanted


@given(first=_upserts, second=_upserts, held=_there)
def test_what_a_push_has_filled_in_itself_it_may_change(
    first: EndUserUpsert, second: EndUserUpsert, held: EndUser
) -> None:
    after = sent(second, held, "fill", sent(first, held, "fill"))
    for name in _FIELDS:
        if getattr(held, name) not in (None, ""):
            assert getattr(after, name) == getattr(held, name)
        elif getattr(second, name) is not None:
            assert after.holds(name, getattr(second, name))
    for key, each in second.properties.items():
        if held.knows_properties and held.properties.get(key, "") == "":
            assert after.properties[key] == str(each)


@given(wanted=_upserts, held=_there, existing=st.sampled_from(["fill", "keep"]))
def test_what_is_withheld_and_what_is_left_are_all_that_is_wanted(
    wanted: EndUserUpsert, held: EndUser, existing: Existing
) -> None:
    left, withheld, kept = restrict(wanted, held, existing)
    out = withheld or EndUserUpsert()
    assert sorted([*left.fields(), *out.fields()]) == sorted(wanted.fields())
    for name in _FIELDS:
        assert getattr(kept, name) in (None, getattr(held, name))
    assert kept.properties.items() <= dict(held.properties).items()
    # To the letter nothing of what is kept is as wanted.
    assert not {name for name, _ in kept.fields()} & {name for name, _ in left.fields()}


@pytest.mark.parametrize("existing", ["fill", "keep"])
def test_of_whom_an_earlier_run_left_nothing_is_known_to_be_missing(existing: Existing) -> None:
    fingerprints = Fingerprints(bytes(32))
    known = RememberedEndUser(7, fingerprints.of(EndUserUpsert("a@b.co")), fingerprints)
    wanted = EndUserUpsert("a@b.co", properties={"plan": "pro"})
    left, withheld, kept = restrict(wanted, known, existing)
    assert (left, withheld) == (
        EndUserUpsert("a@b.co"),
        EndUserUpsert(properties={"plan": "pro"}),
    )
    assert kept == EndUserUpsert()
    assert known.may_lack(wanted)
    assert not known.may_lack(EndUserUpsert("c@d.co"))


# Whoever a phone finds


@pytest.mark.parametrize(
    ("wanted", "held", "somebody_else"),
    [
        (EndUserUpsert("a@b.co", "1"), replace(HELD, email="A@B.co "), False),
        (EndUserUpsert("c@d.co"), HELD, True),
        (EndUserUpsert(external_id="2"), HELD, True),
        (EndUserUpsert("a@b.co", "2"), HELD, True),
        (EndUserUpsert("c@d.co", "1"), HELD, True),
        (EndUserUpsert(phone_number="+2"), HELD, False),
        (EndUserUpsert("c@d.co"), replace(HELD, email=None), False),
        (EndUserUpsert(external_id="2"), replace(HELD, external_id=None), False),
        (EndUserUpsert(external_id="2"), replace(HELD, external_id=""), False),
    ],
)
def test_another_email_or_external_id_makes_them_somebody_else(
    wanted: EndUserUpsert, held: EndUser, somebody_else: bool
) -> None:
    assert contradicts(wanted, held) is somebody_else
