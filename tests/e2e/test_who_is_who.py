"""Which records are one end user's, and who stays unknown."""

from itertools import permutations
from typing import Any

import pytest
from replaying import Replay, alias, at, by_device, identify, page, track

ADA = "ada@example.com"
BYRON = "byron@example.com"
CLARA = "clara@example.com"


def named(number: int, record: dict[str, Any]) -> dict[str, Any]:
    """The record with Wootric's own id of its end user."""
    return {
        **record,
        "context": {"externalId": [{"type": "wootricEndUserId", "id": str(number)}]},
    }


def pages_by_path(replay: Replay) -> dict[str, str]:
    """The email that each page view went out with."""
    return {
        view.params["page_info[path]"]: view.params["email"]
        for view in replay.sandbox.state.page_views
    }


# An email for a track or page without one.


@pytest.mark.parametrize(
    ("day", "email"),
    [
        pytest.param(1, ADA, id="before all: the earliest after it"),
        pytest.param(2, ADA, id="at the first identify"),
        pytest.param(3, ADA, id="between: the latest before it"),
        pytest.param(4, BYRON, id="at the second identify"),
        pytest.param(5, BYRON, id="after all"),
    ],
)
def test_an_event_gets_the_email_of_the_latest_identify_at_or_before_it_else_the_earliest_after(
    replay: Replay, day: int, email: str
) -> None:
    records = [
        at(4, identify("1", BYRON)),
        at(day, page("1", "/a")),
        at(day, track("1")),
        at(2, identify("1", ADA)),
    ]
    assert replay.push(replay.write(records)).returncode == 0
    assert pages_by_path(replay) == {"/a": email}
    assert [each.params["email"] for each in replay.sandbox.state.eligibility_checks] == [email]


def test_an_identify_without_email_between_does_not_take_the_email_from_an_event(
    replay: Replay,
) -> None:
    records = [at(1, identify("1", ADA)), at(2, identify("1", plan="pro")), at(3, page("1", "/a"))]
    replay.push(replay.write(records))
    assert pages_by_path(replay) == {"/a": ADA}


def test_an_email_in_the_event_itself_goes_before_its_users(replay: Replay) -> None:
    view = page("1", "/a") | {"context": {"traits": {"email": BYRON}}}
    replay.push(replay.write([at(1, identify("1", ADA)), at(2, view)]))
    assert pages_by_path(replay) == {"/a": BYRON}


def test_the_run_goes_before_the_account_where_both_know_an_email(replay: Replay) -> None:
    replay.holds("1", "held@example.com")
    replay.push(replay.write([at(2, identify("1", ADA)), at(1, page("1", "/a"))]))
    assert pages_by_path(replay) == {"/a": ADA}


def test_an_event_of_a_user_whom_only_the_account_knows_gets_the_accounts_email(
    replay: Replay,
) -> None:
    replay.holds("1", ADA)
    replay.push(replay.write([page("1", "/a")]))
    assert pages_by_path(replay) == {"/a": ADA}


def test_an_event_of_a_user_whom_only_the_snapshot_knows_gets_the_snapshots_email(
    replay: Replay,
) -> None:
    replay.holds("1", ADA)
    snapshot = replay.snapshot()
    asked = len(replay.paths())
    export = replay.write([page("1", "/a"), track("1"), page("2", "/b")])
    diff = replay.diff("--against", snapshot, export)
    assert (diff.events, diff.skipped("unidentified")) == ((1, 1), 1)
    assert len(replay.paths()) == asked
    replay.push("--against", snapshot, export)
    assert pages_by_path(replay) == {"/a": ADA}


def test_an_event_of_a_user_whom_only_the_account_knows_is_unidentified_against_nothing(
    replay: Replay,
) -> None:
    replay.holds("1", ADA)
    diff = replay.diff(replay.write([page("1")]))
    assert (diff.events, diff.skipped("unidentified")) == ((0, 0), 1)


# Two userIds, one email.


def test_two_user_ids_with_one_email_are_one_end_user_under_the_later_id(replay: Replay) -> None:
    records = [at(2, identify("later", ADA, plan="pro")), at(1, identify("early", ADA, seats="5"))]
    diff = replay.diff(replay.write(records))
    assert diff.user() == {
        "email": ADA,
        "external_id": "later",
        "properties.plan": "pro",
        "properties.seats": "5",
    }


