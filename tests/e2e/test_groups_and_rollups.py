"""What groups and the history of events give end users, in dry runs, saved plans and pushes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from replaying import Replay, at, empty_account, identify, track
from starlette.responses import JSONResponse

from wootric_map.sandbox import (
    Fault,
    RunningSandbox,
    SandboxRequest,
    SandboxSettings,
    run_sandbox,
)

Records = Sequence[Mapping[str, Any]]

GROUPS = ("--group-traits", "company")
ROLLUPS = tuple(
    each
    for told in (
        "count=orders_amount",
        "first=first_order_date",
        "last=last_order_date",
        "sum.revenue=revenue_amount",
        "min.revenue=least_amount",
        "max.revenue=most_amount",
        "max.due=due_date",
        "latest.plan=last_plan",
    )
    for each in ("--rollup", f"Order Completed:{told}")
)
BOTH = (*GROUPS, *ROLLUPS)


def group(user_id: str, group_id: str, **traits: Any) -> dict[str, Any]:
    return {"type": "group", "userId": user_id, "groupId": group_id, "traits": traits}


def order(user_id: str, **properties: Any) -> dict[str, Any]:
    return track(user_id, "Order Completed", properties=properties)


def day(number: int) -> str:
    return str(1704067200 + 86400 * (number - 1))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with run_sandbox() as running:
        yield running


def properties(replay: Replay) -> dict[str, dict[str, Any]]:
    """The properties of each end user of the account, by external id."""
    return {user_id: user["properties"] for user_id, user in replay.users().items()}


def assert_sends_nothing(replay: Replay, *args: str | Path) -> None:
    sent = len(replay.paths("POST")), len(replay.paths("PUT"))
    done = replay.push("--quiet", *args)
    assert done.returncode == 0, done.stdout + done.stderr
    signed_in = sum("oauth" in path for path in replay.paths("POST")[sent[0] :])
    assert (len(replay.paths("POST")) - signed_in, len(replay.paths("PUT"))) == sent


WHOLE = [
    at(1, identify("1", "a@b.co", plan="pro")),
    at(2, group("1", "g", name="Acme", plan="free", password="x", address={"city": "Rome"})),
    at(3, group("2", "g", plan="team", employees=5)),
    at(1, identify("2", "b@b.co")),
    at(3, order("1", revenue=12.25, plan="a", due="2024-05-06")),
    at(5, order("1", revenue="13.25", plan="b")),
    at(4, order("1", revenue=-2, plan="c")),
]
OF_GROUP = {"company_name": "Acme", "company_plan": "team", "company_employees": "5"}
OF_GROUP |= {"company_address_city": "Rome"}
ROLLED = {
    "orders_amount": "3", "first_order_date": day(3), "last_order_date": day(5), "revenue_amount": "24",
    "least_amount": "-2", "most_amount": "13", "due_date": day(127), "last_plan": "b",
}  # fmt: skip


@pytest.mark.parametrize("folding", [(), ("--no-fold",)])
def test_a_push_sends_both_in_the_write_of_the_identifies_and_then_nothing(
    replay: Replay, folding: tuple[str, ...]
) -> None:
    export = replay.write(WHOLE)
    done = replay.push(*BOTH, *folding, "--quiet", export)
    assert done.returncode == 0, done.stdout + done.stderr
    assert properties(replay) == {"1": {"plan": "pro", **OF_GROUP, **ROLLED}, "2": OF_GROUP}
    if not folding:
        assert not replay.paths("PUT")
    assert_sends_nothing(replay, *BOTH, *folding, export)


def test_a_dry_run_shows_where_each_comes_from(replay: Replay) -> None:
    diff = replay.diff(*BOTH, replay.write(WHOLE))
    fields = {each["field"]: each for each in diff.lines[0]["fields"]}
    assert fields["properties.company_name"]["source"] == "group traits.name"
    assert fields["properties.company_address_city"]["source"] == "group traits.address.city"
    assert fields["properties.orders_amount"]["source"] == "Order Completed: count"
    assert fields["properties.revenue_amount"]["source"] == "Order Completed: sum of revenue"
    assert "properties.company_password" not in fields
    assert diff.summary["warnings"]["secret_left_out"] == 1
    assert diff.summary["mapped"] == len(WHOLE)


def test_a_saved_plan_sends_them_and_then_there_is_nothing_to_do(replay: Replay) -> None:
    export = replay.write(WHOLE)
    plan = replay.plan(*BOTH, export)
    assert replay.sends("--plan", plan)
    assert properties(replay) == {"1": {"plan": "pro", **OF_GROUP, **ROLLED}, "2": OF_GROUP}
    assert_sends_nothing(replay, "--plan", plan)
    assert_sends_nothing(replay, *BOTH, export)
    diff = replay.diff(*BOTH, "--against", replay.snapshot("after"), export)
    assert diff.writes == (0, 0)


@pytest.mark.parametrize("nth", range(1, len(WHOLE)))
def test_parts_of_which_one_is_a_saved_plan_count_on(replay: Replay, nth: int) -> None:
    first, rest = WHOLE[:nth], WHOLE[nth:]
    assert replay.sends("--plan", replay.plan(*BOTH, replay.write(first, "first")))
    assert replay.sends(*BOTH, replay.write(rest, "rest"))
    assert properties(replay) == {"1": {"plan": "pro", **OF_GROUP, **ROLLED}, "2": OF_GROUP}
    assert_sends_nothing(replay, *BOTH, replay.write(WHOLE))


def test_a_saved_plan_of_what_the_next_push_would_do_counts_on(replay: Replay) -> None:
    first, rest = WHOLE[:5], WHOLE[5:]
    assert replay.sends(*BOTH, replay.write(first, "first"))
    assert replay.sends("--plan", replay.plan("--next", *BOTH, replay.write(rest, "rest")))
    assert properties(replay) == {"1": {"plan": "pro", **OF_GROUP, **ROLLED}, "2": OF_GROUP}
    assert_sends_nothing(replay, *BOTH, replay.write(WHOLE))


def test_without_the_options_nothing_comes_of_groups_and_history(replay: Replay) -> None:
    diff = replay.diff(replay.write(WHOLE))
    assert diff.skipped("unsupported_type") == 2
    assert not any("company" in name for user in diff.users("create") for name in user)


@pytest.mark.parametrize("nth", range(1, len(WHOLE)))
def test_parts_in_any_order_leave_the_account_as_the_whole_does(replay: Replay, nth: int) -> None:
    for parts in ((WHOLE[:nth], WHOLE[nth:]), (WHOLE[nth:], WHOLE[:nth])):
        replay.sandbox.state.reset()
        replay.run("journal", "forget", "--yes")
        for number, records in enumerate(parts):
            assert replay.sends(*BOTH, replay.write(records, f"part-{number}.ndjson"))
        # Who was identified in the second part alone got the events of the first with it.
        assert properties(replay) == {"1": {"plan": "pro", **OF_GROUP, **ROLLED}, "2": OF_GROUP}
        assert_sends_nothing(replay, *BOTH, replay.write(WHOLE))


def test_traits_that_come_later_reach_a_member_of_an_earlier_run(replay: Replay) -> None:
    first = [at(1, identify("1", "a@b.co")), at(2, group("1", "g", name="Acme"))]
    assert replay.sends(*GROUPS, replay.write(first, "first"))
    assert replay.sends(*GROUPS, replay.write([at(3, group("7", "g", plan="team"))], "later"))
    assert properties(replay) == {"1": {"company_name": "Acme", "company_plan": "team"}}
    assert_sends_nothing(replay, *GROUPS, replay.folder / "later")


def test_who_has_left_a_group_gets_nothing_more_of_it(replay: Replay) -> None:
    first = [
        at(1, identify("1", "a@b.co")),
        at(4, group("1", "new", name="New")),
        at(2, group("1", "old", name="Old")),
    ]
    assert replay.sends(*GROUPS, replay.write(first, "first"))
    assert replay.sends(*GROUPS, replay.write([at(5, group("2", "old", plan="x"))], "later"))
    assert properties(replay) == {"1": {"company_name": "New"}}


def test_an_own_trait_of_the_name_counts_whenever_it_comes(replay: Replay) -> None:
    own = [at(1, identify("1", "a@b.co", company={"name": "Own"}, orders_amount=7))]
    others = [at(2, group("1", "g", name="Acme", plan="team")), at(3, order("1", revenue=1))]
    expected = {"company_name": "Own", "company_plan": "team", "orders_amount": "7"}
    for parts in ([own + others], [own, others], [others, own], [own, others, own, others]):
        replay.sandbox.state.reset()
        replay.run("journal", "forget", "--yes")
        for nth, part in enumerate(parts):
            assert replay.sends(*BOTH, replay.write(part, f"part-{nth}"))
        held = properties(replay)["1"]
        assert {name: held.get(name) for name in expected} == expected, parts


def test_an_opted_out_call_and_a_suppressed_user_tell_nothing(replay: Replay) -> None:
    records = [
        at(1, identify("1", "a@b.co")),
        at(2, group("1", "g", name="Acme")),
        at(3, group("1", "h", name="Other")) | {"integrations": {"Wootric": False}},
        at(3, group("2", "g", name="Secret")),
        at(2, identify("2", "b@b.co")),
        at(2, order("2")),
    ]
    listed = replay.folder / "listed"
    listed.write_text("b@b.co\n")
    export = replay.write(records)
    assert replay.sends(*BOTH, "--suppress", listed, export)
    assert properties(replay) == {"1": {"company_name": "Acme"}}


def test_a_group_record_names_somebody_suppressed_by_the_traits_of_its_context(
    replay: Replay,
) -> None:
    records = [
        at(1, identify("1", "a@b.co")),
        at(2, group("1", "g", name="Acme")),
        # Their email stands nowhere else; what this userId is in, nobody may know.
        at(3, group("9", "g", plan="x")) | {"context": {"traits": {"email": "Z@b.co"}}},
        at(4, group("9", "g", seats="5")),
    ]
    listed = replay.folder / "listed"
    listed.write_text("z@b.co\n")
    replay.holds("9", None)
    diff = replay.diff(*GROUPS, "--suppress", listed, replay.write(records))
    assert diff.skipped("suppressed") == 2
    assert replay.sends(*GROUPS, "--suppress", listed, replay.write(records))
    assert properties(replay) == {"1": {"company_name": "Acme"}, "9": {}}


@pytest.mark.parametrize("entry", ["2", "B@b.co", "former@b.co", "+44 1111"])
def test_of_a_saved_plan_nobody_on_a_list_tells_later_runs_anything(
    replay: Replay, entry: str
) -> None:
    records = [
        at(1, identify("1", "a@b.co")),
        at(1, identify("2", "former@b.co")),
        at(2, identify("2", "b@b.co", phone="+44 1111")),
        at(3, group("1", "g", name="Acme")),
        at(4, group("2", "g", plan="Secret")),
        at(4, order("2")),
    ]
    listed = replay.folder / "listed"
    listed.write_text(f"{entry}\n")
    plan = replay.plan(*BOTH, replay.write(records))
    assert replay.sends("--plan", plan, "--suppress", listed)
    assert replay.users().keys() == {"1"}
    later = [at(5, identify("5", "e@b.co")), at(6, group("5", "g")), at(6, identify("2", "b@b.co"))]
    assert replay.sends(*BOTH, replay.write(later))
    assert properties(replay)["5"] == {"company_name": "Acme"}
    assert properties(replay)["2"] == {}


def test_orders_of_whom_wootric_holds_are_counted_without_an_identify(replay: Replay) -> None:
    replay.holds("1", "a@b.co", plan="pro")
    records = [at(2, order("1")), at(3, order("nobody"))]
    diff = replay.diff("--against", replay.snapshot(), *ROLLUPS, replay.write(records))
    assert diff.writes == (0, 1)
    assert replay.sends(*ROLLUPS, replay.write(records))
    assert properties(replay)["1"]["orders_amount"] == "1"
    assert properties(replay).keys() == {"1"}
    assert_sends_nothing(replay, *ROLLUPS, replay.write(records))


@pytest.mark.parametrize("folding", [(), ("--no-fold",)])
def test_two_whose_events_came_to_the_same_both_get_it(
    replay: Replay, folding: tuple[str, ...]
) -> None:
    for user in "12":
        replay.holds(user, f"{user}@b.co")
    whole = [at(2, order("1", revenue=1)), at(2, order("2", revenue=1))]
    for nth, record in enumerate(whole):
        assert replay.sends(*ROLLUPS, *folding, replay.write([record], f"part-{nth}"))
    counts = {user: held["orders_amount"] for user, held in properties(replay).items()}
    assert counts == {"1": "1", "2": "1"}
    assert_sends_nothing(replay, *ROLLUPS, *folding, replay.write(whole))


def test_a_message_that_is_read_twice_counts_once(replay: Replay) -> None:
    records = [at(1, identify("1", "a@b.co")), at(2, order("1")) | {"messageId": "m"}]
    for name in ("first", "second"):
        assert replay.sends(*ROLLUPS, replay.write([*records, records[1]], name))
        assert properties(replay)["1"]["orders_amount"] == "1"


def test_an_update_of_roll_ups_alone_that_wootric_refuses_is_a_failure(
    replaying: Callable[..., Replay],
) -> None:
    refused = True

    def rule(request: SandboxRequest) -> Fault | None:
        if refused and "properties[orders_amount]" in request.form:
            return Fault(JSONResponse({"error": "Validation failed"}, 422))
        return None

    replay = replaying(SandboxSettings(faults=(rule,)))
    assert replay.sends(replay.write([at(1, identify("1", "a@b.co"))], "first"))
    done = replay.push(*ROLLUPS, replay.write([at(2, order("1"))], "orders"))
    assert done.returncode == 1
    assert "refused" in done.stdout + done.stderr
    refused = False
    assert replay.push(*ROLLUPS, "rejects.ndjson").returncode == 0
    assert replay.sends(*ROLLUPS, replay.folder / "orders")
    assert properties(replay)["1"]["orders_amount"] == "1"


# Any export, any order, any split.

USERS = st.sampled_from(["1", "2", "3"])
TRAITS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["Acme", "Bolt", None]),
        "plan": st.sampled_from(["free", "pro", 5]),
        "address": st.fixed_dictionaries({}, optional={"city": st.sampled_from(["Rome", "Oslo"])}),
    },
)
OF_ORDERS = st.fixed_dictionaries(
    {},
    optional={
        "revenue": st.sampled_from([0.1, 0.2, 0.7, "0.5", -3, "none", 10**18, 1e-9, True]),
        "due": st.sampled_from(["2024-05-06", "2023-01-01", "never"]),
        "plan": st.sampled_from(["a", "b", 1, None, ["x"]]),
    },
)
IDENTIFIES = st.builds(
    lambda user, traits: identify(user, f"u{user}@b.co", **traits),
    USERS,
    st.fixed_dictionaries(
        {},
        optional={
            "company": st.just({"name": "Own"}),
            "company_plan": st.just("own"),
            "orders_amount": st.just(7),
            "plan": st.sampled_from(["x", "y"]),
        },
    ),
)
MEMBERS = st.builds(
    lambda user, group_id, traits: group(user, group_id, **traits),
    USERS,
    st.sampled_from(["g", "h"]),
    TRAITS,
)
ORDERS = st.builds(lambda user, told: order(user, **told), USERS, OF_ORDERS)
KEPT_ALWAYS = [at(1, identify(user, f"u{user}@b.co")) | {"messageId": f"i{user}"} for user in "123"]


@st.composite
def dated(draw: st.DrawFn) -> list[dict[str, Any]]:
    records = draw(st.lists(IDENTIFIES | MEMBERS | MEMBERS | ORDERS | ORDERS, max_size=12))
    days = st.integers(1, 6)
    return [at(draw(days), each) | {"messageId": f"m{nth}"} for nth, each in enumerate(records)]


@st.composite
def configurations(draw: st.DrawFn) -> tuple[str, ...]:
    whole = ROLLUPS[1::2]
    some = draw(st.lists(st.sampled_from(whole), unique=True))
    rollups = tuple(each for told in sorted(some) for each in ("--rollup", told))
    others = draw(
        st.sampled_from([(), ("--typed-names",), ("--exclude-trait", "plan"), ("--no-fold",)])
    )
    return (*draw(st.sampled_from([(), GROUPS])), *rollups, *others)


@examples(20)
@given(records=dated(), data=st.data(), options=configurations())
def test_no_order_of_lines_changes_the_plan(
    sandbox: RunningSandbox,
    records: list[dict[str, Any]],
    data: st.DataObject,
    options: tuple[str, ...],
) -> None:
    other = data.draw(st.permutations(records))
    with empty_account(sandbox) as replay:

        def planned(records: Records, name: str) -> tuple[Any, bytes]:
            export, plan = replay.write(records, name), replay.folder / f"{name}.plan"
            diff = replay.diff(*options, "--out", plan, export)
            quick = replay.diff(*options, export)
            lines = [*quick.lines[:-1]]
            assert lines == [*diff.lines[:-1]]
            assert quick.summary["warnings"] == diff.summary["warnings"]
            assert quick.summary["api_calls"] == diff.summary["api_calls"]
            assert quick.summary["mapped"] + sum(quick.summary["skipped"].values()) == len(records)
            return lines, plan.read_bytes()

        assert planned(other, "other") == planned(records, "one")


@examples(12)
@given(records=dated(), data=st.data(), options=configurations())
def test_parts_pushed_in_any_order_come_to_the_whole(
    sandbox: RunningSandbox,
    records: list[dict[str, Any]],
    data: st.DataObject,
    options: tuple[str, ...],
) -> None:
    whole = [*KEPT_ALWAYS, *records]
    # What others a name is seen with decides about its ending, run by run.
    options = tuple(each for each in options if each != "--typed-names")
    parts: list[list[dict[str, Any]]] = [[] for _ in range(data.draw(st.integers(2, 3)))]
    for record in data.draw(st.permutations(whole)):
        data.draw(st.sampled_from(parts)).append(record)
        if data.draw(st.booleans()):
            data.draw(st.sampled_from(parts)).append(record)
    with empty_account(sandbox) as replay:
        assert replay.sends(*options, replay.write(whole))
        expected = properties(replay)
        assert_sends_nothing(replay, *options, replay.write(whole))
    with empty_account(sandbox) as replay:
        for nth, part in enumerate(parts):
            export = replay.write(part, f"part-{nth}")
            if data.draw(st.booleans()):
                plan = replay.plan("--next", *options, export, name=f"plan-{nth}")
                assert replay.sends("--plan", plan)
            else:
                assert replay.sends(*options, export)
        split = properties(replay)
        for user, wanted in expected.items():
            # Wootric deletes no property: what an earlier part has sent may stay beside what is right.
            assert {name: split[user].get(name) for name in wanted} == wanted
        assert_sends_nothing(replay, *options, replay.write(whole))


@examples(15)
@given(
    records=dated(),
    options=configurations(),
    user=USERS,
    by_email=st.booleans(),
    opted_out=st.sets(st.integers(0, 11)),
)
def test_who_said_no_tells_nothing_and_gets_nothing(
    sandbox: RunningSandbox,
    records: list[dict[str, Any]],
    options: tuple[str, ...],
    user: str,
    by_email: bool,
    opted_out: set[int],
) -> None:
    whole = [*KEPT_ALWAYS, *records]
    # Which type a name's values have is told by all records, as it is of traits.
    options = tuple(each for each in options if each != "--typed-names")
    refused = [
        each | {"integrations": {"All": False}} if nth in opted_out else each
        for nth, each in enumerate(records)
    ]
    with empty_account(sandbox) as replay:
        listed = replay.folder / "listed"
        listed.write_text(f"u{user}@b.co\n" if by_email else f"{user}\n")
        export = replay.write([*KEPT_ALWAYS, *refused])
        assert replay.sends(*options, "--suppress", listed, export)
        held = properties(replay)
        assert user not in held
        assert_sends_nothing(replay, *options, "--suppress", listed, export)
    with empty_account(sandbox) as replay:
        others = [
            each
            for nth, each in enumerate(whole, -len(KEPT_ALWAYS))
            if each["userId"] != user and nth not in opted_out
        ]
        assert replay.sends(*options, replay.write(others))
        assert properties(replay) == held


@pytest.mark.parametrize("nth", range(1, 6))
def test_two_user_ids_of_one_person_have_one_group_and_one_history(
    replay: Replay, nth: int
) -> None:
    whole = [
        at(1, identify("1", "a@b.co")),
        at(2, order("1", revenue=1)),
        at(3, group("2", "g", name="Acme")),
        at(4, order("2", revenue=2)),
        at(5, identify("2", "a@b.co")),
        at(2, group("1", "old", name="Old", plan="free")),
    ]
    for parts in ((whole,), (whole[:nth], whole[nth:]), (whole[nth:], whole[:nth])):
        replay.sandbox.state.reset()
        replay.run("journal", "forget", "--yes")
        for number, records in enumerate(parts):
            assert replay.sends(*BOTH, replay.write(records, f"part-{number}.ndjson"))
        assert_sends_nothing(replay, *BOTH, replay.write(whole))
        (held,) = properties(replay).values()
        wanted = {"company_name": "Acme", "orders_amount": "2", "revenue_amount": "3"}
        assert {name: held.get(name) for name in wanted} == wanted


def test_other_rules_send_only_what_they_change(replay: Replay) -> None:
    export = replay.write(WHOLE)
    assert replay.sends(export)
    sent: list[set[str]] = []
    for options in (GROUPS, BOTH, (*GROUPS, *ROLLUPS[:2]), BOTH, ()):
        before = len(replay.sandbox.requests)
        assert replay.sends(*options, export)
        requests: Any = replay.sandbox.requests
        forms = [each["form"] for each in requests[before:] if each["method"] == "PUT"]
        sent.append({name for form in forms for name in form if name.startswith("properties")})
    assert sent[0] == {f"properties[{name}]" for name in OF_GROUP}
    assert sent[1] == {f"properties[{name}]" for name in ROLLED}
    assert sent[2:] == [set(), set(), set()]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--group-traits", "org"), {"org_name": "Acme", "org_plan": "pro", "org_seats": "5"}),
        ((*GROUPS, "--exclude-trait", "plan"), {"company_name": "Acme", "company_seats": "5"}),
        (
            (*GROUPS, "--exclude-trait", "company_plan"),
            {"company_name": "Acme", "company_seats": "5"},
        ),
        (
            (*GROUPS, "--rename-trait", "company_plan=tier"),
            {"company_name": "Acme", "tier": "pro", "company_seats": "5"},
        ),
        ((*GROUPS, "--only-trait", "company_name"), {"company_name": "Acme"}),
    ],
)
def test_the_rules_of_today_hold_for_what_earlier_runs_read_of_a_group(
    replay: Replay, options: tuple[str, ...], expected: dict[str, str]
) -> None:
    first = [
        at(1, identify("1", "a@b.co")),
        at(2, group("1", "g", name="Acme", plan="pro", token="x")),
    ]
    # A secret was asked for in the first run alone.
    assert replay.sends(*GROUPS, "--include-trait", "token", replay.write(first, "first"))
    later = replay.write([at(1, identify("2", "b@b.co")), at(3, group("2", "g", seats="5"))])
    assert replay.sends(*options, later)
    assert properties(replay)["2"] == expected


def test_the_rules_of_today_hold_for_what_earlier_runs_read_of_events(replay: Replay) -> None:
    rollups: tuple[str, ...] = ("--rollup", "Order:latest.card=card")
    rollups += ("--rollup", "Order:sum.cost=cost_amount", "--rollup", "Order:count=n_amount")
    card = {"brand": "V", "cvv": "123"}
    first = [at(2, track("1", "Order", properties={"card": card, "cost": 7}))]
    assert replay.sends(*rollups, "--include-trait", "cvv", replay.write(first, "first"))
    later = replay.write([at(1, identify("1", "a@b.co"))])
    assert replay.sends(*rollups, "--exclude-trait", "cost", later)
    assert properties(replay)["1"] == {"card_brand": "V", "n_amount": "1"}
    renamed = ("--rollup", "Order:count=orders_amount")
    assert replay.sends(*renamed, replay.write(first, "first"))
    assert properties(replay)["1"]["orders_amount"] == "1"


def test_hostile_groups_and_values_end_in_a_plan(replay: Replay) -> None:
    deep: dict[str, Any] = {}
    for _ in range(200):
        deep = {"a": deep}
    values: Sequence[Any] = (
        1e308,
        -1e-308,
        "9" * 400,
        "NaN",
        "\uff11\uff12",
        True,
        [],
        {},
        deep,
        "\0",
        2**62,
    )
    records = [
        at(1, identify("1", "a@b.co")),
        *(at(2, group("1", each, name="x")) for each in ("g" * 500_000, "\0\x1b[31m", "null", "")),
        *(
            at(3, group("1", "g", **traits))
            for traits in (
                {"deep": deep},
                {"big": "x" * 500_000},
                {
                    "email": "c@acme.co",
                    "phone": "+44 20 7946 0001",
                    "id": 9,
                    "createdAt": "2020-01-01",
                },
                {"$a": "\x1b[31m", "n.m": [{"x": 1}], **{f"k{nth}": nth for nth in range(1000)}},
            )
        ),
        *(at(4, order("1", revenue=value, plan=value)) for value in values),
    ]
    done = replay.push(*BOTH, "--format", "json", replay.write(records))
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    held = replay.users()["1"]
    assert (held["email"], held["phone_number"]) == ("a@b.co", None)
    assert held["properties"]["orders_amount"] == "11"
    # Of the numbers below 2**63 the fraction is nothing once all is rounded.
    assert held["properties"]["revenue_amount"] == str(2**62)
    assert_sends_nothing(replay, *BOTH, replay.folder / "export.ndjson")
