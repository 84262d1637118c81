"""`map`: what each record becomes, one JSON object a line."""

import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import click

from cli import options
from cli.render import summary
from cli.render.text import json_line
from wootric_map.mapping.calls import call_for
from wootric_map.mapping.entries import (
    Located,
    ReadingOptions,
    kinds_in,
    read_in_parts,
    read_records,
    worth,
)
from wootric_map.mapping.identity import user_of
from wootric_map.mapping.property_names import Naming
from wootric_map.mapping.record_keys import event_key_of
from wootric_map.mapping.record_warnings import of_call
from wootric_map.mapping.settings import map_record, unidentified
from wootric_map.model import MappingWarning, Rejection, Skip
from wootric_map.read.files import PassedOver, Source
from wootric_map.read.process_pool import SideBySide
from wootric_map.read.record import Page, Track
from wootric_map.wootric.address_length import LONGEST_ADDRESS
from wootric_map.wootric.regions import Services, services
from wootric_map.wootric.requests import request

if TYPE_CHECKING:
    from wootric_map.redaction import Redaction

_HELD: Final = 12 * 1024 * 1024
"""Bytes of a part's output that are held until those before it are written; a hostile part may grow."""


@click.command("map")
@options.paths_argument()
@options.reading_options
@options.ignore_warning_option
@options.processes_option
@options.account_options
@options.redact_option
def map_command(
    paths: tuple[str, ...],
    processes: int,
    ignored_warnings: tuple[str, ...],
    account_token: str | None,
    base_url: str | None,
    **reading: Any,
) -> int:
    """Show what each record becomes: its settings and its calls, one JSON object a line.

    Each record is looked at alone, but for the names of properties, of which there is one a key: for
    --amount-suffix and --array-suffix files are read twice, and of a pipe each record is named by itself.
    Without an account token the calls show the default region.

    \b
    Example:
      wootric-replay map sample_events/segment-logs | jq .settings
    """
    addresses = services(account_token, base_url)
    how = options.reading(reading)
    output = sys.stdout.buffer
    passed_over = PassedOver()
    found = options.sources(paths, passed_over, reading["min_age"])
    # Who writes to a pipe may want to see each record before the next.
    is_live = any(each.size is None for each in found)
    naming = how.naming
    if naming.renames and not is_live:
        naming = replace(naming, kinds=kinds_in(found, how, processes))
    shown = _Shown(
        how, naming, addresses, account_token, frozenset(ignored_warnings), options.redaction()
    )
    any_rejected = False
    ignored = 0
    with SideBySide(shown.part, 1 if is_live else worth(processes, found)) as workers:
        for part, lines, begun in read_in_parts(
            workers,
            found,
            stdin=options.standard_input(),
            max_line_bytes=how.max_line_bytes,
            live=is_live,
        ):
            place = shown.place(part)
            any_rejected = any_rejected or begun.any_rejected
            ignored += begun.ignored
            shown_so_far = zip(begun.numbers, begun.fields, strict=True)
            output.writelines(
                b"%b%d,%b" % (place, lines + line, each) for line, each in shown_so_far if each
            )
            rest = () if begun.is_all else shown.records(part, after=len(begun.numbers))
            for line, is_rejected, unsaid, fields in rest:
                any_rejected = any_rejected or is_rejected
                ignored += unsaid
                if fields:
                    output.write(b"%b%d,%b" % (place, lines + line, fields))
            if is_live:
                output.flush()
    output.flush()
    for told in summary.passed_over(passed_over):
        click.echo(told, err=True)
    if ignored:
        click.echo(summary.ignored(ignored), err=True)
    return 1 if any_rejected else 0


_Record: TypeAlias = tuple[int, bool, int, bytes]
"""A record's line, counted from the beginning of the part; whether it is rejected; how many warnings of it
are ignored; and the JSON of all that is shown behind its place, empty where nothing is."""


