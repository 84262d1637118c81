"""The memory that a command and its processes take."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
_FIRST: Final = 0.005
_EVERY: Final = 0.1
"""Seconds between two looks; fewer at the beginning, since some commands are short."""

_HAS_PROC: Final = Path(f"/proc/self/task/{os.getpid()}/children").exists()

MEASURE: Final = (
    "the largest sum of the PSS of its processes, looked at ten times a second"
    if _HAS_PROC
    else "the largest resident set of any of its processes"
)
"""What `peak_memory` gives, in words."""


def peak_memory(process: "subprocess.Popen[bytes]") -> float:
    """Wait for a process's end; gives the peak memory of it and its children together, in MB."""
    peak, pause = 0, _FIRST
    while True:
        ended, status, usage = os.wait4(process.pid, os.WNOHANG if _HAS_PROC else 0)
        if ended:
            break
        peak = max(peak, sum(map(_pss, _tree(process.pid))))
        time.sleep(pause)
        pause = min(2 * pause, _EVERY)
    process.returncode = os.waitstatus_to_exitcode(status)

    return peak / 1e6 or usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for task in (PROC / str(pid) / "task").glob("*/children"):
        try:
            children = task.read_text()
        except OSError:  # ended meanwhile
            continue
        for child in children.split():
            yield from _tree(int(child))


def _pss(pid: int) -> int:
    """A process's share of the memory it holds, in bytes: pages shared by two count half each."""
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:  # ended meanwhile
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
