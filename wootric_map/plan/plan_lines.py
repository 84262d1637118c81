"""The lines of a saved plan: how they are written and read.

The file is newline-delimited JSON, version 1, or a later one (`VERSION`). It names neither the files
it was made from nor the time: the same records give the same bytes.

- `{"wootric_replay_plan": 1, "account": …, "against": …}` is the first line. `account` is a fingerprint
  (regions.py), or null if the plan is for any account; `against` is `nothing`, `account`,
  `snapshot`, or `rejects` in what `plan_rejects.py` makes.
- `{"told": {"group": …, "user_id": …, "email": …, "order": [time, has a message id, tie], "traits": …}}`
  tells who is in a group, and what was stated of it; `{"told": {"event": …, "user_id": …, "email": …,
  "keys": […], "key": …, "history": …}}` tells of an event that is rolled up (told.py). Nothing is sent for
  these lines, which stand before all others: a journal remembers them, so that pushes of other parts go on
  from there.
- `{"end_user": n, "action": "create", "key": …, "fields": {…}, "records": k}` creates an end user out of
  k identifies. `fields` are those of `POST /end_users`, with `properties` as an object. With an `id`, which
  the export itself names, the fields are written to the end user of that id. Only here may `fields` hold
  `last_surveyed`, which is not written to an end user who is there already.
- `{"end_user": n, "action": "update", "key": …, "id": …, "fields": {…}, "records": k}` changes these
  fields. Without an `id` the end user is the one that a line above creates.
- An update may have `"fills": true`: it must not change a value that Wootric holds when it is sent.
- Creations and updates may tell when identifies stated their fields (segment.md 8, rule 7). `said` is a list
  of `[time, has a message id, the message id or a digest, [names that count], [other names]]`, one for each
  identify that made the last statement about a trait, or shows the order of such identifies
  (trait_history.py). `traits` is an object with the trait of each property that is not spelled like its
  trait. `derived` is a list of the properties that are no traits, but come from groups or from the history
  of events. `known_as` is a list of objects with the further `external_id`s and `email`s that the end user
  has or had. A plan without these parts is sent as it stands.
- Where a trait gives external ids in place of the `userId`, `fields` also have `external_id_from`, the trait,
  and `user_id`, both of which are not sent; `known_as` has `user_id`s; and the lines of calls have
  `external_id_from`. Such a plan is of version 3.
- `{"end_user": n, "action": "eligibility_check", "key": …, "former_key": …, "time": …, "call": {…}}` sends a
  call, and so does a line with the action `page_view`. `former_key` is the key of earlier releases, if they
  may have sent the call, and `time` is when it happened, in milliseconds since the epoch.
- `{"end_user": n, "action": "response", "key": …, "id": …, "call": {…}}` sends a survey response, and so
  does `decline` a decline, to the end user of that id; without an `id`, to the one that a line above creates.
- `{"end_user": n, "action": "surveys_off", "key": …, "id": …, "call": {…}, "said": […]}` turns surveys off
  for the end user of that id; without an `id`, for the one that a line above creates. `said` is that of the
  identify that says so. The line stands before those of events.
- `{"end": {"create": …, "update": …, "eligibility_check": …, "page_view": …}}` is the last line, and
  counts the lines between the first and the last; with responses, declines or `surveys_off`, also these.

`key` tells each delivery from all others, so that a journal recognises it. The lines of one end user stand
together, in the order in which they are sent.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Final, NamedTuple, Protocol, TypeAlias, TypeVar

import orjson

from wootric_map.model import (
    CALLS,
    LATER_ACTIONS,
    Action,
    Call,
    EligibilityCheck,
    EndUserUpsert,
    Outcome,
    PageView,
    Ref,
)
from wootric_map.plan.people import NO_TIME
from wootric_map.plan.steps import EndUserPlan, Event, EventCall, Step, TurnOff, Write
from wootric_map.plan.trait_history import Group, Order, TraitHistory, grouped, ungrouped
from wootric_map.survey_calls import SurveyCall, SurveyDecline, SurveyResponse, SurveysOff

T = TypeVar("T")

VERSION: Final = 3
"""The newest version that is read. A plan in which a trait gives external ids is of version 3, else one with
`told` lines is of version 2, and any other of version 1."""
HEADER: Final = "wootric_replay_plan"
"""The first member of the first line."""

_KINDS: Final[dict[object, type[Call]]] = {
    "create": EndUserUpsert,
    "update": EndUserUpsert,
    "eligibility_check": EligibilityCheck,
    "page_view": PageView,
    "response": SurveyResponse,
    "decline": SurveyDecline,
    "surveys_off": SurveysOff,
}
_HIGHEST_SCORE: Final = 10
_INTEGERS: Final = {
    "external_created_at", "end_user_created_at", "created_at", "last_surveyed", "score",
}  # fmt: skip
"""The fields of calls that are integers; `properties` is an object, and all others are text."""


class PlannedWrite(NamedTuple):
    """An end user to create or change."""

    ref: Ref
    """Where the line stands in the plan file; the number is the offset of its first byte."""
    action: Action
    """`create` or `update`."""
    id: int | None
    """Wootric's own id; None if this step or a step before creates the end user."""
    fields: EndUserUpsert
    key: str
    """The text that tells this write from every other one."""
    history: TraitHistory | None = None
    """When identifies stated the fields; None in a plan of an earlier release, which does not tell."""
    identifiers: tuple[EndUserUpsert, ...] = ()
    """The further ids that the end user has or had, beside those in `fields`."""
    fills: bool = False
    """Whether the update may only set fields that are empty in Wootric."""
    former_key: None = None
    """None: the key of a write is the same in all releases."""
    time: None = None
    """None: only calls about events need a time."""


