"""What the identifies of an end user come to together, whatever the order of their lines."""

from itertools import permutations
from pathlib import Path
from typing import Any

import orjson
import pytest
from replaying import Replay, at, identify, page, track

ADA = "ada@example.com"


def says(**traits: Any) -> dict[str, Any]:
    return identify("1", ADA, **traits)


def sent(replay: Replay) -> list[tuple[str, str]]:
    """What went to Wootric beside signing in and look-ups, in order: what it was, and its mark."""
    calls = []
    for request in replay.sandbox.requests:
        path, query, form = str(request["path"]), request["query"], request["form"]
        assert isinstance(query, dict)
        assert isinstance(form, dict)
        if path == "/pixel.gif":
            calls.append(("page", query["page_info[path]"]))
        elif path == "/eligible.json":
            calls.append(("track", query["event_name"]))
        elif path.startswith("/v1/end_users") and request["method"] != "GET":
            calls.append((str(request["method"]), form.get("properties[plan]", "")))
    return calls


# Which identify is the later one.


def test_a_later_trait_goes_over_an_earlier_one_and_the_others_stay(replay: Replay) -> None:
    early, late = at(1, says(plan="free", city="Rome")), at(2, says(plan="pro", seats="3"))
    for records in permutations([early, late]):
        assert replay.diff(replay.write(records)).user() == {
            "email": ADA,
            "external_id": "1",
            "properties.plan": "pro",
            "properties.city": "Rome",
            "properties.seats": "3",
        }


@pytest.mark.parametrize(
    ("early", "late"),
    [
        pytest.param("2024-01-01T12:00:00+02:00", "2024-01-01T11:00:00Z", id="zones"),
        pytest.param("2024-01-01T00:00:00.10Z", "2024-01-01T00:00:00.9Z", id="fractions"),
        pytest.param("2024-01-01T00:00:00Z", "2024-01-01T00:00:00.001Z", id="a millisecond"),
        pytest.param("20240101", "2024-01-02", id="basic and extended"),
    ],
)
def test_timestamps_are_compared_as_instants_not_as_text(
    replay: Replay, early: str, late: str
) -> None:
    for records in permutations([at(early, says(plan="early")), at(late, says(plan="late"))]):
        assert replay.diff(replay.write(records)).user()["properties.plan"] == "late"


def test_a_record_without_timestamp_goes_by_the_next_time_it_has(replay: Replay) -> None:
    middle = says(plan="middle") | {"receivedAt": "2024-01-02T00:00:00Z"}
    early = says(plan="early", a="1") | {"originalTimestamp": "2024-01-01T00:00:00Z"}
    late = says(plan="late", b="2") | {"sentAt": "2024-01-03T00:00:00Z"}
    for records in permutations([early, middle, late]):
        assert replay.diff(replay.write(records)).user()["properties.plan"] == "late"


def test_of_equal_timestamps_the_greater_message_id_is_the_later(replay: Replay) -> None:
    # The bytes of the records would have it the other way round.
    greater = at(1, says(plan="a") | {"messageId": "m-2"})
    lesser = at("2024-01-01T00:00:00.000Z", says(plan="b") | {"messageId": "m-1"})
    for records in permutations([lesser, greater]):
        assert replay.diff(replay.write(records)).user()["properties.plan"] == "a"


def test_of_equal_timestamps_without_message_ids_the_greater_bytes_are_the_later(
    replay: Replay,
) -> None:
    for records in permutations([at(1, says(plan="a")), at(1, says(plan="b"))]):
        assert replay.diff(replay.write(records)).user()["properties.plan"] == "b"


# What is laid over what.


def test_an_object_trait_is_replaced_whole(replay: Replay) -> None:
    records = [
        at(2, says(address={"city": "Turin"})),
        at(1, says(address={"city": "Rome", "zip": "00184"})),
    ]
    user = replay.diff(replay.write(records)).user()
    assert user["properties.address_city"] == "Turin"
    assert "properties.address_zip" not in user


def test_a_list_trait_is_replaced_whole(replay: Replay) -> None:
    records = [at(1, says(tags=["a", "b"])), at(2, says(tags=["c"]))]
    assert replay.diff(replay.write(records)).user()["properties.tags"] == "c"


