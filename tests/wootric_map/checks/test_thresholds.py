"""How much may be found before a check fails."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_map.checks.thresholds import Counts, Limit, Thresholds, exceeded
from wootric_map.errors import UnfitSettingsError

COUNTS = st.integers(0, 10**6)
PERCENT = st.decimals(0, 100, places=3).map(Fraction)


def judged(thresholds: Thresholds, records: int, rejected: int) -> list[str]:
    found = exceeded(thresholds, Counts(records, rejected, 0, {}))
    return [each.message for each in found]


@given(records=COUNTS, rejected=COUNTS, percent=PERCENT)
def test_a_share_is_exact(records: int, rejected: int, percent: Fraction) -> None:
    """A record more than the share is too many, however the share is rounded."""
    thresholds = Thresholds(max_rejected=Limit(percent, is_share=True))
    assert bool(judged(thresholds, records, rejected)) == (rejected * 100 > percent * records)


@given(records=COUNTS, rejected=COUNTS, most=COUNTS)
def test_a_number_is_the_greatest_allowed(records: int, rejected: int, most: int) -> None:
    thresholds = Thresholds(max_rejected=Limit(Fraction(most)))
    assert bool(judged(thresholds, records, rejected)) == (rejected > most)


def test_the_message_says_which_and_by_how_much() -> None:
    thresholds = Thresholds(
        max_rejected=Limit(Fraction("2.5"), is_share=True),
        max_warnings=1,
        min_records=200,
        fail_on=frozenset({"duplicate", "in_doubt"}),
    )
    found = Counts(120, 5, 3, {"duplicate": 2})
    assert [tuple(each) for each in exceeded(thresholds, found)] == [
        ("--min-records 200", 200, 120, "120 records read, 80 fewer than there must be"),
        ("--max-rejected 2.5%", 3, 5, "5 of 120 records rejected (4.167%), 2 more than the 3 allowed"),
        ("--max-warnings 1", 1, 3, "3 different warnings, 2 more than allowed"),
        ("--fail-on duplicate", 0, 2, "found 2 times"),
    ]  # fmt: skip


def test_without_thresholds_nothing_is_exceeded() -> None:
    assert not list(exceeded(Thresholds(), Counts(0, 9, 9, {"duplicate": 9})))


def test_a_code_that_is_ignored_can_not_fail() -> None:
    with pytest.raises(UnfitSettingsError, match="contradict"):
        Thresholds(fail_on=frozenset({"mixed_types"})).check(frozenset({"mixed_types"}))
