"""What a plan is compared with: the account, known in one way or another, or nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wootric_map.errors import SnapshotError, UnfitSettingsError
from wootric_map.read.files import REMOTE, is_remote

if TYPE_CHECKING:
    from wootric_map.snapshot.snapshot_reader import SnapshotReader

AUTO: Final = "auto"
NOTHING: Final = "nothing"
ACCOUNT: Final = "account"
"""The values of `against` besides the path of a snapshot: the account, known with the fewest calls; an
account that holds nothing; the account, with a look-up for each end user."""

_NAMES: Final = (AUTO, NOTHING, ACCOUNT)


def name_of(against: str) -> str:
    """Return the word in a plan file for what the plan was compared with."""
    if against == AUTO:
        return ACCOUNT
    return against if against in _NAMES else "snapshot"


def snapshot_path(against: str) -> Path | None:
    """Return the path of the snapshot that a plan is compared with; None if it is no snapshot."""
    return None if against in _NAMES else Path(against)


@contextmanager
def snapshot_of(against: str, account_token: str | None) -> "Iterator[SnapshotReader | None]":
    """Open the snapshot that a plan is compared with; give None if it is no snapshot.

    Args:
        against: `auto`, `nothing`, `account`, or the snapshot's path.
        account_token: the account that the snapshot must be of; None for any.

    Raises:
        SettingsError: there is no such file, or it is no snapshot of the account.
    """
    path = snapshot_path(against)
    if path is None:
        yield None
        return
    if not path.is_file():
        if is_remote(against):
            raise UnfitSettingsError(f"--against {against}: {REMOTE}; download it first")
        problem = "it is no file" if path.exists() else "there is no such file"
        raise UnfitSettingsError(
            f"--against {against}: {problem}; wootric-replay snapshot makes one"
        )
    from wootric_map.snapshot.snapshot_reader import SnapshotReader
    from wootric_map.wootric.regions import account_fingerprint

    try:
        opened = SnapshotReader(path)
    except (OSError, SnapshotError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnfitSettingsError(f"--against {against}: {reason}") from error
    with opened as snapshot:
        wanted = account_token and account_fingerprint(account_token)
        if wanted and snapshot.account and wanted != snapshot.account:
            raise UnfitSettingsError(f"--against {against}: it is a snapshot of another account")
        yield snapshot
