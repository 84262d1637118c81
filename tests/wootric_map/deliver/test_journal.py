"""The journal: what it remembers, what it doubts, and what it refuses."""

import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_map.deliver.compare import difference
from wootric_map.deliver.fingerprints import (
    Delivered,
    Fingerprints,
    PastOptOut,
    Provenance,
    packed,
    unpacked,
)
from wootric_map.deliver.journal import Journal
from wootric_map.deliver.journal_contents import contents
from wootric_map.deliver.journal_file import discard_unused, forget
from wootric_map.deliver.journal_schema import MIGRATIONS, connected
from wootric_map.errors import JournalError, JournalFailedError, StoppedError
from wootric_map.model import EndUser, EndUserUpsert
from wootric_map.plan.earlier_rejects import REJECTED
from wootric_map.plan.group_traits import stated
from wootric_map.plan.told import Named, ToldCall, remember
from wootric_map.plan.trait_history import Order, Statement, Statements, TraitHistory

ACCOUNT = "0123456789ab"
ADA = EndUserUpsert("ada@example.com", "1", "+44 1", 1420099200, {"plan": "pro", "seats_amount": 5})
HELD = EndUser(
    7, "ada@example.com", "1", "+44 1", 1420099200, {"plan": "pro", "seats_amount": "5", "x": "y"}
)

FIRST_VERSION = """
    CREATE TABLE account (account TEXT NOT NULL, secret BLOB NOT NULL);
    CREATE TABLE run (
        number INTEGER PRIMARY KEY, began REAL NOT NULL, ended REAL, exit_code INTEGER
    );
    CREATE TABLE delivered (key BLOB PRIMARY KEY, kind INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE in_flight (
        key BLOB PRIMARY KEY, kind INTEGER NOT NULL, run INTEGER NOT NULL,
        wootric_id TEXT, external_id TEXT, email TEXT, phone TEXT, fields BLOB
    ) WITHOUT ROWID;
    CREATE TABLE end_user (
        id INTEGER PRIMARY KEY, external_id BLOB, email BLOB, phone BLOB, fields BLOB NOT NULL
    );
    CREATE INDEX by_external_id ON end_user (external_id) WHERE external_id IS NOT NULL;
    CREATE INDEX by_email ON end_user (email) WHERE email IS NOT NULL;
    CREATE INDEX by_phone ON end_user (phone) WHERE phone IS NOT NULL;
    PRAGMA application_id = 1465018988;
    PRAGMA user_version = 1;
"""
"""A journal as the first form of it was made, to the letter."""

Open = Callable[..., Journal]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.journal"


@pytest.fixture
def reopened(path: Path) -> Iterator[Open]:
    """Open the journal for another run; the one before is closed as it is."""
    opened: list[Journal] = []

    def reopen(**options: Any) -> Journal:
        if opened:
            opened[-1].close()
        opened.append(Journal.open(path, ACCOUNT, **options))
        return opened[-1]

    yield reopen
    opened[-1].close()


def killed(path: Path, do: Callable[[Journal], object]) -> None:
    """Do something in a process of its own that is then killed."""
    child = os.fork()
    if not child:
        try:
            do(Journal.open(path, ACCOUNT))
        finally:
            os._exit(9)
    os.waitpid(child, 0)


# What it remembers.


def test_what_was_delivered_is_known_to_the_next_run(reopened: Open) -> None:
    journal = reopened()
    assert journal.past_delivery("m-1") is None
    journal.deliveries.about_to_send("m-1", "page_view")
    journal.deliveries.delivered("m-1", "page_view")
    assert isinstance(reopened().past_delivery("m-1"), Delivered)
    assert reopened().past_delivery("m-2") is None


def test_a_write_is_known_by_its_key_and_its_end_user_by_each_id(reopened: Open) -> None:
    reopened().writes.written("w", 7, ADA)
    journal = reopened()
    assert isinstance(journal.past_delivery("w"), Delivered)
    for wanted in (
        EndUserUpsert(external_id="1"),
        EndUserUpsert(email=" ADA@example.com"),
        EndUserUpsert(wootric_id="7"),
    ):
        known = journal.find(wanted)
        assert known
        assert known.id == 7
        assert difference(ADA, known) is None
    assert journal.find(EndUserUpsert(external_id="2")) is None


def test_what_is_new_is_sent_with_the_id_of_whom_it_is_about(reopened: Open) -> None:
    reopened().writes.written("w", 7, ADA)
    wanted = replace(ADA, phone_number="+44 2", properties={"plan": "free", "seats_amount": 5})
    known = reopened().find(wanted)
    assert known
    assert difference(wanted, known) == EndUserUpsert(
        None, "1", "+44 2", properties={"plan": "free"}
    )


@pytest.mark.parametrize("recalls", [True, False])
def test_whom_a_run_has_met_is_known_also_where_it_ignores_earlier_ones(
    reopened: Open, recalls: bool
) -> None:
    reopened(clock=lambda: 100.0).writes.written("a", 7, ADA)
    journal = reopened(recalls=recalls)
    assert (journal.end_users.has_met(7), journal.end_users.has_met(8)) == (True, False)
    journal.writes.written("b", 8, EndUserUpsert("b@example.com"))
    assert journal.end_users.has_met(8)
    assert not reopened(since=101.0).end_users.has_met(7)
    assert reopened(since=100.0).end_users.has_met(7)


