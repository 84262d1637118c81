"""The ids of a plan's end users: which to look an end user up by, and which are somebody else's."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Final

from wootric_map.model import EndUser, EndUserUpsert
from wootric_map.plan.engine.external_ids import StatedIds
from wootric_map.plan.engine.spool import Person
from wootric_map.plan.evidence import Evidence
from wootric_map.plan.identities import Identities
from wootric_map.plan.people import (
    AMBIGUOUS,
    DIGEST,
    EMAIL,
    NEVER,
    PHONE,
    PREFIXES,
    UNIQUE,
    USER,
    WOOTRIC,
    Identity,
    id_name,
)
from wootric_map.plan.steps import EndUserPlan, Find
from wootric_map.plan.told import Named
from wootric_map.values.contact import comparable

_USER_ID_AND_EMAIL: Final = 2
"""How many ids an end user has who has no id but a `userId` and an email."""

_MOST_COUNTED: Final = 255
"""The most that a byte can count."""


class EndUserIds:
    """The ids of a plan's end users, once they are tied."""

    def __init__(
        self,
        identities: Identities,
        evidence: Evidence | None,
        stated: StatedIds | None = None,
    ) -> None:
        """Take the ids of a plan.

        Args:
            identities: the ids.
            evidence: what records of earlier runs say; None if only this run counts.
            stated: what a trait states to be external ids; None if these are the `userId`s.
        """
        self._identities = identities
        self._stated = stated
        self.may_cross: Final = stated is not None or bool(evidence and evidence.has_had_stated_ids)
        """Whether an external id may be what a trait states of one end user, and another's `userId`."""
        self._names = identities.names
        self._evidence = evidence

    def is_shared(self, email: str) -> bool:
        """Tell whether several people carry an email (segment.md 8, rule 3)."""
        name = id_name(EMAIL, comparable(email))
        if self._evidence:
            return self._evidence.is_shared_id(name)
        return name in self._shared_emails

    def is_shared_phone(self, phone: str) -> bool:
        """Tell whether several end users have a phone, so that it names none of them."""
        number = self._names.identity(id_name(PHONE, phone))
        if number is None:
            return False
        return bool(self._identities.group_kinds[self._identities.root(number)] & AMBIGUOUS)

    @cached_property
    def _shared_emails(self) -> frozenset[str]:
        """The names of the emails that several people carry by this run's identifies."""
        return frozenset(map(self._names.name, self._identities.ambiguous_emails))

    def is_another_persons(self, email: str, person: Person) -> bool:
        """Tell whether the plan knows an email as another end user's than `person`."""
        number = self._names.identity(id_name(EMAIL, comparable(email)))
        return number is not None and self._identities.root(number) != person.root

    def is_strangers(self, email: str, person: Person) -> bool:
        """Tell whether an end user with an email, who was found by what a trait states, is somebody else.

        They are if the email is another end user's, or if the person has emails, and this is none of them.
        """
        name = id_name(EMAIL, comparable(email))
        number = self._names.identity(name)
        if number is not None:
            return self._identities.root(number) != person.root
        earlier = self._identities.earlier_ids.get(person.root, ())
        if self._evidence and self._evidence.fingerprint(name) in earlier:
            return False
        return bool(person.kinds & EMAIL)

    def is_different_person(self, email: str, end_user: EndUserPlan) -> bool:
        """Tell whether an email is another person's, though an id of several people once tied the two.

        Args:
            email: the email.
            end_user: the end user that an id of several people may have tied to the email.
        """
        if not (self._evidence and end_user.may_be_misidentified):
            return False
        ours = [
            id_name(kind, text)
            for each in end_user.identifiers()
            for kind, text in ((USER, each.segment_user_id), (EMAIL, comparable(each.email)))
            if text
        ]
        return self._evidence.are_different_people(ours, id_name(EMAIL, comparable(email)))

    def surely_named_by(self, held: EndUser) -> Iterator[int]:
        """Yield the roots of the plan's end users who surely are an end user of the account.

        An email tells who somebody is only if they have no external id, by which Wootric goes first.
        """
        identities, stated = self._identities, self._stated
        for kind, text in (
            (WOOTRIC, str(held.id)),
            (USER, held.external_id),
            (EMAIL, comparable(held.email)),
        ):
            if not text:
                continue
            if kind == USER and stated:
                number = stated.owner(text)
            else:
                number = self._names.identity(id_name(kind, text))
            if number is None:
                continue
            root = identities.root(number)
            has_external_id = (
                stated.states_any(root) if stated else identities.group_kinds[root] & USER
            )
            if kind != EMAIL or not has_external_id:
                yield root

    def look_ups(self, root: int, kinds: int, last: EndUserUpsert) -> Iterator[EndUserUpsert]:
        """Yield every id of an end user, each ready to be looked up: Wootric's own, `userId`s, emails.

        An id that only an alias names counts if the end user has no email: most such ids are anonymous
        ones, which Wootric never knew. Yields nothing if the end user has no id but those in `last`.

        Args:
            root: the number that all ids of the end user share.
            kinds: the kinds of all these ids, added up.
            last: the ids that identifies state last.
        """
        if last.segment_user_id and last.email and self._id_counts[root] == _USER_ID_AND_EMAIL:
            return
        names = self._names.of(root)
        aliases: list[EndUserUpsert] = []
        for kind in (WOOTRIC, USER, EMAIL):
            for name, is_filed in names:
                text = name.removeprefix(PREFIXES[kind])
                if text != name and not text.startswith(DIGEST):
                    wanted = self._look_up(kind, text)
                    if kind == USER and not is_filed:
                        aliases.append(wanted)
                    else:
                        yield wanted
        if not kinds & EMAIL:
            yield from aliases

    def _look_up(self, kind: int, text: str) -> EndUserUpsert:
        """Return an id in the form that a look-up takes; a `userId` that is no external id finds nobody."""
        if kind == USER and self._stated:
            return EndUserUpsert(external_id_from=self._stated.rule, user_id=text)
        return _look_up(Identity(kind, text))

    def prints(self, person: Person) -> frozenset[int]:
        """Return the fingerprints of all ids of an end user, in this run and in earlier ones."""
        roots, numbers = self._by_root
        first = bisect_left(roots, person.root)
        past = bisect_right(roots, person.root, first)
        own = map(self._identities.prints.__getitem__, numbers[first:past])
        return frozenset(own).union(self._identities.earlier_ids.get(person.root, ()))

    def is_theirs(self, person: Person, user_id: str) -> bool:
        """Tell whether a `userId` is an end user's."""
        number = self._names.identity(id_name(USER, user_id))
        return number is not None and self._identities.root(number) == person.root

    def remembered_id(self, person: Person) -> Named:
        """Return a `userId` of an end user, else an email; nothing if this run names neither."""
        names = [name for name, _ in self._names.of(person.root)]
        for kind in (USER, EMAIL):
            for name in names:
                text = name.removeprefix(PREFIXES[kind])
                if text != name and not text.startswith(DIGEST):
                    return Named(text, None) if kind == USER else Named(None, text)
        return Named(None, None)

    def surest_name(self, person: Person) -> str:
        """Return the name of an id of an end user that tells them from others, the same in most runs."""
        names = [name for name, _ in self._names.of(person.root)]
        for kind in (USER, EMAIL, WOOTRIC):
            for name in names:
                if name.startswith(PREFIXES[kind]):
                    return name
        return next(iter(names), "")

    @cached_property
    def _by_root(self) -> "tuple[array[int], array[int]]":
        """The ids that have a fingerprint, by the roots of their end users: these, and the ids' numbers."""
        identities = self._identities
        remembered = [number for number, print_ in enumerate(identities.prints) if print_]
        remembered.sort(key=identities.root)
        return array("I", map(identities.root, remembered)), array("I", remembered)

    def may_have_other_ids(self, person: Person, last: EndUserUpsert | None) -> bool:
        """Return whether an end user may have more ids than `last`, the last ones; None for no identify."""
        known = bool(last and last.segment_user_id) + bool(last and last.email)
        return self._id_counts[person.root] > max(known, 1)

    def may_have_more_ids_than(self, known: int, person: Person) -> bool:
        """Return whether an end user with an email may have more ids to look up than the known ones.

        Args:
            known: how many ids identifies state last, of a `userId` and an email.
            person: the end user.
        """
        return self._looked_up_counts[person.root] > known

    @cached_property
    def _id_counts(self) -> "array[int]":
        """By the root of an end user, how many ids the end user has; at most as many as a byte counts."""
        identities = self._identities
        counts = array("B", bytes(len(identities)))
        for root in map(identities.root, range(len(identities))):
            if counts[root] < _MOST_COUNTED:
                counts[root] += 1
        return counts

    @cached_property
    def _looked_up_counts(self) -> "array[int]":
        """By the root of an end user, how many of the ids may be ones that `look_ups` yields.

        These are all but phones and anonymous ids, and `userId`s that only an alias names, where there is an
        email. The kind of an id is certain if its group has this kind alone. The last ids of an end user are
        always among those that count, since an identify is filed under its `userId`.
        """
        identities = self._identities
        kinds, first_seen = identities.group_kinds, identities.first_seen
        counts = array("B", bytes(len(identities)))
        for number, own in enumerate(kinds):
            root = identities.root(number)
            if (
                own & UNIQUE
                and counts[root] < _MOST_COUNTED
                and not (own == USER and first_seen[number] == NEVER and kinds[root] & EMAIL)
            ):
                counts[root] += 1
        return counts


