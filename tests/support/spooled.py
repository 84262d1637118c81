"""A spool filled with made-up records, part by part, without an export to read them from."""

import marshal
import zlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from wootric_map.plan.engine.filing import NOBODY
from wootric_map.plan.engine.spool import Row, Spool
from wootric_map.plan.engine.taken import (
    CHOSEN,
    IDENTIFY,
    MENTIONED,
    TRACK,
    UNFILED,
    Kept,
    Taken,
    columns,
)
from wootric_map.plan.identities import Identities
from wootric_map.plan.people import NO_TIME
from wootric_map.plan.tying import tie_ids
from wootric_map.report import Report


@dataclass(frozen=True, slots=True)
class Made:
    """A record that a test makes up."""

    payload: Any
    identity: int
    """The place, among the names, of the id that it is filed under."""
    other: int
    """The place of the id that counts if nobody is identified by `identity`; -1 for none."""
    kind: int
    time: int | None
    message: str | None
    line: bytes
    place: tuple[str, int]
    chosen: bool
    content: int = 0
    """What it has in common with its repeats beside the message id."""

    @property
    def is_kept(self) -> bool:
        """Whether more is kept of it than that its message was met."""
        return self.chosen or self.kind == IDENTIFY


@dataclass
class Filling:
    """A spool on its way."""

    spool: Spool
    part: int = 3
    """Records in a part, if they are of one source."""
    keep_lines: bool = False
    records: list[Made] = field(default_factory=list)

    def add(
        self,
        payload: Any = b"",
        *,
        identity: int = 0,
        other: int = -1,
        kind: int = TRACK,
        time: int | None = None,
        message: str | None = None,
        line: bytes = b"",
        place: tuple[str, int] = ("a.ndjson", 1),
        chosen: bool = True,
        content: int = 0,
    ) -> None:
        """Add a record behind those added so far."""
        made = Made(payload, identity, other, kind, time, message, line, place, chosen, content)
        self.records.append(made)

    def close(
        self,
        roots: Sequence[int] = (0,),
        *,
        names: Sequence[str] = (),
        apart: bool = True,
        users: Iterable[str] = (),
        limit: int | None = None,
    ) -> None:
        """Hand all over, and close the intake.

        Args:
            roots: of each id, by its place, the place of one that it shares its end user with.
            names: the ids' names; else they are userIds that sort by their places.
            apart: whether events come after all identifies.
            users: names of the end users that are replayed.
            limit: so many records are replayed at most.
        """
        known = Identities(self.spool.names)
        numbers = [known.number(each) for each in names or map(name, range(len(roots)))]
        for own, root in zip(numbers, roots, strict=True):
            known.unite(numbers[root], own)
        for source, records in groupby(self.records, lambda each: each.place[0]):
            whole = list(records)
            for at in range(0, len(whole), self.part):
                self._take(source, whole[at : at + self.part], known, numbers)
        tie_ids(known)
        self.spool.names.keep_members(known.members)
        self.spool.close(known, events_apart=apart, users=users, limit=limit)

    def _take(
        self, source: str, records: Sequence[Made], known: Identities, numbers: Sequence[int]
    ) -> None:
        lines_before = min(each.place[1] for each in records) - 1
        facts: list[tuple[int, ...]] = []
        blocks: list[bytes] = []
        for number, made in enumerate(records):
            mark = made.kind | CHOSEN if made.chosen else made.kind
            if made.other >= 0:
                mark |= MENTIONED
            time = NO_TIME if made.time is None else made.time
            line = made.place[1] - lines_before
            block = b""
            if made.is_kept:
                has_message = made.message is not None
                tie = made.line if made.message is None else made.message
                payload = marshal.dumps(made.payload, 2)
                digest = zlib.crc32(made.line) if has_message else 0
                kept: Kept = (time, has_message, tie, mark, line, number, None, payload, digest)
                block = marshal.dumps(kept, 2)
                known.see([(numbers[made.identity], time)])
            blocks.append(block)
            told = 0, 0, 0, 0
            if made.message is not None:
                check = zlib.crc32(made.message.encode())
                told = hash(made.message) or 1, check, made.content, zlib.crc32(made.line)
            facts.append((*told, time, line, UNFILED, mark))
        filed = [numbers[each.identity] if each.is_kept else NOBODY for each in records]
        others = [numbers[each.other] if each.other >= 0 else NOBODY for each in records]
        lines = [each.line for each in records] if self.keep_lines else []
        taken = Taken(
            report=Report(),
            lines=len(records),
            stopped_after=None,
            rejected=[],
            aliases=[],
            has_tracks=False,
            has_surveys=False,
            names=[],
            claims=[],
            withheld=[],
            suppressed=[],
            named=[],
            ties=[],
            hints=[],
            others=array("I", others),
            has_mentions=any(each.other >= 0 for each in records),
            sizes=array("I", map(len, blocks)),
            data=b"".join(blocks),
            columns=columns(facts, map(len, lines))._replace(numbers=array("I", filed)),
            raw=b"".join(lines),
            retried=[],
            kinds={},
        )
        self.spool.take(taken, source, lines_before)


def name(place: int) -> str:
    """The name of an id by its place."""
    return f"u:{place:06}"


def rows(spool: Spool) -> list[list[Row]]:
    """Of each end user their records: the identifies, then what comes in its turn.

    Where events do not stand apart these hold the identifies once more, and are all there is.
    """
    return [
        list(each.replayed_rows)
        if any(row.kind == IDENTIFY for row in each.replayed_rows)
        else [*each.identifies, *each.replayed_rows]
        for each in spool.people()
    ]


def payloads(spool: Spool) -> list[list[Any]]:
    """The same, of each record what it is known by."""
    return [[row.payload for row in own] for own in rows(spool)]
