"""People of whom nothing is sent, by whatever id of theirs a record came."""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any

import orjson
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from replaying import Replay, alias, at, empty_account, identify, page, track

from wootric_map.sandbox import RunningSandbox, run_sandbox

ADA, BYRON = "ada@example.com", "byron@example.com"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with run_sandbox() as running:
        yield running


def listed(replay: Replay, *entries: str, name: str = "suppressed") -> str:
    (replay.folder / name).write_text("".join(f"{each}\n" for each in entries))
    return name


def sent(replay: Replay) -> tuple[set[str], int, int]:
    """The end users in the account, and how many events were sent."""
    state = replay.sandbox.state
    return set(replay.users()), len(state.eligibility_checks), len(state.page_views)


EXPORT = [
    at(1, identify("1", ADA, phone="+1 555 1234")),
    at(2, track("1")),
    at(3, page("1")),
    at(4, track("1", anonymousId="d1")),
    at(5, identify("2", BYRON)),
    at(6, page("2")),
]


@pytest.mark.parametrize(
    "entry",
    [
        "1",
        ADA,
        " ADA@Example.com ",
        "15551234",
        "+1-555-1234",
        sha256(b"1").hexdigest(),
        sha256(ADA.encode()).hexdigest().upper(),
        sha256(b"+15551234").hexdigest(),
    ],
)
def test_nothing_of_somebody_suppressed_is_sent_by_any_of_their_ids(
    replay: Replay, entry: str
) -> None:
    export = replay.write(EXPORT)
    done = replay.push("--suppress", listed(replay, entry, "nobody@example.com"), export)
    assert done.returncode == 0, done.stderr
    assert sent(replay) == ({"2"}, 0, 1)
    assert "1" not in replay.users()
    assert "suppressed 4" in done.stdout + done.stderr


def test_the_dry_run_counts_them_and_plans_nothing(replay: Replay) -> None:
    diff = replay.diff("--suppress", listed(replay, ADA), replay.write(EXPORT))
    assert (diff.skipped("suppressed"), diff.writes, diff.events) == (4, (1, 0), (0, 1))


def test_an_inspection_counts_them(replay: Replay) -> None:
    export = replay.write([*EXPORT, *EXPORT[:1]])
    done = replay.run("inspect", "--format", "json", "--suppress", listed(replay, ADA), export)
    found = orjson.loads(done.stdout)
    assert (
        found["skipped"] == {"duplicate": 0, "suppressed": 5} or found["skipped"]["suppressed"] == 5
    )
    assert found["end_users"]["total"] == 1


