"""Which records of an export a run takes: by time, type, event, user and number."""

from typing import Any

import orjson
import pytest
from replaying import Replay, alias, at, by_device, identify, page, track

ADA = "ada@example.com"
BYRON = "byron@example.com"


def visits(*times: str) -> list[dict[str, Any]]:
    """Page views whose path is their time, by somebody who needs no identify."""
    return [at(time, page(ADA, time)) for time in times]


def viewed(replay: Replay, *args: Any) -> list[str]:
    """The paths of the page views that a dry run takes."""
    return sorted(
        line["path"] for line in replay.diff(*args).lines if line.get("action") == "page_view"
    )


def checked(replay: Replay, *args: Any) -> dict[str, int]:
    """The events that a dry run checks, and how often."""
    return {
        line["event_name"]: line["count"]
        for line in replay.diff(*args).lines
        if line.get("action") == "eligibility_check"
    }


# By time.


NEAR_NOON = ("2024-01-02T11:59:59.999Z", "2024-01-02T12:00:00Z", "2024-01-02T12:00:00.001Z")


@pytest.mark.parametrize("noon", ["2024-01-02T12:00:00Z", "2024-01-02T14:00:00+02:00"])
def test_since_a_time_takes_that_very_time(replay: Replay, noon: str) -> None:
    assert viewed(replay, "--since", noon, replay.write(visits(*NEAR_NOON))) == [
        "2024-01-02T12:00:00.001Z",
        "2024-01-02T12:00:00Z",
    ]


@pytest.mark.parametrize("noon", ["2024-01-02T12:00:00Z", "2024-01-02T14:00:00+02:00"])
def test_until_a_time_leaves_that_very_time_out(replay: Replay, noon: str) -> None:
    assert viewed(replay, "--until", noon, replay.write(visits(*NEAR_NOON))) == [
        "2024-01-02T11:59:59.999Z"
    ]


DAYS = ("2024-01-01T23:59:59Z", "2024-01-02T00:00:00Z", "2024-01-02T23:59:59Z")
NEXT = "2024-01-03T00:00:00Z"


def test_since_a_date_takes_that_day_from_its_start(replay: Replay) -> None:
    export = replay.write(visits(*DAYS, NEXT))
    assert viewed(replay, "--since", "2024-01-02", export) == [*DAYS[1:], NEXT]


def test_until_a_date_takes_that_whole_day(replay: Replay) -> None:
    export = replay.write(visits(*DAYS, NEXT))
    assert viewed(replay, "--until", "2024-01-02", export) == list(DAYS)


def test_since_and_until_one_date_is_that_day(replay: Replay) -> None:
    export = replay.write(visits(*DAYS, NEXT))
    window = ("--since", "2024-01-02", "--until", "2024-01-02")
    assert viewed(replay, *window, export) == list(DAYS[1:])


@pytest.mark.parametrize("option", ["--since", "--until"])
def test_what_is_no_date_is_wrong_usage(replay: Replay, option: str) -> None:
    done = replay.run("dry-run", option, "soon", replay.write(visits(NEXT)))
    assert done.returncode == 2
    assert option in done.stderr


def test_what_is_not_chosen_is_skipped_as_filtered_out(replay: Replay) -> None:
    diff = replay.diff("--since", "2024-01-02", replay.write(visits(*DAYS, NEXT)))
    assert diff.summary["skipped"] == {"filtered_out": 1}
    assert (diff.summary["records"], diff.summary["mapped"]) == (4, 3)


# Who is who, in spite of the window.


def test_an_identify_outside_the_window_lends_its_email_to_events_inside(replay: Replay) -> None:
    records = [at(1, identify("1", ADA, plan="pro")), at(3, page("1", "/3")), at(3, track("1"))]
    export = replay.write(records)
    diff = replay.diff("--since", "2024-01-02", export)
    assert (diff.writes, diff.events) == ((0, 0), (1, 1))
    assert diff.summary["skipped"] == {"filtered_out": 1}
    replay.push("--since", "2024-01-02", export)
    assert [view.params["email"] for view in replay.sandbox.state.page_views] == [ADA]


def test_an_identify_after_the_window_lends_its_email_too(replay: Replay) -> None:
    export = replay.write([at(3, identify("1", ADA)), at(1, page("1", "/1"))])
    assert viewed(replay, "--until", "2024-01-02", export) == ["/1"]


def test_an_end_user_with_no_identify_inside_the_window_is_not_written(replay: Replay) -> None:
    replay.holds("2", BYRON, plan="free")
    records = [at(1, identify("1", ADA)), at(1, identify("2", BYRON, plan="pro")), at(3, page("1"))]
    replay.push("--since", "2024-01-02", replay.write(records))
    assert replay.users().keys() == {"2"}
    assert replay.users()["2"]["properties"] == {"plan": "free"}


