"""Measure every command beside a yardstick, and print a Markdown table of how they compare.

For most the yardstick is a bare loop of the JSON parser over the same export. Both take turns, so that what
else the machine does meets both.

Example: python tests/benchmarks/compare.py --rows validate,dry-run --rounds 3
"""

import argparse
import gzip
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from http import HTTPStatus
from importlib import metadata
from pathlib import Path
from typing import IO, Any, Final

import orjson
from capacity import requests_a_second
from footprint import MEASURE, peak_memory

COMMAND: Final = str(Path(sys.executable).with_name("wootric-replay"))
GENERATE: Final = str(Path(__file__).with_name("generate.py"))
BARE_LOOP: Final = """
import sys, orjson
with open(sys.argv[1], "rb") as file:
    for line in file:
        orjson.loads(line)
"""
PACKED: Final = 32
"""Into how many gzip files an export is cut."""
STARTS: Final = 20
"""How often a command is started for one figure: a single start is too short to time."""
LATENCY: Final = 0.05
WORKERS: Final = 32
MEGABYTES: Final = 250
"""The peak memory that each row may take."""
MANY_MEGABYTES: Final = 400
"""The same where there are very many end users."""

Check = Callable[[IO[bytes]], bool]
"""Whether what a command printed is whole and right."""


@dataclass(frozen=True, slots=True)
class Row:
    """A command, and what it is measured beside."""

    name: str
    command: Sequence[str]
    yardstick: Sequence[str]
    at_most: float
    """The goal: how many times the yardstick's seconds it may take."""
    check: Check
    times: int = 1
    """How often each is run for one figure."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What came out for one row."""

    name: str
    yardstick: str
    result: str
    ratios: Sequence[float]
    """One a round; empty where memory alone is measured."""
    goal: str
    met: bool
    memory: float
    """The peak of all its processes together, in MB."""
    memory_goal: float = MEGABYTES


