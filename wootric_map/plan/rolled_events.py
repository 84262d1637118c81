"""The properties that end users get from the history of their events, in one run or in all."""

from collections import deque
from collections.abc import Collection, Iterator
from typing import Protocol

from wootric_map.mapping.property_names import AS_WRITTEN, Naming
from wootric_map.mapping.rules import MappingRules
from wootric_map.model import Ref
from wootric_map.plan.derived import Given
from wootric_map.plan.engine.spool import Person, Row, Spool
from wootric_map.plan.evidence import Evidence
from wootric_map.plan.histories import Histories
from wootric_map.plan.people import UNIQUE
from wootric_map.plan.records import RepeatedKeys
from wootric_map.plan.rolling_up import Rolled, RollingUp, history_of, key_of
from wootric_map.plan.told import Named, ToldEvent, remember


class IdsOf(Protocol):
    """Tells of the ids of a plan's end users."""

    def prints(self, person: Person) -> Collection[int]:
        """Return the fingerprints of all ids of an end user, in all runs."""

    def is_theirs(self, person: Person, user_id: str) -> bool:
        """Tell whether a `userId` is an end user's."""

    def remembered_id(self, person: Person) -> Named:
        """Return an id of an end user, in this run, that runs remember."""


class RolledEvents:
    """The events that are rolled up: `close` once all records are in, then ask."""

    def __init__(self, rules: MappingRules, spool: Spool) -> None:
        """Know of no event yet.

        Args:
            rules: what the user configures, checked.
            spool: keeps the records.
        """
        self._rolling = RollingUp(rules)
        self._spool = spool
        self._naming = AS_WRITTEN
        self._histories: Histories | None = None
        self._specs: dict[bytes, str] = {}
        """The events that are rolled up, by what `Histories.spec` returned."""
        self.may_name = self._rolling.may_name
        """Returns whether a roll-up may give a property of a name."""

    def close(
        self,
        naming: Naming,
        evidence: Evidence | None,
        histories: Histories | None,
        ids: IdsOf,
    ) -> None:
        """Add the events of this run to those of earlier runs, once the spool is closed.

        Args:
            naming: how properties are named.
            evidence: makes the fingerprints of ids, if there are `histories`.
            histories: what earlier runs have read. None uses this run alone.
            ids: tells of the ids of end users.
        """
        self._naming = naming
        if histories and evidence:
            self._histories = histories
            rolled = self._rolling.rolled.values()
            self._specs = {histories.spec(each.event, each.counting): each.event for each in rolled}
            remember(self.told(ids), evidence, histories)

    def are_of(self, person: Person) -> bool:
        """Return whether any replayed event of an end user whom Wootric can look up is rolled up."""
        return bool(person.kinds & UNIQUE) and any(
            self._rolling.event_of(self._spool.row(each)) for each in self._rolling.events(person)
        )

    def of(self, person: Person, prints: Collection[int]) -> Given:
        """Return what the history of an end user's events gives them.

        Args:
            person: the end user.
            prints: the fingerprints of all ids of theirs, if there are histories.
        """
        rolling, row_of = self._rolling, self._spool.row
        ref = None
        for last in deque(rolling.events(person), maxlen=1):
            row = row_of(last)
            ref = Ref(row.number, row.source, row.line)
        if self._histories and prints:
            found = self._histories.events(prints, self._specs)
            histories = {self._specs[spec]: history for spec, history in found.items()}
        elif ref is None:
            return Given((), (), b"", None)
        else:
            histories = rolling.histories(rolling.events(person), row_of)
        properties, warnings, state = rolling.properties(histories, self._naming)
        return Given(properties, warnings, state.encode(errors="surrogatepass"), ref)

    def told(self, ids: IdsOf) -> Iterator[ToldEvent]:
        """Yield the events of this run that name somebody whom runs remember."""
        for person in self._spool.people():
            keys = RepeatedKeys()
            for row, rolled in self._rolled_rows(person):
                key = key_of(row, rolled, keys)
                named = _named(row, person, ids)
                if any(named):
                    history = history_of(row, rolled, rolled.remembered)
                    yield ToldEvent(named, rolled.event, rolled.counting, key, history)

    def _rolled_rows(self, person: Person) -> Iterator[tuple[Row, Rolled]]:
        """Yield the track records of an end user that are rolled up, in time order."""
        for found in self._rolling.events(person):
            row = self._spool.row(found)
            rolled = self._rolling.event_of(row)
            if rolled:
                yield row, rolled


def _named(row: Row, person: Person, ids: IdsOf) -> Named:
    """Return the ids by which a track record names its user.

    A record that names none that runs remember counts for the end user whom this run ties it to.

    Args:
        row: the record.
        person: the end user whom the record is filed under.
        ids: tells of the ids of end users.
    """
    email_from, (user_id, email, *_), *_ = row.payload
    if email_from == "properties" and user_id and email:
        # The email is perhaps not its user's: the record is filed under the one or the other.
        return Named(user_id, None) if ids.is_theirs(person, user_id) else Named(None, email)
    return Named(user_id, email) if user_id or email else ids.remembered_id(person)
