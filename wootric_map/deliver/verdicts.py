"""The verdict on a step of an end user, given what Wootric holds: a write, a call, or a skip."""

from dataclasses import replace
from typing import NamedTuple

from wootric_map.deliver.compare import difference
from wootric_map.deliver.fingerprints import RememberedEndUser
from wootric_map.model import (
    EMAIL_NOT_LOOKED_FOR,
    NOBODY,
    UNKNOWN_USER,
    Action,
    EligibilityCheck,
    EndUser,
    EndUserUpsert,
    PageView,
    Skip,
)
from wootric_map.plan.engine.taken import EMAIL_IN_TRAITS
from wootric_map.plan.folding import NOTHING_KNOWN
from wootric_map.plan.people import EMAIL, PHONE, SEVERAL_PEOPLE, USER, WOOTRIC
from wootric_map.plan.steps import EndUserPlan, Event, Step, Write
from wootric_map.values.contact import comparable
from wootric_map.values.json_values import first


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
    """Return whether the verdict on a step takes a look-up: a write does, and an event without an email."""
    if isinstance(step, Write):
        return True
    folded = end_user.folded
    return not (step.call.email or (folded and folded.upsert.email))


def unregistered(
    call: EligibilityCheck | PageView, registered: frozenset[str] | None
) -> Skip | None:
    """Return the skip of a track record whose event is not registered (wootric.md 5); None if it is."""
    if registered is None or isinstance(call, PageView) or call.event_name in registered:
        return None
    message = "the account has not registered this event for Targeted Sampling"
    return Skip("event_not_registered", "track", "event", message)


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