def test_a_mark_is_known_until_it_is_taken_off_and_counts_as_no_delivery(
    path: Path, reopened: Open
) -> None:
    reopened().deliveries.mark_creation("m")
    journal = reopened()
    assert journal.past_delivery("m") == Delivered(1)
    assert not any(contents(path).delivered.values())
    journal.deliveries.unmark_creation("m")
    assert reopened().past_delivery("m") is None


def test_what_is_filled_in_is_known_until_all_is_written_and_counts_as_no_delivery(
    path: Path, reopened: Open
) -> None:
    journal = reopened()
    journal.fills.mark("a", EndUserUpsert(phone_number="+44 1", properties={"plan": "free"}))
    journal.fills.mark("b", EndUserUpsert(properties={"plan": "pro", "seats": 5}))
    journal = reopened()
    assert not any(contents(path).delivered.values())
    filled = journal.filled_in(["a", "b", "c"])
    assert filled
    for field, value, is_filled in (
        ("properties[plan]", "free", True),
        ("properties[plan]", "pro", True),
        ("properties[plan]", "max", False),
        ("properties[seats]", "5", True),
        ("phone_number", "+44 1", True),
        ("phone_number", "free", False),
    ):
        assert filled.holds(field, value) is is_filled
    assert journal.filled_in(["c"]) is None
    assert reopened(recalls=False).filled_in(["a"]) is None
    reopened().fills.unmark(["a", "c"])
    journal = reopened()
    assert journal.filled_in(["a"]) is None
    assert journal.filled_in(["b"])
    journal.forget_all()
    assert reopened().filled_in(["b"]) is None


def test_later_writes_add_to_what_is_known(reopened: Open) -> None:
    journal = reopened()
    journal.writes.written("a", 7, ADA)
    journal.writes.written("b", 7, EndUserUpsert(external_id="1", properties={"plan": "free"}))
    known = reopened().find(ADA)
    assert known
    assert difference(ADA, known) == EndUserUpsert(None, "1", properties={"plan": "pro"})
    only_email = replace(ADA, external_id=None)
    assert difference(only_email, known) == EndUserUpsert(
        "ada@example.com", properties={"plan": "pro"}
    )


def test_an_email_that_somebody_else_has_by_now_names_them_alone(reopened: Open) -> None:
    journal = reopened()
    journal.writes.written("a", 7, EndUserUpsert("shared@example.com", "1"))
    assert journal.find(EndUserUpsert("shared@example.com", "2")) is None
    journal.writes.written("b", 8, EndUserUpsert("shared@example.com", "2"))
    known = reopened().find(EndUserUpsert("shared@example.com"))
    assert known
    assert known.id == 8


def test_a_phone_names_only_whom_nothing_else_names(reopened: Open) -> None:
    journal = reopened()
    journal.writes.written("a", 7, ADA)
    assert journal.find(EndUserUpsert(phone_number="+44 1")) is None
    journal.writes.written("b", 8, EndUserUpsert(phone_number="+44 9"))
    known = journal.find(EndUserUpsert(phone_number="+44 9"))
    assert known
    assert known.id == 8


def test_told_to_it_ignores_earlier_runs_but_writes_down_its_own(reopened: Open) -> None:
    reopened().writes.written("w", 7, ADA)
    journal = reopened(recalls=False)
    assert journal.past_delivery("w") is None
    assert journal.find(ADA) is None
    journal.deliveries.delivered("m", "page_view")
    assert isinstance(reopened().past_delivery("m"), Delivered)


# What was said when, and who had which id before.


def said(time: int, *names: str) -> TraitHistory:
    return TraitHistory(
        Statements({name: Statement(Order(time, True, "m"), True) for name in names})
    )


def since(
    journal: Journal, time: int, *names: str, ids: Sequence[EndUserUpsert] = ()
) -> Provenance:
    return journal.fingerprints.provenance(said(time, *names), ids)


def heard(journal: Journal, number: int, name: str) -> int | None:
    found = journal.statements_of(number)
    say = found and found.of(name)
    return say.order.time if say else None


@pytest.mark.parametrize("recalls", [True, False])
def test_the_last_that_was_said_of_each_trait_is_remembered(reopened: Open, recalls: bool) -> None:
    journal = reopened()
    assert journal.statements_of(7) is None
    journal.writes.written("a", 7, ADA, provenance=since(journal, 5, "email", "traits.plan"))
    journal.writes.written("b", 7, ADA, provenance=since(journal, 2, "email", "external_id"))
    journal.writes.written("c", 7, ADA)
    journal = reopened(recalls=recalls)
    times = [
        heard(journal, 7, name) for name in ("email", "traits.plan", "external_id", "traits.x")
    ]
    assert times == [5, 5, 2, None]
    assert journal.statements_of(8) is None


