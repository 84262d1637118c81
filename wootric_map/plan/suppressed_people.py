"""Whose records are left out since they are on a suppression list, by whatever id of theirs."""

from collections.abc import Collection, Iterable, Iterator

from wootric_map.model import EndUserUpsert, RecordCall
from wootric_map.plan.evidence import Evidence
from wootric_map.plan.identities import Identities
from wootric_map.plan.people import AMBIGUOUS, ANONYMOUS, EMAIL, USER, id_name
from wootric_map.plan.plan_lines import Planned, PlannedCall, PlannedWrite
from wootric_map.plan.told import Told
from wootric_map.read.suppression import Suppression
from wootric_map.values.contact import comparable


def suppressed_roots(
    identities: Identities, suppression: Suppression, evidence: Evidence | None
) -> Collection[int]:
    """Return the roots of the end users who have an id on a suppression list.

    Args:
        identities: the ids of the run, tied.
        suppression: the people on the lists.
        evidence: what records of earlier runs say of the ids.
    """
    if not suppression:
        return frozenset()
    roots = set(map(identities.root, identities.suppressed))
    roots.update(_of_aliases(identities, suppression))
    if evidence and identities.earlier_ids:
        roots.update(_of_earlier_runs(identities, suppression, evidence))
    return _with_all_named(identities, roots)


def _with_all_named(identities: Identities, roots: set[int]) -> set[int]:
    """Return suppressed roots, and those that any records tie to them, be these replayed or not.

    Ids of several people tie nobody (segment.md 8).
    """
    several = identities.ambiguous_users.keys() | identities.ambiguous_emails.keys()
    beside: dict[int, set[int]] = {}
    for pair in identities.named:
        one, other = map(identities.root, pair)
        if one == other or several.intersection(pair):
            continue
        if not (identities.group_kinds[one] | identities.group_kinds[other]) & AMBIGUOUS:
            beside.setdefault(one, set()).add(other)
            beside.setdefault(other, set()).add(one)
    found, waiting = set(roots), list(roots)
    while waiting:
        further = beside.get(waiting.pop(), set()) - found
        found |= further
        waiting += further
    return found


def _of_aliases(identities: Identities, suppression: Suppression) -> Iterator[int]:
    """Yield the roots of suppressed ids that only aliases name, so that no record tells of them."""
    for pair in identities.names.alias_pairs():
        for text in filter(suppression.has_id, pair):
            for kind in (USER, ANONYMOUS):
                number = identities.names.identity(id_name(kind, text))
                if number is not None:
                    yield identities.root(number)


def _of_earlier_runs(
    identities: Identities, suppression: Suppression, evidence: Evidence
) -> Iterator[int]:
    """Yield the roots of end users whom earlier runs tied to a suppressed id that this run does not name."""
    roots = {
        fingerprint: root for root, found in identities.earlier_ids.items() for fingerprint in found
    }
    for text, _ in suppression.entries:
        for name in (id_name(USER, text), id_name(EMAIL, comparable(text))):
            root = roots.get(evidence.fingerprint(name))
            if root is not None:
                yield root


def names_suppressed(step: Planned, suppression: Suppression) -> bool:
    """Tell whether a step of a saved plan names anybody on a suppression list.

    Args:
        step: the step.
        suppression: the people of whom nothing is sent.
    """
    return any(
        suppression.has_id(_user_id_of(each, step))
        or suppression.has_email(each.email)
        or suppression.has_phone(getattr(each, "phone_number", None))
        for each in _named_by(step)
    )


def without_suppressed(
    told: Iterable[Told], steps: Iterable[Planned], suppression: Suppression
) -> Iterator[Told]:
    """Yield what groups and events of a saved plan tell, without those of people on a suppression list.

    Args:
        told: what they tell.
        steps: the steps of the plan's end users whom any step of theirs names by something on the list.
        suppression: the people of whom nothing is sent.
    """
    user_ids: set[str | None] = set()
    emails: set[str | None] = set()
    for step in steps:
        for each in _named_by(step):
            user_ids.add(_user_id_of(each, step))
            emails.add(comparable(each.email))
    for one in told:
        user_id, email = one.named
        is_listed = suppression.has_id(user_id) or suppression.has_email(email)
        is_theirs = (user_id and user_id in user_ids) or (email and comparable(email) in emails)
        if not (is_listed or is_theirs):
            yield one


def _user_id_of(named: EndUserUpsert | RecordCall, step: Planned) -> str | None:
    """Return the `userId` in what names the end user of a step; an external id by a trait is none."""
    if isinstance(named, EndUserUpsert):
        return named.segment_user_id
    by_trait = isinstance(step, PlannedCall) and step.external_id_from
    return None if by_trait else getattr(named, "external_id", None)


def _named_by(step: Planned) -> tuple[EndUserUpsert | RecordCall, ...]:
    """Return what names the end user of a step of a saved plan."""
    return (step.fields, *step.identifiers) if isinstance(step, PlannedWrite) else (step.call,)