def test_a_trait_that_changes_its_kind_leaves_nothing_of_the_old_one(replay: Replay) -> None:
    records = [at(1, says(born="1815-12-10", home={"city": "Rome"})), at(2, says(born="?", home=1))]
    assert replay.diff(replay.write(records)).user() == {
        "email": ADA,
        "external_id": "1",
        "properties.born": "?",
        "properties.home": 1,
    }


def test_a_null_takes_a_trait_out(replay: Replay) -> None:
    for records in permutations([at(1, says(plan="pro", city="Rome")), at(2, says(plan=None))]):
        user = replay.diff(replay.write(records)).user()
        assert "properties.plan" not in user
        assert user["properties.city"] == "Rome"


def test_a_null_takes_a_whole_object_out(replay: Replay) -> None:
    records = [at(1, says(address={"city": "Rome"})), at(2, says(address=None))]
    assert replay.diff(replay.write(records)).user() == {"email": ADA, "external_id": "1"}


def test_a_null_takes_phone_and_creation_date_out(replay: Replay) -> None:
    records = [
        at(1, says(phone="+44 1111", createdAt="2020-01-01")),
        at(2, says(phone=None, createdAt=None)),
    ]
    assert replay.diff(replay.write(records)).user() == {"email": ADA, "external_id": "1"}


def test_a_value_after_a_null_counts_again(replay: Replay) -> None:
    records = [at(3, says(plan="pro")), at(2, says(plan=None)), at(1, says(plan="free"))]
    assert replay.diff(replay.write(records)).user()["properties.plan"] == "pro"


def test_a_null_never_takes_the_email(replay: Replay) -> None:
    records = [at(1, identify("1", ADA)), at(2, identify("1") | {"traits": {"email": None}})]
    assert replay.diff(replay.write(records)).user() == {"email": ADA, "external_id": "1"}


def test_a_null_leaves_alone_what_wootric_has(replay: Replay) -> None:
    replay.holds("1", ADA, plan="free")
    diff = replay.diff("--against", "account", replay.write([says(plan=None)]))
    assert (diff.writes, diff.summary["unchanged"]) == ((0, 0), 1)


# Repeated deliveries.


@pytest.fixture(params=["one file", "two files"])
def written(replay: Replay, request: pytest.FixtureRequest) -> Any:
    """Writes records into one file or into a file each, and says which."""

    def write(records: tuple[dict[str, Any], ...]) -> list[Path]:
        if request.param == "one file":
            return [replay.write(records)]
        return [replay.write([record], f"{n}.ndjson") for n, record in enumerate(records)]

    return write


def test_of_a_repeated_message_the_earliest_is_taken(replay: Replay, written: Any) -> None:
    early = at(1, says(plan="early") | {"messageId": "m"})
    late = at(2, says(plan="late") | {"messageId": "m"})
    for records in permutations([early, late]):
        diff = replay.diff(*written(records))
        assert diff.user()["properties.plan"] == "early"
        assert diff.summary["skipped"] == {"duplicate": 1}


def test_of_a_message_repeated_at_one_time_the_same_is_taken_in_any_order(
    replay: Replay, written: Any
) -> None:
    first = at(1, says(plan="a") | {"messageId": "m"})
    second = at(1, says(plan="b") | {"messageId": "m"})
    taken = {
        replay.diff(*written(records)).user()["properties.plan"]
        for records in permutations([first, second])
    }
    assert len(taken) == 1


def test_a_message_counts_once_however_often_it_came(replay: Replay, written: Any) -> None:
    view = page("1") | {"messageId": "m"}
    diff = replay.diff(*written((says(), view, view, view)))
    assert (diff.events, diff.skipped("duplicate")) == ((0, 1), 2)
    assert (diff.summary["records"], diff.summary["mapped"]) == (4, 2)


def test_records_without_message_id_are_no_duplicates(replay: Replay) -> None:
    diff = replay.diff(replay.write([says(), page("1"), page("1")]))
    assert (diff.events, diff.skipped("duplicate")) == ((0, 2), 0)


# The order of the lines.


