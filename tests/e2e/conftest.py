"""A sandbox over real HTTP, and the installed command to push to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from replaying import Replay

from wootric_map.sandbox import SandboxSettings, run_sandbox


@pytest.fixture
def settings() -> SandboxSettings:
    """What the sandbox is started with; `parametrize` it for another account."""
    return SandboxSettings()


@pytest.fixture
def replay(tmp_path: Path, settings: SandboxSettings) -> Iterator[Replay]:
    with run_sandbox(settings) as sandbox:
        yield Replay(tmp_path, sandbox)