def test_two_user_ids_with_one_email_are_warned_of_by_name(replay: Replay) -> None:
    export = replay.write([at(2, identify("later", ADA)), at(1, identify("early", ADA))])
    lines = replay.run("dry-run", export).stdout.splitlines()
    assert any("shared_email" in line for line in lines)
    assert any("early" in line and "later" in line for line in lines)


def test_one_user_id_with_one_email_is_not_warned_of(replay: Replay) -> None:
    export = replay.write([at(1, identify("1", ADA)), at(2, identify("1", ADA, plan="pro"))])
    assert "shared_email" not in replay.run("dry-run", export).stdout


def test_events_under_either_of_two_user_ids_get_the_email_they_share(replay: Replay) -> None:
    records = [
        at(1, identify("1", ADA)),
        at(2, identify("2", ADA)),
        at(3, page("1", "/1")),
        at(3, page("2", "/2")),
    ]
    replay.push(replay.write(records))
    assert pages_by_path(replay) == {"/1": ADA, "/2": ADA}
    assert set(replay.users()) == {"2"}


def test_ties_reach_on_from_one_to_the_next(replay: Replay) -> None:
    # 1 and 2 share one email, which 2 then changes; 3 is who 2 became.
    records = [
        at(1, identify("1", ADA)),
        at(2, identify("2", ADA)),
        at(3, identify("2", BYRON)),
        at(4, identify("3", plan="pro")),
        alias("2", "3"),
    ]
    for order in permutations(records):
        diff = replay.diff(replay.write(order))
        assert diff.user() == {"email": BYRON, "external_id": "3", "properties.plan": "pro"}


def test_two_people_stay_two(replay: Replay) -> None:
    diff = replay.diff(replay.write([identify("1", ADA), identify("2", BYRON)]))
    assert {user["email"] for user in diff.users("create")} == {ADA, BYRON}


# One userId, several emails.


def test_a_user_whose_email_changes_is_one_end_user_with_the_last_email(replay: Replay) -> None:
    records = [at(3, identify("1", CLARA)), at(1, identify("1", ADA)), at(2, identify("1", BYRON))]
    assert replay.diff(replay.write(records)).user() == {"email": CLARA, "external_id": "1"}


def test_an_old_email_still_names_its_end_user(replay: Replay) -> None:
    old = by_device("d", identify("", ADA, plan="pro"))
    records = [at(1, identify("1", ADA)), at(2, old), at(3, identify("1", BYRON))]
    assert replay.diff(replay.write(records)).user() == {
        "email": BYRON,
        "external_id": "1",
        "properties.plan": "pro",
    }


# How an email is spelled.


@pytest.mark.parametrize("spelling", ["ADA@Example.com", " ada@example.com", "ada@example.com\t\n"])
def test_emails_are_compared_trimmed_and_whatever_their_case(replay: Replay, spelling: str) -> None:
    records = [at(1, identify("1", spelling)), at(2, identify("2", ADA))]
    assert replay.diff(replay.write(records)).user() == {"email": ADA, "external_id": "2"}


def test_the_last_spelling_of_an_email_is_the_one_sent(replay: Replay) -> None:
    records = [at(2, identify("1", "Ada@Example.com")), at(1, identify("1", "ADA@EXAMPLE.COM"))]
    assert replay.diff(replay.write(records)).user()["email"] == "Ada@Example.com"


def test_a_user_id_that_looks_like_an_email_is_its_users_email(replay: Replay) -> None:
    records = [at(1, identify("Ada@example.com", plan="pro")), at(2, identify("1", ADA))]
    assert replay.diff(replay.write(records)).user() == {
        "email": ADA,
        "external_id": "1",
        "properties.plan": "pro",
    }


# Aliases.


@pytest.mark.parametrize("day", [1, 2, 3], ids=["first", "between", "last"])
def test_an_alias_ties_the_previous_user_id_to_the_new_one_whenever_it_came(
    replay: Replay, day: int
) -> None:
    records = [
        at(day, alias("old", "new")),
        at(1, identify("old", ADA, plan="pro")),
        at(2, identify("new", BYRON)),
        at(3, page("old", "/old")),
        at(3, page("new", "/new")),
    ]
    replay.push(replay.write(records))
    assert set(replay.users()) == {"new"}
    assert replay.users()["new"]["email"] == BYRON
    assert replay.users()["new"]["properties"] == {"plan": "pro"}
    assert pages_by_path(replay) == {"/old": BYRON, "/new": BYRON}


