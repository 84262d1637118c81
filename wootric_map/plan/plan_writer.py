"""Saving a plan as a file, so that a push can send exactly what the plan holds."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Self

from wootric_map.ownership import place_of_ours
from wootric_map.plan.plan_lines import HEADER, Prepared, dump, ending, header, line_of, load
from wootric_map.plan.told import Told
from wootric_map.plan.told import line_of as line_of_told
from wootric_map.private_file import LONGEST_LINE, PrivateFile

_BUFFER: Final = 64 * 1024


class PlanWriter:
    """Saves a plan as it is rehearsed; the file comes to its place only when it is whole."""

    def __init__(
        self,
        path: Path,
        *,
        account: str | None,
        against: str,
        fills: bool = False,
        tells: bool = False,
        external_id_from: str | None = None,
    ) -> None:
        """Begin a plan file.

        Args:
            path: where the file goes; an earlier plan there is replaced.
            account: the account's fingerprint; None if the plan is for any account.
            against: what the plan was compared with: `nothing`, `account` or `snapshot`.
            fills: whether updates may only set fields that are empty in Wootric.
            tells: whether `tell` is to be called.
            external_id_from: the trait that gives external ids; None if these are the `userId`s.

        Raises:
            NotOursError: another user owns the file that is there.
            OSError: nothing can be written there, or the file that is there is no plan.
        """
        place = place_of_ours(path)
        if path.exists() and not _is_replaceable(path):
            raise FileExistsError("it is there, and no plan; it would be lost: choose another name")
        self._fills = fills
        self._file = PrivateFile.beside(place, buffer=_BUFFER)
        self._counts: Counter[str] = Counter()
        self._external_id_from = external_id_from
        by_trait = external_id_from is not None
        self._file.write(dump(header(account, against, tells=tells, by_trait=by_trait)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._file.is_closed:
            self._file.discard()

    def tell(self, told: Iterable[Told]) -> None:
        """Write what groups and events tell; before anything is added."""
        for each in told:
            self._file.write(dump({"told": line_of_told(each)}))

    def add(self, prepared: Prepared) -> None:
        """Write what a push would send for a step; nothing if it would send nothing."""
        if prepared.call is not None:
            self._counts[prepared.outcome.action] += 1
            line = line_of(
                prepared,
                prepared.call,
                fills=self._fills,
                external_id_from=self._external_id_from,
            )
            self._file.write(dump(line))

    def finish(self) -> None:
        """Move the whole file to its place."""
        self._file.write(dump(ending(self._counts)))
        self._file.finish()


def _is_replaceable(path: Path) -> bool:
    """Tell whether a file may be replaced: it is empty, or a plan."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        raw = file.readline(LONGEST_LINE)
    return not raw or HEADER in (load(raw) or {})
