"""Segment records in, Wootric calls out.

Reading, mapping and planning:

>>> import io
>>> from wootric_map import ReadingOptions, discover, read_entries
>>> entries = read_entries(discover(["-"]), ReadingOptions(), stdin=io.BytesIO())

What needs the network (`Wootric`, `deliver` and their like) is imported from `wootric_map.client` and
`wootric_map.deliver`, so that whoever only reads does not wait for it.
"""

from wootric_map.calls import (
    Call,
    EligibilityCheck,
    EndUserUpsert,
    HttpCall,
    PageView,
    call_for,
    request,
)
from wootric_map.choosing import Choice
from wootric_map.mapping import Mapped, WootricSettings, map_record, unidentified
from wootric_map.outcome import Failure, Outcome, Rejection, Skip
from wootric_map.plan import Plan, PlanOptions
from wootric_map.planning import plan_records
from wootric_map.properties import MappingWarning
from wootric_map.reading import Entry, ReadingOptions, read_entries
from wootric_map.record import Identify, Page, Record, Track, read_line
from wootric_map.rehearsal import rehearse
from wootric_map.report import RejectsFile, Report
from wootric_map.services import Services, SettingsError, services
from wootric_map.source import Source, SourceError, discover, read_lines
from wootric_map.spool import Spool

__all__ = [
    "Call",
    "Choice",
    "EligibilityCheck",
    "EndUserUpsert",
    "Entry",
    "Failure",
    "HttpCall",
    "Identify",
    "Mapped",
    "MappingWarning",
    "Outcome",
    "Page",
    "PageView",
    "Plan",
    "PlanOptions",
    "ReadingOptions",
    "Record",
    "Rejection",
    "RejectsFile",
    "Report",
    "Services",
    "SettingsError",
    "Skip",
    "Source",
    "SourceError",
    "Spool",
    "Track",
    "WootricSettings",
    "call_for",
    "discover",
    "map_record",
    "plan_records",
    "read_entries",
    "read_line",
    "read_lines",
    "rehearse",
    "request",
    "services",
    "unidentified",
]
