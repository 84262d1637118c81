"""Records become a plan: repeats are dropped, end users folded, and the calls put in their order.

The records wait in a `Spool`, so that memory grows by a few bytes a record and an end user.
"""

from array import array
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from functools import cached_property, partial
from heapq import merge
from itertools import chain
from typing import Final

from wootric_map.mapping.identity import Origin
from wootric_map.mapping.property_names import Kinds, Naming
from wootric_map.model import EndUser, EndUserUpsert, Ref
from wootric_map.plan.derived import Derived, only_derived, with_derived, with_own_names
from wootric_map.plan.deriving import Deriving
from wootric_map.plan.end_user_ids import EndUserIds, chosen_names, wootric_id
from wootric_map.plan.engine.external_ids import StatedIds
from wootric_map.plan.engine.filing import NOBODY
from wootric_map.plan.engine.spool import Person, Row, SkippedRow, Spool
from wootric_map.plan.engine.taken import IDENTIFY, SURVEY, Taken
from wootric_map.plan.evidence import Evidence
from wootric_map.plan.folding import Folded, PlacedWarning, fold, write_of
from wootric_map.plan.histories import Histories
from wootric_map.plan.id_warnings import external_id_warnings, id_warnings, with_shared_email
from wootric_map.plan.identified import Identified
from wootric_map.plan.identities import Identities
from wootric_map.plan.people import EMAIL, NO_TIME, PHONE
from wootric_map.plan.plan_options import LAST_SURVEYED_BY, PlanOptions
from wootric_map.plan.quick_changes import QuickChanges
from wootric_map.plan.reached_members import reached_members
from wootric_map.plan.records import (
    RepeatedKeys,
    ReplayedRefs,
    contacts_in_events,
    event,
    identified,
    superseding,
    turn_off,
)
from wootric_map.plan.steps import (
    EndUserPlan,
    Event,
    Find,
    Part,
    Step,
    TurnOff,
    Write,
    identifiers,
)
from wootric_map.plan.suppressed_people import suppressed_roots
from wootric_map.plan.taking_ids import take_ids
from wootric_map.plan.told import Told
from wootric_map.plan.tying import tie_ids
from wootric_map.read.suppression import NOBODY_SUPPRESSED, Suppression


