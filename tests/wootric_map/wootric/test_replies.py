"""Which replies are believed: those of the end user asked for, however a server stores what it is sent."""

from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_map.errors import NotBelievedError
from wootric_map.model import EndUser, EndUserUpsert
from wootric_map.wootric.end_users import end_user_from
from wootric_map.wootric.replies import (
    MOST_IN_A_ROW,
    MOST_VALUES,
    Trust,
    begun_at,
    has_more_than_asked,
    has_too_many_values,
    is_to_come,
    not_as_sent,
    not_asked_for,
    says_who,
)

NOW = 1_700_000_000


def told(**fields: object) -> EndUser:
    return end_user_from({"id": 7} | fields)


ADA = EndUserUpsert("Ada@example.com", "u1", wootric_id="7")


@pytest.mark.parametrize(
    ("wanted", "reply"),
    [
        # What was looked up is told as it is kept: trimmed, in lower case, composed, as a number.
        (EndUserUpsert(wootric_id="7"), {}),
        (EndUserUpsert(wootric_id="7", external_id="u1"), {"external_id": "other"}),
        (EndUserUpsert(external_id="u1"), {"external_id": "u1"}),
        (EndUserUpsert(external_id=" u1 "), {"external_id": "u1"}),
        (EndUserUpsert(external_id="12"), {"external_id": 12}),
        (EndUserUpsert(external_id="u\u00e9"), {"external_id": "ue\u0301"}),
        (EndUserUpsert(email="Ada@Example.com"), {"email": " ada@example.COM "}),
        (EndUserUpsert(email="ada@b\u00fccher.example"), {"email": "ada@xn--bcher-kva.example"}),
        (EndUserUpsert(phone_number="+49 30 123456"), {"phone_number": "+4930123456"}),
        (EndUserUpsert(phone_number="030/123456"), {"phone_number": "030-12 34 56"}),
        (EndUserUpsert(phone_number="49 30 123456"), {"phone_number": "+4930123456"}),
        (EndUserUpsert(phone_number="+49 (0)30 123456"), {"phone_number": "0049-30-123456"}),
        (EndUserUpsert(phone_number="+491"), {"phone_number": "+491"}),
        # What else it tells may be about to change.
        (EndUserUpsert("new@example.com", "u1"), {"external_id": "u1", "email": "old@example.com"}),
        # What was looked up is left out, and something else tells who it is.
        (EndUserUpsert("a@example.com", "u1"), {"email": "A@example.com"}),
        (EndUserUpsert("a@example.com", "u1"), {"email": "a@example.com", "external_id": None}),
        (
            EndUserUpsert("a@example.com", "u1", "+49 30 1"),
            {"email": "a@example.com", "phone_number": "+49302"},
        ),
    ],
)
def test_the_end_user_who_was_looked_up_is_believed(
    wanted: EndUserUpsert, reply: dict[str, object]
) -> None:
    by, key = next(wanted.look_up_keys())
    assert not_asked_for(by, key, wanted, told(**reply)) is None


@pytest.mark.parametrize(
    ("wanted", "reply", "by"),
    [
        (EndUserUpsert("ada@example.com", "u1", wootric_id="8"), {"external_id": "u1"}, "id"),
        (EndUserUpsert("ada@example.com", "u1"), {"external_id": "u2"}, "external id"),
        (EndUserUpsert("ada@example.com", "u1"), {"external_id": "U1"}, "external id"),
        (
            EndUserUpsert("ada@example.com", "u1"),
            {"external_id": "u2", "email": "ada@example.com"},
            "external id",
        ),
        (EndUserUpsert(external_id="12"), {"external_id": 123}, "external id"),
        (EndUserUpsert("ada@example.com"), {"email": "bob@example.com"}, "email"),
        (EndUserUpsert("ada@example.com"), {"email": "ada@example.org"}, "email"),
        (EndUserUpsert(phone_number="+49 30 123456"), {"phone_number": "+49 30 123457"}, "phone"),
        (EndUserUpsert(phone_number="+49 30 123456"), {"phone_number": "3456"}, "phone"),
        # The end of a phone is the end of many.
        (EndUserUpsert(phone_number="+442079460001"), {"phone_number": "60001"}, "phone"),
        (EndUserUpsert(phone_number="030/123456"), {"phone_number": "+49 (30) 123456"}, "phone"),
        # Nothing, or something else, tells who it is.
        (
            EndUserUpsert(None, "u1", "+49 30 123456"),
            {"phone_number": "+4930123456"},
            "external id",
        ),
        (EndUserUpsert("a@example.com", "u1", "+4930"), {"phone_number": "+4930"}, "external id"),
        (
            EndUserUpsert("ada@example.com", phone_number="+4930"),
            {"phone_number": "+4930"},
            "email",
        ),
        (EndUserUpsert("ada@example.com", "u1"), {}, "external id"),
        (EndUserUpsert("ada@example.com", "u1"), {"email": "bob@example.com"}, "external id"),
        (
            EndUserUpsert("ada@example.com", "u1", "+49 30 123456"),
            {"email": "bob@example.com", "phone_number": "+49 30 123456"},
            "external id",
        ),
    ],
)
def test_anybody_else_is_not_who_was_looked_up(
    wanted: EndUserUpsert, reply: dict[str, object], by: str
) -> None:
    key = next(wanted.look_up_keys())
    what = not_asked_for(*key, wanted, told(**reply))
    assert what is not None
    assert f"a look-up by {by} is of another end user (7)" in what


