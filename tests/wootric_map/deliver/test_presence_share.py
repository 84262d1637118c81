"""The share of end users who are there already, and what it takes to know of one more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_map.deliver.presence_share import PresenceShare


def expected_calls(share: float, look_ups: int) -> tuple[float, float]:
    """The calls beyond the create or update itself: if created first, and if looked up first."""
    return 2 * share, share + look_ups * (1 - share)


def test_nobody_is_expected_at_first() -> None:
    share = PresenceShare()
    assert share.share == 0
    assert share.favours_creation(1)


@pytest.mark.parametrize("look_ups", [1, 2])
@given(replies=st.lists(st.booleans(), max_size=200))
def test_whatever_takes_fewer_calls_on_the_average_is_favoured(
    look_ups: int, replies: list[bool]
) -> None:
    share = PresenceShare()
    for each in replies:
        share.note(is_there=each)
    created, looked_up = expected_calls(share.share, look_ups)
    if abs(created - looked_up) > 1e-9:
        assert share.favours_creation(look_ups) == (created < looked_up)


def test_two_look_ups_go_first_from_two_thirds_on_and_one_from_a_half_on() -> None:
    share = PresenceShare()
    share.note(is_there=True)
    assert (share.share, share.favours_creation(2), share.favours_creation(1)) == (0.5, True, False)
    share.note(is_there=True)
    assert share.share == pytest.approx(2 / 3)
    assert not share.favours_creation(2)


@given(before=st.lists(st.booleans(), max_size=500))
def test_what_came_lately_counts_most(before: list[bool]) -> None:
    share = PresenceShare()
    for each in before:
        share.note(is_there=each)
    for _ in range(150):
        share.note(is_there=True)
    assert not share.favours_creation(2)
    for _ in range(150):
        share.note(is_there=False)
    assert share.favours_creation(1)
