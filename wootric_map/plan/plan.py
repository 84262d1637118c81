"""Records → a plan: repeats dropped, folded per end user, in the order the calls must be made.

The records wait in a `Spool`, so that memory grows by a few bytes a record and an end user.
"""

from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from hashlib import blake2b
from heapq import merge
from itertools import chain, islice
from typing import Final, Literal, TypeAlias

from wootric_map.mapping.calls import page_view
from wootric_map.mapping.filters import Choice
from wootric_map.mapping.identity import Named, Origin, User, user_of
from wootric_map.mapping.property_names import Kinds, Naming
from wootric_map.mapping.record_keys import event_key, record_key
from wootric_map.mapping.settings import event_properties
from wootric_map.model import (
    Action,
    EligibilityCheck,
    EndUser,
    EndUserUpsert,
    Existing,
    MappingWarning,
    PageView,
    Ref,
)
from wootric_map.plan.engine.spool import NOBODY, Person, Row, Rows, SkippedRow, Spool
from wootric_map.plan.engine.taken import CHOSEN, IDENTIFY, KINDS, PAGE, Taken
from wootric_map.plan.folding import Folded, Identified, PlacedWarning, fold, write_of
from wootric_map.plan.people import (
    AMBIGUOUS,
    DIGEST,
    EMAIL,
    NO_TIME,
    PHONE,
    PREFIXES,
    SEVERAL_PEOPLE,
    UNIQUE,
    USER,
    WOOTRIC,
    Evidence,
    Identities,
    Identity,
    id_name,
)
from wootric_map.plan.trait_history import Heard, Said, Telling, nothing_said, still_to_say
from wootric_map.read.record import Identify
from wootric_map.values.contact import comparable, trimmed
from wootric_map.values.json_values import first
from wootric_map.values.trait_names import spelled
from wootric_map.wootric.address_length import too_long

Find: TypeAlias = Callable[[EndUserUpsert], EndUser | None]
"""Looks an end user up."""

_IDS_SHOWN: Final = 4
_LONGEST_SHOWN: Final = 100
"""Characters of an id that a message shows."""
_TWO: Final = 2
_MANY: Final = 255
_OTHER_IDS: Final = 5
"""Ids of one end user that are tried beside the last: one who changes them often is a robot."""


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """How records become a plan."""

    fold: bool = True
    """All identifies of an end user as one; else each record for itself, in time order."""
    link_anonymous: bool = False
    """Tie an anonymousId to the one end user it was ever seen with."""
    amount_suffix: bool = False
    """Give number properties whose key lacks it the ending `_amount`."""
    array_suffix: bool = False
    """Give list properties whose key lacks it the ending `_array`."""
    choice: Choice = field(default_factory=Choice)
    """What is replayed."""
    keep_lines: bool = False
    """Keep each record's line, for `Plan.raw`."""
    retry_rejects: bool = False
    """Take what earlier runs rejected or saw refused once more, though it is unchanged."""
    existing: Existing = "update"
    """What becomes of the end users whom Wootric holds."""


