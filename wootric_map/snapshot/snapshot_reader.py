"""Finding end users in a snapshot, as Wootric finds them in an account."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Self

from wootric_map.errors import SnapshotError
from wootric_map.model import EndUser, EndUserUpsert
from wootric_map.private_file import PARTIAL
from wootric_map.snapshot.end_user_table import EndUserTable
from wootric_map.snapshot.snapshot_lines import SnapshotLines
from wootric_map.wootric.end_users import end_user_from


class SnapshotReader:
    """A snapshot to find end users in; may be used from several threads."""

    def __init__(self, path: Path) -> None:
        """Read a snapshot, plain or gzip, from its first line to its last.

        Raises:
            SnapshotError: the file is no snapshot, or not a whole one.
        """
        if path.name.endswith(PARTIAL):
            raise SnapshotError(
                f"{path}: this is the part of a snapshot that an interrupted run left; run the same "
                "snapshot command again to complete it"
            )
        self._table = EndUserTable()
        try:
            lines = SnapshotLines(path)
            self._table.put(end_users_in(lines))
            self._count = len(self._table)
        except BaseException:
            self.close()
            raise
        self.account = lines.account
        """The fingerprint of the account; None if the snapshot holds nobody."""
        self.as_of = lines.as_of
        """The unix second from which on the snapshot may have missed a change; None if it holds nobody."""

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Read a snapshot by its name; raises what `SnapshotReader` raises."""
        return cls(Path(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Delete the table."""
        self._table.close()

    def __len__(self) -> int:
        """Return how many end users the snapshot holds."""
        return self._count

    def __bool__(self) -> Literal[True]:
        """Return true, also for the snapshot of an account without end users."""
        return True

    def find(self, wanted: EndUserUpsert) -> EndUser | None:
        """Look an end user up as Wootric does; see `EndUserTable.find`."""
        return self._table.find(wanted)


def end_users_in(lines: SnapshotLines) -> Iterator[EndUser]:
    """Yield the end users in the lines of a snapshot.

    Raises:
        SnapshotError: a line is no end user.
    """
    for line in lines:
        try:
            yield end_user_from(line.row)
        except ValueError as error:
            lines.refuse(line.number, str(error))
