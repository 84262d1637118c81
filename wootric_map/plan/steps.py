"""The steps of a plan: what is written of an end user, who wants no surveys, and what happened in records."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import islice
from typing import Final, Literal, TypeAlias

from wootric_map.mapping.identity import Origin
from wootric_map.model import (
    Action,
    EligibilityCheck,
    EndUser,
    EndUserUpsert,
    Existing,
    PageView,
    RecordCall,
    Ref,
)
from wootric_map.plan.derived import Derived
from wootric_map.plan.engine.spool import Person
from wootric_map.plan.folding import Folded, FoldedOptOut, PlacedWarning
from wootric_map.plan.people import AMBIGUOUS, SEVERAL_PEOPLE, UNIQUE
from wootric_map.plan.trait_history import (
    LazyHistory,
    OtherStatements,
    Statement,
    Statements,
    TraitHistory,
    without_outdated,
)
from wootric_map.survey_calls import SurveyDecline, SurveyResponse, SurveysOff
from wootric_map.values.contact import comparable
from wootric_map.values.json_values import first
from wootric_map.wootric.address_length import too_long

Part: TypeAlias = Literal["all", "writes", "events"]
"""Which steps of an end user: all, only the writes, or only the events and page views."""

Find: TypeAlias = Callable[[EndUserUpsert], EndUser | None]
"""Looks an end user up; returns None if nobody is found."""

_MOST_OTHER_IDS: Final = 5
"""Ids of one end user that are looked up beside the last one: whoever has more ids is a robot."""


@dataclass(frozen=True, slots=True)
class EndUserPlan:
    """What the export says about one end user."""

    person: Person
    """The end user and their records, as the spool keeps them."""
    folded: Folded | None
    """All identifies as one; None if the export holds no identify of this end user."""
    other_ids: Callable[[], Iterable[EndUserUpsert]]
    """Returns every id of this end user, each ready to be looked up."""
    earlier_ids: Sequence[int] = ()
    """Fingerprints of further ids of this end user, which identifies of earlier runs claim."""
    may_be_misidentified: bool = False
    """Whether earlier runs may have written this end user as somebody else."""
    has_shared_phone: bool = False
    """Whether several end users of the plan have the phone of this one, which is not looked up then."""
    derived: Derived | None = None
    """Properties that come from groups or from the history of events; None if there are none."""

    external_id_from: str | None = None
    """The trait that gives external ids; None if these are the `userId`s."""
    external_id_may_be_anothers: bool = False
    """Whether earlier runs may have given the external id of this one to somebody else, since a trait gives
    external ids, or has given them."""

    @property
    def is_ambiguous(self) -> bool:
        """Whether only ids of several end users name this one: a `userId`, a phone or an anonymous id."""
        kinds = self.person.kinds
        return bool(kinds & SEVERAL_PEOPLE or (kinds & AMBIGUOUS and not kinds & UNIQUE))

    @property
    def is_written(self) -> bool:
        """Whether any identify of this end user is replayed."""
        return self.folded is not None and self.folded.replayed > 0

    def looked_up(self, upsert: EndUserUpsert) -> EndUserUpsert:
        """Return fields of this end user as they may be looked up: without a phone that others have, too."""
        return replace(upsert, phone_number=None) if self.has_shared_phone else upsert

    def identifiers(self) -> Iterator[EndUserUpsert]:
        """Yield what this end user is looked up by: the last ids first, then the ids of earlier times.

        Yields nothing for an ambiguous end user, since a look-up would find somebody else.
        """
        if self.is_ambiguous:
            return
        last = self.looked_up(self.folded.upsert if self.folded else EndUserUpsert())
        yield from identifiers(last, self.other_ids)


def identifiers(
    last: EndUserUpsert, other_ids: Callable[[], Iterable[EndUserUpsert]]
) -> Iterator[EndUserUpsert]:
    """Yield what an end user is looked up by: the last ids first, then the ids of earlier times.

    Args:
        last: the last ids.
        other_ids: returns every id of the end user.
    """
    if any(last.names()):
        yield last
    tried = set(replace(last, email=comparable(last.email)).names())
    others = (each for each in other_ids() if not tried.issuperset(each.names()))
    yield from islice(others, _MOST_OTHER_IDS)


@dataclass(frozen=True, slots=True)
class Write:
    """Identifies of one end user that are written as one call."""

    upsert: EndUserUpsert
    """The fields that the call sends."""
    origins: Mapping[str, Origin]
    """Where each field comes from, as `Folded.origins` says."""
    refs: Collection[Ref]
    """The identifies."""
    warnings: tuple[PlacedWarning, ...]
    identifies: bytes
    """A digest of the keys of the identifies."""
    history: LazyHistory = TraitHistory
    """Returns when the identifies stated their traits."""
    all_fields: EndUserUpsert | None = None
    """All fields of the identifies, if later identifies have left only a part of them in `upsert`."""
    external_id_is_taken: bool = False
    """Whether somebody else has the external id in Wootric, so that it is not sent."""
    withheld: EndUserUpsert | None = None
    """The fields that are not sent because Wootric's values are to stay; None if all fields are sent."""
    kept: EndUserUpsert = field(default_factory=EndUserUpsert)
    """The values that Wootric holds in the withheld fields, as far as they are known."""
    existing: Existing = "update"
    """The setting that makes fields withheld."""
    last_surveyed: int | None = None
    """Unix seconds that the end user gets as the time of their last survey if this write creates them; None
    for none. An end user who is there already keeps theirs."""
    about: tuple[Ref, ...] = ()
    """For a write of no identify, a record that makes for it, and is named if the write fails."""
    turns_off: bool = False
    """Whether the next step turns surveys off, as one of these identifies asks for."""

    @property
    def whole(self) -> EndUserUpsert:
        """All fields of the identifies."""
        return self.all_fields or self.upsert

    def without_outdated(self, *others: OtherStatements) -> "Write":
        """Return this write without the fields that other identifies are known to have set later.

        Args:
            others: what other identifies stated (segment.md 8, rule 7).
        """
        whole = left = self.whole
        for each in others:
            left = without_outdated(left, self.history(), each)
        if self.external_id_is_taken:
            left = replace(left, external_id=None)
        if left == self.upsert:
            return self
        return replace(
            self,
            upsert=left,
            all_fields=whole,
            withheld=None,
            kept=EndUserUpsert(),
            existing="update",
        )

    @property
    def to_hold(self) -> EndUserUpsert:
        """What Wootric holds after this write in the fields that the identifies set."""
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

    def sent_history(self) -> TraitHistory:
        """Return when the identifies stated the fields that are sent."""
        history = self.history()
        if self.withheld is None:
            return history
        return history.without_fields(self.withheld, self.upsert)

    def without_external_id(self) -> "Write":
        """Return this write without the external id, which somebody else has in Wootric."""
        return replace(self, external_id_is_taken=True)

    @property
    def former_key(self) -> None:
        """None: the key of a write is the same in all releases."""
        return None

    @property
    def time(self) -> None:
        """None: only events need a time."""
        return None

    @property
    def key(self) -> str:
        """The text that tells this write from every other one, by the identifies and the fields.

        A write with withheld fields has another key than the whole write: to send the rest is another call.
        """
        return self.key_where(self.existing)

    def key_where(self, existing: Existing | Literal["begun"]) -> str:
        """Return the key of this write if fields are withheld for the given reason.

        Args:
            existing: the reason; `update` if nothing is withheld. `begun` gives the key of the mark that an
                end user was created by this write and that later writes of this end user are to come.
        """
        digest = blake2b(self.identifies, digest_size=16)
        wanted = self.whole
        for name, value in (("id", wanted.wootric_id or ""), *wanted.fields()):
            digest.update(f"{name}\0{value}\0".encode())
        if existing != "update":
            digest.update(existing.encode())
        return digest.hexdigest()


