"""What runs take from configuration files, and what they say of faults: the installed command."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson
import pytest
from replaying import Replay, identify

from cli import settings
from cli.app import app
from cli.config import model
from wootric_map.mapping.derived_rules import Rollup
from wootric_map.mapping.rules import IdentityRules, MappingRules, NameRules, TraitRules

if TYPE_CHECKING:
    from tests.conftest import Run, Write

ROOT = Path(__file__).parents[3]
SAMPLES = ROOT / "sample_events"
ADA = identify("1", "ada@example.com", plan="pro")
BOB = identify("2", "bob@example.com")

Configure = Callable[..., Path]


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    """Write a configuration file into the working folder, or another, that nobody else can read."""

    def write_file(text: str, name: str = "wootric-replay.toml", mode: int = 0o600) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return path

    return write_file


def rows(text: str) -> dict[str, dict[str, Any]]:
    return {each["key"]: each for each in map(orjson.loads, text.splitlines())}


# Values


def test_the_sample_file_is_well_and_a_dry_run_takes_it(run: "Run", tmp_path: Path) -> None:
    (tmp_path / "sample_events").symlink_to(SAMPLES)
    sample = "sample_events/wootric-replay.toml"
    checked = run("config", "check", sample)
    assert (checked.returncode, checked.stdout) == (0, f"{sample}: no faults\n")
    done = run("dry-run", "--config", sample, "sample_events/segment-logs")
    assert done.returncode == 0, done.stderr
    assert "at --rate 300/min" in done.stdout


def test_the_sample_file_has_everything_in_it() -> None:
    text = (SAMPLES / "wootric-replay.toml").read_text(encoding="utf-8")
    for rules in (TraitRules, NameRules, IdentityRules):
        for name in rules.__dataclass_fields__:
            assert f"{name} =" in text, name
    for name in Rollup.__dataclass_fields__:
        assert f"\n{name} =" in text or f"\n{name}." in text, name
    assert "\ngroup_traits = " in text
    for table in (*model.MAPPING, "push", "profile.night"):
        assert f"\n[{table}" in text, table


def test_groups_and_roll_ups_of_a_file_are_those_of_the_command_line(
    replay: Replay, configure: Configure
) -> None:
    export = replay.write(
        [
            ADA,
            {"type": "group", "userId": ADA["userId"], "groupId": "g", "traits": {"plan": "pro"}},
            {"type": "track", "userId": ADA["userId"], "event": "Order", "properties": {"n": 5}},
        ]
    )
    given = (
        "--group-traits",
        "co",
        "--rollup",
        "Order:sum.n=n_amount",
        "--rollup",
        "Order:count=c_amount",
    )
    by_options = replay.run("dry-run", "--format", "json", *given, export).stdout
    configure('group_traits = "co"\n[rollup.Order]\nsum.n = "n_amount"\ncount = "c_amount"\n')
    assert replay.run("dry-run", "--format", "json", export).stdout == by_options
    assert b'"properties.co_plan"' in by_options.encode()
    # What the command line names is added, and stands in place of the same.
    more = ("--rollup", "Order:count=all_amount", "--rollup", "Order:max.n=most_amount")
    done = replay.run("dry-run", "--format", "json", *more, export).stdout
    for name, is_there in (
        ("n_amount", True), ("most_amount", True), ("all_amount", True), ("c_amount", False)
    ):  # fmt: skip
        assert (f'"properties.{name}"' in done) == is_there, name


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('[rollup.Order]\nfirst = "x"', 1, "write x_date"),
        ('[rollup.Order]\ncuont = "x"', 2, "did you mean count?"),
        ("[rollup.Order]", 1, "gives no property"),
        ('rollup = "x"', 1, "it is a table"),
        ('group_traits = "created"', 1, "standard trait"),
        ('[rollup.A]\ncount = "n_amount"\n[rollup.B]\ncount = "n_amount"', 4, "a name of its own"),
        ('[events]\nexclude = ["A*"]\n[rollup.Ab]\ncount = "n_amount"', 3, "leave Ab out"),
        (
            '[responses]\nevent = "A"\n[profile.p.rollup.A]\ncount = "n_amount"',
            3,
            "survey response",
        ),
        ('[traits]\nexclude = ["email"]', 2, "email"),
    ],
)
def test_what_is_wrong_with_groups_and_roll_ups_is_told_with_its_line(
    run: "Run", configure: Configure, text: str, line: int, words: str
) -> None:
    configure(text)
    checked = run("config", "check")
    assert checked.returncode == 2
    assert f"wootric-replay.toml:{line}: " in checked.stdout
    assert words in checked.stdout


def test_the_values_of_roll_ups_are_shown_with_their_lines(
    run: "Run", configure: Configure
) -> None:
    assert rows(run("config", "show", "--format", "json", "push").stdout)["rollup"]["value"] == {}
    configure('[rollup."A b"]\ncount = "n_amount"\nsum.x = "x_amount"\n')
    shown = rows(run("config", "show", "--format", "json", "push").stdout)
    assert shown['rollup."A b".count']["value"] == "n_amount"
    assert shown['rollup."A b".count']["place"] == "wootric-replay.toml:2"
    assert shown['rollup."A b".sum']["value"] == {"x": "x_amount"}
    text = run("config", "show", "push").stdout
    assert '[rollup."A b"]' in text


def test_a_value_counts_for_all_commands_and_a_table_for_one(
    run: "Run", write: "Write", configure: Configure
) -> None:
    write("a.ndjson", ADA, BOB)
    configure('format = "json"\n[dry-run]\nformat = "text"\nlimit_users = 1\n')
    assert orjson.loads(run("validate", "a.ndjson").stdout)
    done = run("dry-run", "a.ndjson")
    assert "… and 1 more end user to create" in done.stdout
    assert "… and 1 more" not in run("dry-run", "--limit-users", "2", "a.ndjson").stdout
    assert "… and 1 more" not in run("dry-run", "--no-config", "a.ndjson").stdout


def test_a_profile_goes_before_the_rest(run: "Run", write: "Write", configure: Configure) -> None:
    write("a.ndjson", ADA, BOB)
    configure("[dry-run]\nlimit_users = 0\n[profile.'all of them']\nlimit_users = 9\n")
    assert "2 more end users" in run("dry-run", "a.ndjson").stdout
    for done in (
        run("dry-run", "a.ndjson", "--profile", "all of them"),
        run("dry-run", "a.ndjson", environment={"WOOTRIC_REPLAY_PROFILE": "all of them"}),
    ):
        assert "more end users" not in done.stdout


@pytest.mark.parametrize("environment", [{}, {"WOOTRIC_REPLAY_CONFIG": "other.toml"}])
def test_a_named_file_takes_the_place_of_that_of_the_working_folder(
    run: "Run", write: "Write", configure: Configure, environment: dict[str, str]
) -> None:
    write("a.ndjson", ADA, BOB)
    configure("nonsense = 1")
    configure("limit_users = 1", "other.toml")
    named = () if environment else ("--config", "other.toml")
    done = run("dry-run", "a.ndjson", *named, environment=environment)
    assert "… and 1 more" in done.stdout, done.stderr


def test_a_date_of_toml_is_a_date(run: "Run", write: "Write", configure: Configure) -> None:
    write(
        "a.ndjson", {**ADA, "timestamp": "2024-01-01T00:00:00Z"}, {**BOB, "timestamp": "2024-03-01"}
    )
    configure("since = 2024-02-01\nuntil = 2024-04-01T00:00:00Z")
    done = run("dry-run", "--format", "json", "a.ndjson")
    assert orjson.loads(done.stdout.splitlines()[-1])["summary"]["skipped"] == {"filtered_out": 1}


def test_a_path_begins_at_the_folder_of_its_file(
    run: "Run", write: "Write", configure: Configure, tmp_path: Path
) -> None:
    write("a.ndjson", ADA)
    configure('out = "made.plan"', "folder/any.toml")
    done = run("dry-run", "--config", "folder/any.toml", "a.ndjson")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "folder/made.plan").is_file()


def test_the_rules_of_the_files_reach_the_settings(
    tmp_path: Path, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    configure(
        '[traits]\nexclude = ["home"]\nonly = ["kept"]\nrename = { a = "b" }\n'
        '[identity]\nplaceholders = ["test"]\n',
        "config/wootric-replay/wootric-replay.toml",
    )
    configure(
        '[traits]\nexclude = ["work"]\nflatten = false\nconstants = { source = "x", n = 1.5, b = true }\n'
        '[profile.p.traits]\nrename = {}\n[profile.p.events]\nexclude = ["E *"]\n'
    )
    root = click.Context(app)
    for command in ("validate", "map", "dry-run", "push"):
        found = app.get_command(root, command)
        assert found
        with found.make_context(command, ["x", "--profile", "p"], parent=root) as ctx:
            made = {
                "map": settings.map_,
                "validate": settings.validate,
                "dry-run": settings.dry_run,
            }
            how = made[command](ctx.params) if command in made else settings.push(
                ctx.params, tells=False, warns=False
            )  # fmt: skip
            assert how.reading.configured == MappingRules(
                traits=TraitRules(
                    exclude=("work",),
                    only=("kept",),
                    rename={},
                    flatten=False,
                    constants={"source": "x", "n": 1.5, "b": True},
                ),
                events=NameRules(exclude=("E *",)),
                identity=IdentityRules(placeholders=("test",)),
            )


def test_the_command_line_may_say_what_a_value_of_the_file_excludes(
    replay: Replay, configure: Configure
) -> None:
    configure('[push]\njournal = "own.journal"\n[dry-run]\nregistered_event = ["Signed Up"]\n')
    export = replay.write([ADA])
    for arguments in (
        ("push", "--sandbox"),
        ("dry-run", "--against", "auto"),
        ("dry-run", "--sandbox"),
        ("push",),
    ):
        done = replay.run(*arguments, export, against=None)
        assert done.returncode == 0, done.stderr
    assert (replay.folder / "own.journal").is_file()
    configure('[dry-run]\nagainst = "account"\n')
    done = replay.run("dry-run", "--registered-event", "Signed Up", export, against=None)
    assert done.returncode == 0, done.stderr


def test_the_table_of_the_sandbox_is_not_the_option(run: "Run", configure: Configure) -> None:
    configure("[sandbox]\nport = 99\n[profile.p]\nsandbox = true\n")
    assert run("config", "check").returncode == 0
    shown = rows(run("config", "show", "--format", "json", "sandbox").stdout)
    assert shown["port"]["value"] == 99
    shown = rows(run("config", "show", "--format", "json", "--profile", "p", "push").stdout)
    assert shown["sandbox"]["value"] is True
    assert shown["sandbox"]["place"] == "wootric-replay.toml:4"


@pytest.mark.parametrize("first", ["create_only", "fill_missing"])
def test_of_two_that_exclude_each_other_the_stronger_counts(
    replay: Replay, configure: Configure, first: str
) -> None:
    (other,) = {"create_only", "fill_missing"} - {first}
    configure(f"{first} = true\n[profile.p]\n{other} = true\n")
    export = replay.write([ADA])
    for arguments in ((f"--{other.replace('_', '-')}",), ("--profile", "p"), ()):
        done = replay.push(export, *arguments, "--again")
        assert done.returncode == 0, done.stderr


def test_a_value_of_a_file_does_not_stand_in_the_way_of_a_saved_plan(
    replay: Replay, configure: Configure
) -> None:
    plan = replay.plan(replay.write([ADA]))
    configure(
        'against = "nothing"\nmin_age = "1h"\ntyped_names = true\ntype = ["identify"]\ncreate_only = true\n'
        'since = "1d"\nlimit = 1\nignore_warning = ["shared_email"]\nunidentified = "nobody.ndjson"\n'
    )
    done = replay.push("--plan", plan)
    assert done.returncode == 0, done.stderr
    assert [each.email for each in replay.sandbox.state.end_users] == ["ada@example.com"]
    assert replay.push("--plan", plan, "--create-only").returncode == 2


def test_no_run_writes_to_its_configuration(replay: Replay, configure: Configure) -> None:
    path = configure("rate = 1000")
    for option in ("--rejects", "--unidentified", "--journal"):
        done = replay.push(replay.write([ADA]), option, path)
        assert done.returncode == 2
        assert f"the configuration and {option} name one file" in done.stderr.replace(
            f"{option} and the configuration", f"the configuration and {option}"
        )
    assert path.read_text() == "rate = 1000"


def test_output_is_redacted_and_coloured_as_a_file_says(
    run: "Run", write: "Write", configure: Configure
) -> None:
    write("a.ndjson", ADA)
    configure('redact = true\ncolor = "always"')
    done = run("dry-run", "a.ndjson")
    assert "ada@example.com" not in done.stdout
    assert "email:" in done.stdout
    assert "\x1b[" in done.stdout
    assert "\x1b[" not in run("dry-run", "a.ndjson", "--color", "never").stdout
    assert "\x1b[" not in run("dry-run", "a.ndjson", environment={"NO_COLOR": "1"}).stdout


def test_a_run_without_a_configuration_loads_nothing_for_it(tmp_path: Path, write: "Write") -> None:
    write("a.ndjson", ADA)
    program = (
        "import sys, cli.app\n"
        "sys.argv[1:] = ['validate', 'a.ndjson']\n"
        "try: cli.app.main()\n"
        "except SystemExit: print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert "cli.commands.validate" in loaded
    assert not {"msgspec", "tomllib", "platformdirs", "cli.config.loading"} & loaded


# Faults

FAULTS = {
    'rat = "1/min"': "1: rat: unknown key; did you mean rate?",
    "\n\nclient-id = 'x'": "3: client-id: unknown key; did you mean client_id?",
    "quite = true": "1: quite: unknown key; did you mean quiet?",
    '"rate" = "fast"': "1: rate: write calls a minute, such as 100 or 100/min",
    "rate = true": "1: rate: write a text or a number",
    "rate = nan": "1: rate: write a number that is finite",
    "limit = 1_000_000_000_000_000_000_000": "1: limit: write a number of 64 bits at most",
    "reserve = 0.2": "1: reserve: write a share below 100%, such as 20%",
    "workers = 0": "1: workers: 0 is not in the range",
    "quiet = 1": "1: quiet: write true or false",
    'consent_category = "ads"': "1: consent_category: write a list of texts",
    "consent_category = [\n  'a',\n  1,\n]": "1: consent_category: write a list of texts",
    "traits_from = 'nowhere'": "1: traits_from: 'nowhere' is not one of",
    "traits.exclud = []": "1: traits.exclud: unknown key; did you mean exclude?",
    "[traits]\nrename = { a = 1 }": "2: traits.rename: write a table of texts",
    "[traits]\nconstants = { a = [] }": "2: traits.constants: write a table of texts, numbers",
    "[[traits]]": "1: traits: it is a table: write [traits]",
    "traits = 1": "1: traits: it is a table: write [traits]",
    "profile = 'x'": "1: profile: it is a table: write [profile]",
    "profile.x = 1": "1: profile.x: it is a table: write [profile.x]",
    "[validate]\nrate = 1": "2: validate.rate: it has no place here; write it at the top of the file",
    "exclude = []": "1: exclude: it has no place here; write it [traits] or [events] or [pages]",
    "[profile.p.push]\n\nin_doubt = 'ask'": "3: profile.p.push.in_doubt: 'ask' is not one of",
    "[profile.p.profile]": "1: profile.p.profile: unknown key",
    "client_secret = 'x'": "1: client_secret: no secret stands in a configuration file",
    "password = 'x'": "1: password: no secret stands in a configuration file",
    "plan = 'x'": "1: plan: a saved plan is pushed once",
    "paths = ['x']": "1: paths: what is read is named on the command line",
    "yes = true": "1: yes: who deletes",
    "help = true": "1: help: give --help",
    "create_only = true\nfill_missing = true": "1: create_only: create_only and fill_missing exclude",
    "[push]\nclient_id = 'a'\nusername = 'b'": "2: push.client_id: client_id and username exclude",
    "password_file = 'a'\npassword_command = ['b']": "2: password_command: password_command and",
    "account_token = 'x'": "1: account_token: the account token does not look like one",
    "base_url = 'http://example.com'": "1: base_url: plain http would show the token",
    "a = 1\na = 2": "2: this is no TOML: Cannot overwrite a value",
    'a = """\n\n': "3: this is no TOML:",
    "rate = ": "1: this is no TOML: Invalid value",
    "a = " + "[" * 9999: "nested too deep",
    'against = """\nrate = 1\n"""\nrat = 1': "4: rat: unknown key",
    '"\\u001b[2J" = 1': '"\\x1b[2J": unknown key',
}


