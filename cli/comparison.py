"""What a plan is compared with: nothing, the account, or a snapshot of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cli import options
from wootric_map.read.files import REMOTE, is_remote
from wootric_map.wootric.regions import account_fingerprint

if TYPE_CHECKING:
    from wootric_map.snapshot.snapshot_file import Snapshot

NAMES: Final = {options.NOTHING: "nothing", options.ACCOUNT: "account"}


def name(against: str) -> str:
    """The word for it in a plan file."""
    return NAMES.get(against, "snapshot")


@contextmanager
def snapshot_of(against: str, account_token: str | None) -> "Iterator[Snapshot | None]":
    """Open the snapshot that `--against` names; None where it names none.

    Raises:
        click.UsageError: there is no such file, it is no snapshot, or it is of another account.
    """
    if against in NAMES:
        yield None
        return
    if not Path(against).is_file():
        if is_remote(against):
            raise click.UsageError(f"--against {against}: {REMOTE}; download it first")
        problem = "it is no file" if Path(against).exists() else "there is no such file"
        raise click.UsageError(f"--against {against}: {problem}; wootric-replay snapshot makes one")
    from wootric_map.errors import SnapshotError  # noqa: PLC0415
    from wootric_map.snapshot.snapshot_file import Snapshot  # noqa: PLC0415

    try:
        opened = Snapshot(Path(against))
    except (OSError, SnapshotError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise click.UsageError(f"--against {against}: {reason}") from error
    with opened as snapshot:
        wanted = account_token and account_fingerprint(account_token)
        if wanted and snapshot.account and wanted != snapshot.account:
            raise click.UsageError(f"--against {against}: it is a snapshot of another account")
        yield snapshot
