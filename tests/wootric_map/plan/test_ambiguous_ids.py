"""Who is whom where ids are several people's (segment.md 8), against a plain reading of the rules."""

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, TypeAlias

import pytest
from bounded import giants
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from planned import PlanOf, alias, identify, page, planned, track, wootric_id

from wootric_map import Choice, EligibilityCheck, PlanOptions
from wootric_map.deliver.journal import Journal
from wootric_map.plan.evidence import Evidence

Person: TypeAlias = tuple[str, str | None, frozenset[int]]
"""An end user's email, external id, and the numbers of the identifies that are theirs."""


class Said(NamedTuple):
    """An identify."""

    user: str | None
    email: str | None


Aliases: TypeAlias = Sequence[tuple[str, str]]


def expected(identifies: Sequence[Said], aliases: Aliases) -> set[Person]:
    """Apply the rules one by one, with everything at hand; identifies are in the order of their times."""
    emails_of: dict[str, set[str]] = defaultdict(set)
    users_of: dict[str, set[str]] = defaultdict(set)
    for user, email in identifies:
        if user and email:
            emails_of[user].add(email)
            users_of[email].add(user)
    users = {
        user
        for user, emails in emails_of.items()
        if sum(len(users_of[email]) > 1 for email in emails) > 1
    }
    emails = {
        email
        for email, own in users_of.items()
        if sum(len(emails_of[user]) > 1 for user in own) > 1
    }
    group: dict[str, str] = {}

    def root(name: str) -> str:
        while group.get(name, name) != name:
            name = group[name]
        return name

    def unite(one: str, other: str) -> None:
        group[root(other)] = root(one)

    for user, email in identifies:
        if user and email and user not in users and email not in emails:
            unite(f"u:{user}", f"e:{email}")
    targets: dict[str, set[str]] = defaultdict(set)
    for previous, user in aliases:
        targets[previous].add(user)
    for previous, user in aliases:
        if len(targets[previous]) == 1 and not {previous, user} & users:
            unite(f"u:{user}", f"u:{previous}")
    people: dict[str, list[tuple[int, Said]]] = defaultdict(list)
    for number, (user, email) in enumerate(identifies):
        if user and email:
            apart = user in users or email in emails
            owner = f"e:{email}" if apart else f"u:{user}"
            people[root(owner)].append((number, Said(None if apart else user, email)))
        elif email:
            people[root(f"e:{email}")].append((number, Said(None, email)))
        elif user and user not in users:
            people[root(f"u:{user}")].append((number, Said(user, None)))
    found: set[Person] = set()
    for said in people.values():
        known = [email for _, (_, email) in said if email]
        ids = [user for _, (user, _) in said if user]
        if known:
            numbers = frozenset(number for number, _ in said)
            found.add((known[-1], ids[-1] if ids else None, numbers))
    return found


def records_of(identifies: Sequence[Said], aliases: Aliases) -> list[dict[str, Any]]:
    """The export: each identify a minute after the one before, with a trait that tells its number."""
    told = []
    for number, (user, email) in enumerate(identifies):
        traits = {f"n{number}": "x"} | ({"email": email} if email else {})
        told.append(identify(user, number, **traits))
    return [*told, *(alias(*pair) for pair in aliases)]


def found(
    records: Iterable[dict[str, Any]], cut: int, folder: Path, evidence: Evidence | None = None
) -> set[Person]:
    """Whom the plan of these records, in two files, would create."""
    whole = list(records)
    with planned(folder, whole[:cut], whole[cut:], evidence=evidence) as made:
        people = set()
        for write in made.writes():
            upsert = write.upsert
            if upsert.email:
                numbers = frozenset(int(name[1:]) for name in upsert.properties)
                people.add((upsert.email, upsert.external_id, numbers))
        return people


_USERS = st.sampled_from(["1", "2", "3", "agent"])
_EMAILS = st.sampled_from(["a@b.co", "c@d.co", "e@f.co", "help@b.co"])
_IDENTIFIES = st.lists(
    st.builds(Said, _USERS, _EMAILS)
    | st.builds(Said, _USERS | st.none(), _EMAILS)
    | st.builds(Said, _USERS, st.none()),
    max_size=12,
)
_ALIASES = st.lists(st.tuples(st.sampled_from(["1", "2", "kiosk", "old"]), _USERS), max_size=3)


