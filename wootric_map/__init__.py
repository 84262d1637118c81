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
    from wootric_map.map_records import Map, MappedRecord, MapSettings
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
    from wootric_map.push import Push, PushResult, PushSettings
    from wootric_map.read.files import Source, discover
    from wootric_map.read.lines import read_lines
    from wootric_map.read.record import Identify, Page, Record, Track, read_line
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
    from wootric_map.validate import Validate, ValidateSettings
    from wootric_map.wootric.auth import ClientCredentials, PasswordCredentials
    from wootric_map.wootric.regions import Services, services
    from wootric_map.wootric.requests import HttpCall, request

__all__ = [
    "AccountSettings",
    "Call",
    "Choice",
    "ClientCredentials",
    "ConnectionSettings",
    "Diff",
    "DryRun",
    "DryRunSettings",
    "EligibilityCheck",
    "EndUserChange",
    "EndUserUpsert",
    "Entry",
    "Failure",
    "HttpCall",
    "Identify",
    "JournalSettings",
    "KeptRecords",
    "Map",
    "MapSettings",
    "Mapped",
    "MappedRecord",
    "MappingWarning",
    "Outcome",
    "Page",
    "PageView",
    "PasswordCredentials",
    "Plan",
    "PlanOptions",
    "Preview",
    "Push",
    "PushObserver",
    "PushResult",
    "PushSettings",
    "ReadingObserver",
    "ReadingOptions",
    "Record",
    "Rejection",
    "RejectsFile",
    "ReplayError",
    "Report",
    "Services",
    "SettingsError",
    "Skip",
    "Snapshot",
    "SnapshotObserver",
    "SnapshotReader",
    "SnapshotResult",
    "SnapshotSettings",
    "Source",
    "SourceError",
    "Spool",
    "Stop",
    "Track",
    "Validate",
    "ValidateSettings",
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
    "AccountSettings": "account",
    "Call": "model",
    "Choice": "mapping.filters",
    "ClientCredentials": "wootric.auth",
    "ConnectionSettings": "account",
    "Diff": "diff",
    "DryRun": "dry_run",
    "DryRunSettings": "dry_run",
    "EligibilityCheck": "model",
    "EndUserChange": "diff",
    "EndUserUpsert": "model",
    "Entry": "mapping.entries",
    "Failure": "model",
    "HttpCall": "wootric.requests",
    "Identify": "read.record",
    "JournalSettings": "deliver.account_lock",
    "KeptRecords": "rejects",
    "Map": "map_records",
    "MapSettings": "map_records",
    "Mapped": "mapping.settings",
    "MappedRecord": "map_records",
    "MappingWarning": "model",
    "Outcome": "model",
    "Page": "read.record",
    "PageView": "model",
    "PasswordCredentials": "wootric.auth",
    "Plan": "plan.plan",
    "PlanOptions": "plan.plan",
    "Preview": "deliver.push_observer",
    "Push": "push",
    "PushObserver": "deliver.push_observer",
    "PushResult": "push",
    "PushSettings": "push",
    "ReadingObserver": "export",
    "ReadingOptions": "mapping.entries",
    "Record": "read.record",
    "Rejection": "model",
    "RejectsFile": "rejects",
    "ReplayError": "errors",
    "Report": "report",
    "Services": "wootric.regions",
    "SettingsError": "errors",
    "Skip": "model",
    "Snapshot": "snapshot.snapshot",
    "SnapshotObserver": "snapshot.snapshot",
    "SnapshotReader": "snapshot.snapshot_reader",
    "SnapshotResult": "snapshot.snapshot",
    "SnapshotSettings": "snapshot.snapshot",
    "Source": "read.files",
    "SourceError": "errors",
    "Spool": "plan.engine.spool",
    "Stop": "stopping",
    "Track": "read.record",
    "Validate": "validate",
    "ValidateSettings": "validate",
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