def chosen_names(user: str) -> tuple[str, str]:
    """Return the names of the ids that `user` may be chosen by: a `userId`, an email."""
    return id_name(USER, user), id_name(EMAIL, comparable(user))


def wootric_id(
    find: Find, is_shared: Callable[[str], bool], identity: Identity, *, by_user_id: bool = True
) -> int | None:
    """Return Wootric's own id of the end user that an id names; None if Wootric knows no such end user.

    An email that several people carry is an end user of its own, whatever external id that has.

    Args:
        find: looks an end user up.
        is_shared: tells whether several people carry an email.
        identity: the id.
        by_user_id: whether the account knows end users by their `userId`s.
    """
    if identity.kind == USER and not by_user_id:
        return None
    found = None if identity.text.startswith(DIGEST) else find(_look_up(identity))
    if found is None or (identity.kind != EMAIL and found.email and is_shared(found.email)):
        return None
    return found.id


def _look_up(identity: Identity) -> EndUserUpsert:
    """Return an id in the form that a look-up takes."""
    if identity.kind == WOOTRIC:
        return EndUserUpsert(wootric_id=identity.text)
    if identity.kind == USER:
        return EndUserUpsert(external_id=identity.text)
    if identity.kind == PHONE:
        return EndUserUpsert(phone_number=identity.text)
    return EndUserUpsert(email=identity.text)
