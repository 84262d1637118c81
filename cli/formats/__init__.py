"""The forms of a report of findings for the tools of CI, one in each file."""

from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from cli.formats.base import ReportFormat

FORMATS: Final = ("markdown", "github", "junit", "sarif")
"""The names of the forms, which are those of the modules."""


def format_named(name: str) -> "ReportFormat":
    """Return a form by its name; only its own module is loaded."""
    module = import_module(f"cli.formats.{name}")
    return cast("ReportFormat", module.FORMAT)
