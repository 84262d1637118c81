"""The work on each end user of a plan, live or saved, or on the part of it that one pass carries out."""

from dataclasses import dataclass
from functools import partial
from typing import cast

from wootric_map.deliver.account_view import AccountView
from wootric_map.deliver.answers import Work
from wootric_map.deliver.carried_over import CarriedOver, CarriedOverFile
from wootric_map.deliver.decisions import decide
from wootric_map.deliver.existing_policy import may_create_first
from wootric_map.deliver.journal import Journal
from wootric_map.deliver.look_ups import Staleness
from wootric_map.deliver.saved_decisions import (
    PastRuns,
    SavedWrite,
    decide_saved,
    withhold_saved,
)
from wootric_map.plan.engine.spool import Person
from wootric_map.plan.plan import Plan
from wootric_map.plan.plan_file import PlanFile
from wootric_map.plan.steps import EndUserPlan, Part


@dataclass(frozen=True, slots=True)
class PlanWorks:
    """The work on the end users of a live plan; the fields up to `journal` are arguments of `deliver`."""

    plan: Plan
    registered: frozenset[str]
    account: AccountView
    journal: Journal
    kept: CarriedOverFile
    """What is carried over from writes to events, by the number of the person."""

    def work(self, person: Person, part: Part) -> Work:
        """Return a part of the work on an end user."""
        plan, journal, account = self.plan, self.journal, self.account
        end_user = plan.end_user(person)
        decisions = decide(
            end_user,
            plan.steps(end_user, part),
            self.registered,
            asks=account.find is not None,
            is_other_persons_email=plan.is_anothers(end_user),
            is_suppressed=plan.is_suppressed if plan.suppresses else None,
            recalls=journal.remembers,
            recalls_statements=journal.may_have_end_users,
            existing=plan.existing,
            creates_first=account.known is not None and may_create_first(plan),
            begin=self.kept.before(part, person.number),
            counts_from=journal.external_id_since,
        )
        is_older = account.is_snapshot or account.known is not None
        stale = Staleness(end_user, plan.existing, journal.end_users.has_met, is_older)
        return Work(
            decisions,
            lambda write: (write.whole, *end_user.identifiers()),
            account.find,
            stale.may_be_outdated,
            known=account.known,
            counts_as_written=plan.existing == "update",
            marks_creation=not may_create_first(plan),
            fills=lambda _: plan.existing == "fill" and not plan.folds,
            carry_over=partial(self._carry_over, end_user, part),
        )

    def _carry_over(self, end_user: EndUserPlan, part: Part, carried: CarriedOver) -> None:
        """Keep what is known after the writes, if there are events that would be decided otherwise."""
        person = end_user.person
        if part != "writes" or not person.has_events:
            return
        has_surveys = self.plan.has_surveys and person.has_surveys
        if carried.matters(end_user.folded, has_surveys=has_surveys):
            self.kept.keep(person.number, carried)


@dataclass(frozen=True, slots=True)
class PlanFileWorks:
    """The work on the end users of a saved plan; the first two fields are arguments of `deliver_file`."""

    plan: PlanFile
    registered: frozenset[str]
    past_runs: PastRuns
    kept: CarriedOverFile
    """What is carried over from writes to events, by the place of the end user in the plan."""

    def work(self, index: int, part: Part) -> Work:
        """Return a part of the work on the end user at a place in the plan, counted from 0."""
        steps, begin = self.plan.steps(index, part), self.kept.before(part, index)
        decisions = (
            withhold_saved(steps)
            if self.plan.is_suppressed(index)
            else decide_saved(steps, self.registered, self.past_runs, begin)
        )
        return Work(
            decisions,
            lambda write: cast("SavedWrite", write).identifiers,
            fills=lambda write: cast("SavedWrite", write).fills,
            carry_over=partial(self._carry_over, index, part),
        )

    def _carry_over(self, index: int, part: Part, carried: CarriedOver) -> None:
        """Keep why the last write failed, if there are events that must not be sent then.

        Survey responses and declines need to know who the end user is, too.
        """
        if part != "writes" or not self.plan.has_events(index):
            return
        if carried.refused or (carried.held and self.plan.has_surveys(index)):
            self.kept.keep(index, carried)
