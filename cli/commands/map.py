"""`map`: what each record becomes, one JSON object a line."""

import sys
from hashlib import blake2b
from typing import Any

import click

from cli import options
from cli.render.text import json_line
from wootric_map.calls import call_for, record_key, request
from wootric_map.mapping import Mapped, unidentified
from wootric_map.outcome import Rejection, Skip
from wootric_map.reading import Entry, read_entries
from wootric_map.services import Services, services


@click.command("map")
@options.paths_argument()
@options.reading_options
@options.account_options
@options.redact_option
def map_command(
    paths: tuple[str, ...], account_token: str | None, base_url: str | None, **reading: Any
) -> int:
    """Show what each record becomes: its settings and its calls, one JSON object a line.

    Each record is looked at alone. Without an account token the calls show the default region.

    \b
    Example:
      wootric-replay map sample_events/segment-logs | jq .settings
    """
    addresses = services(account_token, base_url)
    output = sys.stdout.buffer
    redaction = options.redaction()
    rejected = False
    found = options.sources(paths)
    for entry in read_entries(found, options.reading(reading), stdin=options.standard_input()):
        rejected = rejected or isinstance(entry.outcome, Rejection)
        data = _as_data(entry, addresses, account_token)
        output.write(json_line(redaction.value("", data) if redaction else data))
    output.flush()
    return 1 if rejected else 0


def _as_data(entry: Entry, addresses: Services, account_token: str | None) -> dict[str, object]:
    place = {"source": entry.source, "line": entry.line}
    outcome = entry.outcome
    if isinstance(outcome, Rejection):
        return place | {"rejected": outcome._asdict()}
    if isinstance(outcome, Skip):
        skipped = {"code": outcome.code, "field": outcome.field, "message": outcome.message}
        return place | {"type": outcome.type, "skipped": skipped}
    place["type"] = outcome.record.type
    settings = outcome.settings.as_dict()
    skip = unidentified(outcome)
    if skip:
        skipped = {"code": skip.code, "field": skip.field, "message": skip.message}
        return place | {"settings": settings, "skipped": skipped}
    call = request(call_for(outcome, _key(entry, outcome)), addresses, account_token)
    return place | {
        "settings": settings,
        "calls": [{name: part for name, part in call._asdict().items() if part is not None}],
        "warnings": [warning._asdict() for warning in outcome.warnings],
    }


def _key(entry: Entry, mapped: Mapped) -> str:
    digest = blake2b(entry.raw, digest_size=16).digest()
    return record_key(mapped.record.message_id, digest)
