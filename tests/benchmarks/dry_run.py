"""Measure a dry run: records a second and peak memory, on an export of a chosen size.

Example: python tests/benchmarks/dry_run.py --records 1000000 --users 50000
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

import orjson

COMMAND = Path(sys.executable).with_name("wootric-replay")
GENERATE = Path(__file__).with_name("generate.py")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--records", type=int, default=100_000)
    options.add_argument("--users", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument(
        "arguments", nargs="*", help="more arguments for dry-run, after --; such as --no-fold"
    )
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        export = Path(folder) / "export.ndjson"
        with export.open("wb") as file:
            size = ("--records", chosen.records, "--users", chosen.users, "--seed", chosen.seed)
            subprocess.run([sys.executable, GENERATE, *map(str, size)], stdout=file, check=True)
        with tempfile.TemporaryFile() as output:
            seconds, memory = measure([*chosen.arguments, str(export)], output)
            summary = last_line(output)["summary"]
        megabytes = export.stat().st_size / 1e6
    assert summary["records"] == chosen.records, "not every record was read"
    print(  # noqa: T201
        f"{chosen.records:,} records of {chosen.users:,} users, {megabytes:,.0f} MB: "
        f"{seconds:,.1f} s, {chosen.records / seconds:,.0f} records/s, peak memory {memory:,.0f} MB; "
        f"{summary['create']:,} to create, {summary['api_calls']:,} API calls"
    )


def measure(arguments: list[str], output: IO[bytes]) -> tuple[float, float]:
    """Run a dry run; gives its seconds, and its peak memory in MB."""
    begun = time.monotonic()
    process = subprocess.Popen([COMMAND, "dry-run", "--format", "json", *arguments], stdout=output)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"dry-run ended with {process.returncode}")
    # Linux counts kilobytes, macOS bytes.
    return seconds, usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def last_line(file: IO[bytes]) -> dict[str, dict[str, int]]:
    """The last line of a dry run's output: its summary."""
    file.seek(max(file.seek(0, os.SEEK_END) - 65536, 0))
    line: dict[str, dict[str, int]] = orjson.loads(file.read().splitlines()[-1])
    return line


if __name__ == "__main__":
    main()
