"""What an inspection finds: data alone, which text and JSON show."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from wootric_map.inspection.sensitive import Sensitivity
from wootric_map.read.files import PassedOver

PropertyKind: TypeAlias = Literal["field", "text", "amount", "date", "array"]
"""What Wootric takes a value for: a field of the end user, or a property of the type that its name's end
tells (wootric.md 6)."""


@dataclass(frozen=True, slots=True)
class DayCount:
    """The records of one day in UTC that are neither rejected, nor skipped, nor repeats."""

    day: str
    """`YYYY-MM-DD`."""
    identify: int
    track: int
    page: int
    group: int = 0
    """Group records count if they are taken."""

    @property
    def records(self) -> int:
        """All records of the day."""
        return self.identify + self.track + self.page + self.group


@dataclass(frozen=True, slots=True)
class EndUserCounts:
    """The end users that a plan of the export has (segment.md 8); each is counted in one way."""

    total: int
    """Everybody that a record names, visitors among them."""
    with_email: int
    phone_alone: int
    """End users with a phone and no email."""
    wootric_id_alone: int
    """End users with an id of Wootric's own, and neither email nor phone."""
    user_id_alone: int
    """End users with a `userId` and nothing else; they are sent only if Wootric holds them already."""
    anonymous: int
    """Visitors with an `anonymousId` alone, to whom Wootric ties nothing."""
    ambiguous: int
    """Those whom only ids of several people name, so that their records are skipped."""
    identified: int
    """End users that have an identify; fill rates are shares of these."""
    written: int
    """End users that a push writes, as a dry run against nothing counts them; somebody who is known by
    a phone alone, which a later identify takes out again, is still counted."""
    opted_out: int | None = None
    """Those of `written` for whom a push turns surveys off; None if no trait does that."""
    with_external_id: int | None = None
    """Those of `identified` who state an external id, if a trait gives that in place of the `userId`; else
    None."""


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A text in place of an id that names nobody (segment.md 8, rule 1)."""

    text: str
    """In lower case."""
    records: int
    """How often the text stands in place of an id."""


@dataclass(frozen=True, slots=True)
class IdCounts:
    """Ids that tie nobody (segment.md 8)."""

    ambiguous_user_ids: int
    """`userId`s that several people carry."""
    ambiguous_emails: int
    """Emails that several people carry."""
    ambiguous_aliases: int
    """`previousId`s that are aliased to several `userId`s."""
    shared_phones: int
    """Phones of several end users that are all that names somebody."""
    placeholders: tuple[Placeholder, ...]
    """The commonest first."""
    ambiguous_external_ids: int = 0
    """External ids that a trait states of several end users, and that are sent for none of them."""


@dataclass(frozen=True, slots=True)
class NameCount:
    """An event or a page."""

    name: str
    """The name of an event; of a page its path, else its address or name."""
    records: int
    """How many records have it, repeats not among them."""
    is_registered: bool | None = None
    """Whether the account has registered the event; None if nobody knows."""


@dataclass(frozen=True, slots=True)
class NameCounts:
    """All events, or all pages."""

    names: tuple[NameCount, ...]
    """The commonest first."""
    more: int = 0
    """How many further names there are."""
    more_records: int = 0
    """How many records have the further names."""


@dataclass(frozen=True, slots=True)
class Destination:
    """What a trait becomes in Wootric."""

    name: str
    """The name of a field, or of a property."""
    kind: PropertyKind


@dataclass(frozen=True, slots=True, kw_only=True)
class TraitFacts:
    """What is known of a trait, be it of users or of groups."""

    name: str
    """The trait's key; within objects the keys with dots between them."""
    types: Mapping[str, int]
    """How many values have each type, the commonest type first: `text`, `date`, `integer`, `number`,
    `boolean`, `list`, `list_of_objects`, and `object` for one that is nested too deep to look into."""
    fill_rate: float
    """The share of all that could have a value, from 0 to 1; null and empty text are none."""
    distinct: int
    """How many distinct values there are."""
    is_distinct_exact: bool
    """Whether `distinct` is exact; if not, it is an estimate with a standard error of 3 %."""
    examples: tuple[Any, ...]
    """Three values at most, as they come out of JSON, cut if they are long; none of a
    secret."""
    becomes: tuple[Destination, ...]
    """The fields and properties in Wootric; none if the trait is not sent, or is an `object`, of which each
    value becomes a property of its own."""
    warnings: tuple[str, ...]
    """The codes of warnings that values of the trait give."""
    looks_like: Sensitivity | None
    """What the trait looks like: a secret, or what it tells of a person; None for neither."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraitSummary(TraitFacts):
    """A trait of identifies."""

    end_users: int
    """How many end users have an identify with a value; `fill_rate` is the share of
    `EndUserCounts.identified` that this is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTraitSummary(TraitFacts):
    """A trait of groups, under the name of the property that it is to become in the members."""

    records: int
    """How many group records have a value; `fill_rate` is the share of all group records that this is."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What an export holds."""

    passed_over: PassedOver
    """The files that were not read."""
    records: int
    """All records, rejected, skipped and repeated ones among them."""
    types: Mapping[str, int]
    """How many records there are of each type, without rejected ones and repeats."""
    rejected: Mapping[str, int]
    """How many records are rejected, by code (segment.md 2)."""
    broken_off: tuple[str, ...]
    """The first few files that broke off (`truncated_input`), so that records of theirs are not counted."""
    skipped: Mapping[str, int]
    """How many records are skipped, by code (segment.md 2), as far as the export alone tells; `unidentified`
    and `event_not_registered` are for a dry run to tell."""
    warnings: Mapping[str, int]
    """How many records give a warning about whom they name, their time or their consent, by code."""
    ignored_warnings: int
    """How many warnings are not told because their code is ignored."""
    first: int | None
    """The earliest time of a record that is fit to be sent, in milliseconds since the epoch."""
    last: int | None
    """The latest such time."""
    days: tuple[DayCount, ...]
    """Each day with records, in order."""
    undated: int
    """Records that are fit to be sent and have no time, or one before 1970 or after 2099."""
    end_users: EndUserCounts
    ids: IdCounts
    events: NameCounts
    pages: NameCounts
    traits: tuple[TraitSummary, ...]
    """In the order of their names."""
    more_traits: int
    """How many further traits there are, which have longer names."""
    is_more_traits_exact: bool
    """Whether `more_traits` is exact; if not, it is an estimate."""
    group_traits: tuple[GroupTraitSummary, ...] = ()
    """The traits of groups, if their records are taken, in the order of their names."""
    files: int = 0
    """How many files were read."""
    asked_account: bool = False
    """Whether the account was asked which events it has registered."""
    unmet_events: tuple[str, ...] = ()
    """Registered events that no track record has."""
