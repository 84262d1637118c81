"""Calls → a plan: duplicates dropped, folded per end user, in the order they must be made.

What decides is pure: `fold`, `address`, `difference`. The records wait in a `Spool`, so that memory grows
with the number of end users alone.
"""

from bisect import bisect_right
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import chain
from typing import Any, Final, NamedTuple, TypeAlias

import orjson

from wootric_map.calls import EligibilityCheck, EndUserUpsert, PageView, call_for, stored, trimmed
from wootric_map.identities import Identities
from wootric_map.mapping import Mapped, Origin, User
from wootric_map.outcome import Action, Outcome, Ref, Skip
from wootric_map.properties import MappingWarning, PropertyValue
from wootric_map.reading import Entry
from wootric_map.record import Identify, Track
from wootric_map.spool import EVENT, IDENTIFY, Row, Spool

Ids: TypeAlias = tuple[str | None, str | None]
"""Wootric's own id of an end user, and the customer's."""


class Identified(NamedTuple):
    """One identify record, as folding needs it."""

    time: int | None
    user: User
    properties: Mapping[str, tuple[PropertyValue, Origin]]
    origins: Mapping[str, Origin]


class State(NamedTuple):
    """What the identifies up to a time said of an end user; track and page records carry it."""

    time: int | None
    email: str | None
    created_at: int | None
    language: str | None


@dataclass(frozen=True, slots=True)
class Folded:
    """All identifies of one end user as one."""

    upsert: EndUserUpsert
    origins: Mapping[str, Origin]
    """Where each field came from, under Wootric's name for it; a property's is `properties.name`."""
    states: tuple[State, ...]
    """What was known when, in time order: from the first email on, if there ever was one."""
    times: tuple[int, ...]
    """The times of `states`; no time is before all others."""
    warnings: tuple[MappingWarning, ...]

    @property
    def ids(self) -> Ids:
        """What the end user is looked up by before their email."""
        return self.upsert.wootric_id, self.upsert.external_id


@dataclass(frozen=True, slots=True)
class EndUserPlan:
    """What is to happen to one end user."""

    person: int
    """Their number in the plan."""
    folded: Folded | None
    """None where the export holds no identify of theirs."""
    refs: tuple[Ref, ...]
    """The identifies that were folded."""

    @property
    def identified(self) -> bool:
        """Whether the export itself names them beyond a userId (segment.md 2, `unidentified`)."""
        if self.folded is None:
            return False
        upsert = self.folded.upsert
        return bool(upsert.email or upsert.phone_number or upsert.wootric_id)


@dataclass(frozen=True, slots=True)
class EndUser:
    """An end user as Wootric holds them, of which a plan compares these fields."""

    id: int
    email: str | None
    external_id: str | None
    phone_number: str | None
    external_created_at: int | None
    """Unix seconds."""
    properties: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Event:
    """A track or page record in its turn."""

    ref: Ref
    time: int | None
    user_id: str | None
    wootric_id: str | None
    """Wootric's own id of its end user, where the record names it."""
    names_other: bool
    """Whether its email is a property of the event, and so perhaps not its user's."""
    call: EligibilityCheck | PageView

    @property
    def ids(self) -> Ids:
        """What its user can be looked up by."""
        return self.wootric_id, self.user_id

    @property
    def type(self) -> str:
        """The record's type."""
        return "track" if isinstance(self.call, EligibilityCheck) else "page"

    @property
    def action(self) -> Action:
        """What its call is counted as."""
        return "eligibility_check" if isinstance(self.call, EligibilityCheck) else "page_view"

    @property
    def label(self) -> str:
        """What it is listed under: the event's name, or the page's path."""
        if isinstance(self.call, EligibilityCheck):
            return self.call.event_name
        return self.call.path or self.call.url or self.call.name or "(no path)"


_LONGEST_ID: Final = 200

_NO_TIME: Final = -(2**63)
"""Stands for no time, and is before every other."""

_NOTHING_KNOWN: Final = State(None, None, None, None)
_NOBODY: Final = EndUser(0, None, None, None, None, {})