class Plan:
    """Everything that is to be sent, end user by end user.

    Add the records with `take`, end that with `close`, then iterate.
    """

    def __init__(self, spool: Spool, options: PlanOptions | None = None) -> None:
        """Start a plan without records; `spool` keeps the records."""
        self.spool = spool
        self._options = options or PlanOptions()
        self._identities = Identities(spool.names)
        rule = self._options.rules.identity.external_id_from
        self._external_ids = StatedIds(self._identities, rule) if rule else None
        if self._external_ids:
            spool.closes(self._external_ids.close)
        self._ids = EndUserIds(self._identities, None, self._external_ids)
        self._kinds = Kinds()
        self._suppression = NOBODY_SUPPRESSED
        self._deriving = Deriving(self._options.rules, spool)
        self.naming = Naming(self._options.amount_suffix, self._options.array_suffix)
        """How properties are named; after `close`, by all values that each name was seen with."""
        self.has_tracks = False
        """Whether any eligibility check is planned."""
        self.has_surveys = False
        """Whether any survey response or decline is planned."""
        self.ambiguous_anonymous_ids = 0
        """How many anonymousIds tie nobody because they were seen with several end users."""
        self.unknown_users: tuple[str, ...] = ()
        """The chosen end users that no record names."""
        self.existing: Final = self._options.existing
        """What is done about end users that Wootric already holds."""
        self.last_surveyed: Final = self._options.last_surveyed
        """Unix seconds that whoever is created gets as the time of their last survey; None for none."""
        self.folds: Final = self._options.fold
        """Whether an end user has one write at most."""

    def take(self, taken: Taken, source: str, lines_before: int) -> None:
        """Add the records of a part; the parts come in their order.

        Args:
            taken: the part.
            source: the name of the part's source.
            lines_before: how many lines of the source stand before the part.
        """
        identities = self._identities
        numbers = take_ids(identities, taken, source, lines_before)
        self._kinds.add(taken.kinds)
        if self._external_ids:
            self._external_ids.take(taken, numbers, source, lines_before)
        filed = array("I", map(numbers.__getitem__, taken.columns.numbers))
        others = array("I", map(numbers.__getitem__, taken.others))
        met = zip(filed, taken.columns.times, strict=True)
        identities.see((each for each in met if each[0] != NOBODY) if NOBODY in filed else met)
        self.has_tracks = self.has_tracks or taken.has_tracks
        self.has_surveys = self.has_surveys or taken.has_surveys
        columns = taken.columns._replace(numbers=filed)
        self.spool.take(taken._replace(columns=columns, others=others), source, lines_before)

    def close(
        self,
        find: Find | None = None,
        evidence: Evidence | None = None,
        suppression: Suppression = NOBODY_SUPPRESSED,
        histories: Histories | None = None,
    ) -> Iterator[SkippedRow]:
        """Take no more records, and tie the ids together.

        Args:
            find: looks an end user up in a snapshot, which may tell that two ids are one end user's.
            evidence: what identifies of earlier runs claimed; it shows ids of several people.
            suppression: the people of whom nothing is sent.
            histories: what earlier runs read of groups; gets what this run says.

        Yields:
            The records that are left out because they are repeated or not chosen.
        """
        choice = self._options.choice
        self._suppression = suppression
        self.naming = replace(self.naming, kinds=self._kinds.masks or {})
        users = {name: chosen_names(name) for name in sorted(choice.users)}
        self._ids = EndUserIds(self._identities, evidence, self._external_ids)
        if evidence and histories and self._deriving.takes_groups:
            self._reach_members(evidence, histories)
        find_id = None
        if find:
            find_id = partial(
                wootric_id, find, self.is_shared, by_user_id=self._external_ids is None
            )
        tie_ids(self._identities, find_id, evidence)
        if self._external_ids:
            self._external_ids.decide(evidence)
        self.spool.names.keep_members(self._identities.members)
        self.spool.close(
            self._identities,
            events_apart=self._options.fold,
            users=chain.from_iterable(users.values()),
            limit=choice.limit,
            suppressed=suppressed_roots(self._identities, suppression, evidence),
        )
        if not self.derives:
            self._identities.prints = array("q")  # the steps to come need the memory
        self._deriving.close(
            self.naming,
            self._ids,
            of_left_out=choice.limit is None,
            evidence=evidence,
            histories=histories,
        )
        self.ambiguous_anonymous_ids = self._identities.ambiguous_anonymous_ids
        self.unknown_users = tuple(
            user
            for user, names in users.items()
            if not any(self.spool.names.identity(name) is not None for name in names)
        )
        yield from self.spool.left_out()

    def __iter__(self) -> Iterator[EndUserPlan]:
        """Return the end users, in the order in which they were first met."""
        return map(self.end_user, self.spool.people())

    def end_user(self, person: Person) -> EndUserPlan:
        """Return what the export says about one end user."""
        folded = fold(map(identified, person.identifies), naming=self.naming)
        # An identify without an email may have one that only its user's track records tell.
        if person.kinds & (EMAIL | PHONE) and not (folded and folded.upsert.email):
            told = contacts_in_events(person)
            identifies = merge(map(identified, person.identifies), told, key=_time_order)
            folded = fold(identifies, naming=self.naming)
        return self._planned(person, folded)

    def quick_end_user(self, person: Person) -> EndUserPlan:
        """Return what one write for all identifies of an end user needs, in less time than `end_user`.

        If the last identify replaces all that the others state, only the last is folded. `Folded` then
        counts and knows no other identify.
        """
        last = superseding(person.identifies)
        if last is None:
            return self.end_user(person)
        folded = fold((last,), naming=self.naming)
        return self._planned(person, folded)

    @cached_property
    def quick_changes(self) -> QuickChanges:
        """Tells what is written of the commonest end users; for a closed plan."""
        return QuickChanges(self.naming)

    def _planned(self, person: Person, folded: Folded | None) -> EndUserPlan:
        """Return an end user with the fold of their identifies and all their ids."""
        if folded:
            folded = self._without_ambiguous_id(person, folded)
        derived = None
        if self._deriving.is_asked_for:
            derived = self._deriving.of(person, folded)
            if folded:
                folded = with_own_names(folded, self._deriving.may_name)
            if derived and folded and folded.replayed and self.folds:
                folded = with_derived(folded, derived)
        upsert = folded.upsert if folded else EndUserUpsert()
        # A phone is looked up only where there is no email.
        phone = None if upsert.email else upsert.phone_number
        return EndUserPlan(
            person,
            folded,
            partial(self._ids.look_ups, person.root, person.kinds, upsert),
            self._identities.earlier_ids.get(person.root, ()),
            person.root in self._identities.misidentified,
            bool(phone and self._ids.is_shared_phone(phone)),
            derived,
            self.external_id_from,
            self._ids.may_cross,
        )

    def _without_ambiguous_id(self, person: Person, folded: Folded) -> Folded:
        """Return a fold without an external id that several end users state."""
        stated, text = self._external_ids, folded.upsert.external_id
        if stated and text and stated.is_in_doubt(person.root) and stated.is_ambiguous(text):
            return folded.without_external_id()
        return folded

    @property
    def external_id_from(self) -> str | None:
        """The trait that gives external ids; None if these are the `userId`s."""
        return self._external_ids.rule if self._external_ids else None

    def may_lack_external_id(self, person: Person) -> bool:
        """Tell whether others may state the external id of an end user, too; quick, and needs no names."""
        return bool(self._external_ids and self._external_ids.is_in_doubt(person.root))

    def told(self) -> Iterator[Told]:
        """Yield what groups and events tell that later runs have to know, for a closed plan."""
        return self._deriving.told(self._ids, of_left_out=self._options.choice.limit is None)

    @property
    def derives(self) -> bool:
        """Whether groups or the history of events give end users properties."""
        return self._deriving.is_asked_for

    def derived(self, person: Person) -> Derived | None:
        """Return the derived properties of an end user who has identifies; None if there are none."""
        return self._deriving.of(person, None)

    def is_written(self, person: Person) -> bool:
        """Tell whether an end user has a write: an identify is replayed, or properties may be derived."""
        return person.has_replayed_identifies or (
            self._deriving.is_asked_for and self._deriving.is_due(person)
        )

    def is_shared(self, email: str) -> bool:
        """Tell whether several people carry an email (segment.md 8, rule 3)."""
        return self._ids.is_shared(email)

    @property
    def suppresses(self) -> bool:
        """Whether anybody is on a suppression list."""
        return bool(self._suppression)

    def is_suppressed(self, held: EndUser) -> bool:
        """Tell whether an end user of the account is on a suppression list."""
        suppression = self._suppression
        # A list speaks of `userId`s, and not of what a trait states.
        return (
            (self._external_ids is None and suppression.has_id(held.external_id))
            or suppression.has_email(held.email)
            or suppression.has_phone(held.phone_number)
        )

    def is_anothers(self, end_user: EndUserPlan) -> Callable[[str], bool]:
        """Return a function that tells by an email whether Wootric's end user is somebody else.

        Wootric's end user was found by a `userId` of `end_user`. The function returns true for an email
        that several people carry, and for an email that only an id of several people ever tied to
        `end_user`. If Wootric's values are to stay, it also returns true for an email of another person of
        the plan: else the two people would become one.

        Args:
            end_user: the end user of the `userId`. One without an email has nothing else to compare.
        """
        person = end_user.person
        if self._external_ids:
            return lambda email: self.is_shared(email) or self._ids.is_strangers(email, person)
        is_kept = self.existing != "update" and end_user.folded and end_user.folded.upsert.email
        return lambda email: (
            self.is_shared(email)
            or bool(is_kept and self._ids.is_another_persons(email, person))
            or self._ids.is_different_person(email, end_user)
        )

    def may_have_other_ids(self, person: Person, last: EndUserUpsert | None) -> bool:
        """Return whether an end user may have more ids than the last ones; quick, and needs no names."""
        return self._ids.may_have_other_ids(person, last)

    def may_have_more_ids_than(self, known: int, person: Person) -> bool:
        """Return whether an end user with an email may have more ids to look up than so many; quick, too."""
        return self._ids.may_have_more_ids_than(known, person)

    def identifiers(self, root: int, kinds: int, last: EndUserUpsert) -> Iterator[EndUserUpsert]:
        """Yield what an end user who is not ambiguous is looked up by, as `EndUserPlan.identifiers` does.

        Args:
            root: the number that all ids of the end user share.
            kinds: the kinds of all these ids, added up.
            last: the ids that identifies state last, without a phone that others have, too.
        """
        return identifiers(last, partial(self._ids.look_ups, root, kinds, last))

    @property
    def ids(self) -> int:
        """How many ids the plan's end users have together; the root of an end user is less than that."""
        return len(self._identities)

    def surely_named_by(self, held: EndUser) -> Iterator[int]:
        """Yield the roots of the end users who surely are an end user of the account."""
        return self._ids.surely_named_by(held)

    def steps(self, end_user: EndUserPlan, part: Part = "all") -> Iterator[Step]:
        """Yield what is to be done about an end user, or a part of that, in order.

        Surveys are turned off after the write of the identify that says so, and before any event. Survey
        responses and declines come last, since only an end user who is there can have them.
        """
        folded, person = end_user.folded, end_user.person
        if part != "events" and self._options.fold and folded and folded.replayed:
            refs = ReplayedRefs(person.identifies, folded.replayed)
            yield from self._written(end_user, folded, refs, turn_off(folded))
        elif part != "events" and end_user.derived and self._is_due(end_user):
            yield self._derived_write(end_user, end_user.derived)
        keys = RepeatedKeys()
        for row in person.replayed_rows:
            if row.kind == SURVEY:
                continue
            if row.kind != IDENTIFY:
                if part != "writes":
                    yield self._event(row, keys)
            elif part != "events" and row.chosen and folded:
                identify = identified(row)
                own = write_of(identify, folded, naming=self.naming)
                own = self._without_ambiguous_id(person, own)
                if folded.upsert.external_id_from and folded.upsert.external_id is None:
                    own = own.without_external_id()  # what was stated before counts no longer
                if self.derives:
                    own = with_own_names(own, self._deriving.may_name)
                said = turn_off(folded, at=identify.ref)
                yield from self._written(end_user, own, (identify.ref,), said)
        if part != "events" and end_user.derived and end_user.is_written and not self.folds:
            yield self._derived_write(end_user, end_user.derived)
        if self.has_surveys and part != "writes":
            surveys = (row for row in person.replayed_rows if row.kind == SURVEY)
            yield from (self._event(row, keys) for row in surveys)

    def _is_due(self, end_user: EndUserPlan) -> bool:
        """Return whether the derived properties of an end user are written though no identify is replayed."""
        return not end_user.is_written and self._deriving.is_due(end_user.person)

    def _derived_write(self, end_user: EndUserPlan, derived: Derived) -> Write:
        """Return a write of derived properties alone, which creates nobody."""
        base = end_user.folded
        own = only_derived(derived, base, self._ids.surest_name(end_user.person))
        return replace(
            Write(own.upsert, own.origins, (), own.warnings, own.key, own.history),
            about=(derived.last,),
        )

    def _reach_members(self, evidence: Evidence, histories: Histories) -> None:
        """File something under each member, known from earlier runs, of the groups that this run tells of.

        Where only some records are replayed, these are those of the members themselves.
        """
        choice = self._options.choice
        if choice.users or choice.limit is not None:
            return
        reached = reached_members(
            self.spool,
            self._identities,
            evidence,
            histories,
            # Of others it is not known whether they are on a suppression list.
            only_named=bool(self._suppression),
        )
        if reached:
            self.take(reached, "", 0)

    def _written(
        self,
        end_user: EndUserPlan,
        folded: Folded,
        refs: Collection[Ref],
        turn_off: TurnOff | None,
    ) -> Iterator[Write | TurnOff]:
        """Yield the write of a fold, of which `refs` are the identifies, and what follows about surveys."""
        warnings = with_shared_email(folded, self.spool.names, end_user.person.root)
        origins, surveyed = folded.origins, self.last_surveyed
        if surveyed is not None:
            origins = {**origins, "last_surveyed": Origin(LAST_SURVEYED_BY, surveyed)}
        yield Write(
            folded.upsert,
            origins,
            refs,
            warnings,
            folded.key,
            folded.history,
            last_surveyed=surveyed,
            turns_off=bool(turn_off and turn_off.said.is_off),
        )
        if turn_off:
            yield turn_off

    def event(self, row: Row) -> Event:
        """Return a track or page record as an event whose key does not matter."""
        return self._event(row, None)

    def _event(self, row: Row, keys: RepeatedKeys | None) -> Event:
        return event(row, self.naming, keys, by_trait=self._external_ids is not None)

    def warnings(self) -> Iterator[PlacedWarning]:
        """Yield a warning for each ambiguous id, at each record that names it (segment.md 2 and 8)."""
        yield from id_warnings(self.spool, self._identities)
        if self._external_ids:
            yield from external_id_warnings(self._external_ids.ambiguous())

    def raw(self, ref: Ref) -> bytes:
        """Return the line of a record; empty if the plan does not keep lines."""
        return self.spool.raw(ref.number)


def _time_order(identify: Identified) -> int:
    """Return what identifies are sorted by: their time."""
    return NO_TIME if identify.time is None else identify.time
