"""Signals that come while the main thread has a lock which stopping needs, too."""

import subprocess
import sys
from typing import Final

_WAITING: Final = """
import signal, sys, threading
from cli.interrupt import Interruption

def interrupt(frame, event, _):
    if event == "call" and frame.f_code is threading.Condition.wait.__code__:
        sys.setprofile(None)
        signal.raise_signal(signal.SIGINT)

with Interruption() as stop, stop.held():
    sys.setprofile(interrupt)
    assert stop.wait(30)
print(stop.exit_code)
"""
"""Gets Ctrl-C at the moment when it has taken the lock of what it waits for."""


def test_ctrl_c_at_the_worst_moment_of_a_wait_ends_it() -> None:
    command = [sys.executable, "-c", _WAITING]
    done = subprocess.run(command, timeout=60, capture_output=True, text=True, check=True)
    assert done.stdout == "130\n"
    assert done.stderr == "stopping: the calls under way are finished first; again ends at once\n"
