"""Records read back from the spool, in the forms that the fold and the steps need."""

from collections.abc import Collection, Iterator

from wootric_map.mapping.calls import page_view, survey_call
from wootric_map.mapping.identity import Named, User, user_of
from wootric_map.mapping.property_names import Naming
from wootric_map.mapping.record_keys import (
    event_key,
    former_survey_key,
    record_key,
    survey_key,
    turn_off_key,
)
from wootric_map.mapping.settings import event_properties
from wootric_map.model import EligibilityCheck, MappingWarning, PageView, Ref
from wootric_map.plan.engine.spool import Person, Row, Rows
from wootric_map.plan.engine.taken import CHOSEN, GROUP, IDENTIFY, KINDS, PAGE, SURVEY
from wootric_map.plan.folding import Folded, PlacedWarning
from wootric_map.plan.identified import Identified
from wootric_map.plan.steps import Event, TurnOff
from wootric_map.read.record import ExternalId, Identify, OptOut, Survey
from wootric_map.survey_calls import SurveysOff
from wootric_map.values.contact import trimmed
from wootric_map.values.trait_names import spelled


def ref_of(row: Row) -> Ref:
    """Return where a record stands."""
    return Ref(row.number, row.source, row.line)


def identified(row: Row, named: Named | None = None) -> Identified:
    """Return an identify in the form that the fold needs.

    Args:
        row: the identify.
        named: the end user that `named_by` finds in `row`, if the caller has it already.
    """
    _, wootric_id, traits, parent, *more = row.payload
    user, origins, _ = named or named_by(row)
    return Identified(
        ref_of(row),
        row.time,
        row.chosen,
        user._replace(wootric_id=wootric_id) if wootric_id else user,
        origins,
        traits,
        record_key(row.message_id, row.digest),
        row.message_id is not None,
        parent=parent,
        group_id=row.topic if row.is_group else None,
        opt_out=OptOut(*more[0]) if more and more[0] and not row.is_group else None,
        external_id=ExternalId(*more[1]) if len(more) > 1 else None,
    )


def named_by(row: Row) -> Named:
    """Return the end user that an identify names; its `userId` only if that is one person's."""
    user_id, _, traits, parent, *_ = row.payload
    named = user_of(Identify(user_id, None, None, row.time, {}, traits, parent))
    if not row.detached:
        return named
    origins = {name: origin for name, origin in named.origins.items() if name != "external_id"}
    return named._replace(user=named.user._replace(user_id=None), origins=origins)


def last_that_repeats(identifies: Rows) -> Row | None:
    """Return the last identify if it states all that those before it do, or is the only one; else None.

    A value that is not what it should be leaves the value before it all the same. Group calls are passed
    over, since they state nothing of their user.
    """
    found = [each for each in identifies.found if not each[3] & GROUP]
    if len(found) > 1:
        topics = {each[6] if each[3] & CHOSEN else None for each in found}
        if len(topics) > 1 or None in topics:
            return None
    last = None
    for each in found:
        last = each
    return identifies.row(last) if last and last[3] & CHOSEN else None


def superseding(identifies: Rows) -> Identified | None:
    """Return the last identify if it replaces everything that the identifies before it state; else None."""
    row = last_that_repeats(identifies)
    is_only = sum(not each[3] & GROUP for each in identifies.found) == 1
    if row is None or (is_only and row.topic is None):
        return None
    named = named_by(row)
    latest = identified(row, named)
    if not is_only:
        keys = spelled(latest.traits)
        if named.warnings or ("created" in keys and "createdat" in keys):
            # A value of the last that can't be sent leaves the value before it, and each of two creation
            # dates leaves its own.
            return None
    # An email that is none leaves the one before it.
    has_email = latest.user.email is not None and latest.origins["email"].source != "userId"
    return latest if has_email or "email" not in spelled(latest.traits) else None


def contacts_in_events(person: Person) -> Iterator[Identified]:
    """Yield the emails and phones that an end user's track and page records state about the end user."""
    for row in person.replayed_rows:
        if row.kind != IDENTIFY:
            email_from, user, *_ = row.payload
            _, email, phone, wootric_id, _, _ = user
            email = email if email_from == "context.traits" else None
            if email or phone:
                told = User(email=email, phone=phone, wootric_id=wootric_id)
                key = record_key(row.message_id, row.digest)
                has_message = row.message_id is not None
                yield Identified(
                    ref_of(row), row.time, False, told, {}, {}, key, has_message, is_event=True
                )


