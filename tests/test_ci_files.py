"""The hook, the action and the image: each is run here, as far as that goes without their servers."""

import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from wootric_map.sandbox import SandboxSettings, run_sandbox

ROOT: Final = Path(__file__).parents[1]
BIN: Final = Path(sys.executable).parent
SAMPLES: Final = ROOT / "sample_events"
USER: Final = 10001
NEEDED: Final = ("pyproject.toml", "README.md", "LICENSE", "cli", "wootric_map")
"""What the command is installed from."""


def loaded(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def copied(to: Path, *more: str) -> None:
    """Copy what the command is installed from."""
    for name in (*NEEDED, *more):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, to / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, to / name)


# The hook


def test_the_hook_checks_the_files_that_pre_commit_hands_it(tmp_path: Path) -> None:
    def git(folder: Path, *words: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)

    hooks, user = tmp_path / "hooks", tmp_path / "user"
    hooks.mkdir()
    copied(hooks, ".pre-commit-hooks.yaml")
    (user / "records").mkdir(parents=True)
    shutil.copy(SAMPLES / "broken" / "records.ndjson", user / "records" / "bad.ndjson")
    (user / "records" / "good.ndjson").write_text('{"type":"identify","userId":"1","traits":{}}\n')
    (user / "other.txt").write_text("no record\n")
    for folder in (hooks, user):
        git(folder, "init", "-q")
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "first")

    def checked(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [BIN / "pre-commit", "try-repo", hooks, "wootric-replay-validate", "--verbose", *words],
            cwd=user,
            env={**os.environ, "PRE_COMMIT_HOME": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    done = checked("--all-files")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "records/bad.ndjson:2 not JSON" in done.stdout
    assert "other.txt" not in done.stdout
    done = checked("--files", "records/good.ndjson")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 record: 1 fit to be sent, none rejected." in done.stdout


# The action


def check(folder: Path, **inputs: str) -> "subprocess.CompletedProcess[str]":
    """Run the action's script with its inputs, as its step hands them over."""
    action = loaded("action.yml")
    step = action["runs"]["steps"][-1]
    given = {name: str(each.get("default", "")) for name, each in action["inputs"].items()} | inputs
    environment = {
        name: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda each: given[each[1]], value)
        for name, value in step["env"].items()
    }
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", step["run"]],
        cwd=folder,
        env={
            "PATH": f"{BIN}:/usr/bin:/bin",
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_STEP_SUMMARY": str(folder / "summary"),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_action_annotates(tmp_path: Path) -> None:
    done = check(tmp_path, paths=f"{SAMPLES / 'broken'}\n{SAMPLES / 'segment-logs'}")
    assert done.returncode == 1
    assert done.stdout.startswith("::error file=")
    assert (tmp_path / "output").read_text() == "exit-code=1\n"


def test_the_action_judges_by_thresholds(tmp_path: Path) -> None:
    options = "--max-rejected=10%\n--fail-on=duplicate\n"
    done = check(tmp_path, paths=str(SAMPLES), command="dry-run", arguments=options)
    assert (done.returncode, "::error title=--max-rejected 10%25::" in done.stdout) == (7, True)
    assert "::error title=--fail-on duplicate::" in done.stdout


def test_the_action_adds_to_the_summary_of_the_job(tmp_path: Path) -> None:
    (tmp_path / "summary").write_text("# Before\n")
    done = check(tmp_path, paths=str(SAMPLES / "segment-logs"), format="markdown")
    assert (done.returncode, done.stdout) == (0, "")
    assert (
        (tmp_path / "summary")
        .read_text()
        .startswith("# Before\n## wootric-replay validate: passed")
    )


def test_the_action_writes_a_log_beside_text(tmp_path: Path) -> None:
    done = check(tmp_path, paths=str(SAMPLES / "broken"), format="sarif", output="records.sarif")
    assert (done.returncode, "Rejected: 15" in done.stdout) == (1, True)
    assert json.loads((tmp_path / "records.sarif").read_text())["version"] == "2.1.0"


@pytest.mark.parametrize(
    "hostile", ["$(touch owned)", "`touch owned`", "a; touch owned", "--help", "*"]
)
def test_no_input_of_the_action_is_read_as_code(hostile: str, tmp_path: Path) -> None:
    for name in ("paths", "output", "arguments", "format", "command"):
        inputs = {"paths": str(SAMPLES / "segment-logs")} | {name: hostile}
        done = check(tmp_path, **inputs)
        assert not (tmp_path / "owned").exists()
        assert done.returncode == 2 or name in {"output", "arguments"}
        assert "Traceback" not in done.stderr


def test_no_step_of_the_action_puts_an_input_into_a_script() -> None:
    for step in loaded("action.yml")["runs"]["steps"]:
        assert "${{" not in step.get("run", "")


def test_the_example_workflow_gives_the_action_inputs_that_it_has() -> None:
    inputs = loaded("action.yml")["inputs"]
    steps = [
        step["with"]
        for step in loaded("docs/ci/github.yml")["jobs"]["check"]["steps"]
        if step.get("uses", "").startswith("OWNER/wootric-replay@")
    ]
    assert len(steps) == 3
    assert all(set(each) <= set(inputs) for each in steps)


@pytest.mark.parametrize("number", range(3))
def test_the_steps_of_the_example_workflow_work(number: int, tmp_path: Path) -> None:
    step = [
        each["with"]
        for each in loaded("docs/ci/github.yml")["jobs"]["check"]["steps"]
        if each.get("uses", "").startswith("OWNER/")
    ][number]
    shutil.copytree(SAMPLES / "segment-logs", tmp_path / "records")
    (tmp_path / "known.json").write_text('{"version": 1, "findings": []}\n')
    done = check(tmp_path, **step)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_line_for_gitlab_works(tmp_path: Path) -> None:
    job = loaded("docs/ci/gitlab.yml")["records"]
    shutil.copytree(SAMPLES / "segment-logs", tmp_path / "records")
    program, *words = shlex.split(job["script"][1])
    done = subprocess.run([BIN / program, *words], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0
    assert (tmp_path / job["artifacts"]["reports"]["junit"]).read_text().startswith("<?xml")


# The image


def python_of_all() -> str:
    """A Python that the user of the image may run, too: this one may stand in somebody's home."""
    program = "import sys, venv; sys.exit(sys.version_info < (3, 11))"
    for path in (f"{sys.base_prefix}/bin/python3", "/usr/local/bin/python3", "/usr/bin/python3"):
        with contextlib.suppress(OSError):
            tried = subprocess.run([path, "-c", program], check=False, cwd="/", **as_user())
            if tried.returncode == 0:
                return path
    pytest.skip("every Python of 3.11 or newer stands where other users may not enter")


def as_user() -> dict[str, Any]:
    """What makes a process one of the image's user: only root may, and others stay who they are."""
    return {} if os.geteuid() else {"user": USER, "group": USER, "extra_groups": []}


class Image:
    """What the steps of the Dockerfile make, in a fresh folder that stands for the root of the image."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment: dict[str, str] = {}
        self.user = ""
        self.entrypoint: list[str] = []
        self.folder = ""
        text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
        for line in text.splitlines():
            word, _, rest = line.partition(" ")
            if word and not word.startswith("#"):
                self._step(word, rest)

    def place(self, text: str) -> str:
        """A text of the Dockerfile, in which the image's folders are those of the fresh one."""
        return re.sub(r"(?<![\w.])/(?=(?:src|opt|state|data)\b)", f"{self.root}/", text)

    def _step(self, word: str, rest: str) -> None:
        if word == "COPY":
            *sources, to = rest.split()
            if sources[0].startswith("--from="):
                return  # all stages are built in one folder
            for source in sources:
                target = Path(self.place(to)) / (source if to.endswith("/") else "")
                target.parent.mkdir(parents=True, exist_ok=True)
                whole = ROOT / source
                if whole.is_dir():
                    shutil.copytree(whole, target, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(whole, target)
        elif word == "RUN":
            command = self.place(rest).replace("python -m venv", f"{python_of_all()} -m venv")
            command = re.sub(r"^python\b", sys.executable, command)
            if os.geteuid():
                command = re.sub(r" -o \d+ -g \d+", "", command)  # only root may give files away
            subprocess.run(["/bin/sh", "-c", command], check=True, capture_output=True, timeout=300)
        elif word == "ENV":
            self.environment |= dict(each.split("=") for each in shlex.split(self.place(rest)))
        elif word == "USER":
            self.user = rest
        elif word == "WORKDIR":
            self.folder = self.place(rest)
        elif word == "ENTRYPOINT":
            self.entrypoint = json.loads(self.place(rest))
        else:
            assert word in {"FROM", "VOLUME"}, word

    def run(self, *words: str, changes: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
        """Run a command as the user of the image."""
        return subprocess.run(
            [*self.entrypoint, *words],
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin", **self.environment, **changes},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **as_user(),
        )


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    # Below a folder that other users may enter, unlike those of pytest.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        root = Path(folder, "image")
        root.mkdir()
        yield Image(root)


@pytest.fixture
def scratch(image: Image) -> Iterator[Path]:
    """What is mounted at /tmp."""
    folder = image.root.parent / "tmp"
    folder.mkdir(mode=0o777)
    folder.chmod(0o1777)
    yield folder
    shutil.rmtree(folder)


def test_the_image_is_run_by_nobody_in_particular(image: Image) -> None:
    assert image.user == f"{USER}:{USER}"
    assert "rejects /state/rejects.ndjson" in (ROOT / "Dockerfile").read_text()


def test_only_the_state_may_be_written_in_the_image(image: Image) -> None:
    for path in image.root.rglob("*"):
        status = path.lstat()
        if path == image.root / "state" or path.is_symlink():
            continue
        assert status.st_uid == os.geteuid()
        assert not status.st_mode & 0o022, path


def test_the_image_is_small(image: Image) -> None:
    installed = [each for each in (image.root / "opt").rglob("*") if each.is_file()]
    assert sum(each.lstat().st_size for each in installed) < 40_000_000
    assert not list((image.root / "opt").rglob("pip"))


def test_the_image_checks_and_plans_and_writes_nothing(image: Image, scratch: Path) -> None:
    shutil.copytree(SAMPLES / "segment-logs", Path(image.folder) / "logs", dirs_exist_ok=True)
    before = sorted(image.root.rglob("*"))
    for words in (
        ("validate", "."),
        ("dry-run", "."),
        ("inspect", "."),
        ("validate", "--format", "sarif", "."),
    ):
        done = image.run(*words, changes={"TMPDIR": str(scratch)})
        assert done.returncode == 0, done.stderr
        assert "16" in done.stdout
    assert sorted(image.root.rglob("*")) == before


def test_a_push_from_the_image_keeps_its_journal_in_the_state(image: Image, scratch: Path) -> None:
    settings = SandboxSettings()
    shutil.copytree(SAMPLES / "segment-logs", Path(image.folder) / "logs", dirs_exist_ok=True)
    with run_sandbox(settings) as sandbox:
        login = {
            "TMPDIR": str(scratch),
            "WOOTRIC_ACCOUNT_TOKEN": settings.account_token,
            "WOOTRIC_CLIENT_ID": settings.client_id,
            "WOOTRIC_CLIENT_SECRET": settings.client_secret,
            "WOOTRIC_BASE_URL": sandbox.base_url,
        }
        rejects = str(image.root / "state" / "rejects.ndjson")
        done = image.run("push", "--rejects", rejects, ".", changes=login)
        assert done.returncode == 0, done.stderr
        assert len(list(sandbox.state.end_users)) == 3
    assert list((image.root / "state").rglob("*.journal"))
