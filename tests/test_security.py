"""SECURITY.md promises nothing that no test shows."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[^`]*)`", PAGE)))
PROMISES = re.findall(r"^\| (?!Promise |---)(.*?) \| (.*) \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("named", NAMED)
def test_each_named_test_is_there(named: str) -> None:
    file, _, name = named.partition("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}


def test_each_promise_names_a_test() -> None:
    assert len(PROMISES) > 20
    assert [promise for promise, tests in PROMISES if "`tests/" not in tests] == []