@given(_IDENTIFIES, _ALIASES, st.integers(0, 15), st.randoms(use_true_random=False))
def test_people_are_told_apart_by_the_rules_whatever_the_order_and_the_files(
    identifies: list[Said], aliases: list[tuple[str, str]], cut: int, rng: random.Random
) -> None:
    records = records_of(identifies, aliases)
    rng.shuffle(records)
    with TemporaryDirectory() as folder:
        assert found(records, cut, Path(folder)) == expected(identifies, aliases)


@examples(50)
@given(_IDENTIFIES, _ALIASES, st.integers(0, 15), st.randoms(use_true_random=False))
def test_the_same_holds_where_little_fits_in_memory(
    identifies: list[Said], aliases: list[tuple[str, str]], cut: int, rng: random.Random
) -> None:
    records = records_of(identifies, aliases)
    rng.shuffle(records)
    with TemporaryDirectory() as folder, giants():
        assert found(records, cut, Path(folder)) == expected(identifies, aliases)


@examples(50)
@given(_IDENTIFIES, _ALIASES, st.integers(0, 15), st.randoms(use_true_random=False))
def test_the_same_holds_where_a_journal_knows_what_was_said_in_other_runs(
    identifies: list[Said], aliases: list[tuple[str, str]], cut: int, rng: random.Random
) -> None:
    records = records_of(identifies, aliases)
    rng.shuffle(records)
    with TemporaryDirectory() as name:
        folder = Path(name)
        with Journal.open(folder / "journal", "NPS-5a4db0c5") as journal:
            found(records[:cut], 0, folder, journal.claims)
            assert found(records, cut, folder, journal.claims) == expected(identifies, aliases)


@given(_IDENTIFIES, st.randoms(use_true_random=False))
def test_no_two_with_an_email_of_their_own_become_one_by_an_ambiguous_id(
    identifies: list[Said], rng: random.Random
) -> None:
    """Customers who have a userId and email each stay apart, whatever an agent is identified with."""
    customers = [Said(f"own-{n}", f"own-{n}@b.co") for n in range(3)]
    agent = [Said("agent", customer.email) for customer in customers]
    everything = [*identifies, *customers, *agent]
    records = records_of(everything, ())
    rng.shuffle(records)
    with TemporaryDirectory() as folder:
        people = found(records, 7, Path(folder))
    for customer in customers:
        (own,) = (person for person in people if person[0] == customer.email)
        assert own[1] == customer.user


AGENT = [
    *(identify(f"cust-{n}", n, email=f"cust{n}@b.co", plan=f"p{n}") for n in range(1, 4)),
    *(identify("agent", 10 + n, email=f"cust{n}@b.co") for n in range(1, 4)),
]


def test_an_agents_id_ties_nobody_and_is_told_once_with_the_number_of_emails(
    plan_of: PlanOf,
) -> None:
    made = plan_of(*AGENT)
    assert {(w.upsert.email, w.upsert.external_id) for w in made.writes()} == {
        (f"cust{n}@b.co", f"cust-{n}") for n in range(1, 4)
    }
    (place, *_) = made.report.warnings.places["ambiguous_user_id"]
    assert '"agent" was identified with 3 emails' in place.message
    assert place.line == 4


def test_an_event_under_an_agents_id_goes_to_its_own_email_or_to_nobody(plan_of: PlanOf) -> None:
    made = plan_of(
        *AGENT,
        track("agent", 20, context={"traits": {"email": "cust2@b.co"}}, event="Told"),
        track("agent", 21, properties={"email": "cust3@b.co"}, event="Mentioned"),
        track("agent", 22, event="Silent"),
        page("agent", 23, name="Silent"),
        track("cust-1", 24, event="Own"),
    )
    sent = {
        each.call.event_name: (each.call.email, each.call.external_id)
        for each in made.rehearsed()
        if isinstance(each.call, EligibilityCheck)
    }
    assert sent == {
        "Told": ("cust2@b.co", "cust-2"),
        "Mentioned": ("cust3@b.co", "cust-3"),
        "Own": ("cust1@b.co", "cust-1"),
    }
    skips = [each.outcome.result for each in made.rehearsed() if each.outcome.result]
    assert [getattr(skip, "reason", None) for skip in skips] == ["ambiguous_id", "ambiguous_id"]


def test_an_identify_with_an_ambiguous_id_and_no_email_is_unidentified(plan_of: PlanOf) -> None:
    made = plan_of(*AGENT, identify("agent", 30, plan="none"))
    (skip,) = (each.outcome.result for each in made.rehearsed() if each.outcome.result)
    assert getattr(skip, "reason", None) == "ambiguous_id"
    assert all(write.upsert.properties.get("plan") != "none" for write in made.writes()[:3])


