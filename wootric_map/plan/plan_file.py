"""A plan as a file: a dry run saves it, and a push then sends exactly what it holds.

The file is newline-delimited JSON, version 1. It names neither the files it was made from nor the time: the
same records give the same bytes.

- `{"wootric_replay_plan": 1, "account": …, "against": …}` is the first line. `account` is a fingerprint
  (regions.py), or null if the plan is for any account; `against` is `nothing`, `account` or `snapshot`.
- `{"end_user": n, "action": "create", "key": …, "fields": {…}, "records": k}` creates an end user out of
  k identifies. `fields` are those of `POST /end_users`, with `properties` as an object. With an `id`, which
  the export itself names, the fields are written to the end user of that id.
- `{"end_user": n, "action": "update", "key": …, "id": …, "fields": {…}, "records": k}` changes these
  fields. Without an `id` the end user is the one that a line above creates.
- An update may have `"fills": true`: it must not change a value that Wootric holds when it is sent.
- Creations and updates may tell when identifies stated their fields (segment.md 8, rule 7). `said` is a list
  of `[time, has a message id, the message id or a digest, [names that count], [other names]]`, one for each
  identify that made the last statement about a trait, or shows the order of such identifies
  (trait_history.py). `traits` is an object with the trait of each property that is not spelled like its
  trait. `known_as` is a list of objects with the further `external_id`s and `email`s that the end user has
  or had. A plan without these parts is sent as it stands.
- `{"end_user": n, "action": "eligibility_check", "key": …, "former_key": …, "time": …, "call": {…}}` sends a
  call, and so does a line with the action `page_view`. `former_key` is the key of earlier releases, if they
  may have sent the call, and `time` is when it happened, in milliseconds since the epoch.
- `{"end": {"create": …, "update": …, "eligibility_check": …, "page_view": …}}` is the last line, and
  counts the lines between the first and the last.

`key` tells each delivery from all others, so that a journal recognises it. The lines of one end user stand
together, in the order in which they are sent.
"""

import threading
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import fields
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, Protocol, Self, TypeAlias

import orjson

from wootric_map.errors import PlanFileError
from wootric_map.model import (
    CALLS,
    Action,
    Call,
    EligibilityCheck,
    EndUserUpsert,
    Outcome,
    PageView,
    Ref,
)
from wootric_map.ownership import place_of_ours
from wootric_map.plan.people import NO_TIME
from wootric_map.plan.steps import EndUserPlan, Event, Step, Write
from wootric_map.plan.trait_history import Group, Order, TraitHistory, grouped, ungrouped
from wootric_map.private_file import PrivateFile

VERSION: Final = 1

_HEADER: Final = "wootric_replay_plan"
_LONGEST_LINE: Final = 64 * 1024 * 1024
_BUFFER: Final = 64 * 1024


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
    known_as: tuple[EndUserUpsert, ...] = ()
    """The further ids that the end user has or had, beside those in `fields`."""
    fills: bool = False
    """Whether the update may only set fields that are empty in Wootric."""
    former_key: None = None
    """None: the key of a write is the same in all releases."""
    time: None = None
    """None: only calls about events need a time."""


class PlannedCall(NamedTuple):
    """An eligibility check or page view."""

    ref: Ref
    """Where the line stands in the plan file; the number is the offset of its first byte."""
    key: str
    call: EligibilityCheck | PageView
    former_key: str | None = None
    """The key that an earlier release gave this call."""
    time: int | None = None
    """When it happened, in milliseconds since the epoch; None in a plan of an earlier release."""

    @property
    def refs(self) -> tuple[Ref, ...]:
        """The line of the plan file, as the only one of a tuple."""
        return (self.ref,)

    @property
    def action(self) -> Action:
        """What the call is counted as."""
        return "eligibility_check" if isinstance(self.call, EligibilityCheck) else "page_view"

    @property
    def type(self) -> str:
        """The type of the record: `track` or `page`."""
        return "track" if isinstance(self.call, EligibilityCheck) else "page"


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