class Plan:
    """Everything that is to be sent, end user by end user.

    Add the entries, `close` the intake, then iterate.
    """

    def __init__(self, spool: Spool, *, keep_raw: bool = False) -> None:
        """Start a plan.

        Args:
            spool: where the records wait.
            keep_raw: keep each record's line, for `raw`.
        """
        self._spool = spool
        self._keep_raw = keep_raw
        self._identities = Identities()
        self._people = 0
        self.has_tracks = False
        """Whether any eligibility check is planned."""

    def add(self, entry: Entry, mapped: Mapped) -> Skip | None:
        """Take a mapped record in.

        Returns:
            None, or why it has no place in the plan: `duplicate` or `unidentified`.
        """
        record = mapped.record
        ids = _ids(mapped)
        if not ids:
            return unidentified(record.type)
        if record.message_id is not None and not self._spool.take(record.message_id):
            message = "its messageId was taken already in this run"
            return Skip("duplicate", record.type, "messageId", message)
        identity = self._identities.tie(ids, record.time)
        tie = b"\0" + entry.raw if record.message_id is None else b"\1" + record.message_id.encode()
        if isinstance(record, Identify):
            stage, payload = IDENTIFY, _dump_identify(mapped)
        else:
            stage, payload = EVENT, _dump_event(mapped, entry.place)
            self.has_tracks = self.has_tracks or isinstance(record, Track)
        raw = entry.raw if self._keep_raw else None
        place = (entry.source, entry.line)
        self._spool.add(identity, stage, record.time, tie, place, payload, raw)
        return None

    def close(self) -> None:
        """Say that all records are in."""
        people = self._identities.people()
        self._people = max(people, default=-1) + 1
        self._spool.close_intake(people)
        self._identities = Identities()

    def __len__(self) -> int:
        """How many end users the plan knows of."""
        return self._people

    def __iter__(self) -> Iterator[EndUserPlan]:
        """The end users, in the order they were first met."""
        for person in range(self._people):
            refs: list[Ref] = []
            identifies = self._identifies(person, refs)
            first = next(identifies, None)
            folded = None if first is None else fold(chain((first,), identifies))
            yield EndUserPlan(person, folded, tuple(refs))

    def _identifies(self, person: int, refs: list[Ref]) -> Iterator[Identified]:
        """An end user's identifies, one by one: there may be very many; notes where each stands."""
        for row in self._spool.rows(person, IDENTIFY):
            refs.append(_ref(row))
            yield _load_identify(row)

    def events(self, end_user: EndUserPlan) -> Iterator[Event]:
        """An end user's track and page records, in time order."""
        for row in self._spool.rows(end_user.person, EVENT):
            yield _load_event(row)

    def raw(self, ref: Ref) -> bytes:
        """The line of a record; empty where it was not kept."""
        return self._spool.raw(ref.number)


def fold(identifies: Iterable[Identified]) -> Folded:
    """Fold an end user's identifies into one, trait by trait, later over earlier.

    Args:
        identifies: at least one, in time order.
    """
    fields: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    properties: dict[str, PropertyValue] = {}
    states: list[State] = []
    external_ids: dict[str, None] = {}
    language: str | None = None
    for time, user, own_properties, own_origins in identifies:
        said = {
            "email": trimmed(user.email),
            "external_id": user.user_id,
            "phone_number": user.phone,
            "external_created_at": user.created_at,
            "wootric_id": user.wootric_id,
        }
        fields |= {name: value for name, value in said.items() if value is not None}
        origins |= own_origins
        for name, (value, origin) in own_properties.items():
            properties[name] = value
            origins[f"properties.{name}"] = origin
        if user.user_id:
            external_ids[user.user_id] = None
        language = user.language or language
        state = State(time, fields.get("email"), fields.get("external_created_at"), language)
        if states and states[-1].email is None:
            states.clear()  # an email that comes later is better than none
        if not states or states[-1][1:] != state[1:]:
            states.append(state)
    warnings = []
    if len(external_ids) > 1:
        others = ", ".join(list(external_ids)[:5])
        message = f"several userIds share one end user ({others}); the latest is kept"
        warnings.append(MappingWarning("shared_email", "userId", message))
    upsert = EndUserUpsert(**fields, properties=properties)
    times = tuple(_NO_TIME if state.time is None else state.time for state in states)
    return Folded(upsert, origins, tuple(states), times, tuple(warnings))