MIXED = [
    at(3, says(plan="pro") | {"messageId": "m-3"}),
    at(1, says(plan="free", phone="+44 1111")),
    at(1, says(plan="trial", phone="+44 2222")),
    at(2, identify("2", "ADA@example.com", address={"city": "Rome", "zip": "00184"})),
    at(4, identify("2", "byron@example.com", address={"city": "Turin"})),
    identify("3", "clara@example.com"),
    at(2, page("1", "/a")),
    at(2, page("3", "/a")),
    at(2, track("2", messageId="m-1", properties={"total": 1})),
    at(1, track("2", messageId="m-1", properties={"total": 2})),
    track("9"),
    page("3", "/b"),
]


@pytest.mark.parametrize("options", [(), ("--no-fold",)], ids=["folded", "not folded"])
def test_the_plan_is_the_same_byte_for_byte_however_the_lines_are_shuffled(
    replay: Replay, options: tuple[str, ...]
) -> None:
    split = [replay.write(MIXED[2::3], "z.ndjson"), replay.write(MIXED[1::3], "a.ndjson")]
    split.append(replay.write(MIXED[::3], "m.ndjson"))
    ways = [[replay.write(MIXED)], [replay.write(MIXED[::-1], "back.ndjson")], split]
    outputs, plans = set(), set()
    for number, paths in enumerate(ways):
        saved = replay.folder / f"plan-{number}"
        done = replay.run("dry-run", "--format", "json", "--out", saved, *options, *paths)
        assert done.returncode == 0, done.stderr
        *changes, last = map(orjson.loads, done.stdout.splitlines())
        for each in last["summary"]["warning_details"]:
            del each["places"]  # the lines stand elsewhere
        outputs.add(orjson.dumps([*changes, last]))
        plans.add(saved.read_bytes())
    assert (len(outputs), len(plans)) == (1, 1)


# The order of the calls.


def test_the_write_of_an_end_user_comes_first_and_events_follow_in_time_order(
    replay: Replay,
) -> None:
    records = [
        at(4, page("1", "/4")),
        at(3, track("1")),
        at(5, says(plan="pro")),
        at(1, page("1", "/1")),
        at(2, says(plan="free")),
        at(2, track("1", "Plan Upgraded")),
    ]
    assert replay.push(replay.write(records)).returncode == 0
    assert sent(replay) == [
        ("POST", "pro"),
        ("page", "/1"),
        ("track", "Plan Upgraded"),
        ("track", "Signed Up"),
        ("page", "/4"),
    ]


def test_the_update_of_an_end_user_comes_before_their_events_too(replay: Replay) -> None:
    replay.holds("1", ADA, plan="free")
    replay.push(replay.write([at(1, page("1", "/1")), at(2, says(plan="pro"))]))
    assert sent(replay) == [("PUT", "pro"), ("page", "/1")]


# Without folding.


STEPS = [
    at(1, page("1", "/1")),
    at(2, says(plan="free", city="Rome")),
    at(3, track("1")),
    at(4, says(plan="pro", city="Rome")),
    at(5, page("1", "/5")),
    at(6, says(plan="pro")),
    at(7, page("1", "/7")),
]


def test_no_fold_writes_record_by_record_in_time_order_and_then_sends_the_events(
    replay: Replay,
) -> None:
    done = replay.push("--no-fold", replay.write(STEPS[::-1]))
    assert done.returncode == 0, done.stderr
    assert sent(replay) == [
        ("POST", "free"),
        ("PUT", "pro"),
        ("page", "/1"),
        ("track", "Signed Up"),
        ("page", "/5"),
        ("page", "/7"),
    ]
    assert replay.users()["1"]["properties"] == {"plan": "pro", "city": "Rome"}


def test_no_fold_with_events_first_replays_record_by_record_in_time_order(replay: Replay) -> None:
    done = replay.push("--no-fold", "--events-first", replay.write(STEPS[::-1]))
    assert done.returncode == 0, done.stderr
    assert sent(replay) == [
        ("page", "/1"),
        ("POST", "free"),
        ("track", "Signed Up"),
        ("PUT", "pro"),
        ("page", "/5"),
        ("page", "/7"),
    ]
    assert replay.users()["1"]["properties"] == {"plan": "pro", "city": "Rome"}