@pytest.mark.parametrize("command", ["map", "validate"])
def test_commands_that_look_at_records_alone_skip_those_that_name_them(
    replay: Replay, command: str
) -> None:
    listing = listed(replay, "1")
    done = (
        replay.run(command, "--format", "json", "--suppress", listing, replay.write(EXPORT))
        if (command == "validate")
        else replay.run(command, "--suppress", listing, replay.write(EXPORT))
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"suppressed"') >= 1
    assert ADA not in done.stdout


def test_an_alias_hides_nobody(replay: Replay) -> None:
    export = replay.write(
        [at(1, identify("old", None, plan="a")), alias("old", "new"), at(3, identify("new", ADA))]
    )
    assert replay.push("--suppress", listed(replay, "old"), export).returncode == 0
    assert sent(replay)[0] == set()


def test_an_id_that_only_an_alias_names_hides_nobody(replay: Replay) -> None:
    export = replay.write([alias("device", "new"), at(3, identify("new", ADA))])
    assert replay.push("--suppress", listed(replay, "device"), export).returncode == 0
    assert sent(replay)[0] == set()


def test_a_suppressed_device_loses_its_own_records_alone(replay: Replay) -> None:
    export = replay.write(EXPORT)
    assert replay.push("--suppress", listed(replay, "d1"), export).returncode == 0
    assert sent(replay) == ({"1", "2"}, 1, 2)


def test_what_only_an_earlier_run_knew_hides_nobody(replay: Replay) -> None:
    first = replay.write([at(1, identify("1", ADA))], "first.ndjson")
    assert replay.push(first).returncode == 0
    second = replay.write([at(2, page("1")), at(3, identify("1", None, plan="x"))], "second.ndjson")
    assert replay.push("--suppress", listed(replay, ADA), second).returncode == 0
    assert replay.sandbox.state.page_views == ()
    assert replay.users()["1"]["properties"] == {}


def test_whom_only_the_account_knows_by_a_suppressed_email_is_left_alone(replay: Replay) -> None:
    replay.holds("1", ADA, plan="old")
    export = replay.write(
        [at(1, identify("1", None, plan="new")), at(2, page("1")), at(3, track("1"))]
    )
    listing = listed(replay, ADA)
    done = replay.push("--suppress", listing, export)
    assert done.returncode == 0, done.stderr
    assert replay.users()["1"]["properties"] == {"plan": "old"}
    assert sent(replay) == ({"1"}, 0, 0)
    diff = replay.diff("--suppress", listing, "--against", "account", export)
    assert (diff.skipped("suppressed"), diff.writes, diff.events) == (3, (0, 0), (0, 0))


@pytest.mark.parametrize(
    ("entry", "rules"),
    [
        ("+1 555 1234", ("--exclude-trait", "phone")),
        (ADA, ("--rename-trait", "email=old", "--rename-trait", "mail=email")),
    ],
)
def test_a_rule_hides_no_id_from_a_list(replay: Replay, entry: str, rules: tuple[str, ...]) -> None:
    export = replay.write(
        [at(1, identify("1", ADA, mail=BYRON, phone="+1 555 1234")), at(2, page("1"))]
    )
    assert replay.push("--suppress", listed(replay, entry), *rules, export).returncode == 0
    assert sent(replay) == (set(), 0, 0)


@pytest.mark.parametrize(
    "options",
    [
        ("--event", "Signed Up"),
        ("--type", "identify"),
        ("--since", "2024-01-01T12:00:00Z"),
        ("--no-fold",),
        ("--link-anonymous",),
        ("--events-first",),
    ],
)
def test_a_record_that_is_not_replayed_still_tells_whose_an_id_is(
    replay: Replay, options: tuple[str, ...]
) -> None:
    told = {"context": {"traits": {"email": ADA}}}
    export = replay.write(
        [at(1, track("1", "Other", **told)), at(2, identify("1", BYRON)), at(3, page("1"))]
    )
    assert replay.push("--suppress", listed(replay, ADA), *options, export).returncode == 0
    assert sent(replay) == (set(), 0, 0)


def test_an_opted_out_identify_still_tells_whose_an_id_is(replay: Replay) -> None:
    out = {"integrations": {"Wootric": False}}
    export = replay.write([at(1, {**identify("1", ADA), **out}), at(2, identify("1", BYRON))])
    assert replay.push("--suppress", listed(replay, ADA), export).returncode == 0
    assert sent(replay) == (set(), 0, 0)


@pytest.mark.parametrize("against", ["auto", "account"])
@pytest.mark.parametrize(
    "options",
    [(), ("--create-only",), ("--fill-missing",), ("--no-fold",), ("--events-first",)],
)
def test_no_event_of_whom_only_the_account_knows_is_sent(
    replay: Replay, against: str, options: tuple[str, ...]
) -> None:
    replay.holds("1", ADA)
    for number in range(60):  # so many that some would be created without a look-up before
        replay.holds(f"other {number}", f"{number}@example.com")
    told: dict[str, Any] = {"context": {"traits": {"email": BYRON}}}
    export = replay.write(
        [
            at(1, identify("1", BYRON)),
            at(2, track("1")),
            at(3, page("1")),
            at(4, track("1", **told)),
        ]
    )
    listing = listed(replay, ADA)
    done = replay.push("--suppress", listing, "--against", against, *options, export)
    assert done.returncode == 0, done.stderr
    assert sent(replay)[1:] == (0, 0)
    assert len(replay.users()) == 61
    assert replay.users()["1"]["email"] == ADA
    written = [each for each in replay.sandbox.requests if each["method"] in {"POST", "PUT"}]
    assert {each["path"] for each in written} == {"/oauth/token"}


@pytest.mark.parametrize("against", ["auto", "account"])
def test_no_answer_of_whom_only_the_account_knows_is_sent(replay: Replay, against: str) -> None:
    replay.holds("1", ADA)
    answer: dict[str, Any] = {
        "integrations": {"Wootric": {"eventType": "create response"}},
        "properties": {"feedbackScore": 9},
    }
    for records in (
        [at(1, track("1", **answer))],
        [at(1, identify("1", BYRON)), at(2, track("1", **answer))],
    ):
        export = replay.write(records)
        done = replay.push("--suppress", listed(replay, ADA), "--against", against, export)
        assert done.returncode == 0, done.stderr
    written = [each for each in replay.sandbox.requests if each["method"] in {"POST", "PUT"}]
    assert {each["path"] for each in written} == {"/oauth/token"}
    assert replay.push(export).returncode == 0
    assert any(str(path).endswith("/responses") for path in replay.paths("POST"))


@pytest.mark.parametrize("against", ["auto", "account"])
@pytest.mark.parametrize("hashed", [False, True])
def test_who_is_suppressed_after_a_first_push_is_left_alone(
    replay: Replay, against: str, hashed: bool
) -> None:
    first = replay.write([at(1, identify("1", ADA, plan="a"))], "first.ndjson")
    assert replay.push(first).returncode == 0
    second = replay.write(
        [at(2, identify("1", BYRON, plan="b")), at(3, track("1")), at(4, page("1"))], "second"
    )
    entry = sha256(ADA.encode()).hexdigest() if hashed else ADA
    done = replay.push("--suppress", listed(replay, entry), "--against", against, second)
    assert done.returncode == 0, done.stderr
    assert sent(replay) == ({"1"}, 0, 0)
    assert replay.users()["1"]["properties"] == {"plan": "a"}
    assert replay.users()["1"]["email"] == ADA


def test_an_address_of_several_people_hides_only_what_names_it(replay: Replay) -> None:
    help_desk = "help@example.com"
    export = replay.write(
        [
            at(1, identify("1", ADA)),
            at(2, identify("1", help_desk)),
            at(3, identify("2", BYRON)),
            at(4, identify("2", help_desk, plan="x")),
        ]
    )
    assert replay.push("--suppress", listed(replay, help_desk), export).returncode == 0
    assert {each["email"] for each in replay.users().values()} == {ADA, BYRON}


def test_suppressed_people_do_not_count_toward_the_limit(replay: Replay) -> None:
    diff = replay.diff("--suppress", listed(replay, "1"), "--limit", "1", replay.write(EXPORT))
    assert diff.writes == (1, 0)


# The lists themselves


def test_a_csv_file_with_a_header_is_a_list(replay: Replay) -> None:
    text = '\ufeffName,E-Mail Address,User ID\r\n"Ada, L.",ada@example.com,\r\n,,2\r\n'
    (replay.folder / "list.csv").write_text(text, newline="")
    assert replay.push("--suppress", "list.csv", replay.write(EXPORT)).returncode == 0
    assert sent(replay) == (set(), 0, 0)


def test_lists_add_up(replay: Replay) -> None:
    lists = [
        f"--suppress={listed(replay, each, name=name)}" for each, name in ((ADA, "a"), ("2", "b"))
    ]
    assert replay.push(*lists, replay.write(EXPORT)).returncode == 0
    assert sent(replay) == (set(), 0, 0)


def test_lists_of_a_configuration_file_and_of_the_command_line_add_up(replay: Replay) -> None:
    (replay.folder / "own.toml").write_text(f'suppress = ["{listed(replay, ADA)}"]\n')
    (replay.folder / "own.toml").chmod(0o600)
    other = listed(replay, "2", name="other")
    export = replay.write(EXPORT)
    assert replay.push("--config", "own.toml", "--suppress", other, export).returncode == 0
    assert sent(replay) == (set(), 0, 0)
    assert replay.push("--config", "own.toml", export).returncode == 0
    assert sent(replay)[0] == {"2"}


@pytest.mark.parametrize(("own", "left"), [('["other"]', set()), ("[]", {"1", "2"})])
def test_lists_of_a_profile_and_of_the_top_add_up(replay: Replay, own: str, left: set[str]) -> None:
    folder = replay.folder / "settings"
    folder.mkdir()
    (folder / "all").write_text(ADA)
    (folder / "other").write_text("2")
    (folder / "own.toml").write_text(f'suppress = ["all"]\n[profile.p]\nsuppress = {own}\n')
    (folder / "own.toml").chmod(0o600)
    done = replay.push("--config", "settings/own.toml", "--profile", "p", replay.write(EXPORT))
    assert done.returncode == 0, done.stderr
    assert set(replay.users()) == left


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        (b"\xff\xfe1\x00", "not UTF-8"),
        (b"name,age\nAda,36\n", "names no column of people"),
        (b"", "holds no entry"),
        (b"1\n2;x\n", "line 2 is no single entry"),
        (b"x" * (1024 * 1024 + 2), "longer than a megabyte"),
    ],
)
def test_a_list_that_cannot_be_read_whole_ends_the_run(
    replay: Replay, content: bytes | None, words: str
) -> None:
    if content is not None:
        (replay.folder / "list").write_bytes(content)
    for command in ("validate", "map", "dry-run", "push"):
        done = replay.run(command, "--suppress", "list", replay.write(EXPORT))
        assert done.returncode == 2, command
        assert "--suppress list" in done.stderr
        assert words in done.stderr
    assert sent(replay) == (set(), 0, 0)


