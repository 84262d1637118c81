"""The README is part of the product: what it shows is what the command prints."""

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from wootric_map.sandbox import SandboxSettings, run_sandbox

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CAPTURES = re.findall(r"<!-- (wootric-replay [^\n]*) -->\n```text\n(.*?)```\n", README, re.DOTALL)
PYTHON = re.findall(r"```python\n(.*?)```\n", README, re.DOTALL)
EXAMPLES = re.findall(r"\| `(wootric-replay [^`]+)` \|", README)


def run(command: str) -> "subprocess.CompletedProcess[str]":
    """Run a command beside the sample export, where what it writes does no harm."""
    program, *arguments = shlex.split(command)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sample_events").symlink_to(ROOT / "sample_events")
        return subprocess.run(
            [Path(sys.executable).with_name(program), *arguments],
            cwd=folder,
            env={**os.environ, "XDG_STATE_HOME": folder, "XDG_CONFIG_HOME": folder},
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


@pytest.mark.parametrize("code", PYTHON)
def test_a_python_example_prints_what_it_says(code: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sample_events").symlink_to(ROOT / "sample_events")
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            cwd=folder,
            env={**os.environ, "XDG_STATE_HOME": folder, "XDG_CONFIG_HOME": folder},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
    said = re.findall(r"^# prints: (.*)$", code, re.MULTILINE)
    assert done.stdout.splitlines() == said if said else done.stdout


@pytest.mark.parametrize(
    "name", ["Push", "DryRun", "Validate", "Snapshot", "Map", "WriteCsv", "Inspect"]
)
def test_every_use_case_has_a_python_example(name: str) -> None:
    assert any(f"{name}(" in code for code in PYTHON)


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


def block(name: str) -> str:
    """The shell block under a marker."""
    return README.partition(f"<!-- {name} -->\n```sh\n")[2].partition("\n```")[0]


def test_the_line_for_cron_works_with_the_little_that_cron_gives(tmp_path: Path) -> None:
    settings = SandboxSettings()
    with run_sandbox(settings) as sandbox:
        environment = block("environment file")
        for name, value in (
            ("NPS-xxxxxxxx", settings.account_token),
            ("WOOTRIC_CLIENT_ID=…", f"WOOTRIC_CLIENT_ID={settings.client_id}"),
            ("WOOTRIC_CLIENT_SECRET=…", f"WOOTRIC_CLIENT_SECRET={settings.client_secret}"),
        ):
            assert name in environment
            environment = environment.replace(name, value)
        for folder in (".config", ".local/bin", "segment/logs"):
            (tmp_path / folder).mkdir(parents=True)
        file = tmp_path / ".config/wootric-replay.env"
        file.write_text(f"{environment}\nWOOTRIC_BASE_URL={sandbox.base_url}\n")
        command = Path(sys.executable).with_name("wootric-replay")
        (tmp_path / ".local/bin/wootric-replay").symlink_to(command)
        export = tmp_path / "segment/logs/a.ndjson"
        export.write_text('{"type":"identify","userId":"u1","traits":{"email":"a@example.com"}}\n')
        os.utime(export, (0, 0))
        *_, line = block("crontab").splitlines()
        done = subprocess.run(
            ["env", "-i", f"HOME={tmp_path}", "PATH=/usr/bin:/bin", "SHELL=/bin/sh", "/bin/sh", "-c",
             line.split(maxsplit=5)[5]],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert [user.to_json()["email"] for user in sandbox.state.end_users] == ["a@example.com"]


def test_the_configuration_is_one(tmp_path: Path) -> None:
    file = tmp_path / "wootric-replay.toml"
    file.write_text(
        README.partition("<!-- wootric-replay.toml -->\n```toml\n")[2].partition("```")[0]
    )
    file.chmod(0o600)
    checked = run(f"wootric-replay config check {file}")
    assert (checked.returncode, checked.stdout) == (0, f"{file}: no faults\n")
    shown = run(f"wootric-replay config show --config {file} --profile night push").stdout
    found = {line.split()[0]: line.split()[-1] for line in shown.splitlines() if line[:1].isalpha()}
    assert found["max_duration"] == f"{file}:6"
    assert found["reserve"] == f"{file}:1"


@pytest.mark.parametrize("command", ["push", "dry-run", "export", "snapshot"])
def test_every_variable_stands_in_the_help_and_the_readme(command: str) -> None:
    told = run(f"wootric-replay {command} --help").stdout
    names = [
        "ACCOUNT_TOKEN", "CLIENT_ID", "CLIENT_SECRET", "USERNAME", "PASSWORD", "BASE_URL", "REDACT_KEY",
        "REPLAY_CONFIG", "REPLAY_PROFILE",
    ]  # fmt: skip
    for name in names:
        assert f"`WOOTRIC_{name}`" in README
        if name != "REDACT_KEY" or command != "snapshot":
            assert f"WOOTRIC_{name}" in told
    for name in ("NO_COLOR", "FORCE_COLOR"):
        assert f"`{name}`" in README
        assert name in told
