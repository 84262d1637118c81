"""Counting the calls of a plan before the first one: exactly where enough is known, else as a range.

What the account is compared with is taken to be true: a snapshot, or that the account holds nobody. Faults
are not foretold: tries repeated after a lost reply, a 429 or a 5xx; writes that Wootric refuses, and the
events that are then not sent; further sign-ins of a run that outlives its token.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import inf
from typing import Final

from wootric_map.deliver.call_range import CallRange, Kind, RangeSum, kind_of
from wootric_map.deliver.earlier_runs import skip_if_sent
from wootric_map.deliver.fingerprints import Delivered, PastDelivery, RememberedEndUser
from wootric_map.deliver.forecast import Foretold
from wootric_map.deliver.journal import Journal
from wootric_map.deliver.knowledge import Asked
from wootric_map.deliver.rehearse import Rehearsed
from wootric_map.deliver.saved_decisions import PastRuns
from wootric_map.deliver.verdicts import unregistered
from wootric_map.model import EndUserUpsert, Existing, Skip
from wootric_map.plan.plan_file import PlanFile
from wootric_map.plan.plan_lines import PlannedCall, PlannedWrite
from wootric_map.plan.steps import SURVEY_ACTIONS, EndUserPlan, TurnOff, Write
from wootric_map.survey_calls import SurveysOff

_NOTHING: Final = CallRange()

_MAYBE_OFF: Final = CallRange({}, {"surveys_off": 1}, 0, 1)
"""The call that turns surveys off for an end user for whom they may be off."""


class CallCounter:
    """Adds up the calls of the steps of a plan."""

    def __init__(self, existing: Existing) -> None:
        """Begin with no step; `existing` is which fields of existing end users are sent."""
        self._existing: Existing = existing
        self._certain = RangeSum()
        self._open = RangeSum()
        self._open_steps = 0
        self._end_user: EndUserPlan | None = None
        self._is_open = False
        """Whether only the account can tell who the present end user is."""
        self._is_checked = False
        """Whether the present end user is looked up to see what they lack."""
        self._is_answered = False
        """Whether the account tells more of the present end user, whom the journal knows, by a write."""
        self._is_assumed = False
        """Whether the present end user is taken to be there, since the export gives Wootric's own id."""

    @property
    def foretold(self) -> Foretold:
        """The calls of the steps that were added."""
        return Foretold(self._certain.sum, self._open.sum, self._open_steps)

    def add_exactly(self, calls: Mapping[Kind, int]) -> None:
        """Add calls of steps that are certain."""
        self._certain.add(CallRange.exactly(calls))

    def add(self, step: Rehearsed) -> None:
        """Add a step; the steps of an end user come one after the other."""
        if step.end_user is not self._end_user:
            self._end_user = step.end_user
            self._is_open = self._is_checked = self._is_assumed = self._is_answered = False
        asked = step.asked
        self._is_open = self._is_open or asked.is_open
        self._is_checked = self._is_checked or asked.checks > 0
        if not self._is_open:
            self._certain.add(self._known(step))
            return
        if self._existing == "fill":
            # Whoever this run or an earlier one has met is looked up once more.
            asked = asked._replace(most=2 * asked.most)
        calls = (
            _open_write(step, asked) if isinstance(step.step, Write) else _open_event(step, asked)
        )
        self._open.add(calls)
        self._open_steps += asked.is_open

    def _known(self, step: Rehearsed) -> CallRange:
        """Return the calls of a step of an end user of whom enough is known."""
        if isinstance(step.step, TurnOff) and self._is_answered and step.call is not None:
            return _MAYBE_OFF
        if isinstance(step.step, Write):
            # The journal does not know the settings, and the answer to a write tells them.
            is_remembered = isinstance(step.held, RememberedEndUser)
            self._is_answered = is_remembered and (step.call is not None or self._is_checked)
        if isinstance(step.step, Write) and not self._is_checked:
            if self._is_assumed:
                # They may not be there, and the step before in vain.
                return replace(_assumed(step), least_by_kind={}, least=0)
            call = step.call
            self._is_assumed = bool(
                isinstance(call, EndUserUpsert) and call.wootric_id and step.held is None
            )
            if self._is_assumed:
                return _assumed(step)
        return _certain(step, is_checked=self._is_checked)


