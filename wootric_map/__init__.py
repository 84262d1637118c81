"""Segment records in, Wootric calls out.

Reading, mapping and planning:

>>> import io
>>> from wootric_map import ReadingOptions, discover, read_entries
>>> entries = read_entries(discover(["-"]), ReadingOptions(), stdin=io.BytesIO())

What needs the network (`Wootric`, `deliver` and their like) is imported from `wootric_map.wootric.client` and
`wootric_map.deliver.delivery`, so that whoever only reads does not wait for it.
"""

from wootric_map.deliver.rehearse import rehearse
from wootric_map.mapping.entries import Entry, ReadingOptions, read_entries
from wootric_map.mapping.filters import Choice
from wootric_map.mapping.properties import MappingWarning
from wootric_map.mapping.settings import Mapped, WootricSettings, map_record, unidentified
from wootric_map.model import (
    Call,
    EligibilityCheck,
    EndUserUpsert,
    HttpCall,
    PageView,
    call_for,
    request,
)
from wootric_map.model_outcome import Failure, Outcome, Rejection, Skip
from wootric_map.plan.engine.spool import Spool
from wootric_map.plan.plan import Plan, PlanOptions
from wootric_map.plan.planning import plan_records
from wootric_map.read.files import Source, SourceError, discover, read_lines
from wootric_map.read.record import Identify, Page, Record, Track, read_line
from wootric_map.report import RejectsFile, Report
from wootric_map.wootric.regions import Services, SettingsError, services

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