def test_an_identify_outside_fills_in_the_email_and_none_of_its_other_traits(
    replay: Replay,
) -> None:
    outside = identify("1", ADA, plan="pro", phone="+44 1111", createdAt="2020-01-01")
    export = replay.write([at(1, outside), at(3, identify("1", seats="3"))])
    assert replay.diff("--since", "2024-01-02", export).user() == {
        "email": ADA,
        "external_id": "1",
        "properties.seats": "3",
    }


def test_an_identify_outside_fills_in_the_external_id(replay: Replay) -> None:
    inside = by_device("d", identify("", ADA, seats="3"))
    export = replay.write([at(1, identify("1", ADA, plan="pro")), at(3, inside)])
    assert replay.diff("--since", "2024-01-02", export).user() == {
        "email": ADA,
        "external_id": "1",
        "properties.seats": "3",
    }


def test_an_identify_outside_does_not_change_an_email_that_one_inside_has(replay: Replay) -> None:
    export = replay.write([at(1, identify("1", ADA)), at(3, identify("1", BYRON))])
    assert replay.diff("--until", "2024-01-02", export).user() == {
        "email": ADA,
        "external_id": "1",
    }


def test_a_null_outside_the_window_takes_nothing_out(replay: Replay) -> None:
    records = [at(1, identify("1", ADA, plan="pro")), at(3, identify("1", ADA, plan=None))]
    user = replay.diff("--until", "2024-01-02", replay.write(records)).user()
    assert user["properties.plan"] == "pro"


def test_an_alias_outside_the_window_still_ties(replay: Replay) -> None:
    records = [at(1, identify("old", ADA)), at(1, alias("old", "new")), at(3, page("new", "/3"))]
    assert viewed(replay, "--since", "2024-01-02", replay.write(records)) == ["/3"]


def test_a_message_taken_outside_the_window_is_not_taken_again_inside(replay: Replay) -> None:
    view = page(ADA) | {"messageId": "m"}
    diff = replay.diff("--since", "2024-01-02", replay.write([at(3, view), at(1, view)]))
    assert diff.events == (0, 0)
    assert diff.summary["skipped"] == {"filtered_out": 1, "duplicate": 1}


# By type.


KINDS = [identify("1", ADA), track("1"), page("1"), page("1")]


@pytest.mark.parametrize(
    ("types", "writes", "events", "left_out"),
    [
        (("identify",), 1, (0, 0), 3),
        (("track",), 0, (1, 0), 3),
        (("page",), 0, (0, 2), 2),
        (("track", "page"), 0, (1, 2), 1),
        (("identify", "page"), 1, (0, 2), 1),
    ],
)
def test_type_takes_the_types_it_names(
    replay: Replay, types: tuple[str, ...], writes: int, events: tuple[int, int], left_out: int
) -> None:
    chosen = [word for name in types for word in ("--type", name)]
    diff = replay.diff(*chosen, replay.write(KINDS))
    assert (diff.writes, diff.events) == ((writes, 0), events)
    assert diff.summary["skipped"] == {"filtered_out": left_out}


@pytest.mark.parametrize(
    "spelled",
    [
        '{"type":"track","userId":"1"}',
        '{"type" : "Track", "userId": "1"}',
        '{"type":"track","userId":"1","event":"Say \\"hi\\"","timestamp":"soon"}',
        '{"type":"track","userId":"1","event":"Left","integrations":{"All":false}}',
        '{"type":"track","userId":"1","event":"L\\u0065ft","messageId":"m1"}',
        '{"batch":[{"type":"track","userId":"1","messageId":"m1"}]}',
    ],
)
def test_what_type_leaves_out_is_passed_over_however_it_is_written(
    replay: Replay, spelled: str
) -> None:
    unknown = {"type": "purchase", "userId": "1"}
    identified = {**identify("1", ADA), "messageId": "m1"}
    export = replay.write([identified, alias("old", "1"), unknown])
    with export.open("a", encoding="utf-8") as file:
        file.write(f"{spelled}\n")
    done = replay.run("dry-run", "--format", "json", "--type", "identify", export)
    assert done.returncode == 1
    assert done.stderr.count("  unknown_type  1  ") == 1
    *writes, last = map(orjson.loads, done.stdout.splitlines())
    assert len(writes) == 1
    assert last["summary"]["records"] == 4
    assert last["summary"]["skipped"] == {"filtered_out": 1, "unsupported_type": 1}
    assert last["summary"]["rejected"] == {"unknown_type": 1}


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ('{"type":"identify","userId":"1","traits":{"plan":{"type":"page"}', "invalid_json"),
        ('{"type":"identify","userId":"1","traits":{"a":"}","type":"track"}', "invalid_json"),
        ('{"type":"track","userId":"1","event":"x","traits":{}', "invalid_json"),
        ('{"type":"trac\u212a","userId":"1","event":"x"}', "unknown_type"),
    ],
)
def test_type_passes_over_no_line_that_may_hold_something_else(
    replay: Replay, line: str, code: str
) -> None:
    export = replay.write([identify("1", ADA)])
    with export.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    done = replay.run("dry-run", "--format", "json", "--type", "identify", export)
    assert done.returncode == 1
    summed_up = orjson.loads(done.stdout.splitlines()[-1])["summary"]
    assert (summed_up["rejected"], summed_up["skipped"]) == ({code: 1}, {})