def _certain(step: Rehearsed, *, is_checked: bool) -> CallRange:
    """Return the calls of a step of an end user who is known.

    Args:
        step: the step.
        is_checked: whether the end user is looked up to see what they lack, so that less or more may be left
            to write.
    """
    checks = CallRange.exactly({"look_up": step.asked.checks}) if step.asked.checks else _NOTHING
    action, call = step.outcome.action, step.call
    if step.outcome.action in SURVEY_ACTIONS:
        return checks.plus(_of_survey(step, is_open=False))
    if not isinstance(step.step, Write):
        return checks if call is None else checks.plus(CallRange.exactly({kind_of(action): 1}))
    if is_checked:
        write = kind_of(action) if call is not None and step.held else "update"
        return checks.plus(CallRange({}, {write: 1}, 0, 1))
    if call is None:
        return checks
    return checks.plus(CallRange.exactly({kind_of(action): 1}))


def _assumed(step: Rehearsed) -> CallRange:
    """Return the calls of a write of an end user with an id of Wootric's own, who is taken to be there."""
    assert isinstance(step.step, Write)  # noqa: S101 - the caller has seen to it
    fields = step.step.upsert
    if fields.email or fields.phone_number:
        return CallRange({"update": 1}, {"update": 1, "create": 1}, 1, 2)
    # If they are not there, they are looked for by their other ids.
    wanted = (step.step.whole, *step.end_user.identifiers())
    look_ups = sum(each.look_ups for each in wanted)
    return CallRange({"update": 1}, {"update": 2, "look_up": look_ups}, 1, look_ups + 2)


def _open_write(step: Rehearsed, asked: Asked) -> CallRange:
    """Return the calls of a write of an end user of whom only the account can tell."""
    assert isinstance(step.step, Write)  # noqa: S101 - the caller has seen to it
    fields, refused = step.step.upsert, int(asked.may_create_first)
    look_ups = asked.most + asked.checks
    creates = int(bool(fields.email or fields.phone_number))
    most: dict[Kind, int] = {"look_up": look_ups, "create": creates + refused, "update": 1}
    least: dict[Kind, int] = {} if asked.may_create_first else {"look_up": asked.least}
    return CallRange(least, most, asked.least, look_ups + refused + 1)


def _open_event(step: Rehearsed, asked: Asked) -> CallRange:
    """Return the calls of an event of an end user of whom only the account can tell."""
    look_ups = CallRange({"look_up": asked.least}, {"look_up": asked.most}, asked.least, asked.most)
    if step.outcome.action in SURVEY_ACTIONS:
        return look_ups.plus(_of_survey(step, is_open=True))
    if isinstance(step.step, TurnOff):
        # They may be off already.
        return look_ups.plus(_MAYBE_OFF if step.call else _NOTHING)
    result, kind = step.outcome.result, kind_of(step.outcome.action)
    least = int(step.call is not None)
    # The account may know what the export does not.
    most = max(least, int(isinstance(result, Skip) and result.code == "unidentified"))
    return look_ups.plus(CallRange({kind: least}, {kind: most}, least, most))


def _of_survey(step: Rehearsed, *, is_open: bool) -> CallRange:
    """Return the calls of a survey response or decline: a list, if need be, and it if it is not there.

    Args:
        step: the step.
        is_open: whether only the account can tell who the end user is.
    """
    kind, lists = kind_of(step.outcome.action), step.asked.lists
    result = step.outcome.result
    may_be_sent = step.call is not None or (
        is_open and isinstance(result, Skip) and result.code == "unidentified"
    )
    may_be_there = is_open or step.asked.may_be_there
    least = int(step.call is not None and not may_be_there)
    most_lists = max(lists, int(is_open and may_be_sent))
    least_lists = 0 if is_open else lists
    return CallRange(
        {"survey_list": least_lists, kind: least},
        {"survey_list": most_lists, kind: int(may_be_sent)},
        least_lists + least,
        most_lists + int(may_be_sent),
    )


