"""The README is part of the product: what it shows is what the command prints."""

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CAPTURES = re.findall(r"<!-- (wootric-replay [^\n]*) -->\n```text\n(.*?)```\n", README, re.DOTALL)
EXAMPLES = re.findall(r"\| `(wootric-replay [^`]+)` \|", README)


def run(command: str) -> "subprocess.CompletedProcess[str]":
    """Run a command beside the sample export, where what it writes does no harm."""
    program, *arguments = shlex.split(command)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sample_events").symlink_to(ROOT / "sample_events")
        return subprocess.run(
            [Path(sys.executable).with_name(program), *arguments],
            cwd=folder,
            env={**os.environ, "XDG_STATE_HOME": folder},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.mark.parametrize(("command", "shown"), CAPTURES)
def test_a_captured_output_is_what_the_command_prints(command: str, shown: str) -> None:
    assert run(command).stdout == shown


def test_the_readme_captures_a_dry_run() -> None:
    assert any("dry-run" in command for command, _ in CAPTURES)


@pytest.mark.parametrize("command", [each for each in EXAMPLES if " sandbox " not in each])
def test_an_example_works(command: str) -> None:
    done = run(command)
    assert done.returncode == 0, done.stderr


def test_every_command_has_an_example() -> None:
    listed = {example.split()[1] for example in EXAMPLES}
    shown = run("wootric-replay --help").stdout
    commands = set(re.findall(r"^  ([a-z-]+)  ", shown.partition("Commands:")[2], re.MULTILINE))
    assert commands == listed


def test_the_one_command_to_try_it_names_the_sample_export() -> None:
    command = README.partition("<!-- install and run -->")[2].partition("```sh\n")[2]
    last = command.partition("\n")[0].rpartition("&& ")[2]
    done = run(last.replace(".venv/bin/", ""))
    assert done.returncode == 0, done.stderr