def test_what_it_was_said_of_a_doubtful_write_counts_once_that_is_settled(
    path: Path, reopened: Open
) -> None:
    def run(journal: Journal) -> None:
        provenance = since(journal, 5, "email", ids=[EndUserUpsert(email="old@example.com")])
        journal.deliveries.about_to_send("w", "create", ADA, provenance=provenance)

    killed(path, run)
    journal = reopened()
    (doubt,) = journal.deliveries.doubtful_writes()
    assert journal.statements_of(7) is None
    assert journal.writes.resolve(doubt, HELD)
    assert heard(journal, 7, "email") == 5
    known = journal.find_by_former_id([EndUserUpsert(email="old@example.com")], journal_only=False)
    assert known
    assert known.id == 7


def test_begun_anew_it_has_heard_nothing(reopened: Open) -> None:
    journal = reopened()
    journal.writes.written("a", 7, ADA, provenance=since(journal, 5, "email", ids=[OLD]))
    journal.forget_all()
    assert journal.statements_of(7) is None
    journal.writes.written("b", 7, EndUserUpsert(email="x@example.com"))
    assert reopened().find_by_former_id([OLD], journal_only=False) is None


OLD = EndUserUpsert(email="old@example.com", external_id="0")


@pytest.mark.parametrize(
    ("known_as", "found"),
    [
        ([EndUserUpsert(email="old@example.com")], True),
        ([EndUserUpsert(email=" OLD@example.com")], True),
        ([EndUserUpsert(external_id="0")], True),
        ([OLD], True),
        ([EndUserUpsert(email="x@example.com"), EndUserUpsert(email="old@example.com")], True),
        ([EndUserUpsert(email="old@example.com", external_id="1")], True),
        # Somebody else's userId or email beside it makes them somebody else.
        ([EndUserUpsert(email="old@example.com", external_id="2")], False),
        ([EndUserUpsert(email="x@example.com", external_id="0")], False),
        ([EndUserUpsert(email="x@example.com")], False),
        ([EndUserUpsert(phone_number="+44 1")], False),
        ([], False),
    ],
)
def test_an_end_user_is_known_by_what_they_had_before_unless_anything_contradicts(
    reopened: Open, known_as: list[EndUserUpsert], found: bool
) -> None:
    journal = reopened()
    journal.writes.written("a", 7, ADA, provenance=since(journal, 5, ids=[ADA, OLD]))
    # In the run that wrote them they stand apart, as its plan has it.
    assert journal.find_by_former_id(known_as, journal_only=False) is None
    journal = reopened()
    known = journal.find_by_former_id(known_as, journal_only=False)
    assert (known and known.id) == (7 if found else None)


def test_what_was_replaced_was_theirs_before(reopened: Open) -> None:
    reopened().writes.written("a", 7, EndUserUpsert("old@example.com", "0"))
    reopened().writes.written("b", 7, EndUserUpsert("ada@example.com", "1"))
    known = reopened().find_by_former_id([OLD], journal_only=False)
    assert known
    assert known.holds("external_id", "1")


def test_an_id_that_somebody_has_now_is_theirs_alone(reopened: Open) -> None:
    journal = reopened()
    journal.writes.written("a", 7, ADA, provenance=since(journal, 5, ids=[OLD]))
    journal.writes.written("b", 8, EndUserUpsert("old@example.com", "8"))
    assert (
        reopened().find_by_former_id([EndUserUpsert(email="old@example.com")], journal_only=False)
        is None
    )
    # The newest of those who had it.
    journal = reopened()
    journal.writes.written("c", 8, EndUserUpsert("new@example.com", "8"))
    known = reopened().find_by_former_id(
        [EndUserUpsert(email="old@example.com")], journal_only=False
    )
    assert known
    assert known.id == 8


def test_where_nobody_else_is_asked_the_email_alone_decides(reopened: Open) -> None:
    reopened().writes.written("a", 7, ADA)
    wanted = EndUserUpsert("ada@example.com", "2")
    journal = reopened()
    assert journal.find(wanted) is journal.find_by_former_id([wanted], journal_only=False) is None
    known = journal.find_by_former_id([wanted], journal_only=True)
    assert known
    assert known.id == 7


def test_an_external_id_that_was_theirs_before_is_no_contradiction(reopened: Open) -> None:
    journal = reopened()
    journal.writes.written("a", 7, ADA, provenance=since(journal, 5, ids=[OLD]))
    assert journal.find(EndUserUpsert("ada@example.com", "2")) is None
    known = journal.find(EndUserUpsert("ada@example.com", "0"))
    assert known
    assert known.id == 7


def test_a_snapshot_knows_better_of_former_ids_too(reopened: Open) -> None:
    journal = reopened(clock=lambda: 5.0)
    journal.writes.written("a", 7, ADA, provenance=since(journal, 5, "email", ids=[OLD]))
    assert reopened(since=4.0).find_by_former_id([OLD], journal_only=False)
    journal = reopened(since=6.0)
    assert journal.find_by_former_id([OLD], journal_only=False) is None
    assert heard(journal, 7, "email") == 5


def test_ignoring_earlier_runs_it_does_not_know_what_they_left(reopened: Open) -> None:
    journal = reopened()
    journal.writes.written("a", 7, ADA, provenance=since(journal, 5, ids=[OLD]))
    known = reopened(recalls=False).find_by_former_id([OLD], journal_only=False)
    assert known
    assert known.id == 7
    assert difference(ADA, known) == ADA


