"""The diff of a dry run: what a push would change, end user by end user."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from wootric_map.deliver.call_range import CallRange
from wootric_map.deliver.fingerprints import RememberedEndUser
from wootric_map.deliver.forecast import ForecastRange, Speed
from wootric_map.deliver.knowledge import Knowledge
from wootric_map.deliver.overview import Show, overview
from wootric_map.deliver.rehearse import Rehearsed, SurveysOf, rehearse, rehearse_end_user
from wootric_map.deliver.ways import Account, StepCounter, Way
from wootric_map.mapping.identity import Origin
from wootric_map.model import Action, EndUser, EndUserUpsert
from wootric_map.plan.change_shapes import QuickChange
from wootric_map.plan.engine.names import Tally
from wootric_map.plan.plan import Plan
from wootric_map.plan.plan_writer import PlanWriter
from wootric_map.plan.steps import Event, Find, TurnOff, Write
from wootric_map.read.process_pool import SideBySide
from wootric_map.rejects import KeptRecords
from wootric_map.report import Report

if TYPE_CHECKING:
    from wootric_map.deliver.journal import Journal

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EndUserChange:
    """An end user that a push would create or update."""

    fields: EndUserUpsert
    """The fields that would be sent."""
    held: EndUser | None
    """The end user as Wootric holds them; None if that is not known, or they would be created."""
    origins: Mapping[str, Origin]
    """The origin of each field's value, by the field's name."""
    warnings: tuple[tuple[str, str], ...]
    """Codes and messages of warnings about the end user."""
    left: EndUserUpsert | None = None
    """The ids of the end user, if only the journal knows them, which keeps no values; else None."""
    wanted: EndUserUpsert = field(default_factory=EndUserUpsert)
    """All fields that the export states, whether they differ or not."""
    surveys_off: Origin | None = None
    """Where it stands that the end user wants no surveys, if they are turned off; else None."""

    @property
    def is_update(self) -> bool:
        """Whether the end user is there already."""
        return bool(self.held or self.left)

    @property
    def action(self) -> Action:
        """What is done: `surveys_off` if nothing is created or updated beside that."""
        if self.surveys_off and not self.fields.fields():
            return "surveys_off"
        return "update" if self.is_update else "create"


class ShapedChange(EndUserChange):
    """The change of an end user who would be created, of which most follows from its shape alone."""

    __slots__ = ("ignored", "quick")

    def __init__(self, quick: QuickChange, ignored: frozenset[str]) -> None:
        """Take the change, and the codes of the warnings that are not shown."""
        object.__setattr__(self, "quick", quick)
        object.__setattr__(self, "ignored", ignored)

    quick: QuickChange
    ignored: frozenset[str]

    def __reduce__(self) -> tuple[type[EndUserChange], tuple[object, ...]]:
        """Return what another process makes of it: a change that says the same."""
        parts = self.fields, self.held, self.origins, self.warnings, self.left, self.wanted
        return EndUserChange, parts

    @property
    def fields(self) -> EndUserUpsert:
        """The fields that would be sent."""
        return self.quick.upsert

    @property
    def wanted(self) -> EndUserUpsert:
        """All fields that the export states: those that would be sent."""
        return self.fields

    @property
    def held(self) -> None:
        """None, since the end user would be created."""
        return None

    @property
    def origins(self) -> Mapping[str, Origin]:
        """The origin of each field's value, by the field's name."""
        return self.quick.origins

    @property
    def warnings(self) -> tuple[tuple[str, str], ...]:
        """Codes and messages of warnings about the end user."""
        return tuple(
            (each.code, each.message)
            for each in self.quick.warnings
            if each.code not in self.ignored
        )

    @property
    def left(self) -> None:
        """None, since nothing is known of the end user."""
        return None

    @property
    def surveys_off(self) -> None:
        """None, since all follows from the shape of traits, and this from a value."""
        return None


class Diff(Generic[T]):
    """What a push would change: an iterator over the changes, and the totals once they are all iterated."""

    def __init__(
        self,
        changes: Iterator[T],
        report: Report,
        tally: Tally,
        compared: "Compared",
        steps: StepCounter,
        keep: Callable[[], KeptRecords | None],
        *,
        last_surveyed: int | None = None,
    ) -> None:
        self._changes = changes
        self._tally = tally
        self._compared = compared
        self._steps = steps
        self._keep = keep
        self.last_surveyed = last_surveyed
        """Unix seconds that whoever is created gets as the time of their last survey; None for none."""
        self.report = report
        """The counts up to now."""

    def __iter__(self) -> Iterator[T]:
        """Return the iterator over the end users that would be created or updated."""
        return self._changes

    @property
    def counts_all_events(self) -> bool:
        """Whether all events are counted, since the registered events are not known."""
        return self._compared.registered is None

    @property
    def is_of_nobody(self) -> bool:
        """Whether the account is taken to hold nobody."""
        return self._compared.find is None

    @property
    def is_of_whole_account(self) -> bool:
        """Whether all end users of the account are known without look-ups."""
        return self._compared.find is not None and not self._compared.asks

    @property
    def calls(self) -> CallRange:
        """The calls of a push that compares with the same; for the end of the iteration."""
        steps = self._steps
        return steps.looking_up if self._compared.looks_up_each else steps.expected

    @property
    def forecast(self) -> ForecastRange:
        """How long the calls would take."""
        return self.speed.forecast_range(self.calls)

    @property
    def speed(self) -> Speed:
        """How fast calls to the account may go."""
        return self._compared.speed()

    @property
    def ways(self) -> tuple[Way, ...]:
        """What each way of pushing would cost; for the end of the iteration."""
        return self._steps.ways(self._compared.holds)

    @property
    def eligible_at_once(self) -> int:
        """How many end users a push would create for whom no last survey is set and no surveys are turned
        off, so that Wootric may survey all of them at once; for the end of the iteration."""
        done = self.report.done
        return done["create"] - done["created_off"] if self.last_surveyed is None else 0

    @property
    def end_users_in_csv(self) -> int:
        """How many of the end users to write a CSV can hold (wootric.md 8)."""
        return self._steps.end_users_in_csv

    def labels(self, action: Action) -> Iterator[tuple[str, int]]:
        """Yield the events of eligibility checks, or the paths of page views, the most frequent first."""
        return self._tally.most_common(action)

    def keep_unidentified(self) -> KeptRecords | None:
        """Keep the unidentified records, if the settings ask for that; for the end of the iteration."""
        return self._keep()


@dataclass(frozen=True, slots=True)
class Compared:
    """What a plan is compared with."""

    find: Find | None
    """Looks an end user up; None if the account is taken to hold nobody."""
    registered: frozenset[str] | None
    """The registered events; None if they are not known."""
    asks: bool
    """Whether look-ups take calls."""
    account: str | None
    """The fingerprint of the account; None if no account is named."""
    memory: "Journal | None"
    """What earlier runs delivered, if that is subtracted."""
    speed: Callable[[], Speed]
    """Returns how fast calls to the account may go."""
    knowledge: Knowledge | None = None
    """What is known of the account without a call; None if it is taken to hold nobody."""
    surveys: SurveysOf | None = None
    """Lists the survey responses and declines of end users; None if the account is not asked."""
    looks_up_each: bool = False
    """Whether each end user is looked up."""
    holds: Account = field(default_factory=Account)
    """What is known of the account as a whole."""
    completed: "Callable[[Compared, Plan], Compared] | None" = None
    """Finds out more of the account once there is a plan; None if all is found out."""

    @property
    def is_about_end_users(self) -> bool:
        """Whether anything is known about the account's end users."""
        return bool(self.find or self.memory)

    def complete(self, plan: Plan) -> "Compared":
        """Find out what a plan needs to be known of the account, and return all that is known then."""
        return self.completed(self, plan) if self.completed else self

    @property
    def is_known(self) -> bool:
        """Whether anything is known about the account."""
        return self.is_about_end_users or self.registered is not None