@pytest.mark.parametrize("text", FAULTS)
def test_a_fault_is_told_with_its_place(run: "Run", configure: Configure, text: str) -> None:
    configure(text)
    checked = run("config", "check")
    assert checked.returncode == 2
    assert FAULTS[text] in checked.stdout
    assert "\x1b" not in checked.stdout
    shown = run("config", "show")
    assert shown.returncode == 2
    assert FAULTS[text] in shown.stderr


def test_a_run_with_a_fault_does_nothing_and_says_where(
    replay: Replay, configure: Configure
) -> None:
    configure("\nrat = 1\nworkers = 0\n")
    done = replay.push(replay.write([ADA]))
    assert done.returncode == 2
    assert done.stderr == (
        "Error: wootric-replay.toml:2: rat: unknown key; did you mean rate? (and 1 more: wootric-replay "
        "config check tells all)\n"
    )
    assert not replay.sandbox.state.end_users


def test_a_place_that_is_none_is_told_before_a_run(run: "Run", configure: Configure) -> None:
    configure('[push]\nsurveys_disabled = "unsubscribed"\n')
    checked = run("config", "check")
    assert checked.returncode == 2
    assert checked.stdout.startswith(
        "wootric-replay.toml:2: push.surveys_disabled: unsubscribed is no place of a trait: it begins with "
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "--suppress lists/no.csv: "),
        ("", "--suppress lists/no.csv: "),
        ("email\nd41d8cd98f00b204e9800998ecf8427e\n", "--suppress lists/no.csv"),
    ],
    ids=["missing", "empty", "an MD5"],
)
def test_a_check_reads_the_lists_that_a_file_names(
    run: "Run", configure: Configure, tmp_path: Path, content: str | None, words: str
) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "yes.csv").write_text("email\na@b.co\n")
    if content is not None:
        (tmp_path / "lists" / "no.csv").write_text(content)
    configure('suppress = ["lists/yes.csv"]\n[profile.p.push]\nsuppress = ["lists/no.csv"]\n')
    checked = run("config", "check")
    assert checked.returncode == 2
    first, last = checked.stdout.splitlines()
    assert first.startswith("wootric-replay.toml:3: profile.p.push.suppress: ")
    assert words in first
    assert last == "wootric-replay.toml: 1 fault"


