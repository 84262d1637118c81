"""A fast rehearsal without look-ups: each end user's write, while events are only counted.

For most end users all events would be sent, or none, and it can be told which without a look at each
event. The other end users are left to `rehearse`, whose results are the same for every end user.
"""

from collections import Counter
from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

from wootric_map.deliver.compare import written
from wootric_map.deliver.knowledge import look_ups_that_tell
from wootric_map.deliver.rehearse import Rehearsed, rehearse_end_user
from wootric_map.deliver.verdicts import Change, change, enrich, unidentified
from wootric_map.model import UNKNOWN, Action, EndUserUpsert, Outcome, Skip
from wootric_map.plan.engine.spool import Person
from wootric_map.plan.engine.taken import IDENTIFY, KINDS, QUIET
from wootric_map.plan.people import EMAIL, PHONE, WOOTRIC
from wootric_map.plan.plan import Plan
from wootric_map.plan.steps import EndUserPlan, Write, page_label
from wootric_map.report import Report
from wootric_map.unidentified import UnidentifiedRecords
from wootric_map.wootric.address_length import is_little

T = TypeVar("T")

Topic: TypeAlias = str | tuple[str | None, str | None, str | None]
"""A track record's event, or a page record's url, name and path."""

_TOPIC: Final = itemgetter(6)
"""Returns the topic of a record as the spool holds it."""


class Overview(NamedTuple, Generic[T]):
    """What a push would do for a number of end users."""

    report: Report
    events: Counter[Topic]
    """The events that would be sent, by topic."""
    shown: list[T]
    """What is shown of the end users that would be written."""

    @property
    def calls(self) -> Counter[tuple[Action, str]]:
        """The numbers of events by action and label."""
        calls: Counter[tuple[Action, str]] = Counter()
        for topic, count in self.events.items():
            if isinstance(topic, str):
                calls["eligibility_check", topic] += count
            else:
                calls["page_view", page_label(*topic)] += count
        return calls


def overview(
    plan: Plan, stretch: int, show: Callable[[Rehearsed], T], *, keeps_unidentified: bool = False
) -> list[Overview[T] | int]:
    """Go through the end users of one stretch of the spool without any call.

    Args:
        plan: the closed plan, with folded identifies; all events count.
        stretch: the number of the stretch.
        show: returns what is shown of a write.
        keeps_unidentified: whether to note which records are skipped as `unidentified`.

    Returns:
        The results in the order of the end users; for an end user who has to be rehearsed, their number. A
        giant may have nothing left to rehearse.
    """
    told: list[Overview[T] | int] = []
    if plan.spool.is_giant(stretch):
        return [plan.spool.first_of(stretch)]
    last: Overview[T] | None = None
    for person in plan.spool.people_of(stretch):
        if last is None:
            noted = UnidentifiedRecords() if keeps_unidentified else None
            last = Overview(Report(unidentified_records=noted), Counter(), [])
            told.append(last)
        if not _tell(plan, person, last, show):
            told.append(person.number)
            last = None
    for each in told:
        if isinstance(each, Overview):
            for (action, _), count in each.calls.items():
                each.report.done[action] += count
    return told


def _tell(
    plan: Plan,
    person: Person,
    told: Overview[T],
    show: Callable[[Rehearsed], T],
) -> bool:
    """Add what a push would do for an end user; add nothing and return False if only a rehearsal can tell."""
    end_user = plan.quick_end_user(person)
    folded = end_user.folded
    upsert = folded.upsert if folded else None
    # These take the names of ids, which this process can't read.
    if folded and (folded.shared or not any(folded.upsert.look_up_keys())):
        return False
    # An end user with an id of Wootric's own is taken to exist.
    is_taken_to_exist = plan.existing != "update" and upsert and upsert.wootric_id
    # Other ids tell how many look-ups an end user takes.
    if is_taken_to_exist or plan.may_have_other_ids(person, upsert):
        return False
    is_sent = bool(upsert and upsert.email) and not end_user.is_ambiguous
    if not (is_sent or _names_nobody(person, upsert)):
        return False
    report = told.report
    look_ups = 0
    created: EndUserUpsert | None = None
    if end_user.is_written:
        write = _written(plan, end_user) if is_sent else next(rehearse_end_user(plan, end_user))
        look_ups = write.look_ups
        report.deliver(write.outcome)
        if isinstance(write.call, EndUserUpsert):
            created = write.call
            report.done["in_csv"] += bool(created.email)
            for ref, warning in write.warnings:
                report.warn(ref.source, ref.line, warning)
            told.shown.append(show(write))
    if is_sent:
        _count(plan, end_user, created, told)
    else:
        look_ups += _skip(end_user, report, asks=not look_ups)
    report.done["look_up"] += look_ups
    return True


def _written(plan: Plan, end_user: EndUserPlan) -> Rehearsed:
    """Return the write that `rehearse_end_user` gives for an end user with an email."""
    step = next(plan.steps(end_user))
    assert isinstance(step, Write)  # noqa: S101 - identifies are folded
    made = change(end_user, step, None, asked=False)
    assert isinstance(made, Change)  # noqa: S101 - somebody who has an email is identified
    look_ups = (
        0 if made.fields is None else look_ups_that_tell(end_user.looked_up(step.upsert), None)
    )
    warnings = () if made.fields is None else step.warnings
    outcome = Outcome(made.action, step.refs, None)
    return Rehearsed(end_user, step, outcome, made.fields, None, look_ups, warnings)


def _names_nobody(person: Person, upsert: EndUserUpsert | None) -> bool:
    """Return whether no event can be tied to an end user."""
    if person.kinds & (EMAIL | PHONE | WOOTRIC) or (upsert and upsert.phone_number):
        return False
    told = (row.payload[1] for row in person.replayed_rows)
    return not any(email or phone or wootric_id for _, email, phone, wootric_id, _, _ in told)


def _count(
    plan: Plan, end_user: EndUserPlan, created: EndUserUpsert | None, told: Overview[Any]
) -> None:
    """Count the events of an end user with an email: all would be sent."""
    replayed_rows = end_user.person.replayed_rows
    told.events.update(map(_TOPIC, replayed_rows.found))
    may_be_quiet = not replayed_rows.found or is_little(_lent(end_user, created))
    for each in replayed_rows.found:
        if not (may_be_quiet and each[3] & QUIET):
            event = plan.event(replayed_rows.row(each))
            held = written(created, None) if created else None
            call = enrich(event, end_user, held)
            if not isinstance(call, Skip):
                for ref, warning in event.warnings_of(call):
                    told.report.warn(ref.source, ref.line, warning)


def _lent(end_user: EndUserPlan, created: EndUserUpsert | None) -> list[str]:
    """Return the texts that enriching may add to a call."""
    folded = end_user.folded
    if folded is None:
        return []
    texts = [folded.upsert.external_id, folded.upsert.phone_number]
    for state in folded.states:
        texts += (state.email, state.language)
    if created:
        texts.append(str(created.properties.get("language") or ""))
    return [each for each in texts if each]


def _skip(end_user: EndUserPlan, report: Report, *, asks: bool) -> int:
    """Skip all events of an unidentified end user; return how many look-ups a push would make."""
    look_ups = 0
    for row in end_user.person.replayed_rows:
        email_from = None if row.kind == IDENTIFY else row.payload[0]
        skip = unidentified(KINDS[row.kind], end_user, email_from)
        report.skip(row.source, row.line, skip, row.number)
        if asks and not look_ups and skip.reason in UNKNOWN:
            look_ups = 1
    return look_ups