_ACTIONS: Final[Mapping[type, Action]] = {
    EligibilityCheck: "eligibility_check",
    PageView: "page_view",
    SurveyResponse: "response",
    SurveyDecline: "decline",
    SurveysOff: "surveys_off",
}


SURVEY_ACTIONS: Final[frozenset[Action]] = frozenset({"response", "decline"})


@dataclass(frozen=True, slots=True)
class EventCall:
    """The call that a record makes beside what is written of its end user."""

    ref: Ref
    """Where the record stands, or its line in a saved plan."""
    key: str
    """The text that tells this record from every other one, whatever file holds it."""
    call: RecordCall
    former_key: str | None = None
    """The key that releases before journal version 4 gave this record, if they may have sent it."""
    time: int | None = None
    """When it happened, in milliseconds since the epoch."""

    @property
    def refs(self) -> tuple[Ref, ...]:
        """The record, as the only one of a tuple."""
        return (self.ref,)

    @property
    def type(self) -> str:
        """The record's type."""
        if isinstance(self.call, SurveysOff):
            return "identify"
        return "page" if isinstance(self.call, PageView) else "track"

    @property
    def action(self) -> Action:
        """What the call is counted as."""
        return _ACTIONS[type(self.call)]


@dataclass(frozen=True, slots=True)
class Event(EventCall):
    """A track or page record, and the call that it makes."""

    email_from: str | None = None
    """Where the record's own email stands: `context.traits`; `properties`, where the email may be somebody
    else's; `userId`, which only looks like an email; or `traits`, where no email counts (segment.md 4)."""
    warnings: tuple[PlacedWarning, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where in the record each property of the call stands, by the property's name."""

    def warnings_of(self, call: RecordCall) -> tuple[PlacedWarning, ...]:
        """Return the warnings about the record and about its call, once the end user has added to `call`."""
        if isinstance(call, SurveyResponse | SurveyDecline | SurveysOff):
            return self.warnings  # the call has a form, so that its address is short
        long = too_long(call, self.sources)
        return (*self.warnings, PlacedWarning(self.ref, long)) if long else self.warnings

    @property
    def label(self) -> str:
        """What the call is listed under: the event's name, the page's path, the score, or where it was."""
        if isinstance(self.call, EligibilityCheck):
            return self.call.event_name
        if isinstance(self.call, SurveyResponse):
            return str(self.call.score)
        if isinstance(self.call, SurveyDecline):
            return self.call.origin_url or "(no page)"
        assert isinstance(self.call, PageView)  # noqa: S101 - surveys are turned off by a `TurnOff`
        return page_label(self.call.url, self.call.name, self.call.path)


def page_label(url: str | None, name: str | None, path: str | None) -> str:
    """Return what a page view is listed under."""
    return path or url or name or "(no path)"


@dataclass(frozen=True, slots=True)
class TurnOff(EventCall):
    """The last identify that says whether its end user wants surveys, and the call that turns them off.

    It comes after the write of the same identify, which is counted for the record.
    """

    call: SurveysOff
    said: FoldedOptOut = field(kw_only=True)
    """What the identify says. If the end user wants surveys, nothing is sent: none are turned on."""

    def history(self) -> TraitHistory:
        """Return when it was stated."""
        order = self.said.order
        unmarked = {} if order.has_message else {order.time: (order.tie,)}
        return TraitHistory(Statements({self.said.name: Statement(order, True)}, unmarked))

    @property
    def refs(self) -> tuple[()]:
        """No records: the write of the identify counts it."""
        return ()

    @property
    def action(self) -> Action:
        """What the call, or that there is none, is counted as."""
        return "surveys_off" if self.said.is_off else "kept_off"


Step: TypeAlias = Write | Event | TurnOff