def test_no_fold_updates_with_only_what_differs(replay: Replay) -> None:
    replay.push("--no-fold", replay.write(STEPS))
    (update,) = [each for each in replay.sandbox.requests if each["method"] == "PUT"]
    assert update["form"] == {"properties[plan]": "pro"}


def test_no_fold_shows_each_write_of_its_own(replay: Replay) -> None:
    diff = replay.diff("--no-fold", replay.write(STEPS))
    assert diff.writes == (1, 1)
    assert diff.user("create")["properties.plan"] == "free"
    assert diff.user("update") == {"properties.plan": "pro"}


def test_no_fold_spends_no_write_on_an_identify_that_changes_nothing(replay: Replay) -> None:
    replay.holds("1", ADA, plan="pro")
    records = [at(1, says(plan="pro")), at(2, says())]
    replay.push("--no-fold", replay.write(records))
    assert sent(replay) == []


def test_no_fold_writes_a_value_that_comes_back(replay: Replay) -> None:
    records = [at(1, says(plan="free")), at(2, says(plan="pro")), at(3, says(plan="free"))]
    replay.push("--no-fold", replay.write(records))
    assert sent(replay) == [("POST", "free"), ("PUT", "pro"), ("PUT", "free")]


@pytest.mark.parametrize("others", [[], [identify("9", "other@example.com")]])
def test_no_fold_keeps_the_order_of_one_time_where_one_has_the_email_of_a_later_one(
    replay: Replay, others: list[dict[str, Any]]
) -> None:
    """Without message ids their bytes tell the order, whether or not the journal knows anybody yet."""
    assert replay.sends(replay.write(others, "others.ndjson"))
    records = [identify("1", ADA), identify("1"), identify("2", ADA), identify("3", ADA)]
    assert replay.sends("--no-fold", replay.write(at(1, each) for each in records))
    (ada,) = [user for user in replay.users().values() if user["email"] == ADA]
    assert ada["external_id"] == "3"


def test_no_fold_carries_a_change_of_email_out_as_an_update(replay: Replay) -> None:
    records = [at(2, identify("1", "new@example.com")), at(1, identify("1", ADA))]
    replay.push("--no-fold", replay.write(records))
    (update,) = [each for each in replay.sandbox.requests if each["method"] == "PUT"]
    assert update["form"] == {"email": "new@example.com"}
    assert [user["email"] for user in replay.users().values()] == ["new@example.com"]


def test_folded_the_same_records_cost_one_write(replay: Replay) -> None:
    replay.push(replay.write(STEPS))
    assert [call for call in sent(replay) if call[0] in ("POST", "PUT")] == [("POST", "pro")]


def test_an_email_outranks_a_user_id_that_looks_like_one(replay: Replay) -> None:
    told = at(1, identify("a@example.com", "new@example.com"))
    export = replay.write([told, at(2, identify("a@example.com", plan="pro"))])
    assert replay.diff(export).user()["email"] == "new@example.com"


def test_created_and_created_at_are_two_traits_the_first_better(replay: Replay) -> None:
    first = at(1, says(created="2015-01-01"))
    export = replay.write([first, at(2, says(createdAt="2020-01-01"))])
    assert replay.diff(export).user()["external_created_at"] == 1_420_070_400


def test_null_takes_out_the_one_and_leaves_the_other(replay: Replay) -> None:
    first = at(1, says(createdAt="2015-01-01"))
    export = replay.write([first, at(2, says(created=None))])
    assert replay.diff(export).user()["external_created_at"] == 1_420_070_400


@pytest.mark.parametrize("unusable", ["rubbish", "0001-01-01", 0, True])
def test_a_date_that_can_be_none_leaves_one_that_was(replay: Replay, unusable: object) -> None:
    first = at(1, says(created="2015-01-01"))
    export = replay.write([first, at(2, says(created=unusable))])
    assert replay.diff(export).user()["external_created_at"] == 1_420_070_400


@pytest.mark.parametrize("unusable", ["123", "n/a", [1], True])
def test_a_phone_that_is_none_leaves_one_that_was(replay: Replay, unusable: object) -> None:
    export = replay.write([at(1, says(phone="+44 1111")), at(2, says(phone=unusable))])
    fields = replay.diff(export).user()
    assert fields["phone_number"] == "+44 1111"
    assert "properties.phone" not in fields
