"""The limit of open files of this process."""

import resource
from typing import Final

import click

_WANTED: Final = 1024
"""The limit that is set, if that is allowed."""

_LEAST: Final = 32
"""The most files that a command opens, besides those of its workers and processes."""

_FOR_WORKER: Final = 3
"""A worker's connection, with both ends for an embedded sandbox, and one to spare: every fourth worker has
another one beside it (teams.py, `beside`)."""

_FOR_PROCESS: Final = 4
"""The pipes to a process."""

TOO_FEW: Final = (
    "this process, or the system, allows no more at once; allow more with ulimit -n 1024, or give fewer "
    "--workers and --processes"
)


def allow_many() -> None:
    """Raise the limit as far as useful and allowed.

    Raises:
        click.UsageError: the limit is too low for any command.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < _WANTED:
        wanted = _WANTED if hard == resource.RLIM_INFINITY else min(hard, _WANTED)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    check(workers=0, processes=0)


def check(*, workers: int, processes: int) -> None:
    """Raise `click.UsageError` if so many workers and processes can't have their files open."""
    needed = _LEAST + _FOR_WORKER * workers + _FOR_PROCESS * (processes if processes > 1 else 0)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit != resource.RLIM_INFINITY and limit < needed:
        fewer = ", or give fewer --workers and --processes" if workers or processes else ""
        raise click.UsageError(
            f"no more than {limit:,} files may be open at once, and this takes up to {needed:,}; allow "
            f"more with ulimit -n {max(needed, _WANTED)}{fewer}"
        )