def test_an_alias_lends_the_old_users_email_to_events_under_the_new_id(replay: Replay) -> None:
    replay.push(replay.write([identify("old", ADA), alias("old", "new"), page("new", "/a")]))
    assert pages_by_path(replay) == {"/a": ADA}


def test_an_alias_ties_an_anonymous_id_too(replay: Replay) -> None:
    records = [by_device("d", page("", "/before")), alias("d", "1"), identify("1", ADA)]
    replay.push(replay.write(records))
    assert pages_by_path(replay) == {"/before": ADA}


def test_without_an_alias_the_two_ids_are_two_end_users(replay: Replay) -> None:
    diff = replay.diff(replay.write([identify("old", ADA), identify("new", BYRON)]))
    assert diff.writes == (2, 0)


def test_an_alias_is_still_skipped_as_unsupported(replay: Replay) -> None:
    diff = replay.diff(replay.write([identify("old", ADA), alias("old", "new")]))
    assert diff.summary["skipped"] == {"unsupported_type": 1}
    assert diff.summary["mapped"] == 1


# Anonymous ids, if asked.


VISIT = [
    at(1, by_device("d", page("", "/before"))),
    at(2, {**identify("1", ADA), "anonymousId": "d"}),
    at(3, by_device("d", page("", "/after"))),
]


def test_an_anonymous_id_ties_nothing_unless_asked(replay: Replay) -> None:
    diff = replay.diff(replay.write(VISIT))
    assert (diff.events, diff.skipped("unidentified")) == ((0, 0), 2)


def test_link_anonymous_ties_an_anonymous_id_to_the_one_user_id_it_was_seen_with(
    replay: Replay,
) -> None:
    replay.push("--link-anonymous", replay.write(VISIT))
    assert pages_by_path(replay) == {"/before": ADA, "/after": ADA}


def test_link_anonymous_ties_identifies_of_the_device_too(replay: Replay) -> None:
    records = [
        at(1, by_device("d", identify("", plan="pro"))),
        at(2, {**identify("1", ADA), "anonymousId": "d"}),
    ]
    assert replay.diff("--link-anonymous", replay.write(records)).user() == {
        "email": ADA,
        "external_id": "1",
        "properties.plan": "pro",
    }


def test_link_anonymous_takes_a_track_or_page_for_having_seen_them_together(
    replay: Replay,
) -> None:
    records = [
        identify("1", ADA),
        {**track("1"), "anonymousId": "d"},
        by_device("d", page("", "/d")),
        identify("2", BYRON),
        {**page("2", "/2"), "anonymousId": "e"},
        by_device("e", page("", "/e")),
    ]
    replay.push("--link-anonymous", replay.write(records))
    assert pages_by_path(replay) == {"/d": ADA, "/2": BYRON, "/e": BYRON}


SHARED_DEVICE = [
    {**identify("1", ADA), "anonymousId": "d"},
    {**identify("2", BYRON), "anonymousId": "d"},
    by_device("d", page("", "/whose")),
]


def test_link_anonymous_leaves_a_device_of_several_users_alone_and_counts_it(
    replay: Replay,
) -> None:
    diff = replay.diff("--link-anonymous", replay.write(SHARED_DEVICE))
    assert diff.writes == (2, 0)
    assert (diff.events, diff.skipped("unidentified")) == ((0, 0), 1)
    assert diff.summary["ambiguous_anonymous_ids"] == 1


def test_link_anonymous_leaves_a_device_alone_even_if_the_second_user_comes_last(
    replay: Replay,
) -> None:
    first, second, view = SHARED_DEVICE
    diff = replay.diff("--link-anonymous", replay.write([at(1, first), at(2, view), at(3, second)]))
    assert (diff.events, diff.skipped("unidentified")) == ((0, 0), 1)


def test_each_ambiguous_anonymous_id_counts_once(replay: Replay) -> None:
    records = [
        {**page(user), "anonymousId": device} for user in ("1", "2", "3") for device in ("d", "e")
    ]
    fine = {**page("1"), "anonymousId": "f"}
    diff = replay.diff("--link-anonymous", replay.write([*records, *records, fine]))
    assert diff.summary["ambiguous_anonymous_ids"] == 2


