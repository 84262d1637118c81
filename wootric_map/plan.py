"""Records → a plan: repeats dropped, folded per end user, in the order the calls must be made.

The records wait in a `Spool`, so that memory grows by a few bytes an end user.
"""

import marshal
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import blake2b
from heapq import merge
from itertools import chain, islice
from typing import Any, Final, TypeAlias

from wootric_map.calls import (
    EligibilityCheck,
    EndUser,
    EndUserUpsert,
    PageView,
    comparable,
    page_view,
    record_key,
    trimmed,
)
from wootric_map.choosing import Choice, not_chosen
from wootric_map.folding import Folded, Identified, PlacedWarning, fold, write_of
from wootric_map.identities import (
    AMBIGUOUS,
    ANONYMOUS,
    EMAIL,
    PHONE,
    PREFIXES,
    UNIQUE,
    USER,
    WOOTRIC,
    Identities,
    Identity,
)
from wootric_map.mapping import Named, Origin, User, event_properties, page_info
from wootric_map.outcome import Action, Ref, Skip
from wootric_map.properties import MappingWarning
from wootric_map.record import Identify, Page, Record, Track
from wootric_map.spool import IDENTIFY, NO_TIME, PAGE, TRACK, Person, Row, SkippedRow, Spool

Find: TypeAlias = Callable[[EndUserUpsert], EndUser | None]
"""Looks an end user up."""

_IDS_SHOWN: Final = 4
_OTHER_IDS: Final = 5
"""Ids of one end user that are tried beside the last: one who changes them often is a robot."""
_LONGEST_ID: Final = 200
_DIGEST: Final = "\0"
"""What the name of a longer id begins with, which is its digest, and nothing to look it up by."""


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """How records become a plan."""

    fold: bool = True
    """All identifies of an end user as one; else each record for itself, in time order."""
    link_anonymous: bool = False
    """Tie an anonymousId to the one end user it was ever seen with."""
    amount_suffix: bool = False
    """Give integer properties whose key lacks it the ending `_amount`."""
    choice: Choice = field(default_factory=Choice)
    """What is replayed."""
    keep_lines: bool = False
    """Keep each record's line, for `Plan.raw`."""


@dataclass(frozen=True, slots=True)
class EndUserPlan:
    """What the export says of one end user."""

    person: Person
    """Their place in the plan."""
    folded: Folded | None
    """None where the export holds no identify of theirs."""
    other_ids: Callable[[], Iterable[EndUserUpsert]]
    """Their ids, each to be looked up by."""

    @property
    def is_ambiguous(self) -> bool:
        """Whether all that names them is a phone or anonymous id of several end users."""
        return bool(self.person.kinds & AMBIGUOUS) and not self.person.kinds & UNIQUE

    @property
    def is_written(self) -> bool:
        """Whether any identify of theirs is replayed."""
        return self.folded is not None and self.folded.replayed > 0

    def known_as(self) -> Iterator[EndUserUpsert]:
        """What they are looked up by: what they are known as last, then by what else they were.

        Nothing where that would find somebody else.
        """
        if self.is_ambiguous:
            return
        last = self.folded.upsert if self.folded else EndUserUpsert()
        if any(last.look_up_keys()):
            yield last
        tried = set(replace(last, email=comparable(last.email)).look_up_keys())
        others = (each for each in self.other_ids() if not tried.issuperset(each.look_up_keys()))
        yield from islice(others, _OTHER_IDS)


@dataclass(frozen=True, slots=True)
class Write:
    """Identifies of one end user, to be written as one call."""

    upsert: EndUserUpsert
    """What Wootric is to hold."""
    origins: Mapping[str, Origin]
    """As in `Folded`."""
    refs: Collection[Ref]
    """The identifies."""
    warnings: tuple[PlacedWarning, ...]
    identifies: bytes
    """A digest of the identifies' keys."""

    @property
    def key(self) -> str:
        """What tells it from every other write: the identifies it was made from, and what came of them."""
        digest = blake2b(self.identifies, digest_size=16)
        wanted = self.upsert
        for name, value in (("id", wanted.wootric_id or ""), *wanted.fields()):
            digest.update(f"{name}\0{value}\0".encode())
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Event:
    """A track or page record in its turn."""

    ref: Ref
    time: int | None
    key: str
    """What tells it from every other record, whatever file it stands in."""
    email_from: str | None
    """Where its own email stands: `context.traits`, `properties` (and so it may be somebody else's), or
    `userId`, which only looks like one."""
    call: EligibilityCheck | PageView
    warnings: tuple[PlacedWarning, ...] = ()

    @property
    def refs(self) -> tuple[Ref, ...]:
        """The record."""
        return (self.ref,)

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


