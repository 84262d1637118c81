"""`--unidentified`: a file of the records that name nobody, to be pushed once somebody knows them."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import click

from cli import options
from cli.render.summary_json import kept_in
from cli.render.text import plural, printable
from wootric_map.plan.plan import Plan
from wootric_map.plan.planning import keep_unidentified
from wootric_map.read.files import Source
from wootric_map.rejects import RejectsFile
from wootric_map.report import Report
from wootric_map.unidentified import UnidentifiedRecords

F = TypeVar("F", bound=Callable[..., Any])


def unidentified_option(command: F) -> F:
    """Where the records go that name nobody."""
    return click.option(
        "--unidentified",
        type=options.LocalPath(),
        metavar="FILE",
        help="Keep the records that name nobody here, as rejects are kept, to push that file once it is "
        "known who they are; written only if there are any, and the run comes to its end.",
    )(command)


class UnidentifiedFile:
    """The file of a run, or none if none is asked for; used as a context."""

    def __init__(
        self,
        path: Path | None,
        report: Report,
        sources: Sequence[Source],
        *,
        keep: int = 5,
    ) -> None:
        """Have the report note which records are unidentified.

        Args:
            path: the place of the file; None where there is to be none.
            report: counts the records of the run.
            sources: what is read.
            keep: as in `RejectsFile`.

        Raises:
            click.UsageError: it can't be written.
        """
        self._path = path
        self._report = report
        self._file: RejectsFile | None = None
        self._before: Path | None = None
        self._is_kept = False
        if path is None:
            return
        try:
            spared = (each.path for each in sources if each.path)
            self._file = RejectsFile(path, keep=keep, spare=spared)
        except OSError as error:
            raise click.UsageError(f"--unidentified: {error}") from error
        report.unidentified_records = UnidentifiedRecords()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file and not self._is_kept:
            self._file.discard()

    def keep(self, plan: Plan) -> None:
        """Write the records, and put the file in its place; for a run that has come to its end.

        Raises:
            OSError: it can't be written; what was there before still is.
        """
        if self._file:
            keep_unidentified(plan, self._report, self._file)
            self._before = self._file.finish(replayed=False, complete=True)
            self._is_kept = True

    def as_data(self) -> dict[str, object] | None:
        """What became of it, for programs."""
        if not (self._path and self._file and self._is_kept):
            return None
        return kept_in(self._path, self._file, self._before)

    def lines(self) -> Iterator[str]:
        """What became of it, for people."""
        if not (self._path and self._file and self._is_kept):
            return
        name = printable(str(self._path))
        if self._before:
            before = printable(str(self._path.with_name(self._before.name)))
            yield f"The {name} that was there before is now {before}."
        if self._file.count:
            records = plural(self._file.count, "record that names", "records that name")
            yield f"{records} nobody kept in {name}. Push that file once it is known who they are."
        elif self._file.is_left_over:
            yield f"{name} is of an earlier run; this one has met no record that names nobody."
