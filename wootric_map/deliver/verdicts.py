"""The verdict on a step of an end user, given what Wootric holds: a write, a call, or a skip."""

from dataclasses import replace
from typing import Final, NamedTuple

from wootric_map.deliver.compare import difference
from wootric_map.deliver.fingerprints import Held, RememberedEndUser
from wootric_map.model import (
    EMAIL_NOT_LOOKED_FOR,
    NO_END_USER,
    NOBODY,
    UNKNOWN_USER,
    Action,
    EligibilityCheck,
    EndUser,
    EndUserUpsert,
    PageView,
    RecordCall,
    Skip,
)
from wootric_map.plan.engine.taken import EMAIL_IN_TRAITS
from wootric_map.plan.folding import NOTHING_KNOWN
from wootric_map.plan.people import EMAIL, PHONE, SEVERAL_PEOPLE, USER, WOOTRIC
from wootric_map.plan.steps import EndUserPlan, Event, Step, Write
from wootric_map.survey_calls import SurveyCall, SurveyDecline, SurveyResponse, SurveysOff
from wootric_map.values.contact import comparable
from wootric_map.values.json_values import first

EVENT_NOT_REGISTERED: Final = Skip(
    "event_not_registered",
    "track",
    "event",
    "the account has not registered this event for Targeted Sampling",
)
"""The skip of a track record whose event is not registered (wootric.md 5)."""


class Settled(NamedTuple):
    """The verdict on what the account holds already, such as a survey response: nothing is sent."""

    skip: Skip | None
    """What it is counted as; None if it counts as done."""


class Change(NamedTuple):
    """What is to be written of an end user."""

    action: Action
    """`create`, `update`, `unchanged` or `left`."""
    fields: EndUserUpsert | None
    """The fields to send; None if nothing is to be sent."""


def change(
    end_user: EndUserPlan,
    write: Write,
    held: EndUser | RememberedEndUser | None,
    *,
    asked: bool = True,
) -> Change | Skip:
    """Return what is to be written for Wootric to hold an end user as wanted.

    Args:
        end_user: the end user.
        write: what is wanted, without the values that are to stay as they are.
        held: the end user as Wootric holds them, or as an earlier run left them; None if Wootric has no such.
        asked: whether Wootric was asked; if not, the end user with an id of Wootric's own is taken to exist.

    Returns:
        The change, or the skip if nobody can be identified.
    """
    upsert = write.upsert
    if end_user.is_ambiguous:
        return unidentified("identify", end_user)
    if held is not None:
        changes = difference(upsert, held)
        if changes is None:
            return Change("unchanged" if write.withheld is None else "left", None)
        return Change("update", changes)
    if upsert.wootric_id and not asked:
        return Change("create", _new(write)) if upsert.fields() else Change("unchanged", None)
    if not (upsert.email or upsert.phone_number):
        return unidentified("identify", end_user)
    # An id of Wootric's own was looked up, and Wootric does not know it.
    return Change(
        "create", replace(_new(write), wootric_id=None) if upsert.wootric_id else _new(write)
    )


def _new(write: Write) -> EndUserUpsert:
    """Return the fields of an end user that a write creates."""
    if write.last_surveyed is None:
        return write.upsert
    return replace(write.upsert, last_surveyed=write.last_surveyed)


def needs_look_up(step: Step, end_user: EndUserPlan) -> bool:
    """Return whether the verdict on a step takes a look-up.

    A write does, so does a survey response or decline, and turning surveys off, since the address names the
    end user, and so does an event without an email.
    """
    if isinstance(step, Write) or isinstance(
        step.call, SurveyResponse | SurveyDecline | SurveysOff
    ):
        return True
    folded = end_user.folded
    return not (step.call.email or (folded and folded.upsert.email))


def unregistered(call: RecordCall, registered: frozenset[str] | None) -> Skip | None:
    """Return the skip of a track record whose event is not registered (wootric.md 5); None if it is."""
    if registered is None or not isinstance(call, EligibilityCheck):
        return None
    if call.event_name in registered:
        return None
    return EVENT_NOT_REGISTERED


def unidentified(kind: str, end_user: EndUserPlan, email_from: str | None = None) -> Skip:
    """Return the skip of a record whose user is not known, with the reason (segment.md 2).

    Args:
        kind: the record's type.
        end_user: the record's user.
        email_from: for a track or page record, as in `Event`.
    """
    kinds = end_user.person.kinds
    if kinds & SEVERAL_PEOPLE:
        reason = "ambiguous_id"
        message = "several people carry its userId, and it names no email"
    elif end_user.is_ambiguous and kinds & PHONE:
        reason = "shared_phone"
        message = "several end users have its phone, and it names no other id"
    elif end_user.is_ambiguous:
        reason, message = "shared_anonymous_id", "its anonymousId was seen with several end users"
    elif kinds & (USER | WOOTRIC) and not kinds & (EMAIL | PHONE):
        reason = EMAIL_NOT_LOOKED_FOR if email_from == EMAIL_IN_TRAITS else UNKNOWN_USER
        message = "neither the export nor the account has an email, phone or end user for it"
    elif kinds & (USER | EMAIL | WOOTRIC | PHONE):
        reason, message = "no_email", "a page view needs its user's email, and none is known"
    else:
        reason = "anonymous"
        message = (
            "it has an anonymousId alone; Wootric ties nothing to a user before they are identified"
        )
    if email_from == EMAIL_IN_TRAITS:
        message += (
            "; an email stands in the record's own traits, where none is looked for: that of a track or "
            "page record belongs in context.traits or properties"
        )
    return Skip("unidentified", kind, "userId", message, reason)


