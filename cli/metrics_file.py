"""The file of metrics that a push leaves for Prometheus's node exporter."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import click

from wootric_map import run_files
from wootric_map.deliver import journal_place
from wootric_map.errors import NotOursError
from wootric_map.model import CALLS
from wootric_map.ownership import place_of_ours
from wootric_map.private_file import PrivateFile, naming
from wootric_map.report import Report

if TYPE_CHECKING:
    from wootric_map.account import AccountSettings
    from wootric_map.push import PushResult

_MISSING: Final = "--textfile needs an extra: pip install 'wootric-replay[metrics]'"
_READABLE: Final = 0o644
"""Another user's exporter reads the file, which holds nothing but counts and times."""
_LONGEST: Final = 1 << 20
"""Bytes that are read of the file that stands there."""


@dataclass(frozen=True, slots=True)
class MetricsFile:
    """Where the metrics of a push go."""

    path: Path | None
    """The file; None for none."""
    account: str | None
    """The account, as `status` names it; None for an embedded sandbox."""

    @classmethod
    def of(cls, path: Path | None, account: "AccountSettings") -> Self:
        """Return the file of an account's metrics; `path` is None for none.

        Raises:
            UsageError: the extra is missing, or the name is none that the exporter reads.
            SettingsError: the account token or base URL is none.
        """
        if path is None:
            return cls(None, None)
        try:
            import prometheus_client  # noqa: F401
        except ImportError as error:
            raise click.UsageError(_MISSING) from error
        if path.suffix != ".prom":
            raise click.UsageError(
                f"--textfile {path}: node exporter reads only files whose names end in .prom"
            )
        if not path.parent.is_dir():
            raise click.UsageError(f"--textfile {path}: there is no folder {path.parent}")
        if account.sandbox:
            return cls(path, None)
        return cls(path, journal_place.account_of(account.account_token, account.base_url))

    def uses(self) -> Sequence[run_files.Use]:
        """Return the use of the file, if there is one."""
        return list(run_files.written(textfile=self.path).values())

    def write(
        self, report: Report, result: "PushResult | None", *, exit_code: int, seconds: float
    ) -> None:
        """Write the metrics of a push, whole or not at all.

        Args:
            report: the counts of the push.
            result: the result of the push, if there is one.
            exit_code: the exit code of the command.
            seconds: how long the push took.

        Raises:
            NotOursError: a file of somebody else stands in the place.
            OSError: nothing can be written there.
        """
        if self.path is None:
            return
        from wootric_map.metrics import PushMetrics, exposition

        metrics = PushMetrics(
            account=self.account or "sandbox",
            ended=time.time(),
            seconds=seconds,
            exit_code=exit_code,
            records={
                "mapped": report.mapped,
                "skipped": report.skipped.counts.total(),
                "rejected": report.rejected.counts.total(),
                "failed": report.failed.counts.total(),
            },
            actions={action: report.done[action] for action in (*CALLS, "unchanged", "left")},
            calls=result.calls if result else 0,
            in_doubt=result.doubts if result else None,
        )
        with naming(self.path):
            place = place_of_ours(self.path)
            with PrivateFile.beside(place) as file:
                file.write(exposition(metrics, _earlier(place)))
                file.path.chmod(_READABLE)
                file.finish()


def _earlier(place: Path) -> bytes:
    """Return what stands in the file up to now; nothing if it can't be read."""
    with suppress(OSError, NotOursError), place.open("rb") as file:
        return file.read(_LONGEST)
    return b""