@dataclass(frozen=True, slots=True)
class EndUserPlan:
    """What the export says of one end user."""

    person: Person
    """Their place in the plan."""
    folded: Folded | None
    """None where the export holds no identify of theirs."""
    other_ids: Callable[[], Iterable[EndUserUpsert]]
    """Their ids, each to be looked up by."""
    elsewhere: Sequence[int] = ()
    """Fingerprints of ids that are theirs by what identifies of earlier runs claimed."""
    is_entangled: bool = False
    """Whether earlier runs may have written them as somebody else."""

    @property
    def is_ambiguous(self) -> bool:
        """Whether all that names them is an id of several end users: a userId, phone or anonymous id."""
        kinds = self.person.kinds
        return bool(kinds & SEVERAL_PEOPLE or (kinds & AMBIGUOUS and not kinds & UNIQUE))

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
    said: Telling = nothing_said
    """When the identifies said it."""
    all_said: EndUserUpsert | None = None
    """All that they say, where `upsert` is what later identifies have left of it."""
    external_id_is_taken: bool = False
    """Whether somebody else has their external id in Wootric, so that they are written without one."""
    withheld: EndUserUpsert | None = None
    """What is not sent, since a value that is there is to stay; None where all is."""
    kept: EndUserUpsert = field(default_factory=EndUserUpsert)
    """What Wootric holds in place of that, as far as it is known."""
    existing: Existing = "update"
    """Why something is withheld."""

    @property
    def whole(self) -> EndUserUpsert:
        """All that the identifies say."""
        return self.all_said or self.upsert

    def beside(self, *heard: Heard) -> "Write":
        """The same write, less what is known to have been said otherwise later (segment.md 8, rule 7)."""
        whole = left = self.whole
        for each in heard:
            left = still_to_say(left, self.said(), each)
        if self.external_id_is_taken:
            left = replace(left, external_id=None)
        if left == self.upsert:
            return self
        return replace(
            self,
            upsert=left,
            all_said=whole,
            withheld=None,
            kept=EndUserUpsert(),
            existing="update",
        )

    @property
    def to_hold(self) -> EndUserUpsert:
        """What Wootric holds once it is written, of the fields that the identifies speak of."""
        upsert, kept = self.upsert, self.kept
        if self.withheld is None:
            return upsert
        return replace(
            upsert,
            email=upsert.email or kept.email,
            external_id=upsert.external_id or kept.external_id,
            phone_number=upsert.phone_number or kept.phone_number,
            external_created_at=first(upsert.external_created_at, kept.external_created_at),
            properties={**upsert.properties, **kept.properties},
        )

    def told(self) -> Said:
        """Return when the identifies said what is not withheld."""
        said = self.said()
        return said if self.withheld is None else said.without_fields(self.withheld, self.upsert)

    def without_external_id(self) -> "Write":
        """Return the same write of an end user whose external id is somebody else's in Wootric."""
        return replace(self, external_id_is_taken=True)

    @property
    def former_key(self) -> None:
        """Writes are known by the same key as ever."""
        return None

    @property
    def time(self) -> None:
        """That matters of events alone."""
        return None

    @property
    def key(self) -> str:
        """What tells it from every other write: the identifies it was made from, and what came of them.

        Where something is withheld it has another: to make the rest of it is another write.
        """
        return self.key_where(self.existing)

    def key_where(self, existing: Existing | Literal["begun"]) -> str:
        """Return the key of the same write where something is withheld for a reason.

        Args:
            existing: the reason, `update` where nothing is; or `begun`, for the mark of an end user whom it
                has created and whose later writes are still to come.
        """
        digest = blake2b(self.identifies, digest_size=16)
        wanted = self.whole
        for name, value in (("id", wanted.wootric_id or ""), *wanted.fields()):
            digest.update(f"{name}\0{value}\0".encode())
        if existing != "update":
            digest.update(existing.encode())
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
    former_key: str | None = None
    """The key that releases before journal version 4 gave it, if they may have sent it."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where in the record each property of the call stands, by its name."""

    def warnings_of(self, call: EligibilityCheck | PageView) -> tuple[PlacedWarning, ...]:
        """Return the warnings about the record and about its call, once that is addressed."""
        long = too_long(call, self.sources)
        return (*self.warnings, PlacedWarning(self.ref, long)) if long else self.warnings

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
        return page_label(self.call.url, self.call.name, self.call.path)


