"""Groups, members and rolled-up events in a journal: in any order, counted once, and nobody else's."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from wootric_map.deliver.journal import Journal
from wootric_map.errors import JournalFailedError
from wootric_map.model import EndUserUpsert
from wootric_map.plan.event_history import EventHistory
from wootric_map.plan.group_traits import stated, traits_of
from wootric_map.plan.people import EMAIL, USER, id_name
from wootric_map.plan.told import Named, ToldCall, ToldEvent, remember


@pytest.fixture
def journal() -> Iterator[Journal]:
    with Journal.temporary() as opened:
        yield opened


def call(user_id: str, group_id: str, time: int, **traits: object) -> ToldCall:
    fold = stated(traits, time, has_message=True, tie="m")
    return ToldCall(Named(user_id, None), (time, True, "m"), group_id, fold)


def event(key: str, named: Named, count: int = 1) -> ToldEvent:
    return ToldEvent(named, "Order", ("revenue",), key, EventHistory(count))


def told(journal: Journal, *some: ToldCall | ToldEvent) -> None:
    remember(some, journal.claims, journal.histories)


def print_of(journal: Journal, kind: int, text: str) -> int:
    return journal.claims.fingerprint(id_name(kind, text))


def orders(journal: Journal, *ids: tuple[int, str]) -> int:
    prints = {print_of(journal, *each) for each in ids}
    spec = journal.histories.spec("Order", ("revenue",))
    found = journal.histories.events(prints, {spec})
    return found[spec].count if found else 0


def test_the_latest_group_counts_whichever_run_tells_it(journal: Journal) -> None:
    told(journal, call("1", "new", 5), call("1", "old", 3))
    told(journal, call("1", "older", 2))
    membership = journal.histories.membership({print_of(journal, USER, "1")})
    assert membership
    assert membership.group == journal.histories.group_print("new")


def test_traits_are_folded_over_all_runs(journal: Journal) -> None:
    told(journal, call("1", "g", 5, name="New"))
    told(journal, call("2", "g", 3, name="Old", plan="pro"))
    fold = journal.histories.group_traits(journal.histories.group_print("g"))
    assert traits_of(fold) == {"name": "New", "plan": "pro"}


def test_an_event_counts_once(journal: Journal) -> None:
    one = Named("1", None)
    told(journal, event("a", one), event("b", one), event("a", one))
    told(journal, event("a", one))
    assert orders(journal, (USER, "1")) == 2
    assert orders(journal, (USER, "2")) == 0


def test_events_of_an_id_that_turns_out_to_be_several_peoples_go_to_their_emails(
    journal: Journal,
) -> None:
    told(journal, event("a", Named("agent", "a@b.co")), event("b", Named("agent", None)))
    assert orders(journal, (USER, "agent")) == 2
    claims = [("agent", "a@b.co"), ("1", "a@b.co"), ("agent", "c@b.co"), ("2", "c@b.co")]
    journal.claims.add_claims(
        ((print_of(journal, USER, one), print_of(journal, EMAIL, other)) for one, other in claims),
        ties=True,
    )
    assert orders(journal, (EMAIL, "a@b.co"), (USER, "1")) == 1
    assert orders(journal, (USER, "agent")) == 0


def test_members_are_those_whom_runs_have_left_in_wootric(journal: Journal) -> None:
    told(journal, call("1", "g", 5), call("2", "g", 5), call("3", "h", 5))
    for number, user_id in ((11, "1"), (33, "3")):
        journal.writes.written(f"w{number}", number, EndUserUpsert(external_id=user_id))
    group = journal.histories.group_print("g")
    (member,) = journal.histories.members({group})
    assert (member.number, member.group) == (11, group)
    assert print_of(journal, USER, "1") in member.prints


def test_who_has_left_a_group_is_no_member(journal: Journal) -> None:
    told(journal, call("1", "g", 5), call("1", "h", 7))
    journal.writes.written("w", 11, EndUserUpsert(external_id="1"))
    assert not [*journal.histories.members({journal.histories.group_print("g")})]


def test_what_is_forgotten_is_gone(journal: Journal) -> None:
    told(journal, call("1", "g", 5, name="A"), event("a", Named("1", None)))
    journal.forget_all()
    assert not journal.histories.has_members
    assert orders(journal, (USER, "1")) == 0
    told(journal, event("a", Named("1", None)))
    assert orders(journal, (USER, "1")) == 1


def read_traits(journal: Journal) -> object:
    return journal.histories.group_traits(journal.histories.group_print("g"))


def read_orders(journal: Journal) -> object:
    return orders(journal, (USER, "1"))


@pytest.mark.parametrize(
    ("table", "read"), [("group_trait", read_traits), ("rolled_up", read_orders)]
)
def test_what_is_spoilt_in_a_journal_is_told(
    tmp_path: Path, table: str, read: Callable[[Journal], object]
) -> None:
    path = tmp_path / "journal"
    with Journal.open(path, "account") as journal:
        told(journal, call("1", "g", 5, name="A"), event("a", Named("1", None)))
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"UPDATE {table} SET packed = 'x'")  # noqa: S608
        database.commit()
    with (
        Journal.open(path, "account") as journal,
        pytest.raises(JournalFailedError, match="spoilt"),
    ):
        read(journal)


def test_no_id_of_anybody_stands_in_it(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal.open(path, "account") as journal:
        told(
            journal,
            call("user-77", "group-88", 5, name="Acme"),
            event("a", Named("user-77", "ada@b.co")),
        )
    content = path.read_bytes()
    assert b"Acme" in content
    assert not any(each in content for each in (b"user-77", b"group-88", b"ada@b.co"))