@dataclass(frozen=True, slots=True)
class Changes(Generic[T]):
    """Goes through a plan: counts all steps, and yields what is shown of the end users to write."""

    plan: Plan
    report: Report
    tally: Tally
    steps: StepCounter
    """Counts what the steps take."""
    show: Show[T]

    def rehearsed(self, compared: Compared, saved: PlanWriter | None, workers: int) -> Iterator[T]:
        """Rehearse the plan in this process, and save it if `saved` is given."""
        find, asks, memory = compared.find, compared.asks, compared.memory
        rehearsed = rehearse(
            self.plan,
            compared.registered,
            find,
            workers=workers,
            look_ups_are_free=not asks,
            memory=memory if memory and memory.remembers else None,
            knowledge=compared.knowledge,
            surveys=compared.surveys,
        )
        for each in _with_surveys_off(rehearsed):
            self.steps.add(each)
            if saved:
                saved.add(each)
            yield from self._counted(each)

    def overviewed(self, registered: frozenset[str] | None, processes: int) -> Iterator[T]:
        """Go through the plan without look-ups, in several processes side by side.

        Args:
            registered: the registered events; None if they are not known: then all count.
            processes: how many processes to use.
        """
        plan, report = self.plan, self.report
        keeps = report.unidentified_records is not None
        work = partial(
            overview, plan, show=self.show, registered=registered, keeps_unidentified=keeps
        )
        stretches = range(plan.spool.stretches)
        with SideBySide(work, processes if len(stretches) > 1 else 1) as workers:
            for stretch, told in workers.each(stretches):
                people = plan.spool.people_of(stretch)
                for part in told:
                    if isinstance(part, int):
                        # A giant may have nothing left.
                        person = next((each for each in people if each.number == part), None)
                        end_user = plan.end_user(person) if person else None
                        rehearsed = (
                            rehearse_end_user(plan, end_user, registered) if end_user else ()
                        )
                        for each in _with_surveys_off(rehearsed):
                            self.steps.add(each)
                            yield from self._counted(each)
                        continue
                    part.report.done["look_up"] += sum(each.look_ups(plan) for each in part.sought)
                    report.add(part.report)
                    self.steps.add_created(part.report.done)
                    for event, count in part.unregistered.items():
                        report.unregistered.add(event, count)
                    for (action, label), count in part.calls.items():
                        self.tally.add(action, label, count)
                        if action == "eligibility_check":
                            report.checked.add(label, count)
                    yield from part.shown

    def _counted(self, each: Rehearsed) -> Iterator[T]:
        """Count one step, and yield what is shown of it."""
        report = self.report
        report.deliver(each.outcome)
        if isinstance(each.step, Write) and (each.call or each.surveys_off):
            for ref, warning in each.warnings:
                report.warn(ref.source, ref.line, warning)
            report.done["created_off"] += bool(
                each.surveys_off and each.call and each.outcome.action == "create"
            )
            yield self.show(each)
        elif isinstance(each.step, Event) and each.call:
            for ref, warning in each.warnings:
                report.warn(ref.source, ref.line, warning)
            self.tally.add(each.step.action, each.step.label)