def test_a_check_lists_every_fault_in_the_order_of_lines(run: "Run", configure: Configure) -> None:
    configure(
        "rat = 1\n[push]\nwait = 'long'\n[dry-run]\nnxt = true\nlimit_users = -1\n[traits]\nonly = 1\n"
    )
    lines = run("config", "check").stdout.splitlines()
    assert [each.split(": ")[:2] for each in lines[:-1]] == [
        ["wootric-replay.toml:1", "rat"],
        ["wootric-replay.toml:3", "push.wait"],
        ["wootric-replay.toml:5", "dry-run.nxt"],
        ["wootric-replay.toml:6", "dry-run.limit_users"],
        ["wootric-replay.toml:8", "traits.only"],
    ]
    assert lines[-1] == "wootric-replay.toml: 5 faults"


def test_help_is_shown_whatever_the_file(run: "Run", write: "Write", configure: Configure) -> None:
    configure("nonsense")
    assert run("push", "--help").returncode == 0
    assert run("--help").returncode == 0
    write("a.ndjson", ADA)
    assert run("validate", "--no-config", "a.ndjson").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--profile", "nihgt"], "no [profile.nihgt] in wootric-replay.toml; did you mean night?"),
        (
            ["--config", "nowhere.toml"],
            "the configuration nowhere.toml can't be read: No such file",
        ),
        (["--config", "."], ". is no plain file"),
        (["--config", "/dev/null"], "/dev/null is no plain file"),
        (["--no-config", "--config", "x"], "--no-config reads no file"),
        (["--no-config", "--profile", "x"], "--no-config reads no file"),
    ],
)
def test_a_wrong_choice_is_wrong_usage(
    run: "Run", configure: Configure, arguments: list[str], said: str
) -> None:
    configure("[profile.night]")
    done = run("validate", *arguments, "x")
    assert done.returncode == 2
    assert said in done.stderr


