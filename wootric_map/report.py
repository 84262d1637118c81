"""What a run came to: counts, rejections and warnings, and the rejects file."""

import base64
import errno
import filecmp
import os
import shutil
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Final, Self

import orjson

from wootric_map.findings import (
    CountedNames,
    CountedWarning,
    CountedWarnings,
    Findings,
    Place,
    distinct,
)
from wootric_map.mapping.properties import MappingWarning
from wootric_map.model_outcome import CALLS, Failure, Outcome, Rejection, Skip
from wootric_map.ownership import place_of_ours
from wootric_map.partial_file import create_partial, naming, remove_abandoned
from wootric_map.placing import check_size, has_its_name, put_in_place
from wootric_map.plan.unidentified import UnidentifiedRecords
from wootric_map.read.files import PassedOver
from wootric_map.read.record import is_rejects_line, kept_line

_LONGEST_LINE: Final = 64 * 1024 * 1024
"""Bytes; an entry holds a whole line of an export, escaped."""


@dataclass(slots=True)
class Report:
    """The counts of a run."""

    records: int = 0
    skipped: Findings = field(default_factory=Findings)
    rejected: Findings = field(default_factory=Findings)
    failed: Findings = field(default_factory=Findings)
    warnings: CountedWarnings = field(default_factory=CountedWarnings)
    done: Counter[str] = field(default_factory=Counter)
    """Calls by action, delivered or planned."""
    unidentified: Counter[str] = field(default_factory=Counter)
    """Records skipped as `unidentified`, by reason."""
    ambiguous_anonymous_ids: int = 0
    """anonymousIds that were seen with several end users, and left alone."""
    checked: CountedNames = field(default_factory=CountedNames)
    """Eligibility checks that were delivered, or are planned, by event."""
    eligible: CountedNames = field(default_factory=CountedNames)
    """How many of these found their user eligible."""
    unregistered: CountedNames = field(default_factory=CountedNames)
    """Track records skipped as `event_not_registered`, by event."""
    delivered_before: int = 0
    """Track and page records that an earlier run had delivered."""
    unknown_users: tuple[str, ...] = ()
    """End users who were chosen, and whom no record names."""
    met_events: set[str] = field(default_factory=set)
    """The events that were chosen, as they were written, of which there is any record."""
    unknown_events: tuple[str, ...] = ()
    """The events that were chosen of which there is none."""
    passed_over: PassedOver = field(default_factory=PassedOver)
    """Files in the folders that were not read."""
    ignored_warnings: frozenset[str] = frozenset()
    """The codes of warnings of which only the number is shown."""
    unidentified_records: UnidentifiedRecords | None = None
    """Which records are skipped as `unidentified`; None where nobody asks."""

    def add(self, other: "Report", lines_before: int = 0) -> None:
        """Add what was counted of records that come after those counted so far.

        Args:
            other: what was counted of a part; failures, and what only a whole run has, are not added.
            lines_before: lines of the same source before those that its places count from.
        """
        self.records += other.records
        self.done += other.done
        self.unidentified += other.unidentified
        self.met_events |= other.met_events
        for mine, theirs in ((self.skipped, other.skipped), (self.rejected, other.rejected)):
            mine.extend(theirs, lines_before)
        if self.unidentified_records is not None and other.unidentified_records is not None:
            self.unidentified_records.extend(other.unidentified_records)
        self.warnings.extend(other.warnings, lines_before)

    @property
    def mapped(self) -> int:
        """Records that are neither skipped nor rejected."""
        return self.records - self.skipped.counts.total() - self.rejected.counts.total()

    @property
    def api_calls(self) -> int:
        """Calls that change something: writes, eligibility checks and page views."""
        return sum(self.done[action] for action in CALLS)

    @property
    def shown_warnings(self) -> CountedWarnings:
        """The warnings but for those that are ignored, of which it has the number."""
        return self.warnings.without(self.ignored_warnings)

    @property
    def flawless(self) -> bool:
        """Whether nothing was rejected and nothing failed."""
        return not self.rejected.counts and not self.failed.counts

    def skip(self, source: str, line: int, skip: Skip, number: int | None = None) -> None:
        """Count a skipped record.

        Args:
            source: where it stands.
            line: its line there.
            skip: why it is skipped.
            number: its number in the plan, if it has one.
        """
        if self.skipped.has_enough(skip.code):
            self.skipped.counts[skip.code] += 1
        else:
            self.skipped.add(skip.code, Place(source, line, skip.field, skip.message))
        if skip.reason:
            self.unidentified[skip.reason] += 1
            if self.unidentified_records is not None and number is not None:
                self.unidentified_records.add(number, skip)

    def reject(self, source: str, line: int, rejection: Rejection) -> None:
        """Count a rejected record."""
        place = Place(source, line, rejection.field, rejection.message)
        self.rejected.add(rejection.code, place)

    def warn(self, source: str, line: int, warning: MappingWarning) -> None:
        """Count a warning that concerns one more end user or record."""
        self.warnings.add(source, line, warning)

    def warn_of_record(
        self, source: str, line: int, warnings: Sequence[MappingWarning]
    ) -> list[CountedWarning]:
        """Count the warnings of one record, which is one record also where it has one of them twice.

        Returns:
            What they are counted under, as far as they are still told apart.
        """
        once = warnings if len(warnings) < 2 else distinct(warnings)  # noqa: PLR2004
        counted = [self.warnings.add(source, line, warning) for warning in once]
        return [each for each in counted if each]

    def deliver(self, outcome: Outcome) -> None:
        """Count what became of a call."""
        if outcome.result is None:
            self.done[outcome.action] += 1
            if outcome.event is not None:
                self.checked.add(outcome.event)
                if outcome.is_eligible:
                    self.eligible.add(outcome.event)
            return
        for ref in outcome.refs:
            if isinstance(outcome.result, Skip):
                if outcome.result.code == "event_not_registered" and outcome.event is not None:
                    self.unregistered.add(outcome.event)
                self.delivered_before += outcome.result.code == "delivered_before"
                self.skip(ref.source, ref.line, outcome.result, ref.number)
            elif isinstance(outcome.result, Failure):
                place = Place(ref.source, ref.line, None, outcome.result.message)
                self.failed.add(outcome.result.code, place)

    def summary(self) -> dict[str, object]:
        """The counts as data, for programs."""
        warnings = self.shown_warnings
        return {
            "records": self.records,
            "mapped": self.mapped,
            "skipped": _sorted(self.skipped.counts),
            "unidentified": _sorted(self.unidentified),
            "rejected": _sorted(self.rejected.counts),
            "failed": _sorted(self.failed.counts),
            "warnings": _sorted(warnings.counts),
            "ignored_warnings": warnings.ignored,
            "ambiguous_anonymous_ids": self.ambiguous_anonymous_ids,
            "create": self.done["create"],
            "update": self.done["update"],
            "unchanged": self.done["unchanged"],
            "left": self.done["left"],
            "eligibility_checks": self.done["eligibility_check"],
            "page_views": self.done["page_view"],
            "api_calls": self.api_calls,
            "events_not_registered": [
                {"event": name, "count": count} for name, count in self.unregistered.most_common()
            ],
            "unknown_users": list(self.unknown_users),
            "unknown_events": list(self.unknown_events),
            "passed_over": self.passed_over.as_data(),
            "rejected_details": self.rejected.details(),
            "failed_details": self.failed.details(),
            "warning_details": warnings.details(),
        }


