"""Work in several processes: results come in order, errors are raised, and no process stays behind."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from wootric_map.errors import LostProcessError
from wootric_map.read.process_pool import SideBySide

PROCESSES = pytest.mark.parametrize("processes", [1, 2, 5])


def uneven(number: int) -> int:
    """Take longer for some numbers."""
    return sum(range(number % 7 * 10_000)) * 0 + number


def who(_: int) -> int:
    return os.getpid()


def refuse(number: int) -> int:
    if number == 5:
        raise ValueError("not five")
    return number


def end_at_five(number: int) -> int:
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def took(data: bytes) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return len(data)


@pytest.fixture(autouse=True)
def left_behind() -> Iterator[None]:
    """Check that all processes of a test have ended."""
    before = set(multiprocessing.active_children())
    yield
    ended(*set(multiprocessing.active_children()) - before)


def ended(*processes: BaseProcess) -> None:
    """Wait for processes to end without reading their exit codes, which the pool itself reads."""
    for process in processes:
        assert wait([process.sentinel], timeout=30), "it goes on"


@PROCESSES
@pytest.mark.parametrize("count", [0, 1, 3, 100])
def test_results_come_in_the_order_of_the_things(processes: int, count: int) -> None:
    with SideBySide(uneven, processes) as workers:
        found = list(workers.each(range(count)))
        again = list(workers.each(range(count)))
    assert found == again == [(number, number) for number in range(count)]


@PROCESSES
def test_several_processes_work_beside_this_one_or_this_one_alone(processes: int) -> None:
    with SideBySide(who, processes) as workers:
        own = {pid for _, pid in workers.each(range(50))}
    assert (os.getpid() in own) == (processes == 1)
    assert len(own) <= processes


@PROCESSES
def test_things_are_asked_for_only_as_they_are_needed(processes: int) -> None:
    asked = 0

    def things() -> Iterator[int]:
        nonlocal asked
        for number in range(1000):
            asked += 1
            yield number

    with SideBySide(uneven, processes) as workers:
        for number, _ in workers.each(things()):
            assert asked <= number + 2 * processes
            if number == 50:
                break


@PROCESSES
def test_work_that_fails_is_told_where_it_stands_among_the_others(processes: int) -> None:
    found: list[int] = []
    with SideBySide(refuse, processes) as workers, pytest.raises(ValueError, match="not five"):
        found.extend(number for number, _ in workers.each(range(100)))
    assert found == [0, 1, 2, 3, 4]


@PROCESSES
def test_things_that_fail_end_it_too(processes: int) -> None:
    def things() -> Iterator[int]:
        yield 1
        raise OSError("the disk")

    with SideBySide(uneven, processes) as workers, pytest.raises(OSError, match="the disk"):
        list(workers.each(things()))


@pytest.mark.parametrize("processes", [2, 5])
def test_a_process_that_is_killed_is_said_to_be(processes: int) -> None:
    with (
        SideBySide(end_at_five, processes) as workers,
        pytest.raises(LostProcessError, match="--processes 1"),
    ):
        list(workers.each(range(100)))


@pytest.mark.parametrize("processes", [2, 5])
def test_processes_that_are_killed_while_much_is_handed_to_them_hold_nobody_up(
    processes: int,
) -> None:
    with SideBySide(took, processes) as workers, pytest.raises(LostProcessError):
        list(workers.each(b"x" * 4_000_000 for _ in range(100)))


def test_a_process_that_is_killed_while_it_waits_is_said_to_be_at_the_next_work() -> None:
    with SideBySide(uneven, 2) as workers:
        assert len(list(workers.each(range(10)))) == 10
        first, *others = multiprocessing.active_children()
        assert first.pid
        os.kill(first.pid, signal.SIGKILL)
        ended(first, *others)
        with pytest.raises(LostProcessError):
            list(workers.each(range(10)))


def test_the_processes_end_with_the_context() -> None:
    with SideBySide(uneven, 3) as workers:
        next(workers.each(range(1000)))
        own = multiprocessing.active_children()
        assert len(own) == 3
    ended(*own)
    assert [process.exitcode for process in own] == [0, 0, 0]


_PARENT = """
import os, signal, sys, time
from wootric_map.read.process_pool import SideBySide

def work(number):
    os.write(2, b"at work\\n")
    if sys.argv[1] == "compute":
        while True:
            pass
    time.sleep(1000 if sys.argv[1] == "sleep" else 0)

with SideBySide(work, 2) as workers:
    coming = workers.each(range(2))
    list(coming)  # without an end, where they are not idle
    time.sleep(1000)
"""


@pytest.mark.parametrize("at", ["idle", "compute", "sleep"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_processes_end_when_this_one_is_killed(at: str, number: signal.Signals) -> None:
    """The output ends only when all processes that hold it open have ended."""
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT, at],
        env={"PYTHONPATH": str(Path(__file__).parents[3])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as parent:
        assert parent.stdout
        assert parent.stderr
        for _ in range(2):
            assert parent.stderr.readline() == b"at work\n"
        parent.send_signal(number)
        try:
            _, errors = parent.communicate(timeout=30)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(parent.pid, signal.SIGKILL)
    assert parent.returncode == -number
    assert errors == b""


_HALF_A_RESULT = """
import os, signal, subprocess, threading, time
from wootric_map.errors import LostProcessError
from wootric_map.read.process_pool import SideBySide

def die():
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGKILL)

def work(number):
    if number == 7:
        # While nobody reads, no more of it is written than the pipe holds.
        parent = os.getppid()
        subprocess.Popen(["sh", "-c", f"sleep 1; kill -CONT {parent}"])
        os.kill(parent, signal.SIGSTOP)
        threading.Thread(target=die).start()
        return bytes(10_000_000)
    return number

try:
    with SideBySide(work, 3) as workers:
        list(workers.each(range(100)))
except LostProcessError:
    print("lost")
"""


def test_a_process_that_is_killed_while_it_hands_over_a_result_is_said_to_be() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _HALF_A_RESULT],
        env={"PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == (b"lost\n", b"", 0)
