"""Whatever stands in a configuration file: a check and a run agree on it, and none ends unforeseen."""

import tempfile
from pathlib import Path
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st
from in_process import run_in_process

from cli.config import model
from cli.config.faults import keys_of
from tests.conftest import clean_environment
from wootric_map.mapping.derived_rules import Rollup

TABLES = sorted({*keys_of(model.Tables), *model.MAPPING})
INNER = sorted(
    {key for name in model.MAPPING for key in keys_of(keys_of(model.Layer)[name])}
    | {*keys_of(Rollup)}
)
WORDS = [
    "",
    "auto",
    "text",
    "json",
    "1",
    "20%",
    "1d",
    "ok",
    "-",
    "~",
    "~/x",
    "s3://a/b",
    "a@b",
    "\x1b",
    "\u202e",
]
TEXTS = st.sampled_from(WORDS) | st.text(
    alphabet=st.characters(codec="utf-8", exclude_characters="\x7f"), max_size=4
)
LEAVES = st.one_of(
    TEXTS.map(lambda text: orjson.dumps(text).decode()),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(
        ["true", "false", "2024-01-01", "12:00:00", "1979-05-27T07:32:00-08:00", "1" * 5000]
    ),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda each: f"[{', '.join(each)}]")
        | st.dictionaries(st.sampled_from(["a", "b", *TABLES, *INNER]), inner, max_size=2).map(
            lambda each: "{" + ", ".join(f'"{key}" = {value}' for key, value in each.items()) + "}"
        )
    ),
    max_leaves=4,
)
KEYS = st.sampled_from(sorted({*keys_of(model.Layer), *INNER, *model.ELSEWHERE, "profile", "rat"}))
PLACES = st.sampled_from(
    [
        "",
        *(f"[{each}]" for each in TABLES),
        "[profile.p]",
        "[profile.p.push]",
        "[profile.p.traits]",
        "[rollup.x]",
        "[profile.p.rollup.'a b']",
    ]
)
DOCUMENTS = st.dictionaries(PLACES, st.dictionaries(KEYS, VALUES, max_size=3), max_size=3)


def written(document: dict[str, dict[str, Any]]) -> str:
    return "\n".join(
        "\n".join([place, *(f"{key} = {value}" for key, value in document[place].items())])
        for place in sorted(document)
    )


@settings(max_examples=100, deadline=None)
@given(DOCUMENTS.map(written))
def test_a_check_and_a_run_agree_on_any_file(text: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "wootric-replay.toml"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        codes = []
        for arguments in (["config", "check"], ["config", "show"], ["config", "show", "push"]):
            done = run_in_process(arguments, cwd=folder, env=clean_environment(folder, {}))
            codes.append(done.returncode)
            shown = (done.stdout + done.stderr).decode()
            assert not {"\x1b", "\u202e"} & set(shown)
        assert codes in ([0, 0, 0], [2, 2, 2], [2, 2, 0]), (codes, shown)