HELP_DESK = [
    identify("m-1", 1, email="m1@b.co"),
    identify("m-2", 2, email="m2@b.co"),
    identify("m-1", 3, email="help@b.co", desk="yes"),
    identify("m-2", 4, email="help@b.co", desk="no"),
]


def test_a_help_desks_email_is_an_end_user_of_its_own(plan_of: PlanOf) -> None:
    made = plan_of(*HELP_DESK, identify("m-3", 5, email="help@b.co"))
    assert {(w.upsert.email, w.upsert.external_id) for w in made.writes()} == {
        ("m1@b.co", "m-1"),
        ("m2@b.co", "m-2"),
        ("help@b.co", None),
    }
    (place, *_) = made.report.warnings.places["ambiguous_email"]
    assert '"help@b.co" was identified with 3 userIds' in place.message


def test_a_track_that_brings_an_ambiguous_email_along_ties_nobody_either(plan_of: PlanOf) -> None:
    desk = {"context": {"traits": {"email": "help@b.co"}}}
    made = plan_of(*HELP_DESK, track("m-1", 9, **desk), track("m-2", 9, **desk), track("m-1", 9))
    sent = [(each.call.email, getattr(each.call, "external_id", None)) for each in made.events()]
    assert sent.count((None, "m-1")) == 1, "it says nothing of the help desk"
    assert sent.count(("help@b.co", None)) == len(sent) - 1 == 2


def test_what_someone_who_opted_out_says_counts_to_tell_an_id_ambiguous(plan_of: PlanOf) -> None:
    said_no = {"integrations": {"Wootric": False}}
    own = [identify("1", 1, email="a@b.co", **said_no), identify("2", 2, email="c@d.co")]
    agent = [identify("agent", 3, email="a@b.co"), identify("agent", 4, email="c@d.co")]
    made = plan_of(*own, *agent)
    assert {(w.upsert.email, w.upsert.external_id) for w in made.writes()} == {
        ("a@b.co", None),
        ("c@d.co", "2"),
    }


def test_wootrics_own_id_stays_with_an_agents_customer(plan_of: PlanOf) -> None:
    known = identify("agent", 20, email="cust1@b.co", context=wootric_id("7"))
    made = plan_of(*AGENT, known)
    assert {w.upsert.email: w.upsert.wootric_id for w in made.writes()} == {
        "cust1@b.co": "7",
        "cust2@b.co": None,
        "cust3@b.co": None,
    }


@pytest.mark.parametrize("phone", ["+44 20 7946 0001"])
def test_a_phone_beside_an_agents_id_is_the_customers(plan_of: PlanOf, phone: str) -> None:
    made = plan_of(*AGENT, identify("agent", 20, email="cust1@b.co", phone=phone))
    assert {w.upsert.email: w.upsert.phone_number for w in made.writes()} == {
        "cust1@b.co": phone,
        "cust2@b.co": None,
        "cust3@b.co": None,
    }


def test_a_device_of_several_customers_under_an_agents_id_is_nobodys(plan_of: PlanOf) -> None:
    made = plan_of(
        *AGENT,
        track(None, 40, anonymousId="a"),
        options=PlanOptions(link_anonymous=True),
    )
    assert made.report.ambiguous_anonymous_ids == 1


def test_an_alias_ties_only_where_its_previous_id_has_one_user(plan_of: PlanOf) -> None:
    made = plan_of(
        identify("1", 1, email="a@b.co"),
        identify("2", 2, email="c@d.co"),
        alias("kiosk", "1"),
        alias("kiosk", "2"),
        identify("old", 3, plan="pro"),
        alias("old", "2"),
    )
    wrote = {
        w.upsert.email: w.upsert.properties.get("plan") for w in made.writes() if w.upsert.email
    }
    assert wrote == {"a@b.co": None, "c@d.co": "pro"}
    (place, *_) = made.report.warnings.places["ambiguous_alias"]
    assert '"kiosk" is aliased to 2 userIds' in place.message


def test_users_are_chosen_by_the_email_that_their_records_belong_to(plan_of: PlanOf) -> None:
    choice = Choice(users=frozenset({"cust1@b.co"}))
    made = plan_of(*AGENT, options=PlanOptions(choice=choice))
    assert [write.upsert.email for write in made.writes()] == ["cust1@b.co"]
    assert made.report.skipped.counts == {"filtered_out": 4}
