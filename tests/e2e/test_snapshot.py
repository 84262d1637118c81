"""Snapshots of a sandbox's account over real HTTP: everybody once, in as few calls as it takes."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest
from replaying import Replay, identify
from starlette.responses import JSONResponse, Response

from wootric_map.model import EndUserUpsert
from wootric_map.sandbox import Fault, SandboxRequest, SandboxSettings, run_sandbox
from wootric_map.snapshot.snapshot_reader import SnapshotReader
from wootric_map.wootric.regions import account_fingerprint

LIST = "GET /v1/end_users"
T = 1_700_000_000


@dataclass
class Account:
    """A sandbox whose clock the test sets."""

    replay: Replay
    now: list[float]

    def hold(self, second: int, number: int) -> None:
        """Create so many end users in a second."""
        self.now[0] = second
        state = self.replay.sandbox.state
        with state.lock:
            first = len(state.end_users) + 1
            for each in range(first, first + number):
                form = {"email": f"u{each}@example.com", "external_id": f"u-{each}"}
                path = "/v1/end_users"
                state.create_end_user(SandboxRequest(path, "POST", path, {}, {}, form, {}, False))
        self.now[0] = time.time()

    def change(self, *ids: int) -> None:
        """Give these end users a property, now."""
        self.now[0] = time.time()
        state = self.replay.sandbox.state
        for each in ids:
            path = f"/v1/end_users/{each}"
            form = {"properties[plan]": "pro"}
            with state.lock:
                state.update_end_user(
                    SandboxRequest(path, "PUT", path, {"id": str(each)}, {}, form, {}, False)
                )

    def snapshot(self, *args: str) -> tuple[int, str]:
        done = self.replay.run("snapshot", *args)
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        return done.returncode, done.stderr

    def rows(self, name: str = "out.ndjson") -> list[dict[str, Any]]:
        content = (self.replay.folder / name).read_bytes()
        return [orjson.loads(line) for line in content.splitlines()]

    @property
    def calls(self) -> int:
        """How many pages were asked for."""
        return self.replay.sandbox.state.request_counts.by_endpoint.get(LIST, 0)

    def queries(self) -> list[dict[str, str]]:
        found = self.replay.sandbox.requests
        return [each["query"] for each in found if each["path"] == "/v1/end_users"]  # type: ignore[misc]


Open = Callable[[SandboxSettings], Account]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    with ExitStack() as stack:

        def open_account(settings: SandboxSettings) -> Account:
            now = [time.time()]
            running = run_sandbox(settings, clock=lambda: now[0])
            return Account(Replay(tmp_path, stack.enter_context(running)), now)

        yield open_account


@pytest.fixture
def settings() -> SandboxSettings:
    return SandboxSettings()


@pytest.fixture
def account(opened: Open, settings: SandboxSettings) -> Account:
    return opened(settings)


def hold_4000(account: Account) -> int:
    """4,000 end users: 700 in one second, 400 in another, the rest one or two a second.

    Returns:
        The second in which the first was created.
    """
    begun = int(time.time()) - 100_000
    second = begun
    for number in range(700):
        account.hold(second + number, 1 + number % 2)
    account.hold(second + 700, 700)  # rows 1,051 to 1,750: across the end of the first window
    for number in range(701, 1651):
        account.hold(second + number, 1)
    account.hold(second + 1651, 400)  # rows 2,701 to 3,100
    account.hold(second + 1652, 900)
    assert len(account.replay.sandbox.state.end_users) == 4000
    return begun


def test_4000_end_users_come_once_each_hundreds_of_them_in_one_second(account: Account) -> None:
    begun = hold_4000(account)
    code, said = account.snapshot("-o", "out.ndjson")
    assert code == 0, said
    rows = account.rows()
    assert [row["id"] for row in rows] == list(range(1, 4001))
    held = [user.to_json() for user in account.replay.sandbox.state.end_users]
    ours = ("account", "as_of")
    assert [{k: v for k, v in row.items() if k not in ours} for row in rows] == held
    settings = account.replay.sandbox.settings
    assert {row["account"] for row in rows} == {account_fingerprint(settings.account_token)}
    assert settings.account_token not in (account.replay.folder / "out.ndjson").read_text()
    # Rows 1 to 1,500; from row 1,051 to 2,550; from row 2,550 to its 1,451st and last, on page 30.
    assert account.calls == 30 + 30 + 30
    starts = [q.get("created[gte]") for q in account.queries() if q["page"] == "1"]
    assert starts == [None, str(begun + 700), str(begun + 1500)]
    assert "4,000 end users in out.ndjson, 91 calls" in said
    assert not (account.replay.folder / "out.ndjson.partial").exists()


def test_2900_in_one_second_are_read_from_both_ends(account: Account) -> None:
    begun = int(time.time()) - 5000
    account.hold(begun, 10)
    account.hold(begun + 1, 2900)
    account.hold(begun + 2, 10)
    code, said = account.snapshot("-o", "out.ndjson")
    assert code == 0, said
    assert sorted(row["id"] for row in account.rows()) == list(range(1, 2921))
    assert account.calls == 30 + 30 + 29 + 1
    assert [row["created_at"] for row in account.rows()] == sorted(
        user.created_at for user in account.replay.sandbox.state.end_users
    )


def test_more_than_3000_in_one_second_are_told_not_lost(account: Account) -> None:
    account.hold(1_700_000_000, 3001)
    code, said = account.snapshot("-o", "out.ndjson")
    assert code == 5
    assert "3,000 end users or more were created in the second 2023-11-14T22:13:20Z" in said
    assert not (account.replay.folder / "out.ndjson").exists()


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143)])
def test_a_signal_keeps_what_came_and_the_same_command_goes_on(
    opened: Open, number: int, code: int
) -> None:
    asked, answer = threading.Event(), threading.Event()
    pages = count(1)

    def hold_up(request: SandboxRequest) -> None:
        if request.endpoint == LIST and next(pages) == 5:
            asked.set()
            answer.wait(60)

    account = opened(SandboxSettings(faults=(hold_up,)))
    for second in range(10):
        account.hold(int(time.time()) - 5000 + second, 60)
    partial = account.replay.folder / "out.ndjson.partial"
    with account.replay.start("snapshot", "-o", "out.ndjson", "--no-progress") as process:
        assert asked.wait(60)
        process.send_signal(number)
        assert process.stderr
        assert process.stderr.readline().startswith("stopping")
        answer.set()
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (code, "")
    assert err == "250 end users kept in out.ndjson.partial; run the same command again to go on.\n"
    assert [row["id"] for row in account.rows(partial.name)] == list(range(1, 251))
    assert not (account.replay.folder / "out.ndjson").exists()
    assert account.calls == 5
    as_of = account.rows(partial.name)[0]["as_of"]

    # As a crash leaves it: in the middle of a line.
    partial.write_bytes(partial.read_bytes()[:-7])
    code, said = account.snapshot("-o", "out.ndjson")
    assert code == 0, said
    assert [row["id"] for row in account.rows()] == list(range(1, 601))
    assert {row["as_of"] for row in account.rows()} == {as_of}
    # From the second of the 249th, which is the fifth: 360 from there on.
    assert account.queries()[5]["created[gte]"] == str(account.rows()[248]["created_at"])
    assert account.calls == 5 + 8
    assert not partial.exists()


def test_an_update_asks_only_for_those_updated_since(account: Account) -> None:
    hold_4000(account)
    code, said = account.snapshot("-o", "out.ndjson")
    assert code == 0, said
    before = account.calls
    account.change(7, 2000)
    account.hold(int(time.time()), 1)
    code, said = account.snapshot("--update", "out.ndjson")
    assert code == 0, said
    assert account.calls == before + 1
    (query,) = account.queries()[before:]
    rows = account.rows()
    assert [row["id"] for row in rows] == list(range(1, 4002))
    assert [row["id"] for row in rows if row["properties"]] == [7, 2000]
    assert len({row["as_of"] for row in rows}) == 1
    assert int(query["updated[gte]"]) <= rows[0]["as_of"] - 120
    assert "4,001 end users (3 new or updated) in out.ndjson, 2 calls" in said


def test_an_update_may_go_to_a_file_of_its_own(account: Account) -> None:
    account.hold(int(time.time()) - 5000, 60)
    account.snapshot("-o", "out.ndjson")
    first = account.rows()
    account.change(3)
    code, said = account.snapshot("--update", "out.ndjson", "-o", "new.ndjson")
    assert code == 0, said
    assert account.rows() == first
    assert [row["id"] for row in account.rows("new.ndjson") if row["properties"]] == [3]


def test_the_time_is_that_of_wootrics_own_clock(account: Account) -> None:
    account.hold(1_700_000_000, 1)
    begun = int(time.time())
    account.snapshot("-o", "out.ndjson")
    assert begun - 1 <= account.rows()[0]["as_of"] <= time.time()


def first(number: int, answer: Any) -> Callable[[SandboxRequest], Fault | None]:
    """A fault rule for the first requests of the list."""
    seen = count(1)

    def rule(request: SandboxRequest) -> Fault | None:
        listed = request.endpoint == LIST and next(seen) <= number
        return Fault(answer) if listed else None

    return rule


def test_faults_that_pass_are_tried_again(opened: Open) -> None:
    down = JSONResponse({"error": "Down"}, 503)
    account = opened(SandboxSettings(faults=(first(2, down),), rate_limit=40, rate_window=1.0))
    account.hold(int(time.time()) - 5000, 120)
    code, said = account.snapshot("-o", "out.ndjson")
    assert code == 0, said
    assert len(account.rows()) == 120


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (JSONResponse({"error": "Forbidden"}, 403), "refused it with 403: Forbidden"),
        (Response("<html>"), "no JSON"),
        (JSONResponse({"end_users": []}), "no list of end users"),
        (JSONResponse([1, 2]), "no list of end users"),
        (JSONResponse([{"id": 1}]), "its created_at is missing"),
        (JSONResponse([{"id": 1, "created_at": 1}] * 51), "more than the 50 asked for"),
        (JSONResponse([{"id": n, "created_at": -n} for n in range(1, 9)]), "not in the order"),
        (JSONResponse([{"id": n, "created_at": T} for n in range(1, 51)]), "nobody but"),
    ],
)
def test_a_list_that_makes_no_sense_ends_with_5(opened: Open, answer: Any, words: str) -> None:
    account = opened(SandboxSettings(faults=(first(999, answer),)))
    code, said = account.snapshot("-o", "out.ndjson")
    assert code == 5
    assert words in said
    assert not (account.replay.folder / "out.ndjson").exists()


def test_what_orjson_cannot_write_is_written_all_the_same(opened: Open) -> None:
    told = '[{"id":1,"created_at":%d,"half":"\\ud83d","n":1e999,"big":%d,"deep":%s}]'
    body = told % (T, 2**80, "[" * 400 + "]" * 400)
    answer = Response(body, media_type="application/json")
    account = opened(SandboxSettings(faults=(first(999, answer),)))
    code, said = account.snapshot("-o", "out.ndjson")
    assert code == 0, said
    path = account.replay.folder / "out.ndjson"
    assert str(2**80).encode() in path.read_bytes()
    with SnapshotReader.open(path) as snapshot:
        assert len(snapshot) == 1


def test_end_users_of_a_megabyte_each_come_through(opened: Open) -> None:
    row = {"id": 1, "created_at": T, "properties": {"bio": "x" * 3_000_000}}
    account = opened(SandboxSettings(faults=(first(1, JSONResponse([row])),)))
    code, said = account.snapshot("-o", "out.ndjson")
    assert code == 0, said
    assert len(account.rows()[0]["properties"]["bio"]) == 3_000_000


def test_a_wrong_secret_ends_with_4(account: Account) -> None:
    wrong = {"WOOTRIC_CLIENT_SECRET": "hunter2hunter2"}
    done = account.replay.run("snapshot", "-o", "out.ndjson", env=wrong)
    assert done.returncode == 4
    assert "hunter2hunter2" not in done.stderr
    assert list(account.replay.folder.iterdir()) == []


def test_what_a_push_wrote_is_found_in_the_snapshot(account: Account) -> None:
    export = account.replay.write([identify(f"u{n}", f"U{n}@example.com") for n in range(120)])
    assert account.replay.push(export).returncode == 0
    code, said = account.snapshot("-o", "out.ndjson")
    assert code == 0, said
    with SnapshotReader.open(account.replay.folder / "out.ndjson") as snapshot:
        assert len(snapshot) == 120
        found = [snapshot.find(EndUserUpsert(external_id=f"u{n}")) for n in range(120)]
        assert [held and held.email for held in found] == [f"U{n}@example.com" for n in range(120)]
        assert snapshot.find(EndUserUpsert(email="u7@EXAMPLE.com")) == found[7]