@pytest.mark.parametrize("name", ["alias", "screen", "nonsense"])
def test_type_takes_no_other_word(replay: Replay, name: str) -> None:
    assert replay.run("dry-run", "--type", name, replay.write(KINDS)).returncode == 2


# By event.


EVENTS = [
    identify("1", ADA),
    page("1", "/a"),
    *(
        track("1", event)
        for event in ("Order Completed", "Order Refunded", "Signed Up", "Reorder", "a[b]c", "abc")
    ),
]


@pytest.mark.parametrize(
    ("patterns", "taken"),
    [
        (("Order Completed",), {"Order Completed"}),
        (("Order",), set()),
        (("Order*",), {"Order Completed", "Order Refunded"}),
        (("*order",), {"Reorder"}),
        (("*d*",), {"Order Completed", "Order Refunded", "Signed Up", "Reorder"}),
        (("O*C*d",), {"Order Completed"}),
        (("Signed Up", "*Refunded"), {"Signed Up", "Order Refunded"}),
        (("a[b]c",), {"a[b]c"}),
        (("a?c",), set()),
        (("*",), {event["event"] for event in EVENTS[2:]}),
    ],
)
def test_event_takes_the_names_that_match_where_a_star_is_anything(
    replay: Replay, patterns: tuple[str, ...], taken: set[str]
) -> None:
    chosen = [word for pattern in patterns for word in ("--event", pattern)]
    assert checked(replay, *chosen, replay.write(EVENTS)) == dict.fromkeys(taken, 1)


def test_event_leaves_other_tracks_out_and_does_not_touch_identifies_and_pages(
    replay: Replay,
) -> None:
    diff = replay.diff("--event", "Order*", replay.write(EVENTS))
    assert (diff.writes, diff.events) == ((1, 0), (2, 1))
    assert diff.summary["skipped"] == {"filtered_out": 4}


# By user.


PEOPLE = [
    at(1, identify("1", ADA)),
    at(2, identify("1b", ADA)),
    at(3, identify("1", "countess@example.com")),
    at(4, page("1", "/1")),
    at(4, page("1b", "/1b")),
    at(4, identify("2", BYRON)),
    at(4, page("2", "/2")),
]


@pytest.mark.parametrize("name", ["1", "1b", ADA, "countess@example.com", " ADA@example.COM "])
def test_user_takes_an_end_user_by_any_of_their_user_ids_and_emails(
    replay: Replay, name: str
) -> None:
    diff = replay.diff("--user", name, replay.write(PEOPLE))
    assert diff.user()["email"] == "countess@example.com"
    assert diff.events == (0, 2)
    assert diff.summary["skipped"] == {"filtered_out": 2}


def test_user_may_be_repeated(replay: Replay) -> None:
    diff = replay.diff("--user", "1", "--user", BYRON, replay.write(PEOPLE))
    assert (diff.writes, diff.events) == ((2, 0), (0, 3))
    assert diff.summary["skipped"] == {}


def test_user_takes_ids_letter_for_letter(replay: Replay) -> None:
    export = replay.write([identify("u1", ADA), identify("U1", BYRON)])
    assert replay.diff("--user", "U1", export).user()["email"] == BYRON


def test_a_user_who_is_not_there_leaves_everything_out(replay: Replay) -> None:
    diff = replay.diff("--user", "nobody", replay.write(PEOPLE))
    assert (diff.writes, diff.events) == ((0, 0), (0, 0))
    assert diff.summary["skipped"] == {"filtered_out": len(PEOPLE)}


def test_user_does_not_change_who_is_who(replay: Replay) -> None:
    # Two have this phone, though only one of them is asked for.
    records = [
        identify("1", ADA, phone="+44 1111"),
        identify("2", BYRON, phone="+44 1111"),
        by_device("d", identify("", phone="+44 1111", plan="pro")),
    ]
    user = replay.diff("--user", "1", replay.write(records)).user()
    assert "properties.plan" not in user


# By number.