# In general


_IDS = st.sampled_from(["1", "2", "3"])
_EMAILS = st.none() | st.sampled_from([ADA, BYRON, "c@example.com"])
_RECORDS = st.one_of(
    st.builds(identify, _IDS, _EMAILS),
    st.builds(track, _IDS),
    st.builds(page, _IDS),
    st.builds(alias, _IDS, _IDS),
    st.builds(lambda email: track("x", properties={"email": email}), _EMAILS.filter(bool)),
)


def named(record: dict[str, Any]) -> set[str]:
    found = {record["userId"], record.get("previousId")}
    for place in ("traits", "properties"):
        found.add((record.get(place) or {}).get("email"))
    return {each for each in found if each}


def tied_to(suppressed: str, records: Iterable[dict[str, Any]]) -> set[str]:
    """Every id that some chain of records ties to a suppressed one, whoever carries it."""
    theirs = {suppressed}
    for _ in range(8):
        for record in records:
            if named(record) & theirs:
                theirs |= named(record)
    return theirs


@examples(40)
@given(
    records=st.lists(_RECORDS, min_size=1, max_size=8),
    suppressed=st.sampled_from(["1", "2", ADA, BYRON]),
    hashed=st.booleans(),
)
def test_no_record_that_names_somebody_suppressed_is_sent_and_nobody_else_s_is_kept_back(
    sandbox: RunningSandbox, records: list[dict[str, Any]], suppressed: str, hashed: bool
) -> None:
    timed = [at(number, record) for number, record in enumerate(records, 1)]
    with empty_account(sandbox) as replay:
        entry = sha256(suppressed.encode()).hexdigest() if hashed else suppressed
        export = replay.write(timed)
        lines = [
            orjson.loads(line)
            for line in replay.run(
                "dry-run", "--format", "json", "--suppress", listed(replay, entry), export
            ).stdout.splitlines()
        ]
        shown = orjson.dumps(lines[:-1]).decode()
        assert f'"{suppressed}"' not in shown
        if suppressed not in {each for record in timed for each in named(record)}:
            assert lines[-1]["summary"]["skipped"].get("suppressed", 0) == 0
        untouched = [each for each in timed if not named(each) & tied_to(suppressed, timed)]
        alone = replay.diff(replay.write(untouched, "untouched.ndjson")).lines[:-1]
        assert {orjson.dumps(each["end_user"]) for each in alone if "end_user" in each} <= {
            orjson.dumps(each["end_user"]) for each in lines[:-1] if "end_user" in each
        }


