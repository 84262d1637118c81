"""What `config show` shows: each value with where it comes from."""

import dataclasses
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from cli import secrets
from cli.config import model
from cli.config.configuration import Configuration
from cli.config.faults import dotted
from cli.config.files import ConfigFile
from cli.config.loading import checked, configuration_of, names_of
from cli.config.options import Choice, choice_of

HIDDEN: Final = "(hidden)"

_SECRETS: Final = {"client_secret": "WOOTRIC_CLIENT_SECRET", "password": "WOOTRIC_PASSWORD"}


class Row(NamedTuple):
    """A value, and where it comes from."""

    command: str | None
    """The command that takes the value; None if all take it that have the option."""
    key: str
    value: Any
    """None if there is no value."""
    source: str
    """`default`, `file`, `environment` or `command line`."""
    place: str | None = None
    """The file and line, or the name of the variable."""

    @property
    def origin(self) -> str:
        """The place, else the source."""
        return self.place or self.source


def rows_of_all(choice: Choice, contexts: Iterable[click.Context]) -> list[Row]:
    """Return the values that commands would take, each once if all take the same, and those of the mapping.

    Args:
        choice: which files to read.
        contexts: contexts of the commands.

    Raises:
        SettingsError: a file can't be read, something is wrong in it, or no file has the profile.
    """
    contexts = list(contexts)
    files = checked(choice, contexts)
    rows = [row for each in contexts for row in rows_of(each, {}, choice.profile, files)]
    found = configuration_of(contexts[0], {}, choice.profile, files)
    return [*together(rows), *mapping_rows(found)]


def rows_of_one(choice: Choice, ctx: click.Context, arguments: Sequence[str]) -> list[Row]:
    """Return the values that a command would take with these arguments, and those about the mapping.

    Args:
        choice: which files to read, if the arguments do not say.
        ctx: a context of the command.
        arguments: the arguments.

    Raises:
        click.UsageError: the arguments name an option that the command does not have.
        SettingsError: a file can't be read, something is wrong in it, or no file has the profile.
    """
    opts, _, _ = ctx.command.make_parser(ctx).parse_args(list(arguments))
    if {"config", "profile", "no_config"} & set(opts):
        choice = choice_of(ctx, opts)
    files = checked(choice, [ctx])
    found = configuration_of(ctx, opts, choice.profile, files)
    return [
        *(each._replace(command=None) for each in rows_of(ctx, opts, choice.profile, files)),
        *mapping_rows(found),
    ]


def rows_of(
    ctx: click.Context, opts: Mapping[str, Any], profile: str | None, files: Sequence[ConfigFile]
) -> Iterator[Row]:
    """Yield the values that a command would take, and those about the mapping.

    Args:
        ctx: a context of the command.
        opts: the options of the command line, as click's parser returns them.
        profile: the name of the profile; None for none.
        files: the configuration files, the stronger first.

    Raises:
        SettingsError: no file has the profile.
    """
    found = configuration_of(ctx, opts, profile, files)
    for key, option in names_of(ctx.command).items():
        yield _row(ctx, opts, found, key, option)
    for key, command in found.secret_commands.items():
        yield Row(ctx.info_name, key, (command.words[0], "…"), "file", command.place)
    for key, variable in _SECRETS.items():
        if secrets.given(variable) and "client_id" in names_of(ctx.command):
            yield Row(ctx.info_name, key, HIDDEN, "environment", variable)


def mapping_rows(found: Configuration) -> Iterator[Row]:
    """Yield the values about the mapping."""
    for table in model.MAPPING:
        rules = getattr(found.rules, table)
        if isinstance(rules, Mapping):
            yield from _rows_by_name(table, rules, found)
            continue
        for field in dataclasses.fields(rules):
            setting = found.mapping.get((table, field.name))
            name, value = dotted((table, field.name)), getattr(rules, field.name)
            if setting is None:
                yield Row(None, name, value, "default")
            else:
                yield Row(None, name, value, "file", setting.place)


def _rows_by_name(table: str, rules: Mapping[str, Any], found: Configuration) -> Iterator[Row]:
    """Yield the values of rules that each have a name, as far as they are given."""
    if not rules:
        yield Row(None, table, rules, "default")
    for name, rule in rules.items():
        setting = found.mapping[table, name]
        for key in setting.value:
            place = setting.file.place((*setting.keys, key))
            yield Row(None, dotted((table, name, key)), getattr(rule, key), "file", place)


def together(rows: Iterable[Row]) -> list[Row]:
    """Return the rows of several commands; those of an option that all take alike are made one."""
    by_key: dict[str, list[Row]] = {}
    for each in rows:
        by_key.setdefault(each.key, []).append(each)
    shared, apart = [], []
    for same in by_key.values():
        first = same[0]._replace(command=None)
        if all(each._replace(command=None) == first for each in same):
            shared.append(first)
        else:
            apart += same
    return shared + sorted(apart, key=lambda each: str(each.command))


def _row(
    ctx: click.Context,
    opts: Mapping[str, Any],
    found: Configuration,
    key: str,
    option: click.Option,
) -> Row:
    if option.name in opts:
        return Row(ctx.info_name, key, _shown(opts[option.name]), "command line")
    from_environment = option.value_from_envvar(ctx)
    if from_environment is not None:
        return Row(ctx.info_name, key, _shown(from_environment), "environment", str(option.envvar))
    if key in found.options:
        setting = found.options[key]
        return Row(ctx.info_name, key, _shown(setting.value), "file", setting.place)
    return Row(ctx.info_name, key, _shown(option.get_default(ctx)), "default")


def _shown(value: Any) -> Any:
    """Return a value as it is shown; of an address with a login nothing is."""
    if isinstance(value, Path):
        value = os.fspath(value)
    if isinstance(value, str) and "://" in value and "@" in value:
        return HIDDEN
    if isinstance(value, list | tuple):
        return tuple(map(_shown, value))
    return value if isinstance(value, str | int | float) else None
