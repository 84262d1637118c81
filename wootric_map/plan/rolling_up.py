"""Roll-ups: properties of end users that the history of their events becomes (`rules.Rollup`)."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final, NamedTuple

from wootric_map.mapping.derived_rules import Rollup
from wootric_map.mapping.properties import Property, map_properties
from wootric_map.mapping.property_names import Naming
from wootric_map.mapping.record_keys import event_key, record_key
from wootric_map.mapping.rules import MappingRules, TraitRules
from wootric_map.mapping.trait_rewriting import TraitRewriting
from wootric_map.model import MappingWarning
from wootric_map.plan.engine.spool import Found, Person, Row
from wootric_map.plan.engine.taken import KINDS, TRACK
from wootric_map.plan.event_history import (
    EventHistory,
    PropertyHistory,
    Wants,
    amount_of,
    as_integer,
    date_of,
    event_history,
)
from wootric_map.plan.group_traits import json_text
from wootric_map.plan.people import NO_TIME
from wootric_map.plan.records import RepeatedKeys
from wootric_map.values import dates


class Rolled(NamedTuple):
    """One event that is rolled up."""

    event: str
    """The name of the event in the export."""
    rollup: Rollup
    keys: tuple[str, ...]
    """The properties of the event that count, in order."""
    wants: Wants
    """What is worked out of them for this run alone."""
    remembered: Wants
    """What is worked out of them for other runs, which may want more."""
    amounts: tuple[str, ...]
    """The properties that are to be numbers."""
    dates: tuple[str, ...]
    """The properties that are to be dates."""

    @property
    def counting(self) -> tuple[str, ...]:
        """What tells apart what runs remember of the event: the properties, and those with latest values."""
        return (*self.keys, *(f"latest.{key}" for key in sorted(self.rollup.latest)))


RowOf = Callable[[Found], Row]
"""Reads a record of the spool."""

Rolling = tuple[list[Property], list[MappingWarning], str]
"""Properties that the history of events becomes, warnings about them, and the history as text."""


class RollingUp:
    """Rolls up the events of end users."""

    def __init__(self, rules: MappingRules) -> None:
        """Take what the user configures, checked."""
        self.rolled: Final[Mapping[str, Rolled]] = {
            event: _rolled(event, rollup) for event, rollup in rules.rollup.items()
        }
        """Each event that is rolled up, by its name in the export."""
        traits = rules.traits
        self._rewriting = TraitRewriting(TraitRules(exclude=traits.exclude, include=traits.include))
        renamed = rules.events.rename
        self._topics = frozenset(renamed.get(event, event) for event in rules.rollup)
        self._names = frozenset(
            name for rollup in rules.rollup.values() for _, name, _ in rollup.named()
        )
        self._beginnings = tuple(
            f"{name}_" for rollup in rules.rollup.values() for name in rollup.latest.values()
        )

    def may_name(self, name: str) -> bool:
        """Return whether a roll-up may give a property of a name; objects are flattened under theirs."""
        return name in self._names or name.startswith(self._beginnings)

    def events(self, person: Person) -> Iterator[Found]:
        """Yield the replayed events of an end user that may be rolled up, as the spool keeps them."""
        topics = self._topics
        for found in person.replayed_rows.found:
            if found[3] & 3 == TRACK and found[6] in topics:
                yield found

    def event_of(self, row: Row) -> Rolled | None:
        """Return which event a track record is, by its name in the export; None if it is not rolled up."""
        *_, renamed = (*row.payload, None) if len(row.payload) == _NOT_RENAMED else row.payload
        return self.rolled.get(row.topic if renamed is None else renamed)

    def histories(self, events: Iterable[Found], row_of: RowOf) -> dict[str, EventHistory]:
        """Return what some events have come to, by the event's name."""
        histories: dict[str, EventHistory] = {}
        for found in events:
            row = row_of(found)
            rolled = self.event_of(row)
            if rolled:
                each = history_of(row, rolled, rolled.wants)
                before = histories.get(rolled.event)
                if before is None:
                    histories[rolled.event] = each
                else:
                    before.add(each)
        return histories

    def properties(self, histories: Mapping[str, EventHistory], naming: Naming) -> Rolling:
        """Return the properties that the histories of an end user's events become.

        Args:
            histories: the histories, by the event's name.
            naming: how properties are named.
        """
        found: list[Property] = []
        warnings: list[MappingWarning] = []
        state: list[str] = []
        for event, rolled in self.rolled.items():
            history = histories.get(event)
            if history and history.count:
                state.append(f"{event}\0{history.packed()}\0")
                history = replace(history, properties=self._sent(history))
                found += _plain(rolled, history)
                for key, name in rolled.rollup.latest.items():
                    more, wrong = _latest(rolled, key, name, history, naming)
                    found += more
                    warnings += wrong
        return found, warnings, "".join(state)

    def _sent(self, history: EventHistory) -> dict[str, PropertyHistory]:
        """Return what properties of events have come to, as far as the user's rules leave them in.

        The rules may have been others when earlier runs read the events.
        """
        sent = {}
        for key, told in history.properties.items():
            latest = told.latest
            value = json.loads(latest.value) if latest else None
            left = self._rewriting.rewritten({key: value}, "properties")
            if left is None:
                sent[key] = told
            elif key in left.fields:
                text = json_text(left.fields[key])
                kept = latest._replace(value=text) if latest and text is not None else None
                sent[key] = replace(told, latest=kept)
        return sent


