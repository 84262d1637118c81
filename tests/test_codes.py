"""Every code that the program can show has a page, and every page is about such a code."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from wootric_map.codes import CODES, PAGES, Kind, names, nearest, page
from wootric_map.model import REJECTIONS, WARNINGS

if TYPE_CHECKING:
    from tests.conftest import Run

ROOT: Final = Path(__file__).parents[1]
PAGE_OF: Final = {
    each.stem: each.read_text(encoding="utf-8") for each in ROOT.glob(f"{PAGES}/*.md")
}
EXAMPLE: Final = re.compile(r"<!-- wootric-replay ([^\n]*) -->\n```json\n(.*?)```\n", re.DOTALL)

MADE_BY: Final = {
    "Rejection": "rejected",
    "Skip": "skipped",
    "Failure": "failed",
    "CallFailedError": "failed",
    "ServerFaultError": "failed",
    "TooFastError": "failed",
    "MappingWarning": "warning",
}
"""What makes a finding, and of which kind it is."""

NEEDS_MORE: Final = {
    "truncated_input", "trailing_data",  # a file that is no text
    "already_taken", "already_there", "delivered_before", "known_reject",  # an account, or a run before
    "call_too_long",  # an example too long to read
    "suppressed",  # a second file
}  # fmt: skip
"""The codes for which a page has no example to run."""

WITHOUT_RECORD: Final = {("skipped", "unchanged"), ("skipped", "superseded")}
"""What is found of a call about surveys, which no record is counted for."""


def written_codes() -> Iterator[tuple[str, str]]:
    """The kind and name of each code that stands in the source where a finding is made."""
    for path in ROOT.joinpath("wootric_map").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args:
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                first = node.args[0]
                if name in MADE_BY and isinstance(first, ast.Constant):
                    yield MADE_BY[name], str(first.value)


def test_each_code_has_a_page_and_each_page_a_code() -> None:
    assert set(PAGE_OF) == set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_a_page_begins_with_the_code_and_what_it_stands_for(code: str) -> None:
    heading, title, *rest = PAGE_OF[code].split("\n\n")
    assert (heading, title) == (f"# `{code}`", CODES[code].title)
    assert "## What to do" in "\n".join(rest)


def test_each_code_in_the_source_is_listed_with_its_kind() -> None:
    found = set(written_codes())
    assert len(found) > 30
    unlisted = {
        each for each in found if each[1] not in CODES or each[0] not in CODES[each[1]].kinds
    }
    assert unlisted == WITHOUT_RECORD


@pytest.mark.parametrize(("kind", "all_of_it"), [("rejected", REJECTIONS), ("warning", WARNINGS)])
def test_the_codes_of_the_model_are_those_that_are_listed(kind: Kind, all_of_it: object) -> None:
    assert isinstance(all_of_it, frozenset | tuple)
    assert set(names(kind)) == set(all_of_it)


def test_all_that_records_alone_can_show_has_an_example() -> None:
    without = {code for code in CODES if not EXAMPLE.search(PAGE_OF[code])}
    assert without == NEEDS_MORE | {code for code, each in CODES.items() if "failed" in each.kinds}


@pytest.mark.parametrize("code", [code for code in CODES if EXAMPLE.search(PAGE_OF[code])])
def test_the_example_of_a_page_shows_its_code(code: str, run: "Run", tmp_path: Path) -> None:
    found = EXAMPLE.search(PAGE_OF[code])
    assert found
    (tmp_path / "example.ndjson").write_text(found[2], encoding="utf-8")
    done = run(*shlex.split(found[1]), "--fail-on", code, "example.ndjson")
    assert done.returncode == 7, done.stdout + done.stderr
    assert f"--fail-on {code}: found " in done.stderr
    if CODES[code].kinds != ("skipped",):
        assert page(code) in done.stdout + done.stderr


def test_a_misspelled_code_is_told_its_nearest() -> None:
    assert nearest("invald-JSON") == "invalid_json"
    assert nearest("zzz") is None