@pytest.mark.parametrize("against", ["nothing", "account"])
@pytest.mark.parametrize("options", [(), ("--no-fold",)])
@pytest.mark.parametrize(
    "entry", ["1", ADA, "+1 555 1234", sha256(b"1").hexdigest(), "former@example.com"]
)
def test_of_a_saved_plan_nothing_is_sent_of_whom_it_names_by_what_is_on_the_list(
    replay: Replay, entry: str, options: tuple[str, ...], against: str
) -> None:
    former = identify("1", "former@example.com")
    records = [at(day, each) for day, each in enumerate([former, *EXPORT], start=1)]
    plan = replay.plan(replay.write(records), "--against", against, *options)
    done = replay.push("--plan", plan, "--suppress", listed(replay, entry), "--format", "json")
    assert done.returncode == 0, done.stderr
    summary = orjson.loads(done.stdout)["summary"]
    assert sent(replay) == ({"2"}, 0, 1)
    steps = 2 if options else 1
    assert summary["skipped"] == {"suppressed": 3 + steps}
    forecast = summary["forecast"]
    assert forecast["least"] <= 2 <= forecast["most"]
    assert "make it anew" in done.stderr
    # Once the list no longer has them, the rest of the plan is sent, and nothing twice.
    assert replay.push("--plan", plan).returncode == 0
    assert sent(replay) == ({"1", "2"}, 2, 2)


def test_of_a_saved_plan_everything_is_sent_where_the_list_names_nobody_in_it(
    replay: Replay,
) -> None:
    plan = replay.plan(replay.write(EXPORT))
    done = replay.push("--plan", plan, "--suppress", listed(replay, "3", "a@b.co", "1234"))
    assert done.returncode == 0, done.stderr
    assert sent(replay) == ({"1", "2"}, 2, 2)