class PlanWriter:
    """Saves a plan as it is rehearsed; the file is in its place only when it is whole."""

    def __init__(
        self, path: Path, *, account: str | None, against: str, fills: bool = False
    ) -> None:
        """Begin a plan file.

        Args:
            path: where it goes; a file that is there is replaced.
            account: the account's fingerprint; None where any will do.
            against: what it was compared with: `nothing`, `account` or `snapshot`.
            fills: whether its updates may only give values where there are none.

        Raises:
            NotOursError: what is there is somebody else's.
            OSError: nothing can be written there, or what is there is no plan.
        """
        place = place_of_ours(path)
        if path.exists() and not _is_replaceable(path):
            raise FileExistsError("it is there, and no plan; it would be lost: choose another name")
        self._fills = fills
        self._file = PrivateFile.beside(place, buffer=_BUFFER)
        self._counts: Counter[str] = Counter()
        self._write({_HEADER: VERSION, "account": account, "against": against})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._file.is_closed:
            self._file.discard()

    def add(self, prepared: Prepared) -> None:
        """Write what a push would send for a step; nothing where it would send nothing."""
        call, step, action = prepared.call, prepared.step, prepared.outcome.action
        if call is None:
            return
        number = prepared.end_user.person.number
        line: dict[str, object] = {"end_user": number, "action": action, "key": step.key}
        if isinstance(step, Write) and isinstance(call, EndUserUpsert):
            id_ = prepared.held.id if prepared.held else None
            if id_ or call.wootric_id:
                line["id"] = id_ or int(call.wootric_id or 0)
            line |= {"fields": _fields_of(call), "records": len(step.refs)}
            if self._fills and action == "update":
                line["fills"] = True
            line |= _provenance(step, call, prepared.end_user)
        elif isinstance(step, Event):
            if step.former_key is not None:
                line["former_key"] = step.former_key
                line["time"] = step.time
            line["call"] = _fields_of(call)
        self._counts[action] += 1
        self._write(line)

    def finish(self) -> None:
        """Put the whole file in its place."""
        self._write({"end": {action: self._counts[action] for action in CALLS}})
        self._file.finish()

    def _write(self, line: dict[str, object]) -> None:
        self._file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


class Origin(NamedTuple):
    """The place of a line of a plan that was made of rejects."""

    source: str
    """The plan that was pushed first."""
    line: int
    """The number of the line in that plan."""
    rejects_line: int
    """The number of the line in the rejects file."""


