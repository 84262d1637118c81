"""The configuration of a run: files are read and checked, and their values handed to click."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from cli import colour, redacting, secrets, streams
from cli.config import model
from cli.config.configuration import Configuration
from cli.config.faults import Fault, Keys, keys_of, name_of, plain
from cli.config.files import ConfigFile, read, table_at
from cli.config.options import Choice, Loading, places
from cli.config.resolve import (
    Setting,
    as_given,
    check_profile,
    mapping_of,
    options_of,
    path_beside,
    places_in,
)
from cli.config.secret_command import SecretCommand
from cli.options.types import Text
from cli.render.text import printable
from cli.run_context import RunContext
from wootric_map.errors import SettingsError, SourceError
from wootric_map.mapping.rules import MappingRules
from wootric_map.read.suppression import Suppression
from wootric_map.wootric.regions import services

_SECRETS: Final = {"WOOTRIC_CLIENT_SECRET": "client_secret", "WOOTRIC_PASSWORD": "password"}
_COMMANDS: Final = ("client_secret_command", "password_command")
_CHECK: Final = "wootric-replay config check tells all"


def load(ctx: click.Context, opts: Mapping[str, Any], choice: Choice) -> None:
    """Have click take the values of the configuration files for options that are not given.

    Args:
        ctx: the context of the command, whose options are not processed yet.
        opts: the options of the command line, as click's parser returns them.
        choice: which files to read.

    Raises:
        SettingsError: a file can't be read, or something is wrong in it.
    """
    files = checked(choice, [ctx])
    configuration = configuration_of(ctx, opts, choice.profile, files)
    names = names_of(ctx.command)
    ctx.default_map = {
        names[key].name: as_given(each) for key, each in configuration.options.items()
    }
    context: RunContext = ctx.obj or RunContext(None, None)
    ctx.obj = context._replace(configuration=configuration)
    _change_output(ctx, configuration.options)


def checked(choice: Choice, contexts: Iterable[click.Context]) -> list[ConfigFile]:
    """Return the configuration files, the stronger first, if nothing is wrong in them; warn of public ones.

    Args:
        choice: which files to read.
        contexts: contexts of the commands whose options' values are checked.

    Raises:
        SettingsError: a file can't be read, or something is wrong in it.
    """
    contexts = list(contexts)
    files = [read(path, is_named=is_named) for path, is_named in places(choice)]
    faults = [told for each in files for told in faults_of(each, contexts)]
    if faults:
        more = f" (and {len(faults) - 1} more: {_CHECK})" if len(faults) > 1 else ""
        raise SettingsError(faults[0] + more)
    for warning in filter(None, (each.warning() for each in files)):
        click.echo(f"Warning: {printable(warning, None)}", err=True)
    return files


def all_contexts(root: click.Context) -> Iterator[click.Context]:
    """Yield a context of each command below the root that takes values of configuration files."""
    groups = [root]
    for group in groups:
        command = group.command
        if not isinstance(command, click.Group):
            continue
        for name in command.list_commands(group):
            found = command.get_command(group, name)
            if found is None:
                continue
            within = group is not root
            ctx = click.Context(found, group, f"{group.info_name} {name}" if within else name)
            if isinstance(found, click.Group):
                groups.append(ctx)
            elif any(isinstance(each, Loading) for each in found.params):
                yield ctx


def configuration_of(
    ctx: click.Context, opts: Mapping[str, Any], profile: str | None, files: Sequence[ConfigFile]
) -> Configuration:
    """Return what the files say for a command; arguments as in `load`, and a profile.

    Raises:
        SettingsError: no file has the profile.
    """
    if profile is not None:
        check_profile(files, profile)
    names = names_of(ctx.command)
    commands = _COMMANDS if "client_id" in names else ()
    found = options_of(
        files,
        _table_of(ctx),
        profile,
        taken={*names, *commands},
        given={*_given(ctx, names, opts)},
    )
    mapping = mapping_of(files, profile)
    return Configuration(
        options={key: each for key, each in found.items() if key in names},
        mapping=mapping,
        rules=_rules_of(mapping),
        secret_commands={key: _command(found[key]) for key in commands if key in found},
        files=tuple(each.path for each in files),
    )


def faults_of(file: ConfigFile, contexts: Iterable[click.Context]) -> Iterator[str]:
    """Yield what is wrong in a file, for a person, in the order of lines.

    Args:
        file: the file.
        contexts: contexts of the commands whose options' values are checked.
    """
    found = list(file.faults())
    if not found:
        found += dict.fromkeys(_contradictions(file))
    wrong = {each.keys for each in found}
    for each in contexts:
        ctx = click.Context(each.command)  # by itself: callbacks may note something in it
        names = names_of(each.command)
        for setting in _settings_for(file, _table_of(each)):
            option = names.get(setting.key)
            if option is None or setting.keys in wrong:
                continue
            words = _wrong_value(ctx, option, setting._replace(value=plain(setting.value)))
            if words is not None:
                wrong.add(setting.keys)
                found.append(Fault(setting.keys, words))
    yield from (file.told(each) for each in sorted(found, key=lambda each: file.line(each.keys)))


def list_faults_of(file: ConfigFile, contexts: Iterable[click.Context]) -> Iterator[str]:
    """Read the suppression lists that a file names, and yield what is wrong with them, for a person.

    Args:
        file: the file, whose values are of the right types.
        contexts: contexts of the commands that may take them.
    """
    seen: dict[Keys, Fault | None] = {}
    for each in contexts:
        for setting in _settings_for(file, _table_of(each)):
            if setting.key == "suppress" and setting.keys not in seen:
                seen[setting.keys] = _wrong_list(setting._replace(value=plain(setting.value)))
    yield from (file.told(each) for each in seen.values() if each)


def _wrong_list(setting: Setting) -> Fault | None:
    """Return what is wrong with the first suppression list of a value that has a fault; None without one."""
    try:
        Suppression.read(map(Path, as_given(setting)))
    except SourceError as error:
        return Fault(setting.keys, str(error))
    return None


def _rules_of(mapping: Mapping[tuple[str, str], Setting]) -> MappingRules:
    """Return the rules that values about the mapping make, whose types are right."""
    tables: dict[str, dict[str, Any]] = {}
    for (table, key), setting in mapping.items():
        tables.setdefault(table, {})[key] = setting.value
    return msgspec.convert(tables, MappingRules)


def _contradictions(file: ConfigFile) -> Iterator[Fault]:
    """Yield where the rules of a file contradict each other, by themselves and with each profile."""
    for profile in (None, *file.data.get("profile", ())):
        mapping = mapping_of([file], profile)
        for (table, key, *within), words in _rules_of(mapping).contradictions():
            yield Fault((*mapping[table, key].keys, *within), words)


def names_of(command: click.Command) -> dict[str, click.Option]:
    """Return the options of a command that may stand in a file, by their keys."""
    known = keys_of(model.Layer).keys() - set(
        model.MAPPING
    )  # a table may have the name of an option
    found = {key_of(each): each for each in command.params if isinstance(each, click.Option)}
    return {key: each for key, each in found.items() if key in known}


def key_of(option: click.Option) -> str:
    """Return the key of an option: its long name."""
    long = next((each for each in option.opts if each.startswith("--")), option.opts[0])
    return long.removeprefix("--").replace("-", "_")


def _given(
    ctx: click.Context, names: Mapping[str, click.Option], opts: Mapping[str, Any]
) -> Iterator[str]:
    """Yield the keys that the command line or the environment gives."""
    for key, option in names.items():
        if option.name in opts and key not in model.ADD_UP:
            yield from (key, name_of(key, opts[option.name]))
        elif option.value_from_envvar(ctx) is not None:
            yield key
    yield from (key for name, key in _SECRETS.items() if secrets.given(name))
    if os.environ.get("NO_COLOR") or os.environ.get("FORCE_COLOR"):
        yield "color"


def _table_of(ctx: click.Context) -> str | None:
    """Return the name of the table of a command; None for a command of a group within."""
    is_within = ctx.parent is not None and ctx.parent.parent is not None
    return None if is_within else ctx.info_name


def _settings_for(file: ConfigFile, command: str | None) -> Iterator[Setting]:
    """Yield all values of a file that some run of a command may take, as `tomllib` reads them."""
    for profile in (None, *file.data.get("profile", ())):
        for keys in places_in(file.data, command, profile):
            if profile is None or keys[:1] == ("profile",):
                for key, value in table_at(file.data, keys).items():
                    if isinstance(value, dict):
                        continue  # a table, which may have the name of an option
                    yield Setting(file, (*keys, key), value)


def _wrong_value(ctx: click.Context, option: click.Option, setting: Setting) -> str | None:
    """Return what is wrong with the value of an option; None if nothing is."""
    try:
        value = option.process_value(ctx, as_given(setting))
        if isinstance(option.type, Text) and setting.key in ("account_token", "base_url"):
            services(**{"account_token": None, setting.key: value})
        if setting.key == "surveys_disabled":
            MappingRules(surveys_disabled=value).check()
    except click.UsageError as error:
        return error.message
    except SettingsError as error:
        return str(error).removeprefix(f"{setting.key}: ")
    return None


def _command(setting: Setting) -> SecretCommand:
    first, *others = setting.value
    # Absolute, so that what is named beside the file is not looked for in PATH.
    name = str(Path(path_beside(setting.file, first)).absolute()) if os.sep in first else first
    return SecretCommand((name, *others), Path(setting.file.path).parent, setting.place)


def _change_output(ctx: click.Context, found: Mapping[str, Setting]) -> None:
    """Have output be coloured, or redacted, as a file says; the command line was heeded before."""
    if "color" in found:
        ctx.color = {colour.ALWAYS: True, colour.NEVER: False}.get(found["color"].value)
    if "redact" in found and found["redact"].value:
        key = secrets.given(redacting.KEY)
        redaction = redacting.redaction_for([redacting.OPTION], key, os.urandom(32))
        streams.change_streams(redaction)
        ctx.obj = ctx.obj._replace(redaction=redaction)