def test_whoever_lost_an_id_keeps_what_was_said(reopened: Open) -> None:
    journal = reopened()
    journal.writes.written("a", 7, ADA, provenance=since(journal, 5, "traits.plan", ids=[OLD]))
    journal.writes.written("b", 8, EndUserUpsert(ADA.email, "8"))
    journal = reopened()
    assert journal.find(EndUserUpsert(external_id="1")) is None
    assert journal.find_by_former_id([OLD], journal_only=False) is None
    assert heard(journal, 7, "traits.plan") == 5


def test_trait_names_are_not_in_the_journal(path: Path, reopened: Open) -> None:
    with reopened() as journal:
        journal.writes.written(
            "a", 7, ADA, provenance=since(journal, 5, "traits.favourite", ids=[OLD])
        )
    assert b"favourite" not in path.read_bytes()
    assert b"old@example" not in path.read_bytes()


@given(
    st.dictionaries(
        st.text(max_size=9), st.one_of(st.text(max_size=9), st.integers()), max_size=20
    ),
    st.binary(min_size=32, max_size=32),
)
def test_fingerprints_come_back_as_they_were_put_down(
    properties: dict[str, str | int], secret: bytes
) -> None:
    fields = Fingerprints(secret).of(EndUserUpsert("a@b.co", "1", properties=properties))
    assert unpacked(packed(fields)) == fields
    assert len(fields) == 2 + len(properties)


def test_a_killed_run_was_over_when_the_next_began(path: Path, reopened: Open) -> None:
    def run(journal: Journal) -> None:
        journal.writes.written("w", 7, ADA)
        journal.deliveries.about_to_send("m", "page_view")

    killed(path, run)
    journal = reopened(clock=lambda: 5e9)
    assert journal.runs.knows_until == 5e9
    journal.runs.end(0, {}, 0)
    assert reopened(clock=lambda: 6e9).runs.knows_until == 5e9


def test_who_met_nobody_knows_nobody(reopened: Open) -> None:
    reopened().runs.end(0, {}, 0)
    assert reopened().runs.knows_until is None


# What is in doubt.


def test_there_is_something_to_ask_it_once_an_earlier_run_left_anything(reopened: Open) -> None:
    assert not reopened().remembers
    reopened().deliveries.about_to_send("m", "page_view")
    assert reopened().remembers
    reopened().deliveries.not_carried_out("m")
    reopened().deliveries.delivered("n", "page_view")
    assert reopened().remembers
    assert not reopened(recalls=False).remembers


def test_a_failure_of_this_run_is_made_up_for_by_a_later_delivery(
    path: Path, reopened: Open
) -> None:
    journal = reopened()
    journal.deliveries.failed("m", "page_view")
    journal.deliveries.failed("w", "create", ADA)
    journal.deliveries.delivered("m", "page_view")
    journal.writes.written("v", 7, ADA)
    journal.close()
    assert not any(contents(path).failed.values())


def test_what_departed_and_was_not_answered_is_in_doubt_after_a_kill(
    path: Path, reopened: Open
) -> None:
    def run(journal: Journal) -> None:
        for key in ("answered", "refused", "lost"):
            journal.deliveries.about_to_send(key, "eligibility_check")
        journal.deliveries.delivered("answered", "eligibility_check")
        journal.deliveries.not_carried_out("refused")
        journal.deliveries.about_to_send("next", "page_view")

    killed(path, run)
    journal = reopened()
    fates = {
        key: journal.past_delivery(key) for key in ("answered", "refused", "lost", "next", "never")
    }
    assert fates == {
        "answered": Delivered(1), "refused": None, "lost": "in_doubt", "next": "in_doubt", "never": None
    }  # fmt: skip
    assert journal.deliveries.in_doubt() == 2


def test_what_this_run_has_under_way_is_no_doubt_of_its_own(reopened: Open) -> None:
    journal = reopened()
    journal.deliveries.about_to_send("m", "page_view")
    assert journal.past_delivery("m") is None


def test_sent_again_and_turned_away_it_stays_in_doubt(path: Path, reopened: Open) -> None:
    killed(path, lambda journal: journal.deliveries.about_to_send("m", "page_view"))
    journal = reopened(resends=True)
    assert journal.past_delivery("m") is None
    journal.deliveries.about_to_send("m", "page_view")
    journal.deliveries.not_carried_out("m")
    assert reopened().past_delivery("m") == "in_doubt"


def test_sent_again_and_answered_it_is_delivered(path: Path, reopened: Open) -> None:
    killed(path, lambda journal: journal.deliveries.about_to_send("m", "page_view"))
    journal = reopened(resends=True)
    journal.deliveries.about_to_send("m", "page_view")
    journal.deliveries.delivered("m", "page_view")
    assert isinstance(reopened().past_delivery("m"), Delivered)
    assert reopened().deliveries.in_doubt() == 0