# Phones.


def test_a_record_with_a_phone_alone_goes_to_the_one_end_user_with_that_phone(
    replay: Replay,
) -> None:
    by_phone = by_device("d", identify("", phone="+44 1111", plan="pro"))
    for records in permutations([identify("1", ADA, phone="+44 1111"), by_phone]):
        assert replay.diff(replay.write(records)).user() == {
            "email": ADA,
            "external_id": "1",
            "phone_number": "+44 1111",
            "properties.plan": "pro",
        }


def test_a_record_with_a_phone_that_several_have_is_unidentified(replay: Replay) -> None:
    by_phone = by_device("d", identify("", phone="+44 1111", plan="pro"))
    users = [identify("1", ADA, phone="+44 1111"), identify("2", BYRON, phone="+44 1111")]
    for records in permutations([*users, by_phone]):
        diff = replay.diff(replay.write(records))
        assert diff.writes == (2, 0)
        assert diff.summary["skipped"] == {"unidentified": 1}
        assert all("properties.plan" not in user for user in diff.users("create"))


def test_a_phone_that_several_in_the_run_have_is_not_settled_by_the_account(
    replay: Replay,
) -> None:
    replay.holds("1", ADA, phone_number="+44 1111")
    replay.holds("2", BYRON, phone_number="+44 1111")
    users = [identify("1", ADA, phone="+44 1111"), identify("2", BYRON, phone="+44 1111")]
    by_phone = by_device("d", identify("", phone="+44 1111", plan="pro"))
    diff = replay.diff("--against", "account", replay.write([*users, by_phone]))
    assert diff.writes == (0, 0)
    assert diff.skipped("unidentified") == 1


def test_a_phone_that_several_in_the_run_have_finds_nobody_in_the_account(replay: Replay) -> None:
    by_email = by_device("d", identify("", ADA, phone="+44 1111"))
    users = [
        identify("1", plan="pro", phone="+44 1111"),
        by_email,
        identify("2", BYRON, phone="+44 1111"),
    ]
    for records in permutations(users):
        replay.sandbox.state.reset()
        export = replay.write([{**each, "messageId": f"{n}"} for n, each in enumerate(records)])
        done = replay.push(
            "--journal", replay.folder / "journal", "--again", "--workers", "1", export
        )
        assert done.returncode == 0, done.stderr
        assert {who: user["email"] for who, user in replay.users().items()} == {
            "1": None,
            ADA: ADA,
            "2": BYRON,
        }
        (replay.folder / "journal").unlink()


def test_two_user_ids_with_one_phone_stay_two_end_users(replay: Replay) -> None:
    users = [identify("1", ADA, phone="+44 1111"), identify("2", BYRON, phone="+44 1111")]
    diff = replay.diff(replay.write(users))
    assert {user["external_id"]: user["email"] for user in diff.users("create")} == {
        "1": ADA,
        "2": BYRON,
    }


def test_two_emails_with_one_phone_stay_two_end_users(replay: Replay) -> None:
    users = [by_device(email, identify("", email, phone="+44 1111")) for email in (ADA, BYRON)]
    diff = replay.diff(replay.write(users))
    assert sorted(user["email"] for user in diff.users("create")) == [ADA, BYRON]


def test_a_phone_ties_a_user_id_and_an_email_where_nothing_contradicts(replay: Replay) -> None:
    by_email = by_device("d", identify("", ADA, phone="+44 1111"))
    for records in permutations([identify("1", plan="pro", phone="+44 1111"), by_email]):
        assert replay.diff(replay.write(records)).user() == {
            "email": ADA,
            "external_id": "1",
            "phone_number": "+44 1111",
            "properties.plan": "pro",
        }


def test_somebody_known_by_phone_alone_is_one_end_user(replay: Replay) -> None:
    records = [
        at(1, by_device("d", identify("", phone="+44 1111", plan="free"))),
        at(2, by_device("e", identify("", phone="+44 1111", plan="pro"))),
    ]
    assert replay.diff(replay.write(records)).user() == {
        "phone_number": "+44 1111",
        "properties.plan": "pro",
    }


# Wootric's own id.


