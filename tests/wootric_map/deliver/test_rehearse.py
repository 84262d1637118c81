"""What a push would do, gone through without sending anything."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from planned import Fields, PlanOf, identify, page, track, wootric_id

from wootric_map import EligibilityCheck, EndUserUpsert, PageView, PlanOptions, rehearse
from wootric_map.model import EndUser
from wootric_map.wootric.replies import contradicts

UNFOLDED = PlanOptions(fold=False)
ADA = EndUser(7, "ada@b.co", "1", None, None, {"plan": "free"})


@dataclass
class Account:
    """Whom it holds; remembers who was looked up."""

    held: tuple[EndUser, ...] = ()
    asked: list[EndUserUpsert] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)

    def find(self, wanted: EndUserUpsert) -> EndUser | None:
        self.asked.append(wanted)
        self.threads.add(threading.get_ident())
        for each in self.held:
            if wanted.wootric_id == str(each.id) or (
                wanted.external_id and wanted.external_id == each.external_id
            ):
                return each
        for each in self.held:
            if wanted.email and wanted.email == each.email:
                return each
            by_phone = not wanted.email and wanted.phone_number
            if by_phone and by_phone == each.phone_number and not contradicts(wanted, each):
                return each
        return None


def test_an_account_nobody_is_asked_about_holds_nobody(plan_of: PlanOf) -> None:
    made = plan_of(identify("1", 1, email="ada@b.co"), track("1", 2), page("1", 3), page("2"))
    assert sorted(made.results()) == sorted(
        ["create", "eligibility_check", "page_view", "unidentified"]
    )
    create = next(each for each in made.rehearsed() if isinstance(each.call, EndUserUpsert))
    assert create.call == EndUserUpsert("ada@b.co", "1")
    assert create.held is None


def test_an_end_user_is_compared_with_what_the_account_holds(plan_of: PlanOf) -> None:
    account = Account((ADA,))
    made = plan_of(identify("1", 1, email="ada@b.co", plan="pro"), page("1", 2))
    write, view = made.rehearsed(None, account.find)
    assert (write.outcome.action, write.held) == ("update", ADA)
    assert write.call == EndUserUpsert(properties={"plan": "pro"})
    assert view.held == EndUser(7, "ada@b.co", "1", None, None, {"plan": "pro"})
    assert account.asked == [EndUserUpsert("ada@b.co", "1", properties={"plan": "pro"})]


def test_whoever_is_held_as_wanted_is_unchanged_and_nothing_is_sent(plan_of: PlanOf) -> None:
    (write,) = plan_of(identify("1", email="ada@b.co", plan="free")).rehearsed(
        None, Account((ADA,)).find
    )
    assert write.outcome.action == "unchanged"
    assert (write.call, write.held) == (None, ADA)


def test_unfolded_each_write_is_compared_with_what_the_one_before_left(plan_of: PlanOf) -> None:
    made = plan_of(
        identify("1", 1, email="ada@b.co", plan="a"),
        identify("1", 2, plan="b", city="Rome"),
        identify("1", 3, plan="b"),
        identify("1", 4, email="new@b.co"),
        options=UNFOLDED,
    )
    assert made.results() == ["create", "update", "unchanged", "update"]
    assert [each.call for each in made.rehearsed()] == [
        EndUserUpsert("ada@b.co", "1", properties={"plan": "a"}),
        EndUserUpsert(properties={"plan": "b", "city": "Rome"}),
        None,
        EndUserUpsert("new@b.co"),
    ]
    account = Account((ADA,))
    assert made.results(None, account.find) == ["update", "update", "unchanged", "update"]
    assert len(account.asked) == 1


def test_a_rehearsal_counts_only_registered_events_where_they_are_known(plan_of: PlanOf) -> None:
    made = plan_of(
        identify("1", 1, email="a@b.co"), track("1", 2), track("1", 3, event="signed up")
    )
    assert made.results(frozenset({"Signed Up"})) == [
        "create", "eligibility_check", "event_not_registered"
    ]  # fmt: skip
    assert made.results(None) == ["create", "eligibility_check", "eligibility_check"]
    assert made.results(frozenset()) == ["create", "event_not_registered", "event_not_registered"]


def test_nobody_is_looked_up_for_an_event_that_is_not_registered(plan_of: PlanOf) -> None:
    account = Account((ADA,))
    assert plan_of(track("1")).results(frozenset(), account.find) == ["event_not_registered"]
    assert account.asked == []


def test_an_events_user_is_looked_up_once_for_all_their_events(plan_of: PlanOf) -> None:
    account = Account((ADA,))
    made = plan_of(track("1", 1), page("1", 2), page("1", 3), *(page("2", n) for n in range(3)))
    rehearsed = made.rehearsed(None, account.find)
    assert account.asked == [EndUserUpsert(external_id="2"), EndUserUpsert(external_id="1")]
    calls = [each.call for each in rehearsed]
    views = [call.email for call in calls if isinstance(call, PageView)]
    assert views == ["ada@b.co", "ada@b.co"]
    (check,) = [call for call in calls if isinstance(call, EligibilityCheck)]
    assert (check.email, check.external_id) == ("ada@b.co", "1")
    assert sum(each.look_ups for each in rehearsed) == 2


@pytest.mark.parametrize(
    ("records", "look_ups"),
    [
        ([identify("1", email="a@b.co")], [2]),
        ([identify("1", email="a@b.co", phone="+15550001")], [2]),
        ([identify("1", phone="+15550001")], [2]),
        ([identify(None, phone="+15550001")], [1]),
        ([identify("1", email="a@b.co", context=wootric_id("7"))], [3]),
        ([identify("1", email="a@b.co"), track("1", 2), page("1", 3)], [2, 0, 0]),
        ([identify("1", plan="pro"), track("1", 2)], [1, 0]),
        ([track("1", 1), page("1", 2)], [1, 0]),
        ([track(None)], [0]),
        ([track("1", context={"traits": {"email": "a@b.co"}})], [0]),
    ],
)
@pytest.mark.parametrize("asks", [True, False])
def test_the_look_ups_are_counted_whether_or_not_they_are_made(
    plan_of: PlanOf, records: list[Fields], look_ups: list[int], asks: bool
) -> None:
    rehearsed = plan_of(*records).rehearsed(None, Account().find if asks else None)
    assert [each.look_ups for each in rehearsed] == look_ups


def test_wootrics_own_id_is_enough_where_nobody_is_asked_and_not_where_it_leads_nowhere(
    plan_of: PlanOf,
) -> None:
    made = plan_of(identify("8", context=wootric_id("99"), plan="pro"))
    assert made.results() == ["create"]
    assert made.results(None, Account((ADA,)).find) == ["unidentified"]
    known = plan_of(identify("9", context=wootric_id("7"), plan="pro"))
    assert known.results(None, Account((ADA,)).find) == ["update"]


def test_an_end_user_is_found_by_what_they_were_known_as_before(plan_of: PlanOf) -> None:
    account = Account((ADA,))
    made = plan_of(
        identify("new", 1, email="ada@b.co"), identify("new", 2, email="late@b.co"), page("new", 3)
    )
    write, _ = made.rehearsed(None, account.find)
    assert write.call == EndUserUpsert("late@b.co", "new")
    assert write.held == ADA
    assert [each.email for each in account.asked] == ["late@b.co", "ada@b.co"]
    assert write.look_ups == 3


def test_whoever_has_a_shared_phone_is_not_looked_up(plan_of: PlanOf) -> None:
    phone: Mapping[str, Any] = {"context": {"traits": {"phone": "+15550001"}}}
    account = Account((EndUser(9, None, None, "+15550001", None, {}),))
    made = plan_of(
        identify("1", 1, email="a@b.co", phone="+15550001"),
        identify("2", 2, email="c@d.co", phone="+15550001"),
        identify(None, 3, phone="+15550001", plan="pro"),
        track(None, 4, **phone),
    )
    assert made.results(None, account.find) == [
        "create", "create", "unidentified", "unidentified"
    ]  # fmt: skip
    assert all(each.email for each in account.asked if each.phone_number)


def test_several_look_ups_at_once_change_nothing(plan_of: PlanOf) -> None:
    held = tuple(
        EndUser(n, f"u{n}@b.co", f"u{n}", None, None, {"plan": "free"}) for n in range(0, 40, 3)
    )
    records = [
        *(identify(f"u{n}", n % 30, email=f"u{n}@b.co", plan="pro") for n in range(40)),
        *(track(f"u{n}", n % 30) for n in range(0, 60, 2)),
        *(page(f"u{n}", n % 30) for n in range(0, 60, 5)),
    ]
    made = plan_of(*records)
    one, many = Account(held), Account(held)
    alone, together = (
        [
            (each.outcome.action, [*each.outcome.refs], each.outcome.result, *each[3:])
            for each in made.rehearsed(None, account.find, workers)
        ]
        for account, workers in ((one, 1), (many, 4))
    )
    assert together == alone
    assert sorted(map(repr, one.asked)) == sorted(map(repr, many.asked))
    assert one.threads == {threading.get_ident()}
    assert len(many.threads) > 1


def test_look_ups_run_ahead_at_once_and_only_so_far(plan_of: PlanOf) -> None:
    made = plan_of(*(identify(f"u{n}", n, email=f"u{n}@b.co") for n in range(40)))
    at_once = threading.Barrier(3)
    asked: list[EndUserUpsert] = []

    def find(wanted: EndUserUpsert) -> None:
        asked.append(wanted)
        if wanted.external_id in {"u0", "u1", "u2"}:
            at_once.wait(10)  # breaks unless three are under way

    rehearsal = rehearse(made.plan, None, find, workers=3)
    next(rehearsal)
    assert hasattr(rehearsal, "close")
    rehearsal.close()
    assert len(asked) < 20


def test_what_a_look_up_raises_comes_out_where_it_is_needed(plan_of: PlanOf) -> None:
    made = plan_of(*(identify(f"u{n}", n, email=f"u{n}@b.co") for n in range(9)))

    def find(wanted: EndUserUpsert) -> None:
        if wanted.external_id == "u5":
            raise OSError("gone")

    for workers in (1, 3):
        with pytest.raises(OSError, match="gone"):
            made.rehearsed(None, find, workers)
    assert not [each for each in threading.enumerate() if each.name.startswith("look-up")]
