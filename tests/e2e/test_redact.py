"""`--redact`: nobody's email, phone or name in anything that a command prints."""

import re
import stat
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_plus, urlencode

import orjson
import pytest
from forking import COMMAND
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from replaying import SAMPLES, Replay, identify, page, track
from starlette.responses import JSONResponse

from wootric_map.redaction.plain_text import PlainText
from wootric_map.redaction.redaction import Redaction
from wootric_map.sandbox import Fault, SandboxRequest, SandboxSettings, run_sandbox

KEY = {"WOOTRIC_REDACT_KEY": "a secret"}
ADA = identify("1", "ada@example.com", phone="+442079460001", firstName="Augusta")
PERSONAL = ("ada@example.com", "442079460001", "Augusta")

PRINTING = (
    ("inspect",),
    ("inspect", "--format", "json"),
    ("validate",),
    ("validate", "--format", "json"),
    ("map",),
    ("dry-run",),
    ("dry-run", "--format", "json"),
    ("push", "--retries", "0"),
    ("push", "--retries", "0", "--retry-rejects", "--format", "json"),
)

TELLING = (
    ("map",),
    ("dry-run",),
    ("dry-run", "--format", "json"),
    ("push", "--retries", "0", "--retry-rejects"),
    ("push", "--retries", "0", "--retry-rejects", "--format", "json"),
)
"""Commands that learn who is who before they show anything else."""

WIDE = str.maketrans("0123456789@", "０１２３４５６７８９＠")  # noqa: RUF001

quote_all: Callable[[str], str] = partial(quote, safe="")

QUICK = (Phase.explicit, Phase.reuse, Phase.generate)
"""Shrinking would start hundreds of processes."""


def refusing(request: SandboxRequest) -> Fault | None:
    """Wootric refuses every end user, and repeats whom."""
    if not (request.method == "POST" and request.path.startswith("/v1/end_users")):
        return None
    said = f"Validation failed: Email {request.form.get('email')} has already been taken"
    return Fault(JSONResponse({"error": said}, 422))


class Person(NamedTuple):
    email: str
    phone: str
    name: str


_digits = st.text("0123456789", min_size=9, max_size=13)
_names = st.from_regex(r"[A-Z][a-zé]{5,9} [A-Z][a-z]{5,9}", fullmatch=True)
people = st.builds(Person, st.emails(), _digits.map(lambda digits: f"+{digits}"), _names)
spellings = st.sampled_from(["name", "First Name", "lastName", "USERNAME", "display_name"])
phones = st.sampled_from(["phone", "phoneNumber", "Phone Number", "mobile"])


@st.composite
def exports(draw: st.DrawFn) -> tuple[list[Person], list[dict[str, Any]]]:
    """People, and records with all that is personal of them in every place that takes it."""
    found = draw(st.lists(people, min_size=1, max_size=4))
    records: list[dict[str, Any]] = []
    for number, (email, phone, name) in enumerate(found):
        said = f"ask {email} or {phone}, {email}"
        url = f"https://x.io/{quote(email, safe='')}?" + urlencode(
            {"email": email, "phone_number": phone, "first_name": name, "said": said}
        )
        traits = {
            "email": email,
            draw(phones): phone,
            draw(spellings): name,
            "owner": {"name": name, "phone": phone, email: {"first name": [name]}},
            "names": [name, name],
            email: said,
            "site": url,
        }
        user = draw(st.sampled_from([email, f"user-{number}", phone]))
        event = {"event": said, "properties": traits}
        records += [
            {"type": "identify", "userId": user, "traits": traits},
            {"type": "track", "userId": user, **event, "context": {"traits": traits}},
            {"type": "track", "userId": user, **event},
            {
                "type": "page",
                "userId": user,
                "name": said,
                "properties": {"path": f"/{email}", "url": url, "customer": traits},
            },
            {"type": "page", "anonymousId": "a", "context": {"page": {"url": url, "path": url}}},
            {"type": said, "userId": user},
            {"type": "identify", "userId": user, "timestamp": email},
            {"type": "identify", "userId": user, "traits": {"email": email, "createdAt": said}},
            {"type": "identify", "userId": f"{user}{number}", "traits": {"email": email.upper()}},
        ]
    return found, records


@pytest.fixture(scope="module")
def refusing_account() -> Iterator[Replay]:
    with (
        TemporaryDirectory() as folder,
        run_sandbox(SandboxSettings(faults=(refusing,))) as sandbox,
    ):
        yield Replay(Path(folder), sandbox)


