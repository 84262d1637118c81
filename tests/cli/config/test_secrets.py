"""Secrets by reference: files and commands that a configuration names, and which login counts."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from replaying import Replay, identify

from cli.config.secret_command import SecretCommand
from wootric_map.errors import SettingsError

ADA = identify("1", "ada@example.com")
NO_LOGIN = {"WOOTRIC_CLIENT_ID": None, "WOOTRIC_CLIENT_SECRET": None, "WOOTRIC_ACCOUNT_TOKEN": None}


@pytest.fixture
def configure(replay: Replay) -> Callable[[str], Path]:
    """Write a configuration of the working folder that names the sandbox's account."""

    def write_file(text: str) -> Path:
        path = replay.folder / "wootric-replay.toml"
        token = replay.sandbox.settings.account_token
        path.write_text(f'account_token = "{token}"\n{text}\n')
        path.chmod(0o600)
        return path

    return write_file


def script(folder: Path, body: str, name: str = "tell") -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o700)
    return path


def test_a_command_of_the_file_tells_the_secret_once_and_without_a_shell(
    replay: Replay, configure: Callable[[str], Path]
) -> None:
    secret = replay.sandbox.settings.client_secret
    script(replay.folder, f'echo "$1" >> asked; cat; echo "complaint $1" >&2; echo "{secret}"')
    configure(
        f'client_id = "{replay.sandbox.settings.client_id}"\n'
        'client_secret_command = ["./tell", "$(touch hacked) ; *"]'
    )
    done = replay.push(replay.write([ADA]), "--verbose", env=NO_LOGIN)
    assert done.returncode == 0, done.stderr
    assert (replay.folder / "asked").read_text() == "$(touch hacked) ; *\n"
    assert not (replay.folder / "hacked").exists()
    assert secret not in done.stdout + done.stderr
    assert "complaint" not in done.stderr
    shown = replay.run("config", "show", env=NO_LOGIN)
    assert "client_secret_command" in shown.stdout
    assert "touch" not in shown.stdout
    assert (replay.folder / "asked").read_text().count("\n") == 1


def test_no_secret_is_asked_for_where_none_is_needed(
    replay: Replay, configure: Callable[[str], Path]
) -> None:
    script(replay.folder, "touch asked; echo x")
    configure('client_id = "me"\nclient_secret_command = ["./tell"]')
    for arguments in (("validate",), ("push", "--sandbox"), ("dry-run", "--against", "nothing")):
        assert replay.run(*arguments, replay.write([ADA]), env=NO_LOGIN).returncode == 0
    assert not (replay.folder / "asked").exists()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("echo hush; exit 3", "ended with exit code 3; run it by hand to see why"),
        ("echo hush >&2; exit 1", "ended with exit code 1"),
        ("exit 0", "writes nothing"),
        ("echo; exit 0", "writes nothing"),
        ("printf 'hush\\377'", "writes no UTF-8 text"),
        ("while :; do echo hush; done", "writes more than 64 KiB"),
        ("echo hush; kill -9 $$", "ended with exit code -9"),
    ],
)
def test_a_command_that_fails_ends_the_run_and_nothing_that_it_wrote_is_told(
    replay: Replay, configure: Callable[[str], Path], body: str, said: str
) -> None:
    script(replay.folder, body)
    configure('client_id = "me"\nclient_secret_command = ["./tell"]')
    done = replay.push(replay.write([ADA]), env=NO_LOGIN)
    assert done.returncode == 2
    assert f"wootric-replay.toml:3: the command {replay.folder}/tell {said}" in done.stderr
    assert "hush" not in done.stdout + done.stderr
    assert not replay.sandbox.state.end_users


@pytest.mark.parametrize("words", [("./nowhere",), ("no-such-program-anywhere",), ("a\0b",)])
def test_a_command_that_is_not_there_is_named(tmp_path: Path, words: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError, match=r"x\.toml:1: the command .* can't be run"):
        SecretCommand(words, tmp_path, "x.toml:1").secret()


@pytest.mark.parametrize(
    "body", ["sleep 60", "echo hush; sleep 60", "exec >&-; sleep 60", "sleep 60 & echo hush"]
)
def test_a_command_is_not_waited_for_for_ever(tmp_path: Path, body: str) -> None:
    began = time.monotonic()
    command = SecretCommand((str(script(tmp_path, body)),), tmp_path, "x.toml:1")
    with pytest.raises(SettingsError, match=r"took longer than 0\.3 s"):
        command.secret(patience=0.3)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_only_the_last_line_ending_is_no_part_of_a_secret(tmp_path: Path, ending: str) -> None:
    (tmp_path / "secret").write_bytes(f" a b \n{ending}".encode())
    told = SecretCommand(("cat", "secret"), tmp_path, "x.toml:1").secret()
    assert told == (" a b \n" if ending else " a b ")


