"""The lock of a run, whose file may be deleted while others wait for it."""

import fcntl
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from wootric_map.deliver.run_lock import RunLock, open_alone
from wootric_map.errors import LockedError


def taken(path: Path) -> RunLock:
    return RunLock.take(
        path, timeout=0, wait=lambda _: True, clock=lambda: 0.0, monotonic=lambda: 0.0
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


def test_a_lock_that_is_removed_leaves_no_file(path: Path) -> None:
    with taken(path) as lock:
        lock.remove()
    assert not path.exists()
    with taken(path):
        assert path.exists()
    assert path.exists()


@pytest.mark.parametrize("is_taken_anew", [True, False])
def test_who_has_opened_the_file_of_a_removed_lock_has_no_lock(
    path: Path, monkeypatch: pytest.MonkeyPatch, is_taken_anew: bool
) -> None:
    """Between the opening of the file and its locking, the run before ends, and another one begins."""
    before = taken(path)
    flock = fcntl.flock
    with ExitStack() as stack:

        def late(file: Any, how: int) -> None:
            monkeypatch.setattr(fcntl, "flock", flock)
            before.remove()
            before.__exit__()
            if is_taken_anew:
                stack.enter_context(taken(path))
            flock(file, how)

        monkeypatch.setattr(fcntl, "flock", late)
        if is_taken_anew:
            with pytest.raises(LockedError):
                open_alone(path)
        else:
            with open_alone(path), pytest.raises(LockedError):
                open_alone(path)


def test_a_file_that_took_the_place_of_ones_own_is_not_removed(path: Path) -> None:
    with taken(path) as lock:
        path.unlink()  # by hand
        with taken(path):
            lock.remove()
            assert path.exists()