@pytest.mark.parametrize(
    ("held", "arrived"),
    [
        (HELD, True),
        (replace(HELD, email="Ada@Example.com"), True),
        (None, False),
        (replace(HELD, properties={"plan": "free", "seats_amount": "5"}), False),
        (replace(HELD, properties={}), False),
        (replace(HELD, phone_number=None), False),
    ],
)
def test_a_doubtful_write_is_settled_by_what_wootric_holds(
    path: Path, reopened: Open, held: EndUser | None, arrived: bool
) -> None:
    killed(path, lambda journal: journal.deliveries.about_to_send("w", "create", ADA))
    journal = reopened()
    (doubt,) = journal.deliveries.doubtful_writes()
    assert doubt.wanted == EndUserUpsert("ada@example.com", "1", "+44 1")
    assert journal.writes.resolve(doubt, held) is arrived
    assert journal.deliveries.in_doubt() == 0
    journal = reopened()
    assert journal.past_delivery("w") == (Delivered(2) if arrived else None)
    known = journal.find(ADA)
    assert (known.id if known else None) == (7 if arrived else None)


def test_many_threads_have_no_more_in_doubt_than_each_has_under_way(
    path: Path, reopened: Open
) -> None:
    workers = 8

    def run(journal: Journal) -> None:
        last = threading.Barrier(workers + 1)

        def work(number: int) -> None:
            for nth in range(50):
                journal.deliveries.about_to_send(f"{number}-{nth}", "page_view")
                if nth < 49:
                    journal.deliveries.delivered(f"{number}-{nth}", "page_view")
            last.wait()

        for number in range(workers):
            threading.Thread(target=work, args=(number,), daemon=True).start()
        last.wait()

    killed(path, run)
    journal = reopened()
    assert journal.deliveries.in_doubt() == workers
    assert all(journal.past_delivery(f"{number}-49") == "in_doubt" for number in range(workers))
    delivered = [journal.past_delivery(f"{n}-{nth}") for n in range(workers) for nth in range(49)]
    assert delivered == [Delivered(1)] * (workers * 49)


# The file.


def test_only_its_owner_may_read_it_and_its_companions(path: Path, reopened: Open) -> None:
    path.touch(0o644)
    os.umask(os.umask(0))
    reopened().writes.written("w", 7, ADA)
    for each in path.parent.iterdir():
        assert stat.S_IMODE(each.stat().st_mode) == 0o600, each.name
    assert path.with_name(path.name + "-wal").exists()


def test_it_holds_nobodys_data_once_nothing_is_under_way(path: Path, reopened: Open) -> None:
    journal = reopened()
    journal.deliveries.about_to_send("w", "create", ADA)
    assert b"ada@example" in b"".join(each.read_bytes() for each in path.parent.iterdir())
    journal.writes.written("w", 7, ADA)
    journal.close()
    assert b"ada@example" not in path.read_bytes()
    assert b"+44 1" not in path.read_bytes()


def test_a_journal_of_the_first_version_is_brought_up_to_date(path: Path, reopened: Open) -> None:
    assert MIGRATIONS[0].split() == FIRST_VERSION.partition("PRAGMA")[0].split()
    fingerprints = Fingerprints(bytes(32))
    with sqlite3.connect(path) as old:
        old.executescript(FIRST_VERSION)
        old.execute("INSERT INTO account VALUES (?, ?)", (ACCOUNT, bytes(32)))
        old.execute("INSERT INTO run VALUES (1, 5.0, 6.0, 0)")
        old.execute(
            "INSERT INTO end_user VALUES (7, ?, NULL, NULL, ?)",
            (fingerprints.identity("external_id", "1"), packed(fingerprints.of(ADA))),
        )
    old.close()
    journal = reopened()
    known = journal.find(EndUserUpsert(external_id="1"))
    assert known
    assert difference(ADA, known) is None
    journal.deliveries.failed("m", "page_view")
    journal.runs.end(1, {"create": 2}, 1)
    journal.close()
    held = contents(path)
    none = dict.fromkeys(("write", "eligibility_check", "response", "decline", "surveys_off"), 0)
    assert held.failed == none | {"page_view": 1}
    assert [(run.number, run.ended is None, run.created, run.failed) for run in held.runs] == [
        (2, False, 2, 1),
        (1, False, None, None),
    ]


def test_a_journal_of_the_version_before_is_brought_up_to_date(path: Path, reopened: Open) -> None:
    fingerprints = Fingerprints(bytes(32))
    with sqlite3.connect(path) as old:
        old.executescript(f"{FIRST_VERSION};{MIGRATIONS[1]};PRAGMA user_version = 2;")
        old.execute("INSERT INTO account VALUES (?, ?)", (ACCOUNT, bytes(32)))
        for number, name in ((7, "1"), (8, "2")):
            old.execute(
                "INSERT INTO end_user VALUES (?, ?, NULL, NULL, ?)",
                (number, fingerprints.identity("external_id", name), b""),
            )
    old.close()
    reopened().writes.written("w", 8, EndUserUpsert(external_id="2"))
    journal = reopened()
    assert journal.find(EndUserUpsert(external_id="1"))
    # When the first was met is not known, so that any snapshot is newer.
    journal = reopened(since=1.0)
    assert journal.find(EndUserUpsert(external_id="1")) is None
    assert journal.find(EndUserUpsert(external_id="2"))


