"""An export pushed in parts with one journal comes to the end users of the whole (segment.md 8, rule 7).

What a part ties, a later one may prove to be several people's: then nobody is taken for another. Two end
users whom only a later part joins stay two, since Wootric can't make one of them; nothing of them is lost.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from replaying import Replay, alias, at, empty_account, identify, page

from wootric_map.sandbox import RunningSandbox, run_sandbox

Records = Sequence[dict[str, Any]]

A, B, C, E = (f"{name}@b.co" for name in "abce")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with run_sandbox() as running:
        yield running


def seen_with(email: str, record: dict[str, Any]) -> dict[str, Any]:
    return {**record, "context": {"traits": {"email": email}}}


def held(sandbox: RunningSandbox) -> dict[str, tuple[str | None, dict[str, Any]]]:
    """The external id and the properties of each end user, by email."""
    users: list[dict[str, Any]] = [user.to_json() for user in sandbox.state.end_users]
    return {str(user["email"]): (user["external_id"], user["properties"]) for user in users}


def pushed(replay: Replay, *parts: Records) -> dict[str, tuple[str | None, dict[str, Any]]]:
    """What the account holds once the parts were pushed, one after the other; each must end well."""
    for nth, records in enumerate(parts):
        done = replay.push(replay.write(records, f"part-{nth}"), "--quiet")
        assert done.returncode == 0, done.stdout + done.stderr
    return held(replay.sandbox)


SHARED = [
    at(1, identify("2", E, n0="x")),
    at(2, identify("3", E, n1="x")),
    at(3, identify("x", E, n2="x")),
    at(4, seen_with(C, page("x", "/p"))),
    at(5, identify("2", A, n3="x")),
]
PROOF = [at(6, identify("x", C, plan="pro"))]
"""With which two of the userIds that have the email of `SHARED` have another one, too."""


@pytest.mark.parametrize(
    "parts",
    [[SHARED, PROOF], [SHARED, PROOF, SHARED + PROOF], [SHARED, SHARED + PROOF]],
    ids=["the rest", "the rest, then the whole", "the whole"],
)
def test_what_an_email_of_several_people_tied_is_no_former_id(
    replay: Replay, parts: list[Records]
) -> None:
    users = pushed(replay, *parts)
    assert users[C] == ("x", {"plan": "pro"})
    assert users[A] == ("2", {f"n{n}": "x" for n in range(4)})
    assert users.keys() - {A, C} <= {E}


def test_what_a_user_id_of_several_people_tied_is_no_former_id(replay: Replay) -> None:
    first = [
        at(3, identify("1", E, n0="x")),
        at(7, identify("1", C, n1="x")),
        at(2, identify("2", E, n2="x")),
    ]
    rest = [at(19, identify("3", C, n3="x"))]
    users = pushed(replay, first, rest, first + rest)
    assert users[E] == ("2", {"n0": "x", "n2": "x"})
    assert users[C][1].keys() >= {"n1", "n3"}


def test_who_was_found_by_a_user_id_may_be_another_by_now(replay: Replay) -> None:
    first = [
        at(1, identify("x", E)),
        at(2, identify("2", E)),
        at(3, identify("2", A, name="Two")),
        at(4, identify("x", name="X")),
    ]
    assert pushed(replay, first)[A][0] == "x"
    users = pushed(replay, [at(6, identify("x", C, plan="pro"))])
    assert "plan" not in users[A][1]
    assert users[C][1] == {"plan": "pro"}


@pytest.mark.parametrize(
    "tie", [at(1, seen_with(A, page("2", "/p"))), alias("2", "3")], ids=["page", "alias"]
)
def test_what_a_part_tied_is_tied_in_a_later_one(replay: Replay, tie: dict[str, Any]) -> None:
    own, other = at(2, identify("3", A, own="x")), at(3, identify("2", C, other="x"))
    everything = {"own": "x", "other": "x"}
    for parts in ([[tie, own], [other]], [[tie], [own], [other]], [[own], [tie, other]]):
        replay.sandbox.state.reset()
        replay.run("journal", "forget", "--yes")
        assert pushed(replay, *parts) == {C: ("2", everything)}


def test_an_alias_that_a_later_part_contradicts_ties_nobody_from_then_on(replay: Replay) -> None:
    users = pushed(
        replay,
        [alias("kiosk", "1"), at(1, identify("1", A))],
        [alias("kiosk", "2"), at(2, identify("2", B)), at(3, identify("kiosk", C, plan="pro"))],
    )
    assert users == {A: ("1", {}), B: ("2", {}), C: ("kiosk", {"plan": "pro"})}
    done = replay.push(replay.write([alias("kiosk", "2")], "again"))
    assert 'previousId "kiosk" is aliased to 2 userIds' in done.stdout + done.stderr


@pytest.mark.parametrize("to", ["2", "3"])
def test_whom_an_alias_joined_until_it_was_contradicted_is_sent_as_themselves(
    replay: Replay, to: str
) -> None:
    own, other = at(1, identify("1", A, own="x")), at(2, identify("2", C, other="x"))
    first, rest = [own, other, alias("2", "1")], [alias("2", to), at(4, identify("2", C, n="x"))]
    assert pushed(replay, first) == {C: ("2", {"own": "x", "other": "x"})}
    users = pushed(replay, rest, first + rest)
    assert users[A] == ("1", {"own": "x"})
    calls = len(replay.paths())
    assert pushed(replay, first + rest) == users
    assert not [path for path in replay.paths()[calls:] if "/end_users/" in path]


def test_two_who_are_joined_later_lose_nothing(replay: Replay) -> None:
    first = [at(1, identify("1", A, n0="x")), at(2, identify("2", C, n1="x"))]
    rest = [at(3, identify("1", C, n2="x"))]
    assert pushed(replay, first, rest)[C] == ("2", {"n1": "x", "n2": "x"})
    users = pushed(replay, first + rest, [at(4, identify("1", C, n3="x"))])
    assert users[C] == ("2", {f"n{n}": "x" for n in range(4)})
    assert users.keys() == {A, C}


# Journals of earlier releases, which know no ties but those of identifies.


def as_it_was_left_before(replay: Replay) -> None:
    """Make the journal one of the release before."""
    (path,) = (replay.folder / "state").rglob("*.journal")
    with closing(sqlite3.connect(path)) as journal:
        journal.executescript(
            "DROP TABLE witness; DROP TABLE tie; DROP TABLE alias; DROP TABLE filled; "
            "ALTER TABLE run DROP COLUMN responses; ALTER TABLE run DROP COLUMN declines; "
            "DROP TABLE group_trait; DROP TABLE membership; DROP TABLE rolled_event; DROP TABLE rolled_up; "
            "ALTER TABLE run DROP COLUMN surveys_off; DROP TABLE external_id; "
            "ALTER TABLE account DROP COLUMN external_id_from; "
            "ALTER TABLE account DROP COLUMN external_id_since; "
            "ALTER TABLE in_flight DROP COLUMN external_id_from; "
            "ALTER TABLE in_flight DROP COLUMN user_id; "
            "PRAGMA user_version = 5;"
        )


def test_a_former_id_of_an_earlier_release_takes_nobody_for_another(replay: Replay) -> None:
    pushed(replay, SHARED)
    as_it_was_left_before(replay)
    users = pushed(replay, PROOF)
    assert users[C] == ("x", {"plan": "pro"})
    assert users[A] == ("2", {f"n{n}": "x" for n in range(4)})


def test_what_an_earlier_release_delivered_is_not_sent_again(replay: Replay) -> None:
    before = [*SHARED, at(6, identify("7", B, plan="pro")), alias("old", "7")]
    users = pushed(replay, before)
    as_it_was_left_before(replay)
    sent = [path for path in replay.paths() if "pixel" in path]
    writes = replay.paths("POST"), replay.paths("PUT")
    assert pushed(replay, before) == users
    assert [path for path in replay.paths() if "pixel" in path] == sent
    assert [p for p in replay.paths("POST") if "oauth" not in p] == [
        p for p in writes[0] if "oauth" not in p
    ]
    assert replay.paths("PUT") == writes[1]
    # The aliases and pages of what is pushed again are known from then on.
    assert pushed(replay, [at(7, identify("old", seats="5"))])[B] == (
        "old",
        {"plan": "pro", "seats": "5"},
    )


# Any export, any split.

USERS = st.sampled_from(["1", "2", "3", "undefined"])
EMAILS = st.sampled_from([A, B, C, E])
IDENTIFIES = st.tuples(st.just("identify"), USERS | st.none(), EMAILS)
RECORDS = IDENTIFIES | IDENTIFIES | st.tuples(st.sampled_from(["page", "alias"]), USERS, EMAILS)


@st.composite
def exports_in_parts(draw: st.DrawFn) -> list[list[dict[str, Any]]]:
    parts: list[list[dict[str, Any]]] = [[] for _ in range(draw(st.integers(2, 3)))]
    for nth, (kind, user, email) in enumerate(draw(st.lists(RECORDS, min_size=3, max_size=9))):
        if kind == "alias":
            record = alias(draw(USERS), user or "")
        elif kind == "page":
            record = seen_with(email, page(user or "", f"/{nth}"))
        else:
            record = identify(user or "", email, **{f"n{nth}": "x"}) | {"anonymousId": "d"}
        day = draw(st.integers(1, 28))
        parts[draw(st.integers(0, len(parts) - 1))].append(
            at(day, record) | {"messageId": f"m{nth}"}
        )
    return [part for part in parts if part]


class People:
    """Who is whom by segment.md 8, read plainly over some records."""

    def __init__(self, records: Records) -> None:
        claims: set[tuple[str, str]] = set()
        ties: set[tuple[str, str]] = set()
        users_of_alias = defaultdict(set)
        for record in records:
            user, email = self.ids(record)
            if record["type"] == "alias" and user and record["previousId"] != "undefined":
                users_of_alias[record["previousId"]].add(user)
            elif user and email:
                (claims if record["type"] == "identify" else ties).add((user, email))
        several = self._several(claims) | self._several({(two, one) for one, two in claims})
        ties |= claims
        ties |= {(one, min(to)) for one, to in users_of_alias.items() if len(to) == 1}
        self._group = {one: one for pair in ties for one in pair}
        for one, other in sorted(ties):
            if several.isdisjoint((one, other)):
                old, new = self._group[one], self._group[other]
                self._group |= {each: new for each, own in self._group.items() if own == old}

    @staticmethod
    def ids(record: dict[str, Any]) -> tuple[str | None, str | None]:
        user = record.get("userId")
        traits = record.get("traits") or record.get("context", {}).get("traits", {})
        return None if user in ("", "undefined") else user, traits.get("email")

    @staticmethod
    def _several(pairs: set[tuple[str, str]]) -> set[str]:
        """The first of each pair, if at least two of its others stand in another pair, too."""
        ones, others = defaultdict(set), defaultdict(set)
        for one, other in pairs:
            ones[one].add(other)
            others[other].add(one)
        return {one for one, own in ones.items() if sum(len(others[each]) > 1 for each in own) > 1}

    def emails(self, record: dict[str, Any]) -> set[str]:
        """The emails of whoever a record with an email is about."""
        _, email = self.ids(record)
        assert email
        group = self._group.get(email)
        return {email} | {each for each, own in self._group.items() if own == group and "@" in each}


def assert_each_has_their_own(
    users: dict[str, tuple[str | None, dict[str, Any]]], records: Records, people: People
) -> None:
    """Each identify's own property is with its own person."""
    for record in records:
        if record["type"] == "identify":
            own = next(name for name in record["traits"] if name.startswith("n"))
            emails = {email for email, (_, properties) in users.items() if own in properties}
            assert emails & people.emails(record), record


@examples(10)
@given(parts=exports_in_parts())
def test_nobody_is_taken_for_another_and_nothing_is_lost_in_any_split(
    sandbox: RunningSandbox, parts: list[list[dict[str, Any]]]
) -> None:
    whole = [record for part in parts for record in part]
    with empty_account(sandbox) as replay:
        assert replay.sends(replay.write(whole))
        expected = held(sandbox)
    with empty_account(sandbox) as replay:
        known: list[dict[str, Any]] = []
        for part in parts:
            known += part
            assert replay.sends(replay.write(part))
            people, users = People(known), held(sandbox)
            assert_each_has_their_own(users, part, people)
            for record in part:
                if record["type"] == "identify":
                    own = next(name for name in record["traits"] if name.startswith("n"))
                    emails = {email for email, (_, has) in users.items() if own in has}
                    assert emails <= people.emails(record), record
        assert replay.sends(replay.write(whole))
        users = held(sandbox)
        assert_each_has_their_own(users, whole, People(whole))
        assert users.keys() >= expected.keys()
