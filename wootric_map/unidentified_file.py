"""A file of the unidentified records, to be pushed once their users are known."""

from collections.abc import Iterable
from pathlib import Path
from typing import Self

from wootric_map.errors import UnfitSettingsError
from wootric_map.plan.plan import Plan
from wootric_map.plan.planning import keep_unidentified
from wootric_map.rejects import KeptRecords, RejectsFile
from wootric_map.report import Report
from wootric_map.unidentified import UnidentifiedRecords


class UnidentifiedFile:
    """The file of a run's unidentified records, if one is asked for; a context."""

    def __init__(
        self,
        path: Path | None,
        report: Report,
        spare: Iterable[Path],
        *,
        keep: int = 5,
    ) -> None:
        """Have the report note which records are unidentified.

        Args:
            path: the place of the file; None for no file.
            report: counts the records of the run.
            spare, keep: as in `RejectsFile`.

        Raises:
            SettingsError: the file can't be written.
        """
        self._path = path
        self._report = report
        self._file: RejectsFile | None = None
        self.kept: KeptRecords | None = None
        """The file; None if there is none, or the run has not come to its end."""
        if path is None:
            return
        try:
            self._file = RejectsFile(path, keep=keep, spare=spare)
        except OSError as error:
            raise UnfitSettingsError(f"--unidentified: {error}") from error
        report.unidentified_records = UnidentifiedRecords()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file and not self.kept:
            self._file.discard()

    def keep(self, plan: Plan) -> None:
        """Write the records, and put the file in its place, at the end of a run; a second call does nothing.

        Raises:
            OSError: the file can't be written; the file of an earlier run stays.
        """
        if self._file and self._path and not self.kept:
            keep_unidentified(plan, self._report, self._file)
            before = self._file.finish(replayed=False, complete=True)
            self.kept = self._file.kept(self._path, before)