def _with_surveys_off(steps: Iterable[Rehearsed]) -> Iterator[Rehearsed]:
    """Yield steps, each write with the step right after it that turns surveys off, which is shown with it."""
    write: Rehearsed | None = None
    for each in steps:
        if write:
            is_beside = isinstance(each.step, TurnOff) and each.call is not None
            yield write._replace(surveys_off=each) if is_beside else write
            write = None
        if isinstance(each.step, Write):
            write = each
        else:
            yield each
    if write:
        yield write


def shown(
    each: Rehearsed | QuickChange, *, show: Callable[[EndUserChange], T], ignored: frozenset[str]
) -> T:
    """Return what is shown of a write.

    Args:
        each: the write.
        show: returns what is shown of a change.
        ignored: the codes of the warnings that are not shown.
    """
    if isinstance(each, QuickChange):
        return show(ShapedChange(each, ignored))
    assert isinstance(each.call, EndUserUpsert | None)  # noqa: S101 - the caller has seen to it
    assert isinstance(each.step, Write)  # noqa: S101 - only writes have such a call
    off = each.surveys_off
    held = each.held
    if off and held is None and each.call is None:
        held = (
            off.held
        )  # what an earlier run has written is not looked up, and whose surveys are on is
    before = held if isinstance(held, EndUser) else None
    warnings = tuple(
        (warning.code, warning.message)
        for _, warning in each.warnings
        if warning.code not in ignored
    )
    left = None
    if isinstance(held, RememberedEndUser):
        left = replace(each.step.whole, wootric_id=str(held.id))
    origins, wanted = each.step.origins, each.step.upsert
    fields = each.call or EndUserUpsert()
    origin = off.step.said.origin if off and isinstance(off.step, TurnOff) else None
    return show(EndUserChange(fields, before, origins, warnings, left, wanted, origin))
