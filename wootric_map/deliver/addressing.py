"""What an end user's steps become, given what Wootric holds: a write, a call, or a skip."""

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
    """What has to be written of an end user."""

    action: Action
    """`create`, `update`, `unchanged` or `left`."""
    fields: EndUserUpsert | None
    """None where nothing has to be."""


def change(
    end_user: EndUserPlan,
    write: Write,
    held: EndUser | RememberedEndUser | None,
    *,
    asked: bool = True,
) -> Change | Skip:
    """What has to be written for Wootric to hold an end user as wanted.

    Args:
        end_user: whose identifies they are.
        write: what is wanted, less what is to stay as it is.
        held: the end user as Wootric holds them, or as an earlier run left them; None where it does not.
        asked: whether it was looked up; else an id of Wootric's own is taken to be there.

    Returns:
        The change, or the skip where nobody can be found (`unidentified`).
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
        return Change("create", upsert) if upsert.fields() else Change("unchanged", None)
    if not (upsert.email or upsert.phone_number):
        return unidentified("identify", end_user)
    # Wootric has been asked after its own id, if there is one, and does not know it.
    return Change("create", replace(upsert, wootric_id=None) if upsert.wootric_id else upsert)


def needs_look_up(step: Step, end_user: EndUserPlan) -> bool:
    """Whether it takes a look-up to know what a step becomes: for every write, and for a track or page
    record of whose user the export says too little."""
    if isinstance(step, Write):
        return True
    folded = end_user.folded
    return not (step.call.email or (folded and folded.upsert.email))


def unregistered(
    call: EligibilityCheck | PageView, registered: frozenset[str] | None
) -> Skip | None:
    """The skip of a track record whose event the account does not know (wootric.md 5)."""
    if registered is None or isinstance(call, PageView) or call.event_name in registered:
        return None
    message = "the account has not registered this event for Targeted Sampling"
    return Skip("event_not_registered", "track", "event", message)


def unidentified(kind: str, end_user: EndUserPlan, email_from: str | None = None) -> Skip:
    """The skip of a record whose user nobody knows (segment.md 2), and why.

    Args:
        kind: the record's type.
        end_user: its user.
        email_from: of a track or page record, as in `Event`.
    """
    kinds = end_user.person.kinds
    if kinds & SEVERAL_PEOPLE:
        reason = "ambiguous_id"
        message = "several people carry its userId, and it names no email"
    elif end_user.is_ambiguous and kinds & PHONE:
        reason, message = (
            "shared_phone",
            "several end users have its phone, and it names no other id",
        )
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


def address(
    event: Event, end_user: EndUserPlan, known: EndUser | None = None
) -> EligibilityCheck | PageView | Skip:
    """Give a track or page record what is known of its user.

    As in the browser, where the settings outlive the call, it carries its user's email, creation date
    and language: the latest the export says at or before its time, else the earliest after it, else
    what the account has. What it says itself stands, but for the userId: of several that share one end
    user, Wootric knows the latest.

    Args:
        event: the record's call.
        end_user: its user.
        known: its user as the account has them.

    Returns:
        The call to make, or the skip where nobody can be found to tie it to (`unidentified`).
    """
    call, folded = event.call, end_user.folded
    if end_user.is_ambiguous:
        return unidentified(event.type, end_user, event.email_from)
    state = folded.state_at(event.time) if folded else NOTHING_KNOWN
    upsert = folded.upsert if folded else EndUserUpsert()
    held = known or NOBODY
    theirs = state.email or held.email
    if event.email_from == "properties" and comparable(call.email) != comparable(theirs):
        # An event may speak of somebody else, as an invitation does: what is known of its user is
        # not known of them.
        return replace(call, external_id=None) if isinstance(call, EligibilityCheck) else call
    # A userId that looks like an email stands in for one only where there is none.
    own = None if event.email_from == "userId" else call.email
    email = own or state.email or call.email or held.email
    created_at = (state.created_at, upsert.external_created_at, held.external_created_at)
    if isinstance(call, PageView):
        if not email:
            return unidentified(
                event.type, end_user, event.email_from
            )  # the pixel knows a user by email alone
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
