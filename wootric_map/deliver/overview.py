"""A fast rehearsal without look-ups: each end user's write, while events are only counted.

For most end users all events would be sent, or none, and it can be told which without a look at each
event. The other end users are left to `rehearse`, whose results are the same for every end user.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from operator import itemgetter
from typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

from wootric_map.deliver.compare import written
from wootric_map.deliver.csv_end_users import omission
from wootric_map.deliver.knowledge import look_ups_that_tell
from wootric_map.deliver.rehearse import Rehearsed, rehearse_end_user
from wootric_map.deliver.verdicts import EVENT_NOT_REGISTERED, Change, change, enrich, unidentified
from wootric_map.model import (
    UNKNOWN,
    Action,
    EligibilityCheck,
    EndUserUpsert,
    Outcome,
    PageView,
    Skip,
)
from wootric_map.plan.change_shapes import QuickChange
from wootric_map.plan.engine.spool import Found, Person, Row, Rows
from wootric_map.plan.engine.taken import IDENTIFY, KINDS, QUIET, TRACK
from wootric_map.plan.people import AMBIGUOUS, EMAIL, PHONE, SEVERAL_PEOPLE, WOOTRIC
from wootric_map.plan.plan import Plan
from wootric_map.plan.quick_changes import has_user_id
from wootric_map.plan.records import last_that_repeats
from wootric_map.plan.steps import EndUserPlan, Write, page_label
from wootric_map.read.record import OptOut
from wootric_map.report import Report
from wootric_map.unidentified import UnidentifiedRecords
from wootric_map.wootric.address_length import has_room, is_little

T = TypeVar("T")

Topic: TypeAlias = str | tuple[str | None, str | None, str | None]
"""A track record's event, or a page record's url, name and path."""

Show: TypeAlias = Callable[[Rehearsed | QuickChange], T]
"""Returns what is shown of a write, or of a change that says as much."""

_TOPIC: Final = itemgetter(6)
"""Returns the topic of a record as the spool holds it."""


class Sought(NamedTuple):
    """An end user whose look-ups are still to be counted, since that takes the names of their ids."""

    root: int
    """The number that all their ids share."""
    kinds: int
    """The kinds of these ids, added up."""
    last: EndUserUpsert
    """The ids that identifies state last."""

    def look_ups(self, plan: Plan) -> int:
        """Return how many look-ups show that Wootric does not hold the end user."""
        return sum(look_ups_that_tell(each, None) for each in plan.identifiers(*self))


class Overview(NamedTuple, Generic[T]):
    """What a push would do for a number of end users."""

    report: Report
    """The counts, but for the look-ups of `sought`."""
    events: Counter[Topic]
    """The events that would be sent, by topic."""
    shown: list[T]
    """What is shown of the end users that would be written."""
    sought: list[Sought]
    """The end users whose look-ups only the process that keeps the names of ids can count."""
    topics: list[Topic]
    """Topics of events that are still to be counted in `events`."""
    unregistered: Counter[str]
    """The track records that are skipped since their events are not registered, by event."""

    @classmethod
    def empty(cls, noted: UnidentifiedRecords | None) -> "Overview[T]":
        """Return that of no end user; `noted` takes the records that are skipped as `unidentified`."""
        return cls(Report(unidentified_records=noted), Counter(), [], [], [], Counter())

    def close(self) -> None:
        """Count what is still to be counted, once all end users are told."""
        # All at once takes a third of the time that it takes for each end user.
        self.events.update(self.topics)
        self.topics.clear()
        for (action, _), count in self.calls.items():
            self.report.done[action] += count

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
    plan: Plan,
    stretch: int,
    show: Show[T],
    *,
    registered: frozenset[str] | None = None,
    keeps_unidentified: bool = False,
) -> list[Overview[T] | int]:
    """Go through the end users of one stretch of the spool without any call.

    Args:
        plan: the closed plan, with folded identifies.
        stretch: the number of the stretch.
        show: returns what is shown of a write.
        registered: the registered events; None if they are not known: then all count.
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
        if plan.has_surveys and person.has_surveys:
            told.append(person.number)  # an event of theirs may lack an end user
            last = None
            continue
        if last is None:
            noted = UnidentifiedRecords() if keeps_unidentified else None
            last = Overview.empty(noted)
            told.append(last)
        events, unregistered = _events_of(person, registered)
        if _tell_quickly(plan, person, events, last, show) or _tell(
            plan, person, events, last, show
        ):
            _skip_unregistered(unregistered, last)
        else:
            told.append(person.number)
            last = None
    for each in told:
        if isinstance(each, Overview):
            each.close()
    return told


