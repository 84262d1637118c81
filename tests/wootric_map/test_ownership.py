"""Whose file it is, by two users: root and another."""

import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wootric_map.deliver.journal_watch import Loss, State, find_loss
from wootric_map.deliver.run_lock import open_alone
from wootric_map.errors import NotOursError
from wootric_map.ownership import is_ours, place_of_ours
from wootric_map.private_file import check_untouched
from wootric_map.rejects import RejectsFile

ROOT, ADA, BOB = 0, 1001, 1002


def status(owner: int, mode: int = 0o600) -> os.stat_result:
    return os.stat_result((stat.S_IFREG | mode, 1, 1, 1, owner, owner, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("owner", "folder", "mode", "user", "ours"),
    [
        (ADA, ADA, 0o755, ADA, True),
        (ADA, ROOT, 0o1777, ADA, True),
        (BOB, ROOT, 0o1777, ADA, False),
        (ROOT, ROOT, 0o1777, ADA, False),
        (BOB, BOB, 0o755, ADA, False),
        (BOB, BOB, 0o755, ROOT, True),
        (BOB, BOB, 0o775, ROOT, False),
        (BOB, BOB, 0o1777, ROOT, False),
        (BOB, ROOT, 0o1777, ROOT, False),
        (BOB, ADA, 0o755, ROOT, False),
    ],
)
def test_a_file_is_its_owners_and_roots_where_nobody_else_can_have_put_it(
    owner: int, folder: int, mode: int, user: int, ours: bool
) -> None:
    assert is_ours(status(owner), status(folder, mode), user) is ours


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that another user gets to, too."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o1777)
        yield Path(name)


def as_another(do: Callable[[], object]) -> bool:
    """Do something as another user; gives whether that finds a file to be somebody else's."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgid(65534)
            os.setuid(65534)
            do()
            code = 0
        except NotOursError:
            code = 7
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 7)
    return code == 7


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
@pytest.mark.parametrize("do", [place_of_ours, open_alone, RejectsFile])
def test_neither_user_takes_over_what_the_other_has_put_there(
    shared: Path, do: Callable[[Path], object]
) -> None:
    mine, theirs = shared / "mine", shared / "theirs"
    mine.touch(0o666)
    mine.chmod(0o666)
    assert as_another(lambda: do(mine))
    assert not as_another(theirs.touch)
    assert not as_another(lambda: do(theirs))
    with pytest.raises(NotOursError):
        do(theirs)


def test_a_link_that_leads_to_itself_is_said_to_be_one(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(link)
    with pytest.raises(OSError, match="leads back to itself"):
        place_of_ours(link)


@pytest.mark.parametrize("taken", [Path.unlink, lambda path: os.truncate(path, 1)])
def test_a_file_that_is_changed_while_it_is_written_is_not_put_in_its_place(
    tmp_path: Path, taken: Callable[[Path], object]
) -> None:
    path = tmp_path / "partial"
    with path.open("wb", buffering=0) as file:
        file.write(b"abc")
        check_untouched(file.fileno(), path, 3)
        taken(path)
        with pytest.raises(OSError, match="another program"):
            check_untouched(file.fileno(), path, 3)


BEFORE = State(1, 2, 4096, 10)


@pytest.mark.parametrize(
    ("now", "only_ours", "is_intact"),
    [
        (BEFORE, True, None),
        (BEFORE._replace(size=8192), True, None),
        (BEFORE._replace(changed=11), False, None),
        (None, False, True),
        (BEFORE._replace(inode=3), False, True),
        (BEFORE._replace(device=3), False, True),
        (BEFORE._replace(size=0), False, False),
        (BEFORE._replace(changed=11), True, False),
    ],
)
def test_what_became_of_a_journal(
    now: State | None, only_ours: bool, is_intact: bool | None
) -> None:
    found = find_loss(BEFORE, now, only_ours=only_ours)
    assert (found and found.is_intact) is is_intact
    assert found is None or isinstance(found, Loss)