@dataclass(frozen=True, slots=True)
class PlannedCall(EventCall):
    """The call for a record; `time` is None in a plan of an earlier release."""

    history: TraitHistory | None = None
    """When it was stated that the end user wants no surveys; None for any other call."""
    external_id_from: str | None = None
    """The trait that gives the external id in the call; None if that is the `userId`."""


Planned: TypeAlias = PlannedWrite | PlannedCall


class _HasId(Protocol):
    @property
    def id(self) -> int: ...


class Prepared(Protocol):
    """A step of a plan, and the call that would be sent for the step."""

    @property
    def end_user(self) -> EndUserPlan:
        """The end user that the step is about."""

    @property
    def step(self) -> Step:
        """The identifies, or the track or page record."""

    @property
    def outcome(self) -> Outcome:
        """What the call is counted as."""

    @property
    def call(self) -> Call | None:
        """The call that would be sent; None if nothing is to be sent."""

    @property
    def held(self) -> _HasId | None:
        """The end user in Wootric, or as an earlier run left the end user; None if neither is known."""


def header(
    account: str | None, against: str, *, tells: bool = False, by_trait: bool = False
) -> dict[str, object]:
    """Return the first line of a plan.

    Args:
        account: the fingerprint of the account; None for any.
        against: what the plan was compared with.
        tells: whether lines follow that tell of groups and events.
        by_trait: whether a trait gives the external ids.
    """
    version = 2 if tells else 1
    return {HEADER: VERSION if by_trait else version, "account": account, "against": against}


def ending(counts: Counter[str]) -> dict[str, object]:
    """Return the last line of a plan, by the number of lines of each action."""
    counted = (
        action for action in CALLS if counts[action] or action not in LATER_ACTIONS
    )  # as before them
    return {"end": {action: counts[action] for action in counted}}


def dump(line: object) -> bytes:
    """Return a line as it stands in the file."""
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def load(raw: bytes) -> dict[str, Any] | None:
    """Return the object on a line; None if the line holds none."""
    try:
        line = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return line if isinstance(line, dict) else None


def line_of(
    prepared: Prepared, call: Call, *, fills: bool, external_id_from: str | None = None
) -> dict[str, object]:
    """Return the line of a step.

    Args:
        prepared: the step.
        call: the call that would be sent.
        fills: whether updates may only set fields that are empty in Wootric.
        external_id_from: the trait that gives external ids; None if these are the `userId`s.
    """
    step, action = prepared.step, prepared.outcome.action
    number = prepared.end_user.person.number
    line: dict[str, object] = {"end_user": number, "action": action, "key": step.key}
    if isinstance(step, Write) and isinstance(call, EndUserUpsert):
        id_ = (prepared.held.id if prepared.held else 0) or int(call.wootric_id or 0)
        if id_:
            line["id"] = id_
        line |= {"fields": _fields_of(call), "records": len(step.refs)}
        if fills and action == "update":
            line["fills"] = True
        line |= _provenance(step, call, prepared.end_user)
    elif isinstance(step, Event | TurnOff):
        if step.former_key is not None:
            line |= {"former_key": step.former_key, "time": step.time}
        if isinstance(call, SurveyResponse | SurveyDecline | SurveysOff) and call.wootric_id:
            line["id"] = int(call.wootric_id)
        if external_id_from is not None:
            line["external_id_from"] = external_id_from
            if isinstance(call, SurveyResponse | SurveyDecline):
                call = replace(call, external_id=None)  # nobody is looked up by it
        line["call"] = _fields_of(call)
        if isinstance(step, TurnOff):
            line["said"] = _said(step.history())
    return line