def test_limit_takes_the_first_records_in_time_order(replay: Replay) -> None:
    records = [at(3, page(ADA, "/3")), at(1, page(ADA, "/1")), at(2, page(ADA, "/2"))]
    export = replay.write(records)
    assert viewed(replay, "--limit", "2", export) == ["/1", "/2"]
    assert replay.diff("--limit", "2", export).summary["skipped"] == {"filtered_out": 1}


def test_limit_goes_by_time_across_files(replay: Replay) -> None:
    late = replay.write([at(2, page(ADA, "/2"))], "a.ndjson")
    early = replay.write([at(1, page(ADA, "/1"))], "b.ndjson")
    assert viewed(replay, "--limit", "1", late, early) == ["/1"]


def test_an_identify_past_the_limit_still_lends_its_email(replay: Replay) -> None:
    records = [at(3, identify("1", ADA)), at(1, page("1", "/1")), at(2, page("1", "/2"))]
    diff = replay.diff("--limit", "2", replay.write(records))
    assert (diff.writes, diff.events) == ((0, 0), (0, 2))


@pytest.mark.parametrize("number", [3, 4])
def test_a_limit_that_is_not_reached_leaves_nothing_out(replay: Replay, number: int) -> None:
    diff = replay.diff("--limit", str(number), replay.write(visits(*DAYS)))
    assert diff.summary["skipped"] == {}


# All together, and with a push.


WORLD = [
    at(1, identify("1", ADA, plan="free")),
    at(1, page("1", "/1")),
    at(2, identify("2", BYRON)),
    at(2, track("1")),
    at(2, track("2", "Order Completed")),
    at(3, identify("1", ADA, plan="pro")),
    at(3, track("2")),
    at(3, page("2", "/3")),
    at(4, page("1", "/4")),
]


def test_every_choice_must_let_a_record_through(replay: Replay) -> None:
    diff = replay.diff(
        "--since", "2024-01-02", "--until", "2024-01-03",
        "--type", "track", "--event", "S*", "--user", BYRON, replay.write(WORLD),
    )  # fmt: skip
    assert (diff.writes, diff.events) == ((0, 0), (1, 0))
    assert diff.summary["skipped"] == {"filtered_out": len(WORLD) - 1}


@pytest.mark.parametrize(
    ("choice", "users", "events"),
    [
        (("--since", "2024-01-02"), {"1", "2"}, (3, 2)),
        (("--until", "2024-01-01"), {"1"}, (0, 1)),
        (("--type", "identify"), {"1", "2"}, (0, 0)),
        (("--event", "Order*"), {"1", "2"}, (1, 3)),
        (("--user", BYRON), {"2"}, (2, 1)),
        (("--limit", "2"), {"1"}, (0, 1)),
    ],
)
def test_a_push_takes_what_a_dry_run_takes(
    replay: Replay, choice: tuple[str, ...], users: set[str], events: tuple[int, int]
) -> None:
    export = replay.write(WORLD)
    diff = replay.diff(*choice, export)
    assert (diff.writes, diff.events) == ((len(users), 0), events)
    done = replay.push(*choice, export)
    assert done.returncode == 0, done.stderr
    state = replay.sandbox.state
    assert replay.users().keys() == users
    assert (len(state.eligibility_checks), len(state.page_views)) == events
    assert f"filtered_out {diff.skipped('filtered_out')}" in done.stdout


def test_a_user_whom_no_record_names_is_named(replay: Replay) -> None:
    export = replay.write([identify("1", ADA)])
    for command in ("dry-run", "push"):
        done = replay.run(command, "--user", "nobody", "--user", "1", export)
        assert done.returncode == 0
        assert "--user nobody: no record names them" in done.stderr
        assert "--user 1" not in done.stderr


@pytest.mark.parametrize(
    "choice", [("--user", " "), ("--since", "2024-02-01", "--until", "2024-01-01")]
)
def test_a_choice_that_can_choose_nothing_is_wrong_usage(
    replay: Replay, choice: tuple[str, ...]
) -> None:
    assert replay.run("dry-run", *choice, replay.write([identify("1", ADA)])).returncode == 2


def test_a_pattern_takes_no_time_however_hostile_the_name(replay: Replay) -> None:
    # With a regular expression this would not end today.
    export = replay.write([track("1", "a" * 5000)])
    assert replay.diff("--event", "*a*a*a*a*a*b", export).skipped("filtered_out") == 1


@pytest.mark.parametrize("until", ["2024-01-03", "01/03/2024", "20240103", "2024-01"])
def test_a_day_of_until_is_taken_whole_in_any_form(replay: Replay, until: str) -> None:
    late = identify("1", ADA) | {"timestamp": "2024-01-03T23:59:59Z"}
    assert replay.diff("--until", until, replay.write([late])).writes == (1, 0)
