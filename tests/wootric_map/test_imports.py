"""The direction of imports: lines → records → settings → plan → deliveries → report (house.md)."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

import cli
import wootric_map

LIBRARY: Final = Path(wootric_map.__file__).parent

BASE: Final = frozenset(
    {
        "values", "errors", "model", "ownership", "private_file", "survey_calls",
        "temporary_database",
    }
)  # fmt: skip
"""What anything may import."""

MAY_IMPORT: Final = {
    "values": frozenset[str](),
    "errors": frozenset({"model"}),
    "model": frozenset({"survey_calls", "values"}),
    "survey_calls": frozenset[str](),
    "ownership": frozenset({"errors"}),
    "private_file": frozenset({"errors", "ownership"}),
    "temporary_database": frozenset[str](),
    "read": BASE,
    "wootric": BASE,
    "findings": BASE,
    "unidentified": BASE,
    "report": BASE | {"findings", "read", "unidentified"},
    "rejects": BASE | {"read"},
    "codes": frozenset[str](),
    "checks": BASE | {"codes", "findings", "report", "run_files"},
    "mapping": BASE | {"read", "wootric"},
    "plan": BASE | {"findings", "mapping", "read", "rejects", "report", "unidentified", "wootric"},
}
"""Of each early step what it may import beside itself. `deliver` and the use cases put them together."""


USE_CASES: Final = frozenset(
    {
        "validate",
        "map_records",
        "dry_run",
        "push",
        "snapshot.snapshot",
        "write_csv",
        "inspection.inspect_export",
    }
)
"""They put the steps together, and know nothing of each other."""

BUILT_ON: Final = {"dry_run": {"write_csv"}}
"""The use cases that are made of another one: a CSV holds whom a dry run finds."""

SHARED_BY_USE_CASES: Final = {
    "stopping": frozenset({"errors"}),
    "export": BASE | {"mapping", "read", "rejects"},
    "account": BASE | {"embedded_sandbox", "run_files", "wootric"},
    "comparison": BASE | {"read", "snapshot", "wootric"},
    "embedded_sandbox": BASE | {"sandbox", "wootric"},
    "run_files": BASE | {"deliver", "read", "rejects"},
    "replay_settings": BASE | {"account", "comparison", "export", "plan"},
    "unidentified_file": BASE | {"plan", "read", "rejects", "report", "unidentified"},
    "diff": BASE | {"deliver", "mapping", "plan", "read", "rejects", "report"},
    "csv_rows": BASE | {"deliver", "diff"},
    "csv_files": BASE,
}
"""What use cases have in common, and what it may import."""


@cache
def imports_of(path: Path) -> frozenset[str]:
    """The modules that a file imports, also inside functions."""
    return frozenset(_imports_of(path))


def _imports_of(path: Path) -> Iterator[str]:
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


def modules_known_to(path: Path) -> set[str]:
    """The library's modules that a file imports, by their names below `wootric_map`."""
    below = "wootric_map."
    found = {each.removeprefix(below) for each in imports_of(path) if each.startswith(below)}
    places = {each: LIBRARY.joinpath(*each.split(".")) for each in found}
    return {each for each, at in places.items() if at.is_dir() or at.with_suffix(".py").is_file()}


def name_of(path: Path) -> str:
    """A module's name below `wootric_map`."""
    return ".".join(path.relative_to(LIBRARY).with_suffix("").parts)


@pytest.mark.parametrize("case", sorted(USE_CASES))
def test_nothing_in_the_library_knows_a_use_case_but_what_puts_names_together(case: str) -> None:
    assert LIBRARY.joinpath(*case.split(".")).with_suffix(".py").is_file()
    for path in LIBRARY.rglob("*.py"):
        if name_of(path) not in {case, "__init__", *BUILT_ON.get(case, ())}:
            assert case not in modules_known_to(path), path


def test_what_use_cases_share_knows_nothing_of_those_after_it() -> None:
    for name, known in SHARED_BY_USE_CASES.items():
        path = LIBRARY / f"{name}.py"
        found = {each.split(".")[0] for each in modules_known_to(path) if each}
        assert found - {name} <= known, path


def test_a_command_only_builds_settings_calls_and_shows() -> None:
    """What opens, locks, plans and sends is the library's."""
    inner = {"plan", "read", "mapping", "wootric"}
    for path in Path(cli.__file__).parent.joinpath("commands").glob("*.py"):
        if path.stem in {"inspect", "validate", "map", "dry_run", "export", "push", "snapshot"}:
            assert not {each.split(".")[0] for each in modules_known_to(path)} & inner, path
            assert len(path.read_text(encoding="utf-8").splitlines()) <= 150, path


@pytest.mark.parametrize("command", ["inspect", "validate", "map", "dry_run", "export"])
def test_a_command_loads_nothing_that_only_others_need(command: str) -> None:
    slow = {"requests", "tenacity", "rich", "platformdirs", "starlette"}
    if command not in {"inspect", "dry_run", "export"}:  # whose plan is kept in a database
        slow.add("sqlite3")
    program = f"import sys, cli.commands.{command}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not slow & set(done.stdout.split())


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