def saved_calls(plan: PlanFile, registered: frozenset[str], journal: Journal) -> CallRange:
    """Return the calls of a saved plan that are still to be made.

    Args:
        plan: the saved plan.
        registered: the registered events.
        journal: tells what earlier runs have delivered.
    """
    if not (journal.remembers or plan.has_look_ups or plan.has_suppressed):
        checks = sum(count for name, count in plan.checks.items() if name in registered)
        counts = {kind_of(action): count for action, count in plan.counts.items()}
        return CallRange.exactly(counts | {"eligibility_check": checks})
    calls, past_runs = RangeSum(), PastRuns.of(journal)
    for index in range(len(plan)):
        if plan.is_suppressed(index):
            continue
        saved = _SavedEndUser(past_runs, journal)
        for step in plan.steps(index):
            past = None
            if journal.remembers:
                past = journal.past_delivery(step.key, step.former_key, step.time)
            if isinstance(step, PlannedWrite):
                calls.add(saved.write(step, past))
            elif step.action in SURVEY_ACTIONS:
                calls.add(saved.survey(step, past))
            elif isinstance(step.call, SurveysOff):
                calls.add(saved.turn_off(step.call, past))
            elif not (unregistered(step.call, registered) or skip_if_sent(step.type, past)):
                calls.add(CallRange.exactly({kind_of(step.action): 1}))
    return calls.sum


class _SavedEndUser:
    """An end user of a saved plan, as far as the numbers of calls depend on them."""

    def __init__(self, past_runs: PastRuns, journal: Journal) -> None:
        """Begin before the first step; `past_runs` and `journal` tell what earlier runs did."""
        self._past_runs = past_runs
        self._journal = journal
        self._latest: float = 0
        self._is_known = False
        """Whether Wootric's own id of the end user is known by then."""
        self._is_checked = False
        self._is_created = False
        """Whether this push creates the end user."""

    def write(self, step: PlannedWrite, past: PastDelivery | None) -> CallRange:
        """Return the calls of a write; `past` is what an earlier run has done about it."""
        is_done = self._past_runs.still_holds(step, past, self._latest)
        self._latest = past.run if is_done and isinstance(past, Delivered) else inf
        is_number_missing = step.id is None and not self._is_known
        self._is_known = True
        if is_done:
            is_looked_for = step.action == "create" and is_number_missing
            look_ups = self._look_ups(step.fields) if is_looked_for else 0
            return CallRange({}, {"look_up": look_ups}, 0, look_ups)
        if step.action == "create":
            self._is_created = step.id is None
            return _saved_creation(step)
        if is_number_missing:
            look_ups = self._look_ups(step.identifiers[0]) if step.identifiers else 0
            return CallRange({}, {"look_up": look_ups, "update": 1}, 0, look_ups + 1)
        looks = step.fills and step.id is not None and not self._is_checked
        self._is_checked = self._is_checked or step.fills
        check = CallRange.exactly({"look_up": int(looks)})
        # Earlier runs may have written what is newer than the plan.
        may_be_outdated = step.history is not None and self._journal.may_have_end_users
        least = int(not step.fills and not may_be_outdated)
        return check.plus(CallRange({"update": least}, {"update": 1}, least, 1))

    def survey(self, step: PlannedCall, past: PastDelivery | None) -> CallRange:
        """Return the calls of a survey response or decline."""
        if isinstance(past, Delivered):
            return _NOTHING
        kind = kind_of(step.action)
        if self._is_created and past is None:
            return CallRange.exactly({kind: 1})
        # If it is not known who the end user is, they are looked up.
        most: dict[Kind, int] = {"look_up": 3, "survey_list": 1, kind: 1}
        return CallRange({}, most, 0, 5)

    def turn_off(self, call: SurveysOff, past: PastDelivery | None) -> CallRange:
        """Return the calls that turn surveys off."""
        if isinstance(past, Delivered):
            return _NOTHING
        if self._is_created:
            return CallRange.exactly({"surveys_off": 1})
        is_known = call.wootric_id is not None or self._is_known
        wanted = EndUserUpsert(call.email, call.external_id, call.phone_number)
        most: dict[Kind, int] = {
            "look_up": 0 if is_known else self._look_ups(wanted),
            "surveys_off": 1,
        }
        # Another identify may have turned them off, or said otherwise later.
        least = int(is_known and not self._journal.may_have_end_users)
        return CallRange({"surveys_off": least}, most, least, sum(most.values()))

    def _look_ups(self, wanted: EndUserUpsert) -> int:
        """Return how many look-ups tell Wootric's own id of an end user, at most."""
        return 0 if self._journal.find(wanted) else wanted.look_ups


def _saved_creation(step: PlannedWrite) -> CallRange:
    """Return the calls of a write that creates somebody, or updates whom the export gives Wootric's id of."""
    if step.id is None:
        return CallRange.exactly({"create": 1})
    creates = int(bool(step.fields.email or step.fields.phone_number))
    return CallRange({"update": 1}, {"update": 1, "create": creates}, 1, 1 + creates)
