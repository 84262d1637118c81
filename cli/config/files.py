"""Configuration files: where they stand, and what is in them.

Anybody may have put a file into a shared folder. So a file that is found, and not named, is read only if it
is its user's or root's own; and what decides where data goes is taken only from a file that nobody else can
write to.
"""

import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import FileIO
from itertools import chain
from pathlib import Path
from typing import Any, Final

from cli.config import model
from cli.config.faults import Fault, Keys, dotted, faults_in, marked
from cli.config.lines import lines_of_keys
from wootric_map.errors import NotOursError, SettingsError
from wootric_map.ownership import check_links, is_ours, nobody_else_writes

_LONGEST: Final = 1024 * 1024
_OTHERS_READ: Final = stat.S_IRGRP | stat.S_IROTH
_PLACE: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_ENDLESS: Final = re.compile(
    r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){200}"""
)
"""A key of so many parts, which tomllib reads in a time that grows with their square."""

_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A configuration file that was read."""

    path: Path
    """Its path, as the user gave it or it was looked for."""
    text: str
    """Its contents."""
    data: Mapping[str, Any]
    """Its contents, as `tomllib` reads them."""
    is_trusted: bool = True
    """Whether nobody but its user, or root, can write to it."""
    is_public: bool = False
    """Whether other users can read it."""

    def line(self, keys: Keys) -> int:
        """Return the line of a key, else that of the table that it stands in; 0 if neither is there."""
        lines = lines_of_keys(self.text)
        known = (keys[:length] for length in range(len(keys), 0, -1))
        return next((lines[each] for each in known if each in lines), 0)

    def place(self, keys: Keys) -> str:
        """Return the file and the line of a key, as editors take it."""
        line = self.line(keys)
        return f"{self.path}:{line}" if line else str(self.path)

    def told(self, fault: Fault) -> str:
        """Return a fault with its place, for a person."""
        return f"{self.place(fault.keys)}: {dotted(fault.keys)}: {fault.words}"

    def faults(self) -> Iterator[Fault]:
        """Yield what is wrong with keys, types and trust; not with the values of options."""
        yield from faults_in(self.data)
        if not self.is_trusted:
            words = (
                "it is taken only from a file of your own, or root's, that nobody else can write to: "
                f"chmod go-w {self.path}, if it is yours and says what you want"
            )
            trusted = chain(marked(self.data, model.Trusted), _secrets_let_out(self.data))
            yield from (Fault(keys, words) for keys in trusted)

    def warning(self) -> str | None:
        """Return a warning if the file names an account, and others can read it."""
        named = next(marked(self.data, model.NamesAccount), None) if self.is_public else None
        if named is None:
            return None
        return (
            f"{self.place(named)}: others can read this file, and it names an account: "
            f"chmod 600 {self.path}"
        )


def table_at(data: Mapping[str, Any], keys: Keys) -> Mapping[str, Any]:
    """Return the table at some keys; an empty one if there is none."""
    found: Any = data
    for key in keys:
        found = found.get(key, {}) if isinstance(found, dict) else {}
    return found if isinstance(found, dict) else {}


def _secrets_let_out(data: Mapping[str, Any]) -> Iterator[Keys]:
    """Yield the keys that send traits though their names are those of secrets, at the top and in profiles."""
    profiles = data.get("profile")
    names = profiles if isinstance(profiles, dict) else {}
    for keys in ((), *(("profile", name) for name in names)):
        place = (*keys, "traits")
        if table_at(data, place).get("include"):
            yield (*place, "include")


def read(path: Path, *, is_named: bool) -> ConfigFile:
    """Read a configuration file.

    Args:
        path: its path.
        is_named: whether the user named it; else it was found where anybody may have put it.

    Raises:
        SettingsError: it can't be read, is no plain file or no TOML, is too large, or is somebody else's.
    """
    try:
        check_links(path)
        place = path.resolve()
        # Looked at first: to open a device, or a pipe, may do something already.
        _check_plain(path, place.lstat())
        with FileIO(os.open(place, _FLAGS)) as file:
            status = os.fstat(file.fileno())
            _check_plain(path, status)
            if not is_named:
                _check_owner(path, place, status)
            content = _read(file)
        is_trusted = nobody_else_writes(place, status)
    except SettingsError:
        raise
    except NotOursError as error:
        raise SettingsError(f"the configuration can't be read: {error}") from error
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the path leads nowhere"
        raise SettingsError(f"the configuration {path} can't be read: {reason}") from error
    if len(content) > _LONGEST:
        raise SettingsError(f"{path} is longer than 1 MiB: that is no configuration")
    text, data = _parsed(path, content)
    return ConfigFile(path, text, data, is_trusted, bool(status.st_mode & _OTHERS_READ))


def _read(file: FileIO) -> bytes:
    """Return what is in a file; of one that is too large a little more than may be."""
    pieces, left = [], _LONGEST + 1
    while left and (piece := file.read(left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _check_plain(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise SettingsError(f"{path} is no plain file, which a configuration has to be")


def _check_owner(path: Path, place: Path, status: os.stat_result) -> None:
    if status.st_uid and not is_ours(status, place.parent.stat(), os.geteuid()):
        raise SettingsError(
            f"{path} belongs to another user (uid {status.st_uid}), who would decide what this run does: "
            f"read it, and then name it with --config {path}, or leave it out with --no-config"
        )


def _parsed(path: Path, content: bytes) -> tuple[str, dict[str, Any]]:
    """Return a file's text, with `\\n` at the end of each line, and its data."""
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is no UTF-8 text; save it as UTF-8") from error
    endless = _ENDLESS.search(text)
    if endless:
        line = text.count("\n", 0, endless.start()) + 1
        raise SettingsError(f"{path}:{line}: no key has 200 parts with dots between them")
    try:
        return text, tomllib.loads(text)
    except RecursionError as error:
        raise SettingsError(f"{path} is nested too deep") from error
    except ValueError as error:  # as also of a number of very many digits
        found = _PLACE.search(str(error))
        where = found[1] if found and found[1] else text.count("\n") + 1
        words = _PLACE.sub("", str(error))
        raise SettingsError(f"{path}:{where}: this is no TOML: {words}") from error