def enrich(
    event: Event, end_user: EndUserPlan, known: EndUser | None = None
) -> EligibilityCheck | PageView | Skip:
    """Add to the call of a track or page record what is known of its user.

    As in the browser, where settings outlive a call, the call carries the user's email, creation date and
    language: the latest that the export states at or before the time of the record, else the earliest after
    it, else the account's. The record's own values count before these, except for the `userId`: if several
    belong to one end user, Wootric knows the latest.

    Args:
        event: the record's call.
        end_user: the record's user.
        known: the user as the account holds them.

    Returns:
        The call, or the skip if nobody can be identified.
    """
    call, folded = event.call, end_user.folded
    assert isinstance(call, EligibilityCheck | PageView)  # noqa: S101 - `survey_call_of` has the others
    if end_user.is_ambiguous:
        return unidentified(event.type, end_user, event.email_from)
    state = folded.state_at(event.time) if folded else NOTHING_KNOWN
    upsert = folded.upsert if folded else EndUserUpsert()
    held = known or NOBODY
    theirs = state.email or held.email
    if event.email_from == "properties" and comparable(call.email) != comparable(theirs):
        # An event may be about somebody else, as an invitation is: what is known of its user does not apply.
        return replace(call, external_id=None) if isinstance(call, EligibilityCheck) else call
    # A userId that looks like an email stands in for one only where there is none.
    own = None if event.email_from == "userId" else call.email
    email = own or state.email or call.email or held.email
    created_at = (state.created_at, upsert.external_created_at, held.external_created_at)
    if isinstance(call, PageView):
        if not email:
            # The pixel identifies a user by email alone.
            return unidentified(event.type, end_user, event.email_from)
        return replace(call, email=email, created_at=first(call.created_at, *created_at))
    if end_user.external_id_from:  # whoever states none is sent none
        held = replace(held, external_id=None)
    phone = call.phone_number or upsert.phone_number or held.phone_number
    if not (email or phone or known):
        return unidentified(event.type, end_user, event.email_from)
    return replace(
        call,
        email=email or None,
        external_id=upsert.external_id or call.external_id or held.external_id,
        phone_number=phone or None,
        end_user_created_at=first(call.end_user_created_at, *created_at),
        language=call.language or state.language or held.properties.get("language"),
    )


def survey_call_of(
    event: Event, end_user: EndUserPlan, held: EndUser | RememberedEndUser | None, *, asked: bool
) -> SurveyCall | Skip:
    """Return the call of a survey response or decline, with all that tells whose it is.

    Args:
        event: the response or decline.
        end_user: the record's user.
        held: the end user as Wootric holds them, or as an earlier run left them; None if nobody is found.
        asked: whether Wootric was asked; if not, the end user with an id of Wootric's own is taken to exist.

    Returns:
        The call, or the skip if it is not known who has responded or declined.
    """
    call, folded = event.call, end_user.folded
    assert isinstance(call, SurveyResponse | SurveyDecline)  # noqa: S101 - `enrich` has the others
    if end_user.is_ambiguous:
        return unidentified(event.type, end_user, event.email_from)
    state = folded.state_at(event.time) if folded else NOTHING_KNOWN
    upsert = folded.upsert if folded else EndUserUpsert()
    number = held.id if held else 0
    if held is None:
        named = None if asked else next(end_user.identifiers(), EndUserUpsert()).wootric_id
        if named is None:
            return _without_end_user(event, end_user)
        number = int(named)
    if event.email_from == "properties" and not _is_theirs(call.email, state.email, held):
        message = (
            "the email in its properties is not that of its user, so that it is not certain who has "
            "responded; leave the email out, or identify the user with it"
        )
        return Skip("unidentified", event.type, "properties.email", message, "another_email")
    theirs = held if isinstance(held, EndUser) else NOBODY
    return replace(
        call,
        wootric_id=str(number) if number else None,
        email=upsert.email or theirs.email or call.email,
        external_id=upsert.external_id or theirs.external_id or call.external_id,
        phone_number=upsert.phone_number or theirs.phone_number or call.phone_number,
    )


def _is_theirs(
    email: str | None, stated: str | None, held: EndUser | RememberedEndUser | None
) -> bool:
    """Return whether an email is that of an end user, as identifies state it or Wootric holds it."""
    if email is None or comparable(email) == comparable(stated):
        return True
    return held is not None and held.holds("email", email)


def _without_end_user(event: Event, end_user: EndUserPlan) -> Skip:
    """Return the skip of a survey response or decline whose end user is not known to be in the account."""
    skip = unidentified(event.type, end_user, event.email_from)
    if not end_user.person.kinds & (USER | EMAIL | WOOTRIC | PHONE):
        return skip
    message = (
        "it needs an end user in the account, and neither an identify of the export nor the account has one "
        "for it: push an identify of theirs with it"
    )
    return skip._replace(message=message, reason=NO_END_USER)


def enriched(
    event: Event, end_user: EndUserPlan, held: Held, *, is_taken: bool
) -> EligibilityCheck | PageView | Skip:
    """Enrich an event, without an external id that somebody else has."""
    call = enrich(event, end_user, held if isinstance(held, EndUser) else None)
    return (
        replace(call, external_id=None) if is_taken and isinstance(call, EligibilityCheck) else call
    )


def compares(step: Step) -> bool:
    """Return whether the journal's knowledge of the end user is enough for a step."""
    return isinstance(step, Write) or isinstance(
        step.call, SurveyResponse | SurveyDecline | SurveysOff
    )
