"""What a push leaves for whoever watches it from afar: its summary, and figures for Prometheus."""

import stat
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families
from replaying import NOWHERE, Replay, at, identify, page, refusing, track

from wootric_map.sandbox import SandboxSettings

Start = Callable[[SandboxSettings], Replay]

EXPORT = [
    at(1, identify("1", "ada@example.com")),
    at(2, track("1")),
    at(3, page("1")),
    at(4, identify("2", "byron@example.com")),
    at(5, {"type": "track", "userId": "1"}),
]


def figures(path: Path) -> dict[str, float]:
    """The metrics of a file, by name and the value of the label besides the account."""
    found = {}
    for family in text_string_to_metric_families(path.read_text()):
        for sample in family.samples:
            labels = dict(sample.labels)
            assert labels.pop("account")
            found[" ".join([sample.name.removeprefix("wootric_replay_"), *labels.values()])] = (
                sample.value
            )
    return found


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_summary_goes_to_a_file_of_ones_own_too(replay: Replay) -> None:
    file = replay.folder / "summary.json"
    done = replay.push(replay.write(EXPORT), "--summary", file, "--format", "json")
    assert done.returncode == 1, done.stderr
    assert orjson.loads(file.read_bytes()) == orjson.loads(done.stdout)
    assert mode(file) == 0o600
    done = replay.push(replay.write(EXPORT), "--summary", file, "--quiet")
    assert done.stdout == ""
    assert orjson.loads(file.read_bytes())["summary"]["unchanged"] == 2


def test_the_summary_of_a_push_that_ends_early_says_why(replay: Replay) -> None:
    file = replay.folder / "summary.json"
    done = replay.push(replay.write(EXPORT), "--summary", file, env={"WOOTRIC_CLIENT_SECRET": "x"})
    assert done.returncode == 4
    summary = orjson.loads(file.read_bytes())["summary"]
    assert summary["exit_code"] == 4
    assert summary["error"]


@pytest.mark.parametrize("option", ["--summary", "--textfile"])
def test_no_file_that_is_read_is_written_over(replay: Replay, option: str) -> None:
    export = replay.write(EXPORT, "export.prom")
    before = export.read_bytes()
    done = replay.push(export, option, export)
    assert done.returncode == 2, done.stderr
    assert export.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "words"), [("figures.txt", ".prom"), ("nowhere/figures.prom", "there is no folder")]
)
def test_a_file_that_can_not_be_meant_is_told_before_anything_is_sent(
    replay: Replay, name: str, words: str
) -> None:
    done = replay.push(replay.write(EXPORT), "--textfile", name)
    assert done.returncode == 2
    assert words in done.stderr
    assert not replay.sandbox.state.end_users


def test_figures_are_those_of_the_summary_and_anybody_can_read_them(replay: Replay) -> None:
    file = replay.folder / "figures.prom"
    done = replay.push(replay.write(EXPORT), "--textfile", file, "--format", "json")
    assert done.returncode == 1, done.stderr
    summary = orjson.loads(done.stdout)["summary"]
    found = figures(file)
    assert found["last_run_exit_code"] == 1
    assert found["last_run_calls"] == summary["calls"]
    assert found["last_run_records mapped"] == summary["mapped"] == 4
    assert found["last_run_records rejected"] == 1
    assert found["last_run_actions create"] == summary["create"] == 2
    assert found["last_run_actions eligibility_check"] == 1
    assert found["last_run_actions page_view"] == 1
    assert found["in_doubt"] == 0
    assert found["last_finished_timestamp_seconds"] == found["last_run_timestamp_seconds"]
    assert mode(file) == 0o644
    for personal in ("ada", "byron", "NPS-", str(replay.folder)):
        assert personal not in file.read_text()


def test_a_push_that_does_not_come_to_its_end_leaves_the_time_of_the_last_that_did(
    replay: Replay,
) -> None:
    file = replay.folder / "figures.prom"
    export = replay.write(EXPORT)
    assert (
        replay.push(export, "--textfile", file, env={"WOOTRIC_CLIENT_SECRET": "x"}).returncode == 4
    )
    assert "last_finished_timestamp_seconds" not in figures(file)
    assert replay.push(export, "--textfile", file).returncode == 1
    finished = figures(file)["last_finished_timestamp_seconds"]
    for _ in range(2):
        done = replay.push(export, "--textfile", file, env={"WOOTRIC_CLIENT_SECRET": "x"})
        assert done.returncode == 4
        found = figures(file)
        assert found["last_run_exit_code"] == 4
        assert found["last_finished_timestamp_seconds"] == finished
        assert found["last_run_timestamp_seconds"] > finished


@pytest.mark.parametrize("before", [b"\xff\xfe", b"{not metrics", b"wootric_replay 1\n" * 100_000])
def test_whatever_stood_there_is_replaced(replay: Replay, before: bytes) -> None:
    file = replay.folder / "figures.prom"
    file.write_bytes(before)
    done = replay.push(replay.write(EXPORT), "--textfile", file, env={"WOOTRIC_BASE_URL": NOWHERE})
    assert done.returncode == 5, done.stderr
    assert figures(file)["last_run_exit_code"] == 5


def test_failures_and_doubts_are_counted(replaying: Start) -> None:
    replay = replaying(SandboxSettings(faults=(refusing("byron@example.com"),)))
    file = replay.folder / "figures.prom"
    assert replay.push(replay.write(EXPORT), "--textfile", file).returncode == 1
    found = figures(file)
    assert found["last_run_records failed"] == 1
    assert found["last_run_actions create"] == 1
