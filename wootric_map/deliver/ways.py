"""What each way of pushing an export costs: calls, with the pages of the account's list, and time."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from wootric_map.deliver.call_counter import CallCounter
from wootric_map.deliver.call_range import KINDS, CallRange, Kind
from wootric_map.deliver.csv_end_users import omission
from wootric_map.deliver.forecast import ForecastRange, Speed
from wootric_map.deliver.rehearse import Rehearsed
from wootric_map.model import EndUser, EndUserUpsert, Existing
from wootric_map.plan.steps import EndUserPlan, Write
from wootric_map.wootric.listing import PAGES, PER_PAGE

WayName: TypeAlias = Literal["auto", "account", "snapshot_first"]

_WINDOW: Final = PAGES * PER_PAGE
"""End users that can be read before the list is asked for anew, which repeats some."""


@dataclass(frozen=True, slots=True)
class Pages:
    """How many pages of the account's list are read."""

    least: int = 0
    most: int | None = 0
    """None if nothing tells."""


@dataclass(frozen=True, slots=True)
class Way:
    """What one way of pushing costs, besides signing in and the list of registered events."""

    name: WayName
    calls: CallRange
    """The calls, without the pages of the list."""
    pages: Pages

    @property
    def least(self) -> int:
        """The least number of calls, with the pages of the list."""
        return self.calls.least + self.pages.least

    @property
    def most(self) -> int | None:
        """The greatest number of calls, with the pages of the list; None if nothing tells."""
        return None if self.pages.most is None else self.calls.most + self.pages.most

    def seconds(self, speed: Speed) -> tuple[float, float | None]:
        """Return how many seconds the calls take at least, and at most; the pages come before the others."""
        takes: ForecastRange = speed.forecast_range(self.calls)
        least = _seconds_of_pages(speed, self.pages.least) + takes.least
        if self.pages.most is None:
            return least, None
        return least, _seconds_of_pages(speed, self.pages.most) + takes.most.seconds


@dataclass(frozen=True, slots=True)
class Account:
    """What is known of the account that a plan is compared with."""

    is_whole: bool = True
    """Whether it is known, whoever is looked up, whether they are there, without a call."""
    holds: int | None = 0
    """How many end users it holds; None if that is not known."""
    pages: int | None = None
    """How many pages of its list a push reads that knows it with the fewest calls; None if nothing tells."""


class StepCounter:
    """Counts what the steps of a plan take by each way."""

    def __init__(self, existing: Existing) -> None:
        """Begin with no step; `existing` is which fields of existing end users are sent."""
        self._calls = CallCounter(existing)
        self._existing: Existing = existing
        self._last: EndUserPlan | None = None
        self._sent: dict[Kind, int] = dict.fromkeys(KINDS, 0)
        self._look_ups = 0
        self._look_ups_again = 0
        self._asked = 0
        """How many end users only the account can tell of, if each is looked up."""
        self._by_phone = 0
        """The look-ups of those who are known by a phone alone, and not found without a call."""
        self._in_csv = 0

    def add(self, step: Rehearsed) -> None:
        """Add a step; the steps of an end user come one after the other."""
        self._calls.add(step)
        if step.call is not None:
            for kind in KINDS:
                self._sent[kind] += kind == step.outcome.action
        self._sent["survey_list"] += step.asked.lists
        self._look_ups += step.look_ups
        self._asked += step.look_ups > 0
        if _is_phone_asked(step):
            self._by_phone += step.look_ups
        if self._existing == "fill" and isinstance(step.held, EndUser):
            # Whoever an earlier run has met is looked up once more.
            self._look_ups_again += step.look_ups
        if isinstance(step.call, EndUserUpsert) and step.end_user.folded:
            wanted = step.end_user.folded.upsert
            if step.end_user is not self._last and not omission(wanted, step.call, step.held):
                self._in_csv += 1
                self._last = step.end_user

    def add_created(self, done: Mapping[str, int]) -> None:
        """Add steps of end users who are taken not to be there, by the counts of a report."""
        for kind in KINDS:
            if kind != "look_up":
                self._sent[kind] += done[kind]
        self._calls.add_exactly({kind: done[kind] for kind in KINDS if kind != "look_up"})
        self._look_ups += done["look_up"]
        self._asked += done["look_up"]
        self._in_csv += done["in_csv"]

    @property
    def expected(self) -> CallRange:
        """The calls of a push that knows no more than what the plan is compared with."""
        return self._calls.foretold.calls

    @property
    def looking_up(self) -> CallRange:
        """The calls of a push that looks up each end user."""
        exact = CallRange.exactly(self._sent | {"look_up": self._look_ups})
        again: dict[Kind, int] = {"look_up": self._look_ups_again}
        return exact.plus(CallRange({}, again, 0, self._look_ups_again))

    @property
    def end_users_in_csv(self) -> int:
        """How many of the end users to write a CSV can hold."""
        return self._in_csv

    def ways(self, account: Account) -> tuple[Way, ...]:
        """Return what each way costs in an account of which so much is known."""
        knowing = self.expected if account.is_whole else CallRange.exactly(self._sent)
        return (
            self._auto(account),
            Way("account", self.looking_up, Pages()),
            Way("snapshot_first", knowing, pages_of(account.holds)),
        )

    def _auto(self, account: Account) -> Way:
        if account.pages is not None:
            return Way("auto", self.expected, Pages(account.pages, account.pages))
        # The list is read no further than it may save look-ups.
        pages = pages_of(account.holds)
        most = self._asked if pages.most is None else min(self._asked, pages.most)
        least = min(most, 1)
        sent = CallRange.exactly(self._sent)
        if account.holds is not None and account.holds < PER_PAGE:
            by_phone = CallRange.exactly({"look_up": self._by_phone})
            return Way("auto", self.expected.plus(by_phone), Pages(least, least))
        refused: dict[Kind, int] = {"create": self._asked}
        calls = self.looking_up.plus(CallRange({}, refused, 0, self._asked))
        calls = replace(calls, least=sent.least, least_by_kind=sent.least_by_kind)
        return Way("auto", calls, Pages(least, most))


def _is_phone_asked(step: Rehearsed) -> bool:
    """Return whether a push asks for the phone of somebody who is known not to be there.

    Several may have a phone, so that Wootric would not refuse a second end user with it.
    """
    if not isinstance(step.step, Write) or step.held or step.asked.is_open or step.step.whole.email:
        return False
    ids = (by for each in step.end_user.identifiers() for by, _ in each.look_up_keys())
    return "phone_number" in ids


def pages_of(end_users: int | None) -> Pages:
    """Return how many pages the list of so many end users has; None for an unknown number."""
    if end_users is None:
        return Pages(1, None)
    least = end_users // PER_PAGE + 1
    return Pages(least, least if end_users < _WINDOW else 2 * least)


def _seconds_of_pages(speed: Speed, pages: int) -> float:
    """Return how many seconds pages of the list take, whose limit is taken for that of look-ups."""
    return pages * 60 / speed.rate if speed.rate else speed.throughput("look_up").seconds(pages)