Step: TypeAlias = Write | Event


class Plan:
    """Everything that is to be sent, end user by end user.

    Add the records, `close` the intake, then iterate.
    """

    def __init__(self, spool: Spool, options: PlanOptions | None = None) -> None:
        """Start a plan.

        Args:
            spool: where the records wait.
            options: how they become a plan.
        """
        self._spool = spool
        self._options = options or PlanOptions()
        self._identities = Identities(spool)
        self.has_tracks = False
        """Whether any eligibility check is planned."""
        self.ambiguous_anonymous_ids = 0
        """How many anonymousIds were seen with several end users, and so left alone."""
        self.unknown_users: tuple[str, ...] = ()
        """Of the end users that were chosen, those whom no record names."""

    def add(self, place: tuple[str, int], line: bytes, record: Record, named: Named) -> Skip | None:
        """Take a record in.

        Args:
            place: source and line number.
            line: the record's own bytes.
            record: as `read_line` gives it.
            named: whom it names, as `user_of` gives it.

        Returns:
            None, or why it is left out: `filtered_out`. Such an identify still serves to know who is who.
        """
        chosen = self._options.choice.takes(record)
        if not chosen and not isinstance(record, Identify):
            if record.message_id is not None:
                # Delivered once more, it may have a time that is chosen; it is the same all the same.
                self._spool.add_left_out(record.time, record.message_id, line)
            return not_chosen(record.type)
        number, other = self._file(record, named)
        if isinstance(record, Identify):
            kind, payload = IDENTIFY, _dump_identify(record, named)
        elif isinstance(record, Track):
            kind, payload = TRACK, _dump_track(record, named)
            self.has_tracks = True
        else:
            kind, payload = PAGE, _dump_page(record, named)
        self._spool.add(
            number,
            kind,
            record.time,
            record.message_id,
            line,
            place,
            payload,
            other=other,
            chosen=chosen,
            keep_line=self._options.keep_lines,
        )
        return None if chosen else not_chosen(record.type)

    def tie(self, previous: str, user: str) -> None:
        """Take in what an alias says: that two ids are one user's.

        Args:
            previous: a userId or an anonymousId.
            user: a userId.
        """
        known = self._identities
        number = known.number(_identity(USER, user))
        for kind in (USER, ANONYMOUS):
            known.unite(number, known.number(_identity(kind, previous)))
        self._spool.keep_alias(previous, user)

    def close(self, find: Find | None = None) -> Iterator[SkippedRow]:
        """Say that all records are in.

        Args:
            find: looks an end user up in a snapshot, which may know that two ids are one end user's.

        Yields:
            The records that are found only now to be left out: repeated, or not chosen.
        """
        choice = self._options.choice
        users = {name: _chosen(name) for name in sorted(choice.users)}
        self._identities.resolve(partial(_held, find) if find else None)
        self._spool.close_intake(
            self._identities.members(),
            events_apart=self._options.fold,
            users=chain.from_iterable(users.values()),
            limit=choice.limit,
        )
        self.ambiguous_anonymous_ids = self._identities.ambiguous_anonymous_ids
        self.unknown_users = tuple(
            user
            for user, names in users.items()
            if not any(self._spool.identity(name) is not None for name in names)
        )
        self._identities = Identities(self._spool)
        yield from self._spool.left_out()

    def __iter__(self) -> Iterator[EndUserPlan]:
        """The end users, in the order they were first met."""
        for person in self._spool.people():
            folded = fold(self._identifies(person), amount_suffix=self._options.amount_suffix)
            # An identify without an email may have one that only its user's track records tell.
            if person.kinds & (EMAIL | PHONE) and not (folded and folded.upsert.email):
                identifies = merge(
                    self._identifies(person), self._told_by_events(person), key=_time_order
                )
                folded = fold(identifies, amount_suffix=self._options.amount_suffix)
            yield EndUserPlan(person, folded, partial(self._ids_of, person))

    def steps(self, end_user: EndUserPlan) -> Iterator[Step]:
        """What is to be done about an end user, in its order."""
        folded, person = end_user.folded, end_user.person
        begin = person.first
        if self._options.fold:
            begin = person.events
            if folded and folded.replayed:
                yield self._write(folded, _Identifies(self._spool, person, folded.replayed))
        repeats = _Repeats()
        for row in self._spool.rows(begin, person.past):
            if row.kind != IDENTIFY:
                yield self._event(row, repeats.key(row))
            elif row.chosen and folded:
                identify = _load_identify(row)
                own = write_of(identify, folded, amount_suffix=self._options.amount_suffix)
                yield self._write(own, (identify.ref,))

    def raw(self, ref: Ref) -> bytes:
        """The line of a record; empty where it was not kept."""
        return self._spool.raw(ref.number)

    def _file(self, record: Record, named: Named) -> tuple[int, int | None]:
        """Tie the ids of a record.

        Returns:
            The id that it is filed under, and an id to file it under if nobody is identified by that.
        """
        user, known = named.user, self._identities
        email = _identity(EMAIL, comparable(user.email)) if user.email else None
        own = [_identity(USER, user.user_id)] if user.user_id else []
        direct = [_identity(WOOTRIC, user.wootric_id)] if user.wootric_id else []
        phone = _identity(PHONE, user.phone) if user.phone else None
        # A userId of nothing but blanks names nobody, but tells a visitor from others.
        visitor = record.anonymous_id or record.user_id
        anonymous = _identity(ANONYMOUS, visitor) if visitor else None
        other = None
        if email and named.may_be_other and (own or direct):
            # It may be somebody else's, as in an invitation, so it ties nobody.
            other = known.number(email)
            email = None
        ids = (*own, *([email] if email else ()), *direct)
        shared = [each for each in (phone, anonymous) if each]
        number = known.tie(ids or (shared[0],), record.time)
        if phone and (ids or shared[0] != phone):
            known.hint(phone, number)
        if anonymous and self._options.link_anonymous and (ids or shared[0] != anonymous):
            known.hint(anonymous, number)
        return number, other

    def _identifies(self, person: Person) -> Iterator[Identified]:
        """An end user's identifies, one by one: there may be very many."""
        past = person.events if self._options.fold else person.past
        for row in self._spool.rows(person.first, past, only_identifies=True):
            yield _load_identify(row)

    def _told_by_events(self, person: Person) -> Iterator[Identified]:
        """What track and page records say of their user, beside what happened."""
        for row in self._spool.rows(person.events, person.past):
            if row.kind != IDENTIFY:
                email_from, user = marshal.loads(row.payload)[:2]  # noqa: S302 - our own
                _, email, phone, wootric_id, _, _ = user
                email = email if email_from == "context.traits" else None
                if email or phone:
                    told = User(email=email, phone=phone, wootric_id=wootric_id)
                    yield Identified(_ref(row), row.time, False, told, {}, {})

    def _ids_of(self, person: Person) -> Iterator[EndUserUpsert]:
        """Every id of an end user, each to be looked up by: Wootric's own, then userIds, then emails.

        An id that an alias alone names counts where there is no email: most are anonymous ones, which
        Wootric never knew.
        """
        names = self._spool.names_of(person)
        told: list[EndUserUpsert] = []
        for kind in (WOOTRIC, USER, EMAIL):
            for name, is_filed in names:
                text = name.removeprefix(PREFIXES[kind])
                if text != name and not text.startswith(_DIGEST):
                    wanted = _looked_up_by(Identity(kind, text))
                    if kind == USER and not is_filed:
                        told.append(wanted)
                    else:
                        yield wanted
        if not person.kinds & EMAIL:
            yield from told

    def _write(self, folded: Folded, refs: Collection[Ref]) -> Write:
        warnings = folded.warnings
        pairs = [pair for pair in folded.shared if not self._spool.has_alias(*pair)]
        if pairs:
            ids = list(dict.fromkeys(chain.from_iterable(pairs)))
            more = len(ids) - _IDS_SHOWN
            named = ", ".join(ids[:_IDS_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
            message = f"these userIds share one end user's email: {named}; the latest is kept"
            warnings += (PlacedWarning(folded.last, MappingWarning("shared_email", "", message)),)
        return Write(folded.upsert, folded.origins, refs, warnings, folded.key)

    def _event(self, row: Row, key: str) -> Event:
        email_from, user, *own = marshal.loads(row.payload)  # noqa: S302 - our own
        user_id, email, phone, _, created_at, language = user
        email = trimmed(email)
        call: EligibilityCheck | PageView
        warnings: list[MappingWarning] = []
        if row.kind == PAGE:
            url, name, path = own
            call = page_view(key, email=email, created_at=created_at, url=url, name=name, path=path)
        else:
            event, traits = own
            properties, warnings = event_properties(
                traits, amount_suffix=self._options.amount_suffix
            )
            call = EligibilityCheck(
                event_name=event,
                email=email,
                external_id=user_id,
                phone_number=phone,
                end_user_created_at=created_at,
                language=language,
                properties={each.name: each.value for each in properties},
            )
        ref = _ref(row)
        placed = tuple(PlacedWarning(ref, warning) for warning in warnings)
        return Event(ref, row.time, key, email_from, call, placed)


class _Repeats:
    """Tells records without a message id apart that are the same to the letter."""

    def __init__(self) -> None:
        self._last: bytes | None = None
        self._count = 0

    def key(self, row: Row) -> str:
        """The key of the next track or page record, of those in time order."""
        key = record_key(row.message_id, row.digest)
        if row.message_id is not None:
            return key
        self._count = self._count + 1 if row.digest == self._last else 0
        self._last = row.digest
        return f"{key}#{self._count}" if self._count else key


class _Identifies(Collection[Ref]):
    """The replayed identifies of an end user, read as they are asked for: there may be very many."""

    def __init__(self, spool: Spool, person: Person, count: int) -> None:
        self._spool = spool
        self._person = person
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Ref]:
        rows = self._spool.rows(self._person.first, self._person.events, only_identifies=True)
        return (_ref(row) for row in rows if row.chosen)

    def __contains__(self, ref: object) -> bool:
        return any(ref == each for each in self)


def _chosen(user: str) -> tuple[str, str]:
    """The names of the ids that somebody may be chosen by: a userId, an email."""
    email = comparable(user)
    return _identity(USER, user).name, _identity(EMAIL, email).name


def _held(find: Find, identity: Identity) -> int | None:
    """Wootric's own id of the end user whom it knows by an id."""
    found = None if identity.text.startswith(_DIGEST) else find(_looked_up_by(identity))
    return None if found is None else found.id


def _looked_up_by(identity: Identity) -> EndUserUpsert:
    if identity.kind == WOOTRIC:
        return EndUserUpsert(wootric_id=identity.text)
    if identity.kind == USER:
        return EndUserUpsert(external_id=identity.text)
    if identity.kind == PHONE:
        return EndUserUpsert(phone_number=identity.text)
    return EndUserUpsert(email=identity.text)


def _identity(kind: int, text: str) -> Identity:
    """An id; a very long text is named by its digest."""
    if len(text) > _LONGEST_ID:
        text = _DIGEST + blake2b(text.encode()).hexdigest()
    return Identity(kind, text)


def _time_order(identified: Identified) -> int:
    return NO_TIME if identified.time is None else identified.time


def _dump(*values: Any) -> bytes:
    """Values as Python's own format: it nests as deep as JSON is read, and never leaves the process."""
    return marshal.dumps(values)


def _dump_identify(record: Identify, named: Named) -> bytes:
    origins = {name: tuple(origin) for name, origin in named.origins.items()}
    return _dump(_user(named.user), origins, record.traits)


def _load_identify(row: Row) -> Identified:
    user, origins, traits = marshal.loads(row.payload)  # noqa: S302 - our own
    return Identified(
        _ref(row),
        row.time,
        row.chosen,
        User(*user),
        {name: Origin(*origin) for name, origin in origins.items()},
        traits,
        record_key(row.message_id, row.digest),
    )


def _dump_track(record: Track, named: Named) -> bytes:
    user = _user(named.user)
    return _dump(named.email_from, user, record.event, record.properties)


def _dump_page(record: Page, named: Named) -> bytes:
    info, _ = page_info(record)
    own = info.get("url"), info.get("name"), info.get("path")
    return _dump(named.email_from, _user(named.user), *own)


def _user(user: User) -> tuple[Any, ...]:
    return (
        user.user_id, user.email, user.phone, user.wootric_id, user.created_at, user.language
    )  # fmt: skip


def _ref(row: Row) -> Ref:
    return Ref(row.number, row.source, row.line)