class PlanFile:
    """A saved plan, checked from its first line to its last before anything is sent."""

    def __init__(
        self, path: Path, *, rejects: Path | None = None, origins: Sequence[Origin] = ()
    ) -> None:
        """Read a plan file through.

        Args:
            path: the plan.
            rejects: the rejects file that the plan was made of; None if it was made of none.
            origins: the places of the plan's lines in the rejects file, in the order of the plan.

        Raises:
            PlanFileError: the file is no plan, is of a newer version, is cut short, or was changed.
            OSError: the file can't be read.
        """
        self.path = path
        self._rejects = rejects
        self._origins = origins
        if path.exists() and not path.is_file():
            raise PlanFileError(f"{path} is no file; a plan is read more than once")
        self.account: str | None = None
        """The fingerprint of the account that the plan is for; None if the plan is for any account."""
        self.counts: Counter[str] = Counter()
        """How many calls the plan holds, by action."""
        self.checks: Counter[str] = Counter()
        """How many eligibility checks the plan holds, by the event's name."""
        self._file: BinaryIO = path.open("rb")
        self._lock = threading.Lock()
        # For each end user: the offset of their first line, and the number of that line.
        self._offsets = array("q")
        self._lines = array("q")
        try:
            self._check()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        """Return how many end users the plan is about."""
        return len(self._offsets)

    @property
    def has_tracks(self) -> bool:
        """Whether the plan holds any eligibility check."""
        return bool(self.counts["eligibility_check"])

    def steps(self, index: int) -> Iterator[Planned]:
        """Yield what is to be sent for one end user, in order.

        Args:
            index: the place of the end user in the plan, counted from 0.
        """
        offset, number = self._offsets[index], self._lines[index]
        end_user: object = None
        while True:
            with self._lock:
                begin = self._file.seek(offset)
                raw = self._file.readline(_LONGEST_LINE)
                offset = self._file.tell()
            line = self._parse(raw, number)
            if "end" in line or (end_user is not None and line["end_user"] != end_user):
                return
            end_user = line["end_user"]
            yield self._step(line, begin, number)
            number += 1

    def raw(self, ref: Ref) -> bytes:
        """Return a line of the plan file without its line end."""
        with self._lock:
            self._file.seek(ref.number)
            return self._file.readline(_LONGEST_LINE).rstrip(b"\n")

    def _check(self) -> None:
        """Read the file through, count its calls, and note where each end user begins."""
        self._check_header()
        last, number, offset = -1, 1, self._file.tell()
        while raw := self._file.readline(_LONGEST_LINE):
            number += 1
            line = self._parse(raw, number)
            if "end" in line:
                counted = {action: self.counts[action] for action in CALLS}
                if line["end"] != counted or self._file.read(1):
                    raise self._wrong(number, "its last line does not count what stands before it")
                return
            step = self._step(line, offset, number)
            if isinstance(step, PlannedCall) and isinstance(step.call, EligibilityCheck):
                self.checks[step.call.event_name] += 1
            end_user = line["end_user"]
            if end_user < last:
                raise self._wrong(number, "the lines of an end user do not stand together")
            if end_user > last:
                last = end_user
                self._offsets.append(offset)
                self._lines.append(number)
            self.counts[step.action] += 1
            offset = self._file.tell()
        raise self._wrong(number, "it is cut short: its last line is missing")

    def _check_header(self) -> None:
        """Read the first line, and raise PlanFileError if it does not begin a plan of this version."""
        raw = self._file.readline(_LONGEST_LINE)
        header = _header(raw)
        if header is None:
            hint = "; it is gzip: unpack it first" if raw.startswith(b"\x1f\x8b") else ""
            raise PlanFileError(f"{self.path} is no plan; dry-run --out writes one{hint}")
        version, account = header[_HEADER], header.get("account", 0)
        if type(version) is int and version > VERSION:
            raise PlanFileError(
                f"{self.path} is a plan of version {version}, and this program reads {VERSION}; "
                "push it with the release that made it, or make it anew"
            )
        if type(version) is not int or version < 1 or not isinstance(account, str | None):
            raise self._wrong(1, "its first line does not say which version it is, and for whom")
        self.account = account

    def _parse(self, raw: bytes, number: int) -> dict[str, Any]:
        """Return a line as an object; `number` is the number of the line."""
        try:
            line = orjson.loads(raw)
        except orjson.JSONDecodeError:
            line = None
        if not isinstance(line, dict):
            raise self._wrong(number, "the line is not whole")
        return line

    def _step(self, line: dict[str, Any], offset: int, number: int) -> Planned:
        """Return the step of a line, which begins at an offset and has a number."""
        origin = self._origin(number)
        place = (origin.source, origin.line) if origin else (str(self.path), number)
        ref = Ref(offset, *place)
        try:
            action, _ = line["action"], _integer(line["end_user"])
            if action in {"create", "update"}:
                id_ = line.get("id")
                wootric_id = None if id_ is None else _wootric_id(id_)
                fields = _call_of(EndUserUpsert, line["fields"])
                # A plan of an earlier release has no keys for writes: their lines stand for them.
                key = _text(line.get("key", orjson.dumps(line).decode()))
                fields = _valid(fields.fields(), fields)
                known_as = tuple(_other_id(each) for each in line.get("known_as", ()))
                fills = line.get("fills") is True
                history = _history(line)
                return PlannedWrite(ref, action, wootric_id, fields, key, history, known_as, fills)
            kind = {"eligibility_check": EligibilityCheck, "page_view": PageView}[action]
            call = _call_of(kind, line["call"])
            by_id = isinstance(call, EligibilityCheck) and (call.external_id or call.phone_number)
            former = line.get("former_key")
            former_key = None if former is None else _text(former)
            time = line.get("time")
            call = _valid(call.email or by_id, call)
            return PlannedCall(
                ref, _text(line["key"]), call, former_key, None if time is None else _integer(time)
            )
        except (KeyError, TypeError, ValueError) as error:
            raise self._wrong(number, "the line is no part of a plan") from error

    def _wrong(self, number: int, what: str) -> PlanFileError:
        """Return the error about a wrong line."""
        origin = self._origin(number)
        place = f"{self._rejects}:{origin.rejects_line}" if origin else f"{self.path}:{number}"
        return PlanFileError(f"{place}: {what}; make the plan anew")

    def _origin(self, number: int) -> Origin | None:
        """Return where a line of rejects comes from; `number` counts the header, too."""
        index = number - 2
        return self._origins[index] if 0 <= index < len(self._origins) else None


