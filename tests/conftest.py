"""What tests of both packages share: the installed command, and files to feed it."""

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import orjson
import pytest
from examples import PROFILE
from forking import COMMAND, Forked, forking
from hypothesis import settings as hypothesis_settings
from in_process import run_in_process
from replaying import Replay

from wootric_map.sandbox import SandboxSettings, run_sandbox

hypothesis_settings.load_profile(PROFILE)

_DECIDES_THE_OUTPUT = (
    "NO_COLOR",
    "FORCE_COLOR",
    "COLUMNS",
    "LINES",
    "PYTHONIOENCODING",
    "PYTHONUTF8",
)

Result: TypeAlias = "subprocess.CompletedProcess[str]"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores, since some tests wait for a clock or another process."""
    return (os.cpu_count() or 1) + 1


class Run(Protocol):
    """Runs the command in a folder of its own, in this process where that makes no difference."""

    def __call__(
        self,
        *args: str | bytes | Path,
        stdin: bytes = b"",
        redirect: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> Result:
        """Run it to its end; no run may show a traceback or end in an unforeseen error.

        `redirect` is a shell's redirection, such as `>&-`.
        """


class Start(Protocol):
    """Starts the command in that folder as a process, for tests that do something while it runs."""

    def __call__(
        self, *args: str | Path, environment: Mapping[str, str] | None = None, **options: Any
    ) -> Forked:
        """Start it; `options` are those of `Forking.start`."""


class Write(Protocol):
    """Writes an export into that folder."""

    def __call__(self, name: str, *records: Mapping[str, Any] | bytes) -> Path:
        """Write a line for each record; bytes stand for themselves."""


def clean_environment(folder: Path, changes: Mapping[str, str]) -> dict[str, str]:
    """The environment without anything that could reach a real account or change the output."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("WOOTRIC_") and name not in _DECIDES_THE_OUTPUT
    }
    own = {
        "TMPDIR": str(folder),
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_RUNTIME_DIR": str(folder / "runtime"),
        "LC_ALL": "C.UTF-8",
    }
    return kept | own | dict(changes)


@pytest.fixture
def run(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    assert COMMAND.exists(), "install the project first: pip install -e '.[dev]'"

    logs = tmp_path_factory.mktemp("logs")

    def run_command(
        *args: str | bytes | Path,
        stdin: bytes = b"",
        redirect: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> Result:
        env = clean_environment(logs, environment or {})
        if redirect:
            shell: list[str | bytes | Path] = [
                "/bin/sh",
                "-c",
                f'exec "$0" "$@" {redirect}',
                COMMAND,
            ]
            done = subprocess.run(
                [*shell, *args],
                cwd=tmp_path,
                env=env,
                input=stdin,
                capture_output=True,
                timeout=60,
                check=False,
            )
        else:
            done = run_in_process(args, cwd=tmp_path, env=env, stdin=stdin, timeout=60)
        # Decoded here, since text mode would turn a carriage return into a newline.
        output, errors = (
            each.decode(errors="backslashreplace") for each in (done.stdout, done.stderr)
        )
        result = subprocess.CompletedProcess(done.args, done.returncode, output, errors)
        assert "Traceback" not in result.stdout + result.stderr, result.stderr
        details = "".join(log.read_text() for log in logs.glob("wootric-replay-*.log"))
        assert result.returncode != 70, f"unforeseen: {details or result.stderr}"
        return result

    return run_command


@pytest.fixture
def start(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    started: list[Forked] = []

    def start_command(
        *args: str | Path, environment: Mapping[str, str] | None = None, **options: Any
    ) -> Forked:
        clean = clean_environment(tmp_path_factory.mktemp("logs"), environment or {})
        process = forking().start(args, cwd=tmp_path, env=clean, **options)
        started.append(process)
        return process

    yield start_command
    for process in started:
        with process:  # closes its pipes and waits for it
            process.kill()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_export(name: str, *records: Mapping[str, Any] | bytes) -> Path:
        lines = (each if isinstance(each, bytes) else orjson.dumps(each) for each in records)
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        return path

    return write_export


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
