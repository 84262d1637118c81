"""Each fuzz target for a few seconds; `python -m tests.fuzz` runs one for as long as you like."""

import importlib
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TARGETS = ("lines", "packed", "plans", "snapshots", "journals", "replies", "listings")


@pytest.mark.parametrize("target", TARGETS)
def test_every_seed_passes(target: str) -> None:
    module = importlib.import_module(f"tests.fuzz.{target}")
    seeds = list(module.seeds())
    assert seeds
    for seed in seeds:
        module.check(seed)


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="there is no build of atheris for this Python",
)
@pytest.mark.parametrize("seconds", [3, pytest.param(60, marks=pytest.mark.soak)])
@pytest.mark.parametrize("target", TARGETS)
def test_a_few_seconds_find_nothing(tmp_path: Path, target: str, seconds: int) -> None:
    command = (sys.executable, "-m", "tests.fuzz", target, "--seconds", str(seconds))
    done = subprocess.run(
        [*command, "--corpus", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    ran = re.search(r"Done ([0-9]+) runs", done.stderr)
    assert ran, done.stderr[-3_000:]
    assert int(ran[1]) > 10