_NOT_RENAMED: Final = 4
"""Members of the payload of a track record whose event is sent under its own name."""


def _rolled(event: str, rollup: Rollup) -> Rolled:
    keys = {*rollup.sum, *rollup.min, *rollup.max, *rollup.latest}
    amounts, moments = dict.fromkeys(rollup.sum), dict[str, None]()
    for key, name in (*rollup.min.items(), *rollup.max.items()):
        (moments if name.endswith("_date") else amounts)[key] = None
    # The values themselves are remembered only of properties of which the user asks for that.
    latest = frozenset(rollup.latest)
    wants, remembered = Wants(bool(amounts), bool(moments), latest), Wants(True, True, latest)
    some = tuple(amounts), tuple(moments)
    return Rolled(event, rollup, tuple(sorted(keys)), wants, remembered, *some)


def history_of(row: Row, rolled: Rolled, wants: Wants) -> EventHistory:
    """Return the history of one event.

    Args:
        row: the track record.
        rolled: the event.
        wants: what is worked out of the event's properties.
    """
    properties: Mapping[str, Any] = row.payload[3] if rolled.keys else {}
    return event_history(
        row.time, properties, rolled.keys, order=partial(_order, row, rolled), wants=wants
    )


def _order(row: Row, rolled: Rolled) -> tuple[int, bool, str]:
    """Return the place of an event among all events."""
    time = NO_TIME if row.time is None else row.time
    return time, row.message_id is not None, key_of(row, rolled)


def key_of(row: Row, rolled: Rolled, keys: RepeatedKeys | None = None) -> str:
    """Return the key that tells an event from others.

    In a rejects file, the key of a record without a `messageId` stands in place of one (`read.record`).

    Args:
        row: the track record.
        rolled: the event.
        keys: tells equal lines without a `messageId` apart; None gives them one key.
    """
    message_id = row.message_id
    if message_id is None:
        message_id = keys.key(row.digest) if keys else record_key(None, row.digest)
    user_id, anonymous_id = row.payload[1][0], row.payload[2]
    return event_key(message_id, KINDS[TRACK], user_id, anonymous_id, rolled.event)


def _plain(rolled: Rolled, history: EventHistory) -> Iterator[Property]:
    """Yield the properties that are numbers and times."""
    event, rollup = rolled.event, rolled.rollup
    if rollup.count is not None:
        yield _property(rollup.count, history.count, f"{event}: count")
    for what, name, time in (
        ("first", rollup.first, history.first),
        ("last", rollup.last, history.last),
    ):
        if name is not None and time is not None:
            yield _property(name, dates.unix_seconds(time), f"{event}: {what}")
    for what, names in (("sum", rollup.sum), ("min", rollup.min), ("max", rollup.max)):
        for key, name in names.items():
            value = _value(what, name, history.properties.get(key))
            if value is not None:
                yield _property(name, value, f"{event}: {what} of {key}")


def _property(name: str, value: int, source: str) -> Property:
    return Property(name, value, source, value)


def _value(what: str, name: str, history: PropertyHistory | None) -> int | None:
    """Return a sum or an extreme as it is sent; None if no event has a number, or date, for it."""
    if history is None:
        return None
    if name.endswith("_date"):
        moment = history.first_date if what == "min" else history.last_date
        return None if moment is None else dates.unix_seconds(moment)
    number = {"sum": history.total, "min": history.least, "max": history.greatest}[what]
    return None if number is None else as_integer(number)


def _latest(
    rolled: Rolled, key: str, name: str, history: EventHistory, naming: Naming
) -> tuple[list[Property], list[MappingWarning]]:
    """Return the properties that the latest value of an event's property becomes, and the warnings."""
    told = history.properties.get(key)
    if told is None or told.latest is None:
        return [], []
    fields = {name: json.loads(told.latest.value)}
    found, warnings = map_properties(fields, "latest", omit=omit_nothing, naming=naming)
    begin, place = f"latest.{name}", f"{rolled.event}: latest {key}"
    return (
        [each._replace(source=place + each.source.removeprefix(begin)) for each in found],
        [each._replace(field=place + each.field.removeprefix(begin)) for each in warnings],
    )


def unfit_values(rolled: Rolled, properties: Mapping[str, Any]) -> Iterator[MappingWarning]:
    """Yield a warning for each value of an event that a roll-up passes over, since its type is wrong."""
    for keys, reads, what in (
        (rolled.amounts, amount_of, "number below 2**63"),
        (rolled.dates, date_of, "date between 1970 and 2100"),
    ):
        for key in keys:
            value = properties.get(key)
            if value is not None and reads(value) is None:
                message = f"is no {what}, so that the roll-up of {rolled.event} passes it over"
                yield MappingWarning("wrong_type_for_suffix", f"properties.{key}", message)


def omit_nothing(_: str) -> bool:
    """Return that a key becomes a property."""
    return False


def names_of_latest(rolled: Rolled, properties: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the values of an event that may become properties of any type, by the names of these."""
    latest = rolled.rollup.latest
    return {name: properties[key] for key, name in latest.items() if key in properties}
