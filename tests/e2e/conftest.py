"""A sandbox over real HTTP, and the installed command to push to it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from replaying import Replay

from wootric_map.sandbox import SandboxSettings, run_sandbox


@pytest.fixture
def replaying(tmp_path: Path) -> Iterator[Callable[[SandboxSettings], Replay]]:
    """Start a sandbox with settings of the test's own."""
    with ExitStack() as stack:
        yield lambda settings: Replay(tmp_path, stack.enter_context(run_sandbox(settings)))


@pytest.fixture
def settings() -> SandboxSettings:
    """What the sandbox is started with; `parametrize` it for another account."""
    return SandboxSettings()


@pytest.fixture
def replay(replaying: Callable[[SandboxSettings], Replay], settings: SandboxSettings) -> Replay:
    return replaying(settings)
