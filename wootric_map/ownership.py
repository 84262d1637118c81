"""Checks that a file which a run writes is its user's own: in a shared folder anybody may have put it there.

The owner of a file can read it whatever its mode, and may have written false things into it. So a file
or link of somebody else is refused, and so is anything but a plain file.
"""

import errno
import os
import stat
from pathlib import Path
from typing import Final

from wootric_map.errors import NotOursError

_ROOT: Final = 0
_MOST_LINKS: Final = 40
_WORLD_WRITABLE: Final = stat.S_IWOTH
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_OF_THE_SYSTEM: Final = (Path("/dev"), Path("/proc"))


def is_ours(status: os.stat_result, folder: os.stat_result, user: int) -> bool:
    """Return whether a file counts as a user's own.

    For root, also the files of a folder's owner count if only the owner can write to the folder, as with
    `sudo` in a user's home.

    Args:
        status: the status of the file, or of a link itself.
        folder: the status of the folder that holds it.
        user: the id of the user.
    """
    if status.st_uid == user:
        return True
    is_alone = not folder.st_mode & _OTHERS_WRITE
    return user == _ROOT and is_alone and status.st_uid == folder.st_uid


def may_be_planted(status: os.stat_result, folder: os.stat_result) -> bool:
    """Return whether somebody else may have given a user's file a second name in a folder."""
    return status.st_nlink > 1 and bool(folder.st_mode & _WORLD_WRITABLE)


def check_is_ours(path: Path, status: os.stat_result) -> None:
    """Make sure that a file is the user's own.

    Args:
        path: the place of the file.
        status: the status of the file, best of the open file, which nobody can exchange.

    Raises:
        NotOursError: the file is somebody else's.
        OSError: the folder can't be looked at.
    """
    folder = path.parent.stat()
    if not is_ours(status, folder, os.geteuid()):
        raise NotOursError(
            f"{path} belongs to another user (uid {status.st_uid}), who could read what is written to it; "
            "name another file, in a folder of your own if you can"
        )
    if may_be_planted(status, folder):
        raise NotOursError(
            f"{path} has a second name, and anybody can have given it one in this folder; name another file"
        )


def place_of_ours(path: Path) -> Path:
    """Return the place of a file that is to be written, links followed; nothing is opened or changed.

    Folders and the system's devices are not refused.

    Args:
        path: the path, at which there need be no file.

    Raises:
        NotOursError: the file, or a link that leads to it, is somebody else's.
        OSError: the file can't be looked at.
    """
    _check_links(path)
    try:
        place = path.resolve()
    except RuntimeError as error:
        raise OSError(errno.ELOOP, f"{path} is a link that leads back to itself") from error
    status = None if _is_of_the_system(path) or _is_of_the_system(place) else _status(place)
    if status and not stat.S_ISDIR(status.st_mode):
        check_is_ours(place, status)
    return place


def open_ours(path: Path, flags: int) -> int:
    """Open a plain file of one's own without following a link; a new one only its owner may read.

    Args:
        path: its place.
        flags: as `os.open` takes them; with O_CREAT it is made if there is none.

    Returns:
        A descriptor.

    Raises:
        NotOursError: it is somebody else's.
        IsADirectoryError: it is no plain file.
        OSError: it can't be opened.
    """
    flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    status = _status(path)
    try:
        if status:
            # Looked at first: to open a device, or a pipe, may do something already.
            _check_plain(path, status)
            check_is_ours(path, status)
            descriptor = os.open(path, flags & ~os.O_CREAT)
        else:
            exclusive = os.O_EXCL if flags & os.O_CREAT else 0
            descriptor = os.open(path, flags | exclusive, 0o600)
    except (FileNotFoundError, FileExistsError) as error:
        came = isinstance(error, FileExistsError)
        if not flags & os.O_CREAT or came == bool(status):
            raise
        return open_ours(path, flags)  # it came or went between the look and the opening
    try:
        status = os.fstat(descriptor)
        _check_plain(path, status)
        check_is_ours(path, status)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_links(path: Path) -> None:
    for _ in range(_MOST_LINKS):
        status = None if _is_of_the_system(path) else _status(path)
        if status is None or not stat.S_ISLNK(status.st_mode):
            return
        # Root's are the system's own.
        if status.st_uid != _ROOT and not is_ours(status, path.parent.stat(), os.geteuid()):
            raise NotOursError(
                f"{path} is a link that belongs to another user (uid {status.st_uid}), who decides where it "
                "leads; name another file"
            )
        path = path.parent / path.readlink()


def _is_of_the_system(path: Path) -> bool:
    return any(each in path.parents for each in _OF_THE_SYSTEM)


def _check_plain(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise IsADirectoryError(f"{path} is no plain file; name another, or move it away")


def _status(path: Path) -> os.stat_result | None:
    """Return the status of a file, or of a link itself; None if there is nothing."""
    try:
        return path.lstat()
    except FileNotFoundError:
        return None
