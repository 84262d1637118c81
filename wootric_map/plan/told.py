"""What group calls and events tell, in the forms in which runs remember it, and saved plans carry it."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple, TypeAlias

from wootric_map.plan.event_history import EventHistory, unpacked_history
from wootric_map.plan.evidence import Evidence
from wootric_map.plan.group_traits import GroupFold, merge_into, packed_fold, unpacked_fold
from wootric_map.plan.histories import Histories, Ids, Membership, RolledEvent
from wootric_map.plan.people import EMAIL, USER, id_name
from wootric_map.values.contact import comparable

_AT_ONCE: Final = 5000


class Named(NamedTuple):
    """The ids that a record names its user by."""

    user_id: str | None
    email: str | None


class ToldCall(NamedTuple):
    """A group call."""

    named: Named
    order: tuple[int, bool, str]
    """The first three members of `Membership`."""
    group_id: str
    traits: GroupFold


class ToldEvent(NamedTuple):
    """An event that is rolled up."""

    named: Named
    event: str
    """The name of the event in the export."""
    keys: Sequence[str]
    """What counts of the event, as `Rolled.counting` tells."""
    key: str
    """The text that tells this event from every other one."""
    history: EventHistory


Told: TypeAlias = ToldCall | ToldEvent


def remember(told: Iterable[Told], evidence: Evidence, histories: Histories) -> None:
    """Add what a run tells to what all runs tell.

    Args:
        told: what the run tells.
        evidence: makes the fingerprints of ids.
        histories: gets it.
    """
    coming = iter(told)
    while some := list(islice(coming, _AT_ONCE)):
        calls = [each for each in some if isinstance(each, ToldCall)]
        _remember_calls(calls, evidence, histories)
        histories.add_events(
            RolledEvent(
                _ids(each.named, evidence),
                histories.spec(each.event, each.keys),
                each.key,
                each.history,
            )
            for each in some
            if isinstance(each, ToldEvent) and any(each.named)
        )


def _remember_calls(calls: Sequence[ToldCall], evidence: Evidence, histories: Histories) -> None:
    folds: dict[bytes, GroupFold] = {}
    memberships = []
    for named, order, group_id, traits in calls:
        group = histories.group_print(group_id)
        merge_into(folds.setdefault(group, {}), traits)
        if any(named):
            memberships.append((_ids(named, evidence), Membership(*order, group)))
    histories.add_group_traits(folds.items())
    histories.add_memberships(memberships)


def _ids(named: Named, evidence: Evidence) -> Ids:
    """Return the fingerprints of ids."""
    user_id, email = named
    return Ids(
        evidence.fingerprint(id_name(USER, user_id)) if user_id else 0,
        evidence.fingerprint(id_name(EMAIL, comparable(email))) if email else 0,
    )


def line_of(told: Told) -> Mapping[str, Any]:
    """Return what is told as an object of JSON."""
    line: dict[str, Any] = {
        name: text
        for name, text in (("user_id", told.named.user_id), ("email", told.named.email))
        if text
    }
    if isinstance(told, ToldCall):
        traits = packed_fold(told.traits)
        return {"group": told.group_id, **line, "order": told.order, "traits": traits}
    line |= {"keys": told.keys, "key": told.key, "history": told.history.packed()}
    return {"event": told.event, **line}


def told_by(line: object) -> Told:
    """Return what `line_of` made an object of.

    Raises:
        KeyError, TypeError, ValueError: the object tells nothing.
    """
    if not isinstance(line, dict):
        raise TypeError
    named = Named(_optional_text(line, "user_id"), _optional_text(line, "email"))
    if "group" in line:
        time, has_message, tie = line["order"]
        if type(time) is not int or type(has_message) is not bool or type(tie) is not str:
            raise TypeError
        fold = unpacked_fold(_text(line["traits"]))
        return ToldCall(named, (time, has_message, tie), _text(line["group"]), fold)
    return ToldEvent(
        named,
        _text(line["event"]),
        [_text(each) for each in line["keys"]],
        _text(line["key"]),
        unpacked_history(_text(line["history"])),
    )


def _optional_text(line: Mapping[str, Any], name: str) -> str | None:
    value = line.get(name)
    return None if value is None else _text(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
