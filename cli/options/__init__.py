"""The options that commands share; `cli.settings` makes settings of their values."""

from cli.options.account import account_options, credential_options
from cli.options.checks import threshold_options, write_baseline_option
from cli.options.journal import journal_option, journal_options
from cli.options.output import format_option, record_options, redact_option, report_options
from cli.options.pace import connection_options, pace_options
from cli.options.planning import (
    against_option,
    end_user_planning_options,
    last_surveyed_option,
    planning_options,
    unidentified_option,
    workers_option,
)
from cli.options.reading import (
    external_id_option,
    ignore_warning_option,
    paths_argument,
    processes_option,
    reading_options,
    surveys_disabled_option,
)
from cli.options.types import Age, Count, LocalPath

__all__ = [
    "Age",
    "Count",
    "LocalPath",
    "account_options",
    "against_option",
    "connection_options",
    "credential_options",
    "end_user_planning_options",
    "external_id_option",
    "format_option",
    "ignore_warning_option",
    "journal_option",
    "journal_options",
    "last_surveyed_option",
    "pace_options",
    "paths_argument",
    "planning_options",
    "processes_option",
    "reading_options",
    "record_options",
    "redact_option",
    "report_options",
    "surveys_disabled_option",
    "threshold_options",
    "unidentified_option",
    "workers_option",
    "write_baseline_option",
]