def test_a_journal_of_the_third_version_is_brought_up_to_date(path: Path, reopened: Open) -> None:
    fingerprints = Fingerprints(bytes(32))
    with sqlite3.connect(path) as old:
        old.executescript(
            f"{FIRST_VERSION};{MIGRATIONS[1]};{MIGRATIONS[2]};PRAGMA user_version = 3;"
        )
        old.execute("INSERT INTO account VALUES (?, ?)", (ACCOUNT, bytes(32)))
        old.execute("INSERT INTO run VALUES (1, 5.0, NULL, NULL, 0, 0, 0, 0, 0, 0)")
        old.execute(
            "INSERT INTO end_user VALUES (7, ?, NULL, NULL, ?, 5.0)",
            (fingerprints.identity("external_id", "1"), packed(fingerprints.of(ADA))),
        )
        for key in ("old", "older"):
            name = blake2b(key.encode(), digest_size=16).digest()
            old.execute("INSERT INTO delivered VALUES (?, 0, 1)", (name,))
        old.execute(
            "INSERT INTO in_flight VALUES (x'00', 0, 1, NULL, '1', 'ada@example.com', '+44 1', ?)",
            (packed(fingerprints.of(ADA)),),
        )
    old.close()
    journal = reopened()
    assert journal.statements_of(7) is None
    (doubt,) = journal.deliveries.doubtful_writes()
    assert doubt.provenance == Provenance()
    assert journal.writes.resolve(doubt, HELD)
    assert journal.find(ADA)
    # The write that was in doubt, and what that release delivered, it learns about when they come again.
    assert not journal.deliveries.is_without_statements(journal.past_delivery("never"))
    for key, when in (("old", 5), ("older", 2)):
        fate = journal.past_delivery(key)
        assert fate == Delivered(1)
        assert journal.deliveries.is_without_statements(fate)
        journal.writes.note_statements(key, ADA, since(journal, when, "email"))
        assert not journal.deliveries.is_without_statements(journal.past_delivery(key))
        assert heard(journal, 7, "email") == 5
    journal.writes.note_statements("x", EndUserUpsert(external_id="2"), since(journal, 9, "email"))
    journal = reopened()
    assert heard(journal, 7, "email") == 5
    journal.writes.written("w", 7, ADA)
    assert not reopened().deliveries.is_without_statements(reopened().past_delivery("w"))


def test_a_journal_of_the_seventh_version_is_brought_up_to_date(path: Path, reopened: Open) -> None:
    with sqlite3.connect(path) as old:
        old.executescript(f"{FIRST_VERSION};{';'.join(MIGRATIONS[1:7])};PRAGMA user_version = 7;")
        name = blake2b(b"w", digest_size=16).digest()
        old.execute("INSERT INTO account (account, secret) VALUES (?, ?)", (ACCOUNT, bytes(32)))
        old.execute("INSERT INTO delivered VALUES (?, 0, 1)", (name,))
    old.close()
    journal = reopened()
    assert journal.past_delivery("w") == Delivered(1)
    assert journal.filled_in(["w"]) is None
    journal.fills.mark("w", ADA)
    assert reopened().filled_in(["w"])


def test_a_journal_of_the_eighth_version_learns_of_groups(path: Path, reopened: Open) -> None:
    with sqlite3.connect(path) as old:
        old.executescript(f"{FIRST_VERSION};{';'.join(MIGRATIONS[1:8])};PRAGMA user_version = 8;")
        name = blake2b(b"w", digest_size=16).digest()
        old.execute("INSERT INTO account (account, secret) VALUES (?, ?)", (ACCOUNT, bytes(32)))
        old.execute("INSERT INTO delivered VALUES (?, 0, 1)", (name,))
    old.close()
    journal = reopened()
    assert journal.past_delivery("w") == Delivered(1)
    assert not journal.histories.has_members
    group = journal.histories.group_print("acme")
    assert journal.histories.group_traits(group) == {}
    fold = stated({"plan": "pro"}, 5, has_message=True, tie="m")
    call = ToldCall(Named("1", None), (5, True, "m"), "acme", fold)
    remember([call], journal.claims, journal.histories)
    journal = reopened()
    assert journal.histories.has_members
    assert journal.histories.group_traits(group) == fold
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (9,)


def test_the_steps_of_released_versions_stay_as_they_were() -> None:
    """Journals of these versions are about: a step that changed would leave them without a table."""
    told = blake2b("".join(MIGRATIONS[:8]).encode(), digest_size=8).hexdigest()
    assert told == "a4697ac3c36e51e4"
    assert len(MIGRATIONS) == 9


def test_a_journal_of_the_eighth_version_learns_of_opt_outs(path: Path, reopened: Open) -> None:
    with sqlite3.connect(path) as old:
        old.executescript(f"{FIRST_VERSION};{';'.join(MIGRATIONS[1:8])};PRAGMA user_version = 8;")
        old.execute("INSERT INTO account (account, secret) VALUES (?, ?)", (ACCOUNT, bytes(32)))
        name = blake2b(b"w", digest_size=16).digest()
        old.execute("INSERT INTO delivered VALUES (?, 0, 1)", (name,))
        old.execute("INSERT INTO run (began, responses) VALUES (1.0, 3)")
    old.close()
    journal = reopened()
    assert journal.past_delivery("w") == Delivered(1)
    assert not journal.has_turned_off(7)
    journal.writes.written("w", 7, ADA)
    journal.opt_outs.turned_off("m1", 7)
    journal.runs.end(0, {"surveys_off": 1}, 0)
    journal.close()
    told = contents(path)
    assert [(run.responses, run.surveys_off) for run in told.runs] == [(0, 1), (3, None)]
    assert told.delivered["surveys_off"] == 1
    later = reopened()
    assert later.has_turned_off(7)
    assert later.past_opt_out("m1", ()) == PastOptOut(None, is_told=True)
    assert later.past_opt_out("m2", (ADA,)) == PastOptOut(7)
    later.opt_outs.told("m2", 7)
    assert reopened().past_opt_out("m3", (ADA,)) == PastOptOut(7, is_told=True)
    assert reopened(recalls=False).past_opt_out("m2", (ADA,)) is None
    assert not reopened(recalls=False).has_turned_off(7)


