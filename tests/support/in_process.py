"""The command inside the test's own process, for speed; it still talks real HTTP to a sandbox."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
from click.testing import CliRunner, Result
from replaying import Diff, Replay

from cli.app import app
from wootric_map.sandbox import RunningSandbox


class InProcess(Replay):
    """The command without a process of its own."""

    def call(self, *args: str | Path) -> Result:
        """Run it; it may end in any exit code, `exit_code`, but in no exception."""
        environment = dict(self.environment())
        result = CliRunner().invoke(
            app, [str(each) for each in args], env=environment, standalone_mode=False
        )
        if result.exception:
            raise result.exception
        result.exit_code = result.return_value or 0
        return result

    def output(self, *args: str | Path) -> bytes:
        """What it prints; it must end well."""
        result = self.call(*args)
        assert result.exit_code == 0, result.stderr
        return result.stdout_bytes

    def sends(self, *args: str | Path) -> bool:
        """Push; tells whether all went well."""
        rejects = self.folder / "rejects.ndjson"
        result = self.call("push", "--quiet", "--rejects", rejects, *args)
        assert result.exit_code in (0, 1), result.stderr
        rejects.unlink(missing_ok=True)
        return result.exit_code == 0

    def shows(self, *args: str | Path) -> Diff:
        """The diff of a dry run."""
        output = self.output("dry-run", "--format", "json", *args)
        return Diff(tuple(orjson.loads(line) for line in output.splitlines()))

    def takes_snapshot(self, name: str) -> Path:
        """A snapshot of the account as it is now."""
        path = self.folder / name
        path.unlink(missing_ok=True)
        self.output("snapshot", "-o", path)
        return path


@contextmanager
def empty_account(sandbox: RunningSandbox) -> Iterator[InProcess]:
    """A fresh folder, and the sandbox with nothing in it."""
    sandbox.state.reset()
    with tempfile.TemporaryDirectory() as folder:
        yield InProcess(Path(folder), sandbox)