def _provenance(write: Write, fields: EndUserUpsert, end_user: EndUserPlan) -> dict[str, object]:
    """Return the parts of a line that tell when a write was stated, and which ids its end user has.

    Args:
        write: the write.
        fields: the fields that are sent.
        end_user: the end user.
    """
    history = write.sent_history()
    ids = (
        EndUserUpsert(
            email=None if each.email == fields.email else each.email,
            external_id=None if each.external_id == fields.external_id else each.external_id,
        )
        for each in end_user.known_as()
    )
    parts: dict[str, object] = {
        "said": [[*order, *names] for order, *names in grouped(history.statements)],
        "traits": history.traits,
        "known_as": [given for each in ids if (given := _fields_of(each))],
    }
    return {name: part for name, part in parts.items() if part}


def _history(line: dict[str, Any]) -> TraitHistory | None:
    """Return when the fields of a line were stated; None if the line does not tell.

    Raises:
        TypeError, ValueError: the line tells this in a form that makes no sense.
    """
    if "said" not in line:
        return None
    groups: list[Group[str]] = []
    for time, has_message, tie, *names in line["said"]:
        _valid(NO_TIME <= _integer(time) < -NO_TIME and isinstance(has_message, bool), time)
        counting, others = (list(map(_text, each)) for each in names)
        groups.append(Group(Order(time, has_message, _text(tie)), counting, others))
    traits = _valid(isinstance(line.get("traits", {}), dict), line.get("traits", {}))
    return TraitHistory(ungrouped(groups), {name: _text(key) for name, key in traits.items()})


def _other_id(values: Any) -> EndUserUpsert:
    """Return an id that an end user is looked up by.

    Raises:
        TypeError: the values are no such id.
    """
    wanted: EndUserUpsert = _call_of(EndUserUpsert, values)
    _valid(set(values) <= _IDS, values)
    return wanted


_IDS: Final = {"external_id", "email"}


def holds_plan_lines(path: Path) -> bool:
    """Tell whether a file begins like the rejects of a saved plan."""
    if not path.is_file():
        return False
    with path.open("rb") as file, suppress(orjson.JSONDecodeError):
        entry = orjson.loads(file.readline(_LONGEST_LINE))
        return isinstance(entry, dict) and "plan" in entry and "record" in entry
    return False


