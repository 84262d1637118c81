"""Which value counts: the command line over the environment over the working folder over home."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st
from in_process import run_in_process

from tests.conftest import clean_environment

LAYERS = ("profile.night.push", "profile.night", "push", "")
"""The tables of one file, from strong to weak."""

WEAK = ("profile.day.push", "profile.day", "dry-run")
"""Tables that never count for a push of the profile `night`."""

STRENGTH = ("command line", "environment", *(f"work {each}" for each in LAYERS),
            *(f"home {each}" for each in LAYERS))  # fmt: skip

KEYS = ("account_token", "workers", "consent_category", "quiet")


def value(key: str, number: int) -> Any:
    """A value of an option that tells where it stands."""
    return {
        "account_token": f"NPS-{number:08}",
        "workers": number + 1,
        "consent_category": [f"c{number}", "same"],
        "quiet": number % 2 == 0,
    }[key]


def written(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """A document in which the tables stand in any order, but the top first."""
    lines = []
    for name in sorted(tables):
        lines += [f"[{name}]"] if name else []
        lines += [f"{key} = {orjson.dumps(each).decode()}" for key, each in tables[name].items()]
    return "\n".join(lines)


def shown(folder: Path, arguments: list[str], environment: Mapping[str, str]) -> dict[str, Any]:
    done = run_in_process(
        ["config", "show", "--format", "json", "push", *arguments],
        cwd=folder,
        env=clean_environment(folder, environment),
    )
    assert done.returncode == 0, done.stderr
    rows = [orjson.loads(line) for line in done.stdout.splitlines()]
    return {each["key"]: each for each in rows}


@settings(max_examples=40, deadline=None)
@given(
    st.fixed_dictionaries({key: st.sets(st.sampled_from(STRENGTH)) for key in KEYS}),
    st.sets(st.sampled_from([(where, table) for where in ("work", "home") for table in WEAK])),
    st.booleans(),
)
def test_the_strongest_place_that_gives_a_value_counts(
    places: dict[str, set[str]], decoys: set[tuple[str, str]], is_named: bool
) -> None:
    files: dict[str, dict[str, dict[str, Any]]] = {
        "work": {"profile.night": {}},
        "home": {},
    }
    arguments, environment = ["--profile", "night"], {}
    for where, table in decoys:
        files[where][table] = {"workers": 99}
    for key, names in places.items():
        for name in names:
            each = value(key, STRENGTH.index(name))
            where, _, table = name.partition(" ")
            if where in files:
                files[where].setdefault(table, {})[key] = each
            elif name == "environment" and key == "account_token":
                environment["WOOTRIC_ACCOUNT_TOKEN"] = each
            elif name == "command line":
                given_ = each if isinstance(each, list) else [each]
                option = f"--{key.replace('_', '-')}"
                arguments += [option] if key == "quiet" else [
                    argument for text in given_ for argument in (option, str(text))
                ]  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        work = folder / ("named.toml" if is_named else "wootric-replay.toml")
        home = folder / "config/wootric-replay/wootric-replay.toml"
        home.parent.mkdir(parents=True)
        for path, where in ((work, "work"), (home, "home")):
            path.write_text(written(files[where]))
            path.chmod(0o600)
        if is_named:
            (folder / "wootric-replay.toml").write_text("workers = 98")
            arguments += ["--config", str(work)]
        rows = shown(folder, arguments, environment)
    for key, names in places.items():
        possible = [
            each
            for each in STRENGTH
            if each in names and (each != "environment" or key == "account_token")
        ]
        if not possible:
            assert rows[key]["source"] == "default", key
            continue
        expected = value(key, STRENGTH.index(possible[0]))
        found = rows[key]["value"]
        source = rows[key]["source"]
        if possible[0] in ("command line", "environment"):
            assert source == possible[0]
            assert str(found) in (str(expected), "True")
        else:
            file = home if possible[0].startswith("home") else work
            assert source == "file"
            assert rows[key]["place"].rpartition(":")[0].endswith(file.name)
            assert found == expected
