"""Which value of the configuration files counts.

From strong to weak: the file in the working folder, or that `--config` names; then the one in the home
folder. Within a file: the profile's table of the command, the profile, the command's table, the top. A value
replaces that of a weaker place as a whole, also a list or a table of renames.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, Final, NamedTuple

from cli.config import model
from cli.config.faults import Keys, is_given, keys_of, marks_of, name_of, plain
from cli.config.files import ConfigFile, table_at
from wootric_map.errors import SettingsError
from wootric_map.read.files import is_remote

_REPLACED_BY: Final = {
    "client_secret": frozenset({"client_secret_file", "client_secret_command"}),
    "password": frozenset({"password_file", "password_command"}),
}
"""What a secret in the environment stands in place of."""


class Setting(NamedTuple):
    """A value of a configuration file that counts."""

    file: ConfigFile
    keys: Keys
    """Where the value stands in the file."""
    value: Any
    """The value as the file has it, but for dates, which are texts."""

    @property
    def place(self) -> str:
        """The file and line."""
        return self.file.place(self.keys)

    @property
    def key(self) -> str:
        """The key by itself."""
        return self.keys[-1]


def check_profile(files: Sequence[ConfigFile], profile: str) -> None:
    """Make sure that a file has a profile.

    Raises:
        SettingsError: no file has it.
    """
    names = [name for each in files for name in each.data.get("profile", ())]
    if profile in names:
        return
    if not files:
        raise SettingsError(f"there is no configuration file to take the profile {profile} from")
    close = difflib.get_close_matches(profile, names, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(names) or 'none'}"
    where = " or ".join(str(each.path) for each in files)
    raise SettingsError(f"no [profile.{profile}] in {where}; {hint}")


def options_of(
    files: Iterable[ConfigFile],
    command: str | None,
    profile: str | None,
    *,
    taken: Set[str],
    given: Set[str],
) -> dict[str, Setting]:
    """Return the values for a command's options that count, by their keys.

    Args:
        files: the files, the stronger first.
        command: the name of the command's table; None if it has none.
        profile: the name of the profile; None for none.
        taken: the keys that the command takes.
        given: the keys of the options that the command line or the environment gives, which go before the
            files, with `client_secret` and `password` for secrets in the environment. What they exclude is
            left out, too.
    """
    found: dict[str, Setting] = {}
    for file in files:
        for keys in places_in(file.data, command, profile):
            table = table_at(file.data, keys)
            for key, value in table.items():
                if key not in taken or key in given or isinstance(value, dict):
                    continue
                if key in found:
                    found[key] = _added_up(found[key], file, value)
                    continue
                if not _is_replaced(key, value, given, found):
                    found[key] = Setting(file, (*keys, key), plain(value))
    return found


def mapping_of(files: Iterable[ConfigFile], profile: str | None) -> dict[tuple[str, str], Setting]:
    """Return the values about the mapping that count, by the names of table and key."""
    found: dict[tuple[str, str], Setting] = {}
    for file in files:
        for keys in places_in(file.data, None, profile):
            for name in model.MAPPING:
                place = (*keys, name)
                for key, value in table_at(file.data, place).items():
                    found.setdefault((name, key), Setting(file, (*place, key), plain(value)))
    return found


def as_given(setting: Setting) -> Any:
    """Return a value as the command line gives it: texts for numbers, and paths from the file's folder."""
    value = setting.value
    if isinstance(value, bool):
        return value
    marks = marks_of(keys_of(model.Layer).get(setting.key))
    file = next((each for each in marks if isinstance(each, model.File)), None)

    def given(each: Any) -> str:
        if file is None or each in file.words or is_remote(each):
            return str(each)
        return path_beside(setting.file, each)

    return tuple(map(given, value)) if isinstance(value, tuple) else given(value)


def path_beside(file: ConfigFile, path: str) -> str:
    """Return a path that a file names, from the file's folder on; `~/` is the home folder.

    Raises:
        SettingsError: there is no home folder.
    """
    try:
        return str(file.path.parent / Path(path).expanduser()) if path else path
    except RuntimeError as error:
        raise SettingsError(f"{file.path}: {path}: there is no home folder: set HOME") from error


def places_in(data: Mapping[str, Any], command: str | None, profile: str | None) -> Iterator[Keys]:
    """Yield where the values of a command stand in a file, from strong to weak."""
    layers: list[Keys] = [()]
    if profile is not None and profile in data.get("profile", ()):
        layers.insert(0, ("profile", profile))
    for keys in layers:
        if command is not None:
            yield (*keys, command)
        yield keys


def _added_up(stronger: Setting, file: ConfigFile, value: Any) -> Setting:
    """Return a setting of a stronger place, with the lists of people that a weaker one names, too.

    Another list lets nobody pass who said no. An empty one takes the weaker away.
    """
    if stronger.key != "suppress" or not stronger.value:
        return stronger
    further = (str(Path(path_beside(file, each)).absolute()) for each in plain(value))
    return stronger._replace(value=(*stronger.value, *further))


def _is_replaced(key: str, value: Any, given: Set[str], found: Mapping[str, Setting]) -> bool:
    """Return whether a stronger place gives what excludes a key with its value."""
    if any(each in given and key in _REPLACED_BY[each] for each in _REPLACED_BY):
        return True
    stronger = {
        name_of(each, setting.value) for each, setting in found.items() if is_given(setting.value)
    }
    name = name_of(key, value)
    for some, others in model.RIVALS:
        rivals = others if name in some else some if name in others else frozenset[str]()
        if rivals & (stronger | given):
            return True
    return False