@settings(max_examples=5, phases=QUICK, suppress_health_check=list(HealthCheck))
@given(exports())
def test_nothing_personal_is_printed_by_any_command(
    refusing_account: Replay, export: tuple[list[Person], list[dict[str, Any]]]
) -> None:
    found, records = export
    replay = refusing_account
    file = replay.write(records, "of+442079460001 ada@example.com.ndjson")
    for command in PRINTING:
        done = replay.run(*command, "--redact", file)
        assert done.returncode == (0 if "inspect" in command else 1), done.stderr
        shown = unquote_plus(done.stdout + done.stderr).lower()
        assert not re.search(r"[^\s:]@\S", shown), command
        for person in [*found, Person("ada@example.com", "+442079460001", "Ada Lovelace")]:
            assert person.name.lower() not in shown, command
            assert person.email.lower() not in shown, command
            assert person.phone[1:] not in shown, command


KEYED = Redaction.keyed(KEY["WOOTRIC_REDACT_KEY"].encode())

odd_emails = st.builds(
    "{}@{}".format,
    st.from_regex(r"[a-z]{3,8}(/[a-z]{3,8}|[+-][a-z]{2,6})?", fullmatch=True),
    st.from_regex(r"[a-z]{3,8}\.(com|io)", fullmatch=True) | st.just("[10.0.0.1]"),
)
odd_digits = st.from_regex(r"[1-9][0-9]{9,11}", fullmatch=True)
odd_people = st.builds(Person, odd_emails, odd_digits, _names)
_WRITINGS: list[Callable[[str], str]] = [
    str,
    str.upper,
    quote_all,
    lambda text: quote_all(quote_all(text)),
    lambda text: "".join(f"&#{ord(each)};" for each in text),
    lambda text: "".join(f"\\u{ord(each):04x}" for each in text),
    lambda text: f"\x1b[31m{text}",
    lambda text: text.translate(WIDE),
]
writings = st.sampled_from(_WRITINGS)


@st.composite
def odd_exports(draw: st.DrawFn) -> tuple[list[Person], list[dict[str, Any]]]:
    """People, who are first told by keys, and then in all places in all ways that they can be written."""
    found = draw(st.lists(odd_people, min_size=1, max_size=3, unique_by=lambda each: each.email))
    records: list[dict[str, Any]] = []
    for number, person in enumerate(found):
        email, phone, name = person
        traits = {draw(phones): phone, draw(spellings): name}
        first = identify(f"user-{number}", draw(st.sampled_from([email, email.upper()])), **traits)
        records.append(first)
        said = ", ".join(draw(writings)(each) for each in draw(st.permutations(person)))
        note = f"of {'.'.join(phone)}, {name.replace(' ', '-')}, {said}"
        records += [
            {**first, "traits": first["traits"] | {"note": note, "other": {"text": [said]}}},
            track(f"user-{number}", said, properties={note: note, "number": int(phone)}),
            page(f"user-{number}", f"/u/{quote_all(name)}/{email}", name=note),
            page(f"user-{number}", f"/?q={quote(said)}&n={name.lower()}", title=said),
        ]
    return found, records


@settings(max_examples=4, phases=QUICK, suppress_health_check=list(HealthCheck))
@given(odd_exports())
def test_what_is_hidden_once_in_an_output_is_hidden_everywhere_in_it_with_one_hash(
    refusing_account: Replay, export: tuple[list[Person], list[dict[str, Any]]]
) -> None:
    found, records = export
    replay = refusing_account
    email, phone, name = found[0]
    file = replay.write(records, f"{name} {phone} {email.replace('/', '.')}.ndjson")
    hashes = {KEYED.value("email", each.email) for each in found}
    for command in (*TELLING, ("status",), ("status", "--format", "json")):
        paths = () if command[0] == "status" else (file,)
        done = replay.run(*command, "--redact", *paths, env=KEY)
        assert done.returncode in (0, 1), done.stderr
        shown = PlainText.of(done.stdout + done.stderr).text.lower()
        words = " ".join(re.findall(r"\w+", shown))
        for person in found:
            assert person.email not in shown, command
            assert person.phone not in re.sub(r"[^\w\n]", "", shown), command
            assert person.name.lower() not in words, command
        assert set(re.findall(r"email:[0-9a-f]{12}", shown)) <= hashes | {
            KEYED.value("email", email.replace("/", "."))
        }, command


def test_json_keeps_its_shape(replay: Replay) -> None:
    export = SAMPLES / "segment-logs"
    for command in (("map",), ("dry-run", "--format", "json"), ("validate", "--format", "json")):
        plain, redacted = (replay.run(*command, *more, export) for more in ((), ("--redact",)))
        lines = plain.stdout.splitlines(), redacted.stdout.splitlines()
        for before, after in zip(*(map(orjson.loads, each) for each in lines), strict=True):
            assert shape(before) == shape(after)


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    return list(map(shape, value)) if isinstance(value, list) else type(value)


