"""Configuration files that somebody else has put there, or can change, and files that are none."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from platformdirs import user_config_path
from replaying import identify

from cli.config.options import NAME, Choice, places

if TYPE_CHECKING:
    from tests.conftest import Run, Write

NOBODY = 65534
"""Another user; there need be no such account."""

ROOT_ALONE = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of another user")

ADA = identify("1", "ada@example.com")

TRUSTED = {
    "base_url": "'https://example.com'",
    "account_token": "'NPS-12345678'",
    "client_id": "'me'",
    "client_secret_file": "'secret'",
    "client_secret_command": "['touch', 'hacked']",
    "username": "'me'",
    "password_file": "'secret'",
    "password_command": "['touch', 'hacked']",
    "rejects": "'/etc/passwd'",
    "journal": "'x'",
    "unidentified": "'x'",
    "out": "'x'",
    "output": "'x'",
    "update": "'x'",
    "log": "'x'",
    "traits.include": "['password']",
}


@pytest.fixture
def shared(tmp_path: Path, write: "Write") -> Path:
    """The working folder, in which everybody may make files, with an export."""
    write("a.ndjson", ADA)
    tmp_path.chmod(0o1777)
    return tmp_path / "wootric-replay.toml"


def planted(path: Path, text: str) -> Path:
    path.write_text(text)
    os.chown(path, NOBODY, NOBODY)
    path.chmod(0o644)
    return path


@ROOT_ALONE
def test_a_file_of_somebody_else_that_is_found_is_no_configuration(
    run: "Run", shared: Path
) -> None:
    planted(shared, "amount_suffix = true")
    done = run("validate", "a.ndjson")
    assert done.returncode == 2
    assert "wootric-replay.toml belongs to another user (uid 65534)" in done.stderr
    assert (
        "name it with --config wootric-replay.toml, or leave it out with --no-config" in done.stderr
    )
    assert run("validate", "--no-config", "a.ndjson").returncode == 0
    assert run("validate", "--config", "wootric-replay.toml", "a.ndjson").returncode == 0
    assert run("config", "show").returncode == 2
    assert run("config", "check").returncode == 2


@ROOT_ALONE
def test_a_file_of_somebody_else_in_the_folder_for_configuration_is_refused_too(
    run: "Run", shared: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "config/wootric-replay"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    planted(folder / "wootric-replay.toml", "rate = 1")
    environment = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    assert run("validate", "a.ndjson", environment=environment).returncode == 2


def make_planted(path: Path) -> None:
    os.chown(path, NOBODY, NOBODY)


def make_group_writable(path: Path) -> None:
    path.chmod(0o660)


def make_writable(path: Path) -> None:
    path.chmod(0o606)


def make_a_second_name(path: Path) -> None:
    path.with_name("other").hardlink_to(path)


@pytest.mark.parametrize("key", TRUSTED)
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(make_planted, marks=ROOT_ALONE),
        make_group_writable,
        make_writable,
        make_a_second_name,
    ],
)
def test_what_decides_where_data_goes_is_taken_only_from_a_file_that_nobody_else_can_write(
    run: "Run", shared: Path, key: str, change: Callable[[Path], None]
) -> None:
    for text in (f"{key} = {TRUSTED[key]}", f"[profile.p]\n{key} = {TRUSTED[key]}"):
        shared.write_text(f"rate = 100\n{text}\n")
        shared.chmod(0o600)
        change(shared)
        done = run("config", "check", "wootric-replay.toml")
        assert done.returncode == 2
        assert f"{key}: it is taken only from a file of your own, or root's" in done.stdout
        assert "chmod go-w wootric-replay.toml" in done.stdout
        for command in ("push", "validate"):
            done = run(command, "--config", "wootric-replay.toml", "a.ndjson")
            assert done.returncode == 2
            assert "it is taken only from" in done.stderr
        shared.with_name("other").unlink(missing_ok=True)
    assert not shared.with_name("hacked").exists()
    shared.write_text("rate = 100\n")
    assert run("config", "check", "--config", "wootric-replay.toml").returncode == 0


def test_the_same_is_taken_from_a_file_of_ones_own(run: "Run", shared: Path) -> None:
    text = "".join(
        f"{key} = {value}\n"
        for key, value in TRUSTED.items()
        if not key.startswith(("user", "pass"))
    )
    shared.write_text(text.replace("client_secret_file = 'secret'\n", ""))
    shared.chmod(0o600)
    done = run("config", "check")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("key", ["account_token", "client_id", "username"])
@pytest.mark.parametrize("table", ["", "[push]\n", "[profile.p]\n", "[profile.p.push]\n"])
def test_a_file_that_names_an_account_and_that_others_can_read_is_warned_of(
    run: "Run", shared: Path, key: str, table: str
) -> None:
    shared.parent.chmod(0o700)
    shared.write_text(f"{table}{key} = {TRUSTED[key]}")
    line = 2 if table else 1
    for mode, warned in ((0o600, False), (0o640, True), (0o604, True)):
        shared.chmod(mode)
        done = run("validate", "a.ndjson")
        assert done.returncode == 0
        words = f"Warning: wootric-replay.toml:{line}: others can read this file, and it names an account"
        assert (words in done.stderr) == warned
        assert ("chmod 600" in done.stderr) == warned
    shared.write_text("rate = 100")
    assert run("validate", "a.ndjson").stderr == ""


@ROOT_ALONE
def test_a_link_of_somebody_else_is_not_followed(run: "Run", shared: Path) -> None:
    own = shared.with_name("own.toml")
    own.write_text("rate = 100")
    shared.symlink_to(own)
    assert run("validate", "a.ndjson").returncode == 0
    os.chown(shared, NOBODY, NOBODY, follow_symlinks=False)
    for arguments in ((), ("--config", "wootric-replay.toml")):
        done = run("validate", *arguments, "a.ndjson")
        assert done.returncode == 2
        assert "is a link that belongs to another user" in done.stderr


@ROOT_ALONE
def test_a_link_to_a_file_of_somebody_else_is_refused(run: "Run", shared: Path) -> None:
    shared.symlink_to(planted(shared.with_name("theirs.toml"), "rate = 100"))
    assert "belongs to another user" in run("validate", "a.ndjson").stderr


def test_what_is_no_plain_file_is_not_opened(run: "Run", shared: Path) -> None:
    os.mkfifo(shared)  # to open it would wait for ever
    done = run("validate", "a.ndjson")
    assert (done.returncode, "is no plain file" in done.stderr) == (2, True)
    shared.unlink()
    shared.mkdir()
    assert "is no plain file" in run("validate", "a.ndjson").stderr
    shared.rmdir()
    shared.symlink_to("/dev/zero")
    assert "is no plain file" in run("validate", "a.ndjson").stderr
    shared.unlink()
    shared.symlink_to(shared)
    assert run("validate", "a.ndjson").returncode == 2
    shared.unlink()
    shared.symlink_to("nowhere")
    assert run("validate", "a.ndjson").returncode == 2


def test_a_file_is_1_mib_at_most(run: "Run", shared: Path) -> None:
    text = "rate = 100\n#"
    shared.write_text(text + "x" * (2**20 - len(text)))
    assert run("validate", "a.ndjson").returncode == 0
    with shared.open("a") as file:
        file.write("x")
    assert "is longer than 1 MiB" in run("validate", "a.ndjson").stderr
    with shared.open("a") as file:
        file.truncate(2**40)
    assert "is longer than 1 MiB" in run("validate", "a.ndjson").stderr


@pytest.mark.parametrize("part", ["a", '"a b"', "'x'", "a "])
@pytest.mark.parametrize("around", ["{} = 1", "[{}]", "x = {{ {} = 1 }}", "\n\n{}"])
def test_a_key_without_end_costs_no_time(run: "Run", shared: Path, part: str, around: str) -> None:
    shared.write_text(around.format(".".join([part] * 100_000)))
    began = time.monotonic()
    done = run("validate", "a.ndjson")
    assert "no key has 200 parts" in done.stderr
    assert time.monotonic() - began < 10
    shared.write_text("x" * 1_000_000)
    assert run("validate", "a.ndjson").returncode == 2
    assert time.monotonic() - began < 20


def test_a_relative_folder_for_configuration_leads_into_no_working_folder(
    run: "Run", shared: Path
) -> None:
    folder = shared.with_name("config") / "wootric-replay"
    folder.mkdir(parents=True)
    (folder / "wootric-replay.toml").write_text("nonsense")
    assert run("validate", "a.ndjson", environment={"XDG_CONFIG_HOME": "config"}).returncode == 0
    assert (
        run("validate", "a.ndjson", environment={"XDG_CONFIG_HOME": "", "HOME": "."}).returncode
        == 0
    )


def test_the_folder_for_configuration_is_that_of_the_platform(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for folder in (str(tmp_path / "config"), ""):
        monkeypatch.setenv("XDG_CONFIG_HOME", folder)
        expected = user_config_path("wootric-replay", appauthor=False) / NAME
        assert places(Choice()) == []
        expected.parent.mkdir(parents=True)
        expected.touch()
        assert places(Choice()) == [(expected, False)]


def test_a_name_cannot_drive_the_terminal(run: "Run", shared: Path) -> None:
    shared.write_text(
        '"\\u001b]0;owned\\u0007" = 1\n["\\u202e"]\n"a.b" = 1\n[profile."\\u001b[2J"]\nx = 1'
    )
    for arguments in (
        ("config", "check"),
        ("validate", "a.ndjson"),
        ("validate", "x", "--profile", "y"),
    ):
        done = run(*arguments)
        assert done.returncode == 2
        assert not {"\x1b", "\x07", "\u202e"} & {*done.stdout, *done.stderr}