def test_a_file_of_the_file_is_looked_for_beside_it(
    replay: Replay, configure: Callable[[str], Path]
) -> None:
    settings = replay.sandbox.settings
    (replay.folder / "keys").mkdir()
    (replay.folder / "keys/secret").write_text(settings.client_secret)
    config = configure(f'client_id = "{settings.client_id}"\nclient_secret_file = "secret"')
    moved = config.rename(replay.folder / "keys/own.toml")
    done = replay.push(replay.write([ADA]), "--config", moved, env=NO_LOGIN)
    assert done.returncode == 0, done.stderr


PERSON_IN_FILE = 'username = "{username}"\npassword_command = ["echo", "{password}"]'
CLIENT_IN_FILE = 'client_id = "{client_id}"\nclient_secret_command = ["echo", "{client_secret}"]'
CLIENT_IN_ENVIRONMENT = {
    "WOOTRIC_CLIENT_ID": "{client_id}",
    "WOOTRIC_CLIENT_SECRET": "{client_secret}",
}
WRONG_CLIENT = 'client_id = "nobody"\nclient_secret_command = ["false"]'
WRONG_PERSON = 'username = "nobody"\npassword_command = ["false"]'


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        (PERSON_IN_FILE, {}),
        (CLIENT_IN_FILE, {}),
        (WRONG_CLIENT, {"WOOTRIC_USERNAME": "{username}", "WOOTRIC_PASSWORD": "{password}"}),
        (WRONG_PERSON, CLIENT_IN_ENVIRONMENT),
        (WRONG_CLIENT, CLIENT_IN_ENVIRONMENT),
        (
            'client_id = "{client_id}"\nclient_secret_file = "/nowhere"',
            {"WOOTRIC_CLIENT_SECRET": "{client_secret}"},
        ),
        (f"{WRONG_CLIENT}\n[push]\n{PERSON_IN_FILE}", {}),
        (f"{WRONG_PERSON}\n[profile.p.push]\n{CLIENT_IN_FILE}", {"WOOTRIC_REPLAY_PROFILE": "p"}),
    ],
)
def test_of_two_logins_the_stronger_counts(
    replay: Replay, configure: Callable[[str], Path], text: str, variables: dict[str, str]
) -> None:
    settings = replay.sandbox.settings
    known = {
        name: getattr(settings, name)
        for name in ("client_id", "client_secret", "username", "password")
    }
    for name, value in known.items():
        text = text.replace("{" + name + "}", value)
        variables = {key: each.replace("{" + name + "}", value) for key, each in variables.items()}
    configure(text)
    done = replay.push(replay.write([ADA]), env={**NO_LOGIN, **variables})
    assert done.returncode == 0, done.stderr


def test_the_command_line_goes_before_a_login_of_the_file(
    replay: Replay, configure: Callable[[str], Path]
) -> None:
    settings = replay.sandbox.settings
    configure(WRONG_CLIENT)
    secret = replay.folder / "password"
    secret.write_text(settings.password)
    done = replay.push(
        replay.write([ADA]),
        "--username",
        settings.username,
        "--password-file",
        secret,
        env=NO_LOGIN,
    )
    assert done.returncode == 0, done.stderr


def test_credentials_of_a_file_have_a_dry_run_compare_with_the_account(
    replay: Replay, configure: Callable[[str], Path]
) -> None:
    settings = replay.sandbox.settings
    export = replay.write([ADA])
    assert replay.push(export).returncode == 0
    configure(
        f'client_id = "{settings.client_id}"\nclient_secret_command = ["echo", "{settings.client_secret}"]'
    )
    done = replay.run("dry-run", export, env=NO_LOGIN, against=None)
    assert "Plan: 0 to create, 0 to update, 1 unchanged" in done.stdout


def test_the_command_gets_no_secret_of_the_environment(
    replay: Replay, configure: Callable[[str], Path]
) -> None:
    settings = replay.sandbox.settings
    script(replay.folder, f"env > seen; echo '{settings.client_secret}'")
    configure(f'client_id = "{settings.client_id}"\nclient_secret_command = ["./tell"]')
    done = replay.push(replay.write([ADA]), env={**NO_LOGIN, "WOOTRIC_PASSWORD": "hush"})
    assert done.returncode == 0, done.stderr
    assert "hush" not in (replay.folder / "seen").read_text()
    assert os.environ.get("WOOTRIC_PASSWORD") is None