def test_one_value_has_one_hash_in_all_that_a_run_prints_and_another_in_the_next(
    replay: Replay,
) -> None:
    export = replay.write([ADA, identify("ADA@example.com"), page("1", "/ada%40example.com")])
    hashes = [
        re.findall(r"email:\w+", replay.run("dry-run", "--redact", export).stdout) for _ in range(2)
    ]
    assert [len(set(each)) for each in hashes] == [1, 1]
    assert len(hashes[0]) > 2
    assert hashes[0] != hashes[1]


def test_a_key_of_ones_own_makes_two_runs_comparable_and_is_not_printed(replay: Replay) -> None:
    export = replay.write([ADA])
    first, second = (replay.run("map", "--redact", export, env=KEY) for _ in range(2))
    assert first.stdout == second.stdout
    other = replay.run("map", "--redact", export, env={"WOOTRIC_REDACT_KEY": "another"})
    assert other.stdout != first.stdout
    assert KEY["WOOTRIC_REDACT_KEY"] not in first.stdout + first.stderr


def test_an_empty_key_is_refused(replay: Replay) -> None:
    done = replay.run("map", "--redact", replay.write([ADA]), env={"WOOTRIC_REDACT_KEY": ""})
    assert done.returncode == 2
    assert done.stdout == ""
    assert "WOOTRIC_REDACT_KEY is empty" in done.stderr


def test_an_update_shows_hashes_before_and_after(replay: Replay) -> None:
    replay.holds("1", "ada@example.com", phone_number="+1555000111", firstName="Byron")
    done = replay.run("dry-run", "--redact", "--against", "account", replay.write([ADA]))
    assert re.search(r'phone_number +"phone:(\w+)" → "phone:(?!\1)\w+"', done.stdout)
    assert re.search(r'firstName +"name:(\w+)" → "name:(?!\1)\w+"', done.stdout)


def test_what_wootric_repeats_is_hidden_and_the_rejects_keep_it(replaying: Any) -> None:
    replay = replaying(SandboxSettings(faults=(refusing,)))
    done = replay.push("--redact", replay.write([ADA, track("1", "Order Completed")]))
    assert done.returncode == 1
    assert re.search(r"Email email:\w{12} has already been taken", done.stderr)
    assert not any(each in done.stdout + done.stderr for each in PERSONAL)
    kept = replay.rejects()[0]
    assert orjson.loads(kept["record"]) == ADA
    assert "ada@example.com" in kept["message"]


def test_a_plan_and_a_snapshot_keep_what_a_push_and_a_comparison_need(replay: Replay) -> None:
    export = replay.write([ADA])
    done = replay.run("dry-run", "--redact", "--out", "ada@example.com.plan", export)
    assert "ada" not in done.stdout + done.stderr
    done = replay.push("--redact", "--plan", "ada@example.com.plan")
    assert done.returncode == 0, done.stderr
    assert replay.users()["1"]["properties"] == {"firstName": "Augusta"}
    done = replay.run("snapshot", "--redact", "-o", "ada@example.com")
    assert re.fullmatch(r"1 end user in email:\w+, .*\n", done.stderr)
    snapshot = replay.folder / "ada@example.com"
    assert all(each in snapshot.read_text() for each in PERSONAL)
    assert stat.S_IMODE(snapshot.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "arguments",
    [
        ("dry-run", "--redact", "ada@example.com"),
        ("dry-run", "--since", "ada@example.com", "--redact", "x"),
        ("dry-run", "--type=ada@example.com", "--redact", "x"),
        ("dry-run", "--redact", "--nope-ada@example.com"),
        ("dry-run", "--redact", "--against", "ada@example.com", "x"),
        ("ada@example.com", "--redact"),
        ("push", "--redact", "--plan", "ada@example.com"),
        ("push", "--rejects", "ada@example.com/x", "--redact", "x"),
        ("map", "--redact", "--base-url", "http://ada@example.com:x", "x"),
        ("snapshot", "--redact", "-o", "ada@example.com/x"),
    ],
)
def test_what_is_wrong_with_the_command_line_is_told_without_it(
    replay: Replay, arguments: tuple[str, ...]
) -> None:
    (replay.folder / "x").write_bytes(b"")
    done = replay.run(*arguments)
    assert done.returncode == 2, done.stderr
    assert "Error: " in done.stderr
    assert "@example.com" not in done.stdout + done.stderr


def test_it_holds_where_the_terminal_takes_ascii_alone(replay: Replay) -> None:
    env = {"PYTHONIOENCODING": "ascii"}
    done = replay.run("dry-run", "--redact", "ada@example.com", env=env)
    assert re.match(r"Error: email:\w+: can't be read", done.stderr)
    done = replay.run("validate", "--redact", replay.write([{"type": "ada@example.com"}]), env=env)
    assert re.search(r'"email:\w+" is no Segment call', done.stdout)