def _ids_of_key(
    user_id: str | None, kept: str | tuple[str | None, str | None] | None
) -> tuple[str | None, str | None]:
    """Return the `userId` and `anonymousId` in the key of a record.

    Args:
        user_id: the record's `userId`.
        kept: the record's `anonymousId`; or both, if configured placeholders make others of them.
    """
    return kept if isinstance(kept, tuple) else (user_id, kept)


class RepeatedKeys:
    """Gives records without a message id keys of their own, also if their lines are equal."""

    def __init__(self) -> None:
        self._last: bytes | None = None
        self._count = 0

    def key(self, digest: bytes) -> str:
        """Return the key of the next record in time order, by the digest of its line."""
        key = record_key(None, digest)
        self._count = self._count + 1 if digest == self._last else 0
        self._last = digest
        return f"{key}#{self._count}" if self._count else key


def event(
    row: Row, naming: Naming, keys: RepeatedKeys | None = None, *, by_trait: bool = False
) -> Event:
    """Return a track or page record as an event; its call does not name the end user yet.

    Args:
        row: the record.
        naming: how properties are named.
        keys: gives a record without a message id its key; None if the key does not matter.
        by_trait: whether a trait of identifies gives the external id, in place of the `userId`.
    """
    if row.kind == SURVEY:
        return _survey_event(row, keys, by_trait=by_trait)
    email_from, user, anonymous_id, own, *renamed = row.payload
    user_id, email, phone, _, created_at, language = user
    # A record keeps its key when the user renames its event, so that it is not sent once more.
    name = own if row.kind == PAGE else next(iter(renamed), row.topic)
    former_key = None
    if row.message_id is None:
        key = keys.key(row.digest) if keys else ""
    else:
        ids = _ids_of_key(user_id, anonymous_id)
        key = event_key(row.message_id, KINDS[row.kind], *ids, name)
        former_key = record_key(row.message_id, b"")
    if row.detached or by_trait:
        user_id = None
    email = trimmed(email)
    call: EligibilityCheck | PageView
    warnings: list[MappingWarning] = []
    sources: dict[str, str] = {}
    if row.kind == PAGE:
        url, name, path = row.topic
        call = page_view(key, email=email, created_at=created_at, url=url, name=name, path=path)
    else:
        properties, warnings = event_properties(own, naming=naming)
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
    ref = ref_of(row)
    placed = tuple(PlacedWarning(ref, warning) for warning in warnings)
    return Event(ref, key, call, former_key, row.time, email_from, placed, sources)


def _survey_event(row: Row, keys: RepeatedKeys | None, *, by_trait: bool) -> Event:
    """Return a survey response or decline as an event; arguments as in `event`."""
    email_from, user, anonymous_id, told, name = row.payload
    user_id, email, phone, _, _, _ = user
    survey = Survey(*told)
    kind, former_key = survey.kind, None
    if row.message_id is None:
        key = survey_key(kind, keys.key(row.digest)) if keys else ""
    else:
        key = event_key(row.message_id, kind, *_ids_of_key(user_id, anonymous_id), name)
        former_key = former_survey_key(kind, row.message_id)
    call = survey_call(
        survey,
        email=trimmed(email),
        external_id=None if row.detached or by_trait else user_id,
        phone_number=phone,
    )
    return Event(ref_of(row), key, call, former_key, row.time, email_from)


def turn_off(folded: Folded, at: Ref | None = None) -> TurnOff | None:
    """Return the step of the last identify of an end user that says anything about surveys.

    Args:
        folded: all identifies of the end user.
        at: the identify whose turn it is, if it is not that of all; then None is returned for any other.
    """
    said = folded.opt_out
    if said is None or at not in (None, said.ref):
        return None
    ids = folded.upsert
    # A look-up by an external id that is no `userId` may find somebody else.
    external_id = None if ids.external_id_from else ids.external_id
    call = SurveysOff(ids.wootric_id, ids.email, external_id, ids.phone_number)
    key = turn_off_key(said.key, ids, is_off=said.is_off)
    return TurnOff(said.ref, key, call, said=said)


class ReplayedRefs(Collection[Ref]):
    """Where the replayed identifies of an end user stand, read on demand since there may be very many."""

    def __init__(self, identifies: Rows, count: int) -> None:
        """Refer to all identifies of an end user, of which `count` are replayed."""
        self._identifies = identifies
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Ref]:
        return (ref_of(row) for row in self._identifies if row.chosen)

    def __contains__(self, ref: object) -> bool:
        return any(ref == each for each in self)