class _Begun(NamedTuple):
    """What was made of a part, as far as that is to be held."""

    numbers: list[int]
    """The lines of the records, counted from the beginning of the part."""
    fields: list[bytes]
    """Of each record the JSON of all that is shown behind its place."""
    any_rejected: bool
    ignored: int
    """How many warnings are not shown."""
    is_all: bool
    lines: int
    """How many the part has."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """How records are shown."""

    reading: ReadingOptions
    naming: Naming
    addresses: Services
    account_token: str | None
    ignored: frozenset[str]
    """The codes of warnings that are not shown."""
    redaction: "Redaction | None"

    def place(self, part: Source) -> bytes:
        """The beginning of each line, up to the line number."""
        return self._json({"source": part.name, "line": 0}).removesuffix(b"0}\n")

    def part(self, part: Source) -> _Begun:
        """The records of a part, or as many of them as are to be held."""
        numbers: list[int] = []
        fields: list[bytes] = []
        held, any_rejected, ignored = 0, False, 0
        for line, is_rejected, unsaid, each in self.records(part):
            numbers.append(line)
            fields.append(each)
            any_rejected = any_rejected or is_rejected
            ignored += unsaid
            held += len(each)
            if held > _HELD:
                lines = max(located.line for located in self._read(part))
                return _Begun(numbers, fields, any_rejected, ignored, is_all=False, lines=lines)
        lines = numbers[-1] if numbers else 0
        return _Begun(numbers, fields, any_rejected, ignored, is_all=True, lines=lines)

    def records(self, part: Source, *, after: int = 0) -> Iterator[_Record]:
        """The records of a part, but for the first ones."""
        for record in islice(self._read(part), after, None):
            is_rejected = isinstance(record.reading, Rejection)
            data: dict[str, Any] = self._as_data(record)
            ignored = self._ignored_in(data) if self.ignored else 0
            is_shown = not ignored or "type" in data
            yield record.line, is_rejected, ignored, self._json(data)[1:] if is_shown else b""

    def _ignored_in(self, data: dict[str, Any]) -> int:
        """Take the warnings out that are ignored; gives how many they were."""
        if "warning" in data:
            return int(data["warning"]["code"] in self.ignored)
        found = data.get("warnings", ())
        left = [each for each in found if each["code"] not in self.ignored]
        if len(left) < len(found):
            data["warnings"] = left
        return len(found) - len(left)

    def _read(self, part: Source) -> Iterator[Located]:
        return read_records([part], self.reading, stdin=io.BytesIO())

    def _json(self, data: dict[str, object]) -> bytes:
        return json_line(self.redaction.value("", data) if self.redaction else data)

    def _as_data(self, record: Located) -> dict[str, object]:
        reading = record.reading
        if isinstance(reading, Rejection):
            return {"rejected": reading._asdict()}
        if isinstance(reading, MappingWarning):
            return {"warning": _warned(reading)}
        if isinstance(reading, Skip):
            return {
                "type": reading.type,
                "skipped": _skipped(reading),
                "warnings": [_warned(warning) for warning in reading.warnings],
            }
        mapped = map_record(reading, naming=self.naming)
        data: dict[str, object] = {"type": reading.type, "settings": mapped.settings.as_dict()}
        skip = unidentified(mapped)
        if skip:
            # Its properties go nowhere, so nothing is wrong with them.
            about_user = [*reading.warnings, *user_of(reading).warnings]
            warnings = [_warned(warning) for warning in about_user]
            return data | {"skipped": _skipped(skip), "warnings": warnings}
        key = event_key_of(reading, record.raw) if isinstance(reading, Track | Page) else ""
        method, url, form = request(call_for(mapped, key), self.addresses, self.account_token)
        call: dict[str, object] = {"method": method, "url": url}
        if form is not None:
            call["form"] = form
        data["calls"] = [call]
        long = of_call(reading, self.naming) if len(url) > LONGEST_ADDRESS else ()
        data["warnings"] = [_warned(warning) for warning in (*mapped.warnings, *long)]
        return data


def _warned(warning: MappingWarning) -> dict[str, object]:
    return {"code": warning.code, "field": warning.field, "message": warning.message}


def _skipped(skip: Skip) -> dict[str, object]:
    return {"code": skip.code, "field": skip.field, "message": skip.message}