def test_a_profile_without_any_file_is_an_error(run: "Run") -> None:
    done = run("validate", "x", environment={"WOOTRIC_REPLAY_PROFILE": "live"})
    assert done.returncode == 2
    assert "there is no configuration file to take the profile live from" in done.stderr


def test_what_editors_of_other_systems_write_is_read(
    run: "Run", write: "Write", tmp_path: Path
) -> None:
    write("a.ndjson", ADA, BOB)
    path = tmp_path / "wootric-replay.toml"
    path.write_bytes(b"\xef\xbb\xbf# \xe2\x9c\x93\r\nlimit_users = 1\r\n\r\nrat = 1\r\n")
    assert "wootric-replay.toml:4: rat" in run("config", "check").stdout
    path.write_bytes("rate = 1".encode("utf-16"))
    assert "is no UTF-8 text; save it as UTF-8" in run("config", "check").stdout


# config show


def test_each_value_is_shown_with_its_place(run: "Run", configure: Configure) -> None:
    configure(
        'rate = "300/min"\n[push]\nworkers = 3\n[traits]\nexclude = ["a"]\n[profile.p]\nreserve = "5%"\n'
    )
    login = {"WOOTRIC_CLIENT_ID": "me", "WOOTRIC_CLIENT_SECRET": "hush", "WOOTRIC_PASSWORD": "hush"}
    done = run(
        "config", "show", "--format", "json", "--profile", "p", "push", "--quiet", environment=login
    )
    found = {
        key: (each["value"], each["place"] or each["source"])
        for key, each in rows(done.stdout).items()
    }
    assert found["rate"] == ("300/min", "wootric-replay.toml:1")
    assert found["workers"] == (3, "wootric-replay.toml:3")
    assert found["traits.exclude"] == (["a"], "wootric-replay.toml:5")
    assert found["traits.flatten"] == (True, "default")
    assert found["reserve"] == ("5%", "wootric-replay.toml:7")
    assert found["quiet"] == (True, "command line")
    assert found["client_id"] == ("me", "WOOTRIC_CLIENT_ID")
    assert found["client_secret"] == ("(hidden)", "WOOTRIC_CLIENT_SECRET")
    assert found["against"] == ("auto", "default")
    assert found["limit"] == (None, "default")
    assert "hush" not in done.stdout