class Rehearsed(NamedTuple):
    """What a push would do at one point of a plan."""

    end_user: EndUserPlan
    event: Event | None
    """None for the end user's own call."""
    outcome: Outcome
    look_ups: int
    """Look-ups that would come before it, at most."""


def rehearse(plan: Plan, registered: frozenset[str] | None = None) -> Iterator[Rehearsed]:
    """Go through a plan as a push to an empty account would, sending nothing.

    Args:
        plan: closed.
        registered: the events that count; None, where that is not known, counts them all.
    """
    for end_user in plan:
        folded = end_user.folded
        looked_up: set[Ids] = set()
        if folded:
            skip = None if end_user.identified else unidentified("identify")
            outcome = Outcome("create", end_user.refs, skip)
            looked_up.add(folded.ids)
            yield Rehearsed(end_user, None, outcome, folded.upsert.look_ups)
        for event in plan.events(end_user):
            skip = unregistered(event, registered)
            look_up = skip is None and needs_look_up(event, folded, looked_up)
            if look_up:
                looked_up.add(event.ids)
            fate = skip or address(event, folded)
            outcome = Outcome(event.action, (event.ref,), fate if isinstance(fate, Skip) else None)
            yield Rehearsed(end_user, event, outcome, sum(map(bool, event.ids)) if look_up else 0)


def needs_look_up(event: Event, folded: Folded | None, looked_up: Container[Ids]) -> bool:
    """Whether the account must be asked for an event's user, of whom the export says too little.

    Args:
        event: a track or page record.
        folded: its user's identifies.
        looked_up: the ids that were asked for already.
    """
    email = event.call.email or (folded and folded.upsert.email)
    return not email and any(event.ids) and event.ids not in looked_up


def unregistered(event: Event, registered: frozenset[str] | None) -> Skip | None:
    """The skip of a track record whose event the account does not know (wootric.md 5)."""
    call = event.call
    if registered is None or isinstance(call, PageView) or call.event_name in registered:
        return None
    message = "the account has not registered this event for Targeted Sampling"
    return Skip("event_not_registered", "track", "event", message)


def unidentified(kind: str) -> Skip:
    """The skip of a record whose user nobody knows (segment.md 2)."""
    message = "neither the export nor the account has an email, phone or end user for it"
    return Skip("unidentified", kind, "userId", message)


def address(
    event: Event, folded: Folded | None, known: EndUser | None = None
) -> EligibilityCheck | PageView | Skip:
    """Give a track or page record what is known of its user.

    As in the browser, where the settings outlive the call, it carries its user's email, creation date
    and language: the latest the export says at or before its time, else the earliest after it, else
    what the account has. What it says itself stands.

    Args:
        event: the record's call.
        folded: its user's identifies.
        known: its user as the account has them.

    Returns:
        The call to make, or the skip where nobody can be found to tie it to (`unidentified`).
    """
    call = event.call
    state = _state_at(event.time, folded) if folded else _NOTHING_KNOWN
    upsert = folded.upsert if folded else EndUserUpsert()
    held = known or _NOBODY
    theirs = state.email or held.email
    if event.names_other and theirs and _comparable(call.email) != _comparable(theirs):
        # An event may speak of somebody else, as an invitation does: what is known of its user is
        # not known of them.
        return replace(call, external_id=None) if isinstance(call, EligibilityCheck) else call
    email = call.email or state.email or held.email
    created_at = (state.created_at, upsert.external_created_at, held.external_created_at)
    if isinstance(call, PageView):
        if not email:
            return unidentified(event.type)  # the pixel knows a user by email alone
        return replace(call, email=email, created_at=_first(call.created_at, *created_at))
    phone = call.phone_number or upsert.phone_number or held.phone_number
    if not (email or phone or known or upsert.wootric_id):
        return unidentified(event.type)
    return replace(
        call,
        email=email or None,
        external_id=call.external_id or upsert.external_id or held.external_id,
        phone_number=phone or None,
        end_user_created_at=_first(call.end_user_created_at, *created_at),
        language=call.language or state.language or held.properties.get("language"),
    )


