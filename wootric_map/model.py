"""The data that passes between the steps: end users, calls, warnings, and the outcomes of records."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

from wootric_map.survey_calls import Pairs, SurveyDecline, SurveyResponse, SurveysOff
from wootric_map.values.contact import comparable
from wootric_map.values.json_values import PropertyValue

LookUpKey: TypeAlias = Literal["id", "external_id", "email", "phone_number"]
"""A field by which Wootric can look an end user up."""


@dataclass(frozen=True, slots=True)
class EndUserUpsert:
    """An end user as Wootric should hold it. Fields that are None, and other properties, do not change."""

    email: str | None = None
    external_id: str | None = None
    phone_number: str | None = None
    external_created_at: int | None = None
    """Unix seconds."""
    properties: Mapping[str, PropertyValue] = field(default_factory=dict)
    wootric_id: str | None = None
    """Wootric's own id, if it is known; never sent as a field."""
    last_surveyed: int | None = None
    """Unix seconds; only in the fields of a call that creates an end user, and only if the user asks for it:
    it stops surveys (wootric.md 3)."""
    external_id_from: str | None = None
    """The trait that gives the external id, in the spelling that all its spellings share; None if the
    `userId` is the external id."""
    user_id: str | None = None
    """The `userId`, where a trait gives the external id; never sent, nor looked up in the account."""

    @property
    def segment_user_id(self) -> str | None:
        """The `userId`, by which records and earlier runs know the end user."""
        return self.user_id if self.external_id_from else self.external_id

    def names(self) -> Iterator[tuple[str, str]]:
        """Yield all ids that tell the end user: those for look-ups, and a `userId` that is not sent."""
        yield from self.look_up_keys()
        if self.user_id:
            yield "user_id", self.user_id

    def known_keys(self) -> Iterator[tuple[LookUpKey, str]]:
        """Yield the keys by which earlier runs know the end user: the `userId`, whatever is sent."""
        if self.external_id_from:
            yield from replace(self, external_id=self.user_id).look_up_keys()
        else:
            yield from self.look_up_keys()

    def look_up_keys(self) -> Iterator[tuple[LookUpKey, str]]:
        """Yield the fields and values for look-ups, in order; the phone number only if there is no email."""
        if self.wootric_id:
            yield "id", self.wootric_id
        if self.external_id:
            yield "external_id", self.external_id
        if self.email:
            yield "email", self.email
        elif self.phone_number:
            yield "phone_number", self.phone_number

    @property
    def look_ups(self) -> int:
        """The number of look-ups that show that Wootric does not hold the end user."""
        return sum(1 for _ in self.look_up_keys())

    def fields(self) -> Pairs:
        """Return the form of `POST /end_users` and `PUT /end_users/{id}`: the fields that have a value."""
        own = {
            "email": self.email,
            "external_id": self.external_id,
            "phone_number": self.phone_number,
            "external_created_at": self.external_created_at,
            "last_surveyed": self.last_surveyed,
        }
        form = {name: str(value) for name, value in own.items() if value is not None}
        form.update((property_field(name), str(value)) for name, value in self.properties.items())
        return list(form.items())


@dataclass(frozen=True, slots=True)
class EndUser:
    """An end user as Wootric holds it, with the fields that a plan compares."""

    id: int
    email: str | None
    external_id: str | None
    phone_number: str | None
    external_created_at: int | None
    """Unix seconds."""
    properties: Mapping[str, str]
    knows_properties: bool = True
    """Whether `properties` are complete. Wootric may give them as text that can't be read (wootric.md 3)."""
    has_surveys_off: bool = False
    """Whether Wootric says that the end user gets no surveys in any way (wootric.md 8)."""

    def holds(self, field: str, value: str | int) -> bool:
        """Tell whether a field has a value. A number equals its text; emails are equal in any case.

        Args:
            field: the name of the field; not of a property.
            value: the value.
        """
        held = getattr(self, field)
        if field == "email":
            return comparable(str(value)) == comparable(held)
        return held is not None and str(value) == str(held)

    def holds_property(self, name: str, value: PropertyValue) -> bool:
        """Tell whether a property has a value. A number equals its text."""
        held = self.properties.get(name)
        return held is not None and str(value) == str(held)