def _events_of(person: Person, registered: frozenset[str] | None) -> tuple[Rows, list[Row]]:
    """Return the events of an end user that count, and the track records whose events are not registered."""
    rows = person.replayed_rows
    if registered is None:
        return rows, []
    sent: list[Found] = []
    unregistered: list[Row] = []
    for each in rows.found:
        if each[3] & 3 == TRACK and each[6] not in registered:
            unregistered.append(rows.row(each))
        else:
            sent.append(each)
    return rows.only(sent), unregistered


def _skip_unregistered(rows: list[Row], told: Overview[T]) -> None:
    """Skip track records whose events are not registered, as a push does before it asks anything else."""
    for row in rows:
        told.unregistered[row.topic] += 1
        told.report.skip(row.source, row.line, EVENT_NOT_REGISTERED, row.number)


def _tell_quickly(
    plan: Plan, person: Person, events: Rows, told: Overview[T], show: Show[T]
) -> bool:
    """Add what a push would do for an end user whose last identify says all; False if only `_tell` can."""
    if person.kinds & (SEVERAL_PEOPLE | AMBIGUOUS) or plan.last_surveyed is not None:
        return False
    if plan.external_id_from:
        return False
    row = last_that_repeats(person.identifies)
    if row is None:
        return False
    user_id, wootric_id, traits, parent, *opt_out = row.payload
    if opt_out and OptOut(*opt_out[0]).is_off:
        return False
    # An email is needed, so that these are all ids that the identify may state.
    ids = 1 + has_user_id(user_id, detached=row.detached)
    has_more = plan.may_have_more_ids_than(ids, person)
    # Events before the last identify are lent what the others state, which may be another email.
    if wootric_id or (has_more and len(person.identifies.found) > 1):
        return False
    quick = plan.quick_changes.of(user_id, traits, detached=row.detached, parent=parent)
    if quick is None:
        return False
    derived = plan.derived(person) if plan.derives else None
    if derived:
        more = quick.with_derived(derived)
        if more is None:
            return False
        quick = more
    report = told.report
    for warning in quick.warnings:
        report.warn(row.source, row.line, warning)
    told.shown.append(show(quick))
    done = report.done
    done["create"] += 1
    done["in_csv"] += omission(quick.upsert, quick.upsert, None) is None
    if has_more:
        told.sought.append(Sought(person.root, person.kinds, _ids_of(quick.upsert)))
    else:
        done["look_up"] += quick.look_ups
    if events.found:
        replan = partial(plan.quick_end_user, person)
        _count(plan, events, told, quick.lent, replan, lambda: quick.upsert)
    return True


def _tell(plan: Plan, person: Person, events: Rows, told: Overview[T], show: Show[T]) -> bool:
    """Add what a push would do for an end user; add nothing and return False if only a rehearsal can tell."""
    if plan.may_lack_external_id(person):
        return False  # which external ids several people state, this process can't read
    end_user = plan.quick_end_user(person)
    folded = end_user.folded
    upsert = folded.upsert if folded else EndUserUpsert()
    # These take the names of ids, which this process can't read.
    if folded and (folded.shared or not any(upsert.look_up_keys())):
        return False
    # An end user with an id of Wootric's own is taken to exist, but may not be there.
    if upsert.wootric_id or (folded and folded.opt_out and folded.opt_out.is_off):
        return False
    if not end_user.is_written and plan.derives and plan.is_written(person):
        return False
    is_sent = bool(upsert.email) and not end_user.is_ambiguous
    if not (is_sent or _names_nobody(person, events, upsert)):
        return False
    has_more = plan.may_have_other_ids(person, upsert)
    if has_more:
        # Events before the last identify are lent what the others state.
        end_user = replace(plan.end_user(person), other_ids=tuple)
        if end_user.folded and end_user.folded.shared:
            return False
    look_ups = _add(plan, end_user, events, told, show, is_sent=is_sent)
    if not has_more:
        told.report.done["look_up"] += look_ups
    elif not end_user.is_ambiguous and (end_user.is_written or (events.found and not is_sent)):
        told.sought.append(Sought(person.root, person.kinds, _ids_of(upsert)))
    return True


