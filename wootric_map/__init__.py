"""Segment records in, Wootric calls out.

Reading, mapping and planning:

>>> import io
>>> from wootric_map import ReadingOptions, discover, read_entries
>>> entries = read_entries(discover(["-"]), ReadingOptions(), stdin=io.BytesIO())

Each name is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from wootric_map.deliver.rehearse import rehearse
    from wootric_map.errors import SettingsError, SourceError
    from wootric_map.mapping.calls import call_for
    from wootric_map.mapping.entries import Entry, ReadingOptions, read_entries
    from wootric_map.mapping.filters import Choice
    from wootric_map.mapping.settings import Mapped, WootricSettings, map_record, unidentified
    from wootric_map.model import (
        Call,
        EligibilityCheck,
        EndUserUpsert,
        Failure,
        MappingWarning,
        Outcome,
        PageView,
        Rejection,
        Skip,
    )
    from wootric_map.plan.engine.spool import Spool
    from wootric_map.plan.plan import Plan, PlanOptions
    from wootric_map.plan.planning import plan_records
    from wootric_map.read.files import Source, discover
    from wootric_map.read.lines import read_lines
    from wootric_map.read.record import Identify, Page, Record, Track, read_line
    from wootric_map.rejects import RejectsFile
    from wootric_map.report import Report
    from wootric_map.wootric.regions import Services, services
    from wootric_map.wootric.requests import HttpCall, request

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

_MODULES: Final = {
    "Call": "model",
    "Choice": "mapping.filters",
    "EligibilityCheck": "model",
    "EndUserUpsert": "model",
    "Entry": "mapping.entries",
    "Failure": "model",
    "HttpCall": "wootric.requests",
    "Identify": "read.record",
    "Mapped": "mapping.settings",
    "MappingWarning": "model",
    "Outcome": "model",
    "Page": "read.record",
    "PageView": "model",
    "Plan": "plan.plan",
    "PlanOptions": "plan.plan",
    "ReadingOptions": "mapping.entries",
    "Record": "read.record",
    "Rejection": "model",
    "RejectsFile": "rejects",
    "Report": "report",
    "Services": "wootric.regions",
    "SettingsError": "errors",
    "Skip": "model",
    "Source": "read.files",
    "SourceError": "errors",
    "Spool": "plan.engine.spool",
    "Track": "read.record",
    "WootricSettings": "mapping.settings",
    "call_for": "mapping.calls",
    "discover": "read.files",
    "map_record": "mapping.settings",
    "plan_records": "plan.planning",
    "read_entries": "mapping.entries",
    "read_line": "read.record",
    "read_lines": "read.lines",
    "rehearse": "deliver.rehearse",
    "request": "wootric.requests",
    "services": "wootric.regions",
    "unidentified": "mapping.settings",
}
"""The module of each public name."""


def __getattr__(name: str) -> Any:
    """Load a public name."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
