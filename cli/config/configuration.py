"""What the configuration files say for one run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cli.config.resolve import Setting
    from cli.config.secret_command import SecretCommand
    from wootric_map.mapping.rules import MappingRules


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the configuration files say for one run of a command."""

    options: "Mapping[str, Setting]"
    """The values of options that count, by their keys, without those that are given otherwise."""
    mapping: "Mapping[tuple[str, str], Setting]"
    """The values about the mapping that count, by the names of table and key."""
    rules: "MappingRules"
    """What they make of the mapping."""
    secret_commands: "Mapping[str, SecretCommand]"
    """The commands that write secrets, by their keys."""
    files: tuple[Path, ...]
    """The files that were read."""