def page_label(url: str | None, name: str | None, path: str | None) -> str:
    """What a page view is listed under."""
    return path or url or name or "(no path)"


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
        self.spool = spool
        self._options = options or PlanOptions()
        self._identities = Identities(spool.names)
        self._evidence: Evidence | None = None
        self._kinds = Kinds()
        self.naming = Naming(self._options.amount_suffix, self._options.array_suffix)
        """How properties are named; closed, the plan knows all values that a name was seen with."""
        self.has_tracks = False
        """Whether any eligibility check is planned."""
        self.ambiguous_anonymous_ids = 0
        """How many anonymousIds were seen with several end users, and so left alone."""
        self.unknown_users: tuple[str, ...] = ()
        """Of the end users that were chosen, those whom no record names."""
        self.existing: Final = self._options.existing
        """What becomes of the end users whom Wootric holds."""
        self.folds: Final = self._options.fold
        """Whether an end user has one write at most."""

    def take(self, taken: Taken, source: str, lines_before: int) -> None:
        """Take a part in; parts come in their order.

        Args:
            taken: the part.
            source: the name of its source.
            lines_before: lines of the source before the part.
        """
        known = self._identities
        numbers = known.numbers(taken.names)
        for note, pairs in (
            (known.claim, taken.claims),
            (known.withhold, taken.withheld),
            (known.tie, taken.ties),
            (known.hint, taken.hints),
        ):
            for one, other in pairs:
                note(numbers[one], numbers[other])
        if taken.aliases:
            self.spool.names.keep_aliases(
                (previous, user, source, lines_before + line)
                for previous, user, line in taken.aliases
            )
        self._kinds.add(taken.kinds)
        numbers.append(NOBODY)  # the last of them, as -1 is
        filed = array("I", map(numbers.__getitem__, taken.columns.numbers))
        others = array("I", map(numbers.__getitem__, taken.others))
        met = zip(filed, taken.columns.times, strict=True)
        known.see((each for each in met if each[0] != NOBODY) if NOBODY in filed else met)
        self.has_tracks = self.has_tracks or taken.has_tracks
        columns = taken.columns._replace(numbers=filed)
        self.spool.take(taken._replace(columns=columns, others=others), source, lines_before)

    def close(
        self, find: Find | None = None, evidence: Evidence | None = None
    ) -> Iterator[SkippedRow]:
        """Say that all records are in.

        Args:
            find: looks an end user up in a snapshot, which may know that two ids are one end user's.
            evidence: what the identifies of earlier runs claimed, which tells ids of several people.

        Yields:
            The records that are found only now to be left out: repeated, or not chosen.
        """
        choice = self._options.choice
        self.naming = replace(self.naming, kinds=self._kinds.masks or {})
        users = {name: _chosen(name) for name in sorted(choice.users)}
        self._evidence = evidence
        held = partial(_held, find, self.is_shared) if find else None
        self._identities.resolve(held, evidence)
        self.spool.names.keep_members(self._identities.members)
        self.spool.close(
            self._identities,
            events_apart=self._options.fold,
            users=chain.from_iterable(users.values()),
            limit=choice.limit,
        )
        self.ambiguous_anonymous_ids = self._identities.ambiguous_anonymous_ids
        self.unknown_users = tuple(
            user
            for user, names in users.items()
            if not any(self.spool.names.identity(name) is not None for name in names)
        )
        yield from self.spool.left_out()

    def __iter__(self) -> Iterator[EndUserPlan]:
        """The end users, in the order they were first met."""
        return map(self.end_user, self.spool.people())

    def end_user(self, person: Person) -> EndUserPlan:
        """What the export says of one end user."""
        folded = fold(map(_identified, person.identifies), naming=self.naming)
        # An identify without an email may have one that only its user's track records tell.
        if person.kinds & (EMAIL | PHONE) and not (folded and folded.upsert.email):
            told = _told_by_events(person)
            identifies = merge(map(_identified, person.identifies), told, key=_time_order)
            folded = fold(identifies, naming=self.naming)
        return self._planned(person, folded)

    def in_short(self, person: Person) -> EndUserPlan:
        """The same as far as one write for all identifies goes, sooner.

        Of identifies that say the same things of their user, each later one leaves nothing of those
        before. Where all do, only the last is folded, and so `Folded` counts and knows no more than that.
        """
        last = _superseding(person.identifies)
        if last is None:
            return self.end_user(person)
        folded = fold((last,), naming=self.naming)
        return self._planned(person, folded)

    def _planned(self, person: Person, folded: Folded | None) -> EndUserPlan:
        return EndUserPlan(
            person,
            folded,
            partial(self._ids_of, person, folded),
            self._identities.elsewhere.get(person.root, ()),
            person.root in self._identities.entangled,
        )

    def is_shared(self, email: str) -> bool:
        """Return whether several people carry an email (segment.md 8, rule 3)."""
        name = id_name(EMAIL, comparable(email))
        if self._evidence:
            return self._evidence.carries_several(name)
        return name in self._shared_emails

    def is_anothers(self, end_user: EndUserPlan) -> Callable[[str], bool]:
        """Return what tells whether an email makes an end user who was found by a userId somebody else.

        One that several people carry does, and one of whom such an id alone ever tied to them. Where whoever
        is there stays as they are, also their email, one that another person of the plan has does, too: else
        the two would be written as one.

        Args:
            end_user: whose userId it is. Of one without an email nothing else is known to be theirs.
        """
        person = end_user.person
        is_kept = self.existing != "update" and end_user.folded and end_user.folded.upsert.email
        return lambda email: (
            self.is_shared(email)
            or bool(is_kept and self._has_another(email, person))
            or self._is_apart(email, end_user)
        )

    def _is_apart(self, email: str, end_user: EndUserPlan) -> bool:
        """Return whether an email is known as another person's, whom an id of several people tied to one."""
        if not (self._evidence and end_user.is_entangled):
            return False
        ours = [
            id_name(kind, text)
            for each in end_user.known_as()
            for kind, text in ((USER, each.external_id), (EMAIL, comparable(each.email)))
            if text
        ]
        return self._evidence.are_apart(ours, id_name(EMAIL, comparable(email)))

    def _has_another(self, email: str, person: Person) -> bool:
        number = self.spool.names.identity(id_name(EMAIL, comparable(email)))
        return number is not None and self._identities.root(number) != person.root

    @cached_property
    def _shared_emails(self) -> frozenset[str]:
        """The names of the emails that several people carry by this run's identifies."""
        return frozenset(map(self.spool.names.name, self._identities.ambiguous_emails))

    def steps(self, end_user: EndUserPlan) -> Iterator[Step]:
        """What is to be done about an end user, in its order."""
        folded, person = end_user.folded, end_user.person
        if self._options.fold and folded and folded.replayed:
            yield self._write(end_user, folded, _Replayed(person.identifies, folded.replayed))
        repeats = _Repeats()
        for row in person.turns:
            if row.kind != IDENTIFY:
                yield self.event(row, repeats)
            elif row.chosen and folded:
                identify = _identified(row)
                own = write_of(identify, folded, naming=self.naming)
                yield self._write(end_user, own, (identify.ref,))

    def warnings(self) -> Iterator[PlacedWarning]:
        """Yield what is found of ids once all records are in (segment.md 2 and 8).

        The warnings `message_id_reused`, `ambiguous_user_id`, `ambiguous_email` and `ambiguous_alias`: one an
        id, at each record that names it.
        """
        for source, line, message_id in self.spool.sharing_message_ids():
            message = (
                f"{_quoted(message_id)} is the messageId of different messages: each is kept; "
                "have whatever writes them give each its own"
            )
            warning = MappingWarning("message_id_reused", "messageId", message, message_id)
            yield PlacedWarning(Ref(0, source, line), warning)
        about: dict[int, MappingWarning] = {}
        known = self._identities
        for number, emails in known.ambiguous_users.items():
            text = self._text_of(number, USER)
            message = (
                f"{_quoted(text)} was identified with {emails:,} emails, several of which are other "
                "userIds' as well: it ties nobody, and what names it belongs to the email beside it"
            )
            about[number] = MappingWarning("ambiguous_user_id", "userId", message, text)
        for number, users in known.ambiguous_emails.items():
            text = self._text_of(number, EMAIL)
            message = (
                f"{_quoted(text)} was identified with {users:,} userIds, several of which have another "
                "email as well: it ties nobody, and is an end user of its own"
            )
            about[number] = MappingWarning("ambiguous_email", "email", message, text)
        if about:
            for source, line, number in self.spool.naming(about):
                yield PlacedWarning(Ref(0, source, line), about[number])
        for previous, users, source, line in self.spool.names.ambiguous_aliases(
            known.ambiguous_aliases
        ):
            message = (
                f"previousId {_quoted(previous)} is aliased to {users:,} userIds: it ties nobody"
            )
            warning = MappingWarning("ambiguous_alias", "previousId", message, previous)
            yield PlacedWarning(Ref(0, source, line), warning)

    def _text_of(self, number: int, kind: int) -> str:
        """The text of an id by its number."""
        text = self.spool.names.name(number).removeprefix(PREFIXES[kind])
        return "(very long)" if text.startswith(DIGEST) else text

    def raw(self, ref: Ref) -> bytes:
        """The line of a record; empty where it was not kept."""
        return self.spool.raw(ref.number)

    def _ids_of(self, person: Person, folded: Folded | None) -> Iterator[EndUserUpsert]:
        """Every id of an end user, each to be looked up by: Wootric's own, then userIds, then emails.

        An id that an alias alone names counts where there is no email: most are anonymous ones, which
        Wootric never knew. Nothing where there is none beside the userId and the email that are kept.
        """
        upsert = folded.upsert if folded else None
        if (
            upsert
            and upsert.external_id
            and upsert.email
            and self._ids_counted[person.root] == _TWO
        ):
            return
        names = self.spool.names.of(person.root)
        told: list[EndUserUpsert] = []
        for kind in (WOOTRIC, USER, EMAIL):
            for name, is_filed in names:
                text = name.removeprefix(PREFIXES[kind])
                if text != name and not text.startswith(DIGEST):
                    wanted = _looked_up_by(Identity(kind, text))
                    if kind == USER and not is_filed:
                        told.append(wanted)
                    else:
                        yield wanted
        if not person.kinds & EMAIL:
            yield from told

    @cached_property
    def _ids_counted(self) -> "array[int]":
        """Of each id that stands for all of its end user, how many these are; not more than a byte holds."""
        known = self._identities
        counts = array("B", bytes(len(known)))
        for root in map(known.root, range(len(known))):
            if counts[root] < _MANY:
                counts[root] += 1
        return counts

    def _write(self, end_user: EndUserPlan, folded: Folded, refs: Collection[Ref]) -> Write:
        warnings = folded.warnings
        pairs = [pair for pair in folded.shared if not self.spool.names.has_alias(*pair)]
        if pairs:
            ids = list(dict.fromkeys(chain.from_iterable(pairs)))
            # The fold remembers only so many of them.
            count = max(len(ids), self.spool.names.count_of(end_user.person.root, PREFIXES[USER]))
            more = count - _IDS_SHOWN
            named = ", ".join(ids[:_IDS_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
            message = f"{count:,} userIds share one end user's email: {named}; the latest is kept"
            warning = MappingWarning("shared_email", "", message, folded.upsert.email)
            warnings += (PlacedWarning(folded.last, warning),)
        return Write(folded.upsert, folded.origins, refs, warnings, folded.key, folded.said)

    def event(self, row: Row, repeats: "_Repeats | None" = None) -> Event:
        """The call that a track or page record makes, before its user is known.

        Args:
            row: the record.
            repeats: tells it from those that are the same to the letter; None where its key does not matter.
        """
        email_from, user, anonymous_id, own = row.payload
        user_id, email, phone, _, created_at, language = user
        name = own if row.kind == PAGE else row.topic
        former_key = None
        if row.message_id is None:
            key = repeats.key(row.digest) if repeats else ""
        else:
            key = event_key(row.message_id, KINDS[row.kind], user_id, anonymous_id, name)
            former_key = record_key(row.message_id, b"")
        if row.detached:
            user_id = None
        email = trimmed(email)
        call: EligibilityCheck | PageView
        warnings: list[MappingWarning] = []
        sources: dict[str, str] = {}
        if row.kind == PAGE:
            url, name, path = row.topic
            call = page_view(key, email=email, created_at=created_at, url=url, name=name, path=path)
        else:
            properties, warnings = event_properties(own, naming=self.naming)
            call = EligibilityCheck(
                event_name=row.topic,
                email=email,
                external_id=user_id,
                phone_number=phone,
                end_user_created_at=created_at,
                language=language,
                properties={each.name: each.value for each in properties},
            )
            sources = {each.name: each.source for each in properties}
        ref = _ref(row)
        placed = tuple(PlacedWarning(ref, warning) for warning in warnings)
        return Event(ref, row.time, key, email_from, call, placed, former_key, sources)


class _Repeats:
    """Tells records without a message id apart that are the same to the letter."""

    def __init__(self) -> None:
        self._last: bytes | None = None
        self._count = 0

    def key(self, digest: bytes) -> str:
        """The key of the next such record, of those in time order, by the digest of its line."""
        key = record_key(None, digest)
        self._count = self._count + 1 if digest == self._last else 0
        self._last = digest
        return f"{key}#{self._count}" if self._count else key


class _Replayed(Collection[Ref]):
    """The replayed identifies of an end user, read as they are asked for: there may be very many."""

    def __init__(self, identifies: Rows, count: int) -> None:
        self._identifies = identifies
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Ref]:
        return (_ref(row) for row in self._identifies if row.chosen)

    def __contains__(self, ref: object) -> bool:
        return any(ref == each for each in self)


def _chosen(user: str) -> tuple[str, str]:
    """The names of the ids that somebody may be chosen by: a userId, an email."""
    email = comparable(user)
    return id_name(USER, user), id_name(EMAIL, email)


def _quoted(text: str) -> str:
    """An id for a message, cut short, since it may be megabytes of nothing."""
    return f'"{text}"' if len(text) <= _LONGEST_SHOWN else f'"{text[:_LONGEST_SHOWN]}…"'


def _held(find: Find, is_shared: Callable[[str], bool], identity: Identity) -> int | None:
    """Wootric's own id of the end user whom it knows by an id.

    An email that several people carry is an end user of its own, whatever external id that has.
    """
    found = None if identity.text.startswith(DIGEST) else find(_looked_up_by(identity))
    if found is None or (identity.kind != EMAIL and found.email and is_shared(found.email)):
        return None
    return found.id


def _looked_up_by(identity: Identity) -> EndUserUpsert:
    if identity.kind == WOOTRIC:
        return EndUserUpsert(wootric_id=identity.text)
    if identity.kind == USER:
        return EndUserUpsert(external_id=identity.text)
    if identity.kind == PHONE:
        return EndUserUpsert(phone_number=identity.text)
    return EndUserUpsert(email=identity.text)


def _identified(row: Row, named: Named | None = None) -> Identified:
    """An identify as folding needs it.

    Args:
        row: the identify.
        named: as `_named` gives it, where that is known.
    """
    _, wootric_id, traits, parent = row.payload
    user, origins, _ = named or _named(row)
    return Identified(
        _ref(row),
        row.time,
        row.chosen,
        user._replace(wootric_id=wootric_id) if wootric_id else user,
        origins,
        traits,
        record_key(row.message_id, row.digest),
        row.message_id is not None,
        parent=parent,
    )


def _named(row: Row) -> Named:
    """Whom an identify names."""
    user_id, _, traits, parent = row.payload
    named = user_of(Identify(user_id, None, None, row.time, {}, traits, parent))
    if not row.detached:
        return named
    origins = {name: origin for name, origin in named.origins.items() if name != "external_id"}
    return named._replace(user=named.user._replace(user_id=None), origins=origins)


def _superseding(identifies: Rows) -> Identified | None:
    """The last of these, if it says again, and says more than null, whatever those before it said."""
    topics = {each[6] if each[3] & CHOSEN else None for each in identifies.found}
    if len(topics) != 1 or None in topics:
        return None
    *_, last = identifies.found
    row = identifies.row(last)
    named = _named(row)
    identified = _identified(row, named)
    if len(identifies.found) > 1:
        keys = spelled(identified.traits)
        if named.warnings or ("created" in keys and "createdat" in keys):
            # What can't be sent of the last leaves what was said before, of each of two dates by itself.
            return None
    # An email that is none leaves the one before it.
    has_email = identified.user.email is not None and identified.origins["email"].source != "userId"
    return identified if has_email or "email" not in spelled(identified.traits) else None


def _told_by_events(person: Person) -> Iterator[Identified]:
    """What track and page records say of their user, beside what happened."""
    for row in person.turns:
        if row.kind != IDENTIFY:
            email_from, user, *_ = row.payload
            _, email, phone, wootric_id, _, _ = user
            email = email if email_from == "context.traits" else None
            if email or phone:
                told = User(email=email, phone=phone, wootric_id=wootric_id)
                key = record_key(row.message_id, row.digest)
                has_message = row.message_id is not None
                yield Identified(
                    _ref(row), row.time, False, told, {}, {}, key, has_message, is_event=True
                )


def _time_order(identified: Identified) -> int:
    return NO_TIME if identified.time is None else identified.time


def _ref(row: Row) -> Ref:
    return Ref(row.number, row.source, row.line)