def test_what_commands_take_alike_is_shown_once(run: "Run", configure: Configure) -> None:
    configure("rate = 7\n[push]\nworkers = 3\n")
    text = run("config", "show").stdout
    top, _, rest = text.partition("\n[")
    assert [each.split() for each in top.splitlines() if each.startswith("rate ")] == [
        ["rate", "7", "wootric-replay.toml:1"]
    ]
    assert "workers" not in top
    assert "push]\n" in rest
    assert "wootric-replay.toml:3" in rest
    assert "sandbox]" not in text


def test_an_unknown_command_or_option_to_show_is_wrong_usage(run: "Run") -> None:
    assert "no command 'psuh'" in run("config", "show", "psuh").stderr
    done = run("config", "show", "push", "--rat", "3")
    assert done.returncode == 2
    assert "--rat" in done.stderr


def test_nothing_of_an_address_with_a_login_is_shown(run: "Run") -> None:
    done = run("config", "show", environment={"WOOTRIC_BASE_URL": "https://me:hush@example.com"})
    assert "hush" not in done.stdout


def test_without_a_file_all_is_default(run: "Run") -> None:
    checked = run("config", "check")
    assert checked.returncode == 0
    assert "There is no configuration file" in checked.stdout
    shown = run("config", "show", "--format", "json", "push")
    assert {each["source"] for each in rows(shown.stdout).values()} == {"default"}