def _add(
    plan: Plan,
    end_user: EndUserPlan,
    events: Rows,
    told: Overview[T],
    show: Show[T],
    *,
    is_sent: bool,
) -> int:
    """Add what a push would do for an end user; return how many look-ups it would make by the last ids.

    Args:
        plan: the plan.
        end_user: the end user.
        events: the events of theirs that count.
        told: gets the counts, but for the look-ups.
        show: returns what is shown of a write.
        is_sent: whether the end user has an email that names them alone; else nothing names them.
    """
    report = told.report
    look_ups = 0
    created: EndUserUpsert | None = None
    if end_user.is_written:
        write = _written(plan, end_user) if is_sent else next(rehearse_end_user(plan, end_user))
        look_ups = write.look_ups
        report.deliver(write.outcome)
        if isinstance(write.call, EndUserUpsert):
            created = write.call
            report.done["in_csv"] += omission(created, created, None) is None
            for ref, warning in write.warnings:
                report.warn(ref.source, ref.line, warning)
            told.shown.append(show(write))
    if is_sent:
        lent = _lent(end_user, created)
        _count(plan, events, told, lent, lambda: end_user, lambda: created)
        return look_ups
    return look_ups + _skip(end_user, events, report, asks=not look_ups)


def _ids_of(upsert: EndUserUpsert) -> EndUserUpsert:
    """Return the ids of an end user alone."""
    return replace(upsert, external_created_at=None, properties={})


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


def _names_nobody(person: Person, events: Rows, upsert: EndUserUpsert) -> bool:
    """Return whether no event can be tied to an end user."""
    if person.kinds & (EMAIL | PHONE | WOOTRIC) or upsert.phone_number:
        return False
    told = (row.payload[1] for row in events)
    return not any(email or phone or wootric_id for _, email, phone, wootric_id, _, _ in told)


def _count(
    plan: Plan,
    events: Rows,
    told: Overview[Any],
    lent: list[str],
    end_user: Callable[[], EndUserPlan],
    created: Callable[[], EndUserUpsert | None],
) -> None:
    """Count the events of an end user with an email: all would be sent.

    Args:
        plan: the plan.
        events: the events that count.
        told: gets the counts.
        lent: the texts that may be added to the calls of the events.
        end_user: returns what the export says about the end user.
        created: returns what is written of them; None if nothing is.
    """
    found = events.found
    told.topics.extend(map(_TOPIC, found))
    if not found:
        return
    may_be_quiet = is_little(lent)
    loud = (each for each in found if not (may_be_quiet and each[3] & QUIET))
    for each in loud:
        event = plan.event(events.row(each))
        assert isinstance(event.call, EligibilityCheck | PageView)  # noqa: S101 - as `overview` sees to
        warnings = event.warnings
        if not (may_be_quiet and has_room(event.call)):
            upsert = created()
            call = enrich(event, end_user(), written(upsert, None) if upsert else None)
            warnings = () if isinstance(call, Skip) else event.warnings_of(call)
        for ref, warning in warnings:
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


def _skip(end_user: EndUserPlan, events: Rows, report: Report, *, asks: bool) -> int:
    """Skip the events of an unidentified end user; return how many look-ups a push would make."""
    look_ups = 0
    for row in events:
        email_from = None if row.kind == IDENTIFY else row.payload[0]
        skip = unidentified(KINDS[row.kind], end_user, email_from)
        report.skip(row.source, row.line, skip, row.number)
        if asks and not look_ups and skip.reason in UNKNOWN:
            look_ups = 1
    return look_ups
