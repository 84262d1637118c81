"""Segment records in, Wootric calls out.

Each command is a class here, with settings of its own:

>>> from wootric_map import Map, MapSettings
>>> mapping = Map(MapSettings(paths=["sample_events/segment-logs"]))
>>> next(mapping.records()).data["type"]
'identify'

What they are made of is public, too: reading, mapping and planning.

>>> import io
>>> from wootric_map import ReadingOptions, discover, read_entries
>>> entries = read_entries(discover(["-"]), ReadingOptions(), stdin=io.BytesIO())

Each name is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from wootric_map.account import AccountSettings, ConnectionSettings
    from wootric_map.deliver.account_lock import JournalSettings
    from wootric_map.deliver.push_observer import Preview, PushObserver
    from wootric_map.deliver.rehearse import rehearse
    from wootric_map.diff import Diff, EndUserChange
    from wootric_map.dry_run import DryRun, DryRunSettings
    from wootric_map.errors import ReplayError, SettingsError, SourceError
    from wootric_map.export import ReadingObserver
    from wootric_map.inspection.inspect_export import Inspect, InspectSettings
    from wootric_map.inspection.inspection import Inspection, TraitSummary
    from wootric_map.map_records import Map, MappedRecord, MapSettings
    from wootric_map.mapping.calls import call_for
    from wootric_map.mapping.derived_rules import Rollup
    from wootric_map.mapping.entries import Entry, ReadingOptions, read_entries
    from wootric_map.mapping.filters import Choice
    from wootric_map.mapping.rules import IdentityRules, MappingRules, NameRules, TraitRules
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
    from wootric_map.plan.plan import Plan
    from wootric_map.plan.plan_options import PlanOptions
    from wootric_map.plan.planning import plan_records
    from wootric_map.push import Push, PushResult, PushSettings
    from wootric_map.read.files import Source, discover
    from wootric_map.read.lines import read_lines
    from wootric_map.read.record import Group, Identify, Page, Record, Track, read_line
    from wootric_map.rejects import KeptRecords, RejectsFile
    from wootric_map.report import Report
    from wootric_map.snapshot.snapshot import (
        Snapshot,
        SnapshotObserver,
        SnapshotResult,
        SnapshotSettings,
    )
    from wootric_map.snapshot.snapshot_reader import SnapshotReader
    from wootric_map.stopping import Stop
    from wootric_map.survey_calls import SurveyDecline, SurveyResponse, SurveysOff
    from wootric_map.validate import Validate, ValidateSettings
    from wootric_map.wootric.auth import ClientCredentials, PasswordCredentials
    from wootric_map.wootric.regions import Services, services
    from wootric_map.wootric.requests import HttpCall, request
    from wootric_map.write_csv import CsvFile, WriteCsv, WriteCsvResult, WriteCsvSettings

__all__ = [
    "AccountSettings", "Call", "Choice", "ClientCredentials", "ConnectionSettings", "CsvFile",
    "Diff", "DryRun", "DryRunSettings", "EligibilityCheck", "EndUserChange", "EndUserUpsert",
    "Entry", "Failure", "Group", "HttpCall", "Identify", "IdentityRules", "Inspect",
    "InspectSettings", "Inspection", "JournalSettings", "KeptRecords", "Map", "MapSettings",
    "Mapped", "MappedRecord", "MappingRules", "MappingWarning", "NameRules", "Outcome", "Page",
    "PageView", "PasswordCredentials", "Plan", "PlanOptions", "Preview", "Push", "PushObserver",
    "PushResult", "PushSettings", "ReadingObserver", "ReadingOptions", "Record", "Rejection",
    "RejectsFile", "ReplayError", "Report", "Rollup", "Services", "SettingsError", "Skip",
    "Snapshot", "SnapshotObserver", "SnapshotReader", "SnapshotResult", "SnapshotSettings",
    "Source", "SourceError", "Spool", "Stop", "SurveyDecline", "SurveyResponse", "SurveysOff", "Track",
    "TraitRules", "TraitSummary", "Validate", "ValidateSettings", "WootricSettings", "WriteCsv",
    "WriteCsvResult", "WriteCsvSettings", "call_for", "discover", "map_record", "plan_records",
    "read_entries", "read_line", "read_lines", "rehearse", "request", "services", "unidentified",
]  # fmt: skip

_NAMES: Final = {
    "account": "AccountSettings ConnectionSettings",
    "deliver.account_lock": "JournalSettings",
    "deliver.push_observer": "Preview PushObserver",
    "deliver.rehearse": "rehearse",
    "diff": "Diff EndUserChange",
    "dry_run": "DryRun DryRunSettings",
    "errors": "ReplayError SettingsError SourceError",
    "export": "ReadingObserver",
    "inspection.inspect_export": "Inspect InspectSettings",
    "inspection.inspection": "Inspection TraitSummary",
    "map_records": "Map MapSettings MappedRecord",
    "mapping.calls": "call_for",
    "mapping.derived_rules": "Rollup",
    "mapping.entries": "Entry ReadingOptions read_entries",
    "mapping.filters": "Choice",
    "mapping.rules": "IdentityRules MappingRules NameRules TraitRules",
    "mapping.settings": "Mapped WootricSettings map_record unidentified",
    "model": "Call EligibilityCheck EndUserUpsert Failure MappingWarning Outcome PageView Rejection Skip",
    "plan.engine.spool": "Spool",
    "plan.plan": "Plan",
    "plan.plan_options": "PlanOptions",
    "plan.planning": "plan_records",
    "push": "Push PushResult PushSettings",
    "read.files": "Source discover",
    "read.lines": "read_lines",
    "read.record": "Group Identify Page Record Track read_line",
    "rejects": "KeptRecords RejectsFile",
    "report": "Report",
    "snapshot.snapshot": "Snapshot SnapshotObserver SnapshotResult SnapshotSettings",
    "snapshot.snapshot_reader": "SnapshotReader",
    "stopping": "Stop",
    "survey_calls": "SurveyDecline SurveyResponse SurveysOff",
    "validate": "Validate ValidateSettings",
    "wootric.auth": "ClientCredentials PasswordCredentials",
    "wootric.regions": "Services services",
    "wootric.requests": "HttpCall request",
    "write_csv": "CsvFile WriteCsv WriteCsvResult WriteCsvSettings",
}
"""The public names of each module."""

_MODULES: Final = {name: module for module, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Load a public name."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
