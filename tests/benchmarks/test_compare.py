"""The benchmarks work; what they measure is looked at by people."""

import argparse
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from compare import ROWS, Bench
from generate import records

COMPARE = Path(__file__).with_name("compare.py")


@pytest.mark.parametrize("rows", [("validate", "push"), pytest.param(ROWS, marks=pytest.mark.soak)])
def test_a_small_run_measures_every_row(rows: tuple[str, ...]) -> None:
    size = ("--records", "400", "--users", "40", "--rounds", "1", "--push-users", "40")
    chosen = (*size, "--rows", ",".join(rows))
    done = subprocess.run(
        [sys.executable, COMPARE, *chosen], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    table = [line.split("|")[1:-1] for line in done.stdout.splitlines() if line.startswith("|")]
    assert len(table) == 2 + len(rows)
    for _, _, _, ratio, _, _, met, memory in table[2:]:
        assert float(ratio) > 0
        assert met.strip().startswith(("yes", "no"))
        assert float(memory.split()[0]) > 1


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, argparse.Namespace(seed=1, rounds=1))


@pytest.mark.parametrize("script", ["raise SystemExit(1)", "print('9 records')"])
def test_a_run_that_fails_or_prints_something_else_ends_the_measuring(
    bench: Bench, script: str
) -> None:
    with pytest.raises(SystemExit, match="exit code"):
        bench.inspect([sys.executable, "-c", script], lambda output: output.read() == b"10 records")


def test_a_timed_run_that_fails_ends_the_measuring(bench: Bench) -> None:
    with pytest.raises(SystemExit, match="exit code 1"):
        bench.seconds([sys.executable, "-c", "raise SystemExit(1)"], 1)


def test_an_export_is_the_same_for_the_same_seed_and_has_all_its_users() -> None:
    made = list(records(2000, 200, 1))
    assert made == list(records(2000, 200, 1))
    assert made != list(records(2000, 200, 2))
    identified = {record["userId"] for record in made if record["type"] == "identify"}
    assert len(identified) == 200
    assert {"track", "page", "screen", "group", "alias"} < {record["type"] for record in made}
    assert max(Counter(record["messageId"] for record in made).values()) > 1
    assert any("userId" not in record for record in made)
