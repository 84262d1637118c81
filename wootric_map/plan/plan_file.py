"""Reading a saved plan, end user by end user."""

import threading
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Final, Self

from wootric_map.errors import PlanFileError
from wootric_map.model import LATER_ACTIONS, EligibilityCheck, Ref
from wootric_map.plan.plan_lines import (
    HEADER,
    VERSION,
    Planned,
    PlannedCall,
    PlannedWrite,
    ending,
    load,
    planned,
)
from wootric_map.plan.plan_rejects import Origin
from wootric_map.plan.steps import SURVEY_ACTIONS, Part
from wootric_map.plan.suppressed_people import names_suppressed, without_suppressed
from wootric_map.plan.told import Told, told_by
from wootric_map.private_file import LONGEST_LINE
from wootric_map.read.suppression import NOBODY_SUPPRESSED, Suppression
from wootric_map.survey_calls import SurveysOff

_HAS_WRITES: Final = 1
_HAS_EVENTS: Final = 2
_HAS_SURVEYS: Final = 4
_IS_SUPPRESSED: Final = 8
"""Flags of an end user in the plan."""


class PlanFile:
    """A saved plan, checked from its first line to its last before anything is sent."""

    def __init__(
        self,
        path: Path,
        *,
        rejects: Path | None = None,
        origins: Sequence[Origin] = (),
        suppression: Suppression = NOBODY_SUPPRESSED,
    ) -> None:
        """Read a plan file from its first line to its last.

        Args:
            path: the plan.
            rejects: the rejects file that the plan was made of; None if it was made of none.
            origins: the places of the plan's lines in the rejects file, in the order of the plan.
            suppression: the people of whom nothing is sent, whatever the plan says.

        Raises:
            PlanFileError: the file is no plan, is of a newer version, is cut short, or was changed.
            OSError: the file can't be read.
        """
        self.path = path
        self._rejects = rejects
        self._origins = origins
        self._suppression = suppression
        if path.exists() and not path.is_file():
            raise PlanFileError(f"{path} is no file; a plan is read more than once")
        self.account: str | None = None
        """The fingerprint of the account that the plan is for; None if the plan is for any account."""
        self.counts: Counter[str] = Counter()
        """How many calls the plan holds, by action."""
        self.checks: Counter[str] = Counter()
        """How many eligibility checks the plan holds, by the event's name."""
        self.has_look_ups = False
        """Whether a step of the plan may take look-ups, or more than one attempt."""
        self.has_any_writes = False
        """Whether anything is to be written of any end user."""
        self.external_id_from: str | None = None
        """The trait that gives the external ids in the plan; None if these are the `userId`s."""
        self.has_suppressed = False
        """Whether the plan is about anybody on a suppression list."""
        self._file: BinaryIO = path.open("rb")
        self._lock = threading.Lock()
        # For each end user: the offset and the number of their first line, and their flags added up.
        self._offsets = array("q")
        self._lines = array("q")
        self._parts = bytearray()
        # Where the lines begin that tell of groups and events, and where those behind them do.
        self._first_told = self._past_told = 0
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

    def has_writes(self, index: int) -> bool:
        """Return whether anything is to be written of an end user; `index` as in `steps`."""
        return bool(self._parts[index] & _HAS_WRITES)

    def has_events(self, index: int) -> bool:
        """Return whether an end user has events or page views; `index` as in `steps`."""
        return bool(self._parts[index] & _HAS_EVENTS)

    def has_surveys(self, index: int) -> bool:
        """Return whether an end user has survey responses or declines; `index` as in `steps`."""
        return bool(self._parts[index] & _HAS_SURVEYS)

    def is_suppressed(self, index: int) -> bool:
        """Return whether an end user is named by anything on a suppression list; `index` as in `steps`."""
        return bool(self._parts[index] & _IS_SUPPRESSED)

    def steps(self, index: int, part: Part = "all") -> Iterator[Planned]:
        """Yield what is to be sent for one end user, or a part of that, in order.

        Args:
            index: the place of the end user in the plan, counted from 0.
            part: which steps.
        """
        offset, number = self._offsets[index], self._lines[index]
        end_user: object = None
        while True:
            with self._lock:
                begin = self._file.seek(offset)
                raw = self._file.readline(LONGEST_LINE)
                offset = self._file.tell()
            line = self._parse(raw, number)
            if "end" in line or (end_user is not None and line["end_user"] != end_user):
                return
            end_user = line["end_user"]
            step = self._step(line, begin, number)
            if part in ("all", "events" if _is_event(step) else "writes"):
                yield step
            number += 1

    @property
    def tells(self) -> bool:
        """Whether the plan tells of groups or events that later runs have to know."""
        return self._past_told > self._first_told

    def told(self) -> Iterator[Told]:
        """Yield what groups and events tell that later runs have to know, but for suppressed end users."""
        if not self._suppression:
            return self._all_told()
        theirs = chain.from_iterable(map(self.steps, filter(self.is_suppressed, range(len(self)))))
        return without_suppressed(self._all_told(), theirs, self._suppression)

    def _all_told(self) -> Iterator[Told]:
        """Yield what groups and events tell, whoever they are of."""
        offset, number = self._first_told, 1
        while offset < self._past_told:
            with self._lock:
                self._file.seek(offset)
                raw = self._file.readline(LONGEST_LINE)
                offset = self._file.tell()
            number += 1
            yield self._told(self._parse(raw, number), number)

    def _told(self, line: dict[str, Any], number: int) -> Told:
        """Return what a line tells."""
        try:
            return told_by(line["told"])
        except (KeyError, TypeError, ValueError) as error:
            raise self._wrong(number, "the line is no part of a plan") from error

    def raw(self, ref: Ref) -> bytes:
        """Return a line of the plan file without its line end."""
        with self._lock:
            self._file.seek(ref.number)
            return self._file.readline(LONGEST_LINE).rstrip(b"\n")

    def _check(self) -> None:
        """Read the file through, count its calls, and note where each end user begins."""
        self._check_header()
        last, number, offset = 0, 1, self._file.tell()
        self._first_told = self._past_told = offset
        while raw := self._file.readline(LONGEST_LINE):
            number += 1
            line = self._parse(raw, number)
            if "end" in line:
                if line["end"] != ending(self.counts)["end"] or self._file.read(1):
                    raise self._wrong(number, "its last line does not count what stands before it")
                return
            if "told" in line and self._past_told == offset:
                self._told(line, number)
                offset = self._past_told = self._file.tell()
                continue
            step = self._step(line, offset, number)
            if isinstance(step, PlannedCall) and isinstance(step.call, EligibilityCheck):
                self.checks[step.call.event_name] += 1
            if isinstance(step, PlannedWrite):
                self.has_any_writes = True
                self.external_id_from = step.fields.external_id_from
                takes_one = not step.fills and (step.id is None) == (step.action == "create")
                self.has_look_ups = self.has_look_ups or not takes_one
            end_user = line["end_user"]
            if end_user < last:
                raise self._wrong(number, "the lines of an end user do not stand together")
            if end_user > last or not self._offsets:
                last = end_user
                self._offsets.append(offset)
                self._lines.append(number)
                self._parts.append(0)
            self._parts[-1] |= _HAS_EVENTS if _is_event(step) else _HAS_WRITES
            if step.action in SURVEY_ACTIONS:
                self._parts[-1] |= _HAS_SURVEYS
            if self._suppression and names_suppressed(step, self._suppression):
                self._parts[-1] |= _IS_SUPPRESSED
                self.has_suppressed = True
            if step.action in LATER_ACTIONS:
                self.has_look_ups = True
            self.counts[step.action] += 1
            offset = self._file.tell()
        raise self._wrong(number, "it is cut short: its last line is missing")

    def _check_header(self) -> None:
        """Read the first line, and raise PlanFileError if it does not begin a plan of this version."""
        raw = self._file.readline(LONGEST_LINE)
        header = load(raw) or {}
        if HEADER not in header:
            hint = "; it is gzip: unpack it first" if raw.startswith(b"\x1f\x8b") else ""
            raise PlanFileError(f"{self.path} is no plan; dry-run --out writes one{hint}")
        version, account = header[HEADER], header.get("account", 0)
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
        line = load(raw)
        if line is None:
            raise self._wrong(number, "the line is not whole")
        return line

    def _step(self, line: dict[str, Any], begin: int, number: int) -> Planned:
        """Return the step of a line that begins at an offset and has a number."""
        origin = self._origin(number)
        place = (origin.source, origin.line) if origin else (str(self.path), number)
        try:
            return planned(line, Ref(begin, *place))
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


def _is_event(step: Planned) -> bool:
    """Return whether a step comes after the writes of all end users; surveys are turned off before that."""
    return isinstance(step, PlannedCall) and not isinstance(step.call, SurveysOff)
