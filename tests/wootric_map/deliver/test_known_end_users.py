"""What is known of an account by a part of its list: who is there, and what only the account can tell."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from wootric_map.deliver.knowledge import Known
from wootric_map.deliver.known_end_users import KnownEndUsers
from wootric_map.model import EndUser, EndUserUpsert

ADA = EndUser(1, "Ada@example.com", "u1", "+44 1", None, {"plan": "pro"})
BOB = EndUser(2, "bob@example.com", None, None, None, {})
CARL = EndUser(3, None, None, "+44 3", None, {})


@pytest.fixture
def known() -> Iterator[KnownEndUsers]:
    with closing(KnownEndUsers()) as found:
        found.add([ADA, BOB, CARL])
        yield found


def test_the_surest_id_is_enough(known: KnownEndUsers) -> None:
    assert known.look_up(EndUserUpsert(external_id="u1", email="new@example.com")) == Known(
        ADA, None
    )
    assert known.look_up(EndUserUpsert(email="ada@EXAMPLE.com")) == Known(ADA, None)
    assert known.look_up(EndUserUpsert(wootric_id="2")) == Known(BOB, None)


def test_a_phone_is_enough_only_if_all_are_known_since_the_oldest_who_has_it_counts(
    known: KnownEndUsers,
) -> None:
    wanted = EndUserUpsert(phone_number="+44 3")
    assert known.look_up(wanted) == Known(None, wanted)
    known.is_complete = True
    assert known.look_up(wanted) == Known(CARL, None)


def test_an_email_is_not_enough_where_somebody_else_may_have_the_external_id(
    known: KnownEndUsers,
) -> None:
    wanted = EndUserUpsert(external_id="u9", email="bob@example.com", properties={"plan": "pro"})
    found, unasked = known.look_up(wanted)
    assert found == BOB
    assert unasked is not None
    assert list(unasked.look_up_keys()) == [("external_id", "u9")]


def test_whoever_is_not_known_may_be_there_unless_all_are_known(known: KnownEndUsers) -> None:
    nobody = EndUserUpsert(external_id="u9", email="nobody@example.com")
    assert known.look_up(nobody) == Known(None, nobody)
    known.is_complete = True
    assert known.look_up(nobody) == Known(None, None)
    assert known.look_up(EndUserUpsert(external_id="u9", email="bob@example.com")) == Known(
        BOB, None
    )


def test_a_write_is_known(known: KnownEndUsers) -> None:
    known.is_complete = True
    known.learn(EndUser(2, "robert@example.com", "u2", None, None, {}))
    assert known.find(EndUserUpsert(email="bob@example.com")) is None
    assert known.find(EndUserUpsert(external_id="u2")) == EndUser(
        2, "robert@example.com", "u2", None, None, {}
    )


def test_a_write_without_an_answer_leaves_the_end_user_to_the_account(known: KnownEndUsers) -> None:
    known.is_complete = True
    wanted = EndUserUpsert(external_id="u1")
    known.doubt(1)
    assert known.look_up(wanted) == Known(None, wanted)
    known.learn(ADA)
    assert known.look_up(wanted) == Known(ADA, None)


def test_what_was_known_earlier_does_not_count_before_what_is_known_now(
    known: KnownEndUsers,
) -> None:
    older = EndUser(4, "dora@example.com", None, None, None, {})
    known.add_earlier([EndUser(2, "old@example.com", None, None, None, {}), older])
    assert known.find(EndUserUpsert(email="old@example.com")) is None
    assert known.find(EndUserUpsert(email="dora@example.com")) == older


def test_a_phone_finds_nobody_who_is_somebody_else(known: KnownEndUsers) -> None:
    wanted = EndUserUpsert(external_id="u9", phone_number="+44 1")
    known.is_complete = True
    # Nor does it tell that nobody is there: somebody may have been created with it since.
    assert known.look_up(wanted) == Known(None, wanted)


def test_all_can_be_forgotten(known: KnownEndUsers) -> None:
    known.is_complete = True
    known.forget_all()
    wanted = EndUserUpsert(external_id="u1")
    assert known.look_up(wanted) == Known(None, wanted)