def test_wootrics_own_id_ties_records(replay: Replay) -> None:
    replay.holds("1", ADA)
    records = [
        at(1, named(1, identify("7", BYRON))),
        at(2, named(1, by_device("d", identify("", plan="pro")))),
        at(3, named(1, by_device("d", page("", "/a")))),
    ]
    replay.push(replay.write(records))
    (user,) = replay.users().values()
    assert (user["id"], user["email"], user["properties"]) == (1, BYRON, {"plan": "pro"})
    assert pages_by_path(replay) == {"/a": BYRON}


# Whoever cannot be tied.


STRANGERS = [
    identify("1", plan="pro"),
    track("2"),
    by_device("d", page("")),
    identify("3", ADA, phone="+44 1111"),
    identify("4", BYRON, phone="+44 1111"),
    by_device("e", identify("", phone="+44 1111")),
]


def test_whoever_cannot_be_tied_is_skipped_as_unidentified(replay: Replay) -> None:
    diff = replay.diff(replay.write(STRANGERS))
    assert diff.summary["skipped"] == {"unidentified": 4}
    assert (diff.summary["records"], diff.summary["mapped"]) == (6, 2)
    assert (diff.writes, diff.events) == ((2, 0), (0, 0))


def test_the_reasons_for_unidentified_add_up(replay: Replay) -> None:
    reasons = replay.diff(replay.write(STRANGERS)).summary["unidentified"]
    assert sum(reasons.values()) == 4
    # A phone that several have is another reason than no email at all.
    assert len(reasons) > 1


def test_nobody_unidentified_gives_no_reason(replay: Replay) -> None:
    summary = replay.diff(replay.write([identify("1", ADA), page("1")])).summary
    assert not summary["unidentified"]
    assert "unidentified" not in summary["skipped"]


def test_the_text_of_a_dry_run_counts_the_unidentified(replay: Replay) -> None:
    assert "unidentified 4" in replay.run("dry-run", replay.write(STRANGERS)).stdout


def test_a_push_skips_the_same_and_sends_nothing_for_them(replay: Replay) -> None:
    done = replay.push(replay.write(STRANGERS))
    assert "unidentified 4" in done.stdout
    assert set(replay.users()) == {"3", "4"}
    assert pages_by_path(replay) == {}
    assert replay.rejects() == []


# Ids that several people carry, told only by several runs together.


def test_an_agent_who_is_with_another_customer_each_night_makes_one_of_nobody(
    replay: Replay,
) -> None:
    """Each night's file alone shows the agent's id with one email."""
    nights = [
        [at(1, identify("c-1", ADA, plan="a")), at(1, identify("c-2", BYRON, plan="b"))],
        [at(2, identify("agent", ADA))],
        [at(3, identify("agent", BYRON)), at(3, track("agent"))],
        [at(4, identify("agent", ADA, team="x"))],
    ]
    for night in nights:
        assert replay.push(replay.write(night)).returncode == 0
    users = {user["email"]: user for user in replay.users().values()}
    assert sorted(users) == [ADA, BYRON]
    assert users[BYRON]["external_id"] == "c-2"
    assert users[BYRON]["properties"] == {"plan": "b"}
    assert users[ADA]["properties"] == {"plan": "a", "team": "x"}
    assert not replay.sandbox.state.eligibility_checks


def held(replay: Replay) -> dict[Any, tuple[Any, Any]]:
    """By each email the external id and the properties."""
    users = [each.to_json() for each in replay.sandbox.state.end_users]
    return {user["email"]: (user["external_id"], user["properties"]) for user in users}


