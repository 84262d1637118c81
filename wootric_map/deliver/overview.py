"""What a dry run shows where nobody is asked: each end user's write, their events only counted.

Of most end users all events would be sent, or none, and which of the two it is can be told without a
look at each. Whoever is no such case is left to `rehearse`, which says of each end user the same.
"""

from collections import Counter
from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

from wootric_map.deliver.addressing import Change, address, change, unidentified
from wootric_map.deliver.compare import written
from wootric_map.deliver.rehearse import Rehearsed, rehearse_end_user
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
"""That of a record, as the spool gives it."""


class Overview(NamedTuple, Generic[T]):
    """What so many end users come to."""

    report: Report
    events: Counter[Topic]
    """Events that would be sent, by topic."""
    shown: list[T]
    """What is shown of those who would be written."""

    @property
    def calls(self) -> Counter[tuple[Action, str]]:
        """The events by action and label."""
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
    """Go through the end users of one stretch of the spool, sending nothing and asking nobody.

    Args:
        plan: closed; its identifies are folded, and all events count.
        stretch: its number.
        show: what to show of a write.
        keeps_unidentified: whether to note which records are skipped as `unidentified`.

    Returns:
        What they come to, in their order; in place of one who has to be rehearsed, their number. Of a
        giant it is not known whether there is anything left to rehearse.
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
    """Add what one end user comes to; False, with nothing added, where they have to be rehearsed."""
    end_user = plan.quick_end_user(person)
    folded = end_user.folded
    upsert = folded.upsert if folded else None
    # Both would be asked of the names, which are not ours to read.
    if folded and (folded.shared or not any(folded.upsert.look_up_keys())):
        return False
    # Whom the export names by Wootric's own id is taken to be there.
    if plan.existing != "update" and upsert and upsert.wootric_id:
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
    """The first of what `rehearse_end_user` gives of one whose email is known."""
    step = next(plan.steps(end_user))
    assert isinstance(step, Write)  # noqa: S101 - identifies are folded
    made = change(end_user, step, None, asked=False)
    assert isinstance(made, Change)  # noqa: S101 - somebody who has an email is identified
    look_ups = 0 if made.fields is None else step.upsert.look_ups
    warnings = () if made.fields is None else step.warnings
    outcome = Outcome(made.action, step.refs, None)
    return Rehearsed(end_user, step, outcome, made.fields, None, look_ups, warnings)


def _names_nobody(person: Person, upsert: EndUserUpsert | None) -> bool:
    """Whether nothing could tie any event to an end user."""
    if person.kinds & (EMAIL | PHONE | WOOTRIC) or (upsert and upsert.phone_number):
        return False
    told = (row.payload[1] for row in person.turns)
    return not any(email or phone or wootric_id for _, email, phone, wootric_id, _, _ in told)


def _count(
    plan: Plan, end_user: EndUserPlan, created: EndUserUpsert | None, told: Overview[Any]
) -> None:
    """Count the events of an end user whose email is known: all are sent."""
    turns = end_user.person.turns
    told.events.update(map(_TOPIC, turns.found))
    may_be_quiet = not turns.found or is_little(_lent(end_user, created))
    for each in turns.found:
        if not (may_be_quiet and each[3] & QUIET):
            event = plan.event(turns.row(each))
            held = written(created, None) if created else None
            call = address(event, end_user, held)
            if not isinstance(call, Skip):
                for ref, warning in event.warnings_of(call):
                    told.report.warn(ref.source, ref.line, warning)


def _lent(end_user: EndUserPlan, created: EndUserUpsert | None) -> list[str]:
    """The texts that an end user may lend a call."""
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
    """Skip all events of an end user whom nobody knows; gives how many look-ups a push would make."""
    look_ups = 0
    for row in end_user.person.turns:
        email_from = None if row.kind == IDENTIFY else row.payload[0]
        skip = unidentified(KINDS[row.kind], end_user, email_from)
        report.skip(row.source, row.line, skip, row.number)
        if asks and not look_ups and skip.reason in UNKNOWN:
            look_ups = 1
    return look_ups
