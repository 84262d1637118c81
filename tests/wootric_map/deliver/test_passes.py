"""The order of work: whether events may go beside writes, and which end users come up when."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_map.deliver.call_range import ENDPOINTS
from wootric_map.deliver.passes import EndUsers, WritesFirst, may_send_beside_writes


@pytest.mark.parametrize("kind", ["look_up", "create", "update"])
def test_events_go_beside_writes_that_a_limit_of_their_own_holds_back(kind: str) -> None:
    held = {name for each, name in ENDPOINTS.items() if each == kind}
    assert may_send_beside_writes(None, held)
    assert may_send_beside_writes(None, {*held, "pixel"})


@pytest.mark.parametrize("rate", [1.0, 100.0, 1e6])
def test_no_event_goes_beside_writes_under_a_rate_of_the_callers(rate: float) -> None:
    assert not may_send_beside_writes(rate, set(ENDPOINTS.values()))


@pytest.mark.parametrize("held", [set(), {"eligible"}, {"pixel"}, {"end_users/list"}, {"oauth"}])
def test_no_event_goes_beside_writes_that_no_limit_holds_back(held: set[str]) -> None:
    assert not may_send_beside_writes(None, held)


@dataclass(frozen=True)
class One:
    """An end user of a made-up plan."""

    number: int
    writes: bool = True
    events: bool = True
    is_asked: bool = False
    """Whether the events take a look-up."""


@dataclass
class Order:
    """The passes through a made-up plan."""

    people: list[One]
    may_go: bool = True
    stop: threading.Event = field(default_factory=threading.Event)
    on_wait: Callable[[], object] = lambda: None
    readings: int = 0
    """How often the plan has been read."""

    def __post_init__(self) -> None:
        self.passes = WritesFirst(
            EndUsers(
                self._in_order,
                lambda one: one.number,
                lambda one: one.writes,
                lambda one: one.events,
                lambda one: not one.is_asked,
            ),
            self._wait,
        )

    def _in_order(self) -> Iterator[One]:
        self.readings += 1
        return iter(self.people)

    def beside(self) -> Iterator[tuple[One, str]]:
        return self.passes.events_beside(lambda: self.may_go)

    def _wait(self, seconds: float) -> bool:
        assert seconds > 0
        self.on_wait()
        return self.stop.is_set()

    def stops_at_the_first_wait(self) -> None:
        self.on_wait = self.stop.set


def numbers(coming: Iterator[tuple[One, str]]) -> list[int]:
    return [one.number for one, _ in coming]


def test_events_beside_the_writes_follow_their_own_writes_and_keep_the_order() -> None:
    order = Order([One(0), One(1, writes=False), One(2), One(3, events=False), One(4)])
    writes, beside = order.passes.writes(), order.beside()
    first, second = next(writes)[0], next(writes)[0]
    order.passes.written(second)
    sent: list[int] = []

    def let_the_first_end() -> None:
        assert sent == []  # nobody goes past the first, whose write is under way
        order.passes.written(first)

    order.on_wait = let_the_first_end
    for one, part in beside:
        assert part == "events"
        sent.append(one.number)
        if one.number == 2:
            break
    assert sent == [0, 1, 2]
    assert numbers(writes) == [3, 4]


def test_all_events_come_up_once_all_writes_are_done_where_none_may_go_beside_them() -> None:
    order = Order([One(n) for n in range(4)], may_go=False)
    writing = [one for one, _ in order.passes.writes()]
    waits = iter(writing)
    order.on_wait = lambda: order.passes.written(next(waits))
    assert numbers(order.passes.events()) == [0, 1, 2, 3]
    assert next(waits, None) is None
    assert numbers(order.beside()) == []


def test_events_go_beside_the_last_writes_under_way_as_well() -> None:
    order = Order([One(0), One(1)])
    first, last = (one for one, _ in order.passes.writes())
    order.passes.written(first)
    beside = order.beside()
    assert next(beside)[0].number == 0
    order.on_wait = lambda: order.passes.written(last)
    assert numbers(beside) == []
    assert numbers(order.passes.events()) == [1]


def test_events_that_take_look_ups_wait_for_the_writes_and_are_sent_then() -> None:
    order = Order([One(0), One(1, writes=False, is_asked=True), One(2), One(3)])
    writes, beside = order.passes.writes(), order.beside()
    for each in writes:
        if each[0].number == 3:
            break
        order.passes.written(each[0])
    assert [next(beside)[0].number, next(beside)[0].number] == [0, 2]
    order.passes.written(each[0])
    assert numbers(writes) == []
    assert numbers(order.passes.events()) == [1, 3]
    assert numbers(beside) == []


def test_where_no_event_may_go_beside_writes_the_plan_is_not_read_for_them() -> None:
    order = Order([One(0)], may_go=False)
    next(order.passes.writes())
    order.stops_at_the_first_wait()
    assert numbers(order.beside()) == []
    assert order.readings == 1


@pytest.mark.parametrize("people", [[], [One(0, writes=False)], [One(0, events=False)]])
def test_without_writes_or_events_nobody_waits(people: list[One]) -> None:
    order = Order(people)
    for one, _ in order.passes.writes():
        order.passes.written(one)
    order.on_wait = pytest.fail
    assert numbers(order.beside()) == []
    assert numbers(order.passes.events()) == [one.number for one in people if one.events]


def test_a_stop_ends_all_who_wait() -> None:
    order = Order([One(0), One(1)])
    writes = order.passes.writes()
    next(writes)
    order.stops_at_the_first_wait()
    assert numbers(order.beside()) == []
    assert numbers(order.passes.events()) == []


@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), max_size=12),
    st.randoms(use_true_random=False),
)
def test_whatever_ends_first_each_end_users_events_come_once_and_after_their_own_writes(
    flags: list[tuple[bool, bool, bool]], random: Random
) -> None:
    people = [One(number, *each) for number, each in enumerate(flags)]
    order = Order(people)
    writes, under_way = order.passes.writes(), list[One]()
    pending = {one for one in people if one.writes}
    sent: list[One] = []

    def go_on() -> None:
        """Begin or end writes, and change whether events may go beside them."""
        order.may_go = random.random() < 0.5
        wants_more = not under_way or random.random() < 0.5
        begun = [one for one, _ in islice(writes, int(wants_more))]
        under_way.extend(begun)
        if under_way and not begun:
            ended = under_way.pop(random.randrange(len(under_way)))
            pending.remove(ended)
            order.passes.written(ended)

    order.on_wait = go_on
    for one, _ in order.beside():
        assert order.may_go
        assert one not in pending
        assert not one.is_asked
        sent.append(one)
        for _ in range(random.randrange(4)):
            go_on()
    assert sent == sorted(sent, key=lambda one: one.number)
    for one, _ in order.passes.events():
        assert not pending
        sent.append(one)
    assert sorted(one.number for one in sent) == [one.number for one in people if one.events]