@pytest.mark.parametrize("nth", range(20))
def test_it_is_brought_up_to_date_once_however_many_are_at_it(path: Path, nth: int) -> None:
    with sqlite3.connect(path) as old:
        old.executescript(FIRST_VERSION)
        old.execute("INSERT INTO account VALUES (?, ?)", (ACCOUNT, bytes([nth]) * 32))
    old.close()
    start = threading.Barrier(4)

    def look(_: int) -> str:
        start.wait()
        return contents(path).account

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(look, range(4))) == [ACCOUNT] * 4


def test_a_newer_one_is_refused_and_left_as_it_is(path: Path, reopened: Open) -> None:
    reopened().close()
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    before = path.read_bytes()
    for use in (lambda: Journal.open(path, ACCOUNT), lambda: contents(path), lambda: forget(path)):
        with pytest.raises(JournalError, match=r"version 99.*newer"):
            use()
    assert path.read_bytes() == before


def test_another_accounts_is_refused(path: Path, reopened: Open) -> None:
    reopened()
    with pytest.raises(JournalError, match="another account's"):
        Journal.open(path, "ba9876543210")


@pytest.mark.parametrize("content", [b"hello, world\n" * 1000, b"\x1f\x8b\x08\0", b"{}\n"])
def test_a_file_that_is_no_journal_is_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    for use in (lambda: Journal.open(path, ACCOUNT), lambda: contents(path), lambda: forget(path)):
        with pytest.raises(JournalError, match=r"a\.journal"):
            use()
    assert path.read_bytes() == content


def test_a_database_that_is_no_journal_is_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE mine (x)")
    other.close()
    before = path.read_bytes()
    for use in (lambda: Journal.open(path, ACCOUNT), lambda: forget(path)):
        with pytest.raises(JournalError, match="no journal"):
            use()
    assert path.read_bytes() == before


def test_a_journal_of_which_a_part_is_spoilt_is_refused_and_left_alone(
    path: Path, reopened: Open
) -> None:
    with reopened() as journal:
        for number in range(1000):
            journal.deliveries.delivered(f"{number}", "page_view")
    spoilt = bytearray(path.read_bytes())
    middle = len(spoilt) // 2 // 4096 * 4096
    spoilt[middle : middle + 4096] = bytes(4096)
    path.write_bytes(spoilt)
    with pytest.raises(JournalError, match=r"spoilt.*move it away"):
        Journal.open(path, ACCOUNT)
    assert path.read_bytes() == spoilt


def test_a_folder_a_pipe_or_no_folder_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "none" / "a.journal"):
        with pytest.raises(JournalError):
            Journal.open(path, ACCOUNT)


def test_what_can_not_be_put_on_record_is_not_to_be_sent(path: Path, reopened: Open) -> None:
    reopened().close()
    database = connected(path)
    # A file that may not grow, as on a full disk.
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {pages}")
    journal = Journal(database, str(path), time.time)
    journal.deliveries.about_to_send("before", "page_view")
    big = EndUserUpsert(email="x" * 100_000)
    with pytest.raises(JournalFailedError, match="full"):
        journal.deliveries.about_to_send("w", "create", big)
    with pytest.raises(JournalFailedError):
        journal.deliveries.about_to_send("after", "page_view")
    assert journal.failure
    journal.close()
    assert reopened().past_delivery("before") == "in_doubt"


def test_an_answer_that_can_not_be_written_down_keeps_all_else_from_leaving(
    reopened: Open,
) -> None:
    journal = reopened()
    journal.writes.written("w", 2**70, ADA)
    with pytest.raises(JournalFailedError, match="nothing more was sent"):
        journal.deliveries.about_to_send("p", "page_view")
    assert journal.failure


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE in_flight SET fields = 1.5",
        "UPDATE in_flight SET kind = 'x'",
        "UPDATE end_user SET said = 7",
        "UPDATE end_user SET met = 'soon'",
        "UPDATE delivered SET run = x'00'",
        "UPDATE pace SET per_minute = x'00'",
        "UPDATE account SET secret = ''",
        "UPDATE run SET began = 'abc'",
        "UPDATE run SET began = 1e300",
        "UPDATE run SET ended = 9e999",
        "UPDATE run SET created = 'lots'",
        "UPDATE pace SET per_minute = 9e999",
        "UPDATE witness SET nonce = 5",
        "INSERT INTO reject VALUES (x'00', 'x', 1)",
        "INSERT INTO claim VALUES (1, 2, 'x')",
        "INSERT INTO filled VALUES (x'00', 'x')",
    ],
)
def test_a_journal_with_a_value_of_another_type_is_refused(
    path: Path, reopened: Open, change: str
) -> None:
    journal = reopened()
    journal.deliveries.about_to_send("w", "create", ADA)
    journal.writes.written("v", 7, ADA)
    journal.runs.note_limits({"end_users/create": 60.0})
    journal.close()
    with closing(sqlite3.connect(path)) as database:
        assert database.execute(change).rowcount
        database.commit()
    with pytest.raises(JournalError, match="parts of it are spoilt"):
        Journal.open(path, ACCOUNT)
    with pytest.raises(JournalError, match="parts of it are spoilt"), Journal.copied(path):
        pass
    with pytest.raises(JournalError, match="parts of it are spoilt"):
        contents(path)