def plan_of_rejects(rejects: Path, out: Path) -> list[Origin]:
    """Write a plan of the calls that a push of a saved plan could not send.

    Args:
        rejects: the rejects file of that push, mended or not.
        out: where the plan goes; the caller's own file.

    Returns:
        The places that the lines of the plan come from, in their order.

    Raises:
        PlanFileError: a line does not belong into such a file; the message says which line.
        OSError: a file can't be read or written.
    """
    lines: list[tuple[tuple[int, int, int], Origin, object]] = []
    sources: dict[str, str] = {}
    accounts: dict[str | None, None] = {}
    counts: Counter[str] = Counter()
    with rejects.open("rb") as file:
        for number, raw in enumerate(file, 1):
            try:
                entry = orjson.loads(raw)
                record = entry["record"]
                line = orjson.loads(record) if isinstance(record, str) else record
                accounts[entry["plan"]["account"]] = None
                counts[line["action"]] += 1
                place = _integer(line["end_user"]), _integer(entry["line"]), number
                source = str(entry.get("source", rejects))
                origin = Origin(sources.setdefault(source, source), entry["line"], number)
                lines.append((place, origin, line))
            except (KeyError, TypeError, ValueError) as error:
                raise PlanFileError(
                    f"{rejects}:{number}: this is no line of a plan's rejects"
                ) from error
    if len(accounts) > 1:
        raise PlanFileError(f"{rejects} holds rejects of plans for several accounts")
    account = next(iter(accounts), None)
    header = {_HEADER: VERSION, "account": account, "against": "rejects"}
    end = {"end": {action: counts[action] for action in CALLS}}
    lines.sort(key=itemgetter(0))
    with out.open("wb") as plan:
        for each in (header, *(line for *_, line in lines), end):
            plan.write(orjson.dumps(each, option=orjson.OPT_APPEND_NEWLINE))
    return [origin for _, origin, _ in lines]


def _header(raw: bytes) -> dict[str, Any] | None:
    """Return the first line of a plan as an object; None if the line is no such line."""
    try:
        header = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return header if isinstance(header, dict) and _HEADER in header else None


def _is_replaceable(path: Path) -> bool:
    """Tell whether a file may be replaced: it is empty, or a plan."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        raw = file.readline(_LONGEST_LINE)
    return not raw or _header(raw) is not None


def _valid(condition: object, value: Any) -> Any:
    """Return a value.

    Raises:
        TypeError: the condition is not met.
    """
    if not condition:
        raise TypeError
    return value


def _text(value: object) -> str:
    """Return a text as it is.

    Raises:
        TypeError: the value is no text.
    """
    return str(_valid(isinstance(value, str), value))


def _wootric_id(value: object) -> int:
    """Return Wootric's own id of an end user as it is.

    Raises:
        TypeError: the value is no such id.
    """
    return int(_valid(_integer(value) > 0, value))


def _integer(value: object) -> int:
    """Return an integer as it is.

    Raises:
        TypeError: the value is no integer.
    """
    if type(value) is not int:
        raise TypeError
    return value


_TYPES: Final = {"external_created_at": int, "end_user_created_at": int, "created_at": int}
"""The types of the fields that are no text."""


def _fields_of(call: EndUserUpsert | EligibilityCheck | PageView) -> dict[str, object]:
    """Return the fields of a call that have a value, without Wootric's own id, which is not sent."""
    return {
        each.name: value
        for each in fields(call)
        if each.name != "wootric_id"
        and (value := getattr(call, each.name)) is not None
        and value != {}
    }


def _call_of(kind: type[Any], values: Any) -> Any:
    """Return a call made of its fields.

    Raises:
        TypeError: a field is unknown or of the wrong type.
    """
    if not isinstance(values, dict) or "wootric_id" in values:
        raise TypeError
    for name, value in values.items():
        if name == "properties":
            right = isinstance(value, dict) and all(
                isinstance(each, str | int) and not isinstance(each, bool)
                for each in value.values()
            )
        else:
            right = type(value) is _TYPES.get(name, str)
        if not right:
            raise TypeError
    return kind(**values)