def _sorted(counts: Counter[str]) -> dict[str, int]:
    """The counts in an order that does not depend on that of the records."""
    return dict(sorted(counts.items()))


class RejectsFile:
    """The records that were rejected or failed, each with its raw line, to be mended and tried again.

    It is written beside its final place and moved there at the end, so that a run may read the
    rejects of the one before under the same name. A file that it would replace is kept, numbered.
    """

    def __init__(self, path: Path, *, keep: int = 5, spare: Iterable[Path] = ()) -> None:
        """Nothing is written until there is something.

        Args:
            path: its place.
            keep: how many of the files that it replaces are kept, numbered: the newest.
            spare: files that are never deleted as the oldest of these, such as what the run reads.

        Raises:
            NotOursError: what stands there is somebody else's.
            OSError: nothing can be written there.
        """
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder")
        # A device or pipe, such as /dev/null, is written to; it must not be replaced.
        self._is_special = path.exists() and not path.is_file()
        # A link stays one: what it leads to is replaced.
        place = place_of_ours(path)
        path = path if self._is_special else place
        if (
            not self._is_special
            and path.is_file()
            and path.stat().st_size
            and not is_rejects_file(path)
        ):
            raise FileExistsError(
                f"{path} is there, and no rejects file; it would be replaced: choose another name"
            )
        if not self._is_special and not (path.parent.is_dir() and os.access(path.parent, os.W_OK)):
            raise PermissionError(f"the folder {path.parent} is missing or can't be written to")
        self._path = path
        self._keep = keep
        start = f"{path.name}."
        self._spared = {each.resolve() for each in spare if each.name.startswith(start)}
        self._file: FileIO | None = _opened(path) if self._is_special else None
        self._partial = path
        self._size = 0
        self.count = 0
        if not self._is_special:
            remove_abandoned(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def reject(self, source: str, line: int, rejection: Rejection, raw: bytes) -> None:
        """Write a rejected record."""
        self._write(source, line, rejection.code, rejection.field, rejection.message, None, raw)

    def fail(
        self,
        source: str,
        line: int,
        failure: Failure,
        raw: bytes,
        key: str | None = None,
        plan: Mapping[str, object] | None = None,
    ) -> None:
        """Write a failed delivery.

        Args:
            source: where it stands.
            line: its line there.
            failure: why it failed.
            raw: the line itself.
            key: what tells a track or page record from every other, also once mended.
            plan: what is said of the saved plan that the line is of.
        """
        http: dict[str, object] | None = None
        if failure.status is not None:
            http = {"status": failure.status, "body": failure.body}
        self._write(source, line, failure.code, None, failure.message, http, raw, key, plan)

    def skip(self, source: str, line: int, skip: Skip, raw: bytes, key: str | None = None) -> None:
        """Write a skipped record; arguments as in `fail`."""
        self._write(source, line, skip.code, skip.field, skip.message, None, raw, key)

    def finish(self, *, replayed: bool, complete: bool) -> Path | None:
        """Move what was written to its place.

        Args:
            replayed: whether the file that is there now was an input of this run.
            complete: whether the run came to its end. A file replayed to its end is set aside, since
                trying its records once more would send them twice; one replayed in part stays, and
                holds all that is left to do.

        Returns:
            Where the file that was there before is kept; None where it was not moved.

        Raises:
            NotOursError: what stands there by now is somebody else's.
            OSError: it can't be moved, or another program has changed it on the way.
        """
        if replayed and not complete:
            self.discard()
            return None
        kept = None
        if self._file and not self._is_special:
            self._regain()
        if self._file and not self._is_special and not replayed and self._is_there_already():
            count = self.count
            self.discard()
            self.count = count
            return None
        if self._path.is_file() and (self._file or replayed):
            place_of_ours(self._path)
            kept = self._set_aside()
        if self._file:
            if not self._is_special:
                put_in_place(self._file.fileno(), self._partial, self._path, self._size)
            self._file.close()
            self._file = None
        return kept

    @property
    def is_left_over(self) -> bool:
        """Whether a file of an earlier run stands where this run has written none."""
        return not self.count and self._path.is_file()

    def discard(self) -> None:
        """Throw away what was written and not moved to its place."""
        if self._file:
            if not self._is_special and has_its_name(self._file.fileno(), self._partial):
                self._partial.unlink()
            self._file.close()
            self._file = None
            self.count = 0

    def _regain(self) -> None:
        """Give what was written a name again, if somebody has removed or replaced the file."""
        file = self._file
        if file is None or has_its_name(file.fileno(), self._partial):
            return
        self._open()
        assert self._file  # noqa: S101 - it was opened just now
        with file, FileIO(os.dup(file.fileno()), "r") as written:
            written.seek(0)
            shutil.copyfileobj(written, self._file)

    def _open(self) -> None:
        descriptor, self._partial = create_partial(self._path)
        self._file = FileIO(descriptor, "w")

    def _write(
        self,
        source: str,
        line: int,
        code: str,
        at: str | None,
        message: str,
        http: dict[str, object] | None,
        raw: bytes,
        key: str | None = None,
        plan: Mapping[str, object] | None = None,
    ) -> None:
        if self._file is None:
            self._open()
            self._size = 0
        assert self._file  # noqa: S101 - it was opened just now
        entry: dict[str, object] = {
            "source": source,
            "line": line,
            "code": code,
            "field": at,
            "message": message,
            "http": http,
        }
        if key is not None:
            entry["key"] = key
        if plan is not None:
            entry["plan"] = plan
        try:
            entry["record"] = raw.decode() or None
        except UnicodeDecodeError:
            entry["record"] = raw.decode(errors="replace")
            entry["record_base64"] = base64.b64encode(raw).decode()
        with naming(self._path):
            self._append(self._file, orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))
        self.count += 1

    def _append(self, file: FileIO, line: bytes) -> None:
        """Write a line whole or not at all: a full disk must not leave half of one."""
        written = 0
        if not self._is_special:
            check_size(file.fileno(), self._partial, self._size)
        try:
            while written < len(line):
                written += file.write(line[written:]) or 0
        except OSError:
            if not self._is_special:
                file.truncate(file.tell() - written)
            raise
        self._size += len(line)

    def all_lines(self, holds: Callable[[bytes], bool]) -> bool:
        """Return whether something holds of each record in the file that stands there.

        Args:
            holds: tells it of a record's line.
        """
        try:
            with self._path.open("rb") as file:
                while line := file.readline(_LONGEST_LINE):
                    entry = orjson.loads(line)
                    raw = kept_line(entry) if is_rejects_line(entry) else None
                    if not (isinstance(raw, bytes) and holds(raw)):
                        return False
        except (OSError, ValueError):
            return False
        return True

    def _is_there_already(self) -> bool:
        """Whether the file that stands there says the same as what was written."""
        return self._path.is_file() and filecmp.cmp(self._path, self._partial, shallow=False)

    def _set_aside(self) -> Path | None:
        """Number the file that stands there, and delete the oldest of those numbered; give its new name."""
        numbered = self._numbered()
        name = self._path.with_name(f"{self._path.name}.{max(numbered, default=0) + 1}")
        self._path.rename(name)
        own = {
            number: path
            for number, path in self._numbered().items()
            if self._may_be_deleted(path) and is_rejects_file(path)
        }
        for number in sorted(own)[: max(len(own) - self._keep, 0)]:
            own[number].unlink()
        return name if name.exists() else None

    def _may_be_deleted(self, path: Path) -> bool:
        status = path.lstat()
        is_own = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
        return is_own and path not in self._spared

    def _numbered(self) -> dict[int, Path]:
        """What stands under the names of files that were set aside, by their numbers."""
        start = f"{self._path.name}."
        return {
            int(number): path
            for path in self._path.parent.iterdir()
            if path.name.startswith(start) and (number := path.name.removeprefix(start)).isdecimal()
        }


def _opened(path: Path) -> FileIO:
    """Open a device or pipe, to be written to.

    Raises:
        OSError: it can't be opened, or is a pipe that nobody reads, which would be waited for for ever.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        words = (
            f"{path} is a pipe or socket that nobody reads; start its reader first, or name a file"
        )
        raise OSError(words) from error
    os.set_blocking(descriptor, True)
    return FileIO(descriptor, "w")


def is_rejects_file(path: Path) -> bool:
    """Whether a file begins as a rejects file does."""
    with path.open("rb") as file, suppress(orjson.JSONDecodeError):
        return is_rejects_line(orjson.loads(file.readline(_LONGEST_LINE)))
    return False
