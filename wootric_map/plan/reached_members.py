"""Members of groups whom a run has to write, since it states traits of their groups, be they named or not."""

import marshal
from array import array
from collections.abc import Mapping
from typing import Final

from wootric_map.plan.engine.spool import Spool
from wootric_map.plan.engine.taken import GROUP, IDENTIFY, Taken, columns
from wootric_map.plan.evidence import Evidence
from wootric_map.plan.histories import Histories, Member
from wootric_map.plan.identities import Identities
from wootric_map.plan.people import EMAIL, NEVER, PREFIXES, USER, WOOTRIC, id_name
from wootric_map.report import Report

_AFTER_ALL: Final = NEVER - 1
"""The time of what stands for a member: whoever is met in a record is met before."""

_PAYLOAD: Final = marshal.dumps((None, None, {}, "traits", {}), 2)


def reached_members(
    spool: Spool,
    identities: Identities,
    evidence: Evidence,
    histories: Histories,
    *,
    only_named: bool,
) -> Taken | None:
    """Return what stands for the members, known from earlier runs, of the groups that a run has calls of.

    Each member is filed under an id that the run names, else under Wootric's own id.

    Args:
        spool: has all records of the run, and is not closed yet.
        identities: the ids of the run, before they are tied.
        evidence: makes the fingerprints of ids.
        histories: what earlier runs have read.
        only_named: whether only members count of whom the run names an id.

    Returns:
        The members as a part of the run; None if there are none.
    """
    groups: dict[bytes, tuple[bytes, int, str, int]] = {}
    for found in spool.group_calls(of_left_out=False):
        group = histories.group_print(found[6])
        if group not in groups:
            row = spool.row(found)
            groups[group] = (group, row.number, row.source, row.line)
    members = list(histories.members(groups))
    if not members:
        return None
    named = _names_of(members, identities, evidence)
    filed = [
        (name, groups[each.group])
        for each in members
        if (name := named.get(each.number) or (None if only_named else _own(each)))
    ]
    return _taken(filed) if filed else None


def _own(member: Member) -> str:
    """Return the name of Wootric's own id of a member."""
    return id_name(WOOTRIC, str(member.number))


def _names_of(
    members: list[Member], identities: Identities, evidence: Evidence
) -> Mapping[int, str]:
    """Return the name of an id that the run has of each member, by Wootric's own id."""
    numbers = {print_: each.number for each in members for print_ in each.prints}
    identities.keep_names()
    found: dict[int, str] = {}
    for kind in (EMAIL, USER):
        for name, _ in identities.names.beginning(PREFIXES[kind]):
            number = numbers.get(evidence.fingerprint(name))
            if number is not None:
                found[number] = name
    return found


def _taken(filed: list[tuple[str, tuple[bytes, int, str, int]]]) -> Taken:
    """Return a part that files something under each of some names.

    Args:
        filed: each name, with the group and where a call of the group stands.
    """
    names: dict[str, int] = {}
    records, facts = [], []
    mark = IDENTIFY | GROUP
    for at, (name, topic) in enumerate(filed):
        number = names.setdefault(name, len(names))
        facts.append((0, 0, 0, 0, _AFTER_ALL, 0, number, mark))
        kept = (_AFTER_ALL, False, b"", mark, 0, at, topic, _PAYLOAD, 0)
        records.append(marshal.dumps(kept, 2))
    return Taken(
        report=Report(),
        lines=0,
        stopped_after=None,
        rejected=[],
        aliases=[],
        has_tracks=False,
        has_surveys=False,
        names=list(names),
        claims=[],
        withheld=[],
        ties=[],
        hints=[],
        others=array("i", [-1]) * len(records),
        has_mentions=False,
        sizes=array("I", map(len, records)),
        data=b"".join(records),
        columns=columns(facts, ()),
        raw=b"",
        suppressed=[],
        named=[],
        kinds={},
        retried=[],
    )