class Bench:
    """A folder to measure in, with the exports made so far."""

    def __init__(self, folder: Path, chosen: argparse.Namespace) -> None:
        self.folder = folder
        self.chosen = chosen
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("WOOTRIC_")
        } | {
            "TMPDIR": str(folder),
            "XDG_STATE_HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder),
            "LC_ALL": "C.UTF-8",
        }

    def export(self, records: int, users: int) -> Path:
        """An export of this size."""
        path = self.folder / f"{records}-{users}.ndjson"
        if not path.exists():
            size = ("--records", records, "--users", users, "--seed", self.chosen.seed)
            with path.open("wb") as file:
                command = [sys.executable, GENERATE, *map(str, size)]
                subprocess.run(command, stdout=file, check=True)
        return path

    def packed(self, path: Path) -> Path:
        """A folder with the same export in `PACKED` gzip files."""
        folder = path.with_suffix(".packed")
        if not folder.exists():
            folder.mkdir()
            size = path.stat().st_size // PACKED
            with path.open("rb") as plain:
                for number in range(PACKED):
                    rest = b"" if number < PACKED - 1 else plain.read()
                    part = plain.read(size) + plain.readline() + rest
                    (folder / f"{number:02}.json.gz").write_bytes(gzip.compress(part, 6))
        return folder

    def odd(self, path: Path) -> Path:
        """The same export with a field in every tenth record that no quick way takes."""
        odd = path.with_suffix(".odd.ndjson")
        if not odd.exists():
            with path.open("rb") as plain, odd.open("wb") as file:
                for number, line in enumerate(plain):
                    record = orjson.loads(line)
                    if number % 10 == 0:
                        record["options"] = {}
                    file.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
        return odd

    def start(self, command: Sequence[str], **more: Any) -> "subprocess.Popen[bytes]":
        """Start a command."""
        environment = self.environment | more.pop("environment", {})
        return subprocess.Popen(
            command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, **more
        )

    def inspect(
        self, command: Sequence[str], check: Check, environment: Mapping[str, str] | None = None
    ) -> float:
        """Run a command and look at what it prints; gives its peak memory in MB."""
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            process = self.start(
                command, stdout=output, stderr=errors, environment=environment or {}
            )
            memory = peak_memory(process)
            output.seek(0)
            errors.seek(0)
            if process.returncode or not check(output):
                why = errors.read().decode(errors="replace")[-2000:]
                sys.exit(f"{shlex.join(command)}: exit code {process.returncode}, or wrong\n{why}")
        return memory

    def seconds(self, command: Sequence[str], times: int) -> float:
        """Run a command, its output thrown away; gives the seconds that it takes."""
        begun = time.perf_counter()
        for _ in range(times):
            process = self.start(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if process.wait():
                sys.exit(f"{shlex.join(command)}: exit code {process.returncode}")
        return (time.perf_counter() - begun) / times

    def compare(self, row: Row) -> Figures:
        """Measure a row: once to see that all is right, then in turn with its yardstick."""
        memory = self.inspect(row.command, row.check)
        yardsticks, results = [], []
        for _ in range(self.chosen.rounds):
            yardsticks.append(self.seconds(row.yardstick, row.times))
            results.append(self.seconds(row.command, row.times))
        ratios = [result / yardstick for result, yardstick in zip(results, yardsticks, strict=True)]
        return Figures(
            row.name,
            f"{statistics.median(yardsticks):.3g} s",
            f"{statistics.median(results):.3g} s",
            ratios,
            f"≤ {row.at_most}",
            statistics.median(ratios) <= row.at_most,
            memory,
        )


def command_rows(bench: Bench) -> Iterator[Figures]:
    """The commands that read an export, each beside the bare loop, or what else it is measured by."""
    records, users = bench.chosen.records, bench.chosen.users
    loop = partial(_bare_loop, bench, records, users)
    plain = partial(bench.export, records, users)
    summed_up = partial(_is_summed_up, records=records, users=users)
    dry_run = (COMMAND, "dry-run", *_processes("dry-run"), "--format", "json")
    rows: dict[str, Callable[[], Row]] = {
        "validate": lambda: Row(
            "`validate`, 2 processes",
            (COMMAND, "validate", *_processes("validate"), "--format", "json", str(plain())),
            loop(),
            1.0,
            partial(_is_validated, records=records),
        ),
        "dry-run": lambda: Row(
            "`dry-run`, 2 processes", (*dry_run, str(plain())), loop(), 1.5, summed_up
        ),
        "gz": lambda: Row(
            f"`dry-run` from {PACKED} `.gz`, beside the plain file",
            (*dry_run, str(bench.packed(plain()))),
            (*dry_run, str(plain())),
            1.3,
            summed_up,
        ),
        "inspect": lambda: Row(
            "`inspect`, 2 processes, beside `validate`",
            (COMMAND, "inspect", *_processes("inspect"), "--format", "json", str(plain())),
            (COMMAND, "validate", *_processes("validate"), "--format", "json", str(plain())),
            1.3,
            partial(_is_inspected, records=records, users=users),
        ),
        "map": lambda: Row(
            "`map`",
            (COMMAND, "map", *_processes("map"), str(plain())),
            loop(),
            4,
            partial(_has_lines, count=records),
        ),
        "identify": lambda: Row(
            "`dry-run --type identify`",
            (*dry_run, "--type", "identify", str(plain())),
            loop(),
            1.0,
            summed_up,
        ),
        "odd": lambda: Row(
            "`dry-run`, every tenth line odd",
            (*dry_run, str(bench.odd(plain()))),
            loop(),
            2.5,
            summed_up,
        ),
        "start-up": lambda: Row(
            "`--help`, beside `import click, orjson`",
            (COMMAND, "--help"),
            (sys.executable, "-c", "import click, orjson"),
            2,
            lambda output: b"dry-run" in output.read(),
            STARTS,
        ),
    }
    for name, row in rows.items():
        if name in bench.chosen.rows:
            yield bench.compare(row())


def growth_rows(bench: Bench) -> Iterator[Figures]:
    """Dry runs of twice the records, again and again, each beside the one before."""
    dry_run = (COMMAND, "dry-run", *_processes("dry-run"), "--format", "json")
    half = bench.chosen.records
    while 2 * half <= bench.chosen.growth_to:
        records, users = 2 * half, 2 * half // 10
        row = Row(
            f"`dry-run` of {records:,} records, beside {half:,}",
            (*dry_run, str(bench.export(records, users))),
            (*dry_run, str(bench.export(half, half // 10))),
            2.1,
            partial(_is_summed_up, records=records, users=users),
        )
        yield replace(bench.compare(row), memory_goal=MANY_MEGABYTES)
        half = records


def memory_row(bench: Bench) -> Iterator[Figures]:
    """The memory of a dry run of very many end users."""
    users = bench.chosen.memory_users
    if not users:
        return
    command = (COMMAND, "dry-run", *_processes("dry-run"), "--format", "json")
    check = partial(_is_summed_up, records=2 * users, users=users)
    memory = bench.inspect((*command, str(bench.export(2 * users, users))), check)
    yield Figures(
        f"`dry-run` of {users:,} users",
        *("", "", (), ""),
        met=True,
        memory=memory,
        memory_goal=MANY_MEGABYTES,
    )


def push_row(bench: Bench) -> Iterator[Figures]:
    """A push to a sandbox that takes its time, beside what that can serve."""
    if "push" not in bench.chosen.rows:
        return
    users = bench.chosen.push_users
    export = bench.export(users, users)
    log = bench.folder / "requests.ndjson"
    most = WORKERS / LATENCY
    rates, ratios, capacities, memory = [], [], [], 0.0
    for number in range(bench.chosen.rounds):
        with _Sandbox(bench, log) as sandbox:
            capacity = requests_a_second(sandbox.account, WORKERS, max(users / most / 2, 1))
        log.unlink()
        with _Sandbox(bench, log) as sandbox:
            journal = bench.folder / f"journal-{number}"
            options: tuple[object, ...] = (
                *("--base-url", sandbox.account["WOOTRIC_BASE_URL"], "--against", "nothing"),
                *("--workers", WORKERS, "--journal", journal, "--no-progress", export),
            )
            command = (COMMAND, "push", *map(str, options))
            peak = bench.inspect(
                command, lambda output: b"API calls" in output.read(), sandbox.account
            )
        rates.append(_created_a_second(log, users))
        log.unlink()
        capacities.append(min(most, capacity))
        ratios.append(rates[-1] / capacities[-1])
        memory = max(memory, peak)
    yield Figures(
        f"`push`, {WORKERS} workers, a sandbox that answers in {LATENCY * 1000:.0f} ms",
        f"{statistics.median(capacities):.0f} calls/s",
        f"{statistics.median(rates):.0f} calls/s",
        ratios,
        "≥ 0.9",
        statistics.median(ratios) >= 0.9,
        memory,
    )


def _created_a_second(log: Path, users: int) -> float:
    """End users created a second, from the first to the last in the sandbox's log."""
    requests = map(orjson.loads, log.read_bytes().splitlines())
    created = HTTPStatus.CREATED
    times = [request["time"] for request in requests if request["status"] == created]
    if len(times) != users:
        sys.exit(f"push: {len(times)} of {users} end users were created")
    seconds: float = max(times) - min(times)
    return (users - 1) / seconds


class _Sandbox:
    """A sandbox in a process of its own, for the length of a `with` block."""

    def __init__(self, bench: Bench, log: Path) -> None:
        command = (COMMAND, "sandbox", "--latency", f"{LATENCY * 1000:g}", "--log", str(log))
        self._process = bench.start(command, stdout=subprocess.PIPE)
        self.account: dict[str, str] = {}
        """Environment variables to sign in with, and its address."""

    def __enter__(self) -> "_Sandbox":
        assert self._process.stdout
        for line in iter(self._process.stdout.readline, b""):
            said = line.decode().split()
            if said[:1] == ["export"]:
                (assignment,) = shlex.split(said[1])
                name, _, value = assignment.partition("=")
                self.account[name] = value
                if name == "WOOTRIC_PASSWORD":  # the last line
                    break
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate()


def _bare_loop(bench: Bench, records: int, users: int) -> Sequence[str]:
    return (sys.executable, "-c", BARE_LOOP, str(bench.export(records, users)))


@cache
def _processes(command: str) -> tuple[str, ...]:
    """The option for two processes, where the command has it."""
    shown = subprocess.run([COMMAND, command, "--help"], capture_output=True, check=True).stdout
    return ("--processes", "2") if b"--processes" in shown else ()


def _is_inspected(output: IO[bytes], records: int, users: int) -> bool:
    """Whether the JSON of `inspect` counts all records and end users."""
    found = orjson.loads(output.read())
    return bool(found["records"] == records and found["end_users"]["written"] == users)


def _is_validated(output: IO[bytes], records: int) -> bool:
    found = orjson.loads(output.read())
    return bool(found["records"] == records and not found["rejected"])


def _is_summed_up(output: IO[bytes], records: int, users: int) -> bool:
    output.seek(max(output.seek(0, os.SEEK_END) - 65536, 0))
    summary = orjson.loads(output.read().splitlines()[-1])["summary"]
    return bool(
        summary["records"] == records and summary["create"] == users and not summary["rejected"]
    )


def _has_lines(output: IO[bytes], count: int) -> bool:
    return sum(1 for _ in output) == count


def table(rows: Sequence[Figures]) -> Iterator[str]:
    """The figures as a Markdown table."""
    yield "| work | yardstick | result | ratio | from, to | goal | met | peak memory |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | --- | ---: |"
    for row in rows:
        ratio = f"{statistics.median(row.ratios):.2f}" if row.ratios else ""
        spread = f"{min(row.ratios):.2f}, {max(row.ratios):.2f}" if row.ratios else ""
        fits = row.memory < row.memory_goal
        met = "yes" if row.met and fits else "no" if fits else f"no: {row.memory_goal:g} MB"
        cells = (row.name, row.yardstick, row.result, ratio, spread, row.goal, met)
        yield f"| {' | '.join(cells)} | {row.memory:.0f} MB |"


def machine() -> str:
    """What it was measured on."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.processor() or platform.machine()
    return (
        f"{os.cpu_count()} cores ({model}), {platform.system()}, "
        f"Python {platform.python_version()}, orjson {metadata.version('orjson')}"
    )


ROWS: Final = (
    "validate", "inspect", "dry-run", "gz", "map", "identify", "odd", "start-up", "push",
)  # fmt: skip


def options() -> argparse.ArgumentParser:
    """What may be chosen."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=500_000)
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=_rows, default=ROWS, help=f"some of {','.join(ROWS)}")
    parser.add_argument("--push-users", type=int, default=6400, help="end users that push creates")
    parser.add_argument(
        "--growth-to", type=int, default=0, metavar="N", help="double the records up to so many"
    )
    parser.add_argument(
        "--memory-users",
        type=int,
        default=0,
        metavar="N",
        help="measure memory at so many users, of two records each",
    )
    return parser


def _rows(text: str) -> tuple[str, ...]:
    chosen = tuple(filter(None, text.split(",")))
    for name in chosen:
        if name not in ROWS:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(ROWS)}")
    return chosen


def main() -> None:
    """Measure the rows, and print the table."""
    chosen = options().parse_args()
    rows: list[Figures] = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), chosen)
        for measure in (command_rows, push_row, growth_rows, memory_row):
            for row in measure(bench):
                print(row.name, file=sys.stderr)  # noqa: T201
                rows.append(row)
        megabytes = bench.export(chosen.records, chosen.users).stat().st_size / 1e6
    print(*table(rows), sep="\n")  # noqa: T201
    print(  # noqa: T201
        f"\n{chosen.records:,} records of {chosen.users:,} users, {megabytes:,.0f} MB; "
        f"ratios are medians of {chosen.rounds} rounds; memory is {MEASURE}.\n"
        f"{machine()}.\n\n"
        f"    python tests/benchmarks/compare.py {shlex.join(sys.argv[1:])}".rstrip()
    )


if __name__ == "__main__":
    main()
