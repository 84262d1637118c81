"""Checks that a file which a run writes is its user's own: in a shared folder anybody may have put it there.

The owner of a file can read it whatever its mode, and may have written false things into it. So a file
or link of somebody else is refused, and so is anything but a plain file.
"""

import errno
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from wootric_map.errors import NotOursError

_ROOT: Final = 0
_MOST_LINKS: Final = 40
_WORLD_WRITABLE: Final = stat.S_IWOTH
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_OPEN_FILE: Final = re.compile(r"(?:/dev|/proc/\d+(?:/task/\d+)?)/fd/\d+")


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

    Folders, devices such as `/dev/null`, and open pipes such as `/dev/stdout` are not refused.

    Args:
        path: the path, at which there need be no file.

    Raises:
        NotOursError: the file, or a link that leads to it, is somebody else's.
        OSError: the file can't be looked at.
    """
    is_open = names_open_file(path, check=_check_link)
    try:
        place = path.resolve()
    except RuntimeError as error:
        raise OSError(errno.ELOOP, f"{path} is a link that leads back to itself") from error
    status = _status(place)
    if status and not _is_exempt(status.st_mode, is_open=is_open):
        check_is_ours(place, status)
    return place


def names_open_file(
    path: Path, *, check: Callable[[Path, os.stat_result], object] | None = None
) -> bool:
    """Return whether a path leads to a file that a process has open, such as `/dev/stdout` or `/dev/fd/3`.

    Args:
        path: the path, at which there need be no file.
        check: is called with each link on the way, and its status.

    Raises:
        OSError: the path can't be looked at.
    """
    for _ in range(_MOST_LINKS):
        # Only the last part is a link that has to be looked at: `/proc/self` leads to the process.
        if _OPEN_FILE.fullmatch(os.path.realpath(path.parent) + "/" + path.name):
            return True
        status = _status(path)
        if status is None or not stat.S_ISLNK(status.st_mode):
            return False
        if check:
            check(path, status)
        path = path.parent / path.readlink()
    return False


def nobody_else_writes(path: Path, status: os.stat_result) -> bool:
    """Return whether a file is its user's own, or root's, and only they can change what it says.

    Args:
        path: the place of the file.
        status: the status of the open file.

    Raises:
        OSError: the folder can't be looked at.
    """
    folder = path.parent.stat()
    is_own = status.st_uid == _ROOT or is_ours(status, folder, os.geteuid())
    return is_own and not status.st_mode & _OTHERS_WRITE and not may_be_planted(status, folder)


def check_links(path: Path) -> None:
    """Make sure that no link by which a path leads to its file is somebody else's.

    Raises:
        NotOursError: a link is.
        OSError: the path can't be looked at.
    """
    names_open_file(path, check=_check_link)


def open_special(path: Path) -> int:
    """Open a device or a pipe, which may be open already, to write to it.

    A pipe that nobody reads is not waited for.

    Args:
        path: its place.

    Returns:
        A descriptor, which blocks.

    Raises:
        NotOursError: it is somebody else's, and neither a device nor open already.
        OSError: it can't be opened; with ENXIO, nobody reads it.
    """
    place = place_of_ours(path)
    is_open = names_open_file(path)
    flags = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags) if is_open else os.open(place, flags | os.O_NOFOLLOW)
    try:
        status = os.fstat(descriptor)
        if not _is_exempt(status.st_mode, is_open=is_open):
            check_is_ours(place, status)
        os.set_blocking(descriptor, True)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


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


def _is_exempt(mode: int, *, is_open: bool) -> bool:
    """Return whether what has a mode may be somebody else's; an open plain file is replaced by its name."""
    is_folder_or_device = stat.S_ISDIR(mode) or stat.S_ISCHR(mode)
    return is_folder_or_device or (is_open and not stat.S_ISREG(mode))


def _check_link(path: Path, status: os.stat_result) -> None:
    # Root's are the system's own.
    if status.st_uid != _ROOT and not is_ours(status, path.parent.stat(), os.geteuid()):
        raise NotOursError(
            f"{path} is a link that belongs to another user (uid {status.st_uid}), who decides where it "
            "leads; name another file"
        )


def _check_plain(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise IsADirectoryError(f"{path} is no plain file; name another, or move it away")


def _status(path: Path) -> os.stat_result | None:
    """Return the status of a file, or of a link itself; None if there is nothing."""
    try:
        return path.lstat()
    except FileNotFoundError:
        return None