@pytest.mark.parametrize(
    "change", ["DELETE FROM account", "INSERT INTO account SELECT * FROM account"]
)
def test_a_journal_of_no_account_or_several_is_spoilt(
    path: Path, reopened: Open, change: str
) -> None:
    reopened().close()
    with closing(sqlite3.connect(path)) as database:
        database.executescript(change)
    with pytest.raises(JournalError, match="parts of it are spoilt"):
        contents(path)


_ENDLESS = """
    CREATE VIEW endless AS
    WITH RECURSIVE n(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n) SELECT k FROM n;
"""


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE failed; CREATE VIEW failed AS SELECT x'00' AS key, k AS kind FROM endless",
        "DROP TABLE account; CREATE VIEW account AS SELECT 'a' AS account FROM endless WHERE k < 0",
        "CREATE TRIGGER more AFTER INSERT ON run BEGIN DELETE FROM delivered; END",
        "CREATE TABLE more (x)",
        "DROP TABLE claim",
        "DROP INDEX by_email",
    ],
)
def test_a_journal_of_other_tables_is_refused(path: Path, reopened: Open, change: str) -> None:
    reopened().close()
    with closing(sqlite3.connect(path)) as database:
        database.executescript(_ENDLESS + change if "endless" in change else change)
    for use in (contents, lambda path: Journal.open(path, ACCOUNT), forget):
        with pytest.raises(JournalError, match="has tables, views or triggers that no journal has"):
            use(path)
    with pytest.raises(JournalError, match="that no journal has"), Journal.copied(path):
        pass


@pytest.mark.parametrize(
    "piece", [b"\x01", bytes(12) + b"\xff" * 8, bytes(9) + b"\0\2" + bytes(8) + b"\xff\xff"]
)
def test_what_was_said_that_is_spoilt_is_named_and_fills_no_memory(
    path: Path, reopened: Open, piece: bytes
) -> None:
    journal = reopened()
    journal.writes.written("v", 7, ADA)
    journal.close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE end_user SET said = ?", (piece,))
        database.commit()
    journal = reopened()
    with pytest.raises(JournalFailedError, match="can't be used as a journal"):
        journal.statements_of(7)
    journal.writes.written(
        "v", 7, ADA, provenance=journal.fingerprints.provenance(said(9, "email"), [ADA])
    )
    with pytest.raises(JournalFailedError):
        journal.deliveries.about_to_send("next", "page_view")


def test_after_it_is_closed_nothing_departs(reopened: Open) -> None:
    journal = reopened()
    journal.close()
    with pytest.raises(StoppedError):
        journal.deliveries.about_to_send("m", "page_view")
    journal.deliveries.delivered("m", "page_view")
    assert reopened().past_delivery("m") is None


def test_forgotten_it_is_gone_with_its_companions(path: Path, reopened: Open) -> None:
    reopened().deliveries.delivered("m", "page_view")
    reopened().close()
    forget(path)
    assert list(path.parent.iterdir()) == []
    assert reopened().past_delivery("m") is None


def test_a_temporary_one_leaves_no_file(tmp_path: Path) -> None:
    with Journal.temporary() as journal:
        journal.deliveries.about_to_send("m", "page_view")
        journal.deliveries.delivered("m", "page_view")
        journal.writes.written("w", 7, ADA)
        assert isinstance(journal.past_delivery("m"), Delivered)
    assert list(tmp_path.iterdir()) == []


# A journal that was never of any use.


@pytest.mark.parametrize(
    ("runs", "exit_code", "rejected", "stays"),
    [
        (1, 4, b"", False),
        (1, None, b"", False),
        (1, 0, b"", True),
        (1, 1, b"", True),
        (2, 4, b"", True),
        (1, 4, b"{}", True),
    ],
)
def test_a_journal_of_one_run_that_broke_off_with_nothing_is_discarded(
    path: Path, runs: int, exit_code: int | None, rejected: bytes, stays: bool
) -> None:
    for _ in range(runs):
        with Journal.open(path, ACCOUNT) as journal:
            journal.rejects.reject(rejected, REJECTED)
            if exit_code is not None:
                journal.runs.end(exit_code, {}, 0)
    discard_unused(path)
    assert path.exists() == stays
    assert not list(path.parent.glob("*-wal"))


def test_nothing_but_a_journal_is_discarded(path: Path) -> None:
    path.write_text("Ada's notes")
    discard_unused(path)
    assert path.read_text() == "Ada's notes"
