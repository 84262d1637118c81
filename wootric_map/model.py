"""What passes between the steps: end users, calls, warnings, and what becomes of a record."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

from wootric_map.values.contact import comparable
from wootric_map.values.json_values import PropertyValue

Pairs: TypeAlias = list[tuple[str, str]]
"""Names and values, in the order they are sent."""


LookUpKey: TypeAlias = Literal["id", "external_id", "email", "phone_number"]


@dataclass(frozen=True, slots=True)
class EndUserUpsert:
    """An end user as Wootric should hold it; None, or an absent property, is left as it is."""

    email: str | None = None
    external_id: str | None = None
    phone_number: str | None = None
    external_created_at: int | None = None
    """Unix seconds."""
    properties: Mapping[str, PropertyValue] = field(default_factory=dict)
    wootric_id: str | None = None
    """Wootric's own id, where it is known; never sent as a field."""

    def look_up_keys(self) -> Iterator[tuple[LookUpKey, str]]:
        """What they are looked up by, in this order; who has an email is not looked up by phone."""
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
        """How many look-ups it takes to know that Wootric does not hold them."""
        return sum(1 for _ in self.look_up_keys())

    def fields(self) -> Pairs:
        """Return the form of `POST /end_users` and `PUT /end_users/{id}`: only what has a value."""
        own = {
            "email": self.email,
            "external_id": self.external_id,
            "phone_number": self.phone_number,
            "external_created_at": self.external_created_at,
        }
        form = {name: str(value) for name, value in own.items() if value is not None}
        form.update((property_field(name), str(value)) for name, value in self.properties.items())
        return list(form.items())


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
    knows_properties: bool = True
    """Whether `properties` are those that Wootric holds; it may tell them as text that nobody can read."""

    def holds(self, field: str, value: str | int) -> bool:
        """Whether a field has this value; a number and its text are equal, and emails in any case."""
        held = getattr(self, field)
        if field == "email":
            return comparable(str(value)) == comparable(held)
        return held is not None and str(value) == str(held)

    def holds_property(self, name: str, value: PropertyValue) -> bool:
        """The same of a property."""
        held = self.properties.get(name)
        return held is not None and str(value) == str(held)


NOBODY: Final = EndUser(0, None, None, None, None, {})
"""An end user of whom Wootric holds nothing."""


@dataclass(frozen=True, slots=True)
class EligibilityCheck:
    """A track record, as Wootric's kits report it (wootric.md 5)."""

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
    """A page record, as the page pixel takes it (wootric.md 5)."""

    random: str
    """Keeps a cache from answering for Wootric; the same record always has the same."""
    email: str | None = None
    created_at: int | None = None
    """Unix seconds."""
    url: str | None = None
    name: str | None = None
    path: str | None = None


Call: TypeAlias = EndUserUpsert | EligibilityCheck | PageView


def event_name(call: EligibilityCheck | PageView) -> str | None:
    """The event that a call asks about; None of a page view."""
    return call.event_name if isinstance(call, EligibilityCheck) else None


def property_field(name: str) -> str:
    """The name that a property has in a form."""
    return f"properties[{name}]"


Existing: TypeAlias = Literal["update", "fill", "keep"]
"""What becomes of an end user whom Wootric holds: they get what differs, or what they lack, or nothing."""


WarningCode: TypeAlias = Literal[
    "already_taken",
    "ambiguous_alias",
    "ambiguous_email",
    "ambiguous_user_id",
    "amount_rounded",
    "call_too_long",
    "consent_not_judged",
    "future_timestamp",
    "implausible_created_at",
    "integer_without_amount",
    "invalid_created_at",
    "invalid_email",
    "invalid_phone",
    "key_collision",
    "key_renamed",
    "list_without_array",
    "message_id_reused",
    "mixed_types",
    "placeholder_id",
    "shared_email",
    "trailing_data",
    "unsupported_value",
    "wrong_type_for_suffix",
]
"""Every code that a warning may have."""


WARNINGS: Final[tuple[WarningCode, ...]] = get_args(WarningCode)


class MappingWarning(NamedTuple):
    """Something a person should know of a record that is mapped all the same."""

    code: WarningCode
    field: str
    """The place in the record, as in `traits.plan`; empty where it is about no single field."""
    message: str
    subject: str | None = None
    """The id that the warning is about. Warnings of one code about one subject, or without a subject about
    one field, are one warning with a count."""


Action: TypeAlias = Literal[
    "create", "update", "unchanged", "left", "eligibility_check", "page_view"
]
"""What is done about an end user or an event. `left` is an end user who is not as wanted, and stays as they
are, since the push is not to change them."""


CALLS: Final[tuple[Action, ...]] = ("create", "update", "eligibility_check", "page_view")
"""The actions that send something."""


class Skip(NamedTuple):
    """A record that is fine, but not for Wootric."""

    code: str
    """Stable, from the table of segment.md 2."""
    type: str
    field: str | None
    message: str
    reason: str | None = None
    """Of an `unidentified` one: a word for why nobody could be found."""
    ties: tuple[str, str] | None = None
    """Of an alias: the two ids that it says are one user's."""
    withheld: Any = None
    """Of an identify whose user opted out: the `record.Identify`. It is not sent, but its ids count to tell
    whether an id is ambiguous (segment.md 8)."""
    warnings: tuple[MappingWarning, ...] = ()
    """What was wrong with a record beside the reason why it is skipped."""


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
        "truncated_input",
    }
)
"""Every code that a rejection may have (segment.md 2)."""


class Rejection(NamedTuple):
    """A record, or a line that should have been one, that is wrong."""

    code: str
    """One of `REJECTIONS`."""
    field: str | None
    message: str
    """What a person should mend."""


class Ref(NamedTuple):
    """A record that a call was made from."""

    number: int
    """Its number in the plan, for `Plan.raw`."""
    source: str
    line: int


class Failure(NamedTuple):
    """Why a delivery failed."""

    code: str
    """`ambiguous_id` (of a saved plan: several people carry an id in it), `refused`, `redirected`,
    `bad_reply` (of somebody else, or senseless), `server_error`, `too_fast`, `unreachable`, `in_doubt`
    (sent, but not answered) or `end_user_failed` (not sent, since its end user's own call failed)."""
    message: str
    status: int | None = None
    """Wootric's HTTP status."""
    body: str | None = None
    """Wootric's own words."""


class Outcome(NamedTuple):
    """What became of one call, or of the records that would have made it."""

    action: Action
    refs: Collection[Ref]
    """The records it was made from."""
    result: Skip | Failure | None
    """None where it was delivered, or there was nothing to do."""
    key: str | None = None
    """Of an eligibility check or page view: what tells its record from every other."""
    event: str | None = None
    """Of an eligibility check: the name of its event."""
    is_eligible: bool = False
    """Of one that was delivered: whether Wootric would survey the user."""
    look_ups: int = 0
    """How many look-ups the account was asked for its end user, at most."""


UNKNOWN_USER: Final = "unknown_user"
"""The reason of whom the export names by an id alone."""


EMAIL_NOT_LOOKED_FOR: Final = "email_in_traits"
"""The reason of the same where an email stands in a track or page record's own traits."""


UNKNOWN: Final = frozenset({UNKNOWN_USER, EMAIL_NOT_LOOKED_FOR})
"""The reasons of whom the account may know all the same."""


SHARED: Final = frozenset({"shared_anonymous_id", "shared_phone"})
"""The reasons of what names several end users, which only the records beside it tell."""