def difference(wanted: EndUserUpsert, held: EndUser) -> EndUserUpsert | None:
    """What has to be sent for Wootric to hold an end user as wanted.

    A number and its text are equal, as Wootric stores them; properties that Wootric has and the export
    does not are left alone; emails compare trimmed and without case.

    Returns:
        Only the fields that differ, or None where there are none.
    """
    same_email = wanted.email is None or _comparable(wanted.email) == _comparable(held.email)
    changed = EndUserUpsert(
        email=None if same_email else wanted.email,
        external_id=_unless_same(wanted.external_id, held.external_id),
        phone_number=_unless_same(wanted.phone_number, held.phone_number),
        external_created_at=_unless_same(wanted.external_created_at, held.external_created_at),
        properties={
            name: value
            for name, value in wanted.properties.items()
            if not _same(value, held.properties.get(name))
        },
    )
    return changed if changed.fields() else None


def _first(*values: int | None) -> int | None:
    """The first that is there; 0 is a time like any other."""
    return next((value for value in values if value is not None), None)


def contradicts(wanted: EndUserUpsert, held: EndUser) -> bool:
    """Whether an end user found by phone is somebody else: their email or external id differs."""
    return bool(
        (wanted.email and held.email and _comparable(wanted.email) != _comparable(held.email))
        or (wanted.external_id and held.external_id and wanted.external_id != held.external_id)
    )


def _comparable(email: str | None) -> str:
    """What two spellings of one email share."""
    return (email or "").strip().lower()


def _same(value: PropertyValue, held: object) -> bool:
    return held is not None and str(value) == str(held)


def _unless_same(value: Any, held: object) -> Any:
    return None if value is None or _same(value, held) else value


def _state_at(time: int | None, folded: Folded) -> State:
    """The latest state at or before a time, else the earliest after it."""
    index = bisect_right(folded.times, _NO_TIME if time is None else time) - 1
    return folded.states[max(index, 0)]


def _ids(mapped: Mapped) -> tuple[str, ...]:
    """The ids that a record ties together, the one it is filed under first.

    A phone ties only a record that names its user by nothing else: households share phones. Nor does
    an email among an event's properties tie a user, since it may be somebody else's.
    """
    user = mapped.user
    email = _id("email", _comparable(user.email))
    external = _id("user", user.user_id)
    direct = _id("wootric", user.wootric_id)
    if _names_other(mapped) and (external or direct):
        email = None
    ids = tuple(each for each in (external, email, direct) if each)
    phone = _id("phone", user.phone)
    return ids or ((phone,) if phone else ())


def _id(kind: str, value: str | None) -> str | None:
    """An id's name among the identities, which stay in memory: a very long one as its digest."""
    if not value:
        return None
    if len(value) > _LONGEST_ID:
        value = blake2b(value.encode()).hexdigest()
    return f"{kind}:{value}"


def _names_other(mapped: Mapped) -> bool:
    origin = mapped.origins.get("email")
    return origin is not None and origin.source.startswith("properties.")


def _dump_identify(mapped: Mapped) -> bytes:
    user = mapped.user
    return orjson.dumps(
        (
            (user.user_id, user.email, user.phone, user.wootric_id, user.created_at, user.language),
            [
                (each.name, each.value, each.source, each.original)
                if each.original != each.value
                else (each.name, each.value, each.source)
                for each in stored(mapped.properties)
            ],
            {name: tuple(origin) for name, origin in mapped.origins.items()},
        )
    )


def _load_identify(row: Row) -> Identified:
    user, properties, origins = orjson.loads(row.payload)
    return Identified(
        row.time,
        User(*user),
        {
            name: (value, Origin(source, original[0] if original else value))
            for name, value, source, *original in properties
        },
        {name: Origin(*origin) for name, origin in origins.items()},
    )


def _dump_event(mapped: Mapped, place: str) -> bytes:
    call = call_for(mapped, place)
    user = mapped.user
    track = isinstance(mapped.record, Track)
    return orjson.dumps((track, user.user_id, user.wootric_id, _names_other(mapped), call))


def _load_event(row: Row) -> Event:
    track, user_id, wootric_id, names_other, fields = orjson.loads(row.payload)
    call = EligibilityCheck(**fields) if track else PageView(**fields)
    return Event(_ref(row), row.time, user_id, wootric_id, names_other, call)


def _ref(row: Row) -> Ref:
    return Ref(row.number, row.source, row.line)