def test_a_closed_output_is_no_trouble(replay: Replay) -> None:
    for command, closed in (("map", ">&-"), ("dry-run", ">&-"), ("validate", "2>&-")):
        done = subprocess.run(
            ["sh", "-c", f'exec "$0" "$@" {closed}', COMMAND, command, "--redact", SAMPLES],
            cwd=replay.folder,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 1
        assert b"unforeseen" not in done.stderr


def test_escapes_stay_escaped(replay: Replay) -> None:
    hostile = identify("1", "ada\x1b[2J@example.com", name="Ada\x1b[2J", plan="\x1b[2J\u202e")
    for command in PRINTING[:-1]:
        done = replay.run(*command, "--redact", replay.write([hostile]))
        assert "\x1b" not in done.stdout
        assert "\u202e" not in done.stdout


def test_a_quoted_reply_hides_the_name_of_whom_it_refuses(replay: Replay) -> None:
    def refusing_names(request: SandboxRequest) -> Fault | None:
        if request.method != "POST":
            return None
        said = f"{request.form.get('properties[name]')} (tel. 020-7946-0001) is nobody"
        return Fault(JSONResponse({"error": said}, 422))

    with run_sandbox(SandboxSettings(faults=(refusing_names,))) as sandbox:
        refused = Replay(replay.folder, sandbox)
        export = refused.write([identify("1", name="Ada Lovelace", phone="020 7946 0001")])
        for style in ("text", "json"):
            done = refused.run("push", "--redact", "--retry-rejects", "--format", style, export)
            assert done.returncode == 1
            shown = done.stdout + done.stderr
            assert re.search(r"name:\w{12} \(tel\. phone:\w{12}\) is nobody", shown), shown
            assert "Lovelace" not in shown


def test_journals_are_looked_after_without_whose_they_are(replay: Replay) -> None:
    journal = replay.folder / "ada@example.com.journal"
    assert replay.push("--journal", journal, replay.write([ADA])).returncode == 0
    plain = orjson.loads(replay.run("status", "--journal", journal, "--format", "json").stdout)
    shown = replay.run("status", "--redact", "--journal", journal, "--format", "json", env=KEY)
    assert shape(orjson.loads(shown.stdout)) == shape(plain)
    email = KEYED.value("email", "ada@example.com")
    assert f"/{email}.journal" in shown.stdout
    for command in (("status",), ("journal", "forget", "--yes")):
        done = replay.run(*command, "--redact", "--journal", journal, env=KEY)
        assert done.returncode == 0, done.stderr
        assert f"/{email}.journal" in done.stdout + done.stderr
        assert "ada@" not in done.stdout + done.stderr
    assert not journal.exists()


def test_the_log_of_a_sandbox_tells_nobody_either(replay: Replay) -> None:
    log = replay.folder / "log"
    options = ("--redact", "--log", log, "--registered-event", "ada@example.com")
    with replay.start("sandbox", *options) as process:
        assert process.stdout
        greeting = [process.stdout.readline() for _ in range(2)]
        url = re.search(r"http://\S+", greeting[0])
        assert url
        assert re.search(r"email:\w{12}$", greeting[1])
        done = replay.push(replay.write([ADA]), env={"WOOTRIC_BASE_URL": url[0]})
        process.terminate()
    assert done.returncode == 0, done.stderr
    logged = log.read_text()
    assert re.search(r'"email": "email:\w{12}"', logged)
    assert not any(each in PlainText.of(logged).text for each in PERSONAL)


@pytest.mark.parametrize("name", ["summary", "Created", "line", "source", "Plan", "records"])
def test_a_name_that_is_a_word_of_the_output_changes_none_of_it(replay: Replay, name: str) -> None:
    export = replay.write([identify("1", "ada@example.com", name=name), track("1", "x")])
    plain, shown = (
        replay.run("dry-run", "--format", "json", *more, export).stdout.splitlines()
        for more in ((), ("--redact",))
    )
    assert orjson.loads(shown[-1])["summary"].keys() == orjson.loads(plain[-1])["summary"].keys()
    assert name not in shown[0].replace('"source"', "").replace('"line"', "")


def test_more_processes_show_the_same(replay: Replay) -> None:
    export = replay.write(
        [
            each
            for number in range(500)
            for each in (
                identify(f"{number}", f"u{number}@example.com", name=f"Ada{number} Lovelace"),
                track(f"{number}", f"Met Ada{number // 2} Lovelace", properties={"x": "y" * 9000}),
            )
        ]
    )
    for command in (("map",), ("dry-run",), ("dry-run", "--format", "json")):
        one, two = (
            replay.run(*command, "--redact", "--processes", str(count), export, env=KEY)
            for count in (1, 2)
        )
        assert re.sub(r"random=\w+", "", one.stdout) == re.sub(r"random=\w+", "", two.stdout)
        assert "Lovelace" not in one.stdout