def planned(line: dict[str, Any], ref: Ref) -> Planned:
    """Return the step that a line holds.

    Args:
        line: the line.
        ref: where the line stands.

    Raises:
        KeyError, TypeError, ValueError: the line holds no step.
    """
    action, _ = line["action"], integer(line["end_user"])
    kind = _KINDS[action]
    if kind is not EndUserUpsert:
        call = _call_of(kind, line["call"])
        if isinstance(call, SurveyResponse | SurveyDecline | SurveysOff):
            return _planned_survey(line, ref, call)
        by_id = isinstance(call, EligibilityCheck) and (call.external_id or call.phone_number)
        return PlannedCall(
            ref,
            _text(line["key"]),
            _checked(call.email or by_id, call),
            _optional(line, "former_key", _text),
            _optional(line, "time", integer),
            external_id_from=_optional(line, "external_id_from", _text),
        )
    written: EndUserUpsert = _call_of(kind, line["fields"])
    _checked(written.last_surveyed is None or action == "create", written)
    return PlannedWrite(
        ref,
        action,
        _optional(line, "id", _wootric_id),
        _checked(written.fields(), written),
        # A plan of an earlier release has no keys for writes: their lines stand for them.
        _text(line["key"]) if "key" in line else orjson.dumps(line).decode(),
        _history(line),
        tuple(
            replace(_other_id(each), external_id_from=written.external_id_from)
            for each in line.get("known_as", ())
        ),
        line.get("fills") is True,
    )


def _planned_survey(line: dict[str, Any], ref: Ref, call: SurveyCall | SurveysOff) -> PlannedCall:
    """Return the survey response or decline that a line holds, or that it turns surveys off."""
    number = _optional(line, "id", _wootric_id)
    if number is not None:
        call = replace(call, wootric_id=str(number))
    if isinstance(call, SurveyResponse):
        _checked(0 <= call.score <= _HIGHEST_SCORE, call)
    return PlannedCall(
        ref,
        _text(line["key"]),
        _checked(number or call.email or call.external_id or call.phone_number, call),
        _optional(line, "former_key", _text),
        _optional(line, "time", integer),
        _history(line) if isinstance(call, SurveysOff) else None,
        _optional(line, "external_id_from", _text),
    )


def _provenance(write: Write, sent: EndUserUpsert, end_user: EndUserPlan) -> dict[str, object]:
    """Return the members of a line that tell when a write was stated, and which ids its end user has."""
    history = write.sent_history()
    ids = (
        EndUserUpsert(
            email=None if each.email == sent.email else each.email,
            external_id=None if each.external_id == sent.external_id else each.external_id,
            user_id=None if each.user_id == sent.user_id else each.user_id,
        )
        for each in end_user.identifiers()
    )
    members: dict[str, object] = {
        "said": _said(history),
        "traits": history.traits,
        "derived": sorted(history.derived),
        "known_as": [given for each in ids if (given := _fields_of(each))],
    }
    return {name: member for name, member in members.items() if member}


def _said(history: TraitHistory) -> list[list[object]]:
    """Return the member of a line that tells when something was stated."""
    return [[*order, *names] for order, *names in grouped(history.statements)]


def _history(line: dict[str, Any]) -> TraitHistory | None:
    """Return when the fields of a line were stated; None if the line does not tell."""
    if "said" not in line and "derived" not in line:
        return None
    groups: list[Group[str]] = []
    for time, has_message, tie, *names in line.get("said", ()):
        _checked(NO_TIME <= integer(time) < -NO_TIME and isinstance(has_message, bool), time)
        counting, others = (list(map(_text, each)) for each in names)
        groups.append(Group(Order(time, has_message, _text(tie)), counting, others))
    traits = line.get("traits", {})
    _checked(isinstance(traits, dict), traits)
    derived = line.get("derived", [])
    _checked(isinstance(derived, list), derived)
    return TraitHistory(
        ungrouped(groups),
        {name: _text(key) for name, key in traits.items()},
        frozenset(map(_text, derived)),
    )


def _other_id(values: Any) -> EndUserUpsert:
    """Return an id that an end user is looked up by."""
    wanted: EndUserUpsert = _call_of(EndUserUpsert, values)
    return _checked(values.keys() <= {"external_id", "email", "user_id"}, wanted)


def _fields_of(call: Call) -> dict[str, object]:
    """Return the fields of a call that have a value, without Wootric's own id, which is not sent."""
    return {
        each.name: value
        for each in fields(call)
        if each.name != "wootric_id"
        and (value := getattr(call, each.name)) is not None
        and value != {}
    }


def _call_of(kind: type[Any], values: Any) -> Any:
    """Return the call of a kind that `_fields_of` turned into `values`."""
    if not isinstance(values, dict) or "wootric_id" in values:
        raise TypeError
    for name, value in values.items():
        if name == "properties":
            right = isinstance(value, dict) and all(
                type(each) in (str, int) for each in value.values()
            )
        else:
            right = type(value) is (int if name in _INTEGERS else str)
        _checked(right, value)
    return kind(**values)


def _optional(line: dict[str, Any], name: str, read: Callable[[object], T]) -> T | None:
    """Return a member of a line as `read` returns it; None if there is no such member."""
    value = line.get(name)
    return None if value is None else read(value)


def _checked(condition: object, value: T) -> T:
    """Return a value, or raise TypeError if a condition is not met."""
    if not condition:
        raise TypeError
    return value


def _text(value: object) -> str:
    return str(_checked(isinstance(value, str), value))


def integer(value: object) -> int:
    """Return an integer as it is; raise TypeError if the value is none."""
    if type(value) is not int:
        raise TypeError
    return value


def _wootric_id(value: object) -> int:
    number = integer(value)
    return _checked(number > 0, number)