NOBODY: Final = EndUser(0, None, None, None, None, {})
"""An end user with empty fields, in place of one that Wootric does not hold."""


@dataclass(frozen=True, slots=True)
class EligibilityCheck:
    """The call for a track record, as Wootric's kits make it (wootric.md 5)."""

    event_name: str
    email: str | None = None
    external_id: str | None = None
    phone_number: str | None = None
    end_user_created_at: int | None = None
    """Unix seconds."""
    language: str | None = None
    properties: Mapping[str, PropertyValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PageView:
    """The call for a page record, as the page pixel takes it (wootric.md 5)."""

    random: str
    """A text that keeps caches from answering; it is always the same for one record."""
    email: str | None = None
    created_at: int | None = None
    """Unix seconds."""
    url: str | None = None
    name: str | None = None
    path: str | None = None


RecordCall: TypeAlias = EligibilityCheck | PageView | SurveyResponse | SurveyDecline | SurveysOff
"""The call for a record, beside what is written of its end user."""

Call: TypeAlias = EndUserUpsert | RecordCall


def event_name(call: RecordCall) -> str | None:
    """Return the name of the event in an eligibility check; None for any other call."""
    return call.event_name if isinstance(call, EligibilityCheck) else None


def property_field(name: str) -> str:
    """Return the name of the form field for a property."""
    return f"properties[{name}]"


Existing: TypeAlias = Literal["update", "fill", "keep"]
"""Which fields are sent for an end user that Wootric holds: those that differ, those it lacks, or none."""


WarningCode: TypeAlias = Literal[
    "already_taken",
    "ambiguous_alias",
    "ambiguous_email",
    "ambiguous_external_id",
    "ambiguous_user_id",
    "amount_rounded",
    "call_too_long",
    "consent_not_judged",
    "future_timestamp",
    "implausible_created_at",
    "integer_without_amount",
    "invalid_created_at",
    "invalid_email",
    "invalid_external_id",
    "invalid_opt_out",
    "invalid_phone",
    "key_collision",
    "key_renamed",
    "list_without_array",
    "message_id_reused",
    "mixed_types",
    "placeholder_id",
    "secret_left_out",
    "shared_email",
    "trailing_data",
    "unsupported_value",
    "wrong_type_for_suffix",
]
"""The code of a warning."""


WARNINGS: Final[tuple[WarningCode, ...]] = get_args(WarningCode)
"""All codes of warnings."""


class MappingWarning(NamedTuple):
    """Something that a person should know about a record that is mapped all the same.

    Warnings of one code about one subject count as one warning; so do warnings of one code about one field
    that have no subject.
    """

    code: WarningCode
    field: str
    """The place in the record, such as `traits.plan`; empty if the warning is about no single field."""
    message: str
    subject: str | None = None
    """The id that the warning is about, if it is about one."""


Action: TypeAlias = Literal[
    "create",
    "update",
    "unchanged",
    "left",
    "eligibility_check",
    "page_view",
    "response",
    "decline",
    "surveys_off",
    "kept_off",
]
"""The action for an end user or an event.

`left` is an end user whose fields differ from the wanted ones and are not changed, because the user said so.
`surveys_off` turns surveys off for an end user; `kept_off` is one for whom an earlier run has done so and
whose trait says otherwise now: surveys are never turned on again.
"""


CALLS: Final[tuple[Action, ...]] = (
    "create", "update", "eligibility_check", "page_view", "response", "decline", "surveys_off",
)  # fmt: skip
"""The actions that make a call."""

LATER_ACTIONS: Final[frozenset[Action]] = frozenset({"response", "decline", "surveys_off"})
"""The actions that the first plans did not know; the last line of a plan counts them if there are any."""


class Skip(NamedTuple):
    """Why a record is skipped: nothing is wrong with it, but it is not sent to Wootric."""

    code: str
    """A stable code from the table in segment.md 2."""
    type: str
    """The record's type."""
    field: str | None
    """The place in the record, if the skip is about one."""
    message: str
    reason: str | None = None
    """For `unidentified`, the code of the reason why no end user was found."""
    ties: tuple[str, str] | None = None
    """For an alias, the two ids that belong to one user."""
    withheld: Any = None
    """For an identify whose user opted out, the `read.record.Identify`.

    It is not sent, but its ids count where ambiguous ids are found (segment.md 8).
    """
    warnings: tuple[MappingWarning, ...] = ()
    """Warnings about the record, besides the reason for the skip."""


class NamedRule(NamedTuple):
    """A rule of the user's by what it is about."""

    kind: str
    """`trait`, `event` or `page`."""
    name: str
    """The name or pattern, as the user wrote it."""


REJECTIONS: Final = frozenset(
    {
        "invalid_json",
        "line_too_long",
        "not_an_object",
        "missing_type",
        "unknown_type",
        "missing_identity",
        "missing_event",
        "invalid_traits",
        "invalid_properties",
        "invalid_context",
        "invalid_integrations",
        "invalid_timestamp",
        "invalid_score",
        "truncated_input",
    }
)
"""All codes of rejections (segment.md 2; `invalid_score`: wootric.md 7)."""


class Rejection(NamedTuple):
    """Why a record, or a line that should hold one, is rejected: something is wrong with it."""

    code: str
    """One of `REJECTIONS`."""
    field: str | None
    """The place in the record, if the rejection is about one."""
    message: str
    """What is wrong, and what a person should do."""


class Ref(NamedTuple):
    """The place of a record that a call was made from."""

    number: int
    """The record's number in the plan, for `Plan.raw`."""
    source: str
    line: int


class Failure(NamedTuple):
    """Why a delivery failed."""

    code: str
    """The kind of failure:

    - `ambiguous_id`: several people carry an id in a saved plan.
    - `refused`, `redirected`, `server_error`, `too_fast`: what Wootric answered.
    - `bad_reply`: the reply is about another end user, or makes no sense.
    - `unreachable`: no connection was made.
    - `in_doubt`: the call was sent, but not answered.
    - `end_user_failed`: the call was not sent, because the call for its end user failed.
    """
    message: str
    status: int | None = None
    """The HTTP status of Wootric's reply."""
    body: str | None = None
    """The text of Wootric's reply."""


class Outcome(NamedTuple):
    """What became of one call, or of the records that it would have been made from."""

    action: Action
    refs: Collection[Ref]
    """The places of the records."""
    result: Skip | Failure | None
    """None if the call was delivered, or there was nothing to do."""
    key: str | None = None
    """For the call of a track or page record, the key of the record (`mapping.record_keys`)."""
    event: str | None = None
    """For an eligibility check, the name of the event."""
    is_eligible: bool = False
    """For a delivered eligibility check, whether Wootric would survey the user."""
    look_ups: int = 0
    """The greatest number of look-ups that were made for the end user."""
    about: tuple[Ref, ...] = ()
    """For a write of no record, a record that makes for it."""

    settles: int | None = None
    """How many records this deals with, if not all of `refs`: turning surveys off deals with the identify
    that asks for it, and the write before it with the others."""

    @property
    def settled(self) -> int:
        """How many records of an export, or calls of a saved plan, this deals with."""
        return len(self.refs) if self.settles is None else self.settles


UNKNOWN_USER: Final = "unknown_user"
"""The reason of an unidentified record whose user the export names by an id only."""


NO_END_USER: Final = "no_end_user"
"""The reason of an unidentified survey response or decline whose end user neither the export writes nor the
account holds, as far as is known."""


EMAIL_NOT_LOOKED_FOR: Final = "email_in_traits"
"""The reason of an unidentified track or page record whose own `traits` hold an email (segment.md 4)."""


UNKNOWN: Final = frozenset({UNKNOWN_USER, NO_END_USER, EMAIL_NOT_LOOKED_FOR})
"""The reasons of unidentified records whose user the account may hold all the same."""


SHARED: Final = frozenset({"shared_anonymous_id", "shared_phone"})
"""The reasons of unidentified records whose id or phone several end users have, as other records show."""
