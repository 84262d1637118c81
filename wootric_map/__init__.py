"""Segment records in, Wootric calls out."""

from wootric_map.calls import (
    Call,
    EligibilityCheck,
    EndUserUpsert,
    HttpCall,
    PageView,
    call_for,
    request,
)
from wootric_map.mapping import Mapped, WootricSettings, map_record, unidentified
from wootric_map.outcome import Rejection, Skip
from wootric_map.properties import MappingWarning
from wootric_map.reading import Entry, ReadingOptions, read_entries
from wootric_map.record import Identify, Page, Record, Track, read_line
from wootric_map.services import Services, SettingsError, services
from wootric_map.source import Source, SourceError, discover, read_lines

__all__ = [
    "Call",
    "EligibilityCheck",
    "EndUserUpsert",
    "Entry",
    "HttpCall",
    "Identify",
    "Mapped",
    "MappingWarning",
    "Page",
    "PageView",
    "ReadingOptions",
    "Record",
    "Rejection",
    "Services",
    "SettingsError",
    "Skip",
    "Source",
    "SourceError",
    "Track",
    "WootricSettings",
    "call_for",
    "discover",
    "map_record",
    "read_entries",
    "read_line",
    "read_lines",
    "request",
    "services",
    "unidentified",
]
