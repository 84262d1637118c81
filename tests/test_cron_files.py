"""The units for systemd in the docs: systemd finds nothing wrong with them, and the command in them works."""

import os
import shlex
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from typing import Final

import pytest

from wootric_map.sandbox import SandboxSettings, run_sandbox

UNITS: Final = Path(__file__).parents[1] / "docs" / "cron"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home of a user who has installed the command and the units."""
    for folder in (".config", ".local/bin", "segment/logs"):
        (tmp_path / folder).mkdir(parents=True)
    command = Path(sys.executable).with_name("wootric-replay")
    (tmp_path / ".local/bin/wootric-replay").symlink_to(command)
    shutil.copytree(UNITS, tmp_path / "units")
    return tmp_path


def unit(name: str) -> ConfigParser:
    parser = ConfigParser(
        interpolation=None, delimiters=("=",), comment_prefixes=("#",), strict=True
    )
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(UNITS / name)
    return parser


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd")
def test_systemd_finds_nothing_wrong(home: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", "wootric-replay.service", "wootric-replay.timer"],
        cwd=home / "units",
        env={"HOME": str(home), "XDG_RUNTIME_DIR": str(home), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_command_of_the_unit_works_with_its_environment_alone(home: Path) -> None:
    service = unit("wootric-replay.service")["Service"]
    settings = SandboxSettings()
    export = home / "segment/logs/a.ndjson"
    export.write_text('{"type":"identify","userId":"u1","traits":{"email":"a@example.com"}}\n')
    os.utime(export, (0, 0))
    with run_sandbox(settings) as sandbox:
        done = subprocess.run(
            shlex.split(service["ExecStart"].replace("%h", str(home))),
            cwd=service["WorkingDirectory"].replace("%h", str(home)),
            env={
                "HOME": str(home),
                "WOOTRIC_ACCOUNT_TOKEN": settings.account_token,
                "WOOTRIC_CLIENT_ID": settings.client_id,
                "WOOTRIC_CLIENT_SECRET": settings.client_secret,
                "WOOTRIC_BASE_URL": sandbox.base_url,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert [user.to_json()["email"] for user in sandbox.state.end_users] == ["a@example.com"]
    assert (home / "segment/summary.json").is_file()


def test_the_timer_starts_the_unit_of_its_name() -> None:
    timer = unit("wootric-replay.timer")
    assert "Unit" not in timer["Timer"]
    assert timer["Timer"]["Persistent"] == "true"
    assert timer["Install"]["WantedBy"] == "timers.target"