def push_each_night(
    replay: Replay, nights: list[list[dict[str, Any]]], options: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Push an archive that grows by each night, and whole once more; gives all of it."""
    archive: list[dict[str, Any]] = []
    for night in [*nights, []]:
        archive += night
        assert replay.push(replay.write(archive), *options).returncode == 0
    return archive


HELP, OWN, OTHER = "help@example.com", "own@example.com", "other@example.com"
AGENT_NIGHTS = [
    [at(1, identify("c-1", ADA, plan="a")), at(1, identify("c-2", BYRON, plan="b"))],
    [at(2, identify("agent", ADA, note="x"))],
    [at(3, identify("agent", BYRON, note="y"))],
]
HELP_NIGHTS = [
    [at(1, identify("m-1", OWN, own="1")), at(1, identify("m-2", OTHER, own="2"))],
    [at(2, identify("m-1", HELP, ticket="1"))],
    [at(3, identify("m-2", HELP, ticket="2"))],
]


@pytest.mark.parametrize(
    "options", [(), ("--against", "nothing"), ("--no-fold",), ("--again",)], ids=" ".join
)
def test_a_growing_archive_gives_an_agents_customers_their_own_ids_back(
    replay: Replay, options: tuple[str, ...]
) -> None:
    push_each_night(replay, AGENT_NIGHTS, options)
    assert held(replay) == {
        ADA: ("c-1", {"plan": "a", "note": "x"}),
        BYRON: ("c-2", {"plan": "b", "note": "y"}),
    }


@pytest.mark.parametrize("options", [(), ("--no-fold",), ("--again",)], ids=" ".join)
def test_a_help_desks_members_are_there_with_their_own_emails(
    replay: Replay, options: tuple[str, ...]
) -> None:
    """The second night alone cannot tell that it is no new address of the first member's."""
    archive = push_each_night(replay, HELP_NIGHTS, options)
    users = held(replay)
    assert sorted(users) == [HELP, OTHER, OWN]
    assert users[OTHER] == ("m-2", {"own": "2"})
    assert users[OWN][1] == {"own": "1"}
    assert users[HELP][1]["ticket"] == "2"
    before = replay.paths("PUT") + replay.paths("POST").count("/v1/end_users") * [""]
    assert replay.push(replay.write(archive), *options).returncode == 0
    assert replay.paths("PUT") + replay.paths("POST").count("/v1/end_users") * [""] == before


@pytest.mark.parametrize("days", [(1, 2), (2, 1)])
@pytest.mark.parametrize("against", ["account", "nothing", "snapshot", "plan"])
def test_whoever_the_account_holds_under_a_help_desks_email_is_the_help_desk(
    replay: Replay, against: str, days: tuple[int, int]
) -> None:
    replay.holds("m-1", HELP)
    own, shared = days
    export = replay.write(
        [
            at(own, identify("m-1", OWN, own="1")),
            at(own, identify("m-2", OTHER, own="2")),
            at(shared, identify("m-1", HELP, ticket="1") | {"messageId": "1"}),
            at(shared, identify("m-2", HELP, ticket="2") | {"messageId": "2"}),
        ]
    )
    if against == "plan":
        pushed = replay.push("--plan", replay.plan("--against", "account", export))
    else:
        to = replay.snapshot() if against == "snapshot" else against
        pushed = replay.push("--against", to, export)
    if against == "nothing":  # then a help desk that is there already is no longer created
        assert pushed.returncode in (0, 1)
    else:
        assert pushed.returncode == 0, pushed.stderr
    assert held(replay) == {
        HELP: ("m-1", {"ticket": "2"}),
        OWN: (None, {"own": "1"}),
        OTHER: ("m-2", {"own": "2"}),
    }


def test_what_was_once_a_members_email_brings_nobody_their_help_desks_tickets(
    replay: Replay,
) -> None:
    nights = [
        [at(2, identify("m-2", HELP, ticket="2")), at(3, identify("m-1", OWN))],
        [at(3, identify("m-2", OTHER))],
        [at(1, identify("m-1", HELP, note="of a ticket"))],
    ]
    for night in nights:
        assert replay.push(replay.write(night)).returncode == 0
    users = held(replay)
    assert users[HELP] == (None, {"note": "of a ticket"})
    assert "note" not in users[OWN][1] | users[OTHER][1]


def test_a_saved_plan_that_knew_no_agent_makes_nobody_the_agent(replay: Replay) -> None:
    for night in AGENT_NIGHTS:
        replay.push(replay.write(night))
    before = held(replay)
    for email in ("c3@example.com", "c4@example.com"):
        export = replay.write([at(5, identify("agent", email, note="z"))])
        done = replay.push("--plan", replay.plan("--against", "account", export))
        assert done.returncode == 1
        assert "ambiguous_id" in done.stderr
    assert held(replay) == before
    export = replay.write([at(5, identify("agent", "c3@example.com", note="z"))])
    assert replay.push(export).returncode == 0
    assert held(replay)["c3@example.com"] == (None, {"note": "z"})
