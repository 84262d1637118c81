"""The direction of imports: lines → records → settings → plan → deliveries → report (house.md)."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import cli
import wootric_map

LIBRARY: Final = Path(wootric_map.__file__).parent

BASE: Final = frozenset(
    {"values", "errors", "model", "ownership", "private_file", "temporary_database"}
)
"""What anything may import."""

MAY_IMPORT: Final = {
    "values": frozenset[str](),
    "errors": frozenset({"model"}),
    "model": frozenset({"values"}),
    "ownership": frozenset({"errors"}),
    "private_file": frozenset({"errors", "ownership"}),
    "temporary_database": frozenset[str](),
    "read": BASE,
    "wootric": BASE,
    "findings": BASE,
    "unidentified": BASE,
    "report": BASE | {"findings", "read", "unidentified"},
    "rejects": BASE | {"read"},
    "mapping": BASE | {"read", "wootric"},
    "plan": BASE | {"findings", "mapping", "read", "rejects", "report", "unidentified", "wootric"},
}
"""Of each early step what it may import beside itself. `deliver` and the use cases put them together."""


def imports_of(path: Path) -> Iterator[str]:
    """The modules that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)


def step_of(path: Path) -> str:
    """The folder below the library that a file is in, or its own name."""
    return path.relative_to(LIBRARY).with_suffix("").parts[0]


@pytest.mark.parametrize("step", sorted(MAY_IMPORT))
def test_a_step_knows_nothing_of_those_after_it(step: str) -> None:
    files = [each for each in LIBRARY.rglob("*.py") if step_of(each) == step]
    assert files
    for path in files:
        known = {each.split(".")[1] for each in imports_of(path) if each.startswith("wootric_map.")}
        assert known - {step} <= MAY_IMPORT[step], path


@pytest.mark.parametrize("step", ["deliver", "snapshot"])
def test_no_step_knows_a_use_case(step: str) -> None:
    use_cases = {"validate", "dry_run", "push", "map_records"}
    for path in LIBRARY.joinpath(step).rglob("*.py"):
        known = {each.split(".")[1] for each in imports_of(path) if each.startswith("wootric_map.")}
        assert not known & use_cases, path


@pytest.mark.parametrize("name", sorted(wootric_map.__all__))
def test_every_public_name_can_be_loaded(name: str) -> None:
    assert getattr(wootric_map, name) is not None


def test_the_library_draws_on_no_terminal() -> None:
    for path in LIBRARY.rglob("*.py"):
        roots = {each.split(".")[0] for each in imports_of(path)}
        assert not roots & {"cli", "click", "rich"}, path


def test_the_sandbox_stands_alone() -> None:
    """It plays Wootric from its documentation, so that it shares no mistake with the library."""
    for path in LIBRARY.joinpath("sandbox").rglob("*.py"):
        for name in imports_of(path):
            if name.startswith("wootric_map."):
                assert name.startswith("wootric_map.sandbox"), path


def test_the_command_line_starts_without_the_library() -> None:
    """A start is quick: what a command needs is loaded when it is run."""
    app = Path(cli.__file__).with_name("app.py")
    module = ast.parse(app.read_text(encoding="utf-8"))
    at_once = [
        node.module
        for node in module.body
        if isinstance(node, ast.ImportFrom) and node.module and "wootric_map" in node.module
    ]
    assert at_once == ["wootric_map.errors"]