@pytest.mark.parametrize(
    ("sent", "reply"),
    [
        (ADA, {"email": "ada@example.com", "external_id": "u1"}),
        (ADA, {"email": None}),
        (ADA, {"email": "ADA@example.com "}),
        (EndUserUpsert(external_id="12"), {"external_id": 12, "email": "whoever@example.com"}),
        (EndUserUpsert(properties={"plan": "pro"}), {"email": "whoever@example.com"}),
        # A phone is told in forms that nobody foresees, and whoever has an email is known by that.
        (
            EndUserUpsert("ada@example.com", phone_number="030 1"),
            {"email": "ada@example.com", "phone_number": "+99"},
        ),
        (ADA, {"email": "ada@example.com", "properties": '{"plan"=>"pro"}'}),
    ],
)
def test_a_write_is_believed_whose_reply_tells_what_was_sent(
    sent: EndUserUpsert, reply: dict[str, object]
) -> None:
    assert not_as_sent(sent, told(**reply)) is None
    assert not_as_sent(sent, told(**reply), 7) is None


@pytest.mark.parametrize(
    ("sent", "reply", "words"),
    [
        (ADA, {"email": "bob@example.com", "external_id": "u1"}, "its email"),
        (ADA, {"email": "ada@example.com", "external_id": "u2"}, "its external id"),
        (EndUserUpsert(external_id="u1"), {"external_id": "u2"}, "its external id"),
        (
            EndUserUpsert(phone_number="+49 30 123456"),
            {"phone_number": "+49 30 123457"},
            "its phone",
        ),
    ],
)
def test_a_write_is_not_believed_whose_reply_tells_something_else(
    sent: EndUserUpsert, reply: dict[str, object], words: str
) -> None:
    assert words in (not_as_sent(sent, told(**reply)) or "")


def test_an_update_is_not_believed_whose_reply_is_of_another_id() -> None:
    what = not_as_sent(ADA, told(email="ada@example.com"), 8)
    assert what == "Wootric's reply to an update of end user 8 is of another one (7)"


def test_an_id_alone_says_not_who_was_created() -> None:
    assert says_who(ADA, told(external_id="u1"))
    assert not says_who(ADA, told(phone_number="+491"))
    assert not says_who(ADA, told())


@given(
    st.builds(
        EndUserUpsert,
        email=st.none() | st.emails(),
        external_id=st.none() | st.text(min_size=1),
        phone_number=st.none() | st.text(min_size=1),
    )
)
def test_whoever_is_told_as_they_were_sent_is_believed(wanted: EndUserUpsert) -> None:
    reply = told(
        email=wanted.email, external_id=wanted.external_id, phone_number=wanted.phone_number
    )
    assert not_as_sent(wanted, reply, 7) is None
    for by, key in wanted.look_up_keys():
        assert not_asked_for(by, key, wanted, reply) is None


def test_values_are_counted_before_they_are_read() -> None:
    few = b'{"id":1,"properties":{' + b",".join(b'"p%d":1' % n for n in range(1000)) + b"}}"
    assert not has_too_many_values(few)
    assert not has_too_many_values(b'"' + b"x" * 1_000_000 + b'"')
    for many in (b"[]", b"{}", b'"":1', b"1"):
        assert has_too_many_values(b"[" + b",".join([many] * (MOST_VALUES + 1)) + b"]")
    assert has_too_many_values(b"[" * (MOST_VALUES + 1))


def test_a_page_holds_no_more_than_asked_for() -> None:
    assert not has_more_than_asked([1, 2], {"per_page": "2"})
    assert has_more_than_asked([1, 2], {"per_page": "1"})


def test_a_time_may_be_ahead_of_the_clock_by_a_zone_and_no_more() -> None:
    assert not is_to_come(NOW + 14 * 3600, NOW)
    assert is_to_come(NOW + 2 * 86_400, NOW)


def test_a_snapshot_is_begun_by_wootrics_clock_unless_that_is_far_ahead() -> None:
    assert begun_at(None, NOW + 0.5) == NOW
    assert begun_at(NOW - 10_000_000, NOW) == NOW - 10_000_000
    assert begun_at(NOW + 60, NOW) == NOW + 60
    assert begun_at(NOW + 10_000_000, NOW) == NOW


def test_trust_is_lost_after_a_few_in_a_row_and_does_not_come_back() -> None:
    trust = Trust()
    for _ in range(3):
        for _ in range(MOST_IN_A_ROW - 1):
            trust.note_unbelieved("wrong")
        trust.note_believed()
    for _ in range(MOST_IN_A_ROW - 1):
        trust.note_unbelieved("wrong")
    trust.check()
    with pytest.raises(NotBelievedError, match=r"5 replies in a row .* \(the latest: of another\)"):
        trust.note_unbelieved("of another")
    trust.note_believed()
    with pytest.raises(NotBelievedError):
        trust.check()


def test_threads_lose_trust_together() -> None:
    trust = Trust()
    lost: list[NotBelievedError] = []

    def work() -> None:
        try:
            trust.note_unbelieved("wrong")
        except NotBelievedError as error:
            lost.append(error)

    threads = [Thread(target=work) for _ in range(MOST_IN_A_ROW + 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lost
    with pytest.raises(NotBelievedError):
        trust.check()
